"""Rewritten convolutions: the same numbers, fewer operations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from mien.runtime.fusing import convolve_before_enlarging, join_siblings, widen_groups
from mien.runtime.mending import read_network
from mien.runtime.openvino import core
from tests.runtime.conftest import Open
from tests.runtime.networks import write


def grouped(path: Path, groups: int, before: int, after: int) -> Path:
    """Write a network of one convolution in groups, of each `before` channels to `after`, with uneven padding."""
    weights = np.random.default_rng(0).normal(size=(groups * after, before, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=groups, pads=[1, 1, 0, 2], strides=[2, 1])
    sizes = {"x": ["n", groups * before, 8, 9]}, {"y": ["n", groups * after, "h", "w"]}
    return write(path, [node], *sizes, {"w": weights})


def heads(path: Path, side: int = 3) -> Path:
    """Write a network of three convolutions on one input, two of which slide the same window."""
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=(c, 6, side, side)).astype(np.float32) for name, c in {"p": 2, "q": 5}.items()}
    weights["r"] = random.normal(size=(4, 6, side, side)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "p"], ["a"], auto_pad="SAME_UPPER"),
        helper.make_node("Conv", ["x", "q"], ["b"], auto_pad="SAME_UPPER"),
        helper.make_node("Conv", ["x", "r"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2]),
    ]
    outputs = {name: ["n", channels, "h", "w"] for name, channels in {"a": 2, "b": 5, "c": 4}.items()}
    return write(path, nodes, {"x": ["n", 6, 8, 10]}, outputs, weights)


def kinds(path: Path) -> Counter[str]:
    """Count the operations of a network after both rewrites."""
    model = read_network(core(), path, None)
    widen_groups(model)
    join_siblings(model)
    return Counter(node.get_type_name() for node in model.get_ops())


def check(path: Path, session: Open) -> None:
    """Compare a session with ONNX Runtime, which knows nothing of our rewrites."""
    plain = onnxruntime.InferenceSession(path)
    x = np.random.default_rng(1).normal(size=(3, *plain.get_inputs()[0].shape[1:])).astype(np.float32)
    for own, other in zip(session(path).run(x), plain.run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("groups", "before", "after", "wide"),
    [
        (64, 2, 2, (8, 16, 16)),
        (6, 3, 5, (2, 15, 9)),
        (5, 4, 1, (5, 1, 4)),
        (4, 16, 16, (4, 16, 16)),
        (12, 1, 1, (12, 1, 1)),
    ],
)
def test_narrow_groups_are_joined(
    tmp_path: Path, open_session: Open, groups: int, before: int, after: int, wide: tuple[int, int, int]
) -> None:
    path = grouped(tmp_path / "n.onnx", groups, before, after)
    model = read_network(core(), path, None)
    widen_groups(model)
    shapes = [node.input(1).get_shape() for node in model.get_ops() if node.get_type_name() == "GroupConvolution"]
    assert [tuple(shape)[:3] for shape in shapes] == [wide]
    check(path, open_session)


def test_siblings_are_joined_where_the_window_is_the_same(tmp_path: Path, open_session: Open) -> None:
    path = heads(tmp_path / "n.onnx")
    found = kinds(path)
    assert found["Convolution"] == 2
    assert found["VariadicSplit"] == 1
    check(path, open_session)


def test_siblings_of_one_pixel_are_left_alone(tmp_path: Path, open_session: Open) -> None:
    path = heads(tmp_path / "n.onnx", side=1)
    assert kinds(path)["Convolution"] == 3
    check(path, open_session)


def enlarged(path: Path, scale: float, pads: list[int], kernel: tuple[int, int], mode: str) -> Path:
    """Write a network of one convolution of a small, deep picture that was enlarged before."""
    weights = np.random.default_rng(0).normal(size=(3, 160, *kernel)).astype(np.float32) / 40
    nodes = [
        helper.make_node("Resize", ["x", "", "s"], ["l"], mode="linear", coordinate_transformation_mode=mode),
        helper.make_node("Conv", ["l", "w"], ["y"], pads=pads),
    ]
    constants = {"w": weights, "s": np.array([1, 1, scale, scale], np.float32)}
    return write(path, nodes, {"x": ["n", 160, 5, 6]}, {"y": ["n", 3, "h", "w"]}, constants)


@pytest.mark.parametrize(
    ("scale", "pads", "kernel", "mode", "before"),
    [
        (2, [2, 2, 2, 2], (5, 5), "half_pixel", True),
        (2, [0, 1, 2, 0], (3, 2), "pytorch_half_pixel", True),
        (3, [1, 1, 1, 1], (3, 3), "half_pixel", True),
        (2.1, [1, 1, 1, 1], (3, 3), "half_pixel", False),
        (2, [1, 1, 1, 1], (3, 3), "align_corners", False),
        (4, [1, 1, 1, 1], (3, 3), "half_pixel", False),
    ],
)
def test_a_window_over_an_enlarged_picture_is_taken_before(
    tmp_path: Path,
    open_session: Open,
    scale: float,
    pads: list[int],
    kernel: tuple[int, int],
    mode: str,
    before: bool,
) -> None:
    path = enlarged(tmp_path / "n.onnx", scale, pads, kernel, mode)
    model = read_network(core(), path, None)
    model.reshape([1, 160, 5, 6])
    widen_groups(model)
    convolve_before_enlarging(model)
    assert ("Interpolate" in {node.get_type_name() for node in model.get_ops()}) is not before
    check(path, open_session)
