"""``mask_clip``: the masks of a video's frames, followed, smoothed and ended in good order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import mien
from mien import assets
from mien.core.errors import SourceError, UsageError
from mien.engine import Engine
from mien.masks.film import mask_clip
from mien.media.encoding import VideoWriter
from mien.media.video import open_video
from tests.engine import fakes
from tests.engine.test_engine import picture
from tests.media.films import film, is_open


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(catalogue=fakes.clip_catalogue(), device="cpu", threads=1) as engine:
        yield engine


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    frames = [picture(250), picture(250, 200), picture()]
    return film(tmp_path / "clip.mkv", frames, times=[0.0, 0.1, 0.9], codec="ffv1", pixels="bgr0", clock=1000)


def test_each_frame_has_its_masks(engine: Engine, clip: Path) -> None:
    with mask_clip(clip, every=1, engine=engine) as frames:
        seen = list(frames)
        assert frames.video.ended
    assert [item.time for item, _ in seen] == [0.0, 0.1, 0.9]
    assert [len(masks) for _, masks in seen] == [1, 2, 0]
    assert [masks.hair.area for _, masks in seen] == [50, 100, 0]
    assert seen[1][1].hair.to_levels()[27, 30] == 255
    assert seen[2][1].size == (100, 100)
    assert seen[0][1].faces.image is not None


def test_turned_frames(engine: Engine, tmp_path: Path) -> None:
    """A clip that is stored on its side has masks of the upright picture."""
    stored = np.rot90(picture(250)[:60], 1)
    path = film(tmp_path / "a.mov", [np.ascontiguousarray(stored)] * 2, turn=-90, codec="png", pixels="rgb24")
    with mask_clip(path, every=1, engine=engine) as frames:
        _, masks = next(frames)
    assert masks.size == (100, 60)
    assert masks.hair.bbox == (5, 25, 15, 30)


def test_stopping_and_leaving_early_close_the_file(engine: Engine, clip: Path) -> None:
    with mask_clip(clip, every=1, engine=engine) as frames:
        next(frames)
        frames.stop()
        assert len(list(frames)) == 1, "the frame that the tracker held back"
    with mask_clip(clip, every=1, engine=engine) as frames:
        next(frames)
    assert list(frames) == []
    assert not is_open(clip)


def test_what_is_wrong_is_known_at_once(engine: Engine, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        mask_clip(tmp_path / "none.mp4", engine=engine)
    with pytest.raises(UsageError, match="every"):
        mask_clip(clip, every=0, engine=engine)
    with pytest.raises(UsageError, match="sizes"):
        mask_clip(clip, size="huge", engine=engine)
    with pytest.raises(UsageError, match="no expression of regions"):
        mask_clip(clip, regions=["hair +"], engine=engine)
    assert not is_open(clip)


@pytest.mark.weights
def test_a_portrait_that_stands_still_flickers_less(tmp_path: Path) -> None:
    """A noisy clip of one picture: masks change less from frame to frame, and stay where they are."""
    image, draw = mien.load_image(assets.FOLDER / "person3.jpg"), np.random.default_rng(0)
    path = tmp_path / "a.mp4"
    with VideoWriter(path, rate=25) as writer:
        for _ in range(20):
            writer.write(np.clip(image + draw.normal(size=image.shape) * 12, 0, 255).astype(np.uint8))
    true = mien.mask(image).hair.to_mask()
    changed, right = {}, {}
    for smooth in (False, True):
        with mask_clip(path, size="fast", smooth=smooth) as frames:
            masks = [found.hair.to_mask() for _, found in frames][8:]
        changed[smooth] = np.mean([(a != b).sum() for a, b in itertools.pairwise(masks)]) / true.sum()
        right[smooth] = np.mean([(mask & true).sum() / (mask | true).sum() for mask in masks])
    assert changed[True] < 0.6 * changed[False]
    assert right[True] > right[False] - 0.005
    with open_video(path) as video:
        assert (video.width, video.height) == (512, 512)
