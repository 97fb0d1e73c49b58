"""The RoI tanh-polar crop: what the warp itself loses, what a network makes of it that never saw one, and its speed.

    python -m benchmarks.polar [--people 50] [--faces FOLDER]

On portraits of people who do not exist (seeds 0, 1, ...), which nobody labelled: the reference is ``bisenet-fine`` on
its own crops.

1. The reference's label maps, taken into a tanh-polar crop of 513 pixels and back: IoU of what comes back, within the
   ellipse that is twice as wide and high as the face's box.
2. ``bisenet-fine`` on tanh-polar crops: it was trained on square ones. This says why the crop is for networks that
   were trained on it (RTNet), and no default.
3. Milliseconds on one core: the crop, and regions rendered of it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.parsing import pictures
from benchmarks.timing import seconds
from mien.core.columns import Regions
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.core.parts import CELEBAMASK
from mien.core.polar import polar_crop, polar_frames, to_polar
from mien.engine import Engine
from mien.models.catalogue import Catalogue

SIDE = 513  # of the crops that RTNet takes
SURE = 8.0  # log odds that stand for a label
POLAR = "bisenet-fine-polar"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--faces", type=Path, default=Path(tempfile.gettempdir(), "mien-benchmark-faces"))
    options = parser.parse_args()
    cards = list(Catalogue.load())
    fine = next(card for card in cards if card.id == "bisenet-fine")
    params = {**fine.params, "crop": "tanh-polar", "wide_side": 0}
    catalogue = Catalogue([*cards, replace(fine, id=POLAR, params=params)])
    with Engine(threads=1, catalogue=catalogue, models={"parse": fine.id}) as engine:
        people = [load_image(path) for path in pictures(options.people, options.faces, engine)]
        found = [engine.analyze(image, want={"alignment", "parse"}).top(1) for image in people]
        seen = [(image, faces) for image, faces in zip(people, found, strict=True) if len(faces)]
        print(f"{len(seen)} faces of {len(people)} generated people; IoU of all pixels together\n")
        table("there and back", [(labels(faces), returned(image, faces), near(image, faces)) for image, faces in seen])
        other = engine.with_models(parse=POLAR)
        again = [other.analyze(image, want={"parse"}, faces=faces).parse for image, faces in seen]
        both = zip(seen, again, strict=True)
        rows = [(labels(faces), parse.labels(), near(image, faces)) for (image, faces), parse in both]
        table("bisenet-fine on polar crops", rows)
        image, faces = seen[0]
        frame = frames(faces)[0]
        print(f"crop of {SIDE} pixels: {1000 * seconds(lambda: polar_crop(image, frame, SIDE)):.1f} ms")
        for name in ("left_eye", "face", "hair"):
            spent = [1000 * seconds(partial(column[0].region, name)) for column in (again[0], faces.parse)]
            print(f"{name} of {image.shape[:2]}: {spent[0]:.1f} ms, of a square crop {spent[1]:.1f} ms")


def frames(faces: Faces) -> NDArray[np.float32]:
    return polar_frames(faces.boxes, last=1 - 1 / SIDE)


def labels(faces: Faces) -> NDArray[np.uint8]:
    return faces.parse.labels()


def near(image: Image, faces: Faces) -> NDArray[np.bool_]:
    """Within twice the box's ellipse."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    return np.asarray(to_polar(np.stack([x, y], axis=-1), frames(faces)[0])[..., 0] < np.tanh(2))


def returned(image: Image, faces: Faces) -> NDArray[np.uint8]:
    """The label map of a face after a polar crop of each class."""
    truth, frame = labels(faces), frames(faces)
    masks = [np.repeat((truth == index)[..., None] * np.uint8(255), 3, axis=2) for index in range(len(CELEBAMASK))]
    scores = np.stack([polar_crop(mask, frame[0], SIDE)[..., 0] for mask in masks]) * np.float32(SURE / 255)
    sizes = np.array([image.shape[1::-1]], np.float32)
    column = Regions(scores[None], names=CELEBAMASK, grids=frame, sizes=sizes, warp="tanh-polar")
    return column.labels()


def table(title: str, pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]]) -> None:
    """Print the IoU of each class within what is near."""
    counts = np.zeros((len(CELEBAMASK), 2))
    for truth, other, where in pairs:
        for index in range(len(CELEBAMASK)):
            one, two = (truth == index) & where, (other == index) & where
            counts[index] += (one & two).sum(), (one | two).sum()
    there = counts[:, 1] > 0
    scores = counts[there, 0] / counts[there, 1]
    names = [name for name, some in zip(CELEBAMASK, there, strict=True) if some]
    print(f"{title}: mean {scores.mean():.3f}")
    print("  " + ", ".join(f"{name} {score:.3f}" for name, score in zip(names, scores, strict=True)) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
