"""``mien evaluate tracking``: how well faces are followed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine
from mien.core.errors import SourceError, UsageError

if TYPE_CHECKING:
    from mien.datasets.readers.mot import TrackedBoxes
    from mien.engine import Engine
    from mien.evaluation.tracking import TrackingReport

_LABELS = {
    "mota": "MOTA",
    "idf1": "IDF1",
    "hota": "HOTA",
    "motp": "overlap",
    "recall": "recall",
    "precision": "precision",
    "center": "centre off, px",
    "motion": "motion off, px",
}


@takes_engine
def tracking(
    truth: Annotated[
        Path,
        typer.Argument(
            help="Boxes with ids: MOTChallenge .txt, or a folder of them, a file a clip.", show_default=False
        ),
    ],
    found: Annotated[
        Path | None, typer.Option(help="What was tracked: .txt or .jsonl of mien track, or a folder.")
    ] = None,
    video: Annotated[Path | None, typer.Option(help="The clip to track now, or a folder of them.")] = None,
    every: Annotated[int, typer.Option(help="Look for faces in every Nth frame.", min=1)] = 3,
    no_reid: Annotated[bool, typer.Option("--no-reid", help="Do not recognise who comes back.")] = False,
    pixels: Annotated[bool, typer.Option("--pixels", help="Also hold the boxes' motion against optical flow.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well faces are followed: misses, false boxes, changes of ids, and how the boxes move.

    Results stand in --found, or are made of --video now. Clips belong together that have one name.
    """
    from mien.datasets.readers.mot import find_tracks, read_tracks
    from mien.evaluation.tracking import evaluate_tracking

    if (found is None) == (video is None):
        raise UsageError("give the results with --found, or the clips with --video.")
    if pixels and video is None:
        raise UsageError("--pixels goes with --video: without the clip there are none.")
    truths = find_tracks(truth)
    pairs: list[tuple[TrackedBoxes, TrackedBoxes]] = []
    steps: list[tuple[float, int]] = []
    if found is not None:
        files = find_tracks(found)
        for name, file in truths.items():
            ours = next(iter(files.values())) if truth.is_file() and found.is_file() else files.get(name)
            if ours is None:
                raise SourceError(f"{found} holds no tracks of {name}.")
            pairs.append((read_tracks(file), read_tracks(ours)))
    elif video is not None:
        for name, file in truths.items():
            clip = video if video.is_file() else _clip(video, name)
            pairs.append((read_tracks(file), _track(engine, clip, every=every, reidentify=not no_reid)))
            steps += [_against_pixels(clip, pairs[-1][1])] if pixels else []
    _print(evaluate_tracking(pairs), truth, steps, json=json)


def _clip(folder: Path, name: str) -> Path:
    from mien.media.video import VIDEO_SUFFIXES

    for path in sorted(folder.glob(f"{name}.*")):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            return path
    raise SourceError(f"{folder} holds no video called {name}.")


def _track(engine: Engine, clip: Path, *, every: int, reidentify: bool) -> TrackedBoxes:
    from mien.datasets.readers.mot import TrackedBoxes

    with engine.track(clip, every=every, reidentify=reidentify) as items:
        return TrackedBoxes.of_faces(
            (item.frame, item.faces) for item in items if item.frame is not None and item.faces
        )


def _against_pixels(clip: Path, found: TrackedBoxes) -> tuple[float, int]:
    from mien.evaluation.tracking import pixel_motion_error
    from mien.media.video import open_video

    with open_video(clip) as frames:
        return pixel_motion_error(((frame.index, frame.image) for frame in frames), found)


def _print(report: TrackingReport, truth: Path, steps: list[tuple[float, int]], *, json: bool) -> None:
    count = sum(number for _, number in steps)
    off = sum(error * number for error, number in steps if number) / count if count else None
    if json or not sys.stdout.isatty():
        against = {"pixels": {"value": off, "steps": count}} if steps else {}
        print_json({"source": str(truth), **report.to_dict(), **against})
        return
    counts = report.counts
    print(f"{truth}: {report.clips} clips, {counts.people} people, {counts.faces} faces in {counts.frames} frames")
    print(f"found {counts.hits}, missed {counts.faces - counts.hits}, false {counts.boxes - counts.hits}")
    print(f"ids changed {counts.switches} times, tracks were broken {counts.fragments} times")
    for name, label in _LABELS.items():
        low, high = report.intervals[name]
        over = f"  95 % {low:.4f} to {high:.4f} over clips" if report.clips > 1 else ""
        print(f"{label:<15} {report.values[name]:8.4f}{over}")
    if off is not None:
        print(f"{'off the pixels':<15} {off:8.4f}  px a frame, {count} steps")
