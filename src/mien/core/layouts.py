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


# --- the sets ---------------------------------------------------------------------------------------------------------

# Regions that several sets have carry one name in all of them: jaw, brows, eyes, pupils, lips, nose_bridge, nostrils,
# nose_tip. Jaw, nose_bridge and nostrils are open lines, as are the brows of iBUG, which have no lower edge; the
# others are closed outlines. Each begins at the picture's left, or at the top, and goes over the top to the right.
# fmt: off

# MediaPipe's face mesh with irises. Outlines are those of its `face_mesh_connections`; the rest was read off pictures.
_MESH478 = Layout("mesh478", 478, {
    "face_oval": (
        10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
    ),
    "jaw": (
        127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152,
        377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356,
    ),
    "right_brow": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    "left_brow": (336, 296, 334, 293, 300, 276, 283, 282, 295, 285),
    "right_eye": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    "left_eye": (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
    "right_iris": (469, 470, 471, 472),
    "left_iris": (474, 475, 476, 477),
    "right_pupil": (468,),
    "left_pupil": (473,),
    "nose": (168, 417, 351, 399, 437, 429, 358, 327, 326, 2, 97, 98, 129, 209, 217, 174, 122, 193),
    "nose_bridge": (168, 6, 197, 195, 5, 4),
    "nostrils": (98, 97, 2, 326, 327),
    "nose_tip": (4,),
    "lips_outer": (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
    "lips_inner": (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
    "forehead": (10, 338, 297, 332, 284, 298, 333, 299, 337, 151, 108, 69, 104, 68, 54, 103, 67, 109),
    "right_cheek": (116, 117, 118, 119, 100, 142, 203, 206, 207, 187, 147, 123),
    "left_cheek": (345, 352, 376, 411, 427, 426, 423, 371, 329, 348, 347, 346),
    "chin": (18, 313, 421, 428, 396, 152, 171, 208, 201, 83),
})

# The annotation of 300-W (Sagonas et al., *300 faces in-the-wild challenge*, 2013), counted from 0.
_IBUG68 = Layout("ibug68", 68, {
    "jaw": tuple(range(17)),
    "right_brow": tuple(range(17, 22)),
    "left_brow": tuple(range(22, 27)),
    "nose_bridge": tuple(range(27, 31)),
    "nostrils": tuple(range(31, 36)),
    "nose_tip": (30,),
    "right_eye": tuple(range(36, 42)),
    "left_eye": tuple(range(42, 48)),
    "lips_outer": tuple(range(48, 60)),
    "lips_inner": tuple(range(60, 68)),
})

# InsightFace's 106 points, in the order in which its network gives them; read off pictures.
_INSIGHTFACE106 = Layout("insightface106", 106, {
    "jaw": (1, *range(9, 17), *range(2, 9), 0, *range(24, 17, -1), *range(32, 24, -1), 17),
    "right_brow": (43, 48, 49, 51, 50, 46, 47, 45, 44),
    "left_brow": (102, 103, 104, 105, 101, 100, 99, 98, 97),
    "right_eye": (35, 41, 40, 42, 39, 37, 33, 36),
    "left_eye": (89, 95, 94, 96, 93, 91, 87, 90),
    "right_pupil": (34,),
    "left_pupil": (88,),
    "nose": (75, 76, 77, 78, 79, 80, 85, 84, 83, 82, 81),
    "nose_bridge": (72, 73, 74, 86),
    "nostrils": (78, 79, 80, 85, 84),
    "nose_tip": (86,),
    "lips_outer": (52, 64, 63, 71, 67, 68, 61, 58, 59, 53, 56, 55),
    "lips_inner": (65, 66, 62, 70, 69, 57, 60, 54),
})
# fmt: on

#: Sets of points by name.
LAYOUTS: Mapping[str, Layout] = MappingProxyType({s.name: s for s in (_MESH478, _IBUG68, _INSIGHTFACE106)})
