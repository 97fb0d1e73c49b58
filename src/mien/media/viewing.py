"""From a decoded frame to the picture that a viewer sees: 8 bits of RGB, square pixels, upright."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.decoding import from_array
from mien.core.image import Image
from mien.media.tones import CURVES, to_ordinary

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter

__all__ = ["Turn", "to_rgb", "turn_of"]


def to_rgb(frame: VideoFrame, pixel_shape: Fraction | None, converter: VideoReformatter) -> Image:
    """Pixels as they are shown: (H, W, 3) RGB, uint8, with square pixels; transparency lies over white.

    One converter for all frames of a video: to set one up takes ten times as long as to use it.
    """
    form = "rgba" if any(part.is_alpha for part in frame.format.components) else "rgb24"
    stretch = float(pixel_shape) if pixel_shape and Fraction(1, 4) <= pixel_shape <= 4 else 1.0
    picture = converter.reformat(frame, format=form, width=max(1, round(frame.width * stretch)), threads=1)
    image = from_array(picture.to_ndarray())
    curve = int(frame.color_trc)
    return to_ordinary(image, curve) if curve in CURVES else image


@dataclass(frozen=True)
class Turn:
    """How stored pixels become upright: rows and columns swapped or not, then mirrored left to right, top to bottom."""

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def degrees(self) -> int:
        """Clockwise; a mirrored picture counts as the turn that comes closest."""
        if self.swap:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_x and self.mirror_y else 0

    def apply(self, image: Image) -> Image:
        """The upright picture."""
        import cv2

        turned: Any = cv2.transpose(image) if self.swap else image
        if self.mirror_x or self.mirror_y:
            turned = cv2.flip(turned, -1 if self.mirror_x and self.mirror_y else int(self.mirror_x))
        return np.asarray(turned, dtype=np.uint8)


def turn_of(frame: VideoFrame) -> Turn:
    """Read a frame's display matrix (x' = a x + c y, y' = b x + d y), to the nearest quarter of a turn."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Turn()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    swap = abs(b) + abs(c) > abs(a) + abs(d)
    return Turn(swap, (c if swap else a) < 0, (b if swap else d) < 0)
