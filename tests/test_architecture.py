"""The order of packages, the size of everything, and imports that stay out of it."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
layout = SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "layout.py")))

ORDER = (
    *("errors", "config"),
    *("runtime", "chem", "language", "datasets", "nn", "storage"),
    *("training", "generation", "optimisation", "evaluation", "pages", "explore"),
    *("api", "sklearn", "molvae", "__main__"),
)
"""Packages and top modules, lowest first: each imports those before it and itself alone."""

WITHOUT_TORCH = (
    *("errors", "config", "chem.scoring", "chem.drawing", "chem.properties"),
    *("language.vocabulary", "language.prefix_features", "language.selfies_codec"),
    *("datasets.table_reader", "datasets.prepare", "datasets.dataset", "runtime.process_pool"),
    *("storage.known_molecules", "storage.pretrained", "storage.model_folder"),
    *("storage.model_card", "generation.deduplication", "evaluation.distribution_metrics"),
    *("pages.page", "pages.table_report", "pages.path_report", "pages.training_report"),
)
HEAVY = {"torch", "rdkit", "pandas", "numba", "selfies", "safetensors", "numpy"}
EXECUTES = {"dill", "cloudpickle", "joblib", "marshal", "shelve"}
EXECUTING = {
    *("eval", "exec", "torch.load", "torch.save"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler"),
}
FACE = {"load", "train"}
"""Functions of the public face, which name what packages below do."""

PRIVATE_HOMES = ("molvae/nn/kernels/", "molvae/runtime/compilation.py")
MODULES: dict[str, Path] = layout.modules()
LIBRARY = [pytest.param(path, id=name) for name, path in MODULES.items()]
VERBS = [pytest.param(path, id=f"cli.{path.stem}") for path in layout.sources("cli")]
TESTS = [pytest.param(path, id=path.name) for path in layout.sources("tests")]
PACKAGES = sorted({path.parent for path in MODULES.values()})


def place_of(module: str) -> int:
    """The place of a module's package in the order."""
    parts = module.split(".")
    return ORDER.index(parts[1] if len(parts) > 1 else parts[0])


def packages_imported(nodes: list[ast.stmt] | ast.AST) -> set[str]:
    """The top-level packages that some statements import."""
    found: set[str] = set()
    for node in nodes if isinstance(nodes, list) else ast.walk(nodes):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("path", LIBRARY)
def test_packages_import_only_lower_ones(path: Path) -> None:
    mine = place_of(layout.module_of(path))
    wrong = {name for name in layout.imports_of(path) if place_of(name) > mine}
    if path.name == "__init__.py" and path.parent.name == "molvae":
        wrong = set()  # the names of the public face are imported when they are used
    assert not wrong, f"{path.name} imports {', '.join(sorted(wrong))}, above it in the order"


def test_kernels_import_nothing_of_the_network() -> None:
    for name, path in MODULES.items():
        if name.startswith("molvae.nn.kernels"):
            above = [one for one in layout.imports_of(path) if one.startswith("molvae.nn.")]
            assert all(one.startswith("molvae.nn.kernels") for one in above), (name, above)


def test_imports_form_short_chains_without_cycles() -> None:
    chain = layout.longest_chain()
    assert len(chain) <= 12, " -> ".join(chain)


def test_code_only_grows_on_purpose() -> None:
    tokens = sum(map(layout.code_tokens, layout.sources()))
    assert tokens <= 125_700, f"{tokens:,} tokens: delete some, or raise this bound and say why"


def test_folders_hold_at_most_twelve_modules() -> None:
    full = {folder.name: n for folder, n in layout.files_by_folder().items() if n > 12}
    assert not full, f"split {full}"


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_packages_export_at_most_ten_names(folder: Path) -> None:
    names: set[str] = set()
    for node in layout.tree_of(folder / "__init__.py").body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    assert len({name for name in names if not name.startswith("_")}) <= 10


@pytest.mark.parametrize("path", LIBRARY + VERBS)
def test_modules_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 500, f"{path.name} has {lines} lines"
    kernel = path.parent.name == "kernels"
    for name, node in layout.definitions(path):
        if not isinstance(node, ast.FunctionDef):
            continue
        command = any("command" in ast.unparse(one) for one in node.decorator_list)
        # The signature of a command lists its options, a line each.
        first = node.body[0].lineno if command else node.lineno
        length = (node.end_lineno or 0) - first + 1
        assert length <= 80, f"{path.name}: {name} has {length} lines"
        count = layout.parameters_of(node)
        assert kernel or command or count <= 8, f"{path.name}: {name} has {count} parameters"


def test_public_names_are_defined_in_one_package() -> None:
    homes: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        package = module.split(".")[1] if "." in module else module
        for node in layout.tree_of(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                homes.setdefault(node.name, set()).add(package)
    for name in FACE:
        homes[name].discard("api")
    double = {name: sorted(found) for name, found in homes.items() if len(found) > 1}
    assert not double, f"public names of several packages: {double}"


def test_every_module_has_a_test_file_of_its_name() -> None:
    for module, path in MODULES.items():
        if path.stem.startswith("__"):
            continue
        folder = ROOT / "tests" / Path(*module.split(".")[1:-1])
        assert (folder / f"test_{path.stem}.py").is_file(), f"tests of {module} are missing"


@pytest.mark.parametrize("path", TESTS)
def test_test_names_have_at_most_60_characters(path: Path) -> None:
    names = [name.rpartition(".")[2] for name, _ in layout.definitions(path)]
    assert not [name for name in names if name.startswith("test_") and len(name) > 60]


def test_docstrings_open_with_a_verb_or_a_noun() -> None:
    found = [
        (path.name, name, layout.opens_badly(text))
        for path in layout.all_sources()
        for name, text in layout.docstrings(path)
    ]
    assert not [(file, name) for file, name, opens in found if opens]


def test_question_words_are_found() -> None:
    assert layout.opens_badly("Whether it is so.")
    assert not layout.opens_badly("True if it is so.")


def test_no_file_mentions_a_code_generator_of_llvm() -> None:
    word = "llvm" + "lite"
    endings = {".py", ".md", ".toml", ".txt", ".cff", ".yml"}
    folders = ("molvae", "cli", "tests", "benchmarks", "docs", "examples", "recipes")
    below = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    for path in [*ROOT.iterdir(), *below]:
        if path.suffix in endings and path.name != "constraints.txt":
            assert word not in path.read_text(encoding="utf-8"), path


def private_uses(tree: ast.Module) -> Iterator[str]:
    """Names beginning with an underscore that a file takes from torch or numba, and numba.core."""
    roots: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            roots |= {
                alias.asname or alias.name.split(".")[0]
                for alias in node.names
                if alias.name.split(".")[0] in {"torch", "numba"}
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            if str(node.module).split(".")[0] in {"torch", "numba"}:
                roots |= {alias.asname or alias.name for alias in node.names}
        for name in names:
            parts = name.split(".")
            if parts[0] in {"torch", "numba"} and (
                any(part.startswith("_") for part in parts) or parts[:2] == ["numba", "core"]
            ):
                yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, *parts = ast.unparse(node).split(".")
            private = [part for part in parts if part.startswith("_") and part[:2] != "__"]
            if root in roots and (private or (root, parts[0]) == ("numba", "core")):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", LIBRARY + VERBS)
def test_private_names_of_torch_and_numba_stay_in_kernels(path: Path) -> None:
    if not path.relative_to(ROOT).as_posix().startswith(PRIVATE_HOMES):
        assert not set(private_uses(layout.tree_of(path)))


def test_private_names_are_found() -> None:
    code = "import torch\nfrom numba import core\nfrom torch._C import a\ntorch.cpu._b(torch.c)"
    found = set(private_uses(ast.parse(code)))
    assert found == {"numba.core", "torch._C.a", "torch.cpu._b"}


def is_compiled(node: ast.stmt, inlined: str = "") -> bool:
    """True for a function under @compiled, whose options contain ``inlined``."""
    marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", [])]
    return any(mark.startswith("compiled(") and inlined in mark for mark in marks)


def called_by_python(tree: ast.Module) -> set[str]:
    """Inlined private functions that a module names outside its compiled functions."""
    private = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("_")
        and is_compiled(node, "forceinline=True")
    }
    plain = [node for node in tree.body if not is_compiled(node)]
    return private & {
        node.id for one in plain for node in ast.walk(one) if isinstance(node, ast.Name)
    }


@pytest.mark.parametrize("path", LIBRARY + TESTS)
def test_inlined_private_functions_have_no_plain_callers(path: Path) -> None:
    tree = layout.tree_of(path)
    assert not called_by_python(tree)
    if path in [one.values[0] for one in TESTS]:
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("molvae")
            for alias in node.names
        }
        assert not [name for name in imported if name.startswith("_")], "private to its module"


def test_plain_callers_of_inlined_functions_are_found() -> None:
    code = "@compiled(forceinline=True)\ndef _a(): ...\n@compiled()\ndef b(): _a()\n"
    assert not called_by_python(ast.parse(code))
    assert called_by_python(ast.parse(f"{code}def c(): _a()")) == {"_a"}


@pytest.mark.parametrize("path", LIBRARY)
def test_the_library_prints_nothing_and_has_no_command_line(path: Path) -> None:
    tree = layout.tree_of(path)
    wrong = packages_imported(tree) & {"click", "argparse", "molvae_cli"}
    assert not wrong, f"{path.name} imports {wrong}: it belongs in cli/"
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    prints = [one.lineno for one in calls if ast.unparse(one.func) == "print"]
    assert not prints, f"{path.name} prints in line {prints}"


@pytest.mark.parametrize("path", LIBRARY + VERBS)
def test_nothing_is_unpickled_or_executed(path: Path) -> None:
    tree = layout.tree_of(path)
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "pickle" not in names, f"{path.name}: import pickle whole, so that its use is visible"
    wrong = packages_imported(tree) & EXECUTES
    assert not wrong, f"{path.name} imports {wrong}, which can run what it reads"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        where = f"{path.name}, line {node.lineno}"
        assert called not in EXECUTING, f"{where}: {called} can run what it reads"
        if called in {"np.load", "numpy.load"}:
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert keywords.get("allow_pickle") == "False", f"{where}: allow_pickle=False"


@pytest.mark.parametrize("path", LIBRARY + VERBS)
def test_public_definitions_have_docstrings(path: Path) -> None:
    tree = layout.tree_of(path)
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    if len(tree.body) > 1:
        assert "from __future__ import annotations" in path.read_text(encoding="utf-8"), path.name
    functions = {
        name for name, node in layout.definitions(path) if not isinstance(node, ast.ClassDef)
    }
    wrong = [
        name
        for name, node in layout.definitions(path)
        if not ast.get_docstring(node)
        and not any(part.startswith("_") for part in name.split("."))
        and name.rpartition(".")[0] not in functions  # a function within a function
        and not name.endswith((".forward", ".backward"))  # documented by their autograd class
    ]
    assert not wrong, f"{path.name}: {', '.join(wrong)} lack(s) a docstring"


@pytest.mark.parametrize("path", VERBS)
def test_the_command_line_imports_heavy_packages_lazily(path: Path) -> None:
    wrong = packages_imported(layout.tree_of(path).body) & HEAVY
    assert not wrong, f"cli/{path.name} imports {wrong} at its head, and so does molvae --help"


def test_modules_without_torch_load_none() -> None:
    code = (
        "import sys\nfrom importlib import import_module\n"
        f"for name in {WITHOUT_TORCH!r}:\n"
        "    import_module('molvae.' + name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"loading torch: {done.stderr.strip().splitlines()[-1]}"


def test_the_installed_packages_are_those_of_the_tree() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    homes = {}
    for name in tool["packages"]:
        top, _, rest = name.partition(".")
        homes[name] = ROOT / tool["package-dir"].get(top, top) / rest.replace(".", "/")
    for name, home in homes.items():
        assert (home / "__init__.py").is_file(), f"{name} in pyproject.toml is no package"
    for top in ("molvae", "cli"):
        for inner in (ROOT / top).rglob("__init__.py"):
            assert inner.parent in homes.values(), f"pyproject.toml lacks {inner.parent}"


def test_no_module_has_a_name_without_meaning() -> None:
    wrong = {"utils", "util", "common", "core", "helpers", "misc", "base"}
    assert not wrong & {path.stem for path in [*layout.sources(), *layout.sources("cli")]}


def test_no_file_is_read_without_a_bound() -> None:
    """Whole files go through ``runtime.bounded_files``, or say how many bytes they take at most."""
    unbounded = []
    for path in [*layout.sources("molvae"), *layout.sources("cli")]:
        for node in ast.walk(layout.tree_of(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in ("read_text", "read_bytes", "readlines") or (
                node.func.attr in ("read", "readline") and not node.args and not node.keywords
            ):
                unbounded.append(f"{path.name}:{node.lineno}")
    assert unbounded == []
