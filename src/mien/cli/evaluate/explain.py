"""``mien evaluate explain``: which parts of two faces made them match, and how well such explanations hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, progress_bar, takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.evaluation.explain import Explanation
    from mien.evaluation.inpainting import GameReport


@takes_engine
def explain(
    a: Annotated[Path | None, typer.Argument(help="A picture; its largest face counts.", show_default=False)] = None,
    b: Annotated[Path | None, typer.Argument(help="The other picture.", show_default=False)] = None,
    game: Annotated[
        Path | None,
        typer.Option(help="Play the inpainting game on a folder with one folder per person.", show_default=False),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="patches, regions, masks, difference, chance, centre. In a game repeatable; all by default."),
    ] = None,
    probes: Annotated[int, typer.Option(help="In a game: pictures of each person to play with.", min=1)] = 3,
    out: Annotated[Path | None, typer.Option(help="Draw the maps, or the game's curves.", show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell which parts of two faces made their score; with --game, how well that can be told."""
    from mien.core.image import IMAGE_SUFFIXES, save_image
    from mien.evaluation.drawing import draw_game
    from mien.evaluation.explain import explain as explain_pair
    from mien.evaluation.inpainting import play
    from mien.evaluation.saliency import METHODS

    if (game is None) == (a is None) or (a is None) != (b is None):
        raise UsageError("mien evaluate explain takes either two pictures or --game with a folder.")
    if out is not None and out.suffix.lower() not in IMAGE_SUFFIXES:
        raise UsageError(f"--out must end in one of {', '.join(IMAGE_SUFFIXES)}.")
    if game is None and method is not None and len(method) > 1:
        raise UsageError("two pictures are explained by one --method.")
    printed = json or not sys.stdout.isatty()
    if a is not None and b is not None:
        found = explain_pair(a, b, method=(method or ["patches"])[0], engine=engine)
        picture = found.draw() if out else None
        print_json(found.to_dict()) if printed else _tell(found)
    else:
        with progress_bar("rounds") as advance:
            report = play(
                game or Path(), methods=method or tuple(METHODS), per_person=probes, engine=engine, progress=advance
            )
        picture = draw_game(report) if out else None
        print_json(report.to_dict()) if printed else _tell_game(report)
    if out is not None and picture is not None:
        save_image(picture, out)


def _tell(found: Explanation) -> None:
    print(found.match)
    print(f"score {found.score:.3f}; its change with a part hidden in the first picture, and in the second:")
    for part in found.regions:
        print(f"  {part.name:12} {part.first:+.3f}  {part.second:+.3f}")


def _tell_game(report: GameReport) -> None:
    counts = ", ".join(f"{name} {played}" for name, (played, _) in report.by_change.items())
    print(f"{report.model}: {report.rounds} rounds of {report.people} people ({counts}), {report.unnoticed} left out")
    for one in report.methods:
        low, high = one.area_interval
        print(f"{one.method:12} area {one.area:.3f}  95 % {low:.3f} to {high:.3f}  hits {one.hits:.2f}")
