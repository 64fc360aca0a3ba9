"""The loss of a batch and its gradients, summed over threads and processes.

The noise is that of the whole batch, so the sum over the parts is the gradient of the batch,
however it was cut (but for ``free_bits``, which takes the mean over a part).

    B molecules, K Monte-Carlo samples, Z latent
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ..datasets.dataset import Dataset, Rows
from ..nn.model import MoleculeVAE, Packed
from ..nn.posterior import free_kl
from ..nn.threads import Threads
from .distributed import Group


class Part(NamedTuple):
    """Some molecules of a batch of ``total``, with their noise ``(K, B, Z)``, the weight of their
    KL, and the noise level of each, ``(B, 1)``, if the posterior has several."""

    rows: Rows
    noise: Tensor
    beta: float
    total: int
    level: Tensor | None = None

    def cut(self, some: slice) -> Part:
        """The part that holds some of these molecules."""
        level = None if self.level is None else self.level[some]
        return Part(self.rows[some], self.noise[:, some], self.beta, self.total, level)


class Terms(NamedTuple):
    """Sums over molecules, in nats, and gradients of the loss."""

    log_likelihood: float
    kl: float
    gradients: tuple[Tensor, ...]


def terms(model: MoleculeVAE, dataset: Dataset, free_bits: float, part: Part) -> Terms:
    """Loss and gradients of part of a batch.

    The loss is -E[log p(x|z)] + beta KL(q(z|x) ‖ N(0, I)), summed over symbols and dimensions, a
    mean over molecules. Noise of zeros makes a plain autoencoder: z is the posterior's mean."""
    batch = dataset.batch(part.rows, model.config.prefix_features)
    packed = Packed.from_batch(batch, model.device)
    level = None if part.level is None else part.level[batch.order].to(model.device)
    posterior = model.encode(packed, level)
    kl = posterior.kl()
    noise = part.noise[:, batch.order].to(model.device)
    likelihood = torch.stack(
        [model.log_likelihood(packed, posterior.draw(eps), level) for eps in noise]
    ).mean(0)
    loss = (part.beta * free_kl(kl, free_bits) - likelihood).sum() / part.total
    gradients = torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)
    return Terms(float(likelihood.detach().sum()), float(kl.detach().sum()), gradients)


def batch_terms(
    model: MoleculeVAE,
    dataset: Dataset,
    batch: Part,
    free_bits: float,
    threads: Threads,
    group: Group,
) -> Terms:
    """The terms of a whole batch, the same in every process."""
    mine = batch.cut(group.share)
    count = min(threads.count, len(mine.rows))
    parts = [mine.cut(slice(first, None, count)) for first in range(count)]
    found = threads.map(partial(terms, model, dataset, free_bits), parts)
    if found:
        gradients = list(found[0].gradients)
    else:  # the last batch of an epoch may hold fewer molecules than there are processes
        gradients = [torch.zeros_like(parameter) for parameter in model.parameters()]
    for other in found[1:]:
        # One thread a tensor: torch's own threads would wait busily on the same cores.
        pairs = zip(gradients, other.gradients, strict=True)
        threads.map(lambda pair: pair[0].add_(pair[1]), pairs)
    sums = [sum(one.log_likelihood for one in found), sum(one.kl for one in found)]
    likelihood, kl = group.add_numbers(torch.tensor(sums, dtype=torch.float64)).tolist()
    return Terms(likelihood, kl, tuple(group.add_gradients(gradients)))
