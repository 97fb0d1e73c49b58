"""Portraits in another light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien import assets
from mien.core.errors import NoFace, SourceError, UsageError
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.swaps.editor import Editor
from mien.swaps.look.relighting import SIDES, Relight

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def portrait() -> Image:
    image = load_image(assets.PEOPLE[0])
    scale = 400 / max(image.shape[:2])
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def halves(image: Image, points: NDArray[np.floating]) -> tuple[float, float]:
    """Mean levels of the two cheeks: those of the picture's left and right."""
    found = []
    for number in (50, 280):
        x, y = points[number, :2].round().astype(int)
        found.append(float(image[y - 6 : y + 7, x - 6 : x + 7].mean()))
    return found[0], found[1]


def test_the_lit_side_is_the_brighter_one(engine: Engine, portrait: Image) -> None:
    balance = {}
    for side in ("left", "right"):
        edit = Editor(Relight(side, engine=engine), engine=engine).picture(portrait)
        points = edit.faces.landmarks.values[0]
        left, right = halves(edit.image, points)
        balance[side] = left / right
        assert np.array_equal(edit.image[edit.layers["mask"] == 0], portrait[edit.layers["mask"] == 0])
        assert edit.provenance.synthetic
        told = edit.report["faces"][0]["after"]
        assert (told[0] < 0) == (side == "left")
    before = halves(portrait, points)
    assert balance["left"] > 1.15 * before[0] / before[1]
    assert balance["right"] < before[0] / before[1] / 1.15


def test_the_light_of_a_picture_that_was_relit_is_found(engine: Engine, portrait: Image) -> None:
    lamp = Editor(Relight((1.0, -0.2, -0.5), engine=engine), engine=engine).picture(portrait)
    taken = Editor(Relight(lamp.image, engine=engine), engine=engine).picture(portrait)
    mask = lamp.layers["mask"] > 250
    asked, got = (edit.image.astype(int)[mask] - portrait.astype(int)[mask] for edit in (lamp, taken))
    assert np.corrcoef(asked.mean(axis=1), got.mean(axis=1))[0, 1] > 0.8
    assert taken.provenance.synthetic


def test_no_strength_is_no_change(engine: Engine, portrait: Image) -> None:
    edit = Editor(Relight("below", strength=0, engine=engine), engine=engine).picture(portrait)
    assert np.abs(edit.image.astype(int) - portrait).max() <= 1


def test_what_is_no_light_is_told(engine: Engine) -> None:
    with pytest.raises(UsageError, match="front, left, right"):
        Relight("upwards", engine=engine)
    with pytest.raises(UsageError, match="direction"):
        Relight((0, 0, 0), engine=engine)
    with pytest.raises(UsageError, match="strength"):
        Relight("left", strength=2, engine=engine)
    with pytest.raises(NoFace):
        Relight(np.full((64, 64, 3), 128, np.uint8), engine=engine)
    with pytest.raises(SourceError):
        Relight("nowhere.jpg", engine=engine)
    assert set(SIDES) == {"front", "left", "right", "above", "below"}
