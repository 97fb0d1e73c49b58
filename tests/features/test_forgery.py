"""Cues of forgery: on pictures drawn so that each must see something, on real faces, and the common scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Points
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.image import load_image
from mien.core.layouts import indices_of
from mien.engine import Batch, Engine
from mien.features.genuine import cues
from mien.features.genuine.forgery import NAMES, Forgery, Level
from mien.features.genuine.heat import heat_of
from mien.features.genuine.window import SMALLEST, Window, open_window
from mien.runtime.bundle import Bundle
from tests.shared import open_bundle, runner

Image = NDArray[np.uint8]
SIDE = 256


def mesh(center: tuple[float, float] = (128, 128), across: float = 120.0) -> NDArray[np.float32]:
    """A mesh whose outline is an ellipse, and whose features are where a face has them."""
    points = np.tile(np.asarray(center, np.float32), (478, 1))
    oval = indices_of("mesh478", "face_oval")
    turns = np.linspace(-np.pi / 2, 1.5 * np.pi, len(oval), endpoint=False)
    points[oval] += np.stack([np.cos(turns) * across / 2, np.sin(turns) * across * 0.65], axis=1)
    return np.concatenate([points, np.zeros((478, 1), np.float32)], axis=1).astype(np.float32)


def skin(seed: int = 0, noise: float = 4.0) -> Image:
    """A smooth picture with noise of one kind all over."""
    rng = np.random.default_rng(seed)
    base = np.linspace(120, 180, SIDE)[:, None, None] + np.zeros((SIDE, SIDE, 3)) + np.array([20, 0, -20])
    return np.asarray(np.clip(base + rng.normal(0, noise, base.shape), 0, 255), np.uint8)


def window(image: Image, **options: Any) -> Window:
    found = open_window(image, mesh(**options))
    assert isinstance(found, Window)
    return found


def in_face(image: Image, other: Image, radius: float = 0.75) -> Image:
    """Another picture within a part of the face."""
    inside = window(image).radius < radius
    x, y = window(image).corner
    full = np.zeros(image.shape[:2], bool)
    full[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return np.where(full[..., None], other, image)


def test_radii_count_from_the_middle_to_the_outline() -> None:
    found = window(skin())
    x, y = found.outline.T.round().astype(int)
    np.testing.assert_allclose(found.radius[y, x], 1, atol=0.03)
    assert found.radius[tuple(found.center[::-1].round().astype(int))] < 0.02
    assert found.native.shape == (80, 80, 3)
    assert found.corner[0] % 8 == found.corner[1] % 8 == 0


def test_large_faces_are_reduced_and_keep_a_part_as_it_is() -> None:
    image = np.repeat(np.repeat(skin(), 4, axis=0), 4, axis=1)
    found = window(image, center=(512, 512), across=480)
    assert 0.6 < found.scale < 0.7
    assert found.native.shape == (256, 256, 3)
    np.testing.assert_array_equal(found.native, image[384:640, 384:640])


def test_what_is_too_small_or_outside() -> None:
    assert f"take {SMALLEST}" in str(open_window(skin(), mesh(across=50)))
    assert open_window(skin(), mesh(center=(-300, 128))) == "the face lies outside of the picture"


def test_noise_has_the_sign_of_the_surroundings() -> None:
    assert abs(cues.noise(window(skin()))) < 0.1
    assert cues.noise(window(in_face(skin(), skin(1, noise=1), 1.0))) > 0.5
    assert cues.noise(window(in_face(skin(), skin(1, noise=10), 1.0))) < -0.5


def test_a_boundary_is_seen_where_noise_or_colour_changes() -> None:
    plain = cues.boundary(window(skin()))
    tinted = np.clip(skin() + np.array([0, 12, 0]), 0, 255).astype(np.uint8)
    assert cues.boundary(window(in_face(skin(), skin(1, noise=1)))) > 2 * plain
    assert cues.boundary(window(in_face(skin(), tinted))) > 2 * plain


def test_colour_of_the_inner_face() -> None:
    tinted = np.clip(skin() + np.array([0, 12, 0]), 0, 255).astype(np.uint8)
    assert cues.color(window(skin())) < 0.5 < 1 < cues.color(window(in_face(skin(), tinted, 0.68)))


def test_a_grey_picture_has_no_colour_to_compare() -> None:
    assert np.isnan(cues.color(window(np.repeat(skin()[..., :1], 3, axis=2))))


def test_a_change_of_colour_is_less_hot_where_all_of_the_skin_changes() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    shine = 40 * np.sin(rows / 6) * np.sin(columns / 6) * np.array([1, 0, 0])[:, None, None]
    place = np.s_[110:140, 115:145]
    once, all_over = skin(noise=1).astype(float), skin(noise=1) + np.moveaxis(shine, 0, -1)
    once[place] = all_over[place]
    here, everywhere = (heat_of(window(part.astype(np.uint8))).whole((SIDE, SIDE)) for part in (once, all_over))
    assert here[place].mean() > 1.5 * everywhere[place].mean()


def test_upsampling_leaves_lone_frequencies() -> None:
    small = skin()[::2, ::2]
    combed = skin().astype(int)
    combed[::2, ::2] += 6
    plain = cues.checkerboard(window(skin()))
    assert cues.checkerboard(window(np.clip(combed, 0, 255).astype(np.uint8))) > plain + 1
    smooth = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    # What was enlarged smoothly has no finest detail: the spectrum ends early.
    assert cues.spectrum(window(np.asarray(smooth, np.uint8))) < cues.spectrum(window(skin())) - 1


def test_another_compression_in_the_face() -> None:
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.normal(128, 90, (SIDE, SIDE, 3)), (0, 0), 1.2).clip(0, 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    poor = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    assert cues.compression(window(in_face(image, poor, 1.0))) > 3 * cues.compression(window(image))


def test_double_edges() -> None:
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.normal(128, 40, (SIDE, SIDE, 3)), (0, 0), 12)
    image = ((image - image.min()) / np.ptp(image) * 4).round() * 40 + 40  # few edges, far from each other
    ghost = (image + np.roll(image, 6, axis=1)) / 2
    single, double = (cues.ghosting(window(part.astype(np.uint8))) for part in (image, ghost))
    assert double > single + 0.03


def test_without_surroundings_what_needs_them_is_not_told() -> None:
    full = skin()[64:192, 74:182]
    found = window(np.ascontiguousarray(full), center=(54, 64), across=116)
    assert np.isnan(cues.noise(found))
    assert np.isnan(cues.compression(found))
    assert np.isfinite(cues.color(found))
    assert np.isfinite(cues.boundary(found))


def test_heat_is_where_the_noise_is_another() -> None:
    image = skin()
    image[100:140, 130:165] = skin(5, noise=20)[100:140, 130:165]
    found = heat_of(window(image))
    whole = found.whole((SIDE, SIDE))
    assert whole.shape == (SIDE, SIDE)
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() <= 1
    assert whole[110:130, 138:158].mean() > 3 * whole[110:130, 85:110].mean()
    assert whole[:20].max() == 0
    assert found.draw(image).shape == image.shape


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(0.01, 5), st.lists(st.floats(-20, 20), min_size=2, max_size=9))
def test_the_scale_rises_through_the_places_of_real_faces(
    middle: float, half: float, step: float, values: list[float]
) -> None:
    level = Level(middle, half, half + step)
    away = np.sort(np.abs(values))
    placed = level.place(middle + away)
    assert (np.diff(placed) >= 0).all()
    assert (placed >= 0).all()
    assert (placed <= 1).all()
    np.testing.assert_allclose(level.place(middle + np.array([half, half + step])), [0.5, 0.95], atol=1e-6)
    assert np.isnan(level.place(np.array([np.nan]))).all()


def batch(image: Image, points: NDArray[np.float32]) -> Batch:
    faces = Faces.from_boxes([[0, 0, 9, 9]] * len(points), image_size=(image.shape[1], image.shape[0]))
    columns = {
        "landmarks": Points(points.reshape(-1, 478, 3)),
        "alignment": Points(points[:, [33, 263, 4, 61, 291], :2]),
    }
    return Batch([image], np.zeros(len(points), np.intp), faces.with_columns(columns))


@pytest.mark.weights
def test_a_card_without_levels() -> None:
    bundle = open_bundle("forgery")
    paths = {name: bundle.path(name) for name in bundle.card.files}
    for levels in ({}, {"levels": {"noise": 3}}, {"levels": {**bundle.card.params["levels"], "noise": [0, 2, 1]}}):
        with pytest.raises(CardError, match="forgery"):
            Forgery(Bundle(replace(bundle.card, params=levels), paths, bundle.options))


@pytest.mark.weights
def test_none_one_and_many() -> None:
    step = runner("forgery")
    image = load_image(assets.PEOPLE[1])[::2, ::2]
    with Engine(threads=1) as engine:
        points = engine.analyze(image, want={"landmarks"}).landmarks.values
    assert step.describe(batch(image, points[:0]))["forgery"].shape == (0, len(NAMES))
    lost = np.full_like(points[0], np.nan)
    tiny = (points[0] - points[0].mean(axis=0)) * 0.2 + points[0].mean(axis=0)
    many = step.describe(batch(image, np.stack([points[0], lost, tiny])))["forgery"]
    np.testing.assert_allclose(step.describe(batch(image, points))["forgery"].values[0], many.values[0], atol=1e-5)
    assert many.abstained.tolist() == [False, True, True]
    assert "no mesh" in str(many.reasons[1])
    assert "too small" in str(many.reasons[2])
    assert ((many.values[0] >= 0) & (many.values[0] <= 1)).all()


@pytest.mark.weights
@pytest.mark.data
def test_generated_faces_show_their_grid_and_photos_do_not(shared_data: Path) -> None:
    """The shipped portraits were halved and compressed well; see docs/forgery.md for what happens to worse ones."""
    photos = sorted((shared_data / "identities_johns").rglob("*.jpg"))[::6]
    with Engine(threads=1) as engine:
        real = [engine.analyze(path, want={"forgery"}) for path in photos]
        people = [engine.analyze(person, want={"forgery"}) for person in assets.PEOPLE[:3]]
    levels = [faces.forgery.named("checkerboard")[0] for faces in real if len(faces) and not faces.forgery.abstained[0]]
    assert len(levels) >= 7
    assert np.median(levels) < 0.9 < np.median([faces.forgery.named("checkerboard")[0] for faces in people])
