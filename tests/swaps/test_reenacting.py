"""Reenactment: a photo follows a clip, stays itself beyond its head, keeps the sound, and is marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mien import Engine, assets
from mien.core.errors import EditRefused, NoFace, UsageError
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.media.encoding import VideoWriter
from mien.media.provenance import provenance
from mien.media.video import open_video
from mien.swaps.editor import Editor
from mien.swaps.shape.driving import Performance, _calmest, _evenly, _smooth
from mien.swaps.shape.reenacting import reenact
from mien.swaps.shape.retargeting import Retarget


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def photo() -> Image:
    return resize(load_image(assets.PEOPLE[5]), (256, 256))


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """Somebody who is calm for four frames, and then turns and opens the mouth; the last frame shows nobody."""
    image = resize(load_image(assets.PEOPLE[0]), (256, 256))
    moved = Editor(Retarget(yaw=12.0, mouth_open=0.4, engine=engine), engine=engine).picture(image).image
    path = tmp_path_factory.mktemp("driving") / "driving.mp4"
    with VideoWriter(path, rate=10) as writer:
        for frame in [image] * 4 + [moved] * 4 + [np.full_like(image, 90)]:
            writer.write(frame)
    return path


# --- without weights --------------------------------------------------------------------------------------------------


def test_gaps_are_bridged_and_jitter_goes() -> None:
    times = np.arange(20) / 25
    values: NDArray[np.float64] = np.column_stack([times, np.where(np.arange(20) % 2, 1.0, -1.0)])
    seen = np.arange(20) % 5 != 3
    even = _evenly(times, np.where(seen[:, None], values, np.nan), seen)
    np.testing.assert_allclose(even[:, 0], times)
    smooth = _smooth(times, values, 0.08)
    np.testing.assert_allclose(smooth[5:-5, 0], times[5:-5], atol=2e-3)  # no lag
    assert np.abs(smooth[5:-5, 1]).max() < 0.1


def test_the_calm_frame_has_closed_lips_and_is_like_most() -> None:
    shapes = np.zeros((5, 478, 3), np.float32)
    shapes[:, 78, 0], shapes[:, 308, 0] = -3, 3
    shapes[:, 14, 1] = [2.0, 1.0, 0.0, 1.0, 2.0]
    seen = np.array([True] * 5)
    place = _calmest(shapes, np.zeros((5, 3)), seen)
    assert place == 2
    acts = Performance(np.arange(5.0), shapes, np.array([[179.0, 0, 0]] * 4 + [[-179.0, 0, 0]]), seen, place)
    assert acts.turns[4, 0] == pytest.approx(2)
    assert acts.motion(0)[14, 1] == pytest.approx(2)


# --- with weights -----------------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.parametrize("mouth", ["dark", "driver"])
def test_a_photo_follows_a_clip(photo: Image, driving: Path, engine: Engine, tmp_path: Path, mouth: str) -> None:
    out = tmp_path / "out.mp4"
    edit = reenact(photo, driving, out=out, mouth=mouth, calm=0.0, engine=engine)
    frames = [frame.image for frame in open_video(out)]
    assert len(frames) == 9
    assert frames[0].shape == photo.shape
    first, later = (engine.analyze(frames[place], want={"pose", "landmarks"}) for place in (0, 6))
    assert later.pose.yaw[0] - first.pose.yaw[0] > 5
    gaps = [np.linalg.norm(faces.landmarks.values[0, 13] - faces.landmarks.values[0, 14]) for faces in (first, later)]
    assert gaps[1] > gaps[0] + 3
    corner = [frame[:16, :16].astype(int) for frame in frames]
    assert np.abs(corner[6] - corner[0]).max() < 12  # what is far from the head stands still
    assert edit.report["frames_without_driver"] == 1
    assert edit.report["mouth"] == mouth
    assert provenance(out).source_type == "compositeSynthetic"


@pytest.mark.weights
def test_a_gate_refuses_before_anything_is_written(photo: Image, driving: Path, engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(EditRefused):
        reenact(photo, driving, out=tmp_path / "out.mp4", gate=lambda source, faces: "no", engine=engine)
    assert not list(tmp_path.iterdir())


@pytest.mark.weights
def test_clips_without_a_face_and_options_without_sense(
    photo: Image, driving: Path, engine: Engine, tmp_path: Path
) -> None:
    empty, out = tmp_path / "empty.mp4", tmp_path / "out.mp4"
    with VideoWriter(empty, rate=10) as writer:
        for _ in range(3):
            writer.write(np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(NoFace, match="driving clip"):
        reenact(photo, empty, out=out, engine=engine)
    with pytest.raises(NoFace):
        reenact(np.full((64, 64, 3), 90, np.uint8), driving, out=out, engine=engine)
    with pytest.raises(UsageError, match="expression"):
        reenact(photo, driving, out=out, expression=9, engine=engine)
    with pytest.raises(UsageError, match="lasts"):
        reenact(photo, driving, out=out, calm=99, engine=engine)
    with pytest.raises(UsageError, match="videos are written"):
        reenact(photo, driving, out=tmp_path / "out.xyz", engine=engine)
    assert not out.exists()
