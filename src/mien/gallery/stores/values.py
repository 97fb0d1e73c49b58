"""Single values that a store takes: texts, numbers, ids and vectors, and how large they may be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError

__all__ = [
    "LIMITS",
    "as_floats",
    "check_ids",
    "check_lengths",
    "check_numbers",
    "check_text",
    "check_texts",
    "is_id",
    "is_person",
    "is_real",
    "short",
]

Floats = NDArray[np.float32]

#: The most that a store takes: characters of a text, bytes of a crop, numbers of the rest.
LIMITS = {
    "name": 1_000,
    "note": 1_000,
    "face": 200,
    "source": 10_000,  # a path may have 4,096 bytes, a URL more
    "picture": 200,
    "model": 1_000,
    "space": 1_000,
    "words": 100,
    "word": 1_000,  # a word's key, or its text
    "crop": 1_000_000,
    "setting's name": 1_000,
    "setting": 10_000_000,  # a calibration with all its scores is a setting
    "action": 1_000,
    "subject": 1_000,
    "details": 100_000,  # as JSON
    "vector": 65_536,
    "reservation": 1_000_000_000,
}
LARGEST = 2**62  #: of ids: sums of two still fit 64 bits
UNIT = 2e-3  #: how far a vector's length may be from 1; f16 rounds it by less
_PERSON = re.compile(r"p[1-9][0-9]{0,17}")


def as_floats(values: ArrayLike) -> Floats:
    """An array of float32; what is too large for one becomes infinite.

    Raises
    ------
    ShapeMismatch
        If they are no array of numbers.
    """
    try:
        with np.errstate(over="ignore"):
            return np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise ShapeMismatch("vectors are an array of numbers, with as many in each row.") from error


def check_lengths(values: Floats, what: str) -> None:
    """Refuse rows that are not of length 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(values, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT))  # NaN is wrong too
    if len(wrong):
        length = lengths[wrong[0]]
        has = f"the length {length:.4g}, not 1" if np.isfinite(length) else "a number that is none (NaN or infinite)"
        raise UsageError(f"{what} {wrong[0]} has {has}.")


def check_text(field: str, value: object) -> None:
    """Refuse what is no text, or too long for its field in `LIMITS`, or cannot be stored."""
    if not isinstance(value, str):
        raise UsageError(f"a {field} is a text; got {type(value).__name__}.")
    if len(value) > LIMITS[field]:
        raise UsageError(f"a {field} has at most {LIMITS[field]:,} characters; got {len(value):,}.")
    # PostgreSQL takes no NUL, and half of a surrogate pair has no bytes in any store.
    if "\0" in value or (not value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise UsageError(f"a {field} has a character that cannot be stored: {short(value)}.")


def check_texts(field: str, values: Iterable[object]) -> None:
    """Refuse what is no list of texts, or has one that cannot be stored."""
    if isinstance(values, str):
        raise UsageError(f"{field}s are a list; got {short(values)}.")
    for value in values:
        check_text(field, value)


def check_numbers(field: str, values: Iterable[float | None]) -> None:
    """Refuse what is neither None nor a finite number."""
    for value in values:
        if value is not None and not is_real(value):
            raise UsageError(f"{field} is a finite number; got {short(value)}.")


def check_ids(what: str, ids: Iterable[Any], good: Callable[[Any], bool]) -> None:
    """Refuse a list of ids that is none, or in which one is not good."""
    if isinstance(ids, str):
        raise UsageError(f"ids are a list; got {short(ids)}.")
    for value in ids:
        if not good(value):
            raise UsageError(f"{short(value)} is no id of a {what}.")


def short(value: object) -> str:
    """A value as messages show it."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a very large number"  # which Python may refuse to write out
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def is_person(value: object) -> bool:
    """Whether it is the id of a person: "p" and a number."""
    return isinstance(value, str) and _PERSON.fullmatch(value) is not None


def is_id(value: object) -> bool:
    """Whether it is a positive number of at most 62 bits."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(0 < value < LARGEST)


def is_real(value: object) -> bool:
    """Whether it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return abs(value) < 10**300 if isinstance(value, int) else math.isfinite(value)
