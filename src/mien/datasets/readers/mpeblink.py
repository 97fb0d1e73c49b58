"""Reads the annotations of MPEblink (Zeng et al., *Real-time multi-person eyeblink detection in the wild*, 2023).

JSON like that of YouTube-VIS: ``videos`` with an ``id``, their frames' ``file_names`` or ``length``, and
``annotations``, one for each person of a video, with ``video_id``, ``id``, and ``blinks``: pairs of the first and the
last frame of each blink. Boxes (``bboxes``) and the same blinks frame by frame (``blinks_binary``) are not needed here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mien.core.clip import Event, Events
from mien.core.errors import InputError, UsageError
from mien.datasets.readers.files import read_text

__all__ = ["read_mpeblink"]

MOST_FRAMES = 10_000_000


def read_mpeblink(path: str | os.PathLike[str], *, rate: float) -> dict[str, Events]:
    """Read a file of MPEblink's annotations.

    Parameters
    ----------
    path : path
    rate : float
        Frames a second of the videos, which the file does not tell.

    Returns
    -------
    dict of str to Events
        Blinks by video: by the folder of its frames, or by its number where they have none. The track of an event is
        the ``id`` of the annotation. A frame lasts until the next: a blink of frames 3 to 5 goes from 3 / rate to
        6 / rate seconds.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is not such a file.
    UsageError
        If the rate is none.
    """
    if not 0 < rate < 1e4:
        raise UsageError(f"rate is a number of frames a second, not {rate}.")
    path = Path(path)
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    names = {_whole(video, "id", path): _name(video, path) for video in _rows(content, "videos", path)}
    if len(set(names.values())) != len(names):
        raise InputError(f"{path}: two videos have one name.")
    found: dict[str, list[Event]] = {name: [] for name in names.values()}
    for person in _rows(content, "annotations", path):
        video, track = _whole(person, "video_id", path), _whole(person, "id", path)
        if video not in names:
            raise InputError(f"{path}: annotation {track} is of video {video}, which is not there.")
        found[names[video]] += (
            Event("blink", track, first / rate, (last + 1) / rate) for first, last in _blinks(person, track, path)
        )
    return {name: Events(tuple(events)) for name, events in found.items()}


def _rows(content: Any, key: str, path: Path) -> list[dict[str, Any]]:
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path} is not MPEblink's: it has no list of {key}.")
    return rows


def _whole(row: dict[str, Any], key: str, path: Path) -> int:
    value = row.get(key)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise InputError(f"{path}: {key} is {str(value)[:40]!r}, not a whole number.")
    return value


def _name(video: dict[str, Any], path: Path) -> str:
    frames = video.get("file_names")
    if isinstance(frames, list) and frames and isinstance(frames[0], str):
        folder = PurePosixPath(frames[0][:4096]).parent.name
        if folder:
            return folder
    return str(_whole(video, "id", path))


def _blinks(person: dict[str, Any], track: int, path: Path) -> Iterator[tuple[int, int]]:
    blinks = person.get("blinks")
    if not isinstance(blinks, list):
        raise InputError(f"{path}: annotation {track} has no list of blinks.")
    for blink in blinks:
        if not (
            isinstance(blink, list)
            and len(blink) >= 2
            and all(type(frame) is int and 0 <= frame < MOST_FRAMES for frame in blink[:2])
            and blink[0] <= blink[1]
        ):
            raise InputError(f"{path}: a blink of annotation {track} is no pair of frames, first and last.")
        yield blink[0], blink[1]
