"""``mien provenance``: what files say about how they were made."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.naming import is_many
from mien.cli.options import print_failure, print_json

if TYPE_CHECKING:
    from mien.media.provenance import Provenance


def provenance(
    sources: Annotated[
        list[str], typer.Argument(help="Pictures and videos; folders and globs of them.", show_default=False)
    ],
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Look for the invisible mark in the pixels, too.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a file, on a terminal too.")] = False,
) -> None:
    """Read the marks of synthetic media from pictures and videos; a file without one is unknown, not real.

    Three are read: the source type in the metadata, the signed content credentials (C2PA), and the invisible mark.
    """
    from mien.core.errors import InputError
    from mien.media.provenance import provenance as read
    from mien.media.scan import PICTURE_SUFFIXES, Nothing, find_pictures
    from mien.media.video import VIDEO_SUFFIXES

    as_json, failures = json or not sys.stdout.isatty(), 0
    for source in sources:
        # A name is of a file, whatever it ends in, unless it is of several.
        suffixes = {*PICTURE_SUFFIXES, *VIDEO_SUFFIXES, ".exr"}
        for path in find_pictures(source, suffixes=suffixes) if is_many(source) else [source]:
            try:
                if isinstance(path, Nothing):
                    raise path.error
                _print(str(path), read(path, look=look), as_json=as_json)
            except InputError as error:
                failures += 1
                print_failure(path.source if isinstance(path, Nothing) else path, error)
    if failures:
        raise typer.Exit(1)


def _print(path: str, found: Provenance, *, as_json: bool) -> None:
    if as_json:
        about = {"path": path, "synthetic": found.synthetic, **asdict(found)}
        print_json({**about, "agree": found.agree, "explanation": found.explain()})
    else:
        print("\n  ".join((path, *found.explain())))
