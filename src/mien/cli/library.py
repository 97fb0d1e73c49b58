"""The demo's library: the photos go into a gallery, which groups their faces into people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.gallery.groups.clusters import Clustering

__all__ = ["keep_library"]


def keep_library(folder: Path, photos: Path, engine: Engine) -> Clustering | None:
    """Make or go on with the gallery ``people.mien``, and write ``people.html``; None where nothing can group."""
    from mien.core.errors import NotCalibrated
    from mien.gallery.people import Gallery

    with Gallery(folder / "people.mien", engine=engine) as gallery:
        gallery.add(photos)
        if gallery.space is None:
            return None
        try:
            done = gallery.cluster()
        except NotCalibrated:
            return None
        gallery.sheet(folder / "people.html")
        return done
