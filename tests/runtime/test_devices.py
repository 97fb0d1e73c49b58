"""Device names: what is there, what is not, and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path

import onnxruntime
import pytest

from mien.core.errors import DeviceUnavailable, UsageError
from mien.runtime import session
from mien.runtime.onnx import OnnxSession
from mien.runtime.session import DEVICES, Device, SessionOptions, resolve_device
from tests.runtime.networks import sum_network


def test_auto_says_what_it_chose() -> None:
    assert resolve_device("auto").name in DEVICES


def test_the_processor_is_there() -> None:
    device = resolve_device("cpu")
    assert (device.name, device.backend, device.target) == ("cpu", "openvino", "CPU")
    assert resolve_device("openvino:CPU").target == "CPU"
    assert resolve_device("onnx-cpu").backend == "onnxruntime"
    assert resolve_device("cpu").is_cpu
    assert resolve_device("onnx-cpu").is_cpu
    assert not Device("cuda", "onnxruntime", "CUDAExecutionProvider").is_cpu
    assert not Device("gpu", "openvino", "GPU.0").is_cpu


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
    providers = ["CUDAExecutionProvider", "TensorrtExecutionProvider"]
    monkeypatch.setattr(session, "_onnxruntime_providers", lambda: providers)
    monkeypatch.setattr(session, "_has_distribution", lambda name: True)
    monkeypatch.setattr(session, "_cuda_gpus", lambda: 0)
    for name in ("cuda", "tensorrt"):
        with pytest.raises(DeviceUnavailable, match=name):
            resolve_device(name)
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


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_provider_that_does_not_start_is_not_replaced_by_the_processor(tmp_path: Path) -> None:
    device = Device("cuda", "onnxruntime", "CUDAExecutionProvider")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("it is there")
    with pytest.raises(DeviceUnavailable, match="could not start CUDAExecutionProvider here; it offers CPU"):
        OnnxSession(sum_network(tmp_path / "n.onnx"), device=device, options=SessionOptions(threads=1))


def test_onnx_runtime_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    device = resolve_device("onnx-cpu")
    with pytest.raises(DeviceUnavailable, match=r"pip install 'mien\[cuda\]'"):
        OnnxSession(sum_network(tmp_path / "n.onnx"), device=device, options=SessionOptions(threads=1))
