"""``mien evaluate forgery`` and ``mien evaluate morph``: detectors held against forged faces, method by method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.evaluate.verification import check_outputs, tell
from mien.cli.options import takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine

Out = Annotated[Path | None, typer.Option(help="Write the report to this .md or .json file, too.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")]


@takes_engine
def forgery(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folders original_sequences and manipulated_sequences/METHOD (FaceForensics++), "
            "or real and fake/METHOD.",
            show_default=False,
        ),
    ],
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="Another detector, MODULE:CALLABLE or FILE.py:CALLABLE: "
            "crops (N, 256, 256, 3) to N numbers. Repeatable."
        ),
    ] = None,
    matched: Annotated[
        bool, typer.Option("--matched", help="First bring all faces to 112 pixels and JPEG 90, real and forged.")
    ] = False,
    stress: Annotated[
        bool, typer.Option("--stress", help="After compression, resizing and removal of fingerprints instead.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="With --stress: draw the curves into this .png, .svg or .pdf.")
    ] = None,
    out: Out = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well each cue of forgery separates forged faces from real ones: AUC, EER, AP by method."""
    from mien.core.errors import UsageError
    from mien.evaluation.forgery import evaluate_forgery, load_detector, stress_forgery
    from mien.evaluation.forgery_tables import forgery_tables, stress_panels, stress_tables
    from mien.evaluation.plots import save_plots
    from mien.evaluation.report import Report

    if (plot is not None and not stress) or (stress and matched):
        raise UsageError("--plot goes with --stress, and --matched without it.")
    check_outputs(plot, out)
    others = {name: load_detector(name) for name in detector or []}
    model = "+".join([engine.choose("forgery").id, *others])
    if not stress:
        found = evaluate_forgery(source, detectors=others, matched=matched, engine=engine)
        tables, results = forgery_tables(found), found.to_dict()
    else:
        curves = stress_forgery(source, detectors=others, engine=engine)
        tables = stress_tables(curves)
        results = {kind: {level: one.to_dict() for level, one in levels.items()} for kind, levels in curves.items()}
        if plot is not None:
            save_plots(plot, stress_panels(curves))
    tell(Report.of("Forgery", source=str(source), model=model, results=results, tables=tables), out, json=json)


@takes_engine
def morph(
    source: Annotated[
        Path, typer.Argument(help="A folder with a folder of pictures for each person.", show_default=False)
    ],
    alpha: Annotated[float, typer.Option(help="Share of the second person.", min=0, max=1)] = 0.5,
    part: Annotated[
        Literal["face", "whole"], typer.Option(help="Morph the face alone, or all of the picture with it.")
    ] = "face",
    far: Annotated[
        list[float] | None,
        typer.Option(help="False accept rate of the threshold; by default 0.01 and 0.001. Repeatable.", min=0, max=1),
    ] = None,
    limit: Annotated[int, typer.Option(help="Pairs of people at most.", min=1)] = 60,
    out: Out = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Morph people in memory and tell whether cues notice it, and how many morphs pass as both of their people."""
    from mien.evaluation.forgery_tables import morph_tables
    from mien.evaluation.morph import evaluate_morph
    from mien.evaluation.report import Report

    check_outputs(None, out)
    found = evaluate_morph(source, alpha=alpha, part=part, rates=far or (1e-2, 1e-3), limit=limit, engine=engine)
    report = Report.of(
        "Morphs", source=str(source), model=found.model, results=found.to_dict(), tables=morph_tables(found)
    )
    tell(report, out, json=json)
