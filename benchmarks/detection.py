"""Compare the detectors on pictures in which people marked the faces.

    python -m benchmarks.detection [DATA] [--threads 1] [--detector yunet ...]

DATA holds ``detect_noses`` (noses marked), ``landmarks68_boxes`` (43 faces boxed), and, without any face,
``video/no_face.mp4`` and ``video_frames``; by default the folder of real pictures beside the checkout. OpenCV's own
YuNet, on the same file at the picture's full size, is the peer.

A second table is of hard pictures, with `mien.detect`'s tiles and rotations off and on: forty faces of 20 pixels pasted
into 12 megapixels, forty of 20 to 600 pixels, one that fills 12 megapixels; one person at four turns; the 43 boxed
faces turned by 45, 90 and 180 degrees. Its people are from ``identities`` and ``identities_johns``.

Thresholds and looks were chosen on the same pictures, so this shows that nothing broke, not how the detectors compare
on pictures that nobody has seen.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import assets
from mien.core.boxes import iou
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.engine import Engine
from mien.engine.searching import Tiles
from mien.evaluation.matching import judge
from mien.models.catalogue import Catalogue
from mien.models.store import Store
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
Detect = Callable[[Image], Faces]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pictures:
    """Pictures with the noses or boxes of their faces, and pictures without faces."""

    noses: list[tuple[Image, Floats]]
    boxes: list[tuple[Image, Floats]]
    nobody: list[Image]


def read(data: Path) -> Pictures:
    marked = json.loads((data / "detect_noses" / "annotations.json").read_text())["noses"]
    files = sorted((data / "detect_noses").glob("*.jpg"))
    noses = [(load_image(path), np.array(marked.get(path.name, []), np.float32).reshape(-1, 2)) for path in files]
    boxes = []
    for part in ("training", "testing"):
        folder = data / "landmarks68_boxes"
        for image in ET.parse(folder / f"{part}_with_face_landmarks.xml").iter("image"):
            sides = [[float(box.attrib[k]) for k in ("left", "top", "width", "height")] for box in image.iter("box")]
            left, top, width, height = np.array(sides, np.float32).T
            box = np.stack((left, top, left + width, top + height), axis=1)
            boxes.append((load_image(folder / image.attrib["file"]), box))
    nobody = [load_image(path) for path in sorted((data / "video_frames").glob("*.jpg"))]
    video = cv2.VideoCapture(str(data / "video" / "no_face.mp4"))
    while (frame := video.read())[0]:
        nobody.append(np.ascontiguousarray(frame[1][:, :, ::-1].astype(np.uint8)))
    return Pictures(noses, boxes, nobody)


def ours(name: str, threads: int) -> Detect:
    card = Catalogue.load()[name]
    bundle = Bundle(card, Store().pull(card), SessionOptions(threads=threads))
    module, runner = card.runner.split(":")
    detector = getattr(importlib.import_module(module), runner)(bundle)

    def detect(image: Image) -> Faces:
        (faces,) = detector.detect([image])
        assert isinstance(faces, Faces)
        return faces

    return detect


def opencv(threads: int) -> Detect:
    cv2.setNumThreads(threads)
    path = Store().fetch(Catalogue.load()["yunet"].files["model"])
    detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.8, 0.3)

    def detect(image: Image) -> Faces:
        detector.setInputSize((image.shape[1], image.shape[0]))
        found = cast("Floats | None", detector.detect(np.ascontiguousarray(image[:, :, ::-1]))[1])
        rows = np.zeros((0, 15), np.float32) if found is None else found
        return Faces.from_boxes(
            np.hstack((rows[:, :2], rows[:, :2] + rows[:, 2:4])),
            scores=rows[:, 14],
            keypoints=rows[:, 4:14].reshape(-1, 5, 2),
            keypoint_names=ALIGNMENT_NAMES,
        )

    return detect


def noses_found(detect: Detect, pictures: Sequence[tuple[Image, Floats]]) -> tuple[int, int]:
    """Marked noses within 45 pixels at 1,000 pixels of width, and faces that are at none."""
    found = other = 0
    for image, noses in pictures:
        faces = detect(image)
        tips = faces.keypoints[:, faces.keypoint_names.index("nose_tip")]
        near = np.linalg.norm(tips[:, None] - noses[None], axis=2) * 1000 / image.shape[1] <= 45
        found += int(near.any(axis=0).sum())
        other += int((~near.any(axis=1)).sum())
    return found, other


def boxes_found(detect: Detect, pictures: Sequence[tuple[Image, Floats]]) -> int:
    return sum(int((iou(boxes, detect(image).boxes) >= 0.5).any(axis=1).sum()) for image, boxes in pictures)


def people(data: Path, detect: Detect) -> list[tuple[Image, Floats]]:
    """Pictures of one person, each with the box of the face."""
    files = sorted(data.glob("identities*/*/*.jpg"))
    found = [(image, detect(image)) for image in map(load_image, files)]
    return [(image, faces.boxes[0]) for image, faces in found if len(faces) == 1]


def pasted(known: Sequence[tuple[Image, Floats]], heights: Sequence[float], seed: int = 3) -> tuple[Image, Floats]:
    """A landscape of 4000 x 3000 pixels with people in it, whose faces are so high, and their boxes."""
    image = np.asarray(cv2.resize(load_image(assets.LANDSCAPE), (4000, 3000), interpolation=cv2.INTER_CUBIC), np.uint8)
    draw, boxes, taken = np.random.default_rng(seed), [], np.zeros((0, 4))
    for place, height in enumerate(sorted(heights, reverse=True)):
        person, box = known[(7 * place + 1) % len(known)]
        scale = height / float(box[3] - box[1])
        small = resize(person, (round(person.shape[0] * scale), round(person.shape[1] * scale)))[:3000, :4000]
        for _ in range(2000):
            x, y = int(draw.integers(4001 - small.shape[1])), int(draw.integers(3001 - small.shape[0]))
            spot = np.array([[x, y, x + small.shape[1], y + small.shape[0]]])
            if not len(taken) or iou(spot, taken).max() == 0:
                break
        taken = np.vstack((taken, spot))
        image[y : y + small.shape[0], x : x + small.shape[1]] = small
        boxes.append(box * scale + np.array([x, y, x, y]))
    return image, np.array(boxes, np.float32)


def turned(image: Image, boxes: Floats, degrees: float) -> tuple[Image, Floats]:
    """A picture turned about its middle, with the middles of its boxes as boxes without an area."""
    height, width = image.shape[:2]
    m = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1), np.float64)
    cos, sin = np.abs(m[0, :2])
    size = round(float(height * sin + width * cos)), round(float(height * cos + width * sin))
    m[:, 2] += (np.array(size) - (width, height)) / 2
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 @ m[:, :2].T + m[:, 2]
    return np.asarray(cv2.warpAffine(image, m, size), np.uint8), np.tile(middles, 2).astype(np.float32)


def hits(faces: Faces, marks: Floats) -> tuple[int, int]:
    """How many marked faces were found, and how many detections are of none, or of one that was found already."""
    judged = judge(faces, marks)
    return int(judged.found.sum()), int((~judged.right).sum())


def hard(name: str, data: Path, pictures: Pictures, known: Sequence[tuple[Image, Floats]], threads: int) -> None:
    """Print what is found of hard pictures, as found + too many."""
    crowds = {
        "40 of 20 px": pasted(known, [20.0] * 40),
        "40 of 20-600": pasted(known, np.geomspace(20, 600, 40).tolist()),
        "1 of 1,450": pasted(known, [1450.0]),
    }
    with Engine(models={"detect": name}, threads=threads) as engine:
        row = []
        tiles: Tiles
        for tiles in ("off", "auto", 320):
            for image, boxes in crowds.values():
                start = time.perf_counter()
                faces = engine.detect(image, tiles=tiles)
                taken = 1000 * (time.perf_counter() - start)
                row.append(f"{'+'.join(map(str, hits(faces, boxes)))} ({taken:.0f} ms)")
        print(f"{name:<16} tiles off: {', '.join(row[:3])}; auto: {', '.join(row[3:6])}; 320: {', '.join(row[6:])}")
        for rotations in (False, True):
            files = sorted((data / "rotated").glob("*.*"))
            seen = sum(len(engine.detect(file, rotations=rotations)) for file in files)
            row = []
            for degrees in (45, 90, 180):
                parts = [turned(image, boxes, degrees) for image, boxes in pictures.boxes]
                counts = [hits(engine.detect(image, rotations=rotations), marks) for image, marks in parts]
                found, wrong = (sum(part) for part in zip(*counts, strict=True))
                row.append(f"{degrees}: {found}+{wrong}")
            label = "on" if rotations else "off"
            print(
                f"{'':<16} rotations {label}: {seen} of {len(files)} turned pictures; of 43 at {', '.join(row)}",
                flush=True,
            )


def milliseconds(detect: Detect, images: Sequence[Image]) -> float:
    """Median over pictures of the better of two times, each after a first call."""
    times = []
    for image in images:
        detect(image)
        start = time.perf_counter()
        detect(image)
        middle = time.perf_counter()
        detect(image)
        times.append(min(middle - start, time.perf_counter() - middle))
    return statistics.median(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--detector", nargs="*", help="default: every one in the catalogue, and OpenCV's")
    arguments = parser.parse_args()
    names = arguments.detector or [card.id for card in Catalogue.load().giving("detect")]
    pictures = read(arguments.data)
    small = [image for image, _ in pictures.boxes]
    large = [image for image, _ in pictures.noses if image.size > 3 * 10_000_000]
    noses, boxes = (sum(len(marks) for _, marks in part) for part in (pictures.noses, pictures.boxes))
    print(f"{'detector':<16} noses/{noses}  others  boxes/{boxes}  false in {len(pictures.nobody)}", end="")
    print("   ms 0.2 MP  ms 12-20 MP  ms nobody")
    for name in [*names, "opencv yunet"]:
        if name == "opencv yunet" and arguments.detector:
            continue
        detect = opencv(arguments.threads) if name == "opencv yunet" else ours(name, arguments.threads)
        found, other = noses_found(detect, pictures.noses)
        false = sum(len(detect(image)) for image in pictures.nobody)
        times = [milliseconds(detect, images) for images in (small, large, pictures.nobody[::10])]
        print(f"{name:<16} {found:>8} {other:>7} {boxes_found(detect, pictures.boxes):>9} {false:>13}", end="")
        print(f" {times[0]:>12.1f} {times[1]:>12.1f} {times[2]:>10.1f}", flush=True)
    print("\nhard pictures, each as found + too many")
    known = people(arguments.data, ours("scrfd-500m", arguments.threads))
    for name in names:
        hard(name, arguments.data, pictures, known, arguments.threads)


if __name__ == "__main__":
    main()
