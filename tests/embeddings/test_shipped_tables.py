"""The tables that ship, on people who did not make them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from benchmarks import calibration as tables
from benchmarks import people as shots
from benchmarks import recognizability as curves
from numpy.typing import NDArray
from scipy.stats import binom

from mien.core.errors import WeightsUnavailable
from mien.embeddings.calibration import load_calibration
from mien.embeddings.recognizability import load_recognizability
from mien.engine import Engine
from mien.models.catalogue import Catalogue

EMBEDDERS = [card.id for card in Catalogue.load().giving("embedding") if card.origin != "unknown"]
RATES = (1e-1, 1e-2, 1e-3)

pytestmark = [pytest.mark.weights, pytest.mark.data]


def engine_of(embedder: str) -> Engine:
    engine = Engine(threads=1, models={"embedding": embedder})
    try:
        engine.preload("detect", "embedding", "age")
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    return engine


def embedded(engine: Engine, pictures: Sequence[Path]) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Vectors of the largest faces, and whose."""
    found = [engine.analyze(picture, want={"embedding"}).top(1) for picture in pictures]
    return (
        np.concatenate([faces.embedding.values for faces in found]),
        np.array([picture.parent.name for picture, faces in zip(pictures, found, strict=True) if len(faces)]),
    )


@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_adults_of_other_sets(embedder: str, shared_data: Path) -> None:
    pictures = sorted(file for name in ("identities", "identities_johns") for file in (shared_data / name).glob("*/*"))
    with engine_of(embedder) as engine:
        vectors, people = embedded(engine, pictures[::2])
        table = load_calibration(str(engine.choose("embedding").space))
    first, second = np.triu_indices(len(people), 1)
    scores, same = (vectors[first] * vectors[second]).sum(axis=1), people[first] == people[second]
    for rate in RATES:
        threshold, _ = table.threshold(rate, ["adult"])
        accepted, pairs = int((scores[~same] >= threshold).sum()), int((~same).sum())
        # As if all pairs were independent, which is stricter than the 45 couples of these ten people warrant.
        assert accepted <= binom.ppf(0.999, pairs, rate), f"{accepted} of {pairs} at FAR {rate:g}"
    ratios = [table.likelihood_ratio(float(score), ["adult"]) for score in scores]
    assert min(ratio for ratio in ratios if ratio is not None) < 0.1
    assert np.median([ratio for ratio, own in zip(ratios, same, strict=True) if ratio is not None and own]) > 100


@pytest.mark.slow
@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_every_row_made_of_half_of_the_people_holds_on_the_other_half(embedder: str, shared_data: Path) -> None:
    engine_of(embedder).close()
    ((_, space, first, second),) = shots.gather(shared_data, None, [embedder])
    curve = load_recognizability(space)
    assert curve is not None
    crowd, adults = tables.Set.of(first, curve), tables.Set.of(second, curve)
    shipped = {stratum.name for stratum in load_calibration(space).strata}
    counted = set()
    for name, pairs, rates in tables.realised(space, crowd, adults, splits=6):
        counted.add(name)
        for rate in RATES:
            # Of few pairs a rate that holds can look as if it did not.
            allowed = max(rate, float(binom.ppf(0.99, pairs, rate)) / pairs)
            assert np.mean(rates.get(rate, 0)) <= allowed, f"{name} at FAR {rate:g}: {np.mean(rates[rate]):.2g}"
    assert counted >= shipped - {"minor, poor", "child, poor"}, "of those half of the people may be too few"
    # Refusing the worst third of spoiled pictures of others halves the misses, at least.
    raw, parts, _ = curves.recognised(second, curves.threshold_of(first))
    kept = parts[np.argsort(curve.of(raw))[len(raw) // 3 :]]
    assert 1 - kept.mean() < 0.75 * (1 - parts.mean())
