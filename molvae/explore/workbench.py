"""The explore page, and all that it can ask of a model: methods that take and give plain values.

Molecules are SMILES, structures SVG, and all else numbers and words, ready for JSON. Requests come
on several threads; the model works for one at a time. Directions are fitted on a thread of their
own, so that the page opens at once.
"""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from itertools import groupby
from threading import Event, Lock, Thread
from typing import Any

import numpy as np

from ..chem.fingerprints import Floats, tanimoto
from ..chem.scoring import plan_scores, score_one
from ..errors import MolvaeError, UsageError
from ..generation.analogs import Wanted, analogs
from ..generation.codec import Codec, Latents
from ..generation.interpolation import interpolate
from ..generation.reader import Sample, read_known
from ..generation.rebuilding import rebuild
from ..generation.sampling import draw_around
from ..pages.page import render
from ..pages.structures import strip, structures
from .directions import PROPERTIES, Directions, fit_directions, move, property_values

SCORES = ("qed", "sa", "logp", "molwt", "rings")
"""Scores of a molecule on the page, by their names in :data:`molvae.chem.properties.PROPERTIES`."""

SAMPLES = 1536
"""Samples that directions are fitted to."""

CHUNK = 128
"""Samples encoded before a request may come between."""

PAUSE = 0.02
"""Seconds after a chunk is drawn: a lock that is freed and taken again at once is passed to
nobody."""

PATIENCE = 3.0
"""Seconds in which a chunk should end; where functions are being compiled it does not."""

SIMILARITY = (0.2, 1.0)
"""Window of similarity in which the analogs of a lead are gathered."""

ANALOGS, DRAWS = 200, 1536
"""Analogs of a lead, and draws for them, at most; and for more of them."""

STEPS = 31
"""Molecules of a path."""

MOST = 48
"""Molecules in one request."""

LONGEST = 1000
"""Characters of a SMILES."""

LOG = logging.getLogger(__name__)

Answer = dict[str, Any]

EXAMPLES = (
    {"name": "paracetamol", "smiles": "CC(=O)Nc1ccc(O)cc1"},
    {"name": "ibuprofen", "smiles": "CC(C)Cc1ccc(C(C)C(=O)O)cc1"},
    {"name": "celecoxib", "smiles": "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"},
)


def explore_page(model: str) -> str:
    """The page of a model, by its name; it asks the server that it came from."""
    return render(
        "explore.html",
        title="molvae explore",
        facts={"model": model},
        styles=["explore.css"],
        scripts=["explore.js"],
        connect="'self'",
        examples=EXAMPLES,
    )


class Workbench:
    """A model on loan to the page; ``close`` ends its fit."""

    def __init__(self, codec: Codec, samples: int = SAMPLES) -> None:
        self._codec, self._samples = codec, samples
        self._lock, self._stop = Lock(), Event()
        self._directions: Directions | None = None
        self._problem = ""
        self._thread = Thread(target=self._fit, daemon=True)

    def start(self) -> None:
        """Begin to fit the directions."""
        self._thread.start()

    def close(self) -> None:
        """End the fit, if it is under way, and wait a little for that."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)

    @property
    def actions(self) -> dict[str, Any]:
        """The methods that the page may call, by their names; each takes the request's object."""
        every = (self.lead, self.molecules, self.analogs, self.path, self.move, self.directions)
        return {method.__name__: method for method in every}

    def lead(self, asked: Answer) -> Answer:
        """A molecule as the model reads it, with ``notes`` for people; MoleculeError otherwise."""
        given = text_of(asked, "smiles")
        reading = self._codec.reader.read(given)
        notes = []
        if "." in given:
            notes.append("Salts and solvents were left out, charges neutralised.")
        with self._lock:
            (written,) = rebuild(self._codec, self._codec.encode_readings([reading]), 1, 1)
        if written.smiles != reading.smiles:
            notes.append(
                "The model does not write this molecule at once itself: what it draws around it "
                "may be less similar."
            )
        return card(reading.smiles) | {"notes": notes}

    def molecules(self, asked: Answer) -> Answer:
        """Structures, laid over the ``lead`` if one is given, and scores of some molecules."""
        smiles = asked.get("smiles")
        if not isinstance(smiles, list) or not 1 <= len(smiles) <= MOST:
            raise UsageError(f"`smiles` must be a list of 1 to {MOST} molecules")
        lead = text_of(asked, "lead") if asked.get("lead") else ""
        return {"cards": [card(text_of({"smiles": one}, "smiles"), lead) for one in smiles]}

    def analogs(self, asked: Answer) -> Answer:
        """Distinct molecules drawn around a lead, the most similar first; another ``seed`` draws
        others."""
        seed = int(number_of(asked, "seed", 0, 2**31))
        wanted = Wanted(*SIMILARITY, keep_scaffold=asked.get("keep_scaffold") is True)
        lead = self._codec.reader.read(text_of(asked, "smiles"))
        with self._lock:
            found, drawn = analogs(self._codec, lead, ANALOGS, wanted, seed, DRAWS)
        names = ("smiles", "tanimoto", "level")
        rows = [{name: getattr(one, name) for name in names} for one in found]
        return {"found": rows, "drawn": drawn}

    def path(self, asked: Answer) -> Answer:
        """The molecules from ``start`` to ``end``, each once, with the similarity to both."""
        ends = [self._codec.reader.read(text_of(asked, name)).smiles for name in ("start", "end")]
        with self._lock:
            points = interpolate(self._codec, *ends, steps=STEPS)
        each = [next(run) for _, run in groupby(points, key=lambda one: one.smiles)]
        drawn = strip([one.smiles for one in each])
        return {
            "points": [
                scores(one.smiles)
                | {
                    "smiles": one.smiles,
                    "svg": svg,
                    "start": one.tanimoto_start,
                    "end": one.tanimoto_end,
                }
                for one, svg in zip(each, drawn, strict=True)
            ]
        }

    def directions(self, _: Answer) -> Answer:
        """The properties that have a direction, with the spread of each among the model's own
        samples, and R² of its fit; ``ready`` once they are fitted."""
        found = self._directions
        if found is None:
            return {"ready": False, "problem": self._problem}
        rows = zip(PROPERTIES, found.spreads.tolist(), found.explained.tolist(), strict=True)
        keys = ("name", "spread", "explained")
        return {"ready": True, "properties": [dict(zip(keys, row, strict=True)) for row in rows]}

    def move(self, asked: Answer) -> Answer:
        """Molecules drawn from a lead towards ``changes`` of its properties, the best first."""
        changes = asked.get("changes")
        if not isinstance(changes, dict) or not changes.keys() <= set(PROPERTIES):
            raise UsageError(f"`changes` must name properties of {', '.join(PROPERTIES)}")
        wanted = {name: number_of(changes, name, -1e4, 1e4) for name in changes}
        seed = int(number_of(asked, "seed", 0, 2**31))
        lead = self._codec.reader.read(text_of(asked, "smiles"))
        if self._directions is None:
            raise UsageError(self._problem or "the directions are still being fitted")
        with self._lock:
            found, drawn = move(self._codec, self._directions, lead, wanted, seed)
        # One structure now: the page asks for the others when the slider rests.
        best = card(found[0], lead.smiles) if found else None
        return {"best": best, "found": found, "drawn": drawn}

    def _fit(self) -> None:
        try:
            latents: list[Latents] = []
            values: list[Floats] = []
            for first in range(0, self._samples, CHUNK):
                with self._lock:
                    smiles = self._drawn(first)
                if self._stop.wait(PAUSE):
                    return
                readings = read_known(self._codec.reader, smiles)
                with self._lock:
                    latents.append(self._codec.encode_readings(readings))
                values.append(property_values([one.smiles for one in readings]))
            self._directions = fit_directions(np.concatenate(latents), np.concatenate(values))
        except MolvaeError as error:
            self._problem = str(error)
            LOG.warning("no directions: %s", error)

    def _drawn(self, first: int) -> list[str]:
        """A chunk of the model's own samples: distinct draws at noise level 0."""
        nowhere = np.zeros((CHUNK, self._codec.latent), np.float32)
        drawn = draw_around(self._codec, nowhere, np.zeros(CHUNK), 0, first)
        return list(dict.fromkeys(one.smiles for one in drawn if isinstance(one, Sample)))


@lru_cache(maxsize=8192)
def card(smiles: str, lead: str = "") -> Answer:
    """A molecule for the page: SMILES, structure and scores, and its similarity to a ``lead``,
    over which it is then laid."""
    (svg,) = structures([smiles], [lead] if lead else [])
    alike = {"tanimoto": tanimoto(smiles, lead)} if lead else {}
    return {"smiles": smiles, "svg": svg or ""} | scores(smiles) | alike


def scores(smiles: str) -> Answer:
    """The :data:`SCORES` of a molecule; None where one is not defined."""
    return dict(zip(SCORES, score_one(plan_scores(SCORES), smiles).values, strict=True))


def text_of(asked: Answer, name: str) -> str:
    """A SMILES of a request; UsageError unless it is text of a bearable length."""
    value = asked.get(name)
    if not isinstance(value, str) or len(value) > LONGEST:
        raise UsageError(f"`{name}` must be a SMILES of at most {LONGEST:,} characters")
    return value.strip()


def number_of(asked: Answer, name: str, low: float, high: float) -> float:
    """A number of a request, 0 if it is not given; UsageError unless it lies within the bounds."""
    value = asked.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"`{name}` must be a number")
    if not math.isfinite(value) or not low <= value <= high:
        raise UsageError(f"`{name}` (={value}) must lie between {low:g} and {high:g}")
    return float(value)
