"""Make the calibration tables that ship, and print how they hold on people who did not make them.

    python -m benchmarks.calibration [DATA] [--write src/mien/models/calibration] [--embedder sface] [--vectors FOLDER]

DATA (by default ``../shared/data``) holds ``age_gender``, ``identities`` and ``identities_johns``; see
`benchmarks.people`. The curves of recognizability must stand first: ``python -m benchmarks.recognizability --write``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.people import CLEAR, SMALL, Shots, gather, read_options
from mien.core.errors import NotCalibrated
from mien.embeddings.calibration import Calibration, Range, Stratum, Traits
from mien.embeddings.fitting import FEWEST_PAIRS, KINDS, RESAMPLES, Kind, fit_genuine, fit_stratum
from mien.embeddings.recognizability import Recognizability, load_recognizability

RATES = (1e-1, 1e-2, 1e-3, 1e-4)
HEIGHTS = {"": 2 * CLEAR, "64 px": CLEAR, "small": SMALL, "poor": 2 * CLEAR}
DATA_NAME = (
    "UTKFace, 394 people of all ages (400 pictures less 6 repeats); adults: pairs of one sex; small: the same "
    "pictures, scaled down to faces of 28 pixels; poor: the same, spoiled until their recognizability was 0.2 to 0.6; "
    "pairs of one person: 105 pictures of ten adults (LFW, dlib's examples)"
)

Indices = NDArray[np.intp]
Kept = NDArray[np.bool_]


@dataclass(frozen=True)
class Set:
    """One vector of each picture, by look ("", "64 px", "small", "poor"), with its recognizability."""

    shots: Shots
    vectors: dict[str, NDArray[np.float32]]
    quality: dict[str, NDArray[np.float32]]

    @classmethod
    def of(cls, shots: Shots, curve: Recognizability) -> Set:
        """Take the vectors out of what was gathered."""
        looks = {"": "clear", "64 px": "64 px", "small": "small"}
        vectors = {name: shots.vectors(look) for name, look in looks.items()}
        quality = {name: shots.quality(look, curve) for name, look in looks.items()}
        # Of each picture's spoiled copies one at random that is poor, but not too poor.
        low, high = next(kind.quality for kind in KINDS if kind.name == "adult, poor")
        copies = np.stack([shots.vectors(look) for look in shots.spoiled], axis=1)
        qualities = np.stack([shots.quality(look, curve) for look in shots.spoiled], axis=1)
        fitting = (qualities >= low) & (qualities < high)
        luck = np.where(fitting, np.random.default_rng(0).random(fitting.shape), -1)
        chosen = luck.argmax(axis=1)
        rows = np.arange(len(chosen))
        some = np.asarray(fitting.any(axis=1))
        vectors["poor"] = np.where(some[:, None], copies[rows, chosen], np.float32(np.nan))
        quality["poor"] = np.where(some, qualities[rows, chosen], np.float32(np.nan))
        return cls(shots, vectors, quality)

    def estimates(self, look: str) -> NDArray[np.float64]:
        """Years between which the age model takes each person to be (N, 2); of spoiled pictures nothing is known."""
        known = {"": "clear", "64 px": "64 px", "small": "small"}
        return self.shots.estimates[known[look]] if look in known else np.tile((0.0, 150.0), (len(self.shots.ages), 1))


def look_of(kind: Kind | Stratum) -> str:
    return kind.name.partition(", ")[2]


def pairs(people: Set, kind: Kind, kept: Kept | None = None) -> tuple[Indices, Indices, NDArray[np.float32]]:
    """Both sides and scores of the pairs of strangers of a kind; of adults those of one sex.

    Women are hardly taken for men, and how many such pairs a set has is its accident. Infants' sex is not seen.
    """
    shots, vectors, quality = people.shots, people.vectors[look_of(kind)], people.quality[look_of(kind)]
    usable = np.isfinite(vectors[:, 0]) & (True if kept is None else kept)
    first, second = np.triu_indices(len(shots.ages), 1)
    low, high = (np.minimum, np.maximum)
    younger, older = low(shots.ages[first], shots.ages[second]), high(shots.ages[first], shots.ages[second])
    (a, b), (c, d) = sorted(kind.ages)
    better = high(quality[first], quality[second])
    inside = (a <= younger) & (younger < b) & (c <= older) & (older < d)
    inside &= (shots.sexes[first] == shots.sexes[second]) | (kind.ages[0] != (18, 150)) | (kind.ages[1] != (18, 150))
    inside &= usable[first] & usable[second] & (better >= kind.quality[0]) & (better < kind.quality[1])
    first, second = first[inside], second[inside]
    return first, second, np.asarray((vectors[first] * vectors[second]).sum(axis=1))


def fit(space: str, crowd: Set, adults: Set, kept: Kept | None = None, resamples: int = RESAMPLES) -> Calibration:
    """The table of these people; where only some are kept, without the strata that they are too few for."""
    made: list[Stratum] = []
    for kind in KINDS:
        first, second, scores = pairs(crowd, kind, kept)
        if kept is not None and len(first) < FEWEST_PAIRS:
            continue
        grown = kind.ages == ((18, 150), (18, 150))
        genuine = fit_genuine(adults.vectors[look_of(kind)], adults.shots.people) if grown else None
        made.append(
            fit_stratum(
                scores,
                first,
                second,
                name=kind.name,
                ages=kind.ages,
                size=kind.size,
                quality=kind.quality,
                genuine=genuine,
                resamples=resamples,
            )
        )
    date = dt.datetime.now(dt.UTC).date()
    return Calibration("utkface-394", space, date, DATA_NAME, "non-commercial", tuple(made))


def halves(ages: NDArray[np.int_], draw: np.random.Generator) -> Kept:
    """A random half of the people, of the same ages as the other: of each two neighbours in age one."""
    order = np.argsort(ages, kind="stable")
    kept = np.zeros(len(ages), bool)
    kept[order[0::2]] = draw.random(len(order[0::2])) < 0.5
    kept[order[1::2]] = ~kept[order[0::2]][: len(order[1::2])]
    return kept


def realised(
    space: str, crowd: Set, adults: Set, splits: int = 10
) -> Iterator[tuple[str, int, dict[float, list[float]]]]:
    """For each stratum: pairs in a half, and by rate the realised rates of tables made from the other half."""
    draw = np.random.default_rng(0)
    found: dict[str, dict[float, list[float]]] = {}
    counts: dict[str, int] = {}
    for _ in range(splits):
        half = halves(crowd.shots.ages, draw)
        curves = {stratum.name: stratum for stratum in fit(space, crowd, adults, half, resamples=100).strata}
        for kind in KINDS:
            _, _, scores = pairs(crowd, kind, ~half)
            if kind.name not in curves or not len(scores):
                continue
            counts[kind.name] = len(scores)
            for rate in RATES:
                if rate >= curves[kind.name].rates[-1]:
                    hit = float((scores >= curves[kind.name].threshold(rate)).mean())
                    found.setdefault(kind.name, {}).setdefault(rate, []).append(hit)
    for name, rates in found.items():
        yield name, counts[name], rates


def report_halves(space: str, crowd: Set, adults: Set, splits: int = 10) -> None:
    """Fit on half of the people, count on the other half; some tables of halves may not carry a rate."""
    print(
        f"\nmade from half of the people, counted on the other half, {splits} splits: mean realised FAR (worst split)"
    )
    for name, count, rates in realised(space, crowd, adults, splits):
        row = "  ".join(
            f"{np.mean(v):.1e} ({max(v):.1e}){'' if len(v) == splits else f' in {len(v)}'}" for v in rates.values()
        )
        print(f"  {name:13} {count:6,} pairs a half   {row}", flush=True)


def needed_for(table: Calibration, rate: float, strata: Sequence[str]) -> float:
    """The threshold; beyond every score where the table does not carry the rate, so that `verify` gives no answer."""
    try:
        return table.threshold(rate, strata)[0]
    except NotCalibrated:
        return math.inf


def report_estimated_ages(table: Calibration, crowd: Set) -> None:
    """How the table holds where the ages are those that the age model estimates, as in `verify`."""
    print("\nstrata by the estimated ages, FAR by the true ones (true accepts of strangers / pairs)")
    for kind in KINDS:
        look = look_of(kind)
        first, second, scores = pairs(crowd, kind)
        years, quality = crowd.estimates(look), crowd.quality[look]
        seen = [
            Traits(_range(span), (HEIGHTS[look],) * 2, (float(q),) * 2) for span, q in zip(years, quality, strict=True)
        ]
        kinds = [table.strata_of(seen[i], seen[j]) for i, j in zip(first, second, strict=True)]
        row = []
        for rate in RATES:
            needed = {kind: needed_for(table, rate, kind) for kind in set(kinds)}
            accepted = int((scores >= np.array([needed[kind] for kind in kinds])).sum())
            row.append(f"{accepted / len(scores):.1e} ({accepted})")
        print(f"  {kind.name:13} {len(scores):6,} pairs   {'  '.join(row)}")


def _range(values: NDArray[np.float64]) -> Range:
    low, high = values.tolist()
    return low, high


def report_others(table: Calibration, adults: Set) -> None:
    """How the table holds on ten adults of other sets, and what its likelihood ratios are worth there."""
    who = adults.shots.people
    print(f"\n{len(set(who))} adults, {len(who)} pictures of other sets")
    for look, vectors in adults.vectors.items():
        kind = "adult" + (f", {look}" if look in ("small", "poor") else "")
        found = np.isfinite(vectors[:, 0])
        first, second = np.triu_indices(len(who), 1)
        both = found[first] & found[second]
        first, second = first[both], second[both]
        scores, same = (vectors[first] * vectors[second]).sum(axis=1), who[first] == who[second]
        unknown = [s.name for s in table.strata if look_of(s) == (look if look in ("small", "poor") else "")]
        print(f"  {look or 'clear'}: {found.sum()} faces, {(~same).sum():,} impostor pairs, {same.sum()} genuine pairs")
        for rate in RATES:
            adult, worst = needed_for(table, rate, [kind]), needed_for(table, rate, unknown)
            false = ~same & (scores >= adult)
            couples = {tuple(sorted((who[i], who[j]))) for i, j in zip(first[false], second[false], strict=True)}
            tars = f"TAR {(scores[same] >= adult).mean():.3f}, ages unknown {(scores[same] >= worst).mean():.3f}"
            print(
                f"    FAR {rate:g}: {false.sum() / (~same).sum():.1e} ({false.sum()} of {len(couples)} couples) {tars}"
            )
        ratios = np.array([table.likelihood_ratio(float(score), [kind]) for score in scores])
        cost = (np.log2(1 + 1 / ratios[same]).mean() + np.log2(1 + ratios[~same]).mean()) / 2
        false, missed = (ratios[~same] > 1).mean(), (ratios[same] < 1).mean()
        print(
            f"    likelihood ratio: Cllr {cost:.3f}; strangers above 1: {false:.4f}, highest {ratios[~same].max():.3g};"
        )
        print(f"      one person below 1: {missed:.4f}, lowest {ratios[same].min():.3g}")


def main() -> None:
    options = read_options(__doc__)
    for model, space, first, second in gather(options.data, options.vectors, options.embedder or ()):
        curve = load_recognizability(space)
        if curve is None:
            raise SystemExit(f"{space} has no curve of recognizability yet.")
        crowd, adults = Set.of(first, curve), Set.of(second, curve)
        table = fit(space, crowd, adults)
        print(f"\n=== {model}: threshold at FAR {', '.join(f'{rate:g}' for rate in RATES)} (* extrapolated)")
        for s in table.strata:
            row = "  ".join(
                f"{needed_for(table, r, [s.name]):.3f}{'*' if r < s.counted_down_to else ' '}" for r in RATES
            )
            own = f"   genuine {s.genuine.mean:.2f} +- {s.genuine.deviation:.2f}" if s.genuine else ""
            print(f"  {s.name:13} {s.people:4} people {s.pairs:6,} pairs   {row}   down to {s.rates[-1]:g}{own}")
        if options.write:
            (options.write / f"{space.replace('/', '-')}.toml").write_text(table.to_toml(), encoding="utf-8")
        report_others(table, adults)
        report_estimated_ages(table, crowd)
        report_halves(space, crowd, adults)


if __name__ == "__main__":
    main()
