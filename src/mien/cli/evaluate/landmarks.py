"""``mien evaluate landmarks``: how far points are from where people marked them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def landmarks(
    source: Annotated[
        Path,
        typer.Argument(help="Pictures with .pts or 300W-LP .mat files, or an imglab XML file.", show_default=False),
    ],
    given_boxes: Annotated[
        bool, typer.Option("--given-boxes", help="Take the marked boxes instead of finding the faces.")
    ] = False,
    five: Annotated[
        bool, typer.Option("--five", help="Measure the five alignment points, from 68 marks a face.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how far 5, 68 or 106 points are from their marks: normalized mean error, AUC, failures."""
    from mien.evaluation.landmarks import FAILED, FAILED_BOX, POINT_SETS, evaluate_landmarks

    report = evaluate_landmarks(source, given_boxes=given_boxes, five=five, engine=engine)
    model = engine.choose(POINT_SETS[report.points].field).id
    if json or not sys.stdout.isatty():
        print_json({"source": str(source), "model": model, "given_boxes": given_boxes, **report.to_dict()})
        return
    print(f"{model} on {source}: {report.faces} faces in {report.pictures} pictures ({report.found} have points)")
    low, high = report.nme_interval
    print(f"NME       {report.nme:.4f}  95 % {low:.4f} to {high:.4f}, median {report.nme_median:.4f} (eye distances)")
    low, high = report.nme_box_interval
    print(f"NME box   {report.nme_box:.4f}  95 % {low:.4f} to {high:.4f} (box sides)")
    print(f"AUC       {report.auc:.4f} up to {FAILED:g}; {report.failures:.1%} of the faces beyond it")
    print(f"AUC box   {report.auc_box:.4f} up to {FAILED_BOX:g}; {report.failures_box:.1%} of the faces beyond it")
    for name, error in report.regions.items():
        print(f"  {name:<14}{error:.4f}")
