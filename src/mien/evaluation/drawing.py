"""Pictures of explanations: heat over faces, a legend, numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.core.canvas import Canvas, Color, text_size
from mien.core.image import Image
from mien.core.warping import resize

if TYPE_CHECKING:
    from mien.evaluation.explain import Explanation
    from mien.evaluation.inpainting import GameReport

__all__ = ["draw_explanation", "draw_game", "heat"]

Floats = NDArray[np.float32]

PAPER, INK, FAINT = (252, 252, 250), (40, 44, 52), (140, 146, 156)
WARM: Color = (214, 48, 49)  # raises the score
COLD: Color = (26, 108, 196)  # lowers it
COLORS: tuple[Color, ...] = (WARM, COLD, (36, 140, 84), (190, 120, 20), FAINT, (120, 80, 170))
BAND = ((0, 1), (1, -1))  # an interval's lower ends from left to right, and its upper ones back
SIZE, GAP, TOP, TABLE, BOTTOM = 288, 12, 34, 264, 50  # pixels


def heat(crop: Image, values: Floats, strongest: float, *, opacity: float = 0.75) -> Image:
    """A crop with a map laid over it: warm above 0, cold below, the stronger the less of the face is seen.

    Parameters
    ----------
    crop : (H, W, 3) uint8
    values : (H, W) float32
    strongest : float
        The value at which the colour is full; above 0.
    opacity : float
        Of the full colour, in [0, 1].

    Returns
    -------
    (H, W, 3) uint8
    """
    part = np.clip(values / max(strongest, 1e-9), -1, 1)
    gray = np.repeat(crop.mean(axis=2, keepdims=True), 3, axis=2) * 0.9 + 18
    color = np.where(part[..., None] >= 0, np.array(WARM), np.array(COLD))
    cover = (np.abs(part) ** 0.8 * opacity)[..., None]
    return np.asarray(np.rint(gray * (1 - cover) + color * cover), np.uint8)


def draw_explanation(found: Explanation) -> Image:
    """See `Explanation.draw`."""
    width = 3 * SIZE + 4 * GAP + TABLE + GAP
    canvas = Canvas(np.full((TOP + SIZE + BOTTOM, width, 3), PAPER, np.uint8))
    strongest = float(max(np.abs(values).max() for values in found.maps)) or 1.0
    pictures = [heat(crop, values, strongest) for crop, values in zip(found.crops, found.maps, strict=True)]
    apart = found.difference / max(float(found.difference.max()), 1e-9)
    pictures.append(np.asarray(np.repeat(255 - 235 * apart[..., None], 3, axis=2), np.uint8))
    titles = ("first picture", "second picture", "difference of the pixels (dark)")
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left = GAP + place * (SIZE + GAP)
        canvas.image[TOP : TOP + SIZE, left : left + SIZE] = resize(picture, (SIZE, SIZE))
        canvas.text((left, 8), title, 16, INK)
    _legend(canvas, strongest, found.method)
    _table(canvas, 3 * SIZE + 4 * GAP + 4, found)
    return canvas.image


def _legend(canvas: Canvas, strongest: float, method: str) -> None:
    """What the colours mean."""
    left, right, top = GAP, GAP + 2 * SIZE + GAP, TOP + SIZE + 10
    ramp = np.linspace(-strongest, strongest, right - left, dtype=np.float32)
    bar = np.full((10, right - left, 3), 245, np.uint8)
    canvas.image[top : top + 10, left:right] = heat(bar, np.repeat(ramp[None], 10, axis=0), strongest, opacity=1)
    text = f"raises the score, +{strongest:.2f}"
    canvas.text((left, top + 14), f"lowers the score, -{strongest:.2f}", 15, COLD)
    canvas.text((right - text_size(text, 15)[0], top + 14), text, 15, WARM)
    word = f"method: {method}"
    canvas.text(((left + right - text_size(word, 15)[0]) / 2, top + 14), word, 15, FAINT)


def _table(canvas: Canvas, left: float, found: Explanation) -> None:
    """The score, and how it changes with each part hidden."""
    answer = {True: "the same person", False: "different people", None: "no answer"}[found.match.same]
    canvas.text((left, 8), f"score {found.score:.3f}: {answer}", 16, INK)
    columns = [(116, "in the 1st"), (196, "in the 2nd")]
    for offset, title in columns:
        canvas.text((left + offset, TOP), title, 14, FAINT)
    canvas.text((left, TOP), "hidden:", 14, FAINT)
    height = (SIZE - 20) / max(len(found.regions), 1)
    for row, part in enumerate(found.regions):
        y = TOP + 22 + row * height
        canvas.text((left, y), part.name, 15, INK)
        for (offset, _), value in zip(columns, (part.first, part.second), strict=True):
            canvas.text((left + offset, y), f"{value:+.3f}", 15, WARM if value < 0 else COLD)


def draw_game(report: GameReport) -> Image:
    """The curves of an inpainting game: rounds in which the mixture is taken for the double, over false alarms.

    Returns
    -------
    (440, 720, 3) uint8
    """
    from mien.evaluation.inpainting import FALSE_ALARMS

    left, top, right, bottom, last = 64, 40, 520, 384, FALSE_ALARMS[-1]
    canvas = Canvas(np.full((440, 720, 3), PAPER, np.uint8))

    def place(alarms: Sequence[float], rates: Sequence[float]) -> Floats:
        x = left + np.asarray(alarms) / last * (right - left)
        return np.stack([x, bottom - np.asarray(rates) * (bottom - top)], axis=1).astype(np.float32)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        canvas.line(place((0, last), (share, share)), (226, 228, 231), 1)
        canvas.text((20, bottom - share * (bottom - top) - 9), f"{share:.2f}", 14, FAINT)
    for alarms in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
        canvas.text((left + alarms / last * (right - left) - 10, bottom + 6), f"{alarms:.1f}", 14, FAINT)
    canvas.text((left, 10), f"taken for the double; {report.model}, {report.people} people", 16, INK)
    canvas.text((left, bottom + 26), "part of the unchanged pixels that is exchanged", 15, INK)
    for row, (one, color) in enumerate(zip(report.methods, itertools.cycle(COLORS), strict=False)):
        band = np.concatenate([place(FALSE_ALARMS, [end[side] for end in one.intervals])[::way] for side, way in BAND])
        with canvas.see_through(0.12, band, 2):
            canvas.polygon(band, color)
        canvas.line(place(FALSE_ALARMS, one.rates), color, 3)
        canvas.text((right + 16, top + 26 * row), f"{one.method}  {one.area:.2f}", 16, color)
    return canvas.image
