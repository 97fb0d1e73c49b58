"""What a swap does to the faces of a picture, or of a video frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import LicenseRefused, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.region import Region
from mien.engine import Engine
from mien.location.stabilization import similarities
from mien.swaps.blend.blending import gradient, multiband
from mien.swaps.blend.facemask import face_alpha
from mien.swaps.blend.spectacles import rims
from mien.swaps.blend.tinting import Tint, carried, renewed
from mien.swaps.consent import Guard
from mien.swaps.effects import Changed, Shot
from mien.swaps.exchange.dressing import dressed, opened, wires
from mien.swaps.exchange.identity import Casting, Identity
from mien.swaps.exchange.likeness import Likeness
from mien.swaps.plate import AROUND, Plate, join
from mien.swaps.shape.warpfield import displacement, remap

__all__ = ["KEEP", "Blend", "Settings", "SwapTake"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Blend = Literal["multiband", "gradient"]

#: What of the target can be kept.
KEEP: Final = ("eyes", "mouth", "glasses", "outline")
#: How a face is laid into a picture, by name.
BLENDS: Final[Mapping[str, Callable[[Floats, Floats, Floats], Floats]]] = MappingProxyType(
    {"multiband": partial(multiband, levels=3), "gradient": gradient}  # colours are matched: shorter ways are enough
)

SURFACE = 468  # points of the mesh before those of the irises
LEAST_PRESENCE = 0.5  # of the mesh network: below it, it sees no human face
MOST_TURNED = 55.0  # degrees of yaw beyond which the mesh is a guess
NO_HUMAN = "no human face that a mesh can be laid over"
NOBODY, TELLING = 0.12, 80.0  # recognizability below which a face of so many pixels is no human one
SMALLEST = 16.0  # pixels that a target's face must extend over
FEATHER = 0.04  # of the face's extent, over which its edge fades: with more, less of the source is seen
STILL = 0.35  # of the face's extent: how far from it nothing moves any more
FIELD = 0.02  # pixels that count as no motion
ROOM = 0.06  # of the face's extent beside the mesh, in which it is blended
PULLED = 9  # of the mesh's points within, what stands around it follows every so many-th; and all of its outline
LOOK = 0.2  # seconds after which what stands before a face of a video is looked at again
GAP = 0.5  # seconds after which a track that comes back is seen anew


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How faces are swapped.

    Attributes
    ----------
    keep : tuple of str
        What of the target stays: names of `KEEP`.
    strength : float
        0 is the target's face, 1 the source's; between, shape and colours are.
    blend : {"multiband", "gradient"}
        How the face is laid into the picture.

    Raises
    ------
    UsageError
        If one of them makes no sense.
    """

    keep: Collection[str] = ("eyes", "mouth", "glasses")
    strength: float = 1.0
    blend: Blend = "multiband"

    def __post_init__(self) -> None:
        if isinstance(self.keep, str) or not set(self.keep) <= set(KEEP):
            raise UsageError(f"keep is some of {', '.join(KEEP)}, not {self.keep!r}.")
        if not isinstance(self.strength, int | float) or not 0 < self.strength <= 1:
            raise UsageError(f"strength is a number above 0, up to 1, not {self.strength!r}.")
        if self.blend not in BLENDS:
            raise UsageError(f"blend is {' or '.join(BLENDS)}, not {self.blend!r}.")

    @property
    def open(self) -> tuple[str, ...]:
        """Openings of the mesh through which the target is seen."""
        return tuple(name for name in ("eyes", "mouth") if name in self.keep)


@dataclass(eq=False)
class _Track:
    """What is remembered of one face.

    Attributes
    ----------
    identity : Identity
        Who is put in its place.
    time : float
        When it was last seen.
    looked : float
        When it was last looked at what stands before it.
    before, points
        How much of each pixel of a plate that is, and where the mesh was in that plate.
    shift, trust
        Sums over the frames: see `mien.swaps.exchange.likeness.Shift`.
    tint : Tint
        What is known of the light.
    """

    identity: Identity
    time: float
    looked: float = -np.inf
    before: Floats | None = None
    points: Doubles | None = None
    shift: Doubles = field(default_factory=lambda: np.zeros((SURFACE, 3)))
    trust: Doubles = field(default_factory=lambda: np.zeros((SURFACE, 1)))
    tint: Tint = field(default_factory=Tint)

    def seen(self, time: float) -> None:
        """Go on at a time; after a gap or a cut, what is before the face and its light are forgotten."""
        if not 0 <= time - self.time <= GAP:
            self.before, self.tint = None, Tint()
            self.looked = -np.inf
        self.time = time


@dataclass(frozen=True, eq=False)
class _Layers:
    """Pictures as large as the shot, where they are asked for."""

    kept: dict[str, NDArray[np.uint8]]

    @classmethod
    def of(cls, shot: Shot) -> _Layers:
        if not shot.layers:
            return cls({})
        size = shot.image.shape[:2]
        shapes = {"warped": (*size, 4), "relit": (*size, 4), "alpha": size, "mesh": (*size, 3)}
        return cls({name: np.zeros(shape, np.uint8) for name, shape in shapes.items()})

    def add(self, plate: Plate, name: str, layer: NDArray[Any]) -> None:
        """Lay what one face shows over the others'."""
        part = self.kept[name][plate.window]
        shown = (layer != 0).any(axis=2, keepdims=True) if layer.ndim == 3 else layer != 0
        np.copyto(part, _bytes(layer), where=shown)


class SwapTake:
    """A swap in one picture or one video; see `mien.swaps.effects.Take`. Parameters are those of `Swap`."""

    def __init__(
        self,
        casting: Casting,
        settings: Settings,
        guard: Guard,
        engine: Engine,
        topology: Topology,
        likeness: Likeness,
    ) -> None:
        self._casting, self._settings, self._guard = casting, settings, guard
        self._engine, self._topology, self._likeness = engine, topology, likeness
        self._tracks: dict[int, _Track] = {}

    def apply(self, shot: Shot) -> Changed:
        """See `Take`."""
        size = shot.image.shape[1], shot.image.shape[0]
        picture, layers = shot.image.copy(), _Layers.of(shot)
        skipped: list[dict[str, Any]] = []
        cast = self._cast(shot, skipped)
        self._look(shot, cast)
        masks = [self._change(shot, row, track, picture, layers) for row, track in cast.items()]
        told = {"skipped": skipped} if skipped else {}
        return Changed(image=picture, mask=join(masks, size), layers=layers.kept, report=told)

    # -- who is changed ----------------------------------------------------------------------------------------------

    def _cast(self, shot: Shot, skipped: list[dict[str, Any]]) -> dict[int, _Track]:
        """Who is put in whose place; faces that cannot be changed are left out, and told of."""
        cast = {}
        for row in map(int, shot.rows):
            reason = _fault(shot, row) or (None if shot.time is not None else self._beast(shot, row))
            if reason is not None and shot.time is None:
                raise UsageError(f"face {row} cannot be swapped: {reason}.")
            track = self._track(shot, row) if reason is None else None
            if track is None:
                skipped.append({"face": row, "reason": reason or "nobody is put in its place"})
            else:
                cast[row] = track
        return cast

    def _beast(self, shot: Shot, row: int) -> str | None:
        """Why a picture's face is no human one: the mesh lies on dogs as well, but nobody would recognise them."""
        if np.ptp(_mesh(shot, row)[:, :2], axis=0).max() < TELLING:
            return None
        asked = shot.faces[[row]].with_image(shot.image)
        found = self._engine.analyze(shot.image, want={"recognizability"}, faces=asked)
        return NO_HUMAN if float(found.recognizability.values[0]) < NOBODY else None

    def _track(self, shot: Shot, row: int) -> _Track | None:
        key = row if shot.time is None else int(shot.faces.track.ids[row])
        time = shot.time or 0.0
        if known := self._tracks.get(key):
            known.seen(time)
            return known
        identity = self._casting.identity_for(shot, row)
        if identity is None:
            return None
        self._guard.check_target(identity, shot.faces[[row]])
        self._tracks[key] = track = _Track(identity, time)
        return track

    # -- what stands before them -------------------------------------------------------------------------------------

    def _look(self, shot: Shot, cast: Mapping[int, _Track]) -> None:
        """See what stands before faces: in each picture, and in some frames of a video."""
        time = shot.time or 0.0
        due = [row for row, track in cast.items() if shot.time is None or time - track.looked >= LOOK]
        faces = self._parsed(shot, due)
        if faces is None:
            return
        for place, row in enumerate(due):
            plate, track = _plate(shot.image, shot, row, ROOM), cast[row]
            before = self._before(plate, faces[place], track.identity)
            if track.before is not None and track.points is not None:
                moved = carried(track.before, track.points, plate)
                before = moved + renewed(time - track.looked) * (before - moved)
            track.before, track.points, track.looked = before, plate.points, time

    def _parsed(self, shot: Shot, due: list[int]) -> Faces | None:
        """Faces with what says what stands before them; None where there is none, or no model may be used for it."""
        if not due:
            return None
        want = {"parse", "occlusion"} if shot.time is None else {"parse"}
        try:
            engine = self._engine if shot.time is None else _quick(self._engine)
            return engine.analyze(shot.image, want=want, faces=shot.faces[due].with_image(shot.image))
        except LicenseRefused:
            return None

    def _before(self, plate: Plate, face: Face, identity: Identity) -> Floats:
        """How much of each pixel of a plate stands before a face, (h, w) in [0, 1]."""
        whole = face_alpha(plate, topology=self._topology, feather=FEATHER)
        clear = face_alpha(plate, face, topology=self._topology, keep_glasses=False, feather=FEATHER)
        before = np.asarray(1 - np.divide(clear, whole, out=np.ones_like(whole), where=whole > 0), np.float32)
        # Nobody wears two pairs: a source's own glasses come in the place of the target's.
        found = rims(plate, face) if "glasses" in self._settings.keep and not identity.glasses else None
        return before if found is None else np.maximum(before, found)

    # -- one face ----------------------------------------------------------------------------------------------------

    def _change(self, shot: Shot, row: int, track: _Track, picture: Image, layers: _Layers) -> Region:
        """Change one face of a picture, in place; where it may differ."""
        plate = _plate(picture, shot, row)
        moved = self._moved(shot.faces[row], plate, track)
        motion, still = _motion(plate, moved)
        out = remap(plate.image, motion)
        core = _core(plate, moved)
        after = _cut(Plate(out, plate.origin, moved), core)
        alpha = self._alpha(_cut(plate, core), after, track, motion[core])
        front, drawn = dressed(track.identity, after.points, self._topology, after.image.shape[:2])
        alpha *= drawn.astype(np.float32) / np.float32(255)
        tinted = track.tint.apply(after, front, alpha, self._topology, shot.time)
        strength = np.float32(self._settings.strength)
        back = after.image.astype(np.float32)
        out[core] = _bytes(BLENDS[self._settings.blend](tinted, back, alpha * strength))
        if layers.kept:
            layers.add(after, "warped", np.dstack([front, drawn]))
            layers.add(after, "relit", np.dstack([tinted, alpha * 255]))
            layers.add(after, "alpha", alpha * 255)
            layers.add(after, "mesh", wires(after.points, self._topology, after.image.shape[:2]))
        picture[plate.window] = out
        changed = (~still).view(np.uint8) * np.uint8(255)
        np.maximum(changed[core], (alpha > 0).view(np.uint8) * np.uint8(255), out=changed[core])
        return Region.from_mask(changed, origin=plate.origin, size=(picture.shape[1], picture.shape[0]))

    def _moved(self, face: Face, plate: Plate, track: _Track) -> Doubles:
        """The target's mesh with the shape of the source's head, pixels of the plate."""
        if "outline" in self._settings.keep:
            return plate.points
        shape = np.asarray(face.stabilized.values[:SURFACE], np.float64)
        does = np.nan_to_num(np.asarray(face.blendshapes.values, np.float64))
        identity = track.identity
        now = self._likeness.shift(identity.shape, shape, identity.expression, does)
        # The more frames have been seen, the better it is known, and the less it changes.
        track.shift += now.trust * now.points
        track.trust += now.trust
        settled = self._likeness.settled(track.shift / track.trust, np.minimum(track.trust, 1))
        fit = similarities(shape, plate.points[None], np.ones((1, SURFACE)))
        return np.asarray(plate.points + self._settings.strength * fit.scale[0] * settled @ fit.rotation[0].T)

    def _alpha(self, plate: Plate, after: Plate, track: _Track, motion: Floats) -> Floats:
        """How much of each pixel is the source's face, after the outline was moved."""
        alpha = face_alpha(plate, topology=self._topology, feather=FEATHER)
        if track.before is not None and track.points is not None:
            alpha = alpha * (1 - carried(track.before, track.points, plate))
        alpha = remap(np.asarray(alpha, np.float32), motion)
        return np.asarray(alpha * (1 - opened(after.points, alpha.shape, self._settings.open)), np.float32)


def _fault(shot: Shot, row: int) -> str | None:
    """Why a face cannot be changed."""
    face, mesh = shot.faces[row], _mesh(shot, row)
    if not np.isfinite(mesh).all() or not float(face.presence) >= LEAST_PRESENCE:
        return NO_HUMAN
    if np.ptp(mesh[:, :2], axis=0).max() < SMALLEST:
        return f"it is smaller than {SMALLEST:g} pixels"
    if abs(float(face.pose.yaw)) > MOST_TURNED:
        return f"the head is turned by {abs(float(face.pose.yaw)):.0f} degrees"
    if Plate.around(shot.image, mesh, margin=0) is None:
        return "it is outside of the picture"
    return None


def _quick(engine: Engine) -> Engine:
    """The engine with the quick size of the model that parses, where it has one."""
    sizes = engine.choose("parse").params.get("sizes", {})
    return engine.with_models(parse=sizes["fast"]) if "fast" in sizes else engine


def _mesh(shot: Shot, row: int) -> Doubles:
    return np.asarray(shot.faces.landmarks.values[row][:SURFACE], np.float64)


def _plate(image: Image, shot: Shot, row: int, margin: float = AROUND) -> Plate:
    """The surroundings of a face that is in the picture."""
    plate = Plate.around(image, _mesh(shot, row), margin=margin)
    assert plate is not None  # noqa: S101 - for the type checker: see `_fault`
    return plate


def _motion(plate: Plate, moved: Doubles) -> tuple[Floats, NDArray[np.bool_]]:
    """How the plate follows its mesh (h, w, 2), and where it stays as it is."""
    import cv2

    pulled = np.concatenate([np.arange(0, SURFACE, PULLED), indices_of("mesh478", "face_oval")])
    before, after = (points[np.unique(pulled), :2] for points in (plate.points, moved))
    motion = displacement(before, after, plate.image.shape[:2], still=STILL)
    x, y = cv2.split(motion)
    still = np.asarray(cv2.magnitude(x, y) < FIELD)
    motion[still] = 0
    return motion, still


def _core(plate: Plate, moved: Doubles) -> tuple[slice, slice]:
    """Rows and columns of the plate that its mesh is in, before and after it was moved."""
    both = np.concatenate([plate.points[:, :2], moved[:, :2]])
    room = ROOM * plate.size
    low = np.floor(both.min(axis=0) - room).clip(0).astype(int)
    high = np.ceil(both.max(axis=0) + room).astype(int) + 1
    height, width = plate.image.shape[:2]
    # Of a face at the picture's edge a plate may show nothing but the surroundings.
    x, y = (
        slice(min(one, most - 1), max(min(two, most), 1))
        for one, two, most in zip(low, high, (width, height), strict=True)
    )
    return y, x


def _cut(plate: Plate, window: tuple[slice, slice]) -> Plate:
    """A part of a plate."""
    rows, columns = window
    x, y = plate.origin
    return Plate(
        plate.image[window], (x + columns.start, y + rows.start), plate.points - (columns.start, rows.start, 0)
    )


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Levels of 0 to 255, rounded."""
    if values.dtype == np.uint8:
        return values
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)
