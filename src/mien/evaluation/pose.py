"""How far head poses are off: by angle, and as the one turn that leads from the estimate to the truth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.boxes import iou
from mien.core.errors import NoFace, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.geometry import angles
from mien.core.image import load_image
from mien.datasets.readers.w300lp import PosedPhoto, find_w300lp
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import Interval, bootstrap, wilson

__all__ = ["Measured", "PoseReport", "WithinReport", "compare_rotations", "evaluate_pose", "published_angles"]

Doubles = NDArray[np.float64]

OVERLAP = 0.2  # of a found box with the box around the annotated points, from which it is that face


@dataclass(frozen=True)
class Measured:
    """A mean in degrees with its 95 % interval over photos."""

    mean: float
    interval: Interval


@dataclass(frozen=True)
class WithinReport:
    """Share of faces whose pose is off by at most so many degrees, with its 95 % interval (Wilson)."""

    degrees: float
    share: float
    interval: Interval


@dataclass(frozen=True)
class PoseReport:
    """The result of an evaluation.

    Parameters
    ----------
    faces : int
        With an estimate: what the errors are of.
    missed, abstained, left_out : int
        Faces that no detection belongs to, that the model said nothing about, and that were beyond `limit`.
    yaw, pitch, roll : Measured
        Mean absolute errors of our angles.
    published : tuple of three Measured
        The same in the order of turns in which 300W-LP's angles are meant (yaw, pitch, roll), as papers report them.
    published_mean : Measured
        Of these three together.
    turn, turn_median : Measured
        Mean and median angle of the one turn from the estimate to the truth: what does not depend on any order.
    within : tuple of WithinReport
    """

    faces: int
    missed: int
    abstained: int
    left_out: int
    yaw: Measured
    pitch: Measured
    roll: Measured
    published: tuple[Measured, Measured, Measured]
    published_mean: Measured
    turn: Measured
    turn_median: Measured
    within: tuple[WithinReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_pose(
    source: str | os.PathLike[str] | Sequence[PosedPhoto],
    *,
    limit: float = 99.0,
    given_boxes: bool = False,
    within: Sequence[float] = (5, 10, 15),
    engine: Engine | None = None,
) -> PoseReport:
    """Measure the engine's model of ``pose`` on photos with known pose.

    Parameters
    ----------
    source : path or sequence of PosedPhoto
        A folder in the layout of 300W-LP or AFLW2000-3D.
    limit : float
        Photos with a published angle beyond this, in degrees, are left out, as the literature does; `math.inf`: none.
    given_boxes : bool
        Use boxes around the annotated points instead of detecting the faces.
    within : sequence of float
        Degrees to report shares at.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    SourceError, InputError
        If the folder cannot be read.
    NoFace
        If there is no face with an estimate.
    """
    engine = engine or default_engine()
    photos = list(find_w300lp(source)) if isinstance(source, str | os.PathLike) else list(source)
    kept = [photo for photo in photos if np.abs(published_angles(photo.rotation)).max() <= limit]
    truth, found, missed = [], [], 0
    for photo in kept:
        rotation = _estimate(engine, photo, given_boxes)
        if rotation is None:
            missed += 1
            continue
        truth.append(photo.rotation)
        found.append(rotation)
    estimates = np.array(found, np.float64).reshape(-1, 3, 3)
    seen = np.isfinite(estimates).all(axis=(1, 2))
    if not seen.any():
        raise NoFace(f"no pose of a face in any of {len(kept)} photos.")
    return compare_rotations(
        estimates[seen],
        np.array(truth)[seen],
        within=within,
        missed=missed,
        abstained=int((~seen).sum()),
        left_out=len(photos) - len(kept),
    )


def _estimate(engine: Engine, photo: PosedPhoto, given_boxes: bool) -> Doubles | None:
    """Rotation of the annotated face, NaN where the model abstains; None where it was not detected."""
    image = load_image(photo.picture)
    if given_boxes:
        faces = engine.analyze(image, faces=Faces.from_boxes(photo.box[None]), want={"pose"})
        return np.asarray(faces.pose.matrix[0], np.float64)
    faces = engine.analyze(image, want={"pose"})
    overlaps = iou(photo.box[None], faces.boxes)[0]
    if overlaps.max(initial=0.0) < OVERLAP:
        return None
    return np.asarray(faces.pose.matrix[int(overlaps.argmax())], np.float64)


def compare_rotations(
    estimates: ArrayLike,
    truth: ArrayLike,
    *,
    within: Sequence[float] = (5, 10, 15),
    missed: int = 0,
    abstained: int = 0,
    left_out: int = 0,
) -> PoseReport:
    """Measure rotations, each of a photo of its own.

    Parameters
    ----------
    estimates, truth : (N, 3, 3) array-like
        From the axes of the face to those of the camera.
    within : sequence of float
        Degrees to report shares at.
    missed, abstained, left_out : int
        Carried into the report.

    Raises
    ------
    ShapeMismatch
        If the shapes differ or are not (N, 3, 3).
    UsageError
        If there are none, or an entry is not finite.
    """
    one, two = np.asarray(estimates, np.float64), np.asarray(truth, np.float64)
    if one.ndim != 3 or one.shape[1:] != (3, 3) or one.shape != two.shape:
        raise ShapeMismatch(f"rotations of shapes {one.shape} and {two.shape} do not fit: both are (N, 3, 3).")
    if not len(one) or not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise UsageError("rotations to compare are finite, and one at least.")
    own = np.abs(_wrapped(angles(one) - angles(two)))
    theirs = np.abs(_wrapped(published_angles(one) - published_angles(two)))
    turns = turn_between(one, two)
    yaw, pitch, roll = (_mean(column) for column in own.T)
    first, second, third = (_mean(column) for column in theirs.T)
    return PoseReport(
        faces=len(one),
        missed=missed,
        abstained=abstained,
        left_out=left_out,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        published=(first, second, third),
        published_mean=_mean(theirs.mean(axis=1)),
        turn=_mean(turns),
        turn_median=Measured(float(np.median(turns)), bootstrap(lambda rows: float(np.median(rows)), turns.tolist())),
        within=tuple(
            WithinReport(degrees, float((turns <= degrees).mean()), wilson(int((turns <= degrees).sum()), len(turns)))
            for degrees in within
        ),
    )


def published_angles(rotation: ArrayLike) -> Doubles:
    """Yaw, pitch and roll (..., 3) of rotations written as Rx Ry Rz, in our signs: as 300W-LP means them."""
    return np.asarray(angles(np.swapaxes(np.asarray(rotation, np.float64), -1, -2)) * [-1.0, -1.0, -1.0], np.float64)


def turn_between(one: Doubles, two: Doubles) -> Doubles:
    """Degrees of the one turn that leads from rotations (N, 3, 3) to others, (N,)."""
    # Half the distance of the matrices is the sine of half the angle, which small angles do not round away.
    half = np.linalg.norm(one - two, axis=(1, 2)) / np.sqrt(8)
    return np.asarray(2 * np.rad2deg(np.arcsin(half.clip(0, 1))))


def _mean(values: NDArray[np.floating[Any]]) -> Measured:
    return Measured(float(values.mean()), bootstrap(lambda rows: float(np.mean(rows)), values.tolist()))


def _wrapped(degrees: Doubles | NDArray[np.float32]) -> Doubles:
    return np.asarray((degrees + 180) % 360 - 180, np.float64)
