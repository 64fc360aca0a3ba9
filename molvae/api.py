"""The public functions: ``molvae.load``, ``molvae.train``, and the methods of a loaded model.

import molvae
model = molvae.load()  # a model that comes with molvae; or molvae.load("model/"), one of your own
model.sample(10)
model.decode(model.encode(["CCO"]))
model.interpolate("CCO", "c1ccccc1")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from .chem.custom_scorers import Scorer
from .chem.molecule_list import MoleculeList
from .chem.properties import conditions_of
from .config import SECTION_OF, Config, from_dict, nearest
from .errors import UsageError
from .generation import interpolation, sampling
from .generation.analogs import DRAWS, Analog, Combined, Wanted, add_latents, analogs
from .generation.codec import Codec, Latents
from .generation.interpolation import Points
from .generation.likelihoods import Likelihood, likelihoods
from .generation.reader import Sample
from .generation.rebuilding import WIDTH, Rebuilt, rebuild
from .generation.sampling import Filters, SamplingParams
from .optimisation.objectives import objective_of
from .optimisation.search import Search, optimise
from .pages.training_report import renew
from .runtime.progress import Progress
from .storage import checkpoint, model_folder, pretrained
from .training import fine_tuning, run_folder
from .training.loop import Epoch

if TYPE_CHECKING:
    from .chem.molecule_frame import MoleculeFrame


class Model:
    """A trained model, ready for use; made by :func:`load`."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def __repr__(self) -> str:
        return f"<molvae.Model {self.path}>"

    @property
    def path(self) -> Path:
        """The folder that the model was read from."""
        return self._codec.saved.path

    @property
    def config(self) -> Config:
        """The options that the model was trained with."""
        return self._codec.saved.config

    @property
    def info(self) -> dict[str, Any]:
        """Notes on the training: data, steps, metrics, versions."""
        return self._codec.saved.info

    def encode(self, smiles: Sequence[str], refine: int = 0) -> Latents:
        """Posterior means of molecules, ``(B, Z)``, each improved by ``refine`` gradient steps.

        MoleculeError for a molecule that cannot be read or holds a symbol unknown to the model."""
        return self._codec.encode(smiles, refine)

    def decode(self, z: ArrayLike, *, greedy: bool = False) -> list[str]:
        """Canonical SMILES that each latent ``(B, Z)`` decodes to; empty without atoms.

        Those of :meth:`decode_with_notes`."""
        return [one.smiles for one in self.decode_with_notes(z, greedy=greedy)]

    def decode_with_notes(self, z: ArrayLike, *, greedy: bool = False) -> MoleculeList[Rebuilt]:
        """The molecule of each latent ``(B, Z)``, and whether it encodes to that latent again.

        Where the likeliest symbols spell one that does not, a beam offers others, and the one that
        encodes nearest is taken; with ``greedy`` it stays at the likeliest symbols."""
        return MoleculeList(rebuild(self._codec, z, 1 if greedy else WIDTH), Rebuilt._fields)

    def log_likelihood(
        self, smiles: Sequence[str], samples: int = 64, seed: int = 0
    ) -> NDArray[np.float64]:
        """log p(x) of molecules in nats, ``(B,)``: exact for a model with levels, at level 0.

        For any other an IWAE bound from below, by ``samples`` draws from each posterior."""
        return self._codec.log_likelihood(self._codec.read(smiles), samples, seed)

    def optimize(
        self,
        *,
        maximize: Sequence[str | Scorer] = (),
        minimize: Sequence[str] = (),
        target: Sequence[str] = (),
        start: Sequence[str] = (),
        within: Sequence[str] = (),
        mutate: bool = False,
        calls: int = 1000,
        seed: int = 0,
    ) -> MoleculeFrame:
        """Look for molecules with better properties; every one that was scored is a row, the best
        first.

        ``maximize`` and ``minimize`` are names of properties, the former also functions ``Mol ->
        float`` or texts ``file.py:function``; ``target`` are texts such as ``logp=2.5:0.5``.
        ``start`` are molecules to begin with; ``within`` are conditions, such as ``molwt=:450``,
        for a substructure ``keep=c1ccncc1``, and ``similarity=0.4``, the least Tanimoto similarity
        to one of ``start``; ``mutate`` also tries edits of graphs.
        Columns: smiles, the goals, score, pareto, source, round, status."""
        from .chem.molecule_frame import MoleculeFrame

        names = [one for one in maximize if isinstance(one, str) and ".py:" not in one]
        scorers = [one for one in maximize if not isinstance(one, str) or ".py:" in one]
        objective = objective_of(names, minimize, target, scorers)
        leads = [one.smiles for one in self._codec.read(start)]
        conditions, similarity = conditions_of(within)
        search = Search(
            self._codec, objective, conditions, seed, None, mutate, [], leads, similarity
        )
        with Progress("optimize", calls, "calls") as bar:
            for made in optimise(search, calls):
                bar.advance(len(made))
        table = MoleculeFrame(search.values, columns=list(objective.columns))
        table.insert(0, "smiles", [call.smiles for call in search.calls])
        table["score"], table["pareto"] = search.scores(), objective.front(search.values)
        for name in ("source", "round", "status"):
            table[name] = [getattr(call, name) for call in search.calls]
        best: MoleculeFrame = table.sort_values(
            "score", ascending=False, kind="stable", ignore_index=True
        )
        return best

    def likelihood(self, smiles: Sequence[str], seed: int = 0) -> MoleculeFrame:
        """Likelihood of molecules, a row each: log p(x) and, at the posterior's mean, log
        p(x|z), in nats, and whether :meth:`decode` rebuilds them.

        Columns: smiles (as the model reads it), log_p, reconstruction, rebuilt. MoleculeError for a
        molecule that cannot be read."""
        rows = likelihoods(self._codec, self._codec.read(smiles), seed)
        return MoleculeList(rows, Likelihood._fields).to_frame()

    def sample(
        self,
        n: int,
        *,
        temperature: float | None = None,
        level: float | None = None,
        learned: bool = False,
        seed: int = 0,
        novel: bool = False,
        keep: Literal["canonical", "raw", "all"] = "canonical",
        progress: bool | None = None,
    ) -> MoleculeList[Sample]:
        """``n`` distinct valid molecules from the prior, as a list that a notebook draws and that
        ``to_frame()`` makes a DataFrame of.

        None stands for the model's own ``temperature``, and the ``level`` that models with noise
        levels are drawn at; ``learned`` draws z from the Gaussian
        fitted to the posteriors in training. ``novel`` leaves out the molecules that the model was
        last trained on: of one trained with ``start``, not those of the model that it began with;
        an exported or shipped model leaves out one novel molecule in a hundred with them, as it
        knows these by a Bloom filter. ``keep``: "canonical" leaves out draws whose SELFIES s is not
        canonical, encode(canonical(decode(s))) = s; "raw" keeps them; "all" gives the first ``n``
        draws as they are. ``progress`` shows a bar: by default on a terminal and in a notebook."""
        known = model_folder.load_known(self.path) if novel else None
        params = SamplingParams(seed, temperature, level, learned)
        if keep not in ("canonical", "raw", "all"):
            raise UsageError(f"`keep` (={keep!r}) must be canonical, raw or all")
        filters = None if keep == "all" else Filters(keep == "canonical", known)
        samples = MoleculeList[Sample]([], Sample._fields)
        with Progress("sample", n, "molecules", progress) as bar:
            for one in sampling.sample(self._codec, n, params, filters, workers=1):
                samples.append(one)
                bar.advance()
        return samples

    def analogs(
        self,
        leads: str | Sequence[str],
        n: int = 50,
        *,
        similarity: tuple[float, float] = (0.4, 0.7),
        keep_scaffold: bool = False,
        keep: str = "",
        novel: bool = False,
        draws: int = DRAWS,
        seed: int = 0,
    ) -> MoleculeFrame:
        """At most ``n`` distinct molecules around each lead, inside a window of ``similarity``.

        Tanimoto of Morgan fingerprints; ``keep_scaffold`` keeps the lead's Murcko scaffold,
        ``keep`` a SMARTS pattern; ``novel`` as in :meth:`sample`; the search around a lead ends
        after ``draws``. Columns: lead, smiles, tanimoto, level, log_likelihood."""
        from .chem.molecule_frame import MoleculeFrame

        known = model_folder.load_known(self.path) if novel else None
        wanted = Wanted(*similarity, keep_scaffold, keep, known)
        readings = self._codec.read([leads] if isinstance(leads, str) else leads)
        rows: list[tuple[str | float, ...]] = []
        with Progress("analogs", len(readings), "leads") as bar:
            for lead in readings:
                found, _ = analogs(self._codec, lead, n, wanted, seed, draws)
                rows += [(lead.smiles, *one) for one in found]
                bar.advance()
        return MoleculeFrame(rows, columns=["lead", *Analog._fields])

    def combine(
        self,
        molecule: str,
        *,
        plus: Sequence[str] = (),
        minus: Sequence[str] = (),
        n: int = 10,
        seed: int = 0,
    ) -> MoleculeFrame:
        """The molecules nearest to a sum of latents: ``molecule`` and those ``plus``, less those
        ``minus``. Columns: smiles, distance, tanimoto, see :class:`~.generation.analogs.Combined`.
        """
        added, less = self._codec.read([molecule, *plus]), self._codec.read(minus)
        found = add_latents(self._codec, added, less, n, seed)
        return MoleculeList(found, Combined._fields).to_frame()

    def interpolate(self, *molecules: str, steps: int = 11, path: str = "slerp") -> Points:
        """The molecules from the first of some to the last, by way of the others; ``steps`` from
        each to the next, both included; a list as that of :meth:`sample`, drawn as a strip.

        ``path`` is an arc ("slerp") or a straight line ("lerp") in latent space."""
        return interpolation.interpolate(self._codec, *molecules, steps=steps, path=path)


def load(model: str | Path | None = None, device: str = "cpu") -> Model:
    """The model in a folder, the best one of a training, or a shipped one by its name.

    Without a name the shipped ``druglike``. A text that names a shipped model means that one;
    ``"./druglike"`` or a ``Path`` means the folder. ``"hf:owner/name"`` is fetched from the Hugging
    Face Hub, by the extra ``hub``; nothing else reaches for the network. ModelError names what is
    wrong with a folder, UsageError comes where no model is shipped."""
    return Model(Codec.load(str(pretrained.find(model)), device))


def train(
    data: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    column: str | None = None,
    device: str = "cpu",
    force: bool = False,
    start: str | Path | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Model:
    """Train on files of SMILES (or one prepared folder) in the folder ``output``.

    Returns the best model. It begins with the weights of the model ``start``, if one is named, and
    adds the symbols that it lacks. ``options`` are those of the command line and of
    :mod:`molvae.config`, such as ``epochs=5``; UsageError names one that does not exist.
    ``progress`` shows bars: by default on a terminal and in a notebook."""
    paths = [data] if isinstance(data, str | Path) else list(data)
    config, saved = configured(options), None
    if start is not None:
        saved = checkpoint.load(pretrained.find(start))
        config = fine_tuning.configure(saved.config, run_folder.sections(options))
    base = None if saved is None else saved.vocabulary
    with Progress("prepare", unit="rows", shown=progress) as bar:
        dataset, rejected = run_folder.open_dataset(
            paths, config.data, column=column, base=base, progress=bar.advance
        )
    state = run_folder.create(
        Path(output), dataset, config, torch.device(device), force=force, start=saved
    )
    info = {} if saved is None else {"started_from": fine_tuning.started_from(saved, str(start))}
    with Progress("train", unit="steps", shown=progress) as bar:
        for record in run_folder.run_training(
            Path(output), state, dataset, info, rejected=rejected
        ):
            if isinstance(record, Epoch):
                renew(Path(output))
            note = f"ELBO {record.elbo:.2f} = {record.reconstruction:.2f} - KL {record.kl:.2f} nats"
            bar.reach(record.step, state.total_steps or None, note)
    return load(Path(output), device)


def configured(options: dict[str, Any]) -> Config:
    """A configuration from options by name."""
    for name in options:
        if name not in SECTION_OF:
            hint = nearest(name, list(SECTION_OF))
            raise UsageError(f'train: there is no option "{name}"; {hint}')
    return from_dict(run_folder.sections(options), "train")
