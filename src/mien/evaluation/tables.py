"""The tables of the measures of recognition, for `mien.evaluation.report`."""

from __future__ import annotations

from collections.abc import Sequence

from mien.evaluation.clustering import ClusteringReport, Measures
from mien.evaluation.groups import GroupReport
from mien.evaluation.identification import IdentificationReport
from mien.evaluation.membership import MembershipReport
from mien.evaluation.noise import NoiseReport
from mien.evaluation.rapid import RapidReport
from mien.evaluation.report import Table, number, span
from mien.evaluation.resolution import SizePoint
from mien.evaluation.timed import TimedReport
from mien.evaluation.verification import VerificationReport

__all__ = [
    "clustering_tables",
    "group_table",
    "identification_tables",
    "membership_table",
    "noise_table",
    "rapid_tables",
    "size_table",
    "time_table",
    "verification_tables",
]

INTERVAL = "95 %"
SHOWN = 10  # suspects that are named


def verification_tables(report: VerificationReport, *, title: str = "Verification") -> list[Table]:
    """AUC, EER, true accepts, and accuracy by folds."""
    over = "people" if report.named else "pairs: the data does not tell who is who"
    counts = f"{report.people} people, " if report.named else ""
    rows = [
        ("AUC", number(report.auc), span(report.auc_interval), ""),
        ("EER", number(report.eer), span(report.eer_interval), ""),
    ]
    for point in report.points:
        part = f"{point.accepted} of {report.genuine}; {point.false_accepts} of {report.impostor} false"
        count = f"{part}; threshold {point.threshold:.3f}"
        rows.append((f"TAR at FAR {point.far:g}", number(point.tar), span(point.interval), count))
    pairs = f"{report.genuine} pairs of one person, {report.impostor} of two"
    note = f"{counts}{report.pictures} pictures ({report.without_face} without a face), {pairs}; intervals over {over}."
    few = [f"{point.far:g}" for point in report.points if point.far * report.impostor < 1 - 1e-9]
    above = f"So few pairs cannot show a FAR of {', '.join(few)}: the threshold is above all pairs of two people."
    notes = (note, above) if few else (note,)
    tables = [Table(title, ("measure", "value", INTERVAL, "counts"), tuple(rows), notes)]
    if report.folds is not None:
        folds = report.folds
        row = (number(folds.accuracy), number(folds.std), number(folds.error), span(folds.interval))
        note = f"{folds.folds} folds, {folds.pairs} pairs; each fold's threshold is chosen on the others."
        tables.append(Table("Accuracy by folds", ("mean", "std", "standard error", INTERVAL), (row,), (note,)))
    return tables


def group_table(report: GroupReport) -> Table:
    """Error rates by group."""
    rows = tuple(
        (
            row.name,
            str(row.people),
            f"{number(row.fnmr)} of {row.genuine}",
            span(row.fnmr_interval),
            f"{number(row.fmr, 5)} of {row.impostor}",
            span(row.fmr_interval, 5),
        )
        for row in report.rows
    )
    notes = (
        f"One threshold for all, {report.threshold:.3f}: FAR {report.far:g} over all pairs of two people.",
        *([f"{report.ungrouped} pairs are of two groups, or of none."] if report.ungrouped else []),
        *(f"Note: {warning}" for warning in report.warnings),
    )
    columns = ("group", "people", "FNMR", INTERVAL, "FMR within the group", INTERVAL)
    return Table("Groups", columns, rows, notes)


def noise_table(report: NoiseReport, suspects: Sequence[str], *, judge: str) -> Table:
    """Wrong pictures; of those that may be, the first are named."""
    row = (number(report.wrong), span(report.interval), str(len(report.suspects)))
    shown = suspects[:SHOWN]
    more = f" and {len(suspects) - len(shown)} more" if len(suspects) > len(shown) else ""
    judged = f"judged by {judge}, and what a judge does not recognise it calls wrong"
    notes = [f"{report.people} people with 3 pictures or more, {report.pictures} pictures; {judged}."]
    notes += [f"Suspects: {', '.join(shown)}{more}."] if shown else []
    return Table("Pictures of somebody else", ("part", INTERVAL, "suspects"), (row,), tuple(notes))


def size_table(points: Sequence[SizePoint], *, one_side: bool = False) -> Table:
    """Verification by the size of the crop."""
    rates = [point.far for point in points[0].report.points]
    rows = tuple(
        (
            f"{point.size} px",
            number(point.report.auc),
            span(point.report.auc_interval),
            *(f"{number(part.tar)} ({span(part.interval)})" for part in point.report.points),
        )
        for point in points
    )
    sides = "one of the two crops is" if one_side else "both crops are"
    notes = (f"{sides.capitalize()} shrunk to so many pixels; the threshold of each row is its own.",)
    return Table("Small faces", ("crop", "AUC", INTERVAL, *(f"TAR at FAR {rate:g}" for rate in rates)), rows, notes)


def time_table(report: TimedReport) -> Table:
    """Milliseconds a picture."""
    rows = tuple(
        (stage.name, *(f"{value:.1f}" for value in (stage.median, stage.mean, stage.p95, stage.worst)))
        for stage in report.stages
    )
    held = ", ".join(f"{budget:g} ms {'held' if ok else 'REJECTED'}" for budget, ok in report.budgets.items())
    notes = (
        f"{report.pictures} pictures ({report.without_face} without a face), one core of {report.machine}.",
        f"Budgets, held where 95 % of the pictures stay within: {held}.",
    )
    return Table("Milliseconds a picture", ("stage", "median", "mean", "95 % within", "worst"), rows, notes)


def identification_tables(report: IdentificationReport) -> list[Table]:
    """Ranks, and the rates of open-set search."""
    kept = {"template": "one fused vector a person", "samples": "all vectors of a person"}[report.how]
    enrolled = f"{report.gallery} people of {report.samples} pictures, {kept}"
    mated = f"{report.probes} of {report.people} people in it"
    others = f"{report.others} of {report.strangers} strangers; {report.without_face} pictures without a face"
    notes = (f"Gallery: {enrolled}. Probes: {mated}, {others}.",)
    ranks = tuple(
        (str(p.rank), number(p.rate), span(p.interval), f"{p.found} of {report.probes}") for p in report.ranks
    )
    tables = [Table("Closed set", ("rank", "found", INTERVAL, "counts"), ranks, notes)]
    if report.points:
        rows = tuple(
            (
                f"{point.fpir:g}",
                number(point.fnir),
                span(point.interval) if point.fnir is not None else "-",
                number(point.threshold, 3),
                f"{point.false} of {report.others} ({span(point.realised)})" if point.fnir is not None else "-",
            )
            for point in report.points
        )
        reasons = tuple(point.reason for point in report.points if point.reason)
        columns = ("FPIR", "FNIR", INTERVAL, "threshold", "strangers with a hit")
        tables.append(Table("Open set", columns, rows, reasons))
    return tables


def rapid_tables(report: RapidReport, *, judge: str) -> list[Table]:
    """The tables of the rapid test."""
    parts = [
        *verification_tables(report.labelled, title="Verification, as labelled"),
        *verification_tables(report.cleaned, title="Verification, without the suspects"),
        *verification_tables(report.small, title="Verification, without the suspects, 32 px"),
        *(
            verification_tables(report.masked, title="Verification, without the suspects, masked")
            if report.masked
            else []
        ),
        *identification_tables(report.found),
    ]
    groups = [group_table(report.groups)] if report.groups is not None else []
    return [noise_table(report.noise, report.suspects, judge=judge), *parts, *groups]


_MEASURES = {
    "BCubed precision": "bcubed_precision",
    "BCubed recall": "bcubed_recall",
    "BCubed F": "bcubed_f",
    "pairs, precision": "pair_precision",
    "pairs, recall": "pair_recall",
    "pairs, F": "pair_f",
    "purity": "purity",
    "NMI": "nmi",
}


def clustering_tables(report: ClusteringReport) -> list[Table]:
    """How well faces are grouped: all of them, and those of each kind."""
    tables = [_grouped("All faces", report.everything, f" {report.without_face} pictures without a face.")]
    return tables + [_grouped(name.capitalize(), part) for name, part in report.strata.items()]


def _grouped(title: str, part: Measures, more: str = "") -> Table:
    rows = tuple((name, number(part.values[key]), span(part.intervals[key])) for name, key in _MEASURES.items())
    note = f"{part.faces} faces of {part.people} people, in {part.groups} groups; intervals over people.{more}"
    return Table(title, ("measure", "value", INTERVAL), rows, (note,))


def membership_table(report: MembershipReport) -> Table:
    """What an attacker can tell before and after a deletion."""
    rows = (
        ("before", number(report.before), span(report.before_interval)),
        ("after", number(report.after), span(report.after_interval)),
    )
    people = f"{report.kept} people stayed, {report.deleted} were deleted, {report.outside} never enrolled"
    notes = (
        f"{people}; {report.probes} pictures to attack with.",
        f"Largest difference to a gallery that never held them: {report.difference:g}.",
        "Forgotten: 0.5 lies in the interval afterwards, and there is no difference."
        if report.forgotten
        else "NOT forgotten.",
    )
    return Table("AUC of membership", ("deletion", "AUC", INTERVAL), rows, notes)
