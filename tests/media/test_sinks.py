"""Result files: whole or absent, readable by their own tools, honest about failures."""

from __future__ import annotations

import csv
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Angles, Vectors
from mien.core.errors import StorageError, UsageError
from mien.core.faces import Faces
from mien.engine import Failure, Item
from mien.media.sinks import FORMATS, open_sink, write_text


def item(name: str, count: int) -> Item:
    faces = Faces.from_boxes(np.tile([1, 2, 30, 40], (count, 1)), scores=np.full(count, 0.5), image_size=(64, 48))
    columns = {"pose": Angles(np.full((count, 3), 1.5)), "embedding": Vectors(np.ones((count, 2)), space="toy/1")}
    return Item(name, faces.with_columns(columns, model="toy"))


ITEMS = [
    Item("broken.jpg", failure=Failure("ImageError", "broken.jpg is not a picture.")),
    item("a, \"b\".jpg", 2),
    item("nobody.jpg", 0),
    item("ü.jpg", 1),
]  # fmt: skip


def write(path: Path, items: list[Item]) -> None:
    with open_sink(path) as sink:
        for one in items:
            sink.write(one.to_dict(), one.faces)


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json_holds_every_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"new folder/faces{suffix}"
    write(path, ITEMS)
    text = path.read_text(encoding="utf-8")
    records: list[dict[str, Any]] = (
        json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    )
    assert [record["source"] for record in records] == [one.source for one in ITEMS]
    assert records[0]["failure"]["kind"] == "ImageError"
    assert [len(record.get("faces", [])) for record in records] == [0, 2, 0, 1]
    assert len(Faces.from_dicts(records[1]["faces"])) == 2
    assert list(path.parent.iterdir()) == [path]


def test_csv_has_a_row_per_face_and_per_failure(tmp_path: Path) -> None:
    write(tmp_path / "faces.csv", ITEMS)
    with (tmp_path / "faces.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["source"], row["face"]) for row in rows] == [
        ("broken.jpg", ""), ('a, "b".jpg', "0"), ('a, "b".jpg', "1"), ("ü.jpg", "0"),
    ]  # fmt: skip
    assert rows[0]["failure"] == "broken.jpg is not a picture."
    assert float(rows[1]["pose.yaw"]) == 1.5
    assert json.loads(rows[1]["embedding"]) == [1, 1]


@pytest.mark.parametrize("suffix", [suffix for suffix, (mode, _) in FORMATS.items() if mode == "w"])
def test_nothing_to_write_is_a_valid_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"faces{suffix}"
    write(path, [])
    text = path.read_text()
    assert {".json": "[]\n", ".csv": "source,frame,time,face,failure\n"}.get(suffix, "") == text.replace("\r\n", "\n")


@given(names=st.lists(st.text(max_size=20), max_size=4))
def test_any_name_survives(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("names") / "faces.jsonl"
    names = [name.encode("utf-8", "ignore").decode() for name in names]
    write(path, [item(name, 1) for name in names])
    assert [json.loads(line)["source"] for line in path.read_bytes().decode().split("\n") if line] == names


def test_an_error_leaves_nothing_and_ctrl_c_leaves_a_part(tmp_path: Path) -> None:
    old = tmp_path / "faces.jsonl"
    old.write_text("what was there before\n")
    with pytest.raises(ZeroDivisionError), open_sink(old) as sink:
        sink.write(ITEMS[1].to_dict(), ITEMS[1].faces)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "what was there before\n"
    with pytest.raises(KeyboardInterrupt), open_sink(old) as sink:
        sink.write(ITEMS[1].to_dict(), ITEMS[1].faces)
        raise KeyboardInterrupt
    assert old.read_text() == "what was there before\n"
    assert next(tmp_path.glob("faces.jsonl.*.part")).read_text().startswith('{"source"')
    with pytest.raises(KeyboardInterrupt), open_sink(tmp_path / "faces.json") as sink:
        sink.write(ITEMS[1].to_dict(), ITEMS[1].faces)
        raise KeyboardInterrupt
    assert len(json.loads(next(tmp_path.glob("faces.json.*.part")).read_text())) == 1


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="No space left"), open_sink(tmp_path / "faces.jsonl") as sink:
        monkeypatch.setattr(sink._format, "record", full)
        sink.write({}, None)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"report\.html"):
        write_text(tmp_path / "report.html", "text")


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing(tmp_path: Path) -> None:
    for name in ("faces.jsonl", "report.html"):
        (tmp_path / name).mkdir()  # a folder stands where the file should go
    with pytest.raises(StorageError, match=r"faces\.jsonl: .+\.$"):
        write(tmp_path / "faces.jsonl", ITEMS)
    with pytest.raises(StorageError, match=r"report\.html: .+\.$"):
        write_text(tmp_path / "report.html", "text")
    assert {path.name for path in tmp_path.iterdir()} == {"faces.jsonl", "report.html"}


def test_refused_targets(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.jsonl"):
        open_sink(tmp_path / "faces.xlsx")
    with pytest.raises(UsageError, match="no style 'dlib'; there is openface"):
        open_sink(tmp_path / "faces.csv", style="dlib")
    with pytest.raises(UsageError, match=r"style of openface are written as \.csv"):
        open_sink(tmp_path / "faces.jsonl", style="openface")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        open_sink(tmp_path / "file" / "faces.csv")


def test_write_text_replaces_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.html", "one")
    write_text(tmp_path / "a.html", "two")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["two"]
