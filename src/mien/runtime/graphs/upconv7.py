"""A small network that draws a picture at twice its size, with the traces of noise and JPEG taken out.

It is "upconv_7" of waifu2x, in the form that was trained on photos: six convolutions without padding and one that
enlarges. It was trained on differences of pixels alone, so that it invents nothing that would look sharp.

References
----------
Dong, Loy, He & Tang, *Image Super-Resolution Using Deep Convolutional Networks*, TPAMI 2016, whose idea it follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from mien.runtime.graphs.drawing import Drawing
from mien.runtime.ncnn_weights import unpack

__all__ = ["FACTOR", "MARGIN", "VERSION", "build"]

VERSION = 1
FACTOR = 2
MARGIN = 7  # pixels of the input on each side that the output does not show

_LEAK = 0.1
_WIDTHS = (3, 16, 32, 64, 128, 128, 256)


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the network: ``picture`` (N, 3, H, W) RGB in [0, 1] to ``larger`` (N, 3, 2 H - 28, 2 W - 28).

    `tensors` are those of `mien.runtime.ncnn_weights.read_ncnn`.
    """
    steps = [(f"conv{number}", pair) for number, pair in enumerate(pairwise(_WIDTHS), start=1)]
    layers = [(name, (wide, narrow, 3, 3)) for name, (narrow, wide) in steps]
    net = Drawing(unpack(tensors, [*layers, ("enlarge", (3, _WIDTHS[-1], 4, 4))]))
    x = net.input("picture", 3, -1, -1)
    for name, (_, wide) in steps:
        x = net.relu(net.conv(x, name, wide, kernel=3, bias=True, padded=False), _LEAK)
    return net.model(larger=net.enlarge(x, "enlarge", 3, kernel=4, stride=FACTOR, trim=3))
