"""Checks of portraits against defects of known size: which check reacts to which defect, and what else it tells.

    python -m benchmarks.portrait
    python -m benchmarks.portrait FOLDER     # of square portraits that are there already, instead of generated ones

Portraits of people who do not exist are set before a plain wall and cropped to 35 x 45 mm. Then one thing at a time is
done to each. For each defect and check the table has how many of the portraits that passed the check before fail it
after. The defects are drawn: real glare, hats and shadows look different.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.image import Image, load_image
from mien.core.layouts import indices_of
from mien.core.mesh import warp_mesh
from mien.core.warping import resize
from mien.engine import Engine
from mien.evaluation.masked import paint_covering
from mien.evaluation.obstacles import draw_obstacle
from mien.features.fit.portrait_geometry import HeadPlace, place_heads
from mien.features.fit.portrait_verdict import Portrait, judge
from mien.location.topology import face_topology

PEOPLE = 24
SEED = 200
WALL = (214, 216, 220)
SIZE = (827, 1063)  # of a print of 35 x 45 mm at 600 dpi
Floats = NDArray[np.float32]
Pixels = NDArray[Any]  # what OpenCV gives and takes


class Subject:
    """A portrait that defects are made from: the picture, its mesh, and its cut-out person."""

    def __init__(self, image: Image, engine: Engine) -> None:
        self.image = image
        faces = engine.analyze(image, want={"landmarks"}).top(1)
        self.mesh: Floats = faces.landmarks.values[0]
        self.head: HeadPlace = place_heads(faces.landmarks.values)
        self.unit = float(self.head.eye_distance[0])
        self.alpha: Floats = mien.matte(image, engine=engine).alpha.to_array()[..., None]
        self.engine = engine

    def at(self, *numbers: int) -> Floats:
        """The middle of some mesh points."""
        return np.asarray(self.mesh[list(numbers), :2].mean(axis=0))

    def before(self, wall: Pixels) -> Image:
        """The person before another wall."""
        return np.clip(self.image * self.alpha + wall * (1 - self.alpha), 0, 255).astype(np.uint8)

    def moved(self, m: Pixels) -> Image:
        """The picture under a map of pixels, the wall around it."""
        moved = cv2.warpAffine(self.image, m, self.image.shape[1::-1], flags=cv2.INTER_AREA, borderValue=WALL)
        return np.asarray(moved, np.uint8)

    def disc(self, center: Floats, radius: float, stretch: float = 1.0) -> Floats:
        """A soft disc in [0, 1], (H, W, 1)."""
        y, x = np.mgrid[: self.image.shape[0], : self.image.shape[1]]
        away = np.hypot((x - center[0]) / stretch, y - center[1]) / radius
        return np.asarray(np.clip((1 - away) * radius / 3, 0, 1)[..., None], np.float32)

    def reshaped(self, moves: Mapping[int, Floats]) -> Image:
        """The picture with some mesh points moved by so many pixels."""
        target = self.mesh[:468].copy()
        for number, move in moves.items():
            target[number, :2] += move
        drawn, mask = warp_mesh(
            self.image,
            self.mesh[:468, :2],
            target[:, :2],
            face_topology(engine=self.engine).triangles,
            self.image.shape[:2],
        )
        return np.where(mask[..., None], drawn, self.image).astype(np.uint8)


def turned(s: Subject, degrees: float = 12.0) -> Image:
    x, y = s.head.middle[0]
    return s.moved(cv2.getRotationMatrix2D((float(x), float(y)), -degrees, 1.0))


def shifted(s: Subject, x: float, y: float) -> Image:
    height, width = s.image.shape[:2]
    return s.moved(np.array([[1, 0, x * width], [0, 1, y * height]], np.float32))


def scaled(s: Subject, times: float) -> Image:
    x, y = s.head.middle[0]
    return s.moved(cv2.getRotationMatrix2D((float(x), float(y)), 0, times))


def shrunk(s: Subject) -> Image:
    times = 60 / s.unit
    return resize(s.image, (round(s.image.shape[0] * times), round(s.image.shape[1] * times)))


def levels(s: Subject, times: float, plus: float) -> Image:
    return np.asarray(np.clip(s.image * times + plus, 0, 255), np.uint8)


def side_light(s: Subject) -> Image:
    across = (np.arange(s.image.shape[1]) - s.head.middle[0, 0]) / s.head.width[0]
    light = np.clip(0.65 - 1.3 * across, 0.2, 1)[None, :, None]
    return np.asarray(np.clip(s.image * (s.alpha * light + 1 - s.alpha), 0, 255), np.uint8)


def shadow(s: Subject) -> Image:
    disc = s.disc(s.head.middle[0] + (0.7 * s.head.width[0], 0.3 * s.unit), 1.3 * s.unit)
    blob: Pixels = cv2.GaussianBlur(disc, (0, 0), 0.35 * s.unit)[..., None]
    return s.before(np.full_like(s.image, WALL) * (1 - 0.65 * blob))


def spots(s: Subject) -> Image:
    light = np.zeros((*s.image.shape[:2], 1), np.float32)
    for center, radius in ((s.at(151), 0.28), (s.at(50), 0.15), (s.at(280), 0.15), (s.at(4), 0.1)):
        light = np.maximum(light, s.disc(center, radius * s.unit, 1.4))
    return np.asarray(np.clip(s.image * (1 - light) + 252 * light, 0, 255), np.uint8)


def glasses_glare(s: Subject) -> Image:
    out = s.image.copy()
    for side in ("right_eye", "left_eye"):
        x, y = s.mesh[indices_of("mesh478", side), :2].mean(axis=0)
        half = 0.3 * s.unit
        bar = np.array([(x - half, y + 0.16 * s.unit), (x + half, y - 0.1 * s.unit)]).round().astype(int)
        cv2.line(
            out, tuple(map(int, bar[0])), tuple(map(int, bar[1])), (250, 250, 250), round(0.1 * s.unit), cv2.LINE_AA
        )
    return out


def red_eyes(s: Subject) -> Image:
    out: Pixels = s.image.astype(np.float32)
    for side in ("right", "left"):
        iris = s.mesh[indices_of("mesh478", f"{side}_iris"), :2]
        radius = np.linalg.norm(iris - iris.mean(axis=0), axis=1).mean()
        pupil = s.disc(iris.mean(axis=0), 0.65 * radius)
        out = out * (1 - pupil) + np.array([200, 30, 40]) * pupil
    return out.astype(np.uint8)


def closed_eyes(s: Subject) -> Image:
    moves: dict[int, Floats] = {}
    for lids in (
        ((161, 163), (160, 144), (159, 145), (158, 153), (157, 154)),
        ((388, 390), (387, 373), (386, 374), (385, 380), (384, 381)),
    ):
        moves |= {upper: s.mesh[lower, :2] - s.mesh[upper, :2] for upper, lower in lids}
    return s.reshaped(moves)


def opened_mouth(s: Subject) -> Image:
    lower = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
    below = {*(146, 91, 181, 84, 17, 314, 405, 321, 375, 77, 90, 180, 85),
             *(16, 315, 404, 320, 307, 96, 89, 179, 86, 15, 316, 403, 319, 325)}  # fmt: skip
    below |= {200, 199, 175, 152, 18, 83, 313, 182, 406, 201, 421, 208, 428, 171, 396, 148, 377}
    drop = {number: np.array([0.0, 0.28 * s.unit]) for number in (*lower[1:-1], *below)}
    out = s.reshaped(drop)
    upper = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
    ring = np.concatenate(
        [s.mesh[list(upper), :2], (s.mesh[list(lower), :2] + [drop.get(n, (0, 0)) for n in lower])[::-1]]
    )
    return np.asarray(cv2.fillPoly(out, [ring.round().astype(np.int32)], (60, 20, 24), cv2.LINE_AA), np.uint8)


def smiling(s: Subject) -> Image:
    up = 0.17 * s.unit
    corners = {61: -1, 76: -1, 62: -1, 78: -1, 146: -0.7, 185: -0.7, 291: 1, 306: 1, 292: 1, 308: 1, 375: 0.7, 409: 0.7}
    return s.reshaped({number: np.array([side * up * 0.8, -up * abs(side)]) for number, side in corners.items()})


def sunglasses(s: Subject) -> Image:
    return paint_covering(s.image, s.mesh, kind="sunglasses", seed=1, engine=s.engine)


def hat(s: Subject) -> Image:
    out, color = s.image.copy(), (50, 70, 120)
    x, y = s.at(10)
    crown = s.head.crown[0]
    size = (round(0.62 * s.head.width[0]), round(y - crown[1] + 0.25 * s.unit))
    cv2.ellipse(out, (round(float(x)), round(float(y) + 0.05 * s.unit)), size, 0, 180, 360, color, -1, cv2.LINE_AA)
    cv2.ellipse(
        out,
        (round(float(x)), round(float(y) + 0.05 * s.unit)),
        (size[0], round(0.12 * s.unit)),
        0,
        0,
        360,
        (38, 54, 96),
        -1,
        cv2.LINE_AA,
    )
    return np.asarray(cv2.add(out, np.random.default_rng(1).integers(0, 12, out.shape, np.uint8)), np.uint8)


def second_face(s: Subject) -> Image:
    out = s.image.copy()
    (x, y), half = s.head.middle[0], s.head.height[0] * 0.6
    part = s.image[max(int(y - half), 0) : int(y + half), max(int(x - half), 0) : int(x + half)]
    small = resize(part, (round(part.shape[0] * 0.25), round(part.shape[1] * 0.25)))
    out[: small.shape[0], -small.shape[1] :] = small
    return out


def compressed(s: Subject) -> Image:
    _, data = cv2.imencode(".jpg", s.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])
    decoded: Pixels | None = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1], np.uint8)


def scene(s: Subject) -> Image:
    picture = load_image(assets.LANDSCAPE)
    return s.before(cv2.resize(picture, s.image.shape[1::-1]))


def like_hair(s: Subject) -> Image:
    hair = s.engine.analyze(s.image, want={"parse"}).top(1)[0].parse.region("hair").to_mask()
    return s.before(
        np.full_like(s.image, np.median(s.image[hair], axis=0)) if hair.sum() > 100 else np.full_like(s.image, 60)
    )


#: Each defect: what makes it, and which checks are to react.
DEFECTS: Mapping[str, tuple[Callable[[Subject], Image], tuple[str, ...]]] = MappingProxyType({
    "tilted by 12 degrees": (turned, ("roll",)),
    "12 % to the side": (lambda s: shifted(s, 0.12, 0), ("horizontal",)),
    "15 % too low": (lambda s: shifted(s, 0, 0.15), ("vertical",)),
    "head of 49 %": (lambda s: scaled(s, 0.65), ("head_height", "head_width")),
    "head of 98 %": (lambda s: scaled(s, 1.3), ("head_height", "head_inside")),
    "60 px between the eyes": (shrunk, ("eye_distance",)),
    "square": (lambda s: s.image[: s.image.shape[1]], ("picture_shape",)),
    "eyes closed": (closed_eyes, ("eyes_open",)),
    "mouth open": (opened_mouth, ("mouth_closed",)),
    "smile": (smiling, ("smile",)),
    "sunglasses": (sunglasses, ("eyes_visible",)),
    "mask": (lambda s: paint_covering(s.image, s.mesh, seed=1, engine=s.engine), ("face_visible",)),
    "hand before the face": (lambda s: draw_obstacle(s.image, s.mesh, "hand", seed=8)[0], ("face_visible",)),
    "cap": (hat, ("headwear",)),
    "second face": (second_face, ("one_face",)),
    "blurred": (lambda s: np.asarray(cv2.GaussianBlur(s.image, (0, 0), s.unit / 40), np.uint8), ("sharpness",)),
    "JPEG, quality 10": (compressed, ("compression",)),
    "dark": (lambda s: levels(s, 0.2, 0), ("too_dark",)),
    "burnt out": (lambda s: levels(s, 1.7, 60), ("too_bright",)),
    "flat": (lambda s: levels(s, 0.35, 90), ("contrast",)),
    "grey": (lambda s: np.repeat(cv2.cvtColor(s.image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2), ("colour",)),
    "blue light": (lambda s: np.clip(s.image * np.array([0.7, 0.9, 1.35]), 0, 255).astype(np.uint8), ("colour",)),
    "light from the side": (side_light, ("lighting",)),
    "shiny skin": (spots, ("hot_spots",)),
    "glare before the eyes": (glasses_glare, ("eye_glare",)),
    "red eyes": (red_eyes, ("red_eye",)),
    "red wall": (lambda s: s.before(np.full_like(s.image, (205, 45, 40))), ("background_colour",)),
    "dark wall": (lambda s: s.before(np.full_like(s.image, (60, 62, 66))), ("background_bright",)),
    "wall as the hair": (like_hair, ("background_contrast",)),
    "landscape behind": (scene, ("background_plain",)),
    "shadow on the wall": (shadow, ("background_even",)),
})  # fmt: skip


def subjects(engine: Engine, folder: Path | None, people: int = PEOPLE) -> list[Subject]:
    """Portraits before a plain wall, as prints: of a folder, or of so many people who do not exist."""
    if folder:
        found = (load_image(file) for file in sorted(folder.iterdir()) if file.suffix in {".png", ".jpg"})
    else:
        found = (mien.generate(seed=SEED + number, engine=engine).image for number in range(people))
    out = []
    for image in found:
        around = np.pad(
            image, ((image.shape[0] // 3, image.shape[0] // 8), (image.shape[1] // 6,) * 2, (0, 0)), mode="edge"
        )
        wall = mien.background(around, color=WALL, engine=engine).image
        head = judge(engine.analyze(wall), engine=engine)
        try:
            out.append(Subject(head.crop(dpi=300), engine))
        except mien.MienError as error:
            print(f"left out: {error}")
    return out


def failed(found: Portrait) -> set[str]:
    """Names of the checks that failed."""
    return {name for name, check in found.checks.items() if check.passed is False}


def main() -> None:
    """Print the table."""
    with Engine(threads=1) as engine:
        people = subjects(engine, Path(sys.argv[1]) if len(sys.argv) > 1 else None)
        before = [judge(engine.analyze(one.image), engine=engine) for one in people]
        bad = Counter(name for one in before for name in failed(one))
        print(f"{len(people)} people, before a plain wall; {sum(map(bool, before))} pass all; fail: {dict(bad)}")
        lost = Counter(name for one in before for name, check in one.checks.items() if check.passed is None)
        print(f"not known: {dict(lost)}")
        for name, (make, own) in DEFECTS.items():
            hits: Counter[str] = Counter()
            able: Counter[str] = Counter()
            for one, first in zip(people, before, strict=True):
                after = judge(engine.analyze(make(one)), engine=engine)
                for check, old in first.checks.items():
                    if old.passed:
                        able[check] += 1
                        hits[check] += after.checks[check].passed is False if after.checks else 0
            told = ", ".join(f"{check} {hits[check]}/{able[check]}" for check in own)
            others = ", ".join(f"{check} {count}" for check, count in hits.most_common() if check not in own and count)
            print(f"{name:26s} | {told} | {others}", flush=True)


if __name__ == "__main__":
    main()
