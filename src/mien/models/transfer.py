"""One file from wherever it stands, in the cheapest way that its place allows, into an open file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from mien.core.errors import WeightsUnavailable
from mien.models.archive import extract, is_tar, member_span
from mien.models.download import RangesRefused, Report, download
from mien.models.ranged import RangedFile
from mien.models.web import Web, redacted

__all__ = ["transfer"]

_ARCHIVE_LIMIT = 1 << 31  # bytes of a distribution that has to be fetched whole


def transfer(
    web: Web, address: Path | str, members: Sequence[str], out: IO[bytes], *, limit: int, parts: Path, report: Report
) -> None:
    """Copy a file, or a member of an archive, to `out`.

    Of a zip on a server that sends parts, only the directory and the member travel. A download that breaks leaves a
    ``.part`` file from which the next call goes on; nothing else leaves one.

    Parameters
    ----------
    address
        Path or URL of the file or archive.
    members
        The member of it, the member of that one, and so on; empty for the file itself.
    limit
        Bytes that may come out.
    parts
        Path that the names of ``.part`` files start with.
    report
        Called with the bytes done and the bytes in all.

    Raises
    ------
    WeightsUnavailable
        It is not there, cannot be reached or read, is a broken archive, or has no such member.
    UnsafeFile
        It is larger than `limit`, or a link.
    StorageError
        The part cannot be written.
    """
    if isinstance(address, Path):
        with _open(address) as stream:
            extract(stream, address.name, members, out, limit)
        return
    name = address.rpartition("/")[2]
    if members and not is_tar(name):
        try:
            remote = RangedFile(web.client, address)
        except RangesRefused:
            pass  # then the whole archive has to travel
        else:
            span = _span(remote, members[0], redacted(address))
            with _downloaded(web, address, parts, _ARCHIVE_LIMIT, report, span) as stream:
                remote.overlay(*span, stream)
                # A raw file, but one that fills buffers as others do; a buffer around it would read beyond the member.
                extract(cast("IO[bytes]", remote), name, members, out, limit)
            return
    with _downloaded(web, address, parts, _ARCHIVE_LIMIT if members else limit, report) as stream:
        extract(stream, name, members, out, limit)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise WeightsUnavailable(f"{path}: {error.strerror}.") from error


def _span(remote: RangedFile, member: str, name: str) -> tuple[int, int]:
    try:
        with zipfile.ZipFile(remote) as archive:
            return member_span(archive, member)
    except KeyError:
        raise WeightsUnavailable(f"{name} has no member '{member}'.") from None
    except (zipfile.BadZipFile, ValueError) as error:
        raise WeightsUnavailable(f"{name} is a broken archive: {str(error).rstrip('.')}.") from error


@contextmanager
def _downloaded(
    web: Web, url: str, parts: Path, limit: int, report: Report, span: tuple[int, int] | None = None
) -> Iterator[IO[bytes]]:
    """Download, give the result, and remove it. When the download itself breaks, its part stays for the next try."""
    key = hashlib.sha256(f"{url} {span}".encode()).hexdigest()[:12]
    part = parts.with_name(f"{parts.name}.{key}.part")
    download(web.client, url, part, span=span, limit=limit, report=report)
    try:
        with part.open("rb") as stream:
            yield stream
    finally:
        part.unlink(missing_ok=True)
