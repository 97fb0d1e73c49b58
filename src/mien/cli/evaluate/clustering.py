"""``mien evaluate clustering``: how well faces are grouped by person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.evaluation.clustering import Measures

_SHOWN = {
    "BCubed": ("bcubed_precision", "bcubed_recall", "bcubed_f"),
    "pairs": ("pair_precision", "pair_recall", "pair_f"),
}


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
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well pictures are grouped by person: BCubed, pairs, purity, with intervals over people."""
    from mien.evaluation.clustering import evaluate_clustering

    report = evaluate_clustering(folder, strangers=strangers, far=far, ages=ages, engine=engine)
    model = engine.choose("embedding").id
    if json or not sys.stdout.isatty():
        print_json({"folder": str(folder), "strangers": str(strangers or ""), "model": model, **report.to_dict()})
        return
    print(f"{model}: {folder}" + (f", strangers {strangers}" if strangers else "") + f", {report.without_face} no face")
    _print("all", report.everything)
    for name, measures in report.strata.items():
        _print(name, measures)


def _print(name: str, measures: Measures) -> None:
    print(f"{name}: {measures.faces} faces of {measures.people} people, in {measures.groups} groups")
    for label, (precision, recall, f) in _SHOWN.items():
        shown = "  ".join(
            f"{word} {measures.values[key]:.4f} ({measures.intervals[key][0]:.4f} to {measures.intervals[key][1]:.4f})"
            for word, key in (("precision", precision), ("recall", recall), ("F", f))
        )
        print(f"  {label:7} {shown}")
    print(f"  purity  {measures.values['purity']:.4f}  NMI {measures.values['nmi']:.4f}")
