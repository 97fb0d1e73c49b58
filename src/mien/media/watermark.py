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
_LIFTS: Final = 2  # patterns, at most, that are taken out of a picture that was marked before
_LIFTED: Final = 0.2  # grey levels of one that is taken out
_CHANCE: Final = 0.6  # grey levels that one tile of a picture without may show
_HIGH: Final = 8  # grey levels of a pixel from those around it: what sticks out more is the picture's own
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


@functools.lru_cache(maxsize=8)
def _band(code: int, width: int) -> Floats:
    """Two rows of tiles over a picture's width: frames of a video share them, and the processor's cache holds them."""
    return np.ascontiguousarray(np.tile(_tile(code), (2, -(-width // TILE)))[:, :width])


@functools.cache
def _half_tiles() -> Floats:
    """The tiles of all source types at half the size, which still has all of their frequencies: (6, 64 * 64)."""
    return np.stack([_tile(code)[::2, ::2].ravel() for code in range(len(CODES))])


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
        Another array; its PSNR to the picture is 45 dB or more. A mark that the picture has at this place and size,
        such as that of an edit of which this is another, gives way to the new one.

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
    if source_type not in CODES:
        raise UsageError(f"the invisible mark has no word for {source_type!r}; it has {', '.join(CODES)}.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
        raise ShapeMismatch(
            f"a picture to mark is uint8 of shape (H, W, 3) or (H, W, 4), not {image.dtype} {image.shape}."
        )
    color, grey = _lifted(np.ascontiguousarray(image[..., :3]))
    marked = _added(color, CODES.index(source_type), _gain(grey, color.shape[:2]))
    return marked if image.shape[2] == 3 else np.dstack([marked, image[..., 3]])


def _added(color: Image, code: int, gain: Floats) -> Image:
    """The picture with the pattern of a source type, as strong as a map says, one value for about 8x8 pixels."""
    import cv2

    height, width = color.shape[:2]
    marked, band = np.empty_like(color), _band(code, width)
    edges = [round(row * height / len(gain)) for row in range(len(gain) + 1)]
    for row in range(0, len(gain), _STRIP):  # what lies between fits into the processor's cache: half the time
        part = slice(edges[row], edges[min(row + _STRIP, len(gain))])
        rows = part.stop - part.start
        strength = cv2.resize(gain[row : row + _STRIP], (width, rows), interpolation=cv2.INTER_LINEAR)
        cover = band[part.start % TILE :][:rows]
        # What is added and what is taken away, each rounded and 0 where it is the other: 8 bits are done soonest.
        more = cv2.multiply(strength, cover, dtype=cv2.CV_8U)
        less = cv2.multiply(strength, cover, scale=-1, dtype=cv2.CV_8U)
        cv2.add(color[part], cv2.merge([more] * 3), marked[part])
        cv2.subtract(marked[part], cv2.merge([less] * 3), marked[part])
    return marked


def _gain(grey: Image, size: tuple[int, ...]) -> Floats:
    """How strong the pattern is, for each 8x8 pixels of a picture of some size, of which every fourth is looked at."""
    import cv2

    mean = cv2.resize(grey, _cells(size), interpolation=cv2.INTER_AREA).astype(np.float32)
    square: Any = cv2.multiply(grey, grey, dtype=cv2.CV_16U)
    power = cv2.resize(square, _cells(size), interpolation=cv2.INTER_AREA).astype(np.float32)
    spread = cv2.blur(np.sqrt(np.maximum(power - mean * mean, 0)), (3, 3))
    gain = np.minimum(1 + _TEXTURE * spread, _STRONGEST) * np.minimum(_FLAT + (1 - _FLAT) * spread / _GRAIN, 1)
    return np.asarray(gain * (_STRENGTH / max(1.0, float(np.sqrt(np.mean(np.square(gain)))))), np.float32)


def _cells(size: tuple[int, ...]) -> tuple[int, int]:
    return max(1, size[1] // 8), max(1, size[0] // 8)


# --- pictures that have a mark already --------------------------------------------------------------------------------


def _lifted(color: Image) -> tuple[Image, Image]:
    """The picture without the mark that it has at the same place and size, and every fourth of its pixels, grey.

    Else each edit of an edit would add a pattern to that of the one before: five are seen, and of two words neither
    would be read for sure.
    """
    import cv2

    grey = _quarter(color)
    for _ in range(_LIFTS):
        high: Any = cv2.subtract(grey, cv2.blur(grey, (9, 9)), dtype=cv2.CV_16S)
        high = np.clip(high, -_HIGH, _HIGH)
        code = _seen(high)
        if code is None:
            break
        (rows, columns), side = high.shape, TILE // 2
        tile = _half_tiles()[code].reshape(side, side)
        cover = np.tile(tile, (-(-rows // side), -(-columns // side)))[:rows, :columns]
        # In parts, since some of it may have been painted over.
        parts = max(1, 2 * columns // side), max(1, 2 * rows // side)
        strength: Any = cv2.blur(cv2.resize(high * cover, parts, interpolation=cv2.INTER_AREA), (3, 3))
        strength = np.where(strength < _LIFTED, 0, strength).astype(np.float32)
        color = _added(color, code, -cv2.resize(strength, _cells(color.shape), interpolation=cv2.INTER_LINEAR))
        grey = _quarter(color)
    return color, grey


def _quarter(color: Image) -> Image:
    import cv2

    size = -(-color.shape[1] // 2), -(-color.shape[0] // 2)
    half = cv2.resize(color, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(half, cv2.COLOR_RGB2GRAY), np.uint8)


def _seen(high: NDArray[np.int16]) -> int | None:
    """The source type whose tile a picture of half the size has, by all whole tiles laid upon each other; or None."""
    side = TILE // 2
    rows, columns = high.shape[0] // side, high.shape[1] // side
    if not rows or not columns:
        return None
    tiles = high[: rows * side, : columns * side].reshape(rows, side, columns, side)
    mean = tiles.sum(axis=(0, 2), dtype=np.int32).astype(np.float32) / (rows * columns)
    levels = _half_tiles() @ mean.ravel() / side**2
    code = int(np.argmax(levels))
    return code if levels[code] > max(_LIFTED, _CHANCE / np.sqrt(rows * columns)) else None
