"""Readers of marked points: what they should read, and files that mean harm."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError, MienError, ShapeMismatch, SourceError
from mien.datasets.readers import dlib_xml, pts
from mien.datasets.readers.dlib_xml import read_dlib_xml
from mien.datasets.readers.marks import MarkedPicture
from mien.datasets.readers.pts import read_pts, read_pts_folder
from mien.datasets.readers.w300lp_marks import read_w300lp_marks
from tests.shared import DATA, marked_faces

XML = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset><name>x</name><images>
  <image file='a.jpg'>
    <box top='10' left='20' width='30' height='40'>
      <part name='10' x='3' y='4'/><part name='2' x='1' y='2'/>
    </box>
    <box top='0' left='0' width='5' height='5' ignore='1'><part name='77' x='3' y='4'/></box>
    <box top='1.5' left='2' width='3' height='4'><label>ada</label><part name='2' x='-5' y='6'/></box>
  </image>
  <image file='sub/empty.jpg'/>
</images></dataset>"""
PTS = "version: 1\nn_points:  2\n{\n1 1\n20.5 30.25\n}\n"


def written(folder: Path, text: str | bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- imglab -----------------------------------------------------------------------------------------------------------


def test_boxes_and_points_of_an_imglab_file(tmp_path: Path) -> None:
    (picture,) = read_dlib_xml(written(tmp_path, XML))
    assert picture.path == tmp_path / "a.jpg"
    np.testing.assert_array_equal(picture.boxes, [[20, 10, 50, 50], [2, 1.5, 5, 5.5]])
    np.testing.assert_array_equal(picture.points, [[[1, 2], [3, 4]], [[-5, 6], [np.nan, np.nan]]])


@pytest.mark.data
def test_the_marked_photos() -> None:
    pictures = read_dlib_xml(DATA / "landmarks68_boxes" / "testing_with_face_landmarks.xml")
    assert sum(len(picture.boxes) for picture in pictures) == 25
    for picture in pictures:
        boxes, marks = marked_faces()[picture.path.name]
        np.testing.assert_array_equal(picture.boxes, boxes)
        np.testing.assert_array_equal(picture.points, marks)
    boxes_only = read_dlib_xml(DATA / "landmarks68_boxes" / "testing.xml")
    assert {picture.points.shape[1] for picture in boxes_only} == {0}


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (XML.replace("<dataset>", BOMB + "<dataset>"), "declares a document type"),
        ("<!DOCTYPE d SYSTEM 'file:///etc/passwd'><dataset/>", "declares a document type"),
        (XML.replace("</images>", ""), "is not XML"),
        (XML.replace("ISO-8859-1", "none"), "is not XML: unknown encoding"),
        (XML.replace("ISO-8859-1", "shift_jis"), "is not XML"),
        ("", "is not XML"),
        ("\x00\xff", "is not XML"),
        (XML.replace("width='30' ", ""), "<box> without width"),
        (XML.replace("'30'", "'nan'"), "width of a <box> is 'nan'"),
        (XML.replace("'30'", "'1e300'"), "width of a <box> is '1e300'"),
        (XML.replace("'30'", "'-3'"), "a box of -3 by 40"),
        (XML.replace("file='a.jpg'", ""), "<image> without file"),
        ("<d><box top='1' left='1' width='1' height='1'/></d>", "a <box> outside of an <image>"),
    ],
)
def test_imglab_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_dlib_xml(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for read in (read_dlib_xml, read_pts):
        with pytest.raises(SourceError, match="cannot be read"):
            read(tmp_path / "none")
        with pytest.raises(SourceError, match="cannot be read"):
            read(tmp_path)
    for module, read in ((dlib_xml, read_dlib_xml), (pts, read_pts)):
        monkeypatch.setattr(module, "LARGEST_FILE", 10)
        with pytest.raises(InputError, match="too large"):
            read(written(tmp_path, XML))


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pts")
    written(tmp_path, "", "a.jpg")
    with pytest.raises(SourceError, match="is not a regular file"):
        read_dlib_xml(tmp_path / "a.pts")
    with pytest.raises(SourceError, match="is not a regular file"):
        read_pts_folder(tmp_path)


def test_many_names_in_many_faces(tmp_path: Path) -> None:
    box = "<box top='0' left='0' width='5' height='5'><part name='{}' x='1' y='2'/></box>"
    text = f"<d><image file='a.jpg'>{''.join(map(box.format, range(5000)))}</image></d>"
    with pytest.raises(InputError, match="names 5000 different points in 5000 faces"):
        read_dlib_xml(written(tmp_path, text))


@given(st.binary(max_size=200) | st.text(alphabet="<>/ abpx='0.-&;!", max_size=200).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    for read in (read_dlib_xml, read_pts):
        with contextlib.suppress(MienError):
            read(written(tmp_path, data))


# --- pts --------------------------------------------------------------------------------------------------------------


def test_points_of_a_pts_file_count_from_zero(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_pts(written(tmp_path, PTS)), [[0, 0], [19.5, 29.25]])
    np.testing.assert_array_equal(read_pts(written(tmp_path, PTS.replace("\n", "\r\n"))), [[0, 0], [19.5, 29.25]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a .pts file"),
        (PTS.replace("version: 1", "version: 2"), "is not a .pts file"),
        (PTS.replace("}", ""), "is not a .pts file"),
        (PTS + "more", "is not a .pts file"),
        (PTS.replace(" 2", " 3", 1), "announces 3 points and has 2"),
        (PTS.replace(" 2", " 99999999999", 1), "is not a .pts file"),
        (PTS.replace("1 1\n", "1\n"), "each line in the braces is two numbers"),
        (PTS.replace("1 1\n", "one 1\n"), "each line in the braces is two numbers"),
        (PTS.replace("1 1\n", "inf 1\n"), "no places in a picture"),
        ("version: 1\nn_points: 0\n{\n}", "announces 0 points"),
        (b"\xff\xfe\x00", "is not text"),
    ],
)
def test_pts_files_that_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pts(written(tmp_path, text))


def test_a_folder_of_pts_files(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b[1]", "below/a"):
        written(tmp_path, PTS, f"{name}.pts")
        written(tmp_path, b"", f"{name}.png")
        written(tmp_path, b"", f"{name}.txt")
    pictures = read_pts_folder(tmp_path)
    assert [picture.path.name for picture in pictures] == ["b[1].png", "a.png"]
    np.testing.assert_array_equal(pictures[0].boxes, [[0, 0, 19.5, 29.25]])
    written(tmp_path, PTS.replace(" 2", " 1", 1).replace("1 1\n", ""), "c.pts")
    with pytest.raises(SourceError, match=r"c\.pts has no picture"):
        read_pts_folder(tmp_path)
    written(tmp_path, b"", "c.jpg")
    with pytest.raises(InputError, match="others have"):
        read_pts_folder(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match=r"no \.pts files"):
        read_pts_folder(tmp_path / "none")


def test_marks_that_do_not_fit() -> None:
    with pytest.raises(ShapeMismatch, match="of 2 faces do not fit"):
        MarkedPicture(Path("a"), np.zeros((2, 4), np.float32), np.zeros((1, 68, 2)))


# --- 300W-LP ----------------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_the_points_of_aflw2000() -> None:
    pictures = read_w300lp_marks(DATA / "pose")
    assert len(pictures) == 8
    for picture in pictures:
        assert picture.path.suffix == ".jpg"
        np.testing.assert_allclose(picture.points[0].min(axis=0), picture.boxes[0, :2], atol=1e-3)
        np.testing.assert_allclose(picture.points[0].max(axis=0), picture.boxes[0, 2:], atol=1e-3)
        assert picture.points[0, 8, 1] > picture.points[0, 27, 1]  # the chin is below the nose's root


def test_mat_files_without_points(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no \.mat file"):
        read_w300lp_marks(tmp_path)
    scipy_io = pytest.importorskip("scipy.io")
    scipy_io.savemat(tmp_path / "a.mat", {"Pose_Para": np.zeros((1, 7)), "pt2d": np.ones((2, 21)) * [[3], [4]]})
    written(tmp_path, b"", "a.jpg")
    with pytest.raises(InputError, match=r"a\.mat has no 68 points"):
        read_w300lp_marks(tmp_path)
