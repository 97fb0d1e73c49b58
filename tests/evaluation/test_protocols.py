"""Small faces, templates, time budgets, the rapid test, and all of it put together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import NoFace, ShapeMismatch, UsageError, WeightsUnavailable
from mien.core.faces import Faces
from mien.core.image import load_image, save_image
from mien.datasets.readers.bins import read_bin
from mien.datasets.readers.ijb import Matches, Templates
from mien.engine import Engine
from mien.evaluation.embedding import crops_of, embed_boxes, embed_pictures
from mien.evaluation.pairs import Pairs
from mien.evaluation.protocol import FOLDERS, Asked, run_templates, run_verification
from mien.evaluation.rapid import evaluate_rapid
from mien.evaluation.resolution import evaluate_sizes, shrunk
from mien.evaluation.template_pairs import template_scores, templates_of
from mien.evaluation.timed import evaluate_time, machine_name
from tests.evaluation.recognition import people, unit


class Tiles:
    """An engine whose faces are whole pictures and whose vectors are their pixels in 8 x 8 tiles; black is no face."""

    threads = 1

    def analyze(
        self, image: Any, *, want: Any = (), aligned: bool = False, faces: Faces | None = None, **_: Any
    ) -> Faces:
        pictures = [load_image(part) for part in image] if aligned else [load_image(image)]
        rows = []
        for picture in pictures:
            side = picture.shape[0] // 8
            tiles = picture[: 8 * side, : 8 * side].astype(float).reshape(8, side, 8, side, 3).mean(axis=(1, 3))
            rows.append(tiles.ravel() - tiles.mean())
        if not np.any(pictures[0]):
            return Faces.empty()
        height, width = pictures[0].shape[:2]
        found = Faces.from_boxes(
            [[0, 0, width, height]],
            keypoints=np.array([[[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]]]) * width / 112,
            keypoint_names=("right_eye", "left_eye", "nose_tip", "right_mouth", "left_mouth"),
        )
        assert faces is None or len(faces) == 1
        return found.with_columns({"embedding": Vectors(unit(np.array(rows)), space="tiles/1")}).with_image(pictures[0])

    def choose(self, _: str) -> Any:
        class Card:
            id = "tiles"

        return Card

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)


ENGINE = Tiles().engine


def picture(who: int, number: int, *, fine: int = 28) -> NDArray[np.uint8]:
    """A pattern of a person with a little noise, in squares of 4 pixels."""
    pattern = np.random.default_rng(who).integers(60, 200, size=(fine, fine, 3))
    noise = np.random.default_rng(1000 * who + number).integers(-25, 26, size=pattern.shape)
    return np.asarray(np.kron(pattern + noise, np.ones((112 // fine, 112 // fine, 1), int)), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people of four pictures in two groups."""
    root = tmp_path_factory.mktemp("groups")
    for who in range(6):
        place = root / ("even" if who % 2 == 0 else "odd") / f"p{who // 2}"
        place.mkdir(parents=True)
        for number in range(4):
            save_image(picture(who, number), place / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def pairs(folder: Path) -> Pairs:
    return Pairs.of_folder(folder / "even")


# -- crops -------------------------------------------------------------------------------------------------------------


def test_crops_that_were_aligned_before_are_taken_as_they_are(pairs: Pairs) -> None:
    packed = [Path(str(file)).read_bytes() for file in pairs.pictures]
    crops = crops_of(packed, aligned=True, engine=ENGINE)
    assert crops[0] is not None
    assert np.array_equal(crops[0], load_image(packed[0]))
    assert embed_pictures(packed, aligned=True, engine=ENGINE).shape == (12, 192)


def test_no_face_at_all() -> None:
    black = [np.zeros((112, 112, 3), np.uint8)] * 2
    assert crops_of(black, engine=ENGINE) == [None, None]
    with pytest.raises(NoFace, match="any of 2 pictures"):
        embed_pictures(black, alter=lambda crop: crop, engine=ENGINE)


def test_small_faces(pairs: Pairs) -> None:
    points = evaluate_sizes(pairs, sizes=(4, 112), rates=(0.1,), engine=ENGINE)
    assert [point.size for point in points] == [4, 112]
    small, clear = (point.report for point in points)
    assert clear.auc == 1
    assert small.points[0].threshold != clear.points[0].threshold
    assert (clear.people, clear.pictures) == (3, 12)
    one_side = evaluate_sizes(pairs, sizes=(4,), one_side=True, rates=(0.1,), engine=ENGINE)[0].report
    assert one_side.auc != small.auc or one_side.points[0].threshold != small.points[0].threshold
    for sizes in ((), (3,), (113,)):
        with pytest.raises(UsageError, match="sizes"):
            evaluate_sizes(pairs, sizes=sizes, engine=ENGINE)


def test_a_shrunk_crop_has_lost_its_detail() -> None:
    checks = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (56, 56))
    crop = np.repeat(checks[..., None], 3, axis=2)
    assert np.ptp(shrunk(crop, 28)) < 10
    assert shrunk(crop, 112) is crop


# -- templates ---------------------------------------------------------------------------------------------------------


def test_templates_are_fused_and_compared() -> None:
    vectors, _ = people(1, 4, seed=5)
    templates = Templates(
        pictures=tuple(Path(f"{row}.jpg") for row in range(4)),
        boxes=np.full((4, 4), np.nan, np.float32),
        media=("v", "v", "a", "b"),
        owners=np.array([0, 0, 0, 1]),
        ids=(7, 9),
        people=("x", "x"),
    )
    found = template_scores(vectors, templates, Matches(np.array([0]), np.array([1]), np.array([True])))
    mean = (vectors[0] + vectors[1]) / 2 + vectors[2]
    assert found.values[0] == pytest.approx(float(mean @ vectors[3] / np.linalg.norm(mean)), abs=1e-6)
    assert found.genuine.tolist() == [True]
    with pytest.raises(ShapeMismatch):
        template_scores(vectors[:3], templates, Matches(np.array([0]), np.array([1]), np.array([True])))


def test_templates_of_a_folder_are_of_one_person_each(pairs: Pairs) -> None:
    templates, matches = templates_of(pairs, size=2)
    assert (len(templates.ids), len(templates.pictures), len(matches.first)) == (6, 12, 15)
    assert matches.same.sum() == 3
    for row, owner in zip(templates.media, templates.owners, strict=True):
        assert pairs.people[int(row)] == templates.people[owner]
    assert len(templates_of(pairs, size=3)[0].ids) == 3, "the fourth picture of each is left over"
    with pytest.raises(UsageError, match="no two templates"):
        templates_of(pairs, size=5)
    with pytest.raises(UsageError, match="1 picture or more"):
        templates_of(pairs, size=0)


def test_ijb_files_end_to_end(folder: Path, tmp_path: Path) -> None:
    rows = [f"{who + 1},{who},even/p{who}/{n}.png,5,5,90,90" for who in range(3) for n in (0, 1)]
    rows += [f"{who + 11},{who},even/p{who}/{n}.png,,,," for who in range(3) for n in (2, 3)]
    templates, matches = tmp_path / "t.csv", tmp_path / "m.csv"
    templates.write_text("TEMPLATE_ID,SUBJECT_ID,FILENAME,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT\n" + "\n".join(rows))
    matches.write_text("".join(f"{a + 1},{b + 11}\n" for a in range(3) for b in range(3)))
    outcome = run_templates(matches, [templates], Asked(pictures=folder, rates=(0.5,)), engine=ENGINE)
    found = outcome.report.to_dict()
    assert (found["templates"], found["pictures"], found["genuine"], found["impostor"], found["auc"]) == (
        6,
        12,
        3,
        6,
        1,
    )


def test_a_box_is_the_face_that_is_meant() -> None:
    boxes = np.array([[5, 5, 90, 90], [np.nan] * 4], np.float32)
    assert embed_boxes([picture(0, 0), picture(0, 0)], boxes, engine=ENGINE).shape == (2, 192)


# -- time --------------------------------------------------------------------------------------------------------------


def test_time_is_told_by_stage(pairs: Pairs) -> None:
    found = evaluate_time(pairs.pictures, budgets=(1e-6, 1e6), engine=ENGINE)
    assert [stage.name for stage in found.stages] == ["decode", "detect", "align", "embed", "whole"]
    assert all(0 < stage.median <= stage.p95 <= stage.worst for stage in found.stages)
    assert found.whole.mean == pytest.approx(sum(stage.mean for stage in found.stages[:-1]))
    assert found.budgets == {1e-6: False, 1e6: True}
    assert (found.pictures, found.without_face) == (12, 0)
    assert found.machine == machine_name() != ""
    assert json.loads(json.dumps(found.to_dict()))["budgets"] == {"1e-06": False, "1e+06": True}


def test_times_that_are_wrong(pairs: Pairs) -> None:
    class Two(Tiles):
        threads = 2

    with pytest.raises(UsageError, match="2 threads"):
        evaluate_time(pairs.pictures, engine=Two().engine)
    with pytest.raises(UsageError, match="no pictures"):
        evaluate_time([], engine=ENGINE)
    with pytest.raises(UsageError, match="budgets"):
        evaluate_time(pairs.pictures, budgets=(0,), engine=ENGINE)


# -- all together ------------------------------------------------------------------------------------------------------


def test_all_that_may_be_asked_for(folder: Path) -> None:
    asked = Asked(
        rates=(0.1,),
        groups=FOLDERS,
        noise=True,
        sizes=(16, 112),
        alterations={"negative": lambda crop: 255 - crop},
        one_side=True,
        budgets=(1e6,),
    )
    outcome = run_verification(folder, asked, engine=ENGINE)
    found = outcome.report.to_dict()
    assert (found["people"], found["pictures"], found["auc"]) == (6, 24, 1)
    assert [row["name"] for row in found["groups"]["rows"]] == ["even", "odd"]
    assert [row["people"] for row in found["groups"]["rows"]] == [3, 3], "p0 of the one group is not that of the other"
    assert found["noise"]["wrong"] == 0
    assert [row["size"] for row in found["sizes"]] == [16, 112]
    assert found["altered"]["negative"]["auc"] < 0.5
    assert found["time"]["budgets"] == {"1e+06": True}
    assert len(outcome.panels) == 4
    text = outcome.report.to_text()
    for part in (
        "tiles on",
        "Groups",
        "Small faces",
        "Verification, negative",
        "Pictures of somebody else",
        "6 people",
    ):
        assert part in text


def test_a_matcher_that_is_too_slow_is_not_measured(folder: Path) -> None:
    outcome = run_verification(folder / "even", Asked(budgets=(1e-6,)), engine=ENGINE)
    assert outcome.rejected
    assert "auc" not in outcome.report.to_dict()
    assert "REJECTED" in outcome.report.to_text()


def test_what_is_none_is_refused_before_anything_is_embedded() -> None:
    with pytest.raises(UsageError, match="rates"):
        Asked(rates=(0.1, 2.0))
    with pytest.raises(UsageError, match="sizes"):
        Asked(sizes=(2,))


def test_templates_of_a_folder(folder: Path) -> None:
    found = run_verification(folder / "even", Asked(rates=(0.5,), template_size=2), engine=ENGINE).report.to_dict()
    assert (found["pictures"], found["genuine"], found["impostor"], found["auc"]) == (12, 3, 12, 1)


def test_packed_pairs_have_neither_templates_nor_noise(tmp_path: Path) -> None:
    import pickle

    files = [tmp_path / f"{number}.png" for number in range(4)]
    for number, file in enumerate(files):
        save_image(picture(number // 3, number), file)
    packed = tmp_path / "two.bin"
    packed.write_bytes(pickle.dumps(([file.read_bytes() for file in files], [True, False]), protocol=4))
    assert read_bin(packed).named is False
    found = run_verification(packed, Asked(rates=(0.5,)), engine=ENGINE).report
    assert (found.to_dict()["auc"], found.to_dict()["named"]) == (1, False)
    assert "does not tell who is who" in found.to_text()
    for asked in (Asked(noise=True), Asked(template_size=2)):
        with pytest.raises(UsageError, match="one folder of pictures per person"):
            run_verification(packed, asked, engine=ENGINE)


def test_the_rapid_test(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "people"
    shutil.copytree(folder / "even", copy)
    save_image(picture(77, 0), copy / "p1" / "9.png")
    found = evaluate_rapid(copy, groups={"p0": "a", "p1": "a", "p2": "b"}, far=0.1, masked=False, engine=ENGINE)
    assert found.suspects == (str(copy / "p1" / "9.png"),)
    assert (found.labelled.pictures, found.cleaned.pictures) == (13, 12)
    assert found.labelled.auc < found.cleaned.auc == 1
    assert found.groups is not None
    assert [row.name for row in found.groups.rows] == ["a", "b"]
    assert found.found.ranks[0].rate == 1
    assert json.loads(json.dumps(found.to_dict()))["suspects"] == list(found.suspects)
    assert evaluate_rapid(copy, judge=ENGINE, masked=False, engine=ENGINE).suspects == found.suspects


@pytest.mark.weights
@pytest.mark.data
def test_real_faces_get_worse_as_they_get_smaller(shared_data: Path) -> None:
    pairs = Pairs.of_folder(shared_data / "identities")
    with Engine(threads=1) as engine:
        try:
            points = evaluate_sizes(pairs, sizes=(12, 32, 112), rates=(0.01,), engine=engine)
        except WeightsUnavailable as error:
            pytest.skip(str(error))
    tiny, small, clear = (point.report for point in points)
    assert tiny.auc < small.auc <= clear.auc == 1
    assert tiny.points[0].tar < 0.95
    assert small.points[0].tar > 0.98
