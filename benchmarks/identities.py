"""Embeddings of people who do not exist, distributed like real ones: for galleries larger than any set of pictures.

A vector is the direction of a person plus that of a picture, made of length 1 and turned by a fixed random rotation.

- People: Gaussian, with a spectrum (1 - i/d)**2 whose participation ratio is the effective dimension (1 / variance of
  the cosines of strangers). A part of each is shared by one of 60 groups (age, sex, likeness), so that strangers can be
  alike: 0.7 x Beta(1.5, 1.5) of the squared length. All share a little (a real mean is not 0).
- Pictures: Gaussian, with the flatter spectrum (1 - i/d)**0.5; the squared length is log-normal, partly the person's.

Fitted by eye to quantiles of cosines of three embedders. Real genuine pairs: ``identities``, 5 people of LFW, 225
pairs; real impostor pairs: ``identities`` and ``identities_johns``, 10 people, 4,960 pairs / ``age_gender``, 394 people
of all ages, 77,421 pairs; synthetic: 8,000 vectors. ``python -m benchmarks.identities`` prints these and more again:

    genuine        1 %     5 %    50 %    95 %    mean    deviation
    edgeface-s   0.540   0.618   0.775   0.871   0.767   0.073    real
                 0.558   0.636   0.780   0.874   0.770   0.074    synthetic
    arcface-mbf  0.367   0.486   0.642   0.758   0.632   0.090    real
                 0.404   0.475   0.640   0.775   0.635   0.091    synthetic
    impostor      50 %           95 %           99 %           99.9 %         deviation
    edgeface-s   0.016/0.019    0.183/0.231    0.256/0.389    0.333/0.569    0.109/0.122    real
                 0.012          0.189          0.283          0.464          0.107          synthetic
    sface        0.089/0.078    0.250/0.333    0.314/0.490    0.360/0.617    0.098/0.131    real
                 0.091          0.246          0.328          0.475          0.093          synthetic
    arcface-mbf  0.005/0.026    0.136/0.207    0.195/0.380    0.232/0.530    0.074/0.096    real
                 0.011          0.133          0.212          0.382          0.075          synthetic
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.people import FRAMES, framed, pictures
from mien.core.image import load_image
from mien.engine import Engine

__all__ = ["KINDS", "Identities", "Kind"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

DIMENSION = 512
GROUPS = 60
SPREAD = 0.45  # of the logarithm of a picture's squared length, and half of that of a person's
BLOCK = 8192
QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Kind:
    """How an embedder's vectors are distributed.

    Parameters
    ----------
    effective : float
        1 / variance of the cosines of strangers.
    noise : float
        Median squared length of what a picture adds to a person's direction of length 1.
    centre : float
        Mean cosine of strangers.
    """

    effective: float
    noise: float
    centre: float

    def spectrum(self, power: float) -> Floats:
        """Standard deviations along the axes, squares summing to 1."""
        flat = self.effective * (1 - self.centre) ** 2  # of what is left when the mean is taken away
        length = flat * 9 / 5  # the participation ratio of (1 - i/d)**2 is 5 d / 9
        variances = (1 - (np.arange(int(length)) + 0.5) / length) ** power
        return np.asarray(np.sqrt(variances / variances.sum()), np.float32)


KINDS = {
    "edgeface-s": Kind(84, 0.28, 0.01),
    "sface": Kind(107, 0.43, 0.09),
    "arcface-mbf": Kind(170, 0.56, 0.01),
}


class Identities:
    """People with pictures: the same ones for the same arguments.

    Parameters
    ----------
    kind : Kind
    count : int
        Vectors in all; a person has 1 + a geometric number of them.
    mean : float
        Vectors a person has on average.
    seed : int
    """

    def __init__(self, kind: Kind, count: int, *, mean: float = 4.0, seed: int = 0) -> None:
        self.kind, self.count, self.seed = kind, count, seed
        draw = np.random.default_rng([seed, 0])
        sizes = draw.geometric(1 / mean, count)
        sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), count)) + 1]
        self.people = len(sizes)
        self.persons: Ids = draw.permutation(np.repeat(np.arange(self.people), sizes)[:count])  #: of each vector
        width = len(kind.spectrum(2))
        normal = draw.standard_normal((DIMENSION, width + 1))
        self._axes = np.linalg.qr(normal)[0].T.astype(np.float32)
        self._groups = _unit(draw.standard_normal((GROUPS, width), np.float32) * kind.spectrum(2))
        self._known = np.concatenate(
            [self._directions(self.people, [seed, 1]), self._clarity(self.people, [seed, 2])], 1
        )

    def rows(self) -> Iterator[tuple[Ids, Floats]]:
        """Ids 0, 1, ... and vectors (N, 512) of length 1, in portions."""
        for number, start in enumerate(range(0, self.count, BLOCK)):
            ids = np.arange(start, min(start + BLOCK, self.count), dtype=np.int64)
            yield ids, self._pictures(self._known[self.persons[ids]], [self.seed, 3, number])

    def probes(self, count: int) -> tuple[Ids, Floats]:
        """New pictures of enrolled people: who they are, and vectors."""
        persons = np.random.default_rng([self.seed, 4]).choice(np.unique(self.persons), count)
        return persons, self._pictures(self._known[persons], [self.seed, 5])

    def strangers(self, count: int) -> Floats:
        """Pictures of people who are not enrolled."""
        people = np.concatenate([self._directions(count, [self.seed, 6]), self._clarity(count, [self.seed, 7])], axis=1)
        return self._pictures(people, [self.seed, 8])

    def _directions(self, count: int, seed: list[int]) -> Floats:
        draw = np.random.default_rng(seed)
        own = _unit(draw.standard_normal((count, self._groups.shape[1]), np.float32) * self.kind.spectrum(2))
        shared = 0.7 * draw.beta(1.5, 1.5, (count, 1)).astype(np.float32)
        return _unit(np.sqrt(shared) * self._groups[draw.integers(0, GROUPS, count)] + np.sqrt(1 - shared) * own)

    def _clarity(self, count: int, seed: list[int]) -> Floats:
        """Logarithm of the squared length that a person's pictures add."""
        normal = np.random.default_rng(seed).standard_normal((count, 1), np.float32)
        return np.asarray(np.log(self.kind.noise) + SPREAD / 2 * normal, np.float32)

    def _pictures(self, people: Floats, seed: list[int]) -> Floats:
        draw = np.random.default_rng(seed)
        noise = _unit(draw.standard_normal((len(people), people.shape[1] - 1), np.float32) * self.kind.spectrum(0.5))
        length = np.exp((people[:, -1:] + SPREAD * draw.standard_normal((len(people), 1), np.float32)) / 2)
        flat = _unit(people[:, :-1] + length * noise) * np.float32(np.sqrt(1 - self.kind.centre))
        centre = np.full((len(people), 1), np.sqrt(self.kind.centre), np.float32)
        return np.asarray(np.concatenate([centre, flat], axis=1) @ self._axes, np.float32)


def _unit(vectors: NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _quantiles(kind: str, source: str, scores: Floats) -> str:
    numbers = "  ".join(f"{value:6.3f}" for value in np.quantile(scores, QUANTILES))
    return f"{kind:12} {source:24} {numbers}   mean {scores.mean():.3f}, deviation {scores.std():.3f}"


def _cosines(first: Floats, persons: NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Of genuine and of impostor pairs."""
    one, two = np.triu_indices(len(first), 1)
    scores, same = (first @ first.T)[one, two], persons[one] == persons[two]
    return scores[same], scores[~same]


def main() -> None:
    parser = argparse.ArgumentParser(description="Cosines of real embeddings and of synthetic ones.")
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    data = parser.parse_args().data
    print(f"{'':37} " + "  ".join(f"{100 * value:5g}%" for value in QUANTILES))
    for name, kind in KINDS.items():
        with Engine(threads=1, models={"embedding": name}) as engine:
            embed = functools.partial(engine.analyze, want={"embedding"})
            sets = {}
            for folder in ("identities", "identities_johns"):
                files = sorted((data / folder).glob("*/*.jpg"))
                found = [embed(load_image(file)).top(1).embedding.values[0] for file in files]
                sets[folder] = np.stack(found), np.array([file.parent.name for file in files])
            crops = [framed(f, *FRAMES[i % len(FRAMES)]) for i, f in enumerate(pictures(data / "age_gender"))]
            others = np.stack([embed(crop).top(1).embedding.values[0] for crop in crops])
        ten = [np.concatenate(parts) for parts in zip(*sets.values(), strict=True)]
        made = Identities(kind, 8000)
        vectors = np.concatenate([rows for _, rows in made.rows()])
        print(_quantiles(name, "genuine, LFW", _cosines(*sets["identities"])[0]))
        print(_quantiles("", "genuine, synthetic", _cosines(vectors, made.persons)[0]))
        print(_quantiles("", "impostor, LFW and johns", _cosines(ten[0], ten[1])[1]))
        print(_quantiles("", "impostor, age_gender", _cosines(others, np.arange(len(others)))[1]))
        print(_quantiles("", "impostor, synthetic", _cosines(vectors, made.persons)[1]))


if __name__ == "__main__":
    main()
