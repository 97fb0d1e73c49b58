"""What smaller, less precise and netless parsing loses: held against the finest form on people who do not exist.

    python -m benchmarks.parsing [--people 200] [--faces FOLDER] [--out FILE.md]

Nobody labelled these pictures. The reference is ``bisenet-fine`` in f32 on the whole picture of 1024 pixels, so these
tables tell how far the other forms are *from it*, and nothing about how right it is; for that see ``mien evaluate
parsing``. Each form finds the face by itself, as ``mien.mask`` does, and is compared on a map of 512 x 512 pixels.

1. The sizes of the network, each in f32 and in bf16 (where the machine computes in it), and the mesh.
2. The picture scaled down until the face is 320, 160, 80 and 40 pixels high.

Rare classes are rare here too: the tables say how many pictures have each.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.geometry import compose
from mien.core.image import Image, load_image, save_image
from mien.core.parts import CELEBAMASK
from mien.engine import Engine
from mien.evaluation.label_scores import Counts, ParsingReport, compare_labels, summarize
from mien.evaluation.report import Report, Table, number, span
from mien.masks.masking import mask
from mien.swaps.invented.generator import generate

SIDE = 512  # of the maps that are compared
FORMS = {
    "fine, bf16": ("bisenet-fine", None),
    "balanced, f32": ("bisenet", "f32"),
    "balanced, bf16": ("bisenet", None),
    "fast, f32": ("bisenet-fast", "f32"),
    "fast, bf16": ("bisenet-fast", None),
    "mesh": ("parse-mesh", None),
}
UNKNOWN = {"mesh": ("eye_g", "l_ear", "r_ear", "hair", "hat", "ear_r", "neck_l", "neck", "cloth")}
SCALED = ("fine, bf16", "balanced, bf16")  # forms that are tried on small faces
HEIGHTS = (320, 160, 80, 40)
MEANS = {
    "IoU": "iou",
    "F1": "f1",
    "F1, frequent": "f1_head",
    "F1, long tail": "f1_tail",
    "F1, known classes": "f1_known",
    "boundary F": "boundary",
    "pixels": "accuracy",
}
CLASSES = len(CELEBAMASK)
Labels = NDArray[np.uint8]
Parts = dict[str, list[tuple[Counts, bool]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--faces", type=Path, default=Path(tempfile.gettempdir(), "mien-benchmark-faces"))
    parser.add_argument("--out", type=Path, help="write the tables to this file, too")
    options = parser.parse_args()
    with ExitStack() as stack:
        reference = stack.enter_context(Engine(threads=1, precision="f32", models={"parse": "bisenet-fine"}))
        forms = {
            name: stack.enter_context(Engine(threads=1, precision=precision, models={"parse": model}))  # type: ignore[arg-type]
            for name, (model, precision) in FORMS.items()
        }
        people = list(pictures(options.people, options.faces, reference))
        whole, small = compared(people, reference, forms)
        loaded = {model["id"]: model["sessions"] for model in forms["fine, bf16"].info()["models"]}
        print(f"what is called bf16 was computed in {loaded['bisenet-fine']['model'].precision}\n")
    text = report(options.people, whole, small).to_markdown()
    print(text)
    if options.out is not None:
        options.out.write_text(text)


def pictures(count: int, folder: Path, engine: Engine) -> Iterator[Path]:
    """Portraits of `count` people, drawn once and kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        path = folder / f"{seed:03d}.png"
        if not path.is_file():
            save_image(generate(seed=seed, engine=engine).image, path)
        yield path


def compared(people: Iterable[Path], reference: Engine, forms: Mapping[str, Engine]) -> tuple[Parts, Parts]:
    """What each form counted in the whole pictures, and what some counted in small ones."""
    whole: Parts = {name: [] for name in forms}
    small: Parts = {f"{height} px, {name}": [] for name in SCALED for height in HEIGHTS}
    for path in people:
        image = load_image(path)
        truth, height = parsed(image, reference)
        for name, engine in forms.items():
            whole[name].append(counted(truth, image, engine))
        for wanted in HEIGHTS:
            scaled = scaled_down(image, wanted / height)
            for name in SCALED:
                small[f"{wanted} px, {name}"].append(counted(truth, scaled, forms[name]))
    return whole, small


def counted(truth: Labels, image: Image, engine: Engine) -> tuple[Counts, bool]:
    """What was counted, and whether no face was found."""
    labels, height = parsed(image, engine)
    return compare_labels(truth, labels, CLASSES), not height


def parsed(image: Image, engine: Engine) -> tuple[Labels, float]:
    """The label map of the largest face at the size that is compared, and the face's height; 0 without a face."""
    faces = mask(image, engine=engine).faces.top(1)
    if not len(faces):
        return np.zeros((SIDE, SIDE), np.uint8), 0.0
    return labels_at(faces.parse, SIDE), float(faces.heights[0])


def labels_at(parse: Regions, side: int) -> Labels:
    """The labels of a square picture as if it had another size: the same scores, seen at other points."""
    width = float(parse.sizes[0, 0])
    scale = width / side  # pixels of the picture to one of the map, both counted from the first one's centre
    grid = compose(parse.grids.reshape(-1, 2, 3), [[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
    column = replace(parse, grids=grid.reshape(-1, 6).astype(np.float32), sizes=np.full((1, 2), side, np.float32))
    own = column.labels()
    table = np.array([CELEBAMASK.index(name) for name in parse.names], np.uint8)
    return np.asarray(table[own])


def scaled_down(image: Image, scale: float) -> Image:
    side = max(1, round(scale * image.shape[0]))
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


# -- tables --------------------------------------------------------------------------------------------------------


def report(people: int, whole: Parts, small: Parts) -> Report:
    scores = {name: summed(parts, UNKNOWN.get(name, ())) for name, parts in (whole | small).items()}
    tables = [
        means("The whole picture", {name: scores[name] for name in whole}),
        classes("IoU of each class", {name: scores[name] for name in whole}),
        means("Small faces", {name: scores[name] for name in small}),
        classes("IoU of each class, small faces", {name: scores[name] for name in small}),
    ]
    results = {name: part.to_dict() for name, part in scores.items()}
    source, model = f"{people} generated people, seeds 0 to {people - 1}", "bisenet-fine in f32 as the reference"
    return Report.of("Agreement of parsing", source=source, model=model, results=results, tables=tables)


def summed(parts: list[tuple[Counts, bool]], unknown: Sequence[str]) -> ParsingReport:
    missed = [missed for _, missed in parts]
    return summarize([counts for counts, _ in parts], CELEBAMASK, missed=missed, unknown=unknown)


def means(title: str, scores: Mapping[str, ParsingReport]) -> Table:
    """Means without the background, of the classes that the reference has anywhere."""
    rows = tuple(
        (
            name,
            *(f"{number(part.means[key].value, 3)} ({span(part.means[key].interval, 3)})" for key in MEANS.values()),
            str(part.missed),
        )
        for name, part in scores.items()
    )
    return Table(title, ("form", *MEANS, "faces missed"), rows)


def classes(title: str, scores: Mapping[str, ParsingReport]) -> Table:
    first = next(iter(scores.values()))
    rows = tuple(
        (row.name, str(row.pictures), *(number(part.rows[place].iou.value, 3) for part in scores.values()))
        for place, row in enumerate(first.rows)
        if row.pictures
    )
    return Table(title, ("class", "pictures", *scores), rows)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
