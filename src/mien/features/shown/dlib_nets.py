"""What the networks of the dlib model collection for age and gender share: their chips, and their manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import CardError
from mien.core.geometry import TEMPLATES, similarity
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.features.shown.sizes import fine_detail, large_alignment
from mien.runtime.bundle import Bundle

__all__ = ["DlibNet"]


class DlibNet:
    """A classifier of faces of the dlib model collection (Cydral Technology, CC0), as ONNX with a manifest.

    Its chips are aligned as dlib does it, and the mirror image of each is judged too.

    Parameters
    ----------
    bundle : Bundle
        Card with the files ``model`` and ``manifest``; the latter says how large chips are, and how wide.
    task : str
        The network's name in the manifest.
    detail : float
        `mien.features.shown.sizes.fine_detail` of a chip, below which a face is too blurred.

    Raises
    ------
    CardError
        If the manifest does not say so.

    References
    ----------
    https://github.com/davisking/dlib-models
    """

    def __init__(self, bundle: Bundle, task: str, *, detail: float = 0.0) -> None:
        self._detail = detail
        self._session = bundle.session("model")
        try:
            manifest = json.loads(bundle.path("manifest").read_text(encoding="utf-8"))
            self.entry: Mapping[str, Any] = manifest["models"][task]  #: what the manifest says of this network
            self._size = int(self.entry["input"]["shape"][-1])
            padding = float(manifest["preprocessing"]["face_chip_padding"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CardError(f"the manifest of {bundle.card.id} does not describe its chips: {error!r}.") from error
        self._template = TEMPLATES["dlib"].points_at(self._size, padding)

    def judge(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.bool_], tuple[str | None, ...]]:
        """Run the network.

        Parameters
        ----------
        batch : Batch
            N faces with ``alignment``.

        Returns
        -------
        probabilities : (2, M, K) float32
            Of the chips and of their mirror images, of the faces that are large and sharp enough and can be aligned,
            in order.
        seen : (N,) bool
            Which faces these are.
        reasons : tuple of N (str or None)
            Why the others are not.
        """
        points = large_alignment(batch.faces.alignment)
        seen = np.asarray(~points.abstained)
        maps = similarity(points.values[seen], self._template)
        crops = warp_batch(batch.images, batch.owner[seen], maps, self._size)
        reasons = list(points.reasons or (None,) * len(points))
        if self._detail:
            sharp = fine_detail(crops) >= self._detail
            for row in np.flatnonzero(seen)[~sharp].tolist():
                seen[row], reasons[row] = False, "the face is too blurred"
            crops = crops[sharp]
        both = self._session.run(np.concatenate([crops, crops[:, :, ::-1]]))[0]
        return np.stack(np.split(both, 2)), seen, tuple(reasons)
