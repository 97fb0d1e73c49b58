"""``mien.describe``: a caption of a face, a picture or a clip, out of measured fields alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

from mien.core.clip import Clip
from mien.core.errors import LicenseRefused
from mien.core.faces import Face, Faces
from mien.core.fields import all_fields, check_want
from mien.core.image import ImageSource
from mien.engine import Engine, default_engine
from mien.features.shown.words import caption, timeline, vocabulary
from mien.media.video import VIDEO_SUFFIXES, Video

__all__ = ["Described", "default_want", "describe", "describe_clip"]

#: What can be put into words.
Described: TypeAlias = "Faces | Face | Clip | Video | ImageSource"

#: Events that are looked for in a video where the caller names none.
EVENTS: Final = ("blink", "attention_span", "away", "look", "talk", "expression_span")


def describe(
    what: Described, *, want: Iterable[str] | None = None, unsure: bool = False, engine: Engine | None = None
) -> str:
    """Say in plain words what is measured about faces.

    Only what a field holds is said: age as the interval that the model gives ("apparently"), what is less than sure
    with "perhaps", what abstained not at all. The words are fixed (``features/shown/words.toml``): the same fields
    give the same text, on every machine. As weak as the fields are, as weak is the text.

    Parameters
    ----------
    what : Faces, Face, Clip, Video, or a picture or the path of a video
        Faces are described by the fields that they have, a clip by its tracks and events. A picture is analyzed, and a
        path that ends as videos do is tracked, first.
    want : iterable of str, optional
        Fields to compute of a picture; of a video, fields of one clear frame of each person, and events. Default: those
        that the words are about and a model gives, without ``gender``.
    unsure : bool
        Say also which fields abstained, and why.
    engine : Engine, optional
        Default: `mien.default_engine()`. Not used for faces and clips.

    Returns
    -------
    str
        Of a clip one line for each person, and one for each thing that happened.

    Raises
    ------
    UnknownField
        If a name is not in the list of fields.
    ImageError, SourceError, ModelError, DeviceUnavailable
        As `mien.analyze` and `mien.track`.

    Examples
    --------
    >>> mien.describe("photo.jpg")  # doctest: +SKIP
    'One person, apparently 30 to 41 years old, smiles (0.93) and wears glasses (0.99).'
    """
    if isinstance(what, Face):
        what = what.faces[[what.row]]
    if isinstance(what, Faces):
        return caption(what, unsure=unsure)
    if isinstance(what, Clip):
        return "\n".join(timeline(what))
    engine = engine or default_engine()
    if isinstance(what, Video) or names_video(what):
        clip, people = describe_clip(what, want=want, engine=engine)
        return "\n".join(timeline(clip, people=people, unsure=unsure))
    fields = default_want(engine) if want is None else check_want(want)
    return caption(engine.analyze(what, want=fields), unsure=unsure)


def names_video(what: object) -> bool:
    """Whether something is the path of a video, by its end."""
    return isinstance(what, str | os.PathLike) and Path(os.fspath(what)).suffix.lower() in VIDEO_SUFFIXES


def default_want(engine: Engine, *, temporal: bool = False) -> frozenset[str]:
    """Fields that `describe` asks for by itself, and events of a video: those that a permitted model gives."""
    names = {name for name in vocabulary().wanted if not all_fields()[name].temporal}
    return frozenset(name for name in (*names, *(EVENTS if temporal else ())) if _given(name, engine))


def _given(name: str, engine: Engine) -> bool:
    if not engine.catalogue.giving(name):
        return False
    try:
        if name in all_fields():
            engine.plan({name})  # what it needs must be permitted, too
        else:
            engine.choose(name)
    except LicenseRefused:
        return False
    return True


def describe_clip(source: Any, *, want: Iterable[str] | None, engine: Engine) -> tuple[Clip, dict[int, Face]]:
    """A video's clip with its events, and of each person one face with fields: where it is largest and surest.

    Parameters
    ----------
    source : path or Video
    want : iterable of str or None
        Fields and events; None: `default_want`.
    engine : Engine
    """
    wanted = default_want(engine, temporal=True) if want is None else check_want(want, temporal=True)
    still = {name for name in wanted if name in all_fields() and not all_fields()[name].temporal}
    best: dict[int, tuple[float, Faces]] = {}
    with engine.track(source, want=wanted - still, keep_images=True) as frames:
        for item in frames:
            if item.faces is None:
                continue
            seen = item.faces[item.faces.track.observed]
            for row, number in enumerate(seen.track.ids.tolist()):
                worth = float(seen.scores[row] * seen.heights[row])
                if not worth <= best.get(number, (0.0, seen))[0]:
                    best[number] = worth, seen[[row]]
    people = {
        number: engine.analyze(faces.require_image(), faces=faces.only(frozenset()), want=still)[0]
        for number, (_, faces) in sorted(best.items())
    }
    clip: Clip = frames.clip
    return clip, people
