"""Several pictures of one person who does not exist, and people between two others.

A family is what a data set needs of a person: other poses, expressions and light, and the same face, by the judgement
of an embedder. It stands in for generators that take an identity as their input (Arc2Face, Vec2Face); here the identity
is what stays while pose, expression and light are moved, and each picture is measured against all others.

Papantoniou et al., *Arc2Face: A Foundation Model for ID-Consistent Human Faces*, ECCV 2024; Wu et al., *Vec2Face:
Scaling Face Dataset Generation with Loosely Constrained Vectors*, ICLR 2025.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.engine import Engine, default_engine
from mien.swaps.edit import Edit
from mien.swaps.invented.attributes import ATTRIBUTES, checked_targets
from mien.swaps.invented.checks import Checks
from mien.swaps.invented.directions import Look, directions, toward
from mien.swaps.invented.generator import check_options, check_similarity, check_whole, people_of, person_of, portrait
from mien.swaps.invented.studio import Studio

__all__ = ["VARIED", "between", "families", "family"]

Floats = NDArray[np.float32]

#: What differs within a family, and between which values it is drawn, evenly.
VARIED: Mapping[str, tuple[float, float]] = {
    "yaw": (-25.0, 25.0),
    "pitch": (-12.0, 12.0),
    "smile": (0.05, 0.95),
    "mouth_open": (0.05, 0.9),
    "light": (-0.15, 0.15),
}
#: How far towards what was drawn the pictures for one place in a family are tried, each for new values.
SHARES = (1.0, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1)
OLDER = (0.0, 0.6, 1.2)  # standard deviations by which somebody between two people is made older, to pass
MOST = 200  # pictures of one family


def family(
    *,
    seed: int,
    count: int,
    truncation: float = 0.7,
    size: int | None = None,
    similarity: float | None = None,
    checks: Checks | None = None,
    engine: Engine | None = None,
    **attributes: float | None,
) -> list[Edit]:
    """Draw several pictures of one person who does not exist.

    Parameters
    ----------
    seed : int
        Which person; the first picture is ``generate(seed=seed)``.
    count : int
        How many pictures, 1 to 200.
    similarity : float, optional
        Cosine that any two of them reach at least; default: the embedder's threshold at a false accept rate of 1e-3.
    truncation, size, checks, engine, **attributes
        As for `mien.generate`.

    Returns
    -------
    list of Edit
        Each report has ``family``: the picture's place, what was asked for, and the likeness to the least similar one.

    Raises
    ------
    UsageError
        As `mien.generate`; or if the person cannot be shown so often within the similarity.
    NotCalibrated
        If `similarity` is not given and no calibration of the embedder has this rate.
    """
    check_options(seed, truncation, size)
    targets = _check(count, attributes)
    engine = engine or default_engine()
    limit = check_similarity(similarity, engine)
    studio = _studio(engine, checks, targets)
    look, told = person_of(seed, truncation, studio, targets)
    return _family(look, told, count, limit, studio, size, engine)


def families(
    people: int,
    count: int,
    *,
    seed: int,
    truncation: float = 0.7,
    size: int | None = None,
    similarity: float | None = None,
    checks: Checks | None = None,
    engine: Engine | None = None,
) -> Iterator[list[Edit]]:
    """Draw several pictures of each of several people, of whom no two look alike.

    Parameters
    ----------
    people, count : int
        How many people, and how many pictures of each.
    similarity : float, optional
        Cosine from which on two pictures are of one person: any two of a family reach it, and no two of different
        families do.
    seed, truncation, size, checks, engine
        As for `mien.generate`.

    Yields
    ------
    list of Edit

    Raises
    ------
    UsageError, NotCalibrated
        As `family` and `mien.distinct_people`.
    """
    check_options(seed, truncation, size)
    _check(count, {})
    check_whole("people", people, 0)
    engine = engine or default_engine()
    limit = check_similarity(similarity, engine)
    studio = _studio(engine, checks, {})
    known: list[Floats] = []
    made = 0
    for look, told in people_of(seed, truncation, studio, lambda _: None):
        if made == people:
            return
        if known and not float(np.max(np.concatenate(known) @ _vector(look))) < limit:
            continue
        try:
            edits = _family(look, told, count, limit, studio, size, engine)
        except UsageError:
            continue  # somebody who cannot be shown so often
        vectors = np.stack([edit.faces.embedding.values[0] for edit in edits])
        if known and not float(np.max(np.concatenate(known) @ vectors.T)) < limit:
            continue
        known.append(vectors)
        made += 1
        yield edits


def _check(count: int, attributes: Mapping[str, float | None]) -> dict[str, float]:
    check_whole("count", count, 1, MOST)
    return checked_targets(attributes)


def _studio(engine: Engine, checks: Checks | None, targets: Mapping[str, float]) -> Studio:
    looked = frozenset(targets) | frozenset(VARIED)
    return Studio(engine, checks, attributes=looked, fields=frozenset({"embedding"}))


def _vector(look: Look) -> Floats:
    return np.asarray(look.faces.embedding.values[0], np.float32)


def _family(
    look: Look, told: dict[str, Any], count: int, limit: float, studio: Studio, size: int | None, engine: Engine
) -> list[Edit]:
    """The pictures of one person."""
    values = {name: look.value(name) for name in VARIED}
    chance = np.random.PCG64(told["seed"])
    styles = look.styles if look.styles.ndim == 2 else np.repeat(look.styles[None], studio.generator.layers, axis=0)
    looks, asked = [look], [dict[str, float]()]
    while len(looks) < count:
        found = _near_enough(styles, values, chance, looks, limit, studio)
        if found is None:
            raise UsageError(
                f"seed {told['seed']} gives a person who cannot be shown {count} times as one and the same."
            )
        looks.append(found[0])
        asked.append(found[1])
    vectors = np.stack([_vector(one) for one in looks])
    alike = vectors @ vectors.T
    edits = []
    for place, (one, wish) in enumerate(zip(looks, asked, strict=True)):
        story = {
            "place": place,
            "asked": {name: round(value, 3) for name, value in wish.items()},
            "least_similar": round(float(alike[place].min()), 3),
        }
        edits.append(portrait(one, {**told, "family": story}, size, engine))
    return edits


def _drawn_values(chance: np.random.PCG64) -> dict[str, float]:
    """Values for what is varied, evenly drawn; by the raw bits, which stay the same in all versions of numpy."""
    shares = (chance.random_raw(len(VARIED)) >> np.uint64(11)) * 2.0**-53
    return {name: low + float(u) * (high - low) for (name, (low, high)), u in zip(VARIED.items(), shares, strict=True)}


def _near_enough(
    styles: Floats,
    values: Mapping[str, float],
    chance: np.random.PCG64,
    looks: list[Look],
    limit: float,
    studio: Studio,
) -> tuple[Look, dict[str, float]] | None:
    """A picture that passes and is like all others, as far from the person's own as it goes."""
    known = np.stack([_vector(one) for one in looks])
    for share in SHARES:
        wanted = _drawn_values(chance)
        asked = {name: _part_way(name, values[name], goal, share) for name, goal in wanted.items()}
        look = studio.look(toward(styles, values, asked))
        if look.refusal is None and float((known @ _vector(look)).min()) >= limit:
            return look, asked
    return None


def _part_way(name: str, value: float, goal: float, share: float) -> float:
    """A value a part of the way to a goal, on the attribute's even scale."""
    known = ATTRIBUTES[name]
    way = known.even(value) + share * (known.even(goal) - known.even(value))
    return float(1 / (1 + np.exp(-way))) if known.probability else way


def between(
    one: int,
    other: int,
    count: int,
    *,
    truncation: float = 0.7,
    size: int | None = None,
    checks: Checks | None = None,
    engine: Engine | None = None,
) -> list[Edit]:
    """Draw people on the way from one person to another.

    Parameters
    ----------
    one, other : int
        Seeds of the two, who come first and last.
    count : int
        How many people with these two, 2 to 200.
    truncation, size, checks, engine
        As for `mien.generate`.

    Returns
    -------
    list of Edit
        Where a picture on the way does not pass, an older person is taken, and left out if that does not pass either.
        Each report has ``position``, 0 to 1, and ``similarity`` to the first and the last.

    Raises
    ------
    UsageError
        If an option is out of range, or no picture of a seed passes.
    """
    for seed in (one, other):
        check_options(seed, truncation, size)
    check_whole("count", count, 2, MOST)
    engine = engine or default_engine()
    studio = Studio(engine, checks, fields=frozenset({"embedding"}))
    ends = [person_of(seed, truncation, studio, {})[0] for seed in (one, other)]
    positions = [place / (count - 1) for place in range(1, count - 1)]
    tried = [(position, _on_the_way(ends, position, studio)) for position in positions]
    found = [(0.0, ends[0]), *((position, look) for position, look in tried if look is not None), (1.0, ends[1])]
    edits = []
    for position, look in found:
        alike = [round(float(_vector(end) @ _vector(look)), 3) for end in ends]
        told = {"seeds": [one, other], "truncation": truncation, "position": round(position, 4), "similarity": alike}
        edits.append(portrait(look, told, size, engine))
    return edits


def _on_the_way(ends: list[Look], position: float, studio: Studio) -> Look | None:
    """A picture that passes, of somebody at a position, or of the same made older."""
    styles = np.asarray(ends[0].styles + np.float32(position) * (ends[1].styles - ends[0].styles))
    styles = np.repeat(styles[None], studio.generator.layers, axis=0)
    way = directions()["age"]
    for older in OLDER:
        look = studio.look(way.move(styles, older * way.spread))
        if look.refusal is None:
            return look
    return None
