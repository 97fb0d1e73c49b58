"""Values inside of a network as further outputs, under both back ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ModelError
from mien.runtime.mending import read_network, spread_input, widen_weights
from mien.runtime.onnx import OnnxSession
from mien.runtime.openvino import OpenVinoSession, core
from mien.runtime.session import SessionOptions, resolve_device
from tests.runtime.networks import sum_network, write

BACKENDS = [(OpenVinoSession, "cpu"), (OnnxSession, "onnx-cpu")]
Maker = type[OpenVinoSession] | type[OnnxSession]


@pytest.mark.parametrize(("maker", "device"), BACKENDS)
def test_an_inner_value_comes_behind_the_outputs(maker: Maker, device: str, tmp_path: Path) -> None:
    path = sum_network(tmp_path / "sum.onnx")
    options = SessionOptions(threads=1, cache_dir=tmp_path / "cache")
    plain = maker(path, device=resolve_device(device), options=options)
    session = maker(path, device=resolve_device(device), options=options, inner=["product"])
    assert session.outputs == (*plain.outputs, "product")
    a, b = np.arange(4, dtype=np.float32)[None], np.full((1, 4), 2, np.float32)
    total, dot, product = session.run(a, b)
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(dot, [12])
    np.testing.assert_array_equal(product, a * b)
    assert len(plain.run(a, b)) == 2  # what is kept of one is not taken for the other


@pytest.mark.parametrize(("maker", "device"), BACKENDS)
def test_a_value_that_is_not_there_is_told(maker: Maker, device: str, tmp_path: Path) -> None:
    path = sum_network(tmp_path / "sum.onnx")
    with pytest.raises(ModelError, match="no inner value 'nothing'"):
        maker(path, device=resolve_device(device), options=SessionOptions(threads=1), inner=["nothing"])


def test_what_goes_into_the_last_operation_of_a_kind(tmp_path: Path) -> None:
    path = sum_network(tmp_path / "sum.onnx")
    cpu, options = resolve_device("cpu"), SessionOptions(threads=1)
    session = OpenVinoSession(path, device=cpu, options=options, inner=["->Add"])
    a, b = np.arange(4, dtype=np.float32)[None], np.full((1, 4), 2, np.float32)
    np.testing.assert_array_equal(session.run(a, b)[-1], a)
    with pytest.raises(ModelError, match="no inner value '->LSTMCell'"):
        OpenVinoSession(path, device=cpu, options=options, inner=["->LSTMCell"])


def test_8_bit_weights_become_floats() -> None:
    from openvino import Model
    from openvino import opset13 as ops

    x = ops.parameter([-1, 2], np.float32)
    weights = ops.convert(ops.constant(np.array([[1, -2], [3, 4]], np.int8)), "f32")
    scaled = ops.multiply(weights, ops.constant(np.array([[0.5], [2]], np.float32)))
    model = Model([ops.matmul(x, scaled, False, True)], [x])
    widen_weights(model)
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    assert not any(op.get_type_name() in {"Convert", "Multiply"} for op in model.get_ops())
    np.testing.assert_array_equal(constants[0].get_data(), [[0.5, -1], [6, 8]])


def test_8_bit_weights_of_a_file_are_floats_once_it_is_read(tmp_path: Path) -> None:
    """Kept as bytes, they are garbage in most compilations for two streams, not in all: so the graph is looked at."""
    from onnx import helper

    nodes = [
        helper.make_node("DequantizeLinear", ["bytes", "scale"], ["weights"]),
        helper.make_node("MatMul", ["x", "weights"], ["y"]),
    ]
    constants = {"bytes": np.array([[1, -2], [3, 4]], np.int8), "scale": np.array(0.5, np.float32)}
    path = write(tmp_path / "bytes.onnx", nodes, {"x": ["n", 2]}, {"y": ["n", 2]}, constants)
    kinds = {node.get_element_type().get_type_name() for node in read_network(core(), path, None).get_ordered_ops()}
    assert "i8" not in kinds
    session = OpenVinoSession(path, device=resolve_device("cpu"), options=SessionOptions(threads=1))
    np.testing.assert_array_equal(session.run(np.eye(2, dtype=np.float32))[0], [[0.5, -1], [1.5, 2]])


def test_an_input_is_spread_over_its_layers_by_depth() -> None:
    from openvino import Model
    from openvino import opset13 as ops

    x = ops.parameter([1, 2], np.float32)
    late, early = (ops.matmul(x, ops.constant(np.eye(2, dtype=np.float32) * k), False, False) for k in (1, 10))
    model = Model([ops.add(late, ops.relu(early))], [x])
    spread_input(model)
    assert list(model.inputs[0].shape) == [1, 2, 2]
    rows = np.array([[[1, 2], [3, 4]]], np.float32)
    np.testing.assert_array_equal(core().compile_model(model, "CPU")(rows)[0], [[13, 24]])
    with pytest.raises(ModelError, match="several layers read"):
        spread_input(model)
