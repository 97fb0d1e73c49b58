"""How long a picture takes from file to vector, and whether a matcher holds a time budget.

FRUITS (Face Recognition Under Inference Time conStraint; Zhu et al., *WebFace260M*, 2021) lets a whole pipeline of
detection, alignment and embedding have 100, 500 or 1,000 milliseconds a picture on one core, and rejects what takes
longer. Here the time of the file's decoding counts too, and a budget is held where 95 % of the pictures stay within it.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import UsageError
from mien.core.image import ImageSource, load_image
from mien.engine import Engine

__all__ = ["BUDGETS", "StageTime", "TimedReport", "evaluate_time", "machine_name"]

BUDGETS = (100.0, 500.0, 1000.0)  # milliseconds a picture, of FRUITS
SHARE = 0.95  # of the pictures that stay within a budget that is held
WARM_UP = 3  # pictures before the clock counts: models load, memory is taken


@dataclass(frozen=True)
class StageTime:
    """Milliseconds a picture of one stage."""

    name: str
    median: float
    mean: float
    p95: float
    worst: float


@dataclass(frozen=True)
class TimedReport:
    """The result.

    Parameters
    ----------
    machine : str
        Name of the processor; the numbers are its.
    pictures, without_face : int
    stages : tuple of StageTime
        "decode", "detect", "align", "embed", and "whole", their sum.
    budgets : dict of float to bool
        Which budgets in milliseconds are held.
    """

    machine: str
    pictures: int
    without_face: int
    stages: tuple[StageTime, ...]
    budgets: dict[float, bool]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "budgets": {f"{budget:g}": held for budget, held in self.budgets.items()}}

    @property
    def whole(self) -> StageTime:
        """All stages together."""
        return self.stages[-1]


def evaluate_time(
    pictures: Sequence[ImageSource], *, budgets: Sequence[float] = BUDGETS, engine: Engine
) -> TimedReport:
    """Time the pipeline picture by picture.

    Parameters
    ----------
    pictures : sequence of path, bytes or array
        See `mien.load_image`. The largest face of each is embedded.
    budgets : sequence of float
        Milliseconds a picture.
    engine : Engine
        With one thread: a budget is one core's.

    Raises
    ------
    UsageError
        If the engine has more threads, there are no pictures, or a budget is none.
    """
    if engine.threads != 1:
        raise UsageError(f"a time budget is of one core, and this engine has {engine.threads} threads: give it one.")
    if not pictures:
        raise UsageError("there are no pictures to time.")
    if any(not budget > 0 for budget in budgets):
        raise UsageError(f"budgets are milliseconds above 0; got {list(budgets)}.")
    for picture in pictures[:WARM_UP]:
        _stages(picture, engine)
    rows = [_stages(picture, engine) for picture in pictures]
    times = np.array([row for row, _ in rows])
    whole = times.sum(axis=1)
    return TimedReport(
        machine=machine_name(),
        pictures=len(pictures),
        without_face=sum(not found for _, found in rows),
        stages=tuple(
            StageTime(
                name, float(np.median(part)), float(part.mean()), float(np.quantile(part, SHARE)), float(part.max())
            )
            for name, part in zip((*_STAGES, "whole"), (*times.T, whole), strict=True)
        ),
        budgets={float(budget): bool((whole <= budget).mean() >= SHARE) for budget in budgets},
    )


_STAGES = ("decode", "detect", "align", "embed")


def _stages(picture: ImageSource, engine: Engine) -> tuple[list[float], bool]:
    """Milliseconds of each stage for one picture, and whether it has a face."""
    marks = [time.perf_counter()]
    image = load_image(picture)
    marks.append(time.perf_counter())
    faces = engine.analyze(image).top(1)
    marks.append(time.perf_counter())
    faces = engine.analyze(image, faces=faces, want={"alignment"})
    marks.append(time.perf_counter())
    faces = engine.analyze(image, faces=faces, want={"embedding"})
    marks.append(time.perf_counter())
    return (np.diff(marks) * 1e3).tolist(), len(faces) > 0 and not faces[0].embedding.abstained


def machine_name() -> str:
    """The processor, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine() or "unknown")
