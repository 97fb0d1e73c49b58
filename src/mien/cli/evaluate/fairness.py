"""``mien evaluate fairness``, ``probe``: what heads get wrong about whom, and what changes their answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.labelled import Json, Margin, Out, Pictures, Source, check_out, complain, show
from mien.cli.options import parse_want, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def fairness(
    source: Source,
    field: Annotated[str, typer.Option(help="What is measured: age, gender, glasses, mouth.open ...")],
    by: Annotated[
        list[str],
        typer.Option(help="Column of the groups, age:18,60 to cut numbers, or 'tone'. Repeat it to cross groups."),
    ],
    truth: Annotated[str | None, typer.Option(help="Column of the truth, if it is not called as the field.")] = None,
    pictures: Pictures = None,
    margin: Margin = 0.0,
    out: Out = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Tell what a head gets wrong by group: errors, abstentions and missed faces, with intervals and gaps."""
    from mien.evaluation.fairness import evaluate_fairness
    from mien.evaluation.fairness_tables import fairness_report

    check_out(out)
    found = evaluate_fairness(source, field, by=by, truth=truth, pictures=pictures, margin=margin, engine=engine)
    report = fairness_report(found, source=str(source), model=engine.choose(field.partition(".")[0]).id)
    show(report, out, json=json)
    complain(found.failed)


@takes_engine
def probe(
    want: Annotated[str, typer.Option(help="Fields whose answers are watched, comma-separated.")] = "age,gender",
    people: Annotated[int, typer.Option(help="Generated people who are looked at.", min=2)] = 20,
    seed: Annotated[int, typer.Option(help="Of the people.", min=0)] = 0,
    out: Out = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a picture of the first person in every version.")] = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Tell what changes a head's answers about people who do not exist: skin tone, light, sharpness, size."""
    from mien.evaluation.fairness_tables import probe_report
    from mien.evaluation.probes import contact_sheet, evaluate_probe
    from mien.media.marking import mark_image
    from mien.media.provenance import Provenance

    check_out(out)
    fields = parse_want(want, engine)
    found = evaluate_probe(fields, people=people, seed=seed, engine=engine)
    if sheet:
        picture, models = contact_sheet(seed=seed, engine=engine)
        mark_image(picture, sheet, Provenance.generated(*models))
    report = probe_report(found, model=", ".join(sorted({engine.choose(one).id for one in fields})))
    show(report, out, json=json)
