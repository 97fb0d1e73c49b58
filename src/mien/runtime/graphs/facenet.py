"""Inception-ResNet-v1, as FaceNet's followers trained it.

Szegedy, Ioffe, Vanhoucke, Alemi, *Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning*,
2017; Schroff, Kalenichenko, Philbin, *FaceNet: A Unified Embedding for Face Recognition and Clustering*, 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node, channels

__all__ = ["VERSION", "build"]

VERSION = 1

_EPSILON = 1e-3  # Keras's and TF-slim's
# Names of the parts of a batch normalization in Keras, and what the drawing calls them.
_PARTS = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var", "bias": "bias"}


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network: a face (N, 3, 160, 160) of any contrast to ``vector`` (N, 128), whose length is not fixed.

    Each picture is standardized by itself first (``prewhiten`` in FaceNet's code). `tensors` are those of
    `mien.runtime.hdf5`.
    """
    net = Drawing(_renamed(tensors), epsilon=_EPSILON)
    x = net.standardize(net.input("face", 3, 160, 160))
    x = _conv(net, x, "Conv2d_1a_3x3", 32, 3, stride=2)
    x = _conv(net, x, "Conv2d_2a_3x3", 32, 3, padded=False)
    x = net.max_pool(_conv(net, x, "Conv2d_2b_3x3", 64, 3), padded=False)
    x = _conv(net, x, "Conv2d_3b_1x1", 80)
    x = _conv(net, x, "Conv2d_4a_3x3", 192, 3, padded=False)
    x = _conv(net, x, "Conv2d_4b_3x3", 256, 3, stride=2)
    for number in range(1, 6):
        x = _residual(net, x, f"Block35_{number}", 0.17, 32, [(), (3,), (3, 3)])
    x = _reduced(net, x, "Mixed_6a", [[(384, 3)], [(192, 1), (192, 3), (256, 3)]])
    for number in range(1, 11):
        x = _residual(net, x, f"Block17_{number}", 0.1, 128, [(), ((1, 7), (7, 1))])
    x = _reduced(net, x, "Mixed_7a", [[(256, 1), (384, 3)], [(256, 1), (256, 3)], [(256, 1), (256, 3), (256, 3)]])
    for number in range(1, 6):
        x = _residual(net, x, f"Block8_{number}", 0.2, 192, [(), ((1, 3), (3, 1))])
    x = _residual(net, x, "Block8_6", 1.0, 192, [(), ((1, 3), (3, 1))], last=True)
    x.set_friendly_name("features")  # what the card calls its last feature map
    vector = net.dense(net.mean(x), "Bottleneck", 128, bias=False)
    return net.model(vector=net.norm(vector, "Bottleneck_BatchNorm"))


Kernel = int | tuple[int, int]


def _conv(
    net: Drawing, x: Node, name: str, out: int, kernel: Kernel = 1, *, stride: int = 1, padded: bool = True
) -> Node:
    """A convolution that is normalized; with a stride it is not padded."""
    padded = padded and stride == 1
    return net.relu(net.conv(x, name, out, kernel=kernel, stride=stride, norm=f"{name}_BatchNorm", padded=padded))


def _named(kernel: Kernel) -> str:
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return f"{height}x{width}"


def _residual(
    net: Drawing,
    x: Node,
    block: str,
    scale: float,
    out: int,
    branches: Sequence[Sequence[Kernel]],
    *,
    last: bool = False,
) -> Node:
    """Branches that begin with one pixel and go on with wider windows, beside a way around them."""
    ends = []
    for number, kernels in enumerate(branches):
        place = f"{block}_Branch_{number}_Conv2d_"
        y = _conv(net, x, f"{place}{'0a_' if kernels else ''}1x1", out)
        for letter, kernel in zip("bcd", kernels, strict=False):
            y = _conv(net, y, f"{place}0{letter}_{_named(kernel)}", out, kernel)
        ends.append(y)
    y = net.conv(net.join(ends), f"{block}_Conv2d_1x1", channels(x), bias=True)
    y = net.add(x, net.scale(y, scale))
    return y if last else net.relu(y)


def _reduced(net: Drawing, x: Node, block: str, branches: Sequence[Sequence[tuple[int, int]]]) -> Node:
    """Half the size: branches whose last window takes every second pixel, beside the largest of 3 x 3."""
    ends = []
    for number, layers in enumerate(branches):
        y = x
        for letter, (out, kernel) in zip("abc", layers[:-1], strict=False):
            y = _conv(net, y, f"{block}_Branch_{number}_Conv2d_0{letter}_{_named(kernel)}", out, kernel)
        out, kernel = layers[-1]
        ends.append(_conv(net, y, f"{block}_Branch_{number}_Conv2d_1a_{_named(kernel)}", out, kernel, stride=2))
    return net.join([*ends, net.max_pool(x, padded=False)])


def _renamed(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Keras's tensors with the names and axes of the drawing; its normalizations have no factor of their own."""
    renamed: dict[str, NDArray[Any]] = {}
    for name, values in tensors.items():
        layer, _, part = name.rpartition(".")
        if part == "kernel" and values.ndim >= 2:  # `Drawing.take` refuses another
            renamed[f"{layer}.weight"] = np.ascontiguousarray(np.moveaxis(values, (-1, -2), (0, 1)))
            continue
        renamed[f"{layer}.{_PARTS.get(part, part)}"] = values
        if part == "beta":
            renamed[f"{layer}.weight"] = np.ones_like(values)
    return renamed
