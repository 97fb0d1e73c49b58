"""Whether a gallery forgets: what the scores of a search tell of a person who was deleted.

An attacker has pictures of people and may search with them. A membership test asks whether the scores tell who is in
the gallery (Choi, Na, *Towards machine unlearning benchmarks*, 2023, ask it of networks that are to forget a face). Of
people who were enrolled and deleted, and people who never were enrolled, the area under the ROC curve of the highest
score is measured: before the deletion it is near 1, afterwards 0.5 must lie in its interval. Sharper, and independent
of how many people there are: the scores after the deletion must be those of a gallery that never held them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.evaluation.galleries import fill
from mien.evaluation.intervals import Interval, bootstrap, widen
from mien.gallery.records import Change
from mien.gallery.store import Store

__all__ = ["MembershipReport", "evaluate_membership"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

NEEDED = 2  # pictures of a person: one is enrolled, the others are the attacker's


@dataclass(frozen=True)
class MembershipReport:
    """What an attacker can tell; intervals are 95 % over people.

    Parameters
    ----------
    kept, deleted, outside : int
        People who stayed, who were deleted, and who never were enrolled.
    probes : int
        The attacker's pictures of the deleted and of those outside.
    before, before_interval : float
        Chance that a picture of somebody who is to be deleted scores higher than one of somebody outside.
    after, after_interval : float
        The same after the deletion.
    difference : float
        The largest difference between a score after the deletion and the one in a gallery that never held them.
    forgotten : bool
        0.5 lies in the interval afterwards, and the difference is none.
    """

    kept: int
    deleted: int
    outside: int
    probes: int
    before: float
    before_interval: Interval
    after: float
    after_interval: Interval
    difference: float
    forgotten: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_membership(
    vectors: Floats, people: Sequence[str], make: Callable[[], Store], *, exact: bool = False, seed: int = 0
) -> MembershipReport:
    """Enrol a third of the people to stay and a third to be deleted, and attack before and after the deletion.

    Parameters
    ----------
    vectors : (N, D) float32
        Of length 1; rows of NaN do not count.
    people : sequence of N str
        Who each is of.
    make : callable
        Opens an empty store; called twice. Both are closed.
    exact : bool
        Search without the index.
    seed : int
        Of the choice of people, and of the bootstrap.

    Raises
    ------
    ShapeMismatch
        If there is not one person for each vector.
    UsageError
        If there are not three people with two pictures each.
    """
    if vectors.ndim != 2 or len(vectors) != len(people):
        raise ShapeMismatch(f"{len(people)} people for vectors {vectors.shape}.")
    names, owners = np.unique(np.asarray(people, str), return_inverse=True)
    usable = np.isfinite(vectors).all(axis=1)
    rows = {who: np.flatnonzero(usable & (owners == who)) for who in range(len(names))}
    several = [who for who, part in rows.items() if len(part) >= NEEDED]
    if len(several) < 3:
        raise UsageError(f"three people with {NEEDED} pictures each are needed: to keep, to delete, to leave out.")
    kept, deleted, outside = (
        sorted(part.tolist()) for part in np.array_split(np.random.default_rng(seed).permutation(several), 3)
    )
    # Half of each person's pictures are enrolled; the attacker has the others.
    mine = {who: rows[who][: len(rows[who]) // 2] for who in several}
    theirs = {who: np.ascontiguousarray(vectors[rows[who][len(rows[who]) // 2 :]]) for who in [*deleted, *outside]}

    store = make()
    try:
        enrolled = np.concatenate([mine[who] for who in [*kept, *deleted]])
        filled = fill(store, vectors[enrolled], owners[enrolled])
        before = {who: _tops(store, probes, exact) for who, probes in theirs.items()}
        gone = np.isin(owners[enrolled], deleted)
        store.apply(
            Change(forget_people=[filled.people[who] for who in deleted], forget_samples=filled.samples[gone].tolist())
        )
        store.erase()
        after = {who: _tops(store, probes, exact) for who, probes in theirs.items()}
    finally:
        store.close()
    other = make()
    try:
        never = np.concatenate([mine[who] for who in kept])
        fill(other, vectors[never], owners[never])
        clean = {who: _tops(other, probes, exact) for who, probes in theirs.items()}
    finally:
        other.close()

    first, first_interval = _told(before, deleted, outside, seed)
    then, then_interval = _told(after, deleted, outside, seed)
    difference = max(float(np.abs(after[who] - clean[who]).max()) for who in theirs)
    return MembershipReport(
        kept=len(kept),
        deleted=len(deleted),
        outside=len(outside),
        probes=sum(map(len, theirs.values())),
        before=first,
        before_interval=first_interval,
        after=then,
        after_interval=then_interval,
        difference=difference,
        forgotten=then_interval[0] <= 0.5 <= then_interval[1] and difference == 0,
    )


def _tops(store: Store, probes: Floats, exact: bool) -> Doubles:
    """The highest score of each probe (n,)."""
    return np.asarray(store.search(probes, 1, exact=exact)[1][:, 0], np.float64)


def _told(
    scores: dict[int, Doubles], members: Sequence[int], others: Sequence[int], seed: int
) -> tuple[float, Interval]:
    """The chance that a member's score is higher than an outsider's, and its interval over people."""

    def chance(part: Sequence[tuple[bool, Doubles]]) -> float:
        sides = [[values for member, values in part if member is side] for side in (True, False)]
        if not all(sides):
            return float("nan")
        inside, outside = (np.concatenate(side) for side in sides)
        higher, equal = inside[:, None] > outside, inside[:, None] == outside
        return float((higher + equal / 2).mean())

    parts = [(who in members, scores[who]) for who in [*members, *others]]
    value = chance(parts)
    # A few people hardly vary: never narrower than a rate of as many trials.
    return value, widen(bootstrap(chance, parts, repeats=500, seed=seed), value, min(len(members), len(others)))
