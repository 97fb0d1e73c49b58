"""Is a person before the camera? By one picture, by a clip, or by a clip that answers a challenge.

A picture is judged by the field ``live``; a clip by its mean, and by whether what turned had depth; a challenge by what
was asked for, in its time, by one person in one shot. None of it is proof: a good video on a good screen passes the
first two, and one who writes frames straight into a program's camera passes all three, by one animated photograph too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, cast

import numpy as np

from mien.core.errors import UsageError
from mien.core.image import Image, ImageSource
from mien.engine import Engine, default_engine
from mien.features.genuine.actions import Answer, answers
from mien.features.genuine.challenge import TURNS, Challenge
from mien.features.genuine.findings import Finding, deep, one_face, one_shot, passive, same_person, whole
from mien.features.genuine.motion import Depth
from mien.features.genuine.take import Take, watch
from mien.features.genuine.used import Used
from mien.media.video import VIDEO_SUFFIXES, Video

__all__ = ["WEAK", "Finding", "Liveness", "judge", "liveness"]

_PICTURE: Final = (
    "Weak evidence: of 135 faces in ordinary photographs 6 % are called no live person (95 %: 1 to 21 %), and of 54 "
    "simulated photographs of screens and prints 24 % are called one (10 to 47 %). Real attacks: not known."
)
#: How weak the evidence is, by what was judged: told with each verdict. From `benchmarks/liveness.py`.
WEAK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "picture": _PICTURE,
        "video": f"{_PICTURE} A video that is played on a screen has depth, too.",
        "challenge": (
            "Weak evidence: how often people fail challenges, and attackers meet them, was not measured. A photograph "
            "that a program animates meets them, where its frames can be given instead of a camera's. Who it is was "
            "not asked."
        ),
    }
)

AFTER: Final = 1.0  # seconds of a clip that are looked at after its challenge
Kind = Literal["picture", "video", "challenge"]
_WORDS: Final[Mapping[str, Mapping[bool, str]]] = MappingProxyType(
    {
        "picture": {True: "looks live", False: "looks not live"},
        "video": {True: "looks live", False: "looks not live"},
        "challenge": {True: "challenge met", False: "challenge not met"},
    }
)


@dataclass(frozen=True)
class Liveness:
    """A verdict; it is true only where ``live`` is True.

    Attributes
    ----------
    live : bool or None
        None: nothing is decided, see `reason`.
    reason : str
        What decided, in one sentence.
    kind : {"picture", "video", "challenge"}
        By what it was judged.
    score : float or None
        The field ``live``, its mean over the frames of a clip; in [0, 1], not calibrated.
    findings : tuple of Finding
        All that was looked at.
    answers : tuple of Answer
        To a challenge's prompts.
    depth : Depth or None
        What the motion told.
    cues : dict of str to float
        The field ``live_cues``, or its means; they are told and decide nothing.
    frames : int
    """

    live: bool | None
    reason: str
    kind: Kind
    score: float | None = None
    findings: tuple[Finding, ...] = ()
    answers: tuple[Answer, ...] = ()
    depth: Depth | None = None
    cues: dict[str, float] = field(default_factory=dict, hash=False)
    frames: int = 0

    @property
    def weakness(self) -> str:
        """How often such a verdict is wrong, as far as that was measured."""
        return WEAK[self.kind]

    def __bool__(self) -> bool:
        return self.live is True

    def __str__(self) -> str:
        answer = "undecided" if self.live is None else _WORDS[self.kind][self.live]
        marks = {True: "+", False: "-", None: "?"}
        lines = [f"  {marks[one.passed]} {one.reason}" for one in self.findings if len(self.findings) > 1]
        worth = [] if self.live is None else [self.weakness]
        return "\n".join([f"{answer}: {self.reason}", *lines, *worth])

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "live": self.live,
            "reason": self.reason,
            "kind": self.kind,
            "score": self.score,
            "findings": [vars(one) for one in self.findings],
            "answers": [answer.to_dict() for answer in self.answers],
            "depth": None if self.depth is None else self.depth.to_dict(),
            "cues": dict(self.cues),
            "frames": self.frames,
            "weakness": self.weakness,
        }


def liveness(
    source: ImageSource | Video | Iterable[tuple[float, Image]],
    *,
    challenge: str | Challenge | None = None,
    key: bytes | None = None,
    used: Used | None = None,
    mirrored: bool = False,
    threshold: float = 0.5,
    now: float | None = None,
    engine: Engine | None = None,
) -> Liveness:
    """Judge whether a person was before the camera; the largest face counts.

    Parameters
    ----------
    source : picture, path of a video, Video, or iterable of (seconds, picture)
        A path that ends as videos do is taken for one.
    challenge : str or Challenge, optional
        The token that the clip answers.
    key : bytes, optional
        The key that the token was signed with.
    used : Used, optional
        Where it is noted that the challenge was answered, whatever comes of it: `UsedHere` or `UsedFile`. A challenge
        needs one, for a clip that once passed would pass again.
    mirrored : bool
        The clip shows the person as a mirror does, as many front cameras record: their left is on the picture's left.
    threshold : float
        Of the score; below it a picture or clip is not called live.
    now : float, optional
        Seconds since 1970, for the challenge's expiry; by default the clock's.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Returns
    -------
    Liveness
        Nothing is decided (``live`` None) without a face that can be judged, where a clip is too short or slow for the
        challenge, and for a challenge that has expired or was answered before.

    Raises
    ------
    UsageError
        If an option is out of range, or a challenge comes without key or notes.
    InputError, ModelError
        If the source cannot be read, the token is none or was changed, or a model cannot be had.

    Examples
    --------
    >>> verdict = liveness("selfie.jpg")  # doctest: +SKIP
    >>> verdict.live, verdict.reason  # doctest: +SKIP
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold is between 0 and 1, not {threshold!r}.")
    engine = engine or default_engine()
    if challenge is not None:
        return _challenged(source, _read(challenge, key), used, mirrored, threshold, now, engine)
    if _is_clip(source):
        return _of_clip(watch(cast("Any", source), engine=engine, active=False), threshold)
    return _of_picture(cast("ImageSource", source), threshold, engine)


def _read(challenge: str | Challenge, key: bytes | None) -> Challenge:
    if key is None:
        raise UsageError("key= is needed: the one that the challenge was signed with.")
    # A Challenge could have been made by hand: its token is what was signed.
    return Challenge.read(challenge.token if isinstance(challenge, Challenge) else challenge, key=key)


def _is_clip(source: object) -> bool:
    if isinstance(source, str | os.PathLike):
        return Path(source).suffix.lower() in VIDEO_SUFFIXES
    known = isinstance(source, bytes | bytearray | memoryview | np.ndarray) or hasattr(source, "read")
    return isinstance(source, Video) or (not known and isinstance(source, Iterable))


def _of_picture(source: ImageSource, threshold: float, engine: Engine) -> Liveness:
    faces = engine.analyze(source, want={"live", "live_cues"}).top(1, by="height")
    if not len(faces):
        return Liveness(None, "no face in the picture.", "picture", frames=1)
    column = faces.live_cues[0]
    cues = {} if bool(column.abstained) else {name: round(column.named(name), 4) for name in column.names}
    finding = passive(np.asarray(faces.live.values, np.float64), threshold, faces.live.reasons)
    score = None if bool(faces.live.abstained[0]) else round(float(faces.live.values[0]), 4)
    return Liveness(finding.passed, finding.reason, "picture", score, (finding,), cues=cues, frames=1)


def _score(take: Take) -> float | None:
    known = take.curves["live"][~np.isnan(take.curves["live"])]
    return round(float(known.mean()), 4) if len(known) else None


def _of_clip(take: Take, threshold: float) -> Liveness:
    findings = (passive(take.curves["live"], threshold, (take.silent,)), deep(take.depth))
    return _summed("video", take, findings, essential=("passive",))


def _summed(
    kind: Kind,
    take: Take,
    findings: tuple[Finding, ...],
    *,
    essential: tuple[str, ...],
    answers: tuple[Answer, ...] = (),
) -> Liveness:
    """What failed decides; then what is not known and had to be."""
    failed = [one for one in findings if one.passed is False]
    unknown = [one for one in findings if one.passed is None and one.name in essential]
    live = False if failed else None if unknown else True
    reason = (failed or unknown or findings)[0].reason
    if live and kind == "challenge":
        reason = "what was asked for was done, in its time, by one person in one shot."
    return Liveness(live, reason, kind, _score(take), findings, answers, take.depth, take.cues, len(take.times))


# --- a challenge ------------------------------------------------------------------------------------------------------


def _challenged(
    source: object,
    challenge: Challenge,
    used: Used | None,
    mirrored: bool,
    threshold: float,
    now: float | None,
    engine: Engine,
) -> Liveness:
    if used is None:
        raise UsageError("used= is needed: UsedHere() or UsedFile(path), where answered challenges are noted.")
    if challenge.expired(now):
        return Liveness(None, "the challenge has expired.", "challenge")
    if not _is_clip(source):
        raise UsageError("a challenge is answered by a clip: a video, or pictures with their times.")
    # Before anything is looked at: who answers has one try.
    if not used.note(challenge.nonce, challenge.expires):
        return Liveness(None, "the challenge was answered before.", "challenge")
    take = watch(cast("Any", source), engine=engine, active=True, until=challenge.duration + AFTER)
    return judge(take, challenge, mirrored=mirrored, threshold=threshold)


def judge(take: Take, challenge: Challenge, *, mirrored: bool = False, threshold: float = 0.5) -> Liveness:
    """Judge what was seen in a clip that answers a challenge; see `liveness`."""
    curves = take.curves
    yaw = -curves["yaw"] if mirrored else curves["yaw"]
    eyes = np.stack([curves["right"], curves["left"]], axis=1)
    found = answers(challenge.prompts, take.times, {**curves, "yaw": yaw}, eyes)
    calm = passive(curves["live"], threshold, (take.silent,))
    seen = whole(take, challenge)
    findings = (
        seen,
        one_face(take),
        one_shot(take),
        same_person(take),
        *(Finding(answer.prompt.action, answer.done, answer.reason) for answer in found),
        deep(take.depth),
        # It refuses too many ordinary people to decide alone.
        Finding("passive", calm.passed or None, calm.reason),
    )
    verdict = _summed("challenge", take, findings, essential=_essential(challenge, calm), answers=found)
    # Of what was hardly seen nothing is said, neither that it was done nor that it was not.
    return verdict if seen.passed else replace(verdict, live=None, reason=seen.reason)


def _essential(challenge: Challenge, calm: Finding) -> tuple[str, ...]:
    """What must be known, so that a challenge is met."""
    turned = any(prompt.action in TURNS for prompt in challenge.prompts)
    depth = ("depth",) if turned else ()
    return ("same person", *depth, *(("passive",) if calm.passed is False else ()))
