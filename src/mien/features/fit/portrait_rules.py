"""The rules that portraits for documents are held to: tables of limits, and the sentences that say what is wrong."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SourceError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["CropRule", "Limit", "Rules", "RulesSource", "Wording", "known_checks", "known_rules", "load_rules"]

#: How a caller names rules: one of ours, a .toml file, or the table itself.
RulesSource: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Rules"

Row = TypeVar("Row", bound="DataclassInstance")
_KINDS: Final[Mapping[str, Any]] = {"clause": ("text", str), "ours": ("true or false", bool)}  # the rest are numbers

STEEP = math.log(9)  # log odds from 0.5 to 0.1


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How a value is printed, and the sentences about it: a row of ``rules/checks.toml``."""

    unit: str
    times: float = 1.0
    decimals: int = 0
    below: str = ""
    above: str = ""
    unknown: str = "the face is not seen well enough"

    def number(self, value: float) -> str:
        """A value as it is printed, without its unit; never "-0"."""
        return f"{round(value * self.times, self.decimals) + 0.0:.{self.decimals}f}"

    def sentence(self, value: float, limit: float, *, above: bool) -> str:
        """What is wrong with a value beyond its limit, or at most at it."""
        numbers = {"value": value, "limit": limit, "size": abs(value), "limit_size": abs(limit)}
        printed = {name: self.number(number) for name, number in numbers.items()}
        if printed["value"] == printed["limit"]:  # 5.2 degrees are not "5; at most 5"
            printed |= {name: self._finer(numbers[name]) for name in ("value", "size")}
        return (self.above if above else self.below).format(**printed)

    def _finer(self, value: float) -> str:
        return f"{value * self.times:.{self.decimals + 1}f}"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What one check asks for.

    Parameters
    ----------
    least, most : float
        Limits of the value, in its own unit; infinite where there is none.
    step : float
        How far beyond a limit the score falls from 0.5 to 0.1.
    clause : str
        Where the requirement stands: a clause only where it could be confirmed, else the standard alone.
    ours : bool
        The requirement is one of words, and the number is ours.
    """

    least: float = -math.inf
    most: float = math.inf
    step: float
    clause: str = ""
    ours: bool = False

    def scores(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Scores of values: 0.5 at a limit, more inside; NaN stays NaN."""
        inside = np.minimum(values - self.least, self.most - values) / self.step
        return np.asarray(1 / (1 + np.exp(-STEEP * inside.clip(-6, 6))), np.float32)


@dataclass(frozen=True, kw_only=True)
class CropRule:
    """What `Portrait.crop` makes: sides in mm; the head, and what is above the eyes, in shares of the height."""

    width_mm: float
    height_mm: float
    head: float
    eyes: float


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a portrait is held to.

    Parameters
    ----------
    title : str
        Whose rules these are.
    checks : mapping of str to Limit
        By the names of `known_checks`, in the order in which they are told.
    crop : CropRule or None
        What a portrait is cropped to.
    """

    title: str
    checks: Mapping[str, Limit] = field(hash=False)
    crop: CropRule | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks", MappingProxyType(dict(self.checks)))


def _text(name: str) -> str:
    return resources.files("mien.features.fit").joinpath("rules", name).read_text(encoding="utf-8")


@cache
def known_checks() -> Mapping[str, Wording]:
    """All that can be measured about a portrait, by name, in the order in which it is told."""
    return MappingProxyType({name: Wording(**row) for name, row in tomllib.loads(_text("checks.toml")).items()})


@cache
def known_rules() -> tuple[str, ...]:
    """Names of the rules that come with the package."""
    folder = resources.files("mien.features.fit").joinpath("rules")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml") and name != "checks.toml"))


def load_rules(source: RulesSource) -> Rules:
    """Read rules.

    Parameters
    ----------
    source : str, path, mapping or Rules
        One of `known_rules`, a .toml file as those in ``mien/features/fit/rules``, or what such a file holds.

    Raises
    ------
    UsageError
        If there are no such rules, or they are malformed.
    SourceError
        If the file cannot be read.
    """
    if isinstance(source, Rules):
        return source
    if isinstance(source, Mapping):
        return _parsed(source, "these rules")
    name = os.fspath(source)
    if name in known_rules():
        return _parsed(tomllib.loads(_text(f"{name}.toml")), name)
    if not name.endswith(".toml"):
        raise UsageError(f"no rules are called {name!r}: there are {', '.join(known_rules())}, or name a .toml file.")
    try:
        return _parsed(tomllib.loads(Path(name).read_text(encoding="utf-8")), name)
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} is no TOML: {error}.") from error


def _parsed(table: Mapping[str, Any], name: str) -> Rules:
    unknown = set(table) - {"title", "checks", "crop"}
    checks = table.get("checks")
    if unknown or not isinstance(checks, Mapping) or not checks:
        told = f"there is no place for {', '.join(sorted(unknown))}" if unknown else "they name no checks"
        raise UsageError(f"{name}: rules have a title, checks and a crop; {told}.")
    limits = {check: _limit(row, check, name) for check, row in checks.items()}
    crop = _row(CropRule, table["crop"], f"{name}: crop") if "crop" in table else None
    if crop and not (min(crop.width_mm, crop.height_mm) > 0 and 0 < crop.head < 1 and 0 < crop.eyes < 1):
        raise UsageError(f"{name}: a crop has sides in mm above 0, and shares between 0 and 1.")
    return Rules(title=str(table.get("title", name)), checks=limits, crop=crop)


def _limit(row: Any, check: str, name: str) -> Limit:
    if check not in known_checks():
        raise UsageError(f"{name}: no check is called {check!r}; there are {', '.join(known_checks())}.")
    limit = _row(Limit, row, f"{name}: {check}")
    wording = known_checks()[check]
    if not (limit.step > 0 and limit.least <= limit.most) or limit.least == -math.inf == -limit.most:
        raise UsageError(f"{name}: {check} has a least or a most value or both, in this order, and a step above 0.")
    if (limit.least > -math.inf and not wording.below) or (limit.most < math.inf and not wording.above):
        raise UsageError(f"{name}: {check} has no {'least' if not wording.below else 'largest'} value.")
    return limit


def _row(kind: type[Row], row: Any, name: str) -> Row:
    """A dataclass of the values of a table, each of the kind that its name asks for."""
    known = {one.name for one in fields(kind)}
    if not isinstance(row, Mapping) or set(row) - known:
        raise UsageError(f"{name} is a table of {', '.join(sorted(known))}.")
    for key, value in row.items():
        word, right = _KINDS.get(key, ("a number", (int, float)))
        if not isinstance(value, right) or (isinstance(value, bool) and right is not bool) or value != value:
            raise UsageError(f"{name}: {key} is {word}, not {value!r}.")
    missing = [one.name for one in fields(kind) if one.default is MISSING and one.name not in row]
    if missing:
        raise UsageError(f"{name} lacks {', '.join(missing)}.")
    return kind(**row)
