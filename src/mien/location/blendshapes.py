"""Expression as 52 coefficients, from the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from mien.core.columns import Column, Scores
from mien.location.mesh478 import upright_turns
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["BLENDSHAPE_NAMES", "Blendshapes"]

#: Names in the network's order: ARKit's face blend shapes without ``tongueOut``; Left and Right are the subject's.
#: The first, ``_neutral``, means nothing and is always near 0.
BLENDSHAPE_NAMES: Final = (
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
)

# The points that the network takes, as MediaPipe publishes them (face_blendshapes_graph.cc).
# fmt: off
_POINTS = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
]
# fmt: on


class Blendshapes:
    """Gives ``blendshapes`` to faces that have ``landmarks``.

    The network (MediaPipe Blendshape V2; Grishchenko et al., *Blendshapes GHUM: real-time monocular facial blendshape
    prediction*, 2023) sees 146 of the mesh's points in the picture's plane, here turned upright.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``blendshapes``.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        values = np.full((len(landmarks), len(BLENDSHAPE_NAMES)), np.nan, np.float32)
        seen = ~landmarks.abstained
        xy = landmarks.xy[seen]
        # The network takes place and size out of the points, but not the roll: at 90 degrees it would be 0.3 off.
        upright = xy @ np.swapaxes(upright_turns(xy), 1, 2)
        (values[seen],) = self._session.run(upright[:, _POINTS].astype(np.float32))
        reasons = landmarks.reasons_for(~seen, "the face has no mesh")
        return {"blendshapes": Scores(values.clip(0, 1), names=BLENDSHAPE_NAMES, reasons=reasons)}
