"""Names of files that are written of each picture into one folder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.engine import Item

__all__ = ["Names"]


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
        path = Path(item.source)
        root = next((root for root in self._roots if root in path.parents), None)
        relative = path.relative_to(root) if root else Path(path.name)
        moment = "" if item.time is None else f"-{item.time:08.3f}s"
        first = self._folder / relative.with_name(f"{relative.stem}{relative.suffix.replace('.', '-')}{moment}")
        numbered = (first.with_name(f"{first.name}~{number}") for number in itertools.count(2))
        base = next(one for one in itertools.chain([first], numbered) if one not in self._taken)
        self._taken.add(base)
        return base
