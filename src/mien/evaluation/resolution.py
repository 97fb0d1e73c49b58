"""What is left of recognition where faces are small: crops shrunk to so many pixels and enlarged again."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.engine import Engine
from mien.evaluation.embedding import CROP, crops_of, embed_crops
from mien.evaluation.pairs import Pairs
from mien.evaluation.verification import VerificationReport, evaluate_pairs

__all__ = ["SIZES", "SizePoint", "check_sizes", "evaluate_sizes", "shrunk"]

SIZES = (16, 24, 32, 48, 64, 112)


@dataclass(frozen=True)
class SizePoint:
    """The result with crops of one size; see `VerificationReport`."""

    size: int
    report: VerificationReport

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_sizes(
    pairs: Pairs,
    *,
    sizes: Sequence[int] = SIZES,
    one_side: bool = False,
    rates: Sequence[float] = (1e-2, 1e-3),
    engine: Engine | None = None,
) -> tuple[SizePoint, ...]:
    """Measure verification with aligned crops of several sizes.

    Faces are found and aligned in the pictures as they are: what is measured is the embedder, not the detector.

    Parameters
    ----------
    pairs : Pairs
    sizes : sequence of int
        Sides in pixels that the aligned crop of 112 pixels is shrunk to, 4 to 112; the face fills it. 112 leaves it
        as it is.
    one_side : bool
        Shrink only the second picture of each pair: a camera's face against a clear portrait (as FANVID has it).
    rates : sequence of float
        False accept rates.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    UsageError
        If a size is none.
    NoFace
        If no picture has a face.
    """
    check_sizes(sizes)
    crops = crops_of(pairs.pictures, aligned=pairs.aligned, engine=engine)
    clear = embed_crops(crops, engine=engine) if one_side else None
    points = []
    for size in sizes:
        small = embed_crops(crops, alter=functools.partial(shrunk, size=size), engine=engine)
        report = evaluate_pairs(pairs, small if clear is None else clear, seconds=small, rates=rates)
        points.append(SizePoint(size, report))
    return tuple(points)


def check_sizes(sizes: Sequence[int]) -> None:
    """Refuse what is no size, UsageError."""
    if not sizes or any(not 4 <= size <= CROP for size in sizes):
        raise UsageError(f"sizes are sides of 4 to {CROP} pixels; got {list(sizes)}.")


def shrunk(crop: Image, size: int) -> Image:
    """A crop as it is where the face is so many pixels wide in its picture: shrunk by areas, enlarged linearly."""
    import cv2

    if size >= crop.shape[0]:
        return crop
    small = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
