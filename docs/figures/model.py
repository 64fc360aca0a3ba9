"""Draw the figure of the model, docs/figures/model.svg, with the standard library alone.

    python docs/figures/model.py

It has no background: grey lines and tinted boxes are legible on white and on black.
"""

from __future__ import annotations

from pathlib import Path

WIDTH, HEIGHT = 980, 376
GREY, BLUE, VIOLET, GREEN, ORANGE = "#7d8590", "#2f81f7", "#8a63d2", "#2da44e", "#d4761c"

STYLE = f"""
text {{ font: 14px Helvetica, Arial, sans-serif; fill: {GREY}; text-anchor: middle; }}
text.title {{ font-size: 17px; font-weight: bold; }}
text.small {{ font-size: 12.5px; }}
text.symbol {{ font: 12px Menlo, Consolas, monospace; }}
text.maths {{ font: italic 17px Georgia, "Times New Roman", serif; }}
.line {{ stroke: {GREY}; stroke-width: 1.6; fill: none; marker-end: url(#head); }}
"""


def box(
    x: float, y: float, width: float, height: float, colour: str, name: str = "", kind: str = ""
) -> str:
    """Return a tinted, rounded box with text in its middle."""
    shape = (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="{colour}" '
        f'fill-opacity="0.16" stroke="{colour}" stroke-width="1.6"/>'
    )
    return shape + text(x + width / 2, y + height / 2 + 5, name, kind)


def text(x: float, y: float, content: str, kind: str = "") -> str:
    """Return a text around ``x``, of one of the classes of the style sheet."""
    return f'<text x="{x}" y="{y}" class="{kind}">{content}</text>'


def arrow(*points: tuple[float, float]) -> str:
    """Return an arrow through the points."""
    return f'<path d="M{" L".join(f"{x},{y}" for x, y in points)}" class="line"/>'


def encoder() -> list[str]:
    """Return the bidirectional GRU: symbols in the middle, read from both ends."""
    parts = [text(140, 30, "Encoder", "title")]
    for place, symbol in enumerate(["[C]", "[=C]", "[Ring1]"]):
        x = 30 + 76 * place
        parts += [
            box(x, 80, 56, 40, BLUE, "GRU"),
            box(x, 182, 56, 28, GREY, symbol, "symbol"),
            box(x, 272, 56, 40, BLUE, "GRU"),
            arrow((x + 28, 182), (x + 28, 126)),
            arrow((x + 28, 210), (x + 28, 266)),
        ]
        if place:
            parts += [arrow((x, 100), (x - 14, 100)), arrow((x - 20, 292), (x - 6, 292))]
    parts += [
        text(134, 66, "from the last symbol to the first", "small"),
        text(134, 334, "from the first symbol to the last", "small"),
        # Both last states: that of the row above is at its left end.
        arrow((30, 100), (14, 100), (14, 352), (300, 352), (300, 205), (330, 205)),
        arrow((238, 292), (300, 292), (300, 205), (330, 205)),
    ]
    return parts


def posterior() -> list[str]:
    """Return how z is drawn, from a molecule or from the prior."""
    return [
        text(435, 30, "Posterior", "title"),
        box(336, 150, 198, 110, VIOLET),
        text(435, 182, "direction μ, |μ| = √Z", "small"),
        text(435, 217, "z = a μ + √(1 &#8722; a²) ε", "maths"),
        text(435, 246, "KL = &#8722;½ Z log(1 &#8722; a²)", "small"),
        box(336, 82, 92, 32, VIOLET, "noise level a", "small"),
        box(442, 82, 92, 32, VIOLET, "ε ~ N(0, I)", "small"),
        arrow((382, 114), (382, 144)),
        arrow((488, 114), (488, 144)),
        text(435, 287, "new molecules:", "small"),
        text(435, 304, "z ~ N(0, I), the prior", "small"),
    ]


def decoder() -> list[str]:
    """Return the decoder at three steps: what it reads below, what it writes above."""
    parts = [text(770, 30, "Decoder", "title")]
    seen, written = ["[start]", "[C]", "[=C]"], ["[C]", "[=C]", "[Ring1]"]
    for place, (last, following) in enumerate(zip(seen, written, strict=True)):
        x = 610 + 118 * place
        parts += [
            box(x, 66, 84, 30, ORANGE, following, "symbol"),
            box(x, 132, 84, 40, GREEN, "GRU"),
            box(x, 210, 84, 30, VIOLET, "a z, a", "small"),
            box(x, 244, 84, 30, GREY, last, "symbol"),
            box(x, 278, 84, 44, GREY),
            text(x + 42, 296, "prefix", "small"),
            text(x + 42, 312, "features", "small"),
            arrow((x + 42, 132), (x + 42, 102)),
            arrow((x + 42, 210), (x + 42, 178)),
        ]
        if place:
            parts += [arrow((x - 34, 152), (x - 6, 152))]
    return [
        *parts,
        arrow((534, 205), (572, 205), (572, 152), (604, 152)),
        arrow((534, 225), (604, 225)),
        text(770, 345, "what the symbols so far determine: branches, valences,", "small"),
        text(770, 362, "rings to close, the environment of the current atom", "small"),
        text(958, 86, "…"),
        text(958, 157, "…"),
    ]


def drawing() -> str:
    """Return the whole figure as SVG."""
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="6" markerHeight="6" '
        f'orient="auto"><path d="M0,0.5 L7,4 L0,7.5 z" fill="{GREY}"/></marker>'
    )
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Encoder, posterior and decoder of molvae">'
    )
    parts = [*encoder(), *posterior(), *decoder()]
    return "\n".join([opening, f"<style>{STYLE}</style><defs>{head}</defs>", *parts, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(drawing(), encoding="utf-8")
