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
    from mien.gallery.people import Gallery as People
    from mien.media.video import Frame, Video
    from mien.swaps.choice import Who as Whom
    from mien.swaps.edit import Edit
    from mien.swaps.nets.restorer import Restore


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
    from mien.swaps.nets.restorer import SCALES, Restore

    effect = Restore(strength=strength, model=restorer, fidelity=fidelity, engine=engine)
    with open_gallery(gallery, engine) as people:
        if scale == 1:
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
            return
        if scale not in SCALES:
            raise UsageError(f"--scale is one of {', '.join(map(str, SCALES))}, not {scale}.")
        if preview or resume is not None:
            raise UsageError("--preview and --resume are for videos, which keep their size: --scale is for pictures.")
        larger = _Larger(effect, scale, parse_who(who), people)
        run = Run(Plan(targets, out, transparent=False, fps=fps), larger, layers=layers)
        run.all(prints=json or not sys.stdout.isatty())
        run.report()


@dataclass(frozen=True)
class _Larger:
    """Pictures that are made larger, too."""

    effect: Restore
    scale: int
    who: Whom
    gallery: People | None

    @property
    def report(self) -> Mapping[str, Any]:
        """See `mien.cli.edits.Changes`."""
        return {**self.effect.report, "scale": self.scale}

    def picture(self, target: str) -> Edit:
        """See `mien.cli.edits.Changes`."""
        return self.effect.enlarged(target, self.scale, who=self.who, gallery=self.gallery)

    def video(self, video: Video, out: Path) -> Generator[Frame, None, None]:
        """See `mien.cli.edits.Changes`."""
        video.close()
        raise UsageError(f"{out} is a video, which keeps its size: --scale is for pictures.")
