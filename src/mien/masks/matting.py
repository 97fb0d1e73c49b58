"""``matte``: people cut out of their background, to the hair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import CardError, ModelError
from mien.core.image import Image, ImageSource, load_image
from mien.core.region import Color, Region
from mien.engine import Engine, default_engine
from mien.engine.steps import Matter
from mien.masks.masking import Size, sized
from mien.masks.refining import foreground, refine, shrink
from mien.runtime.bundle import Bundle

__all__ = ["AlphaNet", "Matte", "SteadyMatte", "matte", "reconcile"]

Floats = NDArray[np.float32]

LONGEST = 8  # times as long as wide is the longest picture that a network sees in its own proportions
ENLARGED = 1.5  # times at most: 250-pixel portraits enlarged to 512 were lost, at 384 they were not
SMALLEST = 256  # pixels a side up to which any picture is enlarged
FAINT = 0.05  # alpha from which on pixels hang together
DOUBT = (
    0.1  # a part of which the witness sees no pixel surer than this is nobody: of phantoms it saw 0.00, of people 0.34
)
PAUSE = 0.5  # seconds between frames that are no longer of one motion
NOISE = 4.0  # difference of colours, of 255, up to which a picture stands still
SURE = 0.8  # from here on the witness is believed against a network that sees nothing


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
        behind = np.asarray(background, np.uint8)
        if behind.ndim == 1:
            behind = np.broadcast_to(behind, self.image.shape)
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
        many pixels as a square of ``side``, in its params, has. A small picture is not enlarged to more than one and a
        half times its size, since a network of portraits finds nobody where all is blurred.

        It may have a file ``witness``: a second network of the same kind, coarse but sure of where people are. Then
        people whom only the first sees are none, and where only the witness sees people, its alpha is taken.

    Raises
    ------
    CardError
        If the card says neither size nor side.
    """

    def __init__(self, bundle: Bundle) -> None:
        side = int(bundle.card.settings(_Settings).side)
        self._model = _Net(bundle, "model", side)
        self._witness = _Net(bundle, "witness", side) if "witness" in bundle.card.files else None

    def matte(self, images: Sequence[Image]) -> list[Floats]:
        """See `mien.engine.steps.Matter`."""
        if self._witness is None:
            return [self._model.alpha(image) for image in images]
        return [reconcile(self._model.alpha(image), self._witness.alpha(image)) for image in images]


class _Net:
    """One network of a card."""

    def __init__(self, bundle: Bundle, name: str, side: int) -> None:
        spec = bundle.card.files[name].input
        if spec is None or (spec.size is None and side < 1):
            raise CardError(f"the card of {bundle.card.id} says neither the size of its picture nor params.side.")
        self._session, self._input, self._side = bundle.session(name), spec, side

    def alpha(self, image: Image) -> Floats:
        """How much of each pixel is people, (h, w) in [0, 1], as large as the network sees the picture."""
        height, width = self._input.size or _fit(image.shape[0], image.shape[1], self._side, self._input.multiple)
        values = self._session.run(shrink(image, (width, height))[None])[0]
        if values.size != height * width:
            raise ModelError(f"the network gives {values.shape} for a picture of {height}x{width}: that is no alpha.")
        return np.asarray(np.clip(values.reshape(height, width), 0, 1), np.float32)


def _fit(height: int, width: int, side: int, unit: int) -> tuple[int, int]:
    """Height and width in whole units, of nearly a picture's proportions, with about the area of a square."""
    side = round(min(side, max(SMALLEST, ENLARGED * math.sqrt(height * width))))
    ratio = min(max(math.sqrt(height / width), 1 / math.sqrt(LONGEST)), math.sqrt(LONGEST))
    return max(round(side * ratio / unit), 1) * unit, max(round(side / ratio / unit), 1) * unit


def reconcile(alpha: Floats, witness: Floats) -> Floats:
    """What is left of a fine alpha, and what is added to it, by a coarse one that knows where people are.

    Parameters
    ----------
    alpha : (h, w) float32
        Fine, but it may take mountains for people, or miss some of a group.
    witness : (h', w') float32
        Coarse, of the same picture.

    Returns
    -------
    (h, w) float32
        Parts in which the witness sees nobody at all are gone; where it is sure of more than a thin rim that `alpha`
        lacks, its own values stand.
    """
    import cv2

    height, width = alpha.shape
    reach = max(round(0.02 * math.sqrt(height * width)), 1)
    square, wide = (np.ones((2 * far + 1, 2 * far + 1), np.uint8) for far in (reach, 2 * reach))  # fast, unlike discs
    seen = np.asarray(cv2.resize(witness, (width, height)), np.float32)

    count, parts = cv2.connectedComponents((alpha > FAINT).view(np.uint8))
    believed = np.bincount(parts.ravel(), (seen >= DOUBT).ravel(), count) > 0
    believed[0] = True
    alpha = np.where(believed[np.asarray(parts)], alpha, np.float32(0))

    sure = cv2.erode((seen > SURE).view(np.uint8), square)  # the picture's border is no edge
    missing = cv2.morphologyEx(sure & (alpha < 0.5).view(np.uint8), cv2.MORPH_OPEN, square)
    if not missing.any():
        return np.asarray(alpha, np.float32)
    near = np.asarray(cv2.blur(cv2.dilate(missing, wide).astype(np.float32), (reach, reach)), np.float32)
    return np.asarray(np.maximum(alpha, seen * near), np.float32)


@dataclass
class SteadyMatte:
    """Small alphas of a video's frames, steadied: made fresh for each clip.

    A frame's alpha leans on the one before where the network is unsure and says nearly the same, as MediaPipe's video
    masks do; and, with the frame at hand, where the picture stands still. Where something moves it stands for itself,
    so that nothing trails behind.

    Parameters
    ----------
    weight : float
        How far a pixel leans on the frame before at most, 0 to 1.
    """

    weight: float = 0.8
    _last: Floats | None = field(default=None, init=False)
    _picture: Floats | None = field(default=None, init=False)
    _time: float = field(default=-math.inf, init=False)

    def update(self, time: float, alpha: Floats, image: Image | None = None) -> Floats:
        """Take the next frame's alpha, give the steadied one.

        Parameters
        ----------
        time : float
            Seconds from the start. After a pause, or back in time, it begins anew.
        alpha : (h, w) float32
            Of this frame, in [0, 1].
        image : (H, W, 3) uint8, optional
            The frame: then still edges are steadied that the network is sure of, once here and once there.

        Returns
        -------
        (h, w) float32
        """
        size = alpha.shape[1], alpha.shape[0]
        picture = None if image is None else shrink(image, size).astype(np.float32)
        last, pause = self._last, time - self._time
        if last is not None and last.shape == alpha.shape and 0 < pause < PAUSE:
            leaning = (1 - (2 * alpha - 1) ** 2) * np.clip(1 - 4 * np.abs(alpha - last), 0, 1)
            if picture is not None and self._picture is not None:
                leaning = np.maximum(leaning, _stillness(picture, self._picture))
            alpha = np.asarray(alpha + np.float32(self.weight) * leaning * (last - alpha), np.float32)
        self._last, self._picture, self._time = alpha, picture, time
        return alpha


def _stillness(one: Floats, other: Floats) -> Floats:
    """Where two small pictures (h, w, 3) show the same but for noise: 1, down to 0 where something moved nearby."""
    import cv2

    change = np.abs(one - other).max(axis=2)
    near = cv2.dilate(cv2.blur(change, (3, 3)), np.ones((7, 7), np.uint8))
    return np.asarray(np.clip(2 - near / NOISE, 0, 1), np.float32)
