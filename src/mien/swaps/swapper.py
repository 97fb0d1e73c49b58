"""``swap``: one person's face in another's place, by geometry: no network is trained for it.

The source's colours are drawn over the target's mesh, in the target's pose and with its expression; the mesh, and all
that stands around it, is moved towards the shape of the source's head; light, colours, sharpness and noise are brought
to those of the target. Eyes, the inside of the mouth, and what stands before the face stay the target's.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.faces import Face
from mien.core.image import Image, ImageSource
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.location.stabilization import similarities
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.media.video import Video
from mien.swaps.blending import gradient, multiband
from mien.swaps.choice import Who
from mien.swaps.colors import match_colors
from mien.swaps.consent import Consent, Gate, Guard
from mien.swaps.dressing import dressed, opened, wires
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Changed, Shot
from mien.swaps.facemask import face_alpha, skin_weight
from mien.swaps.grain import match_grain
from mien.swaps.identity import Casting, Identity
from mien.swaps.lighting import normal_map, relit
from mien.swaps.likeness import Likeness, Shift
from mien.swaps.plate import Plate, join
from mien.swaps.warpfield import displacement, remap

__all__ = ["KEEP", "Blend", "Swap", "swap"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Blend = Literal["multiband", "gradient"]

#: What of the target can be kept.
KEEP: Final = ("eyes", "mouth", "glasses", "outline")
NEEDS: Final = frozenset({"landmarks", "presence", "pose", "stabilized", "blendshapes"})
SURFACE = 468
LEAST_PRESENCE = 0.5  # of the mesh network: below it, it sees no human face
MOST_TURNED = 70.0  # degrees of yaw beyond which the mesh is a guess
SMALLEST = 16.0  # pixels that a target's face must extend over
FIELD = 0.02  # pixels that count as no motion
STILL = 0.35  # of the face's extent: how far from it nothing moves any more
LOOK = 0.15  # seconds after which what stands before a face of a video is looked at again
GAP = 0.5  # seconds after which a track that comes back is seen anew
STEADY = 0.25  # seconds over which colours and light of a video are averaged


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
        if self.blend not in get_args(Blend):
            raise UsageError(f"blend is {' or '.join(get_args(Blend))}, not {self.blend!r}.")

    @property
    def open(self) -> tuple[str, ...]:
        """Openings of the mesh through which the target is seen."""
        return tuple(name for name in ("eyes", "mouth") if name in self.keep)


class Swap:
    """Puts one person's face, or several people's, in the place of others: an effect, see `mien.swaps.effects`.

    Parameters
    ----------
    casting : Casting
        Who is put in whose place: an `Identity` is put in everyone's.
    keep, strength, blend
        See `swap`.
    guard : Guard, optional
        What may refuse: its gate is asked about each face before it is changed.
    mark : Provenance, optional
        What is true of the pictures that the faces are made of; by default what the identity says.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If an option makes no sense.
    """

    def __init__(
        self,
        casting: Casting,
        *,
        keep: Collection[str] = ("eyes", "mouth", "glasses"),
        strength: float = 1.0,
        blend: Blend = "multiband",
        guard: Guard | None = None,
        mark: Provenance | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.casting = casting
        self.settings = Settings(keep=keep, strength=strength, blend=blend)
        self.engine = engine or default_engine()
        self.guard = guard or Guard(engine=self.engine)
        self.topology = face_topology(engine=self.engine)
        self.likeness = Likeness(self.topology)
        self._mark = mark or (casting.mark if isinstance(casting, Identity) else Provenance())

    @property
    def needs(self) -> frozenset[str]:
        """See `Effect`."""
        return NEEDS

    @property
    def report(self) -> Mapping[str, Any]:
        """See `Effect`."""
        settings = self.settings
        told = {"keep": sorted(settings.keep), "strength": settings.strength, "blend": settings.blend}
        source = {"source": self.casting.report} if isinstance(self.casting, Identity) else {}
        models = {name: self.engine.choose(name).id for name in ("landmarks", "parse")}
        return {"method": "geometric", **told, **source, "models": models, **self.guard.report}

    def mark(self, source: Provenance) -> Provenance:
        """See `Effect`."""
        return Provenance.manipulated(source, self._mark, models=(self.engine.choose("landmarks").id,))

    def start(self) -> SwapTake:
        """See `Effect`."""
        return SwapTake(self)


@dataclass(eq=False)
class _Track:
    """What is remembered of one face of a video."""

    identity: Identity
    time: float
    looked: float = -np.inf
    before: Floats | None = None  # how much of each pixel of a plate stands before the face
    points: Doubles | None = None  # of the mesh in that plate
    shift: Doubles = field(default_factory=lambda: np.zeros((SURFACE, 3)))
    trust: Doubles = field(default_factory=lambda: np.zeros((SURFACE, 1)))
    tint: Floats | None = None


@dataclass(eq=False)
class _Layers:
    """Pictures as large as the shot, where they are asked for."""

    kept: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, shot: Shot) -> _Layers:
        if not shot.layers:
            return cls({})
        size = shot.image.shape[:2]
        names = {"warped": (*size, 4), "relit": (*size, 4), "alpha": size, "mesh": (*size, 3)}
        return cls({name: np.zeros(shape, np.uint8) for name, shape in names.items()})

    def add(self, plate: Plate, name: str, layer: NDArray[Any]) -> None:
        """Lay what one face shows over the others'."""
        if name in self.kept:
            part = self.kept[name][plate.window]
            np.maximum(part, _bytes(layer), out=part)


class SwapTake:
    """A swap in one picture or one video; see `mien.swaps.effects.Take`."""

    def __init__(self, swap: Swap) -> None:
        self._swap = swap
        self._tracks: dict[int, _Track] = {}

    def apply(self, shot: Shot) -> Changed:
        """See `Take`."""
        size = shot.image.shape[1], shot.image.shape[0]
        picture, layers = shot.image.copy(), _Layers.of(shot)
        masks: list[Region] = []
        skipped: list[dict[str, Any]] = []
        cast = self._cast(shot, skipped)
        self._look(shot, cast)
        for row, track in cast.items():
            plate = Plate.around(picture, _mesh(shot, row))
            if plate is None:
                self._skip(shot, row, "the face is outside of the picture", skipped)
                continue
            masks.append(self._change(shot.faces[row], plate, track, picture, layers, shot.time))
        told = {"skipped": skipped} if skipped else {}
        return Changed(image=picture, mask=join(masks, size), layers=layers.kept, report=told)

    def _cast(self, shot: Shot, skipped: list[dict[str, Any]]) -> dict[int, _Track]:
        """Who is put in whose place; faces that cannot be changed are left out, and told of."""
        cast = {}
        for row in map(int, shot.rows):
            reason = _fault(shot, row)
            if reason is not None:
                self._skip(shot, row, reason, skipped)
                continue
            track = self._track(shot, row)
            if track is None:
                self._skip(shot, row, "nobody is put in its place", skipped, fatal=False)
            else:
                cast[row] = track
        return cast

    def _skip(self, shot: Shot, row: int, reason: str, skipped: list[dict[str, Any]], *, fatal: bool = True) -> None:
        if fatal and shot.time is None:
            raise UsageError(f"face {row} cannot be swapped: {reason}.")
        skipped.append({"face": row, "reason": reason})

    def _track(self, shot: Shot, row: int) -> _Track | None:
        key = row if shot.time is None else int(shot.faces.track.ids[row])
        time = shot.time or 0.0
        known = self._tracks.get(key)
        if known is not None and shot.time is not None:
            if not 0 <= time - known.time <= GAP:
                known.before = known.tint = None
                known.looked = -np.inf
            known.time = time
            return known
        identity = self._swap.casting.identity_for(shot, row)
        if identity is None:
            return None
        self._swap.guard.check_target(identity, shot.faces[[row]])
        self._tracks[key] = track = _Track(identity, time)
        return track

    def _look(self, shot: Shot, cast: Mapping[int, _Track]) -> None:
        """See what stands before faces: in each picture, and in some frames of a video."""
        time = shot.time or 0.0
        due = [row for row, track in cast.items() if shot.time is None or time - track.looked >= LOOK]
        if not due:
            return
        keep_glasses = "glasses" in self._swap.settings.keep
        asked = shot.faces[due].with_image(shot.image)
        faces = self._swap.engine.analyze(shot.image, want=self._fields(shot), faces=asked)
        for place, row in enumerate(due):
            plate, track = Plate.around(shot.image, _mesh(shot, row)), cast[row]
            if plate is None:
                continue
            whole = face_alpha(plate, topology=self._swap.topology)
            clear = face_alpha(plate, faces[place], topology=self._swap.topology, keep_glasses=keep_glasses)
            share_clear = np.divide(clear, whole, out=np.ones_like(whole), where=whole > 0)
            before = np.asarray(1 - share_clear, np.float32)
            old = track.before
            if old is not None and track.points is not None:
                share = np.float32(1 - np.exp(-(time - track.looked) / STEADY))
                carried = _carried(old, track.points, plate)
                before = np.asarray(carried + share * (before - carried), np.float32)
            track.before, track.points, track.looked = before, plate.points, time

    def _fields(self, shot: Shot) -> frozenset[str]:
        return frozenset({"parse", "occlusion"}) if shot.time is None else frozenset({"parse"})

    def _change(
        self, face: Face, plate: Plate, track: _Track, picture: Image, layers: _Layers, time: float | None
    ) -> Region:
        """Change one face of a picture, in place; where it may differ."""
        swap, settings = self._swap, self._swap.settings
        moved = self._moved(face, plate, track)
        size = plate.image.shape[:2]
        field_ = displacement(plate.points[:, :2], moved[:, :2], size, still=STILL)
        field_[np.abs(field_).max(axis=2) < FIELD] = 0
        back = remap(plate.image, field_)
        whole = face_alpha(plate, topology=swap.topology)
        if track.before is not None and track.points is not None:
            whole = whole * (1 - _carried(track.before, track.points, plate))
        after = Plate(back, plate.origin, moved)
        front, drawn = dressed(track.identity.texture, moved, swap.topology, size)
        alpha = remap(whole.astype(np.float32), field_)
        alpha = np.where(drawn > 0, alpha * (1 - opened(moved, size, settings.open)), 0).astype(np.float32)
        result, tinted = self._blended(after, front, alpha, track, time)
        changed = (alpha > 0) | (field_ != 0).any(axis=2)
        share = changed.astype(np.float32)
        layers.add(plate, "warped", np.dstack([front, drawn]))
        layers.add(plate, "relit", np.dstack([tinted, alpha * 255]))
        layers.add(plate, "alpha", alpha * 255)
        if "mesh" in layers.kept:
            drawing = np.zeros((*size, 3), np.uint8)
            wires(drawing, moved, swap.topology)
            layers.add(plate, "mesh", drawing)
        plate.put(picture, result, share)
        return plate.region(share, (picture.shape[1], picture.shape[0]))

    def _moved(self, face: Face, plate: Plate, track: _Track) -> Doubles:
        """The target's mesh with the shape of the source's head, pixels of the plate."""
        settings, likeness, identity = self._swap.settings, self._swap.likeness, track.identity
        if "outline" in settings.keep:
            return plate.points
        shape = np.asarray(face.stabilized.values[:SURFACE], np.float64)
        does = np.nan_to_num(np.asarray(face.blendshapes.values, np.float64))
        now: Shift = likeness.shift(identity.shape, shape, identity.expression, does)
        # The more frames have been seen, the better it is known, and the less it changes.
        track.shift += now.trust * now.points
        track.trust += now.trust
        settled = likeness.settled(track.shift / track.trust, np.minimum(track.trust, 1))
        fit = similarities(shape, plate.points[None], np.ones((1, SURFACE)))
        return np.asarray(plate.points + settings.strength * fit.scale[0] * settled @ fit.rotation[0].T)

    def _blended(
        self, plate: Plate, front: Image, alpha: Floats, track: _Track, time: float | None
    ) -> tuple[Floats, Floats]:
        """The plate with the face in it, and the face by itself in the plate's light and colours."""
        back, drawn = plate.image.astype(np.float32), front.astype(np.float32)
        weight = skin_weight(plate, alpha)
        lit = relit(drawn, back, normal_map(plate, self._swap.topology), weight)
        tinted = match_colors(lit, back, weight)
        if time is not None:
            tinted = _steadied(drawn, tinted, alpha, track)
        tinted = match_grain(tinted, back, weight)
        blend = multiband if self._swap.settings.blend == "multiband" else gradient
        return blend(tinted, back, alpha * np.float32(self._swap.settings.strength)), tinted


TINT = 24  # cells of a plate on which its colours are averaged in time


def _steadied(drawn: Floats, tinted: Floats, alpha: Floats, track: _Track) -> Floats:
    """What light and colours have changed, by broad strokes as in the frames before."""
    import cv2

    def coarse(values: Floats) -> Floats:
        return np.asarray(cv2.resize(values, (TINT, TINT), interpolation=cv2.INTER_AREA), np.float32)

    weight = coarse(alpha)
    now = coarse((tinted - drawn) * alpha[..., None]) / np.maximum(weight, 1e-3)[..., None]
    if track.tint is None:
        track.tint = now
        return tinted
    track.tint = track.tint + np.float32(0.15) * (now - track.tint)
    gap = cv2.resize(track.tint - now, tinted.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(tinted + gap, np.float32)


def _carried(before: Floats, points: Doubles, plate: Plate) -> Floats:
    """What stood before a face, moved along with its mesh into another plate."""
    import cv2

    if before.shape == plate.image.shape[:2] and np.array_equal(points, plate.points):
        return before
    ones = np.column_stack([plate.points[:, :2], np.ones(len(plate.points))])
    m = np.linalg.lstsq(ones, points[:, :2], rcond=None)[0].T
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(before, m, plate.image.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _mesh(shot: Shot, row: int) -> Doubles:
    return np.asarray(shot.faces.landmarks.values[row][:SURFACE], np.float64)


def _fault(shot: Shot, row: int) -> str | None:
    """Why a face cannot be changed."""
    face = shot.faces[row]
    mesh = _mesh(shot, row)
    if not np.isfinite(mesh).all() or not float(face.presence) >= LEAST_PRESENCE:
        return "no human face that a mesh can be laid over"
    if np.ptp(mesh[:, :2], axis=0).max() < SMALLEST:
        return f"it is smaller than {SMALLEST:g} pixels"
    if abs(float(face.pose.yaw)) > MOST_TURNED:
        return f"the head is turned by {abs(float(face.pose.yaw)):.0f} degrees"
    return None


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    return np.asarray((values + np.float32(0.5)).clip(0, 255), np.uint8)


def swap(
    target: ImageSource | Video,
    *,
    source: ImageSource | Edit | Sequence[ImageSource | Edit] | Identity,
    who: Who = None,
    gallery: Gallery | None = None,
    source_who: Who = None,
    keep: Collection[str] = ("eyes", "mouth", "glasses"),
    strength: float = 1.0,
    blend: Blend = "multiband",
    gate: Gate | None = None,
    consent: Consent | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    do_not_swap: Gallery | str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    audio: bool = True,
    engine: Engine | None = None,
) -> Edit:
    """Put one person's face in another's place.

    Parameters
    ----------
    target : picture or video
        As for `mien.load_image` and `mien.open_video`.
    source : picture, several, Edit, or Identity
        Whose face it is to be: pictures of one person; see `Identity.of`.
    who, gallery
        Whom to change: see `mien.swaps.choice.Who`. None: the only face.
    source_who : int, str or None
        Which face where a source has several. None: the only one.
    keep : collection of str
        What of the target stays: "eyes" (eyeballs), "mouth" (what is seen between the lips), "glasses", "outline".
    strength : float
        0 is the target's face, 1 the source's; between, shape and colours are.
    blend : {"multiband", "gradient"}
        How the face is laid into the picture: by bands of detail, or by its gradients, which takes over more of the
        target's colours and less of the source's.
    gate : callable, optional
        Is asked about each face, and may refuse: see `mien.swaps.consent.Gate`.
    consent : Consent, mapping or path, optional
        The record that the people shown agree; what it says goes into the report.
    do_not_swap : Gallery or path, optional
        People who are never a source.
    out : path, optional
        Where to write; a video needs it.
    audio : bool
        Whether a video keeps its sound.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Edit
        Its layers, of a picture: ``mask`` (where the picture may differ), ``alpha`` (how much is the source's),
        ``warped`` (RGBA: the source's colours on the target's mesh), ``relit`` (RGBA: the same in the target's light
        and colours), ``mesh`` (RGB: the mesh's edges).

    Raises
    ------
    NoFace
        If there is no face in source or target.
    UsageError
        If there are several and nothing says which, or one of them cannot serve; the message says why.
    EditRefused
        If the source is on a do-not-swap list, the consent does not hold, or the gate refuses.

    Examples
    --------
    >>> mien.swap("target.jpg", source=["s1.jpg", "s2.jpg"], who="largest").save("swapped.jpg")  # doctest: +SKIP
    """
    engine = engine or default_engine()
    guard = Guard.of(gate=gate, consent=consent, do_not_swap=do_not_swap, engine=engine)
    identity = source if isinstance(source, Identity) else Identity.of(source, who=source_who, engine=engine)
    guard.check_source(identity)
    effect = Swap(identity, keep=keep, strength=strength, blend=blend, guard=guard, engine=engine)
    return edited(target, Editor(effect, who=who, gallery=gallery, engine=engine), out=out, audio=audio)
