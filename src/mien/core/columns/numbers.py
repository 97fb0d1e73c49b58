"""Columns of numbers, names and probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mien.core.columns.base import Column, Floats, plain, rounded
from mien.core.errors import EmbeddingSpaceMismatch, ShapeMismatch, UsageError

__all__ = ["Distribution", "Flag", "Labels", "Scalar", "Scores", "Vectors"]


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
        return {"value": rounded(self.values)}

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
        return plain(self.values[..., self.names.index(name)])

    def flat(self) -> dict[str, Any]:
        return {f".{name}": self.values[:, i] for i, name in enumerate(self.names)}

    def _brief(self) -> str:
        best = int(self.values.argmax())
        return f"{self.names[best]} {self.values[best]:.2f}"

    def _encode(self) -> dict[str, Any]:
        return {"values": dict(zip(self.names, rounded(self.values), strict=True))}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(list(row["values"].values()), np.float32), {"names": tuple(row["values"])}


@dataclass(frozen=True, eq=False)
class Scores(_Named):
    """Independent named scores: values (N, K), each in [0, 1] or missing (NaN); they need not sum to one."""

    type_name: ClassVar[str] = "scores"
    partial: ClassVar[bool] = True
    schema: ClassVar[dict[str, Any]] = {
        "values": {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
    }

    def _brief(self) -> str:
        best = int(np.nanargmax(self.values))
        return f"{self.names[best]} {self.values[best]:.2f}"

    def _encode(self) -> dict[str, Any]:
        values = [None if np.isnan(value) else value for value in rounded(self.values)]
        return {"values": dict(zip(self.names, values, strict=True))}


@dataclass(frozen=True, eq=False)
class Labels(_Named):
    """One class of K per face, as probabilities (N, K) that sum to one."""

    type_name: ClassVar[str] = "labels"
    schema: ClassVar[dict[str, Any]] = {
        "values": {"type": "object", "additionalProperties": {"type": "number"}},
        "label": {"type": "string"},
    }

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
        return plain(np.where(self.abstained, np.float32(np.nan), self.values @ np.asarray(self.support, np.float32)))

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
            "interval": rounded(self.interval, 2),
            "support": list(self.support),
            "probabilities": rounded(self.values),
        }

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["probabilities"], np.float32), {"support": tuple(row["support"])}


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
        return {"vector": rounded(self.values, 7), "space": self.space}

    @classmethod
    def _decode(cls, row: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return np.asarray(row["vector"], np.float32), {"space": str(row["space"])}
