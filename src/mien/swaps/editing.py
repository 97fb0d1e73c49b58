"""The verb ``edit``: everything that is done to a face without changing whose it is, by named options.

A table says which effect each option belongs to; whatever is asked for is done in the table's order, colours before
shapes, so that what was painted moves with the face. An effect that moves the face has the ones after it look again.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypedDict, Unpack, cast

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import ImageSource
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.media.video import Video
from mien.swaps.choice import Who
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Changed, Effect, Shot, Take

__all__ = ["KINDS", "Chain", "EditOptions", "Kind", "edit", "edit_effect"]


class EditOptions(TypedDict, total=False):
    """The options of `edit` that say what is done."""

    hair: str | tuple[int, int, int]
    lips: str | tuple[int, int, int]
    brow_color: str | tuple[int, int, int]
    iris: str | tuple[int, int, int]
    finish: str
    makeup: ImageSource | Edit
    makeup_parts: Sequence[str]
    light: Any
    smile: float
    mouth_open: float
    brows: float
    eyes: float
    squint: float
    blendshapes: Mapping[str, float]
    yaw: float
    pitch: float
    roll: float
    gaze: str | tuple[float, float]
    frontal: bool
    level: bool
    filter: str | os.PathLike[str]
    style: Any
    area: str
    strength: float


@dataclass(frozen=True)
class Kind:
    """An effect, and which options of the verb are its own.

    Attributes
    ----------
    home : str
        ``module:class``.
    options : mapping of str to str
        Options that ask for it: each with the name that the class has for it; "" for one that only asks.
    along : mapping of str to str
        Options that it takes, but that do not ask for it; named likewise.
    moves : bool
        Whether the face's mesh is elsewhere after it.
    """

    home: str
    options: Mapping[str, str]
    along: Mapping[str, str] = field(default_factory=dict)
    moves: bool = False

    def make(self, given: Mapping[str, Any], engine: Engine) -> Effect | None:
        """The effect that the options ask for; None where they do not."""
        asked = {self.options[name]: value for name, value in given.items() if name in self.options}
        if not asked:
            return None
        asked.pop("", None)
        module, _, name = self.home.partition(":")
        made = getattr(importlib.import_module(module), name)
        along = {name: given[option] for option, name in self.along.items() if option in given}
        return cast("Effect", made(**asked, **along, engine=engine))


_STRENGTH = {"strength": "strength"}
_SHAPE = ("smile", "mouth_open", "brows", "eyes", "squint", "blendshapes", "yaw", "pitch", "roll")

#: What can be done, in the order in which it is.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "recolor": Kind(
            "mien.swaps.look.recoloring:Recolor",
            {"hair": "hair", "lips": "lips", "brow_color": "brows", "iris": "iris"},
            {**_STRENGTH, "finish": "finish"},
        ),
        "makeup": Kind(
            "mien.swaps.look.makeup:Makeup", {"makeup": "reference"}, {**_STRENGTH, "makeup_parts": "parts"}
        ),
        "relight": Kind("mien.swaps.look.relighting:Relight", {"light": "light"}, _STRENGTH),
        "gaze": Kind("mien.swaps.shape.gaze_correction:CorrectGaze", {"gaze": "target"}),
        "retarget": Kind("mien.swaps.shape.retargeting:Retarget", {name: name for name in _SHAPE}, moves=True),
        "frontalize": Kind("mien.swaps.shape.frontalizing:Frontalize", {"frontal": ""}, {"level": "level"}, moves=True),
        "filter": Kind("mien.swaps.look.overlays:Filter", {"filter": "source"}, _STRENGTH),
        "stylize": Kind("mien.swaps.look.stylizing:Stylize", {"style": "style"}, {**_STRENGTH, "area": "area"}),
    }
)


def edit(
    target: ImageSource | Video,
    *,
    who: Who = None,
    gallery: Gallery | None = None,
    out: str | os.PathLike[str] | None = None,
    audio: bool = True,
    engine: Engine | None = None,
    **options: Unpack[EditOptions],
) -> Edit:
    """Edit faces: their expression, pose, gaze, light, colours, makeup and style.

    Parameters
    ----------
    target : picture or video
        As for `mien.load_image` and `mien.open_video`.
    who, gallery
        Whom to change: see `mien.swaps.choice.Who`. None: the only face.
    out : path, optional
        Where to write; a video needs it.
    audio : bool
        Whether a video keeps its sound.
    engine : Engine, optional
        Default: `mien.default_engine()`.
    **options
        What is done, one or several:

        - ``hair``, ``lips``, ``brow_color``, ``iris``: another colour; ``finish`` of lips. `mien.swaps.look.recoloring`
        - ``makeup``: as on a reference picture, or a preset's name; ``makeup_parts``: where, some of "lips", "eyes",
          "cheeks", "skin", "brows". `mien.swaps.look.makeup`
        - ``light``: from another side, or as in a reference picture. `mien.swaps.look.relighting`
        - ``gaze``: "camera", or (yaw, pitch) in degrees. `mien.swaps.shape.gaze_correction`
        - ``smile``, ``mouth_open``, ``brows``, ``eyes``, ``squint``, ``blendshapes``: another expression; ``yaw``,
          ``pitch``, ``roll``: degrees by which the head turns. `mien.swaps.shape.retargeting`
        - ``frontal=True``: the head turned to the camera; ``level=True``: upright, too. `mien.swaps.shape.frontalizing`
        - ``filter``: a shipped one by name, or your own. `mien.swaps.look.overlays`
        - ``style``: a name, a reference picture, or a model of yours; ``area``: of what, "picture", "head" or "face".
          `mien.swaps.look.stylizing`
        - ``strength``: of colours, makeup, light and style, 0 to 1.

    Returns
    -------
    Edit
        Whatever it saves is marked as synthetic. ``report["skipped"]`` lists faces that were left as they were.

    Raises
    ------
    NoFace
        If the face is not there.
    UsageError
        If nothing is asked for, an option is out of its range, or a face cannot be changed so: the message says why.
    StorageError
        If the result cannot be written. After an error there is no file.

    Examples
    --------
    >>> mien.edit("portrait.jpg", smile=0.4, yaw=10).save("smiling.jpg")  # doctest: +SKIP
    >>> mien.edit("call.mp4", gaze="camera", out="looking.mp4")  # doctest: +SKIP
    """
    engine = engine or default_engine()
    effect = edit_effect(engine=engine, **options)
    return edited(target, Editor(effect, who=who, gallery=gallery, engine=engine), out=out, audio=audio)


def edit_effect(*, engine: Engine, **options: Unpack[EditOptions]) -> Effect:
    """The effect that the options of `edit` ask for.

    Raises
    ------
    UsageError
        If they ask for nothing, there is no such option, or one goes with another that is not there.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    known = set(EditOptions.__annotations__)
    if unknown := sorted(set(given) - known):
        raise UsageError(f"edit has no option {unknown[0]!r}; there are {', '.join(sorted(known))}.")
    made = {name: kind.make(given, engine) for name, kind in KINDS.items()}
    parts = {name: effect for name, effect in made.items() if effect is not None}
    if not parts:
        asking = [option for kind in KINDS.values() for option in kind.options]
        raise UsageError(f"say what to change, one or several of: {', '.join(asking)}.")
    used = {option for name in parts for option in (*KINDS[name].options, *KINDS[name].along)}
    if idle := sorted(set(given) - used):
        takers = [option for kind in KINDS.values() if idle[0] in kind.along for option in kind.options]
        raise UsageError(f"{idle[0]} does nothing without one of: {', '.join(takers)}.")
    return Chain(parts, engine)


@dataclass(frozen=True, eq=False)
class Chain:
    """Effects one after the other: an effect itself.

    Parameters
    ----------
    parts : mapping of str to Effect
        By names of `KINDS`, in order.
    engine : Engine
        Looks again at faces that were moved.
    """

    parts: Mapping[str, Effect]
    engine: Engine

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`: what is needed before the first of them that moves faces has run."""
        fields: frozenset[str] = frozenset()
        for name, part in self.parts.items():
            fields |= part.needs
            if KINDS[name].moves:
                break
        return fields

    @property
    def report(self) -> dict[str, Any]:
        """See `mien.swaps.effects.Effect`."""
        return {name: dict(part.report) for name, part in self.parts.items()}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        for part in self.parts.values():
            source = part.mark(source)
        return source

    def start(self) -> Take:
        """See `mien.swaps.effects.Effect`."""
        return _ChainTake(self, [part.start() for part in self.parts.values()])


@dataclass(eq=False)
class _ChainTake:
    """Effects at work one after the other."""

    chain: Chain
    takes: Sequence[Take]

    def apply(self, shot: Shot) -> Changed:
        """See `mien.swaps.effects.Take`."""
        moved = False
        masks: list[Region] = []
        layers: dict[str, Any] = {}
        report: dict[str, Any] = {"skipped": []}
        for (name, part), take in zip(self.chain.parts.items(), self.takes, strict=True):
            done = take.apply(self._again(shot, part) if moved else shot)
            masks.append(done.mask)
            layers |= done.layers
            told = dict(done.report)
            report["skipped"] += [{**one, "edit": name} for one in told.pop("skipped", ())]
            if told:
                report[name] = {**part.report, **told}
            moved |= KINDS[name].moves
            shot = replace(shot, image=done.image)
        if not report["skipped"]:
            del report["skipped"]
        size = shot.image.shape[1], shot.image.shape[0]
        return Changed(image=shot.image, mask=Region.union(masks, size), layers=layers, report=report)

    def _again(self, shot: Shot, part: Effect) -> Shot:
        """The shot with its faces as they are now."""
        found: Faces = self.chain.engine.analyze(shot.image, want=part.needs, faces=shot.faces.only(frozenset()))
        if "track" in shot.faces.columns:
            found = found.with_columns({"track": shot.faces.columns["track"]})
        return replace(shot, faces=found)
