"""One person's face from pictures: what is made of them, and which are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien import Engine, assets, load_image
from mien.core.errors import NoFace, UsageError
from mien.core.image import Image
from mien.swaps.exchange.identity import SIDE, Identity

ALICE, BOB = assets.FOLDER / "person1.jpg", assets.FOLDER / "person3.jpg"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def alice(engine: Engine) -> Identity:
    return Identity.of(ALICE, engine=engine)


def two(one: Path, other: Path) -> Image:
    return np.hstack([load_image(one), load_image(other)])


@pytest.mark.weights
class TestPictures:
    def test_one_picture_is_enough(self, alice: Identity) -> None:
        assert alice.texture.image.shape == (SIDE, SIDE, 3)
        assert alice.drawn.shape == (SIDE, SIDE)
        assert alice.drawn.mean() > 0.5
        assert alice.shape.shape == (468, 3)
        assert np.isfinite(alice.shape).all()
        assert float(alice.embedding @ alice.embedding) == pytest.approx(1, abs=1e-4)
        assert alice.report["pictures"] == [{"source": 0, "used": True, "reason": None}]

    def test_several_of_one_person_are_fused(self, alice: Identity, engine: Engine) -> None:
        darker = (load_image(ALICE) * 0.7).astype(np.uint8)
        fused = Identity.of([ALICE, darker], engine=engine)
        assert fused.pictures == 2
        assert np.abs(fused.shape - alice.shape).mean() < 0.05
        assert "warning" not in fused.report

    def test_several_people_are_told_of(self, engine: Engine) -> None:
        assert "several people" in Identity.of([ALICE, BOB], engine=engine).report["warning"]

    def test_what_cannot_serve_is_left_out(self, engine: Engine) -> None:
        blank = np.full((64, 64, 3), 90, np.uint8)
        fused = Identity.of([ALICE, blank], engine=engine)
        assert fused.pictures == 1
        assert fused.report["pictures"][1]["reason"] == "no face in it"


@pytest.mark.weights
class TestRefused:
    def test_nothing(self, engine: Engine) -> None:
        with pytest.raises(UsageError, match="needs a source"):
            Identity.of([], engine=engine)

    @pytest.mark.parametrize("image", [np.zeros((1, 1, 3), np.uint8), np.full((80, 80, 3), 200, np.uint8)], ids=str)
    def test_no_face(self, image: Image, engine: Engine) -> None:
        with pytest.raises(NoFace, match="no face in the source"):
            Identity.of(image, engine=engine)

    def test_several_faces(self, engine: Engine) -> None:
        with pytest.raises(UsageError, match="source_who="):
            Identity.of(two(ALICE, BOB), engine=engine)
        assert Identity.of(two(ALICE, BOB), who="leftmost", engine=engine).pictures == 1
        with pytest.raises(UsageError, match="one is needed"):
            Identity.of(two(ALICE, BOB), who="all", engine=engine)

    def test_too_small(self, engine: Engine) -> None:
        small = cv2.resize(load_image(ALICE), (72, 72), interpolation=cv2.INTER_AREA)
        with pytest.raises(UsageError, match="pixels large, and 60 are needed"):
            Identity.of(np.asarray(small, np.uint8), engine=engine)

    def test_covered(self, engine: Engine) -> None:
        image = load_image(ALICE).copy()
        points = engine.analyze(image, want={"landmarks"}).landmarks.xy[0]
        left, top = points[[127, 105]].min(axis=0).astype(int)
        right, bottom = points[[356, 330]].max(axis=0).astype(int)
        image[top - 20 : bottom, left - 5 : right + 5] = (20, 30, 40)
        with pytest.raises(UsageError, match="the source cannot serve"):
            Identity.of(image, engine=engine)
