"""Two programs measured side by side: each in its own process, in turns, on the same cores.

A shared or warming machine changes its speed from minute to minute. So nobody is measured alone: the parent lets its
workers take turns of a second or less, and a ratio is taken within each turn of all.

Only the standard library is imported: the peer's environment has nothing of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]


def pin(cores: int) -> None:
    """Keep this process and its threads to the last `cores` cores it may use (where the system can do that).

    To be called before anything counts the cores. The first core is left to the rest of the machine.
    """
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < cores:
            sys.exit(f"{cores} cores are needed, this process may use {len(allowed)}")
        os.sched_setaffinity(0, allowed[-cores:])


def claim_stdout() -> IO[str]:
    """The pipe to the parent; whatever libraries print goes to stderr from now on."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pipe


def serve(pipe: IO[str], hello: Any, turn: Callable[[int], Any]) -> None:
    """Say hello, then answer each number that the parent sends with what `turn` makes of it."""
    print(json.dumps(hello), file=pipe, flush=True)
    for line in sys.stdin:
        print(json.dumps(turn(int(line))), file=pipe, flush=True)


class Worker:
    """A worker process, ready for its turns.

    Parameters
    ----------
    module
        Run with ``python -m``; it calls `serve`.
    *arguments
        Its command line.
    python
        Of which environment; default: this one.
    environment
        Variables to add.
    """

    def __init__(
        self, module: str, *arguments: object, python: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [str(python or sys.executable), "-m", module, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self.hello = self._read()

    def turn(self, amount: int) -> Any:
        """Let it work, and wait for its answer."""
        print(amount, file=self._to, flush=True)
        return self._read()

    def close(self) -> None:
        """End it."""
        self._to.close()
        self._from.close()
        self._process.wait()

    def _read(self) -> Any:
        line = self._from.readline()
        if not line:
            sys.exit(f"{' '.join(map(str, self._process.args))} ended: code {self._process.wait()}")  # type: ignore[arg-type]
        return json.loads(line)


def take_turns(workers: Sequence[Worker], *, rounds: int, amount: int) -> list[list[Any]]:
    """Answers of each worker, one per round."""
    answers: list[list[Any]] = [[] for _ in workers]
    for _ in range(rounds):
        for worker, own in zip(workers, answers, strict=True):
            own.append(worker.turn(amount))
    return answers
