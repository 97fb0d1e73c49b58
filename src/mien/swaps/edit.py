"""``Edit``: a picture that was made or changed, with the record of how."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mien.core.faces import Faces
from mien.core.image import Image
from mien.media.deep import Deep
from mien.media.deep_marking import mark_deep
from mien.media.marking import mark_image
from mien.media.provenance import Provenance

__all__ = ["Edit"]


@dataclass(frozen=True, eq=False)
class Edit:
    """A picture that was made or changed.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8
        The result, RGB; or RGBA, where a part of it is transparent. Of a video, its first frame.
    provenance : Provenance
        What is written into each file of it. There is no way to save an edit without.
    faces : Faces
        The faces of the result, in its pixels; none where the verb did not look for them.
    report : mapping
        How it came about: settings, numbers, what was refused. JSON types.
    layers : mapping of str to (H, W, ...) arrays
        Intermediate pictures and masks by name, where the verb has some.
    path : Path, optional
        The file, or the pattern of pictures, that the verb has written; a video is always in one.
    profile : bytes, optional
        ICC: how the colours are meant; written into each file of it.
    deep : Deep, optional
        What it was made of, where that has more than 8 bits: PNG, TIFF and EXR are then written in that depth.
    """

    image: Image
    provenance: Provenance
    faces: Faces
    report: Mapping[str, Any] = field(default_factory=dict)
    layers: Mapping[str, Image] = field(default_factory=dict)
    path: Path | None = None
    profile: bytes | None = None
    deep: Deep | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "report", MappingProxyType(dict(self.report)))
        object.__setattr__(self, "layers", MappingProxyType(dict(self.layers)))

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Edit({width}x{height}, {len(self.faces)} faces, {self.provenance.source_type})"

    def save(
        self, path: str | os.PathLike[str], *, quality: int = 95, parent: str | os.PathLike[str] | None = None
    ) -> Path:
        """Write the picture with its marks: metadata, signed content credentials and, if synthetic, the invisible one.

        `image` itself has no mark in its pixels: that is put into the file alone.

        Parameters
        ----------
        path : path
            Its suffix says the format: JPEG, PNG, WebP, TIFF or AVIF; JPEG holds nothing transparent.
        quality : int
            Of JPEG and WebP, 1 to 100.
        parent : path, optional
            File that it was made of, to be named in the credentials together with its hash: see `mark_image`.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        UsageError
            If the format cannot carry the mark, or the picture's transparency.
        StorageError
            If it cannot be signed or written; then there is no file.
        """
        if self.deep is not None and Path(path).suffix.lower() in self.deep.suffixes:
            return mark_deep(self.deep.changed(self.image), path, self.provenance, parent=parent)
        return mark_image(self.image, path, self.provenance, quality=quality, parent=parent, profile=self.profile)
