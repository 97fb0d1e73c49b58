"""``mien provenance``: what a file says about how it was made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import print_json


def provenance(
    path: Annotated[Path, typer.Argument(help="A picture or a video.", show_default=False)],
) -> None:
    """Read the mark of synthetic media from a picture or a video; a file without one is unknown, not real."""
    from mien.media.provenance import provenance as read

    found = read(path)
    print_json({"path": str(path), "synthetic": found.synthetic, **asdict(found)})
