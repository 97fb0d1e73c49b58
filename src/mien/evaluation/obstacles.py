"""Things drawn before faces, with the pixels that they cover known: what occlusion is measured on.

Fingers in the face's own colours, a microphone, a cup, strands of hair, a scarf, a bar, a blob of noise, a piece of
another person's face; and the coverings of `mien.evaluation.masked`. All are drawn in centimetres about the face, by
the distance of each pixel from their outlines, under light that falls off to one side.

They are drawn, not photographed: hands have no folds, nothing bends around the face, and few cast a shadow. What is
measured on them tells which of two ways is better, and not how well either does on photos.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.evaluation.masked import COLORLESS, GRAY
from mien.evaluation.stage import Stage, box, capsule

__all__ = ["HARMLESS", "OBSTACLES", "draw_obstacle"]

Floats: TypeAlias = NDArray[np.float32]
Layers: TypeAlias = tuple[Floats, Floats]  # colour (h, w, 3), cover (h, w)

WIDE = 16.0  # cm between the outer edges of a face, whatever face it is
FINEST = 320  # pixels that a face is drawn high at least, and then shrunk
TARGETS = ("lips_outer", "right_eye", "left_eye", "right_cheek", "left_cheek", "chin", "nose_tip", "forehead")


def _hand(stage: Stage) -> Layers:
    """Two to four fingers side by side, with nails, from a hand beside or below the face."""
    draw, tip = stage.draw, stage.target(*TARGETS[:7])
    turn = draw.uniform(-0.25, 1.25) * np.pi * (1 if tip[0] > 0 else -1) + (0 if tip[0] > 0 else np.pi)
    way = np.array([np.cos(turn), np.sin(turn)])
    if way[1] < -0.5:  # hands come from the side or from below
        way[1] *= -1
    across = np.array([-way[1], way[0]])
    color, cover = stage.plain(0), np.zeros(stage.u.shape, np.float32)
    own = stage.skin()
    count, radius = int(draw.integers(2, 5)), draw.uniform(0.75, 1.0)
    for finger in range(count):
        middle = finger - (count - 1) / 2
        end = tip + across * middle * 1.85 * radius - way * draw.uniform(0, 0.9) - way * (0.5 - middle**2 / 4)
        bend = across * draw.normal(0, 0.3)
        outside = capsule(stage, end, end + way * 14 + bend, radius)
        height = np.sqrt(np.clip(1 - (1 + np.minimum(outside, 0) / radius) ** 2, 0, 1))
        shade = 0.62 + 0.42 * height
        nail = stage.cover(capsule(stage, end + way * 0.2, end + way * 0.7, 0.42 * radius))
        here = stage.plain(own) * shade[..., None] * (1 + stage.grain(0.15, 0.02) + stage.grain(1, 0.03))[..., None]
        here += nail[..., None] * np.array([18, 8, 10], np.float32)
        level = stage.cover(outside)[..., None]
        color = np.asarray(color * (1 - level) + here * level, np.float32)
        cover = np.maximum(cover, level[..., 0])
    palm = stage.cover(capsule(stage, tip + way * 8.5 - across * 1.5, tip + way * 12 + across * 1.5, 4))
    rest = np.clip(palm - cover, 0, 1)[..., None]
    color += stage.plain(own) * (0.92 + stage.grain(1, 0.04))[..., None] * rest
    return color, np.maximum(cover, palm)


def _microphone(stage: Stage) -> Layers:
    """A ball of wire or foam on a rod, from below."""
    draw, top = stage.draw, stage.target("chin", "lips_outer")
    foot = top + np.array([draw.uniform(-7, 7), draw.uniform(9, 14)])
    radius = draw.uniform(1.5, 3.2)
    ball, rod = capsule(stage, top, top + 0.15 * (foot - top), radius), capsule(stage, top, foot, 0.5 * radius)
    grey = draw.uniform(15, 90) * draw.normal(1, 0.06, 3)
    light = 1 + 1.3 * np.exp(-((stage.u - top[0] + 0.5) ** 2 + (stage.v - top[1] + 0.6) ** 2) / radius**2)
    mesh = 1 + 0.25 * np.sign(np.sin(stage.u * 14) * np.sin(stage.v * 14)) * (draw.random() < 0.6)
    color = stage.plain(grey) * (np.where(ball < 0, light * mesh, 0.8) + stage.grain(0.2, 0.08))[..., None]
    return color, stage.cover(np.minimum(ball, rod))


def _cup(stage: Stage) -> Layers:
    """A cup at the mouth, narrower below, with a band on it."""
    draw, rim = stage.draw, stage.target("lips_outer")
    turn = draw.normal(0, 0.15)
    x = (stage.u - rim[0]) * np.cos(turn) + (stage.v - rim[1]) * np.sin(turn)
    y = (stage.v - rim[1]) * np.cos(turn) - (stage.u - rim[0]) * np.sin(turn)
    half = draw.uniform(3, 4.2) - 0.1 * y
    outside = np.maximum(np.maximum(np.abs(x) - half, -y - 0.25 * np.sqrt(np.clip(half**2 - x**2, 0, None))), y - 11)
    round_ = 0.6 + 0.45 * np.sqrt(np.clip(1 - (x / half - 0.2) ** 2, 0, 1))
    color = stage.plain(stage.color()) * round_[..., None]
    band = (np.abs(y - draw.uniform(3, 6)) < 1)[..., None]
    return np.where(band, stage.plain(stage.color()) * round_[..., None], color), stage.cover(outside)


def _strands(stage: Stage) -> Layers:
    """Locks of hair that fall into the face."""
    import cv2

    draw, start = stage.draw, stage.target("forehead") + np.array([stage.draw.uniform(-6, 6), -4])
    end = stage.target(*TARGETS[:6]) + np.array([0, 2])
    dark = np.array([(28, 22, 20), (70, 45, 30), (150, 110, 70), (190, 165, 125), (130, 130, 130)][draw.integers(5)])
    color, cover = stage.plain(dark), np.zeros(stage.u.shape, np.float32)
    scale, low = 1 / float(stage.u[0, 1] - stage.u[0, 0]), np.array([stage.u[0, 0], stage.v[0, 0]])
    for _ in range(int(draw.integers(12, 90))):
        a, b = start + draw.normal(0, 1.4, 2), end + draw.normal(0, 1.2, 2)
        middle = (a + b) / 2 + draw.normal(0, 1.0, 2)
        t = np.linspace(0, 1, 20)[:, None]
        line = ((1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b - low) * scale
        layer = np.zeros(stage.u.shape, np.uint8)
        width = max(round(draw.uniform(0.06, 0.22) * scale), 1)
        cv2.polylines(layer, [np.rint(line * 16).astype(np.int32)], False, 255, width, cv2.LINE_AA, 4)
        level = (layer / np.float32(255))[..., None]
        color += (np.asarray(dark * draw.uniform(0.6, 1.5), np.float32) - color) * level
        cover = np.maximum(cover, level[..., 0])
    return color, cover


def _scarf(stage: Stage) -> Layers:
    """Knitted cloth from the chin up to the mouth, or to the nose."""
    draw = stage.draw
    top = stage.target("lips_outer", "chin")[1] - draw.uniform(0, 2.5)
    wave = draw.uniform(0.2, 1) * np.sin(stage.u * draw.uniform(0.2, 0.6) + draw.uniform(0, 6))
    knit = 1 + 0.16 * np.sin(stage.u * 9) * np.sin(stage.v * 9 + np.sin(stage.u * 3)) + stage.grain(1.5, 0.15)
    folds = 1 + 0.2 * np.sin(stage.v * 1.3 + stage.u * draw.uniform(-0.3, 0.3))
    color = stage.plain(stage.color()) * np.asarray(knit * folds, np.float32)[..., None]
    return color, stage.cover(np.asarray(top + wave - stage.v, np.float32))


def _bar(stage: Stage) -> Layers:
    """A beam of one colour, somewhere."""
    draw = stage.draw
    middle = stage.target(*TARGETS)
    half = (draw.uniform(2, 9), draw.uniform(0.8, 3))
    color = stage.plain(stage.color()) * (1 + stage.grain(0.4, 0.03))[..., None]
    return color, stage.cover(box(stage, middle, half, draw.uniform(0, np.pi)))


def _glasses(stage: Stage) -> Layers:
    """Frames of glasses; what is seen through their lenses is not covered."""
    draw = stage.draw
    dark = np.array([(25, 22, 22), (70, 45, 30), (120, 110, 100), (150, 30, 40)][draw.integers(4)]) * draw.uniform(
        0.5, 1.3
    )
    eyes = [stage.mesh[indices_of("mesh478", f"{side}_eye")].mean(axis=0) for side in ("right", "left")]
    half = draw.uniform(2.4, 3.0), draw.uniform(1.5, 2.4)
    thick, corner = draw.uniform(0.08, 0.35), draw.uniform(0.3, 1.3)
    outside = np.full(stage.u.shape, np.inf, np.float32)
    for eye in eyes:
        x, y = np.abs(stage.u - eye[0]) - half[0] + corner, np.abs(stage.v - eye[1] - 0.3) - half[1] + corner
        rim = np.hypot(np.maximum(x, 0), np.maximum(y, 0)) + np.minimum(np.maximum(x, y), 0) - corner
        outside = np.minimum(outside, np.abs(rim) - thick)
    bridge = capsule(stage, eyes[0] + np.array([half[0], -0.2]), eyes[1] - np.array([half[0], 0.2]), thick)
    arms = [
        capsule(stage, eye + np.array([s * half[0], -0.2]), eye + np.array([s * 9, -0.4]), thick)
        for eye, s in zip(eyes, (-1, 1), strict=True)
    ]
    color = stage.plain(dark) * (1 + stage.grain(0.5, 0.1))[..., None]
    return color, stage.cover(np.minimum.reduce([outside, bridge, *arms]))


def _blob(stage: Stage) -> Layers:
    """A round thing of noise in two colours."""
    draw, middle = stage.draw, stage.target(*TARGETS)
    radius = draw.uniform(1.5, 4.5) + stage.grain(2.5, 0.5)
    outside = np.hypot(stage.u - middle[0], stage.v - middle[1]) - radius
    mix = np.asarray(1 / (1 + np.exp(-4 * stage.grain(draw.uniform(0.3, 2), 1))), np.float32)[..., None]
    color = stage.plain(stage.color()) * mix + stage.plain(stage.color()) * (1 - mix)
    return color, stage.cover(np.asarray(outside, np.float32))


def _patch(stage: Stage) -> Layers:
    """A piece of another person's face, turned."""
    draw, middle = stage.draw, stage.target(*TARGETS)
    half = (draw.uniform(2, 4.5), draw.uniform(2, 3.5))
    outside = box(stage, middle, half, draw.uniform(0, np.pi)) - 0.5
    other = stage.part[:, ::-1] if stage.donor is None else stage.donor
    return np.asarray(np.roll(other, int(draw.integers(-9, 9)), axis=0)[::-1], np.float32), stage.cover(outside)


def _shadow(stage: Stage) -> Layers:
    """Light that ends at an edge, hard or soft: a shadow, or the sun through a window."""
    import cv2

    draw, middle = stage.draw, stage.target(*TARGETS)
    pixel = float(stage.u[0, 1] - stage.u[0, 0])
    outside = box(stage, middle, (draw.uniform(2, 14), draw.uniform(1.5, 8)), draw.uniform(0, np.pi))
    outside += stage.grain(3, 0.6)
    cover = cv2.GaussianBlur(stage.cover(outside), (0, 0), draw.uniform(0.1, 1.2) / pixel)
    factor = draw.uniform(0.35, 0.8) if draw.random() < 0.7 else draw.uniform(1.2, 1.7)
    return stage.part * np.asarray(factor * draw.normal(1, 0.03, 3), np.float32), np.asarray(cover, np.float32)


def _makeup(stage: Stage) -> Layers:
    """Colour on the lips, and about the eyes or on the cheeks."""
    import cv2

    draw = stage.draw
    pixel = float(stage.u[0, 1] - stage.u[0, 0])
    color, total = stage.part.copy(), np.zeros(stage.u.shape, np.float32)
    paints = {
        "lips_outer": (0.3, (0.95, 0.45, 0.5)),
        "right_eye": (0.8, (0.55, 0.5, 0.6)),
        "left_eye": (0.8, (0.55, 0.5, 0.6)),
    }
    cheek = (1.5, (1.05, 0.8, 0.8))
    for name, (grown, tint) in {**paints, "right_cheek": cheek, "left_cheek": cheek}.items():
        line = (stage.mesh[indices_of("mesh478", name)] - (stage.u[0, 0], stage.v[0, 0])) / pixel
        layer = np.zeros(stage.u.shape, np.uint8)
        cv2.fillPoly(layer, [np.rint(line).astype(np.int32)], 255)
        soft = cv2.GaussianBlur(layer, (0, 0), max(0.3 * grown / pixel, 0.5)).astype(np.float32) / 255
        level = np.clip(soft * (1 + grown), 0, 1) * draw.uniform(0.2, 1)
        color *= 1 - level[..., None] * (1 - np.asarray(tint, np.float32))
        total = np.maximum(total, level > 0)
    return color, np.asarray(total, np.float32)


#: What does not cover: light and colour on the face itself.
HARMLESS = ("shadow", "makeup")

#: What can be drawn, by name.
OBSTACLES: Mapping[str, Callable[[Stage], Layers]] = MappingProxyType(
    {
        "hand": _hand,
        "microphone": _microphone,
        "cup": _cup,
        "strands": _strands,
        "scarf": _scarf,
        "glasses": _glasses,
        "bar": _bar,
        "blob": _blob,
        "patch": _patch,
        "shadow": _shadow,
        "makeup": _makeup,
    }
)


def draw_obstacle(
    image: Image, mesh: ArrayLike, kind: str, *, seed: int = 0, donor: Image | None = None
) -> tuple[Image, Floats]:
    """Draw a thing before a face.

    Parameters
    ----------
    image : (H, W, 3) uint8
    mesh : (478, 2 or 3) array-like
        The face's mesh, in pixels of that picture.
    kind : str
        A name of `OBSTACLES`.
    seed : int
        Of its place, colour and size.
    donor : (h, w, 3) uint8, optional
        Another person's face that fills its picture, for "patch"; by default the same face, upside down.

    Returns
    -------
    picture : (H, W, 3) uint8
        A new picture.
    cover : (H, W) float32
        How much of each pixel is covered, in [0, 1].

    Raises
    ------
    ShapeMismatch
        If the mesh is no such array.
    UsageError
        If there is nothing of that name.
    """
    import cv2

    points = np.asarray(mesh, np.float64)
    if points.ndim != 2 or len(points) != 478 or points.shape[1] < 2 or not np.isfinite(points).all():
        raise ShapeMismatch(f"a mesh is (478, 3), all finite, not {points.shape}.")
    if kind not in OBSTACLES:
        raise UsageError(f"nothing to draw is called {kind!r}; there are {', '.join(OBSTACLES)}.")
    draw, places = np.random.default_rng(seed), points[:, :2]
    across = places[263] - places[33]
    turn = np.arctan2(across[1], across[0])
    upright = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    level = (places - middle) @ upright.T
    unit = float(np.ptp(level, axis=0).max()) / (1.1 * WIDE)  # pixels per cm
    side = max(round(1.3 * 1.1 * WIDE * max(unit, FINEST / (1.1 * WIDE))), 8)
    scale = side / (1.3 * 1.1 * WIDE)  # drawn pixels per cm
    # From the drawing to the picture: cm, then turned and moved.
    grow = unit / scale
    back = np.column_stack([upright.T * grow, middle - upright.T @ np.full(2, (side - 1) / 2) * grow])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(image, back, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    v, u = (np.mgrid[:side, :side].astype(np.float32) - (side - 1) / 2) / np.float32(scale)
    other = None if donor is None else cv2.resize(donor, (side, side)).astype(np.float32)
    stage = Stage(u, v, level / unit, part, other, draw)
    color, cover = OBSTACLES[kind](stage)
    covers = kind not in HARMLESS
    if covers:  # light that falls off to one side
        way = draw.uniform(0, 2 * np.pi)
        fall = 1 + draw.uniform(0, 0.35) * (u * np.cos(way) + v * np.sin(way)) / (WIDE / 2)
        color = color * np.asarray(fall.clip(0.3, 1.7), np.float32)[..., None]
    soft = draw.uniform(0.3, 1.0) + 0.5 / grow  # a blur, as the picture's own
    near = cv2.GaussianBlur(cover, (0, 0), 0.5 * scale) * draw.uniform(0, 0.5) * covers  # its shadow
    if grow < 1:  # drawn finer than the picture is
        soft = float(np.hypot(soft, 0.4 / grow))
    layers = cv2.GaussianBlur(np.dstack([color * cover[..., None], cover, near]), (0, 0), soft).astype(np.float32)
    down = np.linalg.inv(np.vstack([back, [0, 0, 1]]))[:2]
    size = image.shape[1::-1]
    drawn, level, shade = (
        np.asarray(cv2.warpAffine(np.ascontiguousarray(layers[..., part]), down, size, flags=flags), np.float32)
        for part in (slice(0, 3), 3, 4)
    )
    if np.ptp(image, axis=2).mean() < COLORLESS:
        drawn[:] = (drawn @ GRAY)[..., None]
    ground = image * (1 - np.clip(shade - shade * level, 0, 1))[..., None]
    painted = ground * (1 - level[..., None]) + drawn
    return np.clip(painted + 0.5, 0, 255).astype(np.uint8), np.asarray(level.clip(0, 1) * covers, np.float32)
