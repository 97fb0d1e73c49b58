"""How long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

__all__ = ["seconds"]


def seconds(call: Callable[[], object], *, at_least: float = 0.3) -> float:
    """Seconds of a call: the median of as many as take `at_least` seconds, after one that does not count."""
    call()
    spent: list[float] = []
    while sum(spent) < at_least:
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return float(np.median(spent))
