"""Networks on ONNX Runtime: CUDA and its other providers.

Its CPU provider is there for comparison; OpenVINO is faster on a CPU.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import DeviceUnavailable, ModelError, UsageError
from mien.models.card import ImageInput
from mien.runtime.batching import cuts
from mien.runtime.mending import mended_onnx
from mien.runtime.session import Device, SessionInfo, SessionOptions
from mien.runtime.signature import Signature

__all__ = ["OnnxSession", "prepare"]

_TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(uint8)": "uint8"}

# Brightness as ITU-R BT.601 weighs red, green and blue: what OpenVINO's graphs do.
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)


def prepare(pictures: NDArray[np.uint8], picture: ImageInput) -> NDArray[np.float32]:
    """Make of pictures what a network wants.

    Parameters
    ----------
    pictures
        uint8 RGB, (N, height, width, 3).
    picture
        What is wanted.

    Returns
    -------
    ndarray
        float32, (N, C, height, width) or (N, height, width, C).
    """
    values: NDArray[np.float32] = pictures.astype(np.float32)
    if picture.color == "BGR":
        values = values[..., ::-1]
    elif picture.color == "GRAY":
        values = (values * _GRAY).sum(axis=-1, keepdims=True)
    values = values - np.array(picture.mean, np.float32)
    values /= np.array(picture.std, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if picture.layout == "NCHW" else values)


class OnnxSession:
    """A network on an ONNX Runtime provider (see `mien.runtime.session.Session`). It computes in float32.

    Parameters
    ----------
    path
        The ``.onnx`` file.
    picture
        How the first input takes its picture; None: all inputs are raw tensors.
    device, options
        Where and how it runs.
    inner
        Names of values inside of the network to give as further outputs.

    Raises
    ------
    ModelError
        ONNX Runtime cannot read the file, or it has no such inner value.
    DeviceUnavailable
        The provider did not take the network, or a package is missing.
    """

    def __init__(
        self,
        path: Path,
        *,
        picture: ImageInput | None = None,
        device: Device,
        options: SessionOptions,
        inner: Sequence[str] = (),
    ) -> None:
        self._picture = picture
        self._device = device
        self._threads = options.thread_count
        calls = options.thread_count if options.mode == "throughput" else 1
        self._turns = threading.BoundedSemaphore(calls)
        self._streams = calls
        self._session = _open(path, picture, device, options.thread_count // calls, inner)
        self._signature = self._read_signature(path.name)
        self._buckets = options.buckets or (1, 2, 4, 8)
        if not self._takes_batches():
            self._buckets = (1,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self._signature.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self._signature.outputs

    @property
    def device(self) -> str:
        """Name of the device that runs it."""
        return self._device.name

    @property
    def precision(self) -> str:
        """Precision of the arithmetic."""
        return "f32"

    def info(self) -> SessionInfo:
        """Say what really runs."""
        import onnxruntime

        return SessionInfo(
            backend="onnxruntime",
            version=onnxruntime.__version__,
            device=self.device,
            device_name=f"{self._device.target} {self._device.index}",
            precision=self.precision,
            threads=self._threads,
            streams=self._streams,
            buckets=self._buckets,
        )

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Compute every row (see `mien.runtime.session.Session.run`)."""
        arrays = self._signature.check(inputs, self._picture)
        parts = []
        for bucket, start, stop in cuts(len(arrays[0]), self._buckets):
            # With no rows one row of padding still tells the shapes.
            for first in range(start, max(stop, start + 1), bucket):
                last = min(first + bucket, stop)
                parts.append([column[: last - first] for column in self._run([a[first:last] for a in arrays], bucket)])
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def close(self) -> None:
        """Give the memory back."""
        self._session = None

    def _run(self, arrays: list[NDArray[Any]], bucket: int) -> list[NDArray[Any]]:
        """Compute up to `bucket` rows, padded to that many."""
        padded = [np.concatenate([a, np.zeros((bucket - len(a), *a.shape[1:]), a.dtype)]) for a in arrays]
        if self._picture is not None:
            padded[0] = prepare(padded[0], self._picture)
        with self._turns:
            session = self._session  # one look: another thread may close it meanwhile
            if session is None:
                raise UsageError(f"the session of {self._signature.name} is closed.")
            names = self._signature.inputs
            try:
                outputs = session.run(None, dict(zip(names, padded, strict=True)))
            except _errors() as error:
                raise ModelError(f"{self._signature.name} failed while it ran: {_reason(error)}.") from error
        # Some exports leave the row axis out of an output.
        columns = [np.asarray(output, np.float32) for output in outputs]
        return [column if column.shape[:1] == (bucket,) else column[np.newaxis] for column in columns]

    def _read_signature(self, name: str) -> Signature:
        ports = self._session.get_inputs()
        shapes = [tuple(size if isinstance(size, int) else -1 for size in port.shape[1:]) for port in ports]
        types = [_TYPES.get(port.type, "float32") for port in ports]
        if self._picture is not None:
            shapes[0] = (*(self._picture.size or (-1, -1)), 3)
            types[0] = "uint8"
        return Signature(
            name=name,
            inputs=tuple(port.name for port in ports),
            shapes=tuple(shapes),
            types=tuple(types),
            outputs=tuple(port.name for port in self._session.get_outputs()),
            batches=True,
        )

    def _takes_batches(self) -> bool:
        """Try whether two rows go in and come out together."""
        side = 64 if self._picture is None else self._picture.multiple * -(-64 // self._picture.multiple)
        rows = [tuple(side if size < 0 else size for size in shape) for shape in self._signature.shapes]
        arrays = [np.zeros((2, *row), kind) for row, kind in zip(rows, self._signature.types, strict=True)]
        if self._picture is not None:
            arrays[0] = prepare(arrays[0], self._picture)
        try:
            outputs = self._session.run(None, dict(zip(self._signature.inputs, arrays, strict=True)))
        except _errors():
            return False
        return all(output.shape[:1] == (2,) for output in outputs)


def _open(path: Path, picture: ImageInput | None, device: Device, threads: int, inner: Sequence[str]) -> Any:
    """Make the library's own session, on the provider asked for and no other."""
    try:
        import onnxruntime

        network = mended_onnx(path, picture, inner)
    except ImportError as error:
        raise DeviceUnavailable(f"device {device.name!r} needs a package: pip install 'mien[cuda]'.") from error
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    # Waiting threads sleep, so that the threads counted are the threads used.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    choices = {} if device.is_cpu else {"device_id": str(device.index)}
    try:
        session = onnxruntime.InferenceSession(network, settings, providers=[(device.target, choices)])
    except _errors() as error:
        raise ModelError(f"{path.name} cannot run on {device.name}: {_reason(error)}.") from error
    session.disable_fallback()
    if session.get_providers()[0] != device.target:
        raise DeviceUnavailable(
            f"ONNX Runtime could not start {device.target} here; it offers {', '.join(session.get_providers())}."
        )
    return session


def _reason(error: Exception) -> str:
    """Return the line of an ONNX Runtime error that says most: the first one."""
    return next(iter(str(error).splitlines()), "no reason given")[:300].rstrip(". ")


def _errors() -> tuple[type[Exception], ...]:
    """Return all that ONNX Runtime raises of its own (its errors share no base class)."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    return tuple(kind for kind in kinds if issubclass(kind, Exception))
