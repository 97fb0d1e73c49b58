"""What a similarity means: error rates of an embedding space, measured on people who do not know each other.

A threshold that was tuned on ten adults of one photo archive accepts one stranger in a thousand there, one in a
hundred elsewhere, and half of all pairs of infants. A `Calibration` therefore keeps one curve of false accept rate
(FAR) against score for each *stratum* of pairs, by age, by size in the picture and by recognizability, and a rate
holds in the worst stratum that two faces may belong to.

`mien.embeddings.fitting` makes such curves, and says how. A rate below 10 / pairs is extrapolated, and says so; one a
hundred times lower still is not given at all.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mien.core.errors import CardError, NotCalibrated, UsageError
from mien.embeddings.strata import ANY, Genuine, Range, Stratum, Traits, higher
from mien.models.catalogue import user_cards_folder
from mien.models.license import Policy

__all__ = ["ANY", "Calibration", "Genuine", "Range", "Stratum", "Traits", "calibration_file", "load_calibration"]


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

    def __post_init__(self) -> None:
        if not isinstance(self.date, dt.date) or not all(
            isinstance(text, str) for text in (self.name, self.space, self.data, self.data_terms)
        ):
            raise CardError("name, space, data and data_terms are texts, and date is a date.")
        if not self.strata or len(self._by_name) != len(self.strata):
            raise CardError("a table has one stratum or more, each with a name of its own.")

    @cached_property
    def _by_name(self) -> dict[str, Stratum]:
        return {stratum.name: stratum for stratum in self.strata}

    def strata_of(self, one: Traits = ANY, other: Traits = ANY) -> tuple[str, ...]:
        """Names of the strata that a pair may belong to.

        Raises
        ------
        NotCalibrated
            If it belongs to none: both faces are smaller, or can be recognised less, than any that were measured.
        """
        names = tuple(stratum.name for stratum in self.strata if stratum.may_hold(one, other))
        if names:
            return names
        smallest, poorest = (min(getattr(s, part)[0] for s in self.strata) for part in ("size", "quality"))
        if higher(one.size, other.size)[1] < smallest:
            raise NotCalibrated(f"{self.name} holds for faces of which one is at least {smallest:g} pixels high.")
        if (best := higher(one.quality, other.quality)[1]) < poorest:
            raise NotCalibrated(
                f"both faces are too poor to be told from strangers' ({best:.2f} is the better one's recognizability): "
                f"{self.name} begins at {poorest:g}."
            )
        raise NotCalibrated(f"{self.name} has no stratum for faces of these ages, sizes and recognizability.")

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

    def likelihood_ratio(self, score: float, strata: Iterable[str] | None = None) -> float | None:
        """How much more often a pair of one person has such a score than a pair of strangers.

        Densities of scores: a normal one for pairs of one person, that of the curve for strangers. The ratio is bounded
        by what was counted: at least 1 / (people + 1) of the people whose own pairs were measured, at most the pairs of
        strangers / 10. These are usually few people in good pictures (`Genuine.people` says how many), so take it for
        the order of magnitude. It is no probability that the two are one person: that needs the odds before the
        comparison.

        Parameters
        ----------
        score : float
            A cosine.
        strata : iterable of str, optional
            Those that the pair may belong to; all of them by default. The lowest of their ratios counts.

        Returns
        -------
        float or None
            None where no pairs of one person were measured in one of the strata.
        """
        ratios = [s.likelihood_ratio(score) for s in self._chosen(strata)]
        return None if None in ratios else min(ratio for ratio in ratios if ratio is not None)

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
                    quality=_range(row.get("quality", (0.0, math.inf))),
                    genuine=Genuine(**row["genuine"]) if "genuine" in row else None,
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
            lines += ["", "[[strata]]", f"name = {json.dumps(s.name, ensure_ascii=False)}"]
            lines.append(f"ages = [{_list(s.ages[0])}, {_list(s.ages[1])}]")
            lines += [f"size = {_list(s.size)}", f"quality = {_list(s.quality)}"]
            lines += [f"people = {s.people}", f"pairs = {s.pairs}"]
            lines += [f"rates = {_list(s.rates)}", f"scores = {_list(s.scores)}"]
            if s.genuine:
                own = ", ".join(f"{key} = {value}" for key, value in asdict(s.genuine).items())
                lines.append(f"genuine = {{ {own} }}")
        return "\n".join(lines) + "\n"


def _range(values: Sequence[float]) -> Range:
    low, high = values
    return float(low), float(high)


def _list(values: Iterable[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


# A table is read at every comparison, but parsed only once as long as its text stays the same.
_parse = functools.lru_cache(maxsize=16)(Calibration.from_toml)


def calibration_file(space: str) -> Path:
    """Where the user's own table of an embedding space stands, or would."""
    return user_cards_folder().parent / "calibration" / _file_name(space)


def _file_name(space: str) -> str:
    return space.replace("/", "-") + ".toml"


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
    files: list[Traversable | Path] = [
        calibration_file(space),
        resources.files("mien.models") / "calibration" / _file_name(space),
    ]
    for file in files:
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
