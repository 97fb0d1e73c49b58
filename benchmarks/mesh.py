"""The rasterizer: milliseconds to draw, warp, unwrap and judge the visibility of a face mesh, on one core.

    python -m benchmarks.mesh

The mesh is the one of a shipped portrait, scaled to faces of several widths. Medians of 30 calls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np

from benchmarks.landmarks import milliseconds
from mien import assets
from mien.core.image import load_image
from mien.core.mesh import visibility, warp_mesh
from mien.core.raster import rasterize
from mien.engine import Engine
from mien.location.topology import face_topology

WIDTHS = (100, 300, 1000)
TEXTURE = 512  # pixels


def main() -> None:
    cv2.setNumThreads(1)
    image = load_image(assets.PEOPLE[0])
    with Engine(threads=1) as engine:
        points = engine.analyze(image, want={"landmarks"}).top(1).landmarks.values[0].astype(np.float64)
        topology = face_topology(engine=engine)
    points, triangles = points[: len(topology.vertices)], topology.triangles
    print(f"{len(points)} vertices, {len(triangles)} triangles, {len(topology.edges)} edges; OpenCV with one thread")
    rows: dict[str, list[float]] = {}
    for width in WIDTHS:
        scale = width / float(np.ptp(points[:, 0]))
        picture = cv2.resize(image, None, fx=scale, fy=scale).astype(np.uint8)
        mesh, size = points * scale, picture.shape[:2]
        texture = topology.uv * TEXTURE - 0.5
        calls: dict[str, Callable[[], Any]] = {
            "z-buffer": partial(rasterize, mesh, triangles, size),
            "warp, face to face": partial(warp_mesh, picture, mesh, mesh, triangles, size),
            f"unwrap to {TEXTURE} px": partial(warp_mesh, picture, mesh, texture, triangles, (TEXTURE, TEXTURE)),
            "  only what is seen": partial(
                warp_mesh, picture, mesh, texture, triangles, (TEXTURE, TEXTURE), visible_only=True
            ),
            "visibility": partial(visibility, mesh[None], triangles),
            "normals": partial(topology.normals, mesh),
        }
        for name, call in calls.items():
            rows.setdefault(name, []).append(milliseconds(call))
    print(f"{'ms for a face of':22}" + "".join(f"{width:>7} px" for width in WIDTHS))
    for name, times in rows.items():
        print(f"{name:22}" + "".join(f"{time:10.2f}" for time in times))


if __name__ == "__main__":
    main()
