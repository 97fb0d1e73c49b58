"""``mien evaluate blink`` and ``mien evaluate eyes``: blinks of clips, and open eyes told from closed ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine, takes_engines
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.core.clip import Events
    from mien.engine import Engine
    from mien.evaluation.blink import EyesReport


@takes_engine
def blink(
    truth: Annotated[
        Path,
        typer.Argument(
            help="A CSV file with the columns track, start, end, kind (and clip), or MPEblink's JSON.",
            show_default=False,
        ),
    ],
    clips: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The videos, or JSON files of what was found in them; by default those that the truth names.",
            show_default=False,
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder that the truth names clips from; by default its own.")
    ] = None,
    iou: Annotated[float, typer.Option(help="Overlap in time from which a blink counts as found.")] = 0.2,
    rate: Annotated[float, typer.Option(help="Frames a second of MPEblink's videos.")] = 25.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well blinks are found: precision, recall, F1, and how late they begin and end."""
    from mien.datasets.readers.events_csv import read_events_csv
    from mien.datasets.readers.mpeblink import read_mpeblink
    from mien.evaluation.blink import evaluate_blinks

    known = read_mpeblink(truth, rate=rate) if truth.suffix.lower() == ".json" else read_events_csv(truth)
    named = _named(known, clips or [], root or truth.parent)
    report = evaluate_blinks({name: known[name] for name in named}, named, iou=iou, engine=engine)
    if json or not sys.stdout.isatty():
        models = {name: engine.choose(name).id for name in ("eyes", "blink")}
        print_json({"source": str(truth), "models": models, **report.to_dict()})
        return
    low, high = report.f1_interval
    print(f"{report.truth} blinks of {report.people} people in {report.clips} clips; {report.found} found")
    print(f"matched     {report.matched} at an overlap of {report.iou:g}")
    print(f"precision   {report.precision:.3f}")
    print(f"recall      {report.recall:.3f}")
    print(f"F1          {report.f1:.3f}  95 % over people {low:.3f} to {high:.3f}")
    print(f"onset       {1000 * report.onset_error:.0f} ms off, {1000 * report.onset_bias:+.0f} ms on average")
    print(f"offset      {1000 * report.offset_error:.0f} ms off, {1000 * report.offset_bias:+.0f} ms on average")
    print("Blink-AP    " + "  ".join(f"{value:.3f} @ {level}" for level, value in report.average_precision.items()))


def _named(known: dict[str, Events], clips: list[Path], root: Path) -> dict[str, Path]:
    """The file of each clip of the truth that is to be looked at."""
    if not clips or not known:
        if "" in known:
            raise UsageError("the truth does not name its clip: give the video after it.")
        return {name: root / name for name in known}
    if len(clips) == len(known) == 1:
        return dict(zip(known, clips, strict=True))
    named = {}
    for clip in clips:
        # "a/b.mp4" of the truth is "videos/a/b.mp4" here, or "b.mp4", or "b.json".
        found = [name for name in known if Path(name).stem == clip.stem]
        exact = [name for name in found if clip.as_posix().endswith(name)] or found
        if len(exact) != 1:
            raise UsageError(f"{clip} is {len(exact)} of the clips in the truth: {', '.join(sorted(known))}.")
        named[exact[0]] = clip
    return named


@takes_engines("eyes")
def eyes(
    labels: Annotated[
        Path,
        typer.Argument(help="A CSV file with the columns subject, file, frame, right, left.", show_default=False),
    ],
    root: Annotated[Path | None, typer.Option(help="Folder that files are named from; by default its own.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engines: list[Engine],
) -> None:
    """Tell how well open eyes are told from closed ones. Repeat --model eyes=ID to compare models on the same eyes."""
    from mien.evaluation.blink import evaluate_eyes, read_eye_labels

    marked = read_eye_labels(labels, root=root)
    for engine in engines:
        report, model = evaluate_eyes(marked, engine=engine), engine.choose("eyes").id
        if json or not sys.stdout.isatty():
            print_json({"labels": str(labels), "model": model, **report.to_dict()})
        else:
            _show(model, labels, report)


def _show(model: str, labels: Path, report: EyesReport) -> None:
    print(f"{model} on {labels}: {report.subjects} people, {report.faces} faces ({report.without_face} not found)")
    rows = {
        "open": (report.open_rate, report.open_interval, report.open_right, report.open),
        "closed": (report.closed_rate, report.closed_interval, report.closed_right, report.closed),
    }
    for name, (rate, (low, high), right, total) in rows.items():
        print(f"{name:8}{right} of {total} eyes called so: {rate:.3f}  95 % over people {low:.3f} to {high:.3f}")
    low, high = report.auc_interval
    print(f"AUC     {report.auc:.4f}  95 % over people {low:.4f} to {high:.4f}; {report.abstained} eyes abstained")
