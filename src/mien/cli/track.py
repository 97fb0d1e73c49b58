"""``mien track``: follows the people of a video; a file of frames, an annotated video, a timeline, a table."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.analyze import Check, MaxFaces, MinScore, MinSize, Region, Rotations, Style, Tile
from mien.cli.naming import is_same_file
from mien.cli.options import parse_region, parse_tiles, parse_want, print_json, progress_bar, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.core.clip import Clip
    from mien.core.labels import Place
    from mien.engine import Engine
    from mien.engine.tracking import Tracking

Source = Annotated[str, typer.Argument(help="A video, a webcam's number, or a folder or glob of frames.")]


@takes_engine
def track(
    source: Source,
    want: Annotated[str, typer.Option(help='Fields and events, comma-separated; "all" for every one.')] = "",
    out: Annotated[Path | None, typer.Option(help="Write the frames: .jsonl, .json, .csv or .parquet.")] = None,
    style: Style = None,
    video: Annotated[Path | None, typer.Option(help="Write the video with everything drawn on it.")] = None,
    timeline: Annotated[Path | None, typer.Option(help="Draw who was there when, and what happened: .png.")] = None,
    events: Annotated[Path | None, typer.Option(help="Write people and events: .json; events only: .csv.")] = None,
    every: Annotated[int, typer.Option(help="Look for faces in every Nth frame.", min=1)] = 3,
    no_reid: Annotated[bool, typer.Option("--no-reid", help="Do not recognise who comes back.")] = False,
    no_smooth: Annotated[bool, typer.Option("--no-smooth", help="Leave the jitter in.")] = False,
    fps: Annotated[float, typer.Option(help="Frames a second of a folder of pictures.", min=0.001)] = 25.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a frame, on a terminal too.")] = False,
    min_score: MinScore = None,
    min_size: MinSize = 0.0,
    max_faces: MaxFaces = None,
    check: Check = False,
    tiles: Tile = "off",
    rotations: Rotations = False,
    region: Region = None,
    *,
    engine: Engine,
) -> None:
    """Follow the people of a video: who is where in each frame, and what happens to whom.

    Ctrl-C ends the clip after the frame at hand: all files are complete, up to there.
    """
    from mien.media.video import open_video

    wanted, place = parse_want(want, engine, temporal=True), parse_source(source)
    outputs = Outputs(out=out, style=style, video=video, timeline=timeline, events=events)
    tracking = engine.track(
        open_video(place, fps=fps),
        want=wanted,
        every=every,
        reidentify=not no_reid,
        smooth=not no_smooth,
        keep_images=outputs.need_images,
        min_score=min_score,
        min_size=min_size,
        max_faces=max_faces,
        check=check,
        tiles=parse_tiles(tiles),
        rotations=rotations,
        region=parse_region(region),
    )
    prints = json or not (sys.stdout.isatty() or outputs.any)
    with tracking, stops_at_ctrl_c(tracking.stop) as stopped:
        outputs.check(place)
        clip = follow(tracking, outputs, prints=prints)
    _report(clip, outputs, to_stderr=prints)
    if stopped and isinstance(place, str):  # a webcam's clip ends in no other way
        print(f"mien: stopped at {clip.duration:.2f} s.", file=sys.stderr)
        raise typer.Exit(1)


def parse_source(text: str) -> str | int:
    """A webcam's number, unless there is a file of that name."""
    # Unlike Path's own, it says no to a name that is too long.
    return int(text) if text.isdecimal() and not os.path.exists(text) else text  # noqa: PTH110


class Outputs:
    """The files that were asked for; wrong names are refused before the first frame."""

    def __init__(
        self, *, out: Path | None, style: str | None, video: Path | None, timeline: Path | None, events: Path | None
    ) -> None:
        from mien.core.image import IMAGE_SUFFIXES

        self.out, self.style, self.video, self.timeline, self.events = out, style, video, timeline, events
        if style and not out:
            raise UsageError("--style is of a table: give --out, too.")
        if timeline and timeline.suffix.lower() not in IMAGE_SUFFIXES:
            raise UsageError(f"--timeline must end in one of {', '.join(IMAGE_SUFFIXES)}.")
        if events and events.suffix.lower() not in {".json", ".csv"}:
            raise UsageError("--events must end in .json or .csv.")
        names = [os.path.abspath(path) for path in self.any]  # noqa: PTH100 - Path's own needs the file to be there
        if len(set(names)) < len(names):
            raise UsageError("two outputs have one name.")

    @property
    def any(self) -> list[Path]:
        """The files that were asked for."""
        return [path for path in (self.out, self.video, self.timeline, self.events) if path]

    def check(self, source: str | int) -> None:
        """Refuse, before the work begins, to write over what is read, and where nothing can be written.

        Raises
        ------
        UsageError, StorageError
        """
        from mien.media.scan import find_pictures
        from mien.media.sinks import begin

        for path in self.any:
            read = find_pictures(source) if isinstance(source, str) and os.path.exists(path) else ()  # noqa: PTH110
            if any(isinstance(one, Path) and is_same_file(one, path) for one in read):
                raise UsageError(f"{path} is what is read: give another name to write to.")
            begin(path).unlink()

    @property
    def need_images(self) -> bool:
        """Whether frames are drawn on, or faces cut out."""
        return bool(self.video or self.timeline)


def follow(tracking: Tracking, outputs: Outputs, *, prints: bool) -> Clip:
    """Read the clip to its end, write what was asked for, and print the frames if `prints`."""
    from mien.core.image import save_image
    from mien.core.timeline import Timeline
    from mien.media.encoding import VideoWriter
    from mien.media.sinks import open_sink, write_text

    chart = Timeline() if outputs.timeline else None
    labels: dict[int, Place] = {}
    shown = 1 / tracking.video.rate
    with ExitStack() as stack:
        sink = stack.enter_context(open_sink(outputs.out, style=outputs.style)) if outputs.out else None
        film = stack.enter_context(VideoWriter(outputs.video, like=tracking.video)) if outputs.video else None
        shows = not (prints and sys.stdout.isatty())  # a bar would be drawn between the lines
        advance = stack.enter_context(progress_bar("frames", total=tracking.video.frame_count, show=shows))
        for item in tracking:
            advance(1)
            if sink:
                sink.write(item.to_dict(), item.faces)
            if prints:
                print_json(item.to_dict())
            if item.faces is None or item.time is None:
                continue
            if film:
                film.write(item.faces.draw(labels=labels), item.time)
            if chart:
                chart.add(item.time, item.faces, duration=shown)
    clip = tracking.clip
    if outputs.timeline and chart:
        save_image(chart.picture(clip), outputs.timeline)
    if outputs.events:
        write_text(outputs.events, _events_text(clip, outputs.events.suffix.lower()))
    return clip


@contextmanager
def stops_at_ctrl_c(end: Callable[[], None]) -> Iterator[list[int]]:
    """The first Ctrl-C calls `end`, which ends the clip in good order; a second one breaks off.

    The value is no longer empty then.
    """
    stopped: list[int] = []

    def stop(number: int, _: object) -> None:
        stopped.append(number)
        end()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _events_text(clip: Clip, suffix: str) -> str:
    import csv
    import io
    import json

    if suffix == ".json":
        return json.dumps(clip.to_dict(), ensure_ascii=False, indent=1) + "\n"
    rows = [event.to_dict() for event in clip.events]
    more = sorted({name for row in rows for name in row["details"]})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["kind", "track_id", "start", "end", "apex", "score", *more])
    for row in rows:
        details = row.pop("details")
        writer.writerow([*("" if value is None else value for value in row.values()), *map(details.get, more)])
    return stream.getvalue()


def _report(clip: Clip, outputs: Outputs, *, to_stderr: bool) -> None:
    """Who was there and what happened, as a table."""
    from rich.console import Console
    from rich.table import Table

    stream = sys.stderr if to_stderr or not sys.stdout.isatty() else sys.stdout
    console = Console(file=stream)
    kinds = sorted({event.kind for event in clip.events})
    people = "1 person" if len(clip.tracks) == 1 else f"{len(clip.tracks)} people"
    where = "".join(f"; {path}" for path in outputs.any)
    print(f"{clip.duration:.2f} s, {people}, events: {len(clip.events)}{where}", file=stream)
    if not clip.tracks or not console.is_terminal:
        return
    table = Table(box=None, header_style="dim", padding=(0, 2))
    for title in ("person", "from", "to", "frames", *kinds):
        table.add_column(title, justify="right")
    for one in clip.tracks:
        counts = [len(clip.events.of(kind=kind, track_id=one.id)) or "" for kind in kinds]
        table.add_row(f"#{one.id}", f"{one.start:.2f} s", f"{one.end:.2f} s", str(one.frames), *map(str, counts))
    console.print(table)
