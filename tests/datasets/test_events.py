"""Readers of events: tables, the JSON of a clip, MPEblink's; and what is no such file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.clip import Clip, Event, Events
from mien.core.errors import InputError, MienError, SourceError, UsageError
from mien.datasets.readers import files
from mien.datasets.readers.events_csv import read_clip_json, read_events_csv
from mien.datasets.readers.mpeblink import read_mpeblink

HEAD = "track,start,end,kind\n"


def written(folder: Path, text: str | bytes, name: str = "events.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_table_of_one_clip(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + HEAD + "1,0.5,0.75,blink\n0, 2 ,2.5, blink \n")
    events = read_events_csv(path)[""]
    assert [(e.track_id, e.start, e.end, e.kind) for e in events] == [(1, 0.5, 0.75, "blink"), (0, 2, 2.5, "blink")]


def test_a_table_of_clips_with_all_that_is_known(tmp_path: Path) -> None:
    text = (
        "note,clip,track,start,end,kind,apex,score\nx,a.mp4,3,1,2,look,1.5,0.25\n,a.mp4,3,3,4,blink,,\n,b.mp4,,,,,,\n"
    )
    clips = read_events_csv(written(tmp_path, text))
    assert clips["b.mp4"] == Events()
    first, second = clips["a.mp4"]
    assert (first.apex, first.score) == (1.5, 0.25)
    assert (second.apex, second.score) == (None, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'track'"),
        ("track,start,end\n1,2,3\n", "no column 'kind'"),
        (HEAD + "one,1,2,blink\n", r"line 2: track is 'one', not a number"),
        (HEAD + "1.5,1,2,blink\n", r"a track is a whole number of 0 or more, not '1.5'"),
        (HEAD + "-1,1,2,blink\n", "a track is a whole number"),
        (HEAD + "1e300,1,2,blink\n", "a track is a whole number"),
        (HEAD + "1,nan,2,blink\n", "start is 'nan', not a number of seconds"),
        (HEAD + "1,1,inf,blink\n", "end is 'inf', not a number of seconds"),
        (HEAD + "1,1,1e9,blink\n", "not a number of seconds"),
        (HEAD + "1,1\n", "the kind of an event is a short word, not missing"),
        (HEAD + "1,2,1,blink\n", r"line 2: a blink cannot end \(1 s\) before it starts"),
        (HEAD + "1,1,2,\n", "the kind of an event is a short word"),
        (HEAD + "1,1,2," + "x" * 200 + "\n", "the kind of an event is a short word"),
        (HEAD + "1,1,2,bl\x1bink\n", "the kind of an event is a short word"),
        ("track,start,end,kind,score\n1,1,2,blink,7\n", "a score is between 0 and 1"),
        ("track,start,end,kind,apex\n1,1,2,blink,7\n", "the apex of a blink lies between"),
        (HEAD + '1,1,2,"blink\n', "is not a CSV file"),
        (HEAD + "1,1,2," + "x" * 200_000, "is not a CSV file"),
        (b"\xff\xfe\x00\x01", "is not text in UTF-8"),
    ],
)
def test_what_is_no_table_of_events(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_events_csv(written(tmp_path, text))
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 400


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        for read in (read_events_csv, read_clip_json):
            with pytest.raises(SourceError, match="cannot be read"):
                read(path)
    monkeypatch.setattr(files, "LARGEST_FILE", 10)
    with pytest.raises(InputError, match="too large for annotations"):
        read_events_csv(written(tmp_path, HEAD))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: (HEAD + text).encode())))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    for read in (read_events_csv, read_clip_json, lambda p: read_mpeblink(p, rate=25)):
        try:
            read(path)
        except MienError as error:
            assert str(error).endswith(".")  # noqa: PT017 - any of them, and nothing else


def test_the_json_of_a_clip(tmp_path: Path) -> None:
    events = Events((Event("blink", 2, 1.0, 1.25, apex=1.1, score=0.75), Event("look", 0, 3.0, 4.0)))
    clip = Clip("a.mp4", 10.0, (), events)
    for content in (clip.to_dict(), clip.to_dict()["events"]):
        back = read_clip_json(written(tmp_path, json.dumps(content), "clip.json"))
        assert [e.to_dict() for e in back] == [e.to_dict() for e in events]


APEX = '[{"kind": "blink", "track": 1, "start": 1, "end": 2, "apex": [1]}]'


@pytest.mark.parametrize(
    "content", ["", "{", "[" * 100_000, "3", '{"events": 3}', '{"events": [3]}', '[{"kind": 3}]', APEX]
)
def test_what_is_no_json_of_a_clip(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError):
        read_clip_json(written(tmp_path, content, "clip.json"))


def mpeblink(**changed: Any) -> dict[str, Any]:
    """As MPEblink's: two videos, three people, boxes and all."""
    return {
        "videos": [
            {"id": 1, "file_names": ["train/0001/00000.jpg", "train/0001/00001.jpg"], "width": 640, "height": 360},
            {"id": 2, "length": 100},
        ],
        "annotations": [
            {"id": 1, "video_id": 1, "category_id": 1, "bboxes": [[1, 2, 3, 4], None], "blinks": [[25, 29], [50, 50]]},
            {"id": 2, "video_id": 1, "blinks": []},
            {"id": 3, "video_id": 2, "blinks": [[0, 4]], "blinks_binary": [1] * 5},
        ],
        "categories": [{"id": 1, "name": "person_face"}],
        **changed,
    }


def test_people_of_mpeblink(tmp_path: Path) -> None:
    clips = read_mpeblink(written(tmp_path, json.dumps(mpeblink()), "test.json"), rate=25)
    assert list(clips) == ["0001", "2"]
    assert [(e.track_id, e.start, e.end) for e in clips["0001"]] == [(1, 1.0, 1.2), (1, 2.0, 2.04)]
    assert [(e.track_id, e.start, e.end) for e in clips["2"]] == [(3, 0.0, 0.2)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no list of videos"),
        (mpeblink(annotations={}), "no list of annotations"),
        (mpeblink(videos=[{"id": "1"}]), "id is '1', not a whole number"),
        (mpeblink(videos=[{"id": True}]), "not a whole number"),
        (mpeblink(videos=[{"id": 1}, {"id": 2, "file_names": ["1/0.jpg"]}]), "two videos have one name"),
        (mpeblink(annotations=[{"id": 1, "video_id": 9, "blinks": []}]), "video 9, which is not there"),
        (mpeblink(annotations=[{"id": 1, "video_id": 1}]), "no list of blinks"),
        (mpeblink(annotations=[{"id": 1, "video_id": 1, "blinks": [[5, 4]]}]), "no pair of frames"),
        (mpeblink(annotations=[{"id": 1, "video_id": 1, "blinks": [[1.5, 4]]}]), "no pair of frames"),
        (mpeblink(annotations=[{"id": 1, "video_id": 1, "blinks": [[1, 1 << 40]]}]), "no pair of frames"),
    ],
)
def test_what_is_not_mpeblink(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_mpeblink(written(tmp_path, json.dumps(content), "test.json"), rate=25)


@pytest.mark.parametrize("rate", [0.0, -25.0, float("nan"), float("inf")])
def test_a_rate_is_needed(tmp_path: Path, rate: float) -> None:
    with pytest.raises(UsageError, match="rate is a number of frames a second"):
        read_mpeblink(tmp_path / "test.json", rate=rate)
