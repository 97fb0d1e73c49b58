"""dlib's files of networks: written here by the rules, read, spoiled, and the real one against dlib's own numbers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ModelError
from mien.runtime.dlib_weights import read_dlib
from mien.runtime.graphs import dlib_resnet
from mien.runtime.openvino import library
from mien.runtime.weights import read_weights
from tests.shared import open_bundle

Floats = NDArray[np.float32]

EMPTY = bytes([1, 2, 1, 0, 1, 0, 1, 0, 1, 0])  # a tensor of nothing


def integer(value: int) -> bytes:
    length = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(length, "little")


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def tensor(values: Floats, *sizes: int) -> bytes:
    return integer(2) + b"".join(map(integer, sizes)) + values.astype("<f4").tobytes()


def view(*sizes: int) -> bytes:
    return integer(1) + b"".join(map(integer, sizes))


def number(digits: int, exponent: int) -> bytes:
    return integer(digits) + integer(exponent)


WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
DENSE = np.arange(6, dtype=np.float32).reshape(2, 3)  # inputs, outputs
RATES = number(16, -4) * 4


def network() -> bytes:
    """One convolution, its affine layer and a dense one."""
    head = integer(1) + text("loss_metric_2") + number(1, -5) + number(5, -3) + integer(2) * 7 + integer(3)
    head += text("input_rgb_image_sized") + number(123, 0) * 3 + integer(150) + integer(150)
    after = b"110" + EMPTY * 3
    con = text("con_4") + tensor(np.append(WEIGHT.ravel(), [7, 8]), 26, 1, 1, 1)
    con += b"".join(map(integer, (2, 2, 2, 1, 1, 0, 0))) + view(2, 3, 2, 2) + view(1, 2, 1, 1) + RATES + after
    affine = text("affine_") + tensor(np.array([1, 2, 3, 4], np.float32), 1, 4, 1, 1)
    affine += view(1, 2, 1, 1) + view(1, 2, 1, 1) + integer(0) + after
    dense = text("fc_2") + integer(3) + integer(2) + tensor(DENSE, 2, 3, 1, 1) + view(2, 3, 1, 1) + view(0, 0, 0, 0)
    dense += integer(1) + RATES + after
    return head + con + integer(1) + affine + text("relu_") + after + dense


def write(folder: Path, content: bytes) -> Path:
    path = folder / "net.dat"
    path.write_bytes(content)
    return path


def test_every_layer_is_read(tmp_path: Path) -> None:
    found = read_dlib(write(tmp_path, network()))
    assert list(found) == [
        "con.0.weight",
        "con.0.bias",
        "affine.0.scale",
        "affine.0.shift",
        "fc.0.weight",
    ]
    np.testing.assert_array_equal(found["con.0.weight"], WEIGHT)
    np.testing.assert_array_equal(found["con.0.bias"], [7, 8])
    np.testing.assert_array_equal(found["affine.0.shift"], [3, 4])
    np.testing.assert_array_equal(found["fc.0.weight"], DENSE.T)
    assert list(read_weights(write(tmp_path, network()))) == list(found)


def test_a_file_that_ends_early(tmp_path: Path) -> None:
    whole = network()
    for length in range(0, len(whole), 7):
        with pytest.raises(ModelError, match=r"net\.dat is no embedding network"):
            read_dlib(write(tmp_path, whole[:length]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.integers(0, len(network()) - 1), st.integers(0, 255))
def test_no_byte_makes_anything_but_weights_or_an_error(tmp_path: Path, place: int, value: int) -> None:
    spoiled = bytearray(network())
    spoiled[place] = value
    try:
        found = read_dlib(write(tmp_path, bytes(spoiled)))
    except ModelError:
        return
    assert sum(array.size for array in found.values()) <= len(spoiled)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (text("loss_metric_2"), text("loss_metric_3"), "its loss is another"),
        (text("input_rgb_image_sized"), text("input_rgb_image_pyram"), "its input is another"),
        (text("relu_"), text("htan_"), "unknown kind 'htan_'"),
        (view(2, 3, 2, 2), view(2, 3, 2, 3), "not as large as it is"),
        (struct.pack("<f", 7), struct.pack("<f", float("nan")), "no numbers"),
        (number(123, 0), number(123, 1101), "a number that is none"),
    ],
)
def test_another_network_is_refused(tmp_path: Path, old: bytes, new: bytes, why: str) -> None:
    assert old in network()
    with pytest.raises(ModelError, match=why):
        read_dlib(write(tmp_path, network().replace(old, new, 1)))


def test_what_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no embedding network"):
        read_dlib(write(tmp_path, b"PK\x03\x04 something else"))
    with pytest.raises(ModelError, match="cannot be read"):
        read_dlib(tmp_path / "missing.dat")
    library()
    with pytest.raises(ModelError, match="the network needs float32"):
        dlib_resnet.build(read_dlib(write(tmp_path, network())))


def test_a_number_beyond_every_double_that_nobody_needs(tmp_path: Path) -> None:
    large = network().replace(number(123, 0), number(123, 1100), 1)
    assert list(read_dlib(write(tmp_path, large))) == list(read_dlib(write(tmp_path, network())))


def test_factors_that_are_not_those_of_the_filters(tmp_path: Path) -> None:
    tensors = read_dlib(write(tmp_path, network()))
    with pytest.raises(ModelError, match="layer 0 of the weights has 2 filters"):
        dlib_resnet.build(tensors | {"affine.0.scale": np.ones(3, np.float32)})


@pytest.mark.weights
def test_the_vector_is_that_of_dlib() -> None:
    """dlib 20.0.1 (dlib-bin) of the same chip: its first numbers, and the vector's length."""
    y, x = np.mgrid[:150, :150]
    chip = np.stack([x * 255 // 149, y * 255 // 149, x * y // 90 % 256], axis=-1).astype(np.uint8)
    session = open_bundle("dlib-resnet", precision="f32").session()
    (one,), (many,) = session.run(chip[None]), session.run(np.stack([chip] * 3))
    theirs = [-0.0501, 0.11898, 0.0571, 0.01281, -0.05815, -0.04657, -0.07479, -0.00886, 0.10125, 0.00632]
    np.testing.assert_allclose(one[0, :10], theirs, atol=2e-5)
    assert np.linalg.norm(one[0]) == pytest.approx(1.3038640, abs=1e-5)
    np.testing.assert_array_equal(many, np.repeat(one, 3, axis=0))
    (rough,) = open_bundle("dlib-resnet").session().run(chip[None])
    assert float(one[0] @ rough[0] / np.linalg.norm(one) / np.linalg.norm(rough)) >= 0.999
