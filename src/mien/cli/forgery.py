"""``mien forgery``: what is odd about the faces of pictures and videos, cue by cue. It gives no verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.naming import Names
from mien.cli.options import print_failure, print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.features.genuine.report import ForgeryReport


@takes_engine
def forgery(
    files: Annotated[list[str], typer.Argument(help="Pictures, folders, globs; videos by name.", show_default=False)],
    heat_map: Annotated[
        Path | None, typer.Option(help="Write pictures of where faces are odd into this folder, as PNG.")
    ] = None,
    person: Annotated[
        list[Path] | None,
        typer.Option(help="A picture, from a source you trust, of whom the face is said to be. Repeatable."),
    ] = None,
    every: Annotated[int, typer.Option(help="Of a video, judge every Nth frame.", min=1)] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, a line a file, on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell what is odd about faces, and where: signs of exchange, generation or morphing. None of them is proof."""
    from mien.core.errors import MienError, StorageError
    from mien.features.genuine.judging import enroll, judge
    from mien.media.scan import Nothing, find_pictures

    known = enroll(person, engine=engine) if person else None
    names, failed = None, False
    if heat_map is not None:
        names = Names(heat_map, files)
        try:
            heat_map.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the folder {heat_map} cannot be made: {error.strerror}.") from error
    for path in find_pictures(files):
        try:
            if isinstance(path, Nothing):
                raise path.error
            report = judge(path, enrolled=known, every=every, engine=engine)
            if names is not None:
                _draw(report, names.file(str(path), ".png"))
        except MienError as error:
            print_failure(path.source if isinstance(path, Nothing) else path, error)
            failed = True
            continue
        if json or not sys.stdout.isatty():
            print_json(report.to_dict())
        else:
            print(report, end="\n\n")
    if failed:
        raise typer.Exit(1)


def _draw(report: ForgeryReport, path: Path) -> None:
    """Write the heat map; a picture without a face has none."""
    from mien.core.image import save_image

    if (drawn := report.draw()) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(drawn, path)
