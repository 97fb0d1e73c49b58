"""The reports of ages and of attributes, to be read."""

from __future__ import annotations

from mien.evaluation.age import AgeReport
from mien.evaluation.attributes import AttributesReport
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import RANKED
from mien.evaluation.report import Report, Table, number, span

__all__ = ["age_report", "attributes_report"]


def age_report(found: AgeReport, *, source: str, model: str) -> Report:
    """Tables of all ages, of bands, and of minors."""
    rows = [
        ("mean absolute error, years", _cell(found.error, 2)),
        ("bias, years", _cell(found.bias, 2)),
        *((f"CS({k}): off by {k} years at most", _cell(share)) for k, share in found.within.items()),
        ("inside of the 80 % interval", _cell(found.covered)),
        (f"mean absolute error of {found.minors} minors, years", _cell(found.minors_error, 2)),
        ("minors taken for adults", _cell(found.minors_as_adults)),
        ("adults taken for minors", _cell(found.adults_as_minors)),
    ]
    said = [f"{found.faces} faces of {found.people} people; {found.missed} not found, {found.abstained} abstained."]
    bands = tuple(
        (f"{b.first} to {b.last}", str(b.faces), _cell(b.error, 1), _cell(b.bias, 1), _cell(b.covered, 2))
        for b in found.bands
    )
    tables = (
        Table("Ages", ("", "95 % over people"), tuple(rows), (*said, *_few(found.people))),
        Table("By true age", ("years", "faces", "error", "bias", "inside of its interval"), bands),
    )
    return Report.of("Age", source=source, model=model, results=found.to_dict(), tables=tables)


def attributes_report(found: AttributesReport, *, source: str, model: str) -> Report:
    """Tables of all attributes, and of the classes of each."""
    rows = tuple(
        (
            row.field,
            str(row.faces),
            str(row.people),
            *map(_cell, (row.accuracy, row.balanced, row.auc, row.precision, row.abstained)),
            str(row.missed),
        )
        for row in found.rows
    )
    head = ("field", "faces", "people", "accuracy", "balanced", "AUC", "average precision", "abstained", "not found")
    classes = tuple(
        (row.field, name, str(row.counts[name]), _cell(recall))
        for row in found.rows
        for name, recall in row.recalls.items()
    )
    people = min((row.people for row in found.rows), default=0)
    tables = (
        Table("Attributes (95 % over people)", head, rows, _few(people)),
        Table("Classes", ("field", "class", "faces", "called so"), classes),
    )
    return Report.of("Attributes", source=source, model=model, results=found.to_dict(), tables=tables)


def _few(people: int) -> tuple[str, ...]:
    return (f"Fewer than {RANKED} people: no order of models is claimed.",) if people < RANKED else ()


def _cell(one: Measured, digits: int = 3) -> str:
    value = number(one.value, digits)
    return value if value == "-" else f"{value} ({span(one.interval, digits)})"
