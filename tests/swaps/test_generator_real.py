"""Real portraits: what a seed means, and who is let through."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.errors import WeightsUnavailable
from mien.engine import Engine
from mien.media.provenance import provenance
from mien.swaps.edit import Edit
from mien.swaps.invented.generator import Checks, MobileStyleGAN, distinct_people, generate, latents
from mien.swaps.invented.minors import minor_probability

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        try:
            engine.preload("generate", "detect", "age", "presence", "embedding")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        yield engine


@pytest.fixture(scope="module")
def seven(engine: Engine) -> Edit:
    return generate(seed=7, engine=engine)


@pytest.mark.slow
def test_the_same_seed_is_the_same_picture_whatever_the_threads(seven: Edit) -> None:
    with Engine(threads=1) as other:
        again = generate(seed=7, engine=other)
    np.testing.assert_array_equal(again.image, seven.image)
    assert again.report == seven.report


def test_the_same_person_everywhere(seven: Edit) -> None:
    """Made on one machine, looked at in very large pixels: another instruction set moves single values by 1 of 255."""
    seen = cv2.resize(seven.image, (4, 4), interpolation=cv2.INTER_AREA).astype(int)
    expected = [
        [[98, 78, 77], [101, 70, 65], [89, 65, 63], [102, 92, 91]],
        [[68, 39, 35], [184, 128, 114], [122, 78, 69], [80, 67, 68]],
        [[79, 44, 39], [198, 132, 118], [169, 108, 96], [81, 68, 70]],
        [[83, 60, 62], [170, 104, 88], [138, 90, 84], [106, 97, 102]],
    ]
    np.testing.assert_allclose(seen, expected, atol=2)


def test_a_portrait_is_one_clean_adult_face(engine: Engine, seven: Edit) -> None:
    assert seven.image.shape == (1024, 1024, 3)
    assert len(seven.faces) == 1
    looked = engine.analyze(seven.image, want={"age", "presence"})
    assert len(looked) == 1
    assert looked.presence.values[0] > 0.9
    assert looked.age.mean[0] >= 28
    assert 400 < looked.heights[0] < 900


def test_children_are_refused(engine: Engine, seven: Edit) -> None:
    """The first two draws of seed 19 are boys of six or seven; who comes then is somebody else than of seed 7."""
    edit = generate(seed=19, engine=engine)
    assert edit.report["refused"]["may be a minor"] >= 2
    assert np.abs(edit.image.astype(int) - seven.image).mean() > 20


@pytest.mark.parametrize(
    "seed", [1013, 7022, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1022, 1037, 6026))]
)
def test_boys_whom_the_age_model_takes_for_men_are_refused(engine: Engine, seed: int) -> None:
    """The first draw of each, whom the age model lets pass, or nearly.

    The last two were found after the fit. 1013, a youth rather than a boy, is refused by little.
    """
    generator: MobileStyleGAN = engine.runner("generate")
    truncation = 0.85 if seed == 7022 else 0.7
    image = generator.draw(generator.styles(next(latents(seed))[None], truncation=truncation))[0]
    faces = engine.analyze(image, want={"alignment", "presence", "age", "landmarks", "pose"}, max_faces=1)
    assert faces.age.mean[0] > 28
    assert minor_probability(faces)[0] > (0.045 if seed == 1013 else 0.15)
    assert Checks().refusal(faces) == "may be a minor"


def test_a_saved_portrait_says_what_it_is(seven: Edit, tmp_path: Path) -> None:
    mark = provenance(seven.save(tmp_path / "p.png"))
    assert mark.synthetic is True
    assert (mark.models, mark.seed) == (("mobilestylegan",), 7)


@pytest.mark.slow
def test_distinct_people_are_distinct(engine: Engine) -> None:
    people = list(distinct_people(3, seed=3, size=512, engine=engine))
    vectors = np.concatenate([engine.analyze(p.image, want={"embedding"}).embedding.values for p in people])
    assert (vectors @ vectors.T)[np.triu_indices(3, 1)].max() < 0.4  # 0.368 at full size
    draws = [person.report["draw"] for person in people]
    assert draws == sorted(set(draws))


def test_batches_and_truncation(engine: Engine) -> None:
    generator: MobileStyleGAN = engine.runner("generate")
    z = np.stack(list(islice(latents(3), 2)))
    mean = generator.styles(z, truncation=0.0)
    np.testing.assert_allclose(mean[0], mean[1], atol=1e-5)
    half, full = generator.styles(z, truncation=0.5), generator.styles(z, truncation=1.0)
    np.testing.assert_allclose(half - mean, (full - mean) / 2, atol=1e-4)
    both = generator.draw(half)
    assert both.shape == (2, 1024, 1024, 3)
    np.testing.assert_array_equal(both[1], generator.draw(half[1:])[0])
    assert generator.draw(half[:0]).shape == (0, 1024, 1024, 3)
