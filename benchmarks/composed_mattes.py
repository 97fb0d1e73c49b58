"""Pictures whose alpha and colours are known because they are composed: made-up people before other backgrounds.

What is in front is a generated person, cut out by `mien.mask` with a soft edge, and hair drawn from there on outwards:
curved strands of a pixel or two, in the colours of the hair. So the hair lies where the drawing says, and not as hair
does; and the edge elsewhere is where face parsing saw it. Good enough to compare ways of matting, not to say how good
they are on photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.image import Image

__all__ = ["Composed", "compose"]

Floats = NDArray[np.float32]
Random = np.random.Generator

STRANDS = 350
LENGTH = 30.0  # pixels, half the mean of a strand's
STEP = 3.0  # pixels between the points of a strand


@dataclass(frozen=True)
class Composed:
    """A composed picture.

    Parameters
    ----------
    image : (H, W, 3) uint8
    alpha : Region
        How much of each pixel is the person.
    front : (H, W, 3) uint8
        The person's colours, also where little of the person is.
    kind : str
        Of the background.
    """

    image: Image
    alpha: mien.Region
    front: Image
    kind: str


def compose(seed: int, *, engine: mien.Engine) -> Composed:
    """Compose a picture of 1024 x 1024 pixels; the same seed gives the same."""
    random = np.random.default_rng(seed)
    image = mien.generate(seed=seed, engine=engine).image
    masks = mien.mask(image, size="fine", engine=engine)
    person = masks.person.smooth(6).largest().erode(2).to_mask().astype(np.float32)
    hair = drawn_hair(random, person, masks.hair.to_mask())
    alpha = 1 - (1 - cv2.GaussianBlur(person, (0, 0), 1.5)) * (1 - hair)
    region = mien.Region.from_mask(np.asarray(alpha, np.float32))
    kind = list(BACKGROUNDS)[seed % len(BACKGROUNDS)]
    front = spread(image, cv2.erode(person, np.ones((9, 9))) > 0, random)
    return Composed(region.apply(BACKGROUNDS[kind](random, image.shape[0]), front), region, front, kind)


def spread(image: Image, known: NDArray[np.bool_], random: Random) -> Image:
    """The colours of a part of a picture, carried on beyond it, with some grain."""
    rest = (~known).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(rest, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = np.nonzero(known)
    place = np.zeros(int(labels.max()) + 1, np.intp)
    place[labels[rows, columns]] = np.arange(len(rows))
    nearest = cv2.blur(image[rows[place[labels]], columns[place[labels]]], (9, 9)).astype(np.float32)
    grain = cv2.GaussianBlur(random.normal(0, 12, known.shape).astype(np.float32), (0, 0), 0.7)
    beyond = np.clip(np.rint(nearest + grain[..., None]), 0, 255).astype(np.uint8)
    return np.where(known[..., None], image, beyond)


def drawn_hair(random: Random, person: Floats, hair: NDArray[np.bool_]) -> Floats:
    """Alpha of strands that begin where hair is at the outline of a person, and go outwards: (H, W) in [0, 1]."""
    out = np.zeros_like(person)
    outlines, _ = cv2.findContours(person.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate([outline[:, 0] for outline in outlines])
    near = cv2.dilate(hair.astype(np.uint8), np.ones((15, 15))) > 0
    inner = ((points > 3) & (points < np.array(person.shape[::-1]) - 4)).all(axis=1)
    points = points[inner & near[points[:, 1], points[:, 0]]]
    if not len(points):
        return out
    soft = cv2.GaussianBlur(person, (0, 0), 8)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    for x, y in points[random.integers(len(points), size=STRANDS)]:
        outward = float(np.arctan2(-down[y, x], -across[y, x]))
        count = int(random.gamma(2, LENGTH) / STEP) + 2
        turns = random.normal(0, 0.7) + np.cumsum(random.normal(random.normal(0, 0.04), 0.04, count))
        steps = STEP * np.stack([np.cos(outward + turns), np.sin(outward + turns)], axis=1)
        start = np.array([x, y]) - 6 * np.array([np.cos(outward), np.sin(outward)])
        draw_strand(out, start + np.cumsum(steps, axis=0), int(random.integers(2, 7)), float(random.uniform(0.6, 1)))
    return out


def draw_strand(out: Floats, path: NDArray[np.float64], width: int, share: float) -> None:
    """Lay a line of quarters of a pixel over what is there."""
    low = np.maximum(np.floor(path.min(axis=0)).astype(int) - 3, 0)
    high = np.minimum(np.ceil(path.max(axis=0)).astype(int) + 3, out.shape[::-1])
    if (high <= low).any():
        return
    (w, h), (x, y) = high - low, low
    canvas = np.zeros((4 * h, 4 * w), np.uint8)
    cv2.polylines(canvas, [np.rint((path - low) * 64).astype(np.int32)], False, 255, width, cv2.LINE_AA, 4)
    strand = cv2.resize(canvas, (int(w), int(h)), interpolation=cv2.INTER_AREA).astype(np.float32) / 255 * share
    part = out[y : y + h, x : x + w]
    part[:] = 1 - (1 - part) * (1 - strand)


def _clouds(random: Random, side: int) -> Image:
    """Colours at all scales."""
    total = np.zeros((side, side, 3), np.float32)
    for level in range(7):
        noise = random.normal(0, 38 * 0.75**level, (4 << level, 4 << level, 3)).astype(np.float32)
        total += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(127 + total, 0, 255).astype(np.uint8)


def _bricks(random: Random, side: int) -> Image:
    wall = np.full((side, side, 3), np.array([150, 70, 50]) * random.uniform(0.6, 1.2))
    for row, y in enumerate(range(0, side, 40)):
        wall[y : y + 5] = 190
        for x in range(row % 2 * 45, side, 90):
            wall[y : y + 40, x : x + 5] = 190
    return np.clip(wall + _clouds(random, side) / 3.0 - 42, 0, 255).astype(np.uint8)


def _hills(random: Random, side: int) -> Image:
    image = mien.load_image(assets.LANDSCAPE)
    size = min(image.shape[:2])
    x = int(random.integers(image.shape[1] - size + 1))
    return np.asarray(cv2.resize(image[:size, x : x + size], (side, side)), np.uint8)


def _plain(random: Random, side: int) -> Image:
    return np.broadcast_to(random.integers(30, 226, 3, dtype=np.uint8), (side, side, 3)).copy()


BACKGROUNDS = {"clouds": _clouds, "bricks": _bricks, "hills": _hills, "plain": _plain}
