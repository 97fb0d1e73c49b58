"""The list of what a face can have, read from ``fields.toml``: the one source behind ``want=``, ``--want`` and JSON."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from mien.core.columns import COLUMNS, Column
from mien.core.errors import UnknownField, UsageError

__all__ = ["SCHEMA_VERSION", "Field", "all_events", "all_fields", "all_jobs", "check_want", "json_schema"]

SCHEMA_VERSION = 1  #: of the JSON that describes faces; raised when a reader of the old form would misread the new


@dataclass(frozen=True)
class Field:
    """One thing that a face can have."""

    name: str
    family: str
    doc: str
    unit: str = ""
    column: str = ""  #: name of the column type; empty for what every Faces has
    range: tuple[float, float] | None = None
    always: bool = False  #: every Faces has it, without asking
    brief: bool = False  #: small enough for a table cell
    temporal: bool = False  #: known only from a video's frames together

    @property
    def column_type(self) -> type[Column]:
        """The class that holds it."""
        return COLUMNS[self.column]


@cache
def _table() -> Mapping[str, Any]:
    text = resources.files("mien.core").joinpath("fields.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def all_fields() -> Mapping[str, Field]:
    """Every field by name, in the order of the list."""
    rows: dict[str, dict[str, Any]] = _table()["fields"]
    return {name: _field(name, **row) for name, row in rows.items()}


def _field(name: str, *, range: list[float] | None = None, **row: Any) -> Field:  # noqa: A002 - the list's own word
    return Field(name=name, range=None if range is None else (range[0], range[1]), **row)


@cache
def all_jobs() -> Mapping[str, str]:
    """Every job (what a model can do that is not one value per face) with its sentence."""
    return {name: row["doc"] for name, row in _table()["jobs"].items()}


@cache
def all_events() -> Mapping[str, str]:
    """Every kind of event of a clip with its sentence."""
    return {name: row["doc"] for name, row in _table()["events"].items()}


def check_want(want: Iterable[str], *, temporal: bool = False) -> frozenset[str]:
    """Check the names of fields, and leave out those that every face has anyway.

    Parameters
    ----------
    want : iterable of str
        Names of fields.
    temporal : bool
        Whether frames of a video are looked at together: then temporal fields and events can be had, too.

    Raises
    ------
    UnknownField
        If a name is not in the list; the message says which names are near.
    UsageError
        If a name stands for what only a video's frames together tell.
    """
    names = {want} if isinstance(want, str) else set(want) if isinstance(want, Iterable) else {want}
    fields = all_fields()
    known = [*fields, *all_events()]
    for name in sorted(names.difference(known), key=str):
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(name for name in known if name not in fields or not fields[name].always)
        raise UnknownField(f"no field is called {name!r}.{hint} There are: {listed}.")
    for name in sorted(names):
        if not temporal and (name not in fields or fields[name].temporal):
            raise UsageError(f"{name} is known only from a video's frames together: use track.")
    return frozenset(name for name in names if name not in fields or not fields[name].always)


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of one face as ``Faces.to_dicts`` writes it."""
    number = {"type": "number"}
    point = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    base: dict[str, Any] = {
        "box": {"type": "array", "items": number, "minItems": 4, "maxItems": 4},
        "score": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "keypoints": {"type": "object", "additionalProperties": point},
    }
    detector = {"type": "string", "description": "The model that found the face.", "x-family": "location"}
    properties: dict[str, Any] = {"schema": {"const": SCHEMA_VERSION}, "model": detector}
    for name, row in all_fields().items():
        about = {"description": row.doc, "x-unit": row.unit, "x-family": row.family}
        if row.always:
            properties[name] = base[name] | about
            continue
        own = row.column_type.schema
        model = {"model": {"type": "string"}}
        properties[name] = {
            "type": "object",
            "anyOf": [{"required": ["reason"]}, {"required": [key for key in own if key not in {"names", "layout"}]}],
            "properties": {**own, "reason": {"type": "string"}, **model},
            "additionalProperties": False,
            **about,
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mien face",
        "type": "object",
        "required": ["schema", "box"],
        "properties": properties,
        "additionalProperties": False,
    }
