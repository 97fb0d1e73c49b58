"""Writes results as they come: JSON Lines, one JSON array, CSV or Parquet, chosen by the file's suffix.

A result grows beside its target as ``<name>.<process>.part`` and takes the target's name when it is complete: a file
that has the name is whole.
"""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np

from mien.core.errors import StorageError, UsageError
from mien.core.faces import Faces

__all__ = ["FileSink", "begin", "make_folder", "open_sink", "write_bytes", "write_text"]


class Format(Protocol):
    """Turns records into the bytes or the text of one kind of file."""

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        """Add one picture: its record as `mien.Item.to_dict` makes it, and its faces where it did not fail."""
        ...

    def end(self) -> None:
        """Complete the file."""
        ...

    def drop(self) -> None:
        """Give the file up, which is closed and thrown away: after an error."""


class _JsonLines(Format):
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


class _Csv(Format):
    """One row per face, one row for a picture that failed, none for a picture without faces."""

    HEAD = ("source", "frame", "time", "face", "failure")

    def __init__(self, stream: IO[str]) -> None:
        self._writer = csv.writer(stream)
        self._names: list[str] | None = None
        self._failures: list[list[Any]] = []  # those that come before the first result names the columns

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        if faces is None:
            failure = record.get("failure") or {}
            self._failures.append([*_place(record), "", failure.get("message", "")])
        else:
            table = faces.to_columns()
            if self._names is None:
                self._names = list(table)
                self._writer.writerow([*self.HEAD, *self._names])
                self._flush()
            for row in range(len(faces)):
                cells = [_cell(table[name][row]) if name in table else "" for name in self._names]
                self._writer.writerow([*_place(record), row, "", *cells])
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


def _place(record: Mapping[str, Any]) -> list[Any]:
    return [record["source"], record.get("frame", ""), record.get("time", "")]


def _cell(value: Any) -> str | float:
    if np.ndim(value):
        return json.dumps(np.round(np.asarray(value, float), 7).tolist())
    if isinstance(value, np.integer | np.bool_):
        return int(value)
    return "" if np.isnan(value) else round(float(value), 5)


def _parquet(stream: IO[bytes]) -> Format:
    from mien.media.parquet import Parquet

    return Parquet(stream)


def _openface(stream: IO[str]) -> Format:
    from mien.media.openface import OpenFace

    return OpenFace(stream)


def _pyfeat(stream: IO[str]) -> Format:
    from mien.media.pyfeat import PyFeat

    return PyFeat(stream)


def _livelink(stream: IO[str]) -> Format:
    from mien.media.livelink import LiveLink

    return LiveLink(stream)


#: What is written, by suffix, and in which mode its file is opened.
FORMATS: Mapping[str, tuple[str, Callable[[IO[Any]], Format]]] = {
    ".jsonl": ("w", _JsonLines),
    ".ndjson": ("w", _JsonLines),
    ".json": ("w", _JsonArray),
    ".csv": ("w", _Csv),
    ".parquet": ("wb", _parquet),
}

#: Other ways to write a suffix, by name.
STYLES: Mapping[str, Mapping[str, tuple[str, Callable[[IO[Any]], Format]]]] = {
    "openface": {".csv": ("w", _openface)},
    "pyfeat": {".csv": ("w", _pyfeat)},
    "livelink": {".csv": ("w", _livelink)},
}


class FileSink:
    """A file that results are written to; use it in a ``with`` block.

    Leaving the block completes the file. Leaving it by Ctrl-C leaves what there is in that part; leaving it by
    an error leaves nothing.

    Parameters
    ----------
    path : Path
        Replaced if it is there.
    mode : {"w", "wb"}
        Text or bytes.
    make : callable
        Takes the open file, gives the `Format`.
    """

    def __init__(self, path: Path, mode: str, make: Callable[[IO[Any]], Format]) -> None:
        self._path, self._part = path, begin(path)
        try:
            text: dict[str, str] = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
            self._stream: IO[Any] = self._part.open(mode, **({} if "b" in mode else text))  # type: ignore[call-overload]
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}.") from error
        try:
            self._format = make(self._stream)
        except UsageError:  # what it needs is not installed
            self._stream.close()
            self._part.unlink()
            raise

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
            if kind is None or not issubclass(kind, Exception):  # Ctrl-C is none: the part can be read, too
                self._format.end()
            self._stream.close()
            if kind is None:
                self._part.replace(self._path)
        except OSError as fault:
            self._drop()
            raise StorageError(f"cannot write {self._path}: {fault.strerror}.") from fault
        if kind is not None and issubclass(kind, Exception):
            self._drop()

    def _drop(self) -> None:
        self._format.drop()
        self._part.unlink(missing_ok=True)


def open_sink(path: Path, *, style: str | None = None) -> FileSink:
    """A sink for the file; the suffix names the format.

    Parameters
    ----------
    path : Path
        Ends in one of `FORMATS`.
    style : {"openface", "pyfeat", "livelink"}, optional
        Columns of a CSV file as that toolkit names, orders and signs them; see `mien.media.openface`,
        `mien.media.pyfeat` and `mien.media.livelink`.

    Raises
    ------
    UsageError
        If no format has that suffix, there is no such style of it, or a package that it needs is not installed.
    StorageError
        If the file cannot be written.
    """
    if style is not None and style not in STYLES:
        raise UsageError(f"results have no style {style!r}; there is {', '.join(STYLES)}.")
    formats = FORMATS if style is None else STYLES[style]
    if path.suffix.lower() not in formats:
        kind = "results" if style is None else f"results in the style of {style}"
        raise UsageError(f"cannot write {path.name}: {kind} are written as {', '.join(formats)}.")
    return FileSink(path, *formats[path.suffix.lower()])


def begin(path: Path) -> Path:
    """Make the empty file, beside its target and in a folder that is made, in which a result grows.

    What cannot be written is known by this before the work begins.

    Raises
    ------
    StorageError
        If nothing can be written there: no permission, or the target is a folder.
    """
    make_folder(path.parent)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # two processes do not share one
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))  # as it does where nobody looks
        part.open("wb").close()
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}.") from error
    return part


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
    """Write a text file, UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file that appears complete or not at all; its folder is made.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    part = begin(path)
    try:
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}.") from error
