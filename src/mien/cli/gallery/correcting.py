"""``mien gallery rename|merge|split|move|link|delete``: what puts a gallery right."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.gallery.opening import Json, Place, open_gallery, tell
from mien.cli.options import takes_engine
from mien.core.errors import UnknownPerson, UsageError

if TYPE_CHECKING:
    from mien.engine import Engine

Who = Annotated[str, typer.Argument(help="A name or an id.", show_default=False)]
Faces = Annotated[list[int], typer.Argument(help="Numbers of faces, as `show` lists them.", show_default=False)]


@takes_engine
def rename(
    place: Place,
    who: Who,
    name: Annotated[str, typer.Argument(help="The new name.", show_default=False)],
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Give somebody a name."""
    with open_gallery(place, engine) as gallery:
        person = gallery.rename(who, name)
    tell({"id": person.id, "name": person.name}, f"{person.id} is {person}", json)


@takes_engine
def merge(
    place: Place,
    who: Who,
    others: Annotated[list[str], typer.Argument(help="Names or ids of the same person.", show_default=False)],
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Make one person of several."""
    with open_gallery(place, engine) as gallery:
        person = gallery.merge(who, *others)
        count = len(gallery.faces(person))
    tell({"id": person.id, "name": person.name, "faces": count}, f"{person} ({person.id}): {count} faces", json)


@takes_engine
def split(
    place: Place,
    who: Who,
    faces: Faces,
    name: Annotated[str | None, typer.Option(help="Of the new person.", show_default=False)] = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Take faces out of a person, as a new person."""
    with open_gallery(place, engine) as gallery:
        person = gallery.split(who, faces, name=name)
    tell({"id": person.id, "name": person.name}, f"{person} ({person.id}): {len(faces)} faces", json)


@takes_engine
def move(
    place: Place,
    faces: Faces,
    to: Annotated[str | None, typer.Option(help="Whose they are; nobody's by default.", show_default=False)] = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Say whose faces these are."""
    with open_gallery(place, engine) as gallery:
        moved = gallery.move(faces, to)
    tell({"moved": len(moved)}, f"{len(moved)} faces moved", json)


@takes_engine
def link(
    place: Place,
    one: Annotated[int, typer.Argument(help="Number of a face.", show_default=False)],
    other: Annotated[int, typer.Argument(help="Number of another.", show_default=False)],
    same: Annotated[bool, typer.Option("--same/--different", help="What is known of them.")],
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Say that two faces are of one person, or that they are not."""
    with open_gallery(place, engine) as gallery:
        gallery.link(one, other, same=same)
    tell({"one": one, "other": other, "same": same}, "the same person" if same else "different people", json)


@takes_engine
def delete(
    place: Place,
    who: Annotated[list[str] | None, typer.Argument(help="Names or ids.", show_default=False)] = None,
    face: Annotated[list[int] | None, typer.Option(help="Number of a face. Repeatable.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Delete people with all their faces, completely: no name, vector or crop is left in any file of the gallery."""
    from mien.gallery.records import Where

    if not who and not face:
        raise UsageError("name whom to delete, or faces with --face.")
    with open_gallery(place, engine) as gallery:
        people = [gallery.person(one) for one in who or []]
        chosen = {sample.id: sample for sample in gallery.faces(where=Where(ids=face or []))}
        missing = [number for number in face or [] if number not in chosen]
        if missing:  # before anybody is deleted
            raise UnknownPerson(f"no face here has the id {missing[0]}.")
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("deleting asks first, which needs a terminal: say --yes.")
            what = ", ".join([*map(str, people), *(f"face {number}" for number in face or [])])
            typer.confirm(f"delete {what} for good?", abort=True)
        ids = {person.id for person in people}  # whose faces go with them
        count = gallery.delete(*people) + gallery.delete_faces(one for one in chosen.values() if one.person not in ids)
    tell({"people": len(people), "faces": count}, f"deleted {len(people)} people, {count} faces", json)
