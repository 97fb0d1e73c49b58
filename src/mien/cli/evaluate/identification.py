"""``mien evaluate identification``, ``membership``: how well people are found in a gallery, and forgotten."""

from __future__ import annotations

import functools
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.evaluate.verification import OUT, PLOT, check_outputs, tell
from mien.cli.options import takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine


@takes_engine
def identification(
    source: Annotated[
        Path, typer.Argument(help="A folder with one folder of pictures per person.", show_default=False)
    ],
    probes: Annotated[
        Path | None, typer.Option(help="Another such folder to search with; by default pictures of each are divided.")
    ] = None,
    tracks: Annotated[
        bool, typer.Option("--tracks", help="A person's folder of --probes holds a folder of frames for each track.")
    ] = False,
    strangers: Annotated[
        Path | None, typer.Option(help="Pictures of people who are not in the folder, each of another one.")
    ] = None,
    enrol: Annotated[int | None, typer.Option(help="Pictures of each person to enrol.", min=1)] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Keep all vectors of a person instead of one fused template.")
    ] = False,
    through: Annotated[
        str | None, typer.Option(help="Search through this empty gallery store: a folder, :memory:, or a URL.")
    ] = None,
    fpir: Annotated[
        list[float] | None, typer.Option(help="False positive identification rate to report at. Repeatable.")
    ] = None,
    rank: Annotated[list[int] | None, typer.Option(help="Rank to report at. Repeatable.", min=1)] = None,
    size: Annotated[
        int | None, typer.Option(help="Shrink the probes' crops to so many pixels.", min=4, max=112)
    ] = None,
    masked: Annotated[bool, typer.Option("--masked", help="Paint masks on the probes.")] = False,
    seed: Annotated[int, typer.Option(help="Of the division into gallery and probes.", min=0)] = 0,
    plot: Annotated[Path | None, typer.Option(help=PLOT)] = None,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell how well people are found among others: ranks, and misses at rates of false hits for strangers."""
    from mien.evaluation.identification import RANKS, RATES, run_identification, split
    from mien.evaluation.plots import cmc, open_curve, save_plots
    from mien.evaluation.report import Report
    from mien.evaluation.resolution import shrunk
    from mien.evaluation.tables import identification_tables
    from mien.gallery.store import open_store

    check_outputs(plot, out)
    parts = split(source, probes=probes, tracks=tracks, strangers=strangers, enrol=enrol, seed=seed)
    store = None if through is None else open_store(through)
    try:
        if store is not None and store.counts().samples:
            raise UsageError("the store of --through holds faces: an evaluation needs one of its own.")
        found, searches = run_identification(
            parts,
            how="samples" if samples else "template",
            store=store,
            ranks=tuple(rank or RANKS),
            rates=tuple(fpir or RATES),
            alter=None if size is None else functools.partial(shrunk, size=size),
            masked=masked,
            engine=engine,
        )
    finally:
        if store is not None:
            store.close()
    model = engine.choose("embedding").id
    # Not the place itself: a URL may hold a password.
    results = {"probe_size": size, "masked": masked, "through": store and type(store).__name__, **found.to_dict()}
    tables = identification_tables(found)
    tell(Report.of("Identification", source=str(source), model=model, results=results, tables=tables), out, json=json)
    if plot is not None:
        panels = [cmc({found.how: searches}), *([open_curve({found.how: searches})] if len(searches.tops) else [])]
        save_plots(plot, panels, title=f"{model} on {source.name}")


@takes_engine
def membership(
    source: Annotated[
        Path, typer.Argument(help="A folder with one folder of pictures per person.", show_default=False)
    ],
    exact: Annotated[bool, typer.Option("--exact", help="Search without the gallery's index.")] = False,
    seed: Annotated[int, typer.Option(help="Of the choice of who is deleted.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Tell whether a gallery on disk forgets people who are deleted: what searches show of them before and after."""
    from mien.evaluation.embedding import embed_pictures
    from mien.evaluation.membership import evaluate_membership
    from mien.evaluation.pairs import Pairs
    from mien.evaluation.report import Report
    from mien.evaluation.tables import membership_table
    from mien.gallery.store import open_store

    check_outputs(None, out)
    pairs = Pairs.of_folder(source)
    vectors = embed_pictures(pairs.pictures, engine=engine)
    with tempfile.TemporaryDirectory() as folder:
        places = (Path(folder) / str(number) for number in itertools.count())
        found = evaluate_membership(vectors, pairs.people, lambda: open_store(next(places)), exact=exact, seed=seed)
    model = engine.choose("embedding").id
    report = Report.of(
        "Membership", source=str(source), model=model, results=found.to_dict(), tables=[membership_table(found)]
    )
    tell(report, out, json=json)
