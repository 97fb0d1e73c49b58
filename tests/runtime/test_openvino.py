"""What is OpenVINO's own: the cache of compiled networks, its telemetry, precision, files in two parts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from mien.core.errors import CardError, DeviceUnavailable, ModelError
from mien.models.card import ImageInput, WeightFile
from mien.runtime import openvino as subject
from mien.runtime.bundle import Bundle
from mien.runtime.cache import CompileCache, digest
from mien.runtime.session import SessionOptions, resolve_device
from tests.runtime.conftest import Open
from tests.runtime.networks import baked_network, picture_network, sum_network, write

ANY = ImageInput(layout="NCHW", color="RGB", size=None, multiple=4, mean=(0, 0, 0), std=(1, 1, 1))


def test_nothing_is_reported_to_anyone(tmp_path: Path) -> None:
    script = """
import pathlib, socket, sys, time
calls = []
socket.socket.connect = lambda *arguments: calls.append(arguments)
socket.getaddrinfo = lambda *arguments, **more: calls.append(arguments) or []
from mien.runtime.openvino import library
library()
assert hasattr(library(), "convert_model"), "the rest of the package must stay whole"
assert not any(name.startswith("openvino_telemetry") for name in sys.modules)
time.sleep(0.2)
assert not calls, calls
assert not list(pathlib.Path.home().iterdir())
"""
    environment = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=60)


def test_importing_the_room_loads_no_library() -> None:
    script = (
        "import sys, mien.runtime.bundle, mien.runtime.openvino, mien.runtime.onnx; "
        "assert not {'openvino', 'onnxruntime', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_second_start_neither_reads_nor_compiles(
    tmp_path: Path, open_session: Open, bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = picture_network(tmp_path / "n.onnx"), tmp_path / "cache"
    x = np.arange(96, dtype=np.uint8).reshape(1, 4, 8, 3)
    want = open_session(path, ANY, cache_dir=cache).run(x)
    made = bundle(path, ANY, cache_dir=cache)
    monkeypatch.setattr(subject, "read_network", None)
    monkeypatch.setattr(subject, "digest", None)  # the store has hashed the file, and the card says what it found
    session = made.session()
    assert (session.inputs, session.outputs) == (("x",), ("picture", "mean"))
    for got, expected in zip(session.run(x), want, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("damage", [b"", b"\0" * 10, b"torn", b"flipped"])
def test_a_damaged_cache_is_made_anew(
    tmp_path: Path, open_session: Open, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    path, cache = picture_network(tmp_path / "n.onnx"), tmp_path / "cache"
    x = np.arange(96, dtype=np.uint8).reshape(1, 4, 8, 3)
    want = open_session(path, ANY, cache_dir=cache).run(x)[0]
    entries = {entry: entry.read_bytes() for entry in cache.iterdir()}
    assert len(entries) == 2  # what the network takes and gives, and the network
    for entry, content in entries.items():
        torn, flipped = content[: len(content) // 2], bytes([*content[:-1], content[-1] ^ 1])
        entry.write_bytes({b"torn": torn, b"flipped": flipped}.get(damage, damage))
    np.testing.assert_array_equal(open_session(path, ANY, cache_dir=cache).run(x)[0], want)
    assert set(cache.iterdir()) == set(entries)
    monkeypatch.setattr(subject, "read_network", None)  # whole again: nothing is read
    np.testing.assert_array_equal(open_session(path, ANY, cache_dir=cache).run(x)[0], want)


def test_a_cache_that_cannot_be_loaded_is_made_anew(
    tmp_path: Path, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = baked_network(tmp_path / "n.onnx"), tmp_path / "cache"
    want = open_session(path, cache_dir=cache).run(np.ones((1, 2, 3)))[0]
    get = CompileCache.get

    def get_foreign(self: CompileCache, key: Any) -> bytes | None:
        entry = get(self, key)
        return b"of another processor" if entry and not entry.startswith(b"{") else entry

    monkeypatch.setattr(CompileCache, "get", get_foreign)
    np.testing.assert_array_equal(open_session(path, cache_dir=cache).run(np.ones((1, 2, 3)))[0], want)


def test_threads_share_what_is_in_the_cache(tmp_path: Path, open_session: Open) -> None:
    path, cache = baked_network(tmp_path / "n.onnx"), tmp_path / "cache"
    results = []
    for options in ({"threads": 1}, {"threads": 2}, {"threads": 2, "mode": "throughput"}):
        results.append(open_session(path, cache_dir=cache, **options).run(np.ones((3, 2, 3)))[0])
        assert len(list(cache.iterdir())) == 2
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_another_network_under_the_same_name_is_not_taken_from_the_cache(tmp_path: Path, open_session: Open) -> None:
    path, cache = tmp_path / "n.onnx", tmp_path / "cache"
    for operation, want in [("Neg", -3.0), ("Abs", 3.0)]:
        write(path, [helper.make_node(operation, ["x"], ["y"])], {"x": ["n", 1]}, {"y": ["n", 1]})
        assert open_session(path, cache_dir=cache).run(np.full((1, 1), 3.0))[0] == want


def test_a_cache_that_cannot_be_written_is_only_mentioned(
    tmp_path: Path, open_session: Open, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_bytes(b"a file, no folder")
    session = open_session(baked_network(tmp_path / "n.onnx"), cache_dir=tmp_path / "cache")
    assert session.run(np.ones((2, 2, 3)))[0].shape == (2, 2)
    assert "could not be kept" in caplog.text


def _run_in_process(path: Path, cache: Path) -> Any:
    options = SessionOptions(device="cpu", threads=1, cache_dir=cache)
    session = subject.OpenVinoSession(path, device=resolve_device("cpu"), options=options)
    return session.run(np.ones((1, 2, 3)))[0]


@pytest.mark.slow
def test_processes_share_a_cache(tmp_path: Path) -> None:
    path = baked_network(tmp_path / "n.onnx")
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(_run_in_process, [path] * 8, [tmp_path / "cache"] * 8))
    for result in results:
        np.testing.assert_array_equal(result, results[0])
    assert not list((tmp_path / "cache").glob("*.part"))


def test_shapes_come_and_go(tmp_path: Path, open_session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_SHAPES_KEPT", 2)
    session = open_session(picture_network(tmp_path / "n.onnx"), ANY)
    for side in (4, 8, 12, 4, 16):
        x = np.random.default_rng(side).integers(0, 256, (2, side, side, 3), np.uint8)
        np.testing.assert_array_equal(session.run(x)[0], x.transpose(0, 3, 1, 2))


def test_an_output_that_depends_on_the_data(tmp_path: Path, open_session: Open) -> None:
    node = helper.make_node("NonZero", ["x"], ["i"])
    cast = helper.make_node("Cast", ["i"], ["y"], to=1)
    path = write(tmp_path / "n.onnx", [node, cast], {"x": ["n", 3]}, {"y": [2, None]})
    with pytest.raises(ModelError, match="size depends on what is in the input"):
        open_session(path).run(np.ones((1, 3)))


def test_a_graph_and_its_weights_in_two_files(tmp_path: Path, bundle: Any) -> None:
    ov = subject.library()
    onnx_file = baked_network(tmp_path / "n.onnx")
    ov.save_model(subject.core().read_model(onnx_file), tmp_path / "graph.xml", compress_to_fp16=False)
    (tmp_path / "elsewhere").mkdir()
    weights = (tmp_path / "graph.bin").rename(tmp_path / "elsewhere" / "weights.bin")
    card = bundle(tmp_path / "graph.xml").card
    binary = WeightFile(name="weights.bin", source=f"file:{weights}", sha256=digest(weights), bytes=1)
    card = replace(card, files={**card.files, "model_weights": binary})
    options = SessionOptions(device="cpu", threads=1)
    both = Bundle(card, {"model": tmp_path / "graph.xml", "model_weights": weights}, options)
    want = bundle(onnx_file).session().run(np.ones((3, 2, 3)))[0]
    np.testing.assert_array_equal(both.session().run(np.ones((3, 2, 3)))[0], want)
    with pytest.raises(CardError, match="no file 'model_weights'"):
        Bundle(card, {"model": tmp_path / "graph.xml"}, options).session()
    with pytest.raises(DeviceUnavailable, match=r"graph\.xml: it is no ONNX file"):
        bundle(tmp_path / "graph.xml", device="onnx-cpu").session()


def test_f32_is_kept_and_can_be_forced(tmp_path: Path) -> None:
    path = baked_network(tmp_path / "n.onnx")
    device = resolve_device("cpu")
    likes = subject.core().get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
    plain = SessionOptions(device="cpu", threads=1)
    session = subject.OpenVinoSession(path, precision="bf16", device=device, options=plain)
    assert session.precision == ("bf16" if likes == "bf16" else "f32")
    forced = SessionOptions(device="cpu", threads=1, precision="f32")
    assert subject.OpenVinoSession(path, precision="bf16", device=device, options=forced).precision == "f32"
    assert subject.OpenVinoSession(path, precision="f32", device=device, options=plain).precision == "f32"


def test_threads_are_what_was_asked_for(tmp_path: Path, open_session: Open) -> None:
    path = sum_network(tmp_path / "n.onnx")
    inputs = np.ones((4, 4)), np.ones((4, 4))
    for threads, mode in [(1, "latency"), (2, "latency"), (1, "throughput"), (2, "throughput")]:
        session: Any = open_session(path, threads=threads, mode=mode)
        session.run(*(value[:1] for value in inputs))
        session.run(*inputs)
        for (_, _, streams), network in session._networks.items():
            compiled = network.compiled
            assert compiled.get_property("INFERENCE_NUM_THREADS") == threads
            assert compiled.get_property("NUM_STREAMS") == streams
            assert compiled.get_property("ENABLE_CPU_PINNING") is False
        assert {key[2] for key in session._networks} == ({1, threads} if mode == "latency" else {threads})
