"""``mien evaluate clustering``: how well faces are grouped by person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.verification import OUT, check_outputs, tell
from mien.cli.options import takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def clustering(
    folder: Annotated[Path, typer.Argument(help="A folder with a folder of pictures per person.", show_default=False)],
    strangers: Annotated[
        Path | None, typer.Option(help="A folder of pictures of others, each of a person of their own.")
    ] = None,
    far: Annotated[
        float | None,
        typer.Option(
            help="False accepts per comparison of two single faces; by default the fewer the more faces there are.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    ages: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Years between which all people are known to be, such as 18 120.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well pictures are grouped by person: BCubed, pairs, purity, with intervals over people."""
    from mien.evaluation.clustering import evaluate_clustering
    from mien.evaluation.report import Report
    from mien.evaluation.tables import clustering_tables

    check_outputs(None, out)
    found = evaluate_clustering(folder, strangers=strangers, far=far, ages=ages, engine=engine)
    results = {"strangers": None if strangers is None else str(strangers), **found.to_dict()}
    model, tables = engine.choose("embedding").id, clustering_tables(found)
    tell(Report.of("Clustering", source=str(folder), model=model, results=results, tables=tables), out, json=json)
