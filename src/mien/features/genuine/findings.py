"""What a clip is judged by, each thing by itself: the picture, its depth, one shot, one face, one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.features.genuine.challenge import Challenge
from mien.features.genuine.motion import Depth
from mien.features.genuine.take import Take

__all__ = ["Finding", "deep", "one_face", "one_shot", "passive", "same_person", "whole"]

SLOWEST: Final = 8.0  # frames a second that show a blink
GAP: Final = 0.4  # seconds without a frame that hide an exchange
SEEN: Final = 0.9  # of the frames, in which there must be a face
ALONE: Final = 0.9  # of the frames, in which there must be no other
FROZEN: Final = 0.7  # seconds in which a living picture cannot stand still
KNOWN: Final = 0.5  # of the frames, which must show who it is
FRONTAL: Final = 25.0  # degrees of yaw up to which faces are compared
SAME: Final = 0.35  # cosine to the clip's ends, at the least: `benchmarks/liveness.py` tells what real clips have
RUN: Final = 3  # frames on end that are of somebody else


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, whether it passed (None: not known), and why, in a sentence."""

    name: str
    passed: bool | None
    reason: str


def passive(values: NDArray[np.floating[Any]], threshold: float, reasons: tuple[str | None, ...] = ()) -> Finding:
    """What the field ``live`` says, over all frames."""
    known = values[~np.isnan(values)]
    if not len(known):
        why = next((reason for reason in reasons if reason), "no face that could be judged")
        return Finding("passive", None, f"{why}.")
    score = float(known.mean())
    told = "is below" if score < threshold else "reaches"
    return Finding("passive", score >= threshold, f"the picture's liveness {score:.2f} {told} {threshold:.2f}.")


def deep(depth: Depth) -> Finding:
    """Whether what turned was a head and no plane."""
    if depth.relief is None:
        return Finding("depth", None, f"depth is not known: {depth.reason}.")
    told = {True: "it was flat", False: "it had depth", None: "whether it had depth is left open"}[depth.flat]
    reason = f"of the face's change while it turned, {depth.relief:.0%} is no plane's: {told}."
    return Finding("depth", None if depth.flat is None else not depth.flat, reason)


def whole(take: Take, challenge: Challenge) -> Finding:
    """Whether there are frames enough to see what was asked for."""
    lasts = float(take.times[-1]) if len(take.times) else 0.0
    if lasts < challenge.duration:
        return Finding("whole", None, f"the clip lasts {lasts:.1f} s, and the challenge {challenge.duration:.1f} s.")
    if 1 / float(np.median(np.diff(take.times))) < SLOWEST:
        return Finding("whole", None, f"the clip has fewer than {SLOWEST:.0f} frames a second.")
    if (take.faces > 0).mean() < SEEN:
        return Finding("whole", None, f"a face is seen in {(take.faces > 0).mean():.0%} of the frames.")
    return Finding("whole", True, f"{len(take.times)} frames in {lasts:.1f} s.")


def one_face(take: Take) -> Finding:
    """Whether one face alone was before the camera."""
    others = float((take.faces > 1).mean()) if len(take.faces) else 0.0
    return Finding("one face", others <= 1 - ALONE, f"another face is in {others:.0%} of the frames.")


def one_shot(take: Take) -> Finding:
    """Whether the clip runs through, without gaps, cuts and standstill."""
    gap = float(np.diff(take.times).max(initial=0))
    if gap > GAP:
        return Finding("one shot", False, f"the clip has a gap of {gap:.1f} s.")
    if take.cuts:
        return Finding("one shot", False, f"the clip is cut at {take.cuts[0]:.1f} s.")
    if take.frozen > FROZEN:
        return Finding("one shot", False, f"the picture stands still for {take.frozen:.1f} s.")
    return Finding("one shot", True, "the clip is one shot.")


def same_person(take: Take) -> Finding:
    """Whether each stretch of the clip in which the face is not turned away shows the person of its ends."""
    frontal = (np.abs(take.curves["yaw"]) < FRONTAL) & ~np.isnan(take.vectors).any(axis=1) & (take.vectors.shape[1] > 0)
    vectors, times = take.vectors[frontal], take.times[frontal]
    if len(vectors) < max(2 * RUN, KNOWN * len(take.times)):
        return Finding("same person", None, "too few frames show who it is.")
    # Held against the first second's and the last one's: of a swap in the middle one of them is somebody else.
    ends = [vectors[times <= times[0] + 1].mean(axis=0), vectors[times >= times[-1] - 1].mean(axis=0)]
    cosines = np.stack([vectors @ (end / np.linalg.norm(end)) for end in ends], axis=1).min(axis=1)
    runs = np.lib.stride_tricks.sliding_window_view(cosines, RUN).max(axis=1)
    lowest = float(runs.min())
    told = "somebody else is in a part of the clip" if lowest < SAME else "all frames show the same person"
    return Finding("same person", lowest >= SAME, f"{told}: likeness {lowest:.2f} at the least.")
