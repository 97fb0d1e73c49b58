"""``Recolor``: hair, lips, brows and irises in other colours; light and shade, strands and highlights are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.engine import Engine, default_engine
from mien.location.eyes import EYE_NAMES, openings
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.swaps.backgrounds.backdrops import parse_color
from mien.swaps.blend.coat import Coat, opened, region_layer
from mien.swaps.blend.oklab import from_oklab, to_oklab
from mien.swaps.blend.painting import Painted, Painting, as_strength
from mien.swaps.blend.sight import Sight
from mien.swaps.effects import Take
from mien.swaps.look.dyeing import Dye, Dyed, dyed, median_color

__all__ = ["FINISHES", "PARTS", "Color", "Finish", "Recolor"]

Floats = NDArray[np.float32]
Color: TypeAlias = str | Sequence[int]
Finish: TypeAlias = Literal["natural", "matte", "gloss"]

PARTS = ("hair", "lips", "brows", "iris")  #: what can be recoloured
#: By how much the highlights of lips are stronger, or weaker, than they were.
FINISHES: Mapping[str, float] = MappingProxyType({"natural": 0.0, "matte": -0.75, "gloss": 0.9})
MARGIN = 0.9  # of the plate: hair reaches far beside the mesh
NARROW = 0.15  # where only the face itself is dyed
LEAST_HAIR = 0.03  # of the mesh's extent, squared: less is no head of hair
LEAST_EYE = 0.13  # distance of the lids in widths of the eye: below, no iris is seen
GREY = 0.012  # tint in Oklab, below which all of a picture is a picture without colour
SETTLE = 0.5  # seconds over which the middle colour of a part is averaged


class Recolor:
    """Recolours parts of faces: an effect; see `mien.swaps.editor.Editor`.

    Parameters
    ----------
    hair, lips, brows, iris : colour, optional
        A CSS name, hex such as "#7a3b1e", or (red, green, blue). What is not given stays as it is.
    strength : float
        From 0, nothing, to 1, the colour in full.
    finish : {"natural", "matte", "gloss"}
        Of lips: how strong their highlights are.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If nothing is asked for, or something is no colour.
    """

    def __init__(
        self,
        *,
        hair: Color | None = None,
        lips: Color | None = None,
        brows: Color | None = None,
        iris: Color | None = None,
        strength: float = 1.0,
        finish: Finish = "natural",
        engine: Engine | None = None,
    ) -> None:
        asked = dict(zip(PARTS, (hair, lips, brows, iris), strict=True))
        self._colors = {name: parse_color(color) for name, color in asked.items() if color is not None}
        if not self._colors:
            raise UsageError(f"say what to recolour, one or several of: {', '.join(PARTS)}.")
        if finish not in FINISHES:
            raise UsageError(f"lips are {', '.join(FINISHES)}, not {finish!r}.")
        self._strength, self._finish = as_strength(strength), finish
        self._engine = engine or default_engine()

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return frozenset({"landmarks"})

    @property
    def report(self) -> dict[str, Any]:
        """What is done, and by which models."""
        colors = {name: _hex(color) for name, color in self._colors.items()}
        return {"recolor": colors, "strength": self._strength, "parse": self._engine.choose("parse").id}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        return Provenance.manipulated(source)

    def start(self) -> Take:
        """See `mien.swaps.effects.Effect`."""
        painter = _Painter(self._colors, self._strength, FINISHES[self._finish], self._engine)
        margin = MARGIN if "hair" in self._colors else NARROW
        return Painting(painter, self._engine, margin=margin)


@dataclass(frozen=True, eq=False)
class _Scene:
    """One face whose parts are to be masked."""

    sight: Sight
    topology: Topology
    lips: Floats  # on the texture

    @cached_property
    def coat(self) -> Coat:
        return Coat.over(self.sight.plate.points, self.topology, self.sight.image.shape[:2])

    @cached_property
    def skin(self) -> Floats | None:
        few = slice(None, None, 1 + int(self.sight.plate.size > 100)), slice(None, None, 2)
        return median_color(self.lab(few), self.sight.region("skin")[few])

    def lab(self, part: Any) -> Floats:
        """Pixels of the plate in Oklab: no more of them than are needed, as this takes the longest."""
        return to_oklab(self.sight.image[part])


def _hair(scene: _Scene) -> Floats | str:
    sight = scene.sight
    mask = sight.soft("hair")
    area, size = float(mask.sum()), sight.plate.size
    hat = float(sight.region("hat").sum())
    if area < LEAST_HAIR * size * size:
        return "a hat hides the hair" if hat > area else "there is hardly any hair to be seen"
    mask = ((mask - 0.12) / 0.88).clip(0, 1)  # the faintest of the edge is more place than hair
    part = mask > 0
    share = mask[part]
    light = scene.lab(part)[..., 0]
    sure = light[share > 0.6]
    if not len(sure):
        return "there is hardly any hair to be seen"
    # What shines through curls is a place that is far brighter than all hair.
    middle = float(np.median(sure))
    spread = 1.5 * float(np.median(np.abs(sure - middle)))
    mask[part] = share * (1 - ((light - middle - 4 * spread - 0.25) / 0.12).clip(0, 1))
    return np.asarray(mask, np.float32)


def _lips(scene: _Scene) -> Floats | str:
    import cv2

    mask = scene.coat.show(scene.lips) * (1 - scene.sight.hidden())
    seen = scene.sight.region("lips")
    if mask.sum() < 12:
        return "the lips are not seen"
    if seen.sum() > 0.5 * mask.sum():  # the parsing sees their outline better; the mesh knows when they move
        soft = max(0.008 * scene.sight.plate.size, 0.5)
        part = _around(np.maximum(mask, seen), math.ceil(4 * soft) + 2)
        narrow, seen = mask[part], seen[part]
        wide = cv2.GaussianBlur(cv2.dilate(seen, np.ones((3, 3), np.uint8)), (0, 0), soft)
        mask[part] = np.minimum(np.maximum(narrow, 0.9 * cv2.GaussianBlur(seen, (0, 0), soft / 2)), 1.4 * wide)
    return np.asarray(mask.clip(0, 1), np.float32)


def _around(mask: Floats, room: int) -> tuple[slice, slice]:
    """Rows and columns in which a mask is above 0, and so many more on each side."""
    rows, columns = (np.flatnonzero(mask.max(axis=axis) > 0) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    top, bottom, left, right = rows[0] - room, rows[-1] + 1 + room, columns[0] - room, columns[-1] + 1 + room
    return slice(max(int(top), 0), int(bottom)), slice(max(int(left), 0), int(right))


def _brows(scene: _Scene) -> Floats | str:
    """Hairs of the brows: what is darker than the skin between them."""
    import cv2

    soft = max(0.012 * scene.sight.plate.size, 0.5)
    seen = scene.sight.region("brows")
    if seen.sum() < 12:
        return "the brows are not seen"
    part = _around(seen, math.ceil(4 * soft))
    lab, inside = scene.lab(part), seen[part]
    around = np.asarray(cv2.GaussianBlur(inside, (0, 0), soft), np.float32)
    middle = median_color(lab, inside)
    if middle is None or scene.skin is None:
        return "the brows are not seen"
    contrast = float(scene.skin[0] - middle[0])
    if contrast < 0.03:
        return "the brows are as light as the skin"
    dark = ((scene.skin[0] - lab[..., 0]) / contrast).clip(0, 1)
    mask = np.zeros_like(seen)
    mask[part] = (1.6 * around).clip(0, 1) * dark**0.7 * (1 - scene.sight.hidden(("hair", "hat"))[part])
    return mask


def _iris(scene: _Scene) -> Floats | str:
    """Irises between the lids, softly, without the highlights in them."""
    points = scene.sight.points
    open_ = openings(points[None].astype(np.float32))[0]
    masks = [
        _one_iris(scene, side)
        for side in ("right", "left")
        if open_[EYE_NAMES.index(side)] > LEAST_EYE and _seen(scene, f"{side}_eye")
    ]
    if not masks:
        return "the eyes are closed, or not seen"
    mask = np.max(masks, axis=0) * (1 - scene.sight.hidden(("hair", "hat")))
    if mask.sum() < 8:
        return "the irises are too small, or hidden"
    return np.asarray(mask, np.float32)


def _seen(scene: _Scene, ring: str) -> bool:
    """Whether an eye is on the side of the head that is seen, and no dark glass before it."""
    points = scene.sight.plate.points
    around = points[indices_of("mesh478", ring)]
    width = float(np.ptp(around[:, 0]))
    x, y = np.rint(around[:, :2].mean(axis=0)).astype(int)
    height, wide = scene.sight.image.shape[:2]
    if not (0 <= x < wide and 0 <= y < height) or width < 6 or width < 0.08 * scene.sight.plate.size:
        return False
    r = max(int(width / 2), 1)
    window = slice(max(y - r // 2, 0), y + r // 2 + 1), slice(max(x - r, 0), x + r + 1)
    light = scene.lab(window)[..., 0]
    # Behind dark glass no white of the eye is seen.
    glass = float(scene.sight.region("glasses")[window].mean())
    return glass < 0.5 or scene.skin is None or float(np.percentile(light, 90)) > 0.8 * float(scene.skin[0])


def _one_iris(scene: _Scene, side: str) -> Floats:
    import cv2

    points, shape = scene.sight.points[:, :2], scene.sight.image.shape[:2]
    edge = points[indices_of("mesh478", f"{side}_iris")]
    middle = points[indices_of("mesh478", f"{side}_pupil")][0]
    axes = np.column_stack([(edge[0] - edge[2]) / 2, (edge[1] - edge[3]) / 2])
    ring = points[indices_of("mesh478", f"{side}_eye")]
    low = np.floor(np.minimum(ring.min(axis=0), edge.min(axis=0)) - 2).astype(int).clip(0, shape[::-1])
    high = np.ceil(np.maximum(ring.max(axis=0), edge.max(axis=0)) + 3).astype(int).clip(0, shape[::-1])
    out = np.zeros(shape, np.float32)
    if (high <= low).any() or abs(np.linalg.det(axes)) < 1:
        return out
    window = slice(low[1], high[1]), slice(low[0], high[0])
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    away = np.stack([x, y], axis=-1) - middle
    radius = np.linalg.norm(away @ np.linalg.inv(axes).T, axis=-1)
    disc = ((1.0 - radius) / 0.14 + 0.5).clip(0, 1)
    fine = 8
    lids = np.zeros((window[0].stop - window[0].start, window[1].stop - window[1].start), np.uint8)
    cv2.fillPoly(lids, [np.rint((ring - low) * fine).astype(np.int32)], (255,), lineType=cv2.LINE_AA, shift=3)
    soft = np.asarray(cv2.GaussianBlur(lids, (0, 0), max(0.004 * scene.sight.plate.size, 0.4)), np.float32)
    light = scene.lab(window)[..., 0]
    core = radius < 0.9
    typical = float(np.median(light[core])) if core.any() else 0.3
    glint = ((light - typical - 0.25) / 0.15).clip(0, 1)
    out[window] = disc * (soft / np.float32(255)) * (1 - glint)
    return out


_MASKS: Mapping[str, Callable[[_Scene], Floats | str]] = MappingProxyType(
    {"hair": _hair, "lips": _lips, "brows": _brows, "iris": _iris}
)
#: How far each part's lightness may go up and down, how much of its own variety stays, and how much tint it takes.
_REACH: Mapping[str, tuple[float, float, float, float]] = MappingProxyType(
    {
        "hair": (0.2, 0.6, 0.25, 1.0),
        "lips": (0.10, 0.28, 0.25, 1.0),
        "brows": (0.16, 0.4, 0.3, 0.9),
        "iris": (0.1, 0.3, 0.5, 0.6),
    }
)


@dataclass(eq=False)
class _Painter:
    """Recolours; keeps the middle colour of each part of each track, so that dyes do not flicker."""

    colors: Mapping[str, tuple[int, int, int]]
    strength: float
    shine: float
    engine: Engine

    def __post_init__(self) -> None:
        self._middles: dict[tuple[int, str], tuple[float, Floats]] = {}

    @cached_property
    def _topology(self) -> Topology:
        return opened(face_topology(engine=self.engine))

    @cached_property
    def _lips(self) -> Floats:
        return region_layer(self._topology, "lips", soft=0.003)

    def paint(self, sight: Sight, time: float | None) -> Painted | str:
        """See `mien.swaps.blend.painting.Painter`."""
        if _grey(sight.image):
            return "the picture has no colour"
        scene = _Scene(sight, self._topology, self._lips)
        front, alpha = sight.image.astype(np.float32), np.zeros(sight.image.shape[:2], np.float32)
        told: dict[str, Any] = {}
        skipped = []
        for name, color in self.colors.items():
            mask = _MASKS[name](scene)
            done = mask if isinstance(mask, str) else self._laid(name, color, mask, scene, front, time)
            if isinstance(mask, str) or isinstance(done, str):
                skipped.append(str(done))
                continue
            np.maximum(alpha, mask, out=alpha)
            told[name] = {"from": _hex(done.before), "to": _hex(done.after), "limited": done.limited}
        if not told:
            return "; ".join(dict.fromkeys(skipped))
        # The masks are in the colours already: here the share only says where, and how strongly.
        return Painted(front, np.where(alpha > 0, np.float32(self.strength), np.float32(0)), told, tuple(skipped))

    def _laid(
        self, name: str, color: tuple[int, int, int], mask: Floats, scene: _Scene, front: Floats, time: float | None
    ) -> Dyed | str:
        """Dye a part of `front`, in place."""
        part = mask > 0
        lab, share = scene.lab(part), mask[part]
        middle = self._middle(scene.sight, name, lab, share, time)
        if middle is None:
            return f"too little of the {name} is seen"
        done = dyed(lab, middle, Dye(color, *_REACH[name]))
        colored = done.lab
        if name == "lips" and self.shine:
            colored = self._finished(colored, mask, scene)
        # One over the other: where hair is over a brow it is hair.
        under = to_oklab(front[part]) if len(self.colors) > 1 else lab
        front[part] = from_oklab(under + share[..., None] * (colored - under))
        return done

    def _middle(self, sight: Sight, name: str, lab: Floats, mask: Floats, time: float | None) -> Floats | None:
        now = median_color(lab, mask)
        if time is None or sight.track is None:
            return now
        before = self._middles.get((sight.track, name))
        if now is None:
            return None if before is None else before[1]
        if before is not None and 0 <= time - before[0] < 2:
            share = np.float32(1 - np.exp(-(time - before[0]) / SETTLE))
            now = before[1] + share * (now - before[1])
        self._middles[sight.track, name] = time, now
        return now

    def _finished(self, colored: Floats, mask: Floats, scene: _Scene) -> Floats:
        """Lips (N, 3), those of a mask, with more, or less, of their highlights."""
        import cv2

        soft = max(0.02 * max(mask.shape), 1.0)
        part = _around(mask, math.ceil(3 * soft))
        light = scene.lab(part)[..., 0]
        bright = (light - cv2.GaussianBlur(light, (0, 0), soft)).clip(0, None)[mask[part] > 0]
        out = colored.copy()
        out[..., 0] += np.float32(self.shine) * bright
        if self.shine > 0:  # a highlight is as white as the light
            out[..., 1:] *= (1 - 2.5 * bright.clip(0, 0.25))[..., None]
        return out


def _grey(image: Image) -> bool:
    """Whether a picture is without colour."""
    few = image[:: max(image.shape[0] // 128, 1), :: max(image.shape[1] // 128, 1)]
    return bool(np.abs(to_oklab(few)[..., 1:]).max() < GREY)


def _hex(color: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
