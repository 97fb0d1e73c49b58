"""``mien models``: what there is, what is here, under which terms; fetch, check, add, pack."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.options import DownloadProgress, print_json
from mien.core.errors import MienError

if TYPE_CHECKING:
    from mien.models.card import Card
    from mien.models.catalogue import Catalogue
    from mien.models.license import Policy

app = typer.Typer(help="Models: what there is, under which terms; fetch, check, add, pack.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Model ids; all by default.", show_default=False)]
Offline = Annotated[bool, typer.Option("--offline", help="No network.", envvar="MIEN_OFFLINE")]
Licenses = Annotated[
    Literal["any", "commercial", "strict"],
    typer.Option(help="Which models are allowed.", envvar="MIEN_LICENSES"),
]


def _pick(catalogue: Catalogue, names: list[str] | None) -> list[Card]:
    return [catalogue[name] for name in names] if names else list(catalogue)


def _allowed(cards: list[Card], licenses: Policy) -> list[Card]:
    """Return the models that a policy permits, and say on standard error why the others are skipped."""
    from mien.models.license import refusal

    reasons = [refusal(card, licenses) for card in cards]
    for reason in filter(None, reasons):
        print(f"skipped: {reason}.", file=sys.stderr)
    return [card for card, reason in zip(cards, reasons, strict=True) if reason is None]


@app.command("list")
def list_models(
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a model.")] = False,
    templates: Annotated[
        bool, typer.Option("--templates", help="Instead: what `models add --like` knows of files that you may have.")
    ] = False,
) -> None:
    """Show every model: what it gives, its size, its license, and whether it is here."""
    from mien.models.catalogue import Catalogue, load_templates
    from mien.models.license import permits
    from mien.models.store import Store

    if templates:
        for card in load_templates().values():
            told = {"id": card.id, "gives": list(card.gives), "title": card.title}
            print_json(told) if json or not sys.stdout.isatty() else print(f"{card.id:18} {card.title}")
        return
    store = Store(offline=True)
    rows = [
        {
            "id": card.id,
            "title": card.title,
            "gives": list(card.gives),
            "megabytes": round(card.bytes / 1e6, 1),
            "weights_license": card.weights_license,
            "data_terms": card.data_terms,
            "commercial": permits(card, "commercial"),
            "here": all(store.has(file) for file in card.files.values()),
        }
        for card in Catalogue.load()
    ]
    if json or not sys.stdout.isatty():
        for row in rows:
            print_json(row)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="dim", padding=(0, 2))
    for title in ("id", "gives", "MB", "license of weights", "data", "commercial", "here"):
        table.add_column(title, justify="right" if title == "MB" else "left", no_wrap=title == "id")
    for row in rows:
        table.add_row(
            str(row["id"]),
            ", ".join(map(str, row["gives"])),  # type: ignore[call-overload] # a list of str, made above
            f"{row['megabytes']:.1f}",
            str(row["weights_license"]),
            str(row["data_terms"]),
            "yes" if row["commercial"] else "no",
            "yes" if row["here"] else "",
        )
    Console().print(table)


@app.command()
def pull(names: Names = None, licenses: Licenses = "any", offline: Offline = False) -> None:
    """Fetch models into the cache, so that later runs need no network."""
    from mien.models.catalogue import Catalogue
    from mien.models.license import notice
    from mien.models.store import Store

    store = Store(offline=offline, progress=DownloadProgress())
    cards = _pick(Catalogue.load(), names)
    allowed = _allowed(cards, licenses)
    failed = names is not None and len(allowed) < len(cards)  # asked for by name, and not given
    for card in allowed:
        try:
            new = not all(store.has(file) for file in card.files.values())
            paths = store.pull(card)
        except MienError as error:
            print(f"mien: {error}", file=sys.stderr)
            failed = True
        else:
            print(f"{card.id}: {', '.join(str(path) for path in paths.values()) or 'needs no files'}")
            if new and (line := notice(card)):
                print(f"note: {line}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


@app.command()
def verify(names: Names = None) -> None:
    """Hash the files in the cache against the cards."""
    from mien.models.catalogue import Catalogue
    from mien.models.store import Store

    states = Store(offline=True).verify(_pick(Catalogue.load(), names))
    wrong = False
    for model_id, files in states.items():
        for name, state in files.items():
            print(f"{state:8} {model_id:18} {name}")
            wrong = wrong or state == "wrong" or (state == "missing" and names is not None)
    if wrong:
        raise typer.Exit(1)


@app.command()
def remove(names: Annotated[list[str], typer.Argument(help="Model ids.", show_default=False)]) -> None:
    """Delete models from the cache, but for files that another model there shares."""
    from mien.models.catalogue import Catalogue
    from mien.models.store import Store

    store, catalogue = Store(offline=True), Catalogue.load()
    going = _pick(catalogue, names)
    staying = [card for card in catalogue if card not in going and all(map(store.has, card.files.values()))]
    freed = sum(store.remove(card, keep=staying) for card in going)
    names_going = {file.name for card in going for file in card.files.values()}
    for card in staying:
        if shared := sorted(names_going & {file.name for file in card.files.values()}):
            print(f"kept for {card.id}: {', '.join(shared)}", file=sys.stderr)
    print(f"freed {freed / 1e6:.1f} MB")


@app.command()
def licenses(names: Names = None) -> None:
    """Print the table of licenses and data terms, in Markdown."""
    from mien.models.catalogue import Catalogue
    from mien.models.license import markdown_table

    sys.stdout.write(markdown_table(_pick(Catalogue.load(), names)))


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="Your model file, such as an ONNX export.", show_default=False)],
    like: Annotated[
        str,
        typer.Option(
            help="The model that it works like, or a template of `models list --templates`.", show_default=False
        ),
    ],
    name: Annotated[str | None, typer.Option("--id", help="Its id; by default the file's name.")] = None,
    license: Annotated[str, typer.Option(help="SPDX id of the weights' license.")] = "LicenseRef-unknown",  # noqa: A002
) -> None:
    """Add a model of your own; use it with --model FIELD=ID."""
    from mien.models.catalogue import add_card

    card = add_card(path, like=like, id=name or path.stem.lower().replace(" ", "-"), weights_license=license)
    print(f"added {card.id}: use it with --model {card.gives[0]}={card.id}")


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Where to write the mirror.", show_default=False)],
    names: Names = None,
    licenses: Licenses = "any",
) -> None:
    """Write a mirror for machines without a network: set MIEN_MIRROR to the folder there."""
    from mien.models.catalogue import Catalogue
    from mien.models.store import Store

    cards = _pick(Catalogue.load(), names)
    allowed = _allowed(cards, licenses)
    paths = set(Store(progress=DownloadProgress()).pack(folder, allowed))  # models may share a file
    print(f"{len(paths)} files, {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB in {folder}")
    if names is not None and len(allowed) < len(cards):  # asked for by name, and not given
        raise typer.Exit(1)
