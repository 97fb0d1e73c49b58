"""Connections to one gallery in PostgreSQL: how a URL is read, who uses which connection, and what errors mean.

Each thread that asks has a connection of its own while it asks; they are kept for the next. No message repeats a
password, nor a part of one that was mistyped: of what libpq says, only known phrases are passed on.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from mien.core.errors import GalleryError, MienError, StorageError, UsageError

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Connections", "address_of"]

GALLERY = "mien"  #: the schema of a place that names none
PATIENCE = 30  #: seconds to wait for a server that does not answer, and for a process that writes

#: What may be said of a connection that failed, when it is not the server who says it.
REASONS = ("Connection refused", "timeout", "resolve host", "SSL", "No such file", "Permission denied")


class Connections:
    """See the module's text.

    Parameters
    ----------
    address : mapping
        What libpq connects with.
    schema : str
        Where the gallery's tables are.
    """

    def __init__(self, address: Mapping[str, Any], schema: str) -> None:
        self._address = {"connect_timeout": PATIENCE, "application_name": "mien", **address, "client_encoding": "utf8"}
        self.schema = schema
        self._idle: deque[Connection] = deque()
        self._process = os.getpid()
        self._closed = False

    @property
    def place(self) -> str:
        """What messages call it: the URL without user and password."""
        host = self._address.get("host") or self._address.get("hostaddr") or "the default host"
        port = f":{self._address['port']}" if self._address.get("port") else ""
        return f"postgresql://{host}{port}/{self._address.get('dbname') or ''}?gallery={self.schema}"

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Connection]:
        """A connection that nobody else uses meanwhile.

        A broken one is thrown away, and those that wait with it, so that the next call connects anew.
        """
        from psycopg.pq import TransactionStatus

        if self._closed:
            raise UsageError("the gallery is closed.")
        if os.getpid() != self._process:
            raise UsageError(f"{self.place} was opened in another process: open it again in this one.")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            with self._explained():
                yield connection
        finally:
            if connection.broken:
                self._drop()
            if self._closed or connection.info.transaction_status != TransactionStatus.IDLE:
                connection.close()
            else:
                self._idle.append(connection)

    def look(self, connection: Connection) -> None:
        """Let names without a schema be the gallery's, or pgvector's.

        Raises
        ------
        StorageError
            If pgvector is too old.
        """
        row = connection.execute(
            "SELECT extversion,"
            " set_config('search_path', concat_ws(', ', quote_ident(%s), quote_ident(nspname)), false)"
            " FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'",
            [self.schema],
        ).fetchone()
        if row is not None and tuple(map(int, row[0].split(".")[:2])) < (0, 8):
            raise StorageError(f"{self.place} has pgvector {row[0]}; at least 0.8 is needed.")

    def close(self) -> None:
        """Close all; those in use are closed when they are given back."""
        self._closed = True
        self._drop()

    def _connect(self) -> Connection:
        import psycopg

        try:
            connection = psycopg.connect(**self._address, autocommit=True)
        except psycopg.Error as error:
            text = str(error)
            said = text.rpartition("FATAL:")[2].splitlines()  # by the server, which repeats no password
            known = next((reason for reason in REASONS if reason in text), "no connection")
            reason = said[0].strip().rstrip(".") if said and "FATAL:" in text else known
            raise StorageError(f"{self.place} cannot be reached: {reason}.") from None
        try:
            with self._explained():
                connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{PATIENCE}s"])
                self.look(connection)
        except MienError:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what psycopg raises as an error of ours."""
        import psycopg
        from psycopg import errors

        try:
            yield
        except (errors.UndefinedTable, errors.UndefinedColumn) as error:
            raise GalleryError(
                f"{self.place} is torn, or its embedding space was changed just now ({_primary(error)})."
            ) from error
        except psycopg.DataError as error:
            raise UsageError(f"PostgreSQL cannot store this: {_primary(error)}.") from error
        except errors.LockNotAvailable as error:
            raise StorageError(f"{self.place} is being written by another process; try again later.") from error
        except psycopg.Error as error:
            raise StorageError(f"{self.place} cannot be read or written: {_primary(error)}.") from error

    def _drop(self) -> None:
        """Close the connections that nobody uses."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()


def address_of(place: str) -> tuple[dict[str, Any], str]:
    """Take a URL apart: what libpq connects with, and the gallery's schema.

    Raises
    ------
    UsageError
        If it is no URL of PostgreSQL, or psycopg is not installed. The message does not repeat the URL.
    """
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise UsageError("PostgreSQL needs one more package: pip install 'mien[postgres]'.") from None
    start, _, query = place.partition("?")
    options = [option for option in query.split("&") if option]
    names = [option.partition("=")[2] for option in options if option.startswith("gallery=")]
    kept = "&".join(option for option in options if not option.startswith("gallery="))
    schema = names[-1] if names else GALLERY
    if not re.fullmatch(r"(?!pg_|public$|information_schema$)[A-Za-z][A-Za-z0-9_-]{0,62}", schema):
        raise UsageError("a gallery's name is a letter, then letters, digits, _ or -; and none of PostgreSQL's own.")
    try:
        address = cast("dict[str, Any]", conninfo_to_dict(f"{start}?{kept}" if kept else start))
    except ProgrammingError:
        address = {}
    ports = str(address.get("port") or "5432").split(",")
    # A password's @, / and : that are not encoded make libpq take a part of it for the host or the port.
    if not address or start.count("@") > 1 or not all(port.isdigit() for port in ports):
        raise UsageError(
            "this is no URL of PostgreSQL (postgresql://user:password@host:port/database?gallery=name);"
            " write %40 for @, %3A for : and %2F for / in a password."
        )
    return address, schema


def _primary(error: Any) -> str:
    """What PostgreSQL says, in its first line and without a full stop."""
    lines = str(error.diag.message_primary or error).splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
