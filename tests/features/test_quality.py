"""Quality by networks: curves, crops, what abstains; and real pictures, spoiled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.columns import Points
from mien.core.errors import CardError, ModelError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.engine import Batch
from mien.features.fit.quality import SMALLEST_EYES, QualityNet, judgeable
from mien.runtime.bundle import Bundle
from tests.shared import photo, runner

SIDE = 96
PLACE = TEMPLATES["arcface112"].points_at(SIDE)
PARAMS = {"padding": 0.0, "middle": 0.5, "width": 0.1}


class Net:
    """A bundle and a session that tells how bright a crop is."""

    def __init__(
        self, params: dict[str, Any], *, numbers: int = 1, size: tuple[int, int] | None = (SIDE, SIDE)
    ) -> None:
        picture = SimpleNamespace(size=size)
        self.card = SimpleNamespace(id="made-up", params=params, files={"model": SimpleNamespace(input=picture)})
        self.numbers = numbers

    def session(self, _name: str) -> Net:
        return self

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32]]:
        assert crops.shape[1:] == (SIDE, SIDE, 3)
        bright = crops.mean(axis=(1, 2, 3), dtype=np.float32) / 255
        return (np.repeat(bright[:, None], self.numbers, axis=1),)

    @property
    def bundle(self) -> Bundle:
        return cast("Bundle", self)


def batch(points: NDArray[np.float32], owner: list[int], *images: NDArray[np.uint8]) -> Batch:
    column = Points(points, names=ALIGNMENT_NAMES)
    faces = Faces.from_boxes([[0, 0, SIDE, SIDE]] * len(points), image_size=(SIDE, SIDE))
    return Batch(images, np.asarray(owner, np.intp), faces.with_columns({"alignment": column}))


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def test_each_face_in_its_own_picture_on_the_cards_curve() -> None:
    quality = QualityNet(Net(PARAMS).bundle).describe(batch(np.stack([PLACE] * 3), [1, 0, 1], grey(51), grey(153)))
    values = quality["quality"].values
    np.testing.assert_allclose(values, 1 / (1 + np.exp(-(np.array([0.6, 0.2, 0.6]) - 0.5) / 0.1)), atol=1e-4)


def test_no_face_and_one() -> None:
    step = QualityNet(Net(PARAMS).bundle)
    assert step.describe(batch(np.empty((0, 5, 2), np.float32), []))["quality"].shape == (0,)
    assert step.describe(batch(PLACE[None], [0], grey(9)))["quality"].shape == (1,)


def test_what_cannot_be_judged_says_why() -> None:
    tiny = PLACE * 3 / SIDE
    points = np.stack([PLACE, np.full_like(PLACE, np.nan), tiny])
    quality = QualityNet(Net(PARAMS).bundle).describe(batch(points, [0, 0, 0], grey(128)))["quality"]
    assert quality.abstained.tolist() == [False, True, True]
    assert quality.reasons == (None, "no points to align by", "the points to align by coincide")
    small = PLACE * (SMALLEST_EYES / 2) / (PLACE[1, 0] - PLACE[0, 0])
    (reason,) = judgeable(Points(small[None], names=ALIGNMENT_NAMES)).reasons
    assert reason == "the eyes are less than 4 pixels apart"


def test_a_profile_is_no_tiny_face() -> None:
    profile = PLACE.copy()
    profile[1] = profile[0] + 1
    assert not judgeable(Points(profile[None], names=ALIGNMENT_NAMES)).abstained[0]


def test_the_curve_keeps_the_order_and_the_limits() -> None:
    images = [grey(level) for level in (0, 102, 128, 153, 255)]
    step = QualityNet(Net({**PARAMS, "width": 0.01}).bundle)
    values = step.describe(batch(np.stack([PLACE] * 5), list(range(5)), *images))["quality"].values
    assert (np.diff(values) > 0).all()
    assert values[0] >= 0
    assert values[-1] <= 1


@pytest.mark.parametrize("missing", ["padding", "middle", "width"])
def test_a_card_without_a_number(missing: str) -> None:
    with pytest.raises(CardError, match=missing):
        QualityNet(Net({name: value for name, value in PARAMS.items() if name != missing}).bundle)


def test_networks_of_another_kind() -> None:
    with pytest.raises(CardError, match="one square picture"):
        QualityNet(Net(PARAMS, size=None).bundle)
    with pytest.raises(ModelError, match="one number"):
        QualityNet(Net(PARAMS, numbers=2).bundle).describe(batch(PLACE[None], [0], grey(9)))


# --- the real networks ----------------------------------------------------------------------------------------------

PICTURES = [
    f"identities/{name}/{name}_000{n}.jpg" for name in ("Ariel_Sharon", "Arnold_Schwarzenegger") for n in (1, 2)
]


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize("model", ["lightqnet-dm050", "quality-mnv2"])
def test_blurred_pictures_are_worse(model: str) -> None:
    detector, step = runner("yunet"), runner(model)
    images = [photo(name) for name in PICTURES]
    faces = [found.top(1).with_alignment() for found in detector.detect(images)]
    owner = np.arange(len(images))
    levels = []
    for sigma in (0, 4, 8):
        seen = [cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image for image in images]
        levels.append(step.describe(Batch(seen, owner, Faces.concat(faces)))["quality"].values)
    assert (levels[0] > 0.4).all()
    assert (np.diff(levels, axis=0) < 0).all()
    assert (levels[2] < levels[0] - 0.2).all()
