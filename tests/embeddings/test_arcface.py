"""The step that makes embeddings: on a made-up network, and on real faces against ONNX Runtime in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.columns import Points, Vectors
from mien.core.errors import CardError, FieldNotComputed, WeightsUnavailable
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.core.image import load_image
from mien.embeddings.embedders.arcface import ArcFace
from mien.engine import Batch, Engine
from mien.runtime.bundle import Bundle
from tests.runtime.test_real_networks import EMBEDDERS, cosines, published
from tests.shared import open_bundle

SIZE = 32


class Net:
    """A bundle and a session whose vector is the mean colour of the left half of the crop."""

    def __init__(self, *, space: str | None = "made-up/1", size: Any = (SIZE, SIZE), **params: Any) -> None:
        picture = type("ImageInput", (), {"size": size})
        self.card = type(
            "Card",
            (),
            {"id": "made-up", "space": space, "params": params, "files": {"model": type("F", (), {"input": picture})}},
        )
        self.rows: list[int] = []

    def session(self, _name: str) -> Net:
        return self

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32]]:
        assert crops.shape[1:] == (SIZE, SIZE, 3)
        self.rows.append(len(crops))
        return (crops[:, :, : SIZE // 2].mean(axis=(1, 2), dtype=np.float64).astype(np.float32),)

    def step(self) -> ArcFace:
        return ArcFace(cast("Bundle", self))


def batch(
    points: NDArray[np.float64] | list[Any], picture: NDArray[np.uint8], reasons: tuple[str | None, ...] = ()
) -> Batch:
    values = np.asarray(points, np.float32).reshape(-1, 5, 2)
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(values), 1)).reshape(-1, 4))
    column = Points(values, names=ALIGNMENT_NAMES, reasons=reasons)
    return Batch([picture], np.zeros(len(values), np.intp), faces.with_columns({"alignment": column}))


def halves() -> NDArray[np.uint8]:
    """A picture that is red on the left and blue on the right."""
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[:, : SIZE // 2, 0] = picture[:, SIZE // 2 :, 2] = 200
    return picture


UPRIGHT = TEMPLATES["arcface112"].points_at(SIZE)


def embedding(step: ArcFace, batch: Batch) -> Vectors:
    return cast("Vectors", step.describe(batch)["embedding"])


def test_the_face_is_aligned_and_its_vector_normalized() -> None:
    found = embedding(Net().step(), batch([UPRIGHT], halves()))
    assert found.space == "made-up/1"
    assert found.values == pytest.approx(np.array([[1, 0, 0]]), abs=0.02)
    # The same face upside down: turned by 180 degrees about the middle, red is still its left half.
    turned = SIZE - 1 - UPRIGHT
    assert embedding(Net().step(), batch([turned], halves()[::-1, ::-1])).values == pytest.approx(
        found.values, abs=0.02
    )


def test_flip_adds_the_mirror_image() -> None:
    net = Net(flip=True)
    found = embedding(net.step(), batch([UPRIGHT], halves()))
    assert net.rows == [1, 1]
    assert found.values == pytest.approx(np.array([[1, 0, 1]]) / np.sqrt(2), abs=0.02)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_any_number_of_faces(count: int) -> None:
    net = Net()
    found = embedding(net.step(), batch([UPRIGHT] * count, halves()))
    assert found.values.shape == (count, 3)
    assert net.rows == [count]


def test_faces_without_direction_abstain_with_the_reason() -> None:
    points = np.stack([UPRIGHT, UPRIGHT * np.nan, np.full((5, 2), 7.0), UPRIGHT + 1000])
    found = embedding(Net().step(), batch(points, halves(), reasons=(None, "the mesh is not sure", None, None)))
    assert found.abstained.tolist() == [False, True, True, True]
    assert found.reasons == (
        None,
        "the mesh is not sure",
        "the points to align by coincide",
        "the network gave a vector without direction",
    )
    alone = embedding(Net().step(), batch([UPRIGHT * np.nan], halves()))
    assert alone.reasons == ("no points to align by",)


def test_the_points_are_needed() -> None:
    faces = Faces.from_boxes([[0, 0, 10, 10]])
    with pytest.raises(FieldNotComputed, match="alignment"):
        Net().step().describe(Batch([halves()], np.zeros(1, np.intp), faces))


@pytest.mark.parametrize("wrong", [{"space": None}, {"size": None}, {"size": (112, 96)}, {"template": "passport"}])
def test_a_card_that_does_not_say_enough(wrong: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="made-up"):
        Net(**wrong).step()


# -- real networks on real faces ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(shared_data: Path) -> list[Path]:
    return sorted(file for name in ("identities", "identities_johns") for file in (shared_data / name).glob("*/*.jpg"))


def engine_for(embedder: str) -> Engine:
    engine = Engine(threads=1, models={"embedding": embedder})
    try:
        engine.preload("detect", "embedding")
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    return engine


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_every_face_has_the_vector_of_onnx_runtime_in_float32(embedder: str, pictures: list[Path]) -> None:
    assert len(pictures) == 105
    vectors, crops = [], []
    with engine_for(embedder) as engine:
        for picture in pictures:
            face = engine.analyze(picture, want={"embedding", "alignment"}).top(1)[0]
            vectors.append(face.embedding.values)
            crops.append(face.crop(template="arcface112"))
    expected = published(open_bundle(embedder), np.stack(crops))
    assert cosines(np.stack(vectors), expected).min() >= 0.999


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_a_vector_does_not_depend_on_the_faces_beside_it(embedder: str, pictures: list[Path]) -> None:
    images = [load_image(picture) for picture in pictures[:9]]
    with engine_for(embedder) as engine:
        step = engine.runner("embedding")
        found = [engine.analyze(image, want={"alignment"}).top(1) for image in images]
        alone = [
            step.describe(Batch([i], np.zeros(1, np.intp), f))["embedding"].values
            for i, f in zip(images, found, strict=True)
        ]
        together = step.describe(Batch(images, np.arange(9), Faces.concat(found)))["embedding"].values
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
