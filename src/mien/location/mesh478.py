"""The face mesh: 478 points in three dimensions, irises included, from a crop of 256 pixels.

The network (MediaPipe Face Mesh V2; Kartynnik et al., *Real-time facial surface geometry from monocular video on
mobile GPUs*, 2019) wants the face upright, in a crop 1.5 times as large as its points. A detector's box is only a first
guess at that crop, so `FaceMesh` looks again where the points that it found ask for another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Points, Scalar
from mien.core.errors import ModelError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import invert, square_crops, transform
from mien.core.image import Image
from mien.core.warping import warp_batch
from mien.location.canonical import CanonicalFace
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["FaceMesh", "alignment_points", "upright_turns"]

SIZE = 256  # pixels, of the network's crop
POINTS, SURFACE = 478, 468  # of the mesh in all, and of it without the irises
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners of the subject's eyes

# What each of ALIGNMENT_NAMES is the mean of: the lids all around an eye (an iris would move with the gaze), the nose
# tip from above and below, a corner of the mouth.
_ALIGNMENT = ([33, 160, 158, 133, 153, 144], [263, 387, 385, 362, 380, 373], [1, 4], [61], [291])


def alignment_points(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Five points that crops are aligned by, from the mesh.

    Parameters
    ----------
    landmarks : (N, 478, 2 or 3) array

    Returns
    -------
    (N, 5, 2) float32
        In the order of `mien.core.faces.ALIGNMENT_NAMES`.
    """
    return np.stack([landmarks[:, points, :2].mean(axis=1) for points in _ALIGNMENT], axis=1).astype(np.float32)


def upright_turns(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rotations in the picture's plane that bring the outer corners of the eyes to one level.

    Parameters
    ----------
    landmarks : (N, 478, 2 or 3) array

    Returns
    -------
    (N, 2, 2) float64
        Picture to upright face; the transpose turns back.
    """
    across = np.asarray(landmarks[:, LEFT_EYE, :2] - landmarks[:, RIGHT_EYE, :2], dtype=np.float64)
    angle = np.arctan2(across[:, 1], across[:, 0])
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``; what they mean stands there."""

    box_scale: float
    points_scale: float
    tolerance: float
    doubt: float
    doubt_without_eyes: float
    looks_again: int
    turns: int
    upright_bonus: float
    minimum_presence: float
    sure_detector: float
    misfit_limit: float
    misfit_step: float


@dataclass(eq=False)
class _Looks:
    """What the network saw in N squares of the pictures; better looks replace rows in place.

    Attributes
    ----------
    squares : (N, 4) float64, centre x, centre y and side in pixels, clockwise turn in degrees
    points : (N, 478, 3) float32, in pixels of the picture
    logits : (N,) float64, the network's log odds that there is a face
    shapes : (N,) float64, the log odds that points so far from the canonical face are those of a face
    """

    squares: NDArray[np.float64]
    points: NDArray[np.float32]
    logits: NDArray[np.float64]
    shapes: NDArray[np.float64]

    def __getitem__(self, rows: NDArray[Any]) -> _Looks:
        return _Looks(*(getattr(self, f.name)[rows] for f in fields(self)))

    def __setitem__(self, rows: NDArray[Any], others: _Looks) -> None:
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(others, f.name)

    @property
    def evidence(self) -> NDArray[np.float64]:
        """What the better of two looks has more of, (N,)."""
        return self.logits + self.shapes

    @property
    def presence(self) -> NDArray[np.float64]:
        """Probability of a face in the less favourable of the two opinions, (N,)."""
        odds = np.minimum(self.logits, self.shapes).clip(-50, 50)
        return np.asarray(1 / (1 + np.exp(-odds)))


class FaceMesh:
    """Gives ``landmarks``, ``presence`` and ``alignment`` to faces that have a box, and perhaps eyes.

    Where the eyes are known, the first crop is upright by them, otherwise by the picture. Where that leads to no face
    (or, without eyes, to one that the network is not sure of), it looks at crops turned all around: photos lie on their
    side, and detectors then put the eyes anywhere.

    Faces whose presence stays below the card's ``minimum_presence`` keep it, and have no points. Where a detector is
    sure of them nevertheless, as it is of most that wear a mask, ``alignment`` is its own five points: those of an
    upright face.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``facemesh``.

    Raises
    ------
    CardError
        If the card lacks one of its params or files.
    ModelError
        If a file is not what it should be.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        self._canonical = CanonicalFace.read(bundle.path("geometry"))
        self._settings = bundle.card.settings(_Settings)

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        looks = self._find(batch)
        presence, minimum = looks.presence.astype(np.float32), self._settings.minimum_presence
        absent = ~(presence >= minimum)
        looks.points[absent] = np.nan
        reasons = tuple(
            f"the mesh sees no face here: presence {p:.2f} is below {minimum:g}" if no else None
            for p, no in zip(presence, absent, strict=True)
        )
        return {
            "landmarks": Points(looks.points, layout="mesh478", reasons=reasons),
            "presence": Scalar(presence),
            "alignment": self._alignment(looks, absent, reasons, batch.faces),
        }

    def _alignment(
        self, looks: _Looks, absent: NDArray[np.bool_], reasons: tuple[str | None, ...], faces: Faces
    ) -> Points:
        points = alignment_points(looks.points)
        order = [faces.keypoint_names.index(name) for name in ALIGNMENT_NAMES if name in faces.keypoint_names]
        if len(order) == len(ALIGNMENT_NAMES):
            found = faces.keypoints[:, order]
            sure = absent & (faces.scores >= self._settings.sure_detector) & np.isfinite(found).all(axis=(1, 2))
            points[sure] = found[sure]
            reasons = tuple(None if own else why for own, why in zip(sure, reasons, strict=True))
        return Points(points, names=ALIGNMENT_NAMES, reasons=reasons)

    def _find(self, batch: Batch) -> _Looks:
        """The best look at each face."""
        settings, images, owner = self._settings, batch.images, batch.owner
        turns, known = _eye_turns(batch.faces)
        squares = _squares_around(batch.faces.boxes, turns, settings.box_scale)
        looks = self._look_again(images, owner, self._look(images, owner, squares))
        doubtful = looks.evidence < np.where(known, settings.doubt, settings.doubt_without_eyes)
        rows = np.flatnonzero(doubtful)
        if len(rows):
            best = self._look_around(images, owner[rows], squares[rows])
            # Most photos are upright, and the best of many looks at nothing resembles a face by chance.
            best.logits -= settings.upright_bonus
            better = best.evidence > looks.evidence[rows]
            looks[rows[better]] = best[better]
        return looks

    def _look_around(self, images: Sequence[Image], owner: NDArray[np.intp], squares: NDArray[np.float64]) -> _Looks:
        """The best look at each square among turns all around."""
        step = 360 / self._settings.turns
        best = self._look(images, owner, squares)
        for turn in np.arange(step, 360, step):
            looks = self._look(images, owner, squares + np.array([0, 0, 0, turn]))
            better = looks.evidence > best.evidence
            best[better] = looks[better]
        return self._look_again(images, owner, best)

    def _look_again(self, images: Sequence[Image], owner: NDArray[np.intp], looks: _Looks) -> _Looks:
        """Repeat the looks that are in doubt, or whose points ask for another square than the one looked at."""
        for _ in range(self._settings.looks_again):
            wanted = _squares_of(looks.points, self._settings.points_scale)
            far = np.linalg.norm(_corners(wanted) - _corners(looks.squares), axis=2).mean(axis=1)
            off = far > self._settings.tolerance * looks.squares[:, 2]
            rows = np.flatnonzero(off | (looks.evidence < self._settings.doubt))
            if not len(rows):
                break
            looks[rows] = self._look(images, owner[rows], wanted[rows])
        return looks

    def _look(self, images: Sequence[Image], owner: NDArray[np.intp], squares: NDArray[np.float64]) -> _Looks:
        """Run the network on squares of the pictures."""
        maps = square_crops(squares[:, :2], squares[:, 2], squares[:, 3], SIZE)
        # Averaging large faces down would move the points by 0.1 % of the distance of the eyes, for as long as the
        # network takes.
        crops = warp_batch(images, owner, maps, SIZE, interpolation="linear")
        raw, logits, *_ = self._session.run(crops)
        if raw.size != len(squares) * POINTS * 3:
            raise ModelError(f"the face mesh has {POINTS} points, not what this network gives: {raw.shape[1:]}.")
        points = raw.reshape(len(squares), POINTS, 3)
        # The network counts from the crop's edge, maps from the centre of its first pixel; its z grows away from the
        # camera, in the scale of x.
        points = transform(points - np.array([0.5, 0.5, 0], np.float32), invert(maps))
        misfit = self._canonical.fit(points).misfit
        shapes = (self._settings.misfit_limit - misfit) / self._settings.misfit_step
        return _Looks(squares.copy(), points, logits.reshape(len(squares)).astype(np.float64), shapes)


# --- squares: rows of centre x, centre y, side, clockwise turn in degrees ---------------------------------------------


def _eye_turns(faces: Faces) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Clockwise turn of each face by its eyes in degrees, and where that is known; 0 where it is not."""
    turns, known = np.zeros(len(faces)), np.zeros(len(faces), dtype=bool)
    names = faces.keypoint_names
    if "right_eye" in names and "left_eye" in names:
        across = faces.keypoints[:, names.index("left_eye")] - faces.keypoints[:, names.index("right_eye")]
        known = np.isfinite(across).all(axis=1) & (across != 0).any(axis=1)
        turns[known] = np.rad2deg(np.arctan2(across[known, 1], across[known, 0]))
    return turns, known


def _squares_around(boxes: NDArray[np.float32], turns: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Squares with the boxes in their middle, `scale` times as large as the longer side (and at least a pixel)."""
    sides = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1)
    return np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, scale * sides, turns]).astype(np.float64)


def _squares_of(points: NDArray[np.float32], scale: float) -> NDArray[np.float64]:
    """Squares in which faces with these points stand upright, `scale` times as large as their extent."""
    upright = upright_turns(points)
    level = points[:, :SURFACE, :2] @ np.swapaxes(upright, 1, 2)
    low, high = level.min(axis=1), level.max(axis=1)
    # A row times a turn is turned back. Squares count from the picture's edge, points from the first pixel's centre.
    centers = ((low + high) / 2)[:, None] @ upright + 0.5
    sides = np.maximum(scale * (high - low).max(axis=1), 1)
    turns = np.rad2deg(np.arctan2(upright[:, 0, 1], upright[:, 0, 0]))
    return np.column_stack([centers[:, 0], sides, turns])


def _corners(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of squares in the picture, (N, 4, 2)."""
    angles = np.deg2rad(squares[:, 3:] + [45.0, 135.0, 225.0, 315.0])
    spokes = np.stack([np.cos(angles), np.sin(angles)], axis=2) * (squares[:, 2] / np.sqrt(2))[:, None, None]
    return np.asarray(squares[:, None, :2] + spokes)
