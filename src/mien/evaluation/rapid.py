"""A quick audit of a recognition system in one go: a folder of people's pictures in, a report without a verdict out.

In the spirit of Knott, Serna, Mann, Perona, *A Rapid Test for Accuracy and Bias of Face Recognition Technology*, 2025,
whose tool gathers pictures by people's names, so that some are of others, tells by the systems' own scores which these
are, and gives error rates by group. Here nothing is gathered: the pictures are yours, in a folder for each name, and so
are the groups. Assumed is that most pictures of a folder are of its person, and that folders are of different people.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.datasets.readers.groups_csv import groups_of
from mien.engine import Engine
from mien.evaluation.embedding import crops_of, embed_crops, embed_pictures, masked_pictures
from mien.evaluation.groups import GroupReport, evaluate_groups
from mien.evaluation.identification import IdentificationReport, evaluate_vectors
from mien.evaluation.noise import NoiseReport, evaluate_noise
from mien.evaluation.pairs import Pairs
from mien.evaluation.resolution import shrunk
from mien.evaluation.scores import Scores, check_rates
from mien.evaluation.verification import VerificationReport, evaluate_pairs

__all__ = ["RapidReport", "evaluate_rapid"]

Floats = NDArray[np.float32]

SMALL = 32  # pixels of a face that is far away
STRANGERS = 0.1  # FPIR: all that a small set can show


@dataclass(frozen=True)
class RapidReport:
    """The results of the battery.

    Parameters
    ----------
    noise : NoiseReport
        Pictures that may be of somebody else.
    suspects : tuple of str
        Their paths, the least alike first.
    labelled : VerificationReport
        With all pictures as they are labelled.
    cleaned, small, masked : VerificationReport
        Without the suspects: as they are, shrunk to 32 pixels, and with masks painted on. The last is None where it
        was not asked for.
    found : IdentificationReport
        Half of the people enrolled with half of their pictures, without the suspects.
    groups : GroupReport, optional
        Without the suspects.
    """

    noise: NoiseReport
    suspects: tuple[str, ...]
    labelled: VerificationReport
    cleaned: VerificationReport
    small: VerificationReport
    masked: VerificationReport | None
    found: IdentificationReport
    groups: GroupReport | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_rapid(
    folder: str | os.PathLike[str],
    *,
    groups: dict[str, str] | None = None,
    far: float = 1e-3,
    masked: bool = True,
    judge: Engine | None = None,
    engine: Engine | None = None,
) -> RapidReport:
    """Run the battery on a folder that holds one folder of pictures per name.

    Parameters
    ----------
    folder : path
    groups : dict, optional
        As `mien.datasets.readers.groups_csv.read_groups` gives it.
    far : float
        False accept rate of the rows and of the groups' threshold.
    masked : bool
        Once more with masks painted on: what takes longest.
    judge : Engine, optional
        Whose scores tell which pictures are of somebody else; by default those of the system under test, which then
        takes every picture that it fails on for a wrong one.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    SourceError
        If there are not two people.
    UsageError
        If there are not two people with three pictures, or no picture is in a group.
    """
    check_rates((far,))
    pairs = Pairs.of_folder(folder)
    crops = crops_of(pairs.pictures, engine=engine)
    vectors = embed_crops(crops, engine=engine)
    judging = vectors if judge is None else embed_pictures(pairs.pictures, engine=judge)
    noise = evaluate_noise(judging, pairs.people)
    kept = np.setdiff1d(np.arange(len(pairs.pictures)), noise.suspects)
    clean, clean_vectors = _of(pairs, kept), vectors[kept]
    small = embed_crops([crops[row] for row in kept], alter=lambda crop: shrunk(crop, SMALL), engine=engine)
    covered = None
    if masked:
        painted = embed_pictures(masked_pictures(clean.pictures, engine=engine), engine=engine)
        covered = evaluate_pairs(clean, painted, rates=(far,))
    rated = None
    if groups is not None:
        labels = np.array(groups_of(clean.pictures, groups))
        scores = Scores.of_pairs(clean, clean_vectors)
        rated = evaluate_groups(scores, labels[clean.first].tolist(), labels[clean.second].tolist(), far=far)
    return RapidReport(
        noise=noise,
        suspects=tuple(str(pairs.pictures[row]) for row in noise.suspects),
        labelled=evaluate_pairs(pairs, vectors, rates=(far,)),
        cleaned=evaluate_pairs(clean, clean_vectors, rates=(far,)),
        small=evaluate_pairs(clean, small, rates=(far,)),
        masked=covered,
        found=_found(clean_vectors, clean.people),
        groups=rated,
    )


def _of(pairs: Pairs, kept: NDArray[np.intp]) -> Pairs:
    """The pairs of some of the pictures."""
    rows = kept.tolist()
    return Pairs.among([pairs.pictures[row] for row in rows], [pairs.people[row] for row in rows])


def _found(vectors: Floats, people: Sequence[str]) -> IdentificationReport:
    """Search with every second picture among the others, of every second person; the rest are strangers."""
    names, owners = np.unique(np.asarray(people, str), return_inverse=True)
    order = np.zeros(len(owners), np.intp)
    for owner in range(len(names)):
        rows = np.flatnonzero(owners == owner)
        order[rows] = np.arange(len(rows))
    enrolled = (owners % 2 == 0) & (order % 2 == 0)
    who = names[owners]
    return evaluate_vectors(
        vectors[enrolled],
        who[enrolled].tolist(),
        vectors[~enrolled],
        who[~enrolled].tolist(),
        rates=(STRANGERS,),
        ranks=(1,),
    )
