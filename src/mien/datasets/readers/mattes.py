"""Reads sets of pictures with mattes: P3M-10k, PPM-100, AIM-500, and what is laid out like them.

Pictures stand in one folder, mattes in another beside it, with the same names up to the suffix; some sets have a third
folder of trimaps, which say where alpha is to be measured apart. What the folders are called is told by `PICTURES`,
`MATTES` and `TRIMAPS`:

- P3M-10k: Li, Ma, Zhang & Tao, *Privacy-Preserving Portrait Matting*, ACM Multimedia 2021.
- PPM-100: Ke, Sun, Li, Yan & Lau, *MODNet*, AAAI 2022.
- AIM-500: Li, Zhang & Tao, *Deep Automatic Natural Image Matting*, IJCAI 2021.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import SourceError
from mien.core.region import Region

__all__ = ["MATTES", "PICTURES", "TRIMAPS", "MattedPicture", "read_mattes"]

PICTURES = ("images", "image", "original", "original_image", "blurred_image")
MATTES = ("alphas", "alpha", "mattes", "matte", "masks", "mask")
TRIMAPS = ("trimaps", "trimap")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})


@dataclass(frozen=True)
class MattedPicture:
    """A picture whose alpha is known.

    Parameters
    ----------
    path : Path
        The picture.
    matte : Path
        Its alpha, as a grey picture.
    trimap : Path, optional
        0 is background, 255 people, all else is where alpha is to be measured apart.
    """

    path: Path
    matte: Path
    trimap: Path | None = None

    def read(self) -> Region:
        """The alpha.

        Raises
        ------
        SourceError, ImageError
            If it cannot be read.
        """
        return Region.from_png(self.matte)

    def read_trimap(self) -> Region | None:
        """The trimap, if there is one; raises as `read`."""
        return Region.from_png(self.trimap) if self.trimap else None


def read_mattes(folder: str | os.PathLike[str]) -> list[MattedPicture]:
    """The pictures of a set that have a matte, by name.

    Parameters
    ----------
    folder : path
        Holds a folder of pictures and one of mattes: of `PICTURES` and `MATTES`, the first names that are there.

    Raises
    ------
    SourceError
        If there are no such folders, or no picture has a matte.
    """
    root = Path(folder)
    pictures, mattes, trimaps = (_files(root, names) for names in (PICTURES, MATTES, TRIMAPS))
    for found, names, what in ((pictures, PICTURES, "pictures"), (mattes, MATTES, "mattes")):
        if not found:
            raise SourceError(f"{root} has no folder of {what}: it is called {', '.join(names)}.")
    pairs = [MattedPicture(path, mattes[stem], trimaps.get(stem)) for stem, path in pictures.items() if stem in mattes]
    if not pairs:
        raise SourceError(f"in {root} no picture has a matte of the same name.")
    return pairs


def _files(root: Path, names: Sequence[str]) -> dict[str, Path]:
    """The pictures in the first of these folders, by stem, in order."""
    try:
        for name in names:
            if (root / name).is_dir():
                found = sorted(path for path in (root / name).iterdir() if path.suffix.lower() in SUFFIXES)
                return {path.stem: path for path in found}
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise SourceError(f"{str(root)!r} cannot be read: {error}.") from error
    return {}
