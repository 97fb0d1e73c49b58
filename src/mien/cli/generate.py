"""``mien generate``: portraits of people who do not exist, as they are asked for; families, and people between two."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import print_json, progress_bar, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.swaps.edit import Edit

Named = Iterable[tuple[str, "Edit"]]


@takes_engine
def generate(
    out: Annotated[Path, typer.Option(help="File to write; a folder for several pictures.", show_default=False)],
    seed: Annotated[int, typer.Option(help="The same seed makes the same person.", min=0)] = 0,
    count: Annotated[int, typer.Option(help="How many people, all distinct.", min=1)] = 1,
    family: Annotated[int, typer.Option(help="How many pictures of each person.", min=1)] = 1,
    between: Annotated[
        str | None,
        typer.Option(help="Two seeds, as in 3,9: --count people on the way from one to the other.", show_default=False),
    ] = None,
    truncation: Annotated[float, typer.Option(help="0 the average face, 1 the widest variety.", min=0, max=1)] = 0.7,
    size: Annotated[int, typer.Option(help="Side of the picture in pixels.", min=64, max=1024)] = 1024,
    age: Annotated[float | None, typer.Option(help="Apparent age, 18 or more.", show_default=False)] = None,
    smile: Annotated[float | None, typer.Option(help="0 to 1.", show_default=False)] = None,
    yaw: Annotated[
        float | None, typer.Option(help="Turn of the head to the picture's right, degrees.", show_default=False)
    ] = None,
    pitch: Annotated[float | None, typer.Option(help="How far it looks up, degrees.", show_default=False)] = None,
    glasses: Annotated[float | None, typer.Option(help="0 without, 1 with.", show_default=False)] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any attribute by name, as in hair_lightness=0.6; again for more."),
    ] = None,
    *,
    engine: Engine,
) -> None:
    """Make portraits of people who do not exist; every file is marked as synthetic."""
    from mien.core.image import IMAGE_SUFFIXES
    from mien.swaps.invented.attributes import checked_targets

    options = {"age": age, "smile": smile, "yaw": yaw, "pitch": pitch, "glasses": glasses}
    attributes: dict[str, Any] = checked_targets(_asked(options, set_ or []))
    kinds = [suffix for suffix in IMAGE_SUFFIXES if suffix != ".bmp"]  # which carries no mark
    if out.suffix and out.suffix.lower() not in kinds:
        raise UsageError(f"--out must be a folder, or end in one of {', '.join(kinds)}.")
    shared = {"truncation": truncation, "size": size, "engine": engine}
    if between is not None:
        if attributes or family > 1:
            raise UsageError("--between goes with --count, --truncation and --size, and with nothing else.")
        _save_all(_between(_seeds(between), max(count, 2), shared), max(count, 2), out)
    elif count > 1:
        if attributes:
            raise UsageError("attributes are of one person: leave --count out, or them.")
        _save_all(_people(count, family, seed, shared), count * family, out)
    elif family > 1:
        _save_all(_family(family, seed, attributes, shared), family, out)
    elif out.suffix:
        _save_one(seed, attributes, shared, out)
    else:
        _save_all(_single(seed, attributes, shared), 1, out)


def _asked(options: dict[str, float | None], pairs: list[str]) -> dict[str, float]:
    """Attributes that are given as options, and as name=value; each once."""
    asked = {name: value for name, value in options.items() if value is not None}
    for pair in pairs:
        name, _, value = pair.partition("=")
        name = name.strip()
        try:
            number = float(value)
        except ValueError as error:
            raise UsageError(f"--set takes a name and a number, as in hair_lightness=0.6, not {pair!r}.") from error
        if name in asked:
            raise UsageError(f"{name} is asked for twice.")
        asked[name] = number
    return asked


def _single(seed: int, attributes: dict[str, Any], shared: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    from mien.swaps.invented.generator import generate as make

    yield f"person-{seed}-0000", make(seed=seed, **shared, **attributes)


def _people(count: int, family: int, seed: int, shared: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    from mien.swaps.invented.families import families
    from mien.swaps.invented.generator import distinct_people

    if family == 1:
        for place, edit in enumerate(distinct_people(count, seed=seed, **shared)):
            yield f"person-{seed}-{place:04d}", edit
        return
    for person, edits in enumerate(families(count, family, seed=seed, **shared)):
        for place, edit in enumerate(edits):
            yield f"person-{seed}-{person:04d}-{place:02d}", edit


def _family(count: int, seed: int, attributes: dict[str, Any], shared: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    from mien.swaps.invented.families import family

    for place, edit in enumerate(family(seed=seed, count=count, **shared, **attributes)):
        yield f"person-{seed}-{place:02d}", edit


def _seeds(given: str) -> tuple[int, int]:
    """Two seeds that are given as one,other."""
    parts = given.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"--between takes two seeds, as in 3,9, not {given!r}.")
    return int(parts[0]), int(parts[1])


def _between(seeds: tuple[int, int], count: int, shared: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    from mien.swaps.invented.families import between

    for place, edit in enumerate(between(*seeds, count, **shared)):
        yield f"between-{seeds[0]}-{seeds[1]}-{place:02d}", edit


def _save_one(seed: int, attributes: dict[str, Any], shared: dict[str, Any], out: Path) -> None:
    from mien.media.sinks import make_folder

    make_folder(out.parent)
    _, edit = next(_single(seed, attributes, shared))
    _tell(edit.save(out), edit)


def _save_all(pictures: Named, total: int, out: Path) -> None:
    from mien.media.sinks import make_folder

    if out.suffix:
        raise UsageError(f"with several pictures, such as --count, --out is a folder, not a file such as {out.name}.")
    make_folder(out)
    with progress_bar("people", total=total) as advance:
        for name, edit in pictures:
            path = edit.save(out / f"{name}.png")
            if not sys.stdout.isatty():
                _tell(path, edit)
            advance(1)


def _tell(path: Path, edit: Edit) -> None:
    """On a terminal where it is; elsewhere all that is known of it."""
    if sys.stdout.isatty():
        print(path)
    else:
        print_json({"path": str(path), **edit.report})
