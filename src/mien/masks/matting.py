"""``matte``: people cut out of their background, to the hair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import CardError
from mien.core.image import Image, ImageSource, load_image
from mien.core.region import Color, Region
from mien.engine import Engine, default_engine
from mien.engine.steps import Matter
from mien.masks.masking import Size, sized
from mien.masks.refining import foreground, refine
from mien.models.card import ImageInput
from mien.runtime.bundle import Bundle

__all__ = ["AlphaNet", "Matte", "SteadyMatte", "matte"]

Floats = NDArray[np.float32]

LONGEST = 8  # times as long as wide is the longest picture that a network sees in its own proportions


@dataclass(frozen=True, eq=False)
class Matte:
    """People, apart from their background.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The picture.
    alpha : Region
        How much of each pixel is people; nothing where there are none.
    model : str
        Which model said so.
    """

    image: Image
    alpha: Region
    model: str

    def __repr__(self) -> str:
        return f"Matte({self.alpha!r} by {self.model})"

    def foreground(self) -> Image:
        """The colours of the people alone (H, W, 3): where hair lets the background through, those of the hair."""
        return foreground(self.image, self.alpha)

    def cutout(self) -> NDArray[np.uint8]:
        """The people with the rest transparent: (H, W, 4) uint8, red, green, blue, alpha."""
        return self.alpha.cutout(self.foreground())

    def over(self, background: Image | Color) -> Image:
        """The people before another picture of the same size, or a colour: (H, W, 3) uint8.

        Raises
        ------
        ShapeMismatch
            If the picture is of another size.
        """
        behind = np.broadcast_to(np.asarray(background, np.uint8), self.image.shape)
        return self.alpha.apply(behind, self.foreground())


def matte(
    image: ImageSource,
    *,
    size: Size | None = None,
    refine: bool = True,
    engine: Engine | None = None,
) -> Matte:
    """Separate the people of a picture from their background: a soft mask, to the hair.

    Parameters
    ----------
    image : path, bytes, binary file, PIL image, or (H, W, 3) uint8 RGB array
        See `mien.load_image`.
    size : {"fast", "balanced", "fine"}, optional
        How closely the network looks; by default the engine's own choice.
    refine : bool
        Carry the network's alpha, which is small, to the picture along the picture's edges; else it is enlarged as it
        is.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Matte
        Its ``alpha`` is (nearly) nothing where nobody is in the picture.

    Raises
    ------
    UsageError
        If the model has no such size.
    ImageError, SourceError, ModelError, DeviceUnavailable
        As `mien.detect`.

    Examples
    --------
    >>> m = mien.matte("portrait.jpg")  # doctest: +SKIP
    >>> mien.save_image(m.over((255, 255, 255)), "white.jpg")  # doctest: +SKIP
    """
    picture = load_image(image)
    engine = sized(engine or default_engine(), size, job="matte")
    small = cast("Matter", engine.runner("matte")).matte([picture])[0]
    return Matte(picture, _enlarged(small, picture, refine), engine.choose("matte").id)


def _enlarged(small: Floats, picture: Image, refined: bool) -> Region:
    return refine(small, picture) if refined else refine(small, picture, radius=0)


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``."""

    side: int = 0
    sizes: Any = None


class AlphaNet:
    """Gives "matte" by a network that takes a picture and gives its alpha.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``model``. Its input says the size of picture that the network takes, to which any is
        stretched; or that it takes any size, of sides that are multiples of a number: then the picture is brought to as
        many pixels as a square of ``side``, in its params, has.

    Raises
    ------
    CardError
        If the card says neither.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        settings = bundle.card.settings(_Settings)
        spec = bundle.card.files["model"].input
        if spec is None or (spec.size is None and settings.side < 1):
            raise CardError(f"the card of {bundle.card.id} says neither the size of its picture nor params.side.")
        self._input: ImageInput = spec
        self._side = int(settings.side)

    def matte(self, images: Sequence[Image]) -> list[Floats]:
        """See `mien.engine.steps.Matter`."""
        return [self._alpha(image) for image in images]

    def _alpha(self, image: Image) -> Floats:
        import cv2

        height, width = self._input.size or self._fit(*image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        values = self._session.run(np.asarray(small)[None])[0]
        return np.asarray(np.clip(values.reshape(height, width), 0, 1), np.float32)

    def _fit(self, height: int, width: int) -> tuple[int, int]:
        """Sides of nearly the picture's proportions, multiples of the card's number, and of the card's area."""
        ratio = min(max(math.sqrt(height / width), 1 / math.sqrt(LONGEST)), math.sqrt(LONGEST))
        unit = self._input.multiple
        return max(round(self._side * ratio / unit), 1) * unit, max(round(self._side / ratio / unit), 1) * unit


@dataclass
class SteadyMatte:
    """Small alphas of a video's frames, steadied: made fresh for each clip.

    Where the network is unsure, and little changed, a frame's alpha leans on the one before; where it is sure, or much
    moved, it stands for itself, so that nothing trails behind.

    Parameters
    ----------
    weight : float
        How far an unsure pixel leans on the frame before, 0 to 1.
    """

    weight: float = 0.7
    _last: Floats | None = field(default=None, init=False)
    _time: float = field(default=-math.inf, init=False)

    def update(self, time: float, alpha: Floats) -> Floats:
        """Take the next frame's alpha (h, w), `time` seconds from the start; give the steadied one."""
        last, pause = self._last, time - self._time
        if last is not None and last.shape == alpha.shape and 0 < pause < 0.5:
            unsure = 1 - (2 * alpha - 1) ** 2
            still = np.clip(1 - 4 * np.abs(alpha - last), 0, 1)
            alpha = alpha + self.weight * unsure * still * (last - alpha)
        self._last, self._time = alpha, time
        return alpha
