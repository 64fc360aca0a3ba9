"""Figures of the source code's layout: sizes, import chains, docstrings and comments.

    python benchmarks/layout.py

``tests/test_architecture.py`` holds the same figures to their bounds."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Definition = ast.FunctionDef | ast.ClassDef

QUESTION_WORDS = ("What ", "Which ", "Whether ", "How ", "Where ", "The same ")
"""Openings of docstrings that name neither an action nor a thing."""

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def sources(folder: str = "molvae") -> list[Path]:
    """Every Python file below a folder of the repository."""
    return sorted((ROOT / folder).rglob("*.py"))


def all_sources() -> list[Path]:
    """Every Python file that belongs to the repository."""
    folders = ("molvae", "cli", "tests", "benchmarks", "examples", "recipes")
    return [path for folder in folders for path in sources(folder)]


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_of(path: Path) -> str:
    """The name of a module by its file, such as ``molvae.nn.model``; of a package that itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    """The files of molvae by the names of their modules."""
    return {module_of(path): path for path in sources()}


def imports_of(path: Path) -> set[str]:
    """Modules of molvae that a file imports, anywhere in it but for type checkers alone."""
    known, name = modules(), module_of(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in nodes_at_run_time(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # one dot is the package of the module, each further one its parent
                outer = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                base = f"{outer}.{base}".strip(".")
            inner = {f"{base}.{alias.name}" for alias in node.names}
            found |= inner & known.keys() or {base}
    return {one for one in found if one in known and one != name}


def nodes_at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree but those below ``if TYPE_CHECKING``."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from nodes_at_run_time(child)


def longest_chain() -> list[str]:
    """The longest chain of modules of which each imports the next; ValueError for a cycle."""
    graph = {name: imports_of(path) for name, path in modules().items()}
    chains: dict[str, list[str]] = {}

    def chain_from(name: str, above: tuple[str, ...]) -> list[str]:
        if name in above:
            raise ValueError(f"imports in a circle: {' -> '.join((*above, name))}")
        if name not in chains:
            below = (chain_from(one, (*above, name)) for one in sorted(graph[name]))
            chains[name] = [name, *max(below, key=len, default=[])]
        return chains[name]

    return max((chain_from(name, ()) for name in graph), key=len)


def definitions(path: Path) -> Iterator[tuple[str, Definition]]:
    """Functions and classes of a file by their dotted names, inner ones too."""

    def inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                yield prefix + child.name, child
                yield from inside(child, f"{prefix}{child.name}.")
            else:
                yield from inside(child, prefix)

    yield from inside(tree_of(path), "")


def parameters_of(function: ast.FunctionDef) -> int:
    """Number of named parameters of a function, without that of the object or class itself."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Docstrings of a file by the names of what they describe."""
    for name, node in [("module", tree_of(path)), *definitions(path)]:
        if text := ast.get_docstring(node):
            yield name, text


def opens_badly(docstring: str) -> bool:
    """True for a docstring that opens with a question word.

    >>> opens_badly("Whether it is so."), opens_badly("True if it is so.")
    (True, False)
    """
    return docstring.startswith(QUESTION_WORDS)


def code_tokens(path: Path) -> int:
    """Number of tokens of code in a file, without comments, docstrings and line ends."""
    count, at_start, depth = 0, True, 0
    reader = io.StringIO(path.read_text(encoding="utf-8")).readline
    for token in tokenize.generate_tokens(reader):
        if token.type in NO_CODE:
            at_start = at_start or token.type == tokenize.NEWLINE
            continue
        depth += (token.string in "([{") - (token.string in ")]}") if token.string else 0
        text = token.type == tokenize.STRING and at_start and depth == 0
        count += not text  # a text that is a statement by itself is documentation
        at_start = False
    return count


def comment_lines(path: Path) -> int:
    """Number of lines with a comment."""
    reader = io.StringIO(path.read_text(encoding="utf-8")).readline
    return sum(token.type == tokenize.COMMENT for token in tokenize.generate_tokens(reader))


def code_lines(path: Path) -> int:
    """Number of lines that hold a token of code."""
    reader = io.StringIO(path.read_text(encoding="utf-8")).readline
    tokens = tokenize.generate_tokens(reader)
    return len({token.start[0] for token in tokens if token.type not in NO_CODE})


def files_by_folder(folder: str = "molvae") -> dict[Path, int]:
    """Number of modules in every folder, without ``__init__``."""
    found: dict[Path, int] = {}
    for path in sources(folder):
        found[path.parent] = found.get(path.parent, 0) + (path.name != "__init__.py")
    return found


def main() -> None:
    """Print the figures."""
    paths = sources()
    texts = [text for path in all_sources() for _, text in docstrings(path)]
    chain, bad = longest_chain(), sum(map(opens_badly, texts))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
    most = max(files_by_folder().items(), key=lambda item: item[1])
    figures = {
        "files": f"{len(paths)}",
        "lines": f"{lines:,}",
        "tokens of code": f"{sum(map(code_tokens, paths)):,}",
        "longest import chain": f"{len(chain)} ({' -> '.join(chain)})",
        "most modules in a folder": f"{most[1]} ({most[0].relative_to(ROOT)})",
        "openings of docstrings that are bad": f"{bad} of {len(texts)}, {bad / len(texts):.1%}",
        "comment lines per code line": (
            f"{sum(map(comment_lines, paths)) / sum(map(code_lines, paths)):.3f}"
        ),
    }
    for name, value in figures.items():
        print(f"{name:<42}{value}")


if __name__ == "__main__":
    main()
