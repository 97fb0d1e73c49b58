"""The ``mien`` command: the verbs, one command each, and the rooms that have several.

Exit codes: 0 all went well, 1 something failed (the rest was done), 2 the command was called wrongly.
"""

from __future__ import annotations

import io
import os
import sys

from mien.cli.app import app
from mien.core.errors import MienError, UsageError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; an error of ours becomes one line and an exit code, never a traceback."""
    # Started without a terminal or a pipe, Python has no streams at all; what is printed then goes nowhere.
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sys.stderr = sys.stderr or io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    # A file name that is no text is printed with escapes, which JSON reads back, instead of ending the run.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except MienError as error:
        print(f"mien: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:  # of stdout itself: a full disk; files that we open have errors of ours
        print(f"mien: cannot write the output: {error.strerror or error}.", file=sys.stderr)
        os._exit(1)  # what is left in stdout's buffer cannot be written either, and Python would say so again
