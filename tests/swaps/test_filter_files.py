"""Files of filters: those that ship are read, and hostile ones are not."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mien.core.errors import MienError, SourceError, UnsafeFile, UsageError
from mien.swaps.look.filter_files import LARGEST_FILE, filter_names, read_filter

TOML = 'format = 1\n[[layers]]\nkind = "board"\nimage = "a.png"\nat = [0, 0, -7]\nsize = [4, 2]\n'


def png(width: int = 4, height: int = 2) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (width, height), (255, 0, 0, 128)).save(out, "PNG")
    return out.getvalue()


def zipped(path: Path, **files: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_toml", ".toml").replace("_png", ".png"), data)
    return path


def test_a_shipped_filter_is_read() -> None:
    assert "sunglasses" in filter_names()
    assert len(read_filter("sunglasses").layers) == 3


@pytest.mark.slow
def test_all_shipped_filters_are_read() -> None:
    for name in filter_names():
        for layer in read_filter(name).layers:
            assert layer.picture.min() >= 0
            assert layer.picture.max() <= 1
            assert (layer.picture[..., :3] <= layer.picture[..., 3:] + 1e-6).all()  # colours times alpha


@pytest.mark.slow
def test_a_zip_and_a_folder_say_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "filter.toml").write_text(TOML)
    (folder / "a.png").write_bytes(png())
    one, other = read_filter(folder), read_filter(zipped(tmp_path / "mine.zip", filter_toml=TOML, a_png=png()))
    assert [layer.blend for layer in one.layers] == [layer.blend for layer in other.layers] == ["normal"]
    np.testing.assert_array_equal(one.layers[0].picture, other.layers[0].picture)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("toml", "kind"),
    [
        (TOML.replace("a.png", "../a.png"), UnsafeFile),
        (TOML.replace("a.png", "/etc/a.png"), UnsafeFile),
        (TOML.replace("format = 1", "format = 2"), UsageError),
        (TOML.replace("[4, 2]", "[4, nan]"), UsageError),
        (TOML.replace("[4, 2]", "[4, 1e9]"), UsageError),
        (TOML.replace("[4, 2]", "4"), UsageError),
        (TOML.replace('"board"', '"script"'), UsageError),
        (TOML + "pins = [468]\n", UsageError),
        (TOML + "lift = 1\n", UsageError),
        (TOML + 'behind = ["moon"]\n', UsageError),
        (TOML + 'blend = "burn"\n', UsageError),
        (TOML + "opacity = true\n", UsageError),
        ("layers = 3\nformat = 1", UsageError),
        ("= no toml", UsageError),
        ("a = " + "[" * 5000, UsageError),
        (TOML.replace("[4, 2]", "[4, 1" + "0" * 400 + "]"), UsageError),
        (TOML + "opacity = 1" + "0" * 5000, UsageError),
        (TOML + '"a\\nb\\u001b[31m' + "x" * 999 + '" = 1', UsageError),
        (TOML.replace('"board"', "['board']"), UsageError),
        ("format = 1\n" + TOML[11:] * 25, UsageError),
    ],
    ids=range(20),
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, toml: str, kind: type[MienError]) -> None:
    with pytest.raises(kind) as caught:
        read_filter(zipped(tmp_path / "f.zip", filter_toml=toml, a_png=png()))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.slow
def test_many_large_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFile, match="pixels"):
        read_filter(zipped(tmp_path / "f.zip", filter_toml="format = 1\n" + TOML[11:] * 24, a_png=png(2048, 2048)))


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_data_that_do_not_unpack_are_refused(tmp_path: Path, method: int) -> None:
    path = tmp_path / "f.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("filter.toml", TOML * 50)
    data = bytearray(path.read_bytes())
    data[60:80] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(SourceError):
        read_filter(path)


@pytest.mark.slow
def test_bombs_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFile):
        read_filter(zipped(tmp_path / "a.zip", filter_toml=TOML, a_png=b"\0" * (LARGEST_FILE + 2)))
    with pytest.raises(UnsafeFile):
        read_filter(zipped(tmp_path / "b.zip", filter_toml=TOML, a_png=png(2049, 1)))
    with pytest.raises(SourceError):
        read_filter(zipped(tmp_path / "c.zip", filter_toml=TOML, a_png=png()[:40]))
    with pytest.raises(SourceError):
        read_filter(zipped(tmp_path / "d.zip", filter_toml=TOML))
    (tmp_path / "e.zip").write_bytes(b"PK no zip")
    with pytest.raises(SourceError):
        read_filter(tmp_path / "e.zip")
    with pytest.raises(UsageError, match="sunglasses"):
        read_filter("no-such-filter")


def test_a_name_that_leads_out_of_the_filter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFile):
        read_filter(zipped(tmp_path / "f.zip", filter_toml=TOML.replace("a.png", "../a.png"), a_png=png()))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "filter.toml").write_text(TOML)
    (tmp_path / "secret.png").write_bytes(png())
    (folder / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(SourceError):
        read_filter(folder)


@pytest.mark.full
@given(st.binary(max_size=300))
def test_any_bytes_as_a_picture_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = zipped(tmp_path_factory.mktemp("filter") / "f.zip", filter_toml=TOML, a_png=png()[:20] + data)
    with contextlib.suppress(MienError):  # and nothing else
        read_filter(path)
