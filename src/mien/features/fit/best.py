"""The best shots of each person of a clip."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.engine.scanning import Item

__all__ = ["Shot", "best_shots"]


@dataclass(frozen=True, order=True)
class Shot:
    """One face of a clip; the better one is the larger.

    Parameters
    ----------
    quality : float
        In [0, 1].
    time : float
        Seconds from the start.
    frame : int
        The frame's number.
    faces : Faces
        The face alone, with its picture where the tracking kept it.
    """

    quality: float
    time: float
    frame: int = field(compare=False)
    faces: Faces = field(compare=False, repr=False)


def best_shots(
    items: Iterable[Item], *, count: int = 1, apart: float = 0.5, field: str = "quality"
) -> dict[int, tuple[Shot, ...]]:
    """The frames in which each person is seen best, the best first.

    ::

        best = best_shots(mien.track("clip.mp4", want={"quality"}, keep_images=True), count=3)
        best[1][0].time, best[1][0].faces[0].crop()

    Time is cut into stretches, and each gives its best frame only: neighbours show the same. Only faces that were found
    in their frame count, not those that the tracker filled in. Frames that are no candidates are not kept.

    Parameters
    ----------
    items : iterable of Item
        `mien.track` with ``want={"quality"}``.
    count : int
        Shots of each person at most, 1 or more.
    apart : float
        Length of a stretch in seconds, more than 0.
    field : str
        The field of one number a face that tells the better: ``quality``, or ``recognizability``.

    Returns
    -------
    dict of int to tuple of Shot
        By track id. Who was never judged is not in it.

    Raises
    ------
    FieldNotComputed
        If the faces have no such field, or no tracks.
    UsageError
        If `count` or `apart` is none.
    """
    if count < 1 or not apart > 0:
        raise UsageError(f"best shots are 1 or more, apart by more than 0 seconds, not {count} and {apart:g}.")
    kept: dict[int, list[Shot]] = {}
    running: dict[int, tuple[int, Shot]] = {}  # the best of the stretch that is not over yet
    for item in items:
        if item.faces is None or not len(item.faces):
            continue
        faces, time = item.faces, item.time or 0.0
        stretch = int(time // apart)
        values = np.where(faces.track.observed, np.asarray(getattr(faces, field).values), np.nan)
        for row in np.flatnonzero(~np.isnan(values)).tolist():
            who = int(faces.track.ids[row])
            began, best = running.get(who, (stretch, None))
            if best is not None and began != stretch:
                _keep(kept.setdefault(who, []), best, count)
                best = None
            value = float(values[row])
            if best is None or value > best.quality:
                best = Shot(value, time, item.frame or 0, faces[[row]])
            running[who] = stretch, best
    for who, (_, best) in running.items():
        _keep(kept.setdefault(who, []), best, count)
    return {who: tuple(sorted(shots, key=lambda shot: (-shot.quality, shot.time))) for who, shots in kept.items()}


def _keep(shots: list[Shot], shot: Shot, count: int) -> None:
    if len(shots) < count:
        heapq.heappush(shots, shot)
    else:
        heapq.heappushpop(shots, shot)
