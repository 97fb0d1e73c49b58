"""``mien evaluate swap|anonymization``: whose face it is to networks that had no part in it, and what was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.labelled import Json, Out
from mien.cli.evaluate.verification import check_outputs, tell
from mien.cli.options import takes_engine

if TYPE_CHECKING:
    from mien.core.image import Image
    from mien.engine import Engine
    from mien.evaluation.swap_tables import Sheet as Rows
    from mien.swaps.edit import Edit

Judge = Annotated[
    list[str] | None,
    typer.Option(help="Embedder that judges; by default all that can be had. Repeatable.", show_default=False),
]
Sheet = Annotated[Path | None, typer.Option(help="Write a picture of the first dozen, side by side.")]


@takes_engine
def swap(
    source: Annotated[Path, typer.Argument(help="A folder of portraits, each of another person.", show_default=False)],
    limit: Annotated[int, typer.Option(help="Pairs at most.", min=1)] = 200,
    with_: Annotated[
        str | None, typer.Option("--swapper", help="A learned swapper of your own; by default the geometric one.")
    ] = None,
    judge: Judge = None,
    sheet: Sheet = None,
    out: Out = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Swap people who are not alike, in memory, and tell whose face it is then, and what of the target was kept."""
    from mien.evaluation.report import Report
    from mien.evaluation.swap import evaluate_swap
    from mien.evaluation.swap_tables import Sheet, swap_tables
    from mien.swaps.exchange.swapper import swap as put

    check_outputs(None, out)
    rows = Sheet()
    found = evaluate_swap(
        source,
        swapper=lambda target, giver: put(target, source=giver, who="largest", model=with_, engine=engine),
        limit=limit,
        judges=judge,
        keep=lambda target, giver, edit: rows.add([giver, target, edit.image], edit.provenance),
        engine=engine,
    )
    _write(rows, sheet)
    model = with_ or "geometric swap"
    results = found.to_dict()
    tell(
        Report.of("Swaps", source=str(source), model=model, results=results, tables=swap_tables(found)), out, json=json
    )


@takes_engine
def anonymization(
    source: Annotated[
        Path, typer.Argument(help="A folder with a folder of pictures for each person.", show_default=False)
    ],
    method: Annotated[str, typer.Option(help="How faces are hidden: see mien anonymize.")] = "blur",
    strength: Annotated[str, typer.Option(help="How much: a number, or auto.")] = "auto",
    far: Annotated[float, typer.Option(help="False accept rate of the thresholds.", min=0, max=1)] = 1e-3,
    limit: Annotated[int, typer.Option(help="Pictures of each person at most.", min=1)] = 10,
    judge: Judge = None,
    sheet: Sheet = None,
    out: Out = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Hide the faces of a folder, in memory, and tell who is still recognised, before and after."""
    from mien.evaluation.anonymization import evaluate_anonymization
    from mien.evaluation.report import Report
    from mien.evaluation.swap_tables import Sheet, anonymization_tables
    from mien.swaps.hidden.anonymizer import anonymize

    check_outputs(None, out)
    rows = Sheet()
    amount = strength if strength == "auto" else float(strength)

    def hide(image: Image) -> Edit:
        return anonymize(image, method=method, strength=amount, engine=engine)

    found = evaluate_anonymization(
        source,
        hider=hide,
        far=far,
        limit=limit,
        judges=judge,
        keep=lambda image, edit: rows.add([image, edit.image], edit.provenance),
        engine=engine,
    )
    _write(rows, sheet)
    model = f"{method}, strength {strength}"
    tables, results = anonymization_tables(found), found.to_dict()
    tell(Report.of("Anonymization", source=str(source), model=model, results=results, tables=tables), out, json=json)


def _write(rows: Rows, sheet: Path | None) -> None:
    from mien.core.faces import Faces
    from mien.swaps.edit import Edit

    if sheet is not None and rows.rows:
        Edit(rows.image, rows.mark, Faces.empty()).save(sheet)
