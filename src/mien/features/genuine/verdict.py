"""Is a person before the camera? By one picture, by a clip, or by a clip that answers a challenge.

A picture is judged by the field ``live``; a clip by its mean, and by whether what turned had depth; a challenge by what
was asked for, in its time, by one person in one shot. None of it is proof: a good video on a good screen passes the
first two, and one who writes frames straight into a program's camera, a made face too, may pass all three.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np

from mien.core.errors import UsageError
from mien.core.image import Image, ImageSource
from mien.engine import Engine, default_engine
from mien.features.genuine.actions import Answer, answers
from mien.features.genuine.challenge import Challenge
from mien.features.genuine.motion import Depth
from mien.features.genuine.take import Take, watch
from mien.features.genuine.used import Used
from mien.media.video import VIDEO_SUFFIXES, Video

__all__ = ["WEAK", "Finding", "Liveness", "liveness"]

#: How weak the evidence is: printed with each verdict. From `benchmarks/liveness.py`.
WEAK: Final = (
    "Weak evidence: of 135 faces in ordinary photographs 6 % are called no live person (95 %: 1 to 21 %), and of 54 "
    "simulated photographs of screens and prints 24 % are called one (10 to 47 %). Real attacks: not known."
)

SLOWEST: Final = 8.0  # frames a second that show a blink
GAP: Final = 0.4  # seconds without a frame that hide an exchange
SEEN: Final = 0.9  # of the frames, in which there must be a face
ALONE: Final = 0.9  # of the frames, in which there must be no other
FROZEN: Final = 0.7  # seconds in which a living picture cannot stand still
FRONTAL: Final = 25.0  # degrees of yaw up to which faces are compared
SAME: Final = (
    0.35  # cosine to the clip's ends: of four real clips, own frames have 0.83 and more, strangers' at most 0.17
)
RUN: Final = 3  # frames on end that are of somebody else

Kind = Literal["picture", "video", "challenge"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, whether it passed (None: not known), and why, in a sentence."""

    name: str
    passed: bool | None
    reason: str


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
    weakness : str
        How often such a verdict is wrong, as far as that was measured.
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
    weakness: str = WEAK

    def __bool__(self) -> bool:
        return self.live is True

    def __str__(self) -> str:
        answer = {True: "live", False: "not live", None: "undecided"}[self.live]
        marks = {True: "+", False: "-", None: "?"}
        lines = [f"  {marks[one.passed]} {one.reason}" for one in self.findings]
        return "\n".join([f"{answer}: {self.reason}", *lines, self.weakness])

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
    finding = _passive(np.asarray(faces.live.values, np.float64), threshold, faces.live.reasons)
    score = None if bool(faces.live.abstained[0]) else round(float(faces.live.values[0]), 4)
    return Liveness(finding.passed, finding.reason, "picture", score, (finding,), cues=cues, frames=1)


def _passive(values: np.ndarray[Any, Any], threshold: float, reasons: tuple[str | None, ...] = ()) -> Finding:
    """What the field ``live`` says, over all frames."""
    known = values[~np.isnan(values)]
    if not len(known):
        why = next((reason for reason in reasons if reason), "no face that could be judged")
        return Finding("passive", None, f"{why}.")
    score = float(known.mean())
    told = "is below" if score < threshold else "reaches"
    return Finding("passive", score >= threshold, f"the picture's liveness {score:.2f} {told} {threshold:.2f}.")


def _deep(depth: Depth) -> Finding:
    if depth.relief is None:
        return Finding("depth", None, f"depth is not known: {depth.reason}.")
    told = {True: "it was flat", False: "it had depth", None: "which leaves it open"}[depth.flat]
    reason = f"of the face's change while it turned, {depth.relief:.0%} is no plane's: {told}."
    return Finding("depth", None if depth.flat is None else not depth.flat, reason)


def _score(take: Take) -> float | None:
    known = take.curves["live"][~np.isnan(take.curves["live"])]
    return round(float(known.mean()), 4) if len(known) else None


def _of_clip(take: Take, threshold: float) -> Liveness:
    findings = (_passive(take.curves["live"], threshold), _deep(take.depth))
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
    take = watch(cast("Any", source), engine=engine, active=True)
    return judge(take, challenge, mirrored=mirrored, threshold=threshold)


def judge(take: Take, challenge: Challenge, *, mirrored: bool = False, threshold: float = 0.5) -> Liveness:
    """Judge what was seen in a clip that answers a challenge; see `liveness`."""
    curves = take.curves
    yaw = -curves["yaw"] if mirrored else curves["yaw"]
    eyes = np.stack([curves["right"], curves["left"]], axis=1)
    found = answers(challenge.prompts, take.times, {**curves, "yaw": yaw}, eyes)
    passive = _passive(curves["live"], threshold)
    whole = _whole(take, challenge)
    findings = (
        whole,
        _one_face(take),
        _one_shot(take),
        _same_person(take),
        *(Finding(answer.prompt.action, answer.done, answer.reason) for answer in found),
        _deep(take.depth),
        # It refuses too many ordinary people to decide alone.
        Finding("passive", passive.passed or None, passive.reason),
    )
    verdict = _summed("challenge", take, findings, essential=("same person", *_doubt(passive)), answers=found)
    # Of what was hardly seen nothing is said, neither that it was done nor that it was not.
    return verdict if whole.passed else replace(verdict, live=None, reason=whole.reason)


def _doubt(passive: Finding) -> tuple[str, ...]:
    return ("passive",) if passive.passed is False else ()


def _whole(take: Take, challenge: Challenge) -> Finding:
    """Whether there are frames enough to see what was asked for."""
    lasts = float(take.times[-1]) if len(take.times) else 0.0
    if lasts < challenge.duration:
        return Finding("whole", None, f"the clip lasts {lasts:.1f} s, and the challenge {challenge.duration:.1f} s.")
    if 1 / float(np.median(np.diff(take.times))) < SLOWEST:
        return Finding("whole", None, f"the clip has fewer than {SLOWEST:.0f} frames a second.")
    if (take.faces > 0).mean() < SEEN:
        return Finding("whole", None, f"a face is seen in {(take.faces > 0).mean():.0%} of the frames.")
    return Finding("whole", True, f"{len(take.times)} frames in {lasts:.1f} s.")


def _one_face(take: Take) -> Finding:
    others = float((take.faces > 1).mean()) if len(take.faces) else 0.0
    return Finding("one face", others <= 1 - ALONE, f"another face is in {others:.0%} of the frames.")


def _one_shot(take: Take) -> Finding:
    gap = float(np.diff(take.times).max(initial=0))
    if gap > GAP:
        return Finding("one shot", False, f"the clip has a gap of {gap:.1f} s.")
    if take.cuts:
        return Finding("one shot", False, f"the clip is cut at {take.cuts[0]:.1f} s.")
    if take.frozen > FROZEN:
        return Finding("one shot", False, f"the picture stands still for {take.frozen:.1f} s.")
    return Finding("one shot", True, "the clip is one shot.")


def _same_person(take: Take) -> Finding:
    """Whether each stretch of the clip shows the person of all of it."""
    frontal = (np.abs(take.curves["yaw"]) < FRONTAL) & ~np.isnan(take.vectors).any(axis=1) & (take.vectors.shape[1] > 0)
    vectors, times = take.vectors[frontal], take.times[frontal]
    if len(vectors) < 2 * RUN:
        return Finding("same person", None, "too few frames show who it is.")
    # Held against the first second's and the last one's: of a swap in the middle one of them is somebody else.
    ends = [vectors[times <= times[0] + 1].mean(axis=0), vectors[times >= times[-1] - 1].mean(axis=0)]
    cosines = np.stack([vectors @ (end / np.linalg.norm(end)) for end in ends], axis=1).min(axis=1)
    runs = np.lib.stride_tricks.sliding_window_view(cosines, RUN).max(axis=1)
    lowest = float(runs.min())
    told = "somebody else is in a part of the clip" if lowest < SAME else "all frames show the same person"
    return Finding("same person", lowest >= SAME, f"{told}: likeness {lowest:.2f} at the least.")
