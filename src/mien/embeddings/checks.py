"""``Check``: what an auditor files about one comparison of a document with a selfie. `mien.check` makes it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from mien.core.errors import UsageError
from mien.embeddings.comparison import Verification

__all__ = ["CHECK_SCHEMA", "Check", "Evidence", "FrameUsed", "Ghost", "Shown", "Verdict"]

CHECK_SCHEMA = 1  #: raised when a reader of the old form would misread the new one

Box = tuple[float, float, float, float]
Verdict = Literal["match", "no match", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one further examination found, such as that a living person was in front of the camera.

    Parameters
    ----------
    passed : bool or None
        None: it cannot be said.
    reason : str
        Why, in one sentence.
    value : float or None
        What was measured, in the examination's own unit.
    model : str or None
        Who measured it.
    """

    passed: bool | None
    reason: str
    value: float | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class FrameUsed:
    """A frame of a clip that went into the selfie's vector: its number, its time in seconds, and its weight."""

    index: int
    time: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class Ghost:
    """Another face on the document: a ghost image as a rule, the portrait once more, smaller and paler.

    Parameters
    ----------
    box : (x1, y1, x2, y2)
        In pixels of the document's picture.
    score : float or None
        Cosine similarity to the portrait.
    same : bool or None
        Whether it is the portrait's person, at a false accept rate of 1e-2; None where that cannot be said.
    """

    box: Box
    score: float | None
    same: bool | None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One of the two sides: the file, and the face in it that was compared.

    Parameters
    ----------
    source : str
        Where the picture or clip was, as it was given; "" where it was no file.
    sha256 : str or None
        Of the file's bytes, hexadecimal; None for what was no file.
    width, height : int
        Of the upright picture or frame in pixels.
    faces : int
        How many faces, in a clip how many people, were seen.
    box : (x1, y1, x2, y2) or None
        Of the face in pixels of the upright picture, in a clip of its best frame; None: no face.
    roll : float or None
        Degrees by which the face stands turned in the picture, clockwise as seen: how the document lay.
    score, presence, recognizability : float or None
        The detector's confidence, the mesh network's, and how well the face can be recognised, where a model says it;
        in [0, 1], higher is better.
    crop_sha256 : str or None
        Of the aligned crop's bytes, (112, 112, 3) RGB: which pixels were looked at.
    crop : bytes or None
        The aligned crop as PNG, where it was to be kept.
    frames : tuple of FrameUsed
        Those of a clip whose vectors were averaged.
    """

    source: str
    sha256: str | None
    width: int
    height: int
    faces: int
    box: Box | None = None
    roll: float | None = None
    score: float | None = None
    presence: float | None = None
    recognizability: float | None = None
    crop_sha256: str | None = None
    crop: bytes | None = field(default=None, repr=False)
    frames: tuple[FrameUsed, ...] = ()

    @property
    def face_height(self) -> float:
        """Height of the face's box in pixels; 0 without a face."""
        return self.box[3] - self.box[1] if self.box else 0.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """A document held against a selfie: what was found, how it was judged, and by what. True only for a match.

    Parameters
    ----------
    verdict : {"match", "no match", "undecided"}
        A match needs the faces to match, all evidence to pass, and nobody else on the document; where the faces match
        and one of these is missing, nothing is decided.
    reason : str
        Why, in one sentence.
    match : Verification
        The comparison of the faces: score, threshold, rates, calibration, strata.
    document, selfie : Shown
    ghosts : tuple of Ghost
        Other faces on the document.
    evidence : mapping of str to Evidence
        What else was examined, by name.
    warnings : tuple of str
        What a person should look at.
    settings : mapping
        What was asked for: far, threshold, ages.
    models : mapping of str to mapping
        By field: the model's ``id`` and the ``files`` with their SHA-256.
    started : str
        When, in UTC, as ISO 8601.
    seconds : float
        How long it took.
    mien : str
        Version of this package.
    """

    verdict: Verdict
    reason: str
    match: Verification
    document: Shown
    selfie: Shown
    ghosts: tuple[Ghost, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict, hash=False)
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    started: str = ""
    seconds: float = 0.0
    mien: str = ""

    def __post_init__(self) -> None:
        for name in ("evidence", "settings", "models"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __bool__(self) -> bool:
        return self.verdict == "match"

    def __str__(self) -> str:
        marks = {True: "passed", False: "failed", None: "not known"}
        extra = [f"{name}: {marks[one.passed]}, {one.reason}" for name, one in self.evidence.items()]
        return "\n".join([f"{self.verdict}: {self.reason}", *extra, *(f"warning: {text}" for text in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, with the version of their form as ``schema``."""
        own: dict[str, Any] = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "match"}
        return {"schema": CHECK_SCHEMA, **own, "match": self.match.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Check:
        """Read what `to_dict` wrote.

        Raises
        ------
        UsageError
            If it is of another schema, or no such record.
        """
        if not isinstance(values, Mapping) or values.get("schema") != CHECK_SCHEMA:
            raise UsageError(f"this is no check of schema {CHECK_SCHEMA}.")
        own = {key: value for key, value in values.items() if key != "schema"}
        try:
            return cls(
                **{
                    **own,
                    "match": Verification.from_dict(own["match"]),
                    "document": _shown(own["document"]),
                    "selfie": _shown(own["selfie"]),
                    "ghosts": tuple(Ghost(**{**one, "box": _box(one["box"])}) for one in own["ghosts"]),
                    "evidence": {name: Evidence(**one) for name, one in own["evidence"].items()},
                    "warnings": tuple(own["warnings"]),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"this is no check as to_dict writes it: {error!r}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Evidence | FrameUsed | Ghost | Shown):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _shown(values: Mapping[str, Any]) -> Shown:
    crop = values["crop"]
    return Shown(
        **{
            **values,
            "box": _box(values["box"]),
            "crop": None if crop is None else base64.b64decode(crop),
            "frames": tuple(FrameUsed(**frame) for frame in values["frames"]),
        }
    )


def _box(values: Any) -> Box | None:
    return tuple(values) if values is not None else None
