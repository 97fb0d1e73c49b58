"""Values inside of a network as further outputs, under both back ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ModelError
from mien.runtime.onnx import OnnxSession
from mien.runtime.openvino import OpenVinoSession
from mien.runtime.session import SessionOptions, resolve_device
from tests.runtime.networks import sum_network

BACKENDS = [(OpenVinoSession, "cpu"), (OnnxSession, "onnx-cpu")]
Maker = type[OpenVinoSession] | type[OnnxSession]


@pytest.mark.parametrize(("maker", "device"), BACKENDS)
def test_an_inner_value_comes_behind_the_outputs(maker: Maker, device: str, tmp_path: Path) -> None:
    path = sum_network(tmp_path / "sum.onnx")
    options = SessionOptions(threads=1, cache_dir=tmp_path / "cache")
    plain = maker(path, device=resolve_device(device), options=options)
    session = maker(path, device=resolve_device(device), options=options, inner=["product"])
    assert session.outputs == (*plain.outputs, "product")
    a, b = np.arange(4, dtype=np.float32)[None], np.full((1, 4), 2, np.float32)
    total, dot, product = session.run(a, b)
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(dot, [12])
    np.testing.assert_array_equal(product, a * b)
    assert len(plain.run(a, b)) == 2  # what is kept of one is not taken for the other


@pytest.mark.parametrize(("maker", "device"), BACKENDS)
def test_a_value_that_is_not_there_is_told(maker: Maker, device: str, tmp_path: Path) -> None:
    path = sum_network(tmp_path / "sum.onnx")
    with pytest.raises(ModelError, match="no inner value 'nothing'"):
        maker(path, device=resolve_device(device), options=SessionOptions(threads=1), inner=["nothing"])
