"""Rims of glasses: they stay before a face, and clear lenses show what is behind them."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien import Engine, assets, load_image
from mien.core.image import Image
from mien.swaps.blend.spectacles import rims
from mien.swaps.plate import Plate

pytestmark = pytest.mark.weights
Mask: TypeAlias = NDArray[np.bool_]
PLAIN = assets.FOLDER / "person1.jpg"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


def worn(engine: Engine, *, dark: bool) -> tuple[Image, Mask, Mask]:
    """Somebody with glasses drawn on, where their rims are, and where their lenses."""
    image = load_image(PLAIN)
    points = engine.analyze(image, want={"landmarks"}).landmarks.xy[0]
    extent = float(np.ptp(points[:468], axis=0).max())
    frame, lens = (np.zeros(image.shape[:2], np.uint8) for _ in range(2))
    for corners in ((33, 133), (362, 263)):
        x, y = points[list(corners)].mean(axis=0).round().astype(int)
        box = (int(x - 0.17 * extent), int(y - 0.10 * extent)), (int(x + 0.17 * extent), int(y + 0.13 * extent))
        cv2.rectangle(lens, *box, 1, -1)
        cv2.rectangle(frame, *box, 1, max(round(0.02 * extent), 2))
    lens[frame > 0] = 0
    image = image.copy()
    image[frame > 0] = (25, 22, 20)
    if dark:
        image[lens > 0] = (30, 30, 34)
    return image, frame > 0, lens > 0


def seen(image: Image, engine: Engine, parsed: Image | None = None) -> NDArray[np.float32] | None:
    """Rims, as large as the picture; the parsing may be that of another one."""
    faces = engine.analyze(image if parsed is None else parsed, want={"landmarks", "parse"})
    plate = Plate.around(image, faces.landmarks.values[0][:468])
    assert plate is not None
    found = rims(plate, faces[0])
    if found is None:
        return None
    out = np.zeros(image.shape[:2], np.float32)
    out[plate.window] = found
    return out


def test_a_face_without_glasses_has_none(engine: Engine) -> None:
    assert seen(load_image(PLAIN), engine) is None


def test_clear_lenses_are_seen_through(engine: Engine) -> None:
    image, frame, lens = worn(engine, dark=False)
    found = seen(image, engine, worn(engine, dark=True)[0])  # drawn on a face, the parsing believes dark ones alone
    assert found is not None
    assert found[frame].mean() > 0.6
    assert found[lens].mean() < 0.4


def test_dark_lenses_are_not(engine: Engine) -> None:
    image, _, lens = worn(engine, dark=True)
    found = seen(image, engine)
    assert found is not None
    assert found[lens].mean() > 0.6
