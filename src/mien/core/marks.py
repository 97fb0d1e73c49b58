"""What is drawn on one face, each field in its way: boxes, points, axes, gaze and eyes."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.canvas import Canvas, Color
from mien.core.fields import all_fields
from mien.core.layouts import LAYOUTS, indices_of
from mien.core.palette import region_color

if TYPE_CHECKING:
    from mien.core.columns import Angles, Directions, Placement, Points, Regions, Scores
    from mien.core.faces import Face, Faces

__all__ = [
    "AXES",
    "CLOSED",
    "FACE",
    "GAZE",
    "OPEN",
    "Marked",
    "draw_box",
    "draw_field",
    "draw_ground",
    "layer_of",
    "net",
    "track_color",
]

Floats: TypeAlias = NDArray[np.float64]

FACE: Final[Color] = (255, 196, 0)  # of faces that belong to no track
AXES: Final[tuple[Color, Color, Color]] = ((245, 80, 70), (70, 210, 95), (85, 140, 255))  # x, y, z, as in every 3D tool
GAZE: Final[Color] = (120, 255, 235)
OPEN: Final[Color] = (90, 230, 120)
CLOSED: Final[Color] = (255, 70, 150)
TEXT: Final[Color] = (255, 255, 255)
_LIGHTEST_DARK: Final = 0.45  # brightness that any track's colour has, so that it is read on a dark label
NET_FROM: Final = 90.0  # pixels of a face whose mesh is drawn as a net: below, it would be a blot

# Colours of a face's regions, and which of them are open lines; a region that is not here is not drawn as one.
_OVAL, _BROW, _EYE, _IRIS, _NOSE, _LIP = (
    (225, 235, 245), (255, 205, 120), (105, 215, 255), (60, 160, 255), (150, 245, 170), (255, 120, 150),
)  # fmt: skip
_REGIONS: Final[Mapping[str, Color]] = MappingProxyType(
    {
        "face_oval": _OVAL, "jaw": _OVAL,
        "right_brow": _BROW, "left_brow": _BROW,
        "nose_bridge": _NOSE, "nostrils": _NOSE,
        "right_eye": _EYE, "left_eye": _EYE, "right_iris": _IRIS, "left_iris": _IRIS,
        "lips_outer": _LIP, "lips_inner": _LIP,
    }
)  # fmt: skip
_OPEN_LINES: Final = frozenset({"jaw", "nose_bridge", "nostrils"})
_OPEN_BROWS: Final = "ibug68"  # the set whose brows have no lower edge


def track_color(track_id: int) -> Color:
    """The colour of a track: the same in every frame, and far from those of the ids before and after it."""
    # Steps of the golden angle never come back to a hue that is taken.
    hue = (0.13 + track_id * 0.381966) % 1.0
    color = np.array(colorsys.hsv_to_rgb(hue, (0.72, 0.5, 0.88)[track_id // 6 % 3], 1.0))
    light = float(color @ (0.2126, 0.7152, 0.0722))  # ITU-R BT.709
    color += (1 - color) * max(0.0, (_LIGHTEST_DARK - light) / (1 - light))
    red, green, blue = (round(255 * part) for part in color.tolist())
    return red, green, blue


@dataclass(frozen=True)
class Marked:
    """A face with what its drawers share."""

    face: Face
    fields: frozenset[str]
    picture: tuple[int, int]

    def column(self, name: str) -> Any:
        """The face's value of a computed field."""
        return getattr(self.face, name)

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """Its edges: x1, y1, x2, y2."""
        x1, y1, x2, y2 = self.face.box.astype(float).tolist()
        return x1, y1, x2, y2

    @cached_property
    def side(self) -> float:
        """The box's longer side, in pixels."""
        x1, y1, x2, y2 = self.box
        return max(x2 - x1, y2 - y1, 1.0)

    @cached_property
    def stroke(self) -> float:
        """Width of the box's line: in step with the face, but seen when all of the picture is on a screen."""
        return max(1.2, max(self.picture) / 1600, min(self.side / 70, max(self.picture) / 280))

    @cached_property
    def text(self) -> float:
        """Height of letters, likewise."""
        longest = max(self.picture)
        return float(np.clip(self.side / 8, max(10.0, longest / 250), max(11.0, 5 + longest * 0.016)))

    @cached_property
    def track(self) -> int | None:
        """Its track's id, if it has one that is drawn."""
        shown = "track" in self.fields and not bool(self.face.track.abstained)
        return self.face.track.ids if shown else None

    @cached_property
    def color(self) -> Color:
        """Of its box: its track's, if it has one."""
        return FACE if self.track is None else track_color(self.track)

    @cached_property
    def eyes(self) -> Floats:
        """Centres of the right and the left eye, (2, 2): by the finest points that there are."""
        for name in ("landmarks", "landmarks106", "landmarks68"):
            points = self.face.faces.columns.get(name)
            layout = getattr(points, "layout", "")
            if points is not None and layout in LAYOUTS:
                part = "pupil" if "right_pupil" in LAYOUTS[layout].regions else "eye"
                found = [self.column(name).region(f"{side}_{part}")[:, :2].mean(axis=0) for side in ("right", "left")]
                return np.array(found, np.float64)
        return self._named("right_eye", "left_eye", otherwise=((0.32, 0.4), (0.68, 0.4)))

    @cached_property
    def middle(self) -> Floats:
        """Where axes begin: the tip of the nose, (2,)."""
        return np.asarray(self._named("nose_tip", otherwise=((0.5, 0.55),))[0], np.float64)

    def _named(self, *names: str, otherwise: Sequence[tuple[float, float]]) -> Floats:
        """Points that the detector gives, or where in the box they usually are."""
        points = self.face.keypoints
        if set(names) <= set(points) and all(np.isfinite(points[name]).all() for name in names):
            return np.array([points[name] for name in names], np.float64)
        x1, y1, x2, y2 = self.box
        return np.array([(x1 + (x2 - x1) * u, y1 + (y2 - y1) * v) for u, v in otherwise])


# --- what lies below all of it ----------------------------------------------------------------------------------------

PAINT: Final = 0.45  # of what is painted on a region; the rest is the picture


def draw_ground(canvas: Canvas, faces: Faces, name: str) -> None:
    """Paint a field of the picture's pixels: each class of regions in its colour, of all faces at once."""
    painter = _GROUNDS.get(all_fields()[name].column)
    if painter and len(faces):
        painter(canvas, getattr(faces, name))


def _regions(canvas: Canvas, column: Regions) -> None:
    import cv2

    labels = column.labels()
    if labels.shape != canvas.size[::-1]:  # of another picture
        return
    x, y, width, height = cv2.boundingRect(labels)
    labels, part = labels[y : y + height, x : x + width], canvas.image[y : y + height, x : x + width]
    colors = np.array([region_color(one) for one in column.names] + [(0, 0, 0)] * (256 - len(column.names)), np.uint8)
    stripe = max(2, round(max(canvas.size) / 300))
    hatched = [place for place, one in enumerate(column.names) if one in _HATCHED]
    for top in range(0, height, _ROWS):
        some, below = labels[top : top + _ROWS], part[top : top + _ROWS]
        if hatched:
            between = np.add.outer(np.arange(top, top + len(some)), np.arange(width)) // stripe % 2 == 1
            some[between & np.isin(some, hatched)] = 0
        painted = cv2.addWeighted(colors[some], PAINT, below, 1 - PAINT, 0)
        cv2.copyTo(painted, some, below)  # where the class is not the first


#: Painters by column type.
_GROUNDS: Final[Mapping[str, Callable[[Canvas, Any], None]]] = MappingProxyType({"regions": _regions})
_ROWS: Final = 512  # painted at a time: bounds the memory
_HATCHED: Final = frozenset({"occluded"})  # classes that are painted in stripes: on what they hide

# --- the drawers ------------------------------------------------------------------------------------------------------

Drawer: TypeAlias = Callable[[Canvas, Marked, Any], None]


def draw_box(canvas: Canvas, one: Marked) -> None:
    """The box; only its corners where the face was not seen in this frame."""
    x1, y1, x2, y2 = one.box
    box, radius = (x1 - 0.5, y1 - 0.5, x2 - 0.5, y2 - 0.5), one.side * 0.07  # edges, counted from pixels' centres
    if one.track is not None and not one.face.track.observed:
        for corner in _corners(box, one.side * 0.18):
            canvas.line(corner, one.color, one.stroke, edge=True)
        return
    canvas.rounded(box, radius, one.color, one.stroke, edge=True)
    if not {"landmarks", "landmarks68", "landmarks106"} & one.fields:
        spots = np.array(list(one.face.keypoints.values()), np.float64).reshape(-1, 2)
        canvas.dots(spots, one.color, max(1.0, one.side / 80), edge=True)


def _corners(box: tuple[float, float, float, float], length: float) -> Iterator[Floats]:
    x1, y1, x2, y2 = box
    for x, y, right, down in ((x1, y1, 1, 1), (x2, y1, -1, 1), (x2, y2, -1, -1), (x1, y2, 1, -1)):
        yield np.array([(x + right * length, y), (x, y), (x, y + down * length)])


def _nothing(canvas: Canvas, one: Marked, column: Any) -> None:
    """What has no place in the picture."""


def _points(canvas: Canvas, one: Marked, points: Points) -> None:
    """Regions as lines, each in its colour; all points as dots, small where there are many."""
    xy = points.xy.astype(np.float64)
    shown = _visible(one, points)
    xy = np.where(shown[:, None], xy, np.nan)
    layout = LAYOUTS.get(points.layout)
    many = len(xy) > 200
    if layout is None:
        canvas.dots(xy, _OVAL, one.side / (400 if many else 120))
        return
    if layout.name == "mesh478" and points.values.shape[-1] == 3 and one.side > NET_FROM:
        canvas.lines(net(points.values.astype(np.float64)), _OVAL, min(0.55, one.side / 500))
    for region, color in _REGIONS.items():
        if region in layout.regions and not (region == "jaw" and "face_oval" in layout.regions):
            shut = region not in _OPEN_LINES and not (layout.name == _OPEN_BROWS and region.endswith("brow"))
            line = xy[indices_of(layout.name, region)]
            if region.endswith("iris"):  # four points of a circle
                line = _circle(line)
            canvas.line(line, color, one.side / 160, closed=shut, edge=one.side > 100)
    if not many:
        canvas.dots(xy, TEXT, one.side / 220)


def _circle(points: Floats) -> Floats:
    middle = points.mean(axis=0)
    radius = np.linalg.norm(points - middle, axis=1).mean()
    angle = np.linspace(0, 2 * np.pi, 25)[:-1, None]
    return np.asarray(middle + radius * np.concatenate([np.cos(angle), np.sin(angle)], axis=1))


def net(points: Floats) -> Floats:
    """The lines of a net over the mesh's points (478, 3), (E, 2, 2), less those on the head's far side."""
    from scipy.spatial import Delaunay, QhullError

    # Seen from the front nothing of a face hides behind another part: there the points are joined to their neighbours.
    right, left, top, chin = points[[33, 263, 10, 152]]
    x = left - right
    down = np.cross(np.cross(x, chin - top), x)
    axes = np.stack([x, down])
    lengths = np.linalg.norm(axes, axis=1)
    if not (np.isfinite(points).all() and (lengths > 0).all()):
        return np.zeros((0, 2, 2))
    try:
        corners = Delaunay(points[:468] @ (axes / lengths[:, None]).T).simplices
    except QhullError:  # all of them on one line
        return np.zeros((0, 2, 2))
    a, b, c = np.moveaxis(points[corners][..., :2], 1, 0)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    corners = corners[area > 0]  # turned over: seen from behind
    sides = np.unique(np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    reach = np.linalg.norm(points[sides[:, 0]] - points[sides[:, 1]], axis=1)
    return np.asarray(points[sides[reach < 0.35 * lengths[0]], :2])


def _visible(one: Marked, points: Points) -> NDArray[np.bool_]:
    """Which points face the camera, where that is known."""
    for name in ("visibility", "visibility68"):
        levels = one.face.faces.columns.get(name)
        if levels is not None and getattr(levels, "layout", "") == points.layout and points.layout:
            own = one.column(name)
            if not bool(own.abstained):
                return np.asarray(own.values >= 0.5)
    return np.ones(len(points.xy), bool)


def _axes(canvas: Canvas, one: Marked, turned: Angles | Placement) -> None:
    """The head's axes: red to its left, green down, blue out of the nose."""
    matrix = turned.matrix.astype(np.float64)
    # Columns are the face's axes in the camera's: x to the picture's right, y down, z away; the nose points along -z.
    ends = [(matrix[:, 0], AXES[0]), (matrix[:, 1], AXES[1]), (-matrix[:, 2], AXES[2])]
    for axis, color in sorted(ends, key=lambda end: -end[0][2]):  # the nearest last
        _arrow(canvas, one.middle, one.middle + axis[:2] * one.side * 0.36, color, max(1.2, one.side / 100))


def _placed(canvas: Canvas, one: Marked, head: Placement) -> None:
    if "pose" not in one.fields:
        _axes(canvas, one, head)


def _gaze(canvas: Canvas, one: Marked, gaze: Directions) -> None:
    """A ray from each eye, as long as it points sideways."""
    along = gaze.vector.astype(np.float64)[:2] * one.side * 0.9
    width = max(1.2, one.side / 110)
    for eye in one.eyes:
        canvas.dots(eye[None], GAZE, width * 1.5, edge=True)
        _arrow(canvas, eye, eye + along, GAZE, width)


def _eyes(canvas: Canvas, one: Marked, eyes: Scores) -> None:
    """A green ring around an open eye, a magenta bar across a closed one."""
    across = one.eyes[1] - one.eyes[0]
    length = float(np.hypot(*across)) or one.side * 0.36
    turn = float(np.degrees(np.arctan2(across[1], across[0])))
    width = max(1.0, one.side / 200)
    for eye, is_open in zip(one.eyes, eyes.values >= 0.5, strict=False):
        if is_open:
            canvas.ellipse(eye, (length * 0.28, length * 0.17), turn, OPEN, width, edge=True)
        else:
            reach = across / max(length, 1e-6) * length * 0.28
            canvas.line([eye - reach, eye + reach], CLOSED, width * 2.5, edge=True)


def _arrow(canvas: Canvas, start: Floats, end: Floats, color: Color, width: float) -> None:
    along = end - start
    length = float(np.hypot(*along))
    if not length > 4 * width:  # it points at the camera
        return
    along = along / length
    head = min(5 * width, 0.6 * length)
    neck, side = end - along * head, np.array([-along[1], along[0]]) * head * 0.4
    canvas.line([start, neck], color, width, edge=True)
    canvas.line([neck + side, end, neck - side, neck + side], color, width * 0.5, edge=True)
    canvas.polygon([neck + side, end, neck - side], color)


#: Drawers of fields that look unlike others of their column type.
_BY_FIELD: Final[Mapping[str, Drawer]] = MappingProxyType(
    {"eyes": _eyes, "head": _placed, "stabilized": _nothing, "shape": _nothing}
)
#: Drawers by column type; a type that is not here has no place in the picture, though it may be in the label.
_BY_TYPE: Final[Mapping[str, Drawer]] = MappingProxyType(
    {"points": _points, "angles": _axes, "placement": _axes, "directions": _gaze}
)
_LAYERS: Final = tuple(_BY_TYPE)  # from below to above


def draw_field(canvas: Canvas, one: Marked, name: str) -> None:
    """Draw a computed field of a face, unless it abstained or has no place in the picture."""
    column = one.column(name)
    if not bool(column.abstained):
        drawer = _BY_FIELD.get(name) or _BY_TYPE.get(all_fields()[name].column, _nothing)
        drawer(canvas, one, column)


def layer_of(name: str) -> int:
    """Where a field lies: 0 is below all others."""
    column = all_fields()[name].column
    return _LAYERS.index(column) if column in _LAYERS else len(_LAYERS)
