"""Runs work over many pictures: in order, on several threads, with bounded memory, one record per picture."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from mien.core.errors import MienError
from mien.core.faces import Faces

__all__ = ["Failure", "Item", "chunks", "in_order"]

Source = TypeVar("Source")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Why a picture gave no result: the error's class name and its sentence."""

    kind: str
    message: str

    @classmethod
    def of(cls, error: MienError | MemoryError) -> Failure:
        """The record of an error."""
        return cls(type(error).__name__, str(error) or "out of memory.")

    def to_dict(self) -> dict[str, str]:
        """As JSON types."""
        return {"kind": self.kind, "message": self.message}


@dataclass(frozen=True)
class Item:
    """One picture of a scan: its faces, or the failure."""

    source: str
    faces: Faces | None = None
    failure: Failure | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types: source, then size and faces, or the failure."""
        if self.faces is None:
            return {"source": self.source, "failure": self.failure.to_dict() if self.failure else None}
        width, height = self.faces.image_size
        return {"source": self.source, "width": width, "height": height, "faces": self.faces.to_dicts()}


def chunks(sources: Iterable[Source], size: int) -> Iterator[list[Source]]:
    """Lists of `size` sources; the last may be shorter."""
    walk = iter(sources)
    while chunk := list(itertools.islice(walk, size)):
        yield chunk


def in_order(
    work: Callable[[Source], Result], sources: Iterator[Source], *, workers: int
) -> Generator[Result, None, None]:
    """Results in the order of their sources.

    At most two sources a worker are read ahead, so that memory does not grow with the number of sources. An error of
    `work` is raised at its place; leaving the loop early cancels what has not begun.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="mien-scan") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for source in sources:
                waiting.append(pool.submit(work, source))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
