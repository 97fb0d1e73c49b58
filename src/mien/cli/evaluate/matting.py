"""``mien evaluate matting``: how far alphas are from true ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def matting(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with the folders images and alphas, or named as in P3M-10k, PPM-100 or AIM-500.",
            show_default=False,
        ),
    ],
    refine: Annotated[bool, typer.Option(help="Carry alpha to the picture along its edges.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how far mattes are from true ones: SAD, MAD, MSE, gradient and connectivity errors."""
    from mien.evaluation.matting import ERRORS, evaluate_matting

    report = evaluate_matting(source, refine=refine, engine=engine)
    if json or not sys.stdout.isatty():
        print_json({"source": str(source), "refine": refine, **report.to_dict()})
    else:
        print(f"{report.model} on {source}: {report.pictures} pictures, {len(report.failed)} failed")
        print(f"{'':14}{'whole picture':28}{'unknown band':28}")
        for name, unit in ERRORS.items():
            cells = (getattr(report, part)[name] for part in ("whole", "unknown"))
            text = "".join(f"{f'{c.mean:.2f} ({c.interval[0]:.2f} to {c.interval[1]:.2f})':28}" for c in cells)
            print(f"{name:14}{text}{unit}")
    for one in report.failed:
        print(f"{one.path}: {one.reason}", file=sys.stderr)
    if report.failed:
        raise typer.Exit(1)
