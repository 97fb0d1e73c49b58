"""The demo's masks: the regions of one photo in colours, and its people before a background out of focus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.engine import Engine

__all__ = ["cut_regions"]

SHOWN = ("skin", "hair", "eyes", "brows", "nose", "lips", "teeth", "ears", "glasses", "neck", "clothes")


def cut_regions(folder: Path, photo: Path, engine: Engine) -> list[str]:
    """Write ``regions.jpg`` and ``background.jpg``; the names of the regions that the photo shows."""
    from mien.core.image import load_image, save_image
    from mien.masks.masking import mask
    from mien.masks.overlay import draw_legend, overlay
    from mien.swaps.backgrounds.background import background

    image = load_image(photo)
    m = mask(image, engine=engine)
    found = {name: region for name in SHOWN if name in m.names and (region := m.region(name))}
    save_image(draw_legend(overlay(image, found), found), folder / "regions.jpg", quality=88)
    background(image, blur=12, engine=engine).save(folder / "background.jpg", quality=88)
    return list(found)
