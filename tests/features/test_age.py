from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.columns import Distribution, Points
from mien.core.errors import CardError, WeightsUnavailable
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.core.image import load_image
from mien.engine import Batch, Engine
from mien.features.shown.age import AgeDlib
from mien.features.shown.sizes import fine_detail
from mien.runtime.bundle import Bundle

MANIFEST = {
    "models": {"age": {"age_weights": [0.25, 1, 2], "input": {"shape": ["N", 3, 64, 64]}}},
    "preprocessing": {"face_chip_padding": 0.2},
}


class Net:
    """A bundle and a session whose three classes are how red, green and blue the left half of a crop is."""

    def __init__(self, folder: Path, manifest: object, spread: object = (0.01, 0.0)) -> None:
        self._path = folder / "manifest.json"
        self._path.write_text(json.dumps(manifest))
        self.card = SimpleNamespace(id="made-up", params={"spread": spread, "detail": 0.0})
        self.crops = np.empty((0, 64, 64, 3), np.uint8)

    def session(self, _name: str) -> Net:
        return self

    def path(self, _name: str) -> Path:
        return self._path

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32]]:
        self.crops = crops
        sums = crops[:, :, :32].sum(axis=(1, 2), dtype=np.float32) + 1e-6
        return (sums / sums.sum(axis=1, keepdims=True),)

    @property
    def bundle(self) -> Bundle:
        return cast("Bundle", self)


def batch(points: NDArray[np.float32], owner: list[int], *images: NDArray[np.uint8]) -> Batch:
    faces = Faces.from_boxes(
        [[0, 0, 64, 64]] * len(points), keypoints=points, keypoint_names=ALIGNMENT_NAMES, image_size=(64, 64)
    ).with_alignment()
    return Batch(images, np.asarray(owner, np.intp), faces)


PLACE = TEMPLATES["dlib"].points_at(64, 0.2)


def half(left: tuple[int, int, int], right: tuple[int, int, int]) -> NDArray[np.uint8]:
    image = np.empty((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = left, right
    return image


def test_each_face_is_judged_with_its_mirror_image_in_its_own_picture(tmp_path: Path) -> None:
    step = AgeDlib(Net(tmp_path, MANIFEST).bundle)
    images = half((100, 0, 0), (0, 100, 0)), half((0, 0, 200), (0, 0, 200))
    age = step.describe(batch(np.stack([PLACE, PLACE, PLACE]), [1, 0, 1], *images))["age"]
    np.testing.assert_allclose(age.support, (0.25, 1, 2))
    np.testing.assert_allclose(age.probabilities, [[0, 0, 1], [0.5, 0.5, 0], [0, 0, 1]], atol=0.01)


def test_probabilities_are_spread_by_more_the_older_the_face(tmp_path: Path) -> None:
    step = AgeDlib(Net(tmp_path, MANIFEST, spread=(0.1, 0.2)).bundle)
    red, blue = (half(color, color) for color in ((255, 0, 0), (0, 0, 255)))
    young, old = step.describe(batch(np.stack([PLACE, PLACE]), [0, 1], red, blue))["age"].probabilities
    # 0.25 years with a deviation of 0.15: 0.625 is 2.5 deviations up. 2 years with 0.5: 1.5 is one deviation down.
    np.testing.assert_allclose(young, [0.99379, 0.00621, 0], atol=1e-4)
    np.testing.assert_allclose(old, [0.00298, 0.15568, 0.84134], atol=1e-4)


def test_crops_are_aligned(tmp_path: Path) -> None:
    net = Net(tmp_path, MANIFEST)
    image = np.zeros((256, 256, 3), np.uint8)
    image[100:228, 60:188] = np.random.default_rng(1).integers(0, 255, (4, 4, 3), np.uint8).repeat(32, 0).repeat(32, 1)
    AgeDlib(net.bundle).describe(batch((PLACE[None] + 0.5) * 2 - 0.5 + (60, 100), [0], image))
    np.testing.assert_allclose(net.crops[0, 8::16, 8::16], image[116:228:32, 76:188:32], atol=1)
    np.testing.assert_array_equal(net.crops[1], net.crops[0][:, ::-1])


def test_tiny_faces_abstain(tmp_path: Path) -> None:
    points = np.stack([PLACE, PLACE / 5])
    age = AgeDlib(Net(tmp_path, MANIFEST).bundle).describe(batch(points, [0, 0], half((9, 9, 9), (9, 9, 9))))["age"]
    assert age.abstained.tolist() == [False, True]
    assert age.reasons[1] == "the face is too small: less than 10 pixels between the eyes"


def test_no_faces_and_one(tmp_path: Path) -> None:
    step = AgeDlib(Net(tmp_path, MANIFEST).bundle)
    assert step.describe(batch(np.empty((0, 5, 2), np.float32), []))["age"].shape == (0, 3)
    assert step.describe(batch(PLACE[None], [0], half((1, 1, 1), (1, 1, 1))))["age"].shape == (1, 3)


def test_without_alignment_there_is_no_age_but_its_reason(tmp_path: Path) -> None:
    nowhere = np.full_like(PLACE, np.nan)
    points = np.stack([PLACE, nowhere, nowhere, np.full_like(PLACE, 7), PLACE])
    given = batch(points, [0, 0, 0, 0, 1], half((255, 0, 0), (255, 0, 0)), half((0, 0, 255), (0, 0, 255)))
    column = Points(points, names=ALIGNMENT_NAMES, reasons=(None, "no mesh", None, None, None))
    given = Batch(given.images, given.owner, given.faces.with_columns({"alignment": column}))
    age = AgeDlib(Net(tmp_path, MANIFEST).bundle).describe(given)["age"]
    assert age.abstained.tolist() == [False, True, True, True, False]
    assert age.reasons == (None, "no mesh", "no points to align by", "the points to align by coincide", None)
    np.testing.assert_allclose(age.probabilities[[0, 4]], [[1, 0, 0], [0, 0, 1]], atol=0.01)


def test_a_card_without_spread(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="made-up"):
        AgeDlib(Net(tmp_path, MANIFEST, spread=None).bundle)


@pytest.mark.parametrize("manifest", [{}, {"models": {"age": 3}}, [], {**MANIFEST, "preprocessing": {}}])
def test_a_manifest_that_says_nothing(tmp_path: Path, manifest: object) -> None:
    with pytest.raises(CardError, match="made-up"):
        AgeDlib(Net(tmp_path, manifest).bundle)


def test_blurred_faces_abstain(tmp_path: Path) -> None:
    import cv2

    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    sharp = cv2.GaussianBlur(noise, (0, 0), 1.0)
    images = [
        np.asarray(one, np.uint8) for one in (sharp, cv2.GaussianBlur(sharp, (0, 0), 6.0), np.full_like(sharp, 90))
    ]
    details = fine_detail(np.stack(images))
    assert details[0] > 0.3 > 0.1 > details[1] > details[2] == 0
    net = Net(tmp_path, MANIFEST)
    net.card.params["detail"] = 0.1
    age = AgeDlib(net.bundle).describe(batch(np.stack([PLACE] * 3), [1, 0, 2], *images))["age"]
    assert age.reasons == ("the face is too blurred", None, "the face is too blurred")
    assert np.isfinite(age.mean).tolist() == [False, True, False]
    assert len(net.crops) == 2


@pytest.mark.weights
@pytest.mark.data
def test_ages_of_real_people(shared_data: Path) -> None:
    """UTKFace. Measured on all 400 crops: see `mien.features.shown.age`; here every fourth."""
    files = sorted((shared_data / "age_gender").glob("*.jpg"))[::4]
    truth, columns = [], []
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "age")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        for file in files:
            crop = np.pad(load_image(file), ((60, 60), (60, 60), (0, 0)), mode="symmetric")
            faces = engine.analyze(crop, want={"age"}, max_faces=1)
            if len(faces):
                truth.append(int(file.name.split("_")[0]))
                columns.append(faces.age)
    age, years = Distribution.concat(columns), np.array(truth)
    assert len(years) >= 98
    assert age.abstained.sum() <= 3
    age, years = age[~age.abstained], years[~age.abstained]
    np.testing.assert_allclose(age.probabilities.sum(axis=1), 1, atol=1e-3)
    assert np.abs(age.mean - years).mean() < 7.5
    inside = (age.interval[:, 0] <= years) & (years <= age.interval[:, 1])
    assert 0.7 < inside.mean() < 0.95
    minors, adults = age.mean[years < 18], age.mean[years >= 18]
    assert (minors[:, None] < adults).mean() > 0.95  # area under the curve
