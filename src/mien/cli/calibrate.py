"""``mien calibrate``: settings of a person or a place, measured on pictures of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine

__all__ = ["app"]

app = typer.Typer(help="Settings of a person or a place, measured on pictures of them.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    # A callback keeps the command's name in front of it while there is only one.
    pass


@app.command()
@takes_engine
def gaze(
    source: Annotated[
        Path,
        typer.Argument(
            help="A CSV file with the columns file, x, y (where on the screen the person looks; group if you like: how "
            "the head was held), or a folder with points.csv.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Write the profile here, a JSON file.", show_default=False)],
    unit: Annotated[Literal["cm", "px"], typer.Option(help="Of x and y.")] = "cm",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Make a profile that tells where on a screen one person looks, from pictures of 5 to 16 points."""
    from mien.datasets.readers.gaze_csv import read_gaze_csv
    from mien.evaluation.gaze import faces_of, of_kind
    from mien.location.screen import Profile

    table = read_gaze_csv(source / "points.csv" if source.is_dir() else source)
    of_kind(table, "screen")
    faces, numbers = faces_of(table.rows, {"gaze", "head"}, engine)
    rows = [table.rows[number] for number in numbers]
    groups = [row.group for row in rows]
    profile = Profile.calibrate(faces, [row.values for row in rows], unit=unit, groups=groups if any(groups) else None)
    profile.save(out)
    told = {
        "out": str(out),
        "points": profile.points,
        "pictures": profile.samples,
        "unused": len(table.rows) - profile.samples,
        "error": round(profile.error, 3),
        "unit": unit,
    }
    if json or not sys.stdout.isatty():
        print_json(told)
    else:
        print(f"{out}: {profile.points} points, {profile.samples} pictures ({told['unused']} of no use)")
        print(f"expected error {profile.error:.1f} {unit}, measured on points that were left out")
