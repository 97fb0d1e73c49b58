"""MesoNet's four networks: how much a face looks like those that Deepfakes and Face2Face made in 2018."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.columns import Points, Scores
from mien.core.geometry import square_crops
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["NETS", "RAW", "MesoNets", "meso_crops"]

Floats = NDArray[np.float32]

#: Files of the card, and what the cue of each is called.
NETS = ("meso4_df", "meso4_f2f", "inception_df", "inception_f2f")
#: The same as probabilities: they are on no scale of real faces, as the cues of the card "forgery" are.
RAW = tuple(f"{name}_raw" for name in NETS)
SIZE = 256
# The authors' crop (pipeline.py): 2.2 x 1.3 times the eyes' distance from each other or from the mouth, whichever is
# longer, around a point between the nose's tip and the middle of its bridge; upright along the line of eyes and mouth.
SIDE = 2.2 * 1.3
TIP = 0.75  # of that point: the rest is the middle of the eyes


class MesoNets:
    """Meso-4 and MesoInception-4, each trained on deepfakes (DF) and on Face2Face (F2F): four cues of ``forgery``.

    Their weights are of 2018. On forgeries made otherwise since, or compressed otherwise, they are near chance (see the
    page on forgery in the manual): a high number is a reason to look, no more.

    Parameters
    ----------
    bundle : Bundle
        Card with the files `NETS`.

    References
    ----------
    Afchar, Nozick, Yamagishi & Echizen, *MesoNet: a Compact Facial Video Forgery Detection Network*, WIFS 2018.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._sessions = [bundle.session(name) for name in NETS]

    def describe(self, batch: Batch) -> Mapping[str, Scores]:
        """Compute ``forgery``, (N, 4): 1 less each network's probability of a real face.

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment``; one that cannot be aligned abstains with the reason.
        """
        points = usable_alignment(batch.faces.alignment)
        return {"forgery": Scores(self.judge(batch, points), names=RAW, reasons=points.reasons)}

    def judge(self, batch: Batch, points: Points) -> Floats:
        """The four numbers of each face (N, 4); NaN where the points are."""
        found = np.full((len(points), len(NETS)), np.nan, np.float32)
        seen = ~points.abstained
        if seen.any():
            maps = meso_crops(points.values[seen])
            crops = warp_batch(batch.images, batch.owner[seen], maps, SIZE, border="reflect")
            found[seen] = np.concatenate([1 - session.run(crops)[0] for session in self._sessions], axis=1)
        return found


def meso_crops(alignment: Floats) -> Floats:
    """Maps from the picture to MesoNet's crop of 256 pixels (N, 2, 3), from five points (N, 5, 2)."""
    right, left, nose = (alignment[:, place].astype(np.float64) for place in range(3))
    eyes, mouth = (right + left) / 2, alignment[:, 3:5].astype(np.float64).mean(axis=1)
    down = mouth - eyes
    lengths = np.maximum(np.linalg.norm(left - right, axis=1), np.linalg.norm(down, axis=1))
    turns = np.rad2deg(np.arctan2(-down[:, 0], down[:, 1]))
    centers = TIP * nose + (1 - TIP) * eyes
    return square_crops(centers + 0.5, np.maximum(SIDE * lengths, 1e-3), turns, SIZE)
