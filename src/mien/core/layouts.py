"""Numbered sets of face points and the names of their regions.

Left and right are the subject's. A region lists point numbers in the order in which a pen would draw them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError

__all__ = ["LAYOUTS", "Layout", "indices_of"]


@dataclass(frozen=True)
class Layout:
    """One set of points.

    Attributes
    ----------
    name : str
    count : int
        How many points it has.
    regions : mapping of str to tuple of int
        Point numbers of each region.
    """

    name: str
    count: int
    regions: Mapping[str, tuple[int, ...]] = field(hash=False)


def indices_of(layout: str, region: str) -> NDArray[np.intp]:
    """Numbers of the points of a region.

    Raises
    ------
    UsageError
        If there is no such layout or region.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"these points have no named regions; sets that do are {', '.join(LAYOUTS)}.")
    regions = LAYOUTS[layout].regions
    if region not in regions:
        raise UsageError(f"no region of {layout} is called {region!r}; there are {', '.join(regions)}.")
    return np.array(regions[region], dtype=np.intp)


#: Sets of points by name.
LAYOUTS: Mapping[str, Layout] = MappingProxyType({})
