"""The explore page, to be served beside the actions of a workbench."""

from __future__ import annotations

from ..pages.page import render

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
