"""Column types: what one field holds for N faces.

A column is a block of values whose first axis is the face. Indexing it with a mask, a slice or a list of rows gives a
column of those faces; indexing it with one integer gives the *same class without that axis*, so that every accessor
reads alike on a batch and on one face: ``faces.pose.yaw`` has shape (N,), ``faces[0].pose.yaw`` is a number.

A value may abstain: its numbers are NaN and ``reasons`` (``reason`` of one face) says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import EmbeddingSpaceMismatch, ShapeMismatch, UsageError

__all__ = ["COLUMNS", "Angles", "Column", "Distribution", "Flag", "Labels", "Points", "Scalar", "Scores", "Vectors"]

Floats = NDArray[np.float32]
Index = int | slice | Sequence[int] | NDArray[Any]
DECIMALS = 5  # of a JSON number: enough for pixels, degrees and probabilities; embeddings keep more


@dataclass(frozen=True, eq=False)
class Column:
    """Values of one field for N faces, or for one face.

    Parameters
    ----------
    values : ndarray, shape (N, ...)
        Numbers with the face as first axis; without it in a single face's view. Stored as float32.
    reasons : tuple of (str or None), optional
        Why a row abstained, one entry per face; empty where none did.

    Raises
    ------
    ShapeMismatch
        If the values do not have the type's number of axes, or `reasons` does not have one entry per face.
    """

    values: Floats
    reasons: tuple[str | None, ...] = field(default=(), kw_only=True)
    single: bool = field(default=False, kw_only=True, repr=False)

    axes: ClassVar[int] = 1  #: axes of a batch of values, the face's included
    type_name: ClassVar[str]  #: the type's name in fields.toml

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float32).view()
        values.flags.writeable = False  # shared by the columns that are cut from it
        object.__setattr__(self, "values", values)
        expected = self.axes - self.single
        if values.ndim != expected:
            raise ShapeMismatch(f"{self.type_name} column: {expected} axes expected, got shape {values.shape}.")
        if self.reasons and len(self.reasons) != (1 if self.single else len(values)):
            raise ShapeMismatch(f"{len(self.reasons)} reasons for {len(values)} faces.")
        if not any(self.reasons):
            object.__setattr__(self, "reasons", ())

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self.values.shape

    @property
    def reason(self) -> str | None:
        """Why this face's value abstained; None where it did not."""
        if not self.single:
            raise UsageError("reason is of one face: index the column first, or read reasons.")
        return self.reasons[0] if self.reasons else None

    @property
    def abstained(self) -> NDArray[np.bool_]:
        """True where there is no value: shape (N,), or () for one face."""
        own = tuple(range(1 - self.single, self.values.ndim))
        none_at_all = 0 in self.values.shape[1 - self.single :]  # read from JSON in which every face abstained
        return cast("NDArray[np.bool_]", np.isnan(self.values).any(axis=own) | none_at_all)

    def reasons_for(self, lost: NDArray[np.bool_], otherwise: str) -> tuple[str | None, ...]:
        """Reasons of a column that is computed from this one: at the rows `lost`, this one's own, else `otherwise`."""
        own = self.reasons or (None,) * len(self)
        return tuple((why or otherwise) if gone else None for why, gone in zip(own, lost, strict=True))

    def __len__(self) -> int:
        if self.single:
            raise TypeError(f"one face's {self.type_name} value has no length; see .values")
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __getitem__(self, index: Index) -> Self:
        if self.single:
            raise TypeError(f"one face's {self.type_name} value is not indexed by face; see .values")
        rows = np.arange(len(self.values))[index]
        single = rows.ndim == 0
        reasons = tuple(self.reasons[row] for row in np.atleast_1d(rows)) if self.reasons else ()
        return replace(self, values=self.values[index], reasons=reasons, single=single)

    # -- joining -----------------------------------------------------------------------------------------------------

    @property
    def meta(self) -> dict[str, Any]:
        """What all faces of the column share: names, support, space."""
        own = {f.name for f in fields(Column)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in own}

    @classmethod
    def concat(cls, columns: Sequence[Self]) -> Self:
        """Join batches of faces.

        Raises
        ------
        UsageError
            If there is nothing to join, or the columns differ in names, support or space.
        """
        if not columns:
            raise UsageError("nothing to join: no columns were given.")
        first = columns[0]
        for other in columns[1:]:
            if type(other) is not type(first) or not _same(first.meta, other.meta):
                raise UsageError(f"cannot join {first.type_name} columns that differ in type, names, support or space.")
        reasons = tuple(r for c in columns for r in (c.reasons or (None,) * len(c)))
        return replace(first, values=np.concatenate([column.values for column in columns]), reasons=reasons)

    # -- other forms -------------------------------------------------------------------------------------------------

    def flat(self) -> dict[str, Any]:
        """Table columns of a batch, by the name to append to the field's: one number (or list) a face."""
        return {"": self.values if self.values.ndim == 1 else list(self.values)}

    def brief(self) -> str:
        """One face's value in a few characters, for tables and drawings."""
        return "-" if bool(self.abstained) else self._brief()

    def _brief(self) -> str:
        return f"{self.values.size} numbers"

    def to_json(self) -> dict[str, Any]:
        """One face's value as JSON types; ``{"reason": ...}`` where it abstained."""
        if bool(self.abstained):
            return {"reason": self.reason or "no value"}
        return self._encode()

    @classmethod
    def from_json(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """The column of the faces whose :meth:`to_json` values are given, abstained ones included."""
        given = [row for row in rows if "reason" not in row]
        decoded = [cls._decode(row) for row in given]
        meta = decoded[0][1] if decoded else cls._blank()[1]
        shape = decoded[0][0].shape if decoded else cls._blank()[0].shape
        values = np.full((len(rows), *shape), np.nan, dtype=np.float32)
        queue = iter(decoded)
        for place, row in enumerate(rows):
            if "reason" not in row:
                value, own = next(queue)
                if value.shape != shape or not _same(own, meta):
                    raise UsageError(f"{cls.type_name} values of different shapes or names in one result.")
                values[place] = value
        reasons = tuple(row.get("reason") for row in rows)
        return cls(values, reasons=reasons, **meta)

    def _encode(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        raise NotImplementedError

    @classmethod
    def _blank(cls) -> tuple[Floats, dict[str, Any]]:
        """Value and meta of a column in which every face abstained."""
        return np.zeros((0,) * (cls.axes - 1), np.float32), {}

    schema: ClassVar[dict[str, Any]]  #: JSON schema of `_encode`'s properties


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(np.array_equal(one[key], other[key]) for key in one)


def _plain(values: Any) -> Any:
    """A number where there is only one, the array otherwise."""
    return float(values) if np.ndim(values) == 0 else values


def _round(values: Floats, decimals: int = DECIMALS) -> Any:
    """Nested lists of numbers without the tail of binary noise that float32 shows in JSON."""
    return np.round(values.astype(np.float64), decimals).tolist()


@dataclass(frozen=True, eq=False)
class Scalar(Column):
    """One number per face: values (N,)."""

    type_name: ClassVar[str] = "scalar"
    schema: ClassVar[dict[str, Any]] = {"value": {"type": "number"}}

    def __float__(self) -> float:
        return float(self.values)

    def _brief(self) -> str:
        return f"{float(self.values):.2f}"

    def _encode(self) -> dict[str, Any]:
        return {"value": _round(self.values)}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["value"], np.float32), {}


@dataclass(frozen=True, eq=False)
class Flag(Scalar):
    """Probability per face that something holds: values (N,) in [0, 1]."""

    type_name: ClassVar[str] = "flag"
    schema: ClassVar[dict[str, Any]] = {"value": {"type": "number", "minimum": 0, "maximum": 1}}


@dataclass(frozen=True, eq=False)
class _Named(Column):
    """Values (N, K) with a name for each of the K."""

    names: tuple[str, ...] = ()

    axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.values.shape[-1] != len(self.names):
            raise ShapeMismatch(f"{len(self.names)} names for {self.values.shape[-1]} values a face.")

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def named(self, name: str) -> Any:
        """The values of one name: float32 (N,), or a float for one face.

        Raises
        ------
        UsageError
            If there is no such name.
        """
        if name not in self.names:
            raise UsageError(f"no {name!r} here; there are {', '.join(self.names)}.")
        return _plain(self.values[..., self.names.index(name)])

    def flat(self) -> dict[str, Any]:
        return {f".{name}": self.values[:, i] for i, name in enumerate(self.names)}

    def _brief(self) -> str:
        best = int(self.values.argmax())
        return f"{self.names[best]} {self.values[best]:.2f}"

    def _encode(self) -> dict[str, Any]:
        return {"values": dict(zip(self.names, _round(self.values), strict=True))}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(list(row["values"].values()), np.float32), {"names": tuple(row["values"])}


@dataclass(frozen=True, eq=False)
class Scores(_Named):
    """Independent named scores: values (N, K), each in [0, 1]; they need not sum to one."""

    type_name: ClassVar[str] = "scores"
    schema: ClassVar[dict[str, Any]] = {"values": {"type": "object", "additionalProperties": {"type": "number"}}}


@dataclass(frozen=True, eq=False)
class Labels(_Named):
    """One class of K per face, as probabilities (N, K) that sum to one."""

    type_name: ClassVar[str] = "labels"
    schema: ClassVar[dict[str, Any]] = {**Scores.schema, "label": {"type": "string"}}

    @property
    def probabilities(self) -> Floats:
        """Class probabilities, (N, K)."""
        return self.values

    @property
    def labels(self) -> Any:
        """The most probable name per face, (N,) of str, or one str; None where abstained."""
        names = np.asarray([*self.names, None], dtype=object)
        safe = np.nan_to_num(self.values, nan=-1.0)
        best = np.where(self.abstained, len(self.names), safe.argmax(axis=-1))
        return names[best]

    def _encode(self) -> dict[str, Any]:
        return {"label": self.labels, **super()._encode()}


@dataclass(frozen=True, eq=False)
class Distribution(Column):
    """Probabilities (N, K) over K numbers (`support`), such as ages in years."""

    support: tuple[float, ...] = ()

    axes: ClassVar[int] = 2
    type_name: ClassVar[str] = "distribution"
    coverage: ClassVar[float] = 0.8  #: probability mass of `interval`
    schema: ClassVar[dict[str, Any]] = {
        "mean": {"type": "number"},
        "interval": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "support": {"type": "array", "items": {"type": "number"}},
        "probabilities": {"type": "array", "items": {"type": "number"}},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "support", tuple(float(x) for x in self.support))
        if self.values.shape[-1] != len(self.support):
            raise ShapeMismatch(f"{len(self.support)} support points for {self.values.shape[-1]} probabilities.")

    @property
    def probabilities(self) -> Floats:
        """Probabilities over `support`, (N, K)."""
        return self.values

    @property
    def mean(self) -> Any:
        """Expected value, float32 (N,), or a float for one face."""
        return _plain(np.where(self.abstained, np.float32(np.nan), self.values @ np.asarray(self.support, np.float32)))

    @property
    def interval(self) -> Floats:
        """The central interval that holds `coverage` of the probability: (N, 2), low and high."""
        if not self.support:
            return np.full((*self.values.shape[:-1], 2), np.nan, np.float32)
        support = np.asarray(self.support, np.float32)
        cumulative = np.cumsum(self.values, axis=-1)
        tail = (1.0 - self.coverage) / 2
        ends = [(cumulative < q).sum(axis=-1).clip(0, len(support) - 1) for q in (tail, 1 - tail)]
        interval = np.stack([support[end] for end in ends], axis=-1)
        return np.where(np.asarray(self.abstained)[..., None], np.float32(np.nan), interval)

    def flat(self) -> dict[str, Any]:
        """Mean and interval ends, each (N,)."""
        return {".mean": self.mean, ".low": self.interval[:, 0], ".high": self.interval[:, 1]}

    def _brief(self) -> str:
        low, high = self.interval
        return f"{float(self.mean):.0f} ({low:.0f}-{high:.0f})"

    def _encode(self) -> dict[str, Any]:
        return {
            "mean": round(self.mean, 2),
            "interval": _round(self.interval, 2),
            "support": list(self.support),
            "probabilities": _round(self.values),
        }

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["probabilities"], np.float32), {"support": tuple(row["support"])}


@dataclass(frozen=True, eq=False)
class Angles(Column):
    """Yaw, pitch and roll in degrees: values (N, 3).

    yaw > 0: the face turns to the picture's right; pitch > 0: up; roll > 0: clockwise as seen.
    """

    axes: ClassVar[int] = 2
    type_name: ClassVar[str] = "angles"
    names: ClassVar[tuple[str, ...]] = ("yaw", "pitch", "roll")
    schema: ClassVar[dict[str, Any]] = {name: {"type": "number"} for name in names}

    @property
    def yaw(self) -> Any:
        """Turn to the picture's right in degrees, float32 (N,), or a float for one face."""
        return _plain(self.values[..., 0])

    @property
    def pitch(self) -> Any:
        """Turn upwards in degrees, float32 (N,), or a float for one face."""
        return _plain(self.values[..., 1])

    @property
    def roll(self) -> Any:
        """Clockwise tilt as seen in degrees, float32 (N,), or a float for one face."""
        return _plain(self.values[..., 2])

    @property
    def matrix(self) -> Floats:
        """Rotation from face axes to camera axes, (N, 3, 3): R = Rz(roll) Ry(-yaw) Rx(-pitch)."""
        from mien.core.geometry import rotation_matrix

        return rotation_matrix(self.values)

    def flat(self) -> dict[str, Any]:
        """One table column per angle, each (N,)."""
        return {f".{name}": self.values[:, i] for i, name in enumerate(self.names)}

    def _brief(self) -> str:
        return f"{self.yaw:+.0f} {self.pitch:+.0f} {self.roll:+.0f}"

    def _encode(self) -> dict[str, Any]:
        return dict(zip(self.names, _round(self.values, 2), strict=True))

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray([row[name] for name in cls.names], np.float32), {}

    @classmethod
    def _blank(cls) -> tuple[Floats, dict[str, Any]]:
        return np.zeros(3, np.float32), {}


@dataclass(frozen=True, eq=False)
class Points(Column):
    """K points per face in pixels of the picture: values (N, K, 2), or (N, K, 3) with z away from the camera."""

    names: tuple[str, ...] = ()  #: of the K points, or empty for a numbered set

    axes: ClassVar[int] = 3
    type_name: ClassVar[str] = "points"
    schema: ClassVar[dict[str, Any]] = {
        "points": {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "minItems": 2}},
        "names": {"type": "array", "items": {"type": "string"}},
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

    def _encode(self) -> dict[str, Any]:
        named = {"names": list(self.names)} if self.names else {}
        return {"points": _round(self.values, 2), **named}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["points"], np.float32), {"names": tuple(row.get("names", ()))}


@dataclass(frozen=True, eq=False)
class Vectors(Column):
    """L2-normalized embeddings (N, D) of one embedding space."""

    space: str = ""

    axes: ClassVar[int] = 2
    type_name: ClassVar[str] = "vectors"
    schema: ClassVar[dict[str, Any]] = {
        "vector": {"type": "array", "items": {"type": "number"}},
        "space": {"type": "string"},
    }

    def __matmul__(self, other: Vectors) -> Floats:
        """Cosine similarities: (N, M) of two batches, (N,) of a batch and one face.

        Raises
        ------
        EmbeddingSpaceMismatch
            If the two sides come from different models.
        """
        if not isinstance(other, Vectors):
            return NotImplemented
        if self.space != other.space:
            raise EmbeddingSpaceMismatch(
                f"embeddings of {self.space!r} cannot be compared with those of {other.space!r}: "
                "compute both with one model."
            )
        return self.values @ other.values.T

    def _encode(self) -> dict[str, Any]:
        return {"vector": _round(self.values, 7), "space": self.space}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["vector"], np.float32), {"space": str(row["space"])}


#: Column class by the type name that fields.toml uses.
COLUMNS: Mapping[str, type[Column]] = {
    cls.type_name: cls for cls in (Scalar, Flag, Scores, Labels, Distribution, Angles, Points, Vectors)
}
