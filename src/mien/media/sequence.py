"""Pictures in a row, as the frames of a video."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.core.errors import ImageError, InputError, SourceError, UsageError
from mien.core.image import Image
from mien.media.deep_marking import load_deep
from mien.media.demuxing import Facts
from mien.media.scan import PICTURE_SUFFIXES, Nothing, find_pictures

__all__ = ["Pictures"]

SHOWN = PICTURE_SUFFIXES | {".exr"}  # which only sequences are of: elsewhere a picture has 8 bits

logger = logging.getLogger("mien")


class Pictures:
    """The pictures of a folder, a pattern or a list, `fps` of them a second.

    One that cannot be read is left out with a warning, and the time in which it would have been shown passes.

    Raises
    ------
    SourceError, ImageError
        If there is none that can be read.
    UsageError
        If the source is none of these.
    """

    missing = 0.0  # seconds that are claimed and not there: see `Video.missing`

    def __init__(
        self,
        source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        fps: float,
        max_pixels: int | None = None,
    ) -> None:
        found = list(find_pictures(source, suffixes=SHOWN))
        paths = [path for path in found if isinstance(path, Path)]
        missing = [place.error for place in found if isinstance(place, Nothing)]
        if not paths:
            raise missing[0] if missing else SourceError("a video of no pictures has no frame.")
        for error in missing:
            logger.warning("left out of the sequence: %s", error)
        if isinstance(source, str | os.PathLike):
            paths.sort(key=_by_number)
            name = str(source)
        else:
            name = f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else str(paths[0])
        self._paths, self._fps, self._max_pixels = paths, fps, max_pixels
        self._waiting = self._read()
        first = next(self._waiting, None)
        if first is None:
            raise ImageError(f"{name}: no picture of it can be read.")
        self._waiting = itertools.chain([first], self._waiting)
        height, width = first[1].shape[:2]
        self.facts = Facts(name, (width, height), fps, duration=len(paths) / fps, frame_count=len(paths))

    def pictures(self) -> Iterator[tuple[float, Image]]:
        """Time in seconds and picture, in order."""
        return self._waiting

    def close(self) -> None:
        """Forget what was read ahead."""
        self._waiting = iter(())

    def path_at(self, time: float) -> Path:
        """The picture that is shown at a time that `pictures` gave."""
        return self._paths[round(time * self._fps)]

    def _read(self) -> Iterator[tuple[float, Image]]:
        for place, path in enumerate(self._paths):
            try:
                yield place / self._fps, load_deep(path, max_pixels=self._max_pixels)[0]
            except UsageError:
                raise
            except InputError as error:
                logger.warning("left out of the sequence: %s", error)


def _by_number(path: Path) -> list[tuple[bool, int, str]]:
    """Order in which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", str(path))
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
