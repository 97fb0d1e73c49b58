"""``swap``: one person's face in another's place, by geometry: no network is trained for it.

The source's colours are drawn over the target's mesh, in the target's pose and with its expression; the mesh, and all
that stands around it, is moved towards the shape of the source's head; light, colours, sharpness and noise are brought
to those of the target. Eyes, the inside of the mouth, and what stands before the face stay the target's.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from mien.core.errors import UsageError
from mien.core.image import ImageSource
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.media.video import Video
from mien.swaps.choice import Who
from mien.swaps.consent import Consent, Gate, Guard
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Effect
from mien.swaps.exchange.identity import Casting, Identity
from mien.swaps.exchange.learned import LearnedSwap
from mien.swaps.exchange.likeness import Likeness
from mien.swaps.exchange.swapping import Blend, Settings, SwapTake

__all__ = ["NEEDS", "Swap", "swap", "swap_effect"]

#: Whose face it is to be.
Source: TypeAlias = "ImageSource | Edit | Sequence[ImageSource | Edit] | Identity"

#: Fields that the faces of a target must have.
NEEDS = frozenset({"landmarks", "presence", "pose", "stabilized", "blendshapes"})


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
        whose = {"identity": self.casting.report} if isinstance(self.casting, Identity) else {}
        models = {name: self.engine.choose(name).id for name in ("landmarks", "parse")}
        return {"method": "geometric", **told, **whose, "models": models, **self.guard.report}

    def mark(self, source: Provenance) -> Provenance:
        """See `Effect`."""
        models = (self.engine.choose("landmarks").id,)
        return Provenance.manipulated(source, self._mark, models=models, consent=self.guard.reference)

    def start(self) -> SwapTake:
        """See `Effect`."""
        return SwapTake(self.casting, self.settings, self.guard, self.engine, self.topology, self.likeness)


def swap(
    target: ImageSource | Video,
    *,
    source: Source,
    who: Who = None,
    gallery: Gallery | None = None,
    source_who: Who = None,
    model: str | None = None,
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
    model : str, optional
        Id of a network of your own that swaps: see ``mien models add``. By default it is done by geometry.
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
    effect = swap_effect(
        source=source,
        source_who=source_who,
        model=model,
        keep=keep,
        strength=strength,
        blend=blend,
        gate=gate,
        consent=consent,
        do_not_swap=do_not_swap,
        engine=engine,
    )
    return edited(target, Editor(effect, who=who, gallery=gallery, engine=engine), out=out, audio=audio)


def swap_effect(
    *,
    source: Source,
    source_who: Who = None,
    model: str | None = None,
    keep: Collection[str] = ("eyes", "mouth", "glasses"),
    strength: float = 1.0,
    blend: Blend = "multiband",
    gate: Gate | None = None,
    consent: Consent | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    do_not_swap: Gallery | str | os.PathLike[str] | None = None,
    engine: Engine,
) -> Effect:
    """The effect that `swap` puts to work: for many targets."""
    guard = Guard.of(gate=gate, consent=consent, do_not_swap=do_not_swap, engine=engine)
    if model is not None:
        if isinstance(source, Identity):
            raise UsageError("a network is told by pictures who it is: give those as the source.")
        glasses = "glasses" in Settings(keep=keep, strength=strength, blend=blend).keep
        return LearnedSwap.of(
            source, model=model, who=source_who, strength=strength, keep_glasses=glasses, guard=guard, engine=engine
        )
    identity = source if isinstance(source, Identity) else Identity.of(source, who=source_who, engine=engine)
    guard.check_source(identity)
    return Swap(identity, keep=keep, strength=strength, blend=blend, guard=guard, engine=engine)
