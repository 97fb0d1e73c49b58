"""How fast a found face is described on one core: mesh, pose, blendshapes and eyes, one face and many at once.

    python -m benchmarks.location

The goal is 250 faces a second for mesh, pose and blendshapes together. The mesh looks again where the crop of the
detector's box was off (see `mien.location.mesh478`): how many looks it took is printed beside the time.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.timing import seconds
from mien import assets
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine

FIELDS = ("landmarks", "pose", "blendshapes", "eyes")
GOAL = 250  # faces a second: mesh, pose and blendshapes
MANY = 64


def main() -> None:
    images = [load_image(path) for path in assets.PEOPLE]
    with Engine(threads=1) as engine:
        engine.preload("detect", *FIELDS)
        found = [engine.detect(image).top(1) for image in images]
        rows = {"box and points of the detector": found, "box alone": [Faces.from_boxes(f.boxes) for f in found]}
        ideal = [engine.analyze(i, faces=f, want={"landmarks"}) for i, f in zip(images, found, strict=True)]
        rows["box of the last frame's mesh"] = [_around_mesh(faces) for faces in ideal]
        print(f"One face at a time, {len(images)} portraits, one core")
        print(f"{'given':34}" + "".join(f"{name:>14}" for name in FIELDS) + f"{'three a second':>16}{'looks':>8}")
        for label, given in rows.items():
            times, looks = _one_by_one(engine, images, given)
            rate = 1 / sum(times[name] for name in ("landmarks", "pose", "blendshapes"))
            cells = "".join(f"{1000 * times[name]:11.2f} ms" for name in FIELDS)
            print(f"{label:34}{cells}{rate:16.0f}{looks:8.1f}")
        whole = _rate(engine, images, found)
        print(f"through analyze(image, faces=...): {whole:.0f} a second (the goal is {GOAL})")
        print(f"\n{MANY} faces of one picture at once, against {MANY} calls of one face")
        for name, (single, batch) in _batches(engine, images[0], found[0]).items():
            print(f"  {name:14}{1000 * single:8.2f} ms{1000 * batch:8.2f} ms   ratio {single / batch:.2f}")


def _around_mesh(faces: Faces) -> Faces:
    """A box from which the mesh's first crop is the one that its points ask for."""
    points = faces.landmarks.values[:, :468, :2]
    low, high = points.min(axis=1), points.max(axis=1)
    half = (high - low).max(axis=1, keepdims=True) * (1.5 / 1.4) / 2
    middle = (low + high) / 2 + 0.5
    eyes = points[:, [33, 263]]  # outer corners: the turn of the crop
    return Faces.from_boxes(
        np.hstack([middle - half, middle + half]), keypoints=eyes, keypoint_names=("right_eye", "left_eye")
    )


def _one_by_one(engine: Engine, images: Sequence[Image], given: Sequence[Faces]) -> tuple[dict[str, float], float]:
    """Seconds of each step for one face, the median over portraits; and how often the mesh looked, on average."""
    steps = {name: engine.runner(name) for name in FIELDS}
    spent: dict[str, list[float]] = {name: [] for name in FIELDS}
    for image, start in zip(images, given, strict=True):
        faces = start
        for name, step in steps.items():
            batch = Batch([image], np.zeros(len(faces), np.intp), faces)
            spent[name].append(seconds(functools.partial(step.describe, batch)))
            faces = faces.with_columns(step.describe(batch))
    return {name: float(np.median(values)) for name, values in spent.items()}, _looks(steps["landmarks"], images, given)


def _looks(mesh: Any, images: Sequence[Image], given: Sequence[Faces]) -> float:
    """How often the mesh's network runs for a face, on average."""
    session, count = mesh._session, [0]  # noqa: SLF001 - nothing public tells

    class Counted:
        def run(self, *inputs: Any) -> Any:
            count[0] += len(inputs[0])
            return session.run(*inputs)

    mesh._session = Counted()  # noqa: SLF001
    for image, faces in zip(images, given, strict=True):
        mesh.describe(Batch([image], np.zeros(len(faces), np.intp), faces))
    mesh._session = session  # noqa: SLF001
    return count[0] / len(images)


def _rate(engine: Engine, images: Sequence[Image], given: Sequence[Faces]) -> float:
    """Faces a second through the engine, which plans and checks for each picture."""
    want = {"landmarks", "pose", "blendshapes"}
    pairs = zip(images, given, strict=True)
    calls = [functools.partial(engine.analyze, image, faces=faces, want=want) for image, faces in pairs]
    return 1 / float(np.median([seconds(call) for call in calls]))


def _batches(engine: Engine, image: Image, face: Faces) -> dict[str, tuple[float, float]]:
    """Seconds of MANY single calls and of one call with MANY faces, by field."""
    faces, result = face, {}
    for name in FIELDS:
        step = engine.runner(name)
        one = Batch([image], np.zeros(1, np.intp), faces)
        many = Batch([image], np.zeros(MANY, np.intp), Faces.concat([faces] * MANY))
        result[name] = (
            MANY * seconds(functools.partial(step.describe, one)),
            seconds(functools.partial(step.describe, many)),
        )
        faces = faces.with_columns(step.describe(one))
    return result


if __name__ == "__main__":
    main()
