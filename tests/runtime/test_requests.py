"""What the requests of a network do after an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.conftest import Open
from tests.runtime.networks import sum_network


@pytest.mark.parametrize("mode", ["latency", "throughput"])
def test_a_session_works_on_after_an_error(
    tmp_path: Path, open_session: Open, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    session: Any = open_session(sum_network(tmp_path / "n.onnx"), threads=2, mode=mode)
    a, b = np.arange(24.0).reshape(6, 4), np.ones((6, 4))
    session.run(a, b)
    with monkeypatch.context() as patch:
        for network in session._networks.values():
            for request in network._requests:
                patch.setattr(request, "_outputs", [])  # as if the copying failed
        with pytest.raises(ValueError, match="zip"):
            session.run(a, b)
    for _ in range(3):
        np.testing.assert_array_equal(session.run(a, b)[0], a + b)
