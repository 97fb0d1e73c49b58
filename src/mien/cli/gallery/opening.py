"""What the gallery's commands share: its place, its opening, and how faces are chosen and shown."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import print_json
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.gallery.enrolling import Refusal
    from mien.gallery.people import Gallery
    from mien.gallery.records import Sample, Where

__all__ = ["Json", "Place", "WhereOption", "date_of", "open_gallery", "parse_where", "tell", "tell_all"]

Place = Annotated[
    str, typer.Argument(help="A folder, or the URL of a PostgreSQL or Qdrant server.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Only faces of which this holds: age=20..40 or event=wedding of stored words; people=NAME, "
        "people=nobody, source=FOLDER, quality=0.4, taken=2019-01-01..2019-12-31. Repeatable.",
        show_default=False,
    ),
]


def open_gallery(place: str, engine: Engine, *, create: bool = False, **options: Any) -> Gallery:
    """The gallery of a place, which must be there unless it is to be made."""
    from mien.gallery.people import Gallery

    return Gallery(place, engine=engine, create=create, **options)


def tell(value: dict[str, Any], text: str, json: bool) -> None:
    """Print an answer: text on a terminal, a line of JSON elsewhere."""
    if json or not sys.stdout.isatty():
        print_json(value)
    else:
        print(text)


def tell_all(value: dict[str, Any], text: str, failures: Sequence[Refusal], json: bool) -> None:
    """Print an answer and what could not be done, which makes the exit code 1."""
    for failure in failures:
        print(f"mien: {failure}", file=sys.stderr)
    tell(value, text, json)
    if failures:
        raise typer.Exit(1)


def date_of(seconds: float | None) -> str:
    """A time as a date; "" where it is not known, or no date."""
    try:
        return "" if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):  # brought in from elsewhere
        return ""


def parse_where(texts: list[str] | None) -> Where:
    """What ``--where`` says."""
    from mien.gallery.records import Where

    options: dict[str, Any] = {}
    words: dict[str, str | tuple[float, float]] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--where takes NAME=VALUE or NAME=LOW..HIGH; got {text!r}.")
        reader = _READERS.get(name)
        if reader is not None:
            options[name] = reader(value)
        else:
            words[name] = _range(value) if ".." in value else value
    return Where(**options, words=words)


def _range(value: str) -> tuple[float, float]:
    low, _, high = value.partition("..")
    return _number(low, -float("inf")), _number(high, float("inf"))


def _number(text: str, otherwise: float = 0.0) -> float:
    try:
        return float(text) if text else otherwise
    except ValueError:
        raise UsageError(f"--where takes numbers in a range; got {text!r}.") from None


def _dates(value: str) -> tuple[float | None, float | None]:
    low, dots, high = value.partition("..")
    day = dt.timedelta(days=1, microseconds=-1)  # the last day is meant with its evening
    return _day(low, dt.timedelta()), _day(high if dots else low, day)


def _day(text: str, later: dt.timedelta) -> float | None:
    if not text:
        return None
    try:
        return (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) + later).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"--where takes dates as 2019-12-31; got {text!r}.") from None


def _people(value: str) -> str | list[str]:
    return value if value in {"anybody", "nobody"} else [value]


_READERS: dict[str, Callable[[str], Any]] = {"people": _people, "source": str, "quality": _number, "taken": _dates}


def sample_row(sample: Sample) -> dict[str, Any]:
    """A face as JSON types, without its crop."""
    return {
        "id": sample.id,
        "face": sample.face,
        "person": sample.person,
        "confirmed": sample.confirmed,
        "source": sample.source,
        "box": list(sample.box) if sample.box else None,
        "quality": sample.quality,
        "ages": list(sample.ages) if sample.ages else None,
        "taken": sample.taken,
        "words": dict(sample.words),
    }
