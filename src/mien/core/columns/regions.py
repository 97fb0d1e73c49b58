"""Columns of masks: scores of classes on a grid that lies over each face."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.columns.base import Column, Floats, rounded
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.parts import classes_of, regions_of
from mien.core.region import Region

__all__ = ["Regions"]

STEP, DEPTH = 0.125, 127  # of scores in JSON: eighths, and how many of them below the best class at most
MOST_CLASSES = 256  # as many as labels of a byte tell apart
MOST_SCORES = 1 << 24  # of a face in JSON: several times those of the finest networks, and no more than 64 MB


@dataclass(frozen=True, eq=False)
class Regions(Column):
    """Scores (logits) of K classes in the cells of a grid over each face: values (N, K, h, w).

    As small as a network gives them: what they say of the picture's pixels is computed when a region is asked for.
    A pixel outside of the grid belongs to the first class.

    Parameters
    ----------
    names : tuple of str
        Of the K classes; the first is what is nothing else.
    grids : (N, 6) float32
        Where each grid lies: numbers of its `warp`. Of "affine", the rows of the map from pixels of the picture to
        cells, both counted from the first one's centre.
    sizes : (N, 2) float32
        Width and height of the picture that each face is in.
    warp : str
        How grid and picture hang together: a name in `mien.core.grids.WARPS`.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other, or a size is no size.
    UsageError
        If names are not different ones, 256 at most.
    """

    names: tuple[str, ...] = ()
    grids: Floats = field(default_factory=lambda: np.zeros((0, 6), np.float32))
    sizes: Floats = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    warp: str = "affine"

    axes: ClassVar[int] = 4
    per_face: ClassVar[tuple[str, ...]] = ("values", "grids", "sizes")
    type_name: ClassVar[str] = "regions"
    schema: ClassVar[dict[str, Any]] = {
        "classes": {"type": "array", "items": {"type": "string"}},
        "warp": {"type": "string"},
        "grid": {"type": "array", "items": {"type": "number"}, "minItems": 6, "maxItems": 6},
        "cells": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "size": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "scores": {"type": "string", "contentEncoding": "base64"},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        lead = self.values.shape[: 1 - self.single]
        if self.values.shape[len(lead)] != len(self.names):
            raise ShapeMismatch(f"{len(self.names)} names for {self.values.shape[len(lead)]} classes.")
        if len(set(self.names)) < len(self.names) or len(self.names) > MOST_CLASSES:
            raise UsageError(f"names of classes are different, and {MOST_CLASSES} at most.")
        for name, width in (("grids", 6), ("sizes", 2)):
            array = np.asarray(getattr(self, name), np.float32).view()
            if array.shape != (*lead, width):
                raise ShapeMismatch(f"{name} have the shape {(*lead, width)}, not {array.shape}.")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if not (np.isfinite(self.sizes) & (self.sizes >= 0)).all():
            raise ShapeMismatch("sizes are the pixels of pictures, 0 or more.")

    @property
    def regions(self) -> tuple[str, ...]:
        """Names that `region` knows."""
        return regions_of(self.names)

    def region(self, name: str) -> Region:
        """The pixels of one region, or of one class: of one face, or the union of all.

        An abstaining face has none.

        Raises
        ------
        UsageError
            If there is no such region, or the column is of no face, so that nobody knows the picture's size, or was
            read from JSON in which every face abstained, so that nobody knows the classes.
        """
        from mien.core.grids import render

        if not self.names:
            raise UsageError("none of these faces was parsed: there are no regions.")
        classes = [self.names.index(one) for one in classes_of(name, self.names)]
        if not self.single:
            if not len(self):
                raise UsageError("a column of no face does not know its picture.")
            parts = [self[row].region(name) for row in range(len(self))]
            return Region.union(parts, parts[0].size)
        size = int(self.sizes[0]), int(self.sizes[1])
        if bool(self.abstained):
            return Region.empty(size)
        return render(self.values, classes, self.grids, size, warp=self.warp)

    def labels(self) -> NDArray[np.uint8]:
        """The class of each pixel, as its place in `names`: (H, W) uint8, of one face or of all.

        Where two faces claim a pixel it goes to the one that is larger, as the nearer one hides what is behind it.
        An abstaining face has none.

        Raises
        ------
        UsageError
            If the column is of no face, so that nobody knows the picture's size.
        """
        from mien.core.grids import WARPS, label_map

        if not self.single and not len(self):
            raise UsageError("a column of no face does not know its picture.")
        faces = [self] if self.single else [self[row] for row in range(len(self))]
        width, height = (int(side) for side in faces[0].sizes)
        seen = [face for face in faces if not bool(face.abstained)]
        seen.sort(key=lambda face: float(np.median(WARPS[self.warp].pitch(face.grids, face.values.shape[-2:]))))
        out = np.zeros((height, width), np.uint8)
        for face in seen:
            (x1, y1, x2, y2), labels = label_map(face.values, face.grids, (width, height), warp=self.warp)
            np.copyto(out[y1:y2, x1:x2], labels, where=labels > 0)
        return out

    def shares(self) -> NDArray[np.float32]:
        """Share of the grid's cells that each class has, (N, K); NaN where a face abstained."""
        if 0 in self.values.shape[-3:]:  # read from JSON in which every face abstained
            return np.full((*self.values.shape[:-3], len(self.names)), np.nan, np.float32)
        best = self.values.argmax(axis=-3)
        share = np.stack([(best == k).mean(axis=(-2, -1)) for k in range(len(self.names))], axis=-1)
        return np.where(np.expand_dims(self.abstained, -1), np.nan, share).astype(np.float32)

    def flat(self) -> dict[str, Any]:
        """Share of the grid that each class has, (N,) each."""
        shares = self.shares()
        return {f".{name}": shares[:, k] for k, name in enumerate(self.names)}

    def _brief(self) -> str:
        return f"{len(self.names)} classes"

    def _encode(self) -> dict[str, Any]:
        behind = (self.values.max(axis=0) - self.values) / STEP
        scores = zlib.compress(np.rint(behind.clip(0, DEPTH)).astype(np.uint8).tobytes(), 6)
        return {
            "classes": list(self.names),
            "warp": self.warp,
            "grid": rounded(self.grids, 6),
            "cells": list(self.values.shape[1:]),
            "size": [int(side) for side in self.sizes],
            "scores": base64.b64encode(scores).decode("ascii"),
        }

    @classmethod
    def from_json(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """The column of the faces whose :meth:`to_json` values are given, abstained ones included.

        Raises
        ------
        UsageError
            If they differ in classes, warp or cells, or are not what `to_json` writes.
        """
        from mien.core.grids import check_grid
        from mien.core.image import pixel_limit

        given = {place: row for place, row in enumerate(rows) if "reason" not in row}
        reasons = tuple(row.get("reason") for row in rows)
        blank: Mapping[str, Any] = {"classes": [], "warp": "affine", "cells": [0, 0]}
        first = next(iter(given.values()), blank)
        shared = {key: first[key] for key in ("classes", "warp", "cells")}
        height, width = (int(side) for side in shared["cells"])
        shape = len(shared["classes"]), height, width
        if min(shape) < 0 or math.prod(shape) > MOST_SCORES or not all(isinstance(n, str) for n in shared["classes"]):
            raise UsageError(f"these are no regions: {shape[0]} classes in {width}x{height} cells.")
        for row in given.values():
            if any(row[key] != value for key, value in shared.items()):
                raise UsageError(f"{cls.type_name} values of different shapes or names in one result.")
            if not 0 <= math.prod(row["size"]) <= pixel_limit(None):
                raise UsageError(f"these are no regions: of a picture of {row['size']} pixels.")
            check_grid(shared["warp"], row["grid"])
        values = np.full((len(rows), *shape), np.nan, np.float32)
        grids = np.full((len(rows), 6), np.nan, np.float32)
        # Faces of one result are of one picture: those that abstained, too.
        sizes = np.tile(np.array(first.get("size", (0, 0)), np.float32), (len(rows), 1))
        for place, row in given.items():
            values[place], grids[place], sizes[place] = _unpack(row["scores"], shape), row["grid"], row["size"]
        return cls(
            values, reasons=reasons, names=tuple(shared["classes"]), grids=grids, sizes=sizes, warp=shared["warp"]
        )


def _unpack(text: str, shape: tuple[int, int, int]) -> Floats:
    count = math.prod(shape)
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(base64.b64decode(text, validate=True), count + 1)  # a bomb is not unpacked
    except (ValueError, zlib.error) as error:
        raise UsageError(f"these are no scores of regions: {error}.") from error
    if len(raw) != count:
        raise UsageError(f"the scores of a grid of {shape} are {count} bytes, not {len(raw)}.")
    return -np.frombuffer(raw, np.uint8).reshape(shape).astype(np.float32) * np.float32(STEP)
