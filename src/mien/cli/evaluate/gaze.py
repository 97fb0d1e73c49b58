"""``mien evaluate gaze``: how far gaze is off, on a table of your own or on people who do not exist."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.cli.options import print_json, takes_engines
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.datasets.readers.gaze_csv import GazeTable
    from mien.engine import Engine


@takes_engines("gaze")
def gaze(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A CSV file: file, and yaw and pitch; or gaze_x, gaze_y, gaze_z; or x, y on a screen; or x1, y1, x2, "
            "y2, target_x, target_y. A column group says what is not independent. Or the folder of MPIIFaceGaze.",
            show_default=False,
        ),
    ] = None,
    drawn: Annotated[int, typer.Option(help="Paint the eyes of this many drawn people turned instead.", min=0)] = 0,
    unit: Annotated[Literal["cm", "px"], typer.Option(help="Of points on a screen.")] = "cm",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engines: list[Engine],
) -> None:
    """Tell how far gaze is off; what is measured follows from the columns. Repeat --model gaze=ID to compare."""
    from mien.datasets.readers.gaze_csv import read_gaze_csv
    from mien.datasets.readers.mpiifacegaze import read_mpiifacegaze

    if (source is None) == (drawn == 0):
        raise UsageError("mien evaluate gaze takes either a table or --drawn with a number of people.")
    read = read_mpiifacegaze if source is not None and source.is_dir() else read_gaze_csv
    table = None if source is None else read(source)
    for engine in engines:
        name, report = _report(table, drawn, unit, engine)
        model = engine.choose("gaze").id
        if json or not sys.stdout.isatty():
            print_json({"source": str(source or "drawn people"), "model": model, "kind": name, **report.to_dict()})
            continue
        print(f"{model}, {name}, on {source or 'drawn people'}")
        for key, value in vars(report).items():
            print(f"{key:16} {_words(value)}")


def _report(table: GazeTable | None, drawn: int, unit: Literal["cm", "px"], engine: Engine) -> tuple[str, Any]:
    from mien.evaluation.gaze import evaluate_angles
    from mien.evaluation.looks import evaluate_looks
    from mien.evaluation.screen import evaluate_screen
    from mien.evaluation.turned_eyes import evaluate_painted

    if table is None:
        return "painted eyes", evaluate_painted(drawn, engine=engine)
    if table.kind == "screen":
        return "points on a screen", evaluate_screen(table, unit=unit, engine=engine)
    if table.kind == "target":
        return "looking at faces", evaluate_looks(table, engine=engine)
    return "angles", evaluate_angles(table, engine=engine)


def _words(value: object) -> str:
    from mien.evaluation.gaze import Measured

    if isinstance(value, Measured):
        low, high = value.interval
        return f"{value.value:.2f}  95 % {low:.2f} to {high:.2f}"
    if isinstance(value, tuple):
        return ", ".join(f"{number:.2f}" for number in value)
    return f"{value:.2f}" if isinstance(value, float) else str(value)
