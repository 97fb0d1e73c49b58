"""Columns of places and turns: points, angles, directions, the head in space, the track that a face belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.columns.base import Column, Floats, plain, rounded
from mien.core.errors import ShapeMismatch
from mien.core.layouts import indices_of

__all__ = ["Angles", "Directions", "Levels", "Placement", "Points", "Tracks"]


def _signed(degrees: Floats) -> str:
    """Whole degrees with their sign; what rounds to nothing is +0, never -0."""
    return " ".join(f"{round(value):+d}" for value in degrees.tolist())


@dataclass(frozen=True, eq=False)
class _Numbers(Column):
    """A few numbers a face that have names: values (N, K)."""

    axes: ClassVar[int] = 2
    names: ClassVar[tuple[str, ...]]

    def flat(self) -> dict[str, Any]:
        """One table column per number, each (N,)."""
        return {f".{name}": self.values[:, i] for i, name in enumerate(self.names)}

    def _encode(self) -> dict[str, Any]:
        return dict(zip(self.names, rounded(self.values, 2), strict=True))

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray([row[name] for name in cls.names], np.float32), {}

    @classmethod
    def _blank(cls) -> tuple[Floats, dict[str, Any]]:
        return np.zeros(len(cls.names), np.float32), {}


@dataclass(frozen=True, eq=False)
class _Turns(_Numbers):
    """Numbers of which yaw and pitch, in degrees, are the first two."""

    @property
    def yaw(self) -> Any:
        """Degrees to the picture's right, float32 (N,), or a float for one face."""
        return plain(self.values[..., 0])

    @property
    def pitch(self) -> Any:
        """Degrees upwards, float32 (N,), or a float for one face."""
        return plain(self.values[..., 1])

    def _brief(self) -> str:
        return _signed(self.values)


@dataclass(frozen=True, eq=False)
class Angles(_Turns):
    """Yaw, pitch and roll in degrees: values (N, 3).

    yaw > 0: the face turns to the picture's right; pitch > 0: up; roll > 0: clockwise as seen.
    """

    type_name: ClassVar[str] = "angles"
    names: ClassVar[tuple[str, ...]] = ("yaw", "pitch", "roll")
    schema: ClassVar[dict[str, Any]] = {name: {"type": "number"} for name in names}

    @property
    def roll(self) -> Any:
        """Clockwise tilt as seen in degrees, float32 (N,), or a float for one face."""
        return plain(self.values[..., 2])

    @property
    def matrix(self) -> Floats:
        """Rotation from face axes to camera axes, (N, 3, 3): R = Rz(roll) Ry(-yaw) Rx(-pitch)."""
        from mien.core.geometry import rotation_matrix

        return rotation_matrix(self.values)


@dataclass(frozen=True, eq=False)
class Points(Column):
    """K points per face in pixels of the picture: values (N, K, 2), or (N, K, 3) with z away from the camera."""

    names: tuple[str, ...] = ()  #: of the K points, or empty for a numbered set
    layout: str = ""  #: the numbered set (`mien.core.layouts`), or empty

    axes: ClassVar[int] = 3
    type_name: ClassVar[str] = "points"
    schema: ClassVar[dict[str, Any]] = {
        "points": {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "minItems": 2}},
        "names": {"type": "array", "items": {"type": "string"}},
        "layout": {"type": "string"},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.values.shape[-1] not in {2, 3} and self.values.size:
            raise ShapeMismatch(f"points have 2 or 3 coordinates, got shape {self.values.shape}.")
        if self.names and len(self.names) != self.values.shape[-2]:
            raise ShapeMismatch(f"{len(self.names)} names for {self.values.shape[-2]} points a face.")

    @property
    def xy(self) -> Floats:
        """Picture positions, (N, K, 2)."""
        return self.values[..., :2]

    def region(self, name: str) -> Floats:
        """The points of a named region, such as "left_eye": (N, R, 2 or 3), or (R, 2 or 3) for one face.

        Raises
        ------
        UsageError
            If the set of points has no such region.
        """
        return self.values[..., indices_of(self.layout, name), :]

    def _encode(self) -> dict[str, Any]:
        named = {"names": list(self.names)} if self.names else {}
        layout = {"layout": self.layout} if self.layout else {}
        return {"points": rounded(self.values, 2), **named, **layout}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["points"], np.float32), {
            "names": tuple(row.get("names", ())),
            "layout": str(row.get("layout", "")),
        }


@dataclass(frozen=True, eq=False)
class Levels(Column):
    """One number in [0, 1] for each point of a set: values (N, K)."""

    layout: str = ""  #: the set of points (`mien.core.layouts`)

    axes: ClassVar[int] = 2
    type_name: ClassVar[str] = "levels"
    schema: ClassVar[dict[str, Any]] = {
        "levels": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
        "layout": {"type": "string"},
    }

    def region(self, name: str) -> Floats:
        """The numbers of a named region's points, (N, R), or (R,) for one face; UsageError if there is none."""
        return self.values[..., indices_of(self.layout, name)]

    def _encode(self) -> dict[str, Any]:
        return {"levels": rounded(self.values, 3), "layout": self.layout}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["levels"], np.float32), {"layout": str(row["layout"])}


@dataclass(frozen=True, eq=False)
class Directions(_Turns):
    """Where something points: values (N, 2), yaw and pitch in degrees, signed as those of `Angles`.

    As with a head's angles, the axes are those in which the camera sees the face: along the ray to it, wherever it
    stands in the picture. 0, 0 points into the camera.
    """

    type_name: ClassVar[str] = "directions"
    names: ClassVar[tuple[str, ...]] = ("yaw", "pitch")
    schema: ClassVar[dict[str, Any]] = {name: {"type": "number"} for name in names}

    @classmethod
    def from_vectors(cls, vectors: NDArray[np.floating[Any]], **options: Any) -> Self:
        """Directions of vectors (N, 3) in camera axes (x right, y down, z away), of any length but 0."""
        x, y, z = np.moveaxis(np.asarray(vectors, np.float64), -1, 0)
        yaw, pitch = np.arctan2(x, -z), np.arctan2(-y, np.hypot(x, z))
        return cls(np.rad2deg(np.stack([yaw, pitch], axis=-1)).astype(np.float32), **options)

    @property
    def vector(self) -> Floats:
        """Unit vectors as seen from the camera (x right, y down, z away), (N, 3): (0, 0, -1) points into it."""
        yaw, pitch = np.moveaxis(np.deg2rad(self.values.astype(np.float64)), -1, 0)
        rows = [np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)]
        return np.stack(rows, axis=-1).astype(np.float32)

    @property
    def off_axis(self) -> Any:
        """Degrees from the way to the camera: float32 (N,), or a float for one face."""
        return plain(np.rad2deg(np.arccos((-self.vector[..., 2]).clip(-1, 1))))


@dataclass(frozen=True, eq=False)
class Placement(_Numbers):
    """The head in the camera's space: values (N, 7), yaw, pitch, roll (degrees), x, y, z (cm), focal length (px).

    x, y, z is the middle between the eyes, in camera axes (x right, y down, z away from a pinhole camera at the
    origin that looks at the picture's middle). They scale with the head's true size, and z with the focal length.
    """

    type_name: ClassVar[str] = "placement"
    names: ClassVar[tuple[str, ...]] = ("yaw", "pitch", "roll", "x", "y", "z", "focal")
    schema: ClassVar[dict[str, Any]] = {name: {"type": "number"} for name in names}

    @property
    def matrix(self) -> Floats:
        """Rotation from face axes to camera axes, (N, 3, 3)."""
        from mien.core.geometry import rotation_matrix

        return rotation_matrix(self.values[..., :3])

    @property
    def position(self) -> Floats:
        """x, y, z in cm, (N, 3)."""
        return self.values[..., 3:6]

    @property
    def distance(self) -> Any:
        """Centimetres from the camera, float32 (N,), or a float for one face."""
        return plain(np.linalg.norm(self.position, axis=-1))

    @property
    def focal(self) -> Any:
        """The focal length that was assumed, in pixels: float32 (N,), or a float for one face."""
        return plain(self.values[..., 6])

    def _brief(self) -> str:
        return f"{self.distance:.0f} cm"


@dataclass(frozen=True, eq=False)
class Tracks(Column):
    """Which person of a clip a face is: values (N, 2), the track's id and whether the face was seen in this frame.

    A face that was not seen stands where the frames around it say; see `observed`.
    """

    axes: ClassVar[int] = 2
    type_name: ClassVar[str] = "tracks"
    schema: ClassVar[dict[str, Any]] = {"id": {"type": "integer", "minimum": 0}, "observed": {"type": "boolean"}}

    @property
    def ids(self) -> Any:
        """Ids, int64 (N,), or an int for one face; -1 where abstained."""
        ids = np.nan_to_num(self.values[..., 0], nan=-1).astype(np.int64)
        return int(ids) if self.single else ids

    @property
    def observed(self) -> Any:
        """Whether the face was found in this very frame, bool (N,), or a bool; False: its place is interpolated."""
        observed = self.values[..., 1] > 0
        return bool(observed) if self.single else observed

    def flat(self) -> dict[str, Any]:
        """Id and whether observed, each (N,)."""
        return {".id": self.ids, ".observed": self.observed}

    def _brief(self) -> str:
        return f"{self.ids}" if self.observed else f"{self.ids} (filled)"

    def _encode(self) -> dict[str, Any]:
        return {"id": self.ids, "observed": self.observed}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray([row["id"], row["observed"]], np.float32), {}

    @classmethod
    def _blank(cls) -> tuple[Floats, dict[str, Any]]:
        return np.zeros(2, np.float32), {}
