"""Explanations: methods on a score that is known, the inpainting game on faces that are painted, all on real faces."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import mien
from mien import assets
from mien.engine import Engine
from mien.evaluation import inpainting
from mien.evaluation.drawing import draw_game, heat
from mien.evaluation.explain import explain
from mien.evaluation.inpainting import FALSE_ALARMS, GameReport, MethodScore, _score, doubles, play
from mien.evaluation.saliency import (
    METHODS,
    REGIONS,
    SIDE,
    Aligned,
    Chance,
    Masks,
    Patches,
    Regions,
    Score,
    Task,
    embed,
    find_method,
    hide,
)
from mien.location.topology import face_topology
from tests.cli.test_commands import Run, run  # noqa: F401 - a fixture
from tests.shared import DATA

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def blank(seed: int = 0) -> Aligned:
    """A square of coarse noise, and a mesh in the shape of a grid over its middle."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 255, (12, 12, 3)).astype(np.uint8)
    across, down = np.divmod(np.arange(478), 22)
    points = np.stack([30 + 4 * across, 30 + 4 * down, 0 * across], axis=1).astype(np.float32)
    return Aligned(np.repeat(np.repeat(coarse, 12, axis=0), 12, axis=1), points)


def contrast_at(rows: slice, columns: slice, sign: float = 1.0) -> Score:
    """A score that is the contrast of one part of the picture, and nothing else."""

    def score(squares: NDArray[np.uint8]) -> Doubles:
        return np.asarray(sign * squares[:, rows, columns].astype(np.float64).std(axis=(1, 2, 3)) / 100)

    return score


PLACE = slice(40, 70), slice(80, 110)


# --- methods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Patches(), Masks(count=150)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_map_points_at_what_makes_the_score(method: Patches | Masks, sign: float) -> None:
    face = blank()
    values = method.explain(Task(face, face.image, contrast_at(*PLACE, sign)))
    assert values.shape == (SIDE, SIDE)
    assert values.dtype == np.float32
    y, x = np.unravel_index(np.argmax(sign * values), values.shape)
    assert PLACE[0].start - 5 <= y < PLACE[0].stop + 5
    assert PLACE[1].start - 5 <= x < PLACE[1].stop + 5
    assert abs(values[100:, :40]).max() < 0.35 * abs(values[PLACE]).max()


def test_hiding_all_nothing_and_half() -> None:
    face = blank()
    hidden = np.stack([np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE)), np.full((SIDE, SIDE), 0.5)]).astype(np.float32)
    none, everything, half = hide(face, hidden)
    assert np.array_equal(none, face.image)
    assert np.array_equal(everything, face.fill)
    assert np.abs(half.astype(int) - (none.astype(int) + everything) / 2).max() <= 0.5
    assert hide(face, hidden[:0]).shape == (0, SIDE, SIDE, 3)


def test_methods_by_name() -> None:
    assert all(find_method(name).name == name for name in METHODS)
    own = Patches(side=40)
    assert find_method(own) is own
    with pytest.raises(mien.UsageError, match="no method is called 'gradients'; there are patches, regions, masks"):
        find_method("gradients")


def test_chance_is_the_same_each_time_and_not_for_each_face() -> None:
    task, other = (Task(face, face.image, contrast_at(*PLACE)) for face in (blank(0), blank(1)))
    assert np.array_equal(Chance().explain(task), Chance().explain(task))
    assert not np.array_equal(Chance().explain(task), Chance().explain(other))


def test_heat_is_warm_above_zero_and_cold_below() -> None:
    crop = np.full((2, 3, 3), 120, np.uint8)
    drawn = heat(crop, np.array([[1, 0, -1], [0, 0, 0]], np.float32), 1.0).astype(int)
    assert drawn[0, 0, 0] > drawn[0, 0, 2]
    assert drawn[0, 2, 2] > drawn[0, 2, 0]
    assert len(set(drawn[0, 1].tolist())) == 1


# --- the game ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """A method that is told the answer, or its opposite."""

    right: bool
    name: ClassVar[str] = "told"

    def explain(self, task: Task) -> Floats:
        apart = np.abs(task.face.image.astype(int) - task.other.astype(int)).sum(axis=2) > 0
        return np.asarray(apart if self.right else ~apart, np.float32)


def test_who_knows_the_answer_wins_the_game(monkeypatch: pytest.MonkeyPatch) -> None:
    face, donor = blank(0), blank(1)
    double = face.image.copy()
    double[PLACE] = donor.image[PLACE]
    changed = np.zeros((SIDE, SIDE), np.bool_)
    changed[PLACE] = True
    one = inpainting.Round("ada", "nose", face, double, face.image, double, changed)

    def pixels(squares: NDArray[np.uint8], _: object) -> Floats:
        flat = squares.reshape(len(squares), -1).astype(np.float32) - 128
        return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True), np.float32)

    monkeypatch.setattr(inpainting, "embed", pixels)
    engine = Engine(threads=1)
    right, wrong = inpainting._play_round(one, [Told(True), Told(False)], engine)  # type: ignore[misc]
    assert right.tolist() == [1.0] * (len(FALSE_ALARMS) + 1)
    assert wrong.tolist() == [0.0] * (len(FALSE_ALARMS) + 1)
    unnoticed = inpainting.Round("ada", "nose", face, face.image, face.image, face.image, changed)
    assert inpainting._play_round(unnoticed, [Told(True)], engine) is None


def test_intervals_are_over_people() -> None:
    perfect, bad = np.ones((6, len(FALSE_ALARMS) + 1), np.float32), np.zeros((6, len(FALSE_ALARMS) + 1), np.float32)
    score = _score("x", [perfect, bad])
    assert (score.area, score.area_interval, score.hits) == (0.5, (0.0, 1.0), 0.5)
    few = _score("x", [perfect[:2]])
    assert few.area_interval[0] < 0.4 < few.area_interval[1] == 1, "two rounds prove little"
    assert np.isnan(_score("x", []).area)


def test_the_curves_are_drawn_and_told_as_json() -> None:
    rates = tuple(np.linspace(0, 1, len(FALSE_ALARMS)).tolist())
    one = MethodScore("patches", rates, tuple((rate / 2, rate) for rate in rates), 0.5, (0.4, 0.6), 0.7)
    report = GameReport("edgeface-s", 10, 50, 3, {"nose": (50, 3)}, (one,))
    assert draw_game(report).shape == (440, 720, 3)
    assert json.loads(json.dumps(report.to_dict()))["methods"][0]["rates"]["0.5"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either two pictures or --game"),
        (("a.jpg",), "either two pictures or --game"),
        (("a.jpg", "b.jpg", "--game", "folder"), "either two pictures or --game"),
        (("a.jpg", "b.jpg", "--out", "maps.txt"), "--out must end in"),
        (("a.jpg", "b.jpg", "--method", "patches", "--method", "masks"), "one --method"),
        (("a.jpg", "b.jpg", "--method", "magic"), "no method is called"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:  # noqa: F811
    result = run("evaluate", "explain", *arguments)
    assert result.code == 2
    assert message in result.err


# --- real networks ----------------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.parametrize("model", ["edgeface-s", "sface"])
def test_a_square_has_the_vector_of_its_face(model: str) -> None:
    with Engine(threads=1, models={"embedding": model}) as engine:
        found = [
            engine.analyze(path, want={"embedding", "alignment", "landmarks"}).top(1) for path in assets.PEOPLE[:3]
        ]
        squares = np.stack([Aligned.of(faces[0]).image for faces in found])
        many = embed(squares[np.arange(70) % 3], engine)  # more than one sheet
        assert many.shape[0] == 70
        for row in (0, 1, 2, 64, 69):
            assert float(many[row] @ found[row % 3].embedding.values[0]) > 0.99
        with pytest.raises(mien.ShapeMismatch, match="squares have the shape"):
            embed(squares[:, :100], engine)
        with pytest.raises(mien.ShapeMismatch, match="nothing to embed"):
            embed(squares[:0], engine)


@pytest.mark.weights
def test_two_pictures_of_a_person_are_explained() -> None:
    found = explain(*assets.PAIRS[0], method="regions")
    assert found.match.same
    assert found.score == pytest.approx(found.match.score, abs=0.02)
    assert {part.name for part in found.regions} == set(REGIONS)
    assert found.regions[0].first + found.regions[0].second < 0 < found.score
    assert found.draw().shape == (372, 1188, 3)
    assert json.loads(json.dumps(found.to_dict()))["method"] == "regions"
    # The background is not what the match is about.
    assert max(abs(values[:10, :10]).max() for values in found.maps) < 0.2 * max(values.max() for values in found.maps)


@pytest.mark.weights
def test_what_has_no_face_is_not_explained() -> None:
    with pytest.raises(mien.NoFace, match="second picture"):
        explain(assets.PEOPLE[0], assets.LANDSCAPE)
    with pytest.raises(mien.UsageError, match="no method"):
        explain(assets.PEOPLE[0], assets.PEOPLE[1], method="magic")


@pytest.mark.weights
def test_a_double_differs_in_one_part_only() -> None:
    one, two = (Aligned.of(mien.analyze(path, want={"alignment", "landmarks"}).top(1)[0]) for path in assets.PEOPLE[:2])
    triangles = face_topology().triangles
    double, changed = doubles(one, two, "nose", triangles)
    apart = np.abs(double.astype(int) - one.image).max(axis=2)
    assert apart[~changed].max() < 30, "the seam is soft"
    assert apart[changed].mean() > 3
    assert 0.005 < changed.mean() < 0.1
    same, _ = doubles(one, one, "nose", triangles)
    assert np.abs(same.astype(int) - one.image).mean() < 0.5, "one's own nose changes nothing"
    with pytest.raises(mien.UsageError, match="no part of the face"):
        doubles(one, two, "soul", triangles)


@pytest.mark.weights
@pytest.mark.data
def test_the_game_is_played_on_real_people(tmp_path: Path) -> None:
    for person in ("Colin_Powell", "George_W_Bush", "Donald_Rumsfeld"):
        for picture in sorted((DATA / "identities" / person).iterdir())[:2]:
            (tmp_path / person).mkdir(exist_ok=True)
            shutil.copyfile(picture, tmp_path / person / picture.name)
    report = play(tmp_path, methods=[Regions(), "chance"], per_person=1)
    regions, chance = report.methods
    assert report.people == 3
    assert report.rounds + report.unnoticed == 18
    assert regions.area > chance.area + 0.3
    assert regions.rates[-1] >= regions.rates[0]
    with pytest.raises(mien.UsageError, match="two people"):
        play(tmp_path, methods=["chance"], per_person=0)
