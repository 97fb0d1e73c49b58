"""One change at a time, and all of it, in Qdrant, which has no transactions.

One point says what the gallery is: its generation, the next free number, its embedding spaces, and who may write. Only
its `owner` writes. It becomes that by setting itself where there was none: Qdrant applies the updates of one point one
after the other, so of two that try, one finds itself there afterwards. While it works it counts up `beat`; one whose
beat has stood still for `LEASE` seconds has died, and may be replaced (at once in the local mode, where nobody else can
be). An owner that could not count for `LIMIT` seconds writes no more, but for the request that is under way then.

The owner writes a change down as steps, each of which may be repeated; then it sets `phase` to "committed": from here
on the change will happen. It does the steps, sets the new generation and deletes the steps. Whoever becomes owner and
finds a committed change does its steps again first. So:

- A process that dies before "committed" leaves nothing but steps, which are deleted; after it, the change is done by
  the next that opens the gallery or writes.
- A `StorageError` out of `apply` says that the server went away; whether the change happens is then seen in the
  generation, as with any database.
- While steps are done, others may read some of a change before all of it. Its generation appears last.
- In a cluster, writes are ordered "strong", and the state is read from a majority of the replicas.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mien.core.errors import GalleryError, StorageError
from mien.embeddings.packing import Precision
from mien.gallery.store import SCHEMA
from mien.gallery.stores.qdrant_collections import JOURNAL, RECORDS, SAMPLES, Collections
from mien.gallery.stores.qdrant_points import Point, identity, matching, vector_of

__all__ = ["Journal", "Space", "State", "Step", "portions"]

LEASE = 60.0  #: seconds after which an owner that shows no sign of life is dead
LIMIT = LEASE / 2  #: seconds after which an owner that could show none writes no more
PATIENCE = 120.0  #: seconds to wait for owners that live
STATE = identity("state")
PORTION, WEIGHT = 200, 4_000_000  #: points, and characters of theirs, that one step writes at most

Step = dict[str, Any]  # {"do": one of `Journal._steps`, and what that takes}


@dataclass(frozen=True)
class Space:
    """An embedding space: its vectors' name in the collection, and their dimension."""

    vector: str
    dimension: int


@dataclass(frozen=True)
class State:
    """What the gallery says of itself."""

    schema: int
    generation: int
    next: int  #: number that is free
    logged: int  #: lines of the log so far
    precision: Precision
    spaces: dict[str, Space]
    space: str | None = None
    owner: str = ""
    beat: int = 0
    phase: str = ""
    steps: int = 0
    final: dict[str, Any] | None = None  #: what of this is set when the steps are done


class Journal:
    """See the module's text."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._me = uuid.uuid4().hex
        self._writing = threading.Lock()
        self._token = ""
        self._beaten = 0.0
        self._beats = 0
        self._steps: dict[str, Callable[..., None]] = {
            "vector": self._make_vector,
            "samples": self._write_samples,
            "records": self._write_records,
            "forget samples": self._forget_samples,
            "forget records": self._forget_records,
            "forget vector": self._forget_vector,
        }

    def begin(self, number: int, precision: Precision) -> None:
        """Write the state of an empty gallery into the collections of a number, if there is none yet."""
        from qdrant_client.http import models

        payload: dict[str, Any] = {
            "schema": SCHEMA, "generation": 0, "next": 1, "logged": 0, "precision": precision, "space": None,
            "spaces": {}, "owner": "", "beat": 0, "phase": "", "steps": 0, "final": None,
        }  # fmt: skip
        point = models.PointStruct(id=STATE, payload=payload, vector={})
        self._collections.call(
            "upsert",
            collection_name=self._collections.numbered(JOURNAL, number),
            points=[point],
            update_mode=models.UpdateMode.INSERT_ONLY,
        )

    def state(self) -> State:
        """Read it.

        Raises
        ------
        GalleryError
            If it is not there, or of a newer version.
        """
        from qdrant_client.http import models

        majority = models.ReadConsistencyType.MAJORITY
        found = self._collections.ask("retrieve", JOURNAL, ids=[STATE], with_payload=True, consistency=majority)
        place = self._collections.address.place
        if not found:
            raise GalleryError(f"{place} is torn (its state is missing); restore a snapshot of it.")
        known = found[0].payload
        if known["schema"] > SCHEMA:
            raise GalleryError(
                f"{place} was written by a newer version of mien ({known['schema']} > {SCHEMA}): update."
            )
        spaces = {name: Space(*value) for name, value in known["spaces"].items()}
        return State(**{**known, "spaces": spaces})

    def settle(self) -> None:
        """Finish what a process that died has left."""
        state = self.state()
        if state.owner or state.phase:
            with self.hold():
                pass

    @contextlib.contextmanager
    def hold(self) -> Iterator[State]:
        """Be the owner; nothing is half done then."""
        with self._writing:
            state, died = self._take()
            try:
                if state.phase:
                    self._finish(state)
                    state = self.state()
                elif died:
                    self.clear()
                    self._collections.tidy()
                yield state
            finally:
                self._set_where({"owner": self._token}, {"owner": ""})

    def commit(self, steps: Sequence[Step], final: dict[str, Any]) -> None:
        """Do steps, all or none, then set fields of the state; the owner does."""
        from qdrant_client.http import models

        try:
            for number, step in enumerate(steps):
                self.heed()
                point = models.PointStruct(id=identity("step", number), payload={"step": step}, vector={})
                self._update("upsert", JOURNAL, points=[point])
        except StorageError:
            with contextlib.suppress(StorageError):
                self.clear()
            raise
        self._set(phase="committed", steps=len(steps), final=final)
        for step in steps:
            self._do(step)
        self._close(final)

    def set(self, **fields: Any) -> None:
        """Set fields of the state at once; the owner does."""
        self._set(**fields)

    def clear(self) -> None:
        """Delete all steps; the owner does, when nothing is committed."""
        from qdrant_client.http import models

        others = models.Filter(must_not=[models.HasIdCondition(has_id=[STATE])])
        self._update("delete", JOURNAL, points_selector=models.FilterSelector(filter=others))

    def heed(self) -> None:
        """Show that the owner lives.

        Raises
        ------
        StorageError
            If it may be taken for dead already.
        """
        if self._silent() > LIMIT / 4:
            self._set()

    def _silent(self) -> float:
        """Seconds since the owner last showed that it lives; too many are an error."""
        since = time.monotonic() - self._beaten
        if since > LIMIT:
            raise StorageError(
                f"{self._collections.address.place} answers too slowly to be sure that nobody else writes meanwhile;"
                " read again to see whether this change was written."
            )
        return since

    def _take(self) -> tuple[State, bool]:
        """Become owner; also say whether another one was."""
        begun = since = time.monotonic()
        seen: tuple[str, int] | None = None
        while True:
            state = self.state()
            if (state.owner, state.beat) != seen:
                seen, since = (state.owner, state.beat), time.monotonic()
            # Another one of this object is over, since we hold `_writing`.
            over = self._collections.local or state.owner.startswith(self._me) or time.monotonic() - since > LEASE
            if (not state.owner or over) and (mine := self._swap(state)) is not None:
                return mine, bool(state.owner)
            if time.monotonic() - begun > PATIENCE:
                raise StorageError(f"{self._collections.address.place} is being written by others; try again later.")
            if state.owner and not over:
                time.sleep(0.05)

    def _swap(self, state: State) -> State | None:
        """Become owner where the state still has the owner and beat that we saw; None if another was faster."""
        self._token, self._beats, self._beaten = f"{self._me}.{uuid.uuid4().hex}", state.beat + 1, time.monotonic()
        self._set_where({"owner": state.owner, "beat": state.beat}, {"owner": self._token, "beat": self._beats})
        now = self.state()
        return now if now.owner == self._token else None

    def _set(self, **fields: Any) -> None:
        """Set fields of the state, unless another one is owner meanwhile; show that the owner lives."""
        self._silent()
        at = time.monotonic()  # of asking, since the answer may have been long under way
        self._set_where({"owner": self._token}, {**fields, "beat": self._beats + 1})
        self._beats, self._beaten = self._beats + 1, at

    def _set_where(self, known: dict[str, Any], fields: dict[str, Any]) -> None:
        from qdrant_client.http import models

        which = models.Filter(must=[models.HasIdCondition(has_id=[STATE]), *matching(**known)])
        self._update("set_payload", JOURNAL, payload=fields, points=which)

    def _finish(self, state: State) -> None:
        """Do a committed change again."""
        ids = [identity("step", number) for number in range(state.steps)]
        for one in ids:
            found = self._collections.ask("retrieve", JOURNAL, ids=[one], with_payload=True)
            if not found:
                raise GalleryError(
                    f"{self._collections.address.place} is torn (a step of its last change is missing);"
                    " restore a snapshot of it."
                )
            self._do(found[0].payload["step"])
        self._close(state.final or {})

    def _do(self, step: Step) -> None:
        self.heed()
        self._steps[step["do"]](**{key: value for key, value in step.items() if key != "do"})

    def _close(self, final: dict[str, Any]) -> None:
        self._set(**final, phase="", steps=0, final=None)
        self.clear()

    def _make_vector(self, vector: str, dimension: int, precision: Precision) -> None:
        self._collections.make_vector(self._collections.whole(SAMPLES), vector, dimension, precision)

    def _forget_vector(self, vector: str) -> None:
        self._collections.call(
            "delete_vector_name", collection_name=self._collections.whole(SAMPLES), vector_name=vector
        )

    def _write_samples(self, points: list[Point], vector: str | None, precision: Precision) -> None:
        from qdrant_client.http import models

        def named(point: Point) -> dict[str, Any]:
            return {str(vector): vector_of(point["vector"], precision)} if "vector" in point else {}

        ids = [point["id"] for point in points]
        there = {one.id for one in self._collections.ask("retrieve", SAMPLES, ids=ids, with_payload=False)}
        fresh = [point for point in points if point["id"] not in there]
        known = [point for point in points if point["id"] in there]
        if fresh:
            structs = [models.PointStruct(id=one["id"], payload=one["payload"], vector=named(one)) for one in fresh]
            self._update("upsert", SAMPLES, points=structs)
        # What is there keeps its vectors of other spaces, and its crop.
        described = [
            models.SetPayloadOperation(set_payload=models.SetPayload(payload=one["payload"], points=[one["id"]]))
            for one in known
            if "payload" in one
        ]
        if described:
            self._update("batch_update_points", SAMPLES, update_operations=described)
        embedded = [models.PointVectors(id=one["id"], vector=named(one)) for one in known if "vector" in one]
        if embedded:
            self._update("update_vectors", SAMPLES, points=embedded)

    def _write_records(self, points: list[Point]) -> None:
        from qdrant_client.http import models

        structs = [models.PointStruct(id=one["id"], payload=one["payload"], vector={}) for one in points]
        self._update("upsert", RECORDS, points=structs)

    def _forget_samples(self, ids: list[int]) -> None:
        from qdrant_client.http import models

        self._update("delete", SAMPLES, points_selector=models.PointIdsList(points=cast("Any", ids)))
        touching = models.Filter(should=[*matching(first=ids), *matching(second=ids)])
        self._update("delete", RECORDS, points_selector=models.FilterSelector(filter=touching))

    def _forget_records(self, ids: list[str]) -> None:
        from qdrant_client.http import models

        self._update("delete", RECORDS, points_selector=models.PointIdsList(points=cast("Any", ids)))

    def _update(self, method: str, ending: str, **options: Any) -> None:
        from qdrant_client.http import models

        self._collections.ask(method, ending, wait=True, ordering=models.WriteOrdering.STRONG, **options)


def portions(do: str, points: list[Point], **options: Any) -> list[Step]:
    """Steps that write points, none of them too large for one request."""
    steps: list[Step] = []
    weight = 0
    for point in points:
        size = sum(len(str(value)) for value in (point.get("payload") or {}).values()) + len(point.get("vector", ""))
        if not steps or len(steps[-1]["points"]) == PORTION or weight + size > WEIGHT:
            steps.append({"do": do, "points": [], **options})
            weight = 0
        steps[-1]["points"].append(point)
        weight += size
    return steps
