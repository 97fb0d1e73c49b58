"""Networks on OpenVINO: CPU, Intel GPU and NPU; from ONNX, TFLite, IR and TensorFlow GraphDef files, and weights."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError, UsageError
from mien.models.card import ImageInput, Precision
from mien.runtime.batching import cuts
from mien.runtime.cache import CompileCache, digest
from mien.runtime.fusing import convolve_before_enlarging, join_siblings, widen_groups
from mien.runtime.graphs import find_graph
from mien.runtime.mending import free_batch, give_inner, read_network, spread_input
from mien.runtime.requests import Network
from mien.runtime.session import Device, SessionInfo, SessionOptions
from mien.runtime.signature import Signature
from mien.runtime.weights import read_weights

__all__ = ["OpenVinoSession", "core", "library"]

# Compiled networks are kept for so many shapes at a time: a folder of photos has a few aspect ratios.
_SHAPES_KEPT = 16
# Part of the key of everything kept on disk: count up when the way a network is read or mended changes.
_CACHE_VERSION = 4

Rows = tuple[tuple[int, ...], ...]


@functools.cache
def library() -> ModuleType:
    """Import OpenVINO, without letting it report that to its makers.

    The package sends a message over the network on import, unless its telemetry module is missing. So it is hidden
    for as long as the import takes.
    """
    name = "openvino_telemetry"
    if "openvino" in sys.modules or name in sys.modules:
        import openvino
    else:
        sys.modules[name] = None  # type: ignore[assignment]  # makes "import" of it fail
        try:
            import openvino
        finally:
            sys.modules.pop(name, None)
    return cast("ModuleType", openvino)


@functools.cache
def core() -> Any:
    """Return the OpenVINO core of this process: each core loads its plugins anew."""
    return library().Core()


class OpenVinoSession:
    """A network on an OpenVINO device (see `mien.runtime.session.Session`).

    On the CPU rows are computed one by one: batches of small networks are slower there, and one row alone cannot
    depend on its neighbours. Each shape of picture is compiled for itself, which takes milliseconds once it is in the
    cache, and runs faster than a network that takes any shape.

    Parameters
    ----------
    path
        The network: ``.onnx``, ``.tflite``, ``.xml`` or ``.pb``; or weights, with a `graph`.
    weights
        The ``.bin`` that belongs to an ``.xml``.
    graph
        For a `path` to plain weights: the function that draws the network, see `mien.runtime.graphs`.
    picture
        How the first input takes its picture; None: all inputs are raw tensors.
    precision
        The lowest precision at which the network is still right.
    device, options
        Where and how it runs.
    hashes
        SHA-256 of `path` and `weights`, as hex, where the caller has just checked them; else both are read for it.
    inner
        Names of values inside of the network to give as further outputs.
    spread
        Whether each layer that reads the input gets a row of its own (see `mien.runtime.mending.spread_input`).

    Raises
    ------
    ModelError
        OpenVINO cannot read or compile the file, it has no such inner value or no input to
        spread, or the weights are not those of the graph.
    CardError
        The graph cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        *,
        weights: Path | None = None,
        graph: str | None = None,
        picture: ImageInput | None = None,
        precision: Precision = "f32",
        device: Device,
        options: SessionOptions,
        hashes: Sequence[str] = (),
        inner: Sequence[str] = (),
        spread: bool = False,
    ) -> None:
        self._path = path
        self._weights = weights
        self._graph = find_graph(graph) if graph else None
        self._picture = picture
        self._inner = tuple(inner)
        self._spread = spread
        self._device = device
        self._options = options
        self._on_cpu = device.is_cpu
        self._threads = options.thread_count if self._on_cpu else 0
        self._lowest = options.precision or precision
        self._cache = CompileCache(options.cache_dir)
        hashes = hashes or [digest(file) for file in (path, weights) if file is not None]
        drawn = [self._graph.name, self._graph.version] if self._graph else []
        self._key = [_CACHE_VERSION, library().__version__, *hashes, repr(picture), *drawn, *self._inner]
        self._key += ["spread"] if spread else []
        self._networks: OrderedDict[tuple[Rows, int, int], Network] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._closed = False
        self._signature = self._read_signature()
        default = (1,) if self._on_cpu else (1, 2, 4, 8)
        self._buckets = (options.buckets or default) if self._signature.batches else (1,)
        if self._signature.rows is not None:
            self._network(self._signature.rows, min(self._buckets), self._streams(1))

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

    @functools.cached_property
    def precision(self) -> str:
        """Precision of the arithmetic: bf16 where the network bears it and the device would choose it, else f32."""
        chosen = core().get_property(self._device.target, "INFERENCE_PRECISION_HINT").get_type_name()
        return "bf16" if self._lowest == "bf16" and chosen == "bf16" else "f32"

    def info(self) -> SessionInfo:
        """Say what really runs."""
        return SessionInfo(
            backend="openvino",
            version=library().__version__,
            device=self._device.name,
            device_name=core().get_property(self._device.target, "FULL_DEVICE_NAME"),
            precision=self.precision,
            threads=self._threads,
            streams=self._streams(self._threads),
            buckets=self._buckets,
        )

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Compute every row (see `mien.runtime.session.Session.run`)."""
        arrays = self._signature.check(inputs, self._picture)
        rows: Rows = tuple(array.shape[1:] for array in arrays)
        if self._options.mode == "throughput":
            return self._run(arrays, rows, self._streams(1))
        with self._turn:
            return self._run(arrays, rows, self._streams(len(arrays[0])))

    def close(self) -> None:
        """Give the memory back."""
        with self._lock:
            self._closed = True
            self._networks.clear()

    def _run(self, arrays: list[NDArray[Any]], rows: Rows, streams: int) -> tuple[NDArray[Any], ...]:
        together = self._options.mode == "latency"
        parts = []
        for bucket, start, stop in cuts(len(arrays[0]), self._buckets):
            try:
                network = self._network(rows, bucket, streams)
                parts.append(network.run([array[start:stop] for array in arrays], together=together))
            except RuntimeError as error:
                with self._lock:  # a network may keep the shapes at which it failed, so the next run gets a new one
                    self._networks.pop((rows, bucket, streams), None)
                raise ModelError(f"{self._path.name} failed while it ran: {_reason(error)}.") from error
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def _streams(self, rows: int) -> int:
        """Return how many requests share the threads.

        Many calls or rows: one thread for each, since a small network gains at most 1.8 from two threads. Few rows:
        all threads on one row after the other.
        """
        if not self._on_cpu:
            return 1
        many = self._options.mode == "throughput" or 2 * rows > self._threads
        return self._threads if many else 1

    def _network(self, rows: Rows, bucket: int, streams: int) -> Network:
        """Return the network compiled for these shapes; those not used for longest are dropped."""
        key = (rows, bucket, streams)
        with self._lock:
            if self._closed:
                raise UsageError(f"the session of {self._path.name} is closed.")
            if key not in self._networks:
                self._networks[key] = Network(self._compile(rows, bucket, streams), bucket, streams)
                if len(self._networks) > _SHAPES_KEPT:
                    self._networks.popitem(last=False)
            self._networks.move_to_end(key)
            return self._networks[key]

    def _compile(self, rows: Rows, bucket: int, streams: int) -> Any:
        target = self._device.target
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "LATENCY"}
        abilities = core().get_property(target, "OPTIMIZATION_CAPABILITIES")
        name = core().get_property(target, "FULL_DEVICE_NAME")
        # Threads and streams are not in the key: what is kept is the same for all of them.
        key = [*self._key, target, name, sorted(abilities), config, rows, bucket]
        if self._on_cpu:
            # Pinned threads of two sessions would share a core while another stands idle.
            threads = {"INFERENCE_NUM_THREADS": self._threads, "NUM_STREAMS": streams, "ENABLE_CPU_PINNING": False}
            config = config | threads
        if entry := self._cache.get(key):
            # What a processor of the same name but another make cannot load is compiled and kept anew.
            with contextlib.suppress(RuntimeError):
                return core().import_model(entry, target, config)
        try:
            model = self._read()
            model.reshape({port: [bucket, *row] for port, row in zip(model.inputs, rows, strict=True)})
            if self._on_cpu:
                widen_groups(model)
                join_siblings(model)
                convolve_before_enlarging(model)
            compiled = core().compile_model(model, target, config)
        except RuntimeError as error:
            raise ModelError(f"{self._path.name} cannot run on rows of {rows}: {_reason(error)}.") from error
        if any(port.partial_shape.is_dynamic for port in compiled.outputs):
            raise ModelError(f"{self._path.name} has outputs whose size depends on what is in the input.")
        if self._options.cache_dir is not None and "EXPORT_IMPORT" in abilities:
            self._cache.put(key, compiled.export_model().getvalue())
        return compiled

    def _read(self) -> Any:
        """Read the file as a graph that prepares pictures itself, gives float32, and takes any number of rows."""
        ov = library()
        from openvino.preprocess import ColorFormat, PrePostProcessor

        if self._graph:
            model = self._graph.draw(read_weights(self._path))
        else:
            model = read_network(core(), self._path, self._weights)
        if self._spread:
            spread_input(model)
        give_inner(model, self._inner)
        sizes = [_sizes(port) for port in model.inputs]
        if (picture := self._picture) is not None:
            height, width = picture.size or (-1, -1)
            channels = 1 if picture.color == "GRAY" else 3
            sizes[0] = [0, channels, height, width] if picture.layout == "NCHW" else [0, height, width, channels]
        # Scalars and shapes without rows stay as they are and fail at the first run, with the shape named.
        model.reshape({port: [1, *row[1:]] for port, row in zip(model.inputs, sizes, strict=True)})
        free_batch(model)
        steps = PrePostProcessor(model)
        if picture is not None:
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
        return steps.build()

    def _read_signature(self) -> Signature:
        if entry := self._cache.get(self._key):
            return Signature.from_json(json.loads(entry))
        try:
            model = self._read()
        except RuntimeError as error:
            raise ModelError(f"{self._path.name} cannot be read as a network: {_reason(error)}.") from error
        signature = Signature(
            name=self._path.name,
            inputs=tuple(_name(port) for port in model.inputs),
            shapes=tuple(tuple(_sizes(port)[1:]) for port in model.inputs),
            types=tuple(np.dtype(port.element_type.to_dtype()).name for port in model.inputs),
            outputs=tuple(_name(port) for port in model.outputs),
            batches=_takes_batches(model),
        )
        self._cache.put(self._key, json.dumps(signature.to_json()).encode())
        return signature


def _sizes(port: Any) -> list[int]:
    """Return the sizes of a port's axes, -1 for any."""
    return [size.get_length() if size.is_static else -1 for size in port.partial_shape]


def _name(port: Any) -> str:
    """Return the name of a port; of several, always the same one."""
    return min(port.names, default="")


def _takes_batches(model: Any) -> bool:
    """Try whether two rows go in and come out of a graph that stands at one."""
    twin = model.clone()
    try:
        twin.reshape({port: [2, *_sizes(port)[1:]] for port in twin.inputs})
    except RuntimeError:
        return False
    return all(_sizes(port)[:1] == [2] for port in twin.outputs)


def _reason(error: Exception) -> str:
    """Return the line of an OpenVINO error that says most: the last one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300].rstrip(". ") if lines else "no reason given"
