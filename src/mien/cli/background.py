"""``mien background``: blurs, replaces or takes out what is behind people, in pictures, folders and videos."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.analyze import Sources
from mien.cli.mask import SizeName, parse_who
from mien.cli.naming import Names, is_many, is_same_file
from mien.cli.options import print_json, progress_bar, takes_engine
from mien.core.errors import InputError, MienError, StorageError, UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.media.scan import Nothing
    from mien.media.video import Video
    from mien.swaps.background import Background

Blur = Annotated[float | None, typer.Option(help="Out of focus: pixels that a point of light is spread to each side.")]
Color = Annotated[str | None, typer.Option(help="One colour: white, #00b140, and so on.")]
Image = Annotated[Path | None, typer.Option(help="Another picture; for a video, also another video.")]
Out = Annotated[
    Path,
    typer.Option(
        help="A folder; of one picture a file; of one video a video, or pictures: frames/%05d.png.", show_default=False
    ),
]


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
    from mien.swaps.background import Background, choose

    if fast and size not in {None, SizeName.fast}:
        raise UsageError(f"--fast and --size {size} contradict each other.")
    size = SizeName.fast if fast else size
    plan = Plan(sources, out, transparent=transparent, fps=fps)
    behind = choose(blur=blur, color=color, image=image, transparent=transparent)
    run = Run(plan, Background(behind, who=parse_who(who), size=size.value if size else None, engine=engine))
    run.all(prints=json or not sys.stdout.isatty())
    run.report()


class Plan:
    """What is read, and which file each result becomes.

    Raises
    ------
    UsageError
        If the arguments do not go together.
    """

    def __init__(self, sources: list[str], out: Path, *, transparent: bool, fps: float) -> None:
        from mien.core.image import IMAGE_SUFFIXES
        from mien.media.encoding import CONTAINERS

        suffix = "" if out.is_dir() else out.suffix.lower()
        self.out, self._sources, self._clear, self._fps = out, sources, transparent, fps
        self._names = None if suffix else Names(out, sources)
        #: What is told of one file while the others go on: of one among many, also that the call does not fit it.
        self.failures: tuple[type[MienError] | type[MemoryError], ...] = (InputError, StorageError, MemoryError)
        if not suffix:
            self.failures += (UsageError,)
        #: Whether all sources are the frames of one video.
        self.is_film = suffix in CONTAINERS or "%" in out.name
        if suffix and not self.is_film and suffix not in set(IMAGE_SUFFIXES) - {".bmp"}:  # which carries no mark
            raise UsageError(f"cannot write {out}: --out is a folder, a picture, a video or frames/%05d.png.")
        if suffix and not self.is_film and (len(sources) > 1 or is_many(sources[0]) or _is_film(sources[0])):
            raise UsageError(f"{out} is one picture: for several, --out is a folder, and for a video a video.")
        if self.is_film and len(sources) > 1:
            raise UsageError(f"{out} is one video: of several, name a folder.")

    def items(self) -> Iterator[Path | Nothing]:
        """What is read, one by one, without what this command wrote into a folder among it."""
        from mien.media.scan import find_pictures

        if self.is_film:
            yield Path(self._sources[0])
            return
        here = self.out.absolute()
        inside = any(Path(source).absolute() in here.parents for source in self._sources)
        for one in find_pictures(self._sources):
            if not (inside and isinstance(one, Path) and here in one.absolute().parents):
                yield one

    def open(self, source: str) -> Video | None:
        """The video that a source is; None: it is a picture."""
        from mien.media.video import open_video

        return open_video(source, fps=self._fps) if self.is_film or _is_film(source) else None

    def target(self, source: str) -> Path:
        """Where the result of a source goes.

        Raises
        ------
        UsageError
            If that is what is read.
        """
        target = self._names.file(source, self._suffix(source)) if self._names else self.out
        folder = source if os.path.isdir(source) else os.path.dirname(source)  # noqa: PTH112, PTH120 - as is_many
        if is_same_file(source, target) or (is_many(source) and is_same_file(folder, target.parent)):
            raise UsageError(f"{target} is what is read: give another name to write to.")
        return target

    def _suffix(self, source: str) -> str:
        """The source's own, where that holds the result."""
        from mien.media.encoding import CONTAINERS

        suffix = Path(source).suffix.lower()
        if _is_film(source):
            held = {name for name, kind in CONTAINERS.items() if kind.clear or not self._clear}
            return suffix if suffix in held else ".webm" if self._clear else ".mp4"
        lossless = {".png", ".webp", ".tif", ".tiff", ".avif"}
        if self._clear:
            return suffix if suffix in lossless else ".png"
        return suffix if suffix in {*lossless, ".jpeg"} else ".jpg"


@dataclass
class Run:
    """One call of the command, and what became of it."""

    plan: Plan
    change: Background
    done: int = 0
    failures: int = 0
    stopped: bool = False

    def all(self, *, prints: bool) -> None:
        """Make each result; one that fails is told, and the rest goes on."""
        from mien.engine.scanning import Failure

        shows = not (prints and sys.stdout.isatty())  # a bar would be drawn between the lines
        with progress_bar("files", show=shows and not self.plan.is_film) as advance:
            for one in self.plan.items():
                source = str(one) if isinstance(one, Path) else one.source
                record: dict[str, Any] = {"source": source}
                try:
                    if not isinstance(one, Path):
                        raise one.error
                    record |= self._one(source, shows=shows and self.plan.is_film)
                    self.done += 1
                except self.plan.failures as error:
                    self.failures += 1
                    failure = Failure.of(error)
                    record["failure"] = failure.to_dict()
                    print(f"mien: {failure.message}", file=sys.stderr)
                advance(1)
                if prints:
                    print_json(record)
                if self.stopped:
                    break

    def _one(self, source: str, *, shows: bool) -> dict[str, Any]:
        from mien.cli.track import stops_at_ctrl_c
        from mien.media.sinks import make_folder

        target = self.plan.target(source)
        video = self.plan.open(source)
        make_folder(target.parent)
        if video is None:
            edit = self.change.picture(source)
            return {"path": str(edit.save(target)), **edit.report}
        frames = 0
        bar = progress_bar("frames", total=video.frame_count, show=shows)
        with stops_at_ctrl_c(lambda: None) as stopped, bar as more, closing(self.change.video(video, target)) as film:
            for _ in film:
                frames += 1
                more(1)
                if stopped:
                    self.stopped = True
                    break
        return {"path": str(target), **self.change.report, "frames": frames}

    def report(self) -> None:
        """Say how much was done; exit with 1 if something failed or was broken off."""
        print(f"done: {self.done}, failed: {self.failures}; {self.plan.out}", file=sys.stderr)
        if self.stopped:
            print("mien: stopped; what is written is complete up to there.", file=sys.stderr)
        if self.failures or self.stopped:
            raise typer.Exit(1)


def _is_film(source: str) -> bool:
    from mien.swaps.targets import is_video

    return is_video(source)
