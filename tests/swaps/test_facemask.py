"""The mask of a face: its outline, what is before it, and how steady it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Regions
from mien.core.faces import Face
from mien.core.image import load_image
from mien.core.layouts import indices_of
from mien.engine import Engine
from mien.location.topology import face_topology
from mien.swaps.blend.facemask import NEEDS, SteadyMask, face_alpha, skin_weight, window_of
from mien.swaps.plate import Plate

Floats = NDArray[np.float32]
OVAL = indices_of("mesh478", "face_oval")


def plate(side: int = 200, size: float = 120.0, seed: int = 0) -> Plate:
    """A mesh whose face oval is a circle; brows are at a third of its height."""
    points = np.random.default_rng(seed).uniform(-0.2, 0.2, (478, 3)) * size + side / 2
    angle = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    points[OVAL, :2] = side / 2 + size / 2 * np.column_stack([np.sin(angle), -np.cos(angle)])
    for place, name in ((-0.25, "right_brow"), (0.25, "left_brow")):
        row = indices_of("mesh478", name)
        points[row, :2] = side / 2 + size * np.column_stack(
            [place + np.linspace(-0.1, 0.1, len(row)), [-0.2] * len(row)]
        )
    return Plate(np.zeros((side, side, 3), np.uint8), (0, 0), points)


def parsed(labels: NDArray[np.integer], names: tuple[str, ...], sure: float = 8.0) -> Face:
    """A face with the field ``parse``: labels (h, w) of all of a picture of that size."""
    scores = np.stack([np.where(labels == place, sure, 0.0) for place in range(len(names))]).astype(np.float32)
    height, width = labels.shape
    column = Regions(
        scores[None], names=names, grids=np.array([[1, 0, 0, 0, 1, 0]]), sizes=np.array([[width, height]])
    )[0]
    faces: Any = SimpleNamespace(columns={"parse": None})
    face: Face = cast("Face", SimpleNamespace(faces=faces, parse=column))
    return face


def test_fades_inwards_from_the_outline() -> None:
    alpha = face_alpha(plate())
    outside = np.hypot(*(np.indices((200, 200)) - 99.5)) > 61.5
    assert alpha[outside].max() == 0
    assert alpha[100, 100] == 1
    assert 0 < alpha[100, 43] < 0.6
    assert (np.diff(alpha[100, 30:100]) >= -1e-6).all()


@pytest.mark.full
def test_what_is_before_the_face_is_out_and_specks_are_not() -> None:
    labels = np.ones((200, 200), np.int64)
    labels[:, :80] = 2  # hair
    labels[120, 120] = 2  # a speck
    alpha = face_alpha(plate(), parsed(labels, ("background", "skin", "hair")))
    assert alpha[:, :79].max() < 0.05
    assert alpha[100, 90] == pytest.approx(1, abs=0.01)
    assert alpha[120, 120] == 1


@pytest.mark.full
@pytest.mark.parametrize("keep", [True, False])
def test_glasses_stay_before_the_face_where_asked(keep: bool) -> None:
    labels = np.ones((200, 200), np.int64)
    labels[85:105] = 2
    alpha = face_alpha(plate(), parsed(labels, ("background", "skin", "eye_g")), keep_glasses=keep)
    assert alpha[95, 100] == (0 if keep else 1)


@pytest.mark.full
def test_brows_are_not_faded() -> None:
    one = plate()
    points = one.points.copy()
    outer = indices_of("mesh478", "right_brow")
    points[outer, 0] -= 16  # almost at the outline
    alpha = face_alpha(Plate(one.image, one.origin, points))
    x, y = points[outer, :2].mean(axis=0).round().astype(int)
    assert alpha[y, x] == pytest.approx(1, abs=0.02)


@pytest.mark.full
def test_masks_of_videos_do_not_flicker_and_follow_the_face() -> None:
    names = ("background", "skin", "hair")
    labels = np.ones((200, 200), np.int64)
    covered = labels.copy()
    covered[:100] = 2
    steady = SteadyMask()
    seen = [steady.alpha(plate(), parsed(covered if k % 2 else labels, names), k / 25)[80, 100] for k in range(30)]
    plain = [face_alpha(plate(), parsed(covered if k % 2 else labels, names))[80, 100] for k in range(30)]
    assert np.abs(np.diff(seen[10:])).max() < 0.5 * np.abs(np.diff(plain)).max()
    assert steady.alpha(plate(), parsed(labels, names), 10.0)[80, 100] == 1  # a new beginning after a gap


@pytest.mark.full
@given(seed=st.integers(0, 2**32 - 1), side=st.integers(1, 60), size=st.floats(1, 400))
def test_any_mesh_gives_shares(seed: int, side: int, size: float) -> None:
    one = plate(side, size, seed)
    alpha = face_alpha(one)
    skin = skin_weight(one, alpha)
    assert alpha.shape == skin.shape == (side, side)
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert (skin <= alpha).all()


def test_windows_hold_all_that_counts() -> None:
    weight = np.zeros((20, 30), np.float32)
    assert window_of(weight) is None
    weight[3, 5] = weight[9, 8] = 0.1
    assert window_of(weight) == (slice(3, 10), slice(5, 9))


@pytest.mark.weights
def test_hair_and_the_far_side_of_turned_heads_are_no_face() -> None:
    with Engine(threads=1) as engine:
        topology = face_topology(engine=engine)
        for path in assets.PEOPLE[:3]:
            image = load_image(path)
            face = engine.analyze(image, want=NEEDS).top(1)[0]
            one = Plate.around(image, face.landmarks.values)
            assert one is not None
            alpha = face_alpha(one, face, topology=topology)
            whole = np.zeros(image.shape[:2], np.float32)
            whole[one.window] = alpha
            for name in ("hair", "background"):
                region = face.parse.region(name).erode(4).to_mask()
                assert not region.any() or whole[region].mean() < 0.03
            brows = face.parse.region("brows").to_mask() & ~cv2.dilate(
                face.parse.region("hair").to_levels(), np.ones((9, 9), np.uint8)
            ).astype(bool)
            assert not brows.any() or whole[brows].mean() > 0.8
            assert whole[face.parse.region("nose").to_mask()].mean() > 0.9
