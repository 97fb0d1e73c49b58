"""What pictures go through on their way: compression, resizing, and attempts to remove the traces of their making.

Fingerprint removal stands for GANprintR (Neves et al., *GANprintR: Improved Fakes and Evaluation of the State of the
Art in Face Manipulation Detection*, IEEE JSTSP 2020), whose autoencoder is not to be had: a blur, a resampling and new
noise take high frequencies out and put others in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mien.core.image import Image
from mien.core.warping import resize

__all__ = ["DAMAGES", "MATCHED", "Damage", "Matched", "jpeg", "scaled", "without_fingerprint"]


@dataclass(frozen=True)
class Damage:
    """One way to spoil a picture.

    Attributes
    ----------
    kind : str
    amount : float
        What the function takes beside the picture.
    function : callable
    """

    kind: str
    amount: float
    function: Callable[[Image, float], Image]

    @property
    def level(self) -> str:
        """The amount as text."""
        return f"{self.amount:g}"

    def apply(self, image: Image, extent: float) -> Image:  # noqa: ARG002 - of `Matched`
        """The spoilt picture; `extent` is the face's, in pixels of the picture."""
        return self.function(image, self.amount)


@dataclass(frozen=True)
class Matched(Damage):
    """Faces of one size and one compression: so that both sides went the same way."""

    def apply(self, image: Image, extent: float) -> Image:
        """The face at so many pixels where it is larger, and compressed."""
        return jpeg(self.function(image, min(self.amount / extent, 1.0)), 90)


def jpeg(image: Image, quality: float) -> Image:
    """Compress and read again."""
    import cv2

    _, coded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def scaled(image: Image, factor: float) -> Image:
    """The picture at another size."""
    height, width = image.shape[:2]
    return image if factor == 1 else resize(image, (max(round(height * factor), 8), max(round(width * factor), 8)))


def without_fingerprint(image: Image, strength: float) -> Image:
    """Blur, resample and add noise, so that the picture's own spectrum is lost; always the same noise."""
    import cv2

    soft = cv2.GaussianBlur(cv2.medianBlur(image, 3) if strength > 1 else image, (0, 0), 0.4 + 0.4 * strength)
    height, width = image.shape[:2]
    again = cv2.resize(
        scaled(np.asarray(soft, np.uint8), 1 - 0.13 * strength), (width, height), interpolation=cv2.INTER_CUBIC
    )
    noise = np.random.default_rng(0).normal(0, 0.8 + 0.7 * strength, (height, width, 1))
    return np.asarray(np.clip(np.rint(again + noise), 0, 255), np.uint8)


#: What is done to both sides so that neither size nor compression tells them apart: 112 pixels, JPEG 90.
MATCHED = Matched("matched to JPEG 90 at", 112, scaled)

_LEVELS: Mapping[str, tuple[Callable[[Image, float], Image], tuple[float, ...]]] = {
    "JPEG": (jpeg, (95, 85, 75, 65, 50)),
    "resize": (scaled, (1.0, 0.75, 0.5, 0.35, 0.25)),
    "removal": (without_fingerprint, (0.5, 1.0, 1.5, 2.0)),
}

#: The stress test: kinds with their levels, the mildest first.
DAMAGES: Mapping[str, tuple[Damage, ...]] = MappingProxyType(
    {kind: tuple(Damage(kind, amount, how) for amount in amounts) for kind, (how, amounts) in _LEVELS.items()}
)
