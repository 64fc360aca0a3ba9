"""Changes that mkdocs makes to a page of the site beside its plugins."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r":(?:mod|meth|func|class|data|attr):(?=<code>)")


def on_page_content(html: str, **_: Any) -> str:
    """Leave out the roles of Sphinx, such as :meth:, that docstrings put before a name."""
    return ROLE.sub("", html)
