"""What edits are made of: whether a target is a video, and what it says of its own making."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mien.core.errors import ImageError, SourceError
from mien.media.provenance import Provenance, provenance
from mien.media.scan import find_pictures
from mien.media.video import VIDEO_SUFFIXES, Video

__all__ = ["is_video", "mark_of"]


def is_video(target: object) -> bool:
    """Whether a target is a video, open or by its name."""
    if isinstance(target, Video):
        return True
    return isinstance(target, str | os.PathLike) and Path(target).suffix.lower() in VIDEO_SUFFIXES


def mark_of(source: Any) -> Provenance:
    """What a picture or a video says of its making; of pictures in a row, what the first says.

    What is no file says nothing.
    """
    if not isinstance(source, str | os.PathLike | bytes):
        return Provenance(reason="it is no file.")
    first = source if isinstance(source, bytes) else next(find_pictures(source))
    try:
        return provenance(first) if isinstance(first, bytes | Path) else Provenance(reason=str(first.error))
    except (ImageError, SourceError) as error:  # of a kind that carries no mark, such as AVI; a webcam
        return Provenance(reason=str(error))
