"""``mien background``: blurs, replaces or takes out what is behind people, in pictures, folders and videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.analyze import Sources
from mien.cli.edits import Out, Plan, Run
from mien.cli.mask import SizeName, parse_who
from mien.cli.options import takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine

Blur = Annotated[float | None, typer.Option(help="Out of focus: pixels that a point of light is spread to each side.")]
Color = Annotated[str | None, typer.Option(help="One colour: white, #00b140, and so on.")]
Image = Annotated[Path | None, typer.Option(help="Another picture; for a video, also another video.")]


@takes_engine
def background(
    sources: Sources,
    out: Out,
    blur: Blur = None,
    color: Color = None,
    image: Image = None,
    transparent: Annotated[bool, typer.Option("--transparent", help="Nothing: cut people out.")] = False,
    who: Annotated[str, typer.Option(help="Faces by number, comma-separated, whose people stay; or all.")] = "all",
    size: Annotated[SizeName | None, typer.Option(help="How closely the network looks.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="The same as --size fast: for video.")] = False,
    fps: Annotated[float, typer.Option(help="Frames a second of pictures that become a video.", min=0.001)] = 25.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a file, on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Blur, replace or take out what is behind people; every file is marked as edited.

    Ctrl-C ends a video after the frame at hand: what is written is complete, up to there.
    """
    from mien.swaps.backgrounds.background import Background, choose

    if fast and size not in {None, SizeName.fast}:
        raise UsageError(f"--fast and --size {size} contradict each other.")
    size = SizeName.fast if fast else size
    plan = Plan(sources, out, transparent=transparent, fps=fps)
    behind = choose(blur=blur, color=color, image=image, transparent=transparent)
    run = Run(plan, Background(behind, who=parse_who(who), size=size.value if size else None, engine=engine))
    run.all(prints=json or not sys.stdout.isatty())
    run.report()
