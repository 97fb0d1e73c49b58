"""Overlap of boxes and the suppression of duplicates.

Boxes are ``float32`` rows (x1, y1, x2, y2) in pixels. A box with x2 <= x1 or y2 <= y1 is empty: it has no area and
overlaps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch

__all__ = ["iou", "nms", "weighted_box_fusion", "weighted_nms"]

Overlap: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float32]]


def iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float32]:
    """Intersection over union of every box of `a` with every box of `b`.

    Parameters
    ----------
    a, b : array of shape (N, 4) and (M, 4)

    Returns
    -------
    float32 array of shape (N, M), in [0, 1]
        0 where either box is empty.

    Raises
    ------
    ShapeMismatch
        If either is not of shape (N, 4).
    """
    a, b = _boxes("a", a), _boxes("b", b)
    shared = _shared(a, b)
    return _ratio(shared, _areas(a)[:, None] + _areas(b)[None, :] - shared)


def nms(
    boxes: NDArray[Any], scores: NDArray[Any], threshold: float, *, of: Literal["union", "smaller"] = "union"
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: of boxes that overlap by more than `threshold`, only the best stays.

    Parameters
    ----------
    boxes : array of shape (N, 4)
    scores : array of shape (N,)
        Equal scores keep the order of the input.
    threshold : float
        Largest overlap that two kept boxes may have, in [0, 1].
    of : {"union", "smaller"}
        What the area that two boxes share is a part of: their union, or the smaller one of them, so that a box inside
        of another one overlaps it wholly.

    Returns
    -------
    intp array of shape (M,)
        Indices of the kept boxes, best score first.

    Raises
    ------
    ShapeMismatch
        If the shapes do not fit.
    """
    boxes, order = _boxes("boxes", boxes), _best_first(scores, len(boxes))
    leaders = _leaders(boxes[order], threshold, iou if of == "union" else _shared_of_smaller)
    kept: NDArray[np.intp] = order[leaders == np.arange(len(order))]
    return kept


def weighted_nms(
    boxes: NDArray[Any], scores: NDArray[Any], points: NDArray[Any], threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Blend each group of overlapping boxes into one, weighted by score, instead of dropping all but the best.

    It steadies a detector whose anchors fire many times on one face (Bazarevsky et al., *BlazeFace*, 2019).
    Groups are those of `nms`: a box belongs to the best box that it overlaps by more than `threshold`.

    Parameters
    ----------
    boxes : array of shape (N, 4)
    scores : array of shape (N,), >= 0
    points : array of shape (N, K, 2)
    threshold : float
        Overlap from which two boxes are one face, in [0, 1].

    Returns
    -------
    boxes : float32 array of shape (M, 4)
    scores : float32 array of shape (M,)
        The best score of each group, falling.
    points : float32 array of shape (M, K, 2)

    Raises
    ------
    ShapeMismatch
        If the shapes do not fit.
    """
    boxes = _boxes("boxes", boxes)
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 3 or len(points) != len(boxes) or points.shape[2] != 2:
        raise ShapeMismatch(f"points must have the shape ({len(boxes)}, K, 2) to fit the boxes, not {points.shape}.")
    order = _best_first(scores, len(boxes))
    leaders = _leaders(boxes[order], threshold)
    heads = np.flatnonzero(leaders == np.arange(len(order)))
    group = np.searchsorted(heads, leaders)
    weights = np.asarray(scores, dtype=np.float64)[order]
    # Where a whole group has scores of zero, its members count alike.
    weights = np.where(np.bincount(group, weights, len(heads))[group] > 0, weights, 1)
    values = np.concatenate([boxes, points.reshape(len(boxes), 2 * points.shape[1])], axis=1)[order]
    merged = np.zeros((len(heads), values.shape[1]))
    np.add.at(merged, group, weights[:, None] * values)
    merged /= np.bincount(group, weights, len(heads))[:, None]
    best = np.asarray(scores, dtype=np.float32)[order[heads]]
    blended = merged.astype(np.float32)
    return blended[:, :4], best, blended[:, 4:].reshape(len(heads), *points.shape[1:])


def weighted_box_fusion(
    parts: Sequence[tuple[NDArray[Any], NDArray[Any]]], threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Join what several detectors found in one picture: each thing once, with their boxes' mean.

    Solovyev, Wang, Gabruseva, *Weighted boxes fusion: Ensembling boxes from different object detection models*, 2021.
    Boxes, best score first, join the cluster whose mean they overlap most, if by more than `threshold`, or begin one.
    A mean is weighted by the scores. A cluster's score is its members' mean, times the part of the detectors that have
    a box in it: what one of two detectors found is half as sure.

    Parameters
    ----------
    parts : sequence of (boxes, scores)
        For each detector, arrays of shape (N, 4) and (N,), scores in [0, 1].
    threshold : float
        Overlap from which two boxes are of one thing, in [0, 1].

    Returns
    -------
    boxes : float32 array of shape (M, 4)
    scores : float32 array of shape (M,), falling
    best : intp array of shape (M,)
        The member of each cluster with the highest score, counted through all parts.

    Raises
    ------
    ShapeMismatch
        If the shapes do not fit.
    """
    owner = np.repeat(np.arange(len(parts)), [len(boxes) for boxes, _ in parts])
    boxes = np.concatenate([np.zeros((0, 4)), *(_boxes("boxes", boxes) for boxes, _ in parts)])
    scores = np.concatenate([np.zeros(0), *(np.asarray(scores, np.float64) for _, scores in parts)])
    clusters: list[list[int]] = []
    means = np.zeros((len(boxes), 4))
    for index in _best_first(scores, len(boxes)).tolist():
        overlaps = iou(boxes[index : index + 1], means[: len(clusters)])[0]
        if len(clusters) and overlaps.max() > threshold:
            place = int(overlaps.argmax())
            clusters[place].append(index)
        else:
            place = len(clusters)
            clusters.append([index])
        members = clusters[place]
        # Where all members have scores of zero, they count alike.
        weights = scores[members] if scores[members].any() else np.ones(len(members))
        means[place] = np.average(boxes[members], axis=0, weights=weights)
    fused = [scores[members].mean() * len(set(owner[members])) / len(parts) for members in clusters]
    order = np.argsort(-np.array(fused), kind="stable").astype(np.intp)
    best = np.array([members[0] for members in clusters], dtype=np.intp)
    return means[order].astype(np.float32), np.array(fused, np.float32)[order], best[order]


def _leaders(
    boxes: NDArray[np.float64], threshold: float, overlap_of: Overlap = iou, block: int = 256
) -> NDArray[np.intp]:
    """For each of the boxes, best first, the index of the kept box that it gives way to; its own if it is kept.

    Greedy, as the definition asks, but block by block: of many boxes no N x N matrix is made.
    """
    leaders = np.full(len(boxes), -1, dtype=np.intp)
    for start in range(0, len(boxes), block):
        here, rest = leaders[start : start + block], leaders[start + block :]
        overlaps = overlap_of(boxes[start : start + block], boxes[start : start + block]) > threshold
        for i, overlap in enumerate(overlaps):
            if here[i] < 0:
                here[overlap & (here < 0)] = start + i
                here[i] = start + i  # an empty box does not overlap even itself
        heads = start + np.flatnonzero(here == np.arange(start, start + len(here)))
        if len(heads) and len(rest):
            overlaps = overlap_of(boxes[heads], boxes[start + block :]) > threshold
            taken = overlaps.any(axis=0) & (rest < 0)
            rest[taken] = heads[overlaps.argmax(axis=0)[taken]]
    return leaders


def _boxes(name: str, boxes: NDArray[Any]) -> NDArray[np.float64]:
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeMismatch(f"{name} must have the shape (N, 4), not {boxes.shape}.")
    return boxes


def _shared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area that every box of one has in common with every box of the other, (N, M)."""
    width, height = (
        (np.minimum(a[:, None, i + 2], b[:, i + 2]) - np.maximum(a[:, None, i], b[:, i])).clip(min=0) for i in (0, 1)
    )
    return np.asarray(width * height)


def _shared_of_smaller(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float32]:
    return _ratio(_shared(a, b), np.minimum(_areas(a)[:, None], _areas(b)[None, :]))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0).astype(np.float32)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1))


def _best_first(scores: NDArray[Any], count: int) -> NDArray[np.intp]:
    scores = np.asarray(scores)
    if scores.shape != (count,):
        raise ShapeMismatch(f"scores must have the shape ({count},) to fit the boxes, not {scores.shape}.")
    return np.argsort(-scores, kind="stable")
