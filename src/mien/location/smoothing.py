"""Smooths what moves from frame to frame, each track by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.core.clip import Events
from mien.core.columns import Column
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.fields import all_fields
from mien.core.geometry import angles, invert, rotation_matrix
from mien.core.smoothing import OneEuro, nearest_rotations, unit_vectors
from mien.runtime.bundle import Bundle

__all__ = ["OneEuroSmoother"]

Doubles = NDArray[np.float64]
HEAD_WIDTH = 15.0  # cm: what a head's place is measured by, as points are by the extent of their face


@dataclass(frozen=True)
class _Space:
    """Where numbers of one kind are blended.

    Attributes
    ----------
    enter, leave : callable
        From a face's numbers to vectors (..., D) that can be blended, and back.
    unit : callable
        The length in that space that speeds are counted in, of one face's vectors.
    project : callable, optional
        See `OneEuro`.
    """

    enter: Callable[[Doubles], Doubles]
    leave: Callable[[Doubles], Doubles]
    unit: Callable[[Doubles], float]
    project: Callable[[Doubles], Doubles] | None = None


def _extent(points: Doubles) -> float:
    """Side of a square as large as the box around points (K, 2 or 3); 0 where one is missing."""
    return float(np.nan_to_num(np.sqrt(np.ptp(points[:, :2], axis=0).prod()))) if len(points) else 0.0


def _same(numbers: Doubles) -> Doubles:
    return numbers


def _directions(yaw_pitch: Doubles) -> Doubles:
    yaw, pitch = np.deg2rad(yaw_pitch)
    return np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])


def _yaw_pitch(vector: Doubles) -> Doubles:
    x, y, z = vector
    return np.rad2deg([np.arctan2(x, -z), np.arctan2(-y, np.hypot(x, z))])


_REACH = 40.0  # cells between those that stand for a grid: about the extent of a face


def _cells_seen(numbers: Doubles) -> Doubles:
    m = invert(numbers.reshape(2, 3)).astype(np.float64)  # NaN where there is none
    return np.asarray(m[:, 2] + _REACH * np.stack([np.zeros(2), m[:, 0], m[:, 1]]))


def _map_to_cells(points: Doubles) -> Doubles:
    right, down = (points[1:] - points[0]) / _REACH
    return invert(np.column_stack([right, down, points[0]])).astype(np.float64).ravel()


#: Points, each a vector; speeds are in extents of the set.
_POINTS = _Space(_same, _same, _extent)
#: Boxes as one vector of four; speeds are in sides.
_BOX = _Space(_same, _same, lambda box: float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 0.0))))
#: Numbers that know nothing of each other.
_NUMBERS = _Space(lambda numbers: numbers[..., None], lambda vectors: vectors[..., 0], lambda _: 1.0)
#: Rotations as their matrices, which have no seam at 180 degrees; speeds are in degrees.
_ROTATION = _Space(
    lambda degrees: rotation_matrix(degrees).astype(np.float64).ravel(),
    lambda matrix: angles(matrix.reshape(3, 3)).astype(np.float64),
    lambda _: float(np.sqrt(2) * np.deg2rad(1)),  # by which a matrix's entries move together in a turn of a degree
    nearest_rotations,
)
#: Directions as unit vectors; speeds are in degrees.
_DIRECTION = _Space(_directions, _yaw_pitch, lambda _: float(np.deg2rad(1)), unit_vectors)
#: A place in cm; speeds are in widths of a head.
_PLACE = _Space(_same, _same, lambda _: HEAD_WIDTH)
#: Scores of classes in cells: a cell's are one vector, so that it changes as a whole; speeds are in log odds.
_CELLS = _Space(lambda scores: np.moveaxis(scores, 0, -1), lambda cells: np.moveaxis(cells, -1, 0), lambda _: 1.0)
#: The map to a grid, as where three of its cells lie in the picture; speeds are in distances between them.
_GRID = _Space(_cells_seen, _map_to_cells, lambda points: float(np.linalg.norm(points[1] - points[0])))


class _Part(NamedTuple):
    """Numbers of a column: a slice of the last axis of one of its arrays, and the space that they are blended in."""

    space: _Space
    where: slice = slice(None)
    array: str = "values"


#: What the numbers of each type of column are.
SPACES: Mapping[str, tuple[_Part, ...]] = MappingProxyType(
    {
        "points": (_Part(_POINTS),),
        "angles": (_Part(_ROTATION),),
        "directions": (_Part(_DIRECTION),),
        "placement": (_Part(_ROTATION, slice(0, 3)), _Part(_PLACE, slice(3, 6))),
        "scores": (_Part(_NUMBERS),),
        "levels": (_Part(_NUMBERS),),
        "regions": (_Part(_CELLS), _Part(_GRID, array="grids")),
    }
)


class OneEuroSmoother:
    """Gives the job "smooth" by One Euro filters, one for each track and field.

    The card's ``[params]`` say which fields, and how:

    - ``longest_gap``: seconds after which a face that comes back starts anew;
    - ``jump``: a box that moves by more than this many of its sides from one frame to the next, or grows or shrinks by
      as much, starts anew: a cut, or another face;
    - ``box``: ``[cutoff, beta]`` of the box and the detector's keypoints;
    - ``[params.fields]``: for each field, one ``[cutoff, beta]`` for each part of its column's type (`SPACES`). The
      cutoff is in Hz, beta in Hz for each unit of speed a second: extents of the set of points, sides of the box,
      degrees, widths of a head, or 1 for scores.

    Parameters
    ----------
    bundle : Bundle
        A card without files.

    Raises
    ------
    CardError
        If the params are not as above.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = _Settings.of(bundle)

    def follow(self) -> _Smoothing:
        """See `mien.engine.steps.Follower`."""
        return _Smoothing(self._settings)


@dataclass(frozen=True)
class _Settings:
    """The card's params, checked."""

    longest_gap: float
    jump: float
    speed_cutoff: float
    box: tuple[float, float]
    fields: Mapping[str, Sequence[tuple[float, float]]]

    @classmethod
    def of(cls, bundle: Bundle) -> _Settings:
        params, known = bundle.card.params, all_fields()
        try:
            fields = {name: [(float(c), float(b)) for c, b in pairs] for name, pairs in params["fields"].items()}
            cutoff, beta = params["box"]
            settings = cls(
                float(params["longest_gap"]),
                float(params["jump"]),
                float(params["speed_cutoff"]),
                (float(cutoff), float(beta)),
                fields,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CardError(f"the card of {bundle.card.id} does not say how to smooth: {error!r}.") from error
        for name, pairs in fields.items():
            parts = SPACES.get(known[name].column, ()) if name in known else ()
            if len(parts) != len(pairs) or not parts:
                raise CardError(f"the card of {bundle.card.id} smooths {name!r}, which has {len(parts)} parts.")
        return settings

    def filter(self, pair: tuple[float, float], space: _Space) -> OneEuro:
        """A fresh filter for numbers of one kind."""
        cutoff, beta = pair
        return OneEuro(
            cutoff=cutoff,
            beta=beta,
            speed_cutoff=self.speed_cutoff,
            longest_gap=self.longest_gap,
            project=space.project,
        )


class _Smoothing:
    """Smooths the faces of one clip."""

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._tracks: dict[int, _Track] = {}

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.steps.TemporalStep`."""
        # What has been away for too long starts anew anyway: a clip of many people does not grow in memory.
        lost = time - self._settings.longest_gap
        self._tracks = {number: track for number, track in self._tracks.items() if track.time >= lost}
        names = [name for name in self._settings.fields if name in faces.columns]
        boxes, keypoints = faces.boxes.copy(), faces.keypoints.copy()
        new = {name: _copied(faces.columns[name]) for name in names}
        for row, number in enumerate(faces.track.ids):
            if number < 0:  # nobody knows whose face this is
                continue
            track = self._tracks.get(number)
            if track is None or track.jumps(time, faces.boxes[row], self._settings.jump):
                track = self._tracks[number] = _Track(self._settings)
            track.time, track.box = time, faces.boxes[row]
            boxes[row] = track.smooth("box", self._settings.box, _BOX, time, faces.boxes[row])
            keypoints[row] = track.smooth("keypoints", self._settings.box, _POINTS, time, faces.keypoints[row])
            for name in names:
                arrays = {array: values[row] for array, values in new[name].items()}
                track.smooth_column(name, time, SPACES[faces.columns[name].type_name], arrays)
        columns: dict[str, Column] = {name: replace(faces.columns[name], **new[name]) for name in names}
        return replace(faces, boxes=boxes, keypoints=keypoints, columns={**faces.columns, **columns})

    def finish(self) -> Events:
        """Nothing happened that this knows of."""
        self._tracks.clear()
        return Events()


@dataclass(eq=False)
class _Track:
    """The filters of one face."""

    settings: _Settings
    filters: dict[tuple[str, int, tuple[int, ...]], OneEuro] = field(default_factory=dict)
    time: float = 0.0
    box: NDArray[np.float32] = field(default_factory=lambda: np.zeros(4, np.float32))

    def jumps(self, time: float, box: NDArray[np.float32], limit: float) -> bool:
        """Whether a box is too far from the last to be the same face moving, or time runs backwards."""
        moved = (box - self.box).reshape(2, 2)  # the two corners: their mean is the shift, their difference the growth
        far = max(float(np.linalg.norm(moved.mean(axis=0))), float(np.ptp(moved, axis=0).max()))
        return time < self.time or far > limit * max(_BOX.unit(self.box.astype(np.float64)), 1.0)

    def smooth(
        self, name: str, pair: tuple[float, float], space: _Space, time: float, numbers: NDArray[Any], part: int = 0
    ) -> Doubles:
        """The numbers of a part of a field, smoothed."""
        vectors = space.enter(np.asarray(numbers, np.float64))
        key = (name, part, vectors.shape)  # detectors differ in how many keypoints they give
        if key not in self.filters:
            self.filters[key] = self.settings.filter(pair, space)
        return space.leave(self.filters[key](time, vectors, unit=space.unit(vectors)))

    def smooth_column(
        self, name: str, time: float, parts: Sequence[_Part], arrays: Mapping[str, NDArray[np.float32]]
    ) -> None:
        """Smooth the numbers of one face's field in place."""
        for number, (part, pair) in enumerate(zip(parts, self.settings.fields[name], strict=True)):
            numbers = arrays[part.array]
            numbers[..., part.where] = self.smooth(name, pair, part.space, time, numbers[..., part.where], number)


def _copied(column: Column) -> dict[str, Any]:
    """The arrays of a column that are smoothed, to be written to."""
    return {part.array: getattr(column, part.array).copy() for part in SPACES[column.type_name]}
