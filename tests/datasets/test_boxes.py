"""Readers of boxes: WIDER's text and MATLAB files, COCO's JSON, noses."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from mien.core.errors import InputError, ShapeMismatch, SourceError
from mien.datasets.readers.boxes import BoxedPicture
from mien.datasets.readers.coco import read_coco, read_json, read_noses
from mien.datasets.readers.wider import LEVELS, read_wider, with_levels

WIDER = """0--Parade/a.jpg
2
10 20 30 40 0 0 0 0 0 0
1 2 3 4 0 0 0 1 0 0
0--Parade/empty.jpg
0
0 0 0 0 0 0 0 0 0 0
1--Handshaking/b.jpg
1
5 6 0 8
"""


@pytest.fixture
def wider(tmp_path: Path) -> Path:
    path = tmp_path / "gt.txt"
    path.write_text(WIDER)
    return path


def test_wider_text(wider: Path) -> None:
    first, empty, last = read_wider(wider)
    assert first.path == wider.parent / "0--Parade" / "a.jpg"
    assert first.boxes.tolist() == [[10, 20, 40, 60], [1, 2, 4, 6]]
    assert first.subsets["all"].tolist() == [True, False]  # the second is marked invalid
    assert len(empty.boxes) == 0
    assert last.subsets["all"].tolist() == [False]  # it has no area
    assert read_wider(wider, pictures="/p")[0].path == Path("/p/0--Parade/a.jpg")
    (wider.parent / "images").mkdir()
    assert read_wider(wider)[0].path.parent.parent.name == "images"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg\n", "line 2: '' is no number of faces"),
        ("a.jpg\nmany\n", "line 2: 'many'"),
        ("a.jpg\n2\n1 2 3 4\n", "line 4: x, y, width and height"),
        ("a.jpg\n1\n1 2 3\n", "line 3"),
        ("a.jpg\n1\n1 2 3 nan\n", "line 3"),
        ("a.jpg\n1\n1 2 3 x\n", "line 3"),
        ("../../etc/passwd\n1\n1 2 3 4\n", "no file in the folder"),
        ("/etc/passwd\n1\n1 2 3 4\n", "no file in the folder"),
    ],
)
def test_wider_text_that_is_broken(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gt.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_wider(tmp_path / "gt.txt")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_wider(tmp_path / "none.txt")
    (tmp_path / "gt.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="not text"):
        read_wider(tmp_path / "gt.txt")


def cell(*values: Any) -> Any:
    """A column of MATLAB cells."""
    column = np.empty((len(values), 1), object)
    column[:, 0] = values
    return column


def write_levels(folder: Path, rows: dict[str, list[list[list[int]]]]) -> None:
    files = [cell("a", "empty"), cell("b")]
    for level, events in rows.items():
        listed = [cell(*(np.array(numbers, np.float64).reshape(-1, 1) for numbers in event)) for event in events]
        content = {
            "event_list": cell("0--Parade", "1--Handshaking"),
            "file_list": cell(*files),
            "gt_list": cell(*listed),
        }
        savemat(folder / f"wider_{level}_val.mat", content)


def test_easy_medium_and_hard(wider: Path) -> None:
    rows = {"easy": [[[1], []], [[]]], "medium": [[[1, 2], []], [[]]], "hard": [[[2], []], [[1]]]}
    write_levels(wider.parent, rows)
    first, empty, last = with_levels(read_wider(wider), wider.parent)
    assert list(first.subsets) == list(LEVELS)
    assert {level: mask.tolist() for level, mask in first.subsets.items()} == {
        "easy": [True, False],
        "medium": [True, True],
        "hard": [False, True],
    }
    assert [len(mask) for mask in empty.subsets.values()] == [0, 0, 0]
    assert last.subsets["hard"].tolist() == [True]
    write_levels(wider.parent, {"hard": [[[7], []], [[]]]})
    with pytest.raises(InputError, match=r"hard faces of a\.jpg"):
        with_levels(read_wider(wider), wider.parent)


def test_levels_that_are_none(wider: Path) -> None:
    with pytest.raises(SourceError):
        with_levels(read_wider(wider), wider.parent)
    for content in (b"", b"no MATLAB file at all" * 100):
        (wider.parent / "wider_easy_val.mat").write_bytes(content)
        with pytest.raises(InputError, match="evaluation kit"):
            with_levels(read_wider(wider), wider.parent)
    savemat(wider.parent / "wider_easy_val.mat", {"x": 1})
    with pytest.raises(InputError, match="evaluation kit"):
        with_levels(read_wider(wider), wider.parent)


COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "sub/b.jpg"}],
    "categories": [{"id": 3, "name": "dog"}, {"id": 4, "name": "Face"}],
    "annotations": [
        {"image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4]},
        {"image_id": 1, "category_id": 3, "bbox": [9, 9, 9, 9]},
        {"image_id": 1, "category_id": 4, "bbox": [5, 5, 50, 5], "iscrowd": 1},
    ],
}


def written(folder: Path, content: Any) -> Path:
    path = folder / "marks.json"
    path.write_text(json.dumps(content))
    return path


def test_coco(tmp_path: Path) -> None:
    first, second = read_json(written(tmp_path, COCO))
    assert first.path == tmp_path / "a.jpg"
    assert first.boxes.tolist() == [[1, 2, 4, 6], [5, 5, 55, 10]]
    assert first.subsets["all"].tolist() == [True, False]
    assert (second.path, len(second.boxes)) == (tmp_path / "sub" / "b.jpg", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"images": None},
        {"images": [{"id": True, "file_name": "a.jpg"}]},
        {"images": [{"id": 1, "file_name": "../a.jpg"}]},
        {"categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]},
        {"annotations": [{"image_id": 9, "category_id": 4, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": 1, "category_id": 4, "bbox": [1, 2, -3, 4]}]},
        {"annotations": [{"image_id": 1, "category_id": 4, "bbox": [1, 2, 3]}]},
        {"annotations": [{"image_id": 1, "category_id": 4, "bbox": "1234"}]},
        {"annotations": [{"image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 1e400]}]},
        {"annotations": "none"},
    ],
)
def test_coco_that_is_broken(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read_coco(written(tmp_path, {**COCO, **change}))


@pytest.mark.parametrize("text", ["", "[]", "nothing", "[" * 100_000, '{"images": 1}'])
def test_json_that_is_none_of_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError):
        read_json(tmp_path / "x.json")


def test_noses(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (found,) = read_json(written(tmp_path, {"noses": {"a.jpg": [[1, 2]], "gone.jpg": []}}))
    assert found.boxes.tolist() == [[1, 2, 1, 2]]
    cases: list[Any] = [{"noses": []}, {"noses": {"a.jpg": [[1]]}}, {"noses": {"../a.jpg": []}}]
    for broken in cases:
        with pytest.raises(InputError):
            read_noses(written(tmp_path, broken))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda part: (
            st.lists(part, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["images", "annotations", "categories", "noses", "id", "file_name", "bbox", "image_id"]
                ),
                part,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_hostile_json_is_refused_or_read(tmp_path_factory: Any, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.json"
    path.write_text(json.dumps(content))
    with contextlib.suppress(InputError):
        assert all(isinstance(part, BoxedPicture) for part in read_json(path))


def test_pictures_are_checked() -> None:
    with pytest.raises(ShapeMismatch):
        BoxedPicture(Path("a"), np.zeros((2, 3), np.float32))
    with pytest.raises(ShapeMismatch):
        BoxedPicture(Path("a"), np.zeros((2, 4), np.float32), {"easy": np.ones(3, np.bool_)})
