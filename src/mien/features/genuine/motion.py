"""Whether what turned before the camera had depth: a head has, a print or a still on a screen has none.

All pictures of a plane, however it is turned, are homographies of each other (Hartley & Zisserman, *Multiple view
geometry*, 2004, ch. 13); those of a head are not, since its nose moves farther than its cheeks. So points of the face
are followed through the picture itself (not those of the mesh, which sees depth in flat photos too). Where a face is
no longer the same up to size and turn in the picture, the question is how much of that change a plane explains. The
idea is that of De Marsico, Nappi, Riccio & Dugelay, *Moving face spoofing detection via 3D projective invariants*,
2012.

A video on a screen moves as the head in it did, and is not told from a head. Neither is a bent print flat.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image

__all__ = ["DEEP", "FLAT", "Depth", "DepthMeter", "change", "relief"]

Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
Grey: TypeAlias = NDArray[np.uint8]

FLAT: Final = 0.3  # relief below which what turned is called flat ...
DEEP: Final = 0.45  # ... and above which it is not; rendered and real clips: `benchmarks/liveness.py`

SIDE: Final = 200.0  # pixels of a face's width as it is followed
CHANGE: Final = 0.009  # of a face's width, by which points leave their places relative to each other, at the least
POINTS: Final = 24  # followed, at the least
MEASURES: Final = 3  # frames that changed so much, at the least
KEPT: Final = 0.75  # of the points: the others may have slipped
NEAR: Final = 0.03  # of a face's width: a point of the surroundings that is so near to where the face's plane takes it
_WINDOW: Final = (15, 15)
_BACK: Final = 0.5  # pixels: a point that does not come back to within this when followed back is lost


@dataclass(frozen=True)
class Depth:
    """What the motion of a face tells.

    Attributes
    ----------
    relief : float or None
        Of the face's change, beyond its size, place and turn in the picture, the part that no plane explains: about
        0.1 for a flat picture, 0.5 and more for a head. None where the face changed too little.
    change : float
        The largest change, in parts of the face's width.
    together : float or None
        Share of the surroundings that move with the face as one plane: 1 within a print that is moved, about 0 for a
        head before a wall. A camera that moves takes both along: it proves nothing.
    measures : int
        Frames that `relief` is the median of.
    reason : str or None
        Why there is none.
    """

    relief: float | None
    change: float
    together: float | None
    measures: int
    reason: str | None = None

    @property
    def flat(self) -> bool | None:
        """Whether it was flat; None where that is not known."""
        if self.relief is None or FLAT <= self.relief <= DEEP:
            return None
        return self.relief < FLAT

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "flat": self.flat}


def change(before: Doubles, after: Doubles) -> float:
    """By how much points left their places relative to each other: what the best similarity leaves over, in pixels.

    Parameters
    ----------
    before, after : (P, 2) float64
        The same points in two frames.
    """
    # Points as complex numbers: a similarity is a product.
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (before, after))
    z, w = z - z.mean(), w - w.mean()
    size = float(np.square(np.abs(z)).sum())
    return _typical(np.square(np.abs(w - (z.conj() * w).sum() / size * z))) if size > 0 else 0.0


def relief(before: Doubles, after: Doubles) -> tuple[float, Doubles]:
    """How much of a change of points no plane explains.

    Parameters
    ----------
    before, after : (P, 2) float64
        The same points in two frames, P of 8 or more, that have left their places relative to each other.

    Returns
    -------
    part : float
        What the best homography leaves over, divided by what the best similarity does; NaN where there is none.
    plane : (3, 3) float64
        The homography.
    """
    import cv2

    whole = change(before, after)
    found, _ = cv2.findHomography(before, after, cv2.LMEDS)
    if found is None or not whole > 0:
        return float("nan"), np.full((3, 3), np.nan)
    plane = np.asarray(found, np.float64)
    return _typical(np.square(_taken(plane, before) - after).sum(axis=1)) / whole, plane


def _typical(squares: Doubles) -> float:
    """Root of the mean of the smallest squares."""
    return float(np.sqrt(np.mean(np.sort(squares)[: max(int(len(squares) * KEPT), 1)])))


def _taken(plane: Doubles, points: Doubles) -> Doubles:
    """Where a homography takes points (P, 2)."""
    there = np.column_stack([points, np.ones(len(points))]) @ plane.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(there[:, :2] / there[:, 2:])


class DepthMeter:
    """Follows the face of one person through a clip, frame after frame.

    Parameters
    ----------
    span : float
        Seconds after which points are chosen anew.
    """

    def __init__(self, span: float = 2.0) -> None:
        self._span = span
        self._last: Grey | None = None
        self._origin = np.zeros(2)
        self._scale, self._reach, self._start = 1.0, 1, 0.0
        self._first = self._now = np.zeros((0, 2), np.float32)
        self._inner = np.zeros(0, bool)  # which points are the face's
        self._largest = 0.0
        self._found: list[tuple[float, float]] = []

    def update(self, time: float, image: Image, box: NDArray[Any] | None) -> None:
        """Take the next frame.

        Parameters
        ----------
        time : float
            Seconds.
        image : (H, W, 3) uint8
        box : (4,) array or None
            The face, xyxy in pixels; None: it is not there.
        """
        if box is None:
            self._last = None
            return
        if self._last is not None:
            grey = self._grey(image)
            self._follow(self._last, grey)
            self._last = grey
            self._measure()
        if self._last is None or self._inner.sum() < POINTS or time - self._start > self._span:
            self._begin(time, image, np.asarray(box, np.float64))

    def finish(self) -> Depth:
        """What was seen."""
        count = len(self._found)
        if count < MEASURES:
            why = f"the face changed by {self._largest:.1%} of its width, and {CHANGE:.1%} is needed: it did not turn"
            if self._largest >= CHANGE:
                why = f"the face could be followed in {count} frames while it turned, and {MEASURES} are needed"
            return Depth(None, round(self._largest, 5), None, count, why)
        part, together = np.median(np.array(self._found), axis=0).tolist()
        return Depth(round(part, 4), round(self._largest, 5), None if np.isnan(together) else round(together, 4), count)

    def _measure(self) -> None:
        if self._inner.sum() < POINTS:
            return
        before, after = self._first.astype(np.float64), self._now.astype(np.float64)
        changed = change(before[self._inner], after[self._inner]) / SIDE
        self._largest = max(self._largest, changed)
        if changed < CHANGE:
            return
        part, plane = relief(before[self._inner], after[self._inner])
        if np.isnan(part):
            return
        around = ~self._inner
        with np.errstate(invalid="ignore"):
            near = np.linalg.norm(_taken(plane, before[around]) - after[around], axis=1) < NEAR * SIDE
        self._found.append((part, float(near.mean()) if len(near) >= POINTS else float("nan")))

    def _begin(self, time: float, image: Image, box: Doubles) -> None:
        """Choose points in this frame: of the face's inner part, and of its surroundings."""
        import cv2

        self._start, self._scale = time, SIDE / max(float(box[2] - box[0]), 1.0)
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
        self._origin = middle - 2 * half.max()
        self._reach = int(4 * half.max() * self._scale)
        self._last = grey = self._grey(image)
        at, axes = (middle - self._origin) * self._scale, half * self._scale
        inner, outer = (_ellipse(grey.shape, at, axes * part) for part in ((0.78, 0.72), (1.35, 1.45)))
        chosen = []
        for mask in (inner, 255 - outer):  # hair and ears lie between: neither skin nor room
            corners = cv2.goodFeaturesToTrack(grey, 150, 0.005, SIDE * 0.03, mask=np.asarray(mask, np.uint8))
            chosen.append(np.zeros((0, 2), np.float32) if corners is None else np.asarray(corners).reshape(-1, 2))
        self._first = self._now = np.concatenate(chosen).astype(np.float32)
        self._inner = np.arange(len(self._first)) < len(chosen[0])

    def _grey(self, image: Image) -> Grey:
        """The part of a frame around where the face was chosen, in the scale of its points."""
        import cv2

        m = np.column_stack([np.eye(2) * self._scale, -self._origin * self._scale])
        size = self._reach, self._reach
        part = cv2.warpAffine(image, m, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8)

    def _follow(self, last: Grey, grey: Grey) -> None:
        """Follow the points to the next frame, and back; those that do not come back are lost."""
        if len(self._now):
            there, found = _flow(last, grey, self._now)
            back, again = _flow(grey, last, there)
            good = found & again & (np.linalg.norm(back - self._now, axis=1) < _BACK)
            self._first, self._now, self._inner = self._first[good], there[good], self._inner[good]


def _flow(one: Grey, other: Grey, points: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Where points (P, 2) of one picture are in the other, and which were found (Lucas & Kanade, 1981)."""
    import cv2

    start = points.copy()
    there, found, _ = cv2.calcOpticalFlowPyrLK(one, other, points, start, winSize=_WINDOW, maxLevel=3)
    return np.asarray(there, np.float32), np.asarray(found)[:, 0] > 0


def _ellipse(shape: tuple[int, ...], at: Doubles, axes: Doubles) -> Grey:
    import cv2

    mask = np.zeros(shape, np.uint8)
    x, y, across, down = (int(value) for value in (*at, *axes))
    cv2.ellipse(mask, (x, y), (across, down), 0, 0, 360, 255, -1)
    return mask
