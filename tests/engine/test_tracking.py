"""Following a video: stages in order, ids that stay, fields and events, and what happens when it ends early."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien.core.errors import LicenseRefused, StorageError, UnknownField, UsageError
from mien.engine import Engine
from mien.media.video import Frame
from tests.engine import fakes
from tests.engine.test_engine import picture
from tests.media.films import film, is_open


class FakeVideo:
    source = "fake.mp4"
    rate = 10.0

    def __init__(self, frames: list[tuple[int, ...]]) -> None:
        self.frames = [Frame(i, i / 10, picture(*greys)) for i, greys in enumerate(frames)]
        self.read = 0
        self.closed = False

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.frames:
            self.read += 1
            yield frame

    def __enter__(self) -> FakeVideo:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def video(monkeypatch: pytest.MonkeyPatch) -> FakeVideo:
    fakes.TrackerMaker.trackers.clear()
    video = FakeVideo([(200,), (200, 250), (200, 250), (250, 100), ()])
    monkeypatch.setattr("mien.engine.engine.open_video", lambda _: video)
    return video


@pytest.fixture
def engine() -> Iterator[Engine]:
    with make() as engine:
        yield engine


def make(**options: Any) -> Engine:
    return Engine(**{"device": "cpu", "threads": 1, "catalogue": fakes.clip_catalogue(), **options})


def test_frames_come_in_order_with_ids_and_fields_then_the_clip(video: FakeVideo, engine: Engine) -> None:
    tracking = mien.track("fake.mp4", want={"pose", "blink"}, every=1, smooth=False, engine=engine)
    items = list(tracking)
    assert [item.frame for item in items] == [0, 1, 2, 3, 4]
    assert [item.time for item in items] == [0, 0.1, 0.2, 0.3, 0.4]
    faces = [item.faces for item in items]
    assert [f.track.ids.tolist() for f in faces if f is not None] == [[1], [1, 2], [1, 2], [1, 2], []]
    assert all(f is not None and f.fields == ("track", "pose") and f.image is None for f in faces)
    assert items[1].to_dict()["frame"] == 1
    assert faces[3] is not None
    assert faces[3].pose.yaw.tolist() == [250, 100], "of the frame's own picture"
    assert faces[3].models == {"detect": "squares", "track": "tracker", "pose": "pose"}
    clip = tracking.clip
    assert clip.source == "fake.mp4"
    assert clip.duration == pytest.approx(0.5)
    assert [(track.id, track.start, track.end) for track in clip.tracks] == [(1, 0.0, 0.3), (2, 0.1, 0.3)]
    assert [(e.kind, e.track_id, e.start, e.end) for e in clip.events] == [("blink", 1, 0, 0.3), ("blink", 2, 0.1, 0.2)]
    assert video.closed


def test_the_smoother_comes_before_what_watches(video: FakeVideo, engine: Engine) -> None:
    tracking = engine.track("fake.mp4", want={"pose", "blink"}, every=1)
    yaws = [item.faces.pose.yaw.tolist() for item in tracking if item.faces is not None]
    assert yaws[3] == pytest.approx([250 / 1.5, 100 / 1.5])
    assert [(e.track_id, e.start, e.end) for e in tracking.events] == [(1, 0.1, 0.3)]


def test_what_was_only_needed_on_the_way_is_dropped_and_temporal_fields_stay(video: FakeVideo, engine: Engine) -> None:
    item = next(engine.track("fake.mp4", want={"perclos"}))
    assert item.faces is not None
    assert set(item.faces.fields) == {"track", "perclos"}
    assert item.faces.perclos.values.tolist() == [0.25]
    assert item.faces.models["perclos"] == "yawning"


def test_faces_are_detected_in_every_nth_frame_only(video: FakeVideo, engine: Engine) -> None:
    list(engine.track("fake.mp4", every=3, reidentify=False))
    (tracker,) = fakes.TrackerMaker.trackers
    assert [faces is not None for faces in tracker.pushed] == [True, False, False, True, False]
    assert not tracker.asked
    assert all(faces is None or "embedding" not in faces.fields for faces in tracker.pushed)


def test_another_shot_is_looked_at_at_once(video: FakeVideo, engine: Engine) -> None:
    video.frames[2].image[0, 0] = fakes.CUT
    list(engine.track("fake.mp4", every=5, reidentify=False))
    (tracker,) = fakes.TrackerMaker.trackers
    assert [faces is not None for faces in tracker.pushed] == [True, False, True, False, False]


def test_the_lowest_score_is_the_trackers_to_say(video: FakeVideo, engine: Engine) -> None:
    list(engine.track("fake.mp4", every=1, min_score=0.9))
    (tracker,) = fakes.TrackerMaker.trackers
    assert [len(faces) for faces in tracker.pushed if faces is not None] == [0, 1, 1, 1, 0]


def test_the_tracker_gets_the_embeddings_that_it_asks_for(video: FakeVideo, engine: Engine) -> None:
    items = list(engine.track("fake.mp4", every=1))
    (tracker,) = fakes.TrackerMaker.trackers
    assert tracker.asked == [0, 1, 2, 3, 4]
    second = tracker.pushed[1]
    assert second is not None
    assert np.isfinite(second.embedding.values).all(axis=1).tolist() == [True, False]
    assert all(item.faces is not None and item.faces.fields == ("track",) for item in items)


def test_each_clip_has_a_state_of_its_own(video: FakeVideo, engine: Engine) -> None:
    first = list(engine.track("fake.mp4", want={"blink"}))
    second = list(engine.track("fake.mp4", want={"blink"}))
    assert len(fakes.TrackerMaker.trackers) == 2
    assert [item.to_dict() for item in first] == [item.to_dict() for item in second]


def test_pictures_are_kept_on_request(video: FakeVideo, engine: Engine) -> None:
    item = next(engine.track("fake.mp4", keep_images=True))
    assert item.faces is not None
    assert item.faces.draw().shape == (100, 100, 3)


def test_an_early_end_is_an_end(video: FakeVideo, engine: Engine) -> None:
    with engine.track("fake.mp4", want={"blink"}, every=1, smooth=False) as tracking:
        assert next(tracking).frame == 0  # frame 1 is read and held back
        tracking.stop()
        assert [item.frame for item in tracking] == [1]
    assert tracking.clip.duration == pytest.approx(0.2)
    assert [e.track_id for e in tracking.clip.events] == [1, 2]
    assert video.closed


def test_leaving_the_block_closes_the_video_and_loses_the_rest(video: FakeVideo, engine: Engine) -> None:
    with engine.track("fake.mp4", want={"blink"}, every=1, smooth=False) as tracking:
        next(tracking)
    assert video.closed
    assert video.read == 2
    assert list(tracking) == []
    assert tracking.clip.duration == pytest.approx(0.2)
    assert [(track.id, track.end) for track in tracking.clip.tracks] == [(1, 0.1), (2, 0.1)]
    assert [(e.track_id, e.start, e.end) for e in tracking.clip.events] == [(1, 0, 0)], "the frame held back is not in"


def test_an_error_on_the_way_closes_the_video_and_the_clip_goes_up_to_it(
    video: FakeVideo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def update(self: fakes.Yawning, time: float, faces: mien.Faces) -> mien.Faces:
        if time > 0.15:
            raise StorageError("the disk is full.")
        return before(self, time, faces)

    before = fakes.Yawning.update
    monkeypatch.setattr(fakes.Yawning, "update", update)
    tracking = engine.track("fake.mp4", want={"blink"}, every=1, smooth=False)
    with pytest.raises(StorageError):
        list(tracking)
    assert video.closed
    assert list(tracking) == []
    assert [(e.track_id, e.start, e.end) for e in tracking.events] == [(1, 0, 0.1), (2, 0.1, 0.1)]


def test_a_clip_that_is_abandoned_closes_its_file(engine: Engine, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", [picture(200)] * 40, codec="ffv1", pixels="bgr0", clock=1000)
    gc.disable()  # at once, not when the collector comes by
    try:
        for item in engine.track(path, every=1):
            assert item.faces is not None
            assert is_open(path)
            break
        assert not is_open(path)
    finally:
        gc.enable()


def test_a_video_without_frames_is_an_empty_clip(video: FakeVideo, engine: Engine) -> None:
    video.frames.clear()
    tracking = engine.track("fake.mp4", want={"pose", "blink"})
    assert list(tracking) == []
    assert tracking.clip == mien.Clip("fake.mp4", 0.0)


def test_errors_of_the_call_are_heard_at_once(video: FakeVideo, engine: Engine) -> None:
    with pytest.raises(UsageError, match="every is a whole number"):
        engine.track("fake.mp4", every=0)
    with pytest.raises(UnknownField, match="Did you mean 'blink'"):
        engine.track("fake.mp4", want={"blnk"})
    with pytest.raises(UsageError, match="blink is known only from a video's frames together: use track"):
        engine.analyze(picture(200), want={"blink"})
    with make(licenses="strict") as strict, pytest.raises(LicenseRefused):
        strict.track("fake.mp4")
    assert video.read == 0
