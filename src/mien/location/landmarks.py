"""Numbered sets of points beside the mesh: iBUG's 68, InsightFace's 106, and which points the head itself hides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mien.core.columns import Column, Levels, Points
from mien.core.errors import CardError, ModelError
from mien.core.faces import ALIGNMENT_NAMES
from mien.core.geometry import invert, square_crops, transform
from mien.core.layouts import indices_of
from mien.core.mesh import visibility
from mien.core.warping import warp_batch
from mien.location.canonical import CanonicalFace
from mien.location.ibug68 import NEAREST, Correction
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["Landmarks68", "Landmarks106", "Visibility"]

NO_MESH = "the face has no mesh"


class Landmarks68:
    """Gives ``landmarks68`` to faces that have ``landmarks``.

    Points have the z of the mesh points that they are nearest to.

    Parameters
    ----------
    bundle : Bundle
        A card without files; ``corrected`` in its params says whether the nearest mesh points are moved to where people
        mark the 68 (`mien.location.ibug68.Correction`), or taken as they are.

    Raises
    ------
    CardError
        If the card does not say.
    """

    def __init__(self, bundle: Bundle) -> None:
        if "corrected" not in bundle.card.params:
            raise CardError(f"the card of {bundle.card.id} lacks params.corrected.")
        self._correction = Correction.shipped() if bundle.card.params["corrected"] else None

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        seen = ~landmarks.abstained
        points = np.full((len(landmarks), len(NEAREST), 3), np.nan, np.float32)
        if seen.any():
            nearest = landmarks.values[seen][:, NEAREST]
            points[seen] = nearest if self._correction is None else self._correction(nearest)
        return {"landmarks68": Points(points, layout="ibug68", reasons=landmarks.reasons_for(~seen, NO_MESH))}


class Landmarks106:
    """Gives ``landmarks106`` to faces that have a box and ``alignment``, by which their crop stands upright.

    The network (InsightFace's ``2d106det``) regresses the points from a square around the box.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``landmarks-106``.

    Raises
    ------
    CardError
        If the card lacks ``box_scale`` in its params.
    """

    def __init__(self, bundle: Bundle) -> None:
        spec = bundle.card.files["model"].input
        if "box_scale" not in bundle.card.params or spec is None or spec.size is None:
            raise CardError(f"the card of {bundle.card.id} lacks params.box_scale or the size of its picture.")
        self._session = bundle.session("model")
        self._scale, self._side = float(bundle.card.params["box_scale"]), spec.size[0]

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        faces, side = batch.faces, self._side
        seen = ~faces.alignment.abstained
        points = np.full((len(faces), 106, 2), np.nan, np.float32)
        if seen.any():
            here = faces[seen]
            right, left = (here.alignment.xy[:, ALIGNMENT_NAMES.index(f"{which}_eye")] for which in ("right", "left"))
            turns = np.rad2deg(np.arctan2(*(left - right).T[::-1]))
            sides = self._scale * np.maximum(np.maximum(here.widths, here.heights), 1)
            maps = square_crops(here.centers, sides, turns, side)
            (raw,) = self._session.run(warp_batch(batch.images, batch.owner[seen], maps, side))
            if raw.size != points[seen].size:
                raise ModelError(f"106 points are expected, not what this network gives: {raw.shape[1:]}.")
            # The network says places in its crop from -1 to 1, in which 0 is the pixel number side / 2.
            points[seen] = transform((raw.reshape(-1, 106, 2) + 1) * (side / 2), invert(maps))
        reasons = faces.alignment.reasons_for(~seen, "no points to turn the crop upright by")
        return {"landmarks106": Points(points, layout="insightface106", reasons=reasons)}


class Visibility:
    """Gives ``visibility`` and ``visibility68`` to faces that have ``landmarks``.

    A point is hidden where the head itself is before it, or turns it away (`mien.core.mesh.visibility`); hands, hair
    and glasses are not looked at. Irises are seen as far as their lids are.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``visibility``.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._canonical = CanonicalFace.read(bundle.path("geometry"))

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks, surface = batch.faces.landmarks, len(self._canonical.vertices)
        seen = ~landmarks.abstained
        levels = np.full((len(landmarks), 478), np.nan, np.float32)
        if seen.any():
            shown = visibility(landmarks.values[seen][:, :surface], self._canonical.triangles)
            levels[seen, :surface] = shown
            for side in ("right", "left"):
                lids = shown[:, indices_of("mesh478", f"{side}_eye")].mean(axis=1, keepdims=True)
                for part in ("iris", "pupil"):
                    levels[np.ix_(seen, indices_of("mesh478", f"{side}_{part}"))] = lids
        reasons = landmarks.reasons_for(~seen, NO_MESH)
        return {
            "visibility": Levels(levels, layout="mesh478", reasons=reasons),
            "visibility68": Levels(levels[:, NEAREST], layout="ibug68", reasons=reasons),
        }
