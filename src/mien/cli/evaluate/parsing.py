"""``mien evaluate parsing``: how well the pixels of faces are sorted into classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.verification import OUT, check_outputs, tell
from mien.cli.options import takes_engines

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engines("parse")
def parsing(
    folder: Annotated[
        Path, typer.Argument(help="The folder of a published set of face parsing, or one like it.", show_default=False)
    ],
    layout: Annotated[
        str, typer.Option(help="auto, celebamask, lapa, easyportrait, easyportrait-faces or ibugmask.")
    ] = "auto",
    split: Annotated[
        str | None, typer.Option(help="train, val, test or all; by default test, of sets that are split.")
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The pictures are crops as those of FFHQ: search no face.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engines: list[Engine],
) -> None:
    """Tell how well face parsing sorts pixels: IoU and F1 of each class, boundaries, rare classes apart.

    Models are compared by --model parse=ID, given several times.
    """
    from mien.evaluation.label_tables import parsing_tables
    from mien.evaluation.parsing import evaluate_parsing
    from mien.evaluation.report import Report

    check_outputs(None, out)
    found = evaluate_parsing(folder, layout=layout, split=split, aligned=aligned, engines=engines)
    results = {
        "set": found.kind.title,
        "split": found.split,
        "aligned": aligned,
        "picture_sides": found.picture_sides,
        "models": {model: report.to_dict() for model, report in found.reports.items()},
    }
    tables = parsing_tables(found.reports, notes=found.notes)
    model = ", ".join(found.reports)
    tell(Report.of("Face parsing", source=str(folder), model=model, results=results, tables=tables), out, json=json)
