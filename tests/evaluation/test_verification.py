from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import NoFace, ShapeMismatch, SourceError, UsageError, WeightsUnavailable
from mien.core.faces import Faces
from mien.core.image import load_image, save_image
from mien.datasets.readers.lfw import read_lfw
from mien.engine import Engine
from mien.evaluation.pairs import Pairs
from mien.evaluation.verification import embed_pictures, evaluate_scores, evaluate_verification

# -- scores ------------------------------------------------------------------------------------------------------------


def all_pairs(scores: NDArray[np.float64], people: NDArray[np.intp]) -> tuple[Any, Any, Any]:
    first, second = np.triu_indices(len(people), 1)
    return scores[first, second], people[first], people[second]


def test_counts_thresholds_and_rates_on_numbers_by_hand() -> None:
    # Persons 0 and 1 with two pictures each: genuine 0.9 and 0.4, impostor 0.5, 0.3, 0.2, 0.1.
    scores = [0.9, 0.4, 0.5, 0.3, 0.2, 0.1]
    found = evaluate_scores(scores, [0, 1, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1], rates=[0.25, 0.1])
    assert (found.people, found.genuine, found.impostor) == (2, 2, 4)
    assert found.auc == pytest.approx(7 / 8), "of 8 comparisons one, 0.4 with 0.5, is in the wrong order"
    quarter, tenth = found.points
    assert (quarter.tar, quarter.accepted, quarter.false_accepts) == (1.0, 2, 1)
    assert 0.3 < quarter.threshold <= 0.4
    assert (tenth.tar, tenth.accepted, tenth.false_accepts) == (0.5, 1, 0)
    assert 0.5 < tenth.threshold <= 0.9
    assert found.eer == pytest.approx(0.25)


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=20),
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=20),
)
def test_auc_is_the_chance_that_a_genuine_pair_scores_higher(genuine: list[float], impostor: list[float]) -> None:
    g, i = np.array(genuine), np.array(impostor)
    expected = ((g[:, None] > i).mean() + (g[:, None] >= i).mean()) / 2
    first, second = [0] * len(g) + [0] * len(i), [0] * len(g) + [1] * len(i)
    found = evaluate_scores([*g, *i], first, second, rates=[0.1], resamples=3)
    assert found.auc == pytest.approx(expected)
    assert found.points[0].false_accepts <= 0.1 * len(i)
    assert 0 <= found.eer <= 1


def test_intervals_hold_the_value_and_shrink_with_more_people() -> None:
    widths = []
    for count in (8, 64):
        draw = np.random.default_rng(count)
        people = np.repeat(np.arange(count), 4)
        centers = draw.normal(size=(count, 8))
        vectors = centers[people] + draw.normal(size=(len(people), 8)) * 0.8
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        found = evaluate_scores(*all_pairs(vectors @ vectors.T, people), rates=[1e-1])
        point = found.points[0]
        assert found.auc_interval[0] <= found.auc <= found.auc_interval[1]
        assert found.eer_interval[0] <= found.eer <= found.eer_interval[1]
        assert point.interval[0] <= point.tar <= point.interval[1]
        widths.append(point.interval[1] - point.interval[0])
    assert widths[1] < widths[0]


def test_intervals_know_that_the_threshold_was_chosen_on_the_same_pairs() -> None:
    # All high scores of two people are of one couple: without it the threshold is far lower, and everybody accepted.
    first, second = np.triu_indices(24, 1)
    people = np.repeat(np.arange(12), 2)
    genuine, couple = people[first] == people[second], (people[first] == 0) & (people[second] == 1)
    scores = np.where(genuine, 0.5 + 0.02 * people[first], np.where(couple, 0.6, 0.1))
    point = evaluate_scores(scores, people[first], people[second], rates=[0.01]).points[0]
    assert (point.accepted, point.interval[1]) == (6, 1.0)


def test_all_accepted_is_not_taken_for_certainty() -> None:
    found = evaluate_scores([0.9, 0.9, 0.1], [0, 1, 0], [0, 1, 1], rates=[0.5])
    assert found.points[0].tar == 1
    assert found.points[0].interval[0] < 0.4, "two pairs prove little"
    assert json.loads(json.dumps(found.to_dict()))["points"][0]["tar"] == 1


def test_wrong_scores() -> None:
    with pytest.raises(UsageError, match="genuine and impostor"):
        evaluate_scores([0.1, 0.2], [0, 0], [1, 2])
    with pytest.raises(UsageError, match="genuine and impostor"):
        evaluate_scores([0.1, 0.2], [0, 1], [0, 1])
    with pytest.raises(ShapeMismatch):
        evaluate_scores([0.1, 0.2], [0], [1])
    with pytest.raises(UsageError, match="false accept rates"):
        evaluate_scores([0.1, 0.2], [0, 0], [0, 1], rates=[1.0])


# -- pictures ----------------------------------------------------------------------------------------------------------


class Colours:
    """An engine whose faces are whole pictures and whose vectors are their mean colours; black is no face."""

    def analyze(self, image: Any, *, want: set[str], aligned: bool = False) -> Faces:
        picture = load_image(image[0] if aligned else image)
        height, width = picture.shape[:2]
        colour = picture.mean(axis=(0, 1))
        if colour.max() < 5:
            return Faces.empty()
        faces = Faces.from_boxes(
            [[0, 0, width, height]],
            keypoints=np.array([[[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]]]) * width / 112,
            keypoint_names=("right_eye", "left_eye", "nose_tip", "right_mouth", "left_mouth"),
        )
        vector = (colour / np.linalg.norm(colour))[None]
        return faces.with_columns({"embedding": Vectors(vector, space="colour/1")}).with_image(picture)

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Red, green and blue people of two pictures each."""
    for name, channel in (("Red", 0), ("Green", 1), ("Blue", 2)):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            picture = np.full((112, 112, 3), 20 * number, np.uint8)
            picture[..., channel] = 200
            save_image(picture, tmp_path / name / f"{name}_{number:04d}.jpg")
    return tmp_path


def test_a_folder_of_people(folder: Path) -> None:
    (folder / "Red" / "notes.txt").write_text("no picture")
    (folder / "Red" / "._Red_0001.jpg").write_bytes(b"what macOS leaves")
    found = evaluate_verification(folder, engine=Colours().engine, rates=[0.1])
    assert (found.people, found.pictures, found.without_face, found.genuine, found.impostor) == (3, 6, 0, 3, 12)
    assert found.auc == 1
    assert found.eer == 0


def test_of_too_many_pairs_those_of_two_people_are_drawn() -> None:
    people = [f"p{number % 7}" for number in range(60)]
    pictures = [Path(str(number)) for number in range(60)]
    every, some = Pairs.among(pictures, people), Pairs.among(pictures, people, most=500)
    assert len(every.first) == 60 * 59 // 2
    assert some.same.sum() == every.same.sum()
    assert 300 < (~some.same).sum() <= 500 < (~every.same).sum()
    assert (some.first < some.second).all()
    assert len({*zip(some.first.tolist(), some.second.tolist(), strict=True)}) == len(some.first)


def test_pairs_with_a_picture_without_face_are_rejected(folder: Path) -> None:
    save_image(np.zeros((112, 112, 3), np.uint8), folder / "Red" / "Red_0003.jpg")
    found = evaluate_verification(folder, engine=Colours().engine, rates=[0.1])
    assert (found.pictures, found.without_face, found.genuine) == (7, 1, 5)
    assert found.points[0].accepted == 3


def test_altered_crops_are_what_is_embedded(folder: Path) -> None:
    seen = []

    def grey(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        seen.append(crop.shape)
        return np.full_like(crop, 128)

    found = evaluate_verification(folder, engine=Colours().engine, alter=grey, rates=[0.1])
    assert seen == [(112, 112, 3)] * 6
    assert found.auc == pytest.approx(0.5)


def test_a_file_of_pairs(folder: Path) -> None:
    file = folder / "pairs.txt"
    file.write_text("1 2\nRed\t1\t2\nBlue\t1\t2\nRed\t1\tBlue\t1\nGreen\t2\tBlue\t1\n")
    found = evaluate_verification(file, engine=Colours().engine, rates=[0.1])
    assert (found.people, found.pictures, found.genuine, found.impostor) == (3, 5, 2, 2)
    assert found.auc == 1
    moved = read_lfw(file, pictures=folder)
    assert moved.people == ("Red", "Red", "Blue", "Blue", "Green")


def test_files_of_pairs_that_are_wrong(folder: Path) -> None:
    file = folder / "pairs.txt"
    file.write_text("Red 1 7\n")
    with pytest.raises(SourceError, match=r"Red_0007\.jpg"):
        read_lfw(file)
    file.write_text("Red 1 2\nRed one two\n")
    with pytest.raises(UsageError, match="line 2"):
        read_lfw(file)
    with pytest.raises(SourceError, match="cannot be read"):
        read_lfw(folder / "missing.txt")


def test_folders_without_people(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="two people"):
        evaluate_verification(tmp_path, engine=Colours().engine)
    with pytest.raises(NoFace):
        embed_pictures([], engine=Colours().engine)


# -- real people -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["edgeface-s", "sface"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine = Engine(threads=1, models={"embedding": request.param})
    try:
        engine.preload("detect", "embedding")
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    return engine


def test_pairs_take_every_kind_of_picture_that_mien_reads(tmp_path: Path) -> None:
    names = ["a/1.avif", "a/2.JPG", "a/notes.txt", "b/3.heic", "b/4.gif"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pairs = Pairs.of_folder(tmp_path)
    assert [str(Path(str(file)).relative_to(tmp_path)) for file in pairs.pictures] == [
        "a/1.avif",
        "a/2.JPG",
        "b/3.heic",
        "b/4.gif",
    ]
    assert pairs.people == ("a", "a", "b", "b")


@pytest.mark.weights
@pytest.mark.data
def test_ten_people_who_are_easy_to_tell_apart(engine: Engine, shared_data: Path) -> None:
    pairs = Pairs.of_folders([shared_data / "identities", shared_data / "identities_johns"])
    found = evaluate_verification(pairs, engine=engine, rates=[1e-2, 1e-3])
    assert (found.people, found.pictures, found.without_face) == (10, 105, 0)
    assert (found.genuine, found.impostor) == (500, 4960)
    assert found.auc > 0.999
    assert all(point.tar > 0.98 for point in found.points)
