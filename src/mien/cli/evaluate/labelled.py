"""What the commands share that hold fields against labelled pictures: their options, and how they end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json

if TYPE_CHECKING:
    from mien.evaluation.report import Report

__all__ = ["Json", "Margin", "Out", "Pictures", "Source", "check_out", "complain", "show"]

Source = Annotated[
    Path,
    typer.Argument(
        help="A folder of pictures named as UTKFace's, CelebA's list_attr_celeba.txt, or a .csv file with the column "
        "file, perhaps subject, and the labels by the names of fields.",
        show_default=False,
    ),
]
Pictures = Annotated[Path | None, typer.Option(help="Folder that the files count from; by default that of SOURCE.")]
Margin = Annotated[
    float, typer.Option(help="Mirror so much of each side around pictures: 0.3 for faces cut as close as UTKFace's.")
]
Out = Annotated[Path | None, typer.Option(help="Write the report to this .md or .json file, too.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")]


def check_out(out: Path | None) -> None:
    """Refuse a file that cannot be written before the pictures are looked at, which takes minutes."""
    from mien.core.errors import StorageError
    from mien.evaluation.report import SUFFIXES, check_suffix

    if out:
        check_suffix(out, SUFFIXES)
        if not out.parent.is_dir():
            raise StorageError(f"{out} could not be written: there is no folder {out.parent}.")


def show(report: Report, out: Path | None, *, json: bool) -> None:
    """Write the report where asked to, and print it: as JSON for programs, as text on a terminal."""
    if out:
        report.write(out)
    if json or not sys.stdout.isatty():
        print_json(report.to_dict())
    else:
        print(report.to_text())


def complain(failed: tuple[str, ...]) -> None:
    """Name the files that could not be read; with such, the command fails."""
    for line in failed:
        print(f"mien: {line}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)
