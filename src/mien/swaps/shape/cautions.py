"""What is asked of a face before its mesh is moved: whether it is a human one, and whether it wears glasses.

Both are looked at only when it matters. Where the licenses of an engine allow no model that would know, nothing is
refused for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import numpy as np

from mien.core.errors import LicenseRefused, UsageError
from mien.engine import Engine
from mien.swaps.effects import Shot

__all__ = ["UNSEEN", "Kept", "check_guess", "check_human", "wears_glasses"]

T = TypeVar("T")

#: Part of the drawn skin that may be a guess: of turns that ask for more, a seam or a second light is seen.
UNSEEN: Final = 0.22
BEHIND_GLASSES: Final = 0.1  # the same of faces with glasses: what is mirrored has no rims, or rims that do not meet
NOBODY, TELLING = 0.12, 80.0  # recognizability below which a face of so many pixels is no human one: dogs have 0.07
WORN = 0.5  # probability of glasses
ANEW = 1.0  # seconds after which a video's faces are looked at again


@dataclass(frozen=True, eq=False)
class Kept(Generic[T]):
    """What is made once for each face of a video, and made anew after a while; of a picture it is made each time."""

    _known: dict[int, tuple[float, T]] = field(default_factory=dict)

    def get(self, shot: Shot, row: int, make: Callable[[], T]) -> T:
        """What was made for a face a second ago or later, else what `make` makes now."""
        if shot.time is None:
            return make()
        track, now = int(shot.faces.track.ids[row]), shot.time
        known = self._known.get(track)
        if known is None or not 0 <= now - known[0] < ANEW:
            for gone in [key for key, (made, _) in self._known.items() if not 0 <= now - made < ANEW]:
                del self._known[gone]
            self._known[track] = known = (now, make())
        return known[1]


def check_human(shot: Shot, row: int, engine: Engine) -> None:
    """Refuse a picture's face that is an animal's: the mesh lies on dogs as well, but nobody would recognise them.

    Raises
    ------
    UsageError
        If it is none of a human. Faces of videos, and small ones, are not asked.
    """
    if shot.time is not None or np.ptp(shot.faces.landmarks.values[row, :, :2], axis=0).max() < TELLING:
        return
    known = _asked(shot, row, engine, "recognizability")
    if known is not None and known < NOBODY:
        raise UsageError(f"face {row} does not look like a human one.")


def wears_glasses(shot: Shot, row: int, engine: Engine) -> bool:
    """Whether a face wears glasses, as far as is known."""
    return (_asked(shot, row, engine, "glasses") or 0.0) > WORN


def check_guess(guessed: float, glasses: Callable[[], bool]) -> None:
    """Refuse a turn that shows too much of what the picture does not.

    Raises
    ------
    UsageError
        If more of the skin is `guessed` than looks like the person, or would come out from behind `glasses`.
    """
    if guessed > UNSEEN:
        raise UsageError(f"the picture does not show {guessed:.0%} of the skin that so far a turn would bring.")
    if guessed > BEHIND_GLASSES and glasses():
        raise UsageError(
            f"so far a turn would bring {guessed:.0%} of skin that the picture does not show, and glasses stand off "
            "the face: they would come apart."
        )


def _asked(shot: Shot, row: int, engine: Engine, field_name: str) -> float | None:
    """A number that says something of a face; None where no model may be used for it."""
    try:
        found: Any = engine.analyze(shot.image, want={field_name}, faces=shot.faces[[row]].with_image(shot.image))
    except LicenseRefused:
        return None
    return float(getattr(found, field_name).values[0])
