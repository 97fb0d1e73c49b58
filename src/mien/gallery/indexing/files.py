"""Arrays in a folder, with a manifest that says what is whole.

An array is a flat file of its rows. The manifest holds its shape and a checksum of each mebibyte, and is written last,
beside the old one and then in its place: who reads finds the old state or the new one. A file may grow, and rows in it
may be overwritten with zeros; all other changes make new files, so that whoever has the old ones open can go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import weakref
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryError, StorageError

__all__ = ["FileRows", "Files", "Stored", "storage_errors"]

MANIFEST = "manifest.json"
BLOCK = 1 << 20  # bytes that share a checksum
NEAR = 8  # rows apart
SAMPLED = 8  # blocks of a file that are looked at when it is opened

_BINARY = getattr(os, "O_BINARY", 0)  # of Windows


@dataclass
class Stored:
    """An array in a file: its name there, what its numbers are, and a checksum of each block."""

    file: str
    dtype: str
    shape: list[int]
    sums: list[int] = field(default_factory=list)

    @property
    def stride(self) -> int:
        """Bytes of a row."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape[1:], dtype=np.int64))

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.shape[0] * self.stride


class Files:
    """The arrays that a folder's manifest lists.

    Parameters
    ----------
    folder : Path
    header : dict
        What else the manifest says.
    arrays : dict of str to Stored
    """

    def __init__(self, folder: Path, header: dict[str, Any], arrays: dict[str, Stored]) -> None:
        self.folder, self.header, self.arrays = folder, header, arrays
        self.stamp = ""  #: of the manifest that was read or written last
        self._made: list[Path] = []  # since then

    @classmethod
    def open(cls, folder: Path) -> Files | None:
        """What the folder holds; None where it holds nothing, or something torn."""
        for _ in range(3):  # a writer may have replaced the files between two steps of this
            try:
                manifest = json.loads((folder / MANIFEST).read_bytes())
                arrays = {name: Stored(**entry) for name, entry in manifest["arrays"].items()}
                files = cls(folder, dict(manifest["header"]), arrays)
                files.stamp = manifest["stamp"]
                if all(files._is_whole(stored, SAMPLED) for stored in arrays.values()):
                    return files
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
        return None

    def is_whole(self) -> bool:
        """Whether each byte is as it was written; reads all of them."""
        try:
            return all(self._is_whole(stored, None) for stored in self.arrays.values())
        except OSError:
            return False

    def _is_whole(self, stored: Stored, sampled: int | None) -> bool:
        if len(stored.sums) != -(-stored.size // BLOCK) or Path(stored.file).name != stored.file:
            return False
        blocks = range(len(stored.sums))
        if sampled is not None and len(blocks) > sampled:
            blocks = sorted({0, len(blocks) - 1, *secrets.SystemRandom().sample(blocks, sampled)})  # type: ignore[assignment]
        with (self.folder / stored.file).open("rb") as source:
            for block in blocks:
                source.seek(block * BLOCK)
                data = source.read(min(BLOCK, stored.size - block * BLOCK))
                if zlib.crc32(data) != stored.sums[block]:
                    return False
        return True

    def read(self, name: str) -> NDArray[Any]:
        """An array, in memory."""
        stored = self.arrays[name]
        count = int(np.prod(stored.shape, dtype=np.int64))
        return np.fromfile(self.folder / stored.file, stored.dtype, count).reshape(stored.shape)

    def map(self, name: str) -> NDArray[Any]:
        """An array that stays in its file, and is read where it is used."""
        stored = self.arrays[name]
        return np.memmap(self.folder / stored.file, stored.dtype, "r", shape=tuple(stored.shape))

    def rows(self, name: str) -> FileRows:
        """An array that stays in its file, of which rows are read."""
        stored = self.arrays[name]
        return FileRows(self.folder / stored.file, stored.dtype, stored.shape[1])

    def write(self, name: str, portions: Iterable[NDArray[Any]], dtype: str, shape: tuple[int, ...]) -> None:
        """Write an array into a new file.

        Parameters
        ----------
        name : str
        portions : iterable of arrays
            Rows.
        dtype : str
        shape : tuple of int
            Of a row.
        """
        stored = Stored(f"{name}-{secrets.token_hex(4)}", dtype, [0, *shape])
        with self._new(stored.file) as out:
            data = bytearray()
            for portion in portions:
                stored.shape[0] += len(portion)
                data += np.ascontiguousarray(portion, dtype).tobytes()
                out.write(_sum_blocks(data, stored.sums))
            out.write(_sum_blocks(data, stored.sums, last=True))
            out.flush()
            os.fsync(out.fileno())
        self.arrays[name] = stored

    def extend(self, name: str, rows: NDArray[Any]) -> None:
        """Write rows behind those of an array."""
        stored = self.arrays[name]
        with (self.folder / stored.file).open("r+b") as out:
            out.truncate(stored.size)  # somebody who was stopped may have written more than the manifest knows
            out.seek(stored.size)
            start = stored.size
            out.write(np.ascontiguousarray(rows, stored.dtype).tobytes())
            stored.shape[0] += len(rows)
            self._sum(stored, range(start // BLOCK, -(-stored.size // BLOCK)), out)

    def clear(self, name: str, rows: NDArray[np.int64], value: int = 0) -> None:
        """Overwrite rows of an array with zeros, or another value."""
        stored = self.arrays[name]
        nothing = np.full(stored.shape[1:], value, stored.dtype).tobytes()
        touched: set[int] = set()
        with (self.folder / stored.file).open("r+b") as out:
            for start in (rows * stored.stride).tolist():
                out.seek(start)
                out.write(nothing)
                touched.update(range(start // BLOCK, (start + stored.stride - 1) // BLOCK + 1))
            self._sum(stored, sorted(touched), out)

    @staticmethod
    def _sum(stored: Stored, blocks: Iterable[int], file: Any) -> None:
        file.flush()
        for block in blocks:
            file.seek(block * BLOCK)
            value = zlib.crc32(file.read(min(BLOCK, stored.size - block * BLOCK)))
            stored.sums[block : block + 1] = [value]
        os.fsync(file.fileno())

    def overtaken(self) -> bool:
        """Whether another has written a manifest since this one was read or written."""
        try:
            return bool(json.loads((self.folder / MANIFEST).read_bytes())["stamp"] != self.stamp)
        except (OSError, ValueError, KeyError, TypeError):
            return True

    def commit(self) -> None:
        """Make the arrays and the header what the folder holds, and delete all other files."""
        stamp = secrets.token_hex(8)
        arrays = {name: asdict(stored) for name, stored in self.arrays.items()}
        new = f"manifest-{stamp}"
        with self._new(new) as out:
            out.write(json.dumps({"stamp": stamp, "header": self.header, "arrays": arrays}).encode())
            out.flush()
            os.fsync(out.fileno())
        (self.folder / new).replace(self.folder / MANIFEST)
        self.stamp, self._made = stamp, []
        self.tidy()

    @contextlib.contextmanager
    def discarded_unless_committed(self) -> Iterator[None]:
        """Delete what was written meanwhile, if it did not come to `commit`."""
        try:
            yield
        finally:
            for path in self._made:
                path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete the files that the manifest does not list."""
        kept = {MANIFEST, *(stored.file for stored in self.arrays.values())}
        for path in list(self.folder.iterdir()):
            if path.name not in kept:
                # Windows keeps what somebody has open; then the next writer deletes it.
                with contextlib.suppress(*([PermissionError] if os.name == "nt" else [])):
                    path.unlink(missing_ok=True)

    def _new(self, name: str) -> Any:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
        descriptor = os.open(self.folder / name, flags, 0o600)
        self._made.append(self.folder / name)
        return os.fdopen(descriptor, "wb")


class FileRows:
    """Rows of numbers in a file, read one by one: a mapping would count as memory of this process."""

    def __init__(self, path: Path, dtype: str, width: int) -> None:
        self._dtype, self._width = np.dtype(dtype), width
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDONLY | _BINARY)
        weakref.finalize(self, os.close, self._descriptor)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[Any]:
        if isinstance(rows, slice):
            return self._spans([rows.start], [rows.stop])
        if not len(rows):
            return np.zeros((0, self._width), self._dtype)
        # Rows that stand close behind each other are read together, with what is between them.
        steps = np.diff(rows)
        last = np.append((steps < 1) | (steps > NEAR), [True])
        first = np.append([True], last[:-1])
        starts, stops = rows[first], rows[last] + 1
        data = self._spans(starts.tolist(), stops.tolist())
        if len(data) == len(rows):
            return data
        before = np.cumsum(stops - starts) - (stops - starts)
        return np.asarray(data[rows + (before - starts)[np.cumsum(first) - 1]])

    def _spans(self, starts: list[int], stops: list[int]) -> NDArray[Any]:
        """Rows of several spans, one span behind the other."""
        stride = self._width * self._dtype.itemsize
        pairs = zip(starts, stops, strict=True)
        data = b"".join([self._read((stop - start) * stride, start * stride) for start, stop in pairs])
        if len(data) != stride * (sum(stops) - sum(starts)):
            raise GalleryError("the index of a gallery was cut off while it was in use; open the gallery again.")
        return np.frombuffer(data, self._dtype).reshape(-1, self._width)

    if hasattr(os, "pread"):

        def _read(self, size: int, start: int) -> bytes:
            return os.pread(self._descriptor, size, start)

    else:

        def _read(self, size: int, start: int) -> bytes:
            with self._lock:
                os.lseek(self._descriptor, start, os.SEEK_SET)
                return os.read(self._descriptor, size)


def _sum_blocks(data: bytearray, sums: list[int], *, last: bool = False) -> bytes:
    """Take whole blocks (and what is left) out of `data`, and append their checksums."""
    whole = len(data) if last else len(data) // BLOCK * BLOCK
    taken = bytes(data[:whole])
    del data[:whole]
    sums.extend(zlib.crc32(taken[start : start + BLOCK]) for start in range(0, whole, BLOCK))
    return taken


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Say what could not be written.

    Raises
    ------
    StorageError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"the index in {folder} cannot be written: {error.strerror or error}.") from error
