from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.columns import Distribution
from mien.core.errors import CardError, WeightsUnavailable
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.core.image import load_image
from mien.engine import Batch, Engine
from mien.features.shown.gender import GENDER_NAMES, GenderDlib
from mien.runtime.bundle import Bundle
from tests.shared import runner

PLACE = TEMPLATES["dlib"].points_at(32, 0.2)
ENTRY = {"labels": ["female", "male"], "input": {"shape": ["N", 3, 32, 32]}}


class Net:
    """A network that says female as often as the left half of a crop is bright, from 0.1 to 0.9."""

    def __init__(self, folder: Path, entry: object = ENTRY, slope: object = 0.5) -> None:
        self._path = folder / "manifest.json"
        manifest = {"models": {"gender": entry}, "preprocessing": {"face_chip_padding": 0.2}}
        self._path.write_text(json.dumps(manifest))
        params = {"slope": slope, "youngest": 8.0}

        def settings(cls: type[object]) -> object:
            return cls(**params)

        self.card = SimpleNamespace(id="made-up", params=params, settings=settings)

    def session(self, _name: str) -> Net:
        return self

    def path(self, _name: str) -> Path:
        return self._path

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32]]:
        female = 0.1 + 0.8 * crops[:, :, :16].mean(axis=(1, 2, 3)) / 255
        return (np.stack([female, 1 - female], axis=1).astype(np.float32),)

    @property
    def bundle(self) -> Bundle:
        return cast("Bundle", self)


def batch(points: NDArray[np.float32], ages: list[float], image: NDArray[np.uint8]) -> Batch:
    faces = Faces.from_boxes(
        [[0, 0, 32, 32]] * len(points), keypoints=points, keypoint_names=ALIGNMENT_NAMES, image_size=(32, 32)
    ).with_alignment()
    reasons = tuple("no age today" if np.isnan(one) else None for one in ages)
    shares = np.array([[1 - one / 100, one / 100] for one in ages]).reshape(-1, 2)
    age = Distribution(shares, support=(0, 100), reasons=reasons)
    return Batch([image], np.zeros(len(points), np.intp), faces.with_columns({"age": age}))


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((32, 32, 3), level, np.uint8)


def test_log_odds_are_weakened(tmp_path: Path) -> None:
    bright = batch(PLACE[None], [40], grey(255))
    gender = GenderDlib(Net(tmp_path).bundle).describe(bright)["gender"]
    assert gender.names == GENDER_NAMES
    np.testing.assert_allclose(gender.probabilities, [[0.75, 0.25]], atol=1e-4)  # odds of 9 to 1, their root
    assert gender.labels.tolist() == ["feminine"]


def test_log_odds_of_the_mirror_image_are_averaged(tmp_path: Path) -> None:
    image = grey(0)
    image[:, :16] = 255
    gender = GenderDlib(Net(tmp_path).bundle).describe(batch(PLACE[None], [40], image))["gender"]
    np.testing.assert_allclose(gender.probabilities, [[0.5, 0.5]], atol=0.02)


def test_children_faces_without_age_and_without_points_abstain(tmp_path: Path) -> None:
    nowhere = np.full_like(PLACE, np.nan)
    given = batch(np.stack([PLACE, PLACE, nowhere, PLACE]), [7, np.nan, 40, 9], grey(0))
    gender = GenderDlib(Net(tmp_path).bundle).describe(given)["gender"]
    assert gender.abstained.tolist() == [True, True, True, False]
    assert gender.reasons[0] == "the face of a young child does not show it"
    assert gender.reasons[1:] == ("no age today", "no points to align by", None)
    np.testing.assert_allclose(gender.probabilities[3], [0.25, 0.75], atol=1e-4)


def test_no_face(tmp_path: Path) -> None:
    given = batch(np.empty((0, 5, 2), np.float32), [], grey(0))
    assert GenderDlib(Net(tmp_path).bundle).describe(given)["gender"].shape == (0, 2)


@pytest.mark.parametrize("entry", [{}, {"input": {"shape": [32]}}, {**ENTRY, "labels": ["male", "female"]}, 7])
def test_a_manifest_of_other_classes(tmp_path: Path, entry: object) -> None:
    with pytest.raises(CardError, match="made-up"):
        GenderDlib(Net(tmp_path, entry).bundle)


@pytest.mark.weights
@pytest.mark.data
def test_real_people(shared_data: Path) -> None:
    """UTKFace; docs/attributes.md has all 400, here it is every sixth."""
    right, abstained, children = [], 0, 0
    runner("gender-dlib")
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "gender")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        for file in sorted((shared_data / "age_gender").glob("*.jpg"))[::6]:
            crop = np.pad(load_image(file), ((60, 60), (60, 60), (0, 0)), mode="symmetric")
            gender = engine.analyze(crop, want={"gender"}, max_faces=1).gender
            years, male = (int(part) for part in file.name.split("_")[:2])
            if gender.abstained[0]:
                abstained += 1
                children += years < 13
            else:
                right.append(gender.labels[0] == ("feminine" if male else "masculine"))
    assert 12 <= abstained <= 25
    assert children >= abstained - 2
    assert np.mean(right) > 0.88
