"""The reference VAE of MOSES, written from its published description, to be timed on the same
machine.

Polykovskiy et al., arXiv 1811.12823, in the default configuration of its implementation: characters
of SMILES, one-hot embeddings, a GRU encoder of 256 units, a decoder of three GRU layers of 512
units that sees z beside every character and starts from a linear map of z, z of 128 dimensions,
batches of 512, Adam, fp32, and a sampler that takes one hundred steps for every batch. Knows
nothing of molvae."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

PAD, BEGIN, END = 0, 1, 2
LATENT, ENCODER, DECODER, LAYERS = 128, 256, 512, 3
BATCH, LONGEST = 512, 100


class ReferenceVAE(nn.Module):
    """SMILES characters → z → SMILES characters."""

    def __init__(self, alphabet: Sequence[str]) -> None:
        super().__init__()
        self.index = {character: number for number, character in enumerate(alphabet, start=3)}
        size = 3 + len(alphabet)
        self.embedding = nn.Embedding(size, size, padding_idx=PAD)
        self.embedding.weight.data.copy_(torch.eye(size))
        self.encoder = nn.GRU(size, ENCODER, batch_first=True)
        self.mean, self.log_variance = nn.Linear(ENCODER, LATENT), nn.Linear(ENCODER, LATENT)
        self.start = nn.Linear(LATENT, DECODER)
        self.decoder = nn.GRU(size + LATENT, DECODER, num_layers=LAYERS, batch_first=True)
        self.output = nn.Linear(DECODER, size)

    def ids(self, smiles: str) -> Tensor:
        """Character ids of a SMILES between begin and end."""
        return torch.tensor([BEGIN, *(self.index[c] for c in smiles), END])

    def loss(self, molecules: list[Tensor], weight: float) -> Tensor:
        """Mean cross-entropy of a character plus ``weight`` times the mean KL of a molecule."""
        molecules = sorted(molecules, key=len, reverse=True)
        lengths = torch.tensor([len(one) for one in molecules])
        padded = pad_sequence(molecules, batch_first=True, padding_value=PAD)  # (B, T)
        embedded = self.embedding(padded)
        _, last = self.encoder(pack_padded_sequence(embedded, lengths, batch_first=True))
        mean, log_variance = self.mean(last[-1]), self.log_variance(last[-1])
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        kl = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum(1).mean()
        seen = torch.cat([embedded, z[:, None].expand(-1, padded.shape[1], -1)], dim=-1)
        state = self.start(z)[None].repeat(LAYERS, 1, 1)
        packed, _ = self.decoder(pack_padded_sequence(seen, lengths, batch_first=True), state)
        hidden, _ = pad_packed_sequence(packed, batch_first=True)
        logits = self.output(hidden)[:, :-1].reshape(-1, self.output.out_features)
        return (
            functional.cross_entropy(logits, padded[:, 1:].reshape(-1), ignore_index=PAD)
            + weight * kl
        )

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """``count`` strings of at most a hundred characters, ``(count, 100)``; ended ones go on as
        padding.
        """
        z = torch.randn(count, LATENT)
        state = self.start(z)[None].repeat(LAYERS, 1, 1)
        written = torch.full((count, LONGEST), PAD)
        written[:, 0] = last = torch.full((count,), BEGIN)
        ended = torch.zeros(count, dtype=torch.bool)
        for step in range(1, LONGEST):
            seen = torch.cat([self.embedding(last), z], dim=-1)[:, None]
            hidden, state = self.decoder(seen, state)
            last = torch.multinomial(self.output(hidden[:, 0]).softmax(-1), 1)[:, 0]
            written[~ended, step] = last[~ended]
            ended |= last == END
        return written
