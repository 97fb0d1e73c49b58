"""``mien evaluate quality``: whether quality tells which pictures will not be recognised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.verification import OUT, PLOT, check_outputs, tell
from mien.cli.options import takes_engines

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engines("quality")
def quality(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with one folder per person; or pairs, as `mien evaluate verification` takes them.",
            show_default=False,
        ),
    ],
    spoiled: Annotated[
        int, typer.Option(help="Spoiled copies of each picture (dark, blurred, covered ...).", min=0, max=100)
    ] = 0,
    fmr: Annotated[float, typer.Option(help="False match rate of the threshold.", min=0, max=1)] = 1e-3,
    pictures: Annotated[Path | None, typer.Option(help="Folder of the pictures that the file names.")] = None,
    plot: Annotated[Path | None, typer.Option(help=PLOT)] = None,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engines: list[Engine],
) -> None:
    """Tell what discarding poor pictures does to the misses of the embedder.

    Repeat --model quality=ID to compare; recognizability, which comes with the embedding, is always shown.
    """
    from mien.evaluation.intervals import RANKED
    from mien.evaluation.plots import discards, save_plots
    from mien.evaluation.quality import LIMIT, TOLD, evaluate_quality
    from mien.evaluation.report import Report, Table, number, span

    check_outputs(plot, out)
    found = evaluate_quality(source, engines, pictures=pictures, spoiled=spoiled, fmr=fmr)
    rows = [
        (one.model, number(one.area, 3), span(one.interval, 3), *(number(rate) for rate in one.fnmr), str(one.unjudged))
        for one in found.contenders
    ]
    notes = [
        f"{found.people} people, {found.pictures} pictures: {found.spoiled} spoiled, {found.without_face} faceless",
        f"{found.genuine:,} pairs of one person; cosine {found.threshold:.3f} from {found.impostor:,} pairs of two",
        f"area: up to {LIMIT:.0%}, 0 as of a perfect measure, 1 as of one that knows nothing; 95 % over people",
    ]
    if found.people < RANKED:
        notes.append(f"{found.people} people: no ranking")
    table = Table(
        f"False non-matches at FMR {fmr:g} when the poorest pairs are discarded",
        ("quality", "area", "95 %", *(f"{share:.0%}" for share in TOLD), "unjudged"),
        tuple(rows),
        tuple(notes),
    )
    report = Report.of(
        "Error versus discard",
        source=str(source),
        model=found.embedder,
        results=found.to_dict(),
        tables=[table],
    )
    tell(report, out, json=json)
    if plot is not None:
        save_plots(plot, [discards(found)], title=f"{found.embedder} on {source.name}, {found.people} people")
