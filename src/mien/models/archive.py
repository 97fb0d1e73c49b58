"""One member out of an archive: nothing else is unpacked, and nothing from it is ever executed.

Names inside an archive never become paths: the member that a card names is copied into a file that the store names.
So a name like ``../../.bashrc`` in it can do nothing, and is refused all the same when a card asks for it.
"""

from __future__ import annotations

import gzip
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from mien.core.errors import UnsafeFile, WeightsUnavailable

__all__ = ["copy_limited", "extract", "is_tar", "member_span"]

# Archives are not pinned themselves, only the file that comes out, so what they may cost is bounded here.
_INNER_LIMIT = 1 << 30  # bytes of an archive inside an archive
_TAR_LIMIT = 1 << 32  # bytes of a tar, decompressed on the way to its member

_CHUNK = 1 << 18
# What the readers of the standard library raise for bytes that are not an archive, or a broken one. RuntimeError stands
# for an encrypted member, NotImplementedError for an unknown compression.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)


def is_tar(name: str) -> bool:
    """Tell a gzipped tar (a source distribution) from a zip (a wheel, a ``.task`` bundle) by its file name."""
    return name.endswith((".tar.gz", ".tgz"))


def extract(archive: IO[bytes], name: str, members: Sequence[str], out: IO[bytes], limit: int) -> None:
    """Copy a file, or a member of it, to `out`.

    Parameters
    ----------
    archive
        The file, seekable.
    name
        Its file name, which tells its kind.
    members
        The member to copy; each further one lies in the zip before it. Empty: the file itself.
    limit
        Bytes that the member may have at most.

    Raises
    ------
    UnsafeFile
        The member is larger than `limit`, no regular file, encrypted, or its name is a path trick.
    WeightsUnavailable
        The archive is broken, or has no such member.
    """
    if not members:
        copy_limited(archive, out, limit, name)
        return
    first, *inner = members
    try:
        with _open_tar_member(archive, first) if is_tar(name) else _open_zip_member(archive, first) as stream:
            if not inner:
                copy_limited(stream, out, limit, first)
                return
            with tempfile.SpooledTemporaryFile(max_size=1 << 24) as nested:
                copy_limited(stream, nested, _INNER_LIMIT, first)
                nested.seek(0)
                extract(nested, first, inner, out, limit)
    except KeyError:
        raise WeightsUnavailable(f"{name} has no member '{first}'.") from None
    except _BROKEN as error:
        raise _broken(name, error) from error
    except OSError as error:  # bzip2 and gzip complain of data with it as well as disks, but without a number
        if error.errno is not None:
            raise
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> WeightsUnavailable:
    return WeightsUnavailable(f"{name} is a broken archive: {str(error).rstrip('.')}.")


def copy_limited(stream: IO[bytes], out: IO[bytes], limit: int, name: str) -> None:
    """Copy a stream, and refuse it at the first byte beyond the limit (a bomb may state any size it likes)."""
    left = limit
    while chunk := stream.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise UnsafeFile(f"'{name}' is larger than the {limit} bytes that it may have.")
        out.write(chunk)


def member_span(archive: zipfile.ZipFile, member: str) -> tuple[int, int]:
    """Return the bytes of a zip that hold one member with its header, as ``(start, end)``.

    Raises
    ------
    KeyError
        No such member.
    """
    start = archive.getinfo(member).header_offset
    later = [info.header_offset for info in archive.infolist() if info.header_offset > start]
    return start, min(later, default=archive.start_dir)


@contextmanager
def _open_zip_member(archive: IO[bytes], member: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo(member)
        mode = info.external_attr >> 16
        if info.flag_bits & 0x1 or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
            raise UnsafeFile(f"'{member}' is encrypted or no regular file.")
        with opened.open(info) as stream:
            yield stream


@contextmanager
def _open_tar_member(archive: IO[bytes], member: str) -> Iterator[IO[bytes]]:
    # Read as a stream, front to back: a tar has no directory, and its links are never followed.
    with tarfile.open(fileobj=_LimitedGzip(fileobj=archive), mode="r|") as opened:
        for info in opened:
            if info.name == member:
                stream = opened.extractfile(info) if info.isreg() else None
                if stream is None:
                    raise UnsafeFile(f"'{member}' is a link or no regular file.")
                yield stream
                return
    raise KeyError(member)


class _LimitedGzip(gzip.GzipFile):
    """A gzip stream that gives up after so many bytes."""

    _left = _TAR_LIMIT

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UnsafeFile(f"an archive that unpacks to more than {_TAR_LIMIT} bytes.")
        return data
