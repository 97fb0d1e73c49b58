"""Reads tables of events: who, from when to when, what; and the JSON of a followed clip."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.core.clip import Event, Events
from mien.core.errors import InputError, UsageError
from mien.datasets.readers.files import read_text

__all__ = ["read_clip_json", "read_events_csv"]

LONGEST_TIME = 1e7  # seconds: four months
COLUMNS = ("track", "start", "end", "kind")


def read_events_csv(path: str | os.PathLike[str]) -> dict[str, Events]:
    """Read a CSV file of events.

    Its first line names the columns: ``track`` (a whole number, 0 or more), ``start`` and ``end`` in seconds, ``kind``,
    and if it is of several clips, ``clip``; ``apex`` (seconds) and ``score`` (0 to 1) if known. Others are ignored.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of str to Events
        By clip; without that column, under "". A row with a clip and nothing else says that nothing happens in it.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is not such a table; the message names the line.
    """
    path = Path(path)
    found: dict[str, list[Event]] = {}
    try:
        rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f"{path} has no column {missing[0]!r}: its first line names track, start, end and kind.")
        for row in rows:
            events = found.setdefault((row.get("clip") or "").strip(), [])
            if any(row[name] for name in COLUMNS):
                events.append(_event(row, f"{path}, line {rows.line_num}"))
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error
    return {clip: Events(tuple(events)) for clip, events in found.items()}


def read_clip_json(path: str | os.PathLike[str]) -> Events:
    """The events of a clip, from JSON as `mien.core.clip.Clip.to_dict` gives it, or from a list of its events.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such JSON.
    """
    path = Path(path)
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    rows = content.get("events") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path} holds no events: a list of them, or a clip with one, is expected.")
    named = [{**row, "track": row.get("track_id", row.get("track"))} for row in rows]
    return Events(tuple(_event(row, f"{path}, event {number}") for number, row in enumerate(named)))


def _event(row: Mapping[str, Any], where: str) -> Event:
    kind = row.get("kind")
    if not isinstance(kind, str) or not kind.strip().isprintable() or not 0 < len(kind.strip()) <= 64:
        raise InputError(f"{where}: the kind of an event is a short word, not {_shown(kind)}.")
    track = _number(row, "track", where)
    if track != int(track) or not 0 <= track < 1 << 53:
        raise InputError(f"{where}: a track is a whole number of 0 or more, not {_shown(row['track'])}.")
    start, end = _number(row, "start", where), _number(row, "end", where)
    apex = None if row.get("apex") in (None, "") else _number(row, "apex", where)
    score = 1.0 if row.get("score") in (None, "") else _number(row, "score", where)
    if not 0 <= score <= 1:
        raise InputError(f"{where}: a score is between 0 and 1, not {score:g}.")
    try:
        return Event(kind.strip(), int(track), start, end, apex=apex, score=score)
    except UsageError as error:
        raise InputError(f"{where}: {error}") from error


def _number(row: Mapping[str, Any], name: str, where: str) -> float:
    value = row.get(name)
    try:
        number = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= LONGEST_TIME and name != "track":
        raise InputError(f"{where}: {name} is {_shown(value)}, not a number of seconds.")
    if not math.isfinite(number):
        raise InputError(f"{where}: {name} is {_shown(value)}, not a number.")
    return number


def _shown(value: Any) -> str:
    """A value from outside, cut to what a message can bear."""
    return "missing" if value is None else repr(str(value)[:40])
