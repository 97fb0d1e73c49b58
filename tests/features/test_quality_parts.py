"""The parts of quality: each measure by itself, the step, and real faces spoiled more and more."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Angles, Points, Scores
from mien.core.errors import CardError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine
from mien.evaluation.probes import recolored
from mien.evaluation.skin_tone import NEEDED
from mien.features.fit import measures
from mien.features.fit.parts import PART_NAMES, QualityParts
from mien.features.fit.product import QualityFused, QualityProduct
from mien.location.blendshapes import BLENDSHAPE_NAMES
from mien.runtime.bundle import Bundle
from tests.shared import DATA

Floats = NDArray[np.float32]


def stack(*pictures: NDArray[Any]) -> tuple[Floats, Floats]:
    luma = np.stack(pictures).astype(np.float32)
    return luma, np.ones_like(luma)


DRAW = np.random.default_rng(5)
SCENE = cv2.GaussianBlur(DRAW.normal(0, 1, (64, 64)), (0, 0), 1.2)
SCENE = 128 + 40 * SCENE / SCENE.std()


# --- measures -------------------------------------------------------------------------------------------------------


def test_blur_rises_with_blur() -> None:
    luma, weights = stack(SCENE, *(cv2.GaussianBlur(SCENE, (0, 0), sigma) for sigma in (1, 2, 4)))
    found = measures.blur(luma, weights)
    assert (np.diff(found) > 0.02).all()
    assert np.isnan(measures.blur(*stack(np.full((16, 16), 9)))).all()


def test_the_worse_direction_counts() -> None:
    kernel = np.ones((1, 9)) / 9
    luma, weights = stack(cv2.filter2D(SCENE, -1, kernel), cv2.filter2D(SCENE, -1, kernel.T), SCENE)
    across, down, clear = measures.blur(luma, weights)
    assert min(across, down) > clear + 0.1


def test_blur_by_hand() -> None:
    # One edge of 90: before, one step; after a mean over 9 pixels, steps of 10. What is lost is 80 of 90.
    line = np.repeat([0.0, 90.0], 20)
    picture = np.tile(line, (40, 1))
    np.testing.assert_allclose(measures.blur(*stack(picture)), 1 - 80 / 90, atol=1e-5)


def test_noise_is_its_deviation() -> None:
    smooth = np.add.outer(np.arange(96.0), np.arange(96.0)) / 2
    for sigma in (2, 10, 40):
        luma, weights = stack(smooth + DRAW.normal(0, sigma, smooth.shape))
        np.testing.assert_allclose(measures.noise(luma, weights), sigma, rtol=0.06)
    assert np.isnan(measures.noise(luma, 0 * weights)).all()


def test_exposure_and_levels_by_hand() -> None:
    picture = np.array([[0, 25, 26, 246], [247, 255, 128, 128]], np.float32)
    luma, weights = stack(picture)
    np.testing.assert_allclose(measures.crushed(luma, weights), 0.25)
    np.testing.assert_allclose(measures.burnt(luma, weights), 0.25)
    np.testing.assert_allclose(measures.entropy(luma, weights), 6 / 8 * 3 + 2 / 8 * 2)
    np.testing.assert_allclose(measures.entropy(*stack(np.full((4, 4), 7))), 0)


def test_less_light_and_darker_skin_leave_the_contrast_as_it_is() -> None:
    luma, weights = stack(FACE[..., 0], FACE[..., 0] * 0.4, FACE[..., 0] * 0)
    level = measures.leveled(luma, weights)
    np.testing.assert_allclose(level[0], level[1], rtol=1e-5)
    np.testing.assert_allclose(level[0].mean(), 128, rtol=1e-4)
    assert (level[2] == 0).all()
    assert (measures.leveled(luma, 0 * weights) == 0).all()


def test_two_sides_have_in_common_what_they_share() -> None:
    picture = np.array([[10, 10, 10, 200], [10, 10, 10, 10]], np.float32)
    luma, weights = stack(picture)
    left = weights * (np.arange(4) < 2)
    np.testing.assert_allclose(measures.evenness(luma, left, weights - left), 0.75)


@pytest.mark.parametrize("origin", [(0, 0), (3, 5)])
def test_blocks_are_found_wherever_they_begin(origin: tuple[int, int]) -> None:
    y, x = origin
    smooth = cv2.GaussianBlur(DRAW.normal(0, 1, (112, 112)), (0, 0), 3)
    smooth = 128 + 30 * smooth / smooth.std()
    blocks = cv2.resize(cv2.resize(smooth, (14, 14), interpolation=cv2.INTER_AREA), (112, 112), interpolation=0)
    luma, _ = stack(*((part * smooth + (1 - part) * blocks)[y : y + 96, x : x + 96] for part in (1, 0.8, 0.5, 0)))
    found = measures.blockiness(luma)
    assert found[0] < 1.5
    assert (np.diff(found) > 0.5).all()


def test_weights_leave_out_what_does_not_count() -> None:
    luma, weights = stack(np.where(np.arange(32) < 16, 0, 128) * np.ones((32, 1)))
    weights[..., :16] = 0
    assert measures.crushed(luma, weights)[0] == 0
    assert measures.entropy(luma, weights)[0] == 0


# --- the step -------------------------------------------------------------------------------------------------------

PLACE = TEMPLATES["arcface112"].points_at(112)


def made_up(
    points: Floats, *images: Image, turns: Any = (0, 0, 0), moved: dict[str, float] | None = None, owner: Any = None
) -> Batch:
    count = len(points)
    faces = Faces.from_boxes([[0, 0, 112, 112]] * count)
    shapes = np.zeros((count, len(BLENDSHAPE_NAMES)), np.float32)
    for name, value in (moved or {}).items():
        shapes[:, BLENDSHAPE_NAMES.index(name)] = value
    columns = {
        "alignment": Points(points, names=ALIGNMENT_NAMES),
        "landmarks": Points(np.full((count, 478, 3), np.nan, np.float32)),
        "pose": Angles(np.broadcast_to(np.asarray(turns, np.float32), (count, 3))),
        "blendshapes": Scores(shapes, names=BLENDSHAPE_NAMES),
    }
    return Batch(images, np.zeros(count, np.intp) if owner is None else owner, faces.with_columns(columns))


def parts_of(batch: Batch, *, needs: tuple[str, ...] = ()) -> Scores:
    bundle = cast("Bundle", SimpleNamespace(card=SimpleNamespace(needs=needs)))
    return cast("Scores", QualityParts(bundle).describe(batch)["quality_parts"])


FACE = np.repeat(cv2.resize(SCENE, (112, 112))[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)


def test_no_face_one_and_many() -> None:
    assert parts_of(made_up(np.empty((0, 5, 2), np.float32))).shape == (0, len(PART_NAMES))
    one = parts_of(made_up(PLACE[None], FACE))
    dark = (FACE * 0.1).astype(np.uint8)
    many = parts_of(made_up(np.stack([PLACE] * 3), FACE, dark, owner=np.array([0, 1, 0])))
    np.testing.assert_allclose(many.values[0], one.values[0], atol=1e-6)
    np.testing.assert_allclose(many.values[2], one.values[0], atol=1e-6)
    assert many.named("exposure")[1] < many.named("exposure")[0]
    assert (np.nan_to_num(many.values) >= 0).all()
    assert (np.nan_to_num(many.values) <= 1).all()


def test_what_cannot_be_aligned_abstains_and_what_is_not_known_is_missing() -> None:
    given = made_up(np.stack([PLACE, np.full_like(PLACE, np.nan)]), FACE, turns=(np.nan, np.nan, np.nan))
    found = parts_of(given)
    assert found.abstained.tolist() == [False, True]
    assert found.reasons == (None, "no points to align by")
    assert np.isnan(found.named("pose")[0])
    known = [name not in {"pose", "occlusion"} for name in PART_NAMES]
    assert np.isfinite(found.values[0, known]).all()


def test_occlusion_where_the_face_was_parsed() -> None:
    given = made_up(PLACE[None], FACE)
    visible = Scores(np.array([[0.25]], np.float32), names=("face",))
    given = Batch(given.images, given.owner, given.faces.with_columns({"visible": visible}))
    assert np.isnan(parts_of(given).named("occlusion")[0])
    assert parts_of(given, needs=("visible",)).named("occlusion")[0] == 0.25


def test_pose_as_in_the_standard_and_without_roll() -> None:
    for yaw, pitch, roll in ((0, 0, 0), (30, 0, 0), (-30, 20, 50), (95, 0, 0)):
        found = parts_of(made_up(PLACE[None], FACE, turns=(yaw, pitch, roll))).named("pose")[0]
        wanted = 0 if yaw > 90 else (np.cos(np.deg2rad(yaw)) * np.cos(np.deg2rad(pitch))) ** 2
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_expression_falls_with_every_movement() -> None:
    for name in ("jawOpen", "mouthSmileLeft", "eyeBlinkRight"):
        found = [parts_of(made_up(PLACE[None], FACE, moved={name: x})).named("expression")[0] for x in (0, 0.3, 0.8)]
        assert found[0] == 1
        assert (np.diff(found) < -0.1).all()


def test_half_at_sixteen_pixels_between_the_eyes() -> None:
    across = float(PLACE[1, 0] - PLACE[0, 0])
    sizes = [parts_of(made_up(PLACE[None] * np.float32(eyes / across), FACE)).named("size")[0] for eyes in (8, 16, 32)]
    np.testing.assert_allclose(sizes, [0.2, 0.5, 0.8], atol=1e-3)


# --- the product ----------------------------------------------------------------------------------------------------


def product(**params: Any) -> QualityProduct:
    values = {"bias": 1.0, "powers": {"noise": 2.0}, "usual": {"noise": 0.5}, **params}
    return QualityProduct(cast("Bundle", SimpleNamespace(card=SimpleNamespace(id="made-up", params=values))))


def test_the_product_of_parts() -> None:
    values = np.full((4, len(PART_NAMES)), 0.3, np.float32)
    values[:, PART_NAMES.index("noise")] = 1, 0.5, np.nan, np.nan
    values[3] = np.nan
    parts = Scores(values, names=PART_NAMES, reasons=(None, None, None, "too small"))
    faces = Faces.from_boxes([[0, 0, 9, 9]] * 4).with_columns({"quality_parts": parts})
    quality = product().describe(Batch([], np.zeros(4, np.intp), faces))["quality"]
    odds = np.array([1, 1 + 2 * np.log(0.5), 1 + 2 * np.log(0.5)])
    np.testing.assert_allclose(quality.values[:3], 1 / (1 + np.exp(-odds)), atol=1e-6)
    assert quality.reasons == (None, None, None, "too small")
    assert product().describe(Batch([], np.zeros(0, np.intp), faces[:0]))["quality"].shape == (0,)


class Half:
    """A session that gives 0.5 for every crop, and its bundle."""

    def __init__(self) -> None:
        picture = SimpleNamespace(input=SimpleNamespace(size=(96, 96)))
        params = {"padding": 0.0, "middle": 0.3, "width": 0.1, "bias": 1.0, "powers": {"noise": 2.0}}
        self.card = SimpleNamespace(id="made-up", params={**params, "usual": {"noise": 0.5}}, files={"model": picture})

    def session(self, _name: str) -> Half:
        return self

    def run(self, crops: NDArray[np.uint8]) -> tuple[Floats]:
        return (np.full((len(crops), 1), 0.5, np.float32),)


def test_a_network_beside_the_product() -> None:
    given = made_up(np.stack([PLACE, np.full_like(PLACE, np.nan)]), FACE)
    faces = given.faces.with_columns({"quality_parts": parts_of(given)})
    quality = QualityFused(cast("Bundle", Half())).describe(Batch(given.images, given.owner, faces))["quality"]
    odds = 1 + 2 * np.log(faces.quality_parts.named("noise")[0]) + (0.5 - 0.3) / 0.1
    np.testing.assert_allclose(quality.values[0], 1 / (1 + np.exp(-odds)), atol=1e-5)
    assert quality.reasons == (None, "no points to align by")


@pytest.mark.parametrize(
    "params", [{"bias": None}, {"powers": {}}, {"powers": {"beauty": 1.0}}, {"powers": {"noise": -1.0}}, {"usual": 3}]
)
def test_cards_of_no_product(params: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="made-up"):
        product(**params)


# --- real faces -----------------------------------------------------------------------------------------------------


def written(image: Image, quality: float) -> Image:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [1, int(quality)])[1], 1), np.uint8)


def shrunk(image: Image, factor: float) -> Image:
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)


def lit(image: Image, strength: float) -> Image:
    """Dark on the left half, where the strength is below 0, or on the right."""
    away = 1 / (1 + np.exp(-np.sign(strength) * (np.arange(image.shape[1]) - image.shape[1] / 2) / 10))
    return np.asarray(image * (1 - abs(strength) * away[None, :, None]), np.uint8)


def blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image, np.uint8)


NOISE = np.random.default_rng(0).normal(0, 1, (250, 250, 3))
# Of each part: what spoils it, how much, and how many of the faces may not fall from one step to the next.
SPOILED: dict[str, tuple[Callable[[Image, float], Image], tuple[float, ...]]] = {
    "sharpness": (blurred, (0, 2, 3.5, 6)),
    "exposure": (lambda image, gamma: (255 * (image / 255) ** gamma).astype(np.uint8), (1, 2.5, 4, 7)),
    "contrast": (lambda image, part: (128 + (image - 128.0) * part).astype(np.uint8), (1, 0.5, 0.2, 0.07)),
    "illumination": (lit, (0, 0.6, 0.85, 0.97)),
    "noise": (lambda image, sigma: np.clip(image + sigma * NOISE, 0, 255).astype(np.uint8), (0, 10, 30, 80)),
    "compression": (written, (100, 40, 15, 5)),
    "size": (shrunk, (1, 0.5, 0.3, 0.2)),
}


@pytest.mark.weights
@pytest.mark.data
def test_each_part_falls_with_what_it_is_about() -> None:
    files = sorted((DATA / "identities").glob("*/*_0001.jpg"))[:5]
    needed = {"alignment", "landmarks", "pose", "blendshapes"}
    with Engine(threads=1) as engine:
        clear = {file: engine.analyze(file, want=needed).top(1) for file in files}

        def judge(image: Image, faces: Faces | None) -> float:
            """The face is where it was, whether it would still be found or not."""
            faces = faces or engine.analyze(image, want=needed).top(1)
            return float(engine.analyze(image, faces=faces, want={"quality_parts"}).quality_parts.named(name)[0])

        for name, (spoil, steps) in SPOILED.items():
            found = np.full((len(files), len(steps)), np.nan)
            for row, file in enumerate(files):
                for column, step in enumerate(steps):
                    # A face that is dark on one side already becomes more even where the other is darkened.
                    both = (step, -step) if name == "illumination" else (step,)
                    judged = [
                        judge(spoil(load_image(file), one), clear[file] if name != "size" else None) for one in both
                    ]
                    found[row, column] = min(judged)
            assert np.diff(found, axis=1).max() < 0.01, (name, found.round(3))
            assert np.median(found[:, -1] - found[:, 0]) < -0.2, (name, found.round(3))


@pytest.mark.weights
def test_darker_skin_in_the_same_light_is_no_poorer_picture() -> None:
    with Engine(threads=1) as engine:
        for path in assets.PEOPLE[:3]:
            image = load_image(path)
            face = engine.analyze(image, want=NEEDED).top(1)[0]
            shown = [recolored(image, face, tone) for tone in (5, 7)]
            assert np.abs(shown[0].astype(int) - shown[1]).mean() > 10
            light, dark = (engine.analyze(one, want={"quality", "quality_parts"}).top(1) for one in shown)
            assert dark.quality_parts.named("contrast")[0] > light.quality_parts.named("contrast")[0] - 0.05
            assert dark.quality.values[0] > light.quality.values[0] - 0.05
