"""``mien evaluate verification``, ``rapid``: how well the embedder tells people apart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.evaluation.report import Report

PLOT = "Write curves to this .png, .svg or .pdf file (extra mien[plots])."
OUT = "Write the report to this .md or .json file, too."


@takes_engine
def verification(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with one folder per person; pairs of LFW, CALFW, CPLFW, CFP (Split/FP), a .bin file; with "
            "--templates, matches of IJB.",
            show_default=False,
        ),
    ],
    far: Annotated[list[float] | None, typer.Option(help="False accept rate to report at. Repeatable.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder of the pictures that the file names.")] = None,
    templates: Annotated[
        list[Path] | None, typer.Option(help="File of templates (IJB's .csv, or a text). Repeatable.")
    ] = None,
    template_size: Annotated[
        int | None, typer.Option(help="Compare fused templates of N pictures of a person each.", min=1)
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(help="Rates by group: a .csv with columns file and group, or 'folders' (GROUP/PERSON/PICTURE)."),
    ] = None,
    noise: Annotated[bool, typer.Option("--noise", help="Estimate how many pictures are of somebody else.")] = False,
    sizes: Annotated[str | None, typer.Option(help="Small faces: crops of these sides, such as 16,32,64,112.")] = None,
    one_side: Annotated[
        bool, typer.Option("--one-side", help="Shrink or mask only the second picture of each pair.")
    ] = False,
    masked: Annotated[bool, typer.Option("--masked", help="Once more with masks painted on the faces.")] = False,
    budget: Annotated[
        list[float] | None,
        typer.Option(help="Milliseconds a picture on one core (--threads 1); slower is rejected. Repeatable."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help=PLOT)] = None,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well the embedder separates people: AUC, equal error rate, true accepts, accuracy by folds.

    With --budget the exit code is 1 where a budget is not held, and nothing else is measured then.
    """
    from mien.evaluation.plots import save_plots
    from mien.evaluation.protocol import FOLDERS, Asked, run_templates, run_verification

    asked = Asked(
        pictures=pictures,
        rates=tuple(far or (1e-2, 1e-3)),
        template_size=template_size,
        groups=groups if groups in {None, FOLDERS} else Path(str(groups)),
        noise=noise,
        sizes=_numbers(sizes),
        one_side=one_side,
        masked=masked,
        budgets=tuple(budget or ()),
    )
    check_outputs(plot, out)
    if templates:
        if groups or noise or sizes or masked or budget or template_size:
            raise UsageError("--templates goes with --far, --pictures, --plot and --out only.")
        outcome = run_templates(source, templates, asked, engine=engine)
    else:
        outcome = run_verification(source, asked, engine=engine)
    tell(outcome.report, out, json=json)
    if plot is not None and outcome.panels:
        save_plots(plot, outcome.panels, title=f"{outcome.report.facts['model']} on {source.name}")
    if outcome.rejected:
        raise typer.Exit(1)


@takes_engine
def rapid(
    folder: Annotated[Path, typer.Argument(help="A folder with one folder of pictures per name.", show_default=False)],
    groups: Annotated[Path | None, typer.Option(help="A .csv with columns file and group.")] = None,
    far: Annotated[float, typer.Option(help="False accept rate of all rows.", min=0, max=1)] = 1e-3,
    judge: Annotated[
        str | None,
        typer.Option(help="Embedder that tells which pictures are of somebody else; by default the one under test."),
    ] = None,
    no_masks: Annotated[bool, typer.Option("--no-masks", help="Paint no masks, which takes longest.")] = False,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Audit recognition in one go: wrong pictures, error rates without them, small and masked faces, search, groups."""
    from mien.datasets.readers.groups_csv import read_groups
    from mien.engine import Engine as EngineClass
    from mien.evaluation.rapid import evaluate_rapid
    from mien.evaluation.report import Report
    from mien.evaluation.tables import rapid_tables

    check_outputs(None, out)
    table = None if groups is None else read_groups(groups)
    model = engine.choose("embedding").id
    if judge is None:
        found = evaluate_rapid(folder, groups=table, far=far, masked=not no_masks, engine=engine)
    else:
        options = {"threads": engine.threads, "licenses": engine.licenses, "offline": engine.store.offline}
        with EngineClass(**options, models={"embedding": judge}) as other:  # type: ignore[arg-type]
            found = evaluate_rapid(folder, groups=table, far=far, masked=not no_masks, judge=other, engine=engine)
    tables = rapid_tables(found, judge=judge or f"{model} itself")
    tell(
        Report.of("Rapid test", source=str(folder), model=model, results=found.to_dict(), tables=tables), out, json=json
    )


def check_outputs(plot: Path | None, out: Path | None) -> None:
    """Refuse files that cannot be written by their suffix before anything is measured."""
    from mien.evaluation.plots import SUFFIXES as PLOTS
    from mien.evaluation.report import SUFFIXES as REPORTS
    from mien.evaluation.report import check_suffix

    for path, suffixes in ((plot, PLOTS), (out, REPORTS)):
        if path is not None:
            check_suffix(path, suffixes)


def tell(report: Report, out: Path | None, *, json: bool) -> None:
    """Print the report, a table on a terminal and JSON elsewhere; and write it if asked for.

    What took minutes is told first: a file that cannot be written loses nothing.
    """
    if json or not sys.stdout.isatty():
        print_json(report.to_dict())
    else:
        print(report.to_text())
    if out is not None:
        report.write(out)


def _numbers(text: str | None) -> tuple[int, ...]:
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if not all(part.isascii() and part.isdecimal() and len(part) <= 6 for part in parts):
        raise UsageError(f"--sizes takes whole numbers with commas, such as 16,32,64,112; got {text!r}.")
    return tuple(map(int, parts))
