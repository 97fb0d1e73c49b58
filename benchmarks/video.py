"""Video on one core: frames a second that are read, drawn on and written at 1080p, and whether memory stays flat.

    python -m benchmarks video        python -m benchmarks.video [--frames 600]

The clip pans over the shipped group picture (eight people who do not exist), H.264, 30 frames a second. CPU
milliseconds are those of all threads (FFmpeg decodes on two): where other work runs on the machine they say more than
frames a second. Beside our reader stands OpenCV's, which decodes with its own FFmpeg and gives no times of frames by
default. Unix only (it asks for the peak of memory).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien import Engine, Faces, assets, load_image
from mien.media.encoding import VideoWriter
from mien.media.video import open_video

SIZE = (1920, 1080)


def frames(count: int) -> Iterator[Any]:
    """A pan over the group picture."""
    image = cv2.resize(load_image(assets.GROUP), SIZE)
    return (np.roll(image, 4 * number, axis=1) for number in range(count))


def opencv(path: Path) -> Iterator[Any]:
    """Frames as OpenCV reads them."""
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)


def measure(name: str, work: Iterable[Any], count: int) -> None:
    """Print how fast a stream of frames flows."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = sum(1 for _ in work)
    assert done == count, f"{name}: {done} of {count} frames"
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:<34} {count / wall:7.0f} frames/s {1000 * cpu / count:7.2f} CPU ms a frame")


def peak() -> float:
    """MB of memory at the most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=600)
    count = parser.parse_args().frames
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"

        def write(pictures: Iterable[Any]) -> Iterator[None]:
            with VideoWriter(path, rate=30) as writer:
                for picture in pictures:
                    writer.write(picture)
                    yield

        print(f"{count} frames of {SIZE[0]} x {SIZE[1]}")
        measure("pan (made by NumPy)", frames(count), count)
        measure("pan, written as H.264", write(frames(count)), count)
        measure("read", open_video(path), count)
        measure("read by OpenCV", opencv(path), count)
        few = count // 6
        for _ in islice(open_video(path), few):
            pass
        before = peak()
        for _ in open_video(path):
            pass
        print(f"memory grew by {peak() - before:.1f} MB from frame {few} to frame {count}")
    draw()


def draw() -> None:
    """How long drawings take."""
    image = cv2.resize(load_image(assets.GROUP), SIZE)
    with Engine(threads=1) as engine:
        every: Faces = engine.analyze(image, want={"landmarks", "pose", "gaze", "eyes", "age"})
    plain, one = every.only(frozenset({"pose", "age"})), every.top(1)
    cases: dict[str, Callable[[], Any]] = {
        f"drawn: {len(plain)} faces, pose and age": plain.draw,
        f"drawn: {len(every)} faces, everything": every.draw,
        "drawn: 1 face, everything": one.draw,
    }
    for name, case in cases.items():
        case()
        measure(name, (case() for _ in range(30)), 30)


if __name__ == "__main__":
    main()
