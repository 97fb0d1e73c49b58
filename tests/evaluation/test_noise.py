"""How many pictures of a folder-per-person set are of somebody else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ShapeMismatch, UsageError, WeightsUnavailable
from mien.engine import Engine
from mien.evaluation.embedding import embed_pictures
from mien.evaluation.noise import evaluate_noise
from mien.evaluation.pairs import Pairs
from tests.evaluation.recognition import people, unit


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_part_of_wrong_pictures_is_found(part: float, swapped: bool) -> None:
    vectors, names = people(40, 10)
    owners = list(names)
    draw = np.random.default_rng(3)
    wrong = draw.choice(len(vectors), round(part * len(vectors)), replace=False)
    if swapped:  # with pictures of others of the set
        for row, other in zip(wrong, np.roll(wrong, 1), strict=True):
            owners[row] = names[other]
    else:  # with strangers
        vectors[wrong] = unit(draw.normal(size=(len(wrong), vectors.shape[1])))
    found = evaluate_noise(vectors, owners)
    assert found.wrong == pytest.approx(part, abs=0.05)
    assert found.interval[0] <= part <= found.interval[1]
    assert (found.people, found.pictures) == (40, 400)
    hit = set(found.suspects) & set(wrong.tolist())
    assert len(hit) >= 0.9 * len(wrong)
    assert len(found.suspects) - len(hit) <= 0.05 * len(vectors)


def test_only_noise_is_all_wrong() -> None:
    draw = np.random.default_rng(0)
    found = evaluate_noise(unit(draw.normal(size=(400, 64))), [f"{row // 10}" for row in range(400)])
    assert found.wrong > 0.8


def test_pictures_without_a_face_and_small_folders_do_not_count() -> None:
    vectors, owners = people(4, 5)
    vectors[0] = np.nan
    owners[-3:] = ["a", "b", "b"]
    found = evaluate_noise(vectors, owners)
    assert (found.people, found.pictures) == (3, 14), "of the fourth person two pictures are left"


def test_people_who_cannot_be_judged() -> None:
    with pytest.raises(UsageError, match="two people"):
        evaluate_noise(*people(3, 2))
    with pytest.raises(ShapeMismatch):
        evaluate_noise(people(3, 3)[0], ["a"])


@pytest.mark.weights
@pytest.mark.data
def test_strangers_among_real_people(shared_data: Path) -> None:
    pairs = Pairs.of_folders([shared_data / "identities", shared_data / "identities_johns"])
    files = sorted((shared_data / "age_gender").glob("*.jpg"))[:40]
    with Engine(threads=1) as engine:
        try:
            vectors = embed_pictures(pairs.pictures, engine=engine)
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        strangers = embed_pictures(files, engine=engine)
    assert evaluate_noise(vectors, pairs.people).wrong == 0
    draw = np.random.default_rng(0)
    wrong = draw.choice(len(vectors), 16, replace=False)
    vectors[wrong] = strangers[np.isfinite(strangers[:, 0])][:16]
    found = evaluate_noise(vectors, pairs.people)
    assert found.interval[0] <= 16 / 105 <= found.interval[1]
    assert set(found.suspects) == set(wrong.tolist())
