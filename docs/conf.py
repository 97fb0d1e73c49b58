"""Sphinx configuration: the manual is Markdown, the reference comes from the docstrings, the tables from the code."""

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version as installed
from pathlib import Path

project = "mien"
author = "the mien founders"
version = release = installed("mien")
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
html_theme = "furo"
html_title = "mien"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters sections say more: shapes, units, ranges
numpydoc_show_class_members = False
default_role = "py:obj"  # `mien.load_image` in a docstring is a link

# --- what the pages include: written from the code before each build, so that it cannot differ from it ----------------

INCLUDES = Path(__file__).parent / "_build" / "include"


def _write_includes() -> None:
    INCLUDES.mkdir(parents=True, exist_ok=True)
    # The tables are of what ships: no cards of whoever builds the manual.
    os.environ |= {"MIEN_CONFIG": str(INCLUDES / "none"), "TYPER_USE_RICH": "0", "COLUMNS": "90"}
    for name, lines in {
        "models.md": _models(),
        "fields.md": _fields(),
        "devices.md": _devices(),
        "strata.md": _strata(),
        "commands.md": _commands(),
    }.items():
        (INCLUDES / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(header: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "| --- " * len(header) + "|"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"


def _models() -> Iterator[str]:
    from mien.models.catalogue import Catalogue
    from mien.models.license import HEADER, table

    rows = ((f"`{model}`", *cells, f"[origin]({url})") for model, *cells, url in table(Catalogue.load()))
    return _table(HEADER, rows)


def _fields() -> Iterator[str]:
    from mien.core.fields import all_fields

    rows = ((f"`{f.name}`", f.column_type.__name__ if f.column else "", f.unit, f.doc) for f in all_fields().values())
    return _table(("field", "column", "unit", "what"), rows)


def _devices() -> Iterator[str]:
    from mien.runtime.session import DEVICES

    rows = (
        (f"`{name}`", f"{row.backend}, {row.target}", row.fix, "yes" if row.tested else "no")
        for name, row in DEVICES.items()
    )
    return _table(("device", "run by", "if it is not there", "tested"), rows)


def _strata() -> Iterator[str]:
    """Thresholds of the tables that ship: one row per space and stratum."""
    from mien.embeddings.calibration import Stratum, load_calibration
    from mien.models.catalogue import Catalogue

    def threshold(stratum: Stratum, far: float) -> str:
        if far < stratum.rates[-1]:
            return "none"
        return f"{stratum.threshold(far):.3f}{'' if far >= stratum.counted_down_to else ' *'}"

    rates = (1e-2, 1e-3, 1e-4)
    spaces = [card.space for card in Catalogue.load().giving("embedding") if card.space]
    rows = (
        (
            f"`{space}`",
            stratum.name,
            stratum.people,
            f"{stratum.pairs:,}",
            *(threshold(stratum, far) for far in rates),
            f"{stratum.rates[-1]:g}",
        )
        for space in spaces
        for stratum in load_calibration(space).strata
    )
    header = ("space", "stratum", "people", "pairs", *(f"FAR {far:g}" for far in rates), "lowest FAR")
    return _table(header, rows)


def _commands() -> Iterator[str]:
    from typer import Typer
    from typer.testing import CliRunner

    from mien.cli import app

    def names(group: Typer) -> Iterator[str]:
        for command in group.registered_commands:
            yield command.name or command.callback.__name__
        for part in group.registered_groups:
            yield from (f"{part.name} {name}" for name in names(part.typer_instance))

    for name in names(app):
        result = CliRunner().invoke(app, [*name.split(), "--help"], prog_name="mien")
        yield f"### mien {name}\n\n```text\n{result.stdout.strip()}\n```\n"


_write_includes()
