"""``mien reenact``: a photo that moves as somebody in a clip does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.edits import Gallery, Json, NoAudio, Out, Who, open_gallery, parse_who
from mien.cli.options import print_json, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def reenact(
    photo: Annotated[Path, typer.Argument(help="A picture of whom is to move.", show_default=False)],
    driving: Annotated[Path, typer.Argument(help="A clip of somebody who moves.", show_default=False)],
    out: Out,
    who: Who = None,
    gallery: Gallery = None,
    driver: Annotated[str, typer.Option(help="Whose motion of the clip: as --who.")] = "largest",
    expression: Annotated[float, typer.Option(help="How much of the expression.", min=0, max=1.5)] = 1.0,
    pose: Annotated[float, typer.Option(help="How much of the head's motion.", min=0, max=1)] = 1.0,
    mouth: Annotated[
        Literal["dark", "driver"], typer.Option(help="What an opened mouth shows: nothing, or the clip's.")
    ] = "dark",
    consent: Annotated[
        Path | None, typer.Option(help="The record that the people shown agree, JSON; it goes into the report.")
    ] = None,
    do_not_swap: Annotated[
        str | None, typer.Option(help="A gallery of people who are never used.", envvar="MIEN_DO_NOT_SWAP")
    ] = None,
    no_audio: NoAudio = False,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Let a photo move as somebody in a clip does; the video is marked as synthetic."""
    from mien.cli.naming import is_same_file
    from mien.media.sinks import make_folder
    from mien.swaps.shape.reenacting import reenact as move

    for path in (photo, driving):
        if is_same_file(path, out):
            raise UsageError(f"{out} is what is read: give another name to write to.")
    make_folder(out.parent)
    with open_gallery(gallery, engine) as people:
        edit = move(
            photo,
            driving,
            out=out,
            who=parse_who(who),
            driver=parse_who(driver),
            gallery=people,
            expression=expression,
            pose=pose,
            mouth=mouth,
            consent=consent,
            do_not_swap=do_not_swap,
            audio=not no_audio,
            engine=engine,
        )
    if json or not sys.stdout.isatty():
        print_json({"path": str(out), **edit.report})
    else:
        print(out)
