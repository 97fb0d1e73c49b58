"""Two small networks that look at a face for the traces of its exchange, at a scale between noise and meaning.

Afchar, Nozick, Yamagishi, Echizen, *MesoNet: a Compact Facial Video Forgery Detection Network*, WIFS 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node

__all__ = ["VERSION", "build_inception", "build_meso4"]

VERSION = 1

_EPSILON = 1e-3  # Keras's
_LEAK = 0.1
# What Keras calls the parts of its layers, and what the drawing does.
_PARTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def build_meso4(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw Meso-4: a face (N, 3, 256, 256) in [0, 1] to ``real`` (N, 1), the probability that it is one.

    `tensors` are those of `mien.runtime.hdf5`.
    """
    net = Drawing(_renumbered(tensors), epsilon=_EPSILON)
    x = net.input("face", 3, 256, 256)
    x = _stage(net, _filtered(net, x, 1, 8, kernel=3), 1)
    x = _stage(net, _filtered(net, x, 2, 8, kernel=5), 2)
    return _finish(net, x, conv=3)


def build_inception(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw MesoInception-4: its first two stages see each place at four widths. In and out as `build_meso4`."""
    net = Drawing(_renumbered(tensors), epsilon=_EPSILON)
    x = net.input("face", 3, 256, 256)
    numbers = count(1)
    for stage, widths in enumerate([(1, 4, 4, 2), (2, 4, 4, 2)], start=1):
        parts = [_filtered(net, x, next(numbers), widths[0])]
        for dilation, out in enumerate(widths[1:], start=1):
            y = _filtered(net, x, next(numbers), out)
            parts.append(_filtered(net, y, next(numbers), out, kernel=3, dilation=dilation))
        x = _stage(net, net.join(parts), stage)
    return _finish(net, x, conv=next(numbers))


def _filtered(net: Drawing, x: Node, number: int, out: int, *, kernel: int = 1, dilation: int = 1) -> Node:
    return net.relu(net.conv(x, f"conv2d_{number}", out, kernel=kernel, dilation=dilation, bias=True))


def _stage(net: Drawing, x: Node, number: int, shrink: int = 2) -> Node:
    """A normalization, which in this network comes behind the ReLU, and the largest of `shrink` x `shrink` pixels."""
    x = net.norm(x, f"batch_normalization_{number}")
    return net.max_pool(x, padded=False, size=shrink, stride=shrink)


def _finish(net: Drawing, x: Node, conv: int) -> Any:
    """The two last stages and the two dense layers, of which the first is a filter as large as the picture by then."""
    x = _stage(net, _filtered(net, x, conv, 16, kernel=5), 3)
    x = _stage(net, _filtered(net, x, conv + 1, 16, kernel=5), 4, shrink=4)
    x = net.relu(net.conv(x, "dense_1", 16, kernel=8, bias=True, padded=False), _LEAK)
    return net.model(real=net.sigmoid(net.dense(net.mean(x), "dense_2", 1)))


def _renumbered(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Keras's tensors with the names and axes of the drawing.

    Keras goes on counting layers from network to network of one program: each file has numbers of its own.
    """
    numbers: dict[str, list[int]] = {}
    for name in tensors:
        kind, _, number = name.partition(".")[0].rpartition("_")
        if number.isdecimal() and int(number) not in numbers.setdefault(kind, []):
            numbers[kind].append(int(number))
    renamed = {}
    for name, values in tensors.items():
        layer, _, part = name.rpartition(".")
        kind, _, number = layer.rpartition("_")
        place = sorted(numbers[kind]).index(int(number)) + 1 if number.isdecimal() else number
        renamed[f"{kind}_{place}.{_PARTS.get(part, part)}"] = _with_axes(values) if part == "kernel" else values
    return renamed


def _with_axes(kernel: NDArray[Any]) -> NDArray[Any]:
    """(rows, columns, inputs, outputs) as (outputs, inputs, rows, columns); of 8 x 8 x 16 flattened pixels, too."""
    if kernel.ndim == 2 and len(kernel) == 1024:
        kernel = kernel.reshape(8, 8, 16, -1)
    return np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)) if kernel.ndim > 1 else kernel)
