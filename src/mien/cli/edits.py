"""What the commands that edit pictures and videos share: which file each result becomes, and one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from mien.cli.naming import Names, is_many, is_same_file
from mien.cli.options import print_json, progress_bar
from mien.core.errors import EditRefused, InputError, MienError, StorageError, UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.gallery.people import Gallery as People
    from mien.media.scan import Nothing
    from mien.media.video import Frame, Video
    from mien.swaps.edit import Edit
    from mien.swaps.editor import Editor

__all__ = [
    "At",
    "Changes",
    "Every",
    "Fps",
    "Gallery",
    "Json",
    "Layers",
    "NoAudio",
    "Out",
    "Plan",
    "Preview",
    "Resume",
    "Run",
    "Who",
    "edit_all",
    "open_gallery",
    "parse_who",
]

Who = Annotated[
    str | None,
    typer.Option(
        help="Whom: numbers of faces (in a video: tracks), all, largest, leftmost, rightmost, middle, @X,Y, or a name "
        "in --gallery; by default the only face.",
        show_default=False,
    ),
]
Gallery = Annotated[str | None, typer.Option(help="A gallery whose names --who may be.")]
Every = Annotated[int, typer.Option(help="Detect the faces of a video in every Nth frame.", min=1)]
NoAudio = Annotated[bool, typer.Option("--no-audio", help="Leave out a video's sound.")]
Resume = Annotated[
    Path | None, typer.Option(help="A file that keeps what was done to a video: the same call goes on with it.")
]
Preview = Annotated[bool, typer.Option("--preview", help="Of a video one frame only, as a picture.")]
At = Annotated[float, typer.Option(help="Of --preview: the first frame from here on, in seconds.", min=0)]
Layers = Annotated[bool, typer.Option("--layers", help="Write a picture's layers beside it: mask and so on.")]
Fps = Annotated[float, typer.Option(help="Frames a second of pictures that become a video.", min=0.001)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one line a file, on a terminal too.")]

Out = Annotated[
    Path,
    typer.Option(
        help="A folder; of one picture a file; of one video a video, or pictures: frames/%05d.png.", show_default=False
    ),
]


class Changes(Protocol):
    """What is done to each picture and each video."""

    @property
    def report(self) -> Mapping[str, Any]:
        """What is done; JSON types."""
        ...

    def picture(self, target: str) -> Edit:
        """A picture, changed."""
        ...

    def video(self, video: Video, out: Path) -> Generator[Frame, None, None]:
        """The frames of a video, changed, each given when it is written."""
        ...


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
        self.failures: tuple[type[MienError] | type[MemoryError], ...] = (
            InputError,
            StorageError,
            EditRefused,
            MemoryError,
        )
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

    def told(self, source: str) -> str:
        """What a source is called in what is printed."""
        return source

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
class _Editing:
    """An editor, with the options of one call."""

    editor: Editor
    audio: bool
    resume: Path | None
    layers: bool

    @property
    def report(self) -> Mapping[str, Any]:
        """See `Changes.report`."""
        return self.editor.report

    def picture(self, target: str) -> Edit:
        """See `Changes.picture`."""
        return self.editor.picture(target, layers=self.layers)

    def video(self, video: Video, out: Path) -> Generator[Frame, None, None]:
        """See `Changes.video`."""
        return self.editor.video(video, out, audio=self.audio, resume=self.resume)


def edit_all(
    editor: Editor,
    sources: list[str],
    out: Path,
    *,
    audio: bool = True,
    resume: Path | None = None,
    preview: bool = False,
    at: float = 0.0,
    layers: bool = False,
    fps: float = 25.0,
    json: bool = False,
) -> None:
    """Edit pictures, folders and videos: what every command does whose work an `Editor` does.

    Raises
    ------
    UsageError
        If the options do not go together.
    """
    if resume is not None and (preview or len(sources) > 1 or is_many(sources[0])):
        raise UsageError("--resume is for one video.")
    prints = json or not sys.stdout.isatty()
    if preview:
        _preview(editor, sources, out, at=at, layers=layers, fps=fps, prints=prints)
        return
    run = Run(Plan(sources, out, transparent=False, fps=fps), _Editing(editor, audio, resume, layers), layers=layers)
    run.all(prints=prints)
    run.report()


def _preview(
    editor: Editor, sources: list[str], out: Path, *, at: float, layers: bool, fps: float, prints: bool
) -> None:
    from mien.media.sinks import make_folder
    from mien.media.video import open_video

    if len(sources) > 1:
        raise UsageError("--preview is of one video.")
    if is_same_file(sources[0], out):
        raise UsageError(f"{out} is what is read: give another name to write to.")
    make_folder(out.parent)
    with open_video(sources[0], fps=fps) as video:
        edit = editor.preview(video, at=at)
    record = {"path": str(edit.save(out)), **edit.report, **_save_layers(edit, out, layers=layers)}
    print_json({"source": sources[0], **record}) if prints else print(out)


def _save_layers(edit: Edit, path: Path, *, layers: bool) -> dict[str, Any]:
    """Write the layers of an edit beside it, each with its mark, and tell where."""
    import numpy as np

    from mien.core.faces import Faces
    from mien.swaps.edit import Edit

    if not layers:
        return {}
    paths = {name: path.with_name(f"{path.stem}-{name}.png") for name in edit.layers}
    for name, target in paths.items():
        layer = edit.layers[name]
        picture = layer if layer.ndim == 3 else np.repeat(layer[..., None], 3, axis=2)
        Edit(picture, edit.provenance, Faces.empty()).save(target)
    return {"layers": {name: str(target) for name, target in paths.items()}}


def parse_who(text: str | None) -> int | list[int] | str | None:
    """What ``--who`` says: see `mien.swaps.choice.Who`."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if all(part.isdecimal() for part in parts):
        return int(parts[0]) if len(parts) == 1 else [int(part) for part in parts]
    return text


@contextmanager
def open_gallery(place: str | None, engine: Engine) -> Iterator[People | None]:
    """The gallery of ``--gallery``, which must be there."""
    from mien.gallery.people import Gallery as People

    if place is None:
        yield None
        return
    with People(place, create=False, engine=engine) as gallery:
        yield gallery


@dataclass
class Run:
    """One call of the command, and what became of it."""

    plan: Plan
    change: Changes
    layers: bool = False
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
                name = self.plan.told(source)
                record: dict[str, Any] = {"source": name}
                try:
                    if not isinstance(one, Path):
                        raise one.error
                    record |= self._one(source, shows=shows and self.plan.is_film)
                    self.done += 1
                except self.plan.failures as error:
                    self.failures += 1
                    failure = Failure.of(error)
                    if name != source:
                        failure = replace(failure, message=f"{name} failed ({failure.kind}).")
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
            told = {"path": str(edit.save(target)), **edit.report}
            return {**told, **_save_layers(edit, target, layers=self.layers)}
        frames = 0
        bar = progress_bar("frames", total=video.frame_count, show=shows)
        with stops_at_ctrl_c(self.interrupt) as stopped, bar as more, closing(self.change.video(video, target)) as film:
            for _ in film:
                frames += 1
                more(1)
                if stopped:
                    self.stopped = True
                    break
        return {"path": str(target), **self.change.report, "frames": frames}

    def interrupt(self) -> None:
        """Told at the first Ctrl-C in a video: then it ends after the frame at hand."""

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
