"""Marks of videos: written by us and by others, and files that are broken on purpose."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import ImageError
from mien.media.encoding import CONTAINERS, VideoWriter
from mien.media.provenance import Provenance, provenance
from mien.media.video import open_video
from mien.media.video_xmp import XMP_BOX, is_video
from mien.media.xmp import MAX_PACKET

MARK = Provenance.composed(Provenance.generated("gan-1", "gan-2"))
PACKET = MARK.to_xmp()


def box(kind: bytes, *content: bytes, large: bool = False) -> bytes:
    body = b"".join(content)
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind) + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A marked video of each kind."""
    folder = tmp_path_factory.mktemp("marked")
    made = {suffix: folder / f"a{suffix}" for suffix in CONTAINERS}
    for path in made.values():
        with VideoWriter(path, provenance=MARK) as writer:
            for level in (40, 80, 120):
                writer.write(np.full((48, 64, 3), level, np.uint8))
    return made


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_mark_comes_back_from_every_kind_of_video(files: dict[str, Path], suffix: str) -> None:
    path = files[suffix]
    data = path.read_bytes()
    stream = io.BytesIO(b"before" + data)
    stream.seek(6)
    assert provenance(path) == provenance(data) == provenance(io.BytesIO(data)) == MARK
    assert suffix in {".mkv", ".webm"} or provenance(stream) == MARK
    with open_video(path) as video:
        assert len(list(video)) == 3


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_video_without_a_mark_is_unknown(tmp_path: Path, suffix: str) -> None:
    with VideoWriter(tmp_path / f"a{suffix}") as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    assert provenance(tmp_path / f"a{suffix}").reason == "no XMP in the file."


@pytest.mark.parametrize(
    "data",
    [
        FTYP + box(b"uuid", XMP_BOX, PACKET) + box(b"mdat", b"x" * 99),
        FTYP + box(b"mdat", b"x" * 99, large=True) + box(b"uuid", XMP_BOX, PACKET, large=True),
        FTYP + box(b"uuid", b"u" * 16, b"another's") + box(b"uuid", XMP_BOX, PACKET),
        FTYP + box(b"moov", box(b"mvhd", b"m" * 20), box(b"udta", box(b"name", b"n"), box(b"XMP_", PACKET))),
        box(b"wide") + box(b"mdat", b"x") + struct.pack(">I4s", 0, b"uuid") + XMP_BOX + PACKET,
    ],
    ids=["in front", "large boxes", "behind another's", "QuickTime", "up to the end"],
)
def test_other_writers_places(data: bytes) -> None:
    assert provenance(data) == MARK


@pytest.mark.parametrize(
    "data",
    [
        FTYP,
        FTYP + struct.pack(">I4s", 3, b"free"),
        FTYP + struct.pack(">I4sQ", 1, b"free", 2),
        FTYP + struct.pack(">I4s", 900, b"moov") + box(b"udta", b"short"),
        FTYP + box(b"uuid", XMP_BOX[:9]),
        FTYP + b"\0\0",
    ],
)
def test_broken_boxes_hold_nothing(data: bytes) -> None:
    assert not provenance(data)


def test_a_packet_beyond_the_bound_is_refused() -> None:
    read = provenance(FTYP + box(b"uuid", XMP_BOX, b" " * (MAX_PACKET + 5)))
    assert "refused" in str(read.reason)


def test_a_file_of_boxes_alone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = box(b"uuid", XMP_BOX, MARK.to_xmp())
    monkeypatch.setattr("mien.media.video_xmp.MAX_BOXES", 40)
    assert provenance(FTYP + box(b"free") * 38 + mark) == MARK
    assert not provenance(FTYP + box(b"free") * 39 + mark)
    assert not provenance(FTYP + box(b"moov", box(b"udta", box(b"free") * 20) * 2) + mark)


def test_a_broken_matroska_file(files: dict[str, Path]) -> None:
    with pytest.raises(ImageError, match="broken or cut short"):
        provenance(files[".mkv"].read_bytes()[:40])


@given(st.binary(max_size=80))
def test_any_boxes_are_read_without_an_exception(data: bytes) -> None:
    assert not provenance(FTYP + data)


@pytest.mark.parametrize("brand", [b"avif", b"heic", b"mif1"])
def test_pictures_in_boxes_are_no_videos(brand: bytes) -> None:
    assert not is_video(b"\0\0\0\x18ftyp" + brand)
    assert is_video(FTYP[:12])
    assert not is_video(b"\xff\xd8\xff\xe0")
    assert not is_video(b"")
