"""``mien provenance``: what a file says about how it was made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import print_json


def provenance(
    path: Annotated[Path, typer.Argument(help="A picture or a video.", show_default=False)],
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Look for the invisible mark in the pixels, too.")
    ] = True,
) -> None:
    """Read the marks of synthetic media from a picture or a video; a file without one is unknown, not real.

    Three are read: the source type in the metadata, the signed content credentials (C2PA), and the invisible mark.
    """
    from mien.media.provenance import provenance as read

    found = read(path, look=look)
    about = {"path": str(path), "synthetic": found.synthetic, **asdict(found)}
    print_json({**about, "agree": found.agree, "explanation": found.explain()})
