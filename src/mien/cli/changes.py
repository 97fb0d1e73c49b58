"""The demo's edits: two people swapped, one edited, and the clip with everybody in it hidden; each file marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.engine import Engine

__all__ = ["change_people"]


def change_people(folder: Path, engine: Engine) -> dict[str, str]:
    """Write the files into a folder: what each is, by name."""
    from mien import assets
    from mien.swaps.editing import edit
    from mien.swaps.exchange.swapper import swap
    from mien.swaps.hidden.anonymizer import anonymize

    target, source = assets.PEOPLE[1], assets.PEOPLE[5]
    swap(target, source=source, engine=engine).save(folder / "swapped.jpg", quality=88)
    edit(target, hair="#8a3324", smile=0.5, yaw=8, engine=engine).save(folder / "edited.jpg", quality=88)
    anonymize(folder / "clip.mp4", out=folder / "clip-hidden.mp4", engine=engine)
    return {
        "swapped.jpg": "another's face in a picture",
        "edited.jpg": "the same picture with other hair, a smile, and the head turned",
        "clip-hidden.mp4": "the clip with every face hidden",
    }
