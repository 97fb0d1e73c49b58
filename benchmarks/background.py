"""Backgrounds on one core: what each part of an edited 1080p frame costs, whole videos, and pictures of several sizes.

    python -m benchmarks background        python -m benchmarks.background [--frames 150]

The clip is a portrait of a person who does not exist, which drifts over the shipped landscape: 1920 x 1080, H.264, 30
frames a second. Each part is measured by itself, then the whole with decoding and encoding. CPU milliseconds are those
of all threads (FFmpeg decodes and encodes on two): where other work runs on the machine they say more than frames a
second. Goal: the fast path (selfie) 100 frames a second for its network alone.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from benchmarks.timing import seconds
from mien import Engine, assets, load_image
from mien.core.image import Image
from mien.core.region import Region
from mien.engine.steps import Matter
from mien.masks.masking import Size, sized
from mien.masks.refining import foreground, refine
from mien.media.encoding import VideoWriter
from mien.media.video import open_video
from mien.swaps.backgrounds.backdrops import Blur
from mien.swaps.backgrounds.background import Background, background, choose

WIDTH, HEIGHT = 1920, 1080
SIZES: tuple[Size, ...] = ("fast", "balanced", "fine")


def frames(count: int, engine: Engine) -> Iterator[Image]:
    """A person who drifts to and fro before a landscape."""
    place = np.asarray(cv2.resize(load_image(assets.LANDSCAPE), (WIDTH, HEIGHT)), np.uint8)
    portrait = cv2.resize(load_image(assets.FOLDER / "person1.jpg"), (HEIGHT, HEIGHT), interpolation=cv2.INTER_CUBIC)
    person = background(portrait, transparent=True, engine=engine)
    cut, people = person.image[..., :3], Region.from_mask(person.layers["alpha"])
    for number in range(count):
        left = round(420 + 300 * np.sin(number / 20))
        frame = place.copy()
        part = frame[:, left : left + HEIGHT]
        part[:] = people.apply(part, cut)
        yield frame


def parts(frame: Image, engine: Engine) -> None:
    """What each part of the work on one frame costs."""
    for size in SIZES:
        matter = cast("Matter", sized(engine, size, job="matte").runner("matte"))
        print(f"  {'network ' + size:<24} {1000 * seconds(partial(matter.matte, [frame])):7.2f} ms")
    alpha = engine.with_models(matte="selfie").runner("matte").matte([frame])[0]
    people = refine(alpha, frame)
    levels = people.to_levels()
    behind = Blur(20).behind(frame, levels)
    mixed = ((levels > 0) & (levels < 255)).mean()
    cases: dict[str, Callable[[], object]] = {
        "refine": lambda: refine(alpha, frame),
        "colours in front": lambda: foreground(frame, people),
        "blur of 8 px": lambda: Blur(8).behind(frame, levels),
        "blur of 20 px": lambda: Blur(20).behind(frame, levels),
        "both together": lambda: people.apply(behind, frame),
    }
    print(f"  (of the pixels {100 * mixed:.1f} % are mixed)")
    for name, case in cases.items():
        print(f"  {name:<24} {1000 * seconds(case):7.2f} ms")


def whole(path: Path, count: int, engine: Engine) -> None:
    """Videos from file to file."""
    options: dict[str, dict[str, Any]] = {
        "blur": {"blur": 20},
        "colour": {"color": "#00b140"},
        "picture": {"image": assets.FOLDER / "landscape.jpg"},
    }
    for size, (name, option) in itertools.product(SIZES[:2], options.items()):
        change = Background(choose(**option), size=size, engine=engine)
        wall, cpu = time.perf_counter(), time.process_time()
        done = sum(1 for _ in change.video(open_video(path), path.with_name("out.mp4")))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert done == count, f"{done} of {count} frames"
        print(f"  {size + ', ' + name:<24} {count / wall:7.1f} frames/s {1000 * cpu / count:7.1f} CPU ms a frame")


def pictures(engine: Engine) -> None:
    """One picture at several sizes, decoding left out."""
    portrait = load_image(assets.FOLDER / "person1.jpg")
    for side in (512, 1024, 2048, 3464):
        image = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_CUBIC)
        options: dict[str, dict[str, Any]] = {"blur": {"blur": side / 40}, "colour": {"color": "white"}}
        for name, option in options.items():
            change = Background(choose(**option), engine=engine)
            spent = seconds(partial(change.picture, np.asarray(image)))
            print(f"  {side} x {side}, {name:<12} {1000 * spent:9.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=150)
    count = parser.parse_args().frames
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with Engine(threads=1) as engine, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with VideoWriter(path, rate=30) as writer:
            for frame in frames(count, engine):
                writer.write(frame)
        print(f"one frame of {WIDTH} x {HEIGHT}:")
        parts(frame, engine)
        print(f"{count} frames, read, edited and written as H.264:")
        whole(path, count, engine)
        print("pictures:")
        pictures(engine)


if __name__ == "__main__":
    main()
