"""Draws the filters that ship with mien: src/mien/swaps/look/filters/NAME, a filter.toml and its pictures each.

.venv/bin/python tools/draw_filters.py [FOLDER]

All of them is lines and ellipses of our own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Point = tuple[float, float]
Color = tuple[int, int, int]

FOLDER = Path(__file__).resolve().parents[1] / "src" / "mien" / "swaps" / "filters"
FINE = 4  # as large are pictures drawn, so that edges are soft
BLACK, WHITE = (16, 15, 18), (250, 250, 250)


class Sheet:
    """A transparent picture to draw on, in units of its own; (0, 0) is its middle, or its corner."""

    def __init__(self, wide: float, high: float, scale: float, *, centred: bool = True) -> None:
        self.wide, self.high, self.scale = wide, high, scale * FINE
        self.rgba = np.zeros((round(high * self.scale), round(wide * self.scale), 4), np.float32)
        self.origin = np.array((wide, high)) / 2 if centred else np.zeros(2)

    def _pixels(self, points: Sequence[Point]) -> NDArray[np.float64]:
        return np.asarray((np.asarray(points, np.float64) + self.origin) * self.scale - 0.5)

    def _window(self, pixels: NDArray[np.float64], around: float) -> tuple[slice, slice]:
        low = np.floor(np.asarray(pixels.min(axis=0), np.float64) - around).astype(int).clip(0)
        high = np.ceil(pixels.max(axis=0) + around + 1).astype(int).clip(low, self.rgba.shape[1::-1])
        return slice(low[1], high[1]), slice(low[0], high[0])

    def _lay(self, share: Floats, window: tuple[slice, slice], color: Color, *, only: Floats | None = None) -> None:
        share = share if only is None else np.asarray(share * only[window], np.float32)
        front: Floats = np.array([*(level / 255 for level in color), 1], np.float32)
        part = self.rgba[window]
        part += np.asarray(share[..., None] * (front - part), np.float32)  # colours times alpha

    def _drawn(
        self, pixels: NDArray[np.float64], window: tuple[slice, slice], draw: Callable[[Any, Any], Any], soft: float
    ) -> Floats:
        share = np.zeros((window[0].stop - window[0].start, window[1].stop - window[1].start), np.uint8)
        if share.size:
            draw(share, np.rint((pixels - (window[1].start, window[0].start)) * 16).astype(np.int32))
        levels = np.asarray(share / 255, np.float32)
        return np.asarray(cv2.GaussianBlur(levels, (0, 0), soft * self.scale) if soft else levels, np.float32)

    def fill(self, points: Sequence[Point], color: Color, alpha: float = 1.0, soft: float = 0.0) -> Floats:
        """A polygon; gives its mask."""
        pixels = self._pixels(points)
        window = self._window(pixels, 3 * soft * self.scale + 2)
        share = self._drawn(pixels, window, lambda m, p: cv2.fillPoly(m, [p], (255,), cv2.LINE_AA, 4), soft)
        self._lay(share * alpha, window, color)
        mask = np.zeros(self.rgba.shape[:2], np.float32)
        mask[window] = share
        return mask

    def line(self, points: Sequence[Point], width: float, color: Color, alpha: float = 1.0, soft: float = 0.0,
             *, closed: bool = False, only: Any = None) -> None:  # fmt: skip
        """A line of a width."""
        pixels = self._pixels(points)
        thick = max(round(width * self.scale), 1)
        window = self._window(pixels, 3 * soft * self.scale + thick + 2)
        share = self._drawn(
            pixels, window, lambda m, p: cv2.polylines(m, [p], closed, (255,), thick, cv2.LINE_AA, 4), soft
        )
        self._lay(share * alpha, window, color, only=only)

    def shade(self, mask: Floats, color: Color, alpha: float, towards: Point, start: float = 0.0) -> None:
        """A colour that grows within a mask, from 0 at the middle or `start`, in a direction."""
        y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]].astype(np.float32) / np.float32(self.scale)
        along = (x - self.origin[0]) * towards[0] + (y - self.origin[1]) * towards[1] - start
        whole = slice(0, mask.shape[0]), slice(0, mask.shape[1])
        self._lay(mask * np.float32(alpha) * along.clip(0, 1).astype(np.float32), whole, color)

    def save(self, path: Path) -> None:
        """Write it as a PNG."""
        height, width = self.rgba.shape[0] // FINE, self.rgba.shape[1] // FINE
        small = np.asarray(cv2.resize(self.rgba, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        alpha = small[..., 3:].clip(0, 1)
        color = np.where(alpha > 1 / 512, small[..., :3] / np.maximum(alpha, 1 / 512), 0).clip(0, 1)
        levels = np.rint(np.dstack([color[..., ::-1], alpha]) * 255).astype(np.uint8)
        cv2.imwrite(str(path), levels, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def ellipse(x: float, y: float, a: float, b: float, turn: float = 0.0, power: float = 2.0) -> list[Point]:
    """Points of an ellipse, or of a rounder rectangle with a higher power."""
    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    px, py = a * np.sign(c) * np.abs(c) ** (2 / power), b * np.sign(s) * np.abs(s) ** (2 / power)
    r = np.deg2rad(turn)
    along, across = (px * np.cos(r) - py * np.sin(r), px * np.sin(r) + py * np.cos(r))
    return [(float(x + u), float(y + v)) for u, v in zip(along, across, strict=True)]


def curve(points: Sequence[Point], count: int = 24) -> list[Point]:
    """A smooth line through points (Catmull and Rom, 1974)."""
    p = np.asarray([points[0], *points, points[-1]], np.float64)
    out = []
    for i in range(1, len(p) - 2):
        t = np.linspace(0, 1, count, endpoint=False)[:, None]
        a, b, c, d = p[i - 1 : i + 3]
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return [(float(x), float(y)) for x, y in [*np.concatenate(out), points[-1]]]


def mirrored(points: Sequence[Point], about: float = 0.0) -> list[Point]:
    """The same on the other side."""
    return [(2 * about - x, y) for x, y in points]


@dataclass
class Drawing:
    """A filter: its title, its pictures, and its layers."""

    title: str
    sheets: dict[str, Sheet] = field(default_factory=dict)
    layers: list[dict[str, Any]] = field(default_factory=list)

    def board(self, name: str, sheet: Sheet, **how: Any) -> None:
        """A layer that is a board."""
        self.sheets[name] = sheet
        size = [round(sheet.wide, 3), round(sheet.high, 3)]
        self.layers.append({"kind": "board", "image": f"{name}.png", "size": size, **how})

    def paint(self, name: str, sheet: Sheet, **how: Any) -> None:
        """A layer on the skin."""
        self.sheets[name] = sheet
        self.layers.append({"kind": "paint", "image": f"{name}.png", **how})

    def save(self, folder: Path) -> None:
        """Write all of it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, sheet in self.sheets.items():
            sheet.save(folder / f"{name}.png")
        lines = ["# Drawn by tools/draw_filters.py.", "format = 1", f'title = "{self.title}"']
        for layer in self.layers:
            lines += ["", "[[layers]]", *(f"{key} = {_toml(value)}" for key, value in layer.items())]
        (folder / "filter.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return str(list(value)) if isinstance(value, list | tuple) else repr(value)


# --- the filters ------------------------------------------------------------------------------------------------------

GLASSES_AT: dict[str, Any] = {"pins": [168, 6, 127, 356], "shade": 0.35, "behind": ["hair", "hands"]}


APART = 7.05  # centimetres of the arms from the middle: where a front of that width, bent, ends


def _arms(drawing: Drawing, color: Color, thick: float, y: float, front: float) -> None:
    """What holds glasses: one on each side of the head, ending at the ears."""
    for name, side in (("right", -1), ("left", 1)):
        sheet = Sheet(7.6, 2.0, 40)
        near = -3.8 * side  # towards the lenses, as seen from outside
        sheet.line(curve([(near, -0.1), (-near * 0.3, 0), (-near * 0.8, 0.15), (-near, 0.5)]), thick, color)
        at = [round(APART * side, 2), y, round(front + 3.8, 2)]
        drawing.board(
            f"arm_{name}", sheet, at=at, turn=[90 * side, 0, 0], **{**GLASSES_AT, "behind": ["hair", "hands"]}
        )


def sunglasses() -> Drawing:
    """Dark glasses."""
    drawing = Drawing("Sunglasses")
    _arms(drawing, BLACK, 0.55, -3.3, -4.35)
    sheet = Sheet(15.2, 5.6, 40)
    for side in (-1, 1):
        lens = curve([(0.75, -1.2), (2.0, -2.15), (5.0, -2.15), (6.7, -1.75), (6.75, -0.4), (5.9, 1.5), (4.0, 2.25),
                      (2.2, 1.8), (1.0, 0.4), (0.75, -1.2)])  # fmt: skip
        lens = [(x * side, y) for x, y in lens]
        mask = sheet.fill(lens, (24, 22, 28), 0.9)
        sheet.shade(mask, (92, 84, 96), 0.55, (0, 0.35), -0.2)
        left = 2.6 if side > 0 else -4.8
        sheet.fill([(left, -1.9), (left + 1.3, -1.9), (left, 1.4), (left - 0.7, 1.0)], WHITE, 0.1, 0.12)
        sheet.line(lens, 0.34, BLACK, closed=True)
        sheet.line([(6.6 * side, -1.5), (7.4 * side, -1.35)], 0.6, BLACK)
    sheet.line(curve([(-1.0, -1.15), (0, -1.5), (1.0, -1.15)]), 0.5, BLACK)
    drawing.board("front", sheet, at=[0, -2.15, -5.75], bend=15.0, **GLASSES_AT)
    return drawing


def glasses() -> Drawing:
    """Round glasses with a thin frame."""
    drawing = Drawing("Round glasses")
    gold, light = (122, 92, 48), (226, 196, 132)
    _arms(drawing, gold, 0.22, -2.85, -4.35)
    sheet = Sheet(15.2, 6.0, 40)
    for side in (-1, 1):
        lens = ellipse(3.55 * side, 0, 2.75, 2.6)
        sheet.fill(lens, (235, 240, 248), 0.1)
        shine = [(x + 3.55 * side, y) for x, y in ((-1.6, -1.4), (-0.6, -2.1), (-1.2, 1.2), (-2.0, 0.4))]
        sheet.fill(shine, WHITE, 0.16, 0.1)
        sheet.line(lens, 0.26, gold, closed=True)
        sheet.line(ellipse(3.55 * side, -0.02, 2.75, 2.6), 0.08, light, closed=True)
        sheet.line([(6.2 * side, -0.7), (7.3 * side, -0.72)], 0.24, gold)
    sheet.line(curve([(-0.85, -0.35), (-0.4, -0.75), (0.4, -0.75), (0.85, -0.35)]), 0.26, gold)
    drawing.board("front", sheet, at=[0, -2.2, -5.7], bend=16.0, **GLASSES_AT)
    return drawing


def _ear_layer(drawing: Drawing, name: str, sheet: Sheet, at: Sequence[float], roll: float) -> None:
    drawing.board(name, sheet, at=list(at), turn=[0, 0, roll], on_top=True, shade=0.5, behind=["hands"])


def dog() -> Drawing:
    """Floppy ears, a nose, freckles."""
    drawing = Drawing("Dog")
    brown, dark, inner = (124, 78, 44), (78, 46, 26), (176, 126, 96)
    for name, side in (("ear_right", -1), ("ear_left", 1)):
        sheet = Sheet(6.6, 9.4, 30)
        ear = curve([(-1.6, -3.2), (-0.4, -4.3), (1.4, -4.2), (2.7, -2.6), (2.9, 0.4), (2.2, 3.2), (1.0, 4.3),
                     (-0.2, 3.2), (-0.9, 0.2), (-1.9, -1.6), (-1.6, -3.2)])  # fmt: skip
        ear = [(x * side, y) for x, y in ear]
        mask = sheet.fill(ear, brown)
        sheet.shade(mask, dark, 0.75, (0.28 * side, 0.14), -0.2)
        fold = curve([(0.2, -3.0), (1.5, -2.2), (1.9, 0.5), (1.2, 2.8), (0.5, 1.2), (0.2, -1.2), (0.2, -3.0)])
        sheet.fill([(x * side, y) for x, y in fold], inner, 0.35, 0.25)
        generator = np.random.default_rng(3)
        for _ in range(260):
            x, y = generator.uniform(-3, 3) * side, generator.uniform(-4.3, 4.3)
            sheet.line([(x, y), (x + generator.uniform(-0.15, 0.15), y + 0.7)], 0.05, dark, 0.3, only=mask)
        _ear_layer(drawing, name, sheet, (6.8 * side, -7.8, -0.6), 6.0 * side)
    nose = Sheet(4.4, 3.4, 40)
    shape = curve([(-1.8, -0.6), (-1.0, -1.25), (1.0, -1.25), (1.8, -0.6), (1.3, 0.55), (0.25, 1.25), (-0.25, 1.25),
                   (-1.3, 0.55), (-1.8, -0.6)])  # fmt: skip
    mask = nose.fill(shape, (34, 28, 30))
    nose.shade(mask, (8, 7, 8), 0.8, (0, 0.6), 0.0)
    for side in (-1, 1):
        nose.fill(ellipse(0.75 * side, 0.2, 0.42, 0.24, 28 * side), (4, 3, 4), 0.9, 0.05)
    nose.fill(ellipse(-0.35, -0.75, 0.8, 0.22, -4), WHITE, 0.4, 0.12)
    drawing.board("nose", nose, at=[0, 0.75, -8.0], pins=[4, 1, 5], bend=3.2, shade=0.5, behind=["hands"])
    spots = Sheet(1, 1, 512, centred=False)
    for x, y in ((0.385, 0.615), (0.36, 0.635), (0.335, 0.62), (0.4, 0.64), (0.35, 0.6)):
        for px in (x, 1 - x):
            spots.fill(ellipse(px, y, 0.0065, 0.0065), dark, 0.75, 0.0015)
    drawing.paint("spots", spots, shade=0.9, behind=["hair", "hands", "background"])
    return drawing


def cat() -> Drawing:
    """Pointed ears, whiskers, a nose."""
    drawing = Drawing("Cat")
    fur, pink = (46, 44, 50), (232, 152, 160)
    for name, side in (("ear_right", -1), ("ear_left", 1)):
        sheet = Sheet(6.0, 6.6, 30)
        outer = curve([(-2.5, 2.9), (-1.6, 0.0), (0.9, -2.9), (1.5, -2.7), (2.4, 0.0), (2.5, 2.9)])
        mask = sheet.fill([(x * side, y) for x, y in [*outer, (0, 3.1)]], fur)
        sheet.shade(mask, (86, 82, 92), 0.6, (-0.3 * side, -0.1), 0.1)
        inner = curve([(-1.3, 2.6), (-0.7, 0.6), (0.95, -1.7), (1.6, 0.4), (1.6, 2.6)])
        sheet.fill([(x * side, y) for x, y in inner], pink, 0.85, 0.12)
        _ear_layer(drawing, name, sheet, (4.6 * side, -11.2, -0.8), 8.0 * side)
    for name, side in (("whiskers_right", -1), ("whiskers_left", 1)):
        sheet = Sheet(8.4, 5.0, 36)
        for start, end in (((-0.55), (-1.9)), ((0.0), (-0.1)), ((0.5), (1.8))):
            line = curve([(-3.6, start), (-0.5, start * 0.9 + end * 0.2), (3.9, end)])
            sheet.line([(x * side, y) for x, y in line], 0.12, (20, 18, 20), 0.35, 0.03)
            sheet.line([(x * side, y - 0.03) for x, y in line], 0.08, WHITE, 0.95)
        at = [6.1 * side, 2.1, -5.4]
        drawing.board(name, sheet, at=at, turn=[32 * side, 0, 0], pins=[2, 164], shade=0.3, behind=["hands"])
    nose = Sheet(2.6, 2.0, 52)
    shape = curve([(-0.95, -0.45), (0, -0.62), (0.95, -0.45), (0.5, 0.3), (0, 0.62), (-0.5, 0.3), (-0.95, -0.45)])
    mask = nose.fill(shape, pink)
    nose.shade(mask, (176, 88, 104), 0.7, (0, 1.2), 0.0)
    nose.fill(ellipse(-0.25, -0.3, 0.4, 0.1), WHITE, 0.4, 0.06)
    drawing.board("nose", nose, at=[0, 0.7, -8.1], pins=[4, 1, 5], bend=2.4, shade=0.5, behind=["hands"])
    return drawing


def moustache() -> Drawing:
    """A moustache with its ends turned up."""
    drawing = Drawing("Moustache")
    sheet = Sheet(9.4, 3.6, 44)
    dark = (40, 27, 19)
    for side in (-1, 1):
        half = curve([(0.0, -0.55), (0.9, -0.75), (2.0, -0.35), (3.0, 0.15), (3.8, -0.1), (4.2, -0.8), (4.35, -0.3),
                      (3.9, 0.6), (2.9, 0.95), (1.6, 0.8), (0.5, 0.35), (0.0, 0.15)])  # fmt: skip
        half = [(x * side, y) for x, y in half]
        mask = sheet.fill(half, dark)
        generator = np.random.default_rng(5)
        for _ in range(150):
            x = generator.uniform(0, 3.9)
            y = generator.uniform(-0.8, 0.5)
            strand = curve([(x, y), (x + 0.5, y + 0.2), (x + 1.0, y + 0.22)])
            tone = (98, 70, 48) if generator.random() < 0.5 else (18, 12, 9)
            sheet.line([(u * side, v) for u, v in strand], 0.05, tone, 0.45, only=mask)
    drawing.board("hair", sheet, at=[0, 2.75, -6.35], bend=5.5, pins=[164, 0, 2], shade=0.7, behind=["hands"])
    return drawing


def tiger() -> Drawing:
    """Stripes on the skin."""
    drawing = Drawing("Tiger")
    base = Sheet(1, 1, 512, centred=False)
    base.fill(ellipse(0.5, 0.5, 0.40, 0.40), (232, 132, 40), 0.62, 0.05)
    for x in (0.42, 0.58):
        base.fill(ellipse(x, 0.655, 0.085, 0.06), (250, 244, 232), 0.9, 0.018)
    base.fill(ellipse(0.5, 0.84, 0.09, 0.06), (250, 244, 232), 0.8, 0.025)
    for x in (0.34, 0.66):
        base.fill(ellipse(x, 0.3, 0.06, 0.028, 8 if x < 0.5 else -8), (250, 244, 232), 0.8, 0.012)
    stripes = (
        ((0.5, 0.12), (0.5, 0.2), (0.5, 0.255)), ((0.43, 0.14), (0.455, 0.19), (0.47, 0.24)),
        ((0.36, 0.17), (0.4, 0.2), (0.435, 0.225)), ((0.12, 0.42), (0.2, 0.44), (0.25, 0.475)),
        ((0.09, 0.52), (0.18, 0.53), (0.255, 0.56)), ((0.12, 0.62), (0.2, 0.625), (0.28, 0.64)),
        ((0.17, 0.72), (0.25, 0.71), (0.31, 0.71)), ((0.27, 0.83), (0.32, 0.795), (0.36, 0.775)),
        ((0.17, 0.27), (0.22, 0.26), (0.27, 0.235)),
    )  # fmt: skip
    for stripe in stripes:
        for points in (stripe, mirrored(stripe, 0.5)):
            line = curve(points)
            wide = [0.026 * np.sin(np.pi * (0.12 + 0.85 * place / len(line))) + 0.003 for place in range(len(line))]
            along = np.gradient(np.asarray(line), axis=0)
            across = np.column_stack([-along[:, 1], along[:, 0]]) / np.linalg.norm(along, axis=1)[:, None]
            across *= np.array(wide)[:, None] / 2
            rim = [*(np.asarray(line) + across), *(np.asarray(line) - across)[::-1]]
            base.fill([(float(u), float(v)) for u, v in rim], BLACK, 0.92)
    base.fill([(0.468, 0.535), (0.532, 0.535), (0.515, 0.59), (0.5, 0.6), (0.485, 0.59)], (40, 24, 24), 0.9, 0.006)
    base.line([(0.5, 0.598), (0.5, 0.64)], 0.007, BLACK, 0.9, 0.002)
    drawing.paint("stripes", base, shade=1.0, behind=["hair", "hat", "glasses", "hands", "background", "clothes"])
    return drawing


def hearts() -> Drawing:
    """A heart on each cheek."""
    drawing = Drawing("Hearts")
    sheet = Sheet(1, 1, 512, centred=False)
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    x, y = 16 * np.sin(t) ** 3, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    for middle, turn in ((0.255, -10), (0.745, 10)):
        r = np.deg2rad(turn)
        sheet.fill(ellipse(middle, 0.55, 0.085, 0.07), (236, 120, 140), 0.35, 0.03)
        for size, color, alpha in ((0.0038, (226, 60, 98), 0.9), (0.0024, (244, 116, 146), 0.7)):
            along, across = size * (x * np.cos(r) - y * np.sin(r)), 1.15 * size * (x * np.sin(r) + y * np.cos(r))
            shape = [(float(middle + u), float(0.55 + v)) for u, v in zip(along, across, strict=True)]
            sheet.fill(shape, color, alpha, 0.002)
    drawing.paint("hearts", sheet, shade=0.9, behind=["hair", "hat", "glasses", "hands", "background", "clothes"])
    return drawing


def mask() -> Drawing:
    """A surgical mask over mouth and nose."""
    drawing = Drawing("Face mask")
    sheet = Sheet(1, 1, 512, centred=False)
    blue = (150, 196, 218)
    left = [(0.5, 0.435), (0.42, 0.455), (0.3, 0.5), (0.16, 0.53), (0.075, 0.56), (0.095, 0.66), (0.16, 0.78),
            (0.27, 0.885), (0.38, 0.945), (0.5, 0.97)]  # fmt: skip
    outline = [*left, *mirrored(left, 0.5)[::-1]]
    cloth = sheet.fill(outline, blue, 1.0, 0.002)
    for y in (0.56, 0.66, 0.76, 0.86):
        line = curve([(0.02, y + 0.035), (0.25, y + 0.012), (0.5, y), (0.75, y + 0.012), (0.98, y + 0.035)])
        sheet.line(line, 0.016, (104, 152, 178), 0.55, 0.004, only=cloth)
        sheet.line([(u, v - 0.016) for u, v in line], 0.01, (206, 230, 240), 0.6, 0.003, only=cloth)
    sheet.line(outline, 0.008, (222, 238, 246), 0.9, 0.001, closed=True)
    for u, v in (((0.078, 0.565), (0.0, 0.45)), ((0.12, 0.71), (0.0, 0.52))):
        for start, end in ((u, v), (mirrored([u], 0.5)[0], mirrored([v], 0.5)[0])):
            sheet.line([start, end], 0.011, (240, 244, 246), 0.95)
    drawing.paint("cloth", sheet, lift=0.35, closed=True, shade=0.8, behind=["hair", "hands"])
    return drawing


def party() -> Drawing:
    """A paper hat."""
    drawing = Drawing("Party hat")
    sheet = Sheet(9.0, 11.5, 30)
    cone = [(0.0, -4.9), (3.7, 4.5), (1.9, 5.05), (0.0, 5.2), (-1.9, 5.05), (-3.7, 4.5)]
    body = sheet.fill(cone, (236, 86, 110))
    for y in np.arange(-4.0, 6.0, 2.1):
        sheet.line([(-4.5, y + 0.9), (4.5, y - 0.9)], 0.75, (250, 214, 92), 1.0, only=body)
    sheet.shade(body, (90, 20, 50), 0.55, (0.28, 0), 0.0)
    sheet.shade(body, WHITE, 0.25, (-0.3, 0), 0.2)
    generator = np.random.default_rng(2)
    for angle in generator.uniform(0, 2 * np.pi, 90):
        r = generator.uniform(0.5, 1.05)
        tip = (float(r * np.cos(angle)), float(-4.7 + r * np.sin(angle)))
        sheet.line([(0, -4.7), tip], 0.14, (92, 190, 226) if r > 0.8 else (170, 224, 244), 0.95)
    at = [0, -14.8, -0.8]
    drawing.board("hat", sheet, at=at, turn=[0, -4, 7], on_top=True, shade=0.5, behind=["hands"])
    return drawing


FILTERS: tuple[Callable[[], Drawing], ...] = (sunglasses, glasses, dog, cat, moustache, tiger, hearts, mask, party)


def main() -> None:
    """Draw, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    for make in FILTERS:
        make().save(folder / make.__name__)


if __name__ == "__main__":
    main()
