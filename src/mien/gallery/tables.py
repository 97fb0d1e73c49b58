"""The tables that an export of a gallery consists of, and how rows of such tables become records: with distrust."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from mien.core.errors import GalleryError, SourceError, UsageError
from mien.gallery.records import Link, Person, Sample

__all__ = [
    "AT_ONCE",
    "FORMAT",
    "PLAIN",
    "arrow",
    "batches",
    "folder_of",
    "link_of",
    "parquet_files",
    "person_of",
    "read_about",
    "sample_of",
    "schema_of",
]

FORMAT = 1
AT_ONCE = 1000  # rows that are in memory together

KEYS = {"people": ("id",), "samples": ("id",), "links": ("first", "second", "same")}
PLAIN = ("id", "face", "person", "confirmed", "source", "picture", "quality", "taken", "created", "model", "crop")


def arrow() -> Any:
    """The module pyarrow; `UsageError` where it is not installed."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise UsageError("Parquet files need pyarrow: pip install 'mien[parquet]'.") from error
    return pa


def parquet_files() -> Any:
    """The module pyarrow.parquet; `UsageError` where it is not installed."""
    arrow()
    import pyarrow.parquet

    return pyarrow.parquet


def schema_of(name: str, dimension: int) -> Any:
    """Columns and types of the table `name`; vectors of any length where `dimension` is 0."""
    pa = arrow()
    tables = {
        "people": {"id": pa.string(), "name": pa.string(), "note": pa.string(), "created": pa.float64()},
        "samples": {
            "id": pa.int64(),
            "face": pa.string(),
            "person": pa.string(),
            "confirmed": pa.bool_(),
            "source": pa.string(),
            "picture": pa.string(),
            "box": pa.list_(pa.float32(), 4),
            "size": pa.list_(pa.int32(), 2),
            "quality": pa.float32(),
            "ages": pa.list_(pa.float32(), 2),
            "taken": pa.float64(),
            "created": pa.float64(),
            "model": pa.string(),
            "words": pa.string(),
            "crop": pa.binary(),
            "vector": pa.list_(pa.float32(), dimension) if dimension else pa.list_(pa.float32()),
        },
        "links": {"first": pa.int64(), "second": pa.int64(), "same": pa.bool_()},
    }
    return pa.schema(list(tables[name].items()))


def read_about(source: Path) -> dict[str, Any]:
    """What ``gallery.json`` of an export says: its ``format`` and its ``space``.

    Raises
    ------
    SourceError
        If there is no such file.
    GalleryError
        If it is malformed, or of a newer version.
    """
    try:
        about = json.loads((source / "gallery.json").read_text(encoding="utf-8")[:10_000])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(f"{source} is no export of a gallery: it has no gallery.json.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise GalleryError(f"{source / 'gallery.json'} cannot be read.") from error
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise GalleryError(f"{source} is no export of a gallery: gallery.json says nothing of its format.")
    if about["format"] > FORMAT:
        raise GalleryError(f"{source} was exported by a newer version of mien (format {about['format']}).")
    if not isinstance(about.setdefault("space", None), str | None):
        raise GalleryError(f"{source} names no embedding space.")
    return about


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The path of a folder; `UsageError` where there can be none."""
    if "\0" in os.fspath(path):
        raise UsageError("a path has no NUL character.")
    return Path(path)


def batches(source: Path, name: str) -> Iterator[list[dict[str, Any]]]:
    """Rows of one file, in the columns and the types that we write."""
    parquet, path, schema = parquet_files(), source / f"{name}.parquet", schema_of(name, 0)
    try:
        with parquet.ParquetFile(path) as file:
            missing = set(schema.names) - set(file.schema_arrow.names)
            if missing:
                raise GalleryError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
            for batch in file.iter_batches(AT_ONCE, columns=schema.names):
                rows = arrow().Table.from_batches([batch]).select(schema.names).cast(schema).to_pylist()
                if any(row[key] is None for row in rows for key in KEYS[name]):
                    raise GalleryError(f"{path} has a row without {' or '.join(KEYS[name])}.")
                yield rows
    except FileNotFoundError as error:
        raise SourceError(f"{path} is missing.") from error
    except (OSError, arrow().ArrowException) as error:
        raise GalleryError(f"{path} is torn, or no table as export writes it.") from error


def person_of(row: Mapping[str, Any], number: int) -> Person:
    """The person of a row, with a new number."""
    return Person(id=f"p{number}", name=row["name"] or None, note=row["note"] or "", created=_time(row["created"]))


def sample_of(row: Mapping[str, Any], number: int, people: Mapping[str, str]) -> Sample:
    """The face of a row, with a new number; `people` says which ids there are which here.

    Raises
    ------
    GalleryError
        If it is malformed.
    """
    try:
        words = json.loads(row["words"] or "{}")
        person = people.get(row["person"])
        return Sample(
            id=number,
            face=row["face"] or f"v{secrets.token_hex(8)}",
            person=person,
            confirmed=bool(row["confirmed"]) and person is not None,
            source=row["source"] or "",
            picture=row["picture"] or "",
            box=cast("Any", tuple(row["box"])) if row["box"] is not None else None,
            size=(row["size"][0], row["size"][1]) if row["size"] is not None else (0, 0),
            quality=row["quality"],
            ages=(row["ages"][0], row["ages"][1]) if row["ages"] is not None else None,
            taken=None if row["taken"] is None else _time(row["taken"]),
            created=_time(row["created"]),
            model=row["model"] or "",
            words=dict(words.items()),
            crop=row["crop"],
        )
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise GalleryError(f"the export's face {row['id']} is malformed: {error}.") from error


def _time(value: Any) -> float:
    seconds = float(value or 0.0)
    return seconds if math.isfinite(seconds) else 0.0


def link_of(row: Mapping[str, Any], numbers: Mapping[int, int]) -> Link | None:
    """The answer of a row about two faces; None where it is about others than those of `numbers`."""
    one, other = numbers.get(row["first"]), numbers.get(row["second"])
    if one is None or other is None or one == other:
        return None
    return Link(min(one, other), max(one, other), row["same"])
