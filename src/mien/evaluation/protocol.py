"""One evaluation of verification with all that was asked for: pictures are embedded once, every measure takes them.

The single measures stand in modules of their own; this puts them together for the command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.datasets.readers.groups_csv import groups_of, read_groups
from mien.datasets.readers.ijb import read_matches, read_templates
from mien.engine import Engine
from mien.evaluation.embedding import Alter, embed_boxes, embed_pictures, masked_pictures
from mien.evaluation.groups import evaluate_groups
from mien.evaluation.noise import evaluate_noise
from mien.evaluation.pairs import Pairs, read_pairs
from mien.evaluation.plots import Panel, det, histogram, roc, sizes
from mien.evaluation.report import Report, Table
from mien.evaluation.resolution import check_sizes, evaluate_sizes
from mien.evaluation.scores import Scores, check_rates
from mien.evaluation.tables import group_table, noise_table, size_table, time_table, verification_tables
from mien.evaluation.template_pairs import evaluate_templates, templates_of
from mien.evaluation.timed import evaluate_time
from mien.evaluation.verification import VerificationReport, evaluate_pairs

__all__ = ["FOLDERS", "Asked", "Outcome", "run_templates", "run_verification"]

Floats = NDArray[np.float32]

FOLDERS = "folders"  # groups are the folders that hold the people's
TIMED = 200  # pictures that are timed at most


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be measured.

    Parameters
    ----------
    pictures : path, optional
        The folder of pictures, where pairs do not lie as their set is published.
    rates : sequence of float
        False accept rates.
    template_size : int, optional
        Compare fused templates of so many pictures each, of a folder-per-person set.
    groups : path, or "folders", optional
        A table of groups, or the folders that hold the folders of people.
    noise : bool
        Estimate the part of wrong pictures.
    sizes : sequence of int
        Sides in pixels of the sweep over small faces.
    one_side : bool
        Shrink, or alter, only the second picture of each pair.
    masked : bool
        Once more with masks painted on the faces.
    alterations : mapping of str to callable
        Further rows with altered crops, by their names.
    budgets : sequence of float
        Milliseconds a picture; where one is not held, nothing else is measured.

    Raises
    ------
    UsageError
        If a rate or a size is none.
    """

    pictures: str | os.PathLike[str] | None = None
    rates: Sequence[float] = (1e-2, 1e-3)
    template_size: int | None = None
    groups: str | os.PathLike[str] | None = None
    noise: bool = False
    sizes: Sequence[int] = ()
    one_side: bool = False
    masked: bool = False
    alterations: Mapping[str, Alter] = field(default_factory=dict)
    budgets: Sequence[float] = ()

    def __post_init__(self) -> None:
        check_rates(self.rates)
        if self.sizes:
            check_sizes(self.sizes)


@dataclass(frozen=True)
class Outcome:
    """The report, what can be drawn of it, and whether the matcher was rejected for its time."""

    report: Report
    panels: tuple[Panel, ...]
    rejected: bool = False


def run_verification(source: str | os.PathLike[str], asked: Asked, *, engine: Engine) -> Outcome:
    """Measure what was asked for.

    Parameters
    ----------
    source : path
        See `mien.evaluation.pairs.read_pairs`; with ``groups="folders"`` a folder of groups, each with one folder per
        person.
    asked : Asked
    engine : Engine

    Raises
    ------
    SourceError, InputError
        If files cannot be read.
    UsageError
        If what was asked for does not go with the data.
    """
    pairs, labels = _read(source, asked)
    model = engine.choose("embedding").id
    results: dict[str, Any] = {}
    tables: list[Table] = []

    def outcome(panels: Sequence[Panel] = (), *, rejected: bool = False) -> Outcome:
        report = Report.of("Verification", source=os.fspath(source), model=model, results=results, tables=tables)
        return Outcome(report, tuple(panels), rejected)

    if asked.budgets:
        timed = evaluate_time(pairs.pictures[:TIMED], budgets=asked.budgets, engine=engine)
        results["time"] = timed.to_dict()
        tables.append(time_table(timed))
        if not all(timed.budgets.values()):
            return outcome(rejected=True)

    vectors = embed_pictures(pairs.pictures, aligned=pairs.aligned, engine=engine)
    if asked.template_size is None:
        found, scores = evaluate_pairs(pairs, vectors, rates=asked.rates), Scores.of_pairs(pairs, vectors)
    else:
        found, scores = _templates(pairs, vectors, asked)
    results |= found.to_dict()
    tables += verification_tables(found)
    drawn = {"as they are": scores}
    panels: list[Panel] = []

    for name, altered in _altered(pairs, asked, engine):
        firsts = vectors if asked.one_side else altered
        part = evaluate_pairs(pairs, firsts, seconds=altered, rates=asked.rates)
        results.setdefault("altered", {})[name] = part.to_dict()
        tables += verification_tables(part, title=f"Verification, {name}")
        drawn[name] = Scores.of_pairs(pairs, firsts, seconds=altered)
    if labels:
        sides = np.array(labels)
        grouped = evaluate_groups(
            Scores.of_pairs(pairs, vectors),
            sides[pairs.first].tolist(),
            sides[pairs.second].tolist(),
            far=asked.rates[-1],
        )
        results["groups"] = grouped.to_dict()
        tables.append(group_table(grouped))
    if asked.noise:
        noise = evaluate_noise(vectors, pairs.people)
        suspects = [str(pairs.pictures[row]) for row in noise.suspects]
        results["noise"] = {**noise.to_dict(), "suspects": suspects}
        tables.append(noise_table(noise, suspects, judge=model))
    if asked.sizes:
        points = evaluate_sizes(pairs, sizes=asked.sizes, one_side=asked.one_side, rates=asked.rates, engine=engine)
        results["sizes"] = [point.to_dict() for point in points]
        tables.append(size_table(points, one_side=asked.one_side))
        panels.append(sizes(points))
    marks = {f"FAR {point.far:g}": point.threshold for point in found.points}
    return outcome([roc(drawn), det(drawn), histogram(scores, thresholds=marks), *panels])


def run_templates(
    matches: str | os.PathLike[str],
    files: Sequence[str | os.PathLike[str]],
    asked: Asked,
    *,
    engine: Engine,
) -> Outcome:
    """Measure verification of the templates that files list.

    Parameters
    ----------
    matches : path
        See `mien.datasets.readers.ijb.read_matches`.
    files : sequence of paths
        See `mien.datasets.readers.ijb.read_templates`.
    asked : Asked
        Of it `pictures` and `rates`.
    engine : Engine

    Raises
    ------
    SourceError, InputError
        If files or pictures cannot be read.
    UsageError
        If there are no genuine or no impostor pairs.
    """
    templates = read_templates(files, pictures=asked.pictures)
    wanted = read_matches(matches, templates)
    vectors = embed_boxes(templates.pictures, templates.boxes, engine=engine)
    found, scores = evaluate_templates(vectors, templates, wanted, rates=asked.rates)
    report = Report.of(
        "Verification of templates",
        source=os.fspath(matches),
        model=engine.choose("embedding").id,
        results={"templates": len(templates.ids), **found.to_dict()},
        tables=verification_tables(found),
    )
    return Outcome(report, (roc({"templates": scores}), det({"templates": scores}), histogram(scores)))


def _altered(pairs: Pairs, asked: Asked, engine: Engine) -> Iterator[tuple[str, Floats]]:
    """Vectors of the pictures after each alteration, by its name."""
    if asked.masked:
        if pairs.aligned:
            raise UsageError("masks are painted on whole pictures, and these are crops.")
        yield "masked", embed_pictures(masked_pictures(pairs.pictures, engine=engine), engine=engine)
    for name, alter in asked.alterations.items():
        yield name, embed_pictures(pairs.pictures, alter=alter, aligned=pairs.aligned, engine=engine)


def _read(source: str | os.PathLike[str], asked: Asked) -> tuple[Pairs, list[str]]:
    """The pairs, and the group of each picture if groups are asked for."""
    if asked.groups != FOLDERS:
        pairs = read_pairs(source, pictures=asked.pictures)
        labels = [] if asked.groups is None else groups_of(pairs.pictures, read_groups(asked.groups))
    else:
        groups = sorted(folder for folder in Path(source).glob("*") if folder.is_dir())
        pairs = Pairs.of_folders(groups or [source])
        paths = [picture for picture in pairs.pictures if isinstance(picture, Path)]
        labels = [path.parent.parent.name for path in paths]
        # People of two groups may have one name.
        pairs = replace(pairs, people=tuple(f"{path.parent.parent.name}/{path.parent.name}" for path in paths))
    folder = Path(source).is_dir() and pairs.folds is None
    if not folder and (asked.noise or asked.template_size is not None):
        raise UsageError("wrong pictures and templates need a folder with one folder of pictures per person.")
    return pairs, labels


def _templates(pairs: Pairs, vectors: Floats, asked: Asked) -> tuple[VerificationReport, Scores]:
    templates, matches = templates_of(pairs, size=asked.template_size or 1)
    rows = np.array([int(medium) for medium in templates.media])
    return evaluate_templates(vectors[rows], templates, matches, rates=asked.rates)
