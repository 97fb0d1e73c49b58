"""Looks for the invisible mark in pictures that were cut, scaled, mirrored, turned, compressed or filmed from a screen.

Scaling moves the mark's frequencies and cutting turns their phases, both in known ways. One Fourier transform of the
picture's middle, read at the places where each scale would have put them, finds the scale; the correlation of the
known phases, itself a Fourier transform, finds where the tile begins; then the signs are read.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.media.watermark import CODES, HIGHEST, SMALLEST, TILE, lines, word

__all__ = ["InvisibleMark", "find_mark", "find_mark_in_frames"]

#: A picture has a mark where the chance that an unmarked one shows as much is below this.
LIMIT: Final = 1e-8
_LEAST: Final = 1e-30  # chances below are of no one's world
_SCALES: Final = (0.42, 2.4)  # sizes of the picture, to that which was marked, that are looked for
_STEP: Final = 0.6  # scales lie so close that no line is off by more than this, of the transform's resolution
_MIDDLES: Final = (512, 1024)  # pixels of a side that are looked at, until the mark is found
_TRIES: Final = 2  # scales that are looked at in detail
_SHIFTS: Final = 64  # places of the tile along each side that are tried at first
_CLIP: Final = 2.5  # deviations of a pixel from those around it: what sticks out more is the picture's own
_GROUND: Final = 3.0  # grey levels of deviation that count as flat
_MINIMUM: Final = 32  # pixels of a side of which nothing is read

Floats = NDArray[np.float32]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True)
class InvisibleMark:
    """What the pixels say.

    Parameters
    ----------
    source_type : str, optional
        IPTC code that the mark says; None where no mark was found.
    chance : float
        That an unmarked picture shows as much as this one: below 1e-8 where a mark was found.
    scale : float, optional
        Size of the picture, to that which was marked.
    errors : float, optional
        Part of the 128 signs that was read wrong, and corrected.
    reason : str, optional
        Why none was found.
    """

    source_type: str | None = None
    chance: float = 1.0
    scale: float | None = None
    errors: float | None = None
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.source_type is not None


def find_mark(image: Image) -> InvisibleMark:
    """Look for the invisible mark in a picture: up to a second on one core where there is none.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB. At 0.42 to 2.4 times the size that was marked, cut out, mirrored or turned by right angles as may be.
    """
    return find_mark_in_frames([image])


def find_mark_in_frames(frames: Iterable[Image]) -> InvisibleMark:
    """Look for the mark in frames of one size: it is at one place in all, and what moves evens out.

    Parameters
    ----------
    frames : iterable of (H, W, 3) uint8
        RGB; a dozen serves.
    """
    stack = _Stack(frames)
    if not stack or min(stack.size) < _MINIMUM:
        return InvisibleMark(reason=f"no mark is read of less than {_MINIMUM} pixels.")
    for found in _readings(stack):
        if found.chance < LIMIT:
            return found
    if min(stack.size) < SMALLEST:
        return InvisibleMark(reason=f"no invisible mark was found; below {SMALLEST} pixels one may be lost.")
    return InvisibleMark(reason="no invisible mark was found.")


def _readings(stack: _Stack) -> Iterator[InvisibleMark]:
    """What is read at one scale after the other, the likeliest first."""
    side = min(max(stack.size), _MIDDLES[-1])
    yield _read(_exact(stack.flat(1.0, side), 1.0), 1.0, tries=1)
    for middle in _MIDDLES:
        if middle > _MIDDLES[0] and max(stack.size) <= _MIDDLES[0]:
            return  # it was all looked at
        for scale in _likely(stack, middle):
            yield _finest(stack, scale, middle)


class _Stack:
    """Frames as one: each pixel to those around it, summed."""

    def __init__(self, frames: Iterable[Image]) -> None:
        import cv2

        self._greys: list[Floats] = []
        self.size = (0, 0)
        for frame in frames:
            self.size = (frame.shape[1], frame.shape[0])
            middle = np.ascontiguousarray(_middle(frame, _MIDDLES[-1]))
            self._greys.append(cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY).astype(np.float32))
        self._made: dict[tuple[float, int], Floats] = {}

    def __bool__(self) -> bool:
        return bool(self._greys)

    def flat(self, scale: float, side: int) -> Floats:
        """The middle of the frames, without what is larger than the mark at a scale."""
        reach = next(reach for bound, reach in ((0.7, 4), (1.4, 6), (math.inf, 10)) if scale < bound)
        if (reach, side) not in self._made:
            self._made[reach, side] = np.sum([_flatten(_middle(grey, side), reach) for grey in self._greys], axis=0)
        return self._made[reach, side]


def _middle(grey: NDArray[Any], side: int) -> NDArray[Any]:
    height, width = grey.shape[:2]
    top, left = max(0, height - side) // 2, max(0, width - side) // 2
    return grey[top : top + side, left : left + side]


def _flatten(grey: Floats, reach: int) -> Floats:
    """Each pixel's deviation from those around it, in units of theirs."""
    import cv2

    size = (2 * reach + 1, 2 * reach + 1)
    high = grey - cv2.blur(cv2.blur(grey, size), size)
    spread = np.sqrt(np.maximum(cv2.blur(cv2.blur(high * high, size), size), 0))  # sums round to below 0
    return np.clip(high / (spread + _GROUND), -_CLIP, _CLIP)


# --- scale ------------------------------------------------------------------------------------------------------------


def _likely(stack: _Stack, middle: int) -> list[float]:
    """Scales at which the known phases agree best with some place of the tile."""
    scored: list[tuple[float, float]] = []
    low, high = _SCALES
    step = _STEP / (HIGHEST / TILE * min(middle, max(stack.size)))
    count = math.ceil(math.log(high / low) / step)
    spectra: dict[int, Complexes] = {}
    for scale in low * (high / low) ** (np.arange(count + 1) / count):
        flat = stack.flat(float(scale), middle)
        if id(flat) not in spectra:
            spectra[id(flat)] = _transform(flat)
        scored.append((_place(_look_up(spectra[id(flat)], float(scale)))[0], float(scale)))
    return [scale for _, scale in sorted(scored, reverse=True)[:_TRIES]]


def _transform(flat: Floats) -> Complexes:
    """Fourier transform at twice the resolution, with the origin in the middle: phases then turn slowly."""
    import scipy.fft

    height, width = flat.shape
    size = scipy.fft.next_fast_len(2 * max(height, width))
    padded = np.zeros((size, size), np.float32)
    padded[:height, :width] = flat
    rolled = np.roll(padded, (-(height // 2), -(width // 2)), (0, 1))
    return np.asarray(scipy.fft.rfft2(rolled, axes=(1, 0)))  # no frequency of the mark is below 0 in y


def _look_up(spectrum: Complexes, scale: float) -> Complexes:
    """The transform at the mark's frequencies."""
    them, size = lines(), spectrum.shape[1]
    y, x = (np.rint(side * (size / (TILE * scale))).astype(int) for side in (them.y, them.x))
    return np.asarray(spectrum[y, x % size])


def _finest(stack: _Stack, scale: float, middle: int) -> InvisibleMark:
    """What is read closely around a scale."""
    flat = stack.flat(scale, middle)
    step = _STEP / (HIGHEST / TILE * max(flat.shape)) / 2
    tries = len(_MIDDLES) * math.ceil(math.log(_SCALES[1] / _SCALES[0]) / step)
    found = [_read(_exact(flat, near), near, tries=tries) for near in scale * (1 + step * np.arange(-1, 2))]
    return min(found, key=lambda mark: mark.chance)


def _exact(flat: Floats, scale: float) -> Complexes:
    """The Fourier transform at the mark's frequencies, computed there; the origin in the middle."""
    them = lines()
    height, width = flat.shape
    turn = -2j * np.pi / (TILE * scale)
    x = np.exp(turn * np.outer(np.arange(width) - width // 2, np.arange(-HIGHEST, HIGHEST + 1)))
    y = np.exp(turn * np.outer(np.arange(HIGHEST + 1), np.arange(height) - height // 2))
    half = flat @ np.hstack([x.real, x.imag]).astype(np.float32)
    columns = half[:, : x.shape[1]] + 1j * half[:, x.shape[1] :]
    return np.asarray((y @ columns)[them.y, them.x + HIGHEST])


# --- place and words --------------------------------------------------------------------------------------------------


@functools.cache
def _views() -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each frequency is found in a picture turned and mirrored in the 8 ways, and whether as its conjugate."""
    them = lines()
    places = {(int(x), int(y)): row for row, (x, y) in enumerate(zip(them.x, them.y, strict=True))}
    rows, mirrored = [], []
    for a, b, c, d in ((1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
                       (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0)):  # fmt: skip
        pairs = [(int(a * x + b * y), int(c * x + d * y)) for x, y in zip(them.x, them.y, strict=True)]
        mirrored.append([pair not in places for pair in pairs])
        rows.append([places[pair] if pair in places else places[-pair[0], -pair[1]] for pair in pairs])
    return np.array(rows, np.intp), np.array(mirrored)


def _phases(values: Complexes) -> Complexes:
    """Phases of the frequencies, without those of the tile: (8, N), one row for each way to turn the picture."""
    rows, mirrored = _views()
    unit = values / np.maximum(np.abs(values), 1e-12)
    turned = unit[rows]
    return np.asarray(np.where(mirrored, turned.conj(), turned) * np.exp(-1j * lines().phase))


def _place(values: Complexes) -> tuple[float, Complexes, tuple[float, float]]:
    """How well the known phases agree, in deviations of chance; the phases turned so; and the tile's place."""
    import scipy.fft

    them, phases = lines(), _phases(values)
    grid = np.zeros((len(phases), _SHIFTS, _SHIFTS), np.complex64)
    grid[:, them.y[them.known] % _SHIFTS, them.x[them.known] % _SHIFTS] = phases[:, them.known]
    # The tile begins where all waves agree: the inverse transform is their sum at each place.
    sums = np.real(scipy.fft.ifft2(grid, norm="forward"))
    way, row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
    best = float(sums[way, row, column])
    place = (float(column) * TILE / _SHIFTS, float(row) * TILE / _SHIFTS)
    return best / math.sqrt(len(them.known) / 2), phases[way], place


def _read(values: Complexes, scale: float, *, tries: int) -> InvisibleMark:
    """The word at one scale, and the chance that it is none."""
    them = lines()
    _, phases, (left, top) = _place(values)
    turn, off = 2j * np.pi / TILE, np.arange(-1.5, 1.6, 0.5)
    x = np.exp(turn * np.outer(left + off, them.x))
    y = np.exp(turn * np.outer(top + off, them.y))
    agreement = np.real((y[:, None] * x)[..., them.known] @ phases[them.known])
    row, column = np.unravel_index(int(np.argmax(agreement)), agreement.shape)
    signs = np.real(phases * y[row] * x[column])[them.signed].sum(axis=1)
    words = np.array([word(code) for code in range(len(CODES))])
    sums = words @ signs
    code = int(np.argmax(sums))
    place = float(agreement.max()) / math.sqrt(len(them.known) / 2)
    chance = max(
        _LEAST,
        _tail(place, tries * 8 * TILE**2) * _tail(float(sums[code]) / math.sqrt(them.signed.size / 2), len(CODES)),
    )
    if chance >= LIMIT:
        return InvisibleMark(chance=chance)
    errors = float(np.mean(np.sign(signs) != words[code]))
    return InvisibleMark(CODES[code], chance, round(scale, 3), round(errors, 3))


def _tail(deviations: float, tries: int) -> float:
    """Chance that the best of some sums of cosines of even phases lies so high (W. Hoeffding, 1963, as a bound)."""
    tail: Any = 0.5 * math.erfc(deviations / math.sqrt(2))
    return min(1.0, tries * float(tail))
