"""Finds places for labels: beside their faces, inside of the picture, never one over another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Place", "place_labels"]

Boxes = NDArray[np.float64]

# What a place costs, in faces that are hidden.
_SHORTER = 0.12  # to say less
_STRANGER = 2.0  # how much worse it is to hide another's face than one's own
_ORDER = 0.004  # to take the next place in the list
_MOVE = 0.1  # to lie elsewhere than in the frame before
_MOST = 0.5  # what no label is worth


@dataclass(frozen=True)
class Place:
    """Where a label goes.

    Attributes
    ----------
    form : int
        Which of the label's forms, from 0: they get shorter.
    box : (x1, y1, x2, y2)
        Pixels.
    spot : int
        Which of the places around the face it is, from 0.
    """

    form: int
    box: tuple[float, float, float, float]
    spot: int


def place_labels(
    boxes: Sequence[Sequence[float]],
    sizes: Sequence[Sequence[tuple[float, float]]],
    picture: tuple[int, int],
    *,
    gap: float = 2.0,
    before: Sequence[Place | None] | None = None,
) -> list[Place | None]:
    """Find a place for the label of each face.

    Larger faces choose first. Each takes the place and the form that hide the least of the faces: a label lies in the
    picture and over no other label; rather than to hide much it says less, and rather than half a face, nothing.

    Parameters
    ----------
    boxes : N boxes
        xyxy of the faces in pixels.
    sizes : N sequences of (width, height)
        Of each label's forms, the fullest first.
    picture : (width, height)
        In pixels.
    gap : float
        Between a face and its label, in pixels.
    before : N Place or None, optional
        Where the labels lay in the frame before of a video: they stay there where it costs little, so that they do not
        jump to and fro.

    Returns
    -------
    list of N Place or None
        None where there is no room.
    """
    faces = np.asarray(boxes, np.float64).reshape(-1, 4)
    taken: list[tuple[float, float, float, float]] = []
    places: list[Place | None] = [None] * len(faces)
    areas = _areas(faces)
    for row in np.argsort(-areas, kind="stable").tolist():
        best, least = None, _MOST
        last = before[row] if before else None
        for form, (width, height) in enumerate(sizes[row]):
            if form * _SHORTER - _MOVE * (last is not None) >= least:  # it cannot get better
                break
            tried = _around(faces[row], width, height, gap)
            tried[:, :2] = np.clip(tried[:, :2], 0, np.array(picture) - (width, height))
            tried[:, 2:] = tried[:, :2] + (width, height)
            fits = (tried[:, :2] >= 0).all(axis=1) & ~_overlap(tried, np.array(taken).reshape(-1, 4)).any(axis=1)
            hidden = _overlap(tried, faces) / areas.clip(min=1.0)
            weights = np.full(len(faces), _STRANGER)
            weights[row] = 1.0
            cost = hidden @ weights + form * _SHORTER + np.arange(len(tried)) * _ORDER
            if last is not None and last.form == form:
                cost[last.spot] -= _MOVE
            cost[~fits] = np.inf
            spot = int(cost.argmin())
            if cost[spot] < least:
                least, (x1, y1, x2, y2) = float(cost[spot]), tried[spot].tolist()
                best = Place(form, (x1, y1, x2, y2), spot)
        if best is not None:
            taken.append(best.box)
            places[row] = best
    return places


def _around(face: NDArray[np.float64], width: float, height: float, gap: float) -> Boxes:
    """Places to try, the usual ones first; (K, 4)."""
    return np.array([(x, y, x + width, y + height) for x, y in _corners(face.tolist(), width, height, gap)])


def _corners(face: list[float], width: float, height: float, gap: float) -> Iterator[tuple[float, float]]:
    x1, y1, x2, y2 = face
    for y in (y2 + gap, y1 - gap - height):  # below, above: at the left, in the middle, at the right
        yield from ((x1, y), ((x1 + x2 - width) / 2, y), (x2 - width, y))
    for x in (x2 + gap, x1 - gap - width):  # beside: top, middle, bottom
        yield from ((x, y1), (x, (y1 + y2 - height) / 2), (x, y2 - height))
    for y in (y2 - gap - height, y1 + gap):  # inside
        yield from ((x1 + gap, y), (x2 - gap - width, y))


def _overlap(one: Boxes, other: Boxes) -> Boxes:
    """Area that each box of `one` shares with each of `other`; (K, N)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return np.asarray((high - low).clip(min=0).prod(axis=-1))


def _areas(boxes: Boxes) -> NDArray[np.float64]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1))
