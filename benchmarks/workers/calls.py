"""What a worker of `benchmarks.peer` does in its turns: calls, timed one by one. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO, Any

from benchmarks.workers.rounds import serve

WARM_UP = 10


def serve_calls(pipe: IO[str], call: Callable[[], Any], hello: Any) -> None:
    """Answer each number n with the milliseconds of n calls, each as [on the clock, of all cores together]."""

    def turn(count: int) -> list[tuple[float, float]]:
        call()  # the threads have slept while the others had their turn
        times = []
        for _ in range(count):
            clock, busy = time.perf_counter(), time.process_time()
            call()
            times.append(((time.perf_counter() - clock) * 1000, (time.process_time() - busy) * 1000))
        return times

    turn(WARM_UP)
    serve(pipe, hello, turn)
