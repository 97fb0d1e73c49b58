"""The pictures that ship: marked, small, and what they are said to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from mien import assets
from mien.core.errors import WeightsUnavailable
from mien.core.image import load_image
from mien.embeddings.calibration import Traits, load_calibration
from mien.engine import Engine
from mien.media.provenance import provenance

AGAIN = [pair[1] for pair in assets.PAIRS]
ALL = [*assets.PEOPLE, *AGAIN, assets.GROUP, assets.SIDEWAYS, assets.LANDSCAPE]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        try:
            engine.preload("detect", "embedding", "age", "presence")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        yield engine


def test_the_folder_holds_these_pictures_and_is_small() -> None:
    assert sorted(assets.FOLDER.glob("*.jpg")) == sorted(ALL)
    assert sum(path.stat().st_size for path in ALL) < 2_500_000


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_each_says_that_it_is_synthetic(path: Path) -> None:
    mark = provenance(path)
    assert mark.synthetic is True
    assert mark.tool is not None
    assert mark.models == (() if path == assets.LANDSCAPE else ("mobilestylegan",))


def test_the_sideways_picture_is_upright_once_loaded() -> None:
    with PILImage.open(assets.SIDEWAYS) as stored:
        assert stored.getexif()[0x0112] == 6
        lying = np.asarray(stored, int)
    upright = load_image(assets.PEOPLE[3]).astype(int)
    assert np.abs(load_image(assets.SIDEWAYS).astype(int) - upright).mean() < 3
    assert np.abs(lying - upright).mean() > 20


@pytest.mark.weights
@pytest.mark.parametrize("path", [*assets.PEOPLE, *AGAIN, assets.SIDEWAYS], ids=lambda path: path.stem)
def test_portraits_show_one_clear_adult_face(path: Path, engine: Engine) -> None:
    faces = engine.analyze(path, want={"presence", "age"})
    assert len(faces) == 1
    assert faces.scores[0] > 0.85
    assert faces.presence.values[0] > 0.95
    assert faces.age.mean[0] > 28
    assert faces.age.interval[0, 0] >= 18


@pytest.mark.weights
def test_people_are_distinct_and_pairs_are_not(engine: Engine) -> None:
    vectors = np.concatenate([engine.analyze(p, want={"embedding"}).embedding.values for p in [*assets.PEOPLE, *AGAIN]])
    calibration = load_calibration("edgeface-s/1")
    adult = Traits(ages=(18.0, 150.0), size=(200.0, 512.0), quality=(0.9, 1.0))
    threshold, _ = calibration.threshold(1e-3, calibration.strata_of(adult, adult))
    people = vectors[:8]
    strangers = (people @ people.T)[np.triu_indices(8, 1)]
    assert strangers.max() < threshold
    for (first, _), again in zip(assets.PAIRS, vectors[8:], strict=True):
        own = float(people[assets.PEOPLE.index(first)] @ again)
        assert own > threshold + 0.1
        assert own < 0.9  # two pictures of one person, not one picture twice


@pytest.mark.weights
def test_everybody_in_the_group_is_found_and_known(engine: Engine) -> None:
    group = engine.analyze(assets.GROUP, want={"embedding", "presence"})
    assert len(group) == 8
    assert (group.presence.values > 0.5).all()
    assert group.heights.max() > 1.3 * group.heights.min()
    people = np.concatenate([engine.analyze(p, want={"embedding"}).embedding.values for p in assets.PEOPLE])
    best = (group.embedding.values @ people.T).argmax(axis=1)
    assert sorted(best) == list(range(8))


@pytest.mark.weights
def test_there_is_nobody_in_the_landscape(engine: Engine) -> None:
    assert len(engine.detect(assets.LANDSCAPE)) == 0
