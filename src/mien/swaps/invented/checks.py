"""``Checks``: which generated pictures are given out: those of one clean face, of an adult."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.geometry import TEMPLATES
from mien.swaps.invented.minors import minor_probability

__all__ = ["CHECKED_FIELDS", "Checks", "displacement"]

MINOR = 0.04  # most probability of an age under 18 that anybody is given out with
#: Fields of a face that the checks look at.
CHECKED_FIELDS = frozenset({"alignment", "presence", "age", "landmarks", "pose"})


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What a picture must show to be given out: one clean face, of an adult.

    Two poor judges of age must be nearly sure: the age model, and the shape of the face (`invented.minors`). Asked
    for 4 %, the age model alone let through boys whom anybody sees to be boys. With both, none of 420 people looked
    plainly under 18 to us, though five might be either, and none of 162 minors of UTKFace passes. The price: of 238
    adults there two of five are refused, more than nine of ten of those under 25, and women twice as often as men. So
    the people who come out are older, and more of them men, than those that the network draws.

    Parameters
    ----------
    score : float
        Least detector score of the face.
    presence : float
        Least probability of the mesh that it is a face.
    second : float
        Detector score from which on anything else counts as a second face: low, as heads cut by the edge score low.
    displacement : float
        Furthest that the five points may stand from where the network puts them (the crop of FFHQ), as root mean
        square in parts of the picture's side: a melted face has its features elsewhere.
    minor : float
        Most probability of an age under 18 (`invented.minors.minor_probability`): 0.04 or less, as this check can be
        made stricter only.

    Raises
    ------
    UsageError
        If `minor` is more than 0.04.
    """

    score: float = 0.8
    presence: float = 0.9
    second: float = 0.15
    displacement: float = 0.06
    minor: float = MINOR

    def __post_init__(self) -> None:
        if not 0 <= self.minor <= MINOR:
            raise UsageError(f"minor must be between 0 and {MINOR}, not {self.minor}: minors are not made.")

    def refusal(self, faces: Faces) -> str | None:
        """Why the picture of these faces is not given out; None where it is.

        Parameters
        ----------
        faces : Faces
            All that score `second` or more, best first, with ``alignment``, ``presence``, ``age``, ``landmarks`` and
            ``pose``.
        """
        if not len(faces) or faces.scores[0] < self.score or not faces.presence.values[0] >= self.presence:
            return "no clear face"
        if len(faces) > 1:
            return "more than one face"
        if not displacement(faces) <= self.displacement:
            return "face out of place"
        if not minor_probability(faces)[0] <= self.minor:  # a judge that abstained refuses, too
            return "may be a minor"
        return None


def displacement(faces: Faces) -> float:
    """How far the first face's points are from FFHQ's, root mean square, in parts of the picture's width."""
    points = faces.alignment.values[0] / np.asarray(faces.image_size, np.float32)
    return float(np.sqrt(((points - TEMPLATES["ffhq"].points_at(1)) ** 2).sum(axis=1).mean()))
