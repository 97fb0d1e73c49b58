"""``mien evaluate liveness``: how often attacks pass for people, and people for attacks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.verification import check_outputs, tell
from mien.cli.options import takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def liveness(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with the folder live (or real) and others, named after attacks; or a CSV file: file, label, "
            "and perhaps attack and subject.",
            show_default=False,
        ),
    ],
    threshold: Annotated[float, typer.Option(help="From which on a face is called live.", min=0, max=1)] = 0.5,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Judge also faces that are small or fill their picture.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report to this .md or .json file, too.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well people are told from prints and screens: APCER by attack, BPCER, ACER, HTER, AUC, EER."""
    from mien.evaluation.liveness import evaluate_liveness, liveness_tables
    from mien.evaluation.report import Report

    check_outputs(None, out)
    found = evaluate_liveness(source, threshold=threshold, everywhere=everywhere, engine=engine)
    tables = liveness_tables(found)
    tell(
        Report.of("Liveness", source=str(source), model=found.model, results=found.to_dict(), tables=tables),
        out,
        json=json,
    )
