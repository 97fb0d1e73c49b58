"""Boxes with ids, frame by frame: MOTChallenge text files, and what ``mien track`` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, SourceError, StorageError, UsageError
from mien.core.faces import Faces
from mien.datasets.readers.files import read_text

__all__ = ["TrackedBoxes", "find_tracks", "read_tracks", "write_mot"]

LARGEST = 1 << 53  # up to which float64 has all whole numbers


@dataclass(frozen=True)
class TrackedBoxes:
    """The boxes of a clip, a row for each box in each frame.

    Parameters
    ----------
    frames : (N,) int
        Index of the frame, from 0.
    ids : (N,) int
        Whose face it is. An id stands once in a frame.
    boxes : (N, 4) float32
        xyxy in pixels.
    ignored : (N,) bool, optional
        Of ground truth: faces that may be found or not, such as hidden ones. None by default.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If an id stands twice in a frame.
    """

    frames: NDArray[np.intp]
    ids: NDArray[np.intp]
    boxes: NDArray[np.float32]
    ignored: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        count = len(self.frames)
        flags = np.zeros(count, bool) if self.ignored is None else np.asarray(self.ignored, bool)
        object.__setattr__(self, "ignored", flags)
        if self.ids.shape != (count,) or self.boxes.shape != (count, 4) or flags.shape != (count,):
            raise ShapeMismatch(f"{count} frames, ids {self.ids.shape} and boxes {self.boxes.shape} do not fit.")
        pairs, times = np.unique(np.stack([self.frames, self.ids], axis=1), axis=0, return_counts=True)
        if (times > 1).any():
            frame, who = pairs[times.argmax()]
            raise UsageError(f"id {who} stands twice in frame {frame}.")

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def of_faces(cls, results: Iterable[tuple[int, Faces]]) -> TrackedBoxes:
        """The boxes of tracked faces, with the index of their frame each; abstaining faces are left out."""
        frames, ids, boxes = [], [], []
        for frame, faces in results:
            known = ~faces.track.abstained
            frames += [frame] * int(known.sum())
            ids += faces.track.ids[known].tolist()
            boxes += faces.boxes[known].tolist()
        return cls(np.array(frames, np.intp), np.array(ids, np.intp), np.array(boxes, np.float32).reshape(-1, 4))


def read_tracks(path: str | os.PathLike[str]) -> TrackedBoxes:
    """Read the tracked boxes of one clip.

    Parameters
    ----------
    path : path
        ``.jsonl``: what ``mien track`` writes. Anything else: MOTChallenge text (Milan et al., *MOT16*, 2016), a line
        ``frame, id, left, top, width, height, confidence, ...`` for each box. There frames and pixels count from 1;
        a confidence of 0 marks boxes of ground truth that do not count.

    Returns
    -------
    TrackedBoxes

    Raises
    ------
    SourceError, InputError
        If the file cannot be read, or is too large or no text.
    UsageError
        If a line is not of its format; the message names it.
    """
    path = Path(path)
    lines = read_text(path).splitlines()
    parse = _json_line if path.suffix.lower() == ".jsonl" else _mot_line
    rows: list[tuple[int, int, float, float, float, float, bool]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows += parse(line)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UsageError(f"{path}, line {number}: no tracked boxes ({error}).") from error
    table = np.array([row[:6] for row in rows], np.float64).reshape(-1, 6)
    if not (np.abs(table) < LARGEST).all():
        raise UsageError(f"{path} holds numbers that are not finite, or too large for frames, ids and places.")
    return TrackedBoxes(
        table[:, 0].astype(np.intp),
        table[:, 1].astype(np.intp),
        table[:, 2:].astype(np.float32),
        np.array([row[6] for row in rows], bool),
    )


def find_tracks(path: str | os.PathLike[str]) -> dict[str, Path]:
    """The files of tracked boxes at a place, by the name of their clip.

    Parameters
    ----------
    path : path
        A file (its clip has the file's name), a folder of ``.txt`` and ``.jsonl`` files, or one in the layout of
        MOTChallenge: a folder for each clip, with ``gt/gt.txt``.

    Raises
    ------
    SourceError
        If there is none.
    """
    path = Path(path)
    if path.is_file():
        return {path.stem: path}
    found = {file.stem: file for file in sorted(path.glob("*")) if file.suffix.lower() in {".txt", ".jsonl"}}
    found |= {file.parents[1].name: file for file in sorted(path.glob("*/gt/gt.txt"))}
    if not found:
        raise SourceError(f"{path} holds no files of tracks: .txt, .jsonl, or */gt/gt.txt.")
    return found


def _mot_line(line: str) -> list[tuple[int, int, float, float, float, float, bool]]:
    parts = [float(part) for part in line.split(",")]
    if len(parts) < 6:
        raise ValueError(f"{len(parts)} numbers, at least 6 expected")
    frame, who, left, top, width, height = parts[:6]
    if frame != int(frame) or frame < 1 or who != int(who):
        raise ValueError("frame and id are whole numbers, frames from 1")
    if width < 0 or height < 0:
        raise ValueError("a box has no negative sides")
    ignored = len(parts) > 6 and parts[6] == 0
    return [(int(frame) - 1, int(who), left - 1, top - 1, left - 1 + width, top - 1 + height, ignored)]


def _json_line(line: str) -> list[tuple[int, int, float, float, float, float, bool]]:
    item: Mapping[str, Any] = json.loads(line)
    rows = []
    for face in item["faces"]:
        if "id" in face["track"]:
            x1, y1, x2, y2 = (float(edge) for edge in face["box"])
            rows.append((int(item["frame"]), int(face["track"]["id"]), x1, y1, x2, y2, False))
    return rows


def write_mot(tracks: TrackedBoxes, path: str | os.PathLike[str]) -> None:
    """Write tracked boxes as MOTChallenge text, which its tools and `read_tracks` read.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    ignored = np.zeros(len(tracks), bool) if tracks.ignored is None else tracks.ignored
    lines = []
    for frame, who, box, out in zip(tracks.frames, tracks.ids, tracks.boxes.astype(float), ignored, strict=True):
        x1, y1, x2, y2 = box
        lines.append(f"{frame + 1},{who},{x1 + 1:.2f},{y1 + 1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{int(not out)},-1,-1,-1")
    try:
        Path(path).write_text("\n".join(lines) + "\n" * bool(lines), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error}.") from error
