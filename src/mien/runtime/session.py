"""What every back end offers, how one is asked for, and which device runs it.

No device is ever replaced by another: a name that cannot be had raises `DeviceUnavailable` with the way to get it.
Only ``"auto"`` chooses, and `Session.info` says what it chose.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from numpy.typing import NDArray

from mien.core.errors import DeviceUnavailable, UsageError

__all__ = [
    "DEVICES",
    "Device",
    "DeviceRow",
    "Mode",
    "PrecisionName",
    "Session",
    "SessionInfo",
    "SessionOptions",
    "resolve_device",
]

Backend = Literal["openvino", "onnxruntime"]
Mode = Literal["latency", "throughput"]
PrecisionName = Literal["bf16", "f32"]


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """How networks are run.

    Attributes
    ----------
    device
        ``"auto"``, a name of `DEVICES`, or ``"openvino:NAME"`` for any device that OpenVINO knows. ``"cuda:1"`` is the
        second GPU.
    threads
        CPU threads that one session may keep busy; None: every core that this process may use.
    mode
        ``"latency"``: one call at a time, on all threads together. ``"throughput"``: as many calls, or rows of one
        call, at a time as there are threads, each on one of them.
    precision
        Overrides the model card; ``"f32"`` is always right. None: as low as the card permits and the device likes.
    cache_dir
        Folder for compiled networks; None: compile in each process anew.
    buckets
        Row counts that a network is compiled for; None: what is best on the device.
    """

    device: str = "auto"
    threads: int | None = None
    mode: Mode = "latency"
    precision: PrecisionName | None = None
    cache_dir: Path | None = None
    buckets: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads must be at least 1, not {self.threads}.")
        if self.mode not in get_args(Mode):
            raise UsageError(f"mode must be 'latency' or 'throughput', not {self.mode!r}.")
        if self.precision not in (None, *get_args(PrecisionName)):
            raise UsageError(f"precision must be 'bf16', 'f32' or None, not {self.precision!r}.")
        if self.buckets is not None and (not self.buckets or min(self.buckets) < 1):
            raise UsageError(f"buckets must be row counts of at least 1, not {self.buckets!r}.")

    @property
    def thread_count(self) -> int:
        """`threads`, or the number of cores that this process may use."""
        if self.threads is not None:
            return self.threads
        if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class SessionInfo:
    """What really runs.

    Attributes
    ----------
    backend, version
        ``"openvino"`` or ``"onnxruntime"``, and its version.
    device
        The name under which `SessionOptions.device` would give exactly this device.
    device_name
        The device's own full name.
    precision
        ``"f32"`` or ``"bf16"``: the precision of the arithmetic.
    threads, streams
        CPU threads in use (0: the device has none), and how many rows are computed at the same time.
    buckets
        Row counts that the network is compiled for.
    """

    backend: Backend
    version: str
    device: str
    device_name: str
    precision: str
    threads: int
    streams: int
    buckets: tuple[int, ...]


class Session(Protocol):
    """A network that is ready to run; safe to call from many threads."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of `run`'s arguments."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the order of `run`'s results."""
        ...

    @property
    def device(self) -> str:
        """Name of the device that runs it."""
        ...

    @property
    def precision(self) -> str:
        """``"f32"`` or ``"bf16"``: the precision of the arithmetic."""
        ...

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Compute every row.

        Parameters
        ----------
        *inputs
            One array per input, with the same number of rows (any number, 0 too) on axis 0. Where the model card
            describes a picture, the first is uint8 RGB (N, height, width, 3); others are converted to the type that
            the network takes.

        Returns
        -------
        tuple of ndarray
            One new float32 array per output, rows on axis 0. A row's values do not depend on the rows beside it.

        Raises
        ------
        ShapeMismatch
            Arrays that the network does not take.
        ModelError
            The network failed on them.
        """
        ...

    def info(self) -> SessionInfo:
        """Say what really runs."""
        ...

    def close(self) -> None:
        """Give the memory back; the session cannot be used afterwards. Closing twice is fine."""
        ...


@dataclass(frozen=True)
class Device:
    """One device: its back end, the OpenVINO device or ONNX Runtime provider it is there, and which one of several."""

    name: str
    backend: Backend
    target: str
    index: int = 0

    @property
    def is_cpu(self) -> bool:
        """Whether it is the processor itself, under either back end."""
        return self.target in ("CPU", "CPUExecutionProvider")


@dataclass(frozen=True)
class DeviceRow:
    """A row of the table of devices.

    Attributes
    ----------
    backend, target
        Who runs it, and by which name it knows the device.
    fix
        What to do when the device is not there.
    tested
        Whether our tests have run on it; where not, nobody has.
    counts_gpus
        Whether NVIDIA's driver is asked for GPUs too: the package offers this device without one as well.
    """

    backend: Backend
    target: str
    fix: str
    tested: bool = False
    counts_gpus: bool = False


DEVICES = {
    "cpu": DeviceRow("openvino", "CPU", "this processor cannot run OpenVINO", tested=True),
    "gpu": DeviceRow("openvino", "GPU", "install the driver of the Intel GPU (OpenCL and Level Zero)"),
    "npu": DeviceRow("openvino", "NPU", "install the driver of the Intel NPU"),
    "cuda": DeviceRow(
        "onnxruntime", "CUDAExecutionProvider", "pip install 'mien[cuda]', with CUDA 12 and cuDNN 9", counts_gpus=True
    ),
    "tensorrt": DeviceRow(
        "onnxruntime", "TensorrtExecutionProvider", "pip install 'mien[cuda]', and TensorRT 10", counts_gpus=True
    ),
    "migraphx": DeviceRow("onnxruntime", "MIGraphXExecutionProvider", "pip install onnxruntime-migraphx, with ROCm"),
    "directml": DeviceRow("onnxruntime", "DmlExecutionProvider", "pip install onnxruntime-directml (Windows)"),
    "coreml": DeviceRow("onnxruntime", "CoreMLExecutionProvider", "pip install onnxruntime (macOS)"),
    "onnx-cpu": DeviceRow("onnxruntime", "CPUExecutionProvider", "pip install onnxruntime", tested=True),
}


def resolve_device(name: str) -> Device:
    """Find the device that a name means.

    Parameters
    ----------
    name
        ``"auto"``, a name of `DEVICES`, one with an index (``"cuda:1"``), or ``"openvino:NAME"``.
        ``"auto"`` is CUDA where ONNX Runtime offers it, else the CPU.

    Raises
    ------
    DeviceUnavailable
        It is not there; the message says how to get it.
    UsageError
        No such name.
    """
    if name == "auto":
        # Asking ONNX Runtime takes 0.1 s, so its GPU package must be there before it is asked.
        return (_find("cuda") if _has_distribution("onnxruntime-gpu") else None) or resolve_device("cpu")
    kind, _, rest = name.partition(":")
    if kind == "openvino" and rest:
        devices = _openvino_devices()
        if rest not in devices:
            raise DeviceUnavailable(f"OpenVINO has no device {rest!r} here; it has {', '.join(devices)}.")
        return Device(name, "openvino", rest)
    if kind not in DEVICES or (rest and not rest.isdecimal()):
        raise UsageError(f"no device is called {name!r}; there are auto, {', '.join(DEVICES)}, openvino:NAME.")
    found = _find(kind, int(rest or 0))
    if found is None:
        raise DeviceUnavailable(f"device {name!r} is not there: {DEVICES[kind].fix}; or use device='cpu'.")
    return found


def _find(kind: str, index: int = 0) -> Device | None:
    row = DEVICES[kind]
    name = f"{kind}:{index}" if index else kind
    if row.backend == "onnxruntime":
        there = row.target in _onnxruntime_providers()
        if row.counts_gpus:
            there = there and index < _cuda_gpus()
        return Device(name, row.backend, row.target, index) if there else None
    # OpenVINO calls a lone GPU "GPU" and several of them "GPU.0", "GPU.1".
    for target in (f"{row.target}.{index}", *([row.target] if index == 0 else [])):
        if target in _openvino_devices():
            return Device(name, row.backend, target)
    return None


def _has_distribution(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _openvino_devices() -> list[str]:
    from mien.runtime.openvino import core

    devices: list[str] = core().available_devices
    return devices


def _onnxruntime_providers() -> list[str]:
    try:
        import onnxruntime
    except ImportError:
        return []
    providers: list[str] = onnxruntime.get_available_providers()
    return providers


def _cuda_gpus() -> int:
    """Count NVIDIA GPUs by asking the driver itself."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
