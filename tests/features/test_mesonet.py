"""MesoNet: the drawn networks against their layers written out, the authors' crop, faces that cannot be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Points
from mien.core.errors import ModelError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES, transform
from mien.core.image import load_image
from mien.engine import Batch, Engine
from mien.features.genuine.mesonet import NETS, RAW, SIZE, MesoNets, meso_crops
from mien.runtime.graphs import mesonet
from mien.runtime.hdf5 import read_keras
from mien.runtime.openvino import library
from tests.shared import open_bundle, runner

Floats = NDArray[np.float64]
FACE = TEMPLATES["ffhq"].points_at(200)


def test_the_crop_stands_upright_about_the_nose() -> None:
    turn = np.deg2rad(30)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.stack([FACE, FACE @ rotation.T.astype(np.float32) + 300, FACE * 3])
    crops = transform(points, meso_crops(points))
    for found in crops:
        np.testing.assert_allclose(found, crops[0], atol=0.6)
    eyes = crops[0][:2].mean(axis=0)
    assert abs(eyes[0] - SIZE / 2) < 3
    assert eyes[1] < SIZE / 2 < crops[0][3:, 1].min()
    # 2.86 times the longer of both distances fill the crop.
    longer = max(np.linalg.norm(crops[0][0] - crops[0][1]), np.linalg.norm(crops[0][3:].mean(axis=0) - eyes))
    assert longer * 2.86 == pytest.approx(SIZE, rel=1e-3)


def test_weights_of_another_network() -> None:
    library()
    for build in (mesonet.build_meso4, mesonet.build_inception):
        with pytest.raises(ModelError, match=r"which the network needs|the network needs float32"):
            build({"conv2d_1.kernel": np.zeros((3, 3, 3, 9), np.float32)})


def filtered(x: Floats, tensors: dict[str, Any], layer: str, dilation: int = 1) -> Floats:
    """A convolution of (H, W, C) with zeros around, its bias and a ReLU."""
    kernel, bias = tensors[f"{layer}.kernel"].astype(np.float64), tensors[f"{layer}.bias"]
    size = (kernel.shape[0] - 1) * dilation + 1
    spread = np.zeros((size, size, *kernel.shape[2:]))
    spread[::dilation, ::dilation] = kernel
    planes = [
        sum(
            cv2.filter2D(x[..., i], cv2.CV_64F, spread[..., i, o], borderType=cv2.BORDER_CONSTANT)
            for i in range(x.shape[2])
        )
        for o in range(kernel.shape[3])
    ]
    return np.asarray(np.maximum(np.stack(planes, axis=-1) + bias, 0))


def stage(x: Floats, tensors: dict[str, Any], layer: str, shrink: int) -> Floats:
    part = {name: tensors[f"{layer}.{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    x = (x - part["moving_mean"]) / np.sqrt(part["moving_variance"] + 1e-3) * part["gamma"] + part["beta"]
    height, width, count = x.shape
    return np.asarray(x.reshape(height // shrink, shrink, width // shrink, shrink, count).max(axis=(1, 3)))


def numbered(tensors: dict[str, Any], kind: str) -> list[str]:
    return sorted({n.split(".")[0] for n in tensors if n.startswith(kind)}, key=lambda n: int(n.rsplit("_", 1)[1]))


def reference(path: Path, crop: NDArray[np.uint8]) -> float:
    """The probability of a forgery by the layers as the authors' code lists them."""
    tensors = read_keras(path)
    convs, norms, dense = (numbered(tensors, kind) for kind in ("conv2d", "batch_normalization", "dense"))
    x: Floats = crop / 255.0
    if len(convs) == 4:
        for number in (0, 1):
            x = stage(filtered(x, tensors, convs[number]), tensors, norms[number], 2)
    else:
        for number in (0, 1):
            own = convs[7 * number : 7 * number + 7]
            parts = [filtered(x, tensors, own[0])]
            for dilation in (1, 2, 3):
                first = filtered(x, tensors, own[2 * dilation - 1])
                parts.append(filtered(first, tensors, own[2 * dilation], dilation))
            x = stage(np.concatenate(parts, axis=-1), tensors, norms[number], 2)
    x = stage(filtered(x, tensors, convs[-2]), tensors, norms[2], 2)
    x = stage(filtered(x, tensors, convs[-1]), tensors, norms[3], 4).reshape(-1)
    x = x @ tensors[f"{dense[0]}.kernel"] + tensors[f"{dense[0]}.bias"]
    x = np.where(x > 0, x, 0.1 * x) @ tensors[f"{dense[1]}.kernel"] + tensors[f"{dense[1]}.bias"]
    return float(1 / (1 + np.exp(x[0])))


@pytest.mark.weights
def test_the_networks_are_those_of_the_authors() -> None:
    bundle = open_bundle("mesonet")
    image = load_image(assets.PEOPLE[0])
    with Engine(threads=1, models={"forgery": "mesonet"}) as engine:
        faces = engine.analyze(image, want={"alignment", "forgery"})
    from mien.core.warping import warp_batch

    crop = warp_batch([image], [0], meso_crops(faces.alignment.values), SIZE, border="reflect")[0]
    wanted = [reference(bundle.path(name), crop) for name in NETS]
    np.testing.assert_allclose(faces.forgery.values[0], wanted, atol=1e-4)
    assert faces.forgery.names == RAW


@pytest.mark.weights
def test_none_one_and_faces_that_cannot_be_aligned() -> None:
    step: MesoNets = runner("mesonet")
    image = load_image(assets.PEOPLE[0])

    def judged(points: NDArray[np.float32]) -> Any:
        boxes = Faces.from_boxes([[0, 0, 200, 200]] * len(points), image_size=image.shape[1::-1])
        column = Points(points.reshape(-1, 5, 2), names=ALIGNMENT_NAMES)
        batch = Batch([image], np.zeros(len(points), np.intp), boxes.with_columns({"alignment": column}))
        return step.describe(batch)["forgery"]

    assert judged(np.zeros((0, 5, 2), np.float32)).shape == (0, 4)
    found = judged(np.stack([FACE, np.full_like(FACE, np.nan), FACE + 100, np.full_like(FACE, 5)]))
    assert found.abstained.tolist() == [False, True, False, True]
    assert found.reasons[1] == "no points to align by"
    np.testing.assert_allclose(judged(FACE[None]).values[0], found.values[0], atol=1e-5)
