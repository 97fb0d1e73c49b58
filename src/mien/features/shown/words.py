"""Measured fields put into words: sentences about faces, and the timeline of a clip.

Each phrase stands in ``words.toml`` and is said of a value that was measured, or not at all. So nothing is in the text
that is not in the fields, the same fields always give the same text, and what nobody measured stays unsaid.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from mien.core.columns import Column, Distribution, Labels

if TYPE_CHECKING:
    from mien.core.clip import Clip, Event
    from mien.core.faces import Face, Faces

__all__ = ["EventWords", "Phrase", "Vocabulary", "caption", "sentences", "timeline", "vocabulary"]

_NUMBERS: Final = (
    "No",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
)
_PLACES: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {1: ("",), 2: ("The left one", "The right one"), 3: ("The left one", "The one in the middle", "The right one")}
)
SHORT_CLIP = 10.0  # seconds below which times have tenths
MOMENT = 1.0  # seconds below which an event has one time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phrase:
    """What is said of one field: a ``[[face]]`` of words.toml, which explains the keys."""

    field: str
    part: str
    name: Sequence[str] = ()
    of: str = "max"
    yes: str = ""
    no: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    range: str = ""
    limit: float = 0.0
    above: str = ""
    below: str = ""
    unless: str = ""
    unless_said: Sequence[str] = ()
    lasting: bool = False
    wanted: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventWords:
    """What is said of one kind of event: a row of ``[events]``."""

    says: str
    target: str = ""
    object: str = ""
    labels: bool = False
    counted: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """All phrases, and from which probability on they are said: outright, and with "perhaps"."""

    sure: float
    least: float
    face: tuple[Phrase, ...]
    events: Mapping[str, EventWords]

    @property
    def wanted(self) -> frozenset[str]:
        """Fields that are asked for where the caller names none."""
        return frozenset(phrase.field for phrase in self.face if phrase.wanted)


@cache
def vocabulary() -> Vocabulary:
    """The phrases of words.toml."""
    table = tomllib.loads(resources.files("mien.features.shown").joinpath("words.toml").read_text(encoding="utf-8"))
    return Vocabulary(
        sure=table["sure"],
        least=table["least"],
        face=tuple(Phrase(**row) for row in table["face"]),
        events=MappingProxyType({kind: EventWords(**row) for kind, row in table["events"].items()}),
    )


# -- faces -----------------------------------------------------------------------------------------------------------


def caption(faces: Faces, *, unsure: bool = False) -> str:
    """A caption of a picture: how many people there are, and a sentence for each of whom something is known."""
    count = len(faces)
    if count == 0:
        return "No people."
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    told = [sentence for sentence in sentences(faces, unsure=unsure) if sentence]
    if count == 1 and told:
        return told[0]
    return " ".join([f"{number} {'person' if count == 1 else 'people'}.", *told])


def sentences(faces: Faces, *, unsure: bool = False) -> list[str]:
    """What is known of each face, in words; "" where nothing is.

    Parameters
    ----------
    faces : Faces
        With any fields.
    unsure : bool
        Say which fields abstained, and why.

    Returns
    -------
    list of str
        From the picture's left to its right.
    """
    order = np.argsort(faces.centers[:, 0], kind="stable")
    names = _names(len(faces))
    return [_sentence(faces[int(row)], name, unsure=unsure) for row, name in zip(order, names, strict=True)]


def _names(count: int) -> Sequence[str]:
    if count == 1:
        return ("One person",)
    return _PLACES.get(count) or tuple(f"Number {place} from the left" for place in range(1, count + 1))


def _sentence(face: Face, name: str, *, unsure: bool, lasting: bool = False) -> str:
    words = vocabulary()
    parts: dict[str, list[str]] = {"aside": [], "is": [], "also": []}
    for phrase in words.face:
        said = _phrase(face, phrase, words) if phrase.lasting or not lasting else ""
        if said and not any(other in one for other in phrase.unless_said for one in parts[phrase.part]):
            parts[phrase.part].append(said)
    missing = _missing(face) if unsure else ""
    if not any(parts.values()):
        return f"{name}. {missing}".strip() if missing else ""
    aside = "".join(f", {part}" for part in parts["aside"])
    text = f"{name}{aside}"
    if parts["is"]:
        text += f"{',' if aside else ''} {_listed(parts['is'])}"
    if parts["also"]:
        text += f"{';' if parts['is'] or aside else ':'} the head is {_listed(parts['also'])}"
    return f"{text}. {missing}".strip()


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _phrase(face: Face, phrase: Phrase, words: Vocabulary) -> str:
    columns = face.faces.columns
    if phrase.field not in columns or (
        phrase.unless in columns and not bool(columns[phrase.unless][face.row].abstained)
    ):
        return ""
    value = columns[phrase.field][face.row]
    if bool(value.abstained):
        return ""
    if isinstance(value, Distribution):
        low, high = (round(float(edge)) for edge in value.interval)
        return (phrase.above if 0 < phrase.limit <= high else phrase.range).format(low=low, high=high)
    if isinstance(value, Labels):
        label = str(value.labels)
        return _hedged(phrase.labels.get(label, ""), float(value.named(label)), words)
    number = _number(value, phrase)
    if not np.isfinite(number):
        return ""
    if phrase.limit:
        side = phrase.above if number > phrase.limit else phrase.below if number < -phrase.limit else ""
        return side.format(size=round(abs(number)))
    return _hedged(phrase.yes, number, words) or _hedged(phrase.no, 1 - number, words)


def _number(value: Column, phrase: Phrase) -> float:
    """The number of a face that a phrase is about: of some names the largest or the least; NaN where one is missing."""
    own: Sequence[str] = getattr(value, "names", ())
    numbers = np.atleast_1d(np.asarray(value.values, np.float64))
    if phrase.name:
        if not set(phrase.name) <= set(own):
            return np.nan
        numbers = numbers[[own.index(name) for name in phrase.name]]
    return float(numbers.min() if phrase.of == "min" else numbers.max())


def _hedged(said: str, probability: float, words: Vocabulary) -> str:
    probability = round(probability, 2)  # as it is printed: 0.70 is sure, whatever float32 makes of it
    if not said or probability < words.least:
        return ""
    return f"{'' if probability >= words.sure else 'perhaps '}{said} ({probability:.2f})"


def _missing(face: Face) -> str:
    """Which fields abstained, and why."""
    lost = [
        f"{name.replace('_', ' ')} ({column[face.row].reason or 'no value'})"
        for name, column in face.faces.columns.items()
        if bool(column[face.row].abstained)
    ]
    return f"Not known: {', '.join(lost)}." if lost else ""


# -- clips -----------------------------------------------------------------------------------------------------------


def timeline(clip: Clip, *, people: Mapping[int, Face] | None = None, unsure: bool = False) -> list[str]:
    """What happened in a clip, to whom and when, line by line.

    Parameters
    ----------
    clip : Clip
    people : mapping of int to Face, optional
        Of some tracks a face: what lasts of it (age, glasses) is put into words, too, and not what changes.
    unsure : bool
        Say which of their fields abstained.

    Returns
    -------
    list of str
        How many people there are; a line for each; then what happened, in the order of time.
    """
    count, tenths = len(clip.tracks), clip.duration < SHORT_CLIP
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    lines = [f"{number} {'person' if count == 1 else 'people'} in {_time(clip.duration, tenths=tenths)}."]
    words = vocabulary().events
    counted = Counter((event.track_id, event.kind) for event in clip.events if _words(event, words).counted)
    for track in clip.tracks:
        name = f"Person {track.id} ({_time(track.start, tenths=tenths)}-{_time(track.end, tenths=tenths)})"
        known = people and track.id in people and _sentence(people[track.id], name, unsure=unsure, lasting=True)
        times = [
            f"{words[kind].says.capitalize()} {'once' if many == 1 else f'{many} times'}."
            for (number_, kind), many in sorted(counted.items())
            if number_ == track.id
        ]
        lines.append(" ".join([known or f"{name}.", *times]))
    happened = (event for event in clip.events if not _words(event, words).counted)
    lines += [f"{_span(event, tenths=tenths)} person {event.track_id} {_said(event, words)}" for event in happened]
    return lines


def _words(event: Event, words: Mapping[str, EventWords]) -> EventWords:
    """The words for an event; of a kind that the table does not know, its name."""
    return words.get(event.kind) or EventWords(says=f"shows: {event.kind.replace('_', ' ')}")


def _said(event: Event, words: Mapping[str, EventWords]) -> str:
    own, details = _words(event, words), event.details
    if own.target and "target" in details:
        return own.target.format(target=round(details["target"]))
    if own.object and "object" in details:
        return own.object.format(object=round(details["object"]))
    if own.labels:
        tables = [phrase.labels for phrase in vocabulary().face if phrase.field == "expression"]
        labels = {name: said for table in tables for name, said in table.items()}
        named = {name: value for name, value in details.items() if name in labels}
        if named:
            best = max(named, key=lambda name: named[name])
            return _hedged(labels[best], named[best], vocabulary()) or own.says
    return own.says


def _span(event: Event, *, tenths: bool) -> str:
    start, end = (_time(time, tenths=tenths) for time in (event.start, event.end))
    return start if event.duration < MOMENT or start == end else f"{start}-{end}"


def _time(seconds: float, *, tenths: bool) -> str:
    """Minutes and seconds, "1:05", or with tenths "0:05.3"."""
    units = round(seconds * (10 if tenths else 1))
    minutes, rest = divmod(units, 600 if tenths else 60)
    return f"{minutes}:{rest / 10:04.1f}" if tenths else f"{minutes}:{rest:02d}"
