"""Nearest vectors among many: a cache beside a store, which can be made anew at any time and is never the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.gallery.indexing.files import FileRows, Files, storage_errors
from mien.gallery.indexing.lists import Lists
from mien.gallery.indexing.rows import Growing, compared, kth, noting_ids, repeated, rounded, widened

__all__ = ["Index"]

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Ids = NDArray[np.int64]

FORMAT = 1
PORTION = 8192  # rows that are read at once
QUERIES = 64  # that are compared exactly at once
CANDIDATES = 100  # that the lists name to be compared exactly
REMOVED = -1  # in place of an id
#: The arrays of the lists in a folder, and whether they stay in their files.
LISTS = {"rotation": False, "centroids": False, "starts": False, "rows": False, "codes": True, "rests": False}


class Index:
    """Vectors of one embedding space, by id, in memory and perhaps in a folder.

    Every vector is kept in f16, and what a search returns was compared with that. A set of less than 20,000 is compared
    as a whole. A larger one has `Lists`, which name candidates; vectors that came after the lists were made are all
    compared, until there are so many that `save` makes the lists anew.

    Many threads may search at once, but not while one changes the index. Many processes may use a folder: what one
    saves does not disturb the others, which go on with what they have. Only one may save at a time.

    In the folder are flat files (readable by the owner only): ``vectors`` and ``ids`` by row, and the arrays of the
    lists. Rows are appended; a removed vector is overwritten with zeros wherever it stood, turned or not.
    """

    SMALL: ClassVar[int] = 20_000  #: sets below this size have no lists

    def __init__(self, folder: Path | None, *, space: str, dimension: int, generation: int) -> None:
        self._folder = folder
        self.space = space
        self.dimension = dimension
        self.generation = generation  #: of the store, that the index reflects
        self._files: Files | None = None
        self._ids = Growing(np.zeros(0, np.int64))  # by row
        self._lists: Lists | None = None
        self._listed: Halves | FileRows = np.zeros((0, dimension), np.float16)  # the vectors that are in the lists
        self._recent = Growing(np.zeros((0, dimension), np.float32))  # those of all rows behind
        self._order: tuple[Ids, Ids] | None = None  # ids of the lists, sorted, and their rows
        self._removed = 0
        self._saved = 0  # rows that are in files
        self._unsaved: list[int] = []  # rows among these that were removed since

    def __len__(self) -> int:
        return len(self._ids.values) - self._removed

    @classmethod
    def open(cls, folder: Path, *, space: str, dimension: int) -> Self | None:
        """The index in a folder; None where it is missing, torn, of another space or of another version.

        Checksums of a sample of the large files are compared, and of all of the small ones; see `is_whole`.
        """
        files = Files.open(folder)
        if files is None:
            return None
        wanted = {"format": FORMAT, "space": space, "dimension": dimension}
        if {name: files.header.get(name) for name in wanted} != wanted:
            return None
        try:
            index = cls(folder, space=space, dimension=dimension, generation=int(files.header["generation"]))
            index._load(files)
        except (
            OSError,
            KeyError,
            ValueError,
            TypeError,
        ):  # replaced in this moment, or a manifest that lists something else
            return None
        return index

    @classmethod
    def build(
        cls,
        folder: Path | None,
        rows: Iterable[tuple[Ids, Floats]],
        *,
        space: str,
        dimension: int,
        generation: int,
        threads: int = 1,
    ) -> Self:
        """Make an index of rows, and save it unless `folder` is None.

        Parameters
        ----------
        folder : Path or None
            Where it lives; None: in memory only.
        rows : iterable of (ids (N,) int64, vectors (N, D) float32)
            Read once, in portions; where an id comes twice, the later one counts.
        space : str
        dimension : int
        generation : int
            Of the store, that the rows are of.
        threads : int
            How many may work at once.

        Raises
        ------
        ShapeMismatch, UsageError
            If vectors are of another dimension, or not finite.
        StorageError
            If the folder cannot be written.
        """
        index = cls(folder, space=space, dimension=dimension, generation=generation)
        index._make((index._checked(ids, vectors) for ids, vectors in rows), threads)
        return index

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add vectors of length 1, or replace those whose ids are there.

        In memory only, this makes the lists when they are due, which `save` does for a folder.

        Raises
        ------
        ShapeMismatch, UsageError
            If vectors are of another dimension, or not finite, or an id comes twice.
        """
        ids, vectors = self._checked(ids, vectors)
        if len(np.unique(ids)) < len(ids):
            raise UsageError("an id can be added once at a time.")
        self.remove(ids)
        self._ids.append(ids)
        self._recent.append(rounded(vectors))
        if self._folder is None and self._is_worn:
            self._make(self._live(), 1)

    def remove(self, ids: Ids) -> None:
        """Take vectors out; ids that are not there do not matter. After the next `save` no file has their bytes."""
        rows = self._find(np.asarray(ids, np.int64))
        self._ids.values[rows] = REMOVED
        self._removed += len(rows)
        self._unsaved.extend(rows[rows < self._saved].tolist())
        covered = len(self._lists) if self._lists is not None else 0
        self._recent.values[rows[rows >= covered] - covered] = 0
        if self._lists is not None:
            self._lists.bias[self._lists.places(rows[rows < covered])] = -np.inf
            if self._files is None and isinstance(self._listed, np.ndarray):
                self._listed[rows[rows < covered]] = 0
                self._lists.codes[self._lists.places(rows[rows < covered])] = 0

    @property
    def worth_saving(self) -> bool:
        """Whether so much has changed that the next process to open the index would notice, or it searches slowly."""
        unsaved = len(self._ids.values) - self._saved + len(self._unsaved)
        return self._folder is not None and (unsaved > 1000 or self._is_worn)

    @property
    def _is_worn(self) -> bool:
        """Whether the lists leave out too much, or hold too much that is no longer there."""
        recent = len(self._recent.values)
        return recent >= max(self.SMALL, len(self._ids.values) // 50) or self._removed > max(self.SMALL, len(self)) // 4

    def save(self, generation: int, *, threads: int = 1) -> None:
        """Write what has changed, as the state of a generation of the store.

        This takes milliseconds, but seconds (15 for a million) when the lists are due to be made anew, or when
        another process has saved into the folder since this index was opened: opening that one is faster.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        self.generation = generation
        if self._folder is None:
            return
        if self._files is None or self._is_worn or self._files.overtaken():
            self._make(self._live(), threads)
        else:
            self._update(self._files)

    def is_whole(self) -> bool:
        """Whether all bytes in the folder are as they were written; reads all of them."""
        return self._files is None or self._files.is_whole()

    def search(
        self, queries: Floats, k: int, *, allowed: Ids | None = None, exact: bool = False, effort: float = 1.0
    ) -> tuple[Ids, Floats]:
        """Nearest vectors by cosine.

        Parameters
        ----------
        queries : (Q, D) float32
            Of length 1.
        k : int
        allowed : sorted (M,) int64, optional
            Find only these ids; those that are not there do not matter. Few are all compared.
        exact : bool
            Miss none; else some may be missed where there are many.
        effort : float
            How much of a large set is looked at, 1 being usual: more takes longer and misses fewer.

        Returns
        -------
        ids : (Q, k) int64
            Nearest first; -1 where there are no more.
        scores : (Q, k) float32
            Cosines with the vectors in f16; NaN where there are no more.

        Raises
        ------
        ShapeMismatch, UsageError
            If queries are of another dimension or not finite, or k is not positive.
        """
        queries = self._check(queries)
        if k < 1:
            raise UsageError(f"k is at least 1, got {k}.")
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), np.nan, np.float32)
        for number, (rows, values) in enumerate(self._nearest(queries, k, allowed, exact, effort)):
            best = np.argsort(-values, kind="stable")[:k]
            ids[number, : len(best)] = self._ids.values[rows[best]]
            scores[number, : len(best)] = values[best]
        return ids, scores

    def _nearest(
        self, queries: Floats, k: int, allowed: Ids | None, exact: bool, effort: float
    ) -> Iterator[tuple[Ids, Floats]]:
        """For each query, rows and their scores, among which are the best `k`."""
        lists, covered = self._lists, len(self._lists or ())
        rows = None if allowed is None else np.sort(self._find(allowed))
        if rows is not None and len(rows) < self.SMALL:
            yield from compared(queries, rows, self._vectors(rows), k)
            return
        recent = np.arange(covered, len(self._ids.values))
        wanted = self._ids.values[covered:] != REMOVED
        if rows is not None:
            wanted &= np.isin(recent, rows)
        newer = compared(queries, recent, self._recent.values, k, wanted)
        if lists is None:
            yield from newer
            return
        bias = lists.bias if self._removed else None
        if rows is not None:
            bias = np.full(covered, -np.inf, np.float32)
            bias[lists.places(rows[rows < covered])] = 0
            effort *= covered / len(rows)  # so that as many of those that are allowed are seen
        older = self._exact(queries, k, bias) if exact else self._named(queries, max(CANDIDATES, 2 * k), bias, effort)
        for (rows, scores), (more, more_scores) in zip(older, newer, strict=True):
            yield np.concatenate([rows, more]), np.concatenate([scores, more_scores])

    def _named(self, queries: Floats, count: int, bias: Floats | None, effort: float) -> Iterator[tuple[Ids, Floats]]:
        """For each query, the candidates that the lists name, and their scores."""
        assert self._lists is not None  # noqa: S101
        for query, rows in zip(queries, self._lists.candidates(queries, count, bias=bias, effort=effort), strict=True):
            yield rows, self._vectors(rows) @ query

    def _exact(self, queries: Floats, k: int, bias: Floats | None) -> Iterator[tuple[Ids, Floats]]:
        """For each query, those rows of the lists that no other can be nearer than, and their scores."""
        assert self._lists is not None  # noqa: S101
        for start in range(0, len(queries), QUERIES):
            block = queries[start : start + QUERIES]
            least = [kth(scores, k) for _, scores in self._named(block, max(CANDIDATES, 2 * k), bias, 1.0)]
            rows = self._lists.above(block, np.array(least, np.float32), bias)
            parts = [rows[s : s + PORTION] for s in range(0, len(rows), PORTION)] or [rows]
            found = [list(compared(block, part, self._vectors(part), k)) for part in parts]
            for one in zip(*found, strict=True):
                yield np.concatenate([part for part, _ in one]), np.concatenate([scores for _, scores in one])

    def _vectors(self, rows: Ids) -> Floats:
        """Vectors of sorted rows, or of rows that all are in the lists."""
        covered = len(self._lists or ())
        older = rows[rows < covered]
        recent = self._recent.values[rows[len(older) :] - covered]
        return np.concatenate([widened(self._listed[older]), recent]) if len(older) else recent

    def _find(self, ids: Ids) -> Ids:
        """Rows of those ids that are there."""
        covered = len(self._lists or ())
        if self._order is None:
            order = np.argsort(self._ids.values[:covered], kind="stable")
            self._order = self._ids.values[order], order
        known, rows = self._order
        places = np.searchsorted(known, ids)
        places = places[places < covered]
        older = np.unique(rows[places])
        older = older[np.isin(self._ids.values[older], ids)]
        recent = np.flatnonzero(np.isin(self._ids.values[covered:], ids)) + covered
        found: Ids = np.concatenate([older, recent])
        return np.asarray(found[self._ids.values[found] != REMOVED])

    def _check(self, vectors: Floats) -> Floats:
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ShapeMismatch(f"vectors of {self.space} are (N, {self.dimension}), got shape {vectors.shape}.")
        if not np.isfinite(vectors).all():
            raise UsageError("a vector has numbers that are not finite.")
        return vectors

    def _checked(self, ids: Ids, vectors: Floats) -> tuple[Ids, Floats]:
        ids, vectors = np.asarray(ids, np.int64), self._check(vectors)
        if ids.shape != (len(vectors),):
            raise ShapeMismatch(f"there are {len(vectors)} vectors and ids of shape {ids.shape}.")
        if (ids < 0).any():
            raise UsageError("ids are 0 or more.")
        return ids, vectors

    def _live(self) -> Iterator[tuple[Ids, Floats]]:
        """All rows that were not removed."""
        rows = np.flatnonzero(self._ids.values != REMOVED)
        for start in range(0, len(rows), PORTION):
            part = rows[start : start + PORTION]
            yield self._ids.values[part], self._vectors(part)

    def _header(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "space": self.space,
            "dimension": self.dimension,
            "generation": self.generation,
        }

    def _make(self, rows: Iterator[tuple[Ids, Floats]], threads: int) -> None:
        """Be an index of these rows, and of nothing else."""
        if self._folder is None:
            self._make_in_memory(rows, threads)
            return
        files = Files(self._folder, self._header(), {})
        with storage_errors(self._folder), files.discarded_unless_committed():
            ids: list[Ids] = []
            files.write("vectors", noting_ids(rows, ids), "<f2", (self.dimension,))
            known = np.concatenate([np.zeros(0, np.int64), *ids])
            again = repeated(known)
            files.clear("vectors", again)
            known[again] = REMOVED
            files.write("ids", [known], "<i8", ())
            if len(known) >= self.SMALL:
                source = files.rows("vectors")
                lists = Lists.build(len(known), lambda part: widened(source[part]), threads=threads)
                for name in LISTS:
                    array = getattr(lists, name)
                    portions = (array[s : s + PORTION] for s in range(0, len(array), PORTION))
                    files.write(name, portions, array.dtype.newbyteorder("<").str, array.shape[1:])
            files.commit()
        self._load(files)

    def _make_in_memory(self, rows: Iterator[tuple[Ids, Floats]], threads: int) -> None:
        ids: list[Ids] = []
        vectors = np.concatenate([np.zeros((0, self.dimension), np.float16), *noting_ids(rows, ids)])
        known = np.concatenate([np.zeros(0, np.int64), *ids])
        again = repeated(known)
        vectors[again], known[again] = 0, REMOVED
        lists = None
        if len(known) >= self.SMALL:
            lists = Lists.build(len(known), lambda part: widened(vectors[part]), threads=threads)
        count = len(lists or ())
        self._adopt(known, lists, vectors[:count], vectors[count:])

    def _load(self, files: Files) -> None:
        """Be what files hold."""
        ids = files.read("ids").astype(np.int64)
        source = files.rows("vectors")
        lists = None
        if "codes" in files.arrays:
            arrays = {name: np.asarray(files.map(name) if stays else files.read(name)) for name, stays in LISTS.items()}
            lists = Lists(**arrays, bias=np.zeros(len(arrays["rows"]), np.float32))
        self._adopt(ids, lists, source, source[len(lists or ()) : len(ids)])
        self._files, self._saved = files, len(ids)

    def _adopt(self, ids: Ids, lists: Lists | None, listed: Halves | FileRows, recent: Halves) -> None:
        self._ids, self._lists, self._listed = Growing(ids), lists, listed
        self._recent = Growing(widened(recent))
        self._order, self._saved, self._unsaved = None, 0, []
        self._removed = int((ids == REMOVED).sum())
        if lists is not None:
            lists.bias[ids[lists.rows] == REMOVED] = -np.inf

    def _update(self, files: Files) -> None:
        """Append the rows that are new, and overwrite those that were removed."""
        self._files = None  # should this fail, the next one writes all files anew
        removed = np.unique(np.array(self._unsaved, np.int64))
        with storage_errors(files.folder):
            if len(removed):
                files.clear("vectors", removed)
                files.clear("ids", removed, REMOVED)
                if self._lists is not None:
                    places = self._lists.places(removed[removed < len(self._lists)])
                    files.clear("codes", places)
                    files.clear("rests", places)
            covered = len(self._lists or ())
            if len(self._ids.values) > self._saved:
                files.extend("vectors", self._recent.values[self._saved - covered :])
                files.extend("ids", self._ids.values[self._saved :])
            files.header = self._header()
            files.commit()
        self._files, self._saved, self._unsaved = files, len(self._ids.values), []
