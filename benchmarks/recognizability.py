"""Fit the curves of recognizability that ship, and print what refusing poor faces gains on other people.

    python -m benchmarks.recognizability [DATA] [--write src/mien/models/recognizability] [--embedder sface]
        [--vectors FOLDER]

Fitted on spoiled copies of 394 people (`benchmarks.people`), counted on spoiled copies of 105 pictures of ten others:
each against the clear pictures of the same person, but for the one that it is a copy of.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.people import Shots, gather, read_options
from mien.embeddings.recognizability import Recognizability, fit_recognizability
from mien.engine import Engine

FAR = 1e-3
REFUSED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
DATA_NAME = (
    "UTKFace, 394 people of all ages, 8 spoiled copies of one picture each (coarse, blurred, noisy, dark, shaken)"
)

Floats = NDArray[np.floating]


def threshold_of(crowd: Shots) -> float:
    """The score that one in a thousand pairs of clear adults of one sex reaches."""
    grown = np.flatnonzero((crowd.ages >= 18) & np.isfinite(crowd.raw["clear"][:, 0]))
    vectors, sexes = crowd.vectors("clear")[grown], crowd.sexes[grown]
    first, second = np.triu_indices(len(grown), 1)
    alike = sexes[first] == sexes[second]
    return float(np.quantile((vectors[first[alike]] * vectors[second[alike]]).sum(axis=1), 1 - FAR))


def fit(space: str, crowd: Shots) -> tuple[Recognizability, float]:
    """The curve of an embedder, and the threshold that it was fitted at."""
    threshold = threshold_of(crowd)
    spoiled = np.concatenate([crowd.raw[look] for look in crowd.spoiled])
    clear = np.tile(crowd.raw["clear"], (len(crowd.spoiled), 1))
    known = np.isfinite(spoiled[:, 0]) & np.isfinite(clear[:, 0])
    return (
        fit_recognizability(
            spoiled[known], clear[known], threshold, space=space, data=DATA_NAME, data_terms="non-commercial"
        ),
        threshold,
    )


def recognised(adults: Shots, threshold: float) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Raw vectors of spoiled copies, which part of the clear pictures of the same person each matches, and whose."""
    clear = adults.vectors("clear")
    usable = np.isfinite(clear[:, 0])
    rows, parts, owners = [], [], []
    for look in adults.spoiled:
        vectors = adults.vectors(look)
        for i in np.flatnonzero(np.isfinite(vectors[:, 0])):
            same = usable & (adults.people == adults.people[i])
            same[i] = False
            rows.append(adults.raw[look][i])
            parts.append(float((clear[same] @ vectors[i] >= threshold).mean()))
            owners.append(i)
    return np.stack(rows), np.array(parts), np.array(owners)


def noise_centre(model: str) -> Floats:
    """Mean direction of crops that hold nothing but smooth noise: a centre that needs no pictures of people."""
    draw = np.random.default_rng(0)
    crops = []
    for _ in range(128):
        side = int(2 ** draw.uniform(0, 5))
        noise = draw.normal(127, draw.uniform(5, 80), (side, side, 3))
        crops.append(np.clip(cv2.resize(noise, (160, 160), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8))
    with Engine(threads=1, models={"embedding": model}) as engine:
        found = engine.analyze(crops, aligned=True, want={"embedding"}).embedding.values
    middle = np.nanmean(found, axis=0)
    return np.asarray(middle / np.linalg.norm(middle))


def auc(values: Floats, good: NDArray[np.bool_]) -> float:
    """Chance that a good one has a higher value than one that is not."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values)] = np.arange(len(values))
    count = int(good.sum())
    return float((ranks[good].sum() - count * (count - 1) / 2) / (count * (len(good) - count)))


def missed(values: Floats, parts: Floats) -> list[float]:
    """False non-matches among those that are left when the worst are refused."""
    order = np.argsort(values)
    return [float(1 - parts[order[int(len(order) * part) :]].mean()) for part in REFUSED]


def report(model: str, space: str, crowd: Shots, adults: Shots) -> Recognizability:
    """Fit, and print how it holds on others."""
    curve, threshold = fit(space, crowd)
    raw, parts, _ = recognised(adults, threshold)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    quality = curve.of(raw)
    ways = {
        "recognizability": quality,
        "length alone": np.linalg.norm(raw, axis=1),
        "cosine to the centre": -unit @ curve.centre,
        "cosine to noise": -unit @ noise_centre(model),
    }
    print(f"\n=== {model}: {curve.pictures:,} spoiled pictures to fit, threshold {threshold:.3f} (FAR {FAR:g})")
    print(
        f"  {len(np.unique(adults.people))} others, {len(raw)} spoiled pictures: false non-matches when the worst are"
    )
    print("  refused" + "".join(f"{part:8.0%}" for part in REFUSED) + "     AUC")
    for name, values in ways.items():
        row = "".join(f"{rate:8.3f}" for rate in missed(values, parts))
        print(f"  {name:22}{row}   {auc(values, parts > 0.5):.3f}")
    edges = (0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0001)
    bins = [(low, high, (quality >= low) & (quality < high)) for low, high in itertools.pairwise(edges)]
    told = [f"{low:g}-{min(high, 1):g}: {parts[b].mean():.2f} ({b.sum()})" for low, high, b in bins if b.any()]
    print("  recognised by recognizability: " + ", ".join(told))
    for name, shots in (("394 people", crowd), ("others", adults)):
        clear = shots.quality("clear", curve)
        low = np.nanquantile(clear, [0.01, 0.05, 0.5])
        small = np.nanquantile(shots.quality("small", curve), [0.01, 0.05, 0.5])
        print(
            f"  {name}: clear pictures 1 % {low[0]:.2f}, 5 % {low[1]:.2f}, median {low[2]:.2f}; 28 px {small.round(2)}"
        )
    return curve


def main() -> None:
    options = read_options(__doc__)
    for model, space, crowd, adults in gather(options.data, options.vectors, options.embedder or ()):
        curve = report(model, space, crowd, adults)
        if options.write:
            options.write.mkdir(exist_ok=True)
            (options.write / f"{space.replace('/', '-')}.toml").write_text(curve.to_toml(), encoding="utf-8")


if __name__ == "__main__":
    main()
