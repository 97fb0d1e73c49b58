"""A picture to draw on: smooth lines of any width with a dark edge, so that they show on any ground, and text."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.image import Image

__all__ = ["Canvas", "Color", "text_size"]

Color: TypeAlias = tuple[int, int, int]

_SHIFT: Final = 4  # OpenCV takes coordinates in sixteenths of a pixel
_FAR: Final = 30_000.0  # pixels; beyond it, its integers run over
EDGE: Final[Color] = (16, 18, 22)


class Canvas:
    """A picture that is drawn on.

    Coordinates are (x, y) in pixels, (0, 0) the centre of the first one. What is not finite is not drawn, and what is
    outside of the picture is cut.

    Parameters
    ----------
    image : (H, W, 3) uint8
        Copied.
    """

    def __init__(self, image: Image) -> None:
        self.image: Image = np.array(image, dtype=np.uint8, order="C")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @contextmanager
    def see_through(self, opacity: float, points: ArrayLike, reach: float) -> Iterator[None]:
        """What is drawn inside of the block shines through.

        Parameters
        ----------
        opacity : float
            1 covers what is below, 0 is not seen.
        points : (N, 2) array-like
            The block draws near these only,
        reach : float
            no further than so many pixels from one of them.
        """
        spots = np.asarray(points, np.float64).reshape(-1, 2)
        spots = spots[np.isfinite(spots).all(axis=1)]
        if opacity >= 1 or not len(spots):
            yield
            return
        low = np.clip(np.floor(spots.min(axis=0) - reach), 0, self.size).astype(int)
        high = np.clip(np.ceil(spots.max(axis=0) + reach) + 1, 0, self.size).astype(int)
        part = self.image[low[1] : high[1], low[0] : high[0]]
        before = part.copy()
        yield
        if part.size:
            import cv2

            part[...] = cv2.addWeighted(part, opacity, before, 1 - opacity, 0)

    def line(self, points: ArrayLike, color: Color, width: float, *, closed: bool = False, edge: bool = False) -> None:
        """A line through points (N, 2), with round joints; `edge` puts a dark seam around it."""
        self.lines([points], color, width, closed=closed, edge=edge)

    def lines(
        self,
        lines: Sequence[ArrayLike] | NDArray[np.floating[Any]],
        color: Color,
        width: float,
        *,
        closed: bool = False,
        edge: bool = False,
    ) -> None:
        """Several lines at once, or an array (L, N, 2) of them; see `line`."""
        import cv2

        if isinstance(lines, np.ndarray):
            whole = lines[np.isfinite(lines).all(axis=(1, 2))]
            drawn = list(_fixed(whole).reshape(len(whole), lines.shape[1], 1, 2))
        else:
            drawn = [_fixed(part) for line in lines for part in _finite(line, closed=closed)]
        if not drawn:
            return
        # A line thinner than a pixel is one of a pixel that shines through.
        thickness, opacity = max(1, round(width)), min(1.0, max(width, 0.25))
        shut = closed and all(np.isfinite(np.asarray(line, np.float64)).all() for line in lines)
        spots = np.concatenate([part.reshape(-1, 2) for part in drawn]) / 2**_SHIFT
        if edge:
            seam = thickness + 2 * max(1, round(width / 3))
            with self.see_through(0.5, spots, seam + 3):
                cv2.polylines(self.image, drawn, shut, EDGE, seam, cv2.LINE_AA, _SHIFT)
        with self.see_through(opacity, spots, thickness + 3):
            cv2.polylines(self.image, drawn, shut, color, thickness, cv2.LINE_AA, _SHIFT)

    def polygon(self, points: ArrayLike, color: Color) -> None:
        """A filled shape with corners (N, 2)."""
        import cv2

        corners = np.asarray(points, np.float64)
        if np.isfinite(corners).all():
            cv2.fillPoly(self.image, [_fixed(corners)], color, cv2.LINE_AA, _SHIFT)

    def dots(self, points: ArrayLike, color: Color, radius: float, *, edge: bool = False) -> None:
        """Filled circles at points (N, 2)."""
        import cv2

        spots = np.asarray(points, np.float64).reshape(-1, 2)
        spots = spots[np.isfinite(spots).all(axis=1)]
        layers = [(radius, color, min(1.0, max(0.25, 2 * radius)))]
        if edge:
            layers.insert(0, (radius + max(0.8, radius / 3), EDGE, 0.5))
        for reach, paint, opacity in layers:
            with self.see_through(opacity, spots, reach + 3):
                for x, y in _fixed(spots).reshape(-1, 2).tolist():
                    around = round(max(reach, 0.5) * 2**_SHIFT)
                    cv2.circle(self.image, (x, y), around, paint, -1, cv2.LINE_AA, _SHIFT)

    def ellipse(
        self,
        center: ArrayLike,
        axes: tuple[float, float],
        turn: float,
        color: Color,
        width: float,
        *,
        edge: bool = False,
    ) -> None:
        """An ellipse's outline; `axes` are half its width and height, `turn` is in degrees, clockwise."""
        angle = np.linspace(0, 2 * np.pi, 33)[:-1]
        cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        x, y = axes[0] * np.cos(angle), axes[1] * np.sin(angle)
        ring = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
        self.line(np.asarray(center, np.float64) + ring, color, width, closed=True, edge=edge)

    def rounded(self, box: Sequence[float], radius: float, color: Color, width: float, *, edge: bool = False) -> None:
        """A rectangle's outline with round corners; x1, y1, x2, y2."""
        self.line(_round_box(box, radius), color, width, closed=True, edge=edge)

    def panel(self, box: Sequence[float], radius: float, color: Color, opacity: float) -> None:
        """A filled rectangle with round corners that shines through."""
        shape = _round_box(box, radius)
        with self.see_through(opacity, shape, 2):
            self.polygon(shape, color)

    def text(self, place: tuple[float, float], text: str, size: float, color: Color) -> None:
        """One line of text: its left end at x, the top of its line at y."""
        font = _font(size)
        mask, offset = font.getmask2(text, mode="L")
        width, height = mask.size
        ink = np.frombuffer(bytes(mask), np.uint8).reshape(height, width).astype(np.uint16)
        left, top = round(place[0] + offset[0]), round(place[1] + offset[1])
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = min(left + width, self.size[0]), min(top + height, self.size[1])
        if x1 >= x2 or y1 >= y2:
            return
        ink = ink[y1 - top : y2 - top, x1 - left : x2 - left, None]
        part = self.image[y1:y2, x1:x2]
        part[...] = (part * (255 - ink) + np.array(color, np.uint16) * ink + 127) // 255


@functools.lru_cache(maxsize=64)
def _font(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(max(1.0, size))


def text_size(text: str, size: float) -> tuple[float, float]:
    """Width of a text, and the height of its line, in pixels."""
    font = _font(size)
    ascent, descent = font.getmetrics()
    return float(font.getlength(text)), float(ascent + descent)


def _fixed(points: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    """Points as OpenCV's integers."""
    near = np.clip(points, -_FAR, _FAR)
    return np.asarray(np.rint(near * 2**_SHIFT), np.int32).reshape(-1, 1, 2)


def _finite(points: ArrayLike, *, closed: bool) -> Iterator[NDArray[np.float64]]:
    """The stretches of a line that have all their points; a closed line with a gap is an open one."""
    line = np.asarray(points, np.float64).reshape(-1, 2)
    there = np.isfinite(line).all(axis=1)
    if there.all():
        if len(line):
            yield line
        return
    if closed and there.any():  # begin after a gap, so that no stretch is cut where the numbers begin
        gap = int(np.flatnonzero(~there)[0])
        line, there = np.roll(line, -gap, axis=0), np.roll(there, -gap)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(int)))
    for begin, end in edges.reshape(-1, 2):
        if end - begin > 1:
            yield line[begin:end]


def _round_box(box: Sequence[float], radius: float) -> NDArray[np.float64]:
    x1, y1, x2, y2 = box
    radius = max(0.0, min(radius, (x2 - x1) / 2, (y2 - y1) / 2))
    turn = np.linspace(0, np.pi / 2, 7)
    arc = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * radius
    corners = (
        np.array([x2 - radius, y2 - radius]) + arc,
        np.array([x1 + radius, y2 - radius]) + arc[::-1] * (-1, 1),
        np.array([x1 + radius, y1 + radius]) - arc,
        np.array([x2 - radius, y1 + radius]) + arc[::-1] * (1, -1),
    )
    return np.concatenate(corners)
