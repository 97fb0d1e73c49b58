"""The collections of one gallery in Qdrant: how a place is read, how they are made, asked, and made anew.

The gallery's name and those ending in ``.records`` and ``.journal`` are aliases of numbered collections, so that all
three can be copied without what was deleted, and the copies take their place in one step.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mien.core.errors import SourceError, StorageError, UsageError
from mien.embeddings.packing import Precision

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["ENDINGS", "JOURNAL", "RECORDS", "SAMPLES", "Address", "Collections"]

SAMPLES, RECORDS, JOURNAL = ENDINGS = ("", ".records", ".journal")
TIMEOUT = 20  #: seconds for one request
PAGE = 256  #: points that are read or copied at once
OLDEST = (1, 19)  #: version of a server that can all we ask for: names of vectors come and go, texts match by prefix
KEY = "QDRANT_API_KEY"  #: environment variable

#: Fields that a server keeps an index of, by collection.
INDEXES: dict[str, dict[str, Any]] = {
    SAMPLES: {
        "person": "integer", "face": "keyword", "picture": "keyword", "quality": "float", "taken": "float",
        "source": {"type": "keyword", "prefix": True}, "words[].key": "keyword",
    },
    RECORDS: {"kind": "keyword", "number": "integer", "name": "keyword", "first": "integer", "second": "integer"},
    JOURNAL: {},
}  # fmt: skip


@dataclass(frozen=True)
class Address:
    """Where a gallery is.

    Parameters
    ----------
    place : str
        What messages call it: without the key.
    name : str
        Of the collection.
    folder : Path or None
        Of the client's local mode.
    url : str
    key : str or None
    """

    place: str
    name: str = "mien"
    folder: Path | None = None
    url: str = ""
    key: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, place: str) -> Address:
        """Take a place apart.

        Raises
        ------
        UsageError
            If it is none. The message does not repeat it.
        """
        scheme, _, rest = place.partition(":")
        if scheme == "qdrant":
            if not rest:
                raise UsageError("a gallery in Qdrant's local mode is qdrant:FOLDER.")
            return cls(place, folder=Path(rest))
        try:
            parts = urlsplit(place)
            host, port = parts.hostname, parts.port or 6333
        except ValueError:
            host, port, parts = None, 0, urlsplit("")
        prefix, _, name = parts.path.rstrip("/").rpartition("/")
        if not host or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            raise UsageError(
                "a gallery in Qdrant is http://host:6333/collection or https://KEY@host:6333/collection, and a"
                " collection's name is of letters, digits, - and _."
            ) from None
        root = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}{prefix}"
        key = unquote(parts.password or parts.username or "") or os.environ.get(KEY)
        return cls(f"{root}/{name}", name=name, url=root, key=key)


class Collections:
    """See the module's text.

    Parameters
    ----------
    address : Address
    create : bool
        Whether they may be missing, so that they are to be made: `fresh` says so then.

    Raises
    ------
    SourceError, StorageError, UsageError
        If they cannot be had.
    """

    def __init__(self, address: Address, *, create: bool) -> None:
        try:
            from qdrant_client import QdrantClient
        except ImportError:
            raise UsageError("Qdrant needs one more package: pip install 'mien[qdrant]'.") from None
        self.address = address
        self.local = address.folder is not None
        self._process = os.getpid()
        # A server answers many threads at once; the local mode is one set of Python objects.
        self._one: Any = threading.RLock() if self.local else contextlib.nullcontext()
        self._client: QdrantClient | None = None
        self._lock: Any = None
        if address.folder is not None:
            self._own(address.folder, create)
        with contextlib.ExitStack() as unless_open:
            unless_open.callback(self.close)
            with self._explained():
                self._client = (
                    QdrantClient(path=str(address.folder), force_disable_check_same_thread=True)
                    if self.local
                    else QdrantClient(url=address.url, api_key=address.key, timeout=TIMEOUT, check_compatibility=False)
                )
            if not self.local:
                self._check_version()
            self.fresh = self.numbers().get(SAMPLES) is None
            if self.fresh and not create:
                raise SourceError(f"there is no gallery at {address.place}.")
            unless_open.pop_all()

    def ask(self, method: str, ending: str, **options: Any) -> Any:
        """Call a method of the client on one of the collections."""
        return self.call(method, collection_name=self.address.name + ending, **options)

    def call(self, method: str, **options: Any) -> Any:
        """Call a method of the client.

        Raises
        ------
        StorageError
            If the server cannot be reached, or does not do it.
        """
        if os.getpid() != self._process:
            raise UsageError(f"{self.address.place} was opened in another process: open it again in this one.")
        with self._one, self._explained():
            if self._client is None:
                raise UsageError("the gallery is closed.")
            return getattr(self._client, method)(**options)

    def walk(self, ending: str, *, limit: int = PAGE, **options: Any) -> Iterator[Any]:
        """All points of a collection in the order of their ids; see the client's `scroll`."""
        offset = None
        while True:
            points, offset = self.ask("scroll", ending, limit=limit, offset=offset, **options)
            yield from points
            if offset is None:
                return

    def numbers(self) -> dict[str, int]:
        """Number of the collection that each alias of ours stands for."""
        found = {}
        for alias in self.call("get_aliases").aliases:
            for ending in ENDINGS:
                number = alias.collection_name.rpartition(".")[2]
                if alias.alias_name == self.address.name + ending and number.isdigit():
                    found[ending] = int(number)
        return found

    def make(self, number: int) -> None:
        """Make empty collections of a number where there are none."""
        from qdrant_client.http import models

        # Records have no vector, and samples have theirs later; but a collection must have one that points may have.
        never = {"none": models.VectorParams(size=1, distance=models.Distance.DOT)}
        there = {one.name for one in self.call("get_collections").collections}
        for ending in ENDINGS:
            whole = self.numbered(ending, number)
            if whole not in there:
                with contextlib.suppress(StorageError):  # another process was first
                    self.call("create_collection", collection_name=whole, vectors_config=never)
            for name, schema in {} if self.local else INDEXES[ending].items():
                self.call("create_payload_index", collection_name=whole, field_name=name, field_schema=schema)

    def mean(self, number: int) -> None:
        """Let the aliases mean collections of a number, all in one step."""
        from qdrant_client.http import models

        self.call(
            "update_collection_aliases",
            change_aliases_operations=[
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(
                        collection_name=self.numbered(ending, number), alias_name=self.address.name + ending
                    )
                )
                for ending in ENDINGS
            ],
        )

    def tidy(self) -> None:
        """Delete the numbered collections that no alias means."""
        meant = self.numbers()
        for one in self.call("get_collections").collections:
            start, _, number = one.name.rpartition(".")
            for ending in ENDINGS:
                if start == self.address.name + ending and number.isdigit() and int(number) != meant.get(ending):
                    self.call("delete_collection", collection_name=one.name)

    def copy(self, vectors: dict[str, tuple[int, Precision]], heed: Any) -> None:
        """Copy all points into new collections, let the aliases mean these, and delete the old ones.

        Parameters
        ----------
        vectors : dict
            Dimension and precision of each named vector.
        heed : callable
            Called after each page.
        """
        from qdrant_client.http import models

        self.tidy()
        number = max(self.numbers().values()) + 1
        self.make(number)
        for name, (dimension, precision) in vectors.items():
            self.make_vector(self.numbered(SAMPLES, number), name, dimension, precision)
        for ending in ENDINGS:
            page: list[Any] = []
            for point in self.walk(ending, with_payload=True, with_vectors=True):
                page.append(models.PointStruct(id=point.id, payload=point.payload, vector=point.vector or {}))
                if len(page) == PAGE:
                    self.call("upsert", collection_name=self.numbered(ending, number), points=page)
                    page = []
                    heed()
            if page:
                self.call("upsert", collection_name=self.numbered(ending, number), points=page)
        self.mean(number)
        self.tidy()

    def make_vector(self, whole: str, name: str, dimension: int, precision: Precision) -> None:
        """Add a named vector to a collection; one that is there stays."""
        from qdrant_client.http import models

        datatype = {"f32": models.VectorStorageDatatype.FLOAT32, "f16": models.VectorStorageDatatype.FLOAT16}
        # Ours have length 1 already: cosines are products, and what is read is what was written.
        dense = models.DenseVectorConfig(size=dimension, distance=models.Distance.DOT, datatype=datatype[precision])
        self.call(
            "create_vector_name",
            collection_name=whole,
            vector_name=name,
            vector_name_config=models.DenseVectorNameConfig(dense=dense),
        )

    def numbered(self, ending: str, number: int) -> str:
        """The name of a collection of a number."""
        return f"{self.address.name}{ending}.{number}"

    def whole(self, ending: str) -> str:
        """The numbered collection that an alias means."""
        return self.numbered(ending, self.numbers()[ending])

    def vacuum(self) -> None:
        """Rewrite the files of the local mode without what was deleted."""
        if self.address.folder is None:
            return
        with self._one, self._explained():
            for file in sorted((self.address.folder / "collection").glob("*/storage.sqlite")):
                with contextlib.closing(sqlite3.connect(file)) as database:
                    database.execute("VACUUM")

    def close(self) -> None:
        """Let go of the connection, or of the folder."""
        with self._one:
            client, self._client = self._client, None
            if client is not None:
                client.close()
            if self._lock is not None:
                self._lock.release()

    def _own(self, folder: Path, create: bool) -> None:
        """Make the folder, and see that nobody else has it open: the client would read it first and complain after."""
        from filelock import FileLock, Timeout

        if not create and not (folder / "meta.json").is_file():
            raise SourceError(f"there is no gallery at {self.address.place}.")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FileLock(folder / "mien.lock", timeout=0, mode=0o600, thread_local=False)
            self._lock.acquire()
        except Timeout:
            raise StorageError(
                f"{self.address.place} is open already: Qdrant's local mode is for one process, and one gallery"
                " object in it; run a Qdrant server for more."
            ) from None
        except OSError as error:
            raise StorageError(f"{self.address.place} cannot be written: {error.strerror or error}.") from error

    def _check_version(self) -> None:
        version = str(self.call("info").version)
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise StorageError(f"{self.address.place} is a Qdrant of version {version}; at least {oldest} is needed.")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what the client raises as an error of ours; nothing of it is passed on that may hold the key."""
        from qdrant_client.http import exceptions

        place = self.address.place
        try:
            yield
        except exceptions.UnexpectedResponse as error:
            refused = "refused the key, or wants one" if error.status_code in (401, 403) else "answered"
            raise StorageError(f"{place} {refused}: {error.status_code} {error.reason_phrase}.") from error
        except exceptions.ApiException as error:
            source = getattr(error, "source", error)
            raise StorageError(f"{place} cannot be reached ({type(source).__name__}).") from None
        except UsageError:
            raise
        except (sqlite3.Error, OSError, ValueError, KeyError, RuntimeError) as error:
            if not self.local:
                raise
            raise StorageError(f"{place} cannot be read or written: {error}.") from error
