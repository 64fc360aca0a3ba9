"""The ELBO and the loop: a data set in, one record a step and an epoch out.

``train`` changes the :class:`TrainingState` it is given and yields; saving, printing and stopping
are the caller's. Every step is a pure function of the state, the data and the seed, so a training
that is stopped, saved and resumed ends with the same bits on a CPU."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from ..config import Config
from ..datasets.dataset import VALIDATED, Dataset, Rows
from ..errors import TrainingError
from ..nn.model import MoleculeVAE
from ..nn.posterior import standard_normal
from ..nn.threads import Threads
from .distributed import ALONE, Group
from .loss import Part, batch_terms
from .schedules import (
    generator_of,
    kl_weight,
    learning_rate,
    levels_of_step,
    spellings_of_step,
)
from .validation import Validation, validate

MEASURED_STEPS, MEASURED_SHARE = (20, 50), 0.02
"""With ``minutes``, the steps timed to fix their number: those after the first of these, up to the
last at least, and for this share of the minutes, which a pause of the machine does not rule.
Earlier ones compile and warm up."""


class Step(NamedTuple):
    """One optimiser step; ELBO and its terms are means per molecule, in nats."""

    step: int
    total_steps: int
    epoch: int
    elbo: float
    reconstruction: float
    kl: float
    beta: float
    learning_rate: float
    gradient_norm: float
    molecules_per_second: float
    seconds_left: float


class Epoch(NamedTuple):
    """The end of an epoch: means over its molecules, held-out figures of the averaged weights."""

    epoch: int
    step: int
    seconds: float
    beta: float
    elbo: float
    reconstruction: float
    kl: float
    validation: Validation
    best: bool


@dataclass
class TrainingState:
    """A training between two steps."""

    model: MoleculeVAE
    average: MoleculeVAE
    optimiser: torch.optim.AdamW
    config: Config
    fingerprint: str
    step: int = 0
    total_steps: int = 0
    validated_step: int = 0
    best: float = -math.inf
    since_best: int = 0
    seconds: float = 0.0
    measured_seconds: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Log-likelihood, KL and molecules since the last validation."""

    @property
    def out_of_steps(self) -> bool:
        """True once every planned step is done, or patience has run out."""
        patience = self.config.training.patience
        worn_out = bool(patience) and self.since_best >= patience
        return worn_out or bool(self.total_steps and self.step >= self.total_steps)

    @property
    def mark(self) -> str:
        """A hash of the weights and the step, equal in all processes of a training."""
        digest = hashlib.sha256(str(self.step).encode())
        for weight in self.model.parameters():
            digest.update(weight.detach().cpu().numpy().tobytes())
        return digest.hexdigest()


def begin(dataset: Dataset, config: Config, device: torch.device) -> TrainingState:
    """A new training: weights drawn from the seed, nothing learned yet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        model = MoleculeVAE(config.model, len(dataset.vocabulary), max_steps=steps_for(dataset))
    return assemble_state(model.to(device), config, dataset.fingerprint)


def steps_for(dataset: Dataset) -> int:
    """Steps that decoding may take: a quarter more than the longest molecule, and its end.

    TrainingError without a molecule to train on."""
    if len(dataset.training_rows) == 0:
        raise TrainingError("there is no molecule to train on")
    longest = int(dataset.lengths.max())
    return longest + longest // 4 + 2


def assemble_state(model: MoleculeVAE, config: Config, fingerprint: str) -> TrainingState:
    """A state around a model: an averaged copy of it and a fresh optimiser."""
    model.set_precision(config.training.precision)  # type: ignore[arg-type]  # checked in config
    model.train()  # a model that was loaded to go on with came ready for use
    average = copy.deepcopy(model).requires_grad_(False).eval()
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(
        groups, lr=config.training.learning_rate, betas=(0.9, 0.99), fused=True
    )
    return TrainingState(model, average, optimiser, config, fingerprint)


def full_beta(config: Config) -> float:
    """Weight of the KL after warm-up: 0 with levels, whose KL is a constant of the level."""
    return config.training.beta if config.model.posterior == "gaussian" else 0.0


def is_autoencoder(config: Config) -> bool:
    """True if z is the posterior's mean, without noise: a Gaussian posterior with a beta of 0."""
    return config.model.posterior == "gaussian" and config.training.beta == 0.0


def one_step(
    state: TrainingState, dataset: Dataset, rows: Rows, threads: Threads, group: Group = ALONE
) -> Step:
    """One optimiser step on the molecules ``rows``.

    A step whose gradient is not finite changes no weight."""
    config, model = state.config.training, state.model
    beta = kl_weight(
        state.step / state.total_steps if state.total_steps else 0.0,
        full_beta(state.config),
        config.beta_schedule,
        config.beta_warmup,
        config.beta_cycles,
    )
    shape = (config.mc_samples, len(rows), model.config.latent)
    noise = standard_normal(shape, generator_of(config.seed, state.step))
    if is_autoencoder(state.config):
        noise.zero_()
    level = levels_of_step(state.config, state.step, len(rows))
    if dataset.spellings and level is not None:
        spellings = spellings_of_step(state.config, state.step, level, dataset.spellings)
        rows = dataset.spelled(rows, spellings.numpy())
    batch = Part(rows, noise, beta, len(rows), level)
    likelihood, kl, gradients = batch_terms(model, dataset, batch, config.free_bits, threads, group)
    norm = get_total_norm(gradients)
    rate = learning_rate(state.step, state.total_steps, config)
    if math.isfinite(norm):
        update(state, gradients, norm, rate, threads)
    if math.isfinite(norm + likelihood + kl):
        state.sums = [a + b for a, b in zip(state.sums, (likelihood, kl, len(rows)), strict=True)]
    state.step += 1
    reconstruction, kl = likelihood / len(rows), kl / len(rows)
    return Step(
        step=state.step,
        total_steps=state.total_steps,
        epoch=0,
        elbo=reconstruction - kl,
        reconstruction=reconstruction,
        kl=kl,
        beta=beta,
        learning_rate=rate,
        gradient_norm=float(norm),
        molecules_per_second=0.0,
        seconds_left=0.0,
    )


def update(
    state: TrainingState, gradients: Sequence[Tensor], norm: Tensor, rate: float, threads: Threads
) -> None:
    """Clip the gradients, step the optimiser, and move the averaged weights towards the new."""
    parameters = list(state.model.parameters())
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    clip_grads_with_norm_(parameters, state.config.training.clip, norm)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.step()
    state.optimiser.zero_grad()
    # Early on the average must forget quickly, or it would still hold the first, random weights.
    decay = min(state.config.training.ema, (1 + state.step) / (10 + state.step))
    pairs = zip(state.average.parameters(), parameters, strict=True)
    threads.map(lambda pair: pair[0].lerp_(pair[1].detach(), 1.0 - decay), pairs)


def steps_per_epoch(state: TrainingState, dataset: Dataset) -> int:
    """Batches that hold every training molecule once."""
    return math.ceil(len(dataset.training_rows) / state.config.training.batch_size)


def validation_due(state: TrainingState, dataset: Dataset) -> bool:
    """True if the next record will be an :class:`Epoch`: its steps are done, not validated."""
    over = state.step % steps_per_epoch(state, dataset) == 0 or state.out_of_steps
    return over and state.step > state.validated_step


def end_of_epoch(state: TrainingState, dataset: Dataset, threads: Threads, group: Group) -> Epoch:
    """Validate the averaged weights, and remember whether they are the best so far."""
    began = time.monotonic()
    held_out = dataset.validation_rows if dataset.validation.any() else dataset.training_rows
    noisy = not is_autoencoder(state.config)
    figures = validate(state.average, dataset, held_out[:VALIDATED], threads, group, noisy=noisy)
    # A resumed training has in both models the buffers that validation fits to the averaged one.
    for fitted, validated in zip(state.model.buffers(), state.average.buffers(), strict=True):
        fitted.copy_(validated)
    # Judged as trained: the KL has its full weight of the loss, level 0 counts as the highest.
    beta = full_beta(state.config)
    judged = group.first(
        figures.reconstruction - beta * figures.kl + (figures.unconditional or 0.0)
    )
    best = judged > state.best
    state.best = max(state.best, judged)
    state.since_best = 0 if best else state.since_best + 1
    likelihood, kl, count = state.sums
    count = max(1.0, count)
    state.sums, state.validated_step = [0.0, 0.0, 0.0], state.step
    state.seconds += group.first(time.monotonic() - began)
    epoch = math.ceil(state.step / steps_per_epoch(state, dataset))
    means = ((likelihood - kl) / count, likelihood / count, kl / count)
    return Epoch(epoch, state.step, state.seconds, beta, *means, figures, best)


def train(state: TrainingState, dataset: Dataset, group: Group = ALONE) -> Iterator[Step | Epoch]:
    """Train until the planned number of steps, yielding a record after every step and every epoch.

    The state is whole whenever a record is yielded: it may be saved, and a later call goes on from
    it. With several processes each trains on its share of every batch, and states and records are
    the same in all of them. Raises TrainingError when the gradient stays non-finite."""
    config = state.config.training
    per_epoch = steps_per_epoch(state, dataset)
    if not config.minutes:
        state.total_steps = config.epochs * per_epoch
    bad_steps, pace, ended = 0, 0.0, time.monotonic()
    with Threads(state.model.device, config.batch_size // group.world.size) as threads:
        while True:
            epoch, place = divmod(state.step, per_epoch)
            if validation_due(state, dataset):
                yield end_of_epoch(state, dataset, threads, group)
            if state.out_of_steps:
                return
            for rows in dataset.epoch(config.seed, epoch, config.batch_size)[place:]:
                began = time.monotonic()
                record = one_step(state, dataset, rows, threads, group)
                taken, whole = group.first(time.monotonic() - began), time.monotonic() - ended
                ended = time.monotonic()
                pace = 0.95 * pace + 0.05 * taken if pace else taken
                keep_time(state, taken, whole, group)
                bad_steps = 0 if math.isfinite(record.gradient_norm) else bad_steps + 1
                if bad_steps == 10:
                    raise TrainingError(
                        f"the gradient was not finite ten times in a row, up to step {state.step}"
                    )
                yield record._replace(
                    epoch=epoch + 1,
                    total_steps=state.total_steps,
                    molecules_per_second=len(rows) / taken,
                    seconds_left=max(0, state.total_steps - state.step) * pace,
                )
                if state.out_of_steps:
                    break


def keep_time(state: TrainingState, taken: float, whole: float, group: Group) -> None:
    """Count the seconds of a step; with ``minutes``, fix the number of steps once timed.

    The ``whole`` time since the step before decides: with few molecules, validating and saving
    after every epoch take longer than training."""
    state.seconds += taken
    first, last = MEASURED_STEPS
    planned = state.config.training.minutes * 60
    if not planned or state.total_steps or state.step <= first:
        return
    state.measured_seconds += whole
    measured = group.first(state.measured_seconds)
    if state.step >= last and measured >= MEASURED_SHARE * planned:
        state.total_steps = max(state.step + 1, round(planned * (state.step - first) / measured))
