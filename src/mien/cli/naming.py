"""Names of files: of what is written of each picture into one folder, and whether that is what is read."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.engine import Item

__all__ = ["Names", "is_many", "is_same_file"]


def is_many(source: str) -> bool:
    """Whether a source is a folder or a pattern: several files, though it may be none."""
    # Unlike Path's own, these say no to a name that is too long.
    return os.path.isdir(source) or (any(sign in source for sign in "*?[") and not os.path.exists(source))  # noqa: PTH110, PTH112


def is_same_file(one: str | Path, other: Path) -> bool:
    """Whether two names are of one file or folder that is there."""
    try:
        return other.samefile(one)
    except (OSError, ValueError):  # one of them is not there, or can be no name
        return False


class Names:
    """Where in a folder the files of a picture go: below a folder that was named, a picture keeps its place.

    Parameters
    ----------
    folder : Path
        Of the results.
    sources : sequence of str
        As they were named: pictures, folders, globs.
    """

    def __init__(self, folder: Path, sources: Sequence[str]) -> None:
        self._folder = folder
        self._roots = [Path(source).expanduser() for source in sources]
        self._taken: set[Path] = set()

    def base(self, item: Item) -> Path:
        """What the names of a picture's files begin with; where two pictures meet, the later one gets a number."""
        path = self._place(Path(item.source))
        moment = "" if item.time is None else f"-{item.time:08.3f}s"
        return self._free(path.with_name(f"{path.stem}{path.suffix.replace('.', '-')}{moment}"), "")

    def file(self, source: str, suffix: str) -> Path:
        """The one file of a picture or a video, which keeps its name; where two meet, the later one gets a number."""
        return self._free(self._place(Path(source)).with_suffix(""), suffix)

    def _place(self, path: Path) -> Path:
        root = next((root for root in self._roots if root in path.parents), None)
        return self._folder / (path.relative_to(root) if root else path.name)

    def _free(self, first: Path, suffix: str) -> Path:
        numbered = (first.with_name(f"{first.name}~{number}") for number in itertools.count(2))
        names = (one.with_name(one.name + suffix) for one in itertools.chain([first], numbered))
        name = next(one for one in names if one not in self._taken)
        self._taken.add(name)
        return name
