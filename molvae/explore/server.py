"""A local server of one page: loopback alone, a secret in its address, JSON in and out.

Whoever can make a browser ask this server, such as another page that is open, must not get an
answer. So a request needs the secret token in its path, a Host that is this server's own (against
DNS that is rebound), and no Origin but this server's. There are no files to ask for: one page, and
a table of actions."""

from __future__ import annotations

import errno
import hmac
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from ..errors import MolvaeError, UsageError

HOST = "127.0.0.1"

LARGEST_BODY = 1 << 17
"""Bytes of a request; a hundred molecules of the largest size."""

SECONDS = 60
"""Time that a connection may be idle."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Action = Callable[[dict[str, Any]], Any]
"""A function from the JSON object of a request to what is answered as JSON."""


class RefusedError(Exception):
    """A request that gets no answer but its status and a line of words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Server(ThreadingTCPServer):
    """A page and its actions at a port of 127.0.0.1, any free one by default.

    UsageError for a port that is in use or forbidden."""

    daemon_threads = True
    # On Windows the option would let another program take the port over.
    allow_reuse_address = os.name == "posix"

    def __init__(self, page: str, actions: Mapping[str, Action], port: int = 0) -> None:
        self.page, self.actions = page.encode("utf-8", "replace"), actions
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "in use" if error.errno == errno.EADDRINUSE else "not ours to take"
            raise UsageError(f"port {port} is {why}; --port names another") from error

    @property
    def hosts(self) -> tuple[str, str]:
        """The names, with the port, by which a browser on this machine asks."""
        port = self.server_address[1]
        return f"{HOST}:{port}", f"localhost:{port}"

    @property
    def address(self) -> str:
        """The address of the page, the token included."""
        return f"http://{self.hosts[0]}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a connection that broke alone; any other error is shown as usual."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection: the page for GET, an action for POST, words for all else."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "molvae", ""
    timeout = SECONDS

    def do_GET(self) -> None:
        """Answer with the page."""
        try:
            if self._place():
                raise RefusedError(404, "there is no such page here")
        except RefusedError as refusal:
            self._refuse(refusal)
        else:
            self._reply(200, self.server.page, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        """Answer with what an action makes of the request."""
        try:
            action = self.server.actions.get(self._place())
            if action is None:
                raise RefusedError(404, "there is no such action here")
            answer = action(self._asked())
        except RefusedError as refusal:
            self._refuse(refusal)
        except MolvaeError as error:
            self._reply_json(422, {"error": str(error)})
        else:
            self._reply_json(200, answer)

    def _place(self) -> str:
        """The path after the token, once the request is known to come from the page's browser."""
        # A proxy or a page of another name that points at this machine sends its own name.
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            raise RefusedError(403, "this server answers to its own address alone")
        origins = self.headers.get_all("Origin", [])
        if origins not in [[], *([f"http://{host}"] for host in self.server.hosts)]:
            raise RefusedError(403, "another page may not ask here")
        token, _, place = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            raise RefusedError(403, "the address lacks its token: use the one that was written out")
        return place

    def _asked(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(415, "a request must be application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise RefusedError(411, "a request must say its length")
        if len(length) > 9 or int(length) > LARGEST_BODY:
            raise RefusedError(413, f"a request has at most {LARGEST_BODY:,} bytes")
        try:
            asked = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise RefusedError(400, "the request is no JSON") from None
        if not isinstance(asked, dict):
            raise RefusedError(400, "the request is no JSON object")
        return asked

    def _refuse(self, refusal: RefusedError) -> None:
        self.close_connection = True  # what is left of the request is not read
        self._reply_json(refusal.status, {"error": str(refusal)})

    def _reply_json(self, status: int, answer: Any) -> None:
        body = json.dumps(answer, allow_nan=False).encode()
        self._reply(status, body, "application/json")

    def _reply(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is no HTTP, or of another method, in words."""
        self._refuse(RefusedError(code, (message or "this is not understood").lower()))

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the terminal is for people, and addresses hold the token."""
