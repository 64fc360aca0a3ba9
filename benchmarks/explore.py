"""Time of what the explore page asks for, and how far its directions lead.

    python benchmarks/explore.py [-m MODEL]

Every time is the median over leads, of the clock and of the processor (all threads together). A
step of the similarity slider draws twelve structures at most, none where they were drawn ahead; one
of a path asks for nothing. Then properties of the first molecule shown, when one of them is to rise
or fall by a standard deviation: how far it went, of one, and how similar the molecule is; beside
the same draws with steps of length zero."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from molvae.explore import directions as along
from molvae.explore.workbench import Workbench, card
from molvae.generation.codec import Codec
from molvae.generation.interpolation import tanimoto
from molvae.storage import pretrained

LEADS = (
    "CC(=O)Nc1ccc(O)cc1",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",
    "CC(C)NCC(O)COc1cccc2ccccc12",
    "COc1ccc2[nH]c(S(=O)Cc3ncc(C)c(OC)c3C)nc2c1",
)


def timed(label: str, calls: list[Callable[[], Any]]) -> list[Any]:
    """Results of some calls; prints the medians of their times."""
    walls, processor, results = [], [], []
    for call in calls:
        wall, own = time.perf_counter(), time.process_time()
        results.append(call())
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - own)
    times = (f"{1e3 * float(np.median(one)):8.0f} ms" for one in (walls, processor))
    print(f"{label:<46}{'   '.join(times)}", flush=True)
    return results


def main() -> None:
    """Print the times, then the effect of the directions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model")
    codec = Codec.load(str(pretrained.find(parser.parse_args().model)))
    bench = Workbench(codec)
    for action in (bench.lead, bench.analogs):  # compile
        action({"smiles": LEADS[0]})
    print(f"{'':<46}{'clock':>11}   {'processor':>11}")
    timed("directions, once, in the background", [bench._fit])
    timed("a lead", [lambda one=one: bench.lead({"smiles": one}) for one in LEADS])
    asked = [lambda one=one: bench.analogs({"smiles": one}) for one in LEADS]
    pools = timed("its analogs", asked)
    shown = [
        ([row["smiles"] for row in pool["found"][:12]], lead)
        for pool, lead in zip(pools, LEADS, strict=True)
    ]
    timed(
        "a step of similarity, 12 structures, at most",
        [lambda pair=pair: [card(one, pair[1]) for one in pair[0]] for pair in shown],
    )
    steps = np.linspace(-1.5, 1.5, 13)
    for name in ("logp", "molwt"):
        spread = {one["name"]: one["spread"] for one in bench.directions({})["properties"]}[name]
        moves = [
            lambda one=one, change=change, name=name: bench.move(
                {"smiles": one, "changes": {name: change}}
            )
            for one in LEADS[:3]
            for change in (steps * spread).tolist()
        ]
        timed(f"a step of {name}", moves)
    pairs = list(pairwise(LEADS))
    bench.path({"start": LEADS[0], "end": LEADS[2]})  # compile
    timed("a path", [lambda p=p: bench.path({"start": p[0], "end": p[1]}) for p in pairs])
    effects(codec, bench)


def effects(codec: Codec, bench: Workbench) -> None:
    """Print how far the first molecules went, with the directions and without."""
    found = bench._directions
    assert found is not None
    for label, used in (
        ("with the directions", found),
        ("without", found._replace(steps=np.zeros_like(found.steps))),
    ):
        went, alike = [], []
        for lead in codec.read(LEADS):
            own = along.property_values([lead.smiles])[0]
            for place, name in enumerate(along.PROPERTIES):
                for sign in (-1.0, 1.0):
                    change = {name: sign * float(found.spreads[place])}
                    moved, _ = along.move(codec, used, lead, change)
                    if not moved:
                        continue
                    value = along.property_values(moved[:1])[0]
                    went.append(sign * (value - own)[place] / found.spreads[place])
                    alike.append(tanimoto(moved[0], lead.smiles))
        print(f"{label:<46}{np.nanmean(went):.2f} of 1, similarity {np.mean(alike):.2f}")


if __name__ == "__main__":
    main()
