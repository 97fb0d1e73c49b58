"""``mien gallery search|identify``: who somebody is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.gallery.opening import Json, Place, WhereOption, open_gallery, parse_where
from mien.cli.options import print_json, takes_engine
from mien.core.errors import MienError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.gallery.answers import Found

Pictures = Annotated[list[Path], typer.Argument(help="Pictures; every face in them.", show_default=False)]
Fpir = Annotated[float, typer.Option(help="Chance that a stranger gets any hit in this gallery.", min=0, max=1)]
Threshold = Annotated[
    float | None, typer.Option(help="A cosine of your own to accept from.", min=-1, max=1, show_default=False)
]
Exact = Annotated[bool, typer.Option("--exact", help="Compare with every face, without the index.")]


@takes_engine
def search(
    place: Place,
    pictures: Pictures,
    k: Annotated[int, typer.Option("-k", help="People to name for each face.", min=1)] = 5,
    fpir: Fpir = 1e-2,
    threshold: Threshold = None,
    where: WhereOption = None,
    exact: Exact = False,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """The nearest people of each face, and who it is, if it is anybody."""
    chosen = parse_where(where)
    with open_gallery(place, engine) as gallery:
        ask = partial(gallery.search, k=k, fpir=fpir, threshold=threshold, where=chosen, exact=exact)
        _answer(pictures, ask, json)


@takes_engine
def identify(
    place: Place,
    pictures: Pictures,
    fpir: Fpir = 1e-2,
    threshold: Threshold = None,
    exact: Exact = False,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Who is who in a crowd: nobody is in one picture twice."""
    with open_gallery(place, engine) as gallery:
        _answer(pictures, partial(gallery.identify, fpir=fpir, threshold=threshold, exact=exact), json)


def _answer(pictures: list[Path], ask: Callable[[Path], list[Found]], json: bool) -> None:
    """Print what is found in each picture; one that fails does not end the others."""
    failed = False
    for picture in pictures:
        try:
            _print(picture, ask(picture), json)
        except MienError as error:
            if len(pictures) == 1:
                raise  # for the exit code that it has by itself
            print(f"mien: {error}", file=sys.stderr)
            failed = True
    if failed:
        raise typer.Exit(1)


def _print(picture: Path, found: list[Found], json: bool) -> None:
    if json or not sys.stdout.isatty():
        print_json({"source": str(picture), "faces": [one.to_dict() for one in found]})
        return
    print(f"{picture}: {len(found)} faces" if len(found) != 1 else str(picture))
    for one in found:
        place = f" at {one.box[0]:.0f},{one.box[1]:.0f}" if one.box else ""
        print(f"  {one}{place}")
        for hit in one.hits:
            print(f"    {'*' if hit.passes else ' '} {hit.score:.3f}  {hit.who}")
