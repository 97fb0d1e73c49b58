"""The inpainting game: whether a map of what made two faces match points at what really did.

Williford, May, Byrne, *Explainable face recognition* (ECCV 2020). There is a probe, its mate (another picture of the
person), and a double of each in which one part of the face was exchanged for somebody else's: the rest is pixel for
pixel the same, so the part is all that tells the person from the double. A method is asked which pixels of the probe
match the mate and not the mate's double. In the order in which its map ranks them, pixels of the probe are exchanged
for those of the probe's double, until the embedder takes the mixture for the double. A good map does so by the changed
part alone: what it exchanges outside of it are false alarms.

Here the parts are exchanged by the mesh: the other person's is warped to the place of the person's own, and takes its
colours.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.core.mesh import warp_mesh
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import Interval, bootstrap, widen
from mien.evaluation.pairs import Pairs
from mien.evaluation.saliency import METHODS, Aligned, Method, Task, embed, find_method
from mien.location.topology import face_topology

__all__ = ["CHANGES", "FALSE_ALARMS", "GameReport", "MethodScore", "Round", "doubles", "play", "rounds"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

#: What is exchanged: regions of the mesh, and by how much they are grown, in parts of the distance of the eyes.
CHANGES: Final[Mapping[str, tuple[tuple[str, ...], float]]] = MappingProxyType(
    {
        "brows": (("right_brow", "left_brow"), 0.12),
        "eyes": (("right_eye", "left_eye"), 0.2),
        "nose": (("nose",), 0.1),
        "mouth": (("lips_outer",), 0.15),
        "cheeks": (("right_cheek", "left_cheek"), 0.1),
        "chin": (("chin",), 0.1),
    }
)

#: Parts of the unchanged pixels at which the curve is read.
FALSE_ALARMS: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
# Parts of all pixels that are exchanged, one after the other.
_LEVELS: Final = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
# Of how strange a pixel of the double is: what counts as changed.
_CHANGED = 0.1


@dataclass(frozen=True, eq=False)
class Round:
    """One round of the game.

    Parameters
    ----------
    person, change : str
        Who, and what was exchanged.
    probe : Aligned
    double : (144, 144, 3) uint8
        The probe with the part of somebody else.
    mate, mate_double : (144, 144, 3) uint8
        Another picture of the person, and its double.
    changed : (144, 144) bool
        Where probe and double differ.
    """

    person: str
    change: str
    probe: Aligned
    double: Image
    mate: Image
    mate_double: Image
    changed: NDArray[np.bool_]


@dataclass(frozen=True)
class MethodScore:
    """How a method played.

    Parameters
    ----------
    method : str
    rates : tuple of float
        The part of the rounds in which the mixture is taken for the double, at each of `FALSE_ALARMS`.
    intervals : tuple of (low, high)
        95 %, over people.
    area : float
        Mean of the rate over false alarms from 0 to 0.2: 1 is perfect.
    area_interval : (low, high)
    hits : float
        The part of the rounds in which the map's strongest pixel is a changed one.
    """

    method: str
    rates: tuple[float, ...]
    intervals: tuple[Interval, ...]
    area: float
    area_interval: Interval
    hits: float


@dataclass(frozen=True)
class GameReport:
    """What came of the game.

    Parameters
    ----------
    model : str
        The embedder.
    people, rounds : int
        How many people, and how many rounds were played.
    unnoticed : int
        Rounds that were left out, since the embedder does not take the doubles for each other's person.
    by_change : mapping of str to (int, int)
        For each part of the face, rounds played and left out.
    methods : tuple of MethodScore
    """

    model: str
    people: int
    rounds: int
    unnoticed: int
    by_change: Mapping[str, tuple[int, int]]
    methods: tuple[MethodScore, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        scores = [
            {
                **vars(one),
                "rates": dict(zip(map(str, FALSE_ALARMS), one.rates, strict=True)),
                "intervals": [list(interval) for interval in one.intervals],
                "area_interval": list(one.area_interval),
            }
            for one in self.methods
        ]
        counts = {name: {"played": played, "left_out": left} for name, (played, left) in self.by_change.items()}
        return {**vars(self), "by_change": counts, "methods": scores}


# --- doubles --------------------------------------------------------------------------------------------------------


def doubles(face: Aligned, donor: Aligned, change: str, triangles: Ints) -> tuple[Image, NDArray[np.bool_]]:
    """A face with one part of somebody else's.

    Parameters
    ----------
    face, donor : Aligned
    change : str
        One of `CHANGES`.
    triangles : (T, 3) int32
        Of the mesh.

    Returns
    -------
    double : (144, 144, 3) uint8
    changed : (144, 144) bool
        Where it differs from the face.

    Raises
    ------
    UsageError
        If there is no such part.
    """
    if change not in CHANGES:
        raise UsageError(f"no part of the face is called {change!r}; there are {', '.join(CHANGES)}.")
    count = int(triangles.max()) + 1
    size = face.image.shape[0], face.image.shape[1]
    other, drawn = warp_mesh(donor.image, donor.points[:count], face.points[:count], triangles, size)
    weight = face.region(*CHANGES[change]) * drawn
    inside = weight > 0.5
    if not inside.any():
        return face.image.copy(), np.zeros(size, np.bool_)
    # The part takes the mean colour and the contrast of what it replaces: what is left to see is its form.
    own, new = face.image.astype(np.float32), other.astype(np.float32)
    contrast = own[inside].mean(axis=1).std() / max(float(new[inside].mean(axis=1).std()), 1.0)
    new = (new - new[inside].mean(axis=0)) * np.clip(contrast, 0.5, 2) + own[inside].mean(axis=0)
    mixed = own + weight[..., None] * (np.clip(new, 0, 255) - own)
    return np.asarray(np.rint(mixed), np.uint8), np.asarray(weight > _CHANGED)


def rounds(
    source: Pairs | str | os.PathLike[str],
    *,
    per_person: int = 3,
    changes: Sequence[str] = tuple(CHANGES),
    engine: Engine | None = None,
) -> Iterator[Round]:
    """Make the rounds of a game from pictures of people.

    Each probe's mate is the person's next picture. The parts come from other people, each from another one, as far as
    there are; those come first who hold their heads most like the probe's.

    Parameters
    ----------
    source : Pairs or folder
        A folder with one folder of two or more pictures per person.
    per_person : int
        Probes of each person; each is played once for every part.
    changes : sequence of str
        Parts of the face to exchange.
    engine : Engine, optional

    Yields
    ------
    Round

    Raises
    ------
    UsageError
        If a part is unknown, or there are not two people of whom one has two pictures with a face.
    """
    unknown = set(changes) - set(CHANGES)
    if unknown:
        raise UsageError(f"no part of the face is called {min(unknown)!r}; there are {', '.join(CHANGES)}.")
    engine = engine or default_engine()
    pairs = source if isinstance(source, Pairs) else Pairs.of_folder(source)
    triangles = face_topology(engine=engine).triangles
    known: dict[str, list[Aligned]] = {}
    for path, person in zip(pairs.pictures, pairs.people, strict=True):
        if len(known.get(person, ())) > per_person:  # as many probes, and a mate for the last
            continue
        faces = engine.analyze(path, want={"alignment", "landmarks"}).top(1)
        if len(faces) and not faces.landmarks.abstained[0]:
            known.setdefault(person, []).append(Aligned.of(faces[0]))
    if len(known) < 2 or max(map(len, known.values())) < 2:
        raise UsageError("the game needs two people, and one with two pictures that show a face.")
    for person, own in known.items():
        for probe, mate in itertools.islice(itertools.pairwise(own), per_person):
            others = [min(faces, key=probe.distance) for other, faces in known.items() if other != person]
            yield from _exchange(person, probe, mate, sorted(others, key=probe.distance), changes, triangles)


def _exchange(
    person: str, probe: Aligned, mate: Aligned, donors: Sequence[Aligned], changes: Sequence[str], triangles: Ints
) -> Iterator[Round]:
    """One round for each part, as far as it is seen."""
    for change, donor in zip(changes, itertools.cycle(donors), strict=False):
        double, changed = doubles(probe, donor, change, triangles)
        mate_double, _ = doubles(mate, donor, change, triangles)
        if changed.any():
            yield Round(person, change, probe, double, mate.image, mate_double, changed)


# --- the game -------------------------------------------------------------------------------------------------------


def play(
    source: Pairs | str | os.PathLike[str],
    *,
    methods: Sequence[str | Method] = tuple(METHODS),
    per_person: int = 3,
    engine: Engine | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> GameReport:
    """Play the game on pictures of people, with an interval over people.

    Parameters
    ----------
    source, per_person
        As for `rounds`.
    methods : sequence of str or Method
        Those that play.
    engine : Engine, optional
        Its embedder is the one to be explained.
    progress : callable, optional
        Told after each round that one more is done.

    Returns
    -------
    GameReport

    Raises
    ------
    UsageError
        If there is no such method, or too few pictures.
    """
    engine = engine or default_engine()
    players = [find_method(method) for method in methods]
    counts: dict[str, list[int]] = {}
    curves: dict[str, list[Floats]] = {}
    for one in rounds(source, per_person=per_person, engine=engine):
        progress(1)
        played = _play_round(one, players, engine)
        counts.setdefault(one.change, [0, 0])[played is None] += 1
        if played is not None:
            curves.setdefault(one.person, []).append(played)
    by_person = [np.stack(own) for own in curves.values()]  # each (rounds, methods, false alarms and a hit)
    return GameReport(
        model=engine.choose("embedding").id,
        people=len(by_person),
        rounds=sum(map(len, by_person)),
        unnoticed=sum(left for _, left in counts.values()),
        by_change={name: (played, left) for name, (played, left) in counts.items()},
        methods=tuple(_score(player.name, [own[:, row] for own in by_person]) for row, player in enumerate(players)),
    )


def _play_round(one: Round, players: Sequence[Method], engine: Engine) -> Floats | None:
    """For each method, whether the mixture is taken for the double at each rate, and whether its map's top is a hit."""
    fixed = embed(np.stack([one.mate, one.mate_double, one.probe.image, one.double]), engine)
    toward_mate = fixed[0] - fixed[1]

    def score(squares: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(embed(squares, engine) @ toward_mate, np.float64)

    if not (fixed[2] @ toward_mate > 0 > fixed[3] @ toward_mate):  # NaN is no more than 0
        return None
    task = Task(one.probe, one.mate_double, score)
    results = []
    for player in players:
        values = player.explain(task)
        order = np.argsort(-values, axis=None, kind="stable")
        taken = np.zeros((len(_LEVELS), values.size), np.bool_)
        for row, level in enumerate(_LEVELS):
            taken[row, order[: round(level * values.size)]] = True
        masks = taken.reshape(-1, *values.shape)
        mixtures = np.where(masks[..., None], one.double, one.probe.image)
        fooled = score(mixtures) < 0
        alarms = (masks & ~one.changed).sum(axis=(1, 2)) / max(int((~one.changed).sum()), 1)
        # At each rate, the furthest that the map goes without more false alarms.
        curve = [bool(fooled[alarms <= rate][-1:].any()) for rate in FALSE_ALARMS]
        results.append([*curve, one.changed.flat[order[0]]])
    return np.asarray(results, np.float32)


def _score(method: str, by_person: Sequence[Floats]) -> MethodScore:
    """Means over all rounds, intervals over people."""
    if not by_person:
        nothing = (float("nan"), float("nan"))
        blank = (float("nan"),) * len(FALSE_ALARMS)
        return MethodScore(method, blank, (nothing,) * len(FALSE_ALARMS), blank[0], nothing, blank[0])
    everything = np.concatenate(by_person)
    areas = [_area(own[:, :-1]) for own in by_person]
    return MethodScore(
        method=method,
        rates=tuple(everything[:, :-1].mean(axis=0).astype(float).round(4).tolist()),
        intervals=tuple(_interval([own[:, column] for own in by_person]) for column in range(len(FALSE_ALARMS))),
        area=float(np.concatenate(areas).mean()),
        area_interval=_interval(areas),
        hits=float(everything[:, -1].mean()),
    )


def _area(curves: Floats) -> Floats:
    """Of each curve, the mean rate over false alarms from 0 to 0.2."""
    upto = FALSE_ALARMS.index(0.2) + 1
    return np.asarray(np.trapezoid(curves[:, :upto], FALSE_ALARMS[:upto], axis=1) / FALSE_ALARMS[upto - 1], np.float32)


def _interval(by_person: Sequence[Floats]) -> Interval:
    """Over people, and never narrower than that of independent rounds."""
    values = np.concatenate(by_person)
    low, high = bootstrap(lambda parts: float(np.concatenate(parts).mean()), list(by_person))
    return widen((low, high), min(float(values.mean()), 1.0), len(values))
