"""Verification of templates: everything that is known of somebody at once, against another such (IJB, VGGFace2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, UsageError
from mien.datasets.readers.ijb import Matches, Templates
from mien.datasets.readers.pairs import Pairs
from mien.embeddings.templates import fuse_groups
from mien.evaluation.scores import Scores, cosines
from mien.evaluation.verification import VerificationReport, evaluate_scores

__all__ = ["evaluate_templates", "template_scores", "templates_of"]

Floats = NDArray[np.float32]


def evaluate_templates(
    vectors: Floats, templates: Templates, matches: Matches, *, rates: Sequence[float] = (1e-2, 1e-3)
) -> tuple[VerificationReport, Scores]:
    """Measure verification of fused templates, from the vectors (N, D) of their faces; NaN where there is none.

    Raises
    ------
    ShapeMismatch
        If there is not one vector for each face.
    UsageError
        If there are no genuine or no impostor pairs, or a rate is none.
    """
    scores = template_scores(vectors, templates, matches)
    report = evaluate_scores(
        scores.values,
        scores.first,
        scores.second,
        rates=rates,
        pictures=len(vectors),
        without_face=int(np.isnan(vectors[:, 0]).sum()),
        named=None not in templates.people,
    )
    return report, scores


def template_scores(vectors: Floats, templates: Templates, matches: Matches) -> Scores:
    """Cosines of fused templates, from the vectors (N, D) of their faces.

    Frames of one video are averaged first; see `mien.embeddings.templates.fuse`. Where nothing tells who a template
    is, everybody is somebody else from pair to pair.
    """
    if len(vectors) != len(templates.pictures):
        raise ShapeMismatch(f"{len(vectors)} vectors for {len(templates.pictures)} faces.")
    column = Vectors(vectors, space="any")
    fused = fuse_groups(column, templates.owners, len(templates.ids), media=templates.media)
    values = cosines(np.asarray(fused.values, np.float32), matches.first, matches.second)
    if None not in templates.people:
        _, people = np.unique(np.asarray(templates.people, str), return_inverse=True)
        return Scores(values, people[matches.first], people[matches.second])
    pair = 2 * np.arange(len(values))
    return Scores(values, pair, np.where(matches.same, pair, pair + 1))


def templates_of(pairs: Pairs, *, size: int, seed: int = 0) -> tuple[Templates, Matches]:
    """Templates of so many pictures each, of a folder-per-person set, and all pairs of them (as VGGFace2 has five).

    Each person's pictures are shuffled and dealt; what is left over makes no template. The medium of a face is the
    number of its picture in `pairs`.

    Parameters
    ----------
    pairs : Pairs
        Its pictures and people.
    size : int
        Pictures a template has.
    seed : int
        Of the shuffle.

    Raises
    ------
    UsageError
        If `size` is none, or fewer than two templates come of it.
    """
    if size < 1:
        raise UsageError(f"a template has 1 picture or more, not {size}.")
    draw = np.random.default_rng(seed)
    names, owners = np.unique(np.asarray(pairs.people, str), return_inverse=True)
    parts: list[NDArray[np.intp]] = []
    for number in range(len(names)):
        rows = draw.permutation(np.flatnonzero(owners == number))
        parts.append(rows[: len(rows) // size * size].reshape(-1, size))
    dealt = np.concatenate(parts)
    if len(dealt) < 2:
        raise UsageError(f"no two templates of {size} pictures come of these people.")
    who = owners[dealt[:, 0]]
    templates = Templates(
        pictures=tuple(pairs.pictures[row] for row in dealt.ravel().tolist()),
        boxes=np.full((dealt.size, 4), np.nan, np.float32),
        media=tuple(map(str, dealt.ravel().tolist())),
        owners=np.repeat(np.arange(len(dealt)), size),
        ids=tuple(range(len(dealt))),
        people=tuple(names[who].tolist()),
    )
    first, second = np.triu_indices(len(dealt), 1)
    return templates, Matches(first, second, np.asarray(who[first] == who[second]))
