"""The redaction file: what was hidden where, and why; written, edited by hand, and fed back.

JSON, one object::

    {"schema": "mien-redactions/1", "size": [1920, 1080], "frames": 250, "method": "blur", "strength": 6,
     "redactions": [
       {"frame": 0, "box": [812.5, 300, 1100, 640], "source": "detected", "track": 1, "score": 0.93},
       ...]}

A redaction's ``track``, ``score``, ``outline``, ``method`` and ``strength`` may be missing. The file names no source
and holds no picture. It comes from outside: each number is checked, and a complaint says where.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from mien.core.errors import ImageError, SourceError
from mien.media.sinks import write_text
from mien.swaps.hidden.hiding import FAINTEST, METHODS, STRONGEST
from mien.swaps.hidden.spots import SOURCES, Spot

__all__ = ["SCHEMA", "Redactions"]

SCHEMA: Final = "mien-redactions/1"
_LARGEST: Final = 256 << 20  # bytes of a file: ten faces in each frame of a film
_FAR: Final = 1e6  # pixels that a box may lie from the picture's corner
_FRAMES: Final = 10_000_000
_POINTS: Final = 1000  # of an outline


@dataclass(frozen=True, eq=False)
class Redactions:
    """What is hidden in a picture, or in the frames of a video.

    Parameters
    ----------
    size : (width, height)
        Of the picture or of a frame, in pixels.
    frames : tuple of tuples of Spot
        By frame; a picture is one.
    settings : mapping
        How it is hidden: for whoever reads the file.
    """

    size: tuple[int, int]
    frames: tuple[tuple[Spot, ...], ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: str | Path) -> None:
        """Write the file; it appears complete or not at all.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        top = {"schema": SCHEMA, "size": list(self.size), "frames": len(self.frames), **self.settings}
        head = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in top.items())
        rows = ",\n  ".join(
            json.dumps({"frame": number, **_row(spot)}) for number, spots in enumerate(self.frames) for spot in spots
        )
        write_text(Path(path), f'{{{head},\n "redactions": [\n  {rows}]}}\n')

    @classmethod
    def read(cls, path: str | Path) -> Redactions:
        """Read a file that anyone may have written.

        Raises
        ------
        SourceError
            If there is no such file, or it cannot be read.
        ImageError
            If it is no redaction file: the message says which place of it is wrong.
        """
        file = Path(path)
        try:
            with file.open("rb") as stream:
                data = stream.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                raise ImageError(f"{file}: a redaction file has at most {_LARGEST >> 20} MB.")
            text = data.decode("utf-8")
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror}.") from error
        except ValueError as error:  # no UTF-8, or a null character in the name
            raise ImageError(f"{file} is no redaction file: it is no text.") from error
        try:
            return cls.of(json.loads(text, parse_constant=_refuse))
        except _Wrong as error:
            raise ImageError(f"{file}: {error}.") from error
        except (ValueError, RecursionError) as error:  # also of a number with thousands of digits
            raise ImageError(f"{file} is no redaction file: it is no JSON ({_brief(error)}).") from error

    @classmethod
    def of(cls, values: Any) -> Redactions:
        """Check what a file holds; raises a `ValueError` that names the place."""
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            raise _Wrong(f'it is no redaction file: its "schema" is not "{SCHEMA}"')
        size = values.get("size")
        if not (isinstance(size, list) and len(size) == 2):
            raise _Wrong('"size" is [width, height]')
        width, height = (_whole(one, f'"size"[{i}]', 1, 1 << 20) for i, one in enumerate(size))
        count = _whole(values.get("frames"), '"frames"', 1, _FRAMES)
        rows = values.get("redactions")
        if not isinstance(rows, list):
            raise _Wrong('"redactions" is a list')
        frames: dict[int, list[Spot]] = {}
        for number, row in enumerate(rows):
            place = f'"redactions"[{number}]'
            if not isinstance(row, dict):
                raise _Wrong(f"{place} is an object")
            frame = _whole(row.get("frame"), f'{place}["frame"]', 0, count - 1)
            frames.setdefault(frame, []).append(_spot(row, place))
        known = {key: value for key, value in values.items() if key not in {"schema", "size", "frames", "redactions"}}
        return cls((width, height), tuple(tuple(frames.get(number, ())) for number in range(count)), known)


class _Wrong(ValueError):
    """What is wrong with a file, and where, without a full stop."""


def _row(spot: Spot) -> dict[str, Any]:
    values = {
        "box": np.round(spot.box, 2).tolist(),
        "source": spot.source,
        "track": spot.track,
        "score": None if spot.score is None else round(spot.score, 4),
        "outline": None if spot.outline is None else np.round(spot.outline, 1).tolist(),
        "method": spot.method,
        "strength": spot.strength,
    }
    return {key: value for key, value in values.items() if value is not None}


def _spot(row: Mapping[str, Any], place: str) -> Spot:
    unknown = set(row) - {"frame", *_FIELDS}
    if unknown:
        raise _Wrong(f"{place} has no {json.dumps(sorted(unknown)[0][:40])}: there are frame, {', '.join(_FIELDS)}")
    if "box" not in row:
        raise _Wrong(f'{place} has no "box"')
    given = {key: check(row[key], f'{place}["{key}"]') for key, check in _FIELDS.items() if row.get(key) is not None}
    return Spot(**{"source": "by hand", **given})


def _number(value: Any, place: str, low: float, high: float) -> float:
    # A number such as 1e999 is read as infinite, and one of a thousand digits as one that no float holds.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _Wrong(f"{place} is a number from {low:g} to {high:g}, not {_shown(value)}")
    return float(value)


def _whole(value: Any, place: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _Wrong(f"{place} is a whole number from {low} to {high}, not {_shown(value)}")
    return value


def _box(value: Any, place: str) -> Any:
    if not isinstance(value, list) or len(value) != 4:
        raise _Wrong(f"{place} is [x1, y1, x2, y2], not {_shown(value)}")
    box = np.array([_number(one, f"{place}[{i}]", -_FAR, _FAR) for i, one in enumerate(value)])
    if not (box[2:] > box[:2]).all():
        raise _Wrong(f"{place} is [x1, y1, x2, y2] with x1 < x2 and y1 < y2, not {_shown(value)}")
    return box


def _outline(value: Any, place: str) -> Any:
    if not isinstance(value, list) or not 3 <= len(value) <= _POINTS:
        raise _Wrong(f"{place} is a list of 3 to {_POINTS} points [x, y]")
    for i, point in enumerate(value):
        if not isinstance(point, list) or len(point) != 2:
            raise _Wrong(f"{place}[{i}] is a point [x, y], not {_shown(point)}")
        for j, one in enumerate(point):
            _number(one, f"{place}[{i}][{j}]", -_FAR, _FAR)
    return np.array(value, np.float64)


def _word(words: Sequence[str]) -> Callable[[Any, str], str]:
    def check(value: Any, place: str) -> str:
        if value not in words:
            raise _Wrong(f"{place} is one of {', '.join(words)}, not {_shown(value)}")
        return str(value)

    return check


_FIELDS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "box": _box,
    "source": _word(SOURCES),
    "track": lambda value, place: _whole(value, place, 0, _FRAMES),
    "score": lambda value, place: _number(value, place, 0, 1),
    "outline": _outline,
    "method": _word([name for name in METHODS if name not in {"image", "none"}]),
    "strength": lambda value, place: _number(value, place, FAINTEST, STRONGEST),
}


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a number of many digits"
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(name: str) -> Any:
    raise _Wrong(f"{name} is no number in JSON")


def _brief(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    return str(error) if isinstance(error, json.JSONDecodeError) else "a number of too many digits"
