"""A face in its own pixels with what surrounds it, and where each pixel stands against the outline of the face.

Cues of forgery look at noise, spectra and compression: small faces are not resampled, and of large ones a part stays as
it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.warping import resize

__all__ = ["BINS", "LARGEST", "SMALLEST", "Window", "brightness", "open_window", "residual_of"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SMALLEST, LARGEST = 64, 320  # pixels across the outline: below cues abstain, above the picture is reduced
SQUARE = 0.7  # side of the part that is never reduced, in extents of the face; at most `WIDEST` pixels
WIDEST = 256
REACH = 1.9  # how far the surroundings go, in radii of the outline
SKIN, APART = 0.9, 1.12  # radii: what surely belongs to the face, and from where on its surroundings begin
BLOCK = 8  # pixels of JPEG's grid: windows begin on it
LEVELS = (12, 243)  # luminance between which a pixel tells of noise: others are clipped
BINS = 12  # of texture, within which pixels are compared
RADII, ANGLES = np.linspace(0.35, 1.0, 27), 72  # of the polar view
FEATURES = ("right_eye", "left_eye", "right_brow", "left_brow", "lips_outer", "nostrils")


@dataclass(frozen=True, eq=False)
class Window:
    """Pixels around one face.

    Attributes
    ----------
    image : (h, w, 3) uint8
    corner : (x, y)
        Of the window in the picture, in pixels of the picture.
    scale : float
        Pixels of the window for one of the picture: 1, or less for a very large face.
    mesh : (478, 2) float64
        In pixels of the window.
    native : (s, s, 3) uint8
        The middle of the face in the picture's own pixels, s a multiple of 8; empty where the picture ends before.
    """

    image: Image
    corner: tuple[int, int]
    scale: float
    mesh: NDArray[np.float64]
    native: Image

    @cached_property
    def outline(self) -> NDArray[np.float64]:
        """The oval of the face, (36, 2)."""
        return self.mesh[indices_of("mesh478", "face_oval")]

    @cached_property
    def center(self) -> NDArray[np.float64]:
        """Its middle, (2,)."""
        return np.asarray((self.outline.min(axis=0) + self.outline.max(axis=0)) / 2)

    @cached_property
    def extent(self) -> float:
        """Pixels across the oval, the smaller way."""
        return float(np.ptp(self.outline, axis=0).min())

    @cached_property
    def radius(self) -> Floats:
        """How far each pixel is from the middle: 0 there, 1 on the outline, (h, w)."""
        height, width = self.image.shape[:2]
        x, y = np.arange(width) - self.center[0], np.arange(height)[:, None] - self.center[1]
        away = np.hypot(x, y) / self._reach_of(np.arctan2(y, x))
        return np.asarray(away, np.float32)

    @cached_property
    def luminance(self) -> Floats:
        """(h, w), 0 to 255 (ITU-R BT.601)."""
        return brightness(self.image)

    @cached_property
    def chroma(self) -> Floats:
        """Logarithms of red and of blue against green, (2, h, w): light of another brightness leaves them alone."""
        import cv2

        red, green, blue = cv2.split(cv2.LUT(self.image, np.log(np.arange(256, dtype=np.float32) + 8)))
        return np.asarray(np.stack([red - green, blue - green]), np.float32)

    @cached_property
    def residual(self) -> Floats:
        """What neighbours do not explain, (h, w): edges cancel and noise stays (Immerkær, CVIU 1996)."""
        return residual_of(self.luminance)

    @cached_property
    def noise(self) -> Floats:
        """Logarithm of the residual's size around each pixel, (h, w)."""
        import cv2

        return np.asarray(np.log(cv2.blur(np.abs(self.residual), (9, 9)) + 0.1), np.float32)

    @cached_property
    def texture(self) -> Floats:
        """Logarithm of the coarse contrast around each pixel, (h, w): where there is more, there is more residual."""
        import cv2

        coarse = cv2.GaussianBlur(self.luminance, (0, 0), 2)
        slope = cv2.magnitude(cv2.Sobel(coarse, cv2.CV_32F, 1, 0), cv2.Sobel(coarse, cv2.CV_32F, 0, 1))
        return np.asarray(np.log(cv2.blur(slope, (9, 9)) + 0.5), np.float32)

    @cached_property
    def features(self) -> Mask:
        """Eyes, brows, lips and nostrils, and a little around them, (h, w)."""
        import cv2

        drawn = np.zeros(self.image.shape[:2], np.uint8)
        for name in FEATURES:
            points = self.mesh[indices_of("mesh478", name)].round().astype(np.int32)
            cv2.fillConvexPoly(drawn, cv2.convexHull(points), 1)
        around = max(round(self.extent * 0.03), 1)
        return np.asarray(cv2.dilate(drawn, np.ones((2 * around + 1,) * 2, np.uint8)) > 0)

    @cached_property
    def face(self) -> Mask:
        """Skin, well inside of the outline, that is neither too dark nor too bright, (h, w)."""
        return np.asarray((self.radius < SKIN) & ~self.features & self._told)

    @cached_property
    def around(self) -> Mask:
        """The surroundings: outside of the outline, (h, w)."""
        return np.asarray((self.radius > APART) & (self.radius < REACH) & self._told)

    @cached_property
    def alike(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Pixels of the face and of its surroundings that have like texture: flat indices, for each of some steps."""
        texture, parts = self.texture.ravel(), [np.flatnonzero(part) for part in (self.face, self.around)]
        if not len(parts[0]):
            return []
        edges = np.quantile(texture[parts[0]], np.linspace(0.02, 0.98, BINS + 1))
        ours, theirs = (_sorted_into(np.digitize(texture[part], edges), part) for part in parts)
        return list(zip(ours, theirs, strict=True))

    @cached_property
    def _told(self) -> Mask:
        return np.asarray((self.luminance > LEVELS[0]) & (self.luminance < LEVELS[1]))

    def polar(self, values: Floats) -> Floats:
        """A map (h, w) seen from the middle: (27, 72), rows by radius from 0.35 to 1, columns by angle."""
        import cv2

        turns = np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)
        reach = self._reach_of(turns) * RADII[:, None]
        x, y = self.center[0] + reach * np.cos(turns), self.center[1] + reach * np.sin(turns)
        seen = cv2.remap(
            values, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(seen, np.float32)

    def _reach_of(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from the middle to the outline in each direction."""
        away = self.outline - self.center
        turns, lengths = np.arctan2(away[:, 1], away[:, 0]), np.hypot(*away.T)
        order = np.argsort(turns)
        turns, lengths = turns[order], lengths[order]
        around = np.concatenate([turns[-1:] - 2 * np.pi, turns, turns[:1] + 2 * np.pi])
        return np.asarray(np.interp(angles, around, np.concatenate([lengths[-1:], lengths, lengths[:1]])))


def brightness(image: Image) -> Floats:
    """Luminance of pixels (h, w), 0 to 255 (ITU-R BT.601)."""
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def residual_of(luminance: Floats) -> Floats:
    """What neighbours do not explain: see `Window.residual`."""
    import cv2

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    return np.asarray(cv2.filter2D(luminance, cv2.CV_32F, kernel), np.float32)


def open_window(image: Image, landmarks: NDArray[np.float32]) -> Window | str:
    """The window around a face, or why there is none.

    Parameters
    ----------
    image : (H, W, 3) uint8
    landmarks : (478, 2 or 3) float32
        The mesh, in pixels of the picture.
    """
    mesh = landmarks[:, :2].astype(np.float64)
    outline = mesh[indices_of("mesh478", "face_oval")]
    low, high = outline.min(axis=0), outline.max(axis=0)
    extent = float((high - low).min())
    if not extent >= SMALLEST:
        return f"a face of {extent:.0f} pixels is too small for traces of forgery, which take {SMALLEST}"
    middle, half = (low + high) / 2, REACH * (high - low) / 2
    height, width = image.shape[:2]
    x1, y1 = (max(int((middle - half)[axis]) // BLOCK * BLOCK, 0) for axis in (0, 1))
    x2, y2 = (min(int((middle + half)[axis]) + 1, (width, height)[axis]) for axis in (0, 1))
    if x2 - x1 < SMALLEST or y2 - y1 < SMALLEST:
        return "the face lies outside of the picture"
    pixels = image[y1:y2, x1:x2]
    scale = min(LARGEST / extent, 1.0)
    if scale < 1:
        pixels = resize(pixels, (max(round((y2 - y1) * scale), 1), max(round((x2 - x1) * scale), 1)))
        scale = pixels.shape[1] / (x2 - x1)
    moved = (mesh - (x1, y1) + 0.5) * scale - 0.5
    return Window(np.ascontiguousarray(pixels), (x1, y1), scale, moved, _middle(image, middle, extent))


def _sorted_into(steps: NDArray[np.intp], pixels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Pixels of the steps 1 to `BINS`."""
    order = np.argsort(steps.astype(np.uint8), kind="stable")  # a radix sort
    ends = np.searchsorted(steps[order], np.arange(1, BINS + 2))
    return np.split(pixels[order], ends)[1:-1]


def _middle(image: Image, center: NDArray[np.float64], extent: float) -> Image:
    side = int(min(extent * SQUARE, WIDEST)) // BLOCK * BLOCK
    x, y = np.maximum((center - side / 2).round().astype(int), 0)
    part = image[y : y + side, x : x + side]
    return np.ascontiguousarray(part if part.shape[:2] == (side, side) else part[:0, :0])
