"""Which faces a network can redraw: human ones, with a mesh, and large enough."""

from __future__ import annotations

import numpy as np

from mien.core.faces import Faces

__all__ = ["SURFACE", "unusable"]

SURFACE = 468  # points of the mesh before those of the irises
LEAST_PRESENCE = 0.5  # of the mesh network: below it, it sees no human face


def unusable(faces: Faces, row: int, *, smallest: float = 0.0, aligned: bool = True) -> str | None:
    """Why a face cannot be redrawn; None where it can.

    Parameters
    ----------
    faces : Faces
        With ``landmarks`` and ``presence``, and ``alignment`` if it is to be `aligned`.
    row : int
        Which of them.
    smallest : float
        Pixels that it must extend over.
    aligned : bool
        Whether its five points are needed.
    """
    mesh = np.asarray(faces.landmarks.values[row], np.float64)
    if not np.isfinite(mesh).all() or not float(faces.presence.values[row]) >= LEAST_PRESENCE:
        return "no human face that a mesh can be laid over"
    if np.ptp(mesh[:, :2], axis=0).max() < smallest:
        return f"it is smaller than {smallest:g} pixels"
    if aligned and not np.isfinite(faces.alignment.values[row]).all():
        return "no points to align by"
    return None
