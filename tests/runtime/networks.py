"""Tiny ONNX networks whose results can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Sizes = list[int | str | None]


def write(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Sizes],
    outputs: dict[str, Sizes],
    constants: dict[str, np.ndarray[Any, Any]] | None = None,
    opset: int = 17,
) -> Path:
    """Write a network with float inputs and outputs."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def picture_network(path: Path, layout: str = "NCHW", channels: int = 3) -> Path:
    """Write a network that gives back its picture, and the mean of each channel (N, C)."""
    axes, sizes = ([2, 3], ["n", channels, "h", "w"]) if layout == "NCHW" else ([1, 2], ["n", "h", "w", channels])
    nodes = [
        helper.make_node("Identity", ["x"], ["picture"]),
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=axes, keepdims=0),
    ]
    return write(path, nodes, {"x": list(sizes)}, {"picture": list(sizes), "mean": ["n", channels]})


def sum_network(path: Path) -> Path:
    """Write a network of two raw inputs (N, 4): their sum, and their product summed, without a row axis at one row."""
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Mul", ["a", "b"], ["product"]),
        helper.make_node("ReduceSum", ["product", "all"], ["dot"], keepdims=0),
    ]
    all_axes = np.array([0, 1], np.int64)
    return write(path, nodes, {"a": [1, 4], "b": [1, 4]}, {"sum": [1, 4], "dot": []}, {"all": all_axes})


def baked_network(path: Path, batch: int = 1) -> Path:
    """Write a network that flattens (N, 2, 3) to (N, 6) and multiplies by (6, 2), as an export with a fixed batch.

    With a batch of 1 that stands in the flattening's target too.
    """
    weights = np.arange(12, dtype=np.float32).reshape(6, 2) - 5
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["y"]),
    ]
    constants = {"flat": np.array([1 if batch == 1 else -1, 6], np.int64), "weights": weights}
    return write(path, nodes, {"x": [batch, 2, 3]}, {"y": [batch, 2]}, constants)


def quantized_network(path: Path) -> tuple[Path, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Write a network with a bias and weights quantized in blocks, and inputs that nothing uses.

    Returns
    -------
    path, weights (6, 8), bias (8,)
        ``y = x @ weights + bias``.
    """
    random = np.random.default_rng(0)
    weights, bias = random.integers(-90, 90, (6, 8), np.int8), random.integers(-90, 90, 8, np.int8)
    scale, zero = np.array([[0.5, 0.25]] * 6, np.float32), np.array([[1, -2]] * 6, np.int8)
    constants = {"wq": weights, "ws": scale, "wz": zero, "bq": bias, "bs": scale[0], "bz": zero[0]}
    nodes = [
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["w"], axis=1, block_size=4),
        helper.make_node("DequantizeLinear", ["bq", "bs", "bz"], ["b"], axis=0, block_size=4),
        helper.make_node("MatMul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["y"]),
    ]
    write(path, nodes, {"x": [1, 6], "old_weights": [6, 8], "old_bias": [8]}, {"y": [1, 8]}, constants, opset=21)
    steps, zeros = np.repeat(scale, 4, axis=1), np.repeat(zero, 4, axis=1).astype(np.float32)
    return path, (weights - zeros) * steps, (bias - zeros[0]) * steps[0]
