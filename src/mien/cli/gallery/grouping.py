"""``mien gallery cluster|calibrate``: what groups faces, and what judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.gallery.opening import Json, Place, open_gallery, tell
from mien.cli.options import takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def cluster(
    place: Place,
    far: Annotated[float, typer.Option(help="False accept rate of two single faces.", min=0, max=1)] = 1e-4,
    ages: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Years between which people of unknown age are, such as 18 120.", show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Look at all faces anew, but for what a human said.")] = False,
    least: Annotated[int, typer.Option(help="Faces that make a new person.", min=1)] = 2,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Group the faces that belong to nobody: they join people who are there, or found new ones."""
    with open_gallery(place, engine) as gallery:
        done = gallery.cluster(far=far, ages=ages, again=again, least=least)
    tell(done.to_dict(), str(done), json)


@takes_engine
def calibrate(place: Place, json: Json = False, *, engine: Engine) -> None:
    """Measure how often strangers of this gallery look alike, and search by that from now on."""
    with open_gallery(place, engine) as gallery:
        done = gallery.calibrate()
    strata = [{"name": s.name, "people": s.people, "pairs": s.pairs, "lowest_far": s.rates[-1]} for s in done.strata]
    lines = [f"{s.name:16} {s.people:>7} people {s.pairs:>12,} pairs, FAR down to {s.rates[-1]:g}" for s in done.strata]
    tell({"name": done.name, "space": done.space, "strata": strata}, "\n".join(lines), json)
