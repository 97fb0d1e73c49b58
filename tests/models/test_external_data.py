from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import UnsafeFile
from mien.models.external_data import external_locations, refuse_external_data

onnx = pytest.importorskip("onnx")


def _tensor(location: str) -> Any:
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("offset", "0"), ("location", location), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def external_model(where: str, location: str) -> bytes:
    """A model with a tensor outside itself, in one of the places where the format allows one."""
    tensor = _tensor(location)
    helper = onnx.helper
    inner = helper.make_graph([], "inner", [], [], initializer=[tensor])
    sparse = onnx.SparseTensorProto(dims=[1])
    sparse.values.CopyFrom(tensor)
    attributes = {
        "constant": helper.make_attribute("value", tensor),
        "tensors": onnx.AttributeProto(name="a", type=onnx.AttributeProto.TENSORS, tensors=[tensor]),
        "branch": helper.make_attribute("then_branch", inner),
        "branches": onnx.AttributeProto(name="a", type=onnx.AttributeProto.GRAPHS, graphs=[inner]),
        "sparse value": onnx.AttributeProto(name="a", type=onnx.AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse),
    }
    node = helper.make_node("Constant", [], ["y"])
    if where in attributes:
        node.attribute.append(attributes[where])
    graph = helper.make_graph([node], "graph", [], [])
    model = helper.make_model(graph)
    if where == "initializer":
        model.graph.initializer.append(tensor)
    if where == "sparse initializer":
        model.graph.sparse_initializer.append(sparse)
    if where == "training":
        model.training_info.add().algorithm.CopyFrom(inner)
    if where == "function":
        node.attribute.append(attributes["constant"])
        model.functions.append(onnx.FunctionProto(name="f", domain="d", node=[node]))
    return bytes(model.SerializeToString())


PLACES = [
    "initializer",
    "sparse initializer",
    "constant",
    "tensors",
    "branch",
    "branches",
    "sparse value",
    "training",
    "function",
]


@pytest.mark.parametrize("where", PLACES)
def test_finds_external_data_wherever_it_hides(where: str) -> None:
    assert list(external_locations(external_model(where, "../../etc/passwd"))) == ["../../etc/passwd"]


@given(st.sampled_from(PLACES), st.text(st.characters(exclude_categories=("Cs",))))
def test_any_location_is_read_as_written(where: str, location: str) -> None:
    assert list(external_locations(external_model(where, location))) == [location]


@pytest.mark.parametrize("location", ["/etc/passwd", "../x", "a/b", "..\\x", "C:x", "..", ""])
def test_refuses_paths(location: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(external_model("initializer", location))
    with pytest.raises(UnsafeFile, match=r"^m\.onnx: keeps data outside its folder"):
        refuse_external_data(path)


def test_a_file_beside_the_graph_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(external_model("initializer", "m.onnx.data"))
    refuse_external_data(path)


@given(st.binary(max_size=200))
def test_noise_is_walked_or_refused(data: bytes) -> None:
    with contextlib.suppress(UnsafeFile):
        list(external_locations(data))


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_graph_is_walked_or_refused(at: int, byte: int) -> None:
    data = bytearray(external_model("constant", "x"))
    data[at % len(data)] = byte
    with contextlib.suppress(UnsafeFile):
        list(external_locations(bytes(data)))


def test_graphs_nested_without_end_are_refused() -> None:
    data = b""
    for _ in range(300):  # graph > node > attribute > graph ...
        for field in (6, 5, 1):
            size = len(data)
            length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
            data = bytes([field << 3 | 2]) + length + data
    size = len(data)
    data = bytes([7 << 3 | 2, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data
    with pytest.raises(UnsafeFile, match="nested too deep"):
        list(external_locations(data))
