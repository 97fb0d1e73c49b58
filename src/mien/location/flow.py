"""What the pixels say from one frame to the next: where a face went, and whether the picture was cut."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.location.motion import box_of, numbers_of

__all__ = ["CUT", "DOUBT", "Sight", "alike", "clipped", "follow"]

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

_SIDE: Final = 32  # pixels, at the least, of a face where it is looked at; up to twice as many
_GRID: Final = 5  # points a side that are followed in each face
_POINTS: Final = np.stack(np.meshgrid(*[np.linspace(0.2, 0.8, _GRID)] * 2), axis=-1).reshape(-1, 2)  # ... in its sides
_WINDOW: Final = (11, 11)  # pixels around each point that are compared
_BACK: Final = 0.05  # of the face's size: a point that does not come back to within this when followed back is lost
_THUMB: Final = (64, 36)

CUT: Final = 0.6
DOUBT: Final = 0.7


class Sight:
    """A frame as it is compared with the next: grey, in halves of its size, each made when it is first asked for.

    Parameters
    ----------
    image : (H, W, 3) uint8
    """

    def __init__(self, image: Image) -> None:
        import cv2

        self.size = image.shape[1], image.shape[0]
        self._levels: list[Grey] = [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)]
        quarter = self.level(2)
        #: The frame in small, (36, 64) float32.
        self.thumb: Floats = np.asarray(cv2.resize(quarter, _THUMB, interpolation=cv2.INTER_AREA), np.float32)

    def level(self, index: int) -> Grey:
        """The frame at ``1 / 2**index`` of its size."""
        import cv2

        while len(self._levels) <= index:
            last = self._levels[-1]
            half = max(1, last.shape[1] // 2), max(1, last.shape[0] // 2)
            self._levels.append(np.asarray(cv2.resize(last, half, interpolation=cv2.INTER_AREA), np.uint8))
        return self._levels[index]


def alike(before: Sight, now: Sight) -> float:
    """How much two frames on end look like one shot, up to 1.

    The frames are compared in small. In one shot they correlate even where everything moves, fades or flashes (0.8 and
    more in a fast pan); across a cut they hardly do, and the greys differ too: below `CUT` it is one, and below `DOUBT`
    it may be, as between two pictures that a face fills.
    """
    one, other = before.thumb, now.thumb
    difference = float(np.abs(one - other).mean())
    if difference < 8.0:
        return 1.0
    a, b = one - one.mean(), other - other.mean()
    correlation = float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-6))
    return correlation - 0.2 * min((difference - 8.0) / 12.0, 1.0)


def follow(before: Sight, now: Sight, box: NDArray[Any], guess: NDArray[Any]) -> NDArray[np.float64] | None:
    """Where a face went, by the pixels inside its box.

    A grid of points is followed forth and back (Lucas & Kanade, 1981, in pyramids; Kalal et al., *Forward-backward
    error*, 2010). The medians of what comes back to where it started move and scale the box.

    Parameters
    ----------
    before, now : Sight
        Two frames of one size.
    box : (4,) array
        Where the face was, xyxy in pixels.
    guess : (4,) array
        Where it may be now: the search starts there.

    Returns
    -------
    (4,) float64 or None
        Centre and logarithms of the sides (`mien.location.motion.numbers_of`); None where too few points came back.
    """
    import cv2

    size = float(np.mean(np.asarray(box[2:], np.float64) - box[:2]))
    if before.size != now.size or size < 8:
        return None
    index = max(0, int(np.log2(size / _SIDE)))
    factor = 2.0**-index
    one, other = before.level(index), now.level(index)
    small, ahead = np.asarray(box, np.float64) * factor, np.asarray(guess, np.float64) * factor
    side = size * factor
    # Both frames are cut to where the face was and may be, with room around it.
    corner = np.floor(np.minimum(small[:2], ahead[:2]) - 0.6 * side).clip(0).astype(int)
    end = np.ceil(np.maximum(small[2:], ahead[2:]) + 0.6 * side).astype(int)
    end = np.minimum(end, one.shape[::-1])
    if (end - corner < 8).any() or (end - corner > 8 * side + 8).any():
        return None
    one = np.ascontiguousarray(one[corner[1] : end[1], corner[0] : end[0]])
    other = np.ascontiguousarray(other[corner[1] : end[1], corner[0] : end[0]])
    inside = small.reshape(2, 2) - corner
    start = (inside[0] + _POINTS * (inside[1] - inside[0])).astype(np.float32)
    seen = ((start >= 0) & (start < end - corner)).all(axis=1)
    start = start[seen]
    if len(start) < _GRID:
        return None
    shift = ((ahead[:2] + ahead[2:] - small[:2] - small[2:]) / 2).astype(np.float32)
    options: dict[str, Any] = {"winSize": _WINDOW, "maxLevel": 2, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
    there, found, _ = cv2.calcOpticalFlowPyrLK(one, other, start, start + shift, **options)
    back, again, _ = cv2.calcOpticalFlowPyrLK(other, one, there, there - shift, **options)
    error = np.square(np.asarray(back) - start).sum(axis=1)
    good = (found[:, 0] > 0) & (again[:, 0] > 0) & (error < max(_BACK * side, 0.5) ** 2)
    if good.sum() < max(0.4 * len(start), _GRID):
        return None
    start, ended = start[good], np.asarray(there)[good]
    move, middle = np.median(ended - start, axis=0), start.mean(axis=0)
    arms, others = start - middle, ended - (middle + move)
    lengths = np.sqrt((arms * arms).sum(axis=1))
    far = lengths > 0.15 * side  # near points tell little
    growth = float(np.median((arms * others).sum(axis=1)[far] / lengths[far] ** 2)) if far.any() else 1.0
    # Points that do not go along with the others: the box is on the edge of something, or on two things.
    off = others - growth * arms
    if np.median((off * off).sum(axis=1)) > (0.1 * side) ** 2 or not 0.8 < growth < 1.25:
        return None
    numbers = numbers_of(box)
    # The points' middle moves by `move`; the centre of the box is elsewhere if points on one side were lost.
    centre = numbers[:2] * factor - corner
    numbers[:2] += (move + (growth - 1) * (centre - middle)) / factor
    numbers[2:] += np.log(growth)
    return numbers


def clipped(numbers: NDArray[Any], size: tuple[int, int]) -> tuple[Floats, float]:
    """The part of a box inside the picture, (4,) xyxy, and how large a part that is, in [0, 1]."""
    x1, y1, x2, y2 = box_of(numbers).tolist()
    left, top, right, bottom = (min(max(edge, 0.0), size[i % 2]) for i, edge in enumerate((x1, y1, x2, y2)))
    part = (right - left) * (bottom - top) / max((x2 - x1) * (y2 - y1), 1e-6)
    return np.array([left, top, right, bottom], np.float32), part
