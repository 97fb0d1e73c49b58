"""``mien gallery info|reembed|tag|export|backup|audit``: what looks after a gallery."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.gallery.opening import Json, Place, open_gallery, tell, tell_all
from mien.cli.options import print_json, progress_bar, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def info(place: Place, json: Json = False, *, engine: Engine) -> None:
    """How much is there, in which embedding space."""
    with open_gallery(place, engine) as gallery:
        counts = gallery.store.counts()
        value = {
            "place": gallery.name,
            **vars(counts),
            "space": gallery.space,
            "dimension": gallery.store.dimension,
            "crops": gallery.keeps_crops,
            "generation": gallery.store.generation(),
        }
    text = "\n".join(f"{name:11} {one}" for name, one in value.items())
    tell(value, text, json)


@takes_engine
def reembed(
    place: Place,
    missing: Annotated[
        Literal["refuse", "delete"], typer.Option(help="Faces that have no crop and whose picture is gone.")
    ] = "refuse",
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Embed all faces again with another model, --model embedding=ID; people, names and answers stay."""
    with open_gallery(place, engine) as gallery, progress_bar("faces") as advance:
        done = gallery.reembed(engine=engine, missing=missing, progress=advance)
    value = {"space": done.space, "faces": done.faces, "lost": len(done.lost)}
    tell(value, f"{done.faces} faces are in {done.space}; {len(done.lost)} were lost", json)


@takes_engine
def tag(
    place: Place,
    source: Annotated[list[Path], typer.Argument(help="Files, folders and globs.", show_default=False)],
    embed: Annotated[bool, typer.Option("--embed", help="Into JPEG and PNG files, not beside them.")] = False,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="Only names that a human gave.")] = False,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Write who is where into pictures' metadata, or sidecars, as photo programs read it."""
    with open_gallery(place, engine) as gallery:
        done = gallery.write_regions(source, sidecar=not embed, confirmed=confirmed)
    tell_all(done.to_dict(), f"{done.faces} names written to {done.pictures} pictures", done.failures, json)


@takes_engine
def export(
    place: Place,
    folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    crops: Annotated[bool, typer.Option("--crops", help="With the crops.")] = False,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Write everything as Parquet files."""
    with open_gallery(place, engine) as gallery:
        written = gallery.export(folder, crops=crops)
    tell({"folder": str(written)}, str(written), json)


@takes_engine
def backup(
    place: Place,
    target: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Copy the gallery while it is in use."""
    with open_gallery(place, engine) as gallery:
        gallery.backup(target)
    tell({"backup": str(target)}, str(target), json)


@takes_engine
def audit(
    place: Place,
    who: Annotated[str | None, typer.Argument(help="Only about this name or id.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("-n", help="Lines to show.", min=1)] = 50,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """What was done, newest first; people are named by salted hashes."""
    with open_gallery(place, engine) as gallery:
        entries = gallery.audit(who, limit=limit)
    for entry in entries:
        if json or not sys.stdout.isatty():
            row = {"time": entry.time, "action": entry.action, "subjects": list(entry.subjects), **entry.details}
            print_json(row)
        else:
            when = dt.datetime.fromtimestamp(entry.time, dt.UTC).isoformat(" ", "seconds")
            details = " ".join(f"{name}={value}" for name, value in entry.details.items())
            print(f"{when}  {entry.action:12}  {details}  {' '.join(entry.subjects[:4])}")
