"""What every back end must do, on each of them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from mien.core.errors import MienError, ModelError, ShapeMismatch
from mien.models.card import Color, ImageInput, Layout
from mien.runtime import openvino
from tests.runtime.conftest import Open
from tests.runtime.networks import baked_network, picture_network, quantized_network, sum_network, write

ANY = ImageInput(layout="NCHW", color="RGB", size=None, multiple=4, mean=(0, 0, 0), std=(1, 1, 1))


def pictures(rows: int, height: int = 8, width: int = 12) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (rows, height, width, 3), np.uint8)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("color", ["RGB", "BGR", "GRAY"])
def test_a_picture_arrives_as_the_card_says(
    tmp_path: Path, open_session: Open, device: str, layout: Layout, color: Color
) -> None:
    channels = 1 if color == "GRAY" else 3
    mean, std = (100.0, 110.0, 120.0)[:channels], (50.0, 60.0, 70.0)[:channels]
    spec = ImageInput(layout=layout, color=color, size=(8, 12), multiple=1, mean=mean, std=std)
    session = open_session(picture_network(tmp_path / "n.onnx", layout, channels), spec, device=device)
    x = pictures(3)
    seen = {"RGB": x, "BGR": x[..., ::-1], "GRAY": x @ np.array([[0.299], [0.587], [0.114]])}[color]
    want = (seen - np.array(mean)) / np.array(std)
    got, means = session.run(x)
    np.testing.assert_allclose(got if layout == "NHWC" else got.transpose(0, 2, 3, 1), want, atol=2e-4)
    np.testing.assert_allclose(means, want.mean(axis=(1, 2)), atol=2e-4)
    assert session.inputs == ("x",)
    assert session.outputs == ("picture", "mean")


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 9, 17])
@pytest.mark.parametrize("options", [{}, {"threads": 2}, {"threads": 2, "mode": "throughput"}, {"buckets": (1, 4)}])
def test_any_number_of_rows(
    tmp_path: Path, open_session: Open, device: str, rows: int, options: dict[str, object]
) -> None:
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY, device=device, **options)
    x = pictures(rows)
    got, means = session.run(x)
    assert got.shape == (rows, 3, 8, 12)
    assert got.dtype == means.dtype == np.float32
    np.testing.assert_array_equal(got, x.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(means, x.mean(axis=(1, 2)).reshape(rows, 3), rtol=1e-5)


def test_any_size_of_picture(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY, device=device)
    for height, width in [(4, 4), (8, 16), (16, 8), (4, 4)]:
        x = pictures(2, height, width)
        np.testing.assert_array_equal(session.run(x)[0], x.transpose(0, 3, 1, 2))


def test_a_row_does_not_depend_on_its_neighbours(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY, device=device, buckets=(1,), threads=2)
    x = pictures(5)
    together = session.run(x)[1]
    alone = np.concatenate([session.run(x[row : row + 1])[1] for row in range(5)])
    np.testing.assert_array_equal(together, alone)


def test_outputs_belong_to_the_caller(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY, device=device)
    first = session.run(pictures(1))[0]
    kept = first.copy()
    session.run(pictures(1)[:, ::-1])
    np.testing.assert_array_equal(first, kept)
    first[...] = 0


def test_pictures_may_be_views_and_read_only(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY, device=device)
    x = pictures(2)[:, ::-1, :, ::-1]
    x.flags.writeable = False
    np.testing.assert_array_equal(session.run(x)[0], x.transpose(0, 3, 1, 2))


def test_raw_inputs_and_an_output_without_rows(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(sum_network(tmp_path / "n.onnx"), device=device)
    a, b = np.arange(12.0).reshape(3, 4), np.ones((3, 4), np.float32)
    total, dot = session.run(a, b)
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(dot, a.sum(axis=1))
    assert session.info().buckets == (1,)  # rows cannot share a sum
    assert [output.shape for output in session.run(a[:0], b[:0])] == [(0, 4), (0,)]


@pytest.mark.parametrize("exported", [1, 10])
@pytest.mark.parametrize("rows", [1, 2, 8])
def test_a_baked_batch_is_freed(tmp_path: Path, open_session: Open, device: str, rows: int, exported: int) -> None:
    session = open_session(baked_network(tmp_path / "n.onnx", exported), device=device, buckets=(rows,))
    assert session.info().buckets == (rows,)
    x = np.random.default_rng(1).normal(size=(rows, 2, 3)).astype(np.float32)
    weights = np.arange(12).reshape(6, 2) - 5
    np.testing.assert_allclose(session.run(x)[0], x.reshape(rows, 6) @ weights, atol=1e-4)


def test_blocks_of_quantized_weights(tmp_path: Path, open_session: Open, device: str) -> None:
    path, weights, bias = quantized_network(tmp_path / "n.onnx")
    session = open_session(path, device=device, buckets=(1, 2))
    assert session.inputs == ("x",)
    x = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    np.testing.assert_allclose(session.run(x)[0], x @ weights + bias, rtol=1e-5, atol=1e-3)


@pytest.mark.full
@pytest.mark.parametrize("mode", ["latency", "throughput"])
@pytest.mark.parametrize(("kept", "calls"), [(16, 25), (2, 4)])
def test_many_threads_at_once(
    tmp_path: Path,
    open_session: Open,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    mode: str,
    kept: int,
    calls: int,
) -> None:
    # With few kept, networks are dropped while others run them.
    monkeypatch.setattr(openvino, "_SHAPES_KEPT", kept)
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY, device=device, threads=2, mode=mode)
    wrong: list[str] = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(calls):
            sides = random.choice([4, 8, 12], 2)
            x = random.integers(0, 256, (int(random.integers(0, 5)), *sides, 3), np.uint8)
            if not np.array_equal(session.run(x)[0], x.transpose(0, 3, 1, 2)):
                wrong.append(f"thread {seed}: {x.shape}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((1, 8, 8, 3), np.float32), "uint8"),
        (np.zeros((8, 8, 3), np.uint8), r"N x any x any x 3, not \(8, 8, 3\)"),
        (np.zeros((1, 3, 8, 8), np.uint8), "N x any x any x 3"),
        (np.zeros((1, 8, 10, 3), np.uint8), "multiples of 4, not 8 x 10"),
        (np.zeros((1, 0, 8, 3), np.uint8), "multiples of 4"),
    ],
)
def test_what_a_picture_may_not_be(tmp_path: Path, open_session: Open, device: str, x: np.ndarray, said: str) -> None:
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY, device=device)
    with pytest.raises(ShapeMismatch, match=said):
        session.run(x)


def test_inputs_that_do_not_fit_each_other(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(sum_network(tmp_path / "n.onnx"), device=device)
    with pytest.raises(ShapeMismatch, match="takes 2 inputs, not 1"):
        session.run(np.zeros((1, 4)))
    with pytest.raises(ShapeMismatch, match="inputs of 2 and of 3 rows"):
        session.run(np.zeros((2, 4)), np.zeros((3, 4)))
    with pytest.raises(ShapeMismatch, match=r"a takes N x 4, not \(2, 5\)"):
        session.run(np.zeros((2, 5)), np.zeros((2, 4)))


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"not a network", b"\x08\x07\x12\x00"])
def test_a_file_that_is_no_network(tmp_path: Path, open_session: Open, device: str, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx") as raised:
        open_session(path, device=device)
    assert "\n" not in str(raised.value)


def test_a_truncated_network(tmp_path: Path, open_session: Open, device: str) -> None:
    path = baked_network(tmp_path / "n.onnx")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"n\.onnx"):
        open_session(path, device=device)


def test_an_operation_that_nobody_knows(tmp_path: Path, open_session: Open, device: str) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    path = write(tmp_path / "n.onnx", [node], {"x": ["n", 4]}, {"y": ["n", 4]})
    path.write_bytes(path.read_bytes().replace(b"Relu", b"Rely"))
    with pytest.raises(ModelError, match=r"n\.onnx .*Rely"):
        open_session(path, device=device)


def test_a_network_that_fails_while_it_runs(tmp_path: Path, open_session: Open, device: str) -> None:
    """Two numbers that are not zero are wanted, which only the run can tell."""
    nodes = [
        helper.make_node("NonZero", ["x"], ["at"]),
        helper.make_node("Cast", ["at"], ["real"], to=1),
        helper.make_node("Reshape", ["real", "shape"], ["y"]),
    ]
    shape = {"shape": np.array([1, 4], np.int64)}
    path = write(tmp_path / "n.onnx", nodes, {"x": [1, 3]}, {"y": [1, 4]}, shape)
    session = open_session(path, device=device)
    np.testing.assert_array_equal(session.run(np.array([[5, 0, 5]]))[0], [[0, 0, 0, 2]])
    with pytest.raises(ModelError, match=r"^n\.onnx failed while it ran: .*[^.]\.$") as raised:
        session.run(np.ones((1, 3)))
    assert "\n" not in str(raised.value)
    np.testing.assert_array_equal(session.run(np.array([[0, 5, 5]]))[0], [[0, 0, 1, 2]])


def test_a_closed_session_says_so(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(sum_network(tmp_path / "n.onnx"), device=device)
    session.close()
    session.close()
    with pytest.raises(MienError, match="closed"):
        session.run(np.zeros((1, 4)), np.zeros((1, 4)))


def test_info_is_what_runs(tmp_path: Path, open_session: Open, device: str) -> None:
    session = open_session(sum_network(tmp_path / "n.onnx"), device=device, threads=2, mode="throughput")
    info = session.info()
    assert (info.device, info.threads, info.streams, info.precision) == (device, 2, 2, "f32")
    assert info.backend == {"cpu": "openvino", "onnx-cpu": "onnxruntime"}[device]
    assert session.device == device
    assert info.version[0].isdecimal()
    assert info.device_name
