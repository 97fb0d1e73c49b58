"""Networks of users' own: what goes into them and comes out, by tiny ones whose results can be worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli.models import app
from mien.core.errors import CardError, ModelError, UnknownModel, UnsafeFile, UsageError
from mien.core.geometry import TEMPLATES
from mien.models.catalogue import add_card, load_templates
from mien.runtime.bundle import Bundle
from mien.runtime.onnx_tensors import read_matrix
from mien.runtime.session import SessionOptions
from mien.swaps.nets.adapters import FaceNet
from mien.swaps.nets.conventions import Convention
from tests.swaps import facenets

Open = Callable[..., FaceNet]


@pytest.fixture
def open_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Add a file as users do, and open it."""
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))

    def open_(path: Path, like: str, **params: Any) -> FaceNet:
        card = add_card(path, like=like, id=f"net-{path.stem}")
        card = replace(card, params={**card.params, **params})
        return FaceNet(Bundle(card, {"model": path}, SessionOptions(threads=1, device="cpu")))

    return open_


def test_templates_make_sense() -> None:
    templates = load_templates()
    assert {"inswapper-128", "simswap-256", "ghost-256", "gfpgan-512", "codeformer-512"} <= templates.keys()
    for card in templates.values():
        if card.runner.endswith(":FaceNet"):
            card.settings(Convention).check(card.id)


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"size": 0}, "size"),
        ({"size": 64, "template": "nowhere"}, "template"),
        ({"size": 64, "std": [1.0, 0.0, 1.0]}, "mean and std"),
        ({"size": 64, "latent": "unit"}, "source"),
        ({"size": 64, "color": "GRAY"}, "color"),
    ],
)
def test_conventions_that_make_no_sense(params: dict[str, Any], what: str) -> None:
    with pytest.raises(CardError, match=what):
        Convention(**params).check("mine")


def test_crops_of_insightface_are_128_wide_with_8_pixels_more() -> None:
    assert np.allclose(TEMPLATES["arcface128"].points, TEMPLATES["arcface112"].points + np.array([8, 0]), atol=1e-4)


@pytest.mark.full
def test_the_emap_is_read_to_the_bit(tmp_path: Path, open_net: Open) -> None:
    matrix = facenets.emap()
    path = facenets.swapper(tmp_path / "my.onnx", 32, matrix=matrix)
    assert np.array_equal(read_matrix(path, 512, 512), matrix)
    assert np.array_equal(read_matrix(path, 512, 512, name="buff2fs"), matrix)
    with pytest.raises(ModelError, match="called 'other'"):
        read_matrix(path, 512, 512, name="other")
    net = open_net(path, "inswapper-128", size=32)
    vector = np.random.default_rng(0).normal(0, 3, 512).astype(np.float32)
    unit = (vector / np.linalg.norm(vector))[None]
    told = np.dot(unit, matrix)
    told /= np.linalg.norm(told)
    assert np.array_equal(net.latent(vector), told[0])
    with pytest.raises(UsageError, match="512"):
        net.latent(vector[:128])
    with pytest.raises(UsageError, match="no embedding"):
        net.latent(np.full(512, np.nan))


@pytest.mark.full
def test_embeddings_as_the_network_gave_them_or_of_length_1(tmp_path: Path, open_net: Open) -> None:
    path = facenets.swapper(tmp_path / "my.onnx", 32)
    vector = np.arange(1, 513, dtype=np.float32)
    assert np.array_equal(open_net(path, "ghost-256", size=32).latent(vector), vector)
    path = facenets.swapper(tmp_path / "other.onnx", 32)
    assert np.linalg.norm(open_net(path, "simswap-256", size=32).latent(vector)) == pytest.approx(1)


@pytest.mark.full
@pytest.mark.parametrize(
    ("like", "unit"), [("inswapper-128", 255.0), ("simswap-256", None), ("ghost-256", 127.5), ("hyperswap-256", 127.5)]
)
def test_colours_and_ranges(tmp_path: Path, open_net: Open, like: str, unit: float | None) -> None:
    """What the network adds to its first channel is red, in the units that it takes; simswap gives other ones."""
    net = open_net(facenets.swapper(tmp_path / "my.onnx", 16), like, size=16)
    crop = np.random.default_rng(0).integers(60, 180, (16, 16, 3)).astype(np.uint8)
    told = np.zeros(512, np.float32)
    told[0] = 0.1
    out, mask = net.repaint(crop, source=told)
    assert mask is None
    if unit is None:
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        expected = ((crop / 255 - mean) / std + (0.1, 0, 0)) * 255
    else:
        expected = crop + np.array([0.1 * unit, 0, 0])
    assert np.allclose(out, expected.clip(0, 255), atol=0.01)


@pytest.mark.full
def test_blue_first_and_channels_last(tmp_path: Path, open_net: Open) -> None:
    path = facenets.painter(tmp_path / "my.onnx", 16, layout="NHWC")
    mean = [10.0, 20.0, 30.0]
    net = open_net(path, "face-to-face-256", size=16, layout="NHWC", color="BGR", mean=mean, out_mean=[0.0, 0.0, 0.0])
    crop = np.random.default_rng(0).integers(60, 255, (16, 16, 3)).astype(np.uint8)
    assert np.allclose(net.repaint(crop)[0], crop - np.array(mean[::-1]), atol=0.01)


@pytest.mark.full
def test_numbers_and_masks(tmp_path: Path, open_net: Open) -> None:
    net = open_net(
        facenets.codeformer(tmp_path / "my.onnx", 16), "codeformer-512", size=16, output="output", mask="mask"
    )
    crop = np.full((16, 16, 3), 255, np.uint8)
    assert net.takes("fidelity")
    assert not net.takes("age")
    for extra, level in (({}, 0.7), ({"fidelity": 0.2}, 0.2)):
        out, mask = net.repaint(crop, extra=extra)
        assert mask is not None
        assert np.allclose(out, 127.5 + 127.5 * level, atol=0.01)
        assert np.allclose(mask, 0.5)
    with pytest.raises(UsageError, match="takes no age"):
        net.repaint(crop, extra={"age": 1.0})


@pytest.mark.full
@pytest.mark.parametrize("angle", [0.0, 30.0, 170.0])
def test_a_face_comes_back_to_its_place(tmp_path: Path, open_net: Open, angle: float) -> None:
    """A network that changes nothing changes nothing, wherever and however turned the face is."""
    net = open_net(facenets.painter(tmp_path / "my.onnx", 128), "face-to-face-256", size=128)
    y, x = np.mgrid[:200, :240].astype(np.float32)
    image = np.dstack([128 + 80 * np.sin(x / 30), 128 + 80 * np.cos(y / 25), x / 240 * 255]).astype(np.uint8)
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    points = (TEMPLATES["ffhq"].points_at(150) - 75) @ np.array([[c, s], [-s, c]]) + (120, 100)
    front, share = net.redraw(image, points)
    assert share.max() == 1
    assert (front[share == 0] == image[share == 0]).all()
    assert np.abs(front - image).max() < 6  # where the crop reaches beyond the picture
    window = slice(20, 150), slice(40, 200)
    part, part_share = net.redraw(image, points, window=window)
    assert np.abs(part - front[window]).max() < 0.1
    assert np.abs(part_share - share[window]).max() < 1e-3


@pytest.mark.full
def test_networks_that_give_no_picture(tmp_path: Path, open_net: Open) -> None:
    crop = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ModelError, match="no numbers"):
        open_net(facenets.broken(tmp_path / "a.onnx", 16, "nan"), "face-to-face-256", size=16).repaint(crop)
    with pytest.raises(ModelError, match="no square picture"):
        open_net(facenets.broken(tmp_path / "b.onnx", 16, "grey"), "face-to-face-256", size=16).repaint(crop)
    path = facenets.swapper(tmp_path / "c.onnx", 16)
    with pytest.raises(ModelError, match="inputs that nothing is known about"):
        open_net(path, "face-to-face-256", size=16)
    net = open_net(facenets.swapper(tmp_path / "d.onnx", 16, tint=0), "inswapper-128", size=16)
    with pytest.raises(UsageError, match="has to be told who"):
        net.repaint(crop)
    with pytest.raises(ModelError, match="no matrix of 512 x 512"):
        net.latent(np.ones(512))
    with pytest.raises(ModelError, match="no input 'told'"):
        open_net(facenets.swapper(tmp_path / "e.onnx", 16), "inswapper-128", size=16, source="told")


def test_files_that_are_no_networks(tmp_path: Path, open_net: Open) -> None:
    path = tmp_path / "my.onnx"
    path.write_bytes(b"\x00\xff" * 20)
    with pytest.raises(UnsafeFile):
        open_net(path, "inswapper-128")
    with pytest.raises(ModelError, match="no ONNX file"):
        read_matrix(path, 2, 2)
    with pytest.raises(UnknownModel, match="did you mean gfpgan-512"):
        open_net(path, "gfpgann")
    assert "gfpgan-512" in CliRunner().invoke(app, ["list", "--templates"]).output
