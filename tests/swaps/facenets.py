"""Tiny ONNX networks with inputs and outputs as published swappers and restorers have, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]


def emap(seed: int = 1, width: int = 512) -> Floats:
    """A matrix as inswapper's file carries one."""
    return np.random.default_rng(seed).normal(0, 0.05, (width, width)).astype(np.float32)


def swapper(path: Path, size: int, *, matrix: Floats | None = None, width: int = 512, tint: float = 1.0) -> Path:
    """Write a network that adds the first three numbers of what it is told, times `tint`, to the three channels.

    With a `matrix` its file carries that as its last constant, which the network does not use.
    """
    nodes = [
        helper.make_node("Slice", ["source", "start", "end", "axis"], ["three"]),
        helper.make_node("Reshape", ["three", "shape"], ["colour"]),
        helper.make_node("Mul", ["colour", "tint"], ["tinted"]),
        helper.make_node("Add", ["target", "tinted"], ["output"]),
    ]
    constants = {
        "start": np.array([0]),
        "end": np.array([3]),
        "axis": np.array([1]),
        "shape": np.array([1, 3, 1, 1]),
        "tint": np.array([tint], np.float32),
        **({} if matrix is None else {"buff2fs": matrix}),
    }
    inputs = {"target": [1, 3, size, size], "source": [1, width]}
    return _write(path, nodes, inputs, {"output": [1, 3, size, size]}, constants)


def painter(path: Path, size: int, *, layout: str = "NCHW", gain: float = 1.0) -> Path:
    """Write a network that gives its picture back, times `gain`."""
    sizes = [1, 3, size, size] if layout == "NCHW" else [1, size, size, 3]
    nodes = [helper.make_node("Mul", ["input", "gain"], ["output"])]
    return _write(path, nodes, {"input": sizes}, {"output": sizes}, {"gain": np.array([gain], np.float32)})


def codeformer(path: Path, size: int) -> Path:
    """Write a network that multiplies its picture with its input ``weight``, a double, and gives a mask too."""
    sizes = [1, 3, size, size]
    nodes = [
        helper.make_node("Cast", ["weight"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["input", "w"], ["output"]),
        helper.make_node("ReduceMean", ["input"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["level", "level"], ["nothing"]),
        helper.make_node("Add", ["nothing", "half"], ["mask"]),
    ]
    values = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, sizes),
        helper.make_tensor_value_info("weight", TensorProto.DOUBLE, [1]),
    ]
    outputs = {"output": sizes, "mask": [1, 1, size, size]}
    return _write(path, nodes, values, outputs, {"half": np.array([0.5], np.float32)})


def talker(path: Path, size: int) -> Path:
    """Write a network of Wav2Lip's kind: the whole face, lighter by a tenth of what it hears on average."""
    nodes = [
        helper.make_node("Slice", ["target", "start", "end", "axis"], ["whole"]),
        helper.make_node("ReduceMean", ["source"], ["loud"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["loud", "tenth"], ["more"]),
        helper.make_node("Add", ["whole", "more"], ["output"]),
    ]
    constants = {
        "start": np.array([3]),
        "end": np.array([6]),
        "axis": np.array([1]),
        "tenth": np.array([0.1], np.float32),
    }
    inputs = {"source": [1, 1, 80, 16], "target": [1, 6, size, size]}
    return _write(path, nodes, inputs, {"output": [1, 3, size, size]}, constants)


def broken(path: Path, size: int, kind: str) -> Path:
    """Write a network that gives NaN, or no picture."""
    if kind == "nan":
        nodes = [
            helper.make_node("Sub", ["input", "input"], ["nothing"]),
            helper.make_node("Div", ["nothing", "nothing"], ["output"]),
        ]
        sizes = [1, 3, size, size]
        return _write(path, nodes, {"input": sizes}, {"output": sizes}, {})
    nodes = [helper.make_node("ReduceMean", ["input"], ["output"], axes=[1], keepdims=1)]
    return _write(path, nodes, {"input": [1, 3, size, size]}, {"output": [1, 1, size, size]}, {})


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[int]] | list[onnx.ValueInfoProto],
    outputs: dict[str, list[int]],
    constants: dict[str, NDArray[np.generic]],
) -> Path:
    def values(named: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in named.items()]

    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    taken = values(inputs) if isinstance(inputs, dict) else inputs
    graph = helper.make_graph(nodes, "tiny", taken, values(outputs), kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
