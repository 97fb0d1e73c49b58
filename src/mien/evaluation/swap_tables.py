"""The tables of `mien.evaluation.swap` and `mien.evaluation.anonymization`, and sheets of pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.core.image import Image
from mien.evaluation.anonymization import AnonymizationEvaluation
from mien.evaluation.forgery_tables import TOO_FEW, with_span
from mien.evaluation.intervals import RANKED
from mien.evaluation.report import Table, number
from mien.evaluation.swap import SwapEvaluation
from mien.media.provenance import Provenance
from mien.swaps.backgrounds.compositing import cover

__all__ = ["Sheet", "anonymization_tables", "swap_tables"]

CELL = 240  # pixels of a picture's side on a sheet
LONGEST = 12  # rows of a sheet


@dataclass
class Sheet:
    """Pictures side by side, a row for each case, of the first dozen.

    Attributes
    ----------
    rows : list of pictures
        Each as high and wide as a cell.
    mark : Provenance
        What is true of the sheet: synthetic as soon as one of its pictures is.
    """

    rows: list[list[Image]] = field(default_factory=list)
    mark: Provenance = field(default_factory=Provenance.composed)

    def add(self, pictures: Sequence[Image], mark: Provenance) -> None:
        """Add a row, unless there are enough."""
        if len(self.rows) < LONGEST:
            self.rows.append([cover(picture, (CELL, CELL)) for picture in pictures])
            self.mark = Provenance.composed(self.mark, mark)

    @property
    def image(self) -> Image:
        """All of it, two rows beside each other where there are many."""
        lines = [np.hstack(row) for row in self.rows]
        if len(lines) > LONGEST // 2:
            half = -(-len(lines) // 2)
            lines += [np.zeros_like(lines[0])] * (2 * half - len(lines))
            lines = [np.hstack([left, right]) for left, right in zip(lines[:half], lines[half:], strict=True)]
        return np.vstack(lines)


def swap_tables(found: SwapEvaluation) -> list[Table]:
    """Whose face it is, and what was kept."""
    done = sum(pair.reason is None for pair in found.pairs)
    rows = tuple(
        (
            name,
            with_span(found.closer[name], 3, groups=done),
            with_span(found.found[name], 3, groups=done),
            with_span(found.to_source[name], 2, groups=done),
            with_span(found.to_target[name], 2, groups=done),
            with_span(found.before[name], 2, groups=done),
        )
        for name in found.closer
    )
    heads = ("judge", "nearer to source", "source found first", "cosine to source", "to target", "before")
    few = f"{done} swaps of {found.people} people"
    note = f"{few}; intervals over swaps, which share people: somewhat too narrow." if done >= TOO_FEW else f"{few}."
    kept = (
        ("pose, degrees", with_span(found.pose, 2, groups=done)),
        ("expression, mean blendshape", with_span(found.expression, 3, groups=done)),
        ("gaze, degrees", with_span(found.gaze, 2, groups=done)),
        ("edges at the seam, times", with_span(found.seam, 2, groups=done)),
        ("untouched outside of the mask", number(found.untouched, 3)),
    )
    refused = tuple((reason, str(count)) for reason, count in sorted(found.refused.items(), key=lambda one: -one[1]))
    tables = [
        Table("Whose face it is", heads, rows, (note,)),
        Table("Off the target", ("what", "mean (95 %)"), kept, ("Before marks and compression.",)),
    ]
    return [*tables, Table("Not swapped", ("reason", "pairs"), refused)] if refused else tables


def anonymization_tables(found: AnonymizationEvaluation) -> list[Table]:
    """Who is recognised, and what can be seen."""
    rows = tuple(
        (
            name,
            with_span(one.before, 3, groups=found.people),
            with_span(one.after, 3, groups=found.people),
            with_span(one.same, 3, groups=found.people),
            with_span(one.ranked_before, 3, groups=found.people),
            with_span(one.ranked_after, 3, groups=found.people),
            number(one.nearest, 2),
        )
        for name, one in found.judges.items()
    )
    heads = ("embedder", "recognised before", "after", "by the same picture", "first of all before", "after", "nearest")
    few = f"; fewer than {RANKED} people, so no order is claimed" if found.people < RANKED else ""
    notes = (
        f"{found.pictures} pictures of {found.people} people, at a false accept rate of {found.far:g}{few}.",
        "Hidden faces are embedded where the original was: the attacker knows the place.",
    )
    seen = (
        ("a face is still detected", with_span(found.visible, 3, groups=found.pictures)),
        ("pose kept, degrees off", with_span(found.pose, 1, groups=found.pictures)),
    )
    tables = [Table("Who is recognised", heads, rows, notes), Table("What is left", ("what", "mean (95 %)"), seen)]
    failed = tuple((reason, str(count)) for reason, count in found.failed.items())
    return [*tables, Table("Not hidden", ("reason", "pictures"), failed)] if failed else tables
