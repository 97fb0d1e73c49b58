"""Runners without weights: whatever is red is a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError
from mien.core.image import Image
from mien.engine import Engine
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle
from tests.engine import fakes

RED, BLUE = (255, 0, 0), (0, 0, 255)
HOSTILE = 66  # a picture of this grey makes it fail


class Reds:
    """Alpha of the picture's own size: how red a pixel is, and not blue."""

    def __init__(self, bundle: Bundle) -> None:
        pass

    def matte(self, images: Sequence[Image]) -> list[NDArray[np.float32]]:
        if any((image[0, 0] == HOSTILE).all() for image in images):
            raise ImageError("the network does not like this picture.")
        return [np.asarray(image[..., 0] / 255, np.float32) for image in images]


def catalogue() -> Catalogue:
    """The fake models, and one that gives mattes."""
    card = fakes.card("reds", "Reds", ("matte",), params={"sizes": {"balanced": "reds"}})
    reds = type(card)(**{**vars(card), "runner": "tests.swaps.mattes:Reds"})
    return Catalogue([*fakes.catalogue(), reds])


def engine() -> Engine:
    return Engine(device="cpu", threads=1, catalogue=catalogue())


def person(width: int = 120, height: int = 90, *, shift: int = 0) -> Image:
    """A red block on blue, which reaches the picture's bottom."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = BLUE
    image[height // 3 :, width // 3 + shift : 2 * width // 3 + shift] = RED
    return image
