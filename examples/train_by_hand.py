"""A SELFIES variational autoencoder as a textbook shows it: torch, selfies and RDKit alone.

python examples/train_by_hand.py --steps 300    # comments name molvae's modules for the same
"""

import argparse
import gzip
from pathlib import Path

import selfies
import torch
from rdkit import Chem
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

END = 0  # begins and ends every molecule


class VAE(nn.Module):  # molvae/nn/model.py; V symbols, B molecules, T steps, Z latent
    def __init__(self, symbols, width=64, units=128, latent=32):
        super().__init__()
        self.latent, self.embed = latent, nn.Embedding(symbols, width)
        self.encoder = nn.GRU(width, units, batch_first=True)
        self.mean, self.log_variance = nn.Linear(units, latent), nn.Linear(units, latent)
        self.start = nn.Linear(latent, units)
        self.decoder = nn.GRU(width + latent, units, batch_first=True)
        self.output = nn.Linear(units, symbols)

    def posterior(self, molecules):  # molvae/nn/posterior.py: q(z|x), mean and log-variance (B, Z)
        x, lengths = pad_sequence(molecules, True), [len(one) for one in molecules]
        packed = pack_padded_sequence(self.embed(x), lengths, True, enforce_sorted=False)
        summary = self.encoder(packed)[1][0]
        return self.mean(summary), self.log_variance(summary)

    def logits(self, z, x, state=None):  # of the symbol after each of x (B, T): (B, T, V)
        state = self.start(z).tanh()[None] if state is None else state
        seen = torch.cat([self.embed(x), z[:, None].expand(-1, x.shape[1], -1)], -1)
        hidden, state = self.decoder(seen, state)
        return self.output(hidden), state

    def elbo(self, molecules):  # molvae/training/loss.py: E log p(x|z) and KL, nats a molecule
        mean, log_variance = self.posterior(molecules)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)  # reparameterisation
        end = torch.tensor([END])
        inputs = pad_sequence([torch.cat([end, one]) for one in molecules], True)
        targets = pad_sequence([torch.cat([one, end]) for one in molecules], True, -100)  # left out
        logits = self.logits(z, inputs)[0].flatten(0, 1)
        log_likelihood = -cross_entropy(logits, targets.flatten(), reduction="sum")
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
        return log_likelihood / len(molecules), kl / len(molecules)

    @torch.no_grad()
    def sample(self, count, longest=100):  # molvae/generation/sampling.py, molvae/nn/decoding.py
        z, state, written = torch.randn(count, self.latent), None, [torch.full((count, 1), END)]
        for _ in range(longest):
            logits, state = self.logits(z, written[-1], state)
            written.append(torch.multinomial(logits[:, 0].softmax(-1), 1))
        return torch.cat(written[1:], 1).tolist()


def train(path, steps):  # molvae/datasets/prepare.py, then molvae/training/loop.py
    smiles = gzip.decompress(path.read_bytes()).decode().split()[1:5001]  # below the header
    molecules = [list(selfies.split_selfies(selfies.encoder(one))) for one in smiles]
    symbols = ["", *sorted({symbol for one in molecules for symbol in one})]
    data = [torch.tensor([symbols.index(symbol) for symbol in one]) for one in molecules]
    model = VAE(len(symbols))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(steps):
        batch = [data[i] for i in torch.randint(len(data), (64,))]
        log_likelihood, kl = model.elbo(batch)
        beta = min(1.0, 2 * step / steps)  # KL warm-up; molvae's noise levels need none
        optimiser.zero_grad()
        (beta * kl - log_likelihood).backward()
        optimiser.step()
        if step % max(1, steps // 10) == 0 or step == steps - 1:
            print(f"step {step} ELBO {log_likelihood - kl:.2f} KL {kl:.2f} nats", flush=True)
    return model, symbols


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a small VAE, and print 20 samples.")
    parser.add_argument("--steps", type=int, default=300)
    torch.manual_seed(0)
    bundled = Path(__file__).parents[1] / "data" / "moses_sample.csv.gz"
    model, symbols = train(bundled, parser.parse_args().steps)
    for ids in model.sample(20):  # symbols up to the first END are the SELFIES of a molecule
        text = "".join(symbols[i] for i in [*ids, END][: [*ids, END].index(END)])
        print(Chem.CanonSmiles(selfies.decoder(text)))
