"""The house keeps its order: who may import whom, what stays out, and how long anything may get."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    # errors and dials
    *("errors", "config", "compilation"),
    # chemistry: text, molecules, SELFIES
    *("chemistry", "rewriting", "notation"),
    # symbols and what a prefix of them determines
    *(
        "alphabet",
        "merges",
        "vocabulary",
        "derivation",
        "closures",
        "surroundings",
        "place",
        "grammar",
        "smiles",
    ),
    # how canonical SMILES stand to symbols
    *("spelling", "kekule", "consistency", "transcription"),
    # files and processes
    *("streams", "columns", "sdf", "intake", "parallel", "processes"),
    # data sets
    *("known", "folder", "dataset", "reading", "preparation"),
    # model folders, as far as they can be told without weights
    *("shipped", "model_folder", "card"),
    # the network
    *(
        "kernels",
        "row_gru",
        "instructions",
        "panels",
        "tiles",
        "vectors",
        "blocks",
        "stepping",
        "products",
        "blocked_gru",
        "recurrence",
        "gru",
        "categorical",
        "row_sums",
        "embeddings",
        "posterior",
        "noise",
        "schedules",
        "model",
        "decoding",
    ),
    # training and its folders
    *(
        "distributed",
        "threads",
        "gradients",
        "movement",
        "validation",
        "training",
        "checkpoint",
        "finetuning",
        "export",
        "resumption",
        "runs",
    ),
    # the trained model, and what is done with it
    *("codec", "latents", "seen", "sampling", "fingerprints", "beam", "interpolation"),
    # scores of molecules
    *("properties", "scorers", "scoring"),
    # samples by the billion
    *("parts", "shards", "duplicates"),
    # figures of many molecules
    *(
        "figures",
        "tables",
        "fcd_distance",
        "moses_filters",
        "guacamol",
        "molecule_sets",
        "reference_sets",
        "metrics",
    ),
    # the benchmark of a model
    *("neighbourhoods", "aggregate", "latent_space", "speed", "evaluation"),
    # what people see
    *("drawing", "api"),
)
"""The modules of molvae, ground floor first: each may import only those before it."""

WITHOUT_TORCH = (
    *(
        "errors",
        "config",
        "chemistry",
        "notation",
        "vocabulary",
        "grammar",
        "intake",
        "parallel",
        "dataset",
    ),
    *("known", "shipped", "model_folder", "card"),
    *("preparation", "properties", "scoring", "metrics", "drawing"),
)
EXECUTES = {"dill", "cloudpickle", "joblib", "marshal", "shelve"}
EXECUTING = {
    "eval",
    "exec",
    "torch.load",
    "torch.save",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
}
HEAVY = {"torch", "rdkit", "pandas", "numba", "selfies", "safetensors"}
MODULES = {path.stem: path for path in sorted((ROOT / "molvae").glob("*.py"))}
VERBS = {path.stem: path for path in sorted((ROOT / "cli").glob("*.py"))}
ALL = [
    pytest.param(path, id=f"{path.parent.name}/{path.name}")
    for path in [*MODULES.values(), *VERBS.values()]
]
LIBRARY = [pytest.param(path, id=path.name) for path in MODULES.values()]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def rooms_imported(tree: ast.AST) -> set[str]:
    """The modules of molvae that a module of molvae imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= (
                {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("molvae."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1] for alias in node.names if alias.name.startswith("molvae.")
            }
    return found


def packages_imported(nodes: list[ast.stmt] | ast.AST) -> set[str]:
    """The top-level packages that some statements import."""
    found: set[str] = set()
    for node in nodes if isinstance(nodes, list) else ast.walk(nodes):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
    return found


def test_every_module_has_its_place_in_the_order() -> None:
    missing, gone = set(MODULES) - set(ROOMS) - {"__init__"}, set(ROOMS) - set(MODULES)
    assert not missing, (
        f"put {', '.join(sorted(missing))} in the list of rooms, above all that import it"
    )
    assert not gone, (
        f"take {', '.join(sorted(gone))} out of the list of rooms: there is no such module"
    )
    assert len(set(ROOMS)) == len(ROOMS)


@pytest.mark.parametrize("name", [name for name in ROOMS if name in MODULES])
def test_a_module_imports_only_modules_above_it(name: str) -> None:
    allowed = set(ROOMS[: ROOMS.index(name)])
    wrong = rooms_imported(tree_of(MODULES[name])) - allowed
    assert not wrong, (
        f"{name} imports {', '.join(sorted(wrong))}, which stand(s) below it in the order of rooms"
    )


@pytest.mark.parametrize("path", LIBRARY)
def test_the_library_prints_nothing_and_knows_no_command_line(path: Path) -> None:
    tree = tree_of(path)
    assert not packages_imported(tree) & {"click", "argparse", "molvae_cli"}, (
        f"{path.name} belongs in cli/"
    )
    prints = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not prints, (
        f"{path.name} prints in line {prints}: the library returns, the command line tells"
    )


@pytest.mark.parametrize("path", ALL)
def test_nothing_is_unpickled_or_executed(path: Path) -> None:
    tree = tree_of(path)
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "pickle" not in names, f"{path.name}: import pickle whole, so that its use can be seen"
    wrong = packages_imported(tree) & EXECUTES
    assert not wrong, f"{path.name} imports {wrong}, which can run what it reads"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        said = ast.unparse(node.func)
        assert said not in EXECUTING, (
            f"{path.name}, line {node.lineno}: {said} can run what it reads"
        )
        if said in {"np.load", "numpy.load"}:
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert keywords.get("allow_pickle") == "False", (
                f"{path.name}, line {node.lineno}: allow_pickle=False"
            )


@pytest.mark.parametrize("path", ALL)
def test_a_module_says_what_it_is_for_and_postpones_annotations(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    if len(tree.body) > 1:
        assert "from __future__ import annotations" in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("path", ALL)
def test_what_is_public_has_a_docstring(path: Path) -> None:
    def bare(body: list[ast.stmt], inside: str = "") -> list[str]:
        names: list[str] = []
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                names += [] if ast.get_docstring(node) else [inside + node.name]
                if isinstance(node, ast.ClassDef):
                    names += bare(node.body, f"{node.name}.")
        return names

    # The two sides of an autograd function are documented by the class they make up.
    wrong = [
        name for name in bare(tree_of(path).body) if not name.endswith((".forward", ".backward"))
    ]
    assert not wrong, f"{path.name}: {', '.join(wrong)} lack(s) a docstring"


@pytest.mark.parametrize("path", ALL)
def test_modules_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 300, f"{path.name} has {lines} lines: a room is missing"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            # A command's options stand in its signature, a line each; what counts is what it does.
            first = node.body[0].lineno if path.parent.name == "cli" else node.lineno
            length = (node.end_lineno or 0) - first + 1
            assert length <= 50, (
                f"{path.name}: {node.name} has {length} lines: a function is missing"
            )


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in VERBS.values()])
def test_the_command_line_imports_what_is_heavy_only_when_it_is_used(path: Path) -> None:
    wrong = packages_imported(tree_of(path).body) & (HEAVY | {"numpy"})
    assert not wrong, f"cli/{path.name} imports {wrong} at its head, and so does molvae --help"


def test_what_needs_no_torch_loads_none() -> None:
    code = (
        "import sys\nfrom importlib import import_module\n"
        f"for name in {WITHOUT_TORCH!r}:\n"
        "    import_module('molvae.' + name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"loading torch: {done.stderr.strip().splitlines()[-1]}"


def test_the_packages_that_are_installed_are_those_that_are_there() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    homes = {name: ROOT / tool["package-dir"].get(name, name) for name in tool["packages"]}
    for name, home in homes.items():
        assert (home / "__init__.py").is_file(), (
            f"pyproject.toml lists {name}, but {home} is no package"
        )
    for top in ("molvae", "cli"):
        for inner in (ROOT / top).rglob("__init__.py"):
            assert inner.parent in homes.values(), (
                f"pyproject.toml does not list {inner.parent}: the wheel lacks it"
            )


def test_no_module_is_named_after_nothing() -> None:
    wrong = {"utils", "util", "common", "core", "helpers", "misc", "base"} & (
        set(MODULES) | set(VERBS)
    )
    assert not wrong, f"{wrong}: name a module after what it is for"
