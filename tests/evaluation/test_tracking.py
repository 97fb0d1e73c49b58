"""The measures of tracking: on cases by hand, against other evaluators' numbers, and at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.errors import SourceError, UsageError
from mien.core.image import Image
from mien.datasets.readers.mot import TrackedBoxes, write_mot
from mien.evaluation.tracking import count_clip, evaluate_tracking, pixel_motion_error

Row = tuple[int, int, float, float]


def tracks(*rows: Row, ignored: list[bool] | None = None) -> TrackedBoxes:
    """Boxes of 20 x 20 pixels: frame, id, left, top."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    boxes = np.concatenate([table[:, 2:], table[:, 2:] + 20], axis=1).astype(np.float32)
    flags = None if ignored is None else np.array(ignored, bool)
    return TrackedBoxes(table[:, 0].astype(int), table[:, 1].astype(int), boxes, flags)


def way(who: int, frames: range, *, left: float = 0, speed: float = 0) -> list[Row]:
    return [(frame, who, left + speed * frame, 0) for frame in frames]


def test_what_is_right_is_perfect() -> None:
    truth = tracks(*way(1, range(10), speed=3), *way(2, range(3, 8), left=200))
    counts = count_clip(truth, tracks(*way(7, range(10), speed=3), *way(4, range(3, 8), left=200)))
    assert (counts.people, counts.frames, counts.faces, counts.hits, counts.boxes) == (2, 10, 15, 15, 15)
    assert (counts.mota, counts.motp, counts.idf1, counts.recall, counts.precision) == (1, 1, 1, 1, 1)
    assert counts.hota == pytest.approx(1)
    assert (counts.switches, counts.fragments, counts.center, counts.motion) == (0, 0, 0, 0)


def test_misses_false_boxes_and_breaks() -> None:
    truth = tracks(*way(1, range(10)))
    found = tracks(*way(1, range(4)), *way(1, range(6, 10)), *way(9, range(2), left=100))
    counts = count_clip(truth, found)
    assert (counts.hits, counts.boxes - counts.hits, counts.switches, counts.fragments) == (8, 2, 0, 1)
    assert counts.mota == pytest.approx(1 - (2 + 2) / 10)
    assert counts.idf1 == pytest.approx(2 * 8 / (10 + 10))


def test_an_id_that_changes() -> None:
    truth = tracks(*way(1, range(10)))
    counts = count_clip(truth, tracks(*way(1, range(6)), *way(2, range(6, 10))))
    assert (counts.hits, counts.switches, counts.fragments) == (10, 1, 0)
    assert counts.mota == pytest.approx(0.9)
    assert counts.idf1 == pytest.approx(0.6)
    assert counts.hota == pytest.approx(np.sqrt((6 * 0.6 + 4 * 0.4) / 10)), "Luiten et al., eq. 11 to 13, by hand"


def test_two_that_swap_their_ids() -> None:
    truth = tracks(*way(1, range(10)), *way(2, range(10), left=100))
    found = [*way(1, range(5)), *way(2, range(5), left=100), *way(2, range(5, 10)), *way(1, range(5, 10), left=100)]
    counts = count_clip(truth, tracks(*found))
    assert (counts.hits, counts.switches, counts.idf1) == (20, 2, 0.5)


def test_an_id_is_kept_while_it_fits_though_another_fits_better() -> None:
    truth = tracks(*way(1, range(4)))
    found = tracks((0, 1, 5, 0), (1, 1, 5, 0), (2, 1, 5, 0), (3, 1, 5, 0), (2, 2, 0, 0), (3, 2, 0, 0))
    counts = count_clip(truth, found)
    assert (counts.hits, counts.switches, counts.boxes) == (4, 0, 6)


def test_ignored_faces_count_neither_way() -> None:
    truth = tracks(*way(1, range(4)), *way(2, range(4), left=100), ignored=[False] * 4 + [True] * 4)
    for found in (way(1, range(4)), [*way(1, range(4)), *way(2, range(4), left=100)]):
        counts = count_clip(truth, tracks(*found))
        assert (counts.faces, counts.boxes, counts.hits, counts.mota, counts.idf1) == (4, 4, 4, 1, 1)


def test_motion_is_measured_apart_from_place() -> None:
    truth = tracks(*way(1, range(10), speed=5))
    counts = count_clip(truth, tracks(*way(1, range(10), left=4, speed=5)))
    assert counts.center == pytest.approx(4)
    assert counts.motion == pytest.approx(0, abs=1e-5)
    shaking = [(f, 1, 5.0 * f + 2 * (f % 2), 0.0) for f in range(10)]
    counts = count_clip(truth, tracks(*shaking))
    assert counts.center == pytest.approx(1)
    assert counts.motion == pytest.approx(2)


def test_nobody() -> None:
    nobody = tracks()
    counts = count_clip(nobody, nobody)
    assert counts.faces == 0
    assert np.isnan([counts.mota, counts.motp, counts.idf1, counts.hota, counts.recall, counts.precision]).all()
    counts = count_clip(tracks(*way(1, range(3))), nobody)
    assert (counts.mota, counts.recall, counts.idf1) == (0, 0, 0)
    assert np.isnan(counts.precision)
    assert count_clip(nobody, tracks(*way(1, range(3)))).boxes == 3
    with pytest.raises(UsageError, match="no face"):
        evaluate_tracking([(nobody, nobody)])
    with pytest.raises(UsageError, match="no face"):
        evaluate_tracking([])


def walk(seed: int) -> tuple[TrackedBoxes, TrackedBoxes]:
    """People who walk at random, and a bad tracker: misses, noise, swapped and new ids, false boxes."""
    draw = np.random.default_rng(seed)
    count, frames = int(draw.integers(1, 6)), int(draw.integers(2, 40))
    truth: list[list[float]] = []
    found: list[list[float]] = []
    place, speed = draw.uniform(0, 120, (count, 2)), draw.normal(0, 4, (count, 2))
    ids, newest = list(range(1, count + 1)), count + 1
    for frame in range(frames):
        place = place + speed
        if draw.random() < 0.15 and count > 1:
            one, other = draw.choice(count, 2, False)
            ids[one], ids[other] = ids[other], ids[one]
        if draw.random() < 0.1:
            ids[draw.integers(count)] = newest
            newest += 1
        for who in range(count):
            box = np.array([*place[who], *(place[who] + [30, 40])])
            if draw.random() < 0.95:
                truth.append([frame, who + 1, *box])
            if draw.random() < 0.85:
                found.append([frame, ids[who], *(box + draw.normal(0, 4, 4))])
        if draw.random() < 0.2:
            x, y = draw.uniform(0, 120, 2)
            found.append([frame, 1000 + frame, x, y, x + 30, y + 40])
    tables = (np.array(truth), np.array(found))
    one, other = (TrackedBoxes(t[:, 0].astype(int), t[:, 1].astype(int), t[:, 2:].astype(np.float32)) for t in tables)
    return one, other


@pytest.mark.parametrize(
    ("seed", "mota", "distance", "idf1", "switches", "fragments", "hota"),
    [
        (0, 0.66393, 0.28912, 0.51477, 8, 13, 0.36346),
        (1, 0.42857, 0.26182, 0.44068, 10, 11, 0.35405),
        (2, 0.59615, 0.31559, 0.62745, 5, 7, 0.38730),
        (3, 0.48000, 0.29503, 0.60465, 4, 3, 0.40310),
        (4, 0.64029, 0.28475, 0.45091, 13, 18, 0.32187),
    ],
)
def test_other_evaluators_count_the_same(
    seed: int, mota: float, distance: float, idf1: float, switches: int, fragments: int, hota: float
) -> None:
    """What motmetrics 1.4.0 gives for these clips, and TrackEval 1.0.0 for HOTA."""
    counts = count_clip(*walk(seed))
    measured = [counts.mota, 1 - counts.motp, counts.idf1, counts.switches, counts.fragments, counts.hota]
    np.testing.assert_allclose(measured, [mota, distance, idf1, switches, fragments, hota], atol=6e-6)


def test_clips_are_joined_by_their_counts_and_drawn_as_wholes() -> None:
    walks = [walk(seed) for seed in range(8)]
    report = evaluate_tracking(walks)
    assert report.clips == 8
    counts = [count_clip(*pair) for pair in walks]
    errors = sum(c.faces - c.hits + c.boxes - c.hits + c.switches for c in counts)
    assert report.values["mota"] == pytest.approx(1 - errors / sum(c.faces for c in counts))
    for name, (low, high) in report.intervals.items():
        assert low < report.values[name] < high
    one = json.loads(json.dumps(evaluate_tracking(walks[:1]).to_dict()))
    assert one["mota"]["interval"] == [None, None], "one clip says nothing about others"
    assert one["switches"] == 8


# -- against the pixels ------------------------------------------------------------------------------------------------


def moving(speed: float, frames: int = 6) -> list[tuple[int, Image]]:
    draw = np.random.default_rng(0)
    field = cv2.GaussianBlur(draw.integers(0, 255, (120, 260, 3)).astype(np.float32), (0, 0), 3)
    field = (field - field.min()) / np.ptp(field) * 255
    out = []
    for index in range(frames):
        matrix = np.array([[1, 0, speed * index - 60], [0, 1, 0]], np.float32)
        out.append((index, np.asarray(cv2.warpAffine(field, matrix, (140, 120)), np.uint8)))
    return out


def test_boxes_that_go_with_the_pixels() -> None:
    rows = [(index, 1, 40.0 + 3 * index, 40.0) for index in range(6)]
    error, steps = pixel_motion_error(moving(3), tracks(*rows))
    assert steps == 5
    assert error < 0.3
    error, _ = pixel_motion_error(moving(3), tracks(*[(i, 1, 40.0, 40.0) for i in range(6)]))
    assert error == pytest.approx(3, abs=0.3)


def test_steps_are_between_frames_on_end() -> None:
    error, steps = pixel_motion_error(moving(1), tracks((0, 1, 40, 40), (2, 1, 40, 40), (3, 2, 40, 40)))
    assert steps == 0
    assert np.isnan(error)
    _, steps = pixel_motion_error(moving(1), tracks((0, 1, -300, -300), (1, 1, -300, -300)))
    assert steps == 0, "outside of the picture there are no pixels"


# -- the command -------------------------------------------------------------------------------------------------------


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["evaluate", "tracking", *map(str, arguments)])


def test_files_are_compared_at_the_command_line(tmp_path: Path) -> None:
    for seed in range(2):
        for folder, part in zip(("truth", "found"), walk(seed), strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_mot(part, tmp_path / folder / f"clip{seed}.txt")
    result = run(tmp_path / "truth", "--found", tmp_path / "found", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["clips"], report["switches"]) == (2, 18)
    one = run(tmp_path / "truth" / "clip0.txt", "--found", tmp_path / "found" / "clip0.txt", "--json")
    assert json.loads(one.stdout)["mota"]["value"] == pytest.approx(0.6639, abs=0.01)


def test_wrong_use_at_the_command_line(tmp_path: Path) -> None:
    write_mot(tracks(*way(1, range(3))), tmp_path / "a.txt")
    (tmp_path / "other").mkdir()
    write_mot(tracks(*way(1, range(3))), tmp_path / "other" / "b.txt")
    assert isinstance(run(tmp_path / "a.txt").exception, UsageError)
    for arguments, match in (
        ([tmp_path, "--found", tmp_path / "other"], "no tracks of a"),
        ([tmp_path / "none.txt", "--found", tmp_path / "a.txt"], "holds no files"),
        ([tmp_path, "--video", tmp_path / "other"], "no video called a"),
    ):
        error = run(*arguments).exception
        assert isinstance(error, SourceError)
        assert match in str(error)


@pytest.mark.weights
def test_a_video_is_tracked_and_compared(tmp_path: Path) -> None:
    from tests import clips

    scene = clips.burst()
    truth = [(frame.index, truth) for frame, truth in scene.frames()]
    scene.write(tmp_path / "burst.mp4")
    rows = [[index, 1, *now.boxes[0], float(now.seen[0])] for index, now in truth]
    table = np.array(rows)
    boxes = TrackedBoxes(
        table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2:6].astype(np.float32), table[:, 6] == 0
    )
    write_mot(boxes, tmp_path / "burst.txt")
    result = run(tmp_path / "burst.txt", "--video", tmp_path / "burst.mp4", "--pixels", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["switches"], report["people"]) == (0, 1)
    assert report["recall"]["value"] > 0.97
    assert report["motion"]["value"] < 1
    assert report["pixels"]["value"] < 1.5
    assert report["pixels"]["steps"] == 99
