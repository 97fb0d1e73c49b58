"""Edits of shape, judged by the heads of this package: is what was asked for there, and is it still the person.

    python -m benchmarks.editing FOLDER [--only smile retarget frontal gaze] [--count 30]

Each picture of the folder that shows one face is edited in several ways, and looked at again: pose against the pose
that was asked for, blendshapes, gaze, and the cosine of two embedders to the picture as it was. The heads that judge
pose and expression read the mesh, as the edits do. Smiles are added to those who do not smile, and taken from those who
do.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien import Engine, load_image
from mien.core.errors import MienError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.core.warping import resize
from mien.media.scan import find_pictures
from mien.swaps.editor import Editor
from mien.swaps.effects import Effect
from mien.swaps.shape.frontalizing import Frontalize
from mien.swaps.shape.gaze_correction import CorrectGaze
from mien.swaps.shape.retargeting import Retarget

WANT = {"pose", "blendshapes", "gaze", "embedding", "landmarks"}
LONGEST = 512
RETARGET: tuple[Mapping[str, float], ...] = (
    {"mouth_open": 0.15},
    {"mouth_open": -0.5},
    {"brows": 1.0},
    {"brows": -1.0},
    {"eyes": -0.5},
    {"eyes": 0.8},
    {"squint": 0.8},
    {"yaw": 10.0},
    {"yaw": -10.0},
    {"yaw": 15.0},
    {"pitch": 8.0},
    {"pitch": -8.0},
    {"roll": 10.0},
)
SMILES = (0.5, 1.0, -0.6)
SMILING = 0.3  # of the coefficients: from so much on, somebody smiles
#: Which coefficients tell of an option; of brows, how high they stand.
READ = {
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "mouth_open": ("jawOpen",),
    "eyes": ("eyeBlinkLeft", "eyeBlinkRight"),
    "squint": ("eyeSquintLeft", "eyeSquintRight"),
}
POSE = ("yaw", "pitch", "roll")
AIMS = ("camera", (12.0, 0.0), (-12.0, 0.0), (0.0, 8.0), (0.0, -8.0))


class Looks:
    """Looks at pictures with one face, and asks a second embedder."""

    def __init__(self) -> None:
        self.engine = Engine(threads=1)
        self.other = self.engine.with_models(embedding="sface", gaze="xgaze-r18")

    def at(self, image: Image) -> tuple[Faces, Faces] | None:
        """What is seen of the only face; None where there is none, or several."""
        faces = self.engine.analyze(image, want=WANT)
        if len(faces) != 1 or not np.isfinite(faces.pose.values).all():
            return None
        return faces, self.other.analyze(image, want={"embedding", "gaze"}, faces=faces.only(frozenset({"landmarks"})))


def pictures(folder: Path, count: int) -> Iterator[Image]:
    """Pictures of a size that a portrait has."""
    for path in list(find_pictures(folder))[:count]:
        image = load_image(path) if isinstance(path, Path) else None
        if image is None:
            continue
        factor = min(1.0, LONGEST / max(image.shape[:2]))
        yield resize(image, (round(image.shape[0] * factor), round(image.shape[1] * factor)))


def level(faces: Faces, names: tuple[str, ...]) -> float:
    """Mean of coefficients."""
    scores = dict(zip(faces.blendshapes.names, faces.blendshapes.values[0], strict=True))
    return float(np.mean([scores[name] for name in names]))


Both = tuple[Faces, Faces]
Seen = tuple[Image, Both]


def run(
    images: list[Seen],
    looks: Looks,
    title: str,
    effect: Effect,
    read: Callable[[Both, Both], float],
) -> None:
    """Edit all pictures, and print what `read` says of before and after, with what became of identity."""
    said: list[float] = []
    alike: dict[str, list[float]] = defaultdict(list)
    refused = lost = 0
    for image, before in images:
        try:
            edit = Editor(effect, engine=looks.engine).picture(image, layers=False)
        except MienError:
            refused += 1
            continue
        after = looks.at(edit.image)
        if after is None:
            lost += 1
            continue
        said.append(read(before, after))
        for name, one, two in zip(("edgeface", "sface"), before, after, strict=True):
            alike[name].append(float(one.embedding.values[0] @ two.embedding.values[0]))
    values = np.array(said)[np.isfinite(said)]
    spread = np.percentile(values, [10, 50, 90]).round(2).tolist() if len(values) else []
    cosines = ", ".join(f"{name} {np.mean(some):.2f} (least {np.min(some):.2f})" for name, some in alike.items())
    sys.stdout.write(f"{title:24} 10/50/90 % {spread} of {len(values)}; refused {refused}, lost {lost}; {cosines}\n")
    sys.stdout.flush()


def smile(images: list[Seen], looks: Looks) -> None:
    """By how much those smile more who did not, and less who did."""
    for amount in SMILES:
        some = [(image, seen) for image, seen in images if (level(seen[0], READ["smile"]) < SMILING) == (amount > 0)]
        effect = Retarget(engine=looks.engine, smile=amount)
        run(some, looks, f"smile {amount:+g}", effect, partial(grown, READ["smile"]))


def retarget(images: list[Seen], looks: Looks) -> None:
    """Asked against measured, for expression and pose."""
    for asked in RETARGET:
        (name, amount), *_ = asked.items()
        effect = Retarget(engine=looks.engine, **asked)  # type: ignore[arg-type]
        if name == "brows":
            run(images, looks, f"{name} {amount:+g}: % of eyes", effect, raised)
        elif name in READ:
            run(images, looks, f"{name} {amount:+g}", effect, partial(grown, READ[name]))
        else:
            run(images, looks, f"{name} {amount:+g}: change", effect, partial(turned, POSE.index(name)))


def grown(names: tuple[str, ...], before: Both, after: Both) -> float:
    """By how much coefficients are higher."""
    return level(after[0], names) - level(before[0], names)


def raised(before: Both, after: Both) -> float:
    """By how much brows are farther from the corners of the eyes, in hundredths of the distance of the eyes."""
    heights = []
    for faces in (before[0], after[0]):
        mesh = faces.landmarks.values[0, :, :2]
        across = np.linalg.norm(mesh[33] - mesh[263])
        heights.append(np.linalg.norm(mesh[[105, 334]] - mesh[[33, 263]], axis=1).mean() / across)
    return float(100 * (heights[1] - heights[0]))


def turned(axis: int, before: Both, after: Both) -> float:
    """Degrees by which an angle has grown."""
    return float(after[0].pose.values[0, axis] - before[0].pose.values[0, axis])


def left(_: Both, after: Both) -> float:
    """Degrees that are left of a turn."""
    return float(np.abs(after[0].pose.values[0, :2]).max())


def gone(aim: NDArray[np.float64], judge: int, before: Both, after: Both) -> float:
    """Which part of the way to an aim eyes have gone, as the iris or a network that saw them sees it."""
    way = aim - before[0].gaze.values[0]
    moved = after[judge].gaze.values[0] - before[judge].gaze.values[0]
    return float(moved @ way / max(float(way @ way), 1.0))


def frontal(images: list[Seen], looks: Looks) -> None:
    """What is left of turns."""
    run(images, looks, "frontal: degrees left", Frontalize(engine=looks.engine), left)


def gaze(images: list[Seen], looks: Looks) -> None:
    """How far eyes went, in parts of what was asked for."""
    for aim in AIMS:
        want = np.zeros(2) if aim == "camera" else np.array(aim)
        effect = CorrectGaze(target=aim, engine=looks.engine)  # type: ignore[arg-type]
        for word, judge in (("iris", 0), ("network", 1)):
            run(images, looks, f"gaze {aim}, {word}", effect, partial(gone, want, judge))


PARTS = {"smile": smile, "retarget": retarget, "frontal": frontal, "gaze": gaze}


def main() -> None:
    """Edit, look, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--count", type=int, default=30)
    given = parser.parse_args()
    looks = Looks()
    images = [(image, seen) for image in pictures(given.folder, given.count) if (seen := looks.at(image)) is not None]
    for part in given.only:
        PARTS[part](images, looks)


if __name__ == "__main__":
    main()
