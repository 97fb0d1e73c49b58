"""What regions take: memory of many faces in a large picture, seconds of each operation, and how true they are.

    python -m benchmarks.regions

Regions are made up: ellipses where the parts of a face are. Memory is what Python allocates (tracemalloc), beyond the
pictures themselves. Seconds are those of one core, a mask that fills a good part of 12 megapixels. Edges are held
against the definition: discs, areas, masks that were written and read again.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import seconds
from mien.core.image import Image
from mien.core.region import Region

MB = 1e6
LARGE, FACES, PARTS = (7728, 5176), 40, 18  # 40 megapixels
MEDIUM = (4000, 3000)


def ellipse(x: float, y: float, width: float, height: float, size: tuple[int, int]) -> Region:
    turn = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    return Region.from_polygons([np.stack([x + width / 2 * np.cos(turn), y + height / 2 * np.sin(turn)], axis=1)], size)


def crowd() -> list[list[Region]]:
    """Forty faces 500 pixels wide, in five rows, with 18 regions each: from the whole head to an earring."""
    random, (width, height) = np.random.default_rng(0), LARGE
    people = []
    for number in range(FACES):
        x, y = (number % 8 + 0.5) * width / 8, (number // 8 + 0.5) * height / 5
        shares = np.concatenate([[1.4, 1.0, 1.2, 0.9], random.uniform(0.04, 0.35, PARTS - 4)])
        places = random.uniform(-150, 150, (PARTS, 2)) * (shares < 0.5)[:, None]
        people.append([
            ellipse(x + dx, y + dy, 500 * share, 620 * share, LARGE)
            for share, (dx, dy) in zip(shares.tolist(), places.tolist(), strict=True)
        ])  # fmt: skip
    return people


def allocated(call: Callable[[], object]) -> tuple[float, float]:
    """Megabytes that the result of a call keeps, and that the call took at most."""
    tracemalloc.start()
    result = call()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return kept / MB, peak / MB


def memory() -> None:
    people = crowd()
    hair, skin = [parts[0] for parts in people], [parts[1] for parts in people]
    everybody, faces = Region.union(hair, LARGE), Region.union(skin, LARGE)
    image: Image = np.zeros((LARGE[1], LARGE[0], 3), np.uint8)
    calls: dict[str, Callable[[], object]] = {
        f"{FACES} faces with {PARTS} regions each": crowd,
        "the same, and the complements of all": lambda: [[(part, ~part) for part in parts] for parts in crowd()],
        "hair of one face": lambda: ellipse(900, 900, 700, 870, LARGE),
        "~hair of one face": lambda: ~hair[0],
        "hair - face of one face": lambda: hair[0] - skin[0],
        "hair & ~face of each": lambda: [a & ~b for a, b in zip(hair, skin, strict=True)],
        "hair of one & hair of another": lambda: hair[0] & hair[39],
        "hair of all": lambda: Region.union(hair, LARGE),
        "hair of all - faces of all": lambda: everybody - faces,
        "(hair of one).feather(20)": lambda: hair[0].feather(20),
        "(hair of all).feather(20)": lambda: everybody.feather(20),
        "(hair of all).dilate(20)": lambda: everybody.dilate(20),
        "a picture, one hair in a colour (119 MB)": lambda: hair[0].apply(image, (255, 0, 0)),
        "a picture, all but one hair (119 MB)": lambda: (~hair[0]).apply(image, (255, 0, 0)),
        "a cut-out of all (158 MB)": lambda: everybody.cutout(image),
    }
    print(f"\nMemory, {LARGE[0]}x{LARGE[1]}: MB{'':33}kept    peak")
    for name, call in calls.items():
        kept, peak = allocated(call)
        print(f"{name:45}{kept:8.1f}{peak:8.1f}")


def blots(size: tuple[int, int]) -> Region:
    """A large shape with bays and islands."""
    random = np.random.default_rng(1)
    coarse = cv2.GaussianBlur(random.random((size[1] // 10, size[0] // 10)).astype(np.float32), (0, 0), 8)
    smooth = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    steep = (smooth - np.median(smooth)) / smooth.std() * 20
    return Region.from_mask((steep + 0.5).clip(0, 1).astype(np.float32))


def speed() -> None:
    region, other = blots(MEDIUM), ellipse(2000, 1500, 2600, 2200, MEDIUM)
    rle, polygons = region.to_rle(), region.to_polygons()
    image: Image = np.zeros((MEDIUM[1], MEDIUM[0], 3), np.uint8)
    disc: NDArray[np.uint8] = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (61, 61)).astype(np.uint8)
    calls: dict[str, Callable[[], object]] = {
        "a | b": lambda: region | other,
        "a & b": lambda: region & other,
        "a - b": lambda: region - other,
        "~a": lambda: ~region,
        "feather(3)": lambda: region.feather(3),
        "feather(300)": lambda: region.feather(300),
        "dilate(1)": lambda: region.dilate(1),
        "dilate(5)": lambda: region.dilate(5),
        "dilate(12)": lambda: region.dilate(12),
        "dilate(30)": lambda: region.dilate(30),
        "  (OpenCV's with a disc of 30 px)": lambda: cv2.dilate(region.levels, disc),
        "dilate(300)": lambda: region.dilate(300),
        "erode(300)": lambda: region.erode(300),
        "smooth(10)": lambda: region.smooth(10),
        "fill()": region.fill,
        "largest()": region.largest,
        "apply, a colour": lambda: region.apply(image, (255, 0, 0)),
        "cutout": lambda: region.cutout(image),
        "to_rle": region.to_rle,
        "from_rle": lambda: Region.from_rle(rle),
        f"to_polygons ({len(polygons)} outlines)": region.to_polygons,
        f"from_polygons ({sum(map(len, polygons)):,} points)": lambda: Region.from_polygons(polygons, MEDIUM),
    }
    print(f"\nSpeed, {MEDIUM[0]}x{MEDIUM[1]}, one core{'':18}ms")
    for name, call in calls.items():
        print(f"{name:37}{1000 * seconds(call):9.1f}")


def discs() -> None:
    print("\nDilation of one pixel: radius, and by how much the edge is off at worst, nearest and farthest")
    for px in (1, 2.5, 3.5, 5, 12, 13, 20, 50, 100, 300):
        middle = int(px) + 4
        size = 2 * middle + 1, 2 * middle + 1
        grown = Region.from_box((middle, middle, middle + 1, middle + 1), size).dilate(px)
        outline = grown.to_polygons(tolerance=0)[0] - middle
        radii = np.hypot(*outline.T) - 0.5  # a pixel's own half
        worst = 100 * np.abs(radii / px - 1).max()
        print(f"{px:6g} px {radii.min() - px:+8.2f} {radii.max() - px:+8.2f} px {worst:7.1f} %")


def areas() -> None:
    print("\nArea of filled discs of 400 corners, 20 places each: mean error, %")
    print(f"{'radius':>9}{'mien':>9}{'OpenCV':>9}")
    random = np.random.default_rng(2)
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    for radius in (3, 10, 30, 100):
        exact, errors = 200 * np.sin(2 * np.pi / 400) * radius**2, []
        for x, y in random.uniform(120, 121, (20, 2)).tolist():
            ring = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
            drawn = np.zeros((240, 240), np.uint8)
            cv2.fillPoly(drawn, [np.rint(ring * 16).astype(np.int32)], (255,), lineType=cv2.LINE_AA, shift=4)
            errors.append([Region.from_polygons([ring], (240, 240)).area, drawn.sum(dtype=float) / 255])
        mine, theirs = 100 * (np.mean(errors, axis=0) / exact - 1)
        print(f"{radius:9}{mine:+9.3f}{theirs:+9.3f}")


def round_trips() -> None:
    region = blots((1600, 1200))
    hard = Region.from_mask(region.to_mask())
    print(
        f"\nOutlines and back, 1600x1200, {len(region.to_polygons())} outlines: IoU of the soft mask, of the hard one"
    )
    for tolerance in (0.0, 0.15, 0.5, 1.0, 2.0):
        found = [(one, one.to_polygons(tolerance=tolerance)) for one in (region, hard)]
        (points, soft), (_, sharp) = (
            (sum(map(len, lines)), Region.from_polygons(lines, one.size)) for one, lines in found
        )
        same = Region.from_mask(sharp.to_mask()).iou(hard)
        print(f"tolerance {tolerance:4} px {points:8,} points {soft.iou(region):8.4f} {same:8.4f}")


def main() -> None:
    cv2.setNumThreads(1)
    memory()
    speed()
    discs()
    areas()
    round_trips()


if __name__ == "__main__":
    main()
