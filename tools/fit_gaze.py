"""Fits where the eyeball lies behind the corners of the eye, in src/mien/models/cards/iris-geometry.toml.

    .venv/bin/python tools/fit_gaze.py [--people 300]

The generator draws people, and they look into the camera, as those of FFHQ do nearly all of the time. So each iris
stands before its eyeball's centre as the camera sees it: middle of the corners + R c = iris, in the picture, for every
head's rotation R; heads turned to the side tell the depth. c has three numbers; they are found by least squares with
Huber's weights, as some do look elsewhere. No picture of a real person is used, so that all of those can judge it.
It takes two minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Points
from mien.core.faces import Faces
from mien.engine import Engine
from mien.location.gaze import EYES, iris_diameters
from mien.swaps.invented.generator import MobileStyleGAN, latents

TRUNCATION = 0.8  # heads turn further than at the default
FIRST_SEED = 90_000
IRIS = 11.7  # mm
HUBER = 1.5  # standard deviations

Doubles = NDArray[np.float64]


def people(count: int) -> Iterator[Faces]:
    """One face with ``landmarks`` and ``pose`` of each picture that shows a clear one."""
    with Engine(threads=1) as engine:
        generator: MobileStyleGAN = engine.runner("generate")
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            latent = next(islice(latents(seed), 1))
            image = generator.draw(generator.styles(latent[None], truncation=TRUNCATION))[0]
            faces = engine.analyze(image, want={"landmarks", "pose", "presence"}).top(1)
            if len(faces) and faces.presence.values[0] > 0.9:
                yield faces.with_image(None)


def equations(landmarks: Points, rotation: Doubles) -> tuple[Doubles, Doubles]:
    """Left and right sides (2 eyes, N, 2, 3) and (2, N, 2) of what c should solve, in millimetres."""
    points = landmarks.values.astype(np.float64)
    millimetre = np.mean([iris_diameters(points, eye) for eye in EYES], axis=0) / IRIS  # in pixels
    left = [rotation[:, :2] * np.array([-eye.side, -1, 1]) for eye in EYES]  # c counts outwards, up and inwards
    right = [(points[:, eye.iris, :2] - points[:, eye.corners, :2].mean(axis=1)) / millimetre[:, None] for eye in EYES]
    return np.stack(left), np.stack(right)


def solve(left: Doubles, right: Doubles) -> Doubles:
    """The vector c by least squares with Huber's weights, (3,)."""
    a, b = left.reshape(-1, 3), right.ravel()
    weights = np.ones(len(b))
    for _ in range(30):
        c = np.linalg.lstsq(a * weights[:, None], b * weights, rcond=None)[0]
        rest = np.abs(b - a @ c)
        limit = HUBER * 1.4826 * np.median(rest)
        weights = np.sqrt(np.minimum(1, limit / np.maximum(rest, 1e-12)))
    return np.asarray(c)


def main() -> None:
    """Draw, fit, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--people", type=int, default=300)
    faces = Faces.concat(list(people(parser.parse_args().people)))
    left, right = equations(faces.landmarks, faces.pose.matrix.astype(np.float64))
    c = solve(left, right)
    draw = np.random.default_rng(0)
    again = [solve(left[:, rows], right[:, rows]) for rows in draw.integers(0, len(faces), (100, len(faces)))]
    rest = np.median(np.abs(right - (left @ c)))
    sys.stdout.write(
        f"{len(faces)} people, heads turned by up to {np.abs(faces.pose.yaw).max():.0f} degrees\n"
        f"center = [{', '.join(f'{value:.1f}' for value in c)}]  # mm outwards, up, inwards\n"
        f"standard error {np.std(again, axis=0).round(2).tolist()}; median rest {rest:.2f} mm\n"
    )


if __name__ == "__main__":
    main()
