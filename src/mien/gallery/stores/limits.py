"""What every store accepts: limits of sizes, and the checks that a change, a filter and a query pass before it acts.

All stores call these, so that what one refuses, all refuse, with the same words. A check never writes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UnknownPerson, UsageError
from mien.gallery.records import Change, Entry, Link, Person, Sample, Where
from mien.gallery.stores.values import (
    LIMITS,
    as_floats,
    check_ids,
    check_lengths,
    check_numbers,
    check_text,
    check_texts,
    is_id,
    is_person,
    is_real,
    short,
)

__all__ = [
    "LIMITS",
    "Held",
    "check_change",
    "check_count",
    "check_queries",
    "check_space",
    "check_where",
]

Floats = NDArray[np.float32]


class Held(Protocol):
    """What a store holds before a change, as far as a check asks; a `Store` is one."""

    def people(self, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None) -> list[Person]:
        """People by id or by name."""
        ...

    def samples(self, where: Where = ..., *, crops: bool = False) -> Iterator[Sample]:
        """Samples that match."""
        ...


def check_change(change: Change, held: Held, *, space: str | None, spaces: Mapping[str, int]) -> str | None:
    """Check a change against the limits and against what is held.

    Parameters
    ----------
    change : Change
    held : Held
        What is there, within the transaction that will write the change.
    space : str or None
        The space in use.
    spaces : mapping of str to int
        The dimension of each space of which there are vectors, or that is in use.

    Returns
    -------
    str or None
        The space of the change's vectors; None if it has none.

    Raises
    ------
    UsageError, UnknownPerson, ShapeMismatch
        If something in it is too large, no number, contradicts itself, or names what is not there.
    """
    for person in change.people:
        _check_person(person)
    for sample in change.samples:
        _check_sample(sample)
    for link in (*change.links, *change.forget_links):
        _check_link(link)
    for entry in change.entries:
        _check_entry(entry)
    for key, value in change.meta.items():
        check_text("setting's name", key)
        if value is not None:
            check_text("setting", value)
    check_texts("picture", change.looked)
    check_ids("person", change.forget_people, is_person)
    check_ids("sample", change.forget_samples, is_id)
    people = _once("person", [person.id for person in change.people])
    samples = _once("sample", [sample.id for sample in change.samples])
    links = _once("link", [(link.first, link.second) for link in change.links])
    _apart("person", people, change.forget_people)
    _apart("sample", samples, change.forget_samples)
    _apart("link", links, [(link.first, link.second) for link in change.forget_links])
    written = _check_vectors(change, space, spaces)
    _check_people_held(change, held, people)
    _check_samples_held(change, held, samples)
    return written


def check_where(where: Where) -> None:
    """Check a filter: `UsageError` if it has a text where a list is meant, or a number that is none."""
    if isinstance(where.people, str):
        if where.people not in ("anybody", "nobody"):
            raise UsageError(f"people is a list of ids, 'anybody' or 'nobody'; got {where.people[:100]!r}.")
    elif where.people is not None:
        check_ids("person", where.people, lambda value: isinstance(value, str))
    check_texts("face", () if where.faces is None else where.faces)
    check_texts("picture", () if where.pictures is None else where.pictures)
    check_ids("sample", () if where.ids is None else where.ids, lambda value: isinstance(value, int | np.integer))
    if where.source is not None:
        check_text("source", where.source)
    check_numbers("quality", [where.quality])
    if where.taken is not None and len(where.taken) != 2:
        raise UsageError(f"taken is (from, to); got {where.taken!r}.")
    check_numbers("taken", where.taken or ())
    for key, word in where.words.items():
        check_text("word", key)
        if isinstance(word, str):
            check_text("word", word)
        elif not (
            isinstance(word, tuple) and len(word) == 2 and all(is_real(end) or end in (-np.inf, np.inf) for end in word)
        ):
            raise UsageError(f"the word {short(key)} is a text or a pair of numbers (low, high); got {short(word)}.")


def check_queries(queries: Floats, k: int, dimension: int | None) -> Floats:
    """Check what is searched for, and return it as float32.

    Raises
    ------
    ShapeMismatch
        If it is not (Q, dimension).
    UsageError
        If a query is no vector of length 1, or `k` no positive number.
    """
    if not is_id(k):
        raise UsageError(f"k is a positive number; got {k!r}.")
    values = as_floats(queries)
    if values.ndim != 2 or dimension not in (None, values.shape[1]):
        raise ShapeMismatch(f"queries are (Q, {dimension or 'D'}), got shape {values.shape}.")
    check_lengths(values, "query")
    return values


def check_space(space: str, dimension: int, spaces: Mapping[str, int] = MappingProxyType({})) -> None:
    """Check the name of a space and the dimension of its vectors; `spaces` has that of each space that is there.

    Raises
    ------
    UsageError
        If the name is empty or too long, or the dimension out of range.
    ShapeMismatch
        If the space has vectors of another dimension.
    """
    check_text("space", space)
    if not space:
        raise UsageError("an embedding space has a name.")
    if not is_id(dimension) or dimension > LIMITS["vector"]:
        raise UsageError(f"a vector has 1 to {LIMITS['vector']:,} numbers; got {dimension!r}.")
    if spaces.get(space, dimension) != dimension:
        raise ShapeMismatch(f"vectors of {space} have {spaces[space]} numbers; got {dimension}.")


def check_count(count: int) -> None:
    """Check how many numbers are to be reserved: `UsageError` if that is no number of numbers."""
    if not is_id(count) or count > LIMITS["reservation"]:
        raise UsageError(f"1 to {LIMITS['reservation']:,} numbers are reserved at once; got {count!r}.")


def _check_vectors(change: Change, space: str | None, spaces: Mapping[str, int]) -> str | None:
    if change.vectors is None:
        return None
    ids, vectors = change.vectors
    values = as_floats(vectors)
    name = change.space if change.space is not None else space
    if name is None:
        raise UsageError("the gallery has no embedding space yet: say which one the vectors are of.")
    if values.ndim != 2 or len(values) != len(ids):
        raise ShapeMismatch(f"{len(ids)} samples have vectors ({len(ids)}, D), got shape {values.shape}.")
    check_space(name, values.shape[1], spaces)
    check_ids("sample", ids, is_id)
    _apart("sample", _once("sample", ids), change.forget_samples)
    check_lengths(values, "vector")
    return name


def _check_people_held(change: Change, held: Held, people: set[Any]) -> None:
    """Names stay unique, owners exist, and nobody leaves samples behind."""
    names = [person.name for person in change.people if person.name is not None]
    _once("name", names)
    leaving = people | set(change.forget_people)  # what these were called before is free
    for other in held.people(names=names) if names else []:
        if other.id not in leaving:
            raise UsageError(f"there is a {short(other.name)} already: {other.id}.")
    owners = {sample.person for sample in change.samples if sample.person is not None}
    gone = owners & set(change.forget_people)
    unknown = owners - people
    known = {person.id for person in held.people(sorted(unknown))} if unknown else set()
    if missing := sorted(gone | (unknown - known)):
        raise UnknownPerson(f"there is no person {short(missing[0])} in the gallery.")
    if change.forget_people:
        settled = {sample.id for sample in change.samples} | set(change.forget_samples)
        for sample in held.samples(Where(people=list(change.forget_people))):
            if sample.id not in settled:
                raise UsageError(f"{sample.person} still has sample {sample.id}: delete it or give it to somebody.")


def _check_samples_held(change: Change, held: Held, samples: set[Any]) -> None:
    """Vectors and links are of samples that are there."""
    named = set(change.vectors[0]) if change.vectors is not None else set()
    for link in change.links:
        named |= {link.first, link.second}
    unknown = named - samples
    forgotten = set(change.forget_samples)
    known = {sample.id for sample in held.samples(Where(ids=sorted(unknown)))} if unknown else set()
    if missing := sorted((unknown - known) | (named & forgotten)):
        raise UsageError(f"there is no sample {missing[0]} in the gallery.")


def _check_person(person: Person) -> None:
    check_ids("person", [person.id], is_person)
    if person.name is not None:
        check_text("name", person.name)
        if not person.name.strip():
            raise UsageError("a name is not empty; None stands for a person without one.")
    check_text("note", person.note)
    check_numbers("created", [person.created])


def _check_sample(sample: Sample) -> None:
    check_ids("sample", [sample.id], is_id)
    for field in ("face", "source", "picture", "model"):
        check_text(field, getattr(sample, field))
    for field in ("box", "size", "ages"):
        value = getattr(sample, field)
        if value is not None and len(value) != (4 if field == "box" else 2):
            raise ShapeMismatch(f"{field} of sample {sample.id} is {value!r}.")
        check_numbers(field, value or ())
    if any(side != int(side) or side < 0 for side in sample.size):
        raise UsageError(f"size is (width, height) in pixels; got {sample.size!r}.")
    for field in ("created", "taken", "quality"):
        check_numbers(field, [getattr(sample, field)])
    if sample.quality is not None and not 0 <= sample.quality <= 1:
        raise UsageError(f"quality is in [0, 1]; got {sample.quality!r}.")
    if sample.ages is not None and not sample.ages[0] <= sample.ages[1]:
        raise UsageError(f"ages are (low, high); got {sample.ages!r}.")
    _check_words(sample.words)
    if sample.crop is not None and not isinstance(sample.crop, bytes):
        raise UsageError(f"a crop is the bytes of a picture file; got {type(sample.crop).__name__}.")
    if len(sample.crop or b"") > LIMITS["crop"]:
        raise UsageError(f"a crop has at most {LIMITS['crop']:,} bytes; got {len(sample.crop or b''):,}.")


def _check_words(words: Mapping[str, Any]) -> None:
    if len(words) > LIMITS["words"]:
        raise UsageError(f"a sample has at most {LIMITS['words']} words; got {len(words):,}.")
    for key, word in words.items():
        check_text("word", key)
        if isinstance(word, str):
            check_text("word", word)
        elif not is_real(word):
            raise UsageError(f"the word {short(key)} is a text or a finite number; got {short(word)}.")


def _check_link(link: Link) -> None:
    check_ids("sample", [link.first, link.second], is_id)
    if not link.first < link.second:
        raise UsageError(f"a link goes from a smaller to a larger id; got {link.first} and {link.second}.")


def _check_entry(entry: Entry) -> None:
    check_numbers("time", [entry.time])
    check_text("action", entry.action)
    for subject in entry.subjects:
        check_text("subject", subject)
    try:
        text = json.dumps(dict(entry.details), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"details of an entry are JSON: {error}.") from error
    if len(text) > LIMITS["details"]:
        raise UsageError(f"details of an entry have at most {LIMITS['details']:,} characters; got {len(text):,}.")


def _once(what: str, values: Iterable[Any]) -> set[Any]:
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise UsageError(f"the {what} {short(value)} is there twice in one change.")
        seen.add(value)
    return seen


def _apart(what: str, written: set[Any], forgotten: Collection[Any]) -> None:
    if both := written & set(forgotten):
        raise UsageError(f"one change writes and forgets the {what} {short(min(both))}.")
