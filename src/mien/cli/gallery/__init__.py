"""``mien gallery``: people and faces that are kept; a module per kind of command."""

from __future__ import annotations

import typer

from mien.cli.gallery.asking import identify, search
from mien.cli.gallery.correcting import delete, link, merge, move, rename, split
from mien.cli.gallery.filling import add, enroll, load, names
from mien.cli.gallery.grouping import calibrate, cluster, review, sheet
from mien.cli.gallery.keeping import audit, backup, export, info, reembed, tag
from mien.cli.gallery.showing import people, show

__all__ = ["app"]

app = typer.Typer(help="People and faces that are kept: enroll, search, group, correct, delete.", no_args_is_help=True)

for command in (enroll, add, names, load):
    app.command(rich_help_panel="Fill")(command)
for command in (search, identify, people, show):
    app.command(rich_help_panel="Ask")(command)
for command in (cluster, review, sheet, calibrate):
    app.command(rich_help_panel="Group")(command)
for command in (rename, merge, split, move, link, delete):
    app.command(rich_help_panel="Correct")(command)
for command in (info, reembed, tag, export, backup, audit):
    app.command(rich_help_panel="Keep")(command)
