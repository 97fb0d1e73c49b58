"""``mien evaluate age`` and ``mien evaluate attributes``: what faces show, held against labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine, takes_engines

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.evaluation.report import Report

Source = Annotated[
    Path,
    typer.Argument(
        help="A folder of pictures named as UTKFace's, CelebA's list_attr_celeba.txt, or a .csv file with the column "
        "file, perhaps subject, and the labels by the names of fields.",
        show_default=False,
    ),
]
Pictures = Annotated[Path | None, typer.Option(help="Folder that the files count from; by default that of SOURCE.")]
Margin = Annotated[
    float, typer.Option(help="Mirror so much of each side around pictures: 0.3 for faces cut as close as UTKFace's.")
]
Out = Annotated[Path | None, typer.Option(help="Write the report to this .md or .json file, too.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")]


@takes_engines("age")
def age(
    source: Source,
    pictures: Pictures = None,
    margin: Margin = 0.0,
    out: Out = None,
    json: Json = False,
    *,
    engines: list[Engine],
) -> None:
    """Tell how far ages are off, by band, and how many minors are taken for adults."""
    from mien.core.errors import UsageError
    from mien.evaluation.age import evaluate_age
    from mien.evaluation.attribute_tables import age_report

    if out and len(engines) > 1:
        raise UsageError("--out takes the report of one model: compare several without it.")
    failed: tuple[str, ...] = ()
    for engine in engines:
        found = evaluate_age(source, pictures=pictures, margin=margin, engine=engine)
        failed = found.failed
        _show(age_report(found, source=str(source), model=engine.choose("age").id), out, json=json)
    _complain(failed)


@takes_engine
def attributes(
    source: Source,
    field: Annotated[
        list[str] | None, typer.Option(help="Column to measure: gender, mouth.open ...; repeat. By default all.")
    ] = None,
    pictures: Pictures = None,
    margin: Margin = 0.0,
    out: Out = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well gender, glasses, mouth, headwear and hair are told, and other fields that have classes."""
    from mien.evaluation.attribute_tables import attributes_report
    from mien.evaluation.attributes import evaluate_attributes

    found = evaluate_attributes(source, fields=field or (), pictures=pictures, margin=margin, engine=engine)
    models = sorted({engine.choose(row.field.partition(".")[0]).id for row in found.rows})
    _show(attributes_report(found, source=str(source), model=", ".join(models)), out, json=json)
    _complain(found.failed)


def _show(report: Report, out: Path | None, *, json: bool) -> None:
    if out:
        report.write(out)
    if json or not sys.stdout.isatty():
        print_json(report.to_dict())
    else:
        print(report.to_text())


def _complain(failed: tuple[str, ...]) -> None:
    for line in failed:
        print(f"mien: {line}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)
