"""``mien mask``: regions of faces, of pictures, folders and videos, as masks, cut-outs, overlays, labels or records."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.analyze import Check, MaxFaces, MinScore, MinSize, Region, Rotations, Sources, Tile
from mien.cli.options import parse_region, parse_tiles, print_json, progress_bar, takes_engine
from mien.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from mien.cli.masking import Plan, Save
    from mien.engine import Engine, Item
    from mien.engine.searching import SearchOptions
    from mien.masks.cuts import Cut, Wanted


FACES_ABREAST = 6  # in a table


class StyleName(StrEnum):
    """The forms of `mien.masks.styles.STYLES`."""

    png = "png"
    cutout = "cutout"
    overlay = "overlay"
    labels = "labels"
    json = "json"
    coco = "coco"
    svg = "svg"


class SizeName(StrEnum):
    """How closely the network looks."""

    fast = "fast"
    balanced = "balanced"
    fine = "fine"


Regions = Annotated[
    str | None,
    typer.Option(
        help='Names or expressions, comma-separated: hair,lips or "face - occluded"; "parts" for all that do not '
        "overlap. A name that is none says which there are. Default: by style."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="A folder; of one picture a file; of a video a video, or a folder for its frames."),
]
Style = Annotated[
    StyleName | None,
    typer.Option(
        help="png: a grey mask of each region; cutout: alpha; overlay: colours on the picture; labels: a class for "
        "each pixel; json: run lengths; coco: a data set in one file; svg: outlines. Default: as the file's suffix "
        "says, else png."
    ),
]


@takes_engine
def mask(
    sources: Sources,
    regions: Regions = None,
    out: Out = None,
    style: Style = None,
    size: Annotated[SizeName | None, typer.Option(help="How closely the network looks.")] = None,
    who: Annotated[
        str, typer.Option(help="Faces by number, comma-separated, as an overlay shows; in a video, people; or all.")
    ] = "all",
    per_face: Annotated[bool, typer.Option("--per-face", help="Write each face by itself.")] = False,
    crop: Annotated[bool, typer.Option("--crop", help="Write no more than what is cut out.")] = False,
    feather: Annotated[float, typer.Option(help="Pixels over which edges fade.", min=0)] = 0.0,
    grow: Annotated[float, typer.Option(help="Pixels by which regions grow; below 0 they shrink.")] = 0.0,
    matte: Annotated[
        bool, typer.Option("--matte", help="Outlines hair by hair, by a portrait matte of each face.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a picture, on a terminal too.")] = False,
    fps: Annotated[float, typer.Option(help="Frames a second of pictures that become a video.", min=0.001)] = 25.0,
    every: Annotated[int, typer.Option(help="Look for faces in every Nth frame of a video.", min=1)] = 3,
    no_smooth: Annotated[bool, typer.Option("--no-smooth", help="Leave the flicker of a video in.")] = False,
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
    """Cut hair, lips, skin and other regions out of pictures and videos.

    Ctrl-C ends a video after the frame at hand: what is written is complete, up to there.
    """
    from mien.cli.masking import plan_for
    from mien.masks.cuts import Wanted
    from mien.masks.masking import sized

    plan = plan_for(sources, out, style.value if style else None, per_face=per_face, crop=crop)
    if plan.style.plain and (regions is not None or feather or grow or matte):
        what = "--regions, --feather, --grow and --matte do not go with it"
        raise UsageError(f"the style {style} is of all classes as the network gives them: {what}.")
    named = tuple(part.strip() for part in (plan.style.regions if regions is None else regions).split(","))
    wanted = Wanted(regions=named, who=parse_who(who), feather=feather, grow=grow, matte=matte)
    options: SearchOptions = {
        "min_score": min_score,
        "min_size": min_size,
        "max_faces": max_faces,
        "check": check,
        "tiles": parse_tiles(tiles),
        "rotations": rotations,
        "region": _place(region),
    }
    engine = sized(engine, size.value if size else None)
    wanted.check(engine)
    run = Run(plan, wanted, engine, as_json=json)
    if plan.is_film:
        run.film(options, every=every, smooth=not no_smooth, fps=fps)
    else:
        run.pictures(options)
    run.report()


def parse_who(text: str) -> tuple[int, ...] | None:
    """The numbers of ``--who``; None: all."""
    if text == "all":
        return None
    numbers = [part.strip() for part in text.split(",")]
    if not all(number.isdecimal() for number in numbers):
        raise UsageError(f"--who takes numbers of faces, such as 0 or 0,2, or all; got {text!r}.")
    return tuple(dict.fromkeys(int(number) for number in numbers))


def _place(text: str | None) -> tuple[float, float, float, float] | None:
    try:
        return parse_region(text)
    except UsageError as error:
        raise UsageError(f"{error} Hair, lips and so on are named by --regions.") from None


@dataclass
class Run:
    """One call of the command: what it is to do, and how much was done."""

    plan: Plan
    wanted: Wanted
    engine: Engine
    as_json: bool
    done: int = 0
    faces: int = 0
    failures: int = 0
    stopped: bool = False

    def pictures(self, options: SearchOptions) -> None:
        """Cut out of pictures, one after the other; one that fails is told, and the rest goes on."""
        items = self.engine.scan(
            self.plan.pictures(), want={"landmarks", *self.wanted.fields}, keep_images=True, **options
        )
        prints = self.as_json or not (self.plan.writes or sys.stdout.isatty())
        table = not prints and not self.plan.writes
        shows = not (prints or table) or not sys.stdout.isatty()  # a bar would be drawn between the lines
        with self.plan.open() as save, progress_bar("pictures", show=shows) as advance:
            for one in items:
                advance(1)
                item, cut, files = self._cut(one, save)
                if prints:
                    self._print(item, cut, files)
                elif table and cut:
                    _print_table(item, cut)

    def film(self, options: SearchOptions, *, every: int, smooth: bool, fps: float) -> None:
        """Cut out of the frames of a video."""
        from mien.cli.track import parse_source, stops_at_ctrl_c
        from mien.masks.film import mask_clip

        if options["tiles"] == "auto":  # it would take several times as long
            options["tiles"] = "off"
        clip = mask_clip(
            parse_source(self.plan.sources[0]),
            regions=self.wanted.regions,
            every=every,
            reidentify=self.wanted.who is not None,
            smooth=smooth,
            fps=fps,
            engine=self.engine,
            **options,
        )
        prints = self.as_json or not self.plan.writes
        seen = set[int]()
        bar = progress_bar("frames", total=clip.video.frame_count, show=not (prints and sys.stdout.isatty()))
        with clip, self.plan.open(clip.video) as save, stops_at_ctrl_c(clip.stop) as stopped, bar as advance:
            for one, _ in clip:
                advance(1)
                item, cut, files = self._cut(one, save)
                if prints:
                    self._print(item, cut, files)
                if one.faces is not None:
                    seen.update(one.faces.track.ids.tolist())
        self.stopped = bool(stopped)
        missing = sorted(set(self.wanted.who or ()) - seen)
        if missing and not self.stopped:
            self.failures += 1
            there = ", ".join(str(number) for number in sorted(seen) if number >= 0) or "nobody"
            told = f"nobody in the video is {', '.join(map(str, missing))}; there are {there}."
            print(f"mien: {told}", file=sys.stderr)

    def report(self) -> None:
        """Say how much was done; exit with 1 if something failed or was broken off."""
        if self.plan.writes:
            what = "frames" if self.plan.is_film else "pictures"
            told = f"{what}: {self.done}, faces: {self.faces}, failed: {self.failures}; {self.plan.out}"
            print(told, file=sys.stderr)
        if self.stopped:
            print(f"mien: stopped after {self.done} frames.", file=sys.stderr)
        if self.failures or self.stopped:
            raise typer.Exit(1)

    def _cut(self, item: Item, save: Save) -> tuple[Item, Cut | None, list[Path]]:
        """Cut out of one picture, and write it; an item that says why where that failed."""
        from mien.engine.scanning import Failure

        self.done += 1
        cut, files = None, list[Path]()
        try:
            cut = None if item.faces is None else self.wanted.of(item.faces, self.engine)
            files = save(item, cut)
        except (InputError, MemoryError) as error:
            why = Failure.of(error)
            item, cut = replace(item, faces=None, failure=Failure(why.kind, f"{item.source}: {why.message}")), None
        if cut is None:
            self.failures += 1
            print(f"mien: {item.failure.message if item.failure else item.source}", file=sys.stderr)
        else:
            self.faces += len(cut.numbers)
        return item, cut, files

    def _print(self, item: Item, cut: Cut | None, files: list[Path]) -> None:
        from mien.cli.masking import record_of

        print_json({**record_of(item, cut), **({"files": [str(path) for path in files]} if files else {})})


def _print_table(item: Item, cut: Cut) -> None:
    """The area of each region of each face."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    (width, height), count = cut.masks.size, len(cut.numbers)
    console = Console()
    told = "1 face" if count == 1 else f"{count} faces"
    console.print(f"[bold]{escape(item.source)}[/bold]  {width}x{height}, {told}", highlight=False)
    rows = [(name, areas) for name, *areas in zip(cut.names, *cut.areas(), strict=True) if max(areas, default=0) >= 1]
    for start in range(0, count, FACES_ABREAST):
        abreast = slice(start, start + FACES_ABREAST)
        table = Table(box=None, header_style="dim", padding=(0, 2))
        table.add_column("pixels of face", no_wrap=True)
        for number in cut.numbers[abreast]:
            table.add_column(str(number), justify="right")
        for name, areas in rows:
            table.add_row(escape(name), *(f"{area:.0f}" if area >= 1 else "" for area in areas[abreast]))
        console.print(table)
