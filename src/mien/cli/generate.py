"""``mien generate``: portraits of people who do not exist."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, progress_bar, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def generate(
    out: Annotated[Path, typer.Option(help="File to write; a folder for several people.", show_default=False)],
    seed: Annotated[int, typer.Option(help="The same seed makes the same person.", min=0)] = 0,
    count: Annotated[int, typer.Option(help="How many people, all distinct.", min=1)] = 1,
    truncation: Annotated[float, typer.Option(help="0 the average face, 1 the widest variety.", min=0, max=1)] = 0.7,
    size: Annotated[int, typer.Option(help="Side of the picture in pixels.", min=64, max=1024)] = 1024,
    *,
    engine: Engine,
) -> None:
    """Make portraits of people who do not exist; every file is marked as synthetic."""
    from mien.media.sinks import make_folder
    from mien.swaps.generator import distinct_people
    from mien.swaps.generator import generate as make

    if count == 1 and out.suffix:
        make_folder(out.parent)
        edit = make(seed=seed, truncation=truncation, size=size, engine=engine)
        path = edit.save(out)
        if sys.stdout.isatty():
            print(path)
        else:
            print_json({"path": str(path), **edit.report})
        return
    if out.suffix:
        raise UsageError(f"with --count, --out is a folder, not a file such as {out.name}.")
    make_folder(out)
    with progress_bar("people", total=count) as advance:
        for place, edit in enumerate(
            distinct_people(count, seed=seed, truncation=truncation, size=size, engine=engine)
        ):
            path = edit.save(out / f"person-{seed}-{place:04d}.png")
            if not sys.stdout.isatty():
                print_json({"path": str(path), **edit.report})
            advance(1)
