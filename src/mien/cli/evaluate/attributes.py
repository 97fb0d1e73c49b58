"""``mien evaluate age`` and ``mien evaluate attributes``: what faces show, held against labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.labelled import Json, Margin, Out, Pictures, Source, check_out, complain, show
from mien.cli.options import takes_engine, takes_engines

if TYPE_CHECKING:
    from mien.engine import Engine


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
    check_out(out)
    failed: tuple[str, ...] = ()
    for engine in engines:
        found = evaluate_age(source, pictures=pictures, margin=margin, engine=engine)
        failed = found.failed
        show(age_report(found, source=str(source), model=engine.choose("age").id), out, json=json)
    complain(failed)


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

    check_out(out)
    found = evaluate_attributes(source, fields=field or (), pictures=pictures, margin=margin, engine=engine)
    models = sorted({engine.choose(row.field.partition(".")[0]).id for row in found.rows})
    show(attributes_report(found, source=str(source), model=", ".join(models)), out, json=json)
    complain(found.failed)
