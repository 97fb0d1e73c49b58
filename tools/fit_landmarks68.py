"""Fits src/mien/location/ibug68.npz: how far iBUG's 68 points are from the nearest mesh points.

    .venv/bin/python -m tools.fit_landmarks68 MARKED.xml FOLDER ...

Ridge regression, by faces and their mirror images, to two kinds of marks: those of an imglab file (dlib's
``training_with_face_landmarks.xml``; never ``testing_``, by which the result is judged), and the points that dlib's
68-point predictor, itself trained on iBUG 300-W, gives the pictures in the folders and generated people. Its detector
finds the faces; those where it and the mesh see different faces do not count. The penalty was chosen by leaving out the
marked photos one by one; what that gave is printed.

What ships was fitted to 18 marked faces, and to 643 of 505 pictures (50 of LFW, 55 of dlib's examples, 400 of UTKFace)
and 150 generated people.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from benchmarks.dlib_peer import points68
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.datasets.readers.dlib_xml import read_dlib_xml
from mien.engine import Engine
from mien.location.ibug68 import MIRRORED, NEAREST, Correction, upright_shapes
from mien.media.scan import PICTURE_SUFFIXES

TABLE = Path(__file__).resolve().parents[1] / "src" / "mien" / "location" / "ibug68.npz"
PENALTIES = (1e-5, 1e-4, 3e-4, 1e-3, 1e-2)
PENALTY = 3e-4
GENERATED = 150  # people, by the seeds 0, 1, 2 ...
MARGIN = 60  # pixels mirrored around each picture: crops are too tight for a detector
BLOCK = 32  # pictures that dlib gets at a time
WORST = 0.12  # mean distance from mesh to marks, in distances of the eyes: beyond it they are of two faces
KEPT = 0.99  # of the faces are within reach

Doubles = NDArray[np.float64]


def main() -> None:
    """Fit, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("marked", type=Path, help="an imglab file with 68 points a face")
    parser.add_argument("folders", type=Path, nargs="*", help="pictures with one face each, at any depth")
    parser.add_argument("--out", type=Path, default=TABLE, help="the table to write")
    arguments = parser.parse_args()
    with Engine(threads=1) as engine:
        meshes, marks, photos = marked_faces(arguments.marked, engine)
        more = taught_faces(pictures(arguments.folders, engine), engine)
    say = sys.stdout.write
    say(f"{len(meshes)} marked faces in {len(set(photos))} photos, {len(more[0])} faces marked by dlib\n")
    for penalty in PENALTIES:
        say(f"penalty {penalty:g}: error {left_out(meshes, marks, photos, more, penalty):.4f}\n")
    correction = fit(np.concatenate([meshes, more[0]]), np.concatenate([marks, more[1]]), PENALTY)
    correction.write(arguments.out)


def marked_faces(path: Path, engine: Engine) -> tuple[Doubles, Doubles, list[Path]]:
    """Mesh points (N, 68, 3), marks (N, 68, 2) and photo of each face of an imglab file."""
    meshes, marks, photos = [], [], []
    for photo in read_dlib_xml(path):
        faces = engine.analyze(photo.path, faces=Faces.from_boxes(photo.boxes), want={"landmarks"})
        meshes.append(faces.landmarks.values[:, NEAREST])
        marks.append(photo.points)
        photos += [photo.path] * len(faces)
    return np.concatenate(meshes).astype(np.float64), np.concatenate(marks), photos


def pictures(folders: Sequence[Path], engine: Engine) -> Iterator[Image]:
    """The pictures of the folders, and generated people."""
    for file in sorted(file for folder in folders for file in folder.rglob("*")):
        if file.suffix.lower() in PICTURE_SUFFIXES:
            yield np.pad(load_image(file), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
    import mien

    for seed in range(GENERATED):
        yield mien.generate(seed=seed, engine=engine).image


def taught_faces(images: Iterable[Image], engine: Engine) -> tuple[Doubles, Doubles]:
    """Mesh points (N, 68, 3) of the largest faces, and dlib's marks (N, 68, 2)."""
    meshes, marks = [], []
    images = iter(images)
    while block := list(itertools.islice(images, BLOCK)):
        found = points68(block, range(len(block)), None)
        for image, mark in zip(block, found, strict=True):
            faces = engine.analyze(image, want={"landmarks"}).top(1)
            if len(faces) and not faces.landmarks.abstained[0] and np.isfinite(mark).all():
                meshes.append(faces.landmarks.values[0, NEAREST])
                marks.append(mark)
    nearest, marked = np.array(meshes, np.float64), np.array(marks)
    same = errors(nearest, marked) < WORST
    return nearest[same], marked[same]


def fit(meshes: Doubles, marks: Doubles, penalty: float) -> Correction:
    """Ridge regression from shapes to what is missing, the bias not penalised."""
    shapes, maps, middles = upright_shapes(meshes)
    missing = (marks - middles) @ np.linalg.inv(maps) - shapes[..., :2]
    shapes = np.concatenate([shapes, (shapes * [-1, 1, 1])[:, MIRRORED]])
    missing = np.concatenate([missing, (missing * [-1, 1])[:, MIRRORED]])
    mean, bias, count = shapes.mean(axis=0), missing.mean(axis=0), len(shapes)
    away, wanted = (shapes - mean).reshape(count, -1), (missing - bias).reshape(count, -1)
    weights = np.linalg.solve(away.T @ away / count + penalty * np.eye(away.shape[1]), away.T @ wanted / count)
    reach = float(np.quantile(np.linalg.norm(away, axis=1), KEPT))
    return Correction(mean=mean, reach=reach, bias=bias, weights=weights)


def left_out(
    meshes: Doubles, marks: Doubles, photos: Sequence[Path], more: tuple[Doubles, Doubles], penalty: float
) -> float:
    """Mean error on each marked photo of what was fitted without it."""
    found = np.empty(len(meshes))
    for photo in set(photos):
        here = np.array([other == photo for other in photos])
        parts = [np.concatenate([own[~here], other]) for own, other in zip((meshes, marks), more, strict=True)]
        found[here] = errors(fit(parts[0], parts[1], penalty)(meshes[here]), marks[here])
    return float(found.mean())


def errors(points: Doubles, marks: Doubles) -> Doubles:
    """Mean distance of each face's points from its marks, in distances of the outer corners of the eyes: (N,)."""
    eyes = np.linalg.norm(marks[:, 36] - marks[:, 45], axis=1)
    return np.asarray(np.linalg.norm(points[..., :2] - marks, axis=2).mean(axis=1) / eyes)


if __name__ == "__main__":
    main()
