"""``mien gallery enroll|add|names|load``: what fills a gallery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.cli.gallery.opening import Json, Place, open_gallery, tell, tell_all
from mien.cli.options import parse_want, progress_bar, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mien.engine import Engine
    from mien.gallery.adding import Added

Crops = Annotated[
    bool | None, typer.Option("--crops/--no-crops", help="Keep aligned crops of new faces.", show_default=False)
]
Quality = Annotated[float, typer.Option(help="The least recognizability of a face.", min=0, max=1)]


@takes_engine
def enroll(
    place: Place,
    name: Annotated[str, typer.Argument(help="A name, or the id of somebody who is there.", show_default=False)],
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Pictures of this person, one face each.", show_default=False)
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="A .npy file of embeddings (N, D) instead.", show_default=False)
    ] = None,
    space: Annotated[str | None, typer.Option(help="The embedding space of --vectors.", show_default=False)] = None,
    min_quality: Quality = 0.2,
    which: Annotated[Literal["only", "largest"], typer.Option(help="If a picture has several faces.")] = "only",
    duplicates: Annotated[
        Literal["warn", "refuse", "allow"], typer.Option(help="If somebody else looks the same.")
    ] = "warn",
    note: Annotated[str, typer.Option(help="Kept with a new person: where consent is filed, for example.")] = "",
    crops: Crops = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Add pictures of somebody."""
    with open_gallery(place, engine, create=True, crops=crops) as gallery:
        done = gallery.enroll(
            name,
            list(pictures) if pictures else None,
            vectors=_vectors(vectors) if vectors else None,
            space=space,
            min_quality=min_quality,
            which=which,
            duplicates=duplicates,
            note=note,
        )
    tell(done.to_dict(), str(done), json)
    if done.refused:
        raise typer.Exit(1)


@takes_engine
def add(
    place: Place,
    source: Annotated[list[Path], typer.Argument(help="Files, folders and globs.", show_default=False)],
    want: Annotated[str, typer.Option(help="Fields to keep with each face, to search by.")] = "",
    min_quality: Quality = 0.2,
    min_size: Annotated[float, typer.Option(help="The least height of a face in pixels.", min=0)] = 0.0,
    again: Annotated[bool, typer.Option("--again", help="Look once more at photos that no face was kept of.")] = False,
    crops: Crops = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Add all faces of photos; they belong to nobody until `cluster` groups them. Photos that are known are skipped."""
    shown = 0

    def show(done: Added) -> None:
        nonlocal shown
        advance(done.pictures + done.known - shown)
        shown = done.pictures + done.known

    with open_gallery(place, engine, create=True, crops=crops) as gallery, progress_bar("pictures") as advance:
        done = gallery.add(
            source,
            want=parse_want(want, engine),
            min_quality=min_quality,
            min_size=min_size,
            again=again,
            progress=show,
        )
    text = f"{done.pictures} pictures, {done.faces} new faces; {done.known} pictures were known, {done.poor} faces poor"
    tell_all(done.to_dict(), text, done.failures, json)


@takes_engine
def names(
    place: Place,
    source: Annotated[list[Path], typer.Argument(help="Files, folders and globs.", show_default=False)],
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Name faces as the regions in their pictures say (XMP of the Metadata Working Group, or Microsoft's)."""
    with open_gallery(place, engine) as gallery:
        done = gallery.read_regions(source)
    text = f"{done.faces} faces named in {done.pictures} pictures, {done.people} new people; {done.unmatched} unmatched"
    tell_all(done.to_dict(), text, done.failures, json)


@takes_engine
def load(
    place: Place,
    folder: Annotated[Path, typer.Argument(help="What `export` wrote.", show_default=False)],
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Bring in an export of this or another gallery."""
    with open_gallery(place, engine, create=True) as gallery:
        done = gallery.load(folder)
    text = f"{done.people} new people, {done.faces} new faces, {done.links} links; {done.joined} people joined"
    tell(vars(done), text, json)


def _vectors(path: Path) -> NDArray[Any]:
    import numpy as np

    try:
        values: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} is no .npy file of numbers: {error}.") from error
    return values
