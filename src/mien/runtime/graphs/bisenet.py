"""BiSeNet on ResNet-18, without its spatial path: 19 classes of a face.

Yu, Wang, Peng, et al., *BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation*, 2018. The second
stage of the ResNet, at the same size, stands for the spatial path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node, channels
from mien.runtime.graphs.resnet import stages

__all__ = ["VERSION", "build"]

VERSION = 2

_CLASSES = 19
_WIDTH = 128  # channels of the context


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network: a picture (N, 3, H, W) to ``logits`` (N, 19, H / 8, W / 8); both sides are multiples of 32.

    The published network enlarges them to the picture's size, its first and last cells being the first and last
    pixels: that is as slow as a fifth of it, and what they say is all in the small ones. The two heads that only helped
    the training are taken and left out.
    """
    net = Drawing(tensors)
    picture = net.input("picture", 3, -1, -1)
    _, at8, at16, at32 = stages(net, picture, "cp.resnet.")
    whole = _conv(net, net.mean(at32, keep=True), "cp.conv_avg", _WIDTH, kernel=1)
    deep = net.add(_refine(net, at32, "cp.arm32"), whole)
    deep = _conv(net, net.resize(deep, at16), "cp.conv_head32", _WIDTH)
    context = net.add(_refine(net, at16, "cp.arm16"), deep)
    context = _conv(net, net.resize(context, at8), "cp.conv_head16", _WIDTH)
    _head(net, context, "conv_out16", 64)
    _head(net, deep, "conv_out32", 64)
    return net.model(logits=_head(net, _fuse(net, at8, context), "conv_out", 256))


def _conv(net: Drawing, x: Node, name: str, out: int, kernel: int = 3) -> Node:
    return net.relu(net.conv(x, f"{name}.conv", out, kernel=kernel, norm=f"{name}.bn"))


def _refine(net: Drawing, x: Node, name: str) -> Node:
    """Attention refinement: weigh the channels by what the picture holds as a whole."""
    x = _conv(net, x, f"{name}.conv", _WIDTH)
    weights = net.conv(net.mean(x, keep=True), f"{name}.conv_atten", _WIDTH, norm=f"{name}.bn_atten")
    return net.multiply(x, net.sigmoid(weights))


def _fuse(net: Drawing, detail: Node, context: Node) -> Node:
    """Feature fusion: join both, and add the channels that matter once more."""
    x = _conv(net, net.join([detail, context]), "ffm.convblk", 2 * _WIDTH, kernel=1)
    weights = net.relu(net.conv(net.mean(x, keep=True), "ffm.conv1", channels(x) // 4))
    weights = net.sigmoid(net.conv(weights, "ffm.conv2", channels(x)))
    return net.add(x, net.multiply(x, weights))


def _head(net: Drawing, x: Node, name: str, width: int) -> Node:
    return net.conv(_conv(net, x, f"{name}.conv", width), f"{name}.conv_out", _CLASSES)
