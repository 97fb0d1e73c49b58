"""The last answers of a review, with what takes each of them back exactly.

They stand in the gallery's settings under `UNDO`. They name people by id and samples by number, and hold a person's
record only where an answer changed or removed it; whoever deletes people deletes this setting, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from mien.core.errors import GalleryChanged
from mien.gallery import audit
from mien.gallery.records import Change, Link, Person, Sample, Where
from mien.gallery.store import Store

__all__ = ["SALT", "UNDO", "last_answers", "take_back", "with_history"]

UNDO = "review.undo"
SALT = "salt"  # the gallery's setting
KEPT = 20  # answers


def last_answers(store: Store) -> list[dict[str, Any]]:
    """What can be taken back, the last one last."""
    history: list[dict[str, Any]] = json.loads(store.meta().get(UNDO) or "[]")
    return history


def with_history(store: Store, change: Change, before: Sequence[Sample], people: Mapping[str, Person]) -> Change:
    """The change, and with it what takes it back.

    Parameters
    ----------
    store : Store
    change : Change
        That only writes people, samples and links.
    before : sequence of Sample
        The change's samples as they are now, in its order.
    people : mapping of str to Person
        As they are now, by id.
    """
    about = (
        store.links([number for link in change.links for number in (link.first, link.second)]) if change.links else []
    )
    known = {(link.first, link.second): link.same for link in about}
    touched = [*change.forget_people, *(person.id for person in change.people)]
    inverse = {
        "samples": [
            [old.id, old.person, old.confirmed, new.person, new.confirmed]
            for old, new in zip(before, change.samples, strict=True)
        ],
        "people": [asdict(people[key]) for key in touched if key in people],
        "founded": [key for key in touched if key not in people],
        "links": [[one.first, one.second, one.same, known.get((one.first, one.second))] for one in change.links],
    }
    return replace(change, meta={UNDO: json.dumps([*last_answers(store), inverse][-KEPT:])})


def take_back(store: Store) -> bool:
    """Take the last answer back; whether there was one.

    Raises
    ------
    GalleryChanged
        If what it changed was changed again by something else; nothing is written.
    """
    history = last_answers(store)
    if not history:
        return False
    *rest, last = history
    generation = store.generation()
    after = {number: (person, confirmed) for number, _, _, person, confirmed in last["samples"]}
    now = {one.id: one for one in store.samples(Where(ids=list(after)))} if after else {}
    returning = {values["id"] for values in last["people"]}
    there = {person.id for person in store.people()} | returning
    owners = {person for _, person, *_ in last["samples"] if person}
    founded = store.samples(Where(people=last["founded"])) if last["founded"] else ()
    if (
        {number: (one.person, one.confirmed) for number, one in now.items()} != after
        or not owners <= there
        or any(one.id not in after for one in founded)
    ):
        raise GalleryChanged("what the last answer changed was changed since: it cannot be taken back.")
    salt = store.meta().get(SALT)
    change = Change(
        people=[Person(**values) for values in last["people"]],
        samples=[replace(now[number], person=who, confirmed=said) for number, who, said, *_ in last["samples"]],
        forget_people=last["founded"],
        links=[Link(one, two, known) for one, two, _, known in last["links"] if known is not None],
        forget_links=[Link(one, two, same) for one, two, same, known in last["links"] if known is None],
        meta={UNDO: json.dumps(rest)},
        entries=[audit.entry(salt, "undo", [one.face for one in now.values()])] if salt else [],
    )
    store.apply(change, expect=generation)
    return True
