"""Run the benchmarks, all or those that are named, one after the other.

    python -m benchmarks [NAME ...]

A benchmark is a module here that defines ``main()``. Each runs in a process of its own, so that the memory, the
threads and the warm caches of one are not those of the next.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def discover() -> list[str]:
    """Names of the benchmarks, in order."""
    return [path.stem for path in sorted(FOLDER.glob("[!_]*.py")) if _defines_main(path)]


def _defines_main(path: Path) -> bool:
    tree = ast.parse(path.read_bytes())
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


def main() -> None:
    names = discover()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(names)}")
    wanted = parser.parse_args().names or names
    if unknown := set(wanted) - set(names):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    failed = []
    for name in wanted:
        print(f"\n== {name} ==", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=FOLDER.parent, check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
