"""``mien verify``: whether two pictures are of one person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def verify(
    a: Annotated[Path, typer.Argument(help="A picture; its largest face counts.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="The other picture.", show_default=False)],
    far: Annotated[float, typer.Option(help="False accepts per comparison of two strangers.", min=0, max=1)] = 1e-3,
    ages: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Years between which both people are known to be, such as 18 120.", show_default=False),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="A score of your own to accept from.", min=-1, max=1)] = None,
    min_quality: Annotated[
        float, typer.Option(help="Recognizability that both faces must have for an answer; 0 takes any.", min=0, max=1)
    ] = 0.2,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Compare the largest faces of two pictures."""
    from mien.embeddings.comparison import verify as compare

    result = compare(a, b, far=far, ages=ages, threshold=threshold, min_quality=min_quality, engine=engine)
    if json or not sys.stdout.isatty():
        print_json(result.to_dict())
    else:
        print(result)
