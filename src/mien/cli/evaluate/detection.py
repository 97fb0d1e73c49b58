"""``mien evaluate detection``: how well faces are found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import parse_tiles, print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def detection(
    source: Annotated[
        Path,
        typer.Argument(
            help="WIDER's .txt, a .json in COCO's layout or of noses, or an imglab .xml.", show_default=False
        ),
    ],
    negatives: Annotated[list[str] | None, typer.Option(help="Pictures or folders without any face.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder of the pictures that the file names.")] = None,
    levels: Annotated[Path | None, typer.Option(help="Folder of WIDER's easy, medium and hard .mat files.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Drop faces that the mesh network does not confirm.")] = False,
    tiles: Annotated[str, typer.Option(help="Look closer at large pictures: auto, off, or a side in pixels.")] = "auto",
    rotations: Annotated[bool, typer.Option("--rotations", help="Look at turned pictures too.")] = False,
    min_score: Annotated[float | None, typer.Option(help="Lowest confidence of a face.", min=0, max=1)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well faces are found: average precision, recall by size, false faces."""
    from mien.evaluation.detection import evaluate_detection

    report = evaluate_detection(
        source,
        negatives=negatives or (),
        pictures=pictures,
        levels=levels,
        engine=engine,
        check=check,
        tiles=parse_tiles(tiles),
        rotations=rotations,
        min_score=min_score,
    )
    model = "+".join(card.id for card in engine.team("detect"))
    if json or not sys.stdout.isatty():
        print_json({"source": str(source), "model": model, **report.to_dict()})
        return
    print(f"{model} on {source}: {report.pictures} pictures")
    for subset in report.subsets:
        low, high = subset.ap_interval
        print(f"{subset.name}: {subset.faces} faces")
        print(f"  AP         {subset.ap:.4f}  95 % {low:.4f} to {high:.4f}")
        low, high = subset.recall_interval
        print(f"  found      {subset.found}, recall {subset.recall:.4f}  95 % {low:.4f} to {high:.4f}")
        print(f"  no face    {subset.false}, precision {subset.precision:.4f}")
        for row in subset.sizes:
            low, high = row.interval
            print(f"  {row.heights:<10} {row.found} of {row.faces}  95 % {low:.4f} to {high:.4f}")
    if report.negatives:
        low, high = report.false_interval
        print(f"pictures without a face: {report.false_faces} false faces in {report.negatives}")
        print(f"  a picture  {report.false_per_picture:.4f}  95 % {low:.4f} to {high:.4f}")
