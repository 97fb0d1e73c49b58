"""Who looks at whom, and at which of the caller's boxes: a cone test in the picture, or in space where depth is known.

A gaze has a direction in the picture and an angle to the camera. Models tell the first well, and the second too small
where it is large; so a gaze may turn farther than it says, but only the way it points.

There is no network here that has seen where people look in a scene (Gaze-LLE and the models of ChildPlay are such): a
gaze and a list of candidates are compared, so nothing is found that is not a candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import FieldNotComputed, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.location.gaze import view_rotation

__all__ = ["CAMERA", "NOBODY", "UNKNOWN", "Cone", "Looks", "looks_at"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

NOBODY, CAMERA, UNKNOWN = -1, -2, -3  #: what `Looks.target` says where no candidate is looked at
_WORDS: Mapping[int, str | None] = {NOBODY: "nobody", CAMERA: "camera", UNKNOWN: None}
_GRID = np.stack(np.meshgrid([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.25, 0.5, 0.75, 1.0]), axis=-1).reshape(-1, 2)


@dataclass(frozen=True, kw_only=True)
class Cone:
    """How far beside a target a gaze may point.

    Attributes
    ----------
    spread : float
        Degrees: a gaze that misses a target by this much has a score of 0.61, by twice as much 0.14 (a normal curve).
        About the error of the gaze: 10 for the models here.
    minimum : float
        Least score of what is looked at, in (0, 1].
    reach : float
        How many times as far from the camera as it says, at most, a gaze may turn, up to a right angle. 1: it is exact.
        Painted turns are told as half to two thirds of what they are.
    depth_error : float
        Part of its distance from the camera by which a face or object may be nearer or farther than it says.
    unknown_depth : float
        Degrees before or behind the looker, at most, that a target may be whose depth is not known.
    """

    spread: float = 10.0
    minimum: float = 0.5
    reach: float = 2.0
    depth_error: float = 0.1
    unknown_depth: float = 45.0

    def __post_init__(self) -> None:
        good = 0 < self.spread <= 90 and 0 < self.minimum <= 1 and self.reach >= 1
        if not (good and 0 <= self.depth_error < 1 and 0 <= self.unknown_depth <= 90):
            raise UsageError(
                "a cone has a spread in (0, 90], a minimum in (0, 1], a reach of 1 or more and depths in their ranges."
            )

    def scores(self, degrees: ArrayLike) -> Floats:
        """Scores in [0, 1] of gazes that miss their targets by some degrees; 0 for NaN."""
        scores = np.exp(-0.5 * (np.asarray(degrees, np.float64) / self.spread) ** 2)
        return np.nan_to_num(scores).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Looks:
    """Where N faces look among T targets: first the faces themselves, then the caller's objects.

    Attributes
    ----------
    scores : (N, T) float32
        In [0, 1]: how well a face's gaze fits a target; 0 for itself.
    angles : (N, T) float32
        Degrees by which the gaze misses the target's box at the least; NaN for itself and where it is not known.
    camera : (N,) float32
        The score of the camera.
    target : (N,) int
        The column of `scores` that is looked at; `NOBODY`, `CAMERA`, or `UNKNOWN` where the gaze abstained.
    names : tuple of T str
    """

    scores: Floats
    angles: Floats
    camera: Floats
    target: NDArray[np.intp]
    names: tuple[str, ...]

    @property
    def targets(self) -> tuple[str | None, ...]:
        """In words: a target's name, "camera" or "nobody"; None where the gaze abstained."""
        return tuple(self.names[t] if t >= 0 else _WORDS[t] for t in self.target.tolist())

    @property
    def mutual(self) -> tuple[tuple[int, int], ...]:
        """Pairs of faces that look at each other, each pair once."""
        to = dict(enumerate(self.target.tolist()))
        return tuple((a, b) for a, b in to.items() if a < b and to.get(b) == a)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One JSON-ready dict per face: what it looks at, how surely, and the scores of all."""
        rows = []
        for name, row, word, camera in zip(self.names, self.scores, self.targets, self.camera, strict=False):
            scores = {n: round(float(s), 4) for n, s in zip(self.names, row, strict=True) if n != name}
            rows.append({"face": name, "looks_at": word, "camera": round(float(camera), 4), "scores": scores})
        return rows


def looks_at(
    faces: Faces,
    *,
    objects: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    depth: ArrayLike | None = None,
    cone: Cone | None = None,
) -> Looks:
    """Tell whom or what each face of a picture looks at.

    Where depths are known (of faces by ``head``, of objects by `depth`), the angle between gaze and target is taken in
    space. Elsewhere it is the least angle that any depth near the looker's could give, so that more targets fit. A
    face that looks into the camera looks at nobody else. Of targets that fit about as well, the nearest one in the
    picture counts: it stands in the way.

    Parameters
    ----------
    faces : Faces
        With ``gaze``, better with ``head`` too. The eyes are those of ``landmarks`` or ``alignment`` where there are
        any, or of the detector's points; else they are taken to be in the upper middle of the box.
    objects : (M, 4) array-like, optional
        Boxes, xyxy in pixels, of what else may be looked at.
    names : sequence of M str, optional
        Of the objects; default "object 0" and so on. Faces are called "face 0" and so on, or after their track.
    depth : (M,) array-like, optional
        Distance of each object from the camera along its axis, in the centimetres of ``head``; NaN where not known.
    cone : Cone, optional

    Returns
    -------
    Looks
        With T = N + M targets.

    Raises
    ------
    FieldNotComputed
        If the faces have no gaze, or a depth is given and they have no head.
    ShapeMismatch, UsageError
        If objects, names and depths do not fit each other, a name stands for two, or the picture's size is not known
        where depths are.
    """
    cone = cone or Cone()
    boxes, labels, depths = _objects(objects, names, depth)
    every_name = (*_face_names(faces), *labels)
    if len(set(every_name)) < len(every_name):
        raise UsageError(f"no two faces or objects have one name: {', '.join(every_name)}.")
    if np.isfinite(depths).any() and "head" not in faces.columns:
        raise FieldNotComputed("head was not computed, without which depths mean nothing: want it along with gaze.")
    if np.isfinite(depths).any() and not faces.image_size[0]:
        raise UsageError("the size of the picture is not known, without which depths mean nothing.")
    count = len(faces)
    every = np.concatenate([faces.boxes.astype(np.float64), boxes])
    eyes = _eyes(faces)
    angles = np.full((count, len(every)), np.nan)
    if count and len(every):
        angles = _in_the_picture(faces, eyes, every, cone)
        if "head" in faces.columns and faces.image_size[0]:
            space = _in_space(faces, every, depths, cone)
            angles = np.where(np.isnan(space), angles, space)
        np.fill_diagonal(angles[:, :count], np.nan)
    scores, camera = cone.scores(angles), cone.scores(faces.gaze.off_axis)
    far = np.linalg.norm((every[:, :2] + every[:, 2:])[None] / 2 - eyes[:, None], axis=2)
    near_best = scores >= np.maximum(scores.max(axis=1, initial=0.0, keepdims=True) - 0.05, cone.minimum)
    best = np.where(near_best, far, np.inf)
    target = np.full(count, NOBODY, np.intp)
    if best.size:
        target = np.where(near_best.any(axis=1), best.argmin(axis=1), target)
    target[(camera >= cone.minimum) & (camera >= scores.max(axis=1, initial=0.0))] = CAMERA
    target[faces.gaze.abstained] = UNKNOWN
    return Looks(scores, angles.astype(np.float32), camera, target, every_name)


def _objects(
    objects: ArrayLike | None, names: Sequence[str] | None, depth: ArrayLike | None
) -> tuple[Doubles, tuple[str, ...], Doubles]:
    """Boxes (M, 4), names and depths (M,), checked."""
    boxes = Faces.from_boxes([] if objects is None else objects).boxes.astype(np.float64)
    labels = tuple(f"object {i}" for i in range(len(boxes))) if names is None else tuple(names)
    try:
        depths = np.full(len(boxes), np.nan) if depth is None else np.asarray(depth, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeMismatch(f"depths are numbers, one for each object: {error}.") from error
    if len(labels) != len(boxes) or depths.shape != (len(boxes),):
        raise ShapeMismatch(f"{len(boxes)} objects have as many names and depths, not {len(labels)}, {depths.shape}.")
    if (depths <= 0).any() or np.isinf(depths).any():
        raise UsageError("the depth of an object is above 0 cm, and finite.")
    return boxes, labels, depths


def _face_names(faces: Faces) -> tuple[str, ...]:
    ids = faces.track.ids.tolist() if "track" in faces.columns else [-1] * len(faces)
    return tuple(f"track {number}" if number >= 0 else f"face {row}" for row, number in enumerate(ids))


def _eyes(faces: Faces) -> Doubles:
    """The middle between the eyes in the picture, (N, 2)."""
    upper = faces.boxes[:, :2] + (faces.boxes[:, 2:] - faces.boxes[:, :2]) * np.array([0.5, 0.4], np.float32)
    known = [upper]
    aligned = faces.with_alignment()
    if "alignment" in aligned.columns:
        known.append(aligned.alignment.xy[:, :2].mean(axis=1))
    if "landmarks" in faces.columns:
        known.append(faces.landmarks.xy[:, [468, 473]].mean(axis=1))
    eyes = known[0]
    for better in known[1:]:
        eyes = np.where(np.isfinite(better), better, eyes)
    return eyes.astype(np.float64)


def _on(boxes: Doubles) -> Doubles:
    """Points all over boxes: (T, 25, 2)."""
    return np.asarray(boxes[:, None, :2] + _GRID * (boxes[:, None, 2:] - boxes[:, None, :2]))


def _in_the_picture(faces: Faces, eyes: Doubles, boxes: Doubles, cone: Cone) -> Doubles:
    """Least degrees between gazes and boxes, whatever their depth within limits: (N, T), NaN around the eyes."""
    to = _on(boxes)[None] - eyes[:, None, None]
    least, most = np.deg2rad([90 - cone.unknown_depth, 90 + cone.unknown_depth])
    around = ((eyes[:, None] >= boxes[:, :2]) & (eyes[:, None] <= boxes[:, 2:])).all(axis=2)
    return np.where(around, np.nan, _missed_by(faces, to, np.full(to.shape[:-1], least), most, cone))


def _in_space(faces: Faces, boxes: Doubles, depths: Doubles, cone: Cone) -> Doubles:
    """Least degrees between gazes and boxes in space, as far as depths are known: (N, T)."""
    head = faces.head
    focal = float(np.nanmean(head.focal)) if (~head.abstained).any() else np.nan
    middle = (np.array(faces.image_size, np.float64) - 1) / 2
    z = np.concatenate([head.position[:, 2].astype(np.float64), depths])
    rays = np.concatenate([(_on(boxes) - middle) / focal, np.ones((len(boxes), len(_GRID), 1))], axis=2)
    nearer = np.linspace(1 - cone.depth_error, 1 + cone.depth_error, 5)
    places = (rays[:, :, None] * (z[:, None, None] * nearer[None, None])[..., None]).reshape(len(boxes), -1, 3)
    to = places[None] - head.position.astype(np.float64)[:, None, None]
    seen = to @ view_rotation(head.position)[:, None]  # a row times a turn is turned back: into the axes of the ray
    from_camera = np.arctan2(np.hypot(seen[..., 0], seen[..., 1]), -seen[..., 2])
    return _missed_by(faces, seen[..., :2], from_camera, from_camera, cone)


def _missed_by(faces: Faces, to: Doubles, least: Doubles, most: Doubles | float, cone: Cone) -> Doubles:
    """Least degrees between what a gaze may be and what a target may be, (N, T).

    Parameters
    ----------
    to : (N, T, S, 2) float64
        Directions in the picture from each face to points of each target.
    least, most : (N, T, S) float64
        Between which angles from the camera, in radians, each point is seen by the face.
    """
    gaze = faces.gaze.vector.astype(np.float64)[:, None, None]
    turn = np.deg2rad(faces.gaze.off_axis.astype(np.float64))[:, None, None]
    farthest = np.maximum(turn, np.minimum(cone.reach * turn, np.pi / 2))
    target = np.clip(turn, least, most)  # of the target's angles the one nearest to the gaze's
    own = np.clip(target, turn, farthest)  # and the other way round
    with np.errstate(invalid="ignore", divide="ignore"):
        lengths = np.linalg.norm(gaze[..., :2], axis=-1) * np.linalg.norm(to, axis=-1)
        beside = np.where(lengths > 0, (gaze[..., :2] * to).sum(axis=-1) / lengths, 1.0)
        cosines = np.cos(own) * np.cos(target) + np.sin(own) * np.sin(target) * beside
        return _least(np.rad2deg(np.arccos(cosines.clip(-1, 1))))


def _least(angles: Doubles) -> Doubles:
    """The least of each row's last axis, NaN where all are."""
    least = np.where(np.isnan(angles), np.inf, angles).min(axis=-1)
    return np.where(np.isinf(least), np.nan, least)
