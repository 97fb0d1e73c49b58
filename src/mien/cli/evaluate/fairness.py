"""``mien evaluate fairness``, ``probe``: what heads get wrong about whom, and what changes their answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import parse_want, print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def fairness(
    source: Annotated[
        Path,
        typer.Argument(
            help="A .csv file with the columns file, perhaps subject, the truth and the groups.", show_default=False
        ),
    ],
    field: Annotated[str, typer.Option(help="What is measured: age, gender, glasses, mouth.open ...")],
    by: Annotated[
        list[str],
        typer.Option(help="Column of the groups, age:18,60 to cut numbers, or 'tone'. Repeat it to cross groups."),
    ],
    truth: Annotated[str | None, typer.Option(help="Column of the truth, if it is not called as the field.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder that the files count from.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to this .md or .json file, too.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell what a head gets wrong by group: errors, abstentions and missed faces, with intervals and gaps."""
    from mien.datasets.readers.labels_csv import read_labels
    from mien.evaluation.fairness import evaluate_fairness
    from mien.evaluation.fairness_tables import fairness_report

    labels = read_labels(source, pictures=pictures)
    found = evaluate_fairness(labels, field, by=by, truth=truth, engine=engine)
    report = fairness_report(found, source=str(source), model=engine.choose(field.partition(".")[0]).id)
    if out:
        report.write(out)
    if json or not sys.stdout.isatty():
        print_json(report.to_dict())
    else:
        print(report.to_text())
    for line in found.failed:
        print(f"mien: {line}", file=sys.stderr)
    if found.failed:
        raise typer.Exit(1)


@takes_engine
def probe(
    want: Annotated[str, typer.Option(help="Fields whose answers are watched, comma-separated.")] = "age,gender",
    people: Annotated[int, typer.Option(help="Generated people who are looked at.", min=2)] = 20,
    seed: Annotated[int, typer.Option(help="Of the people.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this .md or .json file, too.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a picture of the first person in every version.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell what changes a head's answers about people who do not exist: skin tone, light, sharpness, size."""
    from mien.core.image import save_image
    from mien.evaluation.fairness_tables import probe_report
    from mien.evaluation.probes import contact_sheet, evaluate_probe
    from mien.media.provenance import Provenance

    fields = parse_want(want, engine)
    found = evaluate_probe(fields, people=people, seed=seed, engine=engine)
    if sheet:
        picture, models = contact_sheet(seed=seed, engine=engine)
        save_image(picture, sheet, xmp=Provenance.generated(*models).to_xmp())
    report = probe_report(found, model=", ".join(sorted({engine.choose(one).id for one in fields})))
    if out:
        report.write(out)
    if json or not sys.stdout.isatty():
        print_json(report.to_dict())
    else:
        print(report.to_text())
