"""``mien detect`` and ``mien analyze``: pictures, folders and globs to a table, JSON, files and drawings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.naming import Names
from mien.cli.options import parse_region, parse_tiles, parse_want, print_json, progress_bar, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine, Item

Sources = Annotated[list[str], typer.Argument(help="Pictures, folders, globs, videos.", show_default=False)]
Out = Annotated[Path | None, typer.Option(help="Write results here: .jsonl, .json, .csv or .parquet.")]
Style = Annotated[
    str | None,
    typer.Option("--style", "--csv", help="Columns of a .csv as another tool's: openface, pyfeat, livelink."),
]
Draw = Annotated[Path | None, typer.Option(help="Folder for the pictures, with what was found drawn on them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one line a picture, on a terminal too.")]
MinScore = Annotated[float | None, typer.Option(help="Lowest confidence that counts as a face.", min=0, max=1)]
MinSize = Annotated[float, typer.Option(help="Lowest face height in pixels.", min=0)]
MaxFaces = Annotated[int | None, typer.Option(help="Keep the surest N faces of each picture.", min=0)]
Check = Annotated[bool, typer.Option("--check", help="Drop faces that the mesh network does not confirm.")]
Tile = Annotated[str, typer.Option("--tiles", help="Look closer at large pictures: auto, off, or a side in pixels.")]
Rotations = Annotated[bool, typer.Option("--rotations", help="Find faces that lie on their side or are upside down.")]
Region = Annotated[str | None, typer.Option(help="Only faces in this part of the picture: X1,Y1,X2,Y2.")]


@takes_engine
def detect(
    sources: Sources,
    out: Out = None,
    draw: Draw = None,
    json: AsJson = False,
    min_score: MinScore = None,
    min_size: MinSize = 0.0,
    max_faces: MaxFaces = None,
    check: Check = False,
    tiles: Tile = "auto",
    rotations: Rotations = False,
    region: Region = None,
    *,
    engine: Engine,
) -> None:
    """Find the faces in pictures."""
    items = engine.scan(
        sources,
        min_score=min_score,
        min_size=min_size,
        max_faces=max_faces,
        check=check,
        tiles=parse_tiles(tiles),
        rotations=rotations,
        region=parse_region(region),
        keep_images=draw is not None,
    )
    _report(items, sources, out=out, draw=draw, as_json=json)


@takes_engine
def analyze(
    sources: Sources,
    want: Annotated[str, typer.Option(help='Fields, comma-separated; "all" for every one.')] = "pose",
    out: Out = None,
    style: Style = None,
    draw: Draw = None,
    json: AsJson = False,
    min_score: MinScore = None,
    min_size: MinSize = 0.0,
    max_faces: MaxFaces = None,
    check: Check = False,
    tiles: Tile = "auto",
    rotations: Rotations = False,
    region: Region = None,
    *,
    engine: Engine,
) -> None:
    """Find the faces in pictures and compute fields about them."""
    if style and not out:
        raise UsageError("--style is of a table: give --out, too.")
    items = engine.scan(
        sources,
        want=parse_want(want, engine),
        min_score=min_score,
        min_size=min_size,
        max_faces=max_faces,
        check=check,
        tiles=parse_tiles(tiles),
        rotations=rotations,
        region=parse_region(region),
        keep_images=draw is not None,
    )
    _report(items, sources, out=out, style=style, draw=draw, as_json=json)


def _report(
    items: Iterable[Item],
    sources: list[str],
    *,
    out: Path | None,
    draw: Path | None,
    as_json: bool,
    style: str | None = None,
) -> None:
    """Send each item where it was asked to go; exit with 1 if any failed."""
    from mien.media.sinks import open_sink

    as_table = sys.stdout.isatty() and not as_json
    pictures = faces = failures = 0
    names = Names(draw, sources) if draw else None
    with ExitStack() as stack:
        sink = stack.enter_context(open_sink(out, style=style)) if out else None
        # What is printed on a terminal shows the progress by itself, and a bar would be drawn between its lines.
        advance = stack.enter_context(progress_bar("pictures", show=out is not None or not sys.stdout.isatty()))
        for item in items:
            pictures += 1
            advance(1)
            if item.failure:
                failures += 1
                print(f"mien: {item.failure.message}", file=sys.stderr)
            if item.faces is not None:
                faces += len(item.faces)
                if names:
                    _write_drawing(item, names)
            if sink:
                sink.write(item.to_dict(), item.faces)
            elif not as_table:
                print_json(item.to_dict())
            elif item.faces is not None:
                _print_table(item)
    if out or draw:
        where = " and ".join(str(place) for place in (out, draw) if place)
        print(f"pictures: {pictures}, faces: {faces}, failed: {failures}; {where}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def _print_table(item: Item) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mien.core.fields import all_fields

    faces = item.faces
    assert faces is not None  # noqa: S101 - for the type checker: the caller printed failures elsewhere
    width, height = faces.image_size
    known = all_fields()
    brief = [name for name in faces.fields if known[name].brief]
    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    console = Console()
    moment = "" if item.time is None else f" {item.time:.2f} s"
    console.print(f"[bold]{escape(item.source)}{moment}[/bold]  {width}x{height}, {count}", highlight=False)
    if not len(faces):
        return
    table = Table(box=None, header_style="dim", padding=(0, 2))
    for title in ("face", "score", "left", "top", "width", "height"):
        table.add_column(title, justify="right")
    for name in brief:
        table.add_column(" ".join([name, *getattr(getattr(faces, name), "names", ())]))
    for row, face in enumerate(faces):
        x1, y1, x2, y2 = face.box.tolist()
        place = (f"{value:.0f}" for value in (x1, y1, x2 - x1, y2 - y1))
        table.add_row(str(row), f"{face.score:.2f}", *place, *(getattr(face, name).brief() for name in brief))
    console.print(table)
    wide = [f"{name} ({getattr(faces, name).values[0].size} numbers)" for name in faces.fields if name not in brief]
    if wide:
        console.print(f"  also: {', '.join(wide)}; see --json or --out", style="dim", highlight=False)


def _write_drawing(item: Item, names: Names) -> None:
    from mien.core.image import save_image
    from mien.media.sinks import make_folder

    assert item.faces is not None  # noqa: S101 - for the type checker: the caller has looked
    base = names.base(item)
    make_folder(base.parent)
    save_image(item.faces.draw(), base.with_name(f"{base.name}.drawn.jpg"), quality=90)
