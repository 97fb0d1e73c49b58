"""A small web server that can be told to misbehave, and an environment without the machine's own settings."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mien.models.catalogue import WeightFile


@dataclass
class Server:
    """Files by path. Each request is written down as (path, range or None, bytes sent)."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    break_after: int | None = None  # bytes after which a body breaks off ...
    breaks: int = 0  # ... this many times
    status: dict[str, int] = field(default_factory=dict)
    password: str | None = None
    log: list[tuple[str, str | None, int]] = field(default_factory=list)
    busy: set[int] = field(default_factory=set)  # threads that are at an answer
    gate: threading.Event | None = None  # every body waits for it, half-way
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[tuple[str, str | None, int]]:
        """Path, range and bytes sent of each request; an answer is written down when it has gone out."""
        limit = time.monotonic() + 10
        while self.busy and self.gate is None and time.monotonic() < limit:
            time.sleep(0.001)
        return self.log

    @property
    def sent(self) -> int:
        return sum(count for _, _, count in self.requests)

    def add_distribution(self, project: str, name: str, content: bytes, host: str = "") -> None:
        """Put a distribution on the index that stands under /simple."""
        self.files[f"/files/{name}"] = content
        self.files[f"/simple/{project}/"] = f'<a href="{host}/files/{name}">{name}</a>'.encode()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.busy.add(threading.get_ident())
            try:
                self.answer()
            finally:
                server.busy.discard(threading.get_ident())

        def answer(self) -> None:
            wanted = self.headers.get("Range")
            # As a proxy it is asked for a whole address.
            path = re.sub(r"^http://[^/]+", "", self.path)
            body = server.files.get(path)
            status = server.status.get(path, 200 if body is not None else 404)
            if server.password and self.headers.get("Authorization") is None:
                status = 401
            if status != 200 or body is None:
                server.log.append((self.path, wanted, 0))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, end = 0, len(body)
            if wanted and server.ranges:
                first, last = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted).groups()  # type: ignore[union-attr]
                start = int(first) if first else max(0, end - int(last))
                end = min(end, int(last) + 1) if first and last else end
                if start >= end:
                    server.log.append((self.path, wanted, 0))
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Type", "text/html" if "/simple/" in path else "application/octet-stream")
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            piece = body[start:end]
            if server.breaks and server.break_after is not None and len(piece) > server.break_after:
                server.breaks -= 1
                piece = piece[: server.break_after]
                self.close_connection = True
            half = len(piece) // 2
            try:
                self.wfile.write(piece[:half])
                self.wfile.flush()
                if server.gate:
                    server.gate.wait(30)
                self.wfile.write(piece[half:])
            except ConnectionError:  # the client is gone: killed, on purpose
                self.close_connection = True
            server.log.append((self.path, wanted, len(piece)))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


@pytest.fixture
def make_server() -> Iterator[Callable[[], Server]]:
    running: list[ThreadingHTTPServer] = []

    def make() -> Server:
        server = Server()
        http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
        http.handle_error = lambda request, client_address: None  # type: ignore[method-assign] # clients that hang up
        server.port = http.server_address[1]
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append(http)
        return server

    yield make
    for http in running:
        http.shutdown()
        http.server_close()


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """No cache, cards, mirror, pip settings or proxies of the machine (but for tests that want its network)."""
    for name in list(os.environ):
        if name.startswith("MIEN_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
        if name.startswith("PIP_") and not request.node.get_closest_marker("network"):
            monkeypatch.delenv(name)
    if not request.node.get_closest_marker("network"):
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr("mien.models.web._PAUSE", 0.001)


_watchers: list[list[str]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watchers and event in ("socket.connect", "socket.getaddrinfo"):
        seen = f"{arguments[1][0]}:{arguments[1][1]}" if event == "socket.connect" else f"{arguments[0]}:{arguments[1]}"  # type: ignore[index]
        for watcher in _watchers:
            watcher.append(seen)


sys.addaudithook(_audit)


@pytest.fixture
def contacted() -> Iterator[list[str]]:
    """Every address that this process looks up or connects to, as the interpreter itself reports it."""
    seen: list[str] = []
    _watchers.append(seen)
    yield seen
    _watchers.remove(seen)


def make_zip(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def weight_file(source: str, content: bytes, name: str = "model.bin") -> WeightFile:
    return WeightFile(name=name, source=source, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
