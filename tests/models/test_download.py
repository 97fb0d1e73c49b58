from __future__ import annotations

import io
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import UnsafeFile, UsageError, WeightsUnavailable
from mien.models.download import RangesRefused, download
from mien.models.ranged import RangedFile
from mien.models.web import Web

CONTENT = bytes(range(256)) * 1000
URL = "https://example.org/file"


class Flaky(httpx2.BaseTransport):
    """Serves `CONTENT`; the n-th answer breaks off after ``breaks[n]`` bytes."""

    def __init__(self, breaks: list[int], *, ranges: bool = True) -> None:
        self.breaks = list(breaks)
        self.ranges = ranges
        self.sent = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        start, end, status = 0, len(CONTENT), 200
        headers = {}
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
        if match and self.ranges:
            first, last = match.groups()
            start = int(first) if first else max(0, end - int(last))
            end = min(end, int(last) + 1) if first and last else end
            if start >= end:
                return httpx2.Response(416, headers={"Content-Range": f"bytes */{len(CONTENT)}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(CONTENT)}"
        return httpx2.Response(status, headers=headers, stream=_Body(self, CONTENT[start:end]))


class _Body(httpx2.SyncByteStream):
    def __init__(self, server: Flaky, data: bytes) -> None:
        self.server = server
        self.data = data

    def __iter__(self):  # type: ignore[no-untyped-def]
        stop = self.server.breaks.pop(0) if self.server.breaks else len(self.data)
        for at in range(0, min(stop, len(self.data)), 5000):
            piece = self.data[at : min(at + 5000, stop)]
            self.server.sent += len(piece)
            yield piece
        if stop < len(self.data):
            raise httpx2.ReadError("connection lost")


def _nothing(done: int, total: int) -> None:
    pass


@settings(deadline=None)
@given(
    st.lists(st.integers(1, len(CONTENT)), max_size=6),
    st.none() | st.tuples(st.integers(0, len(CONTENT)), st.integers(0, len(CONTENT))).map(sorted).map(tuple),
    st.integers(0, 5000),
)
def test_however_it_breaks_every_byte_travels_once(
    breaks: list[int], span: tuple[int, int] | None, before: int
) -> None:
    start, end = span or (0, len(CONTENT))
    before = min(before, end - start)
    server = Flaky(breaks)
    with TemporaryDirectory() as folder, httpx2.Client(transport=server) as client:
        part = Path(folder, "part")
        part.write_bytes(CONTENT[start : start + before])
        download(client, URL, part, limit=len(CONTENT), report=_nothing, span=span)
        assert part.read_bytes() == CONTENT[start:end]
        assert server.sent == end - start - before


@given(st.lists(st.integers(0, len(CONTENT)), max_size=3))
def test_without_ranges_it_starts_over(breaks: list[int]) -> None:
    with TemporaryDirectory() as folder, httpx2.Client(transport=Flaky(breaks, ranges=False)) as client:
        part = Path(folder, "part")
        part.write_bytes(b"old")
        download(client, URL, part, limit=len(CONTENT), report=_nothing)
        assert part.read_bytes() == CONTENT


def test_it_gives_up(tmp_path: Path) -> None:
    server = Flaky([0] * 10)
    with httpx2.Client(transport=server) as client, pytest.raises(WeightsUnavailable, match="connection lost"):
        download(client, URL, tmp_path / "part", limit=len(CONTENT), report=_nothing)
    assert len(server.breaks) == 6


def test_a_file_that_is_announced_too_large_does_not_travel(tmp_path: Path) -> None:
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200, content=CONTENT))
    part = tmp_path / "part"
    with httpx2.Client(transport=answer) as client, pytest.raises(UnsafeFile, match=f"{len(CONTENT)} bytes"):
        download(client, URL, part, limit=1000, report=lambda *_: pytest.fail("bytes arrived"))
    assert not part.exists()


def test_a_file_whose_size_is_not_announced_is_cut_off(tmp_path: Path) -> None:
    server = Flaky([], ranges=False)  # a stream without Content-Length
    part = tmp_path / "part"
    arrived: list[int] = []
    with httpx2.Client(transport=server) as client, pytest.raises(UnsafeFile, match="more than the 12000 bytes"):
        download(client, URL, part, limit=12_000, report=lambda done, _: arrived.append(done))
    assert arrived == [5000, 10_000]
    assert server.sent == 15_000  # the piece that was too much was the last
    assert not part.exists()


def test_an_answer_that_is_too_short_is_not_called_a_busy_server(tmp_path: Path) -> None:
    head = {"Content-Range": f"bytes 0-9/{len(CONTENT)}"}
    answer = httpx2.MockTransport(
        lambda request: httpx2.Response(206, headers=head, stream=_Body(Flaky([]), b"")),
    )
    with httpx2.Client(transport=answer) as client, pytest.raises(WeightsUnavailable, match="sends less than") as said:
        download(client, URL, tmp_path / "part", limit=1000, report=_nothing, span=(0, 10))
    assert "busy" not in str(said.value)


READS = st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(-70_000, 300_000), st.integers(-1, 70_000)))


@settings(deadline=None)
@given(READS, st.tuples(st.integers(0, len(CONTENT)), st.integers(0, len(CONTENT))).map(sorted))
def test_a_ranged_file_reads_like_a_file(reads: list[tuple[int, int, int]], overlay: list[int]) -> None:
    start, end = overlay
    with httpx2.Client(transport=Flaky([])) as client:
        remote, local = RangedFile(client, URL), io.BytesIO(CONTENT)
        remote.overlay(start, end, io.BytesIO(CONTENT[start:end]))
        for whence, offset, count in reads:
            position = offset + {0: 0, 1: local.tell(), 2: len(CONTENT)}[whence]
            if position < 0:
                with pytest.raises(OSError, match="before the start"):
                    remote.seek(offset, whence)
                continue
            assert remote.seek(offset, whence) == local.seek(position)
            assert remote.read(count) == local.read(count)
            assert remote.tell() == local.tell()


def test_a_ranged_file_needs_ranges() -> None:
    with httpx2.Client(transport=Flaky([], ranges=False)) as client, pytest.raises(RangesRefused):
        RangedFile(client, URL)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_ranged_file_that_is_refused(status: int) -> None:
    answer = httpx2.MockTransport(lambda request: httpx2.Response(status))
    with httpx2.Client(transport=answer) as client, pytest.raises(WeightsUnavailable, match=str(status)):
        RangedFile(client, URL)


def test_a_certificate_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for name, value in (("PIP_CERT", bad), ("PIP_CERT", tmp_path / "absent"), ("PIP_CLIENT_CERT", bad)):
        with monkeypatch.context() as patch, Web() as web:
            patch.setenv(name, str(value))
            with pytest.raises(UsageError, match="pip's certificate setting cannot be used"):
                _ = web.client
