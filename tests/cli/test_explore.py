"""``molvae explore``: an address on this machine, until it is stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def started(command: Any, tiny_run: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, without a browser."""
    process = subprocess.Popen(
        command("explore", "-m", tiny_run, "--no-browser"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"DISPLAY": ""},
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("number", "code", "last"),
    [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")],
)
def test_it_serves_a_page_until_it_is_stopped(
    started: Any, number: int, code: int, last: str
) -> None:
    address = started.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32,}/", address)
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert b"<title>molvae explore</title>" in answer.read()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address[:-10] + "wrong/", timeout=60)
    assert refused.value.code == 403
    refused.value.close()
    started.send_signal(number)
    out, err = started.communicate(timeout=60)
    assert started.returncode == code
    assert out == ""
    # click ends the line of a terminal that shows ^C.
    assert [line for line in err.splitlines() if line] == [
        "Open the address in a browser on this machine; Ctrl-C stops the page.",
        last,
    ]


def test_a_port_in_use_is_said_in_a_line(molvae: Any, tiny_run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = molvae("explore", "-m", tiny_run, "--port", port, "--no-browser")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"Error: port {port} is in use; --port names another\n"


@pytest.mark.parametrize("port", ["0", "70000", "x"])
def test_ports_that_there_are_none_of_are_refused(molvae: Any, tiny_run: Path, port: str) -> None:
    assert molvae("explore", "-m", tiny_run, "--port", port).code == 2
