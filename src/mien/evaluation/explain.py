"""Why do two faces match? Maps of what raises and what lowers their score, and numbers for each part of the face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.faces import Face
from mien.core.image import Image, ImageSource
from mien.embeddings.comparison import Verification, verify
from mien.engine import Engine, default_engine
from mien.evaluation.saliency import REGIONS, Aligned, Difference, Method, Task, embed, find_method, hide

__all__ = ["Explanation", "RegionChange", "explain"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RegionChange:
    """By how much the score changes when a part of the face is hidden in the one picture, and in the other.

    Below 0: the part made the faces alike. Above 0: it made them differ.
    """

    name: str
    first: float
    second: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """What made the score of two faces.

    Parameters
    ----------
    match : Verification
        The comparison itself.
    method : str
        What made the maps.
    crops : two of (144, 144, 3) uint8
        The faces as they were compared, aligned.
    maps : two of (144, 144) float32
        Above 0 where the picture raises the score, below 0 where it lowers it; with "patches" and "regions" the map is
        the fall of the score in cosine when what stands there is hidden.
    difference : (144, 144) float32
        Where the aligned pictures differ, in [0, 1]: it asks no embedder, and light or a smile make the most of it.
    regions : tuple of RegionChange
        The parts of the face, those that count most for the match first.
    score : float
        Cosine of the two aligned faces.
    """

    match: Verification
    method: str
    crops: tuple[Image, Image]
    maps: tuple[Floats, Floats]
    difference: Floats
    regions: tuple[RegionChange, ...]
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Numbers as JSON types; maps are left out."""
        parts = {one.name: {"first": round(one.first, 4), "second": round(one.second, 4)} for one in self.regions}
        return {"method": self.method, "score": round(self.score, 4), "regions": parts, "match": self.match.to_dict()}

    def draw(self) -> Image:
        """Both faces with their maps, the difference, a legend, and the numbers, (372, 1188, 3) uint8."""
        from mien.evaluation.drawing import draw_explanation

        return draw_explanation(self)


def explain(
    a: ImageSource | Face,
    b: ImageSource | Face,
    *,
    method: str | Method = "patches",
    far: float = 1e-3,
    engine: Engine | None = None,
) -> Explanation:
    """Tell which parts of two faces made their score.

    Parameters
    ----------
    a, b : picture or Face
        The largest face of a picture; a face with ``embedding``, ``alignment`` and ``landmarks``, and its picture.
    method : str or Method
        One of `mien.evaluation.saliency.METHODS`.
    far : float
        As for `mien.verify`.
    engine : Engine, optional
        Its embedder is explained; by default `mien.default_engine()`.

    Returns
    -------
    Explanation

    Raises
    ------
    NoFace
        If there is none in a picture.
    UsageError
        If there is no such method, or a face abstained.
    """
    engine, method = engine or default_engine(), find_method(method)
    match = verify(a, b, far=far, engine=engine)
    sides = [Aligned.of(_face(source, name, engine)) for source, name in ((a, "first"), (b, "second"))]
    vectors = embed(np.stack([side.image for side in sides]), engine)
    if np.isnan(vectors).any():
        raise UsageError("a face that has no embedding cannot be explained.")
    tasks = [_task(sides[i], sides[1 - i].image, vectors[1 - i], engine) for i in (0, 1)]
    return Explanation(
        match=match,
        method=method.name,
        crops=(sides[0].image, sides[1].image),
        maps=(method.explain(tasks[0]), method.explain(tasks[1])),
        difference=Difference().explain(tasks[0]),
        regions=_regions(sides[0], sides[1], vectors, engine),
        score=float(vectors[0] @ vectors[1]),
    )


def _face(source: ImageSource | Face, name: str, engine: Engine) -> Face:
    if isinstance(source, Face):
        return source
    faces = engine.analyze(source, want={"alignment", "landmarks"})
    if not len(faces):
        raise NoFace(f"no face in the {name} picture.")
    return faces.top(1)[0]


def _task(side: Aligned, other: Image, vector: Floats, engine: Engine) -> Task:
    return Task(side, other, lambda squares: np.nan_to_num(embed(squares, engine) @ vector).astype(np.float64))


def _regions(one: Aligned, two: Aligned, vectors: Floats, engine: Engine) -> tuple[RegionChange, ...]:
    """Hide each part in the one picture, and in the other; not in both at once, as two blurs look alike."""
    first, second = (embed(hide(side, np.stack(list(side.regions.values()))), engine) for side in (one, two))
    changes = np.stack([first @ vectors[1], second @ vectors[0]], axis=1) - vectors[0] @ vectors[1]
    order = np.argsort(changes.sum(axis=1), kind="stable")
    names = list(REGIONS)
    return tuple(RegionChange(names[row], *(float(value) for value in changes[row])) for row in order)
