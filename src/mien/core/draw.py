"""Draws a result on its picture: boxes, meshes, axes, gaze and short values, readable on 200 px and on 20 MP."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from mien.core.canvas import Canvas, Color, text_size
from mien.core.fields import all_fields
from mien.core.labels import Place, place_labels
from mien.core.marks import Marked, draw_box, draw_field, draw_ground, layer_of

if TYPE_CHECKING:
    from mien.core.faces import Faces
    from mien.core.image import Image

__all__ = ["as_png", "draw"]

TEXT: Final[Color] = (255, 255, 255)
NAME: Final[Color] = (170, 178, 190)
PANEL: Final[Color] = (18, 20, 26)


def draw(
    image: Image, faces: Faces, *, fields: Sequence[str], labels: MutableMapping[int, Place] | None = None
) -> Image:
    """A copy of `image` with `faces` drawn on it.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The picture.
    faces : Faces
        What was found in it.
    fields : sequence of str
        Which computed fields to show.
    labels : mapping, optional
        Where the labels of the frame before lay, by track; this frame's are put in.

    Returns
    -------
    (H, W, 3) uint8
    """
    canvas = Canvas(image)
    marked = [Marked(face, frozenset(fields), canvas.size) for face in faces]
    for name in fields:
        draw_ground(canvas, faces, name)
    for one in marked:
        draw_box(canvas, one)
    for name in sorted(fields, key=layer_of):
        for one in marked:
            draw_field(canvas, one, name)
    _label(canvas, marked, [name for name in fields if all_fields()[name].brief], labels)
    return canvas.image


def as_png(image: Image, *, longest: int = 1200) -> bytes:
    """A picture as PNG for a notebook, its longer side no longer than so many pixels."""
    import io

    import PIL.Image

    picture = PIL.Image.fromarray(image)
    picture.thumbnail((longest, longest))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


# --- labels -----------------------------------------------------------------------------------------------------------

_Line: TypeAlias = Sequence[tuple[str, Color]]


def _label(
    canvas: Canvas, marked: Sequence[Marked], names: Sequence[str], labels: MutableMapping[int, Place] | None
) -> None:
    """What can be said in a few words, beside each face: all of it, or the first line, or nothing in a throng."""
    forms = [_forms(one, names) for one in marked]
    sizes = [[_extent(lines, one.text) for lines in own] for one, own in zip(marked, forms, strict=True)]
    gap = min((one.stroke * 2 + 1 for one in marked), default=2.0)
    known = {} if labels is None else labels
    before = [known.get(one.track) if one.track is not None else None for one in marked]
    places = place_labels([one.box for one in marked], sizes, canvas.size, gap=gap, before=before)
    for one, own, place in zip(marked, forms, places, strict=True):
        if place is not None:
            if one.track is not None:
                known[one.track] = place
            _write(canvas, own[place.form], place.box, one)


def _forms(one: Marked, names: Sequence[str]) -> list[Sequence[_Line]]:
    head: list[tuple[str, Color]] = []
    if one.track is not None:
        head.append((f"#{one.track}", one.color))
    if not np.isnan(one.face.score):
        head.append((f"{one.face.score:.2f}", TEXT))
    said = [name for name in names if name != "track" and not bool(one.column(name).abstained)]
    values = [[(name, NAME), (one.column(name).brief(), TEXT)] for name in said]
    full = [line for line in (head, *values) if line]
    return [lines for lines in (full, [head] if head and values else []) if lines]


def _extent(lines: Sequence[_Line], size: float) -> tuple[float, float]:
    """Width and height of a label in pixels."""
    widths = [sum(text_size(word, size)[0] for word, _ in line) + size * 0.4 * (len(line) - 1) for line in lines]
    return max(widths) + size * 0.8, len(lines) * text_size("0", size)[1] + size * 0.4


def _write(canvas: Canvas, lines: Sequence[_Line], box: tuple[float, float, float, float], one: Marked) -> None:
    size = one.text
    canvas.panel(box, size * 0.3, PANEL, 0.72)
    height = text_size("0", size)[1]
    for row, line in enumerate(lines):
        x, y = box[0] + size * 0.4, box[1] + size * 0.2 + row * height
        for word, color in line:
            canvas.text((x, y), word, size, color)
            x += text_size(word, size)[0] + size * 0.4
