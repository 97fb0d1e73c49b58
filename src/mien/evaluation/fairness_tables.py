"""The reports of fairness and of probes, to be read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mien.evaluation.fairness import FairnessReport
from mien.evaluation.report import Report, Table, number, span

if TYPE_CHECKING:
    from mien.evaluation.gaze import Measured
    from mien.evaluation.probes import ProbeReport

__all__ = ["fairness_report", "probe_report"]


def fairness_report(found: FairnessReport, *, source: str, model: str) -> Report:
    """Tables of the groups and of the gaps."""
    rows = tuple(
        (
            row.name,
            str(row.subjects),
            str(row.pictures),
            _measured(row.error),
            _measured(row.abstained),
            _measured(row.missed),
        )
        for row in found.rows
    )
    groups = Table(
        f"{found.field} by {', '.join(found.by)}: error in {found.unit}",
        ("group", "subjects", "pictures", "error", "abstained", "no face found"),
        rows,
        (f"{found.ungrouped} pictures without group or truth are left out.",) if found.ungrouped else (),
    )
    gaps = Table(
        "Gaps",
        ("rate", "most", "least", "gap", "95 % interval", "by chance", ""),
        tuple(
            (
                what,
                gap.most,
                gap.least,
                number(gap.size, 3),
                span(gap.interval, 3),
                number(gap.chance, 3),
                "beyond chance" if gap.beyond_chance else "",
            )
            for what, gap in found.gaps.items()
            if gap.size > 0
        ),
        ("by chance: what 19 of 20 random deals of these subjects to groups stay below.", *found.notes),
    )
    return Report.of("Fairness", source=source, model=model, results=found.to_dict(), tables=(groups, gaps))


def _measured(one: Measured) -> str:
    return f"{number(one.value, 3)} ({span(one.interval, 3)})"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.3f}"


def probe_report(found: ProbeReport, *, model: str) -> Report:
    """One table a factor."""
    tables = [
        Table(
            f"{factor}, against {found.references[factor]}",
            (
                "answer",
                *(column for level in found.levels[factor] for column in (level, "95 % interval")),
                "spread",
                "silent",
            ),
            tuple(
                (
                    answer,
                    *(
                        cell
                        for level in found.levels[factor]
                        for cell in (
                            _signed(found.effects[answer, factor, level].value),
                            span(found.effects[answer, factor, level].interval, 3),
                        )
                    ),
                    number(found.spreads[answer], 3),
                    " / ".join(
                        number(found.silent[answer, factor, level], 2)
                        for level in (found.references[factor], *found.levels[factor])
                    ),
                )
                for answer in found.answers
            ),
            (
                "spread: standard deviation between the people as they are.",
                f"silent: share without an answer: {' / '.join((found.references[factor], *found.levels[factor]))}.",
            ),
        )
        for factor in found.levels
    ]
    return Report.of(
        f"Probe on {found.people} generated people", source="generated people", model=model,
        results=found.to_dict(), tables=tables,
    )  # fmt: skip
