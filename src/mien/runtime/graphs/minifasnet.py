"""Small networks that tell a live face from a picture of one, on a crop of 80 pixels.

They are MobileFaceNets (Chen, Liu, Gao, Han, *MobileFaceNets: efficient CNNs for accurate real-time face verification
on mobile devices*, 2018) of which most filters were pruned away, unequally; hence the odd widths, which are those of
the files of Minivision's Silent-Face-Anti-Spoofing. The one for the wider crop weighs the channels at the end of each
stage (Hu, Shen, Sun, *Squeeze-and-excitation networks*, 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node, channels

__all__ = ["VERSION", "build_v1se", "build_v2"]

VERSION = 1

_PREFIX: Final = "module."  # what torch's DataParallel puts before each name
_CLASSES: Final = 3
# Filters inside of the blocks of the three stages.
_V2: Final = ((13, 13, 13, 13), (231, 52, 26, 77, 26, 26), (26, 26))
_V1SE: Final = ((13, 26, 13, 52), (154, 52, 26, 52, 26, 26), (26, 26))


def build_v2(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw MiniFASNetV2: ``face`` (N, 3, 80, 80) in 0..255 to ``odds`` (N, 3), of which a softmax is to be taken."""
    return _build(tensors, _V2, weighed=False)


def build_v1se(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw MiniFASNetV1SE; see `build_v2`."""
    return _build(tensors, _V1SE, weighed=True)


def _build(tensors: Mapping[str, NDArray[Any]], stages: Sequence[Sequence[int]], *, weighed: bool) -> Any:
    net = Drawing({name.removeprefix(_PREFIX): array for name, array in tensors.items()})
    face = net.input("face", 3, 80, 80)
    x = _convolved(net, face, "conv1", 32, kernel=3, stride=2)
    x = _convolved(net, x, "conv2_dw", 32, kernel=3, groups=32)
    entries = (("conv_23", 103, 64), ("conv_34", 231, 128), ("conv_45", 308, 128))
    for (entry, inner, out), stage, name in zip(entries, stages, ("conv_3", "conv_4", "conv_5"), strict=True):
        x = _block(net, x, entry, inner, out, stride=2)
        for place, width in enumerate(stage):
            block = f"{name}.model.{place}"
            y = _block(net, x, block, width, out)
            if weighed and place == len(stage) - 1:
                y = _weighed(net, y, f"{block}.se_module")
            x = net.add(x, y)
    x = _convolved(net, x, "conv_6_sep", 512)
    x = net.conv(x, "conv_6_dw.conv", 512, kernel=5, groups=512, norm="conv_6_dw.bn", padded=False)
    x = net.norm(net.dense(net.mean(x), "linear", 128, bias=False), "bn")  # one pixel is left, so its mean is itself
    return net.model(odds=net.dense(x, "prob", _CLASSES, bias=False))


def _convolved(
    net: Drawing, x: Node, name: str, out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
) -> Node:
    x = net.conv(x, f"{name}.conv", out, kernel=kernel, stride=stride, groups=groups, norm=f"{name}.bn")
    return net.prelu(x, f"{name}.prelu")


def _block(net: Drawing, x: Node, name: str, inner: int, out: int, *, stride: int = 1) -> Node:
    """Widen the channels, convolve each by itself, and mix them."""
    x = _convolved(net, x, f"{name}.conv", inner)
    x = _convolved(net, x, f"{name}.conv_dw", inner, kernel=3, stride=stride, groups=inner)
    return net.conv(x, f"{name}.project.conv", out, norm=f"{name}.project.bn")


def _weighed(net: Drawing, x: Node, name: str) -> Node:
    """Each channel times a number in (0, 1) that the means of all channels give."""
    count = channels(x)
    y = net.relu(net.conv(net.mean(x, keep=True), f"{name}.fc1", count // 4, norm=f"{name}.bn1"))
    return net.multiply(x, net.sigmoid(net.conv(y, f"{name}.fc2", count, norm=f"{name}.bn2")))
