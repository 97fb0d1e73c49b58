"""Masks and glasses as flat cloth: their outlines on the face mesh, colours, pleats and prints.

Outlines are numbers of mesh vertices, read off pictures of the mesh; the flat face that they are drawn on is the
texture of the canonical face (u to the right, v down), with a margin all around for what goes below the chin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["COVERINGS", "JAW", "MARGIN", "Covering", "texture", "to_texture"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Color = tuple[int, int, int]

MARGIN: Final = 0.12  # of the texture, on each side of the face's own
SIDE: Final = 640  # pixels of the texture

#: The jaw from the subject's right ear over the chin to the left one; below and behind it a mask goes on.
JAW: Final = (
    *(234, 93, 132, 58, 172, 136, 150, 149, 176, 148),
    152,
    *(377, 400, 378, 379, 365, 397, 288, 361, 323, 454),
)


@dataclass(frozen=True)
class Covering:
    """Something that is worn on a face.

    Attributes
    ----------
    outline : tuple of int
        Vertices on the subject's right side, from the middle of the face to the ear and down; the left side mirrors it.
    whole : bool
        Whether both sides are one piece that ends below the chin; else each side is a closed piece of its own.
    colors : tuple of RGB
        One is drawn by the seed.
    loops : tuple of (vertex, lift)
        From where cords go to the ear: the outline's vertex, and how far above (in cm) the lobe they arrive.
    pleats : tuple of float
        Heights of folds, v of the texture.
    prints : tuple of str
        Patterns that may be on it: "plain", "stripes", "dots".
    gloss : float
        How much it reflects instead of taking the light of the picture: 0 for cloth.
    """

    outline: tuple[int, ...]
    colors: tuple[Color, ...]
    whole: bool = True
    loops: tuple[tuple[int, float], ...] = ()
    pleats: tuple[float, ...] = ()
    prints: tuple[str, ...] = ("plain",)
    gloss: float = 0.0


#: What can be worn, by name.
COVERINGS: Mapping[str, Covering] = MappingProxyType(
    {
        "surgical": Covering(
            outline=(197, 217, 101, 123, 137, 177, 215, 172),
            colors=((150, 196, 214), (172, 208, 222), (168, 208, 184), (235, 238, 238), (46, 48, 54)),
            loops=((137, 2.4), (172, -0.4)),
            pleats=(0.615, 0.70, 0.785),
        ),
        "cloth": Covering(
            outline=(6, 174, 100, 50, 147, 215, 58),
            colors=((38, 40, 46), (40, 52, 84), (120, 34, 42), (196, 190, 178), (62, 84, 66), (128, 128, 134)),
            loops=((147, 2.2), (58, 0.0)),
            prints=("plain", "stripes", "dots"),
        ),
        "respirator": Covering(
            outline=(197, 236, 126, 36, 187, 192, 135, 136),
            colors=((238, 238, 234), (226, 228, 230), (52, 54, 58)),
            loops=((187, 2.0), (192, 0.6)),
            pleats=(0.66,),
        ),
        "gaiter": Covering(
            outline=(195, 198, 101, 117, 227, 234),
            colors=((32, 34, 40), (70, 78, 60), (36, 60, 104), (150, 60, 40)),
            prints=("plain", "stripes", "dots"),
        ),
        "sunglasses": Covering(
            outline=(193, 55, 52, 46, 124, 143, 116, 118, 100, 114, 245),
            colors=((14, 14, 18), (40, 26, 18), (24, 30, 40)),
            whole=False,
            loops=((143, 4.2),),
            gloss=0.5,
        ),
    }
)


def to_texture(uv: ArrayLike) -> Doubles:
    """Places in the canonical face's texture, in [0, 1], as pixels of ours."""
    places = (np.asarray(uv, np.float64) + MARGIN) / (1 + 2 * MARGIN)
    return np.asarray(places * SIDE - 0.5)


def texture(covering: Covering, uv: Doubles, under: Doubles, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the cloth.

    Parameters
    ----------
    uv : (V, 2)
        Of the mesh's vertices.
    under : (21, 2)
        Of the points below those of `JAW`.
    draw : Generator
        Chooses colour and print.

    Returns
    -------
    color : (S, S, 3) float32
        RGB, 0 to 255.
    cover : (S, S) float32
        1 where there is cloth, 0 where there is none.
    """
    import cv2

    pieces = [smooth(to_texture(piece)) for piece in _pieces(covering, uv, under)]
    cover = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(cover, [_fixed(piece) for piece in pieces], 255, cv2.LINE_AA, 4)
    color = np.empty((SIDE, SIDE, 3), np.float32)
    color[:] = covering.colors[draw.integers(len(covering.colors))]
    color += _PRINTS[covering.prints[draw.integers(len(covering.prints))]](draw)[..., None]
    # Threads, coarse enough to be seen on a large face.
    color += cv2.GaussianBlur(draw.normal(0, 9, (SIDE, SIDE, 1)).astype(np.float32), (0, 0), 1.2)[..., None]
    for height in covering.pleats:
        row = round(float(to_texture([0, height])[1]))
        color[row : row + 3] *= 0.86
        color[row + 3 : row + 7] *= 1.05
    if covering.whole:  # a hem
        hem = np.zeros((SIDE, SIDE), np.uint8)
        cv2.polylines(hem, [_fixed(piece) for piece in pieces], True, 255, 16, cv2.LINE_AA, 4)
        color *= 1 - 0.1 * (hem[..., None] / np.float32(255))
    else:  # lenses are darker above
        color += np.linspace(-8, 26, SIDE, dtype=np.float32)[:, None, None]
        frame = np.zeros((SIDE, SIDE), np.uint8)
        cv2.polylines(frame, [_fixed(piece) for piece in pieces], True, 255, 9, cv2.LINE_AA, 4)
        bridge = to_texture([uv[193], uv[168], uv[417]])
        cv2.polylines(frame, [_fixed(bridge)], False, 255, 11, cv2.LINE_AA, 4)
        cover = np.maximum(cover, frame)
        color *= 1 - 0.75 * (frame[..., None] / np.float32(255))
    return np.clip(color, 0, 255), np.asarray(cover / np.float32(255), np.float32)


def smooth(corners: Doubles, times: int = 3) -> Doubles:
    """Round off the corners of a closed line (Chaikin's cutting)."""
    line = np.asarray(corners, np.float64)
    for _ in range(times):
        following = np.roll(line, -1, axis=0)
        line = np.stack([0.75 * line + 0.25 * following, 0.25 * line + 0.75 * following], axis=1).reshape(-1, 2)
    return line


def _pieces(covering: Covering, uv: Doubles, under: Doubles) -> list[Doubles]:
    """Outlines in the canonical face's texture."""
    right = uv[list(covering.outline)]
    left = right[::-1] * (-1, 1) + (1, 0)
    if not covering.whole:
        return [right, left]
    last = covering.outline[-1]
    first = JAW.index(last)  # the cloth leaves the face at this vertex of the jaw
    below = under[first : len(JAW) - first]
    middle = right[:1]  # of the upper edge, once
    return [np.concatenate([middle, right[1:], below, left[:-1]])]


def _fixed(line: Doubles) -> NDArray[np.int32]:
    return np.asarray(np.rint(line * 16), np.int32).reshape(-1, 1, 2)


def _plain(_draw: np.random.Generator) -> Floats:
    return np.zeros((SIDE, SIDE), np.float32)


def _stripes(draw: np.random.Generator) -> Floats:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    turn, width = draw.uniform(0, np.pi), draw.uniform(12, 30)
    wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * (2 * np.pi / width))
    return np.asarray(np.clip(4 * wave, -1, 1) * draw.uniform(18, 50), np.float32)


def _dots(draw: np.random.Generator) -> Floats:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    pitch = draw.uniform(22, 40)
    near = np.hypot((x + (y // pitch % 2) * pitch / 2) % pitch - pitch / 2, y % pitch - pitch / 2)
    return np.asarray(np.clip(pitch / 5 - near, 0, 1) * draw.uniform(60, 150), np.float32)


_PRINTS: Mapping[str, Any] = MappingProxyType({"plain": _plain, "stripes": _stripes, "dots": _dots})
