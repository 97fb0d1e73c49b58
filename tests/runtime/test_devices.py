"""Device names: what is there, what is not, and what is said about it."""

from __future__ import annotations

import pytest

from mien.core.errors import DeviceUnavailable, UsageError
from mien.runtime import session
from mien.runtime.session import DEVICES, SessionOptions, resolve_device


def test_auto_says_what_it_chose() -> None:
    assert resolve_device("auto").name in DEVICES


def test_the_processor_is_there() -> None:
    device = resolve_device("cpu")
    assert (device.name, device.backend, device.target) == ("cpu", "openvino", "CPU")
    assert resolve_device("openvino:CPU").target == "CPU"
    assert resolve_device("onnx-cpu").backend == "onnxruntime"


def test_a_missing_device_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_onnxruntime_providers", list)
    monkeypatch.setattr(session, "_openvino_devices", lambda: ["CPU"])
    with pytest.raises(DeviceUnavailable, match=r"'cuda' is not there: pip install 'mien\[cuda\]'"):
        resolve_device("cuda")
    for name in set(DEVICES) - {"cpu"}:
        with pytest.raises(DeviceUnavailable, match="is not there"):
            resolve_device(name)
    with pytest.raises(DeviceUnavailable, match="'cpu:3' is not there"):
        resolve_device("cpu:3")
    with pytest.raises(DeviceUnavailable, match="no device 'GPU' here; it has CPU"):
        resolve_device("openvino:GPU")


def test_cuda_needs_a_gpu_and_not_just_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_onnxruntime_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(session, "_has_distribution", lambda name: True)
    monkeypatch.setattr(session, "_cuda_gpus", lambda: 0)
    with pytest.raises(DeviceUnavailable, match="cuda"):
        resolve_device("cuda")
    assert resolve_device("auto").name == "cpu"
    monkeypatch.setattr(session, "_cuda_gpus", lambda: 2)
    assert resolve_device("auto").name == "cuda"
    assert resolve_device("cuda:1").index == 1
    with pytest.raises(DeviceUnavailable, match="cuda:2"):
        resolve_device("cuda:2")


def test_one_gpu_and_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_openvino_devices", lambda: ["CPU", "GPU"])
    assert resolve_device("gpu").target == "GPU"
    monkeypatch.setattr(session, "_openvino_devices", lambda: ["CPU", "GPU.0", "GPU.1"])
    assert [resolve_device(name).target for name in ("gpu", "gpu:1")] == ["GPU.0", "GPU.1"]


@pytest.mark.parametrize("name", ["", "tpu", "cuda:x", "openvino:", "CPU"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(UsageError, match="no device is called"):
        resolve_device(name)


@pytest.mark.parametrize(
    "wrong", [{"threads": 0}, {"mode": "fast"}, {"precision": "int8"}, {"buckets": ()}, {"buckets": (0, 1)}]
)
def test_wrong_options(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SessionOptions(**wrong)


def test_threads_default_to_the_cores_that_are_ours() -> None:
    assert SessionOptions().thread_count >= 1
    assert SessionOptions(threads=3).thread_count == 3
