"""Files of tracked boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Tracks
from mien.core.errors import InputError, ShapeMismatch, SourceError, StorageError, UsageError
from mien.core.faces import Faces
from mien.datasets.readers.mot import TrackedBoxes, find_tracks, read_tracks, write_mot
from mien.engine import Item


def test_mot_counts_frames_and_pixels_from_one(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("1,3,11,21,30,40,1,1,0.9\n\n2,3,12,21,30,40,0\n2, 4, 1, 1, 5, 5\n")
    tracks = read_tracks(path)
    assert tracks.frames.tolist() == [0, 1, 1]
    assert tracks.ids.tolist() == [3, 3, 4]
    assert tracks.boxes.tolist() == [[10, 20, 40, 60], [11, 20, 41, 60], [0, 0, 5, 5]]
    assert tracks.ignored is not None
    assert tracks.ignored.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1,2,3\n", "line 1"),
        ("1,2,3,4,5,6\n0,2,3,4,5,6\n", "line 2"),
        ("1,2,3,4,5,-6\n", "negative"),
        ("1,two,3,4,5,6\n", "line 1"),
        ("1,2,nan,4,5,6\n", "finite"),
        ("inf,2,3,4,5,6\n", "line 1"),
        ("1,1e300,3,4,5,6\n", "too large"),
        ("1,2,3,4,5,6\n1,2,9,9,9,9\n", "id 2 stands twice in frame 0"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match=match):
        read_tracks(path)


def test_an_empty_file_is_a_clip_without_faces(tmp_path: Path) -> None:
    (tmp_path / "none.txt").touch()
    assert len(read_tracks(tmp_path / "none.txt")) == 0


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_tracks(tmp_path / "no.txt")
    with pytest.raises(SourceError, match="holds no files"):
        find_tracks(tmp_path)
    with pytest.raises(StorageError, match="cannot be written"):
        write_mot(TrackedBoxes(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4), np.float32)), tmp_path / "a" / "b")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_tracks(tmp_path / "bytes.txt")
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="line 1"):
        read_tracks(tmp_path / "deep.jsonl")


def test_shapes_have_to_fit() -> None:
    with pytest.raises(ShapeMismatch):
        TrackedBoxes(np.zeros(2, int), np.zeros(3, int), np.zeros((2, 4), np.float32))


rows = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 9), *[st.floats(-100, 4000, width=32)] * 2, st.booleans()),
    unique_by=lambda row: row[:2],
)


@given(rows)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]]) -> None:
    table = np.array(rows, np.float64).reshape(-1, 5)
    boxes = np.concatenate([table[:, 2:4], table[:, 2:4] + 30], axis=1).astype(np.float32)
    given_tracks = TrackedBoxes(table[:, 0].astype(int), table[:, 1].astype(int), boxes, table[:, 4] > 0)
    path = tmp_path_factory.mktemp("mot") / "a.txt"
    write_mot(given_tracks, path)
    found = read_tracks(path)
    assert found.frames.tolist() == given_tracks.frames.tolist()
    assert found.ids.tolist() == given_tracks.ids.tolist()
    np.testing.assert_array_equal(found.ignored, given_tracks.ignored)
    np.testing.assert_allclose(found.boxes, boxes, atol=0.011)


def test_what_track_writes_is_read(tmp_path: Path) -> None:
    faces = Faces.from_boxes([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 10, 10]], image_size=(20, 20))
    ids = Tracks(np.array([[7, 1], [2, 0], [np.nan, np.nan]], np.float32))
    item = Item("clip.mp4", faces.with_columns({"track": ids}), time=0.2, frame=5)
    path = tmp_path / "clip.jsonl"
    path.write_text(json.dumps(item.to_dict()) + "\n")
    tracks = read_tracks(path)
    same = TrackedBoxes.of_faces([(5, faces.with_columns({"track": ids}))])
    for found in (tracks, same):
        assert found.frames.tolist() == [5, 5]
        assert found.ids.tolist() == [7, 2]
        assert found.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    path.write_text('{"frame": 1}\n')
    with pytest.raises(UsageError, match="line 1"):
        read_tracks(path)


def test_clips_by_name(tmp_path: Path) -> None:
    for name in ("a.txt", "b.jsonl", "notes.md", "MOT-1/gt/gt.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(find_tracks(tmp_path)) == ["a", "b", "MOT-1"]
    assert find_tracks(tmp_path / "a.txt") == {"a": tmp_path / "a.txt"}
