"""What a similarity means: error rates of an embedding space, measured on people who do not know each other.

A threshold that was tuned on ten adults of one photo archive accepts one stranger in a thousand there, one in a
hundred elsewhere, and half of all pairs of infants. A `Calibration` therefore keeps one curve of false accept rate
(FAR) against score for each *stratum* of pairs, by age and by size in the picture, and a rate holds in the worst
stratum that two faces may belong to.

How a curve is made (`fit_stratum`):

- Each person counts once, all pairs of two persons are impostor pairs.
- Down to 2 % the score of a rate is the quantile; below, the scores above the 2 % quantile are given an exponential
  tail, the limit law of exceedances (Pickands, *Statistical inference using extreme order statistics*, 1975) with its
  shape held at zero. Cosines are bounded, so the true tail is shorter: this errs to the safe side.
- Pairs that share a person are not independent, so the uncertainty is taken over *people*: the score kept for each
  rate is the 90 % point of a bootstrap that draws people with replacement.
- A rate below 10 / pairs is extrapolated, and says so; one a hundred times lower still is not given at all.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import CardError, NotCalibrated, ShapeMismatch, UsageError
from mien.models.catalogue import user_cards_folder
from mien.models.license import Policy

__all__ = ["ANY", "Calibration", "Stratum", "Traits", "fit_stratum", "load_calibration"]

Range = tuple[float, float]  # from, up to but not including
Doubles = NDArray[np.float64]

TAIL = 0.02  # the part of the scores that the tail is fitted to
CONFIDENCE = 0.9  # the point of the bootstrap distribution that is kept
EMPIRICAL_PAIRS = 10  # a rate is counted, not extrapolated, where it means at least this many pairs
REACH = 100.0  # how far below the counted rates the tail is believed


@dataclass(frozen=True)
class Traits:
    """What is known of a face, for choosing the strata that it may belong to.

    Parameters
    ----------
    ages : (low, high)
        Years between which the person's age is.
    size : (low, high)
        Pixels between which the height of the face's box in its picture is.
    """

    ages: Range = (0.0, 150.0)
    size: Range = (0.0, math.inf)


ANY = Traits()  #: nothing is known


@dataclass(frozen=True)
class Stratum:
    """The curve of one kind of pairs.

    Parameters
    ----------
    name : str
    ages : two of (from, up to)
        Ages of the one and of the other person, in years.
    size : (from, up to)
        Height in pixels of the *larger* face of the pair. The smaller one does no harm: two faces are confused when
        both lack detail.
    people, pairs : int
        What it was measured on.
    rates, scores : tuple of float
        False accept rates, falling, and the score that has each.
    """

    name: str
    ages: tuple[Range, Range]
    size: Range
    people: int
    pairs: int
    rates: tuple[float, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.scores) or len(self.rates) < 2:
            raise CardError(f"stratum {self.name!r}: one score for each of at least two rates is needed.")
        if any(low >= high for high, low in zip(self.rates, self.rates[1:], strict=False)):
            raise CardError(f"stratum {self.name!r}: the rates must fall.")
        if any(high <= low for low, high in zip(self.scores, self.scores[1:], strict=False)):
            raise CardError(f"stratum {self.name!r}: the scores must rise.")

    @property
    def counted_down_to(self) -> float:
        """The lowest rate that was counted; lower ones are extrapolated."""
        return EMPIRICAL_PAIRS / self.pairs

    def may_hold(self, one: Traits, other: Traits) -> bool:
        """Whether a pair of faces of which this is known may belong here."""
        larger = (max(one.size[0], other.size[0]), max(one.size[1], other.size[1]))
        ages = (_overlap(one.ages, a) and _overlap(other.ages, b) for a, b in (self.ages, self.ages[::-1]))
        return _overlap(larger, self.size) and any(ages)

    def threshold(self, far: float) -> float:
        """The score that strangers of this stratum reach with probability `far`.

        Raises
        ------
        NotCalibrated
            If the rate is lower than the curve carries.
        """
        if far < self.rates[-1] * (1 - 1e-9):
            raise NotCalibrated(
                f"a FAR of {far:g} cannot be told from {self.pairs:,} pairs of {self.people} people "
                f"(stratum {self.name}); the lowest is {self.rates[-1]:g}."
            )
        return float(np.interp(-math.log(far), -np.log(self.rates), self.scores))

    def far(self, score: float) -> float:
        """The rate at which strangers of this stratum reach `score`; at most the lowest one known, at least 0."""
        if score < self.scores[0]:
            return 1.0  # not resolved: above the highest rate of the curve
        rate = np.exp(-np.interp(score, self.scores, -np.log(self.rates)))
        return float(f"{rate:.9g}")  # 1e-05, not 9.999999999999997e-06


def _overlap(known: Range, place: Range) -> bool:
    """Whether a value within `known` (both ends included) may lie in `place` (its end excluded)."""
    return known[0] < place[1] and known[1] >= place[0]


@dataclass(frozen=True)
class Calibration:
    """False accept rates of one embedding space.

    Parameters
    ----------
    name : str
        Of this table.
    space : str
        The embedding space it is for.
    date : date
        When it was made.
    data, data_terms : str
        What it was measured on, and the terms of that data: they pass on to what is derived from it.
    strata : tuple of Stratum
    """

    name: str
    space: str
    date: dt.date
    data: str
    data_terms: str
    strata: tuple[Stratum, ...]

    @cached_property
    def _by_name(self) -> dict[str, Stratum]:
        return {stratum.name: stratum for stratum in self.strata}

    def strata_of(self, one: Traits = ANY, other: Traits = ANY) -> tuple[str, ...]:
        """Names of the strata that a pair may belong to.

        Raises
        ------
        NotCalibrated
            If it belongs to none: both faces are smaller than any that were measured.
        """
        names = tuple(stratum.name for stratum in self.strata if stratum.may_hold(one, other))
        if not names:
            smallest = min(stratum.size[0] for stratum in self.strata)
            raise NotCalibrated(f"{self.name} holds for faces of which one is at least {smallest:g} pixels high.")
        return names

    def _chosen(self, strata: Iterable[str] | None) -> list[Stratum]:
        if strata is None:
            return list(self.strata)
        names = list(strata)
        if not names or not self._by_name.keys() >= set(names):
            raise UsageError(f"strata are one or more of {', '.join(self._by_name)}; got {names}.")
        return [self._by_name[name] for name in names]

    def threshold(self, far: float, strata: Iterable[str] | None = None) -> tuple[float, bool]:
        """The score from which on strangers are accepted at a rate of at most `far`, in the worst of the strata.

        Parameters
        ----------
        far : float
            False accept rate, between 0 and 1. Above the highest rate of the table the score of that one is given.
        strata : iterable of str, optional
            Those that count; all of them by default.

        Returns
        -------
        threshold : float
        extrapolated : bool
            Whether the rate is too low to be counted in one of the strata.

        Raises
        ------
        NotCalibrated
            If the rate is lower than one of the strata carries.
        UsageError
            If `far` is no rate, or a stratum is unknown.
        """
        if not 0 < far < 1:
            raise UsageError(f"far is a rate between 0 and 1, such as 1e-3; got {far!r}.")
        chosen = self._chosen(strata)
        return max(s.threshold(far) for s in chosen), any(far < s.counted_down_to for s in chosen)

    def far(self, score: float, strata: Iterable[str] | None = None) -> float:
        """The rate at which strangers reach `score`, in the worst of the strata.

        Scores beyond the table get its lowest rate: "at most this".
        """
        return max(s.far(score) for s in self._chosen(strata))

    # -- files -------------------------------------------------------------------------------------------------------

    @classmethod
    def from_toml(cls, text: str, path: str) -> Calibration:
        """Read a table.

        Raises
        ------
        CardError
            If it is malformed; the message names the file.
        """
        try:
            values: dict[str, Any] = tomllib.loads(text)
            strata = tuple(
                Stratum(
                    name=str(row["name"]),
                    ages=(_range(row["ages"][0]), _range(row["ages"][1])),
                    size=_range(row["size"]),
                    people=int(row["people"]),
                    pairs=int(row["pairs"]),
                    rates=tuple(map(float, row["rates"])),
                    scores=tuple(map(float, row["scores"])),
                )
                for row in values.pop("strata")
            )
            return cls(strata=strata, **values)
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise CardError(f"{path}: not a calibration table: {error!r}.") from error
        except CardError as error:
            raise CardError(f"{path}: {error}") from error

    def to_toml(self) -> str:
        """Write the table as TOML that `from_toml` reads back."""
        top = {"name": self.name, "space": self.space, "data": self.data, "data_terms": self.data_terms}
        lines = [*(f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in top.items())]
        lines.append(f"date = {self.date.isoformat()}")
        for s in self.strata:
            lines += ["", "[[strata]]", f'name = "{s.name}"']
            lines.append(f"ages = [{_list(s.ages[0])}, {_list(s.ages[1])}]")
            lines += [f"size = {_list(s.size)}", f"people = {s.people}", f"pairs = {s.pairs}"]
            lines += [f"rates = {_list(s.rates)}", f"scores = {_list(s.scores)}"]
        return "\n".join(lines) + "\n"


def _range(values: Sequence[float]) -> Range:
    low, high = values
    return float(low), float(high)


def _list(values: Iterable[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


# A table is read at every comparison, but parsed only once as long as its text stays the same.
_parse = functools.lru_cache(maxsize=16)(Calibration.from_toml)


def load_calibration(space: str, *, licenses: Policy = "any") -> Calibration:
    """The table of an embedding space: the user's own, else the one that ships.

    The user's stand in the folder ``calibration`` beside ``cards`` in the configuration folder (``MIEN_CONFIG``).

    Parameters
    ----------
    space : str
        The embedding space.
    licenses : {"any", "commercial", "strict"}
        The engine's policy: "strict" wants free terms of the data that the table was measured on, too.

    Raises
    ------
    NotCalibrated
        If there is none, or the policy does not permit it.
    CardError
        If the table is malformed.
    """
    file_name = space.replace("/", "-") + ".toml"
    folders: list[Traversable | Path] = [
        user_cards_folder().parent / "calibration",
        resources.files("mien.models") / "calibration",
    ]
    for folder in folders:
        file = folder / file_name
        if not file.is_file():
            continue
        calibration = _parse(file.read_text(encoding="utf-8"), str(file))
        if calibration.space != space:
            continue
        if licenses == "strict" and calibration.data_terms != "free":
            terms = f"{calibration.name} was measured on data whose terms are {calibration.data_terms!r}"
            raise NotCalibrated(f'no calibration under licenses="strict": {terms}.')
        return calibration
    raise NotCalibrated(f"no calibration for the embedding space {space!r}: give a threshold, or add a table.")


# -- making tables -----------------------------------------------------------------------------------------------------


def fit_stratum(
    scores: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    name: str,
    ages: tuple[Range, Range],
    size: Range,
    resamples: int = 400,
    seed: int = 0,
) -> Stratum:
    """Measure one curve from impostor pairs; the module's docstring says how.

    Parameters
    ----------
    scores : (P,) array-like
        Cosine similarities of pairs of different people.
    first, second : (P,) integers
        Which person each side is, from 0.
    name, ages, size
        As in `Stratum`.
    resamples, seed : int
        Of the bootstrap over people.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in length.
    UsageError
        If there are fewer than 500 pairs (10 in the fitted tail), or one with a single person.
    """
    values = np.asarray(scores, dtype=np.float64)
    one, two = np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp)
    if values.ndim != 1 or one.shape != values.shape or two.shape != values.shape:
        raise ShapeMismatch(f"scores {values.shape} and people {one.shape}, {two.shape} do not fit: all are (P,).")
    if len(values) * TAIL < EMPIRICAL_PAIRS or (one == two).any():
        raise UsageError(f"a curve needs 500 pairs or more of different people, got {len(values)}.")
    order = np.argsort(-values)
    values, one, two = values[order], one[order], two[order]
    people = np.unique(np.concatenate([one, two]))
    rates = _rates(EMPIRICAL_PAIRS / len(values) / REACH)
    draw = np.random.default_rng(seed)
    curves = []
    for _ in range(resamples):
        count = np.bincount(draw.choice(people, len(people)), minlength=people[-1] + 1)
        curves.append(_curve(values, (count[one] * count[two]).astype(np.float64), rates))
    curve = np.round(np.quantile(curves, CONFIDENCE, axis=0), 4)
    return Stratum(name, ages, size, len(people), len(values), tuple(rates.tolist()), tuple(curve.tolist()))


def _rates(lowest: float) -> Doubles:
    """0.5, 0.2, 0.1, 0.05 ... down to the first that is not below `lowest`."""
    decades = range(1, 2 + math.ceil(-math.log10(lowest)))
    rates = [digit / 10**decade for decade in decades for digit in (5, 2, 1)]
    return np.array([rate for rate in rates if rate >= lowest])


def _curve(
    values: NDArray[np.float64], weights: NDArray[np.float64], rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score of each rate; `values` fall, and each counts `weights` times."""
    reached = np.cumsum(weights) / weights.sum()
    counted = values[np.searchsorted(reached, rates)]
    start = int(np.searchsorted(reached, TAIL))
    mean_excess = np.average(values[: start + 1] - values[start], weights=weights[: start + 1])
    return np.where(rates >= TAIL, counted, values[start] + mean_excess * np.log(TAIL / rates))
