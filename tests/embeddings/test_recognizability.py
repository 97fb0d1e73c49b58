"""How well a face can be recognised: the curve, its file, and what it says of spoiled pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mien import assets
from mien.core.errors import CardError, EmbeddingSpaceMismatch, FieldNotComputed, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.image import load_image
from mien.embeddings.recognizability import Recognizability, fit_recognizability, load_recognizability, steadiness
from mien.engine import Engine
from mien.models.catalogue import Catalogue

Array = NDArray[np.float64]
DIMENSION = 16


def spoiled(count: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """Vectors of clear pictures, of spoiled ones that are drawn to one place and become short, and by how much."""
    draw = np.random.default_rng(seed)
    clear = draw.normal(size=(count, DIMENSION))
    clear *= 10 / np.linalg.norm(clear, axis=1, keepdims=True)
    middle = np.zeros(DIMENSION)
    middle[0] = 1
    lost = draw.random(count)
    poor = clear * (1 - lost)[:, None] + 4 * lost[:, None] * middle + 0.3 * draw.normal(size=clear.shape)
    return clear, poor, lost


def curve() -> Recognizability:
    clear, poor, _ = spoiled(800)
    return fit_recognizability(poor, clear, 0.6, space="x/1", data="made up", data_terms="free")


def test_the_curve_is_a_chance_that_holds_on_others() -> None:
    made = curve()
    assert made.centre[0] > 0.9, "where unrecognizable faces lie"
    clear, poor, lost = spoiled(800, seed=1)
    scores = (clear * poor).sum(axis=1) / np.linalg.norm(clear, axis=1) / np.linalg.norm(poor, axis=1)
    found = made.of(poor)
    for low, high in ((0, 0.2), (0.2, 0.8), (0.8, 1)):
        part = (found >= low) & (found <= high)
        assert low - 0.1 <= (scores[part] >= 0.6).mean() <= high + 0.1
    assert np.corrcoef(found, lost)[0, 1] < -0.8
    assert made.of(clear).min() > 0.8


def test_batches_of_none_and_vectors_without_direction() -> None:
    made = curve()
    assert made.of(np.zeros((0, DIMENSION))).shape == (0,)
    assert np.isnan(made.of(np.array([[np.nan] * DIMENSION, [0.0] * DIMENSION]))).all()
    with pytest.raises(ShapeMismatch, match="x/1"):
        made.of(np.zeros((2, 3)))


def test_pictures_without_direction_do_not_count() -> None:
    clear, poor, _ = spoiled(800)
    lost = np.vstack([poor, np.full(DIMENSION, np.nan), np.zeros(DIMENSION)])
    assert fit_recognizability(
        lost, np.vstack([clear, clear[:2]]), 0.6, space="x/1", data="made up", data_terms="free"
    ).to_toml() == (curve().to_toml())


def test_what_cannot_be_fitted() -> None:
    clear, poor, _ = spoiled(200)
    with pytest.raises(UsageError, match="50 pictures"):
        fit_recognizability(clear, clear, 0.6, space="x/1", data="")
    with pytest.raises(ShapeMismatch):
        fit_recognizability(poor[:3], clear, 0.6, space="x/1", data="")


def test_round_trip_and_what_is_malformed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = curve()
    again = Recognizability.from_toml(made.to_toml(), "x.toml")
    _, poor, _ = spoiled(50, seed=2)
    assert again.of(poor) == pytest.approx(made.of(poor), abs=0.01)
    assert again.to_toml() == made.to_toml()
    endless = re.sub(r"bias = \S+", "bias = nan", made.to_toml())
    for wrong in (
        "not toml",
        "space = 'x'",
        made.to_toml().replace("bias", "basis"),
        made.to_toml() + "more = 1",
        endless,
    ):
        with pytest.raises(CardError, match=r"x\.toml: not a curve"):
            Recognizability.from_toml(wrong, "x.toml")
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    assert load_recognizability("x/1") is None
    (tmp_path / "recognizability").mkdir()
    (tmp_path / "recognizability" / "x-1.toml").write_text(made.to_toml())
    found = load_recognizability("x/1")
    assert found is not None
    assert found.data == "made up"


def test_every_shipped_embedder_has_a_curve() -> None:
    for card in Catalogue.load().giving("embedding"):
        assert "recognizability" in card.gives
        found = load_recognizability(str(card.space))
        assert found is not None, card.id
        assert found.cosine < 0, "nearer to the unrecognizable is worse"
        assert found.length > 0, "longer is better"
        assert found.data_terms != "free", "the terms of the data travel with what was fitted on it"


def test_it_comes_from_the_embedder_that_was_chosen() -> None:
    engine = Engine(models={"embedding": "sface"})
    assert engine.choose("recognizability").id == "sface"
    assert [card.id for card in engine.plan({"embedding", "recognizability"})][-1] == "sface"
    assert Engine().choose("recognizability").id == Engine().choose("embedding").id


# -- steadiness --------------------------------------------------------------------------------------------------------


class Colours:
    """An engine whose vector is the mean colour of the left and the right half of a crop."""

    def __init__(self, space: str = "x/1") -> None:
        self.space = space

    def analyze(self, crops: list[NDArray[np.uint8]], *, aligned: bool, want: set[str]) -> Faces:
        assert aligned
        assert want == {"embedding"}
        halves = [[*crop[:, :56].mean((0, 1)), *crop[:, 56:].mean((0, 1))] for crop in crops]
        return faces(np.array(halves), space=self.space)

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)


def faces(vectors: Any, **options: Any) -> Faces:
    from mien.core.columns import Points, Vectors
    from mien.core.faces import ALIGNMENT_NAMES
    from mien.core.geometry import TEMPLATES

    values = np.asarray(vectors, np.float32).reshape(-1, 6)
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    points = np.tile(TEMPLATES["arcface112"].points_at(112), (len(values), 1, 1))
    columns = {
        "embedding": Vectors(values, **{"space": "x/1"} | options),
        "alignment": Points(points, names=ALIGNMENT_NAMES),
    }
    return Faces.from_boxes(np.tile([0, 0, 112, 112], (len(values), 1))).with_columns(columns)


def test_a_face_that_looks_the_same_from_both_sides_is_steady() -> None:
    grey = np.full((112, 112, 3), 120, np.uint8)
    sided = grey.copy()
    sided[:, :56] = 0
    one = faces([[0, 0, 0, 120, 120, 120]])
    even = steadiness(faces([[1.0] * 6]).with_image(grey), engine=Colours().engine)
    uneven = steadiness(one.with_image(sided), engine=Colours().engine)
    assert even.shape == (1,)
    assert even[0] > 0.95
    assert uneven[0] < 0.7
    assert steadiness(faces([]).with_image(grey), engine=Colours().engine).shape == (0,)
    lost = faces([[np.nan] * 6, [1.0] * 6]).with_image(grey)
    assert np.isnan(steadiness(lost, engine=Colours().engine)).tolist() == [True, False]
    with pytest.raises(EmbeddingSpaceMismatch):
        steadiness(one.with_image(sided), engine=Colours("y/1").engine)
    with pytest.raises(FieldNotComputed, match="embedding"):
        steadiness(Faces.from_boxes([[0, 0, 9, 9]]), engine=Colours().engine)


# -- real pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_spoiled_pictures_can_be_recognised_less() -> None:
    import cv2

    with Engine(threads=1) as engine:
        for path in assets.PEOPLE[:3]:
            image = load_image(path)
            clear = engine.analyze(image, want={"embedding", "recognizability", "alignment"}).top(1)
            found = [float(clear[0].recognizability)]
            for blur in (0.03, 0.06, 0.12):
                sigma = blur * float(clear.heights[0])
                poor = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
                again = engine.analyze(poor, faces=clear.only(frozenset({"alignment"})), want={"recognizability"})
                found.append(float(again[0].recognizability))
            assert found == sorted(found, reverse=True)
            assert found[0] > 0.6
            assert found[-1] < 0.2
        steady = steadiness(clear, engine=engine)
        assert steady[0] > 0.8
