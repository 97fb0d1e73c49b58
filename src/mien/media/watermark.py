"""The invisible mark: a faint pattern in the pixels of synthetic pictures that says so after the metadata is gone.

Spread spectrum (I. J. Cox, J. Kilian, F. T. Leighton and T. Shamoon, *Secure spread spectrum watermarking for
multimedia*, 1997): one small tile, made of a band of spatial frequencies that survive compression and halving,
repeats over the picture. Part of its frequencies have known phases, and show where the tile begins; the others carry
128 signs, a word of the Reed-Muller code RM(1, 7), which says the IPTC source type. The tile says what a picture is,
never who made it: no key, no person and no serial number is in it.

It is read from the phases alone. Those of an unmarked picture are as good as even and independent, so the chance that
one passes for a marked picture is that of a sum of many cosines, whatever it shows. `mien.media.watermark_reading`
looks for it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import Image

__all__ = ["CODES", "SMALLEST", "TILE", "Lines", "embed", "lines", "word"]

#: Source types that the mark tells apart, each at its code: a place in this list never changes.
CODES: Final = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "compositeSynthetic",
    "algorithmicMedia",
    "dataDrivenMedia",
    "virtualRecording",
)
SMALLEST: Final = 256  # pixels of the shorter side below which the mark may not outlive much
TILE: Final = 128  # pixels of the tile's side
BITS: Final = 128
HIGHEST: Final = 22  # periods in a tile: 5.8 px each, so that half the size keeps them
_LOWEST: Final = 8  # 16 px: what is slower is seen sooner, and pictures have most of their own there
_SEED: Final = 20261120
# Grey levels, root mean square: with the rounding of pixels it makes a PSNR of 45.3 dB.
_STRENGTH: Final = 1.34
_TEXTURE: Final = 0.03  # how much stronger it is for each grey level of the deviation around a pixel
_STRONGEST: Final = 2.5
_FLAT: Final = 0.6  # how strong it is where a drawn picture is of one colour, on which any grain is seen
_GRAIN: Final = 1.5  # grey levels of deviation that photos have even where they show nothing
_STRIP: Final = 8  # rows of the gain that are worked on at once, of 8 pixels each
_VERSION: Final = 1  # of the layout: other versions have other words

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lines:
    """The frequencies of the tile.

    Attributes
    ----------
    x, y : (N,) integers
        Periods in a tile's width and height: half of the plane, since pixels are real numbers.
    phase : (N,) float64
        Radians, without the signs.
    known : (K,) integers
        Those that never change.
    signed : (128, M) integers
        Those that carry each sign.
    """

    x: NDArray[np.intp]
    y: NDArray[np.intp]
    phase: NDArray[np.float64]
    known: NDArray[np.intp]
    signed: NDArray[np.intp]


@functools.cache
def lines() -> Lines:
    """The frequencies of the tile: the same in every process and release."""
    x, y = np.meshgrid(np.arange(-HIGHEST, HIGHEST + 1), np.arange(HIGHEST + 1))
    radius = np.hypot(x, y)
    ring = (radius >= _LOWEST) & (radius <= HIGHEST) & ((y > 0) | (x > 0))
    x, y = x[ring], y[ring]
    # NumPy promises that a bit generator's stream stays; of the methods of `Generator` it does not, so none is used.
    raw = np.random.PCG64(_SEED).random_raw(2 * len(x)).reshape(2, -1)
    order = np.argsort(raw[0])
    signed = order[: 3 * BITS].reshape(BITS, 3)
    return Lines(x, y, raw[1] / 2.0**64 * 2 * np.pi, order[3 * BITS :], signed)


def word(code: int) -> NDArray[np.int8]:
    """The 128 signs of a source type: words of two types differ in half of them.

    Parameters
    ----------
    code : int
        Its place in `CODES`.
    """
    rows = np.arange(BITS)
    row = 16 * _VERSION + code + 1
    odd = np.array([bin(place & row).count("1") & 1 for place in rows], np.int8)
    return 1 - 2 * odd


@functools.cache
def _tile(code: int) -> Floats:
    """The tile of a source type, (128, 128), of mean 0 and deviation 1."""
    them = lines()
    sign = np.ones(len(them.x))
    sign[them.signed] = word(code)[:, None]
    spectrum = np.zeros((TILE, TILE), np.complex128)
    spectrum[them.y, them.x % TILE] = sign * np.exp(1j * them.phase)
    tile = np.real(np.fft.ifft2(spectrum))
    return np.asarray(tile / tile.std(), np.float32)


@functools.lru_cache(maxsize=2)
def _cover(code: int, height: int, width: int) -> Floats:
    """Tiles over a picture of a size: frames of a video share it."""
    rows, columns = -(-height // TILE), -(-width // TILE)
    return np.ascontiguousarray(np.tile(_tile(code), (rows, columns))[:height, :width])


def embed(image: Image, source_type: str) -> Image:
    """The picture with the invisible mark of a synthetic source type.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8
        RGB or RGBA; alpha stays as it is.
    source_type : str
        One of `CODES`.

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8
        Another array; its PSNR to the picture is 45 dB or more.

    Raises
    ------
    UsageError
        If the mark has no word for the source type.
    ShapeMismatch
        If it is no such picture.

    Notes
    -----
    The pattern is the same in all three channels: compression keeps brightness best. It is a little stronger where the
    picture is textured, which hides it, and nearly even elsewhere: a pattern that spares flat parts looked no better on
    skin, and half as much of it was left after H.264 (measured: `benchmarks/watermark.py`).
    """
    import cv2

    if source_type not in CODES:
        raise UsageError(f"the invisible mark has no word for {source_type!r}; it has {', '.join(CODES)}.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
        raise ShapeMismatch(
            f"a picture to mark is uint8 of shape (H, W, 3) or (H, W, 4), not {image.dtype} {image.shape}."
        )
    height, width = image.shape[:2]
    color = np.ascontiguousarray(image[..., :3])
    gain, cover = _gain(color), _cover(CODES.index(source_type), height, width)
    marked = np.empty_like(color)
    edges = [round(row * height / len(gain)) for row in range(len(gain) + 1)]
    for row in range(0, len(gain), _STRIP):  # what lies between fits into the processor's cache: half the time
        part = slice(edges[row], edges[min(row + _STRIP, len(gain))])
        size = (width, part.stop - part.start)
        strength = cv2.resize(gain[row : row + _STRIP], size, interpolation=cv2.INTER_LINEAR)
        pattern = cv2.multiply(strength, cover[part], dtype=cv2.CV_16S)  # rounded
        cv2.add(color[part], cv2.merge([pattern] * 3), marked[part], dtype=cv2.CV_8U)
    return marked if image.shape[2] == 3 else np.dstack([marked, image[..., 3]])


def _gain(color: Image) -> Floats:
    """How strong the pattern is, for each 8x8 pixels, of which every fourth is looked at."""
    import cv2

    height, width = color.shape[:2]
    half, small = (-(-width // 2), -(-height // 2)), (max(1, width // 8), max(1, height // 8))
    grey = cv2.cvtColor(cv2.resize(color, half, interpolation=cv2.INTER_NEAREST), cv2.COLOR_RGB2GRAY)
    mean = cv2.resize(grey, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    square: Any = cv2.multiply(grey, grey, dtype=cv2.CV_16U)
    power = cv2.resize(square, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    spread = cv2.blur(np.sqrt(np.maximum(power - mean * mean, 0)), (3, 3))
    gain = np.minimum(1 + _TEXTURE * spread, _STRONGEST) * np.minimum(_FLAT + (1 - _FLAT) * spread / _GRAIN, 1)
    return np.asarray(gain * (_STRENGTH / max(1.0, float(np.sqrt(np.mean(np.square(gain)))))), np.float32)
