"""``mien portrait``: whether photos will do for a document, and what is wrong with those that will not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.naming import Names, is_many
from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine, Item
    from mien.features.fit.portrait_verdict import Portrait

MARKS = {True: "[green]yes[/green]", False: "[red]no[/red]", None: "[dim]?[/dim]"}


@takes_engine
def portrait(
    sources: Annotated[list[str], typer.Argument(help="Pictures, folders, globs.", show_default=False)],
    rules: Annotated[str, typer.Option(help="icao, us-visa, or a .toml file of your own.")] = "icao",
    crop: Annotated[
        Path | None, typer.Option(help="Write the print: of one picture to this file, of several into this folder.")
    ] = None,
    dpi: Annotated[float, typer.Option(help="Dots per inch of the print.", min=1)] = 300,
    require: Annotated[bool, typer.Option("--require", help="Exit with 1 unless every picture passes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a picture, on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Check photos against the requirements of portraits for documents."""
    from mien.core.errors import NoFace, UsageError
    from mien.core.image import save_image
    from mien.features.fit.portrait_rules import load_rules
    from mien.features.fit.portrait_verdict import judge
    from mien.media.sinks import make_folder

    table = load_rules(rules)
    many = len(sources) > 1 or is_many(sources[0])
    if crop is not None and not many and not crop.suffix:
        raise UsageError(f"--crop of one picture is a picture file, not {crop}.")
    names = Names(crop, sources) if crop is not None and many else None
    as_table = sys.stdout.isatty() and not json
    failures = refused = 0
    for item in engine.scan(sources, keep_images=True):
        if item.faces is None:
            failures += 1
            print(f"mien: {item.failure.message if item.failure else item.source}", file=sys.stderr)
            continue
        found = judge(item.faces, rules=table, engine=engine)
        refused += not found
        if as_table:
            _print_table(item, found)
        else:
            print_json({"source": item.source, **found.to_dict()})
        if crop is not None:
            path = names.file(item.source, ".jpg") if names else crop
            try:
                picture = found.crop(dpi=dpi)
            except (NoFace, UsageError) as error:
                failures += 1
                print(f"mien: {item.source}: {error}", file=sys.stderr)
                continue
            make_folder(path.parent)
            save_image(picture, path)
    if failures or (require and refused):
        raise typer.Exit(1)


def _print_table(item: Item, found: Portrait) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    verdict = {True: "[green]passed[/green]", False: "[red]not passed[/red]", None: "not decided"}[found.passed]
    told = f"[bold]{escape(item.source)}[/bold]  {verdict}: {escape(found.rules.title)}"
    console.print(told, highlight=False)
    table = Table(box=None, header_style="dim", padding=(0, 2))
    for title in ("", "requirement"):
        table.add_column(title)
    for title in ("value", "limits"):
        table.add_column(title, justify="right")
    for check in found.checks.values():
        value = "" if check.value is None else f"{check.value:.4g} {check.unit}"
        limits = " to ".join(f"{limit:g}" for limit in (check.least, check.most) if limit is not None)
        one_sided = {(True, False): "at most ", (False, True): "at least "}
        side = one_sided.get((check.least is None, check.most is None), "")
        table.add_row(MARKS[check.passed], check.name.replace("_", " "), value, f"{side}{limits}")
    if found.checks:
        console.print(table)
    for reason in (*found.reasons, *found.unknown):
        console.print(f"  - {escape(reason)}", highlight=False)
