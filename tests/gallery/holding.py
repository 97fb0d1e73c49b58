"""What tests of stores share: vectors, a gallery with something of everything, and all that a store says it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryChanged
from mien.gallery.records import Change, Entry, Link, Person, Sample
from mien.gallery.store import Store

Floats = NDArray[np.float32]

SPACE, WIDTH = "toy/1", 16

#: Names that are data, whatever they look like.
TRICKS = (
    "Robert'); DROP TABLE people;--",
    '" OR "1"="1',
    "'' OR 1=1 /*",
    "%",
    "_",
    "ada\\",
    "../../etc/passwd",
    "/dev/null",
    "C:\\con",
    "$(touch x) `id` ${HOME}",
    "{name!r} %s ? :1 $1",
    "a\tb\nc\x1b[31m",
    "Jos\u00e9",
    "Jose\u0301",  # the same to the eye, another text
    "\u202eada",
    "𝔞𝔡𝔞 👩‍👧",
    "null",
    "[1, 2]",
    " ada ",
)


def unit(count: int, *, seed: int = 0, width: int = WIDTH) -> Floats:
    """Vectors (N, D) of length 1."""
    values = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    lengths: Floats = np.linalg.norm(values, axis=1, keepdims=True)
    return values / lengths


#: Three people, four samples: one with everything, one with nothing, one of nobody, one more.
FULL = Sample(
    id=11,
    face="0123456789abcdef-0",
    person="p1",
    confirmed=True,
    source="/photos/ada's/été 'n\" 1.jpg",
    picture="ab" * 32,
    box=(1.5, -2.0, 30.25, 40.0),
    size=(640, 480),
    quality=0.75,
    ages=(30.0, 35.5),
    taken=1.5e9,
    created=1.75e9 + 0.125,
    model="edgeface-s",
    words={"event": "wedding", "age": 31.5, 'odd "key".$[0]': "it's", "": ""},
    crop=b"\x89PNG\r\n\x1a\n\0\xff" * 20,
)
LOOKED = ("0123456789abcdef", "fedcba9876543210")
BEGINNING = Change(
    people=[
        Person(id="p1", name="Ada", note="consent: form 7", created=5.5),
        Person(id="p2"),
        Person(id="p3", name="O'Brien"),
    ],
    samples=[
        FULL,
        Sample(id=12),
        Sample(id=13, person="p3", source="/photos/b.jpg", quality=0.25, taken=2e9, words={"age": 12.0}),
        Sample(id=14, person="p1", face="f-14", picture="cd" * 32, source="/photos2/c.jpg", words={"event": "party"}),
    ],
    vectors=([11, 12, 13, 14], unit(4)),
    space=SPACE,
    links=[Link(11, 14, True), Link(11, 12, False)],
    meta={"salt": "s", "crops": "yes"},
    entries=[Entry(time=1.0, action="begin"), Entry(time=2.0, action="add", subjects=("x", "y"), details={"n": [1]})],
    looked=LOOKED,
)


def contents(store: Store, *, spaces: Sequence[str] = (SPACE,)) -> dict[str, Any]:
    """All that a store says it holds, so that two states can be compared."""
    samples = list(store.samples(crops=True))
    ids = [sample.id for sample in samples]
    return {
        "generation": store.generation(),
        "space": (store.space, store.dimension),
        "meta": dict(store.meta()),
        "counts": store.counts(),
        "people": store.people(),
        "samples": samples,
        "vectors": [store.vectors(ids, space=space).tolist().__repr__() for space in spaces],  # NaN equals NaN as text
        "links": store.links(),
        "entries": store.entries(),
        "looked": sorted(store.looked([*LOOKED, "0" * 16])),
    }


def count_up(store: Store, *, times: int) -> None:
    """Add one to a setting, so many times, computed from what it was; once more where others came before."""
    for _ in range(times):
        while True:
            generation = store.generation()
            count = int(store.meta().get("count", "0"))
            try:
                store.apply(Change(meta={"count": str(count + 1)}), expect=generation)
                break
            except GalleryChanged:
                continue
