"""One HTML file from a template: text stays text, and nothing is fetched.

Templates, styles and scripts lie beside this module; those of the package alone are inlined. A
content security policy names the scripts and styles by their hashes, so that a browser runs nothing
else, whatever text a page holds; data is inert JSON."""

from __future__ import annotations

import base64
import hashlib
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..runtime.atomic_folder import replace_file
from ..runtime.bounded_files import SMALL, read_bounded
from ..storage import pretrained

HERE = Path(__file__).parent

DRAWER = ("vendor/smiles-drawer.min.js", "drawn.js")
"""Scripts that draw molecules in the browser."""

DRAWING = "SmilesDrawer 2.4.1, MIT licence"


def render(
    template: str,
    *,
    title: str,
    facts: Mapping[str, str],
    data: Mapping[str, Any] | None = None,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    connect: str = "'none'",
    drawing: bool = False,
    **values: Any,
) -> str:
    """The page that a template of this package makes of ``values``.

    ``facts`` are lines at its foot. Each item of ``data`` becomes JSON in an element with its name
    as id; NaN is refused with ValueError, use None. ``styles`` and ``scripts`` are files of this
    package, after those of every page. ``connect`` names the hosts that scripts may ask:
    ``'self'`` for a page with a server. With ``drawing`` the browser draws molecules too."""
    data = data or {}
    if drawing:
        scripts = (*DRAWER, *scripts)
        facts = {**facts, "drawing": DRAWING}
        data = {**data, "licence": asset("vendor/smiles-drawer.LICENSE.md")}
    page_styles = [asset(name) for name in ("style.css", *styles)]
    page_scripts = [asset(name) for name in scripts]
    theme = asset("theme.js")
    return environment().get_template(template).render(
        title=title,
        facts=facts,
        data=data,
        styles=page_styles,
        theme=theme,
        scripts=page_scripts,
        policy=policy(page_styles, [theme, *page_scripts], connect),
        version=version("molvae"),
        **values,
    )  # fmt: skip


def policy(styles: Sequence[str], scripts: Sequence[str], connect: str) -> str:
    """A content security policy that allows these styles and scripts alone, by their hashes."""
    return (
        f"default-src 'none'; script-src {' '.join(map(_source, scripts))}; "
        f"style-src {' '.join(map(_source, styles))}; img-src data:; connect-src {connect}; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def asset(name: str) -> Markup:
    """The text of a style or script of this package, as it stands in a page."""
    return Markup(read_bounded(HERE / name, SMALL).decode())


def foot(command: str, model: str | None = None, seed: int | None = None) -> dict[str, str]:
    """The lines at the foot of a page: command, model, seed, date and versions."""
    facts = {"command": command} if command else {}
    if model is not None:
        shipped = Path(model).parent == pretrained.home()
        facts["model"] = Path(model).name if shipped else model
    if seed is not None:
        facts["seed"] = str(seed)
    facts["made"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    packages = ("molvae", "torch", "rdkit", "selfies", "numpy")
    versions = [f"{name} {version(name)}" for name in packages]
    facts["versions"] = ", ".join([*versions, f"python {platform.python_version()}"])
    return facts


def save_page(page: str, path: str | Path) -> None:
    """Write a page; the file appears whole or not at all.

    Halves of a surrogate pair, which a damaged text may hold, become question marks."""
    replace_file(Path(path), page.encode("utf-8", "replace"))


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def environment() -> Environment:
    """The engine of templates: it escapes every value, and lets none be lacking."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # ASCII alone, so that U+2028 and its like are escaped; < > & ' are escaped by tojson.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment
