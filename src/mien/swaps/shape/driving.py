"""How the head of a clip moves, seen from its own calm: what a photo is driven by."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.engine import Engine
from mien.location.gaze import EYES
from mien.media.video import Video
from mien.swaps.choice import Choice, Who
from mien.swaps.shape.gestures import FOLDS, LOWER, UPPER
from mien.swaps.shape.insides import gap
from mien.swaps.shape.reshaping import SURFACE

__all__ = ["Lips", "Performance", "perform"]

T = TypeVar("T", np.float32, np.float64)
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

MOST: Final = 50_000  # frames of a clip: their meshes stay in memory, 6 kB each
WANT: Final = frozenset({"landmarks", "stabilized", "pose"})
# Seconds: standard deviation of the smoothing of lids (blinks are quick), of all other expression, and of pose.
QUICK, EVEN, SLOW = 0.025, 0.045, 0.08
SAMPLE = 500  # frames that say what a face mostly does
MOUTH = 3.0  # cm by which a frame counts as less calm where the lips are a mouth's width apart
TURNED = 45.0  # degrees of turn that count as 1 cm
LARGEST = 96  # pixels of a mouth that is kept
RING = indices_of("mesh478", "lips_inner")
LIPS = indices_of("mesh478", "lips_outer")
IRISES = [eye.iris for eye in EYES]
CORNERS = [eye.corners for eye in EYES]
QUICKEST = np.unique(np.concatenate([UPPER, LOWER, *FOLDS]))


@dataclass(frozen=True, eq=False)
class Lips:
    """The inside of a mouth in one frame.

    Attributes
    ----------
    image : (h, w, 3) uint8
    ring : (20, 2) float64
        The inner lips in it.
    color : (3,) float64
        Median colour of the lips.
    """

    image: Image
    ring: Doubles
    color: Doubles


@dataclass(frozen=True, eq=False)
class Performance:
    """The motion of one head through a clip.

    Attributes
    ----------
    times : (T,) float64
        Seconds, of all frames.
    shapes : (T, 478, 3) float32
        The mesh in the head's own axes, cm, smoothed; between frames without a face it goes on evenly.
    poses : (T, 3) float64
        Yaw, pitch and roll in degrees.
    seen : (T,) bool
        In which frames the face was found.
    calm : int
        The frame that the motion is told from.
    lips : mapping of int to Lips
        By frame, where they were asked for and are apart.
    """

    times: Doubles
    shapes: Floats
    poses: Doubles
    seen: NDArray[np.bool_]
    calm: int
    lips: dict[int, Lips] = field(default_factory=dict)

    def motion(self, frame: int) -> Doubles:
        """What expression adds to the calm mesh in a frame, (468, 3) cm."""
        return np.asarray(self.shapes[frame, :SURFACE] - self.shapes[self.calm, :SURFACE], np.float64)

    @property
    def turns(self) -> Doubles:
        """Angles beside the calm pose, (T, 3) degrees."""
        return np.asarray((self.poses - self.poses[self.calm] + 180) % 360 - 180)

    @property
    def looks(self) -> Doubles:
        """Where the irises go in the head, beside where they are in the calm frame: (T, 3) cm, both eyes' mean."""
        place = self.shapes[:, IRISES] - self.shapes[:, CORNERS].mean(axis=2)
        return np.asarray((place - place[self.calm]).mean(axis=1), np.float64)


def perform(
    video: Video, *, engine: Engine, who: Who = "largest", calm: float | None = None, lips: bool = False
) -> Performance:
    """Read a clip to its end, and tell how somebody in it moves.

    Parameters
    ----------
    video : Video
        Closed at the end.
    engine : Engine
    who : int, str, or sequence of int
        See `mien.swaps.choice.Who`.
    calm : float, optional
        Seconds at which the face is calm; by default the frame with closed lips that is most like all others.
    lips : bool
        Whether to keep the insides of mouths.

    Raises
    ------
    NoFace
        If the clip shows nobody, or not whom it should.
    UsageError
        If `calm` is not in the clip, or it is too long.
    """
    chooser = Choice(who).start()
    times: list[float] = []
    rows: list[tuple[Floats, Floats]] = []
    kept: dict[int, Lips] = {}
    nothing = np.full((478, 3), np.nan, np.float32), np.full(3, np.nan, np.float32)
    with closing(engine.track(video, want=WANT, smooth=False, keep_images=lips)) as frames:
        for item in frames:
            assert item.faces is not None and item.time is not None  # noqa: S101, PT018 - for the type checker
            times.append(item.time)
            if len(times) > MOST:
                raise UsageError(f"a photo follows clips of up to {MOST:,} frames; this one is longer.")
            chosen = chooser.rows(item.faces)
            if not len(chosen):
                rows.append(nothing)
                continue
            row = int(chosen[0])
            mesh, pose = item.faces.stabilized.values[row], item.faces.pose.values[row]
            rows.append((mesh.astype(np.float32), pose.astype(np.float32)))
            if lips and (mouth := _mouth(item.faces.require_image(), item.faces.landmarks.values[row])) is not None:
                kept[len(times) - 1] = mouth
    clock, poses = np.array(times), np.stack([row[1] for row in rows]).astype(np.float64)
    shapes = np.stack([row[0] for row in rows])
    rows.clear()
    seen = np.asarray(np.isfinite(shapes).all(axis=(1, 2)) & np.isfinite(poses).all(axis=1))
    if not seen.any():
        raise NoFace("the driving clip shows no face to follow.")
    if calm is not None and not 0 <= calm <= clock[-1]:
        raise UsageError(f"the driving clip lasts {clock[-1]:.2f} s; it is not calm at {calm:g} s.")
    poses = np.rad2deg(np.unwrap(np.deg2rad(_evenly(clock, poses, seen)), axis=0))
    shapes = _evenly(clock, shapes.reshape(len(clock), -1), seen).reshape(shapes.shape)
    blinks = _smooth(clock, shapes[:, QUICKEST].reshape(len(clock), -1), QUICK).reshape(len(clock), -1, 3)
    shapes = _smooth(clock, shapes.reshape(len(clock), -1), EVEN).reshape(shapes.shape)
    shapes[:, QUICKEST] = blinks
    poses = _smooth(clock, poses, SLOW)
    place = _calmest(shapes, poses, seen) if calm is None else int(np.abs(clock - calm).argmin())
    return Performance(clock, shapes, poses, seen, place, kept)


def _evenly(times: Doubles, values: NDArray[T], seen: NDArray[np.bool_]) -> NDArray[T]:
    """Values (T, D) with those of frames that are not `seen` on straight lines between."""
    if seen.all():
        return values
    out = values.copy()
    for column in out.T:
        column[~seen] = np.interp(times[~seen], times[seen], column[seen])
    return out


def _smooth(times: Doubles, values: NDArray[T], width: float) -> NDArray[T]:
    """Values (T, D) with the jitter taken out, and no lag: means over time with normal weights."""
    out = np.empty_like(values)
    for place, time in enumerate(times):
        near = slice(int(np.searchsorted(times, time - 3 * width)), int(np.searchsorted(times, time + 3 * width)) + 1)
        weights = np.exp(-0.5 * ((times[near] - time) / width) ** 2)
        out[place] = weights @ values[near] / weights.sum()
    return out


def _calmest(shapes: Floats, poses: Doubles, seen: NDArray[np.bool_]) -> int:
    """The frame with closed lips whose mesh and pose are most like the median."""
    some = np.flatnonzero(seen)[:: max(int(seen.sum()) // SAMPLE, 1)]
    usual, turned = np.median(shapes[some], axis=0), np.abs(poses - np.median(poses[some], axis=0)).sum(axis=1) / TURNED
    apart = np.array([np.sqrt(((shape - usual) ** 2).sum(axis=1).mean()) + gap(shape) * MOUTH for shape in shapes])
    return int(np.where(seen, apart + turned, np.inf).argmin())


def _mouth(image: Image, mesh: ArrayLike) -> Lips | None:
    """The inside of a mouth, cut out; None where there is none."""
    import cv2

    points = np.asarray(mesh, np.float64)[:, :2]
    ring = points[RING]
    if not np.isfinite(points).all():
        return None
    low = np.floor(ring.min(axis=0)).astype(int).clip(0) - 2
    high = np.minimum(np.ceil(ring.max(axis=0)).astype(int) + 3, image.shape[1::-1])
    low = low.clip(0)
    if (high - low < 3).any():
        return None
    part = image[low[1] : high[1], low[0] : high[0]]
    x, y = points[LIPS].round().astype(int).clip(0, np.array(image.shape[1::-1]) - 1).T
    factor = min(1.0, LARGEST / max(part.shape[:2]))
    size = (max(round(part.shape[1] * factor), 2), max(round(part.shape[0] * factor), 2))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Lips(small, (ring - low) * (np.array(size) / part.shape[1::-1]), np.median(image[y, x], axis=0))
