"""A small gaze network on one eye, with residual blocks that normalize first.

He, Zhang, Ren, Sun, *Identity Mappings in Deep Residual Networks*, 2016, for the blocks; Zhang, Sugano, Fritz, Bulling,
*MPIIGaze: Real-World Dataset and Deep Appearance-Based Gaze Estimation*, 2019, for the task and the head's pose beside
the features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node, channels

__all__ = ["VERSION", "build"]

VERSION = 1


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network: ``eye`` (N, 1, 36, 60) in [0, 1] and ``head`` (N, 2) to ``angles`` (N, 2).

    All angles are pitch and yaw in radians.
    """
    net = Drawing(tensors)
    eye, head = net.input("eye", 1, 36, 60), net.input("head", 2)
    x = net.conv(eye, "conv", 16, kernel=3)
    x = _block(net, x, "stage1.block1", 16)
    x = _block(net, x, "stage2.block1", 32, stride=2)
    x = _block(net, x, "stage3.block1", 64, stride=2)
    x = net.mean(net.relu(net.norm(x, "bn")))
    return net.model(angles=net.dense(net.join([x, head]), "fc", 2))


def _block(net: Drawing, x: Node, name: str, out: int, stride: int = 1) -> Node:
    """Two convolutions beside a way around them, which starts after the first normalization."""
    x = net.relu(net.norm(x, f"{name}.bn1"))
    y = net.relu(net.conv(x, f"{name}.conv1", out, kernel=3, stride=stride, norm=f"{name}.bn2"))
    y = net.conv(y, f"{name}.conv2", out, kernel=3)
    if channels(x) != out:
        x = net.conv(x, f"{name}.shortcut.conv", out, stride=stride)
    return net.add(x, y)
