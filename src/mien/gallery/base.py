"""What all of a gallery's verbs share: the store, the engine, the space, who is who, and the log."""

from __future__ import annotations

import difflib
import functools
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Vectors
from mien.core.errors import (
    EmbeddingSpaceMismatch,
    GalleryChanged,
    NotCalibrated,
    ShapeMismatch,
    UnknownPerson,
    UsageError,
)
from mien.embeddings.calibration import Calibration, load_calibration
from mien.embeddings.packing import Precision
from mien.engine import Engine, default_engine
from mien.gallery import audit
from mien.gallery.records import ANYTHING, Change, Entry, Person, Sample, Where
from mien.gallery.store import Store, open_store
from mien.gallery.stores.values import check_text

__all__ = ["Base", "Who", "check_name"]

Floats = NDArray[np.float32]
Who = str | Person  #: a person, or the name or id of one

T = TypeVar("T")

PERSON_ID = re.compile(r"p[0-9]+")
HINTED = 10_000  # people of a gallery among whom names like a wrong one are looked for: it takes a second for 100,000
TRIES = 10  # of a change that others keep coming before
SALT, CROPS, CALIBRATION = "salt", "crops", "calibration"  # settings in the store

_parse = functools.lru_cache(maxsize=4)(Calibration.from_toml)


def check_name(name: str) -> None:
    """Refuse a name that is blank, could be taken for an id, is too long, or cannot be stored.

    Raises
    ------
    UsageError
        If it is one of these, or no text.
    """
    check_text("name", name)
    if not name.strip() or PERSON_ID.fullmatch(name):
        raise UsageError(f"a name has letters, and is not p and a number, which ids are; got {name[:100]!r}.")


@functools.lru_cache(maxsize=4)
def _filled(own: Calibration, shared: Calibration) -> Calibration:
    known = {stratum.name for stratum in own.strata}
    more = tuple(stratum for stratum in shared.strata if stratum.name not in known)
    return replace(own, name=f"{own.name} and {shared.name}", strata=own.strata + more) if more else own


def _listed(name: str, values: Any) -> Any:
    """Values of a filter, which may come one by one."""
    if values is not None and not isinstance(values, Iterable):
        raise UsageError(f"{name} of a filter are a list; got {type(values).__name__}.")
    return values if values is None or isinstance(values, str) else list(values)


class _Closed:
    """The store of a gallery that was closed: whatever is asked of it, it says so."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> NoReturn:
        raise UsageError(f"the gallery {self._name} was closed: open it again.")

    def close(self) -> None:
        """Do nothing: it is closed."""


class Base:
    """An open gallery; see `mien.gallery.people.Gallery`."""

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        engine: Engine | None = None,
        create: bool = True,
        precision: Precision | None = None,
        crops: bool | None = None,
    ) -> None:
        self._place = os.fspath(place)
        self._engine = engine
        self._engines = ExitStack()  # those that it made itself
        self.store: Store = open_store(place, create=create, precision=precision)
        with ExitStack() as stack:
            stack.callback(self.store.close)
            generation, meta = self.store.generation(), self.store.meta()
            keep = {CROPS: "yes" if crops else "no"}
            if SALT not in meta:
                with suppress(GalleryChanged):  # somebody else began it at this moment, and has given it a salt
                    self.store.apply(Change(meta={SALT: audit.new_salt(), **keep}), expect=generation)
            elif crops is not None and meta[CROPS] != keep[CROPS]:
                self.store.apply(Change(meta=keep))
            stack.pop_all()

    # -- the basics --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Where it is, for messages: without what a URL may hold of passwords."""
        scheme, separator, rest = self._place.partition("://")
        if not separator:
            return scheme
        where, _, options = rest.partition("?")
        # An @ behind a question mark: the one or the other is of a password, so that nothing can be told.
        return f"{scheme}://{'...' if '@' in options else where.rpartition('@')[2]}"

    @property
    def engine(self) -> Engine:
        """The engine that looks at pictures."""
        return self._engine or default_engine()

    @property
    def space(self) -> str | None:
        """The embedding space of its vectors; None while there are none."""
        return self.store.space

    @property
    def keeps_crops(self) -> bool:
        """Whether aligned crops of new faces are kept."""
        return self.store.meta()[CROPS] == "yes"

    def __len__(self) -> int:
        """The number of people."""
        return self.store.counts().people

    def __iter__(self) -> Iterator[Person]:
        return iter(self.store.people())

    def __contains__(self, who: object) -> bool:
        try:
            return self._find(cast("str", who.id if isinstance(who, Person) else who)) is not None
        except UsageError:  # nobody could be called that
            return False

    def __getitem__(self, who: Who) -> Person:
        return self.person(who)

    def __repr__(self) -> str:
        counts = self.store.counts()
        return f"<Gallery: {counts.people} people, {counts.samples} faces, space {self.space or 'not chosen yet'}>"

    def close(self) -> None:
        """Let go of files and connections. The gallery cannot be used afterwards; closing it twice does no harm."""
        self.store.close()
        self.store = cast("Store", _Closed(self.name))
        self._engines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- who is who --------------------------------------------------------------------------------------------------

    def person(self, who: Who) -> Person:
        """Somebody by name or id.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        UsageError
            If it is neither a text nor a Person.
        """
        key = who.id if isinstance(who, Person) else who
        found = self._find(key)
        if found is None:
            few = len(self) <= HINTED
            names = [person.name for person in self.store.people() if person.name] if few else []
            like = difflib.get_close_matches(key[:100], names, n=3)
            hint = f"; there is {', '.join(map(repr, like))}" if like else ""
            raise UnknownPerson(f"nobody here is called {key[:100]!r}{hint}.")
        return found

    def _find(self, key: str) -> Person | None:
        check_text("name", key)
        by_id = PERSON_ID.fullmatch(key) is not None
        people = self.store.people([key]) if by_id else self.store.people(names=[key])
        return people[0] if people else None

    def _new_person(self, name: str | None, *, note: str = "") -> Person:
        if name is not None:
            check_name(name)
        return Person(id=f"p{self.store.reserve(1)}", name=name, note=note, created=time.time())

    def faces(self, who: Who | None = None, *, where: Where | None = None, crops: bool = False) -> list[Sample]:
        """The faces of somebody, or those of which something holds, or of which both does, or all.

        Parameters
        ----------
        who : str or Person, optional
        where : Where, optional
            Its ``people`` may be names here, too.
        crops : bool
            Read their crops too, where they are kept.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        """
        chosen = self._where(ANYTHING if where is None else where)
        if who is not None:
            chosen = replace(chosen, people=[self.person(who).id])
        return list(self.store.samples(chosen, crops=crops))

    def vectors(self, samples: Iterable[Sample]) -> Vectors:
        """The embeddings of faces, in their order."""
        ids = [sample.id for sample in samples]
        if not ids:
            return Vectors(np.zeros((0, self.store.dimension or 0), np.float32), space=self.space or "")
        return Vectors(self.store.vectors(ids), space=self.space or "")

    def _where(self, where: Where) -> Where:
        """A filter in which people may be named as everywhere here, as a store knows them: by their ids.

        Raises
        ------
        UnknownPerson
            If there is nobody of a name.
        UsageError
            If it is no filter.
        """
        if not isinstance(where, Where):
            raise UsageError(f"where is a Where, such as Where(people=['ada']); got {type(where).__name__}.")
        lists = {name: _listed(name, getattr(where, name)) for name in ("ids", "faces", "pictures", "people")}
        where = replace(where, **lists)
        if not isinstance(where.words, Mapping) or not isinstance(where.taken, tuple | list | None):
            raise UsageError("words are a mapping such as {'event': 'fair'}, and taken is (from, to).")
        if where.people is None or isinstance(where.people, str):
            return where
        keys = [one.id if isinstance(one, Person) else one for one in where.people]
        ids = [key if isinstance(key, str) and PERSON_ID.fullmatch(key) else self.person(key).id for key in keys]
        return replace(where, people=ids)

    # -- what is written ---------------------------------------------------------------------------------------------

    def _settle(self, make: Callable[[], tuple[Change, T]]) -> T:
        """Write what `make` computes from the gallery as it is; once more where others changed it meanwhile.

        Parameters
        ----------
        make : callable
            Reads what it needs, and returns the change and what the verb returns.

        Raises
        ------
        GalleryChanged
            If others came before every time; nothing is written.
        """
        for left in reversed(range(TRIES)):
            generation = self.store.generation()
            change, result = make()
            try:
                self.store.apply(change, expect=generation)
            except GalleryChanged:
                if not left:
                    raise
                continue
            return result
        raise AssertionError("unreachable")

    def _outside(self, path: Path) -> Path:
        """A place for a copy; `UsageError` where it lies in the gallery's own folder, which forgets completely."""
        if Path(self._place).is_dir() and path.resolve().is_relative_to(Path(self._place).resolve()):
            raise UsageError(f"{path} lies in the gallery's own folder: name one elsewhere.")
        return path

    # -- what goes in ------------------------------------------------------------------------------------------------

    def _check_engine(self) -> None:
        made = self.engine.choose("embedding").space or ""
        self._check_space(made, f"the engine makes {made!r}: use the model it was made with, or reembed()")

    def _check_space(self, space: str, what: str) -> None:
        if self.space is not None and space != self.space:
            raise EmbeddingSpaceMismatch(f"this gallery holds vectors of {self.space!r}, {what}.")

    def _unit(self, vectors: Vectors | ArrayLike, space: str | None) -> Vectors:
        """Vectors of a caller, made of length 1, in the gallery's space."""
        if isinstance(vectors, Vectors):
            if space is not None and space != vectors.space:
                raise UsageError(f"space={space!r} is said of vectors of {vectors.space!r}.")
            values, space = np.atleast_2d(vectors.values), vectors.space
        else:
            try:
                array = np.asarray(vectors)
                if array.dtype.kind not in "fiub":
                    raise TypeError
                values = np.atleast_2d(array.astype(np.float64)) if array.ndim else array  # f64: no length overflows
            except (TypeError, ValueError) as error:
                raise ShapeMismatch("vectors are an array of numbers, (N, D) or (D,).") from error
            space = space or self.space
        if not space:
            raise UsageError("say which embedding space the vectors are of, such as space='petface-v1'.")
        self._check_space(space, f"these are of {space!r}")
        if values.ndim != 2 or (self.store.dimension and values.shape[1] != self.store.dimension):
            expected = self.store.dimension or "D"
            raise ShapeMismatch(f"vectors are (N, {expected}) here, got shape {values.shape}.")
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise ShapeMismatch("vectors are finite numbers, not all zero: NaN, infinity or zeros were given.")
        return Vectors((values / lengths).astype(np.float32), space=space)

    def _log(self, action: str, keys: Iterable[str] = (), **details: Any) -> Entry:
        return audit.entry(self.store.meta()[SALT], action, keys, **details)

    def _calibration(self) -> Calibration | None:
        """The gallery's own table, filled up with that of its space for pairs that it says nothing of.

        None where there is neither.
        """
        if self.space is None:
            return None
        text = self.store.meta().get(CALIBRATION)
        own = _parse(text, f"the calibration of {self.name}") if text else None
        try:
            shared = load_calibration(self.space, licenses=self._engine.licenses if self._engine else "any")
        except NotCalibrated:
            shared = None
        if own is None or own.space != self.space:
            return shared
        return own if shared is None else _filled(own, shared)
