"""The tables and curves of `mien.evaluation.forgery` and `mien.evaluation.morph`, to be read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mien.evaluation.forgery import Cell, ForgeryEvaluation
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import RANKED
from mien.evaluation.morph import APCER, MorphEvaluation
from mien.evaluation.plots import Panel
from mien.evaluation.report import Table, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["few_note", "forgery_tables", "morph_tables", "stress_panels", "stress_tables", "with_span"]

TOO_FEW = 10  # groups below which a bootstrap promises what it cannot know
HEADS = ("cue", "AUC (95 %)", "EER (95 %)", "AP (95 %)", "real + forged")


def with_span(value: Measured, digits: int = 2, *, groups: int = TOO_FEW) -> str:
    """A number and its interval, without one of fewer than ten groups; "-" where there is none."""
    if math.isnan(value.value):
        return "-"
    if groups < TOO_FEW:
        return number(value.value, digits)
    low, high = (number(end, digits) for end in value.interval)
    return f"{number(value.value, digits)} ({low} to {high})"


def few_note(groups: int) -> str:
    """What must be said of few."""
    if groups < TOO_FEW:
        return f"{groups} people or clips: too few for intervals, and for anything to be concluded; AUC 0.5 is chance."
    few = f"under {RANKED}, so that no cue or method is ranked above another; " if groups < RANKED else ""
    return f"Intervals over {groups} people or clips: {few}AUC 0.5 is chance."


def forgery_tables(found: ForgeryEvaluation) -> list[Table]:
    """A table for each method and level."""
    tables = []
    for method, level in dict.fromkeys((cell.method, cell.level) for cell in found.cells):
        cells = [cell for cell in found.cells if (cell.method, cell.level) == (method, level)]
        rows = tuple(_row(cell) for cell in cells)
        notes = (few_note(max(cell.groups for cell in cells)),)
        after = f", after {found.damage}" if found.damage else ""
        tables.append(Table(f"{method}, by {level}{after}", HEADS, rows, notes))
    missed = f"{found.files} files, {found.missed} without a usable face."
    last = tables[-1]
    return [*tables[:-1], Table(last.title, last.columns, last.rows, (*last.notes, missed))]


def _row(cell: Cell) -> tuple[str, ...]:
    three = (with_span(value, groups=_least(cell)) for value in (cell.auc, cell.eer, cell.ap))
    return (cell.detector, *three, f"{cell.real} + {cell.forged}")


def _least(cell: Cell) -> int:
    """The smallest of the counts that an interval rests on."""
    return min(cell.groups, cell.real, cell.forged)


def _auc(cell: Cell) -> str:
    return with_span(cell.auc, groups=_least(cell))


def stress_tables(found: Mapping[str, Mapping[str, ForgeryEvaluation]]) -> list[Table]:
    """For each method and kind of damage: AUC by cue and level."""
    tables = []
    for kind, levels in found.items():
        first = next(iter(levels.values()))
        for method in dict.fromkeys(cell.method for cell in first.cells):
            cues = [cell for cell in first.cells if cell.method == method]
            rows = tuple(
                (cue.detector, *(_auc(one.of(method, cue.detector)) for one in levels.values())) for cue in cues
            )
            note = few_note(max(cue.groups for cue in cues))
            tables.append(Table(f"{method}: AUC after {kind}", ("cue", *levels), rows, (note,)))
    return tables


def morph_tables(found: MorphEvaluation) -> list[Table]:
    """Detection of morphs, and for whom they pass."""
    heads = (
        "detector",
        "AUC (95 %)",
        "D-EER (95 %)",
        *(f"BPCER at APCER {rate:.0%}" for rate in APCER),
        "bona fide + morphs",
    )
    rows = tuple(
        (
            cell.detector,
            *(with_span(value, groups=found.people) for value in (cell.auc, cell.d_eer, *cell.bpcer.values())),
            f"{cell.bona_fide} + {cell.morphs}",
        )
        for cell in found.cells
    )
    notes = (
        f"{found.morphs} morphs ({found.part}, alpha {found.alpha:g}) of {found.people} people, all JPEG 90.",
        "likeness is differential: 1 less the similarity to trusted pictures of whoever shows the document.",
        few_note(found.people),
    )
    passed = tuple(
        (
            f"{one.far:g}",
            f"{one.threshold:.3f}",
            f"{with_span(one.mmpmr)}, {one.accepted} of {found.morphs}",
            with_span(one.one_side),
            f"{with_span(one.genuine)} of {found.documents}",
        )
        for one in found.passed
    )
    columns = ("FAR", "threshold", "pass as both people (MMPMR)", "as one of them", "bona fide documents")
    return [
        Table("Detection of morphs", heads, rows, notes),
        Table(f"What {found.model} accepts", columns, passed, ("Morphs share people: intervals are too narrow.",)),
    ]


def stress_panels(found: Mapping[str, Mapping[str, ForgeryEvaluation]], *, methods: Sequence[str] = ()) -> list[Panel]:
    """AUC by level, a curve for each cue, with gaps where few faces are left: a panel for each method and damage."""
    first = next(iter(next(iter(found.values())).values()))
    known = methods or tuple(dict.fromkeys(cell.method for cell in first.cells))
    return [_panel(kind, method, levels) for method in known for kind, levels in found.items()]


def _panel(kind: str, method: str, levels: Mapping[str, ForgeryEvaluation]) -> Panel:
    def draw(axes: Axes) -> None:
        cues = dict.fromkeys(c.detector for one in levels.values() for c in one.cells if c.method == method)
        for place, cue in enumerate(cues):
            cells = [one.of(method, cue) for one in levels.values()]
            values = [cell.auc.value if _least(cell) >= TOO_FEW else math.nan for cell in cells]
            style = ("-", "--", ":")[place // 4 % 3]
            axes.plot(range(len(values)), values, style, marker="o", markersize=3, label=cue)
        axes.axhline(0.5, color="black", linewidth=0.8)
        axes.set(title=f"{method}: {kind}", xlabel=kind, ylabel="AUC", ylim=(-0.38, 1.02))  # room for the legend
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_xticks(range(len(levels)), list(levels))
        axes.legend(fontsize=6, ncols=3, loc="lower center")

    return draw
