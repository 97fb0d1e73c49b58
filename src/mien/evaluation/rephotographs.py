"""Pictures shown on a screen or printed, and photographed again: simulated, since no set of real ones can be shipped.

What a camera sees of a screen is computed in light, sample by sample: a pixel of the screen is three stripes with dark
between them, which the camera's own pixels are a little larger or smaller than; what comes of it is moire. Of a print
it sees dots of four inks on screens turned against each other (Yule & Nielsen's optics are left out: the dots have
sharp edges), or, of a fine print, only that the paper's white is no light and its black is grey.

They are simulated, not photographed. What finds them need not find a real screen, and what misses them may.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image

__all__ = ["Rephotograph", "rephotograph"]

Floats: TypeAlias = NDArray[np.float32]

GAMMA: Final = 2.2
SAMPLES: Final = 4  # along each side of a camera's pixel
STRIPES: Final = 0.28  # width of a colour's stripe, in pixels of the screen
INK_TURNS: Final = (15.0, 75.0, 0.0)  # degrees of the screens of cyan, magenta and yellow


@dataclass(frozen=True, kw_only=True)
class Rephotograph:
    """How a picture is shown and taken.

    Attributes
    ----------
    kind : {"screen", "halftone", "print"}
        A screen; a print with dots that may be seen; one with dots too fine to be.
    pitch : float
        Pixels of the camera that a pixel of the screen, or a dot of the print, is wide.
    edges : bool
        Whether the device's or the paper's edges are in the picture.
    turn, tilt : float
        Degrees in the picture's plane, and how far corners are out of place in parts of the width.
    cast : float
        How much bluer the screen is than daylight (0: not at all).
    ambient : float
        Light of the room that a screen or paper throws back, in parts of white.
    blur : float
        Sigma of the camera's lens in its pixels.
    noise : float
        Of the camera, in grey levels of 255.
    """

    kind: str = "screen"
    pitch: float = 1.4
    edges: bool = True
    turn: float = 2.0
    tilt: float = 0.01
    cast: float = 0.15
    ambient: float = 0.04
    blur: float = 0.5
    noise: float = 2.0

    @classmethod
    def drawn(cls, draw: np.random.Generator, kind: str, *, edges: bool = True) -> Rephotograph:
        """One of a kind, with the rest at random."""
        pitch = {"screen": (0.5, 2.5), "halftone": (1.5, 4.0), "print": (1.0, 2.0)}[kind]
        return cls(
            kind=kind,
            pitch=float(draw.uniform(*pitch)),
            edges=edges,
            turn=float(draw.normal(0, 3)),
            tilt=float(draw.uniform(0, 0.03)),
            cast=float(draw.uniform(0, 0.3)),
            ambient=float(draw.uniform(0.01, 0.1)),
            blur=float(draw.uniform(0.3, 0.9)),
            noise=float(draw.uniform(1, 4)),
        )


def rephotograph(
    image: Image, how: Rephotograph, *, seed: int = 0, scene: Image | None = None, side: int = 640
) -> Image:
    """Show a picture, and take a picture of that.

    Parameters
    ----------
    image : (H, W, 3) uint8
    how : Rephotograph
    seed : int
        Of the tilt and the noise.
    scene : (h, w, 3) uint8, optional
        What is behind the device; by default a grey wall.
    side : int
        Pixels of the longer side of the result.

    Returns
    -------
    (height, width, 3) uint8
        In the picture's proportions.
    """
    import cv2

    draw = np.random.default_rng(seed)
    scale = side / max(image.shape[:2])
    height, width = round(image.shape[0] * scale), round(image.shape[1] * scale)
    share = 0.7 if how.edges else 1.15  # of the picture's width that the device's is
    shown = width * share / how.pitch, height * share / how.pitch  # pixels of the screen
    where = _placed(how, draw, (width, height), share, shown)
    fine = width * SAMPLES, height * SAMPLES
    light = np.empty((fine[1], fine[0], 3), np.float32)
    small = cv2.resize(image, (max(round(shown[0]), 1), max(round(shown[1]), 1)), interpolation=cv2.INTER_AREA)
    linear = np.asarray((small / np.float32(255)) ** GAMMA, np.float32)
    behind = np.full((height, width, 3), 150, np.uint8) if scene is None else cv2.resize(scene, (width, height))
    room = np.asarray((behind / np.float32(255)) ** GAMMA, np.float32)
    for top in range(0, fine[1], 64 * SAMPLES):  # in strips: all at once would take much memory
        rows = np.arange(top, min(top + 64 * SAMPLES, fine[1]))
        y, x = np.meshgrid((rows + 0.5) / SAMPLES, (np.arange(fine[0]) + 0.5) / SAMPLES, indexing="ij")
        u, v = _through(where, x, y)
        strip = _surface(linear, np.asarray(u, np.float32), np.asarray(v, np.float32), how)
        strip = _framed(strip, u, v, shown, how, room, x, y)
        light[top : top + len(rows)] = strip
    camera = cv2.resize(light, (width, height), interpolation=cv2.INTER_AREA)
    camera = cv2.GaussianBlur(camera, (0, 0), how.blur) if how.blur > 0 else camera
    seen = 255 * np.clip(camera, 0, 1) ** (1 / GAMMA) + draw.normal(0, how.noise, camera.shape)
    return np.asarray(np.clip(np.rint(seen), 0, 255), np.uint8)


def _placed(
    how: Rephotograph, draw: np.random.Generator, size: tuple[int, int], share: float, shown: tuple[float, float]
) -> NDArray[np.float64]:
    """Homography (3, 3) from the camera's picture to the screen's pixels."""
    import cv2

    middle = np.array(size) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * middle * share
    corners = corners + draw.uniform(-how.tilt, how.tilt, (4, 2)) * size[0]
    turn = np.deg2rad(how.turn)
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + middle
    edges = np.array([(0, 0), (shown[0], 0), shown, (0, shown[1])], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), edges), np.float64)


def _through(m: NDArray[np.float64], x: Any, y: Any) -> tuple[Any, Any]:
    z = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    return (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / z, (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / z


def _surface(linear: Floats, u: Floats, v: Floats, how: Rephotograph) -> Floats:
    """Light that comes from places of the surface, (h, w, 3)."""
    import cv2

    if how.kind == "screen":
        nearest = cv2.remap(linear, np.floor(u), np.floor(v), cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        across, down = u - np.floor(u), v - np.floor(v)
        stripes = np.stack([np.abs(across - (2 * c + 1) / 6) < STRIPES / 2 for c in range(3)], axis=-1)
        lit = stripes * (np.abs(down - 0.5) < 0.45)[..., None] / (STRIPES * 0.9)
        cast = np.array([1 - how.cast, 1 - how.cast / 2, 1], np.float32)
        return np.asarray(nearest * lit * cast * (1 - how.ambient) + how.ambient, np.float32)
    smooth = cv2.remap(linear, u - 0.5, v - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    paper = how.ambient + (0.85 - how.ambient) * smooth  # white paper throws back some of the light, ink a little
    if how.kind == "print":
        return np.asarray(paper, np.float32)
    dots, levels = np.empty_like(smooth), _levels()
    for channel, degrees in enumerate(INK_TURNS):
        a = np.deg2rad(degrees)
        wave = np.cos(2 * np.pi * (u * np.cos(a) + v * np.sin(a))) + np.cos(2 * np.pi * (v * np.cos(a) - u * np.sin(a)))
        dots[..., channel] = np.interp(wave, *levels) < smooth[..., channel]  # a dot is as large as the paper is dark
    return np.asarray(how.ambient + (0.85 - how.ambient) * dots, np.float32)


def _levels() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heights of a sum of two cosines at right angles, and the share of the plane that lies below each."""
    one = np.cos(np.linspace(0, np.pi, 128))
    heights = np.sort((one[:, None] + one).ravel())[::64]
    return heights, np.linspace(0, 1, len(heights))


def _framed(
    strip: Floats, u: Any, v: Any, shown: tuple[float, float], how: Rephotograph, room: Floats, x: Any, y: Any
) -> Floats:
    """The surface, its frame, and the room behind."""
    import cv2

    outside = np.maximum(np.maximum(-u, u - shown[0]), np.maximum(-v, v - shown[1]))
    wide = 0.03 * max(shown)
    frame = 0.01 if how.kind == "screen" else 0.8
    wall = cv2.remap(
        room, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.where((outside > wide)[..., None], wall, np.where((outside > 0)[..., None], frame, strip)))
