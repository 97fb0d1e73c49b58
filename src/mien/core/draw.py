"""Draws a result on its picture: boxes, points, pose axes and short values, readable on 200 px and on 20 MP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from mien.core.columns import Angles, Points
from mien.core.fields import all_fields

if TYPE_CHECKING:
    from mien.core.faces import Face, Faces
    from mien.core.image import Image

__all__ = ["draw"]

BOX = (255, 196, 0)
POINT = (0, 220, 255)
AXES = ((235, 60, 60), (60, 200, 80), (80, 120, 255))  # x, y, z, as in every 3D tool
LABEL_BACKGROUND = (20, 20, 20)
SMALLEST_TEXT = 9.0  # pixels


def draw(image: Image, faces: Faces, *, fields: Sequence[str]) -> Image:
    """A copy of `image` with `faces` drawn on it.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The picture.
    faces : Faces
        What was found in it.
    fields : sequence of str
        Which computed fields to show.

    Returns
    -------
    (H, W, 3) uint8
    """
    canvas = Pillow.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    for face in faces:
        _draw_face(pen, face, fields)
    return np.asarray(canvas)


def _draw_face(pen: ImageDraw.ImageDraw, face: Face, fields: Sequence[str]) -> None:
    x1, y1, x2, y2 = face.box.tolist()
    side = max(x2 - x1, y2 - y1)
    stroke = max(1, round(side / 120))
    pen.rectangle((x1, y1, x2, y2), outline=BOX, width=stroke)
    for point in face.keypoints.values():
        _dot(pen, point, max(1.0, side / 90), BOX)
    known = all_fields()
    words = [] if np.isnan(face.score) else [f"{face.score:.2f}"]
    for name in fields:
        column = getattr(face, name)
        if isinstance(column, Points):
            for point in column.xy:
                _dot(pen, point, max(0.5, side / 300), POINT)
        if isinstance(column, Angles) and not bool(column.abstained):
            center = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
            _axes(pen, center, column.matrix.astype(np.float64), side / 2, stroke * 2)
        if known[name].brief:
            words.append(f"{name} {column.brief()}")
    _label(pen, words, (x1, y1, x2, y2), max(SMALLEST_TEXT, side / 12))


def _dot(pen: ImageDraw.ImageDraw, point: NDArray[np.floating], radius: float, color: tuple[int, int, int]) -> None:
    if np.isfinite(point).all():
        x, y = point.tolist()
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _axes(
    pen: ImageDraw.ImageDraw, center: NDArray[np.float64], matrix: NDArray[np.float64], length: float, width: int
) -> None:
    # Columns of the matrix are the face's axes in the camera's: x to the picture's right, y down, and z away from the
    # camera, so the nose points along -z.
    for axis, color in zip((matrix[:, 0], matrix[:, 1], -matrix[:, 2]), AXES, strict=True):
        tip = center + axis[:2] * length
        pen.line((*center.tolist(), *tip.tolist()), fill=color, width=width)


def _label(pen: ImageDraw.ImageDraw, words: Sequence[str], box: tuple[float, float, float, float], size: float) -> None:
    """Write below the box, or above it where the picture ends; smaller where it must, and not at all below 9 pixels."""
    if not words or size < SMALLEST_TEXT:
        return
    font = ImageFont.load_default(size)
    text = "\n".join(words)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    canvas_width, canvas_height = pen.im.size
    places = [y for y in (box[3] + size / 6, box[1] - size / 6 - height) if 0 <= y <= canvas_height - height]
    if not places or width > canvas_width:
        _label(pen, words, box, size / 1.25)
        return
    x, y = max(0.0, min(box[0], canvas_width - width)), places[0]
    pen.rectangle((x, y, x + width, y + height), fill=LABEL_BACKGROUND)
    pen.multiline_text((x + 2 - left, y + 2 - top), text, font=font, fill=(255, 255, 255))
