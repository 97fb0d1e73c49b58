"""ResNet-18: He, Zhang, Ren, Sun, *Deep Residual Learning for Image Recognition*, 2016; Table 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node, channels

__all__ = ["VERSION", "build_gaze", "stages"]

VERSION = 1


def stages(net: Drawing, x: Node, prefix: str = "") -> list[Node]:
    """Draw the convolutions.

    Parameters
    ----------
    x
        A picture (N, 3, H, W).
    prefix
        What stands before the names of the tensors.

    Returns
    -------
    list of Node
        What each of the four stages gives: 64, 128, 256 and 512 channels at 1/4, 1/8, 1/16 and 1/32 of the size.
    """
    x = net.relu(net.conv(x, f"{prefix}conv1", 64, kernel=7, stride=2, norm=f"{prefix}bn1"))
    x = net.max_pool(x)
    results = []
    for stage, out in enumerate((64, 128, 256, 512), start=1):
        x = _block(net, x, f"{prefix}layer{stage}.0", out, stride=1 if stage == 1 else 2)
        x = _block(net, x, f"{prefix}layer{stage}.1", out)
        results.append(x)
    return results


def _block(net: Drawing, x: Node, name: str, out: int, stride: int = 1) -> Node:
    """Two convolutions beside a way around them."""
    y = net.relu(net.conv(x, f"{name}.conv1", out, kernel=3, stride=stride, norm=f"{name}.bn1"))
    y = net.conv(y, f"{name}.conv2", out, kernel=3, norm=f"{name}.bn2")
    if channels(x) != out:
        x = net.conv(x, f"{name}.downsample.0", out, stride=stride, norm=f"{name}.downsample.1")
    return net.relu(net.add(x, y))


def build_gaze(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """ETH-XGaze's baseline on ResNet-18: a face (N, 3, 224, 224) to ``angles`` (N, 2), pitch and yaw in radians.

    Zhang, Park, Beeler, et al., *ETH-XGaze: A Large Scale Dataset for Gaze Estimation under Extreme Head Pose and Gaze
    Variation*, 2020.
    """
    net = Drawing(tensors)
    x = stages(net, net.input("face", 3, -1, -1))[-1]
    return net.model(angles=net.dense(net.mean(x), "fc", 2))
