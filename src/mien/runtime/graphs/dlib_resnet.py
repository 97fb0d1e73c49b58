"""dlib's network of faces: a ResNet with 29 convolutions and half the usual filters.

He, Zhang, Ren, Sun, *Deep Residual Learning for Image Recognition*, 2016, for the network it is a cut version of; its
layers are those of ``dnn_face_recognition_ex.cpp`` in dlib's examples (King, *Dlib-ml*, 2009).

What is dlib's own: convolutions with a stride are not padded; where the size halves, the way around is a mean of 2 x 2
pixels, and of two summands of different sizes the smaller one is continued with zeros (``add_prev_``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError
from mien.runtime.graphs.drawing import Drawing, Node

__all__ = ["VERSION", "build"]

VERSION = 1

_LONG = 128  # numbers of a vector
# Blocks one after the other: filters, and whether the size halves.
_BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True), *[(64, False)] * 3],
    *[(128, True), *[(128, False)] * 2],
    *[(256, True), *[(256, False)] * 2],
    (256, True),
)


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network: a face (N, 3, 150, 150) to ``vector`` (N, 128), whose length is not fixed.

    `tensors` are those of `mien.runtime.dlib_weights`.

    Raises
    ------
    ModelError
        If they are of another network.
    """
    net = Drawing(_folded(tensors))
    x = net.relu(net.conv(net.input("face", 3, 150, 150), "0", 32, kernel=7, stride=2, bias=True, padded=False))
    x = net.max_pool(x, padded=False)
    number = 1
    for filters, down in _BLOCKS:
        around = net.halve(x) if down else x
        stride = 2 if down else 1
        y = net.conv(x, f"{number}", filters, kernel=3, stride=stride, bias=True, padded=not down)
        y = net.conv(net.relu(y), f"{number + 1}", filters, kernel=3, bias=True)
        x = net.relu(_sum(net, y, around))
        number += 2
    x.set_friendly_name("features")  # what the card calls its last feature map
    return net.model(vector=net.dense(net.mean(x), "fc.0", _LONG, bias=False))


def _sum(net: Drawing, x: Node, y: Node) -> Node:
    """Dlib's ``add_prev_``: sizes need not agree."""
    shapes = ([size.get_length() for size in list(node.get_output_partial_shape(0))[1:]] for node in (x, y))
    sizes = [max(pair) for pair in zip(*shapes, strict=True)]
    return net.add(net.widen(x, *sizes), net.widen(y, *sizes))


def _folded(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tensors with each ``affine`` layer, a factor and an offset, in the convolution before it."""
    left = dict(tensors)
    folded: dict[str, NDArray[Any]] = {}
    for number in range(sum(name.startswith("affine.") and name.endswith(".scale") for name in tensors)):
        if f"con.{number}.weight" not in left:
            break  # `Drawing.model` refuses what is left
        scale, shift = (left.pop(f"affine.{number}.{part}").astype(np.float64) for part in ("scale", "shift"))
        weight, bias = (left.pop(f"con.{number}.{part}") for part in ("weight", "bias"))
        if not weight.shape[:1] == scale.shape == shift.shape == bias.shape:
            raise ModelError(f"layer {number} of the weights has {len(weight)} filters, and not as many factors.")
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
        folded[f"{number}.weight"], folded[f"{number}.bias"] = weight.astype(np.float32), bias.astype(np.float32)
    return folded | left
