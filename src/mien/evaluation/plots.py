"""Curves of an evaluation as PNG, SVG or PDF. They need matplotlib, the extra ``plots``."""

from __future__ import annotations

import io
import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mien.core.errors import UsageError
from mien.evaluation.quality import SHARES, QualityReport
from mien.evaluation.report import check_suffix, write_whole
from mien.evaluation.resolution import SizePoint
from mien.evaluation.scores import REJECTED, Scores, curve
from mien.evaluation.searches import Searches

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "cmc", "det", "discards", "histogram", "open_curve", "roc", "save_plots", "sizes"]

Panel: TypeAlias = "Callable[[Axes], None]"  #: draws one curve of a picture

SUFFIXES = (".png", ".svg", ".pdf")
SIDE = 4.2  # inches a panel
GENUINE, IMPOSTOR = "#0072b2", "#d55e00"  # two colours that everybody tells apart (Okabe, Ito, 2008)


def save_plots(path: str | os.PathLike[str], panels: Sequence[Panel], *, title: str = "") -> None:
    """Draw panels side by side, and write them.

    Parameters
    ----------
    path : path
        Its suffix names the format: .png, .svg or .pdf.
    panels : sequence of callables
        `roc` and its like.
    title : str
        Stands above them.

    Raises
    ------
    UsageError
        If the suffix is another, there is nothing to draw, or matplotlib is missing.
    StorageError
        If the file cannot be written; nothing is left behind.
    """
    suffix = check_suffix(path, SUFFIXES)
    if not panels:
        raise UsageError("there is nothing to draw.")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("plots need one more package: pip install 'mien[plots]'.") from None
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(SIDE * columns, SIDE * rows + 0.3 * bool(title)), layout="constrained")
    figure.suptitle(_plain(title), fontsize=11) if title else None
    for place, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.grid(alpha=0.3)
        panel(axes)
    buffer = io.BytesIO()
    # No date and no program in it: who compares files has pixels to compare.
    notes = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[suffix]
    figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=notes)
    write_whole(path, buffer.getvalue())


def roc(scores: Mapping[str, Scores]) -> Panel:
    """True accepts by false accepts, the latter by powers of ten; one curve for each name."""

    def draw(axes: Axes) -> None:
        lowest = min(1 / int((~part.genuine).sum()) for part in scores.values())
        least = 1.0
        for name, part in scores.items():
            found = curve(part)
            axes.plot(found.fmr, 1 - found.fnmr, drawstyle="steps-post", label=_plain(name))
            least = min(least, float(1 - found.fnmr[found.fmr < lowest][-1]))
        axes.set(xscale="log", xlim=(lowest, 1), xlabel="false accept rate", ylabel="true accept rate", title="ROC")
        axes.set_ylim(max(least - 0.05, 0) if least > 0.5 else 0, 1.005)
        axes.legend(loc="lower right", fontsize=8)

    return draw


def det(scores: Mapping[str, Scores]) -> Panel:
    """False rejects by false accepts, both by powers of ten; no false reject at all is a line at the lower edge."""

    def draw(axes: Axes) -> None:
        lowest = min(1 / int((~part.genuine).sum()) for part in scores.values())
        floor = min(0.5 / int(part.genuine.sum()) for part in scores.values())
        for name, part in scores.items():
            found = curve(part)
            label = f"{_plain(name)}, {int(part.genuine.sum()):,} + {int((~part.genuine).sum()):,} pairs"
            axes.plot(found.fmr, np.maximum(found.fnmr, floor), drawstyle="steps-post", label=label)
        axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(floor * 0.9, 1))
        axes.set(xlabel="false match rate", ylabel="false non-match rate (lowest: none)", title="DET")
        axes.legend(loc="upper right", fontsize=8)

    return draw


def histogram(scores: Scores, *, thresholds: Mapping[str, float] | None = None) -> Panel:
    """Scores of pairs of one person and of two, each to its own scale, with thresholds as lines."""

    def draw(axes: Axes) -> None:
        seen = scores.values[scores.values > REJECTED]
        bins = np.linspace(seen.min(), seen.max() + 1e-9, 61).tolist() if len(seen) else 10
        for name, kept, color in (("two people", ~scores.genuine, IMPOSTOR), ("one person", scores.genuine, GENUINE)):
            values = scores.values[kept & (scores.values > REJECTED)]
            label = f"{name}, {int(kept.sum()):,} pairs"
            axes.hist(values, bins, density=len(values) > 0, alpha=0.6, color=color, label=label)
        for (name, place), style in zip((thresholds or {}).items(), itertools.cycle(("--", ":", "-."))):
            axes.axvline(place, color="black", linewidth=1, linestyle=style, label=f"{_plain(name)}: {place:.3f}")
        axes.set(xlabel="cosine", ylabel="density", title="Scores")
        axes.set_ylim(top=axes.get_ylim()[1] * 1.4)  # room for the legend
        axes.legend(loc="upper center", fontsize=7, ncols=2)

    return draw


def sizes(points: Sequence[SizePoint]) -> Panel:
    """True accepts by the size of the crop, at each false accept rate, with their intervals."""

    def draw(axes: Axes) -> None:
        sides = [point.size for point in points]
        for number, rate in enumerate(part.far for part in points[0].report.points):
            rows = [point.report.points[number] for point in points]
            values = np.array([row.tar for row in rows])
            ends = np.array([row.interval for row in rows]).T
            bars = np.abs(ends - values)
            beside = [side * 1.02**number for side in sides]  # bars that would hide each other
            axes.errorbar(beside, values, yerr=bars, marker="o", capsize=3, label=f"FAR {rate:g}")
        axes.set(xscale="log", xlabel="crop, pixels", ylabel="true accept rate", title="Small faces", ylim=(0, 1.03))
        axes.set_xticks(sides, [str(side) for side in sides])
        axes.minorticks_off()
        axes.legend(loc="lower right", fontsize=8)

    return draw


def cmc(searches: Mapping[str, Searches]) -> Panel:
    """The part of probes whose person is among the first so many."""

    def draw(axes: Axes) -> None:
        for name, found in searches.items():
            ranks = np.arange(1, found.gallery + 1)
            hit = found.mates > REJECTED
            rates = [float((hit & (found.ranks <= rank)).mean()) for rank in ranks]
            axes.plot(ranks, rates, marker="o" if len(ranks) <= 30 else None, label=_plain(name))
        axes.set(xlabel="rank", ylabel="found", title="CMC")
        axes.set_ylim(top=1.005)
        axes.legend(loc="lower right", fontsize=8)

    return draw


def open_curve(searches: Mapping[str, Searches]) -> Panel:
    """FNIR by FPIR, the latter by powers of ten."""

    def draw(axes: Axes) -> None:
        for name, found in searches.items():
            # With so many strangers let in, the threshold lies above the next one.
            tops = np.append(np.sort(found.tops)[::-1], REJECTED)
            rates = np.arange(len(tops)) / (len(tops) - 1)
            missed = (found.mates[:, None] <= tops[None]).mean(axis=0)
            axes.plot(rates, missed, drawstyle="steps-post", label=_plain(name))
        lowest = min(1 / len(found.tops) for found in searches.values())
        axes.set(xscale="log", xlim=(lowest, 1), xlabel="FPIR", ylabel="FNIR", title="Open set")
        axes.set_ylim(bottom=-0.01)
        axes.legend(loc="upper right", fontsize=8)

    return draw


def discards(report: QualityReport) -> Panel:
    """False non-matches by the share of pairs that were discarded; below them those of a perfect measure."""

    def draw(axes: Axes) -> None:
        for one in report.contenders:
            axes.plot(SHARES, one.curve, label=f"{_plain(one.model)}, {one.area:.2f}")
        first = report.contenders[0].curve[0]
        axes.plot(SHARES, np.maximum(first - SHARES, 0) / (1 - SHARES), color="black", linewidth=1, label="perfect")
        axes.axhline(first, color="black", linewidth=1, linestyle=":", label="useless")
        axes.set(xlabel="pairs discarded", ylabel="false non-match rate", title="Error versus discard")
        axes.set_xlim(0, SHARES[-1])
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=7)

    return draw


def _plain(text: str) -> str:
    """Text in which a dollar sign begins no formula."""
    return text.replace("$", r"\$")
