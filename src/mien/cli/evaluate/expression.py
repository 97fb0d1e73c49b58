"""``mien evaluate expression``: what faces are said to show, against what people named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.evaluation.expression import ExpressionReport
    from mien.evaluation.gaze import Measured


@takes_engine
def expression(
    folder: Annotated[
        Path,
        typer.Argument(help="A folder with a folder of pictures for each expression.", show_default=False),
    ],
    subject: Annotated[
        str, typer.Option(help="Whose face it is: a regular expression at the beginning of the file's name.")
    ] = "[^_]+",
    unknown: Annotated[
        str, typer.Option(help="Folders that hold what the model does not know, such as contempt,boredom.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well expressions are recognised: accuracy, recall, F1, calibration, and how well unknown ones are."""
    from mien.evaluation.expression import evaluate_expression

    strangers = [name.strip() for name in unknown.split(",") if name.strip()]
    report = evaluate_expression(folder, subject=subject, unknown=strangers, engine=engine)
    if json or not sys.stdout.isatty():
        print_json({"source": str(folder), **report.to_dict()})
    else:
        _print(folder, report)
    for path, reason in report.failed.items():
        print(f"{path}: {reason}", file=sys.stderr)
    if report.failed:
        raise typer.Exit(1)


def _print(folder: Path, report: ExpressionReport) -> None:
    from mien.evaluation.intervals import RANKED

    print(f"{report.model} on {folder}: {report.faces} faces of {report.subjects} subjects")
    print(f"not found: {report.missed}, not judged: {report.abstained}")
    if report.lacking:
        print(f"the model has no {', '.join(report.lacking)}: these count as wrong")
    for name, value in {
        "accuracy": report.accuracy,
        "recall, mean over classes (UAR)": report.uar,
        "F1, mean over classes": report.f1,
        "calibration error (ECE)": report.ece,
        "unknown, area under the curve": report.unknown,
    }.items():
        if value is not None:
            print(f"{name:33}{_shown(value)}")
    names = list(report.rows[0].called) if report.rows else []
    print(f"\n{'class':12}{'recall':24}{'precision':11}{'left out':10}" + "".join(f"{name[:5]:>7}" for name in names))
    for row in report.rows:
        alone = report.left_out.get(row.name)
        print(
            f"{row.name:12}{_shown(row.recall):24}{row.precision:<11.3f}{alone.value if alone else float('nan'):<10.3f}"
            + "".join(f"{row.called[name]:7}" for name in names)
        )
    print("\nIntervals (95 %) are over subjects. Left out: the area under the curve of the model's lack of confidence,")
    print("were the class taken out of its probabilities. Valence and arousal are not told by any model here.")
    if report.subjects < RANKED:
        print(f"{report.subjects} subjects are fewer than {RANKED}: this ranks no models.")


def _shown(value: Measured) -> str:
    return f"{value.value:.3f} ({value.interval[0]:.3f} to {value.interval[1]:.3f})"
