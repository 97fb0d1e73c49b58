"""What a runner is given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import CardError, DeviceUnavailable, ModelError, UsageError
from mien.runtime.bundle import Bundle
from mien.runtime.session import Session
from tests.runtime.networks import sum_network

Make = Callable[..., Bundle]


def test_a_session_is_made_once(tmp_path: Path, bundle: Make) -> None:
    made = bundle(sum_network(tmp_path / "n.onnx"))
    assert made.info() == {}
    sessions: list[Session] = []
    threads = [threading.Thread(target=lambda: sessions.append(made.session("model"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, sessions))) == 1
    assert made.info()["model"].device == "cpu"
    assert made.path("model") == tmp_path / "n.onnx"


def test_a_file_that_the_card_does_not_have(tmp_path: Path, bundle: Make) -> None:
    made = bundle(sum_network(tmp_path / "n.onnx"))
    with pytest.raises(CardError, match="tiny has no file 'mask'; it has model"):
        made.session("mask")


def test_a_closed_bundle(tmp_path: Path, bundle: Make) -> None:
    made = bundle(sum_network(tmp_path / "n.onnx"))
    session = made.session()
    made.close()
    with pytest.raises(UsageError, match="closed"):
        made.session()
    with pytest.raises(UsageError, match="closed"):
        session.run(np.ones((1, 4)), np.ones((1, 4)))
    assert made.info() == {}


def test_auto_takes_the_cpu_for_what_onnx_runtime_cannot_read(tmp_path: Path, bundle: Make) -> None:
    path = tmp_path / "n.tflite"
    path.write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"n\.tflite"):
        bundle(path, device="auto").session()
    with pytest.raises(DeviceUnavailable, match="device='cpu'"):
        bundle(path, device="onnx-cpu").session()
