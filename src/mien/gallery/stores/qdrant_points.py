"""Records as Qdrant's points, and filters in its language.

Samples are points with a named vector per embedding space. People, links, settings, the lines of the log and pictures
that were looked at are points without a vector in a collection of their own, told apart by their ``kind``. Ids of those
are made of what they are (UUIDs of a name), so that writing one again overwrites it.
"""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mien.embeddings.packing import Precision, pack
from mien.gallery.records import ANYBODY, Change, Entry, Link, Person, Sample, Where, number_of

if TYPE_CHECKING:
    from qdrant_client.http.models import Filter

__all__ = [
    "PRECISIONS",
    "entry_of",
    "entry_points",
    "filter_of",
    "identity",
    "is_empty",
    "link_of",
    "matching",
    "person_of",
    "record_points",
    "sample_of",
    "sample_points",
    "vector_of",
]

Floats = NDArray[np.float32]
Point = dict[str, Any]  # {"id", "payload"}, and "vector" of bytes in base64 where there is one

#: Precisions that Qdrant has a type for, and numpy's; its one-byte type is unsigned, which embeddings are not.
PRECISIONS: dict[Precision, str] = {"f32": "<f4", "f16": "<f2"}
_SPACE = uuid.UUID("6d69656e-0000-4000-8000-000000000000")


def identity(kind: str, *key: object) -> str:
    """The id of a point that is no sample."""
    return str(uuid.uuid5(_SPACE, "\0".join(map(str, (kind, *key)))))


def record_points(change: Change) -> list[Point]:
    """What a change writes that is neither a sample nor a line of the log, as points."""
    rows: list[tuple[tuple[object, ...], dict[str, Any]]] = [
        (
            ("person", number_of(one.id)),
            {"number": number_of(one.id), "name": one.name, "note": one.note, "created": float(one.created)},
        )
        for one in change.people
    ]
    rows += [
        (("link", int(one.first), int(one.second)),
         {"first": int(one.first), "second": int(one.second), "same": bool(one.same)})
        for one in change.links
    ]  # fmt: skip
    rows += [
        (("setting", key), {"key": key, "value": value}) for key, value in change.meta.items() if value is not None
    ]
    rows += [(("looked", picture), {}) for picture in dict.fromkeys(change.looked)]  # the id says it all
    return [{"id": identity(str(key[0]), *key[1:]), "payload": {"kind": key[0], **payload}} for key, payload in rows]


def entry_points(entries: Iterable[Entry], first: int) -> list[Point]:
    """Lines of the log as points, numbered from `first` on."""
    return [
        {
            "id": identity("entry", number),
            "payload": {
                "kind": "entry", "number": number, "time": float(one.time), "action": one.action,
                "subjects": list(one.subjects), "details": dict(one.details),
            },
        }
        for number, one in enumerate(entries, first)
    ]  # fmt: skip


def sample_points(
    samples: Iterable[Sample], vectors: tuple[Sequence[int], Floats] | None, precision: Precision
) -> list[Point]:
    """Samples and vectors as points; one that has only a vector has no payload."""
    points: dict[int, Point] = {}
    for sample in samples:
        payload = {
            "face": sample.face,
            "person": number_of(sample.person) if sample.person is not None else None,
            "confirmed": bool(sample.confirmed),
            "source": sample.source,
            "picture": sample.picture,
            "box": None if sample.box is None else [float(value) for value in sample.box],
            "size": [int(value) for value in sample.size],
            "quality": None if sample.quality is None else float(sample.quality),
            "ages": None if sample.ages is None else [float(value) for value in sample.ages],
            "taken": None if sample.taken is None else float(sample.taken),
            "created": float(sample.created),
            "model": sample.model,
            "words": [
                {"key": key, "text": word} if isinstance(word, str) else {"key": key, "number": float(word)}
                for key, word in sample.words.items()
            ],
        }
        # Samples are mostly read without their crops, so None keeps the one that is there; b"" takes it out.
        if sample.crop is not None:
            payload["crop"] = base64.b64encode(sample.crop).decode() or None
        points[int(sample.id)] = {"id": int(sample.id), "payload": payload}
    if vectors is not None:
        ids, values = vectors
        for number, blob in zip(ids, pack(values, precision), strict=True):
            point = points.setdefault(int(number), {"id": int(number)})
            point["vector"] = base64.b64encode(blob).decode()
    return list(points.values())


def vector_of(text: str, precision: Precision) -> list[float]:
    """The numbers of a point's vector, as rounded as they are stored, and of length 1."""
    values = np.frombuffer(base64.b64decode(text), PRECISIONS[precision]).astype(np.float32)
    return cast("list[float]", (values / np.linalg.norm(values)).tolist())


def sample_of(point: Any) -> Sample:
    """A point as a record."""
    known = dict.fromkeys(("person", "box", "quality", "ages", "taken", "crop")) | point.payload  # None may be left out
    return Sample(
        id=int(point.id),
        face=known["face"],
        person=None if known["person"] is None else f"p{known['person']}",
        confirmed=known["confirmed"],
        source=known["source"],
        picture=known["picture"],
        box=None if known["box"] is None else cast("tuple[float, float, float, float]", tuple(known["box"])),
        size=(known["size"][0], known["size"][1]),
        quality=known["quality"],
        ages=None if known["ages"] is None else (known["ages"][0], known["ages"][1]),
        taken=known["taken"],
        created=known["created"],
        model=known["model"],
        words={word["key"]: word["text"] if "text" in word else float(word["number"]) for word in known["words"]},
        crop=base64.b64decode(known["crop"]) if known["crop"] else None,
    )


def person_of(payload: Mapping[str, Any]) -> Person:
    """A point's payload as a record."""
    return Person(
        id=f"p{payload['number']}", name=payload.get("name"), note=payload["note"], created=float(payload["created"])
    )


def link_of(payload: Mapping[str, Any]) -> Link:
    """A point's payload as a record."""
    return Link(payload["first"], payload["second"], payload["same"])


def entry_of(payload: Mapping[str, Any]) -> Entry:
    """A point's payload as a record."""
    return Entry(
        time=float(payload["time"]),
        action=payload["action"],
        subjects=tuple(payload["subjects"]),
        details=payload["details"],
    )


def matching(**values: object) -> list[Any]:
    """Conditions that a payload has these values, or one of each list."""
    from qdrant_client.http import models

    return [
        models.FieldCondition(
            key=key,
            match=models.MatchAny(any=value)
            if isinstance(value, list)
            else models.MatchValue(value=cast("Any", value)),
        )
        for key, value in values.items()
    ]


def is_empty(where: Where) -> bool:
    """Whether a list in a filter is empty, so that nothing passes."""
    lists = (where.ids, where.faces, where.pictures, where.people)
    return any(values is not None and not len(values) for values in lists)


def filter_of(where: Where) -> Filter | None:
    """A filter over samples; None where all pass."""
    from qdrant_client.http import models

    def within(key: str, low: float | None, high: float | None = None) -> models.FieldCondition:
        # JSON knows no infinity; where there are no bounds at all, any number passes.
        low, high = (end if end is not None and math.isfinite(end) else None for end in (low, high))
        return models.FieldCondition(key=key, range=models.Range(gte=low, lte=high))

    must: list[Any] = []
    must_not: list[Any] = []
    if where.ids is not None:
        # A server refuses the whole request for an id that none of its points can have.
        must.append(models.HasIdCondition(has_id=[int(one) for one in where.ids if one > 0]))
    if where.faces is not None:
        must += matching(face=list(where.faces))
    if where.pictures is not None:
        must += matching(picture=list(where.pictures))
    if isinstance(where.people, str):
        nobody = models.IsEmptyCondition(is_empty=models.PayloadField(key="person"))
        (must_not if where.people == ANYBODY else must).append(nobody)
    elif where.people is not None:
        must += matching(person=[number_of(one) for one in where.people])
    if where.source:
        must.append(models.FieldCondition(key="source", match=models.MatchPrefix(prefix=where.source)))
    if where.quality is not None:
        must.append(within("quality", float(where.quality)))
    if where.taken is not None and where.taken != (None, None):
        must.append(within("taken", *where.taken))
    for key, word in where.words.items():
        found = matching(text=word) if isinstance(word, str) else [within("number", float(word[0]), float(word[1]))]
        nested = models.Nested(key="words", filter=models.Filter(must=[*matching(key=key), *found]))
        must.append(models.NestedCondition(nested=nested))
    return models.Filter(must=must, must_not=must_not) if must or must_not else None
