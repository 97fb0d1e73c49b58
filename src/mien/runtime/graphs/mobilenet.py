"""MobileNetV2. Sandler, Howard, Zhu, et al., *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, 2018."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node, channels

__all__ = ["VERSION", "build_quality"]

VERSION = 1

# For each stage: how many times wider a block is inside, its channels, how many blocks, and the stride of the first.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_FIRST, _LAST = 32, 1280  # channels of the convolutions before and behind the stages

# The file holds the network twice: once with the head for ImageNet, which nobody asks, and once without.
_BODY, _COPY = "module.backbone.backbone.features", "module.backbone.net."


def build_quality(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network of pytorch-QualityFace: a picture (N, 3, H, W) to ``score`` (N, 1), without limits."""
    net = Drawing({name: array for name, array in tensors.items() if not name.startswith(_COPY)})
    x = _convolution(net, net.input("picture", 3, -1, -1), f"{_BODY}.0", _FIRST, kernel=3, stride=2)
    number = 1
    for expansion, out, count, stride in _STAGES:
        for block in range(count):
            x = _block(net, x, f"{_BODY}.{number}.conv", expansion, out, 1 if block else stride)
            number += 1
    x = _convolution(net, x, f"{_BODY}.{number}", _LAST)
    return net.model(score=net.dense(net.mean(x), "module.classify", 1))


def _convolution(
    net: Drawing, x: Node, name: str, out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
) -> Node:
    """A convolution with its normalization, and values from 0 to 6."""
    x = net.conv(x, f"{name}.0", out, kernel=kernel, stride=stride, groups=groups, norm=f"{name}.1")
    return net.clamp(x, 0, 6)


def _block(net: Drawing, x: Node, name: str, expansion: int, out: int, stride: int) -> Node:
    """Wider, each channel by itself, narrower again; beside a way around it where the shape stays."""
    wide, part, y = channels(x) * expansion, 0, x
    if expansion > 1:
        y, part = _convolution(net, y, f"{name}.0", wide), 1
    y = _convolution(net, y, f"{name}.{part}", wide, kernel=3, stride=stride, groups=wide)
    y = net.conv(y, f"{name}.{part + 1}", out, norm=f"{name}.{part + 2}")
    return net.add(x, y) if stride == 1 and channels(x) == out else y
