"""``molvae explore``: a local page around a lead."""

from __future__ import annotations

import os
import sys

import click

from .options import count_in, device_option, load_codec, model_option
from .output import note


@click.command(
    epilog="""\b
Examples:
  molvae explore
  molvae explore -m model/ --port 8080 --no-browser"""
)
@model_option
@click.option(
    "--port", type=count_in(1, 65535), metavar="N", help="Port of 127.0.0.1. [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Only say the address.")
@device_option
def explore(model: str, port: int | None, no_browser: bool, device: str) -> int:
    """Open a page to turn a lead into a list of candidates: its analogs by similarity, the way to
    another molecule, more or less of a property, and a basket that downloads as CSV.

    The page is for this machine alone, at an address that holds a secret; Ctrl-C stops it."""
    from contextlib import closing
    from pathlib import Path

    from molvae.explore.server import Server
    from molvae.explore.workbench import Workbench, explore_page

    bench = Workbench(load_codec(model, device))
    page = explore_page(Path(model).name)
    with closing(bench), Server(page, bench.actions, port or 0) as server:
        bench.start()
        click.echo(server.address)
        note("Open the address in a browser on this machine; Ctrl-C stops the page.")
        sys.stdout.flush()
        if not no_browser and has_screen():
            import webbrowser

            webbrowser.open(server.address)
        server.serve_forever(poll_interval=0.2)
    return 0


def has_screen() -> bool:
    """True where a browser would open a window, and not take the terminal over."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
