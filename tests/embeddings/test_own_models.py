"""Embedders of a user's own: an ONNX file by card, and vectors of any encoder with a declared space."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core.columns import Vectors
from mien.core.errors import EmbeddingSpaceMismatch, ModelError
from mien.core.faces import Faces
from mien.embeddings.calibration import calibration_file
from mien.embeddings.comparison import similarity, verify
from mien.embeddings.fitting import fit_calibration
from mien.engine import Engine
from mien.models.catalogue import add_card


def embedder(path: Path, outputs: tuple[str, ...] = ("vector",)) -> Path:
    """An ONNX network like ArcFace's: 112 pixels to 12 numbers, the mean colours of four quarters.

    `outputs` are what it gives: the vector, its map of colours ("pooled"), one number of the face ("mean").
    """
    onnx: Any = pytest.importorskip("onnx")
    pool = onnx.helper.make_node("AveragePool", ["picture"], ["pooled"], kernel_shape=[56, 56], strides=[56, 56])
    flat = onnx.helper.make_node("Flatten", ["pooled"], ["vector"])
    mean = onnx.helper.make_node("ReduceMean", ["vector"], ["mean"], axes=[1], keepdims=0)
    shapes = {"picture": ["N", 3, 112, 112], "vector": ["N", 12], "pooled": ["N", 3, 2, 2], "mean": ["N"]}
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[name]) for name in ("picture", *outputs)
    ]
    graph = onnx.helper.make_graph([pool, flat, mean], "embedder", ends[:1], ends[1:])
    opset = [onnx.helper.make_opsetid("", 13)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    return path


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))


def test_an_onnx_file_by_card_has_a_space_of_its_own(tmp_path: Path) -> None:
    card = add_card(embedder(tmp_path / "my.onnx"), like="arcface-mbf", id="my")
    assert card.space == "my/1"
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    with Engine(threads=1, models={"embedding": "my"}, cache=tmp_path / "cache") as engine:
        faces = engine.analyze(crops, aligned=True, want={"embedding", "recognizability"})
        none = engine.analyze([], aligned=True, want={"embedding"})
        answer = verify(faces[0], faces[1], engine=engine)
        own = verify(faces[0], faces[0], threshold=0.9, engine=engine)
    assert faces.embedding.space == "my/1"
    assert faces.embedding.values.shape == (3, 12)
    assert len(none) == 0
    expected = (crops[0].reshape(2, 56, 2, 56, 3).mean((1, 3)).transpose(2, 0, 1).ravel() - 127.5) / 127.5
    assert faces.embedding.values[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-4)
    assert faces.models["recognizability"] == "my"
    assert faces[0].recognizability.reason == "not measured for the space 'my/1'"
    assert answer.same is None
    assert answer.reason.startswith("no calibration for the embedding space 'my/1'")
    assert answer.recognizability == (None, None)
    assert own.same is True
    parent = Vectors(faces.embedding.values, space="arcface-mbf/1")
    with pytest.raises(EmbeddingSpaceMismatch, match="my/1"):
        similarity(faces[0], parent)


@pytest.mark.parametrize("outputs", [("pooled",), ("mean",), ("vector", "pooled")])
def test_a_network_that_gives_no_vectors(tmp_path: Path, outputs: tuple[str, ...]) -> None:
    add_card(embedder(tmp_path / "my.onnx", outputs), like="arcface-mbf", id="my")
    crops = np.zeros((2, 112, 112, 3), np.uint8)
    with (
        Engine(threads=1, models={"embedding": "my"}, cache=tmp_path / "cache") as engine,
        pytest.raises(ModelError, match="one vector for each picture: of 2 pictures 'my' makes"),
    ):
        engine.analyze(crops, aligned=True, want={"embedding"})


def pets(vectors: Any) -> Faces:
    values = np.asarray(vectors, np.float32)
    column = Vectors(values, space="petface-v1")
    return Faces.from_boxes(np.tile([0, 0, 100, 100], (len(values), 1))).with_columns({"embedding": column})


def test_vectors_of_any_encoder_are_compared_and_calibrated() -> None:
    vectors = np.random.default_rng(1).normal(size=(120, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces = pets(vectors)
    near = pets([0.9 * vectors[0] + math.sqrt(1 - 0.81) * np.eye(32)[0] * 0])
    assert similarity(faces, near[0]).shape == (120,)
    unknown = verify(faces[0], faces[1])
    assert unknown.same is None
    assert "'petface-v1'" in unknown.reason
    with pytest.raises(EmbeddingSpaceMismatch):
        similarity(faces[0], Vectors(vectors[:1], space="clip-vit-b32"))
    made = fit_calibration(vectors, np.arange(120), space="petface-v1", name="pets", data="120 pets", resamples=20)
    assert made.date <= dt.datetime.now(dt.UTC).date()
    target = calibration_file("petface-v1")
    target.parent.mkdir(parents=True)
    target.write_text(made.to_toml())
    strangers = verify(faces[0], faces[1], far=1e-2)
    assert strangers.same is (similarity(faces[0], faces[1]) >= (strangers.threshold or 2))
    again = verify(faces[0], faces[0], far=1e-3)
    assert again.same is True
    assert again.strata == ("anyone",)
    assert again.calibration == "pets"
