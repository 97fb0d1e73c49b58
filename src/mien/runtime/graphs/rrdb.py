"""A large network that draws a picture at four times its size, and fills in what it takes for lost.

References
----------
Wang et al., *ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks*, ECCV workshops 2018, whose generator
(residual-in-residual dense blocks) it is; Wang, Xie, Dong & Shan, *Real-ESRGAN*, ICCV workshops 2021, whose weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node
from mien.runtime.ncnn_weights import Layer, unpack

__all__ = ["FACTOR", "MARGIN", "VERSION", "build"]

VERSION = 1
FACTOR = 4
MARGIN = 0

_LEAK = 0.2
_BLOCKS = 23  # of three dense ones each
_WIDTH = 64
_GROWTH = 32
_PART = 0.2  # of a block that is added to what went in


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network: ``picture`` (N, 3, H, W) RGB in [0, 1] to ``larger`` (N, 3, 4 H, 4 W).

    `tensors` are those of `mien.runtime.ncnn_weights.read_ncnn`.
    """
    net = Drawing(unpack(tensors, _layers()))
    first = _conv(net, net.input("picture", 3, -1, -1), "first")
    x = first
    for block in range(_BLOCKS):
        y = x
        for dense in range(3):
            y = _dense(net, y, f"block{block}.{dense}")
        x = net.add(x, net.scale(y, _PART))
    x = net.add(first, _conv(net, x, "trunk"))
    for name in ("up1", "up2"):
        x = net.relu(_conv(net, net.double(x), name), _LEAK)
    x = net.relu(_conv(net, x, "fine"), _LEAK)
    return net.model(larger=_conv(net, x, "last", 3))


def _layers() -> Iterator[Layer]:
    """All that have weights, in the order of the file."""
    yield "first", (_WIDTH, 3, 3, 3)
    for block in range(_BLOCKS):
        for dense in range(3):
            for number in range(5):
                out = _GROWTH if number < 4 else _WIDTH
                yield f"block{block}.{dense}.{number}", (out, _WIDTH + number * _GROWTH, 3, 3)
    for name in ("trunk", "up1", "up2", "fine"):
        yield name, (_WIDTH, _WIDTH, 3, 3)
    yield "last", (3, _WIDTH, 3, 3)


def _dense(net: Drawing, x: Node, name: str) -> Node:
    """Four layers that see all before them, and one that puts them together."""
    seen = [x]
    for number in range(4):
        seen.append(net.relu(_conv(net, net.join(seen), f"{name}.{number}", _GROWTH), _LEAK))
    return net.add(x, net.scale(_conv(net, net.join(seen), f"{name}.4"), _PART))


def _conv(net: Drawing, x: Node, name: str, out: int = _WIDTH) -> Node:
    return net.conv(x, name, out, kernel=3, bias=True)
