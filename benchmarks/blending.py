"""What it takes to lay a changed face into a picture: cost of each step, seams of each way, and light that is known.

    python -m benchmarks.blending

Faces of the shipped portraits are drawn over one another by their meshes: no swap, but the same seams. Times are
medians on one core, and in parts of OpenCV's ``seamlessClone`` of the same face, as machines differ. A seam's
visibility is `mien.evaluation.swap.seam`: 1 where the picture's own surroundings change as much. Light that is known is
that of one lamp, whose cosine is cut off at 0, on the mesh itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import seconds
from mien import assets
from mien.core.image import Image, load_image
from mien.core.mesh import Topology, warp_mesh
from mien.core.raster import rasterize
from mien.engine import Engine
from mien.evaluation.swap import seam
from mien.location.topology import face_topology
from mien.swaps.blend.blending import gradient, multiband
from mien.swaps.blend.colors import match_colors
from mien.swaps.blend.facemask import NEEDS, face_alpha, skin_weight
from mien.swaps.blend.grain import match_grain
from mien.swaps.blend.lighting import LUMINANCE, normal_map, relit, to_linear
from mien.swaps.plate import Plate

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
WIDTH = 300  # pixels of the larger extent of a face
TONES = {"light": (0.75, 0.52, 0.42), "dark": (0.3, 0.17, 0.11)}  # of skin, in linear light
SKIES = (0.6, 0.25)  # of the light that comes from everywhere: soft, and hard
LAMPS = {
    "front to left": ((0.0, 0.0, -1.0), (-1.0, -0.3, -0.4)),
    "right to left": ((1.0, -0.3, -0.5), (-1.0, -0.3, -0.5)),
    "left to front": ((-1.0, -0.2, -0.3), (0.0, -0.2, -1.0)),
    "above to right": ((0.0, -1.0, -0.6), (0.8, 0.2, -0.5)),
}


def main() -> None:
    cv2.setNumThreads(1)
    with Engine(threads=1) as engine:
        topology = face_topology(engine=engine)
        people = [_portrait(path, engine) for path in assets.PEOPLE]
    _costs(*_laid(people[0], people[1], topology), topology)
    _seams(people, topology)
    _known(topology)


def _portrait(path: Any, engine: Engine) -> tuple[Image, Any]:
    """A portrait whose face is `WIDTH` pixels large, and its face."""
    image = load_image(path)
    points = engine.analyze(image, want={"landmarks"}).top(1).landmarks.values[0]
    scale = WIDTH / float(np.ptp(points[:, :2], axis=0).max())
    image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return image, engine.analyze(image, want=NEEDS).top(1)[0]


def _laid(
    source: tuple[Image, Any], target: tuple[Image, Any], topology: Topology
) -> tuple[Plate, Any, Floats, Floats]:
    """One face drawn over another: plate, face, front and alpha."""
    count = len(topology.vertices)
    plate = Plate.around(target[0], target[1].landmarks.values)
    assert plate is not None
    size = plate.image.shape[:2]
    points = source[1].landmarks.values[:count]
    front, drawn = warp_mesh(source[0], points, plate.points[:count], topology.triangles, size)
    alpha = face_alpha(plate, target[1], topology=topology) * drawn
    return plate, target[1], front.astype(np.float32), np.asarray(alpha, np.float32)


def _costs(plate: Plate, face: Any, front: Floats, alpha: Floats, topology: Topology) -> None:
    back, skin = plate.image.astype(np.float32), skin_weight(plate, alpha)
    normals = normal_map(plate, topology)
    calls: dict[str, Callable[[], Any]] = {
        "mask": lambda: skin_weight(plate, face_alpha(plate, face, topology=topology)),
        "light": lambda: relit(front, back, normal_map(plate, topology), skin),
        "colours": partial(match_colors, front, back, skin),
        "grain": partial(match_grain, front, back, alpha),
        "multiband": partial(multiband, front, back, alpha),
    }
    others: dict[str, Callable[[], Any]] = {
        "gradient": partial(gradient, front, back, alpha),
        "light, normals given": partial(relit, front, back, normals, skin),
    }
    clone = seconds(partial(_cloned, front, back, alpha))
    times = {name: seconds(call) for name, call in calls.items()}
    print(
        f"a face of {WIDTH} px in a plate of {back.shape[1]}x{back.shape[0]}, one core; "
        f"OpenCV's clone {clone * 1e3:.1f} ms"
    )
    for name, spent in {**times, "all of these": sum(times.values())}.items():
        print(f"  {name:22}{spent * 1e3:7.1f} ms {spent / clone:6.2f} of the clone")
    for name, call in others.items():
        print(f"  ({name}){'':{20 - len(name)}}{(spent := seconds(call)) * 1e3:7.1f} ms {spent / clone:6.2f}")


def _cloned(front: Floats, back: Floats, alpha: Floats) -> Floats:
    """OpenCV's Poisson cloning (Pérez et al. 2003) with the same mask, made hard."""
    mask = (alpha > 0.5).astype(np.uint8) * np.uint8(255)
    mask[[0, -1]] = mask[:, [0, -1]] = 0
    x, y, width, height = cv2.boundingRect(mask)
    middle = x + width // 2, y + height // 2
    out = cv2.seamlessClone(_bytes(front), _bytes(back), mask, middle, cv2.NORMAL_CLONE)
    return np.asarray(out, np.float32)


def _bytes(image: Floats) -> Image:
    return np.asarray((image + np.float32(0.5)).clip(0, 255), np.uint8)


def _plain(front: Floats, back: Floats, alpha: Floats) -> Floats:
    return back + alpha[..., None] * (front - back)


def _seams(people: list[tuple[Image, Any]], topology: Topology) -> None:
    ways = {
        "hard edge": _hard,
        "alpha": _plain,
        "multiband": multiband,
        "gradient": gradient,
        "OpenCV's clone": _cloned,
    }
    print(
        f"seams of {len(people) * (len(people) - 1)} pairs: median and 90th percentile (1 is none), "
        "and by how many levels skin inside is changed"
    )
    results: dict[str, list[tuple[float, float]]] = {}
    for source, target in itertools.permutations(people, 2):
        plate, _, front, alpha = _laid(source, target, topology)
        back, skin = plate.image.astype(np.float32), skin_weight(plate, alpha)
        lit = relit(front, back, normal_map(plate, topology), skin)
        fronts = {"as it is": front, "light, colours": match_colors(lit, back, skin)}
        for (kind, one), (name, way) in itertools.product(fronts.items(), ways.items()):
            out = way(one, back, alpha)
            levels = np.ceil(alpha * 255).astype(np.uint8)
            inside = skin > 0.9
            moved = float(np.abs((out - one).mean(axis=2))[inside].mean()) if inside.any() else np.nan
            results.setdefault(f"{name}, {kind}", []).append((seam(_bytes(back), _bytes(out), levels), moved))
    for name, values in results.items():
        seams, moved = np.array(values).T
        print(f"  {name:30}{np.nanmedian(seams):7.2f}{np.nanquantile(seams, 0.9):7.2f}{np.nanmean(moved):9.1f}")


def _hard(front: Floats, back: Floats, alpha: Floats) -> Floats:
    return np.where(alpha[..., None] > 0.5, front, back)


def _known(topology: Topology) -> None:
    print("known light: root mean square of log light against the truth, before and after `relit`")
    for sky, (name, (own, other)) in itertools.product(SKIES, LAMPS.items()):
        before, after = np.mean([_errors(topology, own, other, sky, yaw) for yaw in (0.0, 30.0)], axis=0)
        print(f"  {name:16} {'soft' if sky > 0.5 else 'hard'} light{before:8.2f}{after:8.2f}")


def _errors(
    topology: Topology, own: tuple[float, ...], other: tuple[float, ...], sky: float, yaw: float
) -> tuple[float, float]:
    """Errors of a light face before and after it is lit as a dark one under another lamp is."""
    points = _placed(topology, yaw)
    front = _shaded(points, topology, own, TONES["light"], sky)
    back = _shaded(points, topology, other, TONES["dark"], sky)
    truth = _shaded(points, topology, other, TONES["light"], sky)
    plate = Plate.around(_bytes(back), points)
    assert plate is not None
    here = plate.window
    alpha = face_alpha(plate, topology=topology)
    out = relit(front[here], back[here], normal_map(plate, topology), alpha)
    return _off(front[here], truth[here], alpha), _off(out, truth[here], alpha)


def _placed(topology: Topology, yaw: float) -> Doubles:
    rest = topology.vertices.astype(np.float64)
    rest = (rest - (rest.max(axis=0) + rest.min(axis=0)) / 2) * (WIDTH / np.ptp(rest[:, :2], axis=0).max())
    cos, sin = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return np.asarray(rest @ np.array([(cos, 0, sin), (0, 1, 0), (-sin, 0, cos)]).T + (WIDTH * 0.75, WIDTH * 0.75, 0))


def _shaded(
    points: Doubles, topology: Topology, lamp: tuple[float, ...], tone: tuple[float, ...], sky: float
) -> Floats:
    """The mesh under one lamp and a sky, with a camera's noise: 0 to 255."""
    side = round(1.5 * WIDTH)
    normals = np.zeros((side, side, 3), np.float32)
    raster = rasterize(points, topology.triangles, (side, side))
    normals[raster.window] = np.nan_to_num(raster.interpolate(topology.normals(points)))
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    shade = 0.25 * sky + (1 - sky) * np.maximum(normals @ (np.array(lamp) / np.linalg.norm(lamp)), 0)
    light = shade[..., None] * np.array(tone)
    levels = 255 * np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    )
    noise = np.random.default_rng(0).normal(0, 2, levels.shape)
    return np.asarray(np.rint(levels + noise).clip(0, 255), np.float32)


def _off(image: Floats, truth: Floats, alpha: Floats) -> float:
    """How far the logarithm of light is off, but for one factor."""
    inside = alpha > 0.99
    one, other = (np.log(np.maximum((to_linear(each) @ LUMINANCE)[inside], 1e-3)) for each in (image, truth))
    return float(np.std(one - other))


if __name__ == "__main__":
    main()
