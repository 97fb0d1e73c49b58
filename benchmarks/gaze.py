"""Gaze, of which there is no ground truth here: how far models agree, and what calibration does for simulated people.

    python -m benchmarks.gaze

Tables: the geometry against three networks, on all faces of real photos whose mesh is large enough; how much of each
estimate is noise and what its gain is, as three estimates tell about each other; the angle to the camera on pictures
whose people mostly look into it; mirrored copies; on-screen errors of simulated people before and after calibration;
and the time a face takes. `mien evaluate gaze --drawn 20` adds how each answers to painted turns of the eyes.

Nothing was fitted on these photos but the distance of the lids below which an eye is closed. Agreement is no accuracy:
models that see the same face share mistakes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Directions
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.evaluation.intervals import bootstrap
from mien.evaluation.simulated import SimulatedUser
from mien.location.screen import Profile, screen_features

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDERS = ("identities", "identities_johns", "detect_noses", "landmarks68_boxes", "age_gender")
MODELS = ("iris-geometry", "intel-gaze", "xgaze-r18", "mpiigaze")
SMALLEST = 100.0  # pixels of the mesh's longer side
USERS = 30

Floats = NDArray[np.floating[Any]]


def largest(faces: Faces) -> NDArray[np.bool_]:
    """Faces whose mesh is large enough."""
    xy = faces.landmarks.xy
    with np.errstate(invalid="ignore"):
        return np.asarray((xy.max(axis=1) - xy.min(axis=1)).max(axis=1) > SMALLEST)


def seen() -> tuple[dict[str, Floats], list[str], list[tuple[Image, Faces]]]:
    """Gaze (N, 2) by model, the folder of each face, and a few pictures with their faces."""
    found: dict[str, list[Floats]] = {model: [] for model in MODELS}
    folders, kept = [], []
    engines = {model: Engine(threads=1, models={"gaze": model}) for model in MODELS}
    for folder in FOLDERS:
        for index, path in enumerate(sorted((DATA / folder).rglob("*.jpg"))):
            image = load_image(path)
            faces = engines[MODELS[0]].analyze(image, want={"landmarks", "pose"})
            faces = faces[largest(faces)]
            for model, engine in engines.items():
                found[model].append(engine.analyze(image, faces=faces, want={"gaze"}).gaze.values)
            folders += [folder] * len(faces)
            if folder == "identities" and index % 2 == 0:
                kept.append((image, faces))
    for engine in engines.values():
        engine.close()
    return {model: np.concatenate(rows) for model, rows in found.items()}, folders, kept


def unit(degrees: Floats) -> Floats:
    return np.asarray(Directions(degrees.astype(np.float32)).vector, np.float64)


def apart(one: Floats, other: Floats) -> Floats:
    """Degrees between directions (N, 2)."""
    return np.asarray(np.rad2deg(np.arccos((unit(one) * unit(other)).sum(axis=1).clip(-1, 1))))


def agreement(gaze: dict[str, Floats]) -> None:
    both = np.all([np.isfinite(rows).all(axis=1) for rows in gaze.values()], axis=0)
    print(f"\nAgreement on {both.sum()} faces ({(~both).sum()} abstained): correlation of yaw / pitch, mean angle")
    print(f"{'':16}" + "".join(f"{name:>22}" for name in MODELS))
    for one in MODELS:
        cells = []
        for other in MODELS:
            a, b = gaze[one][both], gaze[other][both]
            yaw, pitch = (np.corrcoef(a[:, axis], b[:, axis])[0, 1] for axis in (0, 1))
            cells.append(f"{yaw:6.2f} /{pitch:5.2f} {apart(a, b).mean():5.1f} deg")
        print(f"{one:16}" + "".join(f"{cell:>22}" for cell in cells))
    means = ", ".join(f"{n} {gaze[n][both, 0].mean():+.1f} {gaze[n][both, 1].mean():+.1f}" for n in MODELS)
    print(f"mean yaw and pitch: {means}")


def three_cornered(gaze: dict[str, Floats]) -> None:
    """Gains and noise of three estimates with independent errors, from their covariances (Stoffelen, 1998)."""
    names = MODELS[:3]
    both = np.all([np.isfinite(gaze[name]).all(axis=1) for name in names], axis=0)
    print("\nThree estimates about each other, if their errors are independent: gain over xgaze-r18, noise in degrees")
    for axis, word in enumerate(("yaw", "pitch")):
        rows = np.stack([gaze[name][both, axis] for name in names], axis=1).astype(np.float64)
        parts = [rows[[index]] for index in range(len(rows))]

        def gain(drawn: Any) -> float:
            c = np.cov(np.concatenate(drawn).T)
            return float(c[0, 1] / c[2, 1])

        c = np.cov(rows.T)
        truth = c[0, 2] * c[1, 2] / c[0, 1]
        gains = [c[0, 1] / c[2, 1], c[0, 1] / c[0, 2], 1.0]
        noise = [np.sqrt(max(c[i, i] - gains[i] ** 2 * truth, 0)) for i in range(3)]
        low, high = bootstrap(gain, parts, repeats=300)
        cells = ", ".join(f"{n} {g:.2f} {s:.1f}" for n, g, s in zip(names, gains, noise, strict=True))
        print(f"{word:6} {cells}; gain of {names[0]} 95 % {low:.2f} to {high:.2f}")


def toward_camera(gaze: dict[str, Floats], folders: list[str]) -> None:
    print("\nAngle to the camera, degrees: median, and 90th percentile; most of these people look into it")
    for folder in FOLDERS:
        rows = np.array([name == folder for name in folders])
        cells = []
        for model in MODELS:
            off = np.rad2deg(np.arccos((-unit(gaze[model][rows])[:, 2]).clip(-1, 1)))
            cells.append(f"{model} {np.nanmedian(off):.1f} {np.nanpercentile(off, 90):.1f}")
        print(f"{folder:20}{rows.sum():4} faces  " + ", ".join(cells))


def mirrored(kept: list[tuple[Image, Faces]]) -> None:
    print("\nMirrored copies: change of yaw and pitch that should be 0, degrees, median; time a face, milliseconds")
    for model in MODELS:
        rows, spent = [], 0.0
        with Engine(threads=1, models={"gaze": model}) as engine:
            engine.preload("gaze")
            for image, faces in kept:
                start = time.perf_counter()
                plain = engine.analyze(image, faces=faces, want={"gaze"}).gaze.values
                spent += time.perf_counter() - start
                flipped = np.ascontiguousarray(image[:, ::-1])
                boxes = faces.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [image.shape[1], 0, image.shape[1], 0]
                again = engine.analyze(flipped, faces=Faces.from_boxes(boxes), want={"gaze"}).gaze.values
                rows.append(again * [-1, 1] - plain)
        off = np.nanmedian(np.abs(np.concatenate(rows)), axis=0)
        count = sum(len(faces) for _, faces in kept)
        print(f"{model:16}{count:4} faces {off[0]:6.1f} {off[1]:6.1f}   {spent / count * 1000:6.2f} ms beyond the mesh")


def screens() -> None:
    print(
        f"\nOn a screen of 34 x 19 cm, {USERS} simulated people, 100 points each: error in cm, mean over people (95 %)"
    )
    print(f"{'calibrated with':26}{'without':>22}{'calibrated':>22}{'expected':>12}")
    for across, down, repeats in ((3, 2, 1), (3, 3, 1), (4, 4, 1), (4, 4, 3)):
        rows = np.array([one_user(seed, across, down, repeats) for seed in range(USERS)])
        cells = []
        for column in (0, 1):
            low, high = bootstrap(lambda drawn: float(np.mean(drawn)), rows[:, column].tolist())
            cells.append(f"{rows[:, column].mean():6.1f} ({low:.1f} to {high:.1f})")
        label = f"{across * down} points" + (f", {repeats} pictures each" if repeats > 1 else "")
        print(f"{label:26}{cells[0]:>22}{cells[1]:>22}{rows[:, 2].mean():12.1f}")


def one_user(seed: int, across: int, down: int, repeats: int) -> tuple[float, float, float]:
    """Mean errors without calibration (the screen's place known) and with, and the one that the profile expects."""
    user = SimulatedUser(seed=seed)
    points = np.tile(user.grid(across, down), (repeats, 1))
    test = np.random.default_rng(seed).uniform(0.1, 0.9, (100, 2)) * user.screen
    profile = Profile.calibrate(user.look_at(points, seed=1), points)
    faces = user.look_at(test, seed=2)
    meets = screen_features(faces)[:, :2]
    raw = np.stack([user.screen[0] / 2 - meets[:, 0], meets[:, 1] - 1], axis=1)
    without, calibrated = (
        float(np.linalg.norm(told - test, axis=1).mean()) for told in (raw, profile.predict(faces).xy)
    )
    return without, calibrated, profile.error


def main() -> None:
    screens()
    if not DATA.is_dir():
        print(f"skipped: no pictures in {DATA}")
        return
    gaze, folders, kept = seen()
    agreement(gaze)
    three_cornered(gaze)
    toward_camera(gaze, folders)
    mirrored(kept)


if __name__ == "__main__":
    main()
