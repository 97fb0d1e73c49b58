"""How fast and how faithfully faces are followed, on clips whose every face is known.

    python -m benchmarks.tracking [speed] [ids] [photos] [--every 3]

``speed``: 1080p clips of 1, 4 and 10 people on one core, with and without recognising who comes back, with and without
closer looks at parts of the picture (tiles): frames a second of decoding alone, and of all the rest. The rest is in
seconds of this process's CPU time, less what decoding takes; so it holds on a busy machine too, up to what the caches
lose.
``ids``: what is lost, false or confused in clips where people cross, meet, leave, come back and are covered, and where
the camera swings or is another one (`tests.clips`), by how often faces are detected.
``photos``: each of 105 photos of 10 real people, in random order, is a shot of a second: as many cuts as photos, and
a face that never looks the same twice. It needs the folder of real pictures, which is not part of the repository.

The people of ``speed`` and ``ids`` do not exist, and do not turn their heads: this shows what breaks, not how trackers
compare on film. The thresholds were not fitted on any of it but the cut's, on the photos.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import av
import cv2
import numpy as np
from tests import clips
from tests.clips import Scene

from benchmarks.workers.rounds import pin
from mien.core.image import Image, load_image
from mien.datasets.readers.mot import TrackedBoxes
from mien.engine import Engine
from mien.evaluation.tracking import ClipCounts, count_clip
from mien.media.video import open_video

Tiles = Literal["auto", "off"]

CASES: tuple[tuple[bool, Tiles], ...] = ((False, "off"), (True, "off"), (True, "auto"))
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class PhotoReport:
    """How shots of single photos were put together."""

    shots: int
    people: int
    ids: int  #: tracks; best is one a person
    mixed: int  #: frames whose id stands for another person in most of its frames
    frames: int


def truth_of(scene: Scene) -> TrackedBoxes:
    """Boxes of a clip; faces that are hidden, or mostly outside, do not count."""
    rows = [(frame.index, truth) for frame, truth in scene.frames()]
    return TrackedBoxes(
        np.concatenate([np.full(len(truth.ids), index) for index, truth in rows]).astype(np.intp),
        np.concatenate([truth.ids for _, truth in rows]),
        np.concatenate([truth.boxes for _, truth in rows]),
        ~np.concatenate([truth.seen for _, truth in rows]),
    )


def followed(engine: Engine, path: Path, *, every: int, reidentify: bool, tiles: Tiles = "off") -> TrackedBoxes:
    with engine.track(path, every=every, reidentify=reidentify, smooth=False, tiles=tiles) as items:
        return TrackedBoxes.of_faces((item.frame or 0, item.faces) for item in items if item.faces)


def decode(path: Path) -> int:
    with open_video(path) as video:
        return sum(1 for _ in video)


def speed(every: int) -> None:
    print(f"\nSpeed: 1080p, one core, detection in each frame of {every}; frames a second of CPU time")
    header = f"{'people':>7}{'px':>5}{'recognise':>11}{'tiles':>8}{'decoding':>10}{'the rest':>10}{'ms a frame':>12}"
    print(header + f"{'kept':>12}{'switches':>10}")
    cases = [(1, 0.4), (4, 0.34), (10, 0.2), (10, 0.05)]
    with Engine(threads=1) as engine, TemporaryDirectory() as folder:
        for count, height in cases:
            scene = clips.crowd(count, height=height, seconds=2.0)
            path, truth = scene.write(Path(folder) / f"{count}-{height}.mp4"), truth_of(scene)
            decode(path)
            decoding = min(cpu(partial(decode, path)) for _ in range(3))
            for reidentify, tiles in CASES:

                def run(path: Path = path, reidentify: bool = reidentify, tiles: Tiles = tiles) -> TrackedBoxes:
                    return followed(engine, path, every=every, reidentify=reidentify, tiles=tiles)

                found = run()  # also warms up
                rest = min(cpu(run) for _ in range(2)) - decoding
                counts = count_clip(truth, found)
                row = f"{count:>7}{height * 1080:>5.0f}{_yes(reidentify):>11}{tiles:>8}"
                row += f"{len(scene) / decoding:>10.0f}{len(scene) / rest:>10.0f}{rest / len(scene) * 1000:>12.2f}"
                print(row + f"{counts.hits:>7}/{counts.faces}{counts.switches:>8}", flush=True)


def cpu(work: Callable[[], object]) -> float:
    """Seconds of this process's CPU time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def ids() -> None:
    print("\nIds: 640x360, 25 frames/s; boxes against the truth at an overlap of 0.5")
    print(f"{'clip':10}{'recognise':>10}{'every':>6}{'faces':>7}{'missed':>7}{'false':>6}{'switches':>9}", end="")
    print(f"{'breaks':>7}{'ids':>7}{'MOTA':>7}{'IDF1':>7}{'HOTA':>7}{'motion px':>11}")
    totals: defaultdict[tuple[bool, int], list[ClipCounts]] = defaultdict(list)
    with Engine(threads=1) as engine, TemporaryDirectory() as folder:
        for name, make in clips.SCENES.items():
            scene = make()
            path, truth = scene.write(Path(folder) / f"{name}.mp4"), truth_of(scene)
            for reidentify in (True, False):
                for every in (1, 3, 5):
                    found = followed(engine, path, every=every, reidentify=reidentify)
                    counts = count_clip(truth, found)
                    totals[reidentify, every].append(counts)
                    _print_ids(name, counts, reidentify, every, f"{len(set(found.ids.tolist()))}/{counts.people}")
    for (reidentify, every), parts in sorted(totals.items(), reverse=True):
        _print_ids("all", sum(parts, ClipCounts()), reidentify, every, "")


def _print_ids(name: str, c: ClipCounts, reidentify: bool, every: int, found: str) -> None:
    row = f"{name:10}{_yes(reidentify):>10}{every:>6}{c.faces:>7}{c.faces - c.hits:>7}{c.boxes - c.hits:>6}"
    row += f"{c.switches:>9}{c.fragments:>7}{found:>7}{c.mota:>7.3f}{c.idf1:>7.3f}{c.hota:>7.3f}{c.motion:>11.2f}"
    print(row, flush=True)


def photo_shots(data: Path = DATA, *, embedder: str = "edgeface-s", every: int = 3, seed: int = 0) -> PhotoReport:
    """Follow people through a clip of their photos, a second each, in random order."""
    files = [file for part in ("identities", "identities_johns") for file in sorted((data / part).glob("*/*.jpg"))]
    order = np.random.default_rng(seed).permutation(len(files))
    length, who = 12, [files[index].parent.name for index in order]
    with Engine(threads=1, models={"embedding": embedder}) as engine, TemporaryDirectory() as folder:
        shots = (cv2.resize(load_image(files[index]), (250, 250)) for index in order)
        path = _write(
            Path(folder) / "photos.mp4", (np.asarray(shot, np.uint8) for shot in shots for _ in range(length))
        )
        # Some photos hold a second face: the largest is whose photo it is.
        with engine.track(path, every=every, max_faces=1) as items:
            seen = [
                (who[(item.frame or 0) // length], int(i)) for item in items if item.faces for i in item.faces.track.ids
            ]
    people: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for name, track in seen:
        people[track][name] += 1
    mixed = sum(sum(names.values()) - max(names.values()) for names in people.values())
    return PhotoReport(len(files), len(set(who)), len(people), mixed, len(seen))


def _write(path: Path, images: Iterable[Image]) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=12, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 250, 250, "yuv420p"
        for image in images:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    return path


def photos() -> None:
    if not DATA.is_dir():
        print(f"\nphotos skipped: no pictures in {DATA}")
        return
    print("\nPhotos: each of a shot of 12 frames, in random order")
    print(f"{'embedder':16}{'every':>6}{'shots':>7}{'people':>8}{'ids':>5}{'frames':>8}{'of a mixed id':>15}")
    for embedder in ("edgeface-s", "arcface-mbf", "sface", "mobilefacenet"):
        for every in (1, 3):
            r = photo_shots(embedder=embedder, every=every)
            print(f"{embedder:16}{every:>6}{r.shots:>7}{r.people:>8}{r.ids:>5}{r.frames:>8}{r.mixed:>15}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="speed, ids, photos; default: all")
    parser.add_argument("--every", type=int, default=3)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - {"speed", "ids", "photos"}:
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    pin(1)
    cv2.setNumThreads(1)
    for name, part in {"speed": lambda: speed(arguments.every), "ids": ids, "photos": photos}.items():
        if not arguments.parts or name in arguments.parts:
            part()


if __name__ == "__main__":
    main()
