"""The networks that mien uses, on real faces, against ONNX Runtime in float32 on the files as they are published."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.geometry import TEMPLATES, similarity
from mien.core.image import load_image
from mien.core.warping import warp_batch
from mien.location.detectors.yunet import YuNet
from mien.models.card import Card
from mien.runtime.bundle import Bundle
from mien.runtime.onnx import prepare
from tests.shared import DATA, open_bundle

EMBEDDERS = ["edgeface-s", "arcface-mbf", "sface", "mobilefacenet"]

pytestmark = pytest.mark.weights


@functools.cache
def aligned_faces() -> NDArray[np.uint8]:
    """Every third picture of people, its largest face aligned to 112 x 112 pixels."""
    paths = sorted((DATA / "identities").glob("*/*.jpg")) + sorted((DATA / "identities_johns").glob("*/*.jpg"))
    images = [load_image(path) for path in paths[::3]]
    found = YuNet(open_bundle("yunet")).detect(images)
    points = np.stack(
        [np.asarray(faces.top(1, by="score").with_alignment().alignment)[0] for faces in found if len(faces)]
    )
    seen = [image for image, faces in zip(images, found, strict=True) if len(faces)]
    assert len(seen) >= 30
    maps = similarity(points, TEMPLATES["arcface112"].points_at(112))
    return warp_batch(seen, np.arange(len(seen)), maps, 112)


def published(bundle: Bundle, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run the file itself, one picture at a time."""
    import onnxruntime

    card: Card = bundle.card
    picture = card.files["model"].input
    assert picture is not None
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    network = onnxruntime.InferenceSession(bundle.path("model"), settings, providers=["CPUExecutionProvider"])
    first, *others = network.get_inputs()
    unused = {entry.name: np.zeros(entry.shape, np.float32) for entry in others}
    values = prepare(pictures, picture)
    return np.concatenate([network.run(None, {first.name: row[np.newaxis], **unused})[0] for row in values])


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row of `a` with the same row of `b`."""
    result: NDArray[np.float32] = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return result


@functools.cache
def reference(name: str) -> NDArray[np.float32]:
    return published(open_bundle(name), aligned_faces())


@pytest.mark.parametrize("name", EMBEDDERS)
@pytest.mark.parametrize("rows", [1, 2, 8])
@pytest.mark.data
def test_embeddings_are_those_of_the_published_file(name: str, rows: int) -> None:
    faces = aligned_faces()
    exact = open_bundle(name, buckets=(rows,), precision="f32").session()
    as_used = open_bundle(name, buckets=(rows,)).session()
    assert exact.info().buckets == as_used.info().buckets == (rows,)
    assert cosines(exact.run(faces)[0], reference(name)).min() > 0.99999
    assert cosines(as_used.run(faces)[0], reference(name)).min() >= 0.999


@pytest.mark.parametrize("name", EMBEDDERS)
@pytest.mark.data
def test_onnx_runtime_gives_the_same_in_batches(name: str) -> None:
    session = open_bundle(name, device="onnx-cpu").session()
    assert session.info().buckets == (1, 2, 4, 8)
    faces = aligned_faces()[:11]
    assert cosines(session.run(faces)[0], reference(name)[:11]).min() > 0.99999


@pytest.mark.parametrize("name", ["yunet", "scrfd-500m", "centerface"])
@pytest.mark.parametrize("rows", [1, 2, 8])
def test_detectors_at_several_sizes_and_batches(name: str, rows: int) -> None:
    ours = open_bundle(name, buckets=(rows,), precision="f32").session()
    theirs = open_bundle(name, device="onnx-cpu", buckets=(1,)).session()
    assert ours.info().buckets == (rows,)
    assert ours.outputs == theirs.outputs
    random = np.random.default_rng(0)
    for height, width in [(64, 96), (96, 64), (64, 96)]:
        x = random.integers(0, 256, (3, height, width, 3), np.uint8)
        for got, want in zip(ours.run(x), theirs.run(x), strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, atol=2e-3 * max(1.0, float(np.abs(want).max())))


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("facemesh", [(1, 1, 1434), (1, 1, 1), (1,)]),
        ("blazeface-short", [(896, 16), (896, 1)]),
        ("blazeface-full", [(2304, 16), (2304, 1)]),
    ],
)
def test_tflite_networks(name: str, shapes: list[tuple[int, ...]]) -> None:
    bundle = open_bundle(name)
    picture = bundle.card.files["model"].input
    assert picture is not None
    assert picture.size is not None
    session = bundle.session()
    x = np.random.default_rng(0).integers(0, 256, (3, *picture.size, 3), np.uint8)
    outputs = session.run(x)
    assert [output.shape[1:] for output in outputs] == shapes
    batched = open_bundle(name, buckets=(4,)).session().run(x)
    for rows in (0, 1):
        for output, few, four in zip(outputs, session.run(x[:rows]), batched, strict=True):
            np.testing.assert_array_equal(few, output[:rows])
            np.testing.assert_allclose(four, output, atol=2e-2 * max(1.0, float(np.abs(output).max())))


def test_blendshapes_whose_output_has_no_rows() -> None:
    session = open_bundle("blendshapes").session()
    x = np.random.default_rng(0).normal(size=(3, 146, 2)).astype(np.float32)
    (together,) = session.run(x)
    assert together.shape == (3, 52)
    np.testing.assert_array_equal(together[1:2], session.run(x[1:2])[0])
    assert session.info().buckets == (1,)


@pytest.mark.slow
def test_a_generator_in_two_files() -> None:
    bundle = open_bundle("mobilestylegan")
    (style,) = bundle.session("mapping").run(np.random.default_rng(0).normal(size=(2, 512)))
    (picture,) = bundle.session("synthesis").run(style[:1])
    assert style.shape == (2, 512)
    assert picture.shape == (1, 3, 1024, 1024)
    assert bundle.session("synthesis").precision == "f32"
