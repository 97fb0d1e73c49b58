"""Open or closed eyes: exact on drawn lids, right on labelled eyes, silent where an eye cannot be seen."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Points, Scores
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.core.image import Image
from mien.engine.steps import Batch
from mien.location.eyes import _CORNERS, _LOWER, _UPPER, EYE_NAMES, EyeNet, MeshEyes, openings
from mien.models.catalogue import Catalogue
from tests.location.meshes import real_test
from tests.shared import DATA, photo, runner

LABELS = Path(__file__).resolve().parents[2] / "benchmarks" / "eyes.csv"


def drawn(right: float, left: float) -> NDArray[np.float64]:
    """A mesh of which only the eyes are drawn: 10 wide, 20 apart, and open by these parts of their width."""
    points = np.zeros((478, 3))
    for side, (center, opening) in enumerate([(-20.0, right), (20.0, left)]):
        outward = np.sign(center)
        points[_CORNERS[side]] = [[center + 5 * outward, 0, 0], [center - 5 * outward, 0, 0]]
        x = center + outward * np.linspace(4, -4, 5)
        points[_UPPER[side]] = np.column_stack([x, np.full(5, -5 * opening), np.zeros(5)])
        points[_LOWER[side]] = np.column_stack([x, np.full(5, 5 * opening), np.zeros(5)])
    return points


def batch_of(landmarks: Any, images: list[Image] | None = None, **options: Any) -> Batch:
    values = np.asarray(landmarks, np.float32).reshape(-1, 478, 3)
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(values), 1)))
    faces = faces.with_columns({"landmarks": Points(values, **options)})
    return Batch(images or [], np.zeros(len(faces), np.intp), faces)


def step() -> MeshEyes:
    return MeshEyes(cast("Any", SimpleNamespace(card=Catalogue.load()["eyes-mesh"])))


def eyes_of(landmarks: Any, **options: Any) -> Scores:
    return cast("Scores", step().describe(batch_of(landmarks, **options))["eyes"])


def test_the_opening_is_the_mean_gap_over_the_width() -> None:
    np.testing.assert_allclose(openings(np.stack([drawn(0.3, 0.1), drawn(0, 1)])), [[0.3, 0.1], [0, 1]], atol=1e-9)


@given(st.floats(-49, 49), st.floats(-60, 60), st.floats(-180, 180), st.floats(0.1, 100))
def test_the_opening_is_the_same_from_wherever_it_is_seen(yaw: float, pitch: float, roll: float, scale: float) -> None:
    turned = scale * drawn(0.3, 0.1) @ rotation_matrix([yaw, pitch, roll]).T + [100, 50, 3]
    np.testing.assert_allclose(openings(turned[None]), [[0.3, 0.1]], atol=1e-5)
    np.testing.assert_allclose(eyes_of(turned).values, eyes_of(drawn(0.3, 0.1)).values, atol=1e-3)


@given(st.floats(0, 0.6), st.floats(0, 0.6))
def test_each_eye_speaks_for_itself_and_wider_is_more_open(narrow: float, wide: float) -> None:
    narrow, wide = sorted([narrow, wide])
    (first,), (second,) = eyes_of(drawn(narrow, wide)).values, eyes_of(drawn(wide, narrow)).values
    assert first[0] == pytest.approx(second[1])
    assert 0 <= first[0] <= first[1] <= 1


def test_names_are_those_of_the_subject() -> None:
    eyes = eyes_of(drawn(0.3, 0.0))
    assert eyes.names == EYE_NAMES == ("right", "left")
    assert eyes.named("right")[0] > 0.9
    assert eyes.named("left")[0] < 0.1


def test_an_eye_that_is_turned_away_abstains_and_the_other_does_not() -> None:
    # yaw > 0 turns to the picture's right, where the subject's left eye is: it goes behind the nose.
    meshes = [drawn(0.3, 0.3) @ rotation_matrix([yaw, 0, 20]).T for yaw in (-70, -45, 45, 70)]
    eyes = eyes_of(meshes)
    assert np.isnan(eyes.values).tolist() == [[True, False], [False, False], [False, False], [False, True]]
    assert eyes.reasons == ("the right eye is turned away", None, None, "the left eye is turned away")


def test_eyes_abstain_with_the_mesh() -> None:
    meshes = np.stack([np.full((478, 3), np.nan), np.full((478, 3), 5.0), drawn(0.3, 0.3)])
    eyes = eyes_of(meshes, reasons=("no face here", None, None))
    assert eyes.reasons == ("no face here", "the face has no mesh", None)
    assert eyes.abstained.tolist() == [True, True, False]


def test_eyes_of_nobody() -> None:
    assert eyes_of(np.zeros((0, 478, 3))).shape == (0, 2)


@pytest.mark.parametrize("model", [MeshEyes, EyeNet])
def test_a_card_without_its_numbers_is_refused(model: Any) -> None:
    card = SimpleNamespace(id="mine", params={"slope": 1, "max_yaw": "much"})
    with pytest.raises(CardError, match=r"mine lacks the number params.offset"):
        model(SimpleNamespace(card=card, session=lambda _: None))


# --- with weights, on real faces --------------------------------------------------------------------------------------

MODELS = ("eyes-mesh", "open-closed-eye")


def described(image: Image, model: str) -> Faces:
    """The largest face of a picture with its mesh, and its eyes by a model."""
    faces: Faces = runner("yunet").detect([image])[0].top(1)
    for name in ("facemesh", model):
        batch = Batch([image], np.zeros(len(faces), np.intp), faces)
        faces = faces.with_columns(runner(name).describe(batch))
    return faces


@real_test
@pytest.mark.parametrize("model", MODELS)
def test_closed_and_open_eyes_of_photos(model: str) -> None:
    closed = described(photo("liveness/real/130.png"), model).eyes.values
    opened = described(photo("age_gender/1_0_2_20161219142409225.jpg.chip.jpg"), model).eyes.values
    assert (closed < 0.3).all()
    assert (opened > 0.7).all()


@real_test
@pytest.mark.parametrize("model", MODELS)
def test_a_mirror_swaps_the_eyes(model: str) -> None:
    image = photo("liveness/real/110.png")
    plain = described(image, model).eyes.values
    mirrored = described(np.ascontiguousarray(image[:, ::-1]), model).eyes.values
    np.testing.assert_allclose(mirrored[:, ::-1], plain, atol=0.15)


@real_test
@pytest.mark.parametrize("model", MODELS)
def test_faces_together_are_faces_one_by_one(model: str) -> None:
    images = [photo("liveness/real/130.png"), photo("age_gender/1_0_2_20161219142409225.jpg.chip.jpg")]
    alone = [described(image, model) for image in images]
    joined = Faces.concat(alone)
    together = runner(model).describe(Batch(images, np.arange(2), joined))["eyes"]
    np.testing.assert_allclose(together.values, np.concatenate([faces.eyes.values for faces in alone]), atol=1e-3)
    assert runner(model).describe(Batch(images, np.zeros(0, np.intp), joined[[]]))["eyes"].shape == (0, 2)


@real_test
def test_labelled_eyes_of_many_people() -> None:
    with LABELS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["frame"] and row["file"].startswith("age_gender")]
    right = {"open": 0, "closed": 0}
    counts = dict(right)
    for row in rows[::4] + [row for row in rows if row["right"] == "closed"]:
        if row["right"] == "half" or not (DATA / row["file"]).is_file():
            continue
        value = described(photo(row["file"]), "eyes-mesh").eyes.values[0, 0]
        counts[row["right"]] += 1
        right[row["right"]] += (value > 0.5) == (row["right"] == "open")
    assert counts["open"] > 10
    assert counts["closed"]
    assert right["open"] >= counts["open"] - 1
    assert right["closed"] == counts["closed"]
