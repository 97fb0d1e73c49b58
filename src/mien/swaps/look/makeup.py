"""``Makeup``: the make-up of one face on another, or of a preset; skin detail, light and who it is are kept.

By example, after Guo and Sim (*Digital face makeup by example*, CVPR 2009): both faces are laid over one texture and
taken apart into structure, detail and colour, and only the colour of each part is carried over. Theirs is all colour;
here it is what the example's colour differs from its own skin, so that the skin's own tone stays. That whoever is
made up stays who they are, is what FFHQ-Makeup (2025) asks of its pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.image import Image, ImageSource, load_image
from mien.core.mesh import Topology
from mien.engine import Engine, default_engine
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.swaps.blend.coat import SIDE, Coat, opened
from mien.swaps.blend.oklab import from_oklab, to_oklab
from mien.swaps.blend.painting import Painted, Painting, as_strength
from mien.swaps.blend.sight import Sight, Watch
from mien.swaps.edit import Edit
from mien.swaps.effects import Shot, Take
from mien.swaps.look.cosmetics import PARTS, Bare, Layer, check_parts, mouth_and_eyes, presets, shapes
from mien.swaps.targets import mark_of

__all__ = ["Makeup"]

Floats = NDArray[np.float32]

MARGIN = 0.12  # of the plate
SETTLE = 0.4  # seconds over which a face's own colours are averaged
AGAIN = 0.12  # seconds after which they are looked at again
GAP = 0.5  # seconds after which a track is a new one
SEEN = 0.5  # of a part of the example, that must be seen to be copied
FINE = 1 / 300  # of the texture's side: so sharp are the lines that are copied
GREY = 0.012  # tint in Oklab, below which all of a picture is without colour
SMALLEST = 60  # pixels of an example's face: in smaller ones there is no make-up to see


class Makeup:
    """Puts make-up on faces: an effect; see `mien.swaps.editor.Editor`.

    Parameters
    ----------
    reference : str, picture, or Edit
        The name of a preset ("natural", "evening", "smoky", "bold", "brows"), or a picture whose largest face wears it,
        as for `mien.load_image`.
    strength : float
        From 0, nothing, to 1, as much as the example.
    parts : sequence of str
        Where: of `mien.swaps.look.cosmetics.PARTS`.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If a part is unknown, or the example's face is too small, hidden, or turned away.
    NoFace
        If the example shows no face.
    ImageError, SourceError
        If it cannot be read.
    """

    def __init__(
        self,
        reference: str | ImageSource | Edit,
        *,
        strength: float = 1.0,
        parts: Sequence[str] = PARTS,
        engine: Engine | None = None,
    ) -> None:
        self._engine = engine or default_engine()
        self._strength, self._parts = as_strength(strength), check_parts(parts)
        topology = face_topology(engine=self._engine)
        self._paint: _Paint
        self._sources: tuple[Provenance, ...] = ()
        if isinstance(reference, str) and reference in presets():
            layers = [one for one in presets()[reference] if one.part in self._parts]
            if not layers:
                raise UsageError(f"the make-up {reference!r} has nothing for {', '.join(self._parts)}.")
            self._paint = _Preset(layers, topology)
            self._told: dict[str, Any] = {"makeup": reference}
        else:
            image = reference.image[..., :3] if isinstance(reference, Edit) else load_image(reference)
            example = _Example.of(image, self._parts, topology, self._engine)
            self._paint = example
            mark = reference.provenance if isinstance(reference, Edit) else mark_of(reference)
            self._sources = (mark,)
            self._told = {"makeup": "example", **example.report}

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return frozenset({"landmarks"})

    @property
    def report(self) -> dict[str, Any]:
        """What is done, and by which models."""
        parse = self._engine.choose("parse").id
        return {**self._told, "parts": list(self._parts), "strength": self._strength, "parse": parse}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        return Provenance.manipulated(source, *self._sources)

    def start(self) -> Take:
        """See `mien.swaps.effects.Effect`."""
        painter = _Painter(self._paint, self._strength, face_topology(engine=self._engine))
        return Painting(painter, self._engine, margin=MARGIN)


class _Paint:
    """Make-up that knows what to do to a face's own colours."""

    def difference(self, bare: Bare) -> Floats:
        """What is added to a face on the texture, (SIDE, SIDE, 3) in Oklab."""
        raise NotImplementedError


class _Preset(_Paint):
    def __init__(self, layers: Sequence[Layer], topology: Topology) -> None:
        self._layers = [(one, shapes()[one.shape].drawn(topology)) for one in layers]

    def difference(self, bare: Bare) -> Floats:
        out = np.zeros_like(bare.broad)
        for layer, mask in self._layers:  # each over those before
            there = Bare(bare.broad + out, bare.seen)
            out += layer.difference(there, mask)
        return out


@dataclass(frozen=True)
class _Copied:
    """How a part of an example is carried over.

    Attributes
    ----------
    shape : str
        Where it lies.
    absolute : float
        Share of its own colour, lightness and tint, that counts, and not its difference to the skin.
    lines : float
        How much of what is fine and dark goes along: liner and lashes.
    darker, lighter : float
        By how much lightness changes at most: what is lighter is more often light than make-up.
    sheer : bool
        Whether it is laid over the face's own colours, as blush is, and does not replace them.
    """

    shape: str
    absolute: float
    lines: float
    darker: float
    lighter: float
    sheer: bool = False


_COPIED: Mapping[str, _Copied] = {
    "skin": _Copied("skin", 0.0, 0.0, 0.0, 0.0),
    "cheeks": _Copied("cheeks", 0.0, 0.0, 0.06, 0.01, sheer=True),
    "eyes": _Copied("eyes", 0.35, 0.8, 0.3, 0.04),
    "brows": _Copied("brows", 0.2, 0.3, 0.2, 0.04),
    "lips": _Copied("lips", 0.6, 0.0, 0.35, 0.2),
}


class _Example(_Paint):
    """Make-up as another face wears it."""

    def __init__(self, bare: Bare, fine: Floats, parts: Sequence[str], skipped: Sequence[str], topo: Topology) -> None:
        self._skin = _Complexion(topo)
        self._masks = {name: shapes()[_COPIED[name].shape].drawn(topo) for name in _COPIED if name in parts}
        self.report = {"copied": list(self._masks), **({"not_copied": list(skipped)} if skipped else {})}
        even = _symmetric(bare.broad - self._skin.fit(bare), bare.seen)
        self._relative, self._color = even, _symmetric(bare.broad, bare.seen)
        self._dark = _symmetric(np.minimum(fine - bare.broad[..., 0], 0)[..., None], bare.seen)[..., 0]

    @classmethod
    def of(cls, image: Image, parts: Sequence[str], topology: Topology, engine: Engine) -> _Example:
        """Look at an example.

        Raises
        ------
        NoFace, UsageError
            If there is no face, or it shows too little.
        """
        faces = engine.analyze(image, want={"landmarks"})
        if not len(faces):
            raise NoFace("the example of make-up shows no face.")
        row = int(np.argmax(faces.areas))
        shot = Shot(image=image, faces=faces, rows=np.array([row]))
        _, sight = next(iter(Watch(engine, margin=MARGIN).see(shot)))
        if isinstance(sight, str) or sight.plate.size < SMALLEST:
            raise UsageError("the example of make-up shows its face too small, or not at all.")
        closed = opened(topology)
        hidden = sight.hidden()
        bare = Bare.of(sight, closed, hidden=hidden)
        fine = Bare.of(sight, closed, hidden=hidden, reach=FINE).broad[..., 0]
        kept: list[str] = []
        skipped: list[str] = []
        for part in parts:
            mask = shapes()[_COPIED[part].shape].drawn(topology)
            seen = np.maximum(bare.seen, bare.seen[:, ::-1])
            enough = float((seen * mask).sum()) >= SEEN * float((mask * 0.8).sum())
            (kept if enough else skipped).append(part)
        if not kept:
            raise UsageError("the example's face is hidden, or turned away: there is no make-up to see.")
        return cls(bare, fine, kept, [f"{one}: hidden in the example" for one in skipped], topology)

    def difference(self, bare: Bare) -> Floats:
        own = self._skin.fit(bare)
        out = np.zeros_like(bare.broad)
        for name, how in _COPIED.items():
            if name not in self._masks:
                continue
            mask = self._masks[name][..., None]
            if name == "skin":
                layer = Layer("skin", "skin", "even", 0.5)
                out += layer.difference(bare, mask[..., 0])
                continue
            goal = (bare.broad if how.sheer else own) + self._relative
            goal += np.float32(how.absolute) * (self._color - goal)
            change = goal - bare.broad
            change[..., 0] = change[..., 0].clip(-how.darker, how.lighter)
            # What does not get as light as the example, gets less of its tint, too: else shadows would glow.
            share = ((bare.broad[..., 0] + change[..., 0]) / np.maximum(goal[..., 0], 0.05)).clip(0, 1)
            change[..., 1:] = share[..., None] * goal[..., 1:] - bare.broad[..., 1:]
            change[..., 0] += how.lines * self._dark
            out += mask * (change - out)
        return out


class _Complexion:
    """The skin of a face without what is on it: a surface of second order over the texture."""

    def __init__(self, topology: Topology) -> None:

        step = 8
        oval = shapes()["skin"].drawn(topology)
        painted = mouth_and_eyes(topology)
        for name in ("eyes", "cheeks"):
            painted = np.maximum(painted, shapes()[name].drawn(topology))
        self._weight = (oval * (1 - painted))[::step, ::step]
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / np.float32(SIDE) - np.float32(0.5)
        self._terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1)
        self._few = self._terms[::step, ::step].reshape(-1, 6).astype(np.float64)
        self._step = step

    def fit(self, bare: Bare) -> Floats:
        """By least squares, twice: the second time, what was far off counts less."""
        colors = bare.broad[:: self._step, :: self._step].reshape(-1, 3).astype(np.float64)
        weight = (self._weight * bare.seen[:: self._step, :: self._step]).ravel().astype(np.float64)
        ridge = np.diag([1e-9, 0.02, 0.02, 0.05, 0.05, 0.05]) * max(float(weight.sum()), 1e-6)
        for _ in range(3):
            weighted = self._few * weight[:, None]
            found = np.linalg.solve(weighted.T @ self._few + ridge, weighted.T @ colors)
            off = np.linalg.norm(colors - self._few @ found, axis=1)
            scale = 2.5 * float(np.average(off, weights=weight)) if weight.sum() > 0 else 1.0
            weight = weight / (1 + (off / max(scale, 1e-3)) ** 2)
        return np.asarray(self._terms @ found.astype(np.float32), np.float32)


def _symmetric(values: Floats, seen: Floats) -> Floats:
    """The mean of both halves, each as well as it is seen: light from one side cancels out."""
    weight = (seen**2 + np.float32(1e-4))[..., None]
    other = weight[:, ::-1]
    return np.asarray((values * weight + values[:, ::-1] * other) / (weight + other), np.float32)


@dataclass(eq=False)
class _Painter:
    """Puts make-up on; keeps each track's own colours, so that it does not flicker."""

    paint_: _Paint
    strength: float
    topology: Topology

    def __post_init__(self) -> None:
        self._tracks: dict[int, tuple[float, float, Bare, Floats]] = {}

    @cached_property
    def _open(self) -> Topology:
        return opened(self.topology)

    def paint(self, sight: Sight, time: float | None) -> Painted | str:
        """See `mien.swaps.blend.painting.Painter`."""
        import cv2

        if sight.plate.size < 12:
            return "the face is too small for make-up"
        lab = to_oklab(sight.image)
        if np.abs(lab[..., 1:]).max() < GREY:
            return "the picture has no colour"
        hidden = sight.hidden()
        change = self._change(sight, time, hidden)
        coat = Coat.over(sight.plate.points, self._open, sight.image.shape[:2])
        soft = max(0.006 * sight.plate.size, 0.6)
        clear = 1 - cv2.GaussianBlur(np.maximum(hidden, 1 - coat.inside), (0, 0), soft)
        # Where something is before the face in full, nothing shines through the softness of its edge.
        clear = np.asarray(clear * (1 - hidden) * coat.inside, np.float32)
        shown = coat.show(change) * (np.float32(self.strength) * clear)[..., None]
        alpha = (np.abs(shown).max(axis=2) > 0.5 / 255).astype(np.float32)
        return Painted(from_oklab(lab + shown), alpha)

    def _change(self, sight: Sight, time: float | None, hidden: Floats) -> Floats:
        if time is None or sight.track is None:
            return self.paint_.difference(Bare.of(sight, self._open, hidden=hidden))
        known = self._tracks.get(sight.track)
        if known is not None and not 0 <= time - known[1] <= GAP:
            known = None
        if known is not None and time - known[0] < AGAIN:
            self._tracks[sight.track] = (known[0], time, known[2], known[3])
            return known[3]
        bare = Bare.of(sight, self._open, hidden=hidden)
        share = 1.0 if known is None else 1 - float(np.exp(-(time - known[0]) / SETTLE))
        bare = bare.mixed(None if known is None else known[2], share)
        change = self.paint_.difference(bare)
        self._tracks[sight.track] = (time, time, bare, change)
        return change
