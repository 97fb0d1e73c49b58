"""The selfie's side of a check: the one person of a clip, by the best of the frames."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mien.core.columns import Vectors
from mien.core.faces import Face, Faces
from mien.embeddings.checks import FrameUsed
from mien.engine import Engine, Item
from mien.media.video import Video

__all__ = ["Selfie", "selfie_of_clip"]

FRAMES = 5  # that are averaged
PEOPLE = 8  # of whom pictures are kept: those who were seen most so far
STRETCH = 0.5  # seconds of which one frame may be used: frames beside each other tell nothing new


@dataclass(frozen=True)
class Selfie:
    """The face to compare, none or one row; the pictures that it was seen in, best first; how many people there were.

    Of a clip, the face's embedding is the mean of those of `frames`.
    """

    faces: Faces
    best: tuple[Face, ...]
    people: int
    frames: tuple[FrameUsed, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """One face in one frame."""

    quality: float
    item: Item
    faces: Faces


def selfie_of_clip(engine: Engine, source: str | os.PathLike[str] | Video, fields: frozenset[str]) -> Selfie:
    """Follow a clip, and average the best frames of the person who is seen most.

    A frame counts by its recognizability, where a model gives it; else by how surely the mesh sees a face, how much of
    the embedder's input it fills, and how little it is turned away. At most one frame of each half second is used.

    Parameters
    ----------
    engine : Engine
    source : path or Video
    fields : frozenset of str
        What is wanted of the face.

    Returns
    -------
    Selfie
        Without a face where the clip has none.
    """
    wanted = (fields - {"age"}) | {"pose", "presence"}
    best: dict[int, list[tuple[float, int, _Seen]]] = {}
    area: dict[int, float] = {}
    size = (0, 0)
    with engine.track(source, want=wanted, keep_images=True) as frames:
        for person, seen in _best_of_stretches(frames):
            heap = best.setdefault(person, [])
            heapq.heappush(heap, (seen.quality, -(seen.item.frame or 0), seen))
            if len(heap) > FRAMES:  # pictures of no more frames than needed are kept
                heapq.heappop(heap)
            area[person] = area.get(person, 0.0) + float(seen.faces.areas[0])
            if len(best) > PEOPLE:  # a crowd's pictures would fill the memory
                del best[min(best, key=lambda one: area[one])]
            size = seen.faces.image_size
    if not best:
        return Selfie(Faces.empty(image_size=size).with_columns(_nothing()), (), 0)
    chosen = [seen for _, _, seen in sorted(best[max(best, key=lambda person: area[person])], reverse=True)]
    weights = np.array([seen.quality for seen in chosen])
    vectors = np.concatenate([seen.faces.embedding.values for seen in chosen])
    template = (weights[:, None] * vectors).sum(axis=0)
    template /= np.linalg.norm(template)
    faces = chosen[0].faces
    if "age" in fields:
        faces = engine.analyze(faces.require_image(), faces=faces, want={"age"})
    mean = Vectors(template[None].astype(np.float32), space=faces.embedding.space)
    used = [
        FrameUsed(index=seen.item.frame or 0, time=round(seen.item.time or 0.0, 4), weight=round(float(weight), 4))
        for seen, weight in zip(chosen, weights / weights.sum(), strict=True)
    ]
    faces = replace(faces, columns={**faces.columns, "embedding": mean})
    return Selfie(faces, tuple(seen.faces[0] for seen in chosen), len(area), tuple(used))


def _nothing() -> dict[str, Vectors]:
    return {"embedding": Vectors(np.zeros((0, 0), np.float32), space="")}


def _best_of_stretches(frames: Iterator[Item]) -> Iterator[tuple[int, _Seen]]:
    """Of each person and stretch of time, the best frame."""
    held: dict[int, _Seen] = {}
    stretch = 0
    for item in frames:
        now = int((item.time or 0.0) / STRETCH)
        if now != stretch:
            yield from held.items()
            held, stretch = {}, now
        for row, person in enumerate(_people(item)):
            faces = item.faces[[row]] if item.faces is not None else Faces.empty()
            quality = _quality(faces)
            if quality > 0 and (person not in held or quality > held[person].quality):
                held[person] = _Seen(quality, item, faces)
    yield from held.items()


def _people(item: Item) -> list[int]:
    return [] if item.faces is None else [int(face.track.ids) for face in item.faces]


def _quality(faces: Faces) -> float:
    """How much a face is worth to the mean; 0 where it has no vector."""
    if bool(faces.embedding.abstained[0]):
        return 0.0
    if "recognizability" in faces.columns and not faces.recognizability.abstained[0]:
        return float(faces.recognizability.values[0])
    yaw, pitch = (float(np.nan_to_num(angle[0], nan=90.0)) for angle in (faces.pose.yaw, faces.pose.pitch))
    frontal = max(0.0, np.cos(np.deg2rad(yaw))) * max(0.0, np.cos(np.deg2rad(pitch)))
    filled = min(1.0, float(faces.heights[0]) / 112)
    return float(np.nan_to_num(faces.presence.values[0])) * filled * float(frontal) ** 2
