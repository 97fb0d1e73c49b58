"""Action units above the person's own face at rest.

Faces differ: the brows of one stand as low at rest as the lowered ones of another. A clip shows how a person looks most
of the time, and what they do is what goes beyond that. OpenFace does the same with the median of a clip (Baltrusaitis,
Mahmoud and Robinson, *Cross-dataset learning and person-specific normalisation for automatic Action Unit detection*,
FG 2015); the lower quantile here is that of somebody who talks and smiles half of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.clip import Events
from mien.core.columns import Scores
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import TemporalStep

__all__ = ["Activation", "ActivationSettings", "above_rest"]

BINS = 101  # in which values of 0 to 1 are counted
GAP = 0.5  # seconds that a look at a face stands for at most


@dataclass(frozen=True)
class ActivationSettings:
    """The card's ``[params]``.

    Attributes
    ----------
    level : float
        The face at rest: this quantile of what was seen of the person.
    needed : float
        Seconds for which the person must have been seen.
    """

    level: float = 0.3
    needed: float = 1.0


def above_rest(values: ArrayLike, *, level: float = 0.3) -> NDArray[np.float32]:
    """Action units of one person above their rest, by all of a clip: for who has it whole.

    Parameters
    ----------
    values : (T, K) array-like
        The field ``action_units`` of one track, frame by frame; NaN where not known.
    level : float
        Quantile that counts as rest, in [0, 1].

    Returns
    -------
    (T, K) float32
        In [0, 1]; NaN where not known.

    Raises
    ------
    ShapeMismatch, UsageError
        If the values or the level are none.
    """
    units = np.asarray(values, np.float32)
    if units.ndim != 2:
        raise ShapeMismatch(f"action units of a clip are (T, K), got shape {units.shape}.")
    if not 0 <= level <= 1:
        raise UsageError(f"level is a quantile, from 0 to 1, not {level:g}.")
    known = ~np.isnan(units).all(axis=0)
    above = np.full_like(units, np.nan)
    if len(units):
        above[:, known] = units[:, known] - np.nanquantile(units[:, known], level, axis=0).astype(np.float32)
    return above.clip(0, 1)


class Activation:
    """Gives ``activation`` to tracked faces that have ``action_units``: how far each is above the person's rest.

    Frame by frame, rest is known from the frames until then: the first ones abstain, and those after them are judged by
    little. Who has the whole clip can use `above_rest` instead. Somebody who smiles throughout is at rest smiling.

    Parameters
    ----------
    bundle : Bundle
        Card of ``activation``, without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._card = bundle.card
        self._settings = bundle.card.settings(ActivationSettings)

    def follow(self) -> TemporalStep:
        """See `mien.engine.Follower`."""
        return _ActivationStep(self._settings, self._card.id)


@dataclass(eq=False)
class _Person:
    """How often each unit of one person had which value."""

    counts: NDArray[np.int64]  # (K, BINS)
    seen: float = 0.0
    last: float = field(default=-np.inf)

    def above_rest(self, time: float, values: NDArray[np.float32], level: float) -> NDArray[np.float32]:
        """Count the units (K,) of a frame, and tell how far they are above rest."""
        known = np.flatnonzero(~np.isnan(values))
        if len(known):
            # The first look stands for no time yet.
            self.seen += min(time - self.last, GAP) if np.isfinite(self.last) else 0.0
            self.last = time
        self.counts[known, np.rint(values[known] * (BINS - 1)).astype(np.intp)] += 1
        below = np.cumsum(self.counts, axis=1)
        rest = (below < level * below[:, -1:]).sum(axis=1) / (BINS - 1)
        return np.asarray((values - rest).clip(0, 1), np.float32)


class _ActivationStep:
    """Counts for each person of a clip."""

    def __init__(self, settings: ActivationSettings, model: str) -> None:
        self._settings = settings
        self._model = model
        self._people: dict[int, _Person] = {}

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.TemporalStep`."""
        units: Any = faces.action_units
        values = np.full(units.shape, np.nan, np.float32)
        reasons: list[str | None] = list(units.reasons or (None,) * len(faces))
        for row, track in enumerate(faces.track.ids.tolist()):
            if track < 0:
                reasons[row] = "nobody knows whose face this is"
                continue
            person = self._people.setdefault(track, _Person(np.zeros((units.shape[1], BINS), np.int64)))
            above = person.above_rest(time, units.values[row], self._settings.level)
            if person.seen >= self._settings.needed:
                values[row] = above
            else:
                reasons[row] = reasons[row] or f"seen for {person.seen:.1f} of {self._settings.needed:g} seconds"
        column = Scores(values, names=units.names, reasons=tuple(reasons))
        return faces.with_columns({"activation": column}, model=self._model)

    def finish(self) -> Events:
        """See `mien.engine.TemporalStep`."""
        return Events()
