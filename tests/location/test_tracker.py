"""The tracker on clips whose every face is known, and on anything at all for what must always hold."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.clip import Track
from mien.core.columns import Vectors
from mien.core.errors import CardError, UsageError
from mien.core.faces import Faces
from mien.datasets.readers.mot import TrackedBoxes
from mien.embeddings.calibration import load_calibration
from mien.evaluation.tracking import ClipCounts, count_clip
from mien.location.tracker import ClipTracker, FaceTracker, Settings
from mien.media.video import Frame
from mien.models.catalogue import Catalogue
from tests import clips
from tests.clips import Truth
from tests.shared import DATA, open_bundle

Followed = tuple[list[tuple[int, Faces]], tuple[Track, ...]]

SIZE = (480, 270)
CARD = Catalogue.load()["tracker"]


def tracker(**changes: Any) -> ClipTracker:
    return ClipTracker(Settings(**{**CARD.params, **changes}))


def looks(ids: NDArray[np.intp]) -> Vectors:
    """Embeddings of people, each like herself and nobody else."""
    vectors = np.eye(16, dtype=np.float32)[ids % 16] * 0.95
    vectors[:, 15] = np.sqrt(1 - 0.95**2)
    return Vectors(vectors, space="test/1")


@functools.cache
def follow(name: str, every: int, *, embed: bool = True, **changes: Any) -> Followed:
    """Track a clip as the engine does."""
    following, out = tracker(**changes), []
    for frame, truth in rendered(name):
        faces: Faces | None = None
        if frame.index % every == 0:
            faces = truth.as_faces(SIZE)
            if embed:
                vectors = np.array(looks(truth.ids[truth.seen]).values)
                vectors[~following.asks(frame, faces)] = np.nan
                faces = faces.with_columns({"embedding": Vectors(vectors, space="test/1")})
        out += following.push(frame, faces)
    rest, tracks = following.finish()
    return [(frame.index, faces) for frame, faces in out + rest], tracks


@functools.cache
def rendered(name: str) -> list[tuple[Frame, Truth]]:
    return list(clips.SCENES[name]().scaled(SIZE).frames())


def counted(name: str, followed: Followed) -> ClipCounts:
    rows = [(frame.index, truth) for frame, truth in rendered(name)]
    truth = TrackedBoxes(
        np.concatenate([np.full(len(truth.ids), index) for index, truth in rows]).astype(np.intp),
        np.concatenate([truth.ids for _, truth in rows]),
        np.concatenate([truth.boxes for _, truth in rows]),
        ~np.concatenate([truth.seen for _, truth in rows]),
    )
    return count_clip(truth, TrackedBoxes.of_faces(followed[0]))


# -- clips -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.full), 5])
@pytest.mark.parametrize("name", list(clips.SCENES))
def test_ids_are_kept_over_everything_that_happens(name: str, every: int) -> None:
    frames, tracks = follow(name, every)
    found = counted(name, (frames, tracks))
    assert found.switches == 0
    assert len(tracks) == found.people
    assert found.recall > 0.97
    assert found.precision > 0.99
    assert found.idf1 > 0.97
    assert found.motp > 0.85
    for _, faces in frames:
        assert (faces.boxes >= 0).all()
        assert (faces.boxes <= [*SIZE, *SIZE]).all()


@pytest.mark.parametrize("every", [1, 3, 5])
@pytest.mark.parametrize("name", ["crossing", "burst"])
def test_motion_alone_keeps_ids_while_people_stay(name: str, every: int) -> None:
    found = counted(name, follow(name, every, embed=False))
    assert found.switches == 0
    assert found.idf1 > 0.97


def test_without_embeddings_a_cut_makes_new_people() -> None:
    _, tracks = follow("cut", 3, embed=False)
    assert [track.id for track in tracks] == [1, 2, 3, 4, 5], "2 before, 1 between, 2 after"


def test_tracks_tell_who_was_there_and_when() -> None:
    frames, tracks = follow("cut", 3)
    assert [(t.id, t.start, t.end) for t in tracks] == [(1, 0, 5.96), (2, 0, 5.96), (3, 2, 3.96)]
    counts = Counter(i for _, faces in frames for i in faces.track.ids.tolist())
    assert {t.id: t.frames for t in tracks} == counts == {1: 100, 2: 100, 3: 50}


def test_a_covered_face_is_filled_in_where_it_comes_back() -> None:
    frames, _ = follow("burst", 1)
    truth = [truth for _, truth in rendered("burst")]
    filled = [index for index, faces in frames if not faces.track.observed[0]]
    assert filled == [index for index, now in enumerate(truth) if not now.seen[0]]
    for index, faces in frames:
        assert faces.track.ids.tolist() == [1]
        assert np.abs(faces.boxes - truth[index].boxes).max() < 12
        inside = (faces.keypoints[0] > faces.boxes[0, :2]) & (faces.keypoints[0] < faces.boxes[0, 2:])
        assert inside.all(), "the points go along"


def test_nothing_is_filled_for_longer_than_that() -> None:
    frames, tracks = follow("burst", 1, fill=0.3)
    gone = [index for index, faces in frames if not len(faces)]
    assert gone == list(range(65, 75)), "the short one is filled, of 6 frames; the long one, of 10, is not"
    assert len(tracks) == 1


def test_between_detections_boxes_move_evenly() -> None:
    """Detection in every fifth frame: no step is much longer or shorter than that of the truth."""
    frames, _ = follow("still", 5)
    boxes = np.concatenate([faces.boxes for _, faces in frames])
    truth = np.concatenate([truth.boxes for _, truth in rendered("still")])
    assert np.abs(boxes - truth).max() < 1.5
    assert np.abs(np.diff(boxes, axis=0) - np.diff(truth, axis=0)).max() < 1


def test_few_faces_are_embedded() -> None:
    asked, following = [], tracker()
    for frame, truth in rendered("still"):
        faces = truth.as_faces(SIZE)
        wanted = following.asks(frame, faces)
        asked += wanted.tolist()
        vectors = np.where(wanted[:, None], looks(truth.ids).values, np.nan).astype(np.float32)
        following.push(frame, faces.with_columns({"embedding": Vectors(vectors, space="test/1")}))
    assert np.flatnonzero(asked).tolist() == [0, 25], "at first, and each second"


# -- who is shown ------------------------------------------------------------------------------------------------------


def grey(index: int, time: float | None = None, level: int = 128) -> Frame:
    draw = np.random.default_rng(1)
    image = (level + draw.integers(-20, 20, (90, 160, 3))).clip(0, 255).astype(np.uint8)
    return Frame(index, index / 25 if time is None else time, image)


def at(*boxes: Sequence[float], score: float = 0.85) -> Faces:
    return Faces.from_boxes(boxes, scores=[score] * len(boxes), image_size=(160, 90))


BOX = (40, 30, 70, 65)


def pushed(results: Sequence[Faces | None], **changes: Any) -> Followed:
    following, out = tracker(**changes), []
    for index, faces in enumerate(results):
        out += following.push(grey(index), faces)
    rest, tracks = following.finish()
    return [(frame.index, faces) for frame, faces in out + rest], tracks


def shown(followed: Followed) -> list[list[int]]:
    return [faces.track.ids.tolist() for _, faces in followed[0]]


def test_a_face_that_flickers_is_nobody() -> None:
    assert shown(pushed([at(), at(BOX), at(), at(), at()])) == [[]] * 5
    assert shown(pushed([at(BOX), at(BOX), at(), at(), at()])) == [[]] * 5


def test_a_face_is_shown_from_its_first_detection_on() -> None:
    assert shown(pushed([at(BOX)] * 4)) == [[1]] * 4
    assert shown(pushed([at(), at(BOX), at(BOX), at(BOX)])) == [[], [1], [1], [1]]


def test_a_sure_face_needs_no_second_look() -> None:
    assert shown(pushed([at(), at(BOX, score=0.97), at(), at()])) == [[], [1], [], []]


def test_clips_of_one_frame_and_of_none() -> None:
    assert shown(pushed([at(BOX)])) == [[1]]
    assert shown(pushed([at()])) == [[]]
    assert pushed([]) == ([], ())
    frames, tracks = pushed([None])
    assert (len(frames[0][1]), frames[0][1].image_size, tracks) == (0, (160, 90), ())


def test_low_scores_go_on_with_a_track_but_begin_none() -> None:
    weak = at(BOX, score=0.3)
    assert shown(pushed([weak] * 5)) == [[]] * 5
    frames, tracks = pushed([at(BOX)] * 3 + [weak] * 5)
    assert shown((frames, tracks)) == [[1]] * 8
    assert all(faces.track.observed.all() for _, faces in frames)


def test_boxes_without_a_score_are_faces() -> None:
    given_boxes = Faces.from_boxes([BOX], image_size=(160, 90))
    assert shown(pushed([at(), given_boxes, at(), at()])) == [[], [1], [], []]


def test_ids_count_in_order_of_appearance() -> None:
    other = (100, 30, 130, 65)
    ids = shown(pushed([at(other)] * 3 + [at(BOX, other)] * 3))
    assert ids == [[1]] * 3 + [[1, 2]] * 3
    frames, _ = pushed([at(other)] * 3 + [at(BOX, other)] * 3)
    assert frames[-1][1].boxes.tolist() == [list(map(float, other)), list(map(float, BOX))], "faces come by id"


def test_detected_faces_keep_what_came_with_them() -> None:
    space = looks(np.array([1]))
    results: list[Faces | None] = [at(BOX).with_columns({"embedding": space}) for _ in range(3)]
    results += [at().with_columns({"embedding": space[:0]})] * 2 + results[:3]
    frames, _ = pushed(results)
    for index, (_, faces) in enumerate(frames):
        assert faces.models["track"] == "tracker"
        assert faces.track.observed.tolist() == [index not in {3, 4}]
        assert faces.embedding.abstained.tolist() == [index in {3, 4}]


def test_whoever_detected_them_stands_in_frames_between_too() -> None:
    first, last = (replace(at([10, 10, 60, 60], score=0.95), models={"detect": "squares"}) for _ in range(2))
    empty = replace(first[:0], models={"detect": "squares"})
    out, _ = pushed([first, None, None, last, empty])
    assert [(len(faces), faces.models["detect"]) for _, faces in out] == [(1, "squares")] * 4 + [(0, "squares")]


def test_what_changes_its_size_is_followed() -> None:
    following, out = tracker(), []
    for index in range(8):
        frame, box = grey(index), np.array(BOX)
        if index >= 4:
            frame, box = Frame(index, frame.time, np.repeat(np.repeat(frame.image, 2, 0), 2, 1)), box * 2
        out += following.push(frame, Faces.from_boxes([box], scores=[0.8], image_size=frame.image.shape[1::-1]))
    rest, tracks = following.finish()
    assert [faces.track.ids.tolist() for _, faces in out + rest] == [[1]] * 8
    assert len(tracks) == 1


def test_each_clip_begins_anew() -> None:
    maker = FaceTracker(open_bundle("tracker"))
    for _ in range(2):
        following = maker.start()
        following.push(grey(0), at(BOX))
        (_, faces), *_ = following.finish()[0]
        assert faces.track.ids.tolist() == [1]


def test_wrong_use() -> None:
    following = tracker()
    following.push(grey(3), None)
    with pytest.raises(UsageError, match="3 cannot follow 3"):
        following.push(grey(3), None)
    bundle: Any = type("Bundle", (), {"card": Catalogue.load()["yunet"]})()
    with pytest.raises(CardError, match="min_score"):
        FaceTracker(bundle)


def test_the_card_means_what_the_calibrations_say() -> None:
    for space, (different, same) in CARD.params["likeness"].items():
        if space != "default":
            stratum = next(s for s in load_calibration(space).strata if s.name == "adult")
            scores = dict(zip(stratum.rates, stratum.scores, strict=True))
            assert (different, same) == (scores[0.5], scores[0.001])


# -- what must always hold ---------------------------------------------------------------------------------------------

face = st.tuples(st.integers(0, 120), st.integers(0, 60), st.integers(8, 40), st.floats(0.1, 1), st.integers(0, 3))
looked = st.none() | st.lists(face, max_size=4)
step = st.sampled_from([0.0, 0.04, 0.04, 0.04, 0.3, 2.0, -0.1])


@pytest.mark.full
@settings(max_examples=100)
@given(
    results=st.lists(st.tuples(looked, step, st.sampled_from([128, 128, 128, 30])), max_size=40),
    embed=st.booleans(),
    held=st.integers(2, 30),
    fill=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_whatever_comes(
    results: list[tuple[list[tuple[int, int, int, float, int]] | None, float, int]],
    embed: bool,
    held: int,
    fill: float,
) -> None:
    following, out, time = tracker(held=held, fill=fill), list[tuple[Frame, Faces]](), 0.0
    given_boxes: dict[int, set[tuple[float, ...]]] = {}
    for index, (wanted, seconds, level) in enumerate(results):
        time += seconds
        frame = grey(index, time, level)
        found = None
        if wanted is not None:
            boxes = [(x, y, x + side, y + 1.2 * side) for x, y, side, _, _ in wanted]
            found = Faces.from_boxes(boxes, scores=[f[3] for f in wanted], image_size=(160, 90))
            given_boxes[index] = {tuple(box) for box in found.boxes.tolist()}
            if embed:
                vectors = np.array(looks(np.array([f[4] for f in wanted], np.intp)).values)
                vectors[~following.asks(frame, found)] = np.nan
                found = found.with_columns({"embedding": Vectors(vectors, space="test/1")})
        out += following.push(frame, found)
        assert index + 1 - len(out) <= held, "no more frames wait"
    rest, tracks = following.finish()
    out += rest

    assert [frame.index for frame, _ in out] == list(range(len(results))), "each frame once, in order"
    newest, there = 0, dict[int, list[tuple[int, bool]]]()
    for frame, shown_faces in out:
        ids = shown_faces.track.ids.tolist()
        assert len(set(ids)) == len(ids), "no id on two faces"
        assert ids == sorted(ids)
        for who, seen, box in zip(ids, shown_faces.track.observed.tolist(), shown_faces.boxes.tolist(), strict=True):
            assert who <= newest + 1, "ids are given one by one"
            newest = max(newest, who)
            there.setdefault(who, []).append((frame.index, seen))
            assert box[2] > box[0]
            if seen and frame.index in given_boxes:
                assert tuple(box) in given_boxes[frame.index], "a face that was detected is where it was detected"
    for seen_in in there.values():
        assert seen_in[0][1], "a track begins with a face that was seen"
        assert seen_in[-1][1], "and ends with one"
    assert {track.id: track.frames for track in tracks} == {who: len(seen_in) for who, seen_in in there.items()}


# -- on a real video ---------------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.data
def test_one_real_person_is_one_track() -> None:
    from mien.engine import Engine

    with Engine(threads=1) as engine:
        for every in (1, 4):
            followed = engine.track(DATA / "video" / "single_face.mp4", every=every)
            ids = [item.faces.track.ids.tolist() for item in followed if item.faces]
            assert ids == [[1]] * 72
        nobody = engine.track(DATA / "video" / "no_face.mp4", every=3)
        assert not any(item.faces for item in nobody)


@pytest.mark.weights
@pytest.mark.data
def test_two_real_people_over_cuts(tmp_path: Path) -> None:
    from mien.engine import Engine
    from mien.media.encoding import VideoWriter
    from mien.media.video import open_video

    folder = DATA / "forgery" / "original_sequences" / "youtube"
    with VideoWriter(tmp_path / "cuts.mp4", size=(640, 360), rate=25) as writer:
        for start in (0, 100):
            for name in ("519.mp4", "634.mp4"):
                with open_video(folder / name) as video:
                    for frame in itertools.islice(video, start, start + 20):
                        writer.write(frame.image)
    with Engine(threads=1) as engine, engine.track(tmp_path / "cuts.mp4", every=3) as items:
        ids = [item.faces.track.ids.tolist() for item in items if item.faces]
        assert ids == [[1]] * 20 + [[2]] * 20 + [[1]] * 20 + [[2]] * 20


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.data
def test_ten_real_people_in_shots_of_all_their_photos() -> None:
    """Each photo is a shot of a second: an id is one person, and hardly anybody has two."""
    from benchmarks.tracking import photo_shots

    report = photo_shots(DATA)
    assert (report.shots, report.people) == (105, 10)
    assert report.mixed == 0
    assert report.ids <= 14
