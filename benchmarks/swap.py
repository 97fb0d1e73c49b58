"""Face swaps on one core: what each part of a swapped 1080p frame costs, and how many frames a second the whole makes.

    python -m benchmarks swap        taskset -c 0 python -m benchmarks.swap [--frames 90] [--face 300]

The clip is a portrait of a person who does not exist, which drifts and turns over the shipped landscape: 1920 x 1080,
30 frames a second, its face as large as asked for. Another such person is put in its place. Decoding is measured by
itself and taken off, and nothing is encoded; tracking is part of the whole. CPU milliseconds are those of all threads:
where other work runs on the machine they say more than frames a second. Goal: 12 frames a second at 300 pixels.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.timing import seconds
from mien import Engine, assets, load_image
from mien.core.image import Image
from mien.media.encoding import VideoWriter
from mien.media.video import open_video
from mien.swaps.effects import Shot
from mien.swaps.exchange.identity import Identity
from mien.swaps.exchange.swapper import NEEDS, Swap

WIDTH, HEIGHT = 1920, 1080
SOURCE, TARGET = "person3.jpg", "person1.jpg"
WARM = 5  # frames that do not count


def frames(count: int, face: float, engine: Engine) -> Iterator[Image]:
    """A portrait that drifts and turns over a landscape."""
    place = np.asarray(cv2.resize(load_image(assets.LANDSCAPE), (WIDTH, HEIGHT)), np.uint8)
    portrait = load_image(assets.FOLDER / TARGET)
    points = engine.analyze(portrait, want={"landmarks"}).landmarks.xy[0]
    size = face / float(np.ptp(points, axis=0).max())
    middle = np.array(portrait.shape[1::-1]) / 2
    for number in range(count):
        turn, grown = np.deg2rad(6 * np.sin(number / 17)), size * (1 + 0.04 * np.sin(number / 23))
        cos, sin = grown * np.cos(turn), grown * np.sin(turn)
        m = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
        m[:, 2] = (WIDTH / 2 + 300 * np.sin(number / 20), HEIGHT / 2) - m[:, :2] @ middle
        frame = place.copy()
        cv2.warpAffine(portrait, m, (WIDTH, HEIGHT), frame, cv2.INTER_AREA, cv2.BORDER_TRANSPARENT)
        yield frame


def spent(work: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def read(path: Path) -> None:
    with open_video(path) as video:
        for _ in video:
            pass


def parts(path: Path, effect: Swap, engine: Engine, count: int) -> None:
    """What tracking and swapping cost in a frame."""
    decoding = spent(lambda: read(path))
    shots: list[Shot] = []

    def follow() -> None:
        shots.clear()
        with engine.track(path, want=NEEDS, keep_images=True) as tracking:
            for item in tracking:
                assert item.faces is not None
                rows = np.arange(len(item.faces))
                shots.append(Shot(image=item.faces.require_image(), faces=item.faces, rows=rows, time=item.time))

    follow()  # what is loaded the first time does not count
    tracking = spent(follow)
    take = effect.start()
    for shot in shots[:WARM]:
        take.apply(shot)
    swapping = spent(lambda: [take.apply(shot) for shot in shots[WARM:]])
    table = {
        "decoding": (decoding[0] / count, decoding[1] / count),
        "tracking": tuple((one - off) / count for one, off in zip(tracking, decoding, strict=True)),
        "swapping": tuple(one / (count - WARM) for one in swapping),
    }
    for name, (cpu, wall) in table.items():
        print(f"  {name:<10} {1000 * cpu:7.1f} ms CPU {1000 * wall:7.1f} ms")
    cpu, wall = (sum(table[name][kind] for name in ("tracking", "swapping")) for kind in (0, 1))
    print(f"  together   {1000 * cpu:7.1f} ms CPU {1000 * wall:7.1f} ms: {1 / cpu:.1f} frames a CPU second")
    looked = seconds(lambda: engine.analyze(shots[-1].image, want={"parse"}, faces=shots[-1].faces))
    print(f"  (one parse {1000 * looked:.1f} ms)")
    profile = cProfile.Profile()
    profile.runcall(lambda: [take.apply(shot) for shot in shots[WARM:]])
    pstats.Stats(profile).sort_stats("cumtime").print_stats(32)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--face", type=float, default=300)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with Engine(threads=1) as engine, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with VideoWriter(path, size=(WIDTH, HEIGHT), rate=30) as film:
            for frame in frames(options.frames, options.face, engine):
                film.write(frame)
        identity = Identity.of(assets.FOLDER / SOURCE, engine=engine)
        print(f"{WIDTH} x {HEIGHT}, a face of {options.face:g} pixels, {options.frames} frames")
        parts(path, Swap(identity, engine=engine), engine, options.frames)


if __name__ == "__main__":
    main()
