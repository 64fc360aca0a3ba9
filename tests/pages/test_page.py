"""Pages: text stays text, data stays data, and the policy names what may run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from molvae.pages.page import HERE, asset, environment, policy, render, save_page

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script></style></title></textarea>",
    "]]>--><!--",
    "a\u2028b\u2029c",
    "{{ 7 * 7 }} {% raw %}",
    "' onmouseover='alert(1)",
)


class Element:
    """An element of a page: its tag, attributes, and the text up to the next tag."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag, self.attributes, self.text = tag, attributes, ""


class Elements(HTMLParser):
    """The elements of a page, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[Element] = []
        self.open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append(Element(tag, dict(attrs)))
        self.open = True

    def handle_endtag(self, tag: str) -> None:
        self.open = False

    def handle_data(self, data: str) -> None:
        if self.open:
            self.all[-1].text += data

    def first(self, tag: str, name: str | None = None) -> Element:
        """The first element with a tag and id."""
        return next(one for one in self.all if (one.tag, one.attributes.get("id")) == (tag, name))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str) -> None:
    plain = Elements(render("base.html", title="a", facts={"b": "c"}, data={"rows": ["d"]}))
    page = Elements(render("base.html", title=text, facts={text: text}, data={"rows": [text]}))
    assert [one.tag for one in page.all] == [one.tag for one in plain.all]
    assert [page.first(tag).text.strip() for tag in ("h1", "title", "dt", "dd")] == [text] * 4
    rows = page.first("script", "rows").text
    assert json.loads(rows) == [text]
    assert not re.search("[<>&\u2028\u2029]", rows)


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ lacking }}").render()


def test_numbers_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        render("base.html", title="a", facts={}, data={"rows": [float("nan")]})


def test_policy_names_every_script_and_style() -> None:
    page = Elements(
        render("base.html", title="a", facts={}, scripts=["theme.js"], styles=["style.css"])
    )
    (rule,) = [
        str(one.attributes["content"])
        for one in page.all
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert rule.startswith("default-src 'none'; ")
    assert "unsafe" not in rule
    texts = {tag: [one.text for one in page.all if one.tag == tag] for tag in ("style", "script")}
    assert rule == policy(texts["style"], texts["script"], "'none'")
    assert [len(found) for found in texts.values()] == [2, 2]


def test_a_page_with_a_server_may_ask_it() -> None:
    assert "connect-src 'none'" in policy([], [], "'none'")
    assert "connect-src 'self'" in policy([], [], "'self'")


@pytest.mark.parametrize("path", [*HERE.rglob("*.js"), *HERE.rglob("*.css")], ids=lambda p: p.name)
def test_assets_fit_into_their_elements(path: Path) -> None:
    text = asset(path.relative_to(HERE).as_posix())
    assert not re.search(r"</(script|style)|<!--", text, re.IGNORECASE)
    assert "\r" not in text


def test_nothing_but_scripts_and_data_is_marked_safe() -> None:
    for path in HERE.glob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape", path.read_text(encoding="utf-8")), path.name


def test_pages_are_saved_whole_whatever_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    save_page(render("base.html", title="half \ud800 a pair", facts={}), path)
    assert "<h1>half ? a pair</h1>" in path.read_text(encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
