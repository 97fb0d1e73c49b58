"""Writes results as they come: JSON Lines, one JSON array, or CSV, chosen by the file's suffix.

A result grows beside its target as ``<name>.<process>.part`` and takes the target's name when it is complete: a file
that has the name is whole.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np

from mien.core.errors import StorageError, UsageError
from mien.core.faces import Faces

__all__ = ["FileSink", "make_folder", "open_sink", "write_text"]


class _Format(Protocol):
    """Turns records into text."""

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None: ...

    def end(self) -> None: ...


class _JsonLines:
    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:  # noqa: ARG002 - the record has them
        self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")

    def end(self) -> None:
        pass


class _JsonArray(_JsonLines):
    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self._separator = "[\n"

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:  # noqa: ARG002 - the record has them
        self._stream.write(self._separator + json.dumps(record, ensure_ascii=False))
        self._separator = ",\n"

    def end(self) -> None:
        self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")


class _Csv:
    """One row per face, one row for a picture that failed, none for a picture without faces."""

    HEAD = ("source", "time", "face", "failure")

    def __init__(self, stream: IO[str]) -> None:
        self._writer = csv.writer(stream)
        self._names: list[str] | None = None
        self._failures: list[list[Any]] = []  # those that come before the first result names the columns

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        if faces is None:
            failure = record.get("failure") or {}
            self._failures.append([record["source"], record.get("time", ""), "", failure.get("message", "")])
        else:
            table = faces.to_columns()
            if self._names is None:
                self._names = list(table)
                self._writer.writerow([*self.HEAD, *self._names])
                self._flush()
            for row in range(len(faces)):
                cells = [_cell(table[name][row]) if name in table else "" for name in self._names]
                self._writer.writerow([record["source"], record.get("time", ""), row, "", *cells])
        if self._names is not None:
            self._flush()

    def end(self) -> None:
        if self._names is None:
            self._writer.writerow(self.HEAD)
        self._flush()

    def _flush(self) -> None:
        for row in self._failures:
            self._writer.writerow([*row, *[""] * len(self._names or [])])
        self._failures.clear()


def _cell(value: Any) -> str | float:
    if np.ndim(value):
        return json.dumps(np.round(np.asarray(value, float), 7).tolist())
    return "" if np.isnan(value) else round(float(value), 5)


FORMATS: Mapping[str, Callable[[IO[str]], _Format]] = {
    ".jsonl": _JsonLines,
    ".ndjson": _JsonLines,
    ".json": _JsonArray,
    ".csv": _Csv,
}


class FileSink:
    """A file that results are written to; use it in a ``with`` block.

    Leaving the block completes the file. Leaving it by Ctrl-C leaves what there is in that part; leaving it by
    an error leaves nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}.part")  # two processes do not share one
        make_folder(path.parent)
        try:
            self._stream = self._part.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}.") from error
        self._format = FORMATS[path.suffix.lower()](self._stream)

    def write(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        """Add one picture: its record as `mien.Item.to_dict` makes it, and its faces where it did not fail.

        Raises
        ------
        StorageError
            If the disk is full.
        """
        try:
            self._format.record(record, faces)
        except OSError as error:
            raise StorageError(f"cannot write {self._part}: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._format.end()
            self._stream.close()
            if kind is None:
                self._part.replace(self._path)
        except OSError as fault:
            self._part.unlink(missing_ok=True)
            raise StorageError(f"cannot write {self._path}: {fault.strerror}.") from fault
        if kind is not None and issubclass(kind, Exception):
            self._part.unlink(missing_ok=True)


def open_sink(path: Path, *, style: str | None = None) -> FileSink:
    """A sink for the file; the suffix names the format.

    Raises
    ------
    UsageError
        If no format has that suffix.
    StorageError
        If the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"cannot write {path.name}: results are written as {', '.join(FORMATS)}.")
    if style is not None:
        raise UsageError(f"there is no style {style!r}.")
    return FileSink(path)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing.

    Raises
    ------
    StorageError
        If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {path}: {error.strerror}.") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears complete or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror}.") from error
