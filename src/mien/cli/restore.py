"""``mien restore``: clearer faces, in pictures and videos, and how much less they are whose they were."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Plan,
    Preview,
    Resume,
    Run,
    Who,
    edit_all,
    open_gallery,
    parse_who,
)
from mien.cli.options import takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.media.video import Frame, Video
    from mien.swaps.choice import Who as Whom
    from mien.swaps.edit import Edit


@takes_engine
def restore(
    targets: Sources,
    out: Out,
    who: Who = "all",
    gallery: Gallery = None,
    scale: Annotated[int, typer.Option(help="Of pictures: 1, 2 or 4 times as large.", min=1, max=4)] = 1,
    strength: Annotated[float, typer.Option(help="0 as it is, 1 all that is done.", min=0, max=1)] = 0.7,
    restorer: Annotated[
        str | None, typer.Option(help="A network by its id, such as your own; by default the shipped one.")
    ] = None,
    fidelity: Annotated[
        float | None, typer.Option(help="Of networks that ask for it: 0 looks better, 1 is truer.", min=0, max=1)
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
    """Make faces clearer; every file is marked, and the report says how alike each face still is to itself."""
    from mien.swaps.editor import Editor
    from mien.swaps.restorer import Restore

    if scale != 1:
        larger = _Larger(parse_who(who), scale, strength, restorer, fidelity, engine)
        run = Run(Plan(targets, out, transparent=False, fps=fps), larger, layers=layers)
        run.all(prints=json or not sys.stdout.isatty())
        run.report()
        return
    effect = Restore(strength=strength, model=restorer, fidelity=fidelity, engine=engine)
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


@dataclass(frozen=True)
class _Larger:
    """Pictures that are made larger, too."""

    who: Whom
    scale: int
    strength: float
    model: str | None
    fidelity: float | None
    engine: Engine

    @property
    def report(self) -> Mapping[str, Any]:
        """See `mien.cli.edits.Changes`."""
        return {"scale": self.scale}

    def picture(self, target: str) -> Edit:
        """See `mien.cli.edits.Changes`."""
        from mien.swaps.restorer import restore

        return restore(
            target,
            who=self.who,
            scale=self.scale,
            strength=self.strength,
            model=self.model,
            fidelity=self.fidelity,
            engine=self.engine,
        )

    def video(self, video: Video, out: Path) -> Generator[Frame, None, None]:
        """See `mien.cli.edits.Changes`."""
        video.close()
        raise UsageError(f"{out} is a video, which keeps its size: --scale is for pictures.")
