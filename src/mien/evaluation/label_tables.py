"""Scores of label maps as tables, for `mien.evaluation.report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mien.evaluation.label_scores import ParsingReport, Score
from mien.evaluation.report import Table, number, span

__all__ = ["parsing_tables"]

RANKED = 200  # pictures from which on an order of models is worth something
MEANS = {
    "F1": "f1",
    "F1, frequent classes": "f1_head",
    "F1, long tail": "f1_tail",
    "IoU": "iou",
    "IoU with background": "iou_all",
    "boundary F": "boundary",
    "pixel accuracy": "accuracy",
}


def parsing_tables(reports: Mapping[str, ParsingReport], *, notes: Sequence[str] = ()) -> list[Table]:
    """The means of all models side by side, then a table of classes for each.

    Parameters
    ----------
    reports : mapping of str to ParsingReport
        By model, all of the same pictures.
    notes : sequence of str
        Of the data.
    """
    first = next(iter(reports.values()))
    rows = [(name, *(_cell(report.means[key]) for report in reports.values())) for name, key in MEANS.items()]
    if any(report.unknown for report in reports.values()):
        rows.append(
            ("F1 of classes that the model has", *(_cell(report.means["f1_known"]) for report in reports.values()))
        )
    if first.missed:
        found = tuple(_cell(report.without_missed["f1"]) for report in reports.values())
        rows.append(("F1 of found faces", *found))
    said = [f"{first.pictures} pictures, {first.missed} faces missed by the detector (all of these is background)."]
    if first.pictures < RANKED:
        said.append(f"Fewer than {RANKED} pictures: no order of models is claimed.")
    said.append("Means are over the classes that some map has, without the background but where it is named.")
    means = Table("Means", ("mean (95 %)", *reports), tuple(rows), (*said, *notes))
    return [means, *(_classes(model, report) for model, report in reports.items())]


def _classes(model: str, report: ParsingReport) -> Table:
    rows = tuple(
        (
            f"{row.name} (long tail)" if row.long_tail else row.name,
            str(row.pictures),
            f"{row.share:.2%}",
            *(_cell(score) for score in (row.iou, row.f1, row.boundary)),
        )
        for row in report.rows
        if row.pictures
    )
    absent = [row.name for row in report.rows if not row.pictures]
    notes = ["Boundary F: within 0.75 % of the diagonal of the map."]
    notes += [f"In no map, so without a score: {', '.join(absent)}."] if absent else []
    notes += [f"{model} has no such class, which counts as 0: {', '.join(report.unknown)}."] if report.unknown else []
    columns = ("class", "maps", "pixels", "IoU (95 %)", "F1 (95 %)", "boundary F (95 %)")
    return Table(f"Classes, {model}", columns, rows, tuple(notes))


def _cell(score: Score) -> str:
    return (
        number(score.value, 3)
        if score.value != score.value
        else f"{number(score.value, 3)} ({span(score.interval, 3)})"
    )
