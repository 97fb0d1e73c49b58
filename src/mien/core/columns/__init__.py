"""Column types: what one field holds for N faces.

Each is a block of values whose first axis is the face; see `Column` for what all of them can do.
"""

from __future__ import annotations

from collections.abc import Mapping

from mien.core.columns.base import Column
from mien.core.columns.numbers import Distribution, Flag, Labels, Scalar, Scores, Vectors
from mien.core.columns.regions import Regions
from mien.core.columns.spatial import Angles, Directions, Levels, Placement, Points, Tracks

__all__ = [
    "COLUMNS",
    "Angles",
    "Column",
    "Directions",
    "Distribution",
    "Flag",
    "Labels",
    "Levels",
    "Placement",
    "Points",
    "Regions",
    "Scalar",
    "Scores",
    "Tracks",
    "Vectors",
]

#: Column class by the type name that fields.toml uses.
COLUMNS: Mapping[str, type[Column]] = {
    cls.type_name: cls
    for cls in (
        Scalar,
        Flag,
        Scores,
        Labels,
        Distribution,
        Angles,
        Directions,
        Placement,
        Points,
        Levels,
        Tracks,
        Vectors,
        Regions,
    )
}
