"""Nearest vectors among many: a cache beside a store, which can be made anew at any time and is never the truth."""

from __future__ import annotations

import json
import os
import secrets
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, StorageError, UsageError

__all__ = ["Index"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

FORMAT = 1
MANIFEST = "manifest.json"


class Index:
    """Vectors of one embedding space, by id, in memory and perhaps in a folder.

    Scores are cosines of the query and of the vector as it is stored here, in f16. Any number of threads and processes
    may search; one at a time may change an index or save into a folder.
    """

    def __init__(self, folder: Path | None, *, space: str, dimension: int, generation: int) -> None:
        self._folder = folder
        self.space = space
        self.dimension = dimension
        self.generation = generation  #: of the store, that the index reflects
        self._ids: Ids = np.zeros(0, np.int64)
        self._vectors: Floats = np.zeros((0, dimension), np.float32)
        self._unsaved = 0

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def open(cls, folder: Path, *, space: str, dimension: int) -> Self | None:
        """The index in a folder; None where it is missing, torn, of another space or of another version."""
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            index = cls(folder, space=space, dimension=dimension, generation=manifest["generation"])
            if (manifest["format"], manifest["space"], manifest["dimension"]) != (FORMAT, space, dimension):
                return None
            arrays = []
            for file in ("ids", "vectors"):
                entry = manifest["files"][file]
                data = (folder / entry["name"]).read_bytes()
                if zlib.crc32(data) != entry["crc32"]:
                    return None
                arrays.append(data)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        index._ids = np.frombuffer(arrays[0], "<i8").astype(np.int64)
        index._vectors = np.frombuffer(arrays[1], "<f2").reshape(-1, dimension).astype(np.float32)
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
        threads: int = 1,  # noqa: ARG003 # exact search needs no building yet
    ) -> Self:
        """Make an index of rows, and save it unless `folder` is None.

        Parameters
        ----------
        folder : Path or None
            Where it lives; None: in memory only.
        rows : iterable of (ids (N,) int64, vectors (N, D) float32)
            Read once, in portions.
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
        for ids, vectors in rows:
            index.add(ids, vectors)
        index.save(generation)
        return index

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add vectors, or replace those whose ids are there.

        Raises
        ------
        ShapeMismatch, UsageError
            If vectors are of another dimension, or not finite.
        """
        ids = np.asarray(ids, np.int64)
        vectors = self._check(vectors)
        if ids.shape != (len(vectors),):
            raise ShapeMismatch(f"there are {len(vectors)} vectors and ids of shape {ids.shape}.")
        self.remove(ids)
        self._ids = np.concatenate([self._ids, ids])
        self._vectors = np.concatenate([self._vectors, vectors.astype(np.float16).astype(np.float32)])
        self._unsaved += len(ids)

    def remove(self, ids: Ids) -> None:
        """Take vectors out; ids that are not there do not matter. After the next `save` no file has their bytes."""
        gone = np.isin(self._ids, ids)
        if gone.any():
            self._ids, self._vectors = self._ids[~gone], self._vectors[~gone]
            self._unsaved += int(gone.sum())

    @property
    def worth_saving(self) -> bool:
        """Whether so much has changed that the next process to open the index would notice."""
        return self._unsaved > 1000

    def save(self, generation: int) -> None:
        """Write what has changed, as the state of a generation of the store.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        self.generation = generation
        self._unsaved = 0
        if self._folder is None:
            return
        token = secrets.token_hex(4)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files: dict[str, Any] = {}
            for name, array in (("ids", self._ids.astype("<i8")), ("vectors", self._vectors.astype("<f2"))):
                data = array.tobytes()
                files[name] = {"name": f"{name}-{token}", "crc32": zlib.crc32(data)}
                self._write(f"{name}-{token}", data)
            manifest = {
                "format": FORMAT,
                "space": self.space,
                "dimension": self.dimension,
                "generation": generation,
                "files": files,
            }
            self._write("manifest.new", json.dumps(manifest).encode())
            (self._folder / "manifest.new").replace(self._folder / MANIFEST)
            kept = {MANIFEST, *(entry["name"] for entry in files.values())}
            for path in self._folder.iterdir():
                if path.name not in kept:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"the index in {self._folder} cannot be written: {error.strerror}.") from error

    def search(self, queries: Floats, k: int, *, allowed: Ids | None = None, exact: bool = False) -> tuple[Ids, Floats]:  # noqa: ARG002
        """Nearest vectors by cosine.

        Parameters
        ----------
        queries : (Q, D) float32
            Of length 1.
        k : int
        allowed : sorted (M,) int64, optional
            Find only these ids; those that are not there do not matter.
        exact : bool
            Compare with all; else some may be missed where there are many.

        Returns
        -------
        ids : (Q, k) int64
            Nearest first; -1 where there are no more.
        scores : (Q, k) float32
            Cosines; NaN where there are no more.

        Raises
        ------
        ShapeMismatch, UsageError
            If queries are of another dimension or not finite, or k is not positive.
        """
        queries = self._check(queries)
        if k < 1:
            raise UsageError(f"k is at least 1, got {k}.")
        ids, vectors = self._ids, self._vectors
        if allowed is not None:
            chosen = np.isin(ids, allowed)
            ids, vectors = ids[chosen], vectors[chosen]
        scores = queries @ vectors.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        found = np.full((len(queries), k), -1, np.int64)
        best = np.full((len(queries), k), np.nan, np.float32)
        found[:, : order.shape[1]] = ids[order]
        best[:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
        return found, best

    def _check(self, vectors: Floats) -> Floats:
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ShapeMismatch(f"vectors of {self.space} are (N, {self.dimension}), got shape {vectors.shape}.")
        if not np.isfinite(vectors).all():
            raise UsageError("a vector has numbers that are not finite.")
        return vectors

    def _write(self, name: str, data: bytes) -> None:
        assert self._folder is not None  # noqa: S101
        with os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
