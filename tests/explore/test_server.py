"""The server: whoever lacks its token, asks by another name or from another page gets nothing."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from molvae.errors import MoleculeError, UsageError
from molvae.explore.server import LARGEST_BODY, Server


class Answer(NamedTuple):
    """Answer of the server: the status, the headers, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The words of a refusal."""
        return str(json.loads(self.body)["error"])


def refuse(_: dict[str, Any]) -> Any:
    """Fail as a molecule does that cannot be read."""
    raise MoleculeError("does not parse", "<b>")


@pytest.fixture
def server(served: Any) -> Iterator[Server]:
    """A server of a page and two actions."""
    with served(Server("<p>page</p>", {"echo": lambda asked: asked, "refuse": refuse})) as made:
        yield made


@pytest.fixture
def send(server: Server) -> Callable[..., Answer]:
    """The function that sends a request, by default a right one, and returns the answer."""

    def request(
        method: str = "POST",
        path: str | None = None,
        body: bytes = b"{}",
        **headers: str | None,
    ) -> Answer:
        given = {"Host": server.hosts[0], "Content-Type": "application/json"}
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        length = {"Content-Length": str(len(body))} if method == "POST" else {}
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
        place = f"/{server.token}/echo" if path is None else path
        connection.putrequest(method, place, skip_host=True, skip_accept_encoding=True)
        for name, value in (given | length | changed).items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body if method == "POST" else None)
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return found

    return request


def test_the_page_comes_with_its_token(server: Server, send: Any) -> None:
    answer = send("GET", f"/{server.token}/")
    assert (answer.status, answer.body) == (200, b"<p>page</p>")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_an_action_answers_with_json(send: Any) -> None:
    answer = send(body=b'{"one": "\xc3\xa4"}')
    assert (answer.status, json.loads(answer.body)) == (200, {"one": "ä"})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path", ["/", "/echo", "/wrong/", "/wrong/echo", "//", "/%00/", "/%c3%a9/"]
)
def test_without_the_token_nothing_answers(send: Any, method: str, path: str) -> None:
    answer = send(method, path)
    assert answer.status == 403
    assert b"page" not in answer.body


def test_tokens_differ_and_are_long() -> None:
    with Server("", {}) as one, Server("", {}) as other:
        assert one.token != other.token
        assert len(one.token) >= 32


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"]
)
def test_other_hosts_are_refused(send: Any, server: Server, host: str | None) -> None:
    assert send(Host=host).status == 403
    assert send("GET", f"/{server.token}/", Host=host).status == 403


def test_both_names_of_this_machine_answer(send: Any, server: Server) -> None:
    for host in server.hosts:
        assert send(Host=host).status == 200
        assert send(Origin=f"http://{host}").status == 200


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://127.0.0.1", ""])
def test_other_origins_are_refused(send: Any, origin: str) -> None:
    assert send(Origin=origin).status == 403


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (400, {"body": b"{"}),
        (400, {"body": b"\xff"}),
        (400, {"body": b"[1]"}),
        (400, {"body": b"[" * 100_000}),
        (411, {"Content_Length": None}),
        (411, {"Content_Length": "-1"}),
        (411, {"Transfer_Encoding": "chunked"}),
        (413, {"Content_Length": str(LARGEST_BODY + 1)}),
        (413, {"Content_Length": "9" * 5000}),
        (415, {"Content_Type": "text/plain"}),
        (415, {"Content_Type": None}),
    ],
)
def test_wrong_requests_are_refused(send: Any, status: int, change: dict[str, Any]) -> None:
    answer = send(**change)
    assert answer.status == status
    assert answer.error
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("place", ["other", "echo/", "../echo", "../../etc/passwd", "echo?x=1"])
def test_there_is_nothing_else(send: Any, server: Server, place: str) -> None:
    for method in ("GET", "POST"):
        assert send(method, f"/{server.token}/{place}").status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(send: Any, method: str) -> None:
    answer = send(method)
    assert answer.status == 501
    assert "unsupported" in answer.error


def test_errors_of_molvae_come_as_words(send: Any, server: Server) -> None:
    answer = send(path=f"/{server.token}/refuse")
    assert answer.status == 422
    assert answer.error == "does not parse\n    <b>"
    assert answer.headers["Content-Type"] == "application/json"


def test_it_listens_to_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_address[1]}/{server.token}/"


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is in use; --port names another"):
            Server("", {}, port)


def test_a_connection_that_breaks_leaves_the_server(
    send: Any, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for sent in (b"", b"GARBAGE\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"):
        with socket.create_connection(("127.0.0.1", server.server_address[1])) as broken:
            broken.sendall(sent)
    assert send().status == 200
    assert capsys.readouterr().err == ""
