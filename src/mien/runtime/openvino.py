"""Networks on OpenVINO: CPU, Intel GPU and NPU; from ONNX, TFLite, IR and TensorFlow GraphDef files."""

from __future__ import annotations

import functools
import queue
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError, ShapeMismatch
from mien.models.card import ImageInput, Precision
from mien.runtime.session import Device, SessionInfo, SessionOptions

__all__ = ["OpenVinoSession", "library"]

# How many picture sizes stay compiled in one session: a folder of photos has a few aspect ratios.
_SIZES_KEPT = 8


@functools.cache
def library() -> ModuleType:
    """Import OpenVINO without its telemetry.

    The package reports its own import to its makers over the network unless the telemetry module is absent. It is made
    to look absent for the time of the import only.
    """
    with _import_lock:
        hidden = sys.modules.get("openvino_telemetry")
        if "openvino" not in sys.modules:
            sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            if hidden is not None:
                sys.modules["openvino_telemetry"] = hidden
            elif sys.modules.get("openvino_telemetry", hidden) is None:
                sys.modules.pop("openvino_telemetry", None)
    result: ModuleType = openvino
    return result


_import_lock = threading.Lock()


@functools.cache
def core() -> Any:
    """Return the one OpenVINO core of this process (plugins are loaded once per core)."""
    return library().Core()


class OpenVinoSession:
    """A network on an OpenVINO device (see `mien.runtime.session.Session`).

    Parameters
    ----------
    path
        The network: ``.onnx``, ``.tflite``, ``.xml`` or ``.pb``.
    weights
        The ``.bin`` that belongs to an ``.xml``.
    picture
        How the first input takes its picture; None: all inputs are raw tensors.
    precision
        The lowest precision at which the network is still right.
    device, options
        Where and how it runs.

    Raises
    ------
    ModelError
        OpenVINO cannot read or compile the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        weights: Path | None = None,
        picture: ImageInput | None = None,
        precision: Precision = "f32",
        device: Device,
        options: SessionOptions,
    ) -> None:
        self._path = path
        self._weights = weights
        self._picture = picture
        self._target = device.target
        self._options = options
        self._on_cpu = device.target == "CPU"
        self._precision = _hint(options.precision or precision, device.target)
        self._streams = options.thread_count if self._on_cpu and options.mode == "throughput" else 1
        self._buckets = options.buckets or ((1,) if self._on_cpu else (1, 2, 4, 8, 16))
        self._device = device
        self._networks: OrderedDict[tuple[tuple[int, ...], ...], _Network] = OrderedDict()
        self._lock = threading.Lock()
        model = self._read()
        self.inputs = tuple(_name(port) for port in model.inputs)
        self.outputs = tuple(_name(port) for port in model.outputs)
        # One row of each input, -1 where the network takes any number.
        self._rows = tuple(_dimensions(port.partial_shape)[1:] for port in model.inputs)
        self._types = tuple(port.element_type.to_dtype() for port in model.inputs)

    @property
    def device(self) -> str:
        """Name of the device that runs it."""
        return self._device.name

    @property
    def precision(self) -> str:
        """Precision of the arithmetic."""
        return self._precision

    def info(self) -> SessionInfo:
        """Say what really runs."""
        return SessionInfo(
            backend="openvino",
            version=library().__version__,
            device=self._device.name,
            device_name=core().get_property(self._target, "FULL_DEVICE_NAME"),
            precision=self._precision,
            threads=self._options.thread_count if self._on_cpu else 0,
            streams=self._streams,
            buckets=self._buckets,
        )

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Compute every row (see `mien.runtime.session.Session.run`)."""
        arrays = self._checked(inputs)
        return self._network(tuple(array.shape[1:] for array in arrays)).run(arrays)

    def close(self) -> None:
        """Give the memory back."""
        with self._lock:
            self._networks.clear()

    def _checked(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        name = self._path.name
        if len(inputs) != len(self.inputs):
            raise ShapeMismatch(f"{name} takes {len(self.inputs)} inputs ({', '.join(self.inputs)}), not {len(inputs)}")
        arrays = [np.asarray(array) for array in inputs]
        for index, (array, row, dtype) in enumerate(zip(arrays, self._rows, self._types, strict=True)):
            shape = array.shape[1:]
            if array.ndim != len(row) + 1 or any(want not in (-1, have) for want, have in zip(row, shape, strict=True)):
                wanted = ", ".join("any" if size < 0 else str(size) for size in row)
                raise ShapeMismatch(f"{name}: {self.inputs[index]} takes rows of ({wanted}), not {shape}")
            if len(array) != len(arrays[0]):
                raise ShapeMismatch(f"{name}: inputs of {len(arrays[0])} and {len(array)} rows")
            if index == 0 and self._picture is not None:
                if array.dtype != np.uint8:
                    raise ShapeMismatch(f"{name} takes uint8 pictures, not {array.dtype}")
                if any(size % self._picture.multiple for size in shape[:2]):
                    raise ShapeMismatch(
                        f"{name} takes heights and widths that are multiples of {self._picture.multiple}, "
                        f"not {shape[0]} x {shape[1]}"
                    )
            arrays[index] = array.astype(dtype, copy=False)
        return arrays

    def _network(self, rows: tuple[tuple[int, ...], ...]) -> _Network:
        """Return the network compiled for rows of these shapes; the ones not used for longest are dropped."""
        with self._lock:
            network = self._networks.get(rows)
            if network is None:
                network = _Network(self._compile(rows, 1), self._streams)
                self._networks[rows] = network
                if len(self._networks) > _SIZES_KEPT:
                    self._networks.popitem(last=False)
            self._networks.move_to_end(rows)
        return network

    def _read(self) -> Any:
        """Read the file; pictures are prepared inside the graph, and outputs leave it as float32."""
        ov = library()
        from openvino.preprocess import ColorFormat, PrePostProcessor

        try:
            if self._weights is not None:
                model = core().read_model(self._path, self._weights)
            else:
                model = core().read_model(self._path)
            steps = PrePostProcessor(model)
            if (picture := self._picture) is not None:
                entry = steps.input(0)
                entry.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
                entry.tensor().set_color_format(ColorFormat.RGB)
                entry.model().set_layout(ov.Layout(picture.layout))
                entry.preprocess().convert_element_type(ov.Type.f32)
                if picture.color != "RGB":
                    entry.preprocess().convert_color(getattr(ColorFormat, picture.color))
                if any(picture.mean):
                    entry.preprocess().mean(list(picture.mean))
                if any(value != 1.0 for value in picture.std):
                    entry.preprocess().scale(list(picture.std))
            for index in range(len(model.outputs)):
                steps.output(index).tensor().set_element_type(ov.Type.f32)
            model = steps.build()
            if picture is not None:
                height, width = picture.size or (-1, -1)
                model.reshape({model.inputs[0]: [1, height, width, 3]})
        except RuntimeError as error:
            raise ModelError(f"{self._path.name} cannot be read: {_sentence(error)}") from error
        return model

    def _compile(self, rows: tuple[tuple[int, ...], ...], count: int) -> Any:
        """Compile for `count` rows of these shapes at a time."""
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": self._precision, "PERFORMANCE_HINT": "LATENCY"}
        if self._on_cpu:
            # Pinned threads of two sessions would share one core while another idles.
            config |= {
                "INFERENCE_NUM_THREADS": self._options.thread_count,
                "NUM_STREAMS": self._streams,
                "ENABLE_CPU_PINNING": False,
            }
        model = self._read()
        try:
            model.reshape({port: [count, *row] for port, row in zip(model.inputs, rows, strict=True)})
            return core().compile_model(model, self._target, config)
        except RuntimeError as error:
            raise ModelError(f"{self._path.name} cannot be compiled for {rows}: {_sentence(error)}") from error


class _Network:
    """A compiled network of one row, and as many requests as it has streams."""

    def __init__(self, compiled: Any, streams: int) -> None:
        self._idle: queue.LifoQueue[_Request] = queue.LifoQueue()
        for _ in range(streams):
            self._idle.put(_Request(compiled.create_infer_request()))
        # Some exports leave the row axis out of an output.
        shapes = [tuple(port.shape) for port in compiled.outputs]
        self._shapes = [shape[1:] if shape[:1] == (1,) else shape for shape in shapes]

    def run(self, inputs: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        rows = len(inputs[0])
        results = tuple(np.empty((rows, *shape), np.float32) for shape in self._shapes)
        running: deque[tuple[_Request, int]] = deque()
        try:
            for row in range(rows):
                request = self._free(running, results)
                running.append((request, row))
                request.start(inputs, row)
            while running:
                self._collect(running, results)
        finally:
            for request, _ in running:  # only after an error
                self._idle.put(request)
        return results

    def _free(self, running: deque[tuple[_Request, int]], results: tuple[NDArray[Any], ...]) -> _Request:
        """Take an idle request. Waits for another caller's only while holding none, or two callers could deadlock."""
        while True:
            try:
                return self._idle.get(block=not running)
            except queue.Empty:
                self._collect(running, results)

    def _collect(self, running: deque[tuple[_Request, int]], results: tuple[NDArray[Any], ...]) -> None:
        request, row = running.popleft()
        try:
            request.finish(results, row)
        finally:
            self._idle.put(request)


class _Request:
    """One infer request and the memory of its inputs and outputs."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._inputs = [tensor.data for tensor in request.input_tensors]
        self._outputs = [tensor.data for tensor in request.output_tensors]

    def start(self, inputs: Sequence[NDArray[Any]], row: int) -> None:
        for memory, array in zip(self._inputs, inputs, strict=True):
            memory[0] = array[row]
        self._request.start_async()

    def finish(self, results: tuple[NDArray[Any], ...], row: int) -> None:
        self._request.wait()
        for result, memory in zip(results, self._outputs, strict=True):
            result[row] = memory.reshape(result.shape[1:])


def _hint(lowest: str, target: str) -> str:
    """Choose the precision: bf16 where the network bears it and the device prefers it, else f32."""
    preferred = str(core().get_property(target, "INFERENCE_PRECISION_HINT").to_string())
    return "bf16" if lowest == "bf16" and preferred == "bf16" else "f32"


def _dimensions(shape: Any) -> tuple[int, ...]:
    return tuple(size.get_length() if size.is_static else -1 for size in shape)


def _name(port: Any) -> str:
    """Return one name of a port, the same in each process."""
    return min(port.names, default="")


def _sentence(error: Exception) -> str:
    """Return the last line that says something: OpenVINO's messages end in the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"
