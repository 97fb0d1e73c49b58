"""Templates and their matches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError, MienError, SourceError
from mien.datasets.readers.ijb import read_matches, read_templates

HEADER = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT\n"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    file = tmp_path / "ijbc_1N_gallery_G1.csv"
    rows = ["7,100,img/1.jpg,1,10,20,30,40", "7,100,frames/5_1.png,2,,,,", "7,100,frames/5_2.png,3,,,,"]
    rows += ["11,200,img/2.jpg,4,0,0,9,9", "12,100,img/3.jpg,5,0,0,9,9"]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    return file


def test_the_official_columns(csv: Path) -> None:
    found = read_templates(csv)
    assert found.ids == (7, 11, 12)
    assert found.people == ("100", "200", "100")
    assert found.owners.tolist() == [0, 0, 0, 1, 2]
    assert found.media == ("img/1.jpg", "video 5", "video 5", "img/2.jpg", "img/3.jpg")
    assert found.boxes[0].tolist() == [10, 20, 40, 60]
    assert np.isnan(found.boxes[1]).all()
    assert found.pictures[3] == csv.parent / "img" / "2.jpg"


def test_matches_of_subjects(csv: Path) -> None:
    file = csv.parent / "ijbc_11_G1_G2_matches.csv"
    file.write_text("7,12\n7,11\n12,11\n")
    found = read_matches(file, read_templates(csv))
    assert (found.first.tolist(), found.second.tolist()) == ([0, 0, 2], [2, 1, 1])
    assert found.same.tolist() == [True, False, False]


def test_text_files_with_labels(tmp_path: Path) -> None:
    file, pairs = tmp_path / "ijbc_face_tid_mid.txt", tmp_path / "ijbc_template_pair_label.txt"
    file.write_text("1.jpg 1 69544\n2.jpg 1 69544\n3.jpg 4 5\n")
    pairs.write_text("1 4 0\n1 1 1\n")
    found = read_templates(file, pictures=tmp_path / "loose_crop")
    assert (found.people, found.media) == ((None, None), ("69544", "69544", "5"))
    assert found.pictures[0] == tmp_path / "loose_crop" / "1.jpg"
    assert read_matches(pairs, found).same.tolist() == [False, True]
    pairs.write_text("1 4\n")
    with pytest.raises(InputError, match="does not tell"):
        read_matches(pairs, found)


def test_a_template_in_two_files_counts_once(csv: Path) -> None:
    other = csv.with_name("ijbc_1N_probe_mixed.csv")
    other.write_text("template_id,subject_id,media_id,file\n11,200,8,img/2.jpg\n13,300,9,img/4.jpg\n")
    found = read_templates([csv, csv, other])
    assert found.ids == (7, 11, 12, 13)
    assert len(found.pictures) == 7, "the second list has no box for the picture that the first has one for"
    assert found.media[-1] == "video 9"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("TEMPLATE_ID,FILENAME\n", "no columns"),
        (HEADER, "lists no templates"),
        (HEADER + "7,100\n", "line 2: fewer"),
        (HEADER + "x,1,a.jpg,1,,,,\n", "line 2: 'x' is no whole number"),
        (HEADER + "7,1,a.jpg,1,,,,\n7,2,b.jpg,1,,,,\n", "line 3: template 7 is of 1 and of 2"),
        (HEADER + "7,1,../a.jpg,1,,,,\n", "no file in the folder"),
        (HEADER + "7,1,a.jpg,1,0,0,-1,5\n", "x, y, width and height"),
        (HEADER + "7,1,a.jpg,1,0,0,,5\n", "x, y, width and height"),
        (HEADER + "7,1,a.jpg,1,0,0,nan,5\n", "x, y, width and height"),
        (HEADER + '7,1,"a.jpg,1,,,,\n', "not a CSV"),
    ],
)
def test_templates_that_are_wrong(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=match):
        read_templates(file)


@pytest.mark.parametrize(
    "text", ["", "7,99\n", "7\n", "7,11\n7\n", "a,b\n", "7,11,2\n", "7 11 1 1\n", "9" * 30 + ",7\n"]
)
def test_matches_that_are_wrong(csv: Path, text: str) -> None:
    file = csv.parent / "matches.csv"
    file.write_text(text)
    with pytest.raises(InputError):
        read_matches(file, read_templates(csv))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read_templates(tmp_path / "none.csv")
    with pytest.raises(InputError):
        read_templates([])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=80), suffix=st.sampled_from([".csv", ".txt"]))
def test_any_bytes_are_templates_or_a_clear_error(tmp_path: Path, data: bytes, suffix: str) -> None:
    file = tmp_path / f"any{suffix}"
    file.write_bytes(HEADER.encode() + data if suffix == ".csv" else data)
    try:
        read_templates(file)
    except MienError as error:
        assert str(error).endswith(".")  # noqa: PT017 # reading may also succeed
