"""How often presentation attacks pass for people, and people for attacks (ISO/IEC 30107-3).

APCER is the share of attacks of one kind that are called live, BPCER that of live people who are called attacks; the
APCER of a system is that of its worst kind. ACER is the mean of both, HTER the same over all attacks together. Where
nothing is said of a face, it counts in neither: the shares of those are told apart (APNRR, BPNRR).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SourceError, UsageError
from mien.core.faces import Faces
from mien.core.image import load_image
from mien.datasets.readers.labels_csv import read_labels
from mien.engine import Batch, Engine, default_engine
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import RANKED, bootstrap, widen
from mien.evaluation.report import Table, number, span
from mien.evaluation.separation import auc, equal_error, measured
from mien.features.genuine.liveness import MiniFASNet
from mien.media.scan import find_pictures

__all__ = ["LivenessReport", "Sample", "evaluate_liveness", "judge_samples", "liveness_tables", "read_samples"]

Doubles: TypeAlias = NDArray[np.float64]

LIVE_NAMES: Final = frozenset({"live", "real", "genuine", "bonafide", "bona_fide", "true", "1"})


@dataclass(frozen=True)
class Sample:
    """A picture, whether it is of a live person, else which kind of attack, and who it is of ("": not known)."""

    path: Path
    live: bool
    attack: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Rates:
    """Errors at one threshold, each with its 95 % interval over subjects.

    Attributes
    ----------
    threshold : float
        A face is called live from it on.
    apcer : dict of str to Measured
        By kind of attack.
    bpcer, acer, hter : Measured
    """

    threshold: float
    apcer: Mapping[str, Measured]
    bpcer: Measured
    acer: Measured
    hter: Measured


@dataclass(frozen=True)
class LivenessReport:
    """What was measured.

    Attributes
    ----------
    model : str
    counts : dict of str to int
        Pictures judged, "live" and by attack.
    silent : dict of str to int
        Those of which nothing was said.
    subjects : int
        Independent ones; pictures where nobody said who is on them.
    known : bool
        Whether somebody did.
    areas, errors : dict of str to Measured
        AUC and EER of ``live`` and of each cue, by attack and of "all".
    default, tuned : Rates or None
        At the threshold 0.5, and on one half of the subjects at the one at which both errors are equal on the other.
    """

    model: str
    counts: Mapping[str, int]
    silent: Mapping[str, int]
    subjects: int
    known: bool
    areas: Mapping[str, Mapping[str, Measured]]
    errors: Mapping[str, Mapping[str, Measured]]
    default: Rates
    tuned: Rates | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def read_samples(source: str | os.PathLike[str]) -> list[Sample]:
    """Read what is to be judged.

    Parameters
    ----------
    source : path
        A folder with a folder ``live`` (or ``real``, ``genuine``, ``bonafide``) and others, whose names are kinds of
        attacks; or a CSV file with the columns ``file`` and ``label`` (live, or anything else), perhaps ``attack`` and
        ``subject``.

    Raises
    ------
    SourceError, InputError
        If there is no such thing, or it has not both kinds.
    """
    path = Path(source)
    if path.is_dir():
        found = [
            Sample(picture, folder.name.lower() in LIVE_NAMES, str(picture.parent.relative_to(path)))
            for folder in sorted(path.iterdir())
            if folder.is_dir()
            for picture in find_pictures(folder)
            if isinstance(picture, Path)
        ]
    elif path.suffix.lower() == ".csv":
        table = read_labels(path)
        labels = [label.lower() in LIVE_NAMES for label in table.column("label")]
        kinds = table.columns.get("attack", ("",) * len(labels))
        # Where the file says nothing of subjects, each picture is its own.
        rows = zip(table.pictures, table.subjects, labels, kinds, strict=True)
        found = [
            Sample(picture, live, "" if live else kind or "attack", "" if path.parent / who == picture else who)
            for picture, who, live, kind in rows
        ]
    else:
        raise SourceError(f"{path} is neither a folder nor a CSV file.")
    if {sample.live for sample in found} != {True, False}:
        raise InputError(f"{path} holds not both live people and attacks: folders live and, say, print; or a label.")
    return found


def judge_samples(
    samples: Sequence[Sample], *, everywhere: bool = False, engine: Engine | None = None
) -> dict[str, Doubles]:
    """Scores of the largest face of each picture, (N,) by name: ``live`` and each cue; NaN where nothing is said.

    Parameters
    ----------
    samples : sequence of N Sample
    everywhere : bool
        Judge also faces that are small or fill their picture, of which the field says nothing.
    engine : Engine, optional

    Raises
    ------
    UsageError
        If `everywhere` is asked of a model that does not have it.
    """
    engine = engine or default_engine()
    step = engine.runner("live")
    if everywhere:
        if not isinstance(step, MiniFASNet):
            raise UsageError("the model for live cannot be asked to judge where it would abstain.")
        step = step.everywhere()
    rows: list[dict[str, float]] = []
    for sample in samples:
        image = load_image(sample.path)
        faces = engine.analyze(image, want={"live_cues"}).top(1, by="height")
        if not len(faces):  # lying on its side, perhaps
            faces = engine.analyze(image, want={"live_cues"}, rotations=True).top(1, by="height")
        rows.append(_scores(faces, step.describe(Batch([image], np.zeros(len(faces), np.intp), faces))["live"]))
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows], np.float64) for name in ("live", *names)}


def _scores(faces: Faces, live: Any) -> dict[str, float]:
    if not len(faces):
        return {"live": float("nan")}
    cues = faces.live_cues
    return {"live": float(live.values[0]), **dict(zip(cues.names, cues.values[0].tolist(), strict=True))}


def evaluate_liveness(
    source: str | os.PathLike[str] | Sequence[Sample],
    *,
    threshold: float = 0.5,
    everywhere: bool = False,
    engine: Engine | None = None,
) -> LivenessReport:
    """Measure how well live people are told from attacks; see `read_samples` and `judge_samples`.

    Raises
    ------
    SourceError, InputError, UsageError
        As these do.
    """
    samples = read_samples(source) if isinstance(source, str | os.PathLike) else list(source)
    engine = engine or default_engine()
    scores = judge_samples(samples, everywhere=everywhere, engine=engine)
    return summary(samples, scores, threshold=threshold, model=engine.choose("live").id)


def summary(
    samples: Sequence[Sample], scores: Mapping[str, Doubles], *, threshold: float = 0.5, model: str = ""
) -> LivenessReport:
    """Sum scores up, (N,) by name."""
    kinds = np.array(["live" if sample.live else sample.attack for sample in samples])
    known = any(sample.subject for sample in samples)
    who = [sample.subject or str(sample.path) for sample in samples]
    said = ~np.isnan(scores["live"])
    attacks = [str(kind) for kind in np.unique(kinds[kinds != "live"])]
    areas: dict[str, dict[str, Measured]] = {}
    errors: dict[str, dict[str, Measured]] = {}
    for name, values in scores.items():
        raised = 1 - values if name == "live" else values  # higher: rather an attack
        parts = {**{kind: (kinds == kind) | (kinds == "live") for kind in attacks}, "all": np.ones(len(kinds), bool)}
        groups = {kind: [who[row] for row in np.flatnonzero(part)] for kind, part in parts.items()}
        areas[name] = {k: measured(auc, raised[p], kinds[p] != "live", groups[k]) for k, p in parts.items()}
        errors[name] = {k: measured(equal_error, raised[p], kinds[p] != "live", groups[k]) for k, p in parts.items()}
    values, people = scores["live"], np.array(who)
    dev = _half(people, kinds) if known else None  # halves of pictures would share people
    tuned = None
    if dev is not None:
        at = _equal_at(values[dev & said], kinds[dev & said] == "live")
        rest = ~dev & said
        tuned = None if at is None else _rates(values[rest], kinds[rest], people[rest], at)
    return LivenessReport(
        model=model,
        counts={kind: int((said & (kinds == kind)).sum()) for kind in ("live", *attacks)},
        silent={kind: int((~said & (kinds == kind)).sum()) for kind in ("live", *attacks)},
        subjects=len(set(who)),
        known=known,
        areas=areas,
        errors=errors,
        default=_rates(values[said], kinds[said], people[said], threshold),
        tuned=tuned,
    )


def _half(people: NDArray[Any], kinds: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Every other subject, of live people and of attacks; None where either half would lack one of the two."""
    names = np.unique(people)
    dev: NDArray[np.bool_] = np.isin(people, names[::2])
    both = [len({bool(kind == "live") for kind in kinds[part]}) == 2 for part in (dev, ~dev)]
    return dev if all(both) else None


def _equal_at(values: Doubles, live: NDArray[np.bool_]) -> float | None:
    """The threshold at which as many attacks pass as people do not."""
    if not live.any() or live.all():
        return None
    at = np.unique(values)
    passed = (values[~live][:, None] >= at).mean(axis=0)
    refused = (values[live][:, None] < at).mean(axis=0)
    return float(at[np.abs(passed - refused).argmin()])


def _rates(values: Doubles, kinds: NDArray[Any], people: NDArray[Any], threshold: float) -> Rates:
    wrong = np.where(kinds == "live", values < threshold, values >= threshold).astype(np.float64)
    rows = [(str(kind), float(error)) for kind, error in zip(kinds, wrong, strict=True)]
    parts = [[rows[row] for row in np.flatnonzero(people == one)] for one in np.unique(people)]
    attacks = [str(kind) for kind in np.unique(kinds[kinds != "live"])]

    def rate(some: Sequence[list[tuple[str, float]]], *wanted: str) -> float:
        found = [error for part in some for kind, error in part if kind in wanted]
        return float(np.mean(found)) if found else float("nan")

    def one(*wanted: str) -> Measured:
        value, count = rate(parts, *wanted), int(np.isin(kinds, wanted).sum())
        ends = bootstrap(lambda some: rate(some, *wanted), parts, repeats=500)
        return Measured(value, ends if np.isnan(value) else widen(ends, value, count))

    def half(some: Sequence[list[tuple[str, float]]], *, worst: bool) -> float:
        passed = [rate(some, kind) for kind in attacks]
        attack = (np.nan if np.isnan(passed).all() else float(np.nanmax(passed))) if worst else rate(some, *attacks)
        return (attack + rate(some, "live")) / 2

    acer, hter = (
        Measured(half(parts, worst=worst), bootstrap(functools.partial(half, worst=worst), parts, repeats=500))
        for worst in (True, False)
    )
    return Rates(threshold, {kind: one(kind) for kind in attacks}, one("live"), acer, hter)


def liveness_tables(report: LivenessReport) -> list[Table]:
    """The report as tables to be read."""
    rates = [rates for rates in (report.default, report.tuned) if rates is not None]
    heads = ("error", *(f"at {one.threshold:.3f}" for one in rates))
    rows = [
        (f"APCER {kind}", *(_cell(one.apcer.get(kind)) for one in rates)) for kind in report.counts if kind != "live"
    ]
    rows += [(name.upper(), *(_cell(getattr(one, name)) for one in rates)) for name in ("bpcer", "acer", "hter")]
    counted = ", ".join(f"{kind} {count} judged, {report.silent[kind]} not" for kind, count in report.counts.items())
    notes = [counted]
    if report.tuned is not None:
        notes.append(
            "The second threshold is where both errors are equal on every other subject; rates are of the rest."
        )
    unit = "subjects" if report.known else "pictures, since nobody said who is on them: they promise too much"
    notes.append(f"Intervals (95 %) over {report.subjects} {unit}.")
    if report.subjects < RANKED or not report.known:
        notes.append(f"Fewer than {RANKED} independent subjects: no ranking is claimed.")
    columns = list(report.areas["live"])
    areas = [(name, *(_cell(report.areas[name][kind]) for kind in columns)) for name in report.areas]
    equal = [(name, *(_cell(report.errors[name][kind]) for kind in columns)) for name in report.errors]
    return [
        Table("Errors", heads, tuple(rows), tuple(notes)),
        Table("AUC, 0.5 is chance", ("score", *columns), tuple(areas), ()),
        Table("EER", ("score", *columns), tuple(equal), ()),
    ]


def _cell(value: Measured | None) -> str:
    return "-" if value is None or np.isnan(value.value) else f"{number(value.value, 3)} ({span(value.interval, 3)})"
