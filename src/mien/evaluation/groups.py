"""Error rates by group at one threshold for everybody.

What a system does to a group of people shows at the threshold that everybody gets: false matches are counted among
strangers of one group (whom it confuses most; Grother, Ngan, Hanaoka, *FRVT part 3: demographic effects*, NISTIR 8280,
2019), false non-matches among pairs of one person. Groups come from a table or from folders; none is guessed from a
face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mien.core.errors import ShapeMismatch, UsageError
from mien.evaluation.intervals import ENDS, RANKED, Interval, widen
from mien.evaluation.scores import Scores, threshold_at
from mien.evaluation.verification import pair_weights

__all__ = ["GroupReport", "GroupRow", "evaluate_groups"]


@dataclass(frozen=True)
class GroupRow:
    """The error rates of one group; intervals are 95 % over its people, and a rate without pairs is NaN.

    Parameters
    ----------
    name : str
    people, genuine, impostor : int
        People, pairs of one of them, and pairs of two of them.
    fnmr, fnmr_interval
        False non-match rate: pairs of one person below the threshold.
    fmr, fmr_interval
        False match rate: pairs of two people of the group that reach it.
    """

    name: str
    people: int
    genuine: int
    impostor: int
    fnmr: float
    fnmr_interval: Interval
    fmr: float
    fmr_interval: Interval


@dataclass(frozen=True)
class GroupReport:
    """Rates by group.

    Parameters
    ----------
    far, threshold : float
        The false accept rate asked for over all pairs of two people, and the score from which on a pair is accepted.
    rows : tuple of GroupRow
    ungrouped : int
        Pairs with a picture that is in no group, or in two groups: they count for the threshold only.
    warnings : tuple of str
        What forbids to compare the groups.
    """

    far: float
    threshold: float
    rows: tuple[GroupRow, ...]
    ungrouped: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_groups(
    scores: Scores,
    first: Sequence[str],
    second: Sequence[str],
    *,
    far: float = 1e-3,
    resamples: int = 200,
    seed: int = 0,
) -> GroupReport:
    """Rates of each group at the threshold that has a false accept rate over all.

    Parameters
    ----------
    scores : Scores
    first, second : sequences of P str
        The group of the one and of the other picture of each pair; "" for none.
    far : float
        False accept rate of all impostor pairs together.
    resamples, seed : int
        Of the bootstrap over a group's people.

    Raises
    ------
    ShapeMismatch
        If there is not one group for each side of each pair.
    UsageError
        If `far` is no rate, nobody is in a group, or there are no impostor pairs.
    """
    one, other = np.asarray(first, str), np.asarray(second, str)
    if one.shape != scores.values.shape or other.shape != scores.values.shape:
        raise ShapeMismatch(f"{len(scores)} pairs need a group on each side, got {one.shape} and {other.shape}.")
    if not 0 < far < 1:
        raise UsageError(f"far is a rate between 0 and 1; got {far!r}.")
    if scores.genuine.all():
        raise UsageError("there are no pairs of two people to find a threshold with.")
    names = sorted({*one.tolist(), *other.tolist()} - {""})
    if not names:
        raise UsageError("no picture is in a group: the first column of the table ends like the pictures' paths.")
    threshold = threshold_at(scores.values[~scores.genuine], far)
    inside = {name: np.asarray((one == name) & (other == name)) for name in names}
    rows = tuple(_row(name, scores.where(kept), threshold, resamples, seed) for name, kept in inside.items())
    few = [f"{row.name} ({row.people})" for row in rows if row.people < RANKED]
    empty = [row.name for row in rows if not row.genuine or not row.impostor]
    strangers = int((~scores.genuine).sum())
    warnings = [
        f"{strangers} pairs of two people cannot show a FAR of {far:g}: the threshold is above all of them."
        if far * strangers < 1 - 1e-9
        else "",
        f"under {RANKED} people, which ranks nobody: {', '.join(few)}." if few else "",
        f"no pairs of one person, or of two: {', '.join(empty)}." if empty else "",
    ]
    grouped = sum(int(kept.sum()) for kept in inside.values())
    return GroupReport(far, threshold, rows, len(scores) - grouped, tuple(text for text in warnings if text))


def _row(name: str, scores: Scores, threshold: float, resamples: int, seed: int) -> GroupRow:
    genuine, accepted = scores.genuine, scores.values >= threshold
    draw = np.random.default_rng(seed)
    people = scores.people
    kinds = ((genuine, genuine & ~accepted), (~genuine, ~genuine & accepted))
    drawn: tuple[list[float], list[float]] = ([], [])
    for _ in range(resamples if len(people) else 0):
        weights = pair_weights(scores, draw.choice(people, len(people)))
        for into, (of, errors) in zip(drawn, kinds, strict=True):
            if total := float(weights[of].sum()):
                into.append(float(weights[errors].sum()) / total)
    (fnmr, fnmr_interval), (fmr, fmr_interval) = (
        _rate(int(of.sum()), int(errors.sum()), found) for (of, errors), found in zip(kinds, drawn, strict=True)
    )
    return GroupRow(
        name=name,
        people=len(people),
        genuine=int(genuine.sum()),
        impostor=int((~genuine).sum()),
        fnmr=fnmr,
        fnmr_interval=fnmr_interval,
        fmr=fmr,
        fmr_interval=fmr_interval,
    )


def _rate(pairs: int, errors: int, drawn: Sequence[float]) -> tuple[float, Interval]:
    """The part of some pairs that are errors, and its interval over people."""
    if not pairs:
        return float("nan"), (0.0, 1.0)
    rate = errors / pairs
    low, high = np.quantile(drawn, ENDS).tolist() if drawn else (rate, rate)
    return rate, widen((low, high), rate, pairs)
