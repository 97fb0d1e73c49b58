"""``mien evaluate pose``: how far head poses are off, for one model or several side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engines

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.evaluation.pose import Measured, PoseReport


@takes_engines("pose")
def pose(
    source: Annotated[
        Path, typer.Argument(help="A folder of photos with .mat files as in 300W-LP or AFLW2000.", show_default=False)
    ],
    limit: Annotated[float, typer.Option(help="Leave photos with a larger published angle out, degrees.")] = 99.0,
    given_boxes: Annotated[bool, typer.Option("--given-boxes", help="Do not detect: use the annotated faces.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engines: list[Engine],
) -> None:
    """Tell how far head poses are off. Repeat --model pose=ID to compare models on the same photos."""
    from mien.datasets.readers.w300lp import find_w300lp
    from mien.evaluation.pose import evaluate_pose

    photos = list(find_w300lp(source))
    for engine in engines:
        model = engine.choose("pose").id
        report = evaluate_pose(photos, limit=limit, given_boxes=given_boxes, engine=engine)
        if json or not sys.stdout.isatty():
            print_json({"source": str(source), "model": model, **report.to_dict()})
        else:
            _show(model, source, report)


def _show(model: str, source: Path, report: PoseReport) -> None:
    print(
        f"{model} on {source}: {report.faces} faces; {report.missed} not found, {report.abstained} abstained, "
        f"{report.left_out} left out"
    )
    print(f"turn      {_line(report.turn)}, median {_line(report.turn_median)}")
    for name in ("yaw", "pitch", "roll"):
        print(f"{name:10}{_line(getattr(report, name))}")
    print(f"published {_line(report.published_mean)} (mean of three, turns in the order of 300W-LP)")
    for row in report.within:
        low, high = row.interval
        print(f"within {row.degrees:g} degrees: {row.share:.1%}  95 % {low:.1%} to {high:.1%}")


def _line(measured: Measured) -> str:
    low, high = measured.interval
    return f"{measured.mean:.2f} degrees  95 % {low:.2f} to {high:.2f}"
