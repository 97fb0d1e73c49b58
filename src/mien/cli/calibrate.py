"""``mien calibrate``: settings of a person or a place, measured on pictures of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.options import print_json, progress_bar, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine

__all__ = ["app"]

app = typer.Typer(help="Settings of a person or a place, measured on pictures of them.", no_args_is_help=True)


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


@app.command()
@takes_engine
def pairs(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with one folder of pictures per person, or a file of pairs (LFW, CALFW, CFP). All people of "
            "it must be strangers to each other: 33 at least.",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write the table here, a TOML file.", show_default=False)] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Keep it among your own tables, before those that ship.")
    ] = False,
    ages: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Years between which everybody is known to be, such as 18 120.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the table; by default that of the folder.", show_default=False)] = "",
    terms: Annotated[str, typer.Option(help="Terms of the pictures; they pass on to the table.")] = "unknown",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Make a table of error rates from your own pictures: what verify and search turn --far into a threshold with."""
    from mien.core.errors import UsageError
    from mien.evaluation.calibrating import calibrate_pairs
    from mien.evaluation.pairs import read_pairs

    if out is None and not install:
        raise UsageError("say where the table goes: --out FILE, or --install.")
    read = read_pairs(source)
    with progress_bar("pictures", total=len(read.pictures)) as progress:
        found = calibrate_pairs(
            read, name=name or source.resolve().name, data_terms=terms, ages=ages, engine=engine, progress=progress
        )
    written = [str(found.save(path)) for path, asked in ((out, out is not None), (None, install)) if asked]
    told = {"written": written, **found.to_dict()}
    if json or not sys.stdout.isatty():
        print_json(told)
        return
    print(f"{', '.join(written)}: {found.calibration.space}, {found.people} people, {found.pictures} pictures")
    for stratum in found.calibration.strata:
        rates = f"counted down to {stratum.counted_down_to:.1g}, extrapolated to {stratum.rates[-1]:g}"
        print(f"  {stratum.name}: {stratum.pairs:,} pairs of {stratum.people} people; {rates}")
    print(found.limits)
