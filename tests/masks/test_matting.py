"""Mattes: of real people and of nobody, by the shipped networks and by one's own, and steadied in video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

import mien
from mien import assets
from mien.core.errors import CardError, LicenseRefused, ModelError, ShapeMismatch, UsageError
from mien.engine import Engine
from mien.masks.masking import Size
from mien.masks.matting import AlphaNet, Matte, SteadyMatte, reconcile
from mien.masks.refining import shrink
from mien.models.catalogue import Catalogue, add_card
from mien.runtime.bundle import Bundle
from mien.runtime.cache import digest
from mien.runtime.session import SessionOptions
from tests.runtime.networks import write
from tests.shared import DATA, open_bundle, photo, runner

Floats = NDArray[np.float32]
MODELS = ["modnet", "modnet-fine", "selfie", "selfie-landscape"]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


def own_net(path: Path) -> Path:
    """A network that takes the red of a picture, from -1 to 1, for its alpha, from 0 to 1."""
    nodes = [
        helper.make_node("Slice", ["x", "first", "second", "axis"], ["red"]),
        helper.make_node("Mul", ["red", "half"], ["less"]),
        helper.make_node("Add", ["less", "half"], ["alpha"]),
    ]
    constants = {
        "first": np.array([0]), "second": np.array([1]), "axis": np.array([1]), "half": np.array([0.5], np.float32)
    }  # fmt: skip
    return write(path, nodes, {"x": ["n", 3, "h", "w"]}, {"alpha": ["n", 1, "h", "w"]}, constants)


# -- without weights --------------------------------------------------------------------------------------------------


def disc(side: int, x: float, y: float, radius: float) -> Floats:
    rows, columns = np.mgrid[:side, :side]
    return np.asarray(np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1), np.float32)


def test_a_part_of_which_the_witness_sees_nothing_is_nobody() -> None:
    person, hill = disc(128, 40, 60, 20), disc(128, 100, 90, 15)
    kept = reconcile(np.maximum(person, hill), disc(64, 20, 30, 8))
    np.testing.assert_array_equal(kept, np.where(hill > 0, 0, person))


def test_a_person_whom_only_the_witness_sees_is_kept() -> None:
    one, two = disc(128, 30, 60, 20), disc(128, 90, 60, 20)
    both = reconcile(one, np.maximum(one, two))
    assert np.abs(both - np.maximum(one, two)).max() < 0.02
    # But a rim is the finer one's to decide.
    np.testing.assert_array_equal(reconcile(one, disc(128, 30, 60, 22)), one)


def test_over_another_background() -> None:
    image = np.full((40, 60, 3), 200, np.uint8)
    person = Matte(image, mien.Region.from_box([10, 10, 30, 30], (60, 40)), "test")
    green = person.over((0, 255, 0))
    assert green[0, 0].tolist() == [0, 255, 0]
    assert green[20, 20].tolist() == [200, 200, 200]
    np.testing.assert_array_equal(person.over(np.zeros_like(image))[..., 1] > 0, person.alpha.to_mask())
    assert person.cutout().shape == (40, 60, 4)
    assert "test" in repr(person)
    with pytest.raises(ShapeMismatch):
        person.over(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("shape", [(90, 160), (37, 21), (1, 300), (300, 1), (1, 1)])
def test_own_network_of_any_size(tmp_path: Path, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    card = add_card(own_net(tmp_path / "mine.onnx"), like="modnet", id="mine")
    card = replace(card, files={"model": card.files["model"]})  # without the witness, so without weights
    net = AlphaNet(Bundle(card, {"model": tmp_path / "mine.onnx"}, SessionOptions(threads=1, device="cpu")))
    image = np.full((*shape, 3), 51, np.uint8)
    (alpha,) = net.matte([image])
    assert all(side % 32 == 0 for side in alpha.shape)
    np.testing.assert_allclose(alpha, 0.2, atol=0.01)
    assert net.matte([]) == []


def test_cards_that_say_too_little() -> None:
    card = Catalogue.load()["modnet"]
    bare = replace(card, params={})
    with pytest.raises(CardError, match=r"params\.side"):
        AlphaNet(Bundle(bare, {}, SessionOptions()))


def test_a_network_that_gives_no_alpha(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    write(tmp_path / "n.onnx", nodes, {"x": ["n", 3, "h", "w"]}, {"y": ["n", 3, "h", "w"]})
    card = Catalogue.load()["modnet"]
    card = replace(card, files={"model": replace(card.files["model"], sha256=digest(tmp_path / "n.onnx"))})
    net = AlphaNet(Bundle(card, {"model": tmp_path / "n.onnx"}, SessionOptions(threads=1, device="cpu")))
    with pytest.raises(ModelError, match="no alpha"):
        net.matte([np.zeros((64, 64, 3), np.uint8)])


def test_licenses_are_kept() -> None:
    assert Engine(licenses="commercial").choose("matte").id == "modnet"
    with pytest.raises(LicenseRefused):
        Engine(licenses="strict").choose("matte")


def test_a_size_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="fast, balanced, fine"):
        mien.matte(np.zeros((8, 8, 3), np.uint8), size="huge")


# -- video ------------------------------------------------------------------------------------------------------------


def test_flicker_of_unsure_pixels_is_calmed() -> None:
    random = np.random.default_rng(0)
    frames = [np.clip(0.5 + random.normal(0, 0.05, (32, 32)), 0, 1).astype(np.float32) for _ in range(30)]
    steady = SteadyMatte()
    out = [steady.update(place / 30, frame) for place, frame in enumerate(frames)]
    assert np.abs(np.diff(out, axis=0)).mean() < 0.5 * np.abs(np.diff(frames, axis=0)).mean()
    assert abs(np.mean(out) - np.mean(frames)) < 0.01


def test_nothing_trails_behind_what_moves() -> None:
    steady = SteadyMatte()
    for place in range(10):
        frame = disc(64, 10 + 4 * place, 32, 8)
        out = steady.update(place / 30, frame)
        behind = disc(64, 10 + 4 * place, 32, 10) == 0
        assert out[behind].max() == 0
        assert np.abs(out - frame).max() < 0.2


def test_what_stands_still_in_the_picture_stands_still() -> None:
    random = np.random.default_rng(0)
    wall = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    steady, outs = SteadyMatte(), []
    for place in range(12):  # sure of it, once here and once there
        noisy = np.clip(wall + random.normal(0, 1.5, wall.shape), 0, 255).astype(np.uint8)
        outs.append(steady.update(place / 30, disc(64, 30 + 3 * (place % 2), 32, 12), noisy))
    edge = np.abs(disc(64, 30, 32, 12) - disc(64, 33, 32, 12))
    assert np.abs(outs[-1] - outs[-2]).sum() < 0.4 * edge.sum()
    moved = steady.update(12 / 30, disc(64, 45, 32, 12), np.roll(wall, 15, axis=1))
    assert np.abs(moved - disc(64, 45, 32, 12)).max() < 0.2


def test_a_cut_a_pause_and_another_size_start_anew() -> None:
    for time, shape in ((0.04, (16, 8)), (5.0, (8, 8)), (-1.0, (8, 8))):
        steady = SteadyMatte()
        steady.update(0.0, np.full((8, 8), 0.45, np.float32))
        frame = np.full(shape, 0.55, np.float32)
        np.testing.assert_array_equal(steady.update(time, frame), frame)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_what_comes_out_lies_between_what_went_in(levels: list[float], weight: float) -> None:
    steady = SteadyMatte(weight)
    for place, level in enumerate(levels):
        out = steady.update(place / 25, np.full((2, 2), level, np.float32))
        seen = levels[: place + 1]
        assert min(seen) - 1e-6 <= out.min() <= out.max() <= max(seen) + 1e-6


# -- with weights -----------------------------------------------------------------------------------------------------

#: Alpha of the first shipped portrait at some unsure places (row, column), by LiteRT 2.3 in float32.
LITERT = {
    "selfie": [
        (14, 137, 0.1331), (22, 162, 0.6333), (50, 73, 0.1525), (89, 221, 0.4436), (117, 221, 0.3659),
        (138, 212, 0.6752), (151, 215, 0.5323), (173, 61, 0.447), (196, 75, 0.6456), (231, 70, 0.492),
        (246, 251, 0.3634), (255, 254, 0.7577),
    ],
    "selfie-landscape": [
        (9, 116, 0.1515), (14, 101, 0.4082), (23, 193, 0.6954), (42, 218, 0.4737), (61, 57, 0.704),
        (73, 220, 0.3485), (82, 60, 0.4777), (94, 61, 0.8045), (107, 73, 0.8766), (122, 204, 0.1632),
        (139, 8, 0.1486), (143, 255, 0.4373),
    ],
}  # fmt: skip


@pytest.mark.weights
@pytest.mark.parametrize("model", LITERT)
def test_selfie_networks_say_what_litert_says(model: str) -> None:
    image = mien.load_image(assets.PEOPLE[0])
    (exact,), (as_used,) = (runner(model, precision=how).matte([image]) for how in ("f32", None))
    rows, columns, wanted = zip(*LITERT[model], strict=True)
    np.testing.assert_allclose(exact[rows, columns], wanted, atol=2e-4)
    assert np.abs(as_used - exact).mean() < 2e-3


@pytest.mark.weights
def test_modnet_says_what_the_published_file_says() -> None:
    import onnxruntime

    image = mien.load_image(assets.PEOPLE[0])
    bundle = open_bundle("modnet", precision="f32")
    values = (shrink(image, (384, 384)).astype(np.float32) - 127.5) / 127.5
    published = onnxruntime.InferenceSession(bundle.path("model"), providers=["CPUExecutionProvider"])
    (wanted,) = published.run(None, {"input": values.transpose(2, 0, 1)[None]})
    lone = Bundle(
        replace(bundle.card, files={"model": bundle.card.files["model"]}),
        {"model": bundle.path("model")},
        bundle.options,
    )
    np.testing.assert_allclose(AlphaNet(lone).matte([image])[0], wanted[0, 0], atol=1e-4)


@pytest.mark.weights
@pytest.mark.parametrize("model", MODELS)
def test_real_people_and_nobody(model: str) -> None:
    net = runner(model)
    person, nobody = (mien.load_image(path) for path in (assets.PEOPLE[0], assets.LANDSCAPE))
    first, second = net.matte([person, nobody])
    h, w = first.shape
    assert first[h // 2, w // 2] > 0.99  # the face
    assert first[: h // 20, : w // 20].max() < 0.05  # a corner
    assert 0.2 < first.mean() < 0.9
    assert net.matte([]) == []
    np.testing.assert_array_equal(net.matte([person])[0], first)
    if model != "selfie-landscape":  # that one sees somebody in the hills
        assert second.mean() < 0.003


@pytest.mark.weights
@pytest.mark.parametrize("size", ["fast", "balanced", "fine"])
@pytest.mark.parametrize("shape", [(20, 20), (1, 200), (200, 1), (64, 400)])
def test_pictures_of_odd_shapes(engine: Engine, size: Size, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = mien.matte(image, size=size, engine=engine)
    assert found.alpha.size == shape[::-1]
    assert found.over((1, 2, 3)).shape == image.shape


@pytest.mark.weights
@pytest.mark.data
def test_a_group_that_modnet_alone_misses(engine: Engine) -> None:
    image = photo("landmarks68_boxes/2007_007763.jpg")
    assert 0.45 < mien.matte(image, engine=engine).alpha.to_array().mean() < 0.65  # by itself it finds 0.23


@pytest.mark.weights
@pytest.mark.data
def test_hair_and_person_where_people_drew_them(engine: Engine) -> None:
    shares = []
    for name in ("0", "1", "2"):
        folder = "parsing/maskgan"
        truth = np.asarray(mien.Region.from_png(DATA / folder / f"{name}.png").to_levels()) > 0
        found = mien.matte(photo(f"{folder}/{name}.jpg"), engine=engine).alpha.to_levels()
        seen = found[:: found.shape[0] // truth.shape[0], :: found.shape[1] // truth.shape[1]] > 127
        shares.append((seen & truth).sum() / (seen | truth).sum())
    assert min(shares) > 0.93


@pytest.mark.weights
def test_grey_pictures_alpha_and_files(engine: Engine, tmp_path: Path) -> None:
    image = mien.load_image(assets.PEOPLE[1])
    grey = np.repeat(image.mean(axis=2).astype(np.uint8)[..., None], 3, axis=2)
    both = [mien.matte(one, engine=engine).alpha.to_array() for one in (image, grey)]
    assert np.abs(both[0] - both[1]).mean() < 0.02
    cut = mien.matte(image, engine=engine).cutout()
    mien.save_image(cut, tmp_path / "cut.png")
    assert mien.matte(tmp_path / "cut.png", engine=engine).alpha.size == image.shape[1::-1]


@pytest.mark.weights
def test_refined_or_not_it_is_the_same_person(engine: Engine) -> None:
    image = mien.load_image(assets.PEOPLE[2])
    one, other = (mien.matte(image, refine=how, engine=engine) for how in (True, False))
    assert one.model == other.model == "modnet"
    difference = np.abs(one.alpha.to_array() - other.alpha.to_array())
    assert 0 < difference.mean() < 0.03


@pytest.mark.weights
def test_own_network_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    add_card(own_net(tmp_path / "mine.onnx"), like="modnet", id="mine")
    with Engine(threads=1, models={"matte": "mine"}) as own:
        found = mien.matte(assets.PEOPLE[0], engine=own)
    assert found.model == "mine"
    assert found.alpha.size == (512, 512)
