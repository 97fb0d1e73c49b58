"""Qdrant: what the suite of all stores does not ask. A server that several share, processes that die, what is left.

The server is the client's local mode in memory, which several stores share; it counts what it is asked, and those who
ask can be made to die. So each place where a process can die between two requests is tried.
"""

from __future__ import annotations

import base64
import http.server
import itertools
import logging
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from mien.core.errors import GalleryError, SourceError, StorageError, UsageError
from mien.gallery.records import Change, Entry, Link, Person, Sample
from mien.gallery.store import Store, open_store
from mien.gallery.stores import qdrant_journal
from mien.gallery.stores.qdrant_collections import JOURNAL, RECORDS, SAMPLES, Address
from tests.gallery.holding import BEGINNING, SPACE, contents, count_up, unit
from tests.gallery.machine import StoreMachine

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:.*search_params"),
]

SECRET = "hunter2"
FEW, MANY = (
    settings(max_examples=examples, stateful_step_count=12, suppress_health_check=list(HealthCheck))
    for examples in (6, 40)
)
PLACE = "http://qdrant.example:6333/people"

#: A change that does something of everything.
MIXED = Change(
    people=[Person(id="p1", name="Eda"), Person(id="p4", name="Neu")],
    samples=[Sample(id=12, person="p4", words={"k": "v"}), Sample(id=20, person="p1", crop=b"crop")],
    vectors=([12, 20], unit(2, seed=4)),
    links=[Link(12, 13, True)],
    forget_people=["p3"],
    forget_samples=[11],
    forget_links=[Link(11, 14, True)],
    meta={"salt": None, "more": "1"},
    entries=[Entry(time=9.0, action="mixed", subjects=("s",), details={"n": 1})],
)
MIXED = replace(MIXED, samples=[*MIXED.samples, Sample(id=13, person="p2")])


class Died(BaseException):
    """The process is gone: nothing of it runs any more."""


class Server:
    """What several stores share."""

    def __init__(self) -> None:
        from qdrant_client.qdrant_client import QdrantClient

        self.client = QdrantClient(":memory:")
        self.lock = threading.RLock()
        self.asked = 0
        self.last: float = float("inf")  #: number of the last request that is done
        self.error: Exception | None = None

    def points(self, ending: str) -> int:
        return self.client.count(f"people{ending}").count

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(**options: Any) -> Any:
            with self.lock:
                self.asked += 1
                if self.asked > self.last:
                    raise Died
                if self.error is not None:
                    raise self.error
                return getattr(self.client, name)(**options)

        return ask

    def info(self) -> Any:
        return type("Info", (), {"version": "1.19.0"})

    def close(self) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that there is, whatever the URL."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    return _serve(monkeypatch)


def _serve(monkeypatch: pytest.MonkeyPatch) -> Server:
    shared = Server()
    monkeypatch.setattr("qdrant_client.QdrantClient", lambda **_: shared)
    return shared


@pytest.fixture
def begun(server: Server) -> Iterator[Store]:
    store = open_store(PLACE)
    store.apply(BEGINNING)
    yield store
    store.close()


def _told(error: BaseException) -> str:
    """All that a traceback shows."""
    return "".join(traceback.format_exception(error))


# -- processes that die ----------------------------------------------------------------------------------------------

ACTS: dict[str, Callable[[Store], Any]] = {
    "apply": lambda store: store.apply(MIXED),
    "use_space": lambda store: store.use_space("toy/2", 8),
    "reserve": lambda store: store.reserve(3),
    "erase": lambda store: store.erase(),
}


@pytest.mark.parametrize("act", ACTS)
def test_wherever_a_process_dies_all_or_nothing_happens(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    monkeypatch.setattr(qdrant_journal, "LEASE", 0.0)
    seen: list[Any] = []
    died = True
    for requests in itertools.count():
        server = _serve(monkeypatch)
        store = open_store(PLACE)
        store.apply(BEGINNING)
        store.apply(Change(vectors=([12], unit(1, width=8)), space="toy/2"))
        before, server.last = contents(store), server.asked + requests
        try:
            ACTS[act](store)
            died = False
        except Died:
            pass
        server.last = float("inf")
        other = open_store(PLACE, create=False)
        found = contents(other)
        if not seen or found != seen[-1]:
            seen.append(found)
        assert seen[0] == before
        assert server.points(JOURNAL) == 1  # the state, and no steps
        assert len(server.client.get_collections().collections) == 3
        other.apply(Change(meta={"goes": "on"}))
        assert other.meta()["goes"] == "on"
        if not died:
            break
    assert requests > 4
    assert len(seen) == (1 if act in ("reserve", "erase") else 2)  # first not at all, from some request on wholly


def test_in_a_folder_too(qdrant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local mode writes point by point: die after each."""
    from qdrant_client.local.persistence import CollectionPersistence

    written, last = 0, float("inf")

    def dying(name: str) -> Callable[..., None]:
        real = getattr(CollectionPersistence, name)

        def write(self: Any, *arguments: Any) -> None:
            nonlocal written
            written += 1
            if written > last:
                raise Died
            real(self, *arguments)

        return write

    monkeypatch.setattr(CollectionPersistence, "persist", dying("persist"))
    monkeypatch.setattr(CollectionPersistence, "delete", dying("delete"))
    seen: list[Any] = []
    died = True
    for points in itertools.count():
        last = float("inf")
        store = open_store(f"{qdrant}-{points}")
        store.apply(BEGINNING)
        before, last = contents(store), written + points
        try:
            store.apply(MIXED)
            died = False
        except Died:
            pass
        store.close()
        last = float("inf")
        again = open_store(f"{qdrant}-{points}", create=False)
        found = contents(again)
        again.close()
        if not seen or found != seen[-1]:
            seen.append(found)
        assert seen[0] == before
        if not died:
            break
    assert len(seen) == 2


def test_one_that_dies_while_it_begins_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    for requests in itertools.count():
        server = _serve(monkeypatch)
        server.last = requests
        try:
            open_store(PLACE)
        except Died:
            server.last = float("inf")
            store = open_store(PLACE)
            store.apply(BEGINNING)
            assert store.counts().samples == 4
        else:
            break
    assert requests > 5


# -- several at once -------------------------------------------------------------------------------------------------


def test_of_many_that_computed_from_one_state_one_wins(server: Server) -> None:
    stores = [open_store(PLACE) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(partial(count_up, times=3), stores * 2))
    assert stores[0].meta()["count"] == "18"
    assert stores[0].generation() == 18


@pytest.mark.parametrize("amount", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"])
def test_it_agrees_with_the_model(monkeypatch: pytest.MonkeyPatch, amount: settings) -> None:
    """A server that several share: the one that is opened again is another than the one that begins."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")

    def begin() -> Store:
        _serve(monkeypatch)
        return open_store(PLACE)

    class OnAServer(StoreMachine):
        pass

    OnAServer.begin, OnAServer.again = staticmethod(begin), staticmethod(lambda _: open_store(PLACE, create=False))
    run_state_machine_as_test(OnAServer, settings=amount)


def test_one_that_lives_is_waited_for(begun: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = open_store(PLACE)
    journal = vars(begun)["_journal"]
    with ThreadPoolExecutor(1) as pool:
        with journal.hold() as state:
            waiting = pool.submit(other.apply, Change(meta={"theirs": "1"}))
            time.sleep(0.2)
            assert not waiting.done()
            journal.commit([], {"generation": state.generation + 1})
        waiting.result()
    assert begun.generation() == 3
    monkeypatch.setattr(qdrant_journal, "PATIENCE", 0.1)
    with journal.hold(), pytest.raises(StorageError, match="being written by others"):
        other.reserve(1)


def test_one_that_died_is_replaced_after_its_lease(
    begun: Store, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qdrant_journal, "LEASE", 0.3)
    server.client.set_payload("people.journal", {"owner": "somebody"}, points=[qdrant_journal.STATE])
    start = time.monotonic()
    begun.apply(Change(meta={"a": "1"}))
    assert time.monotonic() - start >= 0.3
    assert begun.meta()["a"] == "1"


def test_one_that_was_replaced_does_not_disturb_the_next(begun: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = open_store(PLACE)
    first, second = vars(begun)["_journal"], vars(other)["_journal"]
    with first.hold():
        monkeypatch.setattr(qdrant_journal, "LEASE", 0.0)
        replacing = second.hold()
        replacing.__enter__()
        first.set(next=1_000_000)
    state = second.state()
    assert state.owner.startswith(second._me)
    assert state.next < 1_000_000
    replacing.__exit__(None, None, None)
    assert second.state().owner == ""


def test_one_that_is_too_slow_writes_no_more(begun: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(begun)
    with monkeypatch.context() as slow:
        slow.setattr(qdrant_journal, "LIMIT", -1.0)
        with pytest.raises(StorageError, match="too slowly"):
            begun.apply(MIXED)
    assert contents(begun) == before
    assert server.points(JOURNAL) == 1
    journal = vars(begun)["_journal"]
    with monkeypatch.context() as slow:
        slow.setattr(journal, "_do", lambda _: slow.setattr(qdrant_journal, "LIMIT", -1.0) or journal.heed())
        with pytest.raises(StorageError, match="too slowly"):
            begun.apply(MIXED)
    assert contents(begun) == before
    begun.apply(Change())  # what was committed comes first
    assert begun.people(names=["Neu"])
    assert begun.generation() == 3


def test_the_folder_is_for_one(qdrant: str) -> None:
    store = open_store(qdrant)
    with pytest.raises(StorageError, match=r"is open already: .* one process"):
        open_store(qdrant)
    assert Path(qdrant.partition(":")[2]).stat().st_mode & 0o077 == 0
    store.close()
    open_store(qdrant, create=False).close()


# -- what deletion leaves --------------------------------------------------------------------------------------------

NAME, CROP = "Zerubbabel Quux", np.random.default_rng(7).bytes(3000)


def _enrol_a_secret(store: Store) -> dict[str, bytes]:
    """What would give it away: as text, as the client pickles it, and as the steps of the change had it."""
    vectors = unit(20, width=64)
    secret = Sample(id=1, person="p1", source=f"/{NAME}.jpg", words={"who": NAME}, crop=CROP)
    others = [Sample(id=number) for number in range(2, 21)]
    people = [Person(id="p1", name=NAME, note=NAME)]
    store.apply(Change(people=people, samples=[secret, *others], vectors=(range(1, 21), vectors), space=SPACE))
    rounded = vectors[0].astype(np.float16)
    stored = (rounded.astype(np.float32) / np.linalg.norm(rounded.astype(np.float32))).tolist()
    return {
        "name": NAME.encode(),
        "crop": base64.b64encode(CROP)[400:464],
        "step": base64.b64encode(rounded.tobytes())[:60],
        "vector": pickle.dumps(stored[:6], protocol=4)[-50:-4],
    }


def _holders(folder: Path, patterns: dict[str, bytes]) -> set[str]:
    data = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {name for name, pattern in patterns.items() if any(pattern in one for one in data)}


def test_after_erasing_nothing_of_the_deleted_is_in_the_folder(qdrant: str) -> None:
    folder = Path(qdrant.partition(":")[2])
    store = open_store(qdrant)
    patterns = _enrol_a_secret(store)
    assert _holders(folder, patterns) >= {"name", "crop", "vector"}
    store.apply(Change(forget_people=["p1"], forget_samples=[1]))
    store.erase()
    assert _holders(folder, patterns) == set()
    store.close()
    assert _holders(folder, patterns) == set()
    again = open_store(qdrant)
    assert again.counts().samples == 19
    assert (again.search(unit(3, width=64), 20)[0] != 1).all()
    again.close()


def test_on_a_server_all_is_copied_and_the_old_deleted(begun: Store, server: Server) -> None:
    other = open_store(PLACE)
    begun.apply(Change(forget_samples=[11], vectors=([12], unit(1, width=8)), space="toy/2"))
    before = contents(begun)
    begun.erase()
    names = {one.name for one in server.client.get_collections().collections}
    assert names == {"people.2", "people.records.2", "people.journal.2"}
    assert contents(begun) == contents(other) == before
    assert np.allclose(other.vectors([12], space="toy/2"), unit(1, width=8), atol=1e-3)
    other.apply(Change(meta={"goes": "on"}))
    begun.erase()
    assert begun.meta()["goes"] == "on"
    people, settings, lines, looked = 3, 3, 2, 2
    assert (server.points(SAMPLES), server.points(RECORDS)) == (3, people + settings + lines + looked)


# -- places, secrets, errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        f"https://{SECRET}@host", f"https://{SECRET}@host/a/../b c", f"https://{SECRET}@[host/people",
        f"https://{SECRET}@host:port/people", f"https://{SECRET}@host/people?x=%", "http://", "qdrant:",
    ],
)  # fmt: skip
def test_a_malformed_place_is_not_repeated(place: str) -> None:
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    if place.endswith("?x=%"):
        place = place.replace("people", "people.x")
    with pytest.raises(UsageError) as caught:
        open_store(place)
    assert SECRET not in _told(caught.value)


def test_the_key_comes_from_the_url_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)
    assert Address.of("https://a%40b@host/x/people") == Address(
        "https://host:6333/x/people", name="people", url="https://host:6333/x", key="a@b"
    )
    assert Address.of("http://[::1]:7000/people").url == "http://[::1]:7000"
    assert Address.of("http://host/people").key is None
    monkeypatch.setenv("QDRANT_API_KEY", SECRET)
    assert Address.of("http://host/people").key == SECRET
    assert SECRET not in repr(Address.of("http://host/people"))


class _Answers(http.server.BaseHTTPRequestHandler):
    answers: dict[str, tuple[int, bytes]]

    def do_GET(self) -> None:
        code, body = self.answers.get(self.path, (403, b'{"status": "forbidden"}'))
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_what_a_server_answers_is_told_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    old = {"/": (200, b'{"title": "qdrant", "version": "1.12.0"}')}
    for answers, words in (
        ({}, "refused the key"),
        (old, "version 1.12.0; at least 1.19"),
        (None, "cannot be reached"),
    ):
        handler = type("Answers", (_Answers,), {"answers": answers})
        with http.server.HTTPServer(("127.0.0.1", 0), handler) as stub, caplog.at_level(logging.DEBUG):
            thread = threading.Thread(target=stub.serve_forever)
            thread.start()
            port = stub.server_port if answers is not None else 1
            with pytest.raises(StorageError, match=words) as caught:
                open_store(f"http://{SECRET}@127.0.0.1:{port}/people")
            stub.shutdown()
            thread.join()
        assert SECRET not in _told(caught.value) + caplog.text


def test_a_server_that_goes_away_is_told_and_comes_back(begun: Store, server: Server) -> None:
    from qdrant_client.http.exceptions import ResponseHandlingException

    before = contents(begun)
    server.error = ResponseHandlingException(ConnectionError(SECRET))
    for ask in (begun.people, lambda: begun.apply(MIXED), begun.generation):
        with pytest.raises(StorageError, match="cannot be reached") as caught:
            ask()
        assert SECRET not in _told(caught.value)
    server.error = None
    assert contents(begun) == before
    begun.apply(MIXED)
    assert SECRET not in repr(begun)


def test_what_is_torn_or_newer_is_refused(begun: Store, server: Server) -> None:
    server.client.set_payload("people.journal", {"schema": 99}, points=[qdrant_journal.STATE])
    with pytest.raises(GalleryError, match="newer version of mien"):
        open_store(PLACE)
    server.client.delete("people.journal", points_selector=[qdrant_journal.STATE])
    with pytest.raises(GalleryError, match="state is missing"):
        open_store(PLACE)


def test_nothing_is_made_unless_it_may_be(server: Server) -> None:
    with pytest.raises(SourceError, match="no gallery at"):
        open_store(PLACE, create=False)
    assert server.client.get_collections().collections == []
    with pytest.raises(UsageError, match="f32 or f16; got 'i8'"):
        open_store(PLACE, precision="i8")


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(UsageError, match=r"pip install 'mien\[qdrant\]'"):
        open_store(PLACE)


def test_backups_are_made_by_the_server(begun: Store) -> None:
    with pytest.raises(UsageError, match="snapshots of the server's collections people"):
        begun.backup("x")
    begun.close()
    with pytest.raises(UsageError, match="closed"):
        begun.people()
