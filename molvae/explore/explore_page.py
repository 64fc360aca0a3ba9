"""The explore page: a workbench behind a local server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..generation.codec import Codec
from ..pages.page import render
from .server import Server
from .workbench import SAMPLES, Workbench

EXAMPLES = (
    {"name": "paracetamol", "smiles": "CC(=O)Nc1ccc(O)cc1"},
    {"name": "ibuprofen", "smiles": "CC(C)Cc1ccc(C(C)C(=O)O)cc1"},
    {"name": "celecoxib", "smiles": "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"},
)


@contextmanager
def open_server(codec: Codec, port: int = 0, samples: int = SAMPLES) -> Iterator[Server]:
    """A server of the explore page of a model, closed at the end; ``port`` 0 is any free one.

    ``samples`` of the model are drawn to fit the directions."""
    bench = Workbench(codec, samples)
    page = render(
        "explore.html",
        title="molvae explore",
        facts={"model": codec.saved.path.name},
        styles=["explore.css"],
        scripts=["explore.js"],
        connect="'self'",
        examples=EXAMPLES,
    )
    with Server(page, bench.actions, port) as server:
        bench.start()
        try:
            yield server
        finally:
            bench.close()
