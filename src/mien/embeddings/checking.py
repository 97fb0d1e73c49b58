"""Is the person of the selfie the one on the document? One record that can be filed.

Systems of this kind (Shi & Jain, *DocFace: Matching ID document photos to selfies*, 2018) train a network for the
pair; here the engine's embedder compares them at a calibrated rate, and the record says what it saw. The document may
lie as it likes: the portrait is looked for at every turn.

Further examinations plug in as `Examiner`: anything that takes `Exhibits` and gives `Evidence`. None is made unasked,
whether a person is before the camera (the field ``live``) neither: of ordinary pictures it refuses too many.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from mien.core.errors import LicenseRefused, UsageError, WeightsUnavailable
from mien.core.faces import Face, Faces
from mien.core.fields import all_fields
from mien.core.image import Image, ImageSource, load_image
from mien.embeddings.calibration import Range
from mien.embeddings.checks import Check, Evidence, Ghost, Shown, Verdict
from mien.embeddings.comparison import Verification, check_options, verify
from mien.embeddings.selfies import Selfie, selfie_of_clip
from mien.engine import Engine, default_engine
from mien.media.video import VIDEO_SUFFIXES, Video

__all__ = ["Examiner", "Exhibits", "check", "examine_field"]

SMALL_PORTRAIT = 64  # pixels; below it the calibrations' stratum of small faces may hold
PRESENCE = 0.5  # below it the mesh network says that there is no face
GHOST_FAR = 1e-2  # at this rate a ghost image is called the portrait's person: it is a poor print


@dataclass(frozen=True)
class Exhibits:
    """What an examiner gets to see.

    Parameters
    ----------
    document : Face
        The portrait; ``document.faces.image`` is the document's picture.
    selfie : tuple of Face
        The selfie's face, or that of the clip's best frames, best first; each with its picture.
    clip : path or Video or None
        The clip, where the selfie is one.
    engine : Engine
    """

    document: Face
    selfie: tuple[Face, ...]
    clip: str | os.PathLike[str] | Video | None
    engine: Engine


class Examiner(Protocol):
    """Looks for further evidence, such as for a living person; it abstains with ``passed=None`` and the reason."""

    def __call__(self, exhibits: Exhibits, /) -> Evidence:
        """What it found."""
        ...


def examine_field(name: str, *, at_least: float) -> Examiner:
    """An examiner that wants a field of one number, the mean over the selfie's faces, to be at least so much.

    Raises
    ------
    UnknownField
        When it is called: if there is no such field.
    """

    def examine(exhibits: Exhibits) -> Evidence:
        engine, model = exhibits.engine, exhibits.engine.choose(name).id
        pictures = [(face.faces.require_image(), face.faces[[face.row]]) for face in exhibits.selfie]
        found = [engine.analyze(picture, faces=faces, want={name}) for picture, faces in pictures]
        values = np.array([np.asarray(getattr(faces, name)).reshape(-1) for faces in found], np.float64)
        if values.shape[1:] != (1,):
            raise UsageError(f"{name} is no field of one number per face: write an examiner of your own.")
        if np.isnan(values).all():
            why = next((reason for faces in found for reason in getattr(faces, name).reasons if reason), "")
            return Evidence(passed=None, reason=f"{name} is not known{why and ': '}{why}.", model=model)
        value = float(np.nanmean(values))
        relation = "reaches" if value >= at_least else "is below"
        reason = f"{name} {value:.2f} {relation} {at_least:.2f}."
        return Evidence(passed=value >= at_least, reason=reason, value=value, model=model)

    return examine


def check(
    document: ImageSource,
    selfie: ImageSource | Video,
    *,
    far: float = 1e-3,
    threshold: float | None = None,
    ages: Range | None = None,
    extra: Mapping[str, Examiner] | None = None,
    keep_crops: bool = False,
    engine: Engine | None = None,
) -> Check:
    """Hold the portrait on a document against a selfie.

    The largest face that the document shows at any turn is its portrait; others are ghost images, which must show the
    same person. The largest face of the selfie is compared with it; of a clip, the person who is seen most, by the mean
    vector of the best frames.

    Parameters
    ----------
    document : picture
        A card or page, photographed: anything `mien.load_image` takes.
    selfie : picture, or the path of a video, or Video
        A path that ends as videos do is taken for one.
    far, threshold, ages
        As for `mien.verify`.
    extra : mapping of str to Examiner, optional
        Further examinations by name. All must pass for a match.
    keep_crops : bool
        Keep the two aligned crops in the record; else only their hashes are.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Returns
    -------
    Check
        Its ``reason`` says why where nothing is decided: no face, none that can be recognised, no calibration.

    Raises
    ------
    UsageError
        If an option is out of range.
    InputError, ModelError
        If a picture cannot be read, or a model cannot be had.

    Examples
    --------
    >>> record = check("card.jpg", "selfie.jpg", far=1e-4, ages=(18, 120))  # doctest: +SKIP
    >>> record.verdict, record.match.score, record.to_dict()  # doctest: +SKIP
    """
    check_options(far, threshold, ages)
    if not isinstance(extra, Mapping | None) or any(not callable(examine) for examine in (extra or {}).values()):
        raise UsageError("extra= is a mapping of names to callables that take Exhibits and give Evidence.")
    engine, begun, started = engine or default_engine(), time.perf_counter(), dt.datetime.now(dt.UTC)
    fields, warnings = _fields(engine)
    portrait, others = _portrait(engine, load_image(document), fields)
    clip = _as_clip(selfie)
    person = selfie_of_clip(engine, clip, fields) if clip is not None else _selfie(engine, cast("Any", selfie), fields)
    match = verify(portrait, person.faces, far=far, threshold=threshold, ages=ages, engine=engine)
    match = replace(match, reason=_sided(match.reason))
    evidence = {}
    if len(portrait) and len(person.faces):
        exhibits = Exhibits(portrait[0], person.best, clip, engine)
        evidence = {name: examine(exhibits) for name, examine in (extra or {}).items()}
    ghosts = tuple(_ghost(portrait, face, ages, engine) for face in others)
    shown = _shown(document, portrait, len(portrait) + len(others), keep_crops)
    taken = replace(_shown(selfie, person.faces, person.people, keep_crops), frames=person.frames)
    verdict, reason = _judge(match, evidence, ghosts)
    return Check(
        verdict=verdict,
        reason=reason,
        match=match,
        document=shown,
        selfie=taken,
        ghosts=ghosts,
        evidence=evidence,
        warnings=(*warnings, *_warnings(shown, taken, ghosts), *match.notes),
        settings={
            "far": float(far),
            "threshold": None if threshold is None else float(threshold),
            "ages": None if ages is None else [float(year) for year in ages],
        },
        models=_models(engine, {**person.faces.models, **portrait.models}),
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - begun, 3),
        mien=_version(),
    )


# --- the two sides ----------------------------------------------------------------------------------------------------


def _fields(engine: Engine) -> tuple[frozenset[str], list[str]]:
    """What is computed of both faces, and what could not be had of it."""
    fields, missing = {"embedding", "presence", "alignment"}, []
    for name, what in (("age", "ages were"), ("recognizability", "recognizability was")):
        if name not in all_fields() or not engine.catalogue.giving(name):
            continue
        try:
            engine.preload(name)
            fields.add(name)
        except (LicenseRefused, WeightsUnavailable) as error:
            missing.append(f"{what} not estimated: {error}")
    return frozenset(fields), missing


def _portrait(engine: Engine, picture: Image, fields: frozenset[str]) -> tuple[Faces, Faces]:
    """The portrait on a document, none or one, and the other faces there."""
    found = engine.analyze(picture, want=fields, rotations=True)
    faces = found[np.nan_to_num(found.presence.values) >= PRESENCE]
    order = faces.top(len(faces))
    return order[:1], order[1:]


def _selfie(engine: Engine, source: ImageSource, fields: frozenset[str]) -> Selfie:
    found = engine.analyze(source, want=fields)
    faces = found.top(1)
    return Selfie(faces, tuple(faces), len(found))


def _as_clip(selfie: ImageSource | Video) -> str | os.PathLike[str] | Video | None:
    if isinstance(selfie, Video):
        return selfie
    named = isinstance(selfie, str | os.PathLike) and Path(selfie).suffix.lower() in VIDEO_SUFFIXES
    return cast("str | os.PathLike[str]", selfie) if named else None


def _ghost(portrait: Faces, other: Face, ages: Range | None, engine: Engine) -> Ghost:
    likeness = verify(portrait[0], other, far=GHOST_FAR, ages=ages, engine=engine)
    return Ghost(box=_box(other), score=likeness.score, same=likeness.same)


# --- the record -------------------------------------------------------------------------------------------------------


def _shown(source: object, faces: Faces, count: int, keep_crop: bool) -> Shown:
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else getattr(source, "source", "")
    width, height = faces.image_size
    blank = Shown(source=str(name), sha256=_hash(source), width=width, height=height, faces=count)
    if not len(faces):
        return blank
    face = faces[0]
    right, left = face.alignment.xy[:2].astype(np.float64)
    roll = float(np.rad2deg(np.arctan2(*(left - right)[::-1])))
    crop = None if np.isnan(roll) else face.crop(template="arcface112")
    return replace(
        blank,
        box=_box(face),
        roll=None if np.isnan(roll) else round(roll, 1),
        score=round(face.score, 4),
        presence=_number(face, "presence"),
        recognizability=_number(face, "recognizability"),
        crop_sha256=None if crop is None else hashlib.sha256(crop.tobytes()).hexdigest(),
        crop=None if crop is None or not keep_crop else _png(crop),
    )


def _number(face: Face, name: str) -> float | None:
    if name not in face.faces.columns:
        return None
    value = float(np.asarray(getattr(face, name)))
    return None if np.isnan(value) else round(value, 4)


def _hash(source: object) -> str | None:
    """SHA-256 of the bytes that were given, or of those in the file."""
    if isinstance(source, Video):
        source = source.source
    if isinstance(source, bytes | bytearray | memoryview):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, str | os.PathLike) and Path(source).is_file():
        with Path(source).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def _png(crop: Image) -> bytes:
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.fromarray(crop).save(buffer, "PNG")
    return buffer.getvalue()


def _box(face: Face) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(value), 2) for value in face.box)
    return x1, y1, x2, y2


def _models(engine: Engine, made_by: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Of each field, the model that made it and the hashes of its files."""
    cards = {field: [engine.catalogue[one] for one in ids.split("+")] for field, ids in sorted(made_by.items())}
    return {
        field: {"id": made_by[field], "files": {file.name: file.sha256 for card in own for file in card.files.values()}}
        for field, own in cards.items()
    }


def _version() -> str:
    from importlib.metadata import version

    return version("mien")


# --- the verdict ------------------------------------------------------------------------------------------------------


def _judge(match: Verification, evidence: Mapping[str, Evidence], ghosts: Sequence[Ghost] = ()) -> tuple[Verdict, str]:
    if match.same is not True:
        return ("undecided" if match.same is None else "no match"), match.reason
    missing = [f"{name}: {one.reason}" for name, one in evidence.items() if one.passed is not True]
    # The ghost image stays when a portrait is exchanged; and the largest face may be of who holds the document.
    if any(ghost.same is False for ghost in ghosts):
        missing.insert(0, "another face on the document is not the portrait's person.")
    if missing:
        return "undecided", f"the faces match, but {' '.join(missing)}"
    return "match", match.reason


def _sided(reason: str) -> str:
    """`verify` counts its pictures; here they have names."""
    return reason.replace("the first", "the document's").replace("the second", "the selfie's")


def _warnings(document: Shown, selfie: Shown, ghosts: tuple[Ghost, ...]) -> list[str]:
    found = []
    if document.box and document.face_height < SMALL_PORTRAIT:
        found.append(f"the portrait is only {document.face_height:.0f} pixels high: take the picture from nearer.")
    if selfie.presence is not None and selfie.presence < PRESENCE:
        found.append("the mesh sees no face in the selfie, only the detector does: it may be covered, or be none.")
    unsure = sum(ghost.same is None for ghost in ghosts)
    if unsure:
        found.append(f"of {len(ghosts)} other faces on the document, {unsure} may not be the portrait's person.")
    if selfie.faces > 1:
        which = "the one that is seen most" if selfie.frames else "the largest"
        found.append(f"{selfie.faces} people in the selfie: {which} was used.")
    return found
