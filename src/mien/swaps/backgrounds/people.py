"""Whose part of an alpha is whose: people who stand together are told apart from their heads on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.image import Image
from mien.masks.view import Masks
from mien.swaps.backgrounds.compositing import Levels

__all__ = ["keep_people", "territories"]

SMALL = 240  # pixels of the longer side of the picture on which ways are measured
COLOR = 80.0  # how much longer a step is that crosses from black to white
OUTSIDE = 6.0  # how much longer one is outside of the people


def keep_people(image: Image, levels: Levels, masks: Masks, who: Sequence[int]) -> Levels:
    """The alpha of some people only: that of the others is 0.

    Parameters
    ----------
    image : (H, W, 3) uint8
    levels : (H, W) uint8
        How much of each pixel is people.
    masks : Masks
        Of the picture's faces: see `mien.mask`.
    who : sequence of int
        Numbers of faces.

    Raises
    ------
    NoFace
        If there is no face.
    UsageError
        If there is no face with such a number.
    """
    import cv2

    if not len(masks):
        raise NoFace("there is no face in the picture by which people could be told apart.")
    if wrong := [number for number in who if not 0 <= number < len(masks)]:
        count = "one face, number 0" if len(masks) == 1 else f"{len(masks)} faces, numbers 0 to {len(masks) - 1}"
        raise UsageError(f"no face has the number {wrong[0]}: there are {count}.")
    owners = territories(image, levels, [one.region("person").to_levels() for one in masks])
    kept = np.isin(owners, list(who)).astype(np.float32)
    share = cv2.resize(kept, levels.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(levels * share), np.uint8)


def territories(image: Image, levels: Levels, heads: Sequence[Levels]) -> NDArray[np.intp]:
    """Which head each place is nearest to, by the shortest way within the people that crosses few edges.

    Parameters
    ----------
    image : (H, W, 3) uint8
    levels : (H, W) uint8
        How much of each pixel is people.
    heads : sequence of (H, W) uint8
        What surely belongs to each person.

    Returns
    -------
    (h, w) integers
        Of a small picture: the number of a head; -1 everywhere where there is none.

    References
    ----------
    Bai & Sapiro, *Geodesic Matting: A Framework for Fast Interactive Image and Video Segmentation and Matting*,
    IJCV 2009, for geodesic distances from marks; Dijkstra, *A Note on Two Problems in Connexion with Graphs*, 1959.
    """
    import cv2
    from scipy.sparse.csgraph import dijkstra

    height, width = levels.shape
    scale = min(1.0, SMALL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))

    def small(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA), np.uint8)

    owner = np.full(size[::-1], -1, np.intp)
    for number, head in enumerate(heads):
        owner[(small(head) > 127) & (owner < 0)] = number
    marked = np.flatnonzero(owner >= 0)
    if not marked.size:
        return owner
    lab = cv2.cvtColor(small(image), cv2.COLOR_RGB2LAB).astype(np.float32) / 255
    ways = _ways(lab, small(levels).astype(np.float32) / 255)
    _, _, nearest = dijkstra(ways, directed=False, indices=marked, min_only=True, return_predecessors=True)
    return np.asarray(owner.reshape(-1)[nearest].reshape(owner.shape), np.intp)


def _ways(lab: NDArray[np.floating], alpha: NDArray[np.floating]) -> object:
    """The lengths of the steps from each pixel to its neighbours, as a sparse matrix (h * w, h * w)."""
    from scipy.sparse import coo_array

    height, width = alpha.shape
    place = np.arange(height * width).reshape(height, width)
    starts, ends, lengths = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        other = slice(down, height), slice(max(0, right), width - max(0, -right))
        contrast = np.linalg.norm(lab[one] - lab[other], axis=-1)
        away = 1 - np.minimum(alpha[one], alpha[other])
        lengths.append((np.hypot(down, right) * (1 + COLOR * contrast) * (1 + OUTSIDE * away)).ravel())
        starts.append(place[one].ravel())
        ends.append(place[other].ravel())
    pairs = np.concatenate(starts), np.concatenate(ends)
    return coo_array((np.concatenate(lengths), pairs), shape=(place.size, place.size)).tocsr()
