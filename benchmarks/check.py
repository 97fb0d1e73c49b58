"""Print how well the portrait on a card is found, and how well it matches another picture of its person.

    python -m benchmarks.check [DATA] [--far 1e-3]

No real document was available: the cards are drawn (``tests/cards.py``), with what makes documents hard to read. On
them are pictures of DATA (by default ``../shared/data``: ``identities`` and ``identities_johns``, ten adults, 105
pictures of the press, an easy set), and the people who ship with mien, who do not exist.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.cards import Photo, photograph

from mien import assets
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.embeddings.checking import check
from mien.embeddings.comparison import Verification, verify
from mien.engine import Engine
from mien.evaluation.intervals import bootstrap, wilson
from mien.evaluation.pairs import Pairs

CARDS = 3  # pictures of each person that are printed
WANT = {"embedding", "presence", "alignment", "recognizability"}
ADULTS = (18.0, 120.0)
PRINTS = {
    "700 px, colour": Photo(),
    "700 px, gray": Photo(gray=True),
    "400 px, colour": Photo(width=400),
    "300 px, gray": Photo(width=300, gray=True, blur=1.0),
}


def once(engine: Engine, picture: Image) -> Faces:
    """The picture as it lies."""
    return engine.analyze(picture, want=WANT)


def right_angles(engine: Engine, picture: Image) -> Faces:
    """At each of four turns; the one whose face the detector is surest of."""
    found = [engine.analyze(np.ascontiguousarray(np.rot90(picture, turn)), want=WANT) for turn in range(4)]
    return max(found, key=lambda faces: float(faces.scores.max(initial=0)))


def every_turn(engine: Engine, picture: Image) -> Faces:
    """At eight turns together, as `mien.check` does it."""
    return engine.analyze(picture, want=WANT, rotations=True)


SEARCHES: dict[str, Callable[[Engine, Image], Faces]] = {
    "as it lies": once,
    "four right angles": right_angles,
    "eight turns": every_turn,
}


def searches(engine: Engine) -> None:
    """How often the portrait on a card is found at any turn: found if its vector is that of the flat picture."""
    print("the portrait of the 8 people who ship with mien, on cards that lie at 24 turns (0, 15, ... 345 degrees)")
    for label, how in (("700 px", Photo()), ("300 px, gray", Photo(width=300, gray=True, blur=1.0))):
        for name, search in SEARCHES.items():
            found, ghosts, seconds = 0, 0, 0.0
            for number, path in enumerate(assets.PEOPLE):
                flat = once(engine, load_image(path)).top(1)
                for step in range(24):
                    turned = Photo(**{**vars(how), "turn": 15.0 * step})
                    picture = photograph(load_image(path), seed=number * 24 + step, how=turned)
                    begun = time.perf_counter()
                    faces = search(engine, picture).top(2)
                    seconds += time.perf_counter() - begun
                    alike = np.asarray(faces.embedding @ flat[0].embedding if len(faces) else np.zeros(0), np.float64)
                    found += bool((alike[:1] > 0.5).any())
                    ghosts += len(faces) > 1
            low, high = wilson(found, 8 * 24)
            rest = f"with its ghost image {ghosts}, {seconds / 192:.2f} s each"
            print(f"  {label:13} {name:18} {found}/192 ({low:.3f} to {high:.3f}), {rest}")


def ghosts(engine: Engine) -> None:
    """What is said of ghost images: of the portrait's own, and of another person's."""
    print("ghost images on cards of 700 and 450 px at five turns: the portrait's person, at a FAR of 1e-2?")
    for width in (700, 450):
        said: dict[str, Counter[bool | None]] = {"own": Counter(), "another's": Counter()}
        for number, path in enumerate(assets.PEOPLE):
            for step, turn in enumerate((0.0, 20.0, 90.0, 180.0, 270.0)):
                other = assets.PEOPLE[(number + 1 + step) % len(assets.PEOPLE)]
                for whose, ghost in (("own", path), ("another's", other)):
                    how, seed = Photo(width=width, turn=turn), number * 5 + step
                    card = photograph(load_image(path), seed=seed, how=how, ghost=load_image(ghost))
                    said[whose].update(one.same for one in check(card, path, ages=ADULTS, engine=engine).ghosts[:1])
        for whose, counts in said.items():
            print(
                f"  {width} px, {whose}: yes {counts[True]}, no {counts[False]}, not known {counts[None]}, of 40 cards"
            )


def matching(engine: Engine, data: Path, rates: list[float]) -> None:
    """Verification of printed portraits against the other pictures of the ten people."""
    pairs = Pairs.of_folders([data / "identities", data / "identities_johns"])
    people = np.unique(pairs.people)
    flat = [engine.analyze(path, want=WANT).top(1) for path in pairs.pictures]
    owner = np.searchsorted(people, pairs.people)
    for label, how in {"as pictures": None, **PRINTS}.items():
        genuine: list[tuple[int, list[Verification]]] = []
        impostors: list[tuple[int, list[Verification]]] = []
        missed = 0
        for person in range(len(people)):
            for number in np.flatnonzero(owner == person)[:CARDS].tolist():
                portrait = flat[number]
                if how is not None:
                    turned = Photo(**{**vars(how), "turn": 90.0 * (number % 4)})
                    card = photograph(load_image(pairs.pictures[number]), seed=number, how=turned)
                    portrait = every_turn(engine, card).top(1)
                missed += not len(portrait)
                others = [index for index in range(len(flat)) if index != number]
                for far in rates:
                    answers = [verify(portrait, flat[i], far=far, ages=ADULTS, engine=engine) for i in others]
                    mates = owner[others] == person
                    genuine.append((person, [a for a, mate in zip(answers, mates, strict=True) if mate]))
                    impostors.append((person, [a for a, mate in zip(answers, mates, strict=True) if not mate]))
        print(f"{label}: {len(people) * CARDS} portraits of {len(people)} people, {missed} not found")
        for place, far in enumerate(rates):
            for name, groups in (("TAR", genuine), ("FAR", impostors)):
                print(f"  far={far:g}: {name} {_rate(groups[place :: len(rates)])}")


def _rate(groups: list[tuple[int, list[Verification]]]) -> str:
    """The share of the answers "same", with an interval over people."""
    by_person: dict[int, NDArray[np.float64]] = {}
    for person, answers in groups:
        counts = np.array([sum(a.same is True for a in answers), len(answers)], np.float64)
        by_person[person] = by_person.get(person, np.zeros(2)) + counts
    accepted, total = np.sum(list(by_person.values()), axis=0)
    interval = bootstrap(lambda parts: float(np.divide(*np.sum(parts, axis=0))), list(by_person.values()))
    low, high = wilson(accepted / total * len(by_person), len(by_person)) if accepted in (0, total) else interval
    return f"{accepted / total:.4f} ({low:.4f} to {high:.4f}), {accepted:.0f} of {total:.0f} pairs"


def main() -> None:
    parser = argparse.ArgumentParser(description="Portraits on printed cards against pictures of their people.")
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--far", type=float, nargs="+", default=[1e-2, 1e-3])
    options = parser.parse_args()
    with Engine(threads=1) as engine:
        print(f"{engine.choose('embedding').id}; all cards are composites: no real document was available")
        searches(engine)
        ghosts(engine)
        matching(engine, options.data, options.far)


if __name__ == "__main__":
    main()
