"""``mien anonymize``: hides faces in pictures, folders and videos; takes deface's options by their names."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.cli.analyze import Sources
from mien.cli.edits import Fps, Json, Out, Plan, Run, open_gallery, parse_who
from mien.cli.naming import is_many
from mien.cli.options import takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.media.video import Frame, Video
    from mien.swaps.edit import Edit
    from mien.swaps.hidden.anonymizer import Anonymizer

DEFACE = "As in deface"
_REPLACED = {"blur": "blur", "solid": "solid", "none": "none", "img": "image", "mosaic": "pixelate"}

Names = Annotated[list[str] | None, typer.Option(show_default=False)]


@takes_engine
def anonymize(
    sources: Sources,
    out: Out,
    method: Annotated[
        Literal["blur", "pixelate", "solid", "image", "synthetic", "none"] | None,
        typer.Option(help="How faces are hidden; blur by default."),
    ] = None,
    strength: Annotated[str, typer.Option(help="Of blur and pixelate: auto, or 1 to 10.")] = "auto",
    color: Annotated[str, typer.Option(help="Of solid: black, #00b140, and so on.")] = "black",
    shape: Annotated[Literal["ellipse", "box", "mesh"] | None, typer.Option(help="What is hidden.")] = None,
    regions: Annotated[str | None, typer.Option(help="Only parts of faces: 'eyes', 'eyes | mouth'.")] = None,
    who: Annotated[str | None, typer.Option(help="Hide only these: numbers, largest, @X,Y, a name.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A name in --gallery who stays visible. Repeatable.")] = None,
    hide: Annotated[list[str] | None, typer.Option(help="A name in --gallery: hide only these. Repeatable.")] = None,
    gallery: Annotated[str | None, typer.Option(help="Where the names are.")] = None,
    second_look: Annotated[
        bool, typer.Option("--second-look/--no-second-look", help="Look again with another detector.")
    ] = True,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Look again at every frame, in every way: slow.")
    ] = False,
    every: Annotated[int, typer.Option(help="Frames of a video between two second looks.", min=1)] = 15,
    redactions: Annotated[
        Path | None, typer.Option(help="Hide what this file says; see --write-redactions.", show_default=False)
    ] = None,
    write_redactions: Annotated[
        Path | None, typer.Option(help="Write what was hidden: a file; of several sources a folder.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write the least certain spots: a picture; of several sources a folder.")
    ] = None,
    rename: Annotated[
        bool, typer.Option("--rename", help="Number results, and print no source's name: names say who it is.")
    ] = False,
    thresh: Annotated[
        float | None, typer.Option(help="From which confidence on.", min=0, max=1, rich_help_panel=DEFACE)
    ] = None,
    mask_scale: Annotated[
        float, typer.Option(help="The box grows by this less 1 at each side.", min=1, max=5, rich_help_panel=DEFACE)
    ] = 1.3,
    boxes: Annotated[bool, typer.Option("--boxes", help="--shape box.", rich_help_panel=DEFACE)] = False,
    replacewith: Annotated[
        Literal["blur", "solid", "none", "img", "mosaic"] | None,
        typer.Option(help="--method: img is image, mosaic is pixelate.", rich_help_panel=DEFACE),
    ] = None,
    replaceimg: Annotated[Path | None, typer.Option(help="The picture of image.", rich_help_panel=DEFACE)] = None,
    mosaicsize: Annotated[
        int | None,
        typer.Option(help="Pixels of a block at least: larger where that is too fine.", min=1, rich_help_panel=DEFACE),
    ] = None,
    draw_scores: Annotated[
        bool, typer.Option("--draw-scores", help="Write each score beside its face.", rich_help_panel=DEFACE)
    ] = False,
    keep_audio: Annotated[
        bool, typer.Option("--keep-audio/--no-audio", help="Keep a video's sound.", rich_help_panel=DEFACE)
    ] = True,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Refused: they say who and where.", rich_help_panel=DEFACE)
    ] = False,
    scale: Annotated[
        str | None, typer.Option(help="Not needed: detectors choose their sizes.", rich_help_panel=DEFACE)
    ] = None,
    fps: Fps = 25.0,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Hide faces, so that nobody is recognised by them; look twice; tell what is not sure.

    A video is looked through before it is written. Ctrl-C before that leaves nothing; then it ends after the frame at
    hand, complete up to there.
    """
    from mien.swaps.hidden.anonymizer import Anonymizer
    from mien.swaps.hidden.covering import Settings
    from mien.swaps.hidden.redaction import Redactions

    if keep_metadata:
        raise UsageError("--keep-metadata would keep who took the picture, where and when: mien keeps none of it.")
    if scale is not None:
        print("mien: --scale is left out: detectors look at all sizes by themselves.", file=sys.stderr)
    many = len(sources) > 1 or is_many(sources[0])
    settings = Settings(
        method=_one_of(method, replacewith and _REPLACED[replacewith], "--method", "--replacewith") or "blur",
        strength=parse_strength(strength),
        color=color,
        image=replaceimg,
        shape=_one_of(shape, "box" if boxes else None, "--shape", "--boxes") or "ellipse",
        mask_scale=mask_scale,
        regions=regions,
        block=mosaicsize or 0,
        min_score=thresh,
        second_look=second_look,
        thorough=thorough,
        every=every,
        draw_scores=draw_scores,
    )
    given = None if redactions is None else Redactions.read(redactions)
    if given is not None and many:
        raise UsageError("--redactions is of one picture or video.")
    plan = (Numbered if rename else Plan)(with_videos(sources), out, transparent=False, fps=fps)
    looking = Looking()
    with open_gallery(gallery, engine) as people:
        change = Anonymizer(
            settings,
            who=parse_who(who),
            keep=keep or (),
            hide=hide or (),
            gallery=people,
            given=given,
            engine=engine,
            advance=looking,
        )
        beside = Beside(write_redactions, sheet, many=many)
        run = Anonymizing(plan, _Changes(change, keep_audio), beside=beside, looking=looking)
        run.all(prints=json or not sys.stdout.isatty())
    run.report()


def parse_strength(text: str) -> Any:
    """What ``--strength`` says."""
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--strength is auto or a number from 1 to 10, not {text!r}.") from None


def with_videos(sources: list[str]) -> list[str]:
    """Sources, and the videos of those that are folders, which are named outright."""
    from mien.media.video import VIDEO_SUFFIXES

    found = list(sources)
    for source in sources:
        if not os.path.isdir(source):  # noqa: PTH112 - unlike Path's own, it says no to a name that is too long
            continue
        inside = (Path(root, name) for root, _, names in os.walk(source) for name in sorted(names))
        found += [str(path) for path in inside if path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "."]
    return found


class Numbered(Plan):
    """Results are numbered as their sources are found: neither they nor what is printed tells a name."""

    def told(self, source: str) -> str:
        """See `Plan.told`."""
        return f"file {self._number(source)}"

    def target(self, source: str) -> Path:
        """See `Plan.target`."""
        target = super().target(source)
        return target if target == self.out else self.out / f"{self._number(source):06d}{target.suffix}"

    def _number(self, source: str) -> int:
        numbers: dict[str, int] = self.__dict__.setdefault("numbers", {})
        return numbers.setdefault(source, len(numbers) + 1)


@dataclass(frozen=True)
class Beside:
    """What is written beside each result."""

    redactions: Path | None
    sheet: Path | None
    many: bool

    def refuse(self, source: str) -> None:
        """Refuse to write over what is read."""
        from mien.swaps.hidden.anonymizer import refuse_same

        for path in () if self.many else (self.redactions, self.sheet):
            refuse_same(source, path)

    def write(self, change: Anonymizer, result: Path, provenance: Any) -> dict[str, str]:
        """Write it, and tell where."""
        from mien.core.faces import Faces
        from mien.media.sinks import make_folder
        from mien.swaps.edit import Edit

        told = {}
        if self.redactions is not None:
            path = self.redactions / f"{result.stem}.json" if self.many else self.redactions
            change.redactions.write(path)
            told["redactions"] = str(path)
        if self.sheet is not None:
            path = self.sheet / f"{result.stem}.png" if self.many else self.sheet
            make_folder(path.parent)
            told["sheet"] = str(Edit(change.sheet.image(), provenance, Faces.empty()).save(path))
        return told


@dataclass
class Looking:
    """What is told about each frame that is looked at before a video is written: Ctrl-C breaks that off."""

    stopped: bool = False

    def __call__(self, _: int) -> None:
        """Go on, or not."""
        if self.stopped:
            raise KeyboardInterrupt


@dataclass
class Anonymizing(Run):
    """One call of the command."""

    beside: Beside = Beside(None, None, many=False)
    looking: Looking = field(default_factory=Looking)

    def interrupt(self) -> None:
        """See `Run.interrupt`."""
        self.looking.stopped = True

    def _one(self, source: str, *, shows: bool) -> dict[str, Any]:
        if self.plan.is_film and sys.stderr.isatty():
            print("mien: looking through the video first; then it is written.", file=sys.stderr)
        self.beside.refuse(source)
        record = super()._one(source, shows=shows)
        assert isinstance(self.change, _Changes)  # noqa: S101 - for the type checker: the command makes it
        change = self.change.change
        return {**record, **self.beside.write(change, Path(record["path"]), change.mark(source))}


@dataclass(frozen=True)
class _Changes:
    change: Anonymizer
    audio: bool

    @property
    def report(self) -> Mapping[str, Any]:
        return self.change.report

    def picture(self, target: str) -> Edit:
        return self.change.picture(target)

    def video(self, video: Video, out: Path) -> Generator[Frame, None, None]:
        return self.change.video(video, out, audio=self.audio)


def _one_of(ours: Any, theirs: Any, our_name: str, their_name: str) -> Any:
    """What is asked for by our name of an option, or by deface's."""
    if ours is not None and theirs is not None and ours != theirs:
        raise UsageError(f"{our_name} and {their_name} contradict each other.")
    return theirs if ours is None else ours
