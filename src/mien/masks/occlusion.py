"""Occlusion: what stands before a face, and which parts of it are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.columns import Column, Levels, Regions, Scores
from mien.core.errors import CardError
from mien.location.canonical import CanonicalFace
from mien.masks.evidence import FEATURES, PARTS, SIDE, SURFACE, ZONES, Evidence, Scene, Template, gather, set_scene
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.core.faces import Face, Faces
    from mien.core.region import Region
    from mien.engine.steps import Batch

__all__ = ["CLASSES", "FLAGS", "LAYOUT", "VISIBLE", "Occlusion", "agree", "hidden_shares", "occluded", "visible_shares"]

Floats: TypeAlias = NDArray[np.float32]

CLASSES = ("clear", "occluded")
LAYOUT = "mesh478 triangles"  #: what the numbers of ``hidden`` are of, in the order of `face_topology().triangles`
VISIBLE = (*PARTS, "face")  #: names of ``visible``
FLAGS = ("mask_worn", "eyes_covered", "mouth_covered")  #: names of ``covered``
#: Parts that the flags are told by.
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "forehead": ("forehead",),
        "eyes": ("right_eye", "left_eye"),
        "nose": ("nose",),
        "cheeks": ("right_cheek", "left_cheek"),
        "mouth": ("mouth",),
        "chin": ("chin",),
    }
)
DECIDES = [list(GROUPS).index(name) for name in ("mouth", "eyes", "mouth")]  # each of `FLAGS`
STEEP = 12.0  # log odds that count as sure; and those of cells without a face, which are clear
LEAST_CELLS = 6  # that a part of the face must have to be told of
ROUNDS = 5  # in which cells listen to their neighbours


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``; what they mean stands there."""

    zones: Mapping[str, Sequence[float]]
    evidence: Mapping[str, Sequence[float]]
    units: Sequence[float]
    base: float
    flags: Mapping[str, Sequence[float]]
    agreement: float
    contrast: float
    smallest: float


@dataclass(frozen=True)
class _Told:
    """What is told of one face."""

    grid: Floats  # (2, 3)
    odds: Floats  # (S, S)
    hidden: Floats  # (T,)
    visible: Floats  # (len(VISIBLE),)
    covered: Floats  # (len(FLAGS),)


class Occlusion:
    """Gives ``occlusion``, ``hidden``, ``visible`` and ``covered`` by the parsing and the fitted appearance.

    Of what the head hides by itself nothing is known: its triangles have 0 in ``hidden``, and ``visible`` does not
    count them; nor what lies outside of the picture. A part of which less than a few cells are in sight has no share
    (NaN).

    Where the mesh sees no face but a detector is sure of one, as of most that wear a mask, the average face is laid
    over the five points of ``alignment`` instead: coarser, and better than nothing.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``geometry`` (the mesh's triangles); its params are explained there.

    Raises
    ------
    CardError
        If the card's params do not fit `FEATURES`, `ZONES` and `FLAGS`.
    """

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.card.settings(_Settings)
        units = len(settings.units)
        tables = [
            [table.get(name, ()) for name in names]
            for table, names in ((settings.zones, ZONES), (settings.evidence, FEATURES))
        ]
        if any(len(row) != units for rows in tables for row in rows) or set(settings.flags) != set(FLAGS):
            raise CardError(f"the card of {bundle.card.id} does not give numbers for each zone, evidence and flag.")
        self._zones, self._evidence = (np.array(rows, np.float32) for rows in tables)
        self._units, self._base = np.array(settings.units, np.float32), np.float32(settings.base)
        self._flags = np.array([settings.flags[name] for name in FLAGS], np.float32)
        self._settings = settings
        self._template = Template(CanonicalFace.read(bundle.path("geometry")))

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        faces, count, settings = batch.faces, len(batch.faces), self._settings
        meshes, reasons = _geometry(faces, self._template)
        scores = np.full((count, len(CLASSES), SIDE, SIDE), np.nan, np.float32)
        grids = np.full((count, 6), np.nan, np.float32)
        hidden = np.full((count, len(self._template.topology.triangles)), np.nan, np.float32)
        visible, covered = (np.full((count, len(names)), np.nan, np.float32) for names in (VISIBLE, FLAGS))
        for row in np.flatnonzero([reason is None for reason in reasons]):
            extent = float(np.ptp(meshes[row, :, :2], axis=0).max())
            if extent < settings.smallest:
                reasons[row] = f"the face is too small: {extent:.0f} pixels; {settings.smallest:g} are needed"
                continue
            here = set_scene(batch.images[batch.owner[row]], meshes[row], self._template)
            if not here.inside.any():
                reasons[row] = "no part of the face is in the picture"
                continue
            told = self._tell(here, faces.parse[int(row)])
            scores[row] = np.stack([-told.odds, told.odds]) / 2
            grids[row], hidden[row] = told.grid.ravel(), told.hidden
            visible[row], covered[row] = told.visible, told.covered
        why = tuple(reasons)
        return {
            "occlusion": Regions(scores, names=CLASSES, grids=grids, sizes=batch.sizes, reasons=why),
            "hidden": Levels(hidden, layout=LAYOUT, reasons=why),
            "visible": Scores(visible, names=VISIBLE, reasons=why),
            "covered": Scores(covered, names=FLAGS, reasons=why),
        }

    def _tell(self, here: Scene, parse: Regions) -> _Told:
        evidence = gather(here, parse, self._template)
        alone = np.zeros((SIDE, SIDE), np.float32)
        alone[here.inside] = self._weigh(evidence.features[here.inside], evidence.zone[here.inside])
        odds = agree(alone, evidence, self._settings.agreement, self._settings.contrast)
        odds = np.where(here.inside, odds, np.float32(-STEEP)).clip(-STEEP, STEEP)
        visible = visible_shares(here, odds, self._template)
        return _Told(here.grid, odds, self._hidden(here, odds), visible, self._covered(visible))

    def _weigh(self, features: Floats, zone: NDArray[np.intp]) -> Floats:
        """Log odds of cells by themselves (P,): one layer of units between the evidence (P, F) and these."""
        return np.asarray(np.tanh(features @ self._evidence + self._zones[zone]) @ self._units + self._base)

    def _hidden(self, here: Scene, odds: Floats) -> Floats:
        """Mean probability of each triangle's cells; of one too small for a cell, that of the cell at its middle."""
        count = len(self._template.topology.triangles)
        level = 1 / (1 + np.exp(-odds))
        triangle = here.triangle[here.inside]
        cells = np.bincount(triangle, minlength=count)
        sums = np.bincount(triangle, level[here.inside], count)
        small = np.flatnonzero((here.raster.drawn == 0) & here.raster.facing)
        x, y = (
            here.mesh[self._template.topology.triangles[small], :2].mean(axis=1).round().astype(int).clip(0, SIDE - 1).T
        )
        seen = here.inside[y, x]
        cells[small[seen]], sums[small[seen]] = 1, level[y, x][seen]
        return np.asarray(sums / np.maximum(cells, 1), np.float32)

    def _covered(self, visible: Floats) -> Floats:
        """Probabilities of `FLAGS`, from the hidden shares of the parts; NaN where what decides is not in sight."""
        shares = hidden_shares(visible)
        odds = self._flags @ np.append(np.nan_to_num(shares), 1)
        odds[np.isnan(shares[DECIDES])] = np.nan
        return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def visible_shares(here: Scene, odds: Floats, template: Template) -> Floats:
    """Shares of `VISIBLE` that are clear, by the log odds of the cells; NaN where too little is in sight."""
    clear = odds < 0
    shares = []
    for name in VISIBLE:
        cells = here.inside & (template.parts[name][here.triangle] if name in PARTS else True)
        total = np.count_nonzero(cells)
        shares.append(np.count_nonzero(cells & clear) / total if total >= LEAST_CELLS else np.nan)
    return np.array(shares, np.float32)


def hidden_shares(visible: Floats) -> Floats:
    """Shares of `GROUPS` that are hidden, by those of `VISIBLE`; NaN where nothing is in sight."""
    hidden = 1 - visible
    out = np.full(len(GROUPS), np.nan, np.float32)
    for place, names in enumerate(GROUPS.values()):
        some = hidden[[VISIBLE.index(name) for name in names]]
        some = some[~np.isnan(some)]
        if len(some):
            out[place] = some.mean()
    return out


def agree(alone: Floats, evidence: Evidence, agreement: float, contrast: float) -> Floats:
    """Log odds of cells that listen to their neighbours, unless an edge of the picture runs between.

    Mean field inference in a Markov random field whose pairs cost less across contrast (as in Boykov and Jolly,
    *Interactive graph cuts*, 2001).

    Parameters
    ----------
    alone : (S, S) float32
        Log odds of each cell by itself.
    agreement : float
        Log odds that a neighbour who is sure adds.
    contrast : float
        Difference of colours, in the logarithm, that counts as an edge.
    """
    inside = evidence.zone >= 0
    pairs = []
    for axis in (0, 1):
        step = np.diff(evidence.signal, axis=axis)
        both = inside.take(range(1, SIDE), axis) & inside.take(range(SIDE - 1), axis)
        pairs.append((agreement * np.exp(-(step**2).sum(axis=2) / (2 * contrast**2)) * both).astype(np.float32))
    odds = alone
    for _ in range(ROUNDS):
        opinion = np.tanh(odds / 2)
        odds = alone.copy()
        odds[1:] += pairs[0] * opinion[:-1]
        odds[:-1] += pairs[0] * opinion[1:]
        odds[:, 1:] += pairs[1] * opinion[:, :-1]
        odds[:, :-1] += pairs[1] * opinion[:, 1:]
    return odds


def _geometry(faces: Faces, template: Template) -> tuple[Floats, list[str | None]]:
    """A mesh (N, 468, 3) for each face, its own or the average face's; and why there is none."""
    count = len(faces)
    meshes = np.full((count, SURFACE, 3), np.nan, np.float32)
    own = ~faces.landmarks.abstained
    if own.any():  # read from JSON in which every face abstained, they have no points
        meshes[own] = faces.landmarks.values[own, :SURFACE]
    points = usable_alignment(faces.alignment)
    placed = ~own & ~points.abstained
    meshes[placed] = template.placed(points.values[placed])
    missing = ~own & ~placed
    unparsed = faces.parse.abstained
    reasons = [
        one or other
        for one, other in zip(
            faces.landmarks.reasons_for(missing, "the face has neither a mesh nor points to lay one over"),
            faces.parse.reasons_for(unparsed & ~missing, "the face was not parsed"),
            strict=True,
        )
    ]
    return meshes, reasons


def occluded(face: Face) -> Region:
    """The pixels of a face that something stands before: what ``mien.mask(...).occluded`` is made of."""
    return face.occlusion.region("occluded")
