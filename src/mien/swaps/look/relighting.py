"""``Relight``: a face under light from another side, or under that of another picture.

The light that a face is in is fitted to its skin by the normals of its mesh, and what the same face would look like
in another is the ratio of the two (see `blend.lighting`). So shades that are a matter of where a surface looks
are put right, broad and soft; shadows that fall from the nose or from a hat stay where they are, and so does gloss.
What the picture does not hold, a black shadow or burnt-out skin, does not come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.image import ImageSource, load_image
from mien.core.mesh import Topology
from mien.core.shading import directional, fit_light, harmonics
from mien.engine import Engine, default_engine
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.swaps.blend.facemask import face_alpha, shrunk, skin_weight
from mien.swaps.blend.lighting import LUMINANCE, brightened, normal_map, to_linear
from mien.swaps.blend.painting import Painted, Painting, as_strength
from mien.swaps.blend.sight import Sight
from mien.swaps.effects import Take
from mien.swaps.plate import Plate
from mien.swaps.targets import mark_of

__all__ = ["SIDES", "Light", "Relight"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: A side by name; a direction (x, y, z) from the face to the lamp, z < 0 towards the camera; or a picture.
Light: TypeAlias = "Sequence[float] | ImageSource"

#: Where a lamp stands, by name: left and right are the picture's.
SIDES: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "front": (0.0, -0.25, -1.0),
        "left": (-1.0, -0.3, -0.4),
        "right": (1.0, -0.3, -0.4),
        "above": (0.0, -1.0, -0.6),
        "below": (0.0, 1.0, -0.6),
    }
)
SKY = 0.25  # of the light that comes from everywhere, beside a lamp
MARGIN = 0.5  # of the plate: hair and neck are lit as well
STRONGEST = 3.0  # times by which a place is made brighter, or darker
DARKEST = 0.15  # of the mean: no place is darker than that by a light
HELD = 0.01  # see `fit_light`
REACHES = (0.04, 0.1, 0.25, 0.6)  # of the face's width: over so far the change is carried on beyond it
SOFT = 0.02  # of it, over which the change is smoothed
FADING = 0.45  # of the face's extent: so far from it nothing is changed any more
SETTLE = 0.5  # seconds over which the light of a video's face is averaged
LEAST_SKIN = 300.0  # pixels that a light is fitted to
#: Regions that are lit along with the face, and how much: they are no part of the mesh, but near to it.
BESIDE: Mapping[str, float] = MappingProxyType({"ears": 1.0, "neck": 1.0, "hair": 0.7, "hat": 0.5, "glasses": 0.5})


class Relight:
    """Puts faces into another light: an effect; see `mien.swaps.editor.Editor`.

    Parameters
    ----------
    light : str, (x, y, z), or picture
        Where the lamp stands, one of `SIDES` (left and right are the picture's); a direction from the face to it, x to
        the picture's right, y down, z away from the camera; or a picture of a face, by its path or as `mien.load_image`
        takes it, whose light is taken over.
    strength : float
        From 0, nothing, to 1, the light in full.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If `light` is none of these, or the picture's face shows too little skin to tell its light by.
    NoFace
        If the picture shows no face.
    SourceError, ImageError
        If the picture cannot be read.
    """

    def __init__(self, light: Light, *, strength: float = 1.0, engine: Engine | None = None) -> None:
        self._engine = engine or default_engine()
        self._strength = as_strength(strength)
        self._source: Provenance | None = None
        self._name: str | list[float]
        if isinstance(light, str) and light in SIDES:
            self._name, self._wanted = light, _lamp(SIDES[light])
        elif (direction := _direction(light)) is not None:
            self._name, self._wanted = direction, _lamp(direction)
        else:
            self._name, self._wanted = "reference", self._of_picture(light)

    def _of_picture(self, source: Any) -> Doubles:
        if isinstance(source, str) and "." not in source and "/" not in source:
            raise UsageError(f"light is {', '.join(SIDES)}, a direction x, y, z or a picture, not {source!r}.")
        image = load_image(source)
        faces = self._engine.analyze(image, want={"landmarks", "parse"})
        if not len(faces):
            raise NoFace("the picture that the light is to be taken from shows no face.")
        face = faces[int(np.argmax(faces.areas))]
        plate = Plate.around(image, face.landmarks.values)
        light = None
        if plate is not None:
            topology = face_topology(engine=self._engine)
            alpha = face_alpha(plate, face, topology=topology)
            light = _light_on(plate, skin_weight(plate, alpha), topology)
        if light is None:
            raise UsageError("the picture that the light is to be taken from shows too little skin.")
        self._source = mark_of(source)
        return light

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return frozenset({"landmarks"})

    @property
    def report(self) -> dict[str, Any]:
        """What is done, and by which models."""
        return {"relight": self._name, "strength": self._strength, "parse": self._engine.choose("parse").id}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        return Provenance.manipulated(source, *([self._source] if self._source is not None else []))

    def start(self) -> Take:
        """See `mien.swaps.effects.Effect`."""
        painter = _Painter(self._wanted, self._strength, self._engine)
        return Painting(painter, self._engine, margin=MARGIN, occlusion=False)


@dataclass(eq=False)
class _Painter:
    """Relights; keeps the light of each track, so that it does not flicker."""

    wanted: Doubles
    strength: float
    engine: Engine

    def __post_init__(self) -> None:
        self._lights: dict[int, tuple[float, Doubles]] = {}

    @cached_property
    def _topology(self) -> Topology:
        return face_topology(engine=self.engine)

    def paint(self, sight: Sight, time: float | None) -> Painted | str:
        """See `mien.swaps.blend.painting.Painter`."""
        import cv2

        plate = sight.plate
        outline = face_alpha(plate, topology=self._topology, feather=0.02)
        seen = 1 - sight.hidden(others=False)
        light = self._steady(_light_on(plate, skin_weight(plate, outline * seen), self._topology), sight, time)
        if light is None:
            return "too little skin is seen to tell the light by"
        normals = normal_map(plate, self._topology)
        gain = _gain(light, self.wanted, normals) * self.strength
        whole = cv2.resize(gain, plate.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        front = brightened(plate.image.astype(np.float32), np.asarray(whole, np.float32))
        return Painted(front, _share(sight, outline), {"before": _summary(light), "after": _summary(self.wanted)})

    def _steady(self, now: Doubles | None, sight: Sight, time: float | None) -> Doubles | None:
        if time is None or sight.track is None:
            return now
        before = self._lights.get(sight.track)
        if before is not None and 0 <= time - before[0] < 2:
            now = (
                before[1] if now is None else before[1] + (1 - np.exp(-(time - before[0]) / SETTLE)) * (now - before[1])
            )
        if now is not None:
            self._lights[sight.track] = time, now
        return now


def _direction(light: Any) -> list[float] | None:
    """Three numbers, if they are what is meant."""
    if isinstance(light, str | bytes) or not isinstance(light, Sequence | np.ndarray) or np.shape(light) != (3,):
        return None
    return [float(one) for one in light]


def _lamp(direction: ArrayLike) -> Doubles:
    """A lamp, and some light from everywhere; 1 on the whole."""
    light = (1 - SKY) * directional(direction)
    light[0] += SKY * 0.25
    return np.asarray(light / light[0])


def _light_on(plate: Plate, skin: Floats, topology: Topology) -> Doubles | None:
    """The light on a face's skin, 1 on the whole; None: too little of it is seen."""
    normals = normal_map(plate, topology)
    if float(skin.sum()) < LEAST_SKIN:
        return None
    size = normals.shape[0], normals.shape[1]
    level = to_linear(shrunk(plate.image, size)) @ LUMINANCE
    known = np.where(np.isfinite(normals).all(axis=2), shrunk(skin, size), 0)
    light = fit_light(np.nan_to_num(normals), level, known, held=HELD)
    if light is None or light[0] <= 0:
        return None
    return np.asarray(light / light[0])


def _gain(light: Doubles, wanted: Doubles, normals: Floats) -> Floats:
    """Logarithm of what light is multiplied by, all over a plate, carried on beyond the face.

    As bright on the whole of the face as it was, so far as nothing that was seen gets lost in black or white.
    """
    import cv2

    inside = np.isfinite(normals).all(axis=2)
    basis = harmonics(np.nan_to_num(normals))
    shades = []
    for one in (light, wanted):
        shade = basis @ one
        shades.append(np.maximum(shade / max(float(shade[inside].mean()), 1e-3), DARKEST))
    limit = np.log(STRONGEST)
    gain = np.where(inside, np.log(shades[1] / shades[0]).clip(-limit, limit), 0).astype(np.float32)
    known = np.asarray(inside, np.float32)
    # Beyond the mesh, the mean of what is near: hair and neck have no normals here.
    across = float(inside.any(axis=0).sum())
    out, share = gain, known
    for part in REACHES:
        sigma = max(part * across, 0.5)
        near = np.asarray(cv2.GaussianBlur(known, (0, 0), sigma), np.float32)
        mean = np.asarray(cv2.GaussianBlur(gain * known, (0, 0), sigma), np.float32) / np.maximum(near, 1e-4)
        out = np.asarray(out * share + mean * (1 - share), np.float32)
        share = np.maximum(share, (4 * near).clip(0, 1))
    return np.asarray(cv2.GaussianBlur(out, (0, 0), max(SOFT * across, 0.5)), np.float32)


def _share(sight: Sight, outline: Floats) -> Floats:
    """How much of each pixel of a plate is relit: the face in full, what is around it less and less."""
    import cv2

    parts = np.maximum(outline, sight.region("face"))
    for name, share in BESIDE.items():  # a sum: where two soft edges meet, there is no gap
        parts = np.minimum(parts + np.float32(share) * sight.region(name), 1)
    size = sight.plate.size
    parts = np.asarray(cv2.GaussianBlur(parts, (0, 0), max(0.006 * size, 0.5)), np.float32)
    distance = cv2.distanceTransform((outline < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    near = (1 - distance / np.float32(FADING * size)).clip(0, 1)
    return _within(np.asarray(parts * near * near * (3 - 2 * near), np.float32))


def _within(alpha: Floats) -> Floats:
    """An alpha that is 0 at the plate's border, where nothing joins on; but for a border of the face, it is already."""
    return np.asarray(np.where(alpha < 1 / 255, np.float32(0), alpha), np.float32)


def _summary(light: Doubles) -> list[float]:
    """The direction from which a light mostly comes, by its first order: x right, y down, z away."""
    first = light[1:4]
    return [round(float(one), 2) for one in first / max(float(np.linalg.norm(first)), 1e-6)]
