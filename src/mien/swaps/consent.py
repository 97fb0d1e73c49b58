"""Who may be swapped: a record of consent, a list of people who are not to be swapped, and a gate of the caller's.

All three can only refuse. Whatever goes wrong in one of them, such as a list that cannot be read, refuses too: an edit
is made where everything that was asked has said yes, and never because something could not be asked.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from mien.core.columns import Vectors
from mien.core.errors import EditRefused, MienError, SourceError, UsageError
from mien.core.faces import Face, Faces
from mien.embeddings.calibration import load_calibration
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.sinks import write_bytes

__all__ = ["DO_NOT_SWAP", "FAR", "Consent", "Embedded", "Gate", "Guard", "check_gate", "check_source"]

#: The environment variable that names a gallery of people who are not to be swapped, beside that of a call.
DO_NOT_SWAP = "MIEN_DO_NOT_SWAP"

#: How often a stranger is taken for somebody on the list, in each comparison. To refuse one edit in a thousand for
#: nothing costs little; so the threshold is that of the kind of pairs that asks least, and does not rise with the list.
FAR = 1e-3

#: Is given the source (an identity, or faces) and the target's faces; says why it refuses, or None to let it pass.
Gate: TypeAlias = Callable[[Any, Faces], str | None]

#: A gallery, or where one is.
Listed: TypeAlias = "Gallery | str | os.PathLike[str]"

MOST = 1 << 20  # bytes of a record of consent
LONGEST = 1000  # characters of one of its texts


class Embedded(Protocol):
    """What has an embedding: faces, or an identity made of several pictures."""

    @property
    def embedding(self) -> Vectors:
        """One vector, or one for each face."""
        ...


@dataclass(frozen=True, kw_only=True)
class Consent:
    """That somebody has agreed to be shown so.

    Parameters
    ----------
    given_by : str
        Who has agreed.
    purpose : str
        To what.
    date : date
        When.
    reference : str
        Where the signed paper, or the message, is filed.
    until : date, optional
        The last day on which it holds; by default it does not end.

    Raises
    ------
    UsageError
        If a part is missing, or none.
    """

    given_by: str
    purpose: str
    date: dt.date
    reference: str = ""
    until: dt.date | None = None

    def __post_init__(self) -> None:
        for name in ("given_by", "purpose", "reference"):
            text = getattr(self, name)
            needed = name != "reference"
            good = isinstance(text, str) and len(text) <= LONGEST and _is_unicode(text)
            if not good or (needed and not text.strip()):
                raise UsageError(f"{name} of a consent is a text of up to {LONGEST} characters; got {text!r:.80}.")
        # A datetime is a date too, and has a time zone to argue about.
        if not all(type(day) is dt.date for day in (self.date, self.until or self.date)):
            raise UsageError("the days of a consent are dates, such as 2026-11-20.")
        if self.until and self.until < self.date:
            raise UsageError(f"a consent of {self.date} cannot have ended on {self.until}.")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Consent:
        """Read a record that `save` or a person wrote.

        Raises
        ------
        SourceError
            If the file cannot be read.
        UsageError
            If it is no such record.
        """
        try:
            if Path(path).is_fifo():  # to open it is to wait for its other end
                raise SourceError(f"{os.fspath(path)} is not a regular file.")
            with Path(path).open("rb") as file:
                data = file.read(MOST + 1)
        except OSError as error:
            raise SourceError(f"{os.fspath(path)}: {error.strerror}.") from error
        except ValueError as error:  # a null character
            raise SourceError(f"{os.fspath(path)!r} is not a path: {error}.") from error
        try:
            if len(data) > MOST:
                raise UsageError("it is too long.")
            return cls.from_dict(json.loads(data))
        except UsageError as error:
            raise UsageError(f"{os.fspath(path)} is no record of consent: {error}") from error
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{os.fspath(path)} is no record of consent: it is no JSON.") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Consent:
        """Undo `to_dict`.

        Raises
        ------
        UsageError
            If a part is missing, unknown or none.
        """
        known = {part.name for part in fields(cls)}
        if not isinstance(values, Mapping) or not {"given_by", "purpose", "date"} <= values.keys() <= known:
            raise UsageError(f"it has given_by, purpose and date, and may have {', '.join(sorted(known))}.")
        days = {name: _day(values[name]) for name in ("date", "until") if values.get(name) is not None}
        return cls(**{**values, **days})

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, with the name."""
        days = {"date": self.date.isoformat(), "until": self.until.isoformat() if self.until else None}
        return {"given_by": self.given_by, "purpose": self.purpose, "reference": self.reference, **days}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record as JSON; the file appears complete or not at all.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        target = Path(path)
        write_bytes(target, (json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n").encode())
        return target

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what it says, hexadecimal: whoever has the record can show that an edit means this one."""
        said = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()

    def told(self, *, names: bool = False) -> dict[str, Any]:
        """What may go with a file: its fingerprint, day and purpose; who gave it and where it is filed only if asked.

        A fingerprint hides nothing from one who can guess the record; it is there to be checked, not to be secret.
        """
        own = {"fingerprint": self.fingerprint, "date": self.date.isoformat(), "purpose": self.purpose}
        return {**own, "given_by": self.given_by, "reference": self.reference} if names else own

    def check(self, today: dt.date | None = None) -> None:
        """Refuse where it does not hold today.

        Raises
        ------
        EditRefused
            If it is not yet given, or has ended.
        """
        today = today or dt.datetime.now(dt.UTC).date()
        # Somewhere it is tomorrow already.
        if self.date > today + dt.timedelta(days=1):
            raise EditRefused(f"the consent is of {self.date}, which is still to come.")
        if self.until and self.until < today:
            raise EditRefused(f"the consent has ended on {self.until}.")


def check_gate(gate: Gate | None, source: Any, faces: Faces) -> None:
    """Ask a gate.

    Parameters
    ----------
    gate : callable, optional
    source : Any
        Whose face is put on the others: what the verb knows of them.
    faces : Faces
        Those that are to be changed.

    Raises
    ------
    EditRefused
        If it gives a reason, fails, or gives something else than a reason or None.
    """
    if gate is None:
        return
    try:
        reason = gate(source, faces)
    except Exception as error:  # it is the caller's, and whatever becomes of it must not let through
        raise EditRefused(f"the gate has failed, so nothing passes it: {type(error).__name__}: {error}.") from error
    if reason is None:
        return
    said = reason.strip().rstrip(".") if isinstance(reason, str) else ""
    raise EditRefused(f"the gate refuses: {said or f'it gave {reason!r:.80}, which is no reason and not None'}.")


def check_source(
    source: Embedded | Vectors | Face | Faces,
    *,
    do_not_swap: Listed | None = None,
    far: float = FAR,
    engine: Engine | None = None,
) -> int:
    """Refuse a source that is, or looks like, somebody on a list of people who are not to be swapped.

    The lists are `do_not_swap` and the gallery that the environment variable ``MIEN_DO_NOT_SWAP`` names; whoever sets
    the variable for all programs of a machine cannot be overruled by a call.

    Parameters
    ----------
    source : Identity, Faces, Face or Vectors
        What has an embedding, or is one. Generated people are checked as any other.
    do_not_swap : Gallery or path, optional
    far : float
        How often a stranger may be refused, in each comparison.
    engine : Engine, optional
        Whose license policy the calibration must satisfy. By default `mien.default_engine()`.

    Returns
    -------
    int
        With how many faces the source was compared.

    Raises
    ------
    EditRefused
        If it is close to somebody there; or if that cannot be said, as a list cannot be read, or is of another
        embedding space, or the source has no embedding, or no calibration is known. Nobody is named.
    """
    vectors = source if isinstance(source, Vectors) else None
    compared = 0
    for place in _lists(do_not_swap):
        with _asking():
            vectors = source.embedding if vectors is None and not isinstance(source, Vectors) else vectors
            assert vectors is not None  # noqa: S101 - for the type checker: it is one or has one
            compared += _compare(vectors, place, far, (engine or default_engine()))
    return compared


def _lists(do_not_swap: Listed | None) -> list[Listed]:
    """The lists that there are, each once. A gallery without a name in it is false, and a list all the same."""
    given = os.environ.get(DO_NOT_SWAP)
    same = isinstance(do_not_swap, str | os.PathLike) and os.fspath(do_not_swap) == given
    return [*([] if do_not_swap is None else [do_not_swap]), *([given] if given and not same else [])]


@contextmanager
def _asking() -> Iterator[None]:
    """Whatever cannot be asked refuses."""
    try:
        yield
    except EditRefused:
        raise
    except (MienError, OSError) as error:
        said = str(error).rstrip(".")
        raise EditRefused(f"the do-not-swap list could not be asked, so nobody passes: {said}.") from error


def _compare(vectors: Vectors, place: Listed, far: float, engine: Engine) -> int:
    """Compare with all of one list; the number of faces there."""
    if not isinstance(place, Gallery):
        with Gallery(place, create=False, engine=engine) as gallery:
            return _compare(vectors, gallery, far, engine)
    if not np.isfinite(vectors.values).all():
        raise EditRefused("the source has no embedding, so nobody can say that it is not on the do-not-swap list.")
    counts = place.store.counts()
    # Whoever is on the list by an older model, or in pictures that had no vector, would never be found.
    if counts.samples > counts.vectors:
        raise UsageError(f"{counts.samples - counts.vectors} of its faces have no vector.")
    if not counts.vectors:
        return 0
    calibration = load_calibration(vectors.space, licenses=engine.licenses)
    threshold = min(stratum.threshold(far) for stratum in calibration.strata)
    for found in place.search(vectors, k=1, threshold=threshold, exact=True):
        if not found.hits:
            raise UsageError(found.reason)
        if found.hits[0].passes:
            score = found.hits[0].score
            raise EditRefused(
                f"the source looks like somebody on the do-not-swap list: {score:.3f}, where {threshold:.3f} refuses."
            )
    return counts.vectors


@dataclass(frozen=True, eq=False, kw_only=True)
class Guard:
    """Everything that may refuse a swap, together.

    Attributes
    ----------
    gate : callable, optional
        Of the caller's: see `Gate`.
    consent : Consent, optional
    do_not_swap : Gallery or path, optional
        Beside the one that ``MIEN_DO_NOT_SWAP`` names.
    engine : Engine, optional
    """

    gate: Gate | None = None
    consent: Consent | None = None
    do_not_swap: Listed | None = None
    engine: Engine | None = None

    @classmethod
    def of(
        cls,
        *,
        gate: Gate | None = None,
        consent: Consent | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        do_not_swap: Listed | None = None,
        engine: Engine | None = None,
    ) -> Guard:
        """A guard of what a verb was given; `consent` may be a record, a mapping of its parts, or a JSON file.

        Raises
        ------
        EditRefused
            If the consent does not hold today.
        SourceError, UsageError
            If the record cannot be read, or is none; if the gate cannot be called.
        """
        if gate is not None and not callable(gate):
            raise UsageError(f"gate is a function of a source and faces, not {gate!r:.80}.")
        if isinstance(consent, Mapping):
            consent = Consent.from_dict(consent)
        elif consent is not None and not isinstance(consent, Consent):
            consent = Consent.load(consent)
        if consent is not None:
            consent.check()
        return cls(gate=gate, consent=consent, do_not_swap=do_not_swap, engine=engine)

    @property
    def report(self) -> dict[str, Any]:
        """For the report of an edit: the consent with its names, or that there is none, and what else was asked."""
        given = self.consent.to_dict() if self.consent else None
        lists = len(_lists(self.do_not_swap))
        return {"consent": given, "gate": self.gate is not None, "do_not_swap_lists": lists}

    @property
    def reference(self) -> str | None:
        """For the mark of an edit: the consent's fingerprint, and no name."""
        return self.consent.fingerprint if self.consent else None

    def check_source(self, source: Embedded | Vectors | Face | Faces) -> None:
        """Refuse a source that is on a list; see `check_source`."""
        check_source(source, do_not_swap=self.do_not_swap, engine=self.engine)

    def check_target(self, source: Any, faces: Faces) -> None:
        """Ask the gate about faces that are to get this source's; see `check_gate`."""
        check_gate(self.gate, source, faces)


def _is_unicode(text: str) -> bool:
    """Whether it can be written: JSON may hold halves of characters."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _day(value: object) -> dt.date:
    try:
        return dt.date.fromisoformat(value)  # type: ignore[arg-type] # whatever it is
    except (ValueError, TypeError) as error:
        raise UsageError(f"{value!r:.40} is no day such as 2026-11-20.") from error
