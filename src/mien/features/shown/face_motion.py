"""How the brows and the mouth of a followed face move on its skull, from frame to frame.

Points of the mesh are followed by the pixels (Lucas and Kanade, 1981), for the mesh itself is drawn too smoothly to
show a twitch. They lie in the four regions that HTNet looks at (Wang et al., *HTNet for micro-expression recognition*,
2024: each eye with its brow, each side of the mouth) and on what moves with the skull only, whose motion is taken out.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image

__all__ = ["REGIONS", "FaceMotion"]

Doubles = NDArray[np.float64]
Grey = NDArray[np.uint8]

#: The four regions; right and left are the subject's.
REGIONS: Final = ("right_brow", "left_brow", "right_mouth", "left_mouth")

# Points of the mesh that are followed in each region; then those that move with the skull only.
_RIGHT_BROW = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 69, 108, 104)
_LEFT_BROW = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285, 299, 337, 333)
_RIGHT_MOUTH = (61, 185, 40, 39, 146, 91, 181, 57, 186, 92, 43, 106, 216, 202, 212)
_LEFT_MOUTH = (291, 409, 270, 269, 375, 321, 405, 287, 410, 322, 273, 335, 436, 422, 432)
_SKULL = (
    168, 6, 197, 195, 5, 4, 122, 351, 196, 419, 3, 248, 51, 281, 45, 275, 174, 399, 188, 412, 133, 362, 114, 343,
    130, 359, 226, 446, 35, 265, 143, 372, 34, 264, 127, 356, 116, 345, 111, 340,
)  # fmt: skip
_PARTS = (_RIGHT_BROW, _LEFT_BROW, _RIGHT_MOUTH, _LEFT_MOUTH, _SKULL)
_POINTS = np.concatenate(_PARTS)
_ENDS = np.cumsum([len(part) for part in _PARTS])
_EYES = (33, 263)  # outer corners
_LIPS = (13, 14)

RENEW = 0.6  # seconds for which a frame is compared with
WINDOW = 0.22  # of the eyes' distance: side of the square around a point that is compared
ROOM = 1.2  # eyes' distances around the face that are kept of a frame
WIDE = 120.0  # pixels between the eyes from which frames are halved


@dataclass(eq=False)
class _Key:
    """A frame that the following ones are compared with."""

    time: float
    corner: NDArray[np.intp]  # of the part of the frame that is kept: x, y where it begins
    end: NDArray[np.intp]  # and ends
    grey: Grey
    halved: bool
    mesh: Doubles  # (P, 3), pixels of the whole picture
    offset: Doubles  # (4, 2): where the regions were, since the beginning


@dataclass(eq=False)
class FaceMotion:
    """Follows one face; `rows` is what was seen, see `push`."""

    rows: array[float] = field(default_factory=lambda: array("d"))
    _key: _Key | None = None

    WIDTH: ClassVar[int] = 2 + 2 * len(REGIONS) + 4

    def push(self, time: float, image: Image, mesh: NDArray[np.floating[Any]], eyes: tuple[float, float]) -> None:
        """Take the next frame.

        Adds a row: time; distance of the eyes in pixels; x and y of each region on the skull, in widths of the eyes; x
        and y of the head, in the same; how far the lips are apart; how far the eyes are open (the lesser one).

        Parameters
        ----------
        time : float
        image : (H, W, 3) uint8
        mesh : (478, 3) float
            In pixels; NaN where the face has none: then only time is added.
        eyes : (float, float)
            Probability that each eye is open.
        """
        row = np.full(self.WIDTH, np.nan)
        row[0] = time
        points = mesh[_POINTS].astype(np.float64)
        apart = float(np.linalg.norm(mesh[_EYES[1]].astype(np.float64) - mesh[_EYES[0]]))
        if np.isfinite(points).all() and apart > 1:
            row[1] = apart
            row[2:10] = self._follow(time, image, points, apart).ravel()
            row[10:12] = points[_ENDS[3] :, :2].mean(axis=0) / apart
            row[12] = np.linalg.norm(mesh[_LIPS[0]].astype(np.float64) - mesh[_LIPS[1]]) / apart
            row[13] = min(eyes)
        else:
            self._key = None
        self.rows.extend(row)

    def table(self) -> Doubles:
        """All rows, (T, WIDTH)."""
        return np.frombuffer(self.rows, np.float64).reshape(-1, self.WIDTH)

    def _follow(self, time: float, image: Image, points: Doubles, apart: float) -> Doubles:
        """Where the regions are on the skull, (4, 2) in widths of the eyes, from where they were at first."""
        key = self._key
        place = np.zeros((len(REGIONS), 2)) if key is None else key.offset
        if key is not None:
            grey = _grey(image, key.corner, key.end, halved=key.halved)
            if grey is not None:
                moved = _flow(key, grey, points, apart)
                place = key.offset + np.where(np.isnan(moved), 0, moved)
                if time - key.time < RENEW and not np.isnan(moved).any():
                    return place
        self._key = _key(time, image, points, apart, place)
        return place


def _key(time: float, image: Image, points: Doubles, apart: float, place: Doubles) -> _Key | None:
    low = np.floor(points[:, :2].min(axis=0) - ROOM * apart / 2).clip(0).astype(np.intp)
    high = np.ceil(points[:, :2].max(axis=0) + ROOM * apart / 2).astype(np.intp)
    high = np.minimum(high, image.shape[1::-1])
    if (high - low < 16).any():
        return None
    halved = apart > WIDE
    if halved:
        high -= (high - low) % 2
    grey = _grey(image, low, high, halved=halved)
    return None if grey is None else _Key(time, low, high, grey, halved, points, place)


def _grey(image: Image, corner: NDArray[np.intp], end: NDArray[np.intp], *, halved: bool) -> Grey | None:
    """A part of a frame in grey, of half its size where `halved`; None where the frame is not as large."""
    import cv2

    (x1, y1), (x2, y2) = corner.tolist(), end.tolist()
    if x2 > image.shape[1] or y2 > image.shape[0]:
        return None
    grey = cv2.cvtColor(image[y1:y2, x1:x2], cv2.COLOR_RGB2GRAY)
    if halved:
        grey = cv2.resize(grey, ((x2 - x1) // 2, (y2 - y1) // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _flow(key: _Key, grey: Grey, points: Doubles, apart: float) -> Doubles:
    """Motion of the regions on the skull since the key, (4, 2) in widths of the eyes; NaN where points were lost."""
    import cv2

    factor = 0.5 if key.halved else 1.0
    # Where pixels are averaged by pairs, the middle of the first one is half a pixel further.
    shift = 0.25 if key.halved else 0.0
    start = ((key.mesh[:, :2] - key.corner) * factor - shift).astype(np.float32)
    guess = ((points[:, :2] - key.corner) * factor - shift).astype(np.float32)
    side = max(round(WINDOW * apart * factor) | 1, 7)
    options: dict[str, Any] = {"winSize": (side, side), "maxLevel": 1, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
    there, found, _ = cv2.calcOpticalFlowPyrLK(key.grey, grey, start, guess.copy(), **options)
    motion = (np.asarray(there, np.float64) - start) / factor
    seen = np.asarray(found[:, 0] > 0)
    # A point that goes far from where the mesh says was lost.
    seen &= np.linalg.norm(there - guess, axis=1) < 0.15 * apart * factor
    result = np.full((len(REGIONS), 2), np.nan)
    skull = np.zeros(len(_POINTS), np.bool_)
    skull[_ENDS[3] :] = True
    if (seen & skull).sum() < len(_SKULL) // 2:
        return result
    rest = motion - _rigid(key.mesh, motion, seen & skull)
    for place in range(len(REGIONS)):
        part = slice(0 if place == 0 else _ENDS[place - 1], _ENDS[place])
        if seen[part].sum() >= len(_PARTS[place]) // 2:
            result[place] = np.median(rest[part][seen[part]], axis=0) / apart
    return result


def _rigid(mesh: Doubles, motion: Doubles, known: NDArray[np.bool_]) -> Doubles:
    """The head's part of the motion of all points (P, 2): linear in their three coordinates, as under a far camera.

    A turn, a shift and a change of size of a solid move its points' pictures by an affine map of their places in space.
    It is fitted to the points of the skull, reweighted by what is left (Geman and McClure, 1987).
    """
    middle = mesh[known].mean(axis=0)
    spread = float(np.abs(mesh[known] - middle).mean()) or 1.0
    terms = np.column_stack([(mesh - middle) / spread, np.ones(len(mesh))])
    weights = np.ones(int(known.sum()))
    here, moved = terms[known], motion[known]
    for _ in range(4):
        # A little ridge: where the points lie in a plane, depth tells nothing.
        inner = here.T @ (weights[:, None] * here) + 1e-3 * np.eye(4)
        solution = np.linalg.solve(inner, here.T @ (weights[:, None] * moved))
        error = np.linalg.norm(here @ solution - moved, axis=1)
        scale = 2 * float(np.median(error)) + 1e-6
        weights = (scale**2 / (scale**2 + error**2)) ** 2
    return np.asarray(terms @ solution)
