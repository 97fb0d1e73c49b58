"""What all column types share.

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

from mien.core.errors import ShapeMismatch, UsageError

__all__ = ["Column", "Floats", "Index", "plain", "rounded"]

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
    per_face: ClassVar[tuple[str, ...]] = ("values",)  #: the arrays that have a row for each face
    partial: ClassVar[bool] = False  #: whether some of a face's values may be missing; else one that is takes all along
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
        missing = np.isnan(self.values)
        return cast(
            "NDArray[np.bool_]", (missing.all(axis=own) if self.partial else missing.any(axis=own)) | none_at_all
        )

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
        cut: dict[str, Any] = {name: getattr(self, name)[index] for name in self.per_face}
        return replace(self, reasons=reasons, single=single, **cut)

    # -- joining -----------------------------------------------------------------------------------------------------

    @property
    def meta(self) -> dict[str, Any]:
        """What all faces of the column share: names, support, space."""
        own = {*(f.name for f in fields(Column)), *self.per_face}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in own}

    @classmethod
    def concat(cls, columns: Sequence[Self]) -> Self:
        """Join batches of faces.

        Raises
        ------
        UsageError
            If there is nothing to join, or the columns differ in names, support, space or the shape of a value.
        """
        if not columns:
            raise UsageError("nothing to join: no columns were given.")
        first = columns[0]
        for other in columns[1:]:
            if type(other) is not type(first) or not _same(first.meta, other.meta):
                raise UsageError(f"cannot join {first.type_name} columns that differ in type, names, support or space.")
            if any(getattr(first, name).shape[1:] != getattr(other, name).shape[1:] for name in cls.per_face):
                raise UsageError(
                    f"cannot join {first.type_name} columns of {first.shape[1:]} and {other.shape[1:]} values."
                )
        reasons = tuple(r for c in columns for r in (c.reasons or (None,) * len(c)))
        joined: dict[str, Any] = {n: np.concatenate([getattr(column, n) for column in columns]) for n in cls.per_face}
        return replace(first, reasons=reasons, **joined)

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


def plain(values: Any) -> Any:
    """A number where there is only one, the array otherwise."""
    return float(values) if np.ndim(values) == 0 else values


def rounded(values: Floats, decimals: int = DECIMALS) -> Any:
    """Nested lists of numbers without the tail of binary noise that float32 shows in JSON."""
    return np.round(values.astype(np.float64), decimals).tolist()
