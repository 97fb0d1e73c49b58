"""One picture: is a person before the camera? The crops, what abstains, and the real networks."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.assets import GROUP
from mien.core.errors import CardError, ModelError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine import Batch, Engine
from mien.features.genuine.liveness import MiniFASNet, windows
from mien.runtime.bundle import Bundle
from mien.runtime.graphs import minifasnet
from mien.runtime.weights import read_weights
from tests.engine.fakes import card
from tests.shared import open_bundle, photo

PARAMS: dict[str, Any] = {
    "scales": {"narrow": 2.0, "wide": 3.0},
    "least_scale": 1.5,
    "least_height": 20,
    "least_colour": 4.0,
}


class Net:
    """A session that takes a crop's red for the log odds of its being live, in tenths."""

    def __init__(self, classes: int = 3) -> None:
        self.crops: list[NDArray[np.uint8]] = []
        self.classes = classes

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32]]:
        self.crops.append(crops)
        odds = np.full((len(crops), self.classes), -50, np.float32)
        odds[:, 0] = 0
        odds[:, 1] = (crops[..., 0].mean(axis=(1, 2)) - 128) / 10
        return (odds,)


def step(nets: Mapping[str, Net], **params: Any) -> MiniFASNet:
    made_up = card("made-up", "Runner", ("live",), params={**PARAMS, **params})
    return MiniFASNet(cast("Bundle", SimpleNamespace(card=made_up, session=nets.__getitem__)))


def batch(boxes: list[list[float]], owner: list[int], *images: Image) -> Batch:
    return Batch(images, np.asarray(owner, np.intp), Faces.from_boxes(boxes))


def plain(red: int, size: tuple[int, int] = (200, 200)) -> Image:
    return np.full((*size, 3), (red, 20, 60), np.uint8)


# --- crops ----------------------------------------------------------------------------------------------------------


def test_windows_are_as_wide_as_asked_and_are_pushed_into_the_picture() -> None:
    boxes, sizes = np.array([[40, 30, 60, 70], [0, 0, 20, 40], [80, 60, 100, 100]]), np.full((3, 2), 101)
    found, scales = windows(boxes, sizes, 2)
    np.testing.assert_allclose(scales, 2)
    np.testing.assert_array_equal(found, [[30, 10, 71, 91], [0, 0, 41, 81], [60, 20, 101, 101]])


def test_a_small_picture_gives_what_it_has() -> None:
    found, scales = windows(np.array([[10.0, 10, 90, 60]]), np.array([[101.0, 201]]), 4)
    np.testing.assert_allclose(scales, 1.25)
    np.testing.assert_array_equal(found, [[0, 3, 101, 67]])


@given(
    corner=st.tuples(st.integers(-50, 300), st.integers(-50, 200)),
    sides=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    size=st.tuples(st.integers(2, 400), st.integers(2, 300)),
    scale=st.floats(1, 5),
)
def test_windows_lie_in_the_picture(
    corner: tuple[int, int], sides: tuple[int, int], size: tuple[int, int], scale: float
) -> None:
    boxes = np.array([[*corner, corner[0] + sides[0], corner[1] + sides[1]]])
    found, scales = windows(boxes, np.array([size]), scale)
    assert (found[0, :2] >= 0).all()
    assert (found[0, 2:] <= size).all()
    assert (found[0, 2:] > found[0, :2]).all()
    assert scales[0] <= scale


def test_no_faces() -> None:
    found, scales = windows(np.zeros((0, 4)), np.zeros((0, 2)), 2)
    assert found.shape == (0, 4)
    assert scales.shape == (0,)


# --- the step -------------------------------------------------------------------------------------------------------


def test_both_networks_count_in_each_face_s_own_picture() -> None:
    nets = {"narrow": Net(), "wide": Net()}
    given = batch([[80, 80, 110, 120], [60, 60, 100, 100], [80, 80, 110, 120]], [1, 0, 0], plain(128), plain(148))
    live = step(nets).describe(given)["live"]
    np.testing.assert_allclose(live.values, [0.8808, 0.5, 0.5], atol=1e-3)
    assert live.reasons == ()
    assert [net.crops[0].shape for net in nets.values()] == [(3, 80, 80, 3)] * 2


def test_crops_show_what_the_windows_hold() -> None:
    image = plain(128)
    image[60:100, 90:110] = (255, 0, 0)  # what the narrow crop of this box holds
    nets = {"narrow": Net(), "wide": Net()}
    step(nets, least_height=1).describe(batch([[95, 70, 105, 90]], [0], image))
    narrow, wide = (net.crops[0][0] for net in nets.values())
    assert (narrow[2:-6, 2:-6] == (255, 0, 0)).all()
    assert 0.35 < (wide == (255, 0, 0)).all(axis=2).mean() < 0.5


def test_what_is_too_small_too_near_or_grey_abstains() -> None:
    grey = np.full((200, 200, 3), 90, np.uint8)
    boxes = [[80, 80, 100, 99], [30, 30, 170, 170], [80, 80, 110, 120], [80, 80, 110, 120]]
    live = step({"narrow": Net(), "wide": Net()}).describe(batch(boxes, [0, 0, 1, 0], plain(128), grey))["live"]
    assert live.abstained.tolist() == [True, True, True, False]
    assert live.reasons == (
        "the face is 19 pixels high, and 20 are needed",
        "the face fills the picture: of its surroundings 1.4 times its own size is seen, and 1.5 times is needed",
        "the picture has no colours",
        None,
    )


def test_nobody_and_one_network() -> None:
    net = Net()
    alone = step({"narrow": net}, scales={"narrow": 2.0})
    assert alone.describe(batch([], []))["live"].shape == (0,)
    assert not net.crops
    assert alone.describe(batch([[80, 80, 110, 120]], [0], plain(148)))["live"].values[0] == pytest.approx(
        0.881, abs=1e-3
    )


def test_what_is_no_such_network_or_card() -> None:
    with pytest.raises(ModelError, match="three classes"):
        step({"narrow": Net(2), "wide": Net(2)}).describe(batch([[80, 80, 110, 120]], [0], plain(148)))
    with pytest.raises(CardError, match="least_height is a number"):
        step({"narrow": Net(), "wide": Net()}, least_height="small")


# --- the real networks ----------------------------------------------------------------------------------------------

# What PyTorch gives with the authors' networks for the same two pictures of noise.
PYTORCH: dict[str, list[list[float]]] = {
    "narrow": [[-3.1519, 4.3458, -1.1967], [-2.908, 4.1535, -1.2481]],
    "wide": [[-1.7139, 4.2314, -2.5193], [-1.2313, 3.9787, -2.7492]],
}


@pytest.mark.weights
@pytest.mark.parametrize("name", PYTORCH)
def test_equal_to_pytorch(name: str) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (2, 3, 80, 80)).astype(np.uint8)
    pictures = np.ascontiguousarray(noise.transpose(0, 2, 3, 1)[..., ::-1])  # the networks take blue first
    (odds,) = open_bundle("minifasnet").session(name).run(pictures)
    np.testing.assert_allclose(odds, PYTORCH[name], atol=1e-3)


@pytest.mark.weights
def test_weights_that_are_nearly_right() -> None:
    tensors = read_weights(open_bundle("minifasnet-v2").path("narrow"))
    with pytest.raises(ModelError, match=r"lack the tensor 'prob\.weight'"):
        minifasnet.build_v2({name: array for name, array in tensors.items() if not name.endswith("prob.weight")})
    with pytest.raises(ModelError, match=r"conv_3\.model\.1\.conv\.conv\.weight' is float32 \(13"):
        minifasnet.build_v1se(tensors)


@pytest.mark.weights
def test_prints_on_a_table_are_not_live() -> None:
    """The picture ships with mien: eight prints, all with their edges in sight."""
    with Engine(threads=1) as engine:
        faces = engine.analyze(GROUP, want={"live"})
        assert len(faces) == 8
        assert faces.live.values.max() < 0.5
        assert faces.models["live"] == "minifasnet"
        for model in ("minifasnet-v2", "minifasnet-v1se"):
            alone = engine.with_models(live=model).analyze(GROUP, want={"live"})
            assert alone.live.values.mean() < 0.4


@pytest.mark.weights
@pytest.mark.data
def test_people_in_photographs() -> None:
    """Measured on all: ``benchmarks/liveness.py``."""
    with Engine(threads=1) as engine:
        live = engine.analyze(photo("detect_noses/016_8.jpg"), want={"live"}).live
        assert len(live) >= 3
        assert np.nanmedian(live.values) > 0.8
        grey = engine.analyze(np.repeat(photo("pose/image01038.jpg")[..., 1:2], 3, axis=2), want={"live"}).live
        assert set(grey.reasons) == {"the picture has no colours"}
