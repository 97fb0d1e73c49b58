"""TensorFlow's frozen graphs (``.pb``): one written by hand, TensorFlow not being here, and a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DeviceUnavailable, ModelError
from mien.models.card import ImageInput
from tests.runtime.conftest import Open
from tests.shared import WEIGHTS


def _field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer: a whole number below 128 (or -1), or up to 16,383 bytes."""
    if isinstance(value, bytes):
        return bytes([number << 3 | 2, len(value) & 127 | 128, len(value) >> 7]) + value
    return bytes([number << 3]) + (b"\xff" * 9 + b"\1" if value == -1 else bytes([value]))


def _node(name: bytes, operation: bytes, inputs: list[bytes], attributes: dict[bytes, bytes]) -> bytes:
    """A NodeDef as a field of a GraphDef."""
    content = _field(1, name) + _field(2, operation) + b"".join(_field(3, entry) for entry in inputs)
    content += b"".join(_field(5, _field(1, key) + _field(2, value)) for key, value in attributes.items())
    return _field(1, content)


FLOAT = _field(6, 1)  # AttrValue.type = DT_FLOAT


def relu_network(path: Path) -> Path:
    """Write a graph of one input (N, 3) and one output, ``max(x, 0)``."""
    shape = _field(7, b"".join(_field(2, _field(1, size)) for size in (-1, 3)))
    graph = _node(b"x", b"Placeholder", [], {b"dtype": FLOAT, b"shape": shape})
    graph += _node(b"y", b"Relu", [b"x"], {b"T": FLOAT})
    path.write_bytes(graph + _field(4, _field(1, 27)))  # versions.producer
    return path


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_graph_written_by_hand(tmp_path: Path, open_session: Open, rows: int) -> None:
    session = open_session(relu_network(tmp_path / "n.pb"), device="auto")
    x = np.arange(3 * rows, dtype=np.float32).reshape(rows, 3) - 4
    np.testing.assert_array_equal(session.run(x)[0], np.maximum(x, 0))
    assert len(session.inputs) == len(session.outputs) == 1


def test_what_cannot_be_read(tmp_path: Path, open_session: Open) -> None:
    path = relu_network(tmp_path / "n.pb")
    with pytest.raises(DeviceUnavailable, match=r"n\.pb: it is no ONNX file"):
        open_session(path, device="onnx-cpu")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelError, match=r"n\.pb"):
        open_session(path)


@pytest.mark.skipif(not (WEIGHTS / "lightqnet-dm025.pb").exists(), reason="no folder of shared weights")
def test_a_real_graph(open_session: Open) -> None:
    """LightQNet: the quality of an aligned face of 96 x 96 pixels, one number each."""
    picture = ImageInput(layout="NHWC", color="RGB", size=(96, 96), multiple=1, mean=(127.5,) * 3, std=(128.0,) * 3)
    session = open_session(WEIGHTS / "lightqnet-dm025.pb", picture)
    x = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), np.uint8)
    (quality,) = session.run(x)
    assert quality.shape == (3, 1)
    assert np.isfinite(quality).all()
    np.testing.assert_allclose(session.run(x[1:2])[0], quality[1:2], atol=1e-6)
