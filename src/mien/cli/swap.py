"""``mien swap``: one person's face in another's place, in pictures and videos; always marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from mien.cli.analyze import Sources
from mien.cli.edits import (
    At,
    Every,
    Fps,
    Gallery,
    Json,
    Layers,
    NoAudio,
    Out,
    Preview,
    Resume,
    Who,
    edit_all,
    open_gallery,
    parse_who,
)
from mien.cli.options import takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine

Source = Annotated[
    list[str], typer.Option(help="A picture of the person whose face it is to be. Repeatable.", show_default=False)
]


@takes_engine
def swap(
    targets: Sources,
    source: Source,
    out: Out,
    who: Who = None,
    gallery: Gallery = None,
    source_who: Annotated[str | None, typer.Option(help="Which face, where a source shows several: as --who.")] = None,
    keep: Annotated[
        str, typer.Option(help="What of the target stays: of eyes, mouth, glasses, outline, comma-separated.")
    ] = "eyes,mouth,glasses",
    strength: Annotated[float, typer.Option(help="0 the target's face, 1 the source's.", min=0, max=1)] = 1.0,
    blend: Annotated[
        Literal["multiband", "gradient"], typer.Option(help="Laid in by bands of detail, or by gradients.")
    ] = "multiband",
    swapper: Annotated[str | None, typer.Option(help="A learned swapper of your own; by default none is used.")] = None,
    consent: Annotated[
        Path | None, typer.Option(help="The record that the people shown agree, JSON; it goes into the report.")
    ] = None,
    do_not_swap: Annotated[
        str | None, typer.Option(help="A gallery of people who are never a source.", envvar="MIEN_DO_NOT_SWAP")
    ] = None,
    every: Every = 3,
    no_audio: NoAudio = False,
    resume: Resume = None,
    preview: Preview = False,
    at: At = 0.0,
    layers: Layers = False,
    fps: Fps = 25.0,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Put one person's face in another's place; every file is marked as synthetic.

    Ctrl-C ends a video after the frame at hand: what is written is complete, up to there.
    """
    from mien.swaps.editor import Editor
    from mien.swaps.exchange.swapper import swap_effect

    effect = swap_effect(
        source=cast("list[str | Path]", source),
        source_who=parse_who(source_who),
        keep=tuple(part.strip() for part in keep.split(",") if part.strip()),
        strength=strength,
        blend=blend,
        model=swapper,
        consent=consent,
        do_not_swap=do_not_swap,
        engine=engine,
    )
    with open_gallery(gallery, engine) as people:
        editor = Editor(effect, who=parse_who(who), gallery=people, every=every, engine=engine)
        edit_all(
            editor,
            targets,
            out,
            audio=not no_audio,
            resume=resume,
            preview=preview,
            at=at,
            layers=layers,
            fps=fps,
            json=json,
        )
