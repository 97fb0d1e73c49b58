"""``mien evaluate au``: how well action units are told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.evaluation.action_unit_labels import LabelsReport
    from mien.evaluation.action_units import PrototypesReport


@takes_engine
def au(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with a folder of pictures for each expression, or a CSV file with the columns file, "
            "perhaps subject, and units such as AU12: 0 and 1, or 0 to 5.",
            show_default=False,
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well action units are told: by the expressions that are made of them, or against labels."""
    from mien.datasets.readers.labels_csv import read_labels
    from mien.evaluation.action_unit_labels import evaluate_labels
    from mien.evaluation.action_units import evaluate_prototypes, read_posed
    from mien.evaluation.intervals import RANKED

    report = (
        evaluate_prototypes(read_posed(source), engine=engine)
        if source.is_dir()
        else evaluate_labels(read_labels(source), engine=engine)
    )
    model = engine.choose("action_units").id
    if json or not sys.stdout.isatty():
        print_json({"source": str(source), "model": model, **report.to_dict()})
        return
    print(
        f"{model} on {source}: {report.pictures} pictures of {report.subjects} people, "
        f"{report.unjudged} without a face that can be judged"
    )
    for line in _lines(report):
        print(line)
    if report.subjects < RANKED:
        print(f"fewer than {RANKED} people: intervals, and no ranking.")


def _lines(report: PrototypesReport | LabelsReport) -> list[str]:
    from mien.evaluation.action_units import PrototypesReport

    if isinstance(report, PrototypesReport):
        head = (
            f"{'':11}{'':9}{'pictures':>9}{'people':>8}  {'AUC, 95 % over people':24}without expressions that share it"
        )
        rows = [
            f"{row.expression:11}{row.unit:9}{row.pictures:9}{row.subjects:8}  "
            f"{_span(row.auc, row.interval):24}{_span(row.auc_without, row.interval_without)}"
            for row in report.rows
        ]
        return [head, *rows]
    head = f"{'':11}{'pictures':>9}{'people':>8}{'present':>9}  {'F1':24}{'AUC':24}{'ICC(3,1)':24}{'PCC':7}{'CCC':7}MSE"
    rows = [
        f"{row.unit:11}{row.pictures:9}{row.subjects:8}{row.present:9}  {_span(row.f1, row.f1_interval):24}"
        f"{_span(row.auc, row.auc_interval):24}{_span(row.icc, row.icc_interval):24}"
        f"{row.pcc:<7.3f}{row.ccc:<7.3f}{row.mse:.3f}"
        for row in report.rows
    ]
    return [head, *rows, *([f"not given: {', '.join(report.missing)}"] if report.missing else [])]


def _span(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
