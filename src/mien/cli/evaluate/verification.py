"""``mien evaluate verification``: how well the embedder separates people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def verification(
    source: Annotated[
        Path, typer.Argument(help="A folder with one folder per person, or LFW's pairs.txt.", show_default=False)
    ],
    far: Annotated[list[float] | None, typer.Option(help="False accept rate to report at. Repeatable.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well the embedder separates people: AUC, equal error rate, true accepts."""
    from mien.evaluation.verification import evaluate_verification

    report = evaluate_verification(source, rates=tuple(far or (1e-2, 1e-3)), engine=engine)
    model = engine.choose("embedding").id
    if json or not sys.stdout.isatty():
        print_json({"source": str(source), "model": model, **report.to_dict()})
        return
    print(f"{model} on {source}: {report.people} people, {report.pictures} pictures ({report.without_face} no face)")
    print(f"pairs     {report.genuine} of one person, {report.impostor} of two")
    print(f"AUC       {report.auc:.4f}  95 % {report.auc_interval[0]:.4f} to {report.auc_interval[1]:.4f}")
    print(f"EER       {report.eer:.4f}  95 % {report.eer_interval[0]:.4f} to {report.eer_interval[1]:.4f}")
    for point in report.points:
        low, high = point.interval
        print(
            f"TAR @ FAR {point.far:g}: {point.tar:.4f}  95 % {low:.4f} to {high:.4f}  threshold {point.threshold:.3f}"
        )
