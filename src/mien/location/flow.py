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
_WINDOW: Final = (11, 11)  # pixels around each point that are compared
_BACK: Final = 0.05  # of the face's size: a point that does not come back to within this when followed back is lost
_THUMB: Final = (64, 36)

CUT: Final = 0.6
DOUBT: Final = 0.8


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
    places = [np.linspace(low + 0.2 * (high - low), high - 0.2 * (high - low), _GRID) for low, high in inside.T]
    start = np.stack(np.meshgrid(*places), axis=-1).reshape(-1, 2).astype(np.float32)
    seen = ((start >= 0) & (start < end - corner)).all(axis=1)
    start = start[seen]
    if len(start) < _GRID:
        return None
    shift = ((ahead[:2] + ahead[2:] - small[:2] - small[2:]) / 2).astype(np.float32)
    options: dict[str, Any] = {"winSize": _WINDOW, "maxLevel": 2, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
    there, found, _ = cv2.calcOpticalFlowPyrLK(one, other, start, start + shift, **options)
    back, again, _ = cv2.calcOpticalFlowPyrLK(other, one, there, there - shift, **options)
    error = np.linalg.norm(np.asarray(back) - start, axis=1)
    good = (found[:, 0] > 0) & (again[:, 0] > 0) & (error < max(_BACK * side, 0.5))
    if good.sum() < max(0.4 * len(start), _GRID):
        return None
    start, ended = start[good], np.asarray(there)[good]
    move = np.median(ended - start, axis=0)
    growth = _growth(start, ended)
    # Points that do not go along with the others: the box is on the edge of something, or on two things.
    middle = np.median(start, axis=0)
    off = np.linalg.norm(ended - (middle + move + growth * (start - middle)), axis=1)
    if np.median(off) > 0.1 * side or not 0.8 < growth < 1.25:
        return None
    numbers = numbers_of(box)
    # The median point moves by `move`; the centre of the box is elsewhere if points on one side were lost.
    centre = numbers[:2] * factor - corner
    numbers[:2] += (move + (growth - 1) * (centre - middle)) / factor
    numbers[2:] += np.log(growth)
    return numbers


def _growth(start: Floats, ended: Floats) -> float:
    """Median ratio of the distances between points after and before."""
    first, second = np.triu_indices(len(start), 1)
    before = np.linalg.norm(start[first] - start[second], axis=1)
    after = np.linalg.norm(ended[first] - ended[second], axis=1)
    far = before > np.median(before)  # near points tell little
    return float(np.median(after[far] / before[far])) if far.any() else 1.0


def clipped(numbers: NDArray[Any], size: tuple[int, int]) -> tuple[Floats, float]:
    """The part of a box inside the picture, (4,) xyxy, and how large a part that is, in [0, 1]."""
    box = box_of(numbers)
    inside = box.clip(0, np.tile(size, 2))
    area = float(np.prod(box[2:] - box[:2]))
    return inside.astype(np.float32), float(np.prod((inside[2:] - inside[:2]).clip(0))) / max(area, 1e-6)
