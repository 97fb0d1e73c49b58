"""What can stand behind people: the same place out of focus, a colour, another picture, another video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.image import Image, ImageSource, load_image
from mien.media.provenance import Provenance
from mien.media.video import Frame, open_video
from mien.swaps.backgrounds.compositing import Levels, cover
from mien.swaps.targets import mark_of

__all__ = ["Backdrop", "Blur", "Color", "Moving", "Scene", "Still", "parse_color"]

REACH = 4  # pixels of the disc in the small picture: the filter takes ever longer, and more shows no difference
UNSURE = 8  # levels of 255 up to which a pixel shows nothing of a person
MOSTLY = 0.25  # of a pixel of the small picture that is background, at the least, for its colour to be known
FAINT = np.float32(1e-6)  # weight of what is there where no background is near: light that makes no level
STRIP = 128  # rows of the small picture that are blurred at once
LARGEST_BLUR = 2000.0


class Scene(Protocol):
    """Gives the picture that is seen where people are not; to several threads at once.

    Attributes
    ----------
    foreign : bool
        Whether it is another place: then what shines through people's hair must not be of the old one.
    """

    foreign: ClassVar[bool]

    def behind(self, image: Image, levels: Levels) -> Image:
        """What stands behind the people of a picture: (H, W, 3) uint8, never changed by who gets it.

        Parameters
        ----------
        image : (H, W, 3) uint8
        levels : (H, W) uint8
            How much of each pixel is people.
        """
        ...


class Backdrop(Protocol):
    """What can stand behind people."""

    def at(self, time: float) -> Scene:
        """How it looks at a moment of a video, in seconds, asked for in the order of time; 0 for a picture."""
        ...

    def mark(self, source: Provenance) -> Provenance:
        """What is true of a picture with this backdrop, made of one with the mark `source`."""
        ...

    @property
    def report(self) -> dict[str, Any]:
        """What it is, in JSON types."""
        ...


@dataclass(frozen=True)
class Blur:
    """The place itself, as a lens shows it that is focused on the people: each point of light becomes a disc.

    People are taken out before and do not shine into it: what is averaged is only what surely is background (normalized
    convolution), and light is averaged, not its levels, so that lamps stay bright.

    Parameters
    ----------
    radius : float
        Of the disc, in pixels.

    References
    ----------
    Knutsson & Westin, *Normalized and Differential Convolution*, CVPR 1993.
    """

    radius: float

    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        number = isinstance(self.radius, int | float | np.number) and not isinstance(self.radius, bool)
        if not number or not 0 < self.radius <= LARGEST_BLUR:
            raise UsageError(f"a blur is above 0 and at most {LARGEST_BLUR:.0f} pixels, not {self.radius!r}.")

    def at(self, time: float) -> Self:  # noqa: ARG002 - it stands still
        """See `Backdrop.at`."""
        return self

    def behind(self, image: Image, levels: Levels) -> Image:
        """See `Scene.behind`."""
        import cv2

        height, width = image.shape[:2]
        # A blurred picture has no detail: it is made small, blurred there, and made large again.
        shrink = max(1.0, self.radius / REACH)
        size = max(1, round(width / shrink)), max(1, round(height / shrink))

        def small(array: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA))

        away = np.asarray(levels <= UNSURE, np.uint8)
        squares = np.square(np.arange(256, dtype=np.uint16))  # light is about the square of a level
        alone, share = small(np.asarray(cv2.LUT(cv2.copyTo(image, away), squares))), small(away * np.uint8(255))
        place, disc = small(image), _disc(self.radius / shrink)
        blurred = np.empty_like(place)
        margin = len(disc) // 2 + 1
        for top in range(0, size[1], STRIP):  # in floats, all at once would take a lot of memory
            first, last = max(0, top - margin), min(size[1], top + STRIP + margin)
            rows = slice(first, last)
            inner = slice(top - first, min(top + STRIP, size[1]) - first)
            blurred[top : top + STRIP] = _blurred(alone[rows], share[rows], place[rows], disc)[inner]
        return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    def mark(self, source: Provenance) -> Provenance:
        """See `Backdrop.mark`: an enhancement, since what is shown stays the same."""
        return Provenance.enhanced(source)

    @property
    def report(self) -> dict[str, Any]:
        """See `Backdrop.report`."""
        return {"backdrop": "blur", "radius": self.radius}


@dataclass(frozen=True)
class Color:
    """One colour, (red, green, blue) from 0 to 255."""

    rgb: tuple[int, int, int]

    foreign: ClassVar[bool] = True

    def at(self, time: float) -> Self:  # noqa: ARG002 - it stands still
        """See `Backdrop.at`."""
        return self

    def behind(self, image: Image, levels: Levels) -> Image:  # noqa: ARG002 - always the same
        """See `Scene.behind`."""
        return np.broadcast_to(np.array(self.rgb, np.uint8), image.shape)

    def mark(self, source: Provenance) -> Provenance:
        """See `Backdrop.mark`."""
        return Provenance.composed(source)

    @property
    def report(self) -> dict[str, Any]:
        """See `Backdrop.report`."""
        return {"backdrop": "color", "color": list(self.rgb)}


class Still:
    """A picture, as large as it covers the frame, from its middle.

    Parameters
    ----------
    source : path, bytes, binary file, PIL image or array
        See `mien.load_image`.
    """

    foreign: ClassVar[bool] = True

    def __init__(self, source: ImageSource) -> None:
        self._image = load_image(source)
        self._mark = mark_of(source)
        self._fitted = self._image

    def at(self, time: float) -> Self:  # noqa: ARG002 - it stands still
        """See `Backdrop.at`."""
        return self

    def behind(self, image: Image, levels: Levels) -> Image:  # noqa: ARG002 - always the same
        """See `Scene.behind`."""
        fitted = self._fitted
        if fitted.shape != image.shape:
            self._fitted = fitted = cover(self._image, (image.shape[1], image.shape[0]))
        return fitted

    def mark(self, source: Provenance) -> Provenance:
        """See `Backdrop.mark`."""
        return Provenance.composed(source, self._mark)

    @property
    def report(self) -> dict[str, Any]:
        """See `Backdrop.report`."""
        return {"backdrop": "image"}


class Moving:
    """Another video, over and over, each frame as large as it covers what it stands behind, from its middle.

    Parameters
    ----------
    source : path
        See `mien.open_video`.
    """

    _now: tuple[float, Frame]  # when it is due, in the time of the edited video
    _next: tuple[float, Frame]
    _last = 0.0  # time of the frame that was read last

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self._source = source
        self._mark = mark_of(source)
        self._begin()

    def at(self, time: float) -> Still:
        """See `Backdrop.at`."""
        if time < self._now[0]:  # of another video
            self._begin()
        while self._next[0] <= time + 1e-6:  # sums of times are not exact
            self._now, self._next = self._next, self._following()
            self._scene = Still(self._now[1].image)
        return self._scene

    def _begin(self) -> None:
        self._video, self._start = open_video(self._source), 0.0
        self._now = 0.0, next(self._video)
        self._next = self._following()
        self._scene = Still(self._now[1].image)

    def _following(self) -> tuple[float, Frame]:
        """The frame that was not read yet, and when it is due; the first one after the last."""
        frame = next(self._video, None)
        if frame is None:
            self._start += self._last + 1 / self._video.rate
            self._video = open_video(self._source)
            frame = next(self._video)
        self._last = frame.time
        return self._start + frame.time, frame

    def mark(self, source: Provenance) -> Provenance:
        """See `Backdrop.mark`."""
        return Provenance.composed(source, self._mark)

    @property
    def report(self) -> dict[str, Any]:
        """See `Backdrop.report`."""
        return {"backdrop": "video"}


def parse_color(color: str | Sequence[int]) -> tuple[int, int, int]:
    """A colour by its CSS name or hex ("white", "#00b140"), or by its red, green and blue from 0 to 255.

    Raises
    ------
    UsageError
        If it is no such colour.
    """
    from PIL import ImageColor

    complaint = (
        f"a colour is a name such as white, hex such as #00b140, or red, green, blue from 0 to 255, not {color!r}."
    )
    if isinstance(color, str):
        try:
            values: Sequence[int] = ImageColor.getrgb(color.strip())
        except ValueError:
            raise UsageError(complaint) from None
        if len(values) == 4 and values[3] != 255:
            raise UsageError(f"{color!r} lets something shine through: for that, cut out with transparent.")
        values = values[:3]
    else:
        values = np.ravel(color).tolist()
    if len(values) != 3 or not all(isinstance(v, int) and 0 <= v <= 255 for v in values):
        raise UsageError(complaint)
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _blurred(alone: NDArray[np.uint16], share: Levels, place: Image, disc: NDArray[np.float32]) -> Image:
    """The mean colour of the background around each pixel.

    Parameters
    ----------
    alone : (h, w, 3) uint16
        Light of the background alone; what is not background counts as dark.
    share : (h, w) uint8
        How much of each pixel is background.
    place : (h, w, 3) uint8
        The picture, for where no background is near, inside a body: there it has to do.
    disc : (k, k) float32
    """
    import cv2

    part = share.astype(np.float32)[..., None] / 255
    sure = cv2.erode(np.where(part > MOSTLY, part, 0), np.ones((3, 3)))  # a matte ends before the person does
    light = alone / np.maximum(part, MOSTLY) * sure[..., None] + FAINT * np.square(place.astype(np.float32))
    total = cv2.filter2D(np.dstack([light, sure + FAINT]), -1, disc, borderType=cv2.BORDER_REFLECT)
    return np.asarray(np.minimum(np.sqrt(total[..., :3] / total[..., 3:]) + 0.5, 255), np.uint8)


def _disc(radius: float) -> NDArray[np.float32]:
    """A disc with a smooth edge, of sum 1."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)
