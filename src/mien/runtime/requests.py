"""Rows on the infer requests of a compiled OpenVINO network."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Network"]


class Network:
    """A network compiled for `bucket` rows at a time, with one request per stream.

    Parameters
    ----------
    compiled
        The ``openvino.CompiledModel``.
    bucket
        How many rows it computes at a time.
    streams
        How many requests it has.
    """

    def __init__(self, compiled: Any, bucket: int, streams: int) -> None:
        self.compiled = compiled
        self._bucket = bucket
        self._requests = [_Request(compiled.create_infer_request()) for _ in range(streams)]
        self._idle: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        for request in self._requests:
            self._idle.put(request)
        # Some exports leave the row axis out of an output.
        shapes = [tuple(port.shape) for port in compiled.outputs]
        self._shapes = [shape[1:] if shape[:1] == (bucket,) else shape for shape in shapes]

    def run(self, inputs: Sequence[NDArray[Any]], *, together: bool) -> tuple[NDArray[Any], ...]:
        """Compute all rows: on all requests together (one caller at a time), or on one that is idle."""
        rows = len(inputs[0])
        results = tuple(np.empty((rows, *shape), np.float32) for shape in self._shapes)
        requests = self._requests if together else [self._idle.get()]
        steps = range(0, rows, self._bucket)
        try:
            for turn, start in enumerate(steps):
                request = requests[turn % len(requests)]
                request.finish(results)
                request.start(inputs, start, min(start + self._bucket, rows))
            for request in requests:
                request.finish(results)
        finally:
            for request in requests:
                request.cancel()
            if not together:
                self._idle.put(requests[0])
        return results


class _Request:
    """One infer request and the memory of its inputs and outputs."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._inputs = [tensor.data for tensor in request.input_tensors]
        self._outputs = [tensor.data for tensor in request.output_tensors]
        self._running: tuple[int, int] | None = None
        for memory in self._inputs:
            memory[...] = 0

    def start(self, inputs: Sequence[NDArray[Any]], start: int, stop: int) -> None:
        """Begin to compute these rows. What is left in the memory behind them is computed too, and not looked at."""
        for memory, array in zip(self._inputs, inputs, strict=True):
            memory[: stop - start] = array[start:stop]
        self._request.start_async()
        self._running = start, stop

    def finish(self, results: tuple[NDArray[Any], ...]) -> None:
        """Wait for what was begun, if anything was, and copy it to its rows."""
        if self._running is None:
            return
        start, stop = self._running
        self._running = None
        self._request.wait()
        for result, memory in zip(results, self._outputs, strict=True):
            result[start:stop] = memory.reshape(-1, *result.shape[1:])[: stop - start]

    def cancel(self) -> None:
        """Forget what still runs, which happens only after an error."""
        if self._running is not None:
            self._running = None
            self._request.cancel()
            with contextlib.suppress(RuntimeError):  # says that it was cancelled
                self._request.wait()
