"""What speaks for something before a face, cell by cell, from two witnesses.

The **parsing** says what each pixel is: where the mesh has a cheek and the parsing has cloth, something is before the
cheek; where the mesh has lips and the parsing sees none, something is before them. The **appearance** says what each
pixel should look like (`mien.masks.appearance`). How much each is believed in which zone of the face is up to
`mien.masks.occlusion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.geometry import compose, invert, similarity, square_crops, transform
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.raster import Raster, rasterize
from mien.core.warping import warp
from mien.location.canonical import CanonicalFace
from mien.location.mesh478 import alignment_points, upright_turns
from mien.masks.appearance import opponents, unexplained

__all__ = [
    "FEATURES",
    "PARTS",
    "SIDE",
    "SURFACE",
    "ZONES",
    "Evidence",
    "Scene",
    "Template",
    "gather",
    "parsed",
    "set_scene",
]

Floats: TypeAlias = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)

SIDE: Final = 128  # cells of the grid, in x and y
AROUND = 1.12  # sides of the grid, in extents of the mesh
SURFACE: Final = 468  # points of the mesh without the irises
LIMIT = 8.0  # log odds that the parsing is believed by at most
FAR = 20.0  # spreads beyond which all is as strange
NEAR, FINE = 9, 5  # cells: over which strangeness is averaged, and texture is taken
COLORLESS = 4.0  # mean difference of the colours of a pixel below which a picture is black and white

#: Zones of the face, in which different things are expected; the first ones show skin.
ZONES: Final = ("forehead", "middle", "nose", "beard", "eyes", "brows", "lips")
SKIN = 4

#: Parts of the face that are told of, and the lines of mesh points that enclose them (`mien.core.layouts`).
PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "forehead": "forehead",
        "right_brow": "right_brow",
        "left_brow": "left_brow",
        "right_eye": "right_eye",
        "left_eye": "left_eye",
        "nose": "nose",
        "right_cheek": "right_cheek",
        "left_cheek": "left_cheek",
        "mouth": "lips_outer",
        "chin": "chin",
    }
)
_ZONE_OF: Mapping[str, str] = MappingProxyType(
    {
        "nose": "nose", "right_eye": "eyes", "left_eye": "eyes", "right_brow": "brows", "left_brow": "brows",
        "mouth": "lips",
    }
)  # fmt: skip

_FACE = ("skin", "nose", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")
#: What the parsing may see instead of the face.
INSTEAD: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "hair": ("hair",),
        "cloth": ("hat", "cloth"),
        "glasses": ("eye_g",),
        "nothing": ("background",),
        "beside": ("l_ear", "r_ear", "ear_r", "neck", "neck_l"),
    }
)
#: What it is expected to see in some zones; in the others, skin.
EXPECTED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"nose": ("nose",), "eyes": ("l_eye", "r_eye"), "brows": ("l_brow", "r_brow"), "lips": ("mouth", "u_lip", "l_lip")}
)
#: The evidence of each cell: log odds of the parsing in quarters, then what the appearance does not explain, the cell's
#: own and around it, and how dark glasses are, if it is of glasses; then texture and edges beside those of the face's
#: skin; whether the picture is black and white.
FEATURES: Final = (
    *INSTEAD, "missing", "brighter", "darker", "color", "brighter_around", "darker_around", "color_around", "lens",
    "texture", "edge", "colorless",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scene:
    """One face in its grid.

    Attributes
    ----------
    grid : (2, 3) float32
        Picture to cells.
    mesh : (468, 3) float32
        The face's points in cells.
    raster : Raster
        What of the mesh is seen.
    triangle : (S, S) int32
        The triangle in each cell, -1 where there is none.
    crop : (S, S, 3) uint8
    inside : (S, S) bool
        Cells of the face that are in the picture.
    """

    grid: Floats
    mesh: Floats
    raster: Raster
    triangle: NDArray[np.int32]
    crop: Image
    inside: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for something before the face.

    Attributes
    ----------
    features : (S, S, F) float32
        Numbers of `FEATURES`.
    zone : (S, S) integers
        Number in `ZONES`; -1 where there is no face.
    signal : (S, S, 3) float32
        The crop; see `mien.masks.appearance.opponents`.
    """

    features: Floats
    zone: NDArray[np.intp]
    signal: Floats


class Template:
    """The mesh's triangles, each with its zone and the parts that it belongs to.

    Attributes
    ----------
    zones : (T,) integers
        Numbers in `ZONES`.
    parts : dict of str to (T,) bool
        For each of `PARTS`, which triangles belong to it.
    """

    def __init__(self, canonical: CanonicalFace) -> None:
        self.topology = canonical.topology
        points = canonical.vertices
        middle = points[self.topology.triangles].mean(axis=1)
        self.parts = {name: _within(middle, points[indices_of("mesh478", line)]) for name, line in PARTS.items()}
        eye, lip = points[33, 1], points[2, 1]  # the heights of an eye's corner, and of the foot of the nose
        self.zones = np.select([middle[:, 1] < eye, middle[:, 1] > lip], [0, ZONES.index("beard")], 1)
        for part, zone in _ZONE_OF.items():
            self.zones[self.parts[part]] = ZONES.index(zone)
        self._five = alignment_points(points[None])[0]

    def placed(self, points: Floats) -> Floats:
        """The average face laid over faces by their five points (N, 5, 2): meshes (N, 468, 3)."""
        rest = self.topology.vertices
        return transform(np.broadcast_to(rest, (len(points), *rest.shape)), invert(similarity(points, self._five)))


def set_scene(image: Image, mesh: Floats, template: Template) -> Scene:
    """A face in its grid: an upright square a little larger than its mesh (468, 3)."""
    upright = upright_turns(mesh[None])[0]
    level = mesh[:, :2].astype(np.float64) @ upright.T
    low, high = level.min(axis=0), level.max(axis=0)
    middle = (low + high) / 2 @ upright + 0.5  # boxes count from the picture's edge
    turn = np.rad2deg(np.arctan2(upright[0, 1], upright[0, 0]))
    grid = square_crops(middle[None], max(AROUND * float((high - low).max()), 1.0), turn, SIDE)[0]
    placed = transform(mesh, grid)
    raster = rasterize(placed, template.topology.triangles, (SIDE, SIDE))
    triangle = _whole(raster.triangle, raster, -1)
    y, x = np.mgrid[:SIDE, :SIDE]
    places = transform(np.stack([x, y], axis=-1).reshape(-1, 2), invert(grid))
    within = ((places > -0.5) & (places < np.array(image.shape[1::-1]) - 0.5)).all(axis=1).reshape(SIDE, SIDE)
    crop = warp(image, grid, SIDE, border="replicate")
    return Scene(grid, placed, raster, triangle, crop, (triangle >= 0) & within)


def gather(here: Scene, parse: Regions, template: Template) -> Evidence:
    """Hear both witnesses on one face; `parse` is of this face alone."""
    zone = np.where(here.inside, template.zones[here.triangle], -1)
    instead, expected = parsed(parse, here.grid)
    missing = np.zeros((SIDE, SIDE), np.float32)
    for name, lead in zip(EXPECTED, expected, strict=True):
        missing = np.where(zone == ZONES.index(name), -lead, missing)
    skin = (zone >= 0) & (zone < SKIN)
    belief = np.asarray(skin / (1 + np.exp(np.maximum.reduce(instead))), np.float32)
    normals = _whole(here.raster.interpolate(template.topology.normals(here.mesh)), here.raster, np.nan)
    signal = opponents(here.crop)
    rest = unexplained(signal, normals, skin, belief)
    strange = [np.maximum(rest.light, 0), np.maximum(-rest.light, 0), rest.color]
    around = _Around(here.inside)
    own = [np.log1p(values.clip(0, FAR)) for values in strange]
    wide = [np.log1p(around(values, NEAR).clip(0, FAR)) for values in strange]
    colorless = np.full((SIDE, SIDE), np.ptp(here.crop, axis=2).mean() < COLORLESS)
    parsing = [*(lead / 4 for lead in instead), missing / 4]
    lens = _lens(instead, strange[1], here.inside)
    planes = [*parsing, *own, *wide, lens, *_fine(signal[..., 0], around, skin), colorless]
    return Evidence(np.stack(planes, axis=-1).astype(np.float32), zone, signal)


def _lens(instead: Sequence[Floats], darker: Floats, inside: NDArray[np.bool_]) -> Floats:
    """In cells of glasses, how much darker than the face they all are: reflections do not make a lens clear."""
    glasses = inside / (1 + np.exp(-instead[list(INSTEAD).index("glasses")]))
    return np.asarray(glasses * np.log1p((glasses * darker).sum() / max(float(glasses.sum()), 1.0)), np.float32)


class _Around:
    """Means of the face's cells around each."""

    def __init__(self, inside: NDArray[np.bool_]) -> None:
        self._inside = inside.astype(np.float32)

    def __call__(self, values: Floats, size: int) -> Floats:
        import cv2

        sums, counts = (cv2.blur(plane, (size, size)) for plane in (values * self._inside, self._inside))
        return np.asarray(sums / np.maximum(counts, 1e-3), np.float32)


def _fine(light: Floats, around: _Around, skin: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Texture and edges of each cell beside those of most of the skin, as logarithms."""
    import cv2

    texture = np.sqrt(np.maximum(around(light**2, FINE) - around(light, FINE) ** 2, 0))
    slope = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    edge = around(np.asarray(slope, np.float32), 3)
    return _beside(texture, skin, 0.01), _beside(edge, skin, 0.05)


def _beside(values: Floats, skin: NDArray[np.bool_], floor: float) -> Floats:
    usual = float(np.median(values[skin])) if skin.any() else 1.0
    return np.asarray(np.log((values + floor) / (usual + floor)), np.float32)


def parsed(parse: Regions, grid: Floats) -> tuple[list[Floats], list[Floats]]:
    """What the parsing says in each cell, as log odds: each of `INSTEAD`, and each of `EXPECTED`."""
    import cv2

    def best(names: Sequence[str]) -> Floats:
        rows = [parse.names.index(name) for name in names if name in parse.names]
        return parse.values[rows].max(axis=0) if rows else np.full(parse.shape[1:], -LIMIT, np.float32)

    face = best(_FACE)
    leads = [best(names) - face for names in INSTEAD.values()]
    leads += [best(names) - best([name for name in _FACE if name not in names]) for names in EXPECTED.values()]
    stack = np.stack(leads, axis=-1).clip(-LIMIT, LIMIT)
    to_parse = compose(parse.grids.reshape(2, 3), invert(grid)).astype(np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes: list[Floats] = []
    for first in range(0, len(leads), 4):  # OpenCV warps four planes at a time
        some = np.ascontiguousarray(stack[..., first : first + 4])
        drawn = cv2.warpAffine(some, to_parse, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        planes += list(np.moveaxis(drawn.reshape(SIDE, SIDE, -1), -1, 0))
    return planes[: len(INSTEAD)], planes[len(INSTEAD) :]


def _whole(part: NDArray[T], raster: Raster, empty: float) -> NDArray[T]:
    """What a raster's window has, on the whole grid."""
    out = np.full((SIDE, SIDE, *part.shape[2:]), empty, part.dtype)
    out[raster.window] = part
    return out


def _within(places: Floats, outline: Floats) -> NDArray[np.bool_]:
    """Which places lie within a line of points, as the face looks into the camera."""
    import cv2

    line = np.ascontiguousarray(outline[:, :2]).reshape(-1, 1, 2)
    return np.array([cv2.pointPolygonTest(line, (float(x), float(y)), False) >= 0 for x, y in places[:, :2]])
