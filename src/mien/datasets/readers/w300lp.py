"""Photos with known head pose: 300W-LP and AFLW2000-3D, a MATLAB file beside each picture.

Zhu et al., *Face alignment across large poses: a 3D solution*, CVPR 2016. ``Pose_Para`` begins with pitch, yaw and roll
in radians, ``pt3d_68`` or ``pt2d`` are points of the face in pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SourceError
from mien.core.geometry import rotation_matrix
from mien.datasets.readers.matlab import read_arrays

__all__ = ["PosedPhoto", "find_w300lp", "read_w300lp", "rotation_of_300w_lp"]

Doubles = NDArray[np.float64]

PICTURES = (".jpg", ".jpeg", ".png")
FARTHEST = 1e6  # pixels: beyond, it is no point of a picture
_WANTED = ("Pose_Para", "pt3d_68", "pt2d")


@dataclass(frozen=True, eq=False)
class PosedPhoto:
    """One face with its pose.

    Attributes
    ----------
    picture : Path
    rotation : (3, 3) float64
        From the axes of the face to those of the camera, as `mien.core.columns.Angles.matrix`.
    box : (4,) float32
        xyxy around the annotated points, in pixels.
    """

    picture: Path
    rotation: Doubles
    box: NDArray[np.float32]


def rotation_of_300w_lp(pitch: float, yaw: float, roll: float) -> Doubles:
    """Rotation (3, 3) in our axes of angles in radians as 300W-LP has them.

    There R = Rx Ry Rz, each the transpose of the usual matrix, with y up and z towards the camera. Half a turn about x
    leads to our axes: it leaves Rx as it is and transposes the other two.
    """
    pitch, yaw, roll = np.rad2deg([pitch, yaw, roll]).tolist()
    x, y, z = (rotation_matrix(part).astype(np.float64) for part in ([0, pitch, 0], [-yaw, 0, 0], [0, 0, roll]))
    return np.asarray(x @ y @ z)


def find_w300lp(folder: str | os.PathLike[str]) -> Iterator[PosedPhoto]:
    """The photos of a folder and of those in it, in the order of their names.

    Raises
    ------
    SourceError
        If there is no such folder, or no ``.mat`` file with a picture of the same name in it.
    InputError
        If a file is not as published; the message names it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"{root} is not a folder.")
    count = 0
    for path in sorted(root.rglob("*.mat")):
        picture = next((found for suffix in PICTURES if (found := path.with_suffix(suffix)).is_file()), None)
        if picture is not None:
            count += 1
            yield read_w300lp(path, picture)
    if not count:
        raise SourceError(f"{root} holds no .mat file with a picture of the same name.")


def read_w300lp(path: Path, picture: Path) -> PosedPhoto:
    """Read the annotation of one picture.

    Raises
    ------
    InputError
        If the file is not as published.
    """
    arrays = read_arrays(path, _WANTED)
    pose = arrays.get("Pose_Para", np.zeros(0)).ravel()
    if len(pose) < 3 or not np.isfinite(pose[:3]).all() or np.abs(pose[:3]).max() > 2 * np.pi:
        raise InputError(f"{path} has no pitch, yaw and roll in Pose_Para.")
    points = arrays.get("pt3d_68", arrays.get("pt2d", np.zeros((2, 0))))
    if points.ndim != 2 or len(points) not in {2, 3}:
        raise InputError(f"{path} has points of shape {points.shape} instead of (2 or 3, K).")
    xy = points[:2]
    # NaN compares as False; at -1, -1 stand points that are hidden.
    xy = xy[:, (np.abs(xy) < FARTHEST).all(axis=0) & (xy != -1).any(axis=0)]
    if xy.shape[1] < 2:
        raise InputError(f"{path} has no points of the face in pt3d_68 or pt2d.")
    box = np.concatenate([xy.min(axis=1), xy.max(axis=1)]).astype(np.float32)
    return PosedPhoto(picture, rotation_of_300w_lp(*pose[:3].tolist()), box)
