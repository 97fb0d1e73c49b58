"""How well action units are told, by what expressions are made of.

Pictures that are labelled with an expression are no labels of action units. But which units make an expression is
known: so the unit should be stronger in pictures of it than in others. Du, Tao and Martinez (*Compound facial
expressions of emotion*, PNAS 2014, table 1) counted what coders saw in 230 people's; that is `PROTOTYPES`, with the
one-sided units of contempt from EMFACS (Friesen and Ekman, 1983). The measure has a ceiling below 1: some who are angry
do not lower the brow, and some who are disgusted do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Scores
from mien.core.errors import UsageError
from mien.core.image import IMAGE_SUFFIXES, load_image
from mien.engine import Engine, default_engine
from mien.evaluation.agreement import area_under_curve
from mien.evaluation.expression import NAMES
from mien.evaluation.intervals import Interval, bootstrap
from mien.evaluation.portraits import only_a_face

__all__ = [
    "PROTOTYPES",
    "Posed",
    "PrototypeRow",
    "PrototypesReport",
    "evaluate_prototypes",
    "find_units",
    "read_posed",
    "score_prototypes",
]

Doubles: TypeAlias = NDArray[np.float64]

#: What more than half of people show of each expression, beginning with what most do; "A+B" is the mean of two.
PROTOTYPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "anger": ("AU4", "AU7", "AU24", "AU17"),
        "contempt": ("AU14",),
        "disgust": ("AU9", "AU10", "AU17"),
        "fear": ("AU20", "AU1", "AU4", "AU5", "AU25"),
        "happiness": ("AU12", "AU6", "AU25"),
        "sadness": ("AU15", "AU1", "AU4", "AU17"),
        "surprise": ("AU1+AU2", "AU1", "AU2", "AU5", "AU25", "AU26"),
    }
)


@dataclass(frozen=True)
class Posed:
    """A picture of a posed expression.

    Parameters
    ----------
    path : Path
    expression : str
    subject : str
        Whose: pictures of one person are not independent.
    """

    path: Path
    expression: str
    subject: str


@dataclass(frozen=True)
class PrototypeRow:
    """How much stronger a unit is in one expression.

    Parameters
    ----------
    expression, unit : str
    pictures, subjects : int
        With the expression, and with the unit known.
    others : int
        Pictures of other expressions.
    auc, interval
        The chance that it is stronger in a picture of the expression than in one of any other; 95 % over subjects.
    auc_without, interval_without
        The same against those expressions only that are not known for this unit.
    """

    expression: str
    unit: str
    pictures: int
    subjects: int
    others: int
    auc: float
    interval: Interval
    auc_without: float
    interval_without: Interval


@dataclass(frozen=True)
class PrototypesReport:
    """The result of `evaluate_prototypes`.

    Parameters
    ----------
    pictures, subjects : int
    unjudged : int
        Pictures without a face, or with one that abstained.
    rows : tuple of PrototypeRow
    """

    pictures: int
    subjects: int
    unjudged: int
    rows: tuple[PrototypeRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def read_posed(folder: str | os.PathLike[str]) -> tuple[Posed, ...]:
    """Read a folder with a folder of pictures for each expression; the subject is the name up to the first ``_``.

    Raises
    ------
    UsageError
        If there is no folder of a known expression in it.
    """
    root = Path(folder)
    found = []
    for place in sorted(path for path in root.glob("*") if path.is_dir()):
        name = NAMES.get(place.name.lower(), "")
        if name in PROTOTYPES or name == "neutral":
            files = sorted(path for path in place.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
            found += [Posed(path, name, path.stem.partition("_")[0]) for path in files]
    if not found:
        raise UsageError(f"{root} has no folder of an expression: {', '.join(PROTOTYPES)}.")
    return tuple(found)


def find_units(pictures: Sequence[Path], *, engine: Engine | None = None) -> Scores:
    """The ``action_units`` of the largest face of each picture; a picture without one abstains.

    Raises
    ------
    SourceError, ImageError
        If a file cannot be read.
    """
    engine = engine or default_engine()
    rows = []
    for path in pictures:
        image = load_image(path)
        rows.append(engine.analyze(image, want={"action_units"}, faces=only_a_face(image)).top(1).action_units)
    names = next((row.names for row in rows if len(row)), ())
    absent = Scores(np.full((1, len(names)), np.nan, np.float32), names=names, reasons=("no face was found",))
    return Scores.concat([row if len(row) else absent for row in rows] or [absent[:0]])


def evaluate_prototypes(posed: Sequence[Posed], *, engine: Engine | None = None, seed: int = 0) -> PrototypesReport:
    """Measure the engine's ``action_units`` on pictures of posed expressions; see `score_prototypes`."""
    return score_prototypes(posed, find_units([one.path for one in posed], engine=engine), seed=seed)


def score_prototypes(posed: Sequence[Posed], units: Scores, *, seed: int = 0) -> PrototypesReport:
    """Tell how much stronger units are in the expressions that are made of them.

    Parameters
    ----------
    posed : sequence of Posed
    units : Scores
        One row for each; units of `PROTOTYPES` that it does not have are left out.
    seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError
        If there is no picture, or not one row for each.
    """
    if not posed or len(posed) != len(units):
        raise UsageError(f"{len(posed)} pictures and {len(units)} results: at least one is needed, and one for each.")
    rows = []
    for expression, names in PROTOTYPES.items():
        for unit in names:
            parts = unit.split("+")
            if all(part in units.names for part in parts) and any(one.expression == expression for one in posed):
                values = np.mean([units.named(part) for part in parts], axis=0)
                rows.append(_prototype(posed, np.asarray(values, np.float64), expression, unit, seed))
    missing = units.abstained
    return PrototypesReport(len(posed), len({one.subject for one in posed}), int(missing.sum()), tuple(rows))


def _prototype(posed: Sequence[Posed], values: Doubles, expression: str, unit: str, seed: int) -> PrototypeRow:
    sharing = {name for name, names in PROTOTYPES.items() if unit in names and name != expression}
    people: dict[str, list[tuple[str, float]]] = {}
    for one, value in zip(posed, values.tolist(), strict=True):
        if not np.isnan(value):
            people.setdefault(one.subject, []).append((one.expression, value))
    parts = list(people.values())

    def auc(drawn: Sequence[list[tuple[str, float]]], left_out: frozenset[str] = frozenset()) -> float:
        flat = [pair for part in drawn for pair in part if pair[0] not in left_out]
        return area_under_curve(*([v for name, v in flat if (name == expression) == own] for own in (True, False)))

    without = frozenset(sharing)
    showing = [part for part in parts if any(name == expression for name, _ in part)]
    pictures = sum(name == expression for part in parts for name, _ in part)
    return PrototypeRow(
        expression=expression,
        unit=unit,
        pictures=pictures,
        subjects=len(showing),
        others=sum(map(len, parts)) - pictures,
        auc=auc(parts),
        interval=bootstrap(auc, parts, seed=seed),
        auc_without=auc(parts, without),
        interval_without=bootstrap(lambda drawn: auc(drawn, without), parts, seed=seed),
    )
