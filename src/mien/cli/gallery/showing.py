"""``mien gallery people|show``: what is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.gallery.opening import Json, Place, WhereOption, date_of, open_gallery, parse_where, sample_row
from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def people(place: Place, json: Json = False, *, engine: Engine) -> None:
    """Everybody, with the number of their faces."""
    with open_gallery(place, engine) as gallery:
        faces: dict[str | None, int] = {}
        for sample in gallery.store.samples():
            faces[sample.person] = faces.get(sample.person, 0) + 1
        everybody = gallery.people()
    for person in everybody:
        count = faces.get(person.id, 0)
        if json or not sys.stdout.isatty():
            row = {"id": person.id, "name": person.name, "faces": count, "note": person.note, "created": person.created}
            print_json(row)
        else:
            print(f"{person.id:>8}  {count:>6}  {person.name or '-'}")
    nobody = faces.get(None, 0)
    if nobody and sys.stdout.isatty() and not json:
        print(f"{'':>8}  {nobody:>6}  faces that are nobody's yet")


@takes_engine
def show(
    place: Place,
    who: Annotated[str | None, typer.Argument(help="A name or an id.", show_default=False)] = None,
    where: WhereOption = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """The faces of somebody, or those of which something holds."""
    with open_gallery(place, engine) as gallery:
        for sample in gallery.faces(who, where=parse_where(where)):
            if json or not sys.stdout.isatty():
                print_json(sample_row(sample))
            else:
                sure = "sure" if sample.confirmed else "    "
                quality = "" if sample.quality is None else f"{sample.quality:.2f}"
                about = f"{sure}  {quality:>4}  {date_of(sample.taken):10}  {sample.source}"
                print(f"{sample.id:>8}  {sample.person or '-':>8}  {about}")
