"""Whether what a challenge asks for was done: curves of a head and a face, and where they leave rest and come back.

Each action is read off one curve: an angle of the head, the opening of the mouth, a smile. It rests where the curve is
before the first prompt. An action has begun where the curve leaves the rest, was done if it reaches far enough, and has
ended where it is back; all of it must lie within the prompt's time. Blinks are the events of `mien.location.blink`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.features.genuine.challenge import TURNS, Prompt
from mien.location.blink import BlinkSettings, find_blinks

__all__ = ["CURVES", "Answer", "Curve", "answers", "excursions"]

Doubles: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """How an action is read off a curve.

    Attributes
    ----------
    name : str
        The curve: "yaw" or "pitch" in degrees, "smile" or "jaw" in [0, 1].
    sign : int
        The way that the curve goes.
    leaves, reaches : float
        How far from rest the action begins and ends, and how far it must go.
    """

    name: str
    sign: int
    leaves: float
    reaches: float


#: The subject's left is the picture's right, to which yaw is positive.
CURVES: Final[Mapping[str, Curve]] = MappingProxyType(
    {
        "turn_left": Curve("yaw", 1, 8, 17),
        "turn_right": Curve("yaw", -1, 8, 17),
        "look_up": Curve("pitch", 1, 6, 11),
        "look_down": Curve("pitch", -1, 6, 11),
        "smile": Curve("smile", 1, 0.15, 0.35),
        "open_mouth": Curve("jaw", 1, 0.12, 0.3),
    }
)

REST: Final = 3  # frames before the first prompt, at the least; else the clip's median is the rest
_BLINK: Final = BlinkSettings()


@dataclass(frozen=True)
class Answer:
    """What came of one prompt.

    Attributes
    ----------
    prompt : Prompt
    done : bool
        Whether it was done, within its time.
    reason : str
        One sentence.
    start, end : float or None
        When it was done, in seconds.
    """

    prompt: Prompt
    done: bool
    reason: str
    start: float | None = None
    end: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        times = [None if time is None else round(time, 3) for time in (self.start, self.end)]
        return {
            "action": self.prompt.action,
            "from": self.prompt.start,
            "to": self.prompt.end,
            "done": self.done,
            "reason": self.reason,
            "start": times[0],
            "end": times[1],
        }


def excursions(times: Doubles, values: Doubles, *, leaves: float, reaches: float) -> list[tuple[float, float]]:
    """When a curve leaves zero, reaches far enough, and comes back.

    Parameters
    ----------
    times : (T,) float64
        Seconds, rising.
    values : (T,) float64
        How far from rest; NaN where not known.
    leaves, reaches : float
        As in `Curve`.

    Returns
    -------
    list of (start, end)
        An excursion that is there when the clip begins, or not over when it ends, has -inf or inf there.
    """
    known = ~np.isnan(values)
    times, values = times[known], values[known]
    away = np.concatenate([[False], values > leaves, [False]])
    edges = np.flatnonzero(away[1:] != away[:-1])
    found = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if values[first:after].max() >= reaches:
            start = float(times[first]) if first else -np.inf
            found.append((start, float(times[after]) if after < len(times) else np.inf))
    return found


def answers(
    prompts: Sequence[Prompt], times: Doubles, curves: Mapping[str, Doubles], eyes: Doubles
) -> tuple[Answer, ...]:
    """Judge every prompt.

    Parameters
    ----------
    prompts : sequence of Prompt
    times : (T,) float64
        Of the frames, in seconds from the first.
    curves : mapping of str to (T,) float64
        ``yaw``, ``pitch``, ``smile``, ``jaw``.
    eyes : (T, 2) float64
        Probabilities that they are open.

    Returns
    -------
    tuple of Answer
        One for each prompt.
    """
    done = {name: _done(curve, prompts, times, curves[curve.name]) for name, curve in CURVES.items()}
    done["blink"] = [(blink.start, blink.end) for blink in find_blinks(times, eyes, _BLINK)]
    return tuple(_answer(prompt, done) for prompt in prompts)


def _done(curve: Curve, prompts: Sequence[Prompt], times: Doubles, values: Doubles) -> list[tuple[float, float]]:
    calm = values[times < prompts[0].start]
    calm = calm[~np.isnan(calm)]
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    rest = float(np.median(calm if len(calm) >= REST else known))
    return excursions(times, curve.sign * (values - rest), leaves=curve.leaves, reaches=curve.reaches)


def _answer(prompt: Prompt, done: Mapping[str, list[tuple[float, float]]]) -> Answer:
    own = done[prompt.action]
    inside = [(start, end) for start, end in own if prompt.start <= start and end <= prompt.end]
    name = prompt.action.replace("_", " ")
    if not inside:
        near = [(start, end) for start, end in own if start <= prompt.end and end >= prompt.start]
        why = "was not begun and ended in its time" if near else "was not done"
        return Answer(prompt, False, f"{name} {why} ({prompt.start:.1f} to {prompt.end:.1f} s).")
    # Of a face that does all things all the time, each prompt would find its own.
    for other in _rivals(prompt.action):
        if any(start <= prompt.end and end >= prompt.start for start, end in done[other]):
            return Answer(prompt, False, f"{other.replace('_', ' ')} was done where {name} was asked for.")
    start, end = inside[0]
    return Answer(prompt, True, f"{name} was done at {start:.1f} s.", start, end)


def _rivals(action: str) -> list[str]:
    """What must not be done at the same time: turns of the head, and of a face that is to move its other moves.

    Blinks are no rival, since nobody can leave them be. Neither are moves of a face that turns away: what is read off
    it there is a guess.
    """
    return [name for name in CURVES if name != action and (name in TURNS or action not in TURNS)]
