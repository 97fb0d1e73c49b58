"""Looking again at what a search found: which parts of two faces match which.

An embedding is one vector of the whole face; a mask or a hand in front of half of it moves all of that vector. The
network's last feature map still knows what was seen where. Phan and Nguyen (*DeepFace-EMD: Re-ranking using patch-wise
Earth Mover's Distance improves out-of-distribution face identification*, CVPR 2022) compare the two maps patch by
patch: the earth mover's distance finds the cheapest way to move the patches of one face onto those of the other, and
that cost, mixed with the cosine of the embeddings, orders the best candidates anew.

The transport is the entropic one (Cuturi, *Sinkhorn distances*, 2013). What it brings was measured for each embedder:
see the manual. It costs a run of the network for each candidate, and the mixed score has no calibration: it orders, and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Vectors
from mien.core.errors import EmbeddingSpaceMismatch, ShapeMismatch, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import Image
from mien.embeddings.spaces import unit
from mien.engine import Batch, Engine, default_engine

__all__ = ["Importance", "Patches", "Reranked", "match", "patches_of", "rerank", "rerank_patches", "transport"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Importance = Literal["similarity", "uniform"]
Look: TypeAlias = "Face | Image"

WEIGHT = 0.3  # of the transport in the mixed score
SOFTNESS = 0.05  # of the transport: costs that differ by much less are as good as equal
STEPS = 1000  # of Sinkhorn's iteration, at most
ENOUGH = 1e-3  # it ends where no patch is over or under its share by more than this part of the largest share


@runtime_checkable
class _Seer(Protocol):
    """An embedder that tells what it saw where."""

    def feature_maps(self, batch: Batch) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Patches:
    """What a network saw in each part of N faces.

    Parameters
    ----------
    values : (N, P, C) float32
        A vector of length 1 for each patch, row by row from the upper left; NaN where there is nothing to compare.
    grid : (rows, columns)
        How the P patches lie in the aligned crop.
    space : str
        Of the embedder that made them.
    """

    values: Floats
    grid: tuple[int, int]
    space: str

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[1] != self.grid[0] * self.grid[1]:
            raise ShapeMismatch(f"patches of a grid {self.grid} are (N, P, C), not {self.values.shape}.")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice | Sequence[int] | NDArray[np.generic]) -> Patches:
        return Patches(self.values[index], self.grid, self.space)

    @property
    def means(self) -> Floats:
        """Direction of the mean of each face's patches, (N, C)."""
        return unit(self.values.mean(axis=1))


@dataclass(frozen=True, eq=False)
class Reranked:
    """Candidates in their new order.

    Attributes
    ----------
    order : (K,) integers
        Candidates, the best first.
    scores : (K,) float32
        Mixed score of each candidate, in the order in which they were given; NaN for one that could not be looked at
        again, which keeps the place that its cosine gave it.
    cosines : (K,) float32
        Of the embeddings, as before.
    transported : (K,) float32
        Mean cosine of the patches along the cheapest transport.
    """

    order: NDArray[np.intp]
    scores: Floats
    cosines: Floats
    transported: Floats


def patches_of(looks: Faces | Sequence[Look | None], *, engine: Engine | None = None) -> Patches:
    """What the engine's embedder sees where.

    Parameters
    ----------
    looks : Faces, or sequence of Face, (S, S, 3) uint8 or None
        Faces that keep their picture, or crops that are aligned like ``face.crop(template="arcface112")``. None: there
        is nothing to look at.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Returns
    -------
    Patches
        NaN for None, and for a face that cannot be aligned.

    Raises
    ------
    ImageNotKept
        If a face's picture is gone.
    CardError
        If the embedder's card names no feature map.
    UsageError
        If its runner cannot give one.
    """
    engine = engine or default_engine()
    card, runner = engine.choose("embedding"), engine.runner("embedding")
    if not isinstance(runner, _Seer):
        raise UsageError(f"{card.id} does not say what it saw where: choose another embedder to re-rank with.")
    there = {place: look for place, look in enumerate(looks) if look is not None}
    images, faces = [], [engine.analyze(np.zeros((0, 2, 2, 3), np.uint8), aligned=True, want={"alignment"})]
    for look in there.values():
        image, face = _aligned(look, engine)
        images.append(image)
        faces.append(face.only(frozenset({"alignment"})))
    maps = runner.feature_maps(Batch(images, np.arange(len(there)), Faces.concat(faces)))
    _, channels, rows, columns = maps.shape
    values = np.full((len(looks), rows * columns, channels), np.nan, np.float32)
    values[list(there)] = unit(maps.reshape(len(there), channels, rows * columns).transpose(0, 2, 1))
    return Patches(values, (rows, columns), card.space or "")


def _aligned(look: Look, engine: Engine) -> tuple[Image, Faces]:
    """A picture and the one face in it, with the points to align by."""
    if isinstance(look, Face):
        image, faces = look.faces.require_image(), look.faces[[look.row]]
        if "alignment" not in faces.columns:
            faces = engine.analyze(image, faces=faces, want={"alignment"})
        return image, faces
    faces = engine.analyze([look], aligned=True, want={"alignment"})
    return faces.require_image(), faces


def rerank(
    probe: Look,
    candidates: Faces | Sequence[Look | None],
    *,
    cosines: ArrayLike | None = None,
    weight: float = WEIGHT,
    importance: Importance = "similarity",
    engine: Engine | None = None,
) -> Reranked:
    """Look again at the candidates of a search, and order them anew.

    Parameters
    ----------
    probe : Face or (S, S, 3) uint8
        The face that was searched for: one that keeps its picture, or a crop that is aligned like
        ``face.crop(template="arcface112")``.
    candidates : Faces, or sequence of K Face, (S, S, 3) uint8 or None
        What the search found. None, where neither crop nor picture is left: it keeps its place.
    cosines : (K,) array-like, optional
        Similarities that the search gave; by default the engine's embedder is asked, and a candidate None has none.
    weight : float
        Of the transport in the mixed score, in [0, 1]; the cosine has the rest.
    importance : {"similarity", "uniform"}
        How much of a face each patch is: as much as it is like the other face as a whole, so that what covers one of
        them counts little (the paper's APC); or all the same.
    engine : Engine, optional
        By default `mien.default_engine()`. Its embedder should be the one that was searched with.

    Raises
    ------
    ImageNotKept
        If a face's picture is gone.
    UsageError
        If an option is out of range, or the embedder does not say what it saw where.
    ShapeMismatch
        If there is not one cosine per candidate.
    """
    engine = engine or default_engine()
    given = list(candidates)
    found = patches_of([probe, *given], engine=engine)
    if cosines is None:
        cosines = _cosines([probe, *given], engine)
    return rerank_patches(found[:1], found[1:], cosines, weight=weight, importance=importance)


def _cosines(looks: Sequence[Look | None], engine: Engine) -> Floats:
    """Cosine of the first with each of the others; NaN for None."""
    found: dict[int, Vectors] = {}
    for place, look in enumerate(looks):
        if look is not None:
            image, faces = _aligned(look, engine)
            found[place] = engine.analyze(image, faces=faces, want={"embedding"}).embedding
    cosines = np.full(len(looks), np.nan, np.float32)
    cosines[list(found)] = [(column @ found[0])[0, 0] for column in found.values()]
    return cosines[1:]


def rerank_patches(
    probe: Patches,
    candidates: Patches,
    cosines: ArrayLike,
    *,
    weight: float = WEIGHT,
    importance: Importance = "similarity",
) -> Reranked:
    """Order candidates anew by their patches; see `rerank`.

    Parameters
    ----------
    probe, candidates : Patches of 1 and of K faces
    cosines : (K,) array-like

    Raises
    ------
    EmbeddingSpaceMismatch
        If they are of two embedders.
    ShapeMismatch, UsageError
        As `rerank`.
    """
    similar = np.asarray(cosines, np.float32)
    if not 0 <= weight <= 1:
        raise UsageError(f"weight is between 0 and 1, not {weight!r}.")
    if probe.space != candidates.space:
        raise EmbeddingSpaceMismatch(
            f"patches of {probe.space!r} cannot be compared with those of {candidates.space!r}."
        )
    if len(probe) != 1 or similar.shape != (len(candidates),):
        raise ShapeMismatch(
            f"one probe and a cosine for each of {len(candidates)} candidates are needed, "
            f"not {len(probe)} and {similar.shape}."
        )
    transported = _transported(probe, candidates, importance)
    scores = (1 - weight) * similar + weight * transported
    before = np.argsort(-np.nan_to_num(similar, nan=-np.inf), kind="stable")
    # Those that were looked at again take each other's places; the others stay.
    again = before[np.isfinite(scores[before])]
    order = before.copy()
    order[np.isfinite(scores[before])] = again[np.argsort(-scores[again], kind="stable")]
    return Reranked(order, scores, similar, transported)


def _transported(probe: Patches, candidates: Patches, importance: Importance) -> Floats:
    """Mean cosine along the cheapest transport of one face to each of the others, (K,)."""
    result = np.full(len(candidates), np.nan, np.float32)
    rows = np.flatnonzero(np.isfinite(candidates.values).all(axis=(1, 2)))
    if not len(rows) or not np.isfinite(probe.values).all():
        return result
    plans, cosines = match(probe, candidates[rows], importance=importance)
    result[rows] = (plans * cosines).sum(axis=(1, 2))
    return result


def match(probe: Patches, candidates: Patches, *, importance: Importance = "similarity") -> tuple[Doubles, Doubles]:
    """Which patch of a face goes to which of others at the least cost, one less their cosine.

    Parameters
    ----------
    probe, candidates : Patches of 1 and of K faces
        Without NaN.
    importance : {"similarity", "uniform"}
        See `rerank`.

    Returns
    -------
    plans, cosines : (K, P, P) float64
        How much of each patch of the probe goes to each of a candidate, which sums to 1 for each candidate; and how
        alike the two are.

    Raises
    ------
    UsageError
        If there is no such importance.
    """
    if importance not in get_args(Importance):
        raise UsageError(f"importance is one of {', '.join(get_args(Importance))}; got {importance!r}.")
    cosines = np.asarray(probe.values @ candidates.values.transpose(0, 2, 1), np.float64)
    return transport(1 - cosines, *_SHARES[importance](probe, candidates)), cosines


def transport(costs: ArrayLike, sources: ArrayLike, targets: ArrayLike, *, softness: float = SOFTNESS) -> Doubles:
    """How much of each source goes to each target, at the least cost and a little spread out (Sinkhorn's algorithm).

    Parameters
    ----------
    costs : (K, P, R) array-like
        Of moving one unit from a source to a target, in each of K problems.
    sources, targets : (K, P), (K, R) array-like
        What each has and takes; each row sums to 1.
    softness : float
        Weight of the plan's entropy, at least a hundredth of the largest cost: what is moved at a cost higher by this
        much more is e times less. The smaller, the nearer to the true optimum, and the slower.

    Returns
    -------
    (K, P, R) float64
        Plans: their columns sum to the targets and their rows, but for a thousandth, to the sources.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If the softness is too small for the costs.
    """
    cost, source, target = (np.asarray(array, np.float64) for array in (costs, sources, targets))
    if cost.ndim != 3 or source.shape != cost.shape[:2] or target.shape != (len(cost), cost.shape[2]):
        raise ShapeMismatch(f"costs {cost.shape}, sources {source.shape} and targets {target.shape} do not fit.")
    if not softness > 0 or np.ptp(cost, axis=(1, 2)).max(initial=0) > 100 * softness:
        raise UsageError(f"a softness of {softness!r} is too small for costs that differ by 100 times as much or more.")
    kernel = np.exp((cost.min(axis=(1, 2), initial=np.inf, keepdims=True) - cost) / softness)
    turned = np.ascontiguousarray(kernel.transpose(0, 2, 1))
    left, right = np.ones_like(source), np.ones_like(target)
    for _ in range(STEPS):
        right = target / (turned @ left[..., None])[..., 0]
        sums = (kernel @ right[..., None])[..., 0]
        if (np.abs(left * sums - source) < ENOUGH * source.max(initial=0)).all():
            break
        left = source / sums
    return np.asarray(left[..., None] * kernel * right[:, None])


def _by_similarity(probe: Patches, candidates: Patches) -> tuple[Doubles, Doubles]:
    """As much as each patch is like the mean of the other face."""
    one = np.einsum("pc,kc->kp", probe.values[0], candidates.means)
    other = np.einsum("kpc,c->kp", candidates.values, probe.means[0])
    return _parts(one), _parts(other)


def _uniform(probe: Patches, candidates: Patches) -> tuple[Doubles, Doubles]:
    count, patches = len(candidates), probe.values.shape[1]
    return np.full((count, patches), 1 / patches), np.full((count, patches), 1 / patches)


def _parts(values: Floats) -> Doubles:
    """Shares that sum to 1, of what is above 0; but a trace to all, so that nothing is divided by 0."""
    positive = np.maximum(np.nan_to_num(values.astype(np.float64)), 1e-6)
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))


_SHARES: Mapping[Importance, Callable[[Patches, Patches], tuple[Doubles, Doubles]]] = MappingProxyType(
    {"similarity": _by_similarity, "uniform": _uniform}
)
