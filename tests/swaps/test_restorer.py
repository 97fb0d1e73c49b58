"""Restored faces: what is measured of them, what is changed, and what is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from mien.core.errors import ModelError, NoFace, UsageError
from mien.core.image import load_image
from mien.core.layouts import indices_of
from mien.engine import Engine
from mien.media.provenance import Provenance
from mien.runtime.graphs import upconv7
from mien.runtime.ncnn_weights import CONTENT, read_ncnn, unpack
from mien.swaps.effects import Shot
from mien.swaps.nets.clearing import Finding, look
from mien.swaps.nets.detail import coarseness, noise
from mien.swaps.nets.enlarging import Enlarger
from mien.swaps.nets.restorer import Restore, restore
from mien.swaps.nets.surroundings import around_face
from mien.swaps.plate import Plate
from tests.shared import DATA, open_bundle, runner


def packed(layers: list[tuple[int, int, int]], *, half: bool, seed: int = 0) -> np.ndarray:
    """A file of ncnn's: convolutions of (outputs, inputs, side)."""
    generator, data = np.random.default_rng(seed), b""
    for out, inputs, side in layers:
        weights = generator.normal(0, 0.1, out * inputs * side * side).astype("<f2" if half else "<f4").tobytes()
        mark = (0x01306B47 if half else 0).to_bytes(4, "little")
        data += mark + weights + b"\0" * (-len(weights) % 4) + generator.normal(0, 0.1, out).astype("<f4").tobytes()
    return np.frombuffer(data, np.uint8)


@pytest.mark.parametrize("half", [True, False])
def test_weights_of_ncnn(tmp_path: Path, half: bool) -> None:
    content = packed([(3, 1, 3), (1, 3, 1)], half=half)
    path = tmp_path / "w.bin"
    path.write_bytes(content.tobytes())
    tensors = read_ncnn(path)
    found = unpack(tensors, [("a", (3, 1, 3, 3)), ("b", (1, 3, 1, 1))])
    expected = np.random.default_rng(0).normal(0, 0.1, 27).astype("<f2" if half else "<f4").astype(np.float32)
    assert np.array_equal(found["a.weight"].ravel(), expected)
    assert found["b.bias"].shape == (1,)
    for layers, why in (
        ([("a", (3, 1, 3, 3))], "go on behind"),
        ([("a", (3, 1, 3, 3)), ("b", (9, 3, 1, 1))], "end before"),
        ([("a", (3, 1, 3, 2)), ("b", (1, 3, 1, 1))], "not known here|end before|go on"),
    ):
        with pytest.raises(ModelError, match=why):
            unpack(tensors, layers)
    with pytest.raises(ModelError, match="cannot be read"):
        read_ncnn(tmp_path / "none.bin")
    with pytest.raises(ModelError, match="not known here"):
        unpack({CONTENT: np.full(100, 255, np.uint8)}, [("a", (3, 1, 3, 3))])


@pytest.mark.full
def test_the_small_network_is_drawn_as_it_should_be() -> None:
    widths = (3, 16, 32, 64, 128, 128, 256)
    layers = [(wide, narrow, 3) for narrow, wide in pairwise(widths)]
    model = upconv7.build({CONTENT: packed([*layers, (3, 256, 4)], half=True)})
    model.reshape([1, 3, 40, 50])
    assert list(model.output("larger").shape) == [1, 3, 2 * 40 - 28, 2 * 50 - 28]


def _texture(side: int = 192) -> np.ndarray:
    """Noise with as much in each octave, as natural pictures have."""
    generator = np.random.default_rng(0)
    layers = [
        cv2.resize(generator.normal(0, 12, (side >> octave,) * 2), (side, side), interpolation=cv2.INTER_CUBIC)
        for octave in range(1, 6)
    ]
    return np.asarray(128 + np.sum(layers, axis=0), np.float32)


@pytest.mark.parametrize("factor", [2, 4])
def test_how_much_too_large_a_picture_is(factor: int) -> None:
    sharp = _texture()
    small = cv2.resize(sharp, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, sharp.shape, interpolation=cv2.INTER_CUBIC)
    assert coarseness(np.asarray(large, np.float32)) >= factor
    assert coarseness(np.asarray(small, np.float32)) <= coarseness(np.asarray(large, np.float32))


def test_noise_is_measured() -> None:
    smooth = np.tile(np.linspace(50, 200, 200, dtype=np.float32), (200, 1))
    assert noise(smooth) < 0.5
    assert noise(smooth + np.random.default_rng(0).normal(0, 5, smooth.shape).astype(np.float32)) == pytest.approx(
        5, rel=0.1
    )
    assert noise(np.zeros((1, 1), np.float32)) == 0
    assert coarseness(np.zeros((3, 3), np.float32)) == 1


def test_around_a_face_fades_before_the_plate_ends() -> None:
    points = np.full((468, 3), 150.0)
    oval = indices_of("mesh478", "face_oval")
    turns = np.linspace(0, 2 * np.pi, len(oval), endpoint=False)
    points[oval, :2] += np.column_stack([60 * np.sin(turns), -80 * np.cos(turns)])
    image = np.zeros((300, 300, 3), np.uint8)
    plate = Plate.around(image, points)
    assert plate is not None
    alpha = around_face(plate)
    edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert alpha.max() == 1
    assert edge.max() == 0


def test_how_coarse_a_picture_is_that_was_drawn_larger() -> None:
    """By the pixels that it had: what they lack comes on top."""
    points = np.zeros((468, 3))
    points[1, :2] = 191
    for shown, coarse in ((_texture(96), 2), (cv2.resize(_texture(96)[::2, ::2], (96, 96), interpolation=3), 2)):
        large = cv2.resize(shown.clip(0, 255).astype(np.uint8), (192, 192), interpolation=cv2.INTER_CUBIC)
        plate = Plate.around(np.repeat(large[..., None], 3, axis=2), points)
        assert plate is not None
        assert look(plate, enlarged=2).coarse >= coarse
    assert Finding(coarse=4, noise=1.0, size=40.0).tiny
    assert not Finding(coarse=4, noise=4.0, size=40.0).noisy  # so small, detail looks like noise
    assert Finding(coarse=1, noise=4.0, size=400.0).noisy


def test_options_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="scale is one of 1, 2, 4"):
        restore("a.jpg", scale=3)
    with pytest.raises(UsageError, match="a video keeps its size"):
        restore("a.mp4", scale=2)
    with pytest.raises(UsageError, match="strength is a number"):
        Restore(strength=2)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """One that takes one core."""
    return Engine(threads=1, device="cpu")


@pytest.mark.weights
def test_tiles_leave_no_seam() -> None:
    net: Enlarger = runner("upconv7-photo")
    image = np.random.default_rng(0).integers(0, 256, (134, 20, 3)).astype(np.uint8)
    whole = net.enlarge(image)
    assert whole.shape == (268, 40, 3)
    # The same pixels in another tile.
    part = net.enlarge(image[10:])
    assert np.abs(whole[60:] - part[40:]).max() < 0.01
    image = image // 4 + np.uint8(96)  # so that nothing is cut off at black and white
    small, large = net.enlarge(image, reduced=2), net.enlarge(image)
    assert np.abs(small - cv2.resize(large, (20, 134), interpolation=cv2.INTER_AREA)).max() < 0.01
    with pytest.raises(UsageError, match="level is 0 to 1"):
        net.enlarge(image, 2)
    with pytest.raises(UsageError, match="reduced is a divisor of 2"):
        net.enlarge(image, reduced=3)


@pytest.mark.weights
@pytest.mark.data
def test_a_noisy_face_comes_nearer_to_what_it_was(engine: Engine) -> None:
    open_bundle("upconv7-photo")
    clean = load_image(DATA / "identities" / "Ariel_Sharon" / "Ariel_Sharon_0001.jpg")
    noisy = (clean + np.random.default_rng(0).normal(0, 12, clean.shape)).clip(0, 255).astype(np.uint8)
    edit = restore(noisy, who="largest", strength=1.0, engine=engine)
    mask = edit.layers["mask"]
    assert (edit.image[mask == 0] == noisy[mask == 0]).all()
    inside = mask == 255
    before, after = (np.mean((one[inside].astype(float) - clean[inside]) ** 2) for one in (noisy, edit.image))
    assert after < 0.6 * before
    told = edit.report["faces"][0]
    assert told["noise"] > 2.6
    assert told["identity"] > 0.5
    assert "warning" not in told
    assert edit.provenance.source_type == "algorithmicallyEnhanced"


@pytest.mark.weights
@pytest.mark.data
def test_whom_is_said_of_the_picture_that_was_given(engine: Engine, tmp_path: Path) -> None:
    """Points and profile are those of the file, whatever its size becomes; a small face has a note."""
    open_bundle("upconv7-photo")
    one = load_image(DATA / "identities" / "Ariel_Sharon" / "Ariel_Sharon_0001.jpg")
    small = cv2.resize(one, (125, 125), interpolation=cv2.INTER_AREA)
    path, profile = tmp_path / "two.png", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    PIL.Image.fromarray(np.hstack([small, small])).save(path, icc_profile=profile)
    edit = restore(path, scale=2, who="@187,62", engine=engine)
    mask = edit.layers["mask"]
    assert edit.image.shape == (250, 500, 3)
    assert edit.profile is not None
    assert mask[:, :240].max() == 0
    assert mask[125, 375] == 179  # ceil(255 * 0.7)
    told = edit.report["faces"][0]
    assert told["coarse"] == 2
    assert "recognisers" in told["note"]


@pytest.mark.weights
@pytest.mark.data
def test_faces_that_are_left_as_they_are(engine: Engine) -> None:
    open_bundle("upconv7-photo")
    one = load_image(DATA / "identities" / "Ariel_Sharon" / "Ariel_Sharon_0001.jpg")
    blurred = cv2.resize(cv2.GaussianBlur(one, (0, 0), 2.0), (500, 500), interpolation=cv2.INTER_CUBIC)
    edit = restore(blurred, who="largest", engine=engine)
    assert (edit.image == blurred).all()
    assert "blur is not undone" in edit.report["faces"][0]["note"]
    two = np.hstack([one, one])
    faces = engine.analyze(two, want={"landmarks", "presence", "alignment"})
    presence = replace(faces.presence, values=np.array([1, 0], np.float32))
    shot = Shot(image=two, faces=faces[:2].with_columns({"presence": presence}), rows=np.arange(2))
    report = Restore(engine=engine).start().apply(shot).report
    assert [told["face"] for told in report["faces"]] == [0]
    assert "no human face" in report["skipped"][0]["reason"]


@pytest.mark.weights
def test_nobody_there(engine: Engine) -> None:
    open_bundle("upconv7-photo")
    for image in (np.zeros((1, 1, 3), np.uint8), np.full((80, 60, 3), 127, np.uint8)):
        with pytest.raises(NoFace):
            restore(image, engine=engine)
    assert Restore(engine=engine).mark(Provenance.generated("a")).synthetic
    with pytest.raises(UsageError, match="has no fidelity"):
        Restore(fidelity=0.5, engine=engine)
