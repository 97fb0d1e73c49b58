"""``LearnedSwap``: one person's face in another's place by a network of the user's own.

The network draws the face in an aligned crop; mask, colours, grain and blending are those of the geometric swap. mien
brings no such network: none that may be used is given out openly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UnknownModel, UsageError
from mien.core.faces import Faces
from mien.core.geometry import invert
from mien.core.image import ImageSource, load_image
from mien.core.region import Region
from mien.core.warping import warp
from mien.embeddings.embedders.arcface import ArcFace
from mien.engine import Batch, Engine, default_engine
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.swaps.blend.blending import multiband
from mien.swaps.blend.colors import match_colors
from mien.swaps.blend.facemask import face_alpha, skin_weight
from mien.swaps.blend.grain import match_grain
from mien.swaps.choice import Choice, Who
from mien.swaps.consent import Guard
from mien.swaps.edit import Edit
from mien.swaps.effects import Changed, Shot
from mien.swaps.exchange.identity import Identity
from mien.swaps.nets.adapters import FaceNet
from mien.swaps.nets.usable import SURFACE, unusable
from mien.swaps.plate import Plate, join

__all__ = ["LearnedSwap", "face_net", "told_by"]

Floats = NDArray[np.float32]
Source: TypeAlias = "ImageSource | Edit"

NEEDS = frozenset({"landmarks", "presence", "alignment", "pose"})
MOST_TURNED = 75.0  # degrees of yaw beyond which such networks draw no face
SMALLEST = 16.0  # pixels that a target's face must extend over
MASK = 64  # pixels of the crop in which a video's mask is averaged
GAP = 0.5  # seconds after which a track that comes back is seen anew
STEADY = 0.15  # seconds over which a video's mask and colours are averaged


def face_net(model: str, job: str, engine: Engine) -> tuple[FaceNet, Engine]:
    """A user's network by its id, and the engine that has chosen it.

    Raises
    ------
    UnknownModel, UsageError
        If there is no such model, or it does not do that job by a `FaceNet`.
    """
    chosen = engine.with_models(**{job: model})
    net = chosen.runner(job)
    if not isinstance(net, FaceNet):
        raise UsageError(f"{model} is no network of faces that can be used so.")
    return net, chosen


class LearnedSwap:
    """Puts one person's face in the place of others by a network: an effect, see `mien.swaps.effects`.

    Parameters
    ----------
    identity : Identity
        Whose face; what may refuse a source has looked at it.
    told : array
        What the network is told of it: see `told_by`.
    model : str
        Id of a model that gives the job "swap": see ``mien models add``.
    strength : float
        0 is the target's face, 1 the network's.
    keep_glasses : bool
        Whether the target's glasses stay.
    guard : Guard, optional
        What may refuse: its gate is asked about each face before it is changed.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If an option makes no sense, or the model does not swap.
    """

    def __init__(
        self,
        identity: Identity,
        told: Floats,
        *,
        model: str,
        strength: float = 1.0,
        keep_glasses: bool = True,
        guard: Guard | None = None,
        engine: Engine | None = None,
    ) -> None:
        if not isinstance(strength, int | float) or not 0 < strength <= 1:
            raise UsageError(f"strength is a number above 0, up to 1, not {strength!r}.")
        self.identity, self.told, self.strength = identity, told, float(strength)
        self.keep_glasses = keep_glasses
        self.net, self.engine = face_net(model, "swap", engine or default_engine())
        self.guard = guard or Guard(engine=self.engine)
        self.topology = face_topology(engine=self.engine)

    @classmethod
    def of(
        cls,
        sources: Source | Sequence[Source],
        *,
        model: str,
        who: Who = None,
        guard: Guard | None = None,
        engine: Engine | None = None,
        **options: Any,
    ) -> LearnedSwap:
        """A swap to the person of one picture, or of several.

        Parameters
        ----------
        sources, who
            As for `Identity.of`, which refuses what cannot serve.
        model, guard, engine, options
            As for the class.

        Raises
        ------
        NoFace, UsageError
            If the source cannot serve, or the embedder that the network was trained with is not there.
        EditRefused
            If the source is on a do-not-swap list.
        """
        engine = engine or default_engine()
        net, _ = face_net(model, "swap", engine)
        guard = guard or Guard(engine=engine)
        identity = Identity.of(sources, who=who, engine=engine)
        guard.check_source(identity)
        listed = list(sources) if isinstance(sources, list | tuple) else [cast("Source", sources)]
        used = [source for source, one in zip(listed, identity.report["pictures"], strict=True) if one["used"]]
        return cls(identity, told_by(net, used, who, engine), model=model, guard=guard, engine=engine, **options)

    @property
    def needs(self) -> frozenset[str]:
        """See `Effect`."""
        return NEEDS

    @property
    def report(self) -> Mapping[str, Any]:
        """See `Effect`."""
        known = self.net.convention
        models = {"swap": self.net.id, **({"embedding": known.embedder} if known.embedder else {})}
        told = {"method": "learned", "strength": self.strength, "crop": known.size, "models": models}
        return {**told, "identity": self.identity.report, **self.guard.report}

    def mark(self, source: Provenance) -> Provenance:
        """See `Effect`."""
        return Provenance.manipulated(source, self.identity.mark, models=(self.net.id,), consent=self.guard.reference)

    def start(self) -> LearnedTake:
        """See `Effect`."""
        return LearnedTake(self)


@dataclass(eq=False)
class _Track:
    """What is remembered of one face of a video."""

    time: float
    mask: Floats | None = None  # in the network's crop, where a face stands still
    shift: Floats | None = None  # of its colours


@dataclass(eq=False)
class LearnedTake:
    """A swap in one picture or one video; see `mien.swaps.effects.Take`."""

    effect: LearnedSwap
    _tracks: dict[int, _Track] = field(default_factory=dict)

    def apply(self, shot: Shot) -> Changed:
        """See `Take`."""
        size = shot.image.shape[1], shot.image.shape[0]
        picture = shot.image.copy()
        masks: list[Region] = []
        skipped: list[dict[str, Any]] = []
        rows = [row for row in map(int, shot.rows) if self._usable(shot, row, skipped)]
        faces = shot.faces[rows].with_image(shot.image)
        want = frozenset({"parse"}) if shot.time is not None else frozenset({"parse", "occlusion"})
        looked = self.effect.engine.analyze(shot.image, want=want, faces=faces) if rows else faces
        layers: dict[str, NDArray[Any]] = {}
        for place, row in enumerate(rows):
            plate = Plate.around(picture, shot.faces.landmarks.values[row][:SURFACE])
            if plate is None:
                skipped.append({"face": row, "reason": "the face is outside of the picture"})
                continue
            drawn, alpha = self._swapped(plate, looked, place, self._track(shot, row), shot.time)
            if shot.layers:
                layers["warped"] = plate.whole(np.dstack([drawn, 255 * alpha]).clip(0, 255).astype(np.uint8), size)
            plate.put(picture, drawn, (alpha > 0).astype(np.float32))
            masks.append(plate.region((alpha > 0).astype(np.float32), size))
        report = {"skipped": skipped} if skipped else {}
        return Changed(image=picture, mask=join(masks, size), layers=layers, report=report)

    def _usable(self, shot: Shot, row: int, skipped: list[dict[str, Any]]) -> bool:
        reason = _fault(shot.faces, row)
        if reason is not None and shot.time is None:
            raise UsageError(f"face {row} cannot be swapped: {reason}.")
        if reason is not None:
            skipped.append({"face": row, "reason": reason})
        return reason is None

    def _track(self, shot: Shot, row: int) -> _Track | None:
        """What is remembered of a face of a video; whoever is seen first, the gate is asked about."""
        key = row if shot.time is None else int(shot.faces.track.ids[row])
        known = self._tracks.get(key)
        if known is None:
            self.effect.guard.check_target(self.effect.identity, shot.faces[[row]])
        if shot.time is None:
            return None
        if known is None or not 0 <= shot.time - known.time <= GAP:
            known = self._tracks[key] = _Track(shot.time)
        return known

    def _swapped(
        self, plate: Plate, faces: Faces, place: int, track: _Track | None, time: float | None
    ) -> tuple[Floats, Floats]:
        """The plate with the network's face in it, and how much of each pixel that is."""
        effect = self.effect
        points = np.asarray(faces.alignment.values[place], np.float32)
        front, share = effect.net.redraw(faces.require_image(), points, window=plate.window, source=effect.told)
        alpha = face_alpha(plate, faces[place], topology=effect.topology, keep_glasses=effect.keep_glasses)
        alpha = np.minimum(alpha, share)
        back = plate.image.astype(np.float32)
        if track is not None and time is not None:
            step = np.float32(1 - np.exp(-max(time - track.time, 0) / STEADY))
            track.time = time
            alpha = self._steady_mask(alpha, points - np.asarray(plate.origin, np.float32), track, step)
        weight = skin_weight(plate, alpha)
        tinted = match_colors(front, back, weight, strokes=0.5 if track is None else 0.0)
        if track is not None and weight.any():
            shift = np.average(tinted - front, axis=(0, 1), weights=weight).astype(np.float32)
            track.shift = shift if track.shift is None else track.shift + step * (shift - track.shift)
            tinted = (front + track.shift).clip(0, 255)
        tinted = match_grain(tinted, back, weight)
        return multiband(tinted, back, alpha * np.float32(effect.strength)), alpha

    def _steady_mask(self, alpha: Floats, points: Floats, track: _Track, step: np.float32) -> Floats:
        """A mask averaged in time where the face stands still: in the network's crop."""
        m = self.effect.net.placed(points) * np.float32(MASK / self.effect.net.convention.size)
        now = warp(alpha, m, MASK)
        track.mask = now if track.mask is None else np.asarray(track.mask + step * (now - track.mask), np.float32)
        steady = warp(track.mask - now, invert(m), alpha.shape)
        return np.asarray(np.where(alpha > 0, (alpha + steady).clip(0, 1), 0), np.float32)


def told_by(net: FaceNet, sources: Sequence[Source], who: Who, engine: Engine) -> Floats:
    """What a network is told of a person: the mean embedding of the pictures by its own embedder, or the first's crop.

    Parameters
    ----------
    net : FaceNet
    sources : sequence of pictures
        Of one person.
    who : int, str or None
        Which face of each: see `mien.swaps.choice.Who`.
    engine : Engine

    Raises
    ------
    NoFace, UsageError
        If a picture has no face, or several and nothing says which; if the embedder is not in the catalogue.
    """
    known = net.convention
    embedder = None if known.latent == "crop" else _embedder(net, engine)
    vectors: list[Floats] = []
    for source in sources:
        image = np.ascontiguousarray(source.image[..., :3]) if isinstance(source, Edit) else load_image(source)
        faces = engine.analyze(image, want=frozenset({"alignment"}) | Choice(who).needs)
        rows = Choice(who).rows(faces)
        if len(rows) != 1:
            raise UsageError(f"source_who={who!r} is {len(rows)} faces of the source: one is needed.")
        chosen = faces[rows]
        if embedder is None:
            return np.asarray(net.crop_of(image, chosen.alignment.values[0]), np.float32)
        vectors.append(embedder.measure(Batch([image], np.zeros(1, np.intp), chosen))[0])
    if not vectors:
        raise NoFace("there is no source picture.")
    return net.latent(np.mean(vectors, axis=0))


def _embedder(net: FaceNet, engine: Engine) -> ArcFace:
    """The embedder that the network was trained with."""
    wanted = net.convention.embedder
    if not wanted:
        found = engine.runner("embedding")
    elif wanted not in engine.catalogue:
        raise UnknownModel(
            f"{net.id} reads the embeddings of '{wanted}', which you have to add as well: "
            f"`mien models add {wanted}.onnx --like arcface-mbf --id {wanted}`."
        )
    else:
        found = engine.with_models(embedding=wanted).runner("embedding")
    if not isinstance(found, ArcFace):
        raise UsageError(f"{net.id} needs an embedder of aligned faces.")
    return found


def _fault(faces: Faces, row: int) -> str | None:
    """Why a face cannot be swapped."""
    if reason := unusable(faces, row, smallest=SMALLEST):
        return reason
    yaw = abs(float(faces[row].pose.yaw))
    return f"the head is turned by {yaw:.0f} degrees" if yaw > MOST_TURNED else None
