"""RetinaFace on MobileNet-0.25.

Deng, Guo, Ververas, Kotsia, Zafeiriou, *RetinaFace: Single-Shot Multi-Level Face Localisation in the Wild*, 2020.
Howard, Zhu, Chen, et al., *MobileNets*, 2017, for the body; Lin, Dollár, Girshick, et al., *Feature Pyramid Networks*,
2017; Najibi, Samangouei, Chellappa, Davis, *SSH*, 2017, for the context modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing, Node

__all__ = ["VERSION", "build"]

VERSION = 1

_LEAK = 0.1
_WIDTH = 64  # channels of the pyramid
# Stages of the body: for each block, its channels and stride. The first block is a whole convolution.
_STAGES = (
    ((8, 2), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)),
    ((128, 2), *[(128, 1)] * 5),
    ((256, 2), (256, 1)),
)
_ANCHORS = 2
# Heads: output, tensor, values for each anchor.
_HEADS = (("boxes", "BboxHead", 4), ("scores", "ClassHead", 2), ("points", "LandmarkHead", 10))


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network: a picture (N, 3, H, W) to ``boxes`` (N, A, 4), ``scores`` (N, A, 2) and ``points`` (N, A, 10).

    The A anchors are two for each cell of the grids of 8, 16 and 32 pixels, row by row, the smaller one first. Boxes
    and points are relative to them; scores are the shares of background and face.
    """
    net = Drawing(tensors)
    levels = _pyramid(net, _body(net, net.input("picture", 3, -1, -1)))
    levels = [_context(net, x, f"ssh{number}") for number, x in enumerate(levels, start=1)]
    outputs = {}
    for output, name, width in _HEADS:
        parts = []
        for number, x in enumerate(levels):
            values = net.conv(x, f"{name}.{number}.conv1x1", _ANCHORS * width, bias=True)
            parts.append(net.rows(values, width))
        outputs[output] = net.join(parts)
    outputs["scores"] = net.softmax(outputs["scores"])
    return net.model(**outputs)


def _conv(net: Drawing, x: Node, name: str, out: int, *, stride: int = 1, kernel: int = 3, leak: bool = True) -> Node:
    x = net.conv(x, f"{name}.0", out, kernel=kernel, stride=stride, norm=f"{name}.1")
    return net.relu(x, _LEAK) if leak else x


def _body(net: Drawing, x: Node) -> list[Node]:
    """MobileNet: a convolution of each channel for itself, then one of each pixel for itself."""
    results, width = [], 3
    for stage, blocks in enumerate(_STAGES, start=1):
        for index, (out, stride) in enumerate(blocks):
            name = f"body.stage{stage}.{index}"
            if width == 3:
                x = _conv(net, x, name, out, stride=stride)
            else:
                x = net.conv(x, f"{name}.0", width, kernel=3, stride=stride, groups=width, norm=f"{name}.1")
                x = net.relu(x, _LEAK)
                x = net.relu(net.conv(x, f"{name}.3", out, norm=f"{name}.4"), _LEAK)
            width = out
        results.append(x)
    return results


def _pyramid(net: Drawing, levels: Sequence[Node]) -> list[Node]:
    """Each level gets what the coarser one knows."""
    low, middle, high = (
        _conv(net, x, f"fpn.output{number}", _WIDTH, kernel=1) for number, x in enumerate(levels, start=1)
    )
    middle = _conv(net, net.add(middle, net.resize(high, middle)), "fpn.merge2", _WIDTH)
    low = _conv(net, net.add(low, net.resize(middle, low)), "fpn.merge1", _WIDTH)
    return [low, middle, high]


def _context(net: Drawing, x: Node, name: str) -> Node:
    """Look at 3, 5 and 7 pixels around; the wider looks are made of two and three narrow ones."""
    near = _conv(net, x, f"{name}.conv3X3", _WIDTH // 2, leak=False)
    first = _conv(net, x, f"{name}.conv5X5_1", _WIDTH // 4)
    wide = _conv(net, first, f"{name}.conv5X5_2", _WIDTH // 4, leak=False)
    second = _conv(net, first, f"{name}.conv7X7_2", _WIDTH // 4)
    wider = _conv(net, second, f"{name}.conv7x7_3", _WIDTH // 4, leak=False)
    return net.relu(net.join([near, wide, wider]))
