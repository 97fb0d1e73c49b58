"""Fits which way the points of a face move with each coefficient of expression: src/mien/swaps/shape/expressions.npz.

    .venv/bin/python tools/fit_expressions.py ../shared/data [FOLDER ...]

Every picture and video below the folders is looked at: each face gives its mesh, laid on the head's own axes in cm, and
its blendshapes. Points are regressed on coefficients (ridge), about the mean of each clip, and about that of all
pictures together: over hundreds of people what is theirs averages out. Each face counts twice, once mirrored, so that
the directions are symmetric. What a direction moves by less than a part of its most is noise, and taken out. Five
minutes on one core; what was fitted on pictures for research carries their terms.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, SourceError
from mien.core.faces import Faces
from mien.core.image import load_image
from mien.engine import Engine
from mien.location.blendshapes import BLENDSHAPE_NAMES
from mien.location.topology import face_topology
from mien.media.video import VIDEO_SUFFIXES
from mien.swaps.shape.gestures import mirrored_points, write_gestures

WANT = {"stabilized", "blendshapes", "presence", "pose"}
OUT = Path(__file__).resolve().parents[1] / "src/mien/swaps/shape/expressions.npz"
LEFT_OUT = ("manipulated", "expression", "replay")  # folders: forged films, crops of 48 pixels, screens
TURNED = 25.0  # degrees: the mesh of faces turned farther tells little of one half
SURE = 0.9  # of the mesh's presence
FRAMES = 450  # of a clip
STILLS, CLIPS = 1.5, 0.5  # how much a face counts
RIDGE = 5e-4
LEAST = 0.004  # standard deviation: coefficients that vary less are told nothing of
NOISE = 0.15  # of a direction's most
# What is not of the skin (the eyeballs turn), or of what no face here shows enough.
NOT_FITTED = ("eyeLook", "eyeWide", "jawLeft", "jawRight", "jawForward", "mouthClose", "_neutral")

Doubles = NDArray[np.float64]


def groups(engine: Engine, folders: list[Path]) -> Iterator[tuple[float, list[Faces]]]:
    """Faces that share a mean, and how much each counts."""
    stills: list[Faces] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if any(part in str(path) for part in LEFT_OUT):
            continue
        try:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                yield CLIPS, clip(engine, path)
            elif path.suffix.lower() in {".jpg", ".png"}:
                stills.append(engine.analyze(load_image(path), want=WANT, max_faces=6).with_image(None))
        except (ImageError, SourceError) as error:
            sys.stderr.write(f"{path.name}: {error}\n")
    yield STILLS, stills


def clip(engine: Engine, path: Path) -> list[Faces]:
    """The faces of a clip, where there is one alone."""
    found: list[Faces] = []
    with engine.track(path, want=WANT, smooth=False, reidentify=False) as frames:
        for number, item in enumerate(frames):
            if number >= FRAMES:
                break
            if item.faces is not None and len(item.faces) == 1:
                found.append(item.faces.with_image(None))
    return found


def rows(faces: list[Faces]) -> tuple[Doubles, Doubles]:
    """Coefficients (N, 52) and meshes (N, 468, 3) of faces that are seen well, about their means."""
    given, moved = [], []
    for some in faces:
        good = (some.presence.values > SURE) & (np.abs(some.pose.values[:, :2]) < TURNED).all(axis=1)
        given.append(some.blendshapes.values[good].astype(np.float64))
        moved.append(some.stabilized.values[good, :468].astype(np.float64))
    a, b = np.concatenate(given), np.concatenate(moved)
    return a - a.mean(axis=0), b - b.mean(axis=0)


def solve(given: Doubles, moved: Doubles, weights: Doubles) -> tuple[Doubles, float]:
    """Directions (K, 468, 3), and which part of the motion they explain."""
    flat = moved.reshape(len(moved), -1)
    normal = (given * weights[:, None]).T @ given + RIDGE * weights.sum() * np.eye(given.shape[1])
    found = np.linalg.solve(normal, (given * weights[:, None]).T @ flat)
    rest = flat - given @ found
    explained = 1 - (weights[:, None] * rest**2).sum() / (weights[:, None] * flat**2).sum()
    return found.reshape(-1, *moved.shape[1:]), float(explained)


def quiet(directions: Doubles) -> Doubles:
    """Directions without their noise: each point moves less by a part of what the farthest does."""
    far = np.linalg.norm(directions, axis=2, keepdims=True)
    return np.asarray(directions * (1 - NOISE * far.max(axis=1, keepdims=True) / np.maximum(far, 1e-12)).clip(min=0))


def main() -> None:
    """Look, fit, write, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    with Engine(threads=1) as engine:
        mirror = mirrored_points(face_topology(engine=engine))
        found = groups(engine, parser.parse_args().folders)
        parts: list[Any] = [(weight, *rows(faces)) for weight, faces in found if faces]
    other = [name.replace("Left", "#").replace("Right", "Left").replace("#", "Right") for name in BLENDSHAPE_NAMES]
    swapped = [BLENDSHAPE_NAMES.index(name) for name in other]
    given = np.concatenate([values for _, a, _ in parts for values in (a, a[:, swapped])])
    moved = np.concatenate([values for _, _, b in parts for values in (b, b[:, mirror] * (-1, 1, 1))])
    weights = np.concatenate([np.full(2 * len(a), weight) for weight, a, _ in parts])
    kept = np.flatnonzero(given.std(axis=0) > LEAST)
    fitted, explained = solve(given[:, kept], moved, weights)
    names = [BLENDSHAPE_NAMES[place] for place in kept]
    shipped = [place for place, name in enumerate(names) if not name.startswith(NOT_FITTED)]
    directions = quiet(fitted[shipped])
    write_gestures(OUT, [names[place] for place in shipped], directions)
    sys.stdout.write(f"{len(given) // 2} faces, {explained:.0%} of the motion explained; largest motion in cm:\n")
    for place, far in zip(shipped, np.linalg.norm(directions, axis=2).max(axis=1), strict=True):
        sys.stdout.write(f"  {names[place]:20} {far:.2f}\n")


if __name__ == "__main__":
    main()
