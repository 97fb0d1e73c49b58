"""Printed cards with a portrait on them, and photos of such cards: stand-ins for documents, of which we have none.

A card has what makes documents hard to read: a small portrait in a fine print, lines through it, a ghost image (the
portrait once more, small and pale), a hologram, perhaps no colour. A photo of it has perspective, glare, moire, blur
and noise. All is drawn from a seed; nothing is copied from a document that exists.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from mien.core.image import Image

WIDTH, HEIGHT = 1012, 638  # pixels of a card as printed: 300 a inch, 85.6 x 54 mm (ISO/IEC 7810, ID-1)
PORTRAIT = (50, 150, 350, 535)  # left, top, right, bottom
GHOST = (800, 330, 935, 503)

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Photo:
    """How a card is printed, and how its photo is taken.

    Parameters
    ----------
    width : int
        Of the card in the photo, in pixels.
    turn : float
        Degrees by which the card lies turned, clockwise.
    tilt : float
        How much its corners are out of place, in parts of the width: perspective.
    ghost, hologram, gray : bool
        What is printed on it, and whether the portrait has colour.
    screen : float
        Strength of the print's dots, in [0, 1].
    glare, moire, noise : float
        In grey levels of 255.
    blur : float
        Sigma in pixels of the photo.
    """

    width: int = 700
    turn: float = 0.0
    tilt: float = 0.03
    ghost: bool = True
    hologram: bool = True
    gray: bool = False
    screen: float = 0.35
    glare: float = 60.0
    moire: float = 4.0
    noise: float = 4.0
    blur: float = 0.7


def photograph(portrait: Image, *, seed: int = 0, how: Photo | None = None, ghost: Image | None = None) -> Image:
    """A photo of a card with a portrait, on a table.

    Parameters
    ----------
    portrait : (H, W, 3) uint8
        Head and shoulders; its middle is cut to the card's format.
    seed : int
        Of all that is random.
    how : Photo, optional
    ghost : (H, W, 3) uint8, optional
        Another portrait for the ghost image: the card of somebody who exchanged the portrait.

    Returns
    -------
    (S, S, 3) uint8
        S is 1.5 times the width of the card.
    """
    how, draw = how or Photo(), np.random.default_rng(seed)
    card = printed(portrait, draw, how, portrait if ghost is None else ghost)
    side = round(how.width * 1.5)
    half = np.array([how.width, how.width * HEIGHT / WIDTH]) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    corners = corners + draw.uniform(-how.tilt, how.tilt, (4, 2)) * how.width
    angle = np.deg2rad(how.turn)
    turned = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + side / 2
    edges = np.array([(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)], np.float32)
    m = cv2.getPerspectiveTransform(edges, turned.astype(np.float32))
    table = _table(side, draw)
    shown = cv2.warpPerspective(_softened(card, how.width / WIDTH), m, (side, side))
    inside = cv2.warpPerspective(np.ones((HEIGHT, WIDTH), np.float32), m, (side, side))[..., None]
    photo = table * (1 - inside) + shown * inside
    y, x = np.mgrid[:side, :side].astype(np.float32)
    wave = how.moire * np.sin(x * draw.uniform(0.3, 0.9) + y * draw.uniform(0.3, 0.9)) * np.sin(y * 0.05)
    at, spread = side / 2 + draw.uniform(-0.3, 0.3, 2) * how.width, how.width * draw.uniform(0.1, 0.25)
    glare = how.glare * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * spread**2))
    photo = photo + (wave + glare)[..., None] * inside
    photo = cv2.GaussianBlur(photo, (0, 0), how.blur) if how.blur > 0 else photo
    photo = photo + draw.normal(0, how.noise, photo.shape)
    return np.asarray(np.clip(photo, 0, 255), np.uint8)


def printed(portrait: Image, draw: np.random.Generator, how: Photo, ghost: Image) -> Image:
    """The card itself, (638, 1012, 3) uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    lines = 6 * np.sin(x / 7 + 9 * np.sin(y / 60)) + 5 * np.sin(y / 5 + 7 * np.sin(x / 80))
    ground = draw.uniform(195, 225, 3) + lines[..., None] * np.array([1.0, 0.7, 0.4])
    face = _cut(portrait, PORTRAIT)
    if how.gray:
        face = np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    left, top, right, bottom = PORTRAIT
    ground[top:bottom, left:right] = face
    if how.ghost:
        left, top, right, bottom = GHOST
        pale = cv2.cvtColor(_cut(ghost, GHOST), cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        ground[top:bottom, left:right] = 0.55 * ground[top:bottom, left:right] + 0.45 * pale
    # The security print's lines run over the portrait, too.
    ground = ground + 3 * np.sin(x / 3 + y / 11)[..., None]
    if how.hologram:
        band = np.exp(-((x - 2.2 * (y - 300) - 330) ** 2) / 3000)[..., None]
        hue = np.stack([np.sin(y / 30 + phase) for phase in (0, 2, 4)], axis=-1)
        ground = ground + 22 * band * hue
    dots = np.sin(x * 1.05 + y * 1.05) * np.sin(x * 1.05 - y * 1.05)
    ground = ground * (1 + how.screen * 0.4 * dots[..., None])
    canvas = Pillow.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(canvas)
    pen.text((50, 40), "SPECIMEN CARD", font=ImageFont.load_default(56), fill=(40, 60, 110))
    for row, text in enumerate(("NAME  NOBODY", "BORN  NEVER", "NUMBER  000 000 000", "VALID UNTIL  -")):
        pen.text((400, 170 + 62 * row), text, font=ImageFont.load_default(32), fill=(30, 30, 40))
    pen.text((50, 570), "<<<SPECIMEN<<NOBODY<<<<<<<<<<<<<<<<<<<<<<", font=ImageFont.load_default(38), fill=(20, 20, 20))
    return np.asarray(canvas, np.uint8)


def _cut(portrait: Image, place: tuple[int, int, int, int]) -> Image:
    """The portrait's middle in the format of its place."""
    width, height = place[2] - place[0], place[3] - place[1]
    scale = max(width / portrait.shape[1], height / portrait.shape[0])
    size = round(portrait.shape[1] * scale + 0.5), round(portrait.shape[0] * scale + 0.5)
    large = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (large.shape[1] - width) // 2, (large.shape[0] - height) // 2
    return np.asarray(large[top : top + height, left : left + width], np.uint8)


def _softened(card: Image, scale: float) -> Floats:
    """The card without what is too fine for the photo to show."""
    sigma = max(0.0, 0.45 * (1 / scale - 1))
    return np.asarray(cv2.GaussianBlur(card, (0, 0), sigma) if sigma > 0.1 else card, np.float32)


def _table(side: int, draw: np.random.Generator) -> Floats:
    """What the card lies on."""
    coarse = draw.normal(0, 5, (12, 12, 1)) + draw.uniform(70, 130) + draw.uniform(-20, 20, 3)
    return np.asarray(cv2.resize(coarse.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
