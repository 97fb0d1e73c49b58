"""How much a picture looks like one of the generator's: a score of two signs, neither of which is proof.

The network that draws people leaves lone frequencies in them, as each of its doublings of the size does, and it puts
every face where FFHQ has it. Both are known of this generator, and its like; of others, and of pictures that were made
smaller or compressed hard, the first is gone, and any crop can be made to pass or fail the second.

Frank et al., *Leveraging Frequency Analysis for Deep Fake Image Recognition*, ICML 2020; Karras, Laine, Aila, *A
Style-Based Generator Architecture for GANs*, CVPR 2019 (FFHQ's crop).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.core.errors import NoFace
from mien.core.faces import Faces
from mien.core.image import ImageSource, load_image
from mien.engine import Engine, default_engine
from mien.swaps.invented.checks import displacement

__all__ = ["GeneratedScore", "generated_score"]

PLACED = 0.03  # displacement, in parts of the picture's side, at which a face may as well be placed by hand
WIDTH = 0.01  # over which that changes


@dataclass(frozen=True, kw_only=True)
class GeneratedScore:
    """How much a picture looks like one of the generator's.

    Attributes
    ----------
    score : float
        In [0, 1]: the mean of the two signs. It ranks; it is no probability, and no proof.
    frequencies : float
        The cue ``checkerboard`` of ``forgery``: 0.95 or more in one photo of twenty. NaN where the face is too small.
    placement : float
        How exactly the face lies where FFHQ has it, in [0, 1].
    """

    score: float
    frequencies: float
    placement: float


def generated_score(source: ImageSource, *, engine: Engine | None = None) -> GeneratedScore:
    """Score the largest face of a picture.

    Parameters
    ----------
    source : path, bytes, file or array
        Whatever `mien.load_image` takes: as it was saved, since one made smaller has lost the first sign.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    NoFace
        If there is no face.
    """
    image = load_image(source)
    faces: Faces = (engine or default_engine()).analyze(image, want={"forgery", "alignment"})
    if not len(faces):
        raise NoFace("there is no face in the picture.")
    largest = faces.top(1, by="area")
    frequencies = float(largest[0].forgery.named("checkerboard"))
    square = image.shape[0] == image.shape[1]
    off = displacement(largest) if square else np.inf
    placement = float(np.nan_to_num(1 / (1 + np.exp(np.clip((off - PLACED) / WIDTH, -50, 50)))))
    known = [value for value in (frequencies, placement) if np.isfinite(value)]
    return GeneratedScore(score=float(np.mean(known)), frequencies=frequencies, placement=placement)
