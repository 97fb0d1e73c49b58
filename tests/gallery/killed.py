"""A process that works on a gallery until it is killed, and says each thing that it did after it was done.

``python -m tests.gallery.killed`` starts a worker for each line that it reads, which is a gallery's place, so that a
worker costs a fork and not an interpreter. A worker prints its process id first, then ``+ID`` when a sample and its
vector are written, ``~ID`` when it is about to delete one and ``-ID`` when it has, ``?`` when it searched (and so saved
the index), ``!`` when it erased what was deleted.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from mien.gallery.indexing.index import Index
from mien.gallery.records import Change, Person, Sample
from mien.gallery.store import open_store
from tests.gallery.holding import SPACE, unit


def vector(number: int) -> Any:
    """The vector of a sample, from its id alone."""
    return unit(1, seed=number, width=32)


def crop(number: int) -> bytes:
    """The crop of a sample, larger than a page of the database."""
    return np.random.default_rng(number).bytes(12_000)


def say(words: str) -> None:
    """Tell the test at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def work(place: str) -> None:
    """Add, search, delete and erase for ever."""
    cast("Any", Index).worth_saving = True  # each search saves, so that kills hit that too
    say(str(os.getpid()))
    store = open_store(place)
    mine: list[int] = []
    for turn in itertools.count():
        number = store.reserve(2)
        person = Person(id=f"p{number + 1}", name=f"name of {number}")
        store.apply(
            Change(
                people=[person],
                samples=[Sample(id=number, person=person.id, crop=crop(number))],
                vectors=([number], vector(number)),
                space=SPACE,
            )
        )
        say(f"+{number}")
        mine.append(number)
        if turn % 4 == 1:
            store.search(vector(number), 1)
            say("?")
        if turn % 7 == 5:
            gone = mine.pop(0)
            say(f"~{gone}")
            store.apply(Change(forget_samples=[gone], forget_people=[f"p{gone + 1}"]))
            say(f"-{gone}")
        if turn % 16 == 10:
            store.erase()
            say("!")


def main() -> None:
    """Fork a worker for each line."""
    with tempfile.TemporaryDirectory() as folder:  # imports happen once, not in each worker
        warm = open_store(Path(folder) / "g")
        warm.apply(Change(samples=[Sample(id=1)], vectors=([1], vector(1)), space=SPACE))
        warm.search(vector(1), 1)
        warm.close()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(line.rstrip("\n"))
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main()
