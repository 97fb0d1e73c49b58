"""Where a gallery's records live: one protocol, and a table of the places that can hold them.

A store keeps records and finds nearest vectors. What they mean is the business of `mien.gallery.people`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.embeddings.packing import Precision
from mien.gallery.records import ANYTHING, Change, Counts, Entry, Link, Person, Sample, Where

__all__ = ["SCHEMA", "Store", "open_store"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

SCHEMA = 1  #: version of what stores write; one that is newer is refused, an older one is brought up


class Store(Protocol):
    """People, samples, vectors and links in one place.

    All stores behave alike; `tests/gallery/test_stores.py` runs one suite on each. Reads see what was last applied, by
    whichever process. Methods raise `StorageError` where the place cannot be reached, read or written, and
    `GalleryError` where what it holds is torn or newer than this version.
    """

    @property
    def space(self) -> str | None:
        """The embedding space in use: that of the first vectors, or the one that was chosen; None before.

        It stays when the last vector goes.
        """
        ...

    @property
    def dimension(self) -> int | None:
        """Numbers a vector of the space in use has."""
        ...

    def reserve(self, count: int) -> int:
        """Take `count` numbers that nobody else gets, and return the first: for ids of people and samples."""
        ...

    def apply(self, change: Change, *, expect: int | None = None) -> None:
        """Write a change, wholly or not at all; when it returns, the change outlives a crash.

        Parameters
        ----------
        change : Change
        expect : int, optional
            The `generation` that the change was computed from.

        Raises
        ------
        GalleryChanged
            If the generation is another meanwhile; nothing is written.
        UsageError, UnknownPerson, ShapeMismatch
            If something in it is too large, no number, contradicts itself, or names what is not there; if vectors are
            not of length 1, or not of their space's dimension. `mien.gallery.stores.limits` has the list.
        """
        ...

    def generation(self) -> int:
        """How many changes were applied."""
        ...

    def meta(self) -> Mapping[str, str]:
        """Settings."""
        ...

    def counts(self) -> Counts:
        """How much is held."""
        ...

    def people(self, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None) -> list[Person]:
        """People by id or by name; all of them, in the order of their numbers, when neither is given."""
        ...

    def samples(self, where: Where = ANYTHING, *, crops: bool = False) -> Iterator[Sample]:
        """Samples in the order of their ids; without their crops unless asked for."""
        ...

    def vectors(self, ids: Sequence[int], *, space: str | None = None) -> Floats:
        """Vectors (N, D) of samples, in the order of `ids`; NaN where there is none."""
        ...

    def links(self, ids: Sequence[int] | None = None) -> list[Link]:
        """Links that touch these samples; all of them by default."""
        ...

    def entries(self, *, limit: int | None = None) -> list[Entry]:
        """The audit log, newest first."""
        ...

    def looked(self, pictures: Sequence[str]) -> set[str]:
        """Those of these pictures that were looked at, as `Change.looked` has them."""
        ...

    def search(
        self, queries: Floats, k: int, *, where: Where = ANYTHING, exact: bool = False
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Nearest samples by cosine.

        Parameters
        ----------
        queries : (Q, D) float32
            Of length 1, in the space in use.
        k : int
        where : Where
            Only these samples.
        exact : bool
            Compare with all of them; else an index may miss some.

        Returns
        -------
        ids : (Q, k) int64
            Samples, nearest first; -1 where there are no more.
        scores : (Q, k) float32
            Cosines; NaN where there are no more. Always computed from the stored vectors.
        """
        ...

    def use_space(self, space: str, dimension: int) -> None:
        """Make a space the one in use, as one step, and erase the vectors of all others (after `reembed`)."""
        ...

    def erase(self) -> None:
        """Overwrite what deleted records left behind in files, logs, tables and indexes."""
        ...

    def backup(self, target: str | os.PathLike[str]) -> None:
        """Copy the whole to a new place of the same kind (a file or folder) while it is in use.

        Raises
        ------
        UsageError
            If the target is there already, or this kind of store has tools of its own for that.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class StoreMaker(Protocol):
    """A store's class: how one is opened or begun."""

    def open(self, place: str, *, create: bool, precision: Precision | None) -> Store:
        """Open what is there; begin an empty one where there is nothing and `create` holds.

        Raises
        ------
        SourceError
            If there is nothing, and none is to be made.
        UsageError
            If `precision` is given and differs from the one that is stored.
        """
        ...


#: How a place begins, and the class that opens it. A path has none of these schemes.
STORES = {
    "postgresql": "mien.gallery.stores.postgres:PostgresStore",
    "postgres": "mien.gallery.stores.postgres:PostgresStore",
    "qdrant": "mien.gallery.stores.qdrant:QdrantStore",  # qdrant:FOLDER is the client's local mode
    "http": "mien.gallery.stores.qdrant:QdrantStore",
    "https": "mien.gallery.stores.qdrant:QdrantStore",
    "": "mien.gallery.stores.sqlite:SqliteStore",  # a folder, or :memory:
}


def open_store(place: str | os.PathLike[str], *, create: bool = True, precision: Precision | None = None) -> Store:
    """Open the store of a place.

    Parameters
    ----------
    place : path or str
        A folder; ":memory:"; "postgresql://..."; "http://..." or "https://..." of a Qdrant server, with a collection's
        name as its path; "qdrant:FOLDER".
    create : bool
        Begin one where there is none.
    precision : {"f32", "f16", "i8"}, optional
        How a new one stores vectors; f16 by default.

    Raises
    ------
    SourceError, StorageError, GalleryError, UsageError
        If it cannot be opened.
    """
    text = os.fspath(place)
    scheme, colon, _ = text.partition(":")
    if not colon or not scheme or len(scheme) == 1 or os.path.exists(text):  # noqa: PTH110 # C:\photos is a path
        scheme = ""
    if scheme not in STORES:
        kinds = ", ".join(filter(None, STORES))
        raise UsageError(f"a gallery is a folder, :memory:, or a URL of {kinds}; got {scheme[:20]!r}.")
    module, _, name = STORES[scheme].partition(":")
    return cast("StoreMaker", getattr(importlib.import_module(module), name)).open(
        text, create=create, precision=precision
    )
