"""Make the calibration tables that ship, and print how they hold on people who did not make them.

    python -m benchmarks.calibration [DATA] [--write src/mien/models/calibration] [--embedder sface]

DATA (by default ``../shared/data``) holds ``age_gender`` (UTKFace crops, named age_gender_race_date.jpg),
``identities`` and ``identities_johns``.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.core.image import load_image
from mien.embeddings.calibration import ANY, Calibration, Range, Stratum, Traits, fit_stratum
from mien.embeddings.comparison import traits_of
from mien.engine import Engine
from mien.models.catalogue import Catalogue

# One picture is kept of each person. These show a person who is in the set again (younger, older or the same file):
# all embedders agree on them, with a gap to the next pair, and the pictures were looked at. Infants who look alike
# cannot be told apart by eye either; they stay, which errs to the safe side.
REPEATS = frozenset(
    {
        "14_1_0_20170109212753539",  # the same file as 14_1_0_20170109204358190
        "10_1_0_20170109203759972",  # the same girl, younger
        "24_1_3_20170104231939707",  # with 22_1_3_20170104231710175
        "25_1_3_20170104232046530",  # the same woman
        "65_1_0_20170110125326249",  # with 39_1_0_20170105001220803
        "71_1_0_20170110160644048",  # with 56_1_0_20170110141552560
    }
)
EVER: Range = (0, 150)
GROWN, YOUNG, CHILD = (18, 150), (0, 18), (0, 8)
AGES: dict[str, tuple[Range, Range]] = {
    "adult": (GROWN, GROWN),
    "mixed": (YOUNG, GROWN),
    "minor": (YOUNG, YOUNG),
    "child": (CHILD, CHILD),
}
# The crops of this set end at the forehead and the ears. What stands around them changes scores: with black crops of
# strangers are less alike than in photos (sface: a median of 0.02 instead of 0.08), with the mirrored crop more (0.13).
# Where the face stands in its picture changes how well a detector sees its points. So people are framed in turn in
# each of these ways: width of the frame in sides of the crop, and how much of that is mirrored before black begins.
FRAMES = [(width, min(width, mirrored)) for mirrored in (0.0, 0.25) for width in (0.1, 0.25, 0.5, 0.75)]
SMALL = 28  # height in pixels of the smallest faces that are calibrated
CANVAS = 320  # side of the grey picture that they are scaled down into
CLEAR = 64  # and of those from which on faces count as clear
SIZES: dict[str, Range] = {"": (CLEAR, 100_000), ", small": (SMALL, CLEAR)}
RATES = (1e-1, 1e-2, 1e-3, 1e-4)
DATA_NAME = (
    "UTKFace, 394 people of all ages (400 pictures less 6 repeats); adults: pairs of one sex; "
    "small: the same pictures, scaled down to faces of 28 pixels"
)


@dataclass(frozen=True)
class People:
    """One picture of each of N people: age in years, sex, and vector and estimates by size of the face."""

    ages: NDArray[np.int_]
    sexes: NDArray[np.int_]
    vectors: dict[str, NDArray[np.float32]]
    estimates: dict[str, list[Traits]]

    def pairs(self, stratum: str, kept: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The pairs of a stratum, of the people that are kept; of adults those of one sex.

        Women are hardly taken for men, and how many such pairs a set has is its accident. Infants' sex is not seen.
        """
        name, _, size = stratum.partition(", ")
        usable = np.isfinite(self.vectors[f", {size}" if size else ""][:, 0]) & (kept if kept is not None else True)
        first, second = np.triu_indices(len(self.ages), 1)
        low, high = np.minimum(self.ages[first], self.ages[second]), np.maximum(self.ages[first], self.ages[second])
        (a, b), (c, d) = sorted(AGES[name])
        matched = (self.sexes[first] == self.sexes[second]) | (name != "adult")
        inside = matched & (a <= low) & (low < b) & (c <= high) & (high < d) & usable[first] & usable[second]
        return first[inside], second[inside]

    def scores(self, stratum: str, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float32]:
        """Their cosines."""
        vectors = self.vectors[", small" if stratum.endswith("small") else ""]
        return np.asarray((vectors[first] * vectors[second]).sum(axis=1))


def pictures(folder: Path) -> list[Path]:
    """One picture of each person."""
    return [file for file in sorted(folder.glob("*.jpg")) if file.name.split(".")[0] not in REPEATS]


def framed(file: Path, width: float, mirrored: float) -> NDArray[np.uint8]:
    """The crop with something around it, so that a detector sees a face in a picture; see `FRAMES`."""
    image = load_image(file)
    inner = round(mirrored * image.shape[0])
    outer = round(width * image.shape[0]) - inner
    larger = cv2.copyMakeBorder(image, inner, inner, inner, inner, cv2.BORDER_REFLECT_101)
    return np.asarray(cv2.copyMakeBorder(larger, outer, outer, outer, outer, cv2.BORDER_CONSTANT), np.uint8)


def scaled_down(image: NDArray[np.uint8], height: float, wanted: float) -> NDArray[np.uint8]:
    """The picture in the middle of a grey one, its face `wanted` pixels high instead of `height`."""
    side = max(1, round(image.shape[0] * wanted / height))
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    out = np.full((CANVAS, CANVAS, 3), 127, np.uint8)
    start = (CANVAS - side) // 2
    out[start : start + side, start : start + side] = small
    return out


def embed(engine: Engine, files: Sequence[Path]) -> People:
    """Vectors and estimated ages, of clear and of small faces."""
    found: dict[str, list[Faces]] = {size: [] for size in SIZES}
    for place, file in enumerate(files):
        image = framed(file, *FRAMES[place % len(FRAMES)])
        clear = engine.analyze(image, want={"embedding", "age"}).top(1)
        found[""].append(clear)
        tiny = scaled_down(image, float(clear.heights[0]) if len(clear) else 200, SMALL)
        found[", small"].append(engine.analyze(tiny, want={"embedding", "age"}).top(1))
    vectors, estimates = {}, {}
    for size, results in found.items():
        width = next(len(faces.embedding.values[0]) for faces in results if len(faces))
        nothing = np.full(width, np.nan, np.float32)
        vectors[size] = np.stack([faces.embedding.values[0] if len(faces) else nothing for faces in results])
        estimates[size] = [traits_of(faces[0]) if len(faces) else ANY for faces in results]
    ages, sexes = (np.array([int(file.name.split("_")[part]) for file in files]) for part in (0, 1))
    return People(ages, sexes, vectors, estimates)


def strata() -> Iterator[tuple[str, tuple[Range, Range], Range]]:
    """Name, ages and size of each."""
    for size_name, size in SIZES.items():
        for name, ages in AGES.items():
            yield name + size_name, ages, size


def fit(space: str, people: People, kept: NDArray[np.bool_] | None = None) -> Calibration:
    """The table of these people."""
    made: list[Stratum] = []
    for name, ages, size in strata():
        first, second = people.pairs(name, kept)
        if kept is not None and len(first) < 500:
            continue
        scores = people.scores(name, first, second)
        made.append(fit_stratum(scores, first, second, name=name, ages=ages, size=size))
    date = dt.datetime.now(dt.UTC).date()
    return Calibration("utkface-394", space, date, DATA_NAME, "non-commercial", tuple(made))


def halves(ages: NDArray[np.int_], draw: np.random.Generator) -> NDArray[np.bool_]:
    """A random half of the people, of the same ages as the other: of each two neighbours in age one."""
    order = np.argsort(ages, kind="stable")
    kept = np.zeros(len(ages), bool)
    kept[order[0::2]] = draw.random(len(order[0::2])) < 0.5
    kept[order[1::2]] = ~kept[order[0::2]][: len(order[1::2])]
    return kept


def report_halves(space: str, people: People, splits: int = 10) -> None:
    """Fit on half of the people, count on the other half."""
    draw = np.random.default_rng(0)
    realised: dict[tuple[str, float], list[float]] = {}
    pairs = {}
    for _ in range(splits):
        half = halves(people.ages, draw)
        table = fit(space, people, half)
        for name, _, _ in strata():
            first, second = people.pairs(name, ~half)
            curve = next((s for s in table.strata if s.name == name), None)
            if curve is None:
                continue
            scores, pairs[name] = people.scores(name, first, second), len(first)
            for rate in RATES:
                if rate >= curve.rates[-1]:
                    realised.setdefault((name, rate), []).append(float((scores >= curve.threshold(rate)).mean()))
    print(
        f"\nfitted on half of the people, counted on the other half, {splits} splits: mean realised FAR (worst split)"
    )
    for name, count in pairs.items():
        row = "  ".join(f"{np.mean(v):.1e} ({max(v):.1e})" for (n, _), v in realised.items() if n == name)
        print(f"  {name:13} {count:6,} pairs a half   {row}")


def report_estimated_ages(table: Calibration, people: People) -> None:
    """How the table holds where the ages are those that the age model estimates, as in `verify`."""
    print("\nstrata by the estimated ages, FAR by the true ones (true accepts of strangers / pairs)")
    for name, _, size in strata():
        first, second = people.pairs(name)
        scores = people.scores(name, first, second)
        seen = [replace(t, size=(size[0], size[0])) for t in people.estimates[", small" if "small" in name else ""]]
        kinds = [table.strata_of(seen[i], seen[j]) for i, j in zip(first, second, strict=True)]
        row = []
        for rate in RATES:
            needed = {kind: table.threshold(rate, kind)[0] for kind in set(kinds)}
            accepted = int((scores >= np.array([needed[kind] for kind in kinds])).sum())
            row.append(f"{accepted / len(scores):.1e} ({accepted})")
        print(f"  {name:13} {len(scores):6,} pairs   {'  '.join(row)}")


def report_others(table: Calibration, engine: Engine, data: Path) -> None:
    """How the table holds on ten adults of other sets."""
    files = sorted(file for name in ("identities", "identities_johns") for file in (data / name).glob("*/*.jpg"))
    person = np.array([file.parent.name for file in files])
    print(f"\n{len(set(person))} adults, {len(files)} pictures of other sets")
    for size, wanted in (("", None), ("", CLEAR), (", small", SMALL)):
        vectors: list[NDArray[np.float32]] = []
        for file in files:
            image = load_image(file)
            faces = engine.analyze(image, want={"embedding"}).top(1)
            if wanted is not None:
                faces = engine.analyze(scaled_down(image, float(faces.heights[0]), wanted), want={"embedding"}).top(1)
            vectors.append(faces.embedding.values[0] if len(faces) else np.full_like(vectors[0], np.nan))
        stacked = np.stack(vectors)
        found = np.isfinite(stacked[:, 0])
        first, second = np.triu_indices(len(files), 1)
        both = found[first] & found[second]
        first, second = first[both], second[both]
        scores, same = (stacked[first] * stacked[second]).sum(axis=1), person[first] == person[second]
        row: list[str] = []
        for rate in RATES:
            adult, _ = table.threshold(rate, ["adult" + size])
            worst, _ = table.threshold(rate, [name + size for name in AGES])
            false = ~same & (scores >= adult)
            couples = {tuple(sorted((person[i], person[j]))) for i, j in zip(first[false], second[false], strict=True)}
            tars = f"TAR {(scores[same] >= adult).mean():.3f}, ages unknown {(scores[same] >= worst).mean():.3f}"
            row.append(f"{false.sum() / (~same).sum():.1e} ({false.sum()} of {len(couples)} couples) {tars}")
        label = f"{wanted or 'full'} px"
        print(f"  {label}: {found.sum()} faces, {(~same).sum():,} impostor pairs, {same.sum()} genuine pairs")
        for rate, text in zip(RATES, row, strict=True):
            print(f"    FAR {rate:g}: {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--embedder", action="append")
    options = parser.parse_args()
    files = pictures(options.data / "age_gender")
    for card in Catalogue.load().giving("embedding"):
        if options.embedder and card.id not in options.embedder:
            continue
        with Engine(threads=1, models={"embedding": card.id}) as engine:
            people = embed(engine, files)
            table = fit(str(card.space), people)
            print(f"\n=== {card.id}: threshold at FAR {', '.join(f'{rate:g}' for rate in RATES)} (* extrapolated)")
            for s in table.strata:
                row = "  ".join(f"{s.threshold(r):.3f}{'*' if r < s.counted_down_to else ' '}" for r in RATES)
                print(f"  {s.name:13} {s.people:4} people {s.pairs:6,} pairs   {row}   down to {s.rates[-1]:g}")
            report_halves(str(card.space), people)
            report_estimated_ages(table, people)
            report_others(table, engine, options.data)
            if options.write:
                (options.write / f"{str(card.space).replace('/', '-')}.toml").write_text(table.to_toml())


if __name__ == "__main__":
    main()
