"""An evaluation's report: one content as text for a terminal, as Markdown, and as JSON.

It states what was measured with which model on which data, when, and with which versions; a number never stands without
its count and interval.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from mien.core.errors import StorageError, UsageError
from mien.evaluation.intervals import Interval

__all__ = ["Report", "Table", "number", "span", "versions", "write_whole"]

_PACKAGES = ("mien", "numpy", "opencv-python-headless", "openvino")
SUFFIXES = (".md", ".json")


@dataclass(frozen=True)
class Table:
    """Rows under a title; what must be known to read them stands in `notes`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was measured.

    Parameters
    ----------
    title : str
    facts : mapping of str to str
        Model, data, date, versions ...
    results : mapping
        The reports of the measures as JSON types.
    tables : sequence of Table
        The same to be read.
    """

    title: str
    facts: Mapping[str, str]
    results: Mapping[str, Any]
    tables: Sequence[Table] = field(default=())

    @classmethod
    def of(cls, title: str, *, source: str, model: str, results: Mapping[str, Any], tables: Sequence[Table]) -> Report:
        """One of today, with this machine's versions."""
        today = dt.datetime.now(dt.UTC).date().isoformat()
        return cls(title, {"source": source, "model": model, "date": today, "versions": versions()}, results, tables)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; what is no finite number is None."""
        plain: dict[str, Any] = _plain({**self.facts, **self.results})
        return plain

    def to_text(self) -> str:
        """As plain text with aligned columns."""
        lines = [f"{self.title}: {self.facts['model']} on {self.facts['source']}"]
        for table in self.tables:
            lines += ["", table.title, *_aligned([table.columns, *table.rows]), *(f"  {note}" for note in table.notes)]
        return "\n".join([*lines, "", f"{self.facts['date']}, {self.facts['versions']}"])

    def to_markdown(self) -> str:
        """As Markdown."""
        lines = [f"# {_cell(self.title)}", "", *(f"- {name}: {_cell(value)}" for name, value in self.facts.items())]
        for table in self.tables:
            lines += ["", f"## {_cell(table.title)}", ""]
            lines += [f"| {' | '.join(map(_cell, row))} |" for row in (table.columns, ["---"] * len(table.columns))]
            lines += [f"| {' | '.join(map(_cell, row))} |" for row in table.rows]
            lines += [line for note in table.notes for line in ("", _cell(note))]
        return "\n".join(lines) + "\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it, by the file's suffix, as Markdown or JSON.

        Raises
        ------
        UsageError
            If the suffix is another.
        StorageError
            If the file cannot be written; nothing is left behind.
        """
        suffix = check_suffix(path, SUFFIXES)
        text = (
            self.to_markdown() if suffix == ".md" else json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"
        )
        write_whole(path, text.encode())


def check_suffix(path: str | os.PathLike[str], suffixes: Sequence[str]) -> str:
    """The suffix of a file to write; UsageError if it is none of these."""
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        raise UsageError(f"{os.fspath(path)}: written are {', '.join(suffixes)} files.")
    return suffix


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file as a whole or not at all; StorageError if that fails."""
    path = Path(path)
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}.") from error


def versions() -> str:
    """What numbers depend on."""
    return ", ".join(f"{name} {version(name)}" for name in _PACKAGES)


def number(value: float | None, digits: int = 4) -> str:
    """A rate; "-" where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def span(interval: Interval, digits: int = 4) -> str:
    """An interval; "-" where there is none."""
    ends = [number(end, digits) for end in interval]
    return "-" if ends == ["-", "-"] else " to ".join(ends)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _cell(text: str) -> str:
    """Text that cannot break a table, or become markup: names come from files."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
