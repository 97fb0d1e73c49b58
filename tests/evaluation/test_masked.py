"""Masks painted on faces: on generated people, looked at by what changed where."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.errors import FieldNotComputed, ShapeMismatch, UsageError, WeightsUnavailable
from mien.core.image import Image, load_image
from mien.core.layouts import indices_of
from mien.engine import Engine
from mien.evaluation.coverings import COVERINGS
from mien.evaluation.masked import MASKS, paint_covering, paint_faces
from tests.shared import photo

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def engine() -> Any:
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "landmarks", "visibility", "embedding")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        yield engine


@pytest.fixture(scope="module")
def person(engine: Engine) -> tuple[Image, NDArray[np.float32]]:
    image = load_image(assets.PEOPLE[2])
    return image, engine.analyze(image, want={"landmarks"}).landmarks.values[0]


def changed(before: Image, after: Image) -> NDArray[np.bool_]:
    return np.asarray(np.abs(before.astype(int) - after).max(axis=2) > 12)


def at(picture: NDArray[np.bool_], points: NDArray[np.float32]) -> NDArray[np.bool_]:
    x, y = points[:, :2].round().astype(int).T
    return np.asarray(picture[y, x])


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_covers_mouth_nose_and_chin_and_leaves_the_eyes(
    kind: str, engine: Engine, person: tuple[Image, NDArray[np.float32]]
) -> None:
    image, mesh = person
    before = image.copy()
    seen = changed(image, paint_covering(image, mesh, kind=kind, seed=1, engine=engine))
    assert at(seen, mesh[indices_of("mesh478", "lips_outer")]).mean() > 0.9
    assert at(seen, mesh[indices_of("mesh478", "chin")]).mean() > 0.9
    assert at(seen, mesh[[4]]).all()
    for eye in ("right_eye", "left_eye", "right_brow", "left_brow"):
        assert not at(seen, mesh[indices_of("mesh478", eye)]).any()
    # Nothing far from the face: the ears' cords reach farthest.
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    rows, columns = np.nonzero(seen)
    margin = 0.35 * (high - low).max()
    assert rows.min() > low[1]
    assert rows.max() < high[1] + margin
    assert columns.min() > low[0] - margin
    assert columns.max() < high[0] + margin
    np.testing.assert_array_equal(image, before)


def test_sunglasses_cover_the_eyes_alone(engine: Engine, person: tuple[Image, NDArray[np.float32]]) -> None:
    image, mesh = person
    seen = changed(image, paint_covering(image, mesh, kind="sunglasses", engine=engine))
    assert at(seen, mesh[[468, 473]]).all()
    assert not at(seen, mesh[indices_of("mesh478", "lips_outer")]).any()
    assert not at(seen, mesh[[4, 152]]).any()


def test_the_seed_decides(engine: Engine, person: tuple[Image, NDArray[np.float32]]) -> None:
    image, mesh = person
    one, again, other = (paint_covering(image, mesh, seed=seed, engine=engine) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert changed(one, other).any()


def test_a_picture_that_is_turned_gets_the_turned_mask(
    engine: Engine, person: tuple[Image, NDArray[np.float32]]
) -> None:
    image, mesh = person
    upright = paint_covering(image, mesh, kind="surgical", engine=engine)
    turned = np.column_stack([image.shape[0] - 1 - mesh[:, 1], mesh[:, 0], mesh[:, 2]])
    found = paint_covering(np.ascontiguousarray(np.rot90(image, -1)), turned, kind="surgical", engine=engine)
    back = np.rot90(found, 1)
    covered, expected = changed(image, back), changed(image, upright)
    # The light comes from another side of the head, the cloth lies where it lay.
    assert (covered & expected).sum() > 0.97 * (covered | expected).sum()


def test_what_the_head_hides_is_not_painted(engine: Engine) -> None:
    """A head in profile: the far cheek's mask must not show before the near one, nor beyond the nose."""
    image, mesh = load_image(assets.PEOPLE[2]), engine.analyze(assets.PEOPLE[2], want={"landmarks"}).landmarks.values[0]
    turn = np.deg2rad(70)
    middle = mesh.mean(axis=0)
    points = mesh - middle
    x, z = points[:, 0], points[:, 2]
    profile = np.column_stack([x * np.cos(turn) - z * np.sin(turn), points[:, 1], x * np.sin(turn) + z * np.cos(turn)])
    profile = profile + middle
    gray = np.full_like(image, 128)
    seen = changed(gray, paint_covering(gray, profile, kind="cloth", seed=3, engine=engine))
    tip = profile[:, 0].max()
    columns = np.nonzero(seen)[1]
    assert seen.any()
    assert columns.max() <= tip + 0.1 * np.ptp(mesh[:, 0])


def test_a_small_face_is_painted_smoothly(engine: Engine, person: tuple[Image, NDArray[np.float32]]) -> None:
    """The mask of a shrunk picture is the shrunk mask."""
    image, mesh = person
    painted = paint_covering(image, mesh, kind="surgical", seed=2, engine=engine)
    side = 96
    scale = side / image.shape[0]
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    points = np.column_stack([(mesh[:, :2] + 0.5) * scale - 0.5, mesh[:, 2] * scale])
    found = paint_covering(np.asarray(small, np.uint8), points, kind="surgical", seed=2, engine=engine)
    expected = cv2.resize(painted, (side, side), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - expected).mean() < 2


def test_none_one_and_many(engine: Engine) -> None:
    image = load_image(assets.GROUP)
    faces = engine.analyze(image, want={"landmarks"})
    assert len(faces) > 1
    np.testing.assert_array_equal(paint_faces(image, faces[:0], engine=engine), image)
    every = changed(image, paint_faces(image, faces, engine=engine))
    assert all(at(every, mesh[[13]]).all() for mesh in faces.landmarks.values)
    one = changed(image, paint_faces(image, faces[:1], engine=engine))
    assert one.sum() < every.sum()


def test_a_face_outside_of_the_picture_or_of_no_size_is_left_alone(
    engine: Engine, person: tuple[Image, NDArray[np.float32]]
) -> None:
    image, mesh = person
    for points in (mesh + 5000, mesh * 1e-3):
        np.testing.assert_array_equal(paint_covering(image, points, engine=engine), image)
    halved = changed(image, paint_covering(image, mesh + np.array([250, 0, 0], np.float32), engine=engine))
    assert halved.any()


def test_bad_calls_are_refused(engine: Engine, person: tuple[Image, NDArray[np.float32]]) -> None:
    image, mesh = person
    with pytest.raises(UsageError, match="no covering is called 'hat'"):
        paint_covering(image, mesh, kind="hat", engine=engine)
    for points in (mesh[:468], mesh[:, :2], np.full_like(mesh, np.nan)):
        with pytest.raises(ShapeMismatch):
            paint_covering(image, points, engine=engine)
    with pytest.raises(FieldNotComputed):
        paint_faces(image, mien.Faces.from_boxes([[0, 0, 9, 9]]), engine=engine)


def test_every_covering_names_a_vertex_of_the_jaw_where_it_leaves_the_face() -> None:
    from mien.evaluation.coverings import JAW

    for covering in COVERINGS.values():
        assert not covering.whole or covering.outline[-1] in JAW


@pytest.mark.data
def test_a_real_person_with_a_mask_is_found_and_still_most_like_that_person(engine: Engine) -> None:
    image = photo("identities/Colin_Powell/Colin_Powell_0001.jpg")
    faces = engine.analyze(image, want={"landmarks", "embedding"}).top(1)
    masked = engine.analyze(paint_faces(image, faces, seed=3, engine=engine), want={"embedding"}).top(1)
    assert len(masked) == 1
    cosine = float((masked.embedding @ faces.embedding)[0, 0])
    assert 0.3 < cosine < 0.95
