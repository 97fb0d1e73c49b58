"""Labelled pictures and the pairs to compare: folders of people, and the pair files of the literature."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mien.datasets.readers.bins import read_bin
from mien.datasets.readers.calfw import read_calfw
from mien.datasets.readers.cfp import read_cfp
from mien.datasets.readers.files import read_bytes
from mien.datasets.readers.lfw import LARGEST, read_lfw
from mien.datasets.readers.pairs import Pairs

__all__ = ["Pairs", "read_pairs"]

Reader = Callable[[Path, Path | None], Pairs]


def read_pairs(source: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> Pairs:
    """Read pairs by the kind of what is there.

    Parameters
    ----------
    source : path
        A folder with one folder of pictures per person: all pairs are used. ``pairs.txt`` and its like of LFW;
        ``pairs_CALFW.txt`` or ``pairs_CPLFW.txt``; ``Protocol/Split/FP`` or ``FF`` of CFP; a ``.bin`` file of
        InsightFace, such as ``agedb_30.bin``.
    pictures : path, optional
        The folder of pictures, where the file does not lie as its set is published.

    Raises
    ------
    SourceError, InputError, UsageError
        As the readers do.
    """
    path = Path(source)
    folder = Path(pictures) if pictures is not None else None
    return next(read for matches, read in _LAYOUTS if matches(path))(path, folder)


def _has_two_words(path: Path) -> bool:
    """Whether the first line is a file's name and a mark, and not LFW's counts."""
    words = read_bytes(path, limit=LARGEST)[:4096].decode("utf-8", "replace").lstrip("\ufeff").strip().splitlines()[:1]
    name, *rest = words[0].rsplit(maxsplit=1) if words else [""]
    return bool(rest) and "." in name and rest[0].isdecimal()


#: The first that matches is taken.
_LAYOUTS: tuple[tuple[Callable[[Path], bool], Reader], ...] = (
    (
        lambda path: path.is_dir() and next(path.glob("*/same.txt"), None) is not None,
        lambda p, f: read_cfp(p, pictures=f),
    ),
    (lambda path: path.is_dir(), lambda p, _: Pairs.of_folder(p)),
    (lambda path: path.suffix.lower() == ".bin", lambda p, _: read_bin(p)),
    (_has_two_words, lambda p, f: read_calfw(p, pictures=f)),
    (lambda _: True, lambda p, f: read_lfw(p, pictures=f)),
)
