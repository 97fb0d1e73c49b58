"""Parsing by network: faces a second, what drawing regions costs, and a group of twelve in 12 megapixels, on one core.

    python -m benchmarks parsing_speed

1. Each size of the network: milliseconds of a face by the network alone, and by the whole step (crop, network, grid)
   on the shipped portraits, whose hair stays in the crop or leaves the picture with it, and on portraits with so much
   room that some ask for the second, wider look (how many says "wide"). Then all regions of a face drawn in a picture
   of 1,024 pixels, and its map of labels.
2. What bf16 loses: mean IoU of the labels with those of f32, and share of pixels with another label.
3. Twelve people in a picture of 4000 x 3000: seconds of ``mien.mask`` and of drawing every region of everybody, and the
   peak of memory, of a process of its own; the first time, and when the networks are loaded. Linux only.

Times are the least of several runs that take turns: what else the machine does can only add to them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.columns import Regions
from mien.core.image import Image, load_image
from mien.core.parts import CELEBAMASK
from mien.engine import Batch, Engine
from mien.masks.masking import Size

SIZES: dict[Size, str] = {"fast": "bisenet-fast", "balanced": "bisenet", "fine": "bisenet-fine"}
GOALS: dict[Size, int] = {"balanced": 25, "fine": 12}
ROUNDS = 6


def least(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each call, the least of some rounds in which all take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: min(own) for name, own in times.items()}


def portraits(side: int, room: float) -> list[Image]:
    """The shipped people in pictures of `side` pixels, with `room` of their own edge pixels around them."""
    images = []
    for path in assets.PEOPLE:
        image = cv2.resize(load_image(path), (side, side), interpolation=cv2.INTER_AREA)
        edge = round(side * room)
        wider = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
        images.append(np.asarray(cv2.resize(wider, (side, side), interpolation=cv2.INTER_AREA), np.uint8))
    return images


def describe(step: Any, batches: list[Batch]) -> list[Regions]:
    """The column of each batch."""
    return [step.describe(batch)["parse"] for batch in batches]


def draw(face: Regions) -> list[float]:
    """The area of each class but the background."""
    return [face.region(name).area for name in CELEBAMASK[1:]]


def speeds(engine: Engine) -> None:
    sets = {}
    for name, room in (("close", 0.0), ("with room", 0.35)):
        images = portraits(1024, room)
        found = [mien.analyze(image, want={"alignment"}, engine=engine).top(1, by="score") for image in images]
        batches = [
            Batch([image], np.zeros(len(faces), np.intp), faces) for image, faces in zip(images, found, strict=True)
        ]
        sets[name] = batches
    print(f"{'':10}{'network':>10}" + "".join(f"{name:>12}{'wide':>6}{'faces/s':>9}" for name in sets), end="")
    print(f"{'all regions':>13}{'labels':>9}   (milliseconds a face)")
    for size, card in SIZES.items():
        chosen = engine.with_models(parse=card)
        step = chosen.runner("parse")
        params = chosen.choose("parse").params
        side = int(params["side"])
        noise = np.random.default_rng(0).integers(0, 255, (1, side, side, 3), dtype=np.uint8)
        columns = {name: describe(step, own) for name, own in sets.items()}
        column = columns["close"][0][0]
        calls: dict[str, Callable[[], object]] = {
            "network": partial(step._session.run, noise),  # noqa: SLF001 - what there is no other way to time
            "regions": partial(draw, column),
            "labels": column.labels,
            **{name: partial(describe, step, own) for name, own in sets.items()},
        }
        spent = least(calls)
        row = f"{size:10}{1000 * spent['network']:10.1f}"
        for name, own in sets.items():
            a_face = spent[name] / len(own)
            wide = sum("wide_side" in params and looked_twice(each.values[0]) for each in columns[name])
            row += f"{1000 * a_face:12.1f}{wide:>3}/{len(own)}{1 / a_face:9.1f}"
        goal = f"   goal: {GOALS[size]} faces/s" if size in GOALS else ""
        print(f"{row}{1000 * spent['regions']:13.1f}{1000 * spent['labels']:9.1f}{goal}")


def looked_twice(scores: NDArray[np.float32]) -> bool:
    """Whether in the outermost cells of a face (K, h, w) anything was seen."""
    return bool(np.ptp(scores[0, 0]) > 0)


def precision(engine: Engine) -> None:
    images = [*portraits(1024, 0.0), *portraits(512, 0.35)]
    with Engine(threads=1, precision="f32") as exact:
        for size in SIZES:
            hits, either, other = np.zeros(19), np.zeros(19), 0
            for image in images:
                one, two = (mien.mask(image, size=size, engine=each).faces.parse.labels() for each in (engine, exact))
                other += int((one != two).sum())
                for index in range(19):
                    hits[index] += ((one == index) & (two == index)).sum()
                    either[index] += ((one == index) | (two == index)).sum()
            there = either > 0
            share = 100 * other / sum(image.shape[0] * image.shape[1] for image in images)
            worst = np.argmin(np.where(there, hits / np.maximum(either, 1), 1))
            print(
                f"{size:10} mean IoU of bf16 with f32 {np.mean(hits[there] / either[there]):.4f} "
                f"({there.sum()} classes), "
                f"least {hits[worst] / either[worst]:.3f} ({CELEBAMASK[worst]}), "
                f"{share:.2f} % of pixels differ; {len(images)} pictures of {len(assets.PEOPLE)} people"
            )


def group() -> Image:
    """Twelve of the shipped people in 4000 x 3000 pixels, three rows of four."""
    canvas = np.full((3000, 4000, 3), 120, np.uint8)
    for place in range(12):
        side = (960, 820, 700)[place % 3]
        image = load_image(assets.PEOPLE[place % len(assets.PEOPLE)])
        image = image[:, ::-1] if place >= len(assets.PEOPLE) else image
        y, x = 1000 * (place // 4) + 20, 1000 * (place % 4) + 20
        canvas[y : y + side, x : x + side] = cv2.resize(np.ascontiguousarray(image), (side, side))
    return canvas


def mask_group(size: Size) -> None:
    """Mask the group twice, and print the numbers as JSON: the child process."""
    cv2.setNumThreads(1)
    image, answers = group(), []
    with Engine(threads=1) as engine:
        for _ in range(3):
            start = time.perf_counter()
            m = mien.mask(image, size=size, engine=engine)
            parsed = time.perf_counter()
            areas = [m[row].region(name).area for row in range(len(m)) for name in CELEBAMASK[1:]]
            answers.append((parsed - start, time.perf_counter() - parsed))
    # What the kernel tells of resources (ru_maxrss) would be the parent's peak, if that is higher.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"faces": len(m), "regions": len(areas), "seconds": answers, "peak": peak}))


def report_group() -> None:
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.parsing_speed", "--group", size]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        answer = json.loads(done.stdout)
        (first, _), *later = answer["seconds"]
        mask, draw = (min(times) for times in zip(*later, strict=True))
        print(
            f"{size:10} {answer['faces']} faces in 12 MP: mask {mask:.2f} s (the first time {first:.2f} s), "
            f"{answer['regions']} regions {draw:.2f} s, together {mask + draw:.2f} s; peak {answer['peak']:.0f} MB"
        )
    print("goal: 1.5 s and 600 MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", choices=[*SIZES], help=argparse.SUPPRESS)
    if size := parser.parse_args().group:
        mask_group(size)
        return
    cv2.setNumThreads(1)
    with Engine(threads=1) as engine:
        speeds(engine)
        print()
        precision(engine)
    print()
    report_group()


if __name__ == "__main__":
    main()
