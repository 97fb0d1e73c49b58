"""``mien check``: whether the person of a selfie is the one on a document, as a record that can be filed."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def check(
    document: Annotated[
        Path, typer.Argument(help="A photo of a card or page with a portrait, at any turn.", show_default=False)
    ],
    selfie: Annotated[Path, typer.Argument(help="A picture or a video of the person.", show_default=False)],
    far: Annotated[float, typer.Option(help="False accepts per comparison of two strangers.", min=0, max=1)] = 1e-3,
    ages: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Years between which both people are known to be, such as 18 120.", show_default=False),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="A score of your own to accept from.", min=-1, max=1)] = None,
    out: Annotated[Path | None, typer.Option(help="Write the record to this .json file, too.")] = None,
    keep_crops: Annotated[
        bool, typer.Option("--keep-crops", help="Put the two faces' pixels into the record.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Hold the portrait on a document against a selfie."""
    from mien.core.errors import UsageError
    from mien.embeddings.checking import check as compare
    from mien.media.sinks import write_text

    if out is not None and out.suffix.lower() != ".json":
        raise UsageError(f"--out is a .json file, not {out.name}.")
    result = compare(document, selfie, far=far, ages=ages, threshold=threshold, keep_crops=keep_crops, engine=engine)
    if out is not None:
        write_text(out, json_module.dumps(result.to_dict(), ensure_ascii=False, indent=1) + "\n")
    if json or not sys.stdout.isatty():
        print_json(result.to_dict())
    else:
        print(result)
