"""Sets of real and forged faces: FaceForensics++'s folders, or folders called real and fake.

FaceForensics++ (Rössler et al., *Learning to Detect Manipulated Facial Images*, ICCV 2019) has
``original_sequences/SOURCE/**`` and ``manipulated_sequences/METHOD/**``; a forgery is named by the two clips it is of,
``519_515.mp4``. Otherwise ``real/**`` and ``fake/METHOD/**`` (or files in ``fake`` itself); where there is a folder
``real/METHOD``, only what is in it is held against that method.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import SourceError
from mien.media.scan import PICTURE_SUFFIXES
from mien.media.video import VIDEO_SUFFIXES

__all__ = ["ForgerySample", "read_forgeries"]

#: Folders of real and of forged files, by layout.
REAL = "real"
LAYOUTS = (("original_sequences", "manipulated_sequences"), (REAL, "fake"))
UNNAMED = "fake"
SUFFIXES = PICTURE_SUFFIXES | VIDEO_SUFFIXES


@dataclass(frozen=True)
class ForgerySample:
    """One file.

    Attributes
    ----------
    path : Path
    forged : bool
    method : str
        How it was forged; of a real one, the method that it is held against alone, or "".
    group : str
        Whom it shows, as far as its name tells: what stands before the first underscore; of files in ``real`` whose
        name has none, the folder that they are in. Files of one group are not independent.
    """

    path: Path
    forged: bool
    method: str
    group: str

    @property
    def moves(self) -> bool:
        """Whether it is a video."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def read_forgeries(folder: Path) -> list[ForgerySample]:
    """List a set's files, the real ones first.

    Raises
    ------
    SourceError
        If the folder has neither layout, or holds no real or no forged file.
    """
    found = [(folder / real, folder / fake) for real, fake in LAYOUTS]
    pair = next((both for both in found if all(part.is_dir() for part in both)), None)
    if pair is None:
        names = " or ".join(f"{real} and {fake}" for real, fake in LAYOUTS)
        raise SourceError(f"{folder} has no folders {names}.")
    forged = [_sample(path, pair[1], forged=True, methods=frozenset()) for path in _files(pair[1])]
    methods = frozenset(sample.method for sample in forged)
    real = [_sample(path, pair[0], forged=False, methods=methods) for path in _files(pair[0])]
    if not real or not forged:
        raise SourceError(f"{folder} has no {'real' if forged else 'forged'} pictures or videos.")
    return real + forged


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _sample(path: Path, root: Path, *, forged: bool, methods: frozenset[str]) -> ForgerySample:
    folders = path.relative_to(root).parts[:-1]
    method = folders[0] if folders else (UNNAMED if forged else "")
    if not forged and method not in methods:
        method = ""
    group, underscore, _ = path.stem.partition("_")
    if root.name == REAL and not underscore and len(folders) > bool(method):
        group = folders[-1]
    return ForgerySample(path, forged, method, group)
