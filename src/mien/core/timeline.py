"""A clip in one picture: a row per person with when they were seen, and what happened to them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from mien.core.canvas import Canvas, Color, text_size
from mien.core.clip import Clip, Event
from mien.core.faces import Face, Faces
from mien.core.image import Image
from mien.core.marks import track_color

__all__ = ["Span", "Timeline"]

THUMBNAIL: Final = 52  # pixels
MOST_ROWS: Final = 60  # beyond, the people who were seen longest
_MARGIN: Final = 24
_NAMES: Final = 130  # pixels at the left that people have
_BAR: Final = 20
_LANE: Final = 14  # of one kind of event
_TEXT: Final = 15.0
_PAPER: Final[Color] = (252, 252, 250)
_INK: Final[Color] = (40, 44, 52)
_PALE: Final[Color] = (214, 217, 222)
_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # s between ticks
#: Kinds of events, in the order of their names.
_KINDS: Final[tuple[Color, ...]] = (
    (214, 60, 76), (32, 120, 200), (226, 140, 20), (46, 150, 96), (140, 80, 190), (110, 110, 110),
)  # fmt: skip


@dataclass
class Span:
    """A stretch of time in which a person was there.

    Attributes
    ----------
    start, end : float
        Seconds.
    observed : bool
        Whether the face was found; False: its place was filled in from the frames around it.
    """

    start: float
    end: float
    observed: bool


@dataclass
class _Person:
    spans: list[Span] = field(default_factory=list)
    last: float = -1.0  # when the person was there last
    portrait: Image | None = None
    quality: float = 0.0  # of the portrait

    @property
    def seconds(self) -> float:
        return sum(span.end - span.start for span in self.spans)


class Timeline:
    """Gathers who is in each frame of a clip, and draws it.

    Memory grows with the number of people and of their comings and goings, not with the frames.
    """

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}
        self._before = -1.0  # time of the frame before
        self._end = 0.0

    def add(self, time: float, faces: Faces, *, duration: float = 0.04) -> None:
        """Take the next frame.

        Parameters
        ----------
        time : float
            Seconds from the clip's start.
        faces : Faces
            With the column ``track``; where they keep their picture, each person gets a portrait.
        duration : float
            How long the frame is shown, in seconds.
        """
        for face in faces:
            if bool(face.track.abstained):
                continue
            person = self._people.setdefault(face.track.ids, _Person())
            observed = face.track.observed
            spans = person.spans
            if spans and spans[-1].observed == observed and person.last == self._before:
                spans[-1].end = time + duration
            else:
                if spans and person.last == self._before:
                    spans[-1].end = time  # without a slit between what was seen and what was filled
                spans.append(Span(time, time + duration, observed))
            person.last = time
            if observed and faces.image is not None:
                _keep_best(person, face)
        self._before, self._end = time, max(self._end, time + duration)

    def spans(self, track_id: int) -> Sequence[Span]:
        """When a person was there, in order; empty for one who never was."""
        return tuple(self._people[track_id].spans) if track_id in self._people else ()

    def picture(self, clip: Clip, *, width: int = 1600) -> Image:
        """Draw it.

        Parameters
        ----------
        clip : Clip
            Gives the events, the duration and the name.
        width : int
            Of the picture, in pixels, 400 or more.

        Returns
        -------
        (H, width, 3) uint8
            As high as it has people.
        """
        kinds = sorted({event.kind for event in clip.events})
        people = sorted(self._people, key=lambda i: -self._people[i].seconds)[:MOST_ROWS]
        row = max(THUMBNAIL + 10, _BAR + _LANE * len(kinds) + 18)
        height = 2 * _MARGIN + 70 + row * max(len(people), 1) + (30 if kinds else 0)
        canvas = Canvas(np.full((height, max(width, 400), 3), _PAPER, np.uint8))
        page = _Page(canvas, max(clip.duration, self._end, 1e-3), _MARGIN + 36)
        count = "1 person" if len(self._people) == 1 else f"{len(self._people)} people"
        more = f", the {len(people)} seen longest" if len(people) < len(self._people) else ""
        name = _ascii(Path(clip.source).name)
        page.write(_MARGIN, _MARGIN - 4, f"{name}: {_clock(clip.duration)}, {count}{more}", size=_TEXT * 1.15)
        bottom = page.top + row * max(len(people), 1)
        page.ticks(bottom)
        for place, track_id in enumerate(sorted(people, key=lambda i: self._people[i].spans[0].start)):
            top = page.top + place * row
            bar = top + (row - _BAR - _LANE * len(kinds)) // 2 - 2 * bool(kinds)
            page.person(track_id, self._people[track_id], top, row, bar=bar)
            for event in clip.events.of(track_id=track_id):
                lane = kinds.index(event.kind)
                page.event(event, bar + 4 + _BAR + _LANE * lane, _color(lane))
        page.legend(kinds, bottom + 34)
        return canvas.image


@dataclass(frozen=True)
class _Page:
    canvas: Canvas
    duration: float
    top: int  # of the first row

    def x(self, time: float) -> float:
        left, right = _MARGIN + _NAMES, self.canvas.size[0] - _MARGIN
        return left + (right - left) * min(max(time / self.duration, 0.0), 1.0)

    def write(self, x: float, y: float, text: str, *, size: float = _TEXT, color: Color = _INK) -> None:
        room = self.canvas.size[0] - _MARGIN - x
        while len(text) > 4 and text_size(text, size)[0] > room:
            text = "..." + text[max(4, len(text) // 20) :]  # of a path, the end says most
        self.canvas.text((x, y), text, size, color)

    def ticks(self, bottom: int) -> None:
        room = self.x(self.duration) - self.x(0)
        step = next((s for s in _STEPS if self.duration / s <= max(room / 90, 2)), _STEPS[-1] * 4)
        for number in range(int(self.duration / step) + 1):
            x = self.x(number * step)
            self.canvas.line([(x, self.top - 4), (x, bottom)], _PALE, 1)
            text = _clock(number * step)
            self.canvas.text((x - text_size(text, _TEXT)[0] / 2, bottom + 6), text, _TEXT, _INK)

    def person(self, track_id: int, person: _Person, top: int, height: int, *, bar: int) -> None:
        color = track_color(track_id)
        if person.portrait is not None:
            y, x = top + (height - THUMBNAIL) // 2, _MARGIN
            self.canvas.image[y : y + THUMBNAIL, x : x + THUMBNAIL] = person.portrait
            self.canvas.rounded((x, y, x + THUMBNAIL - 1, y + THUMBNAIL - 1), 4, color, 2)
        self.canvas.text((_MARGIN + THUMBNAIL + 10, top + height / 2 - 10), f"#{track_id}", _TEXT * 1.1, _INK)
        for span in person.spans:
            left, right = self.x(span.start), max(self.x(span.end), self.x(span.start) + 1.5)
            box = (left, bar, right, bar + _BAR)
            if span.observed:
                self.canvas.panel(box, min(4.0, (right - left) / 3), color, 1.0)
            else:
                self._hatch(box, color)
        self.canvas.line([(_MARGIN, top + height), (self.canvas.size[0] - _MARGIN, top + height)], _PALE, 1)

    def event(self, event: Event, top: float, color: Color) -> None:
        left, right = self.x(event.start), max(self.x(event.end), self.x(event.start) + 2.5)
        self.canvas.panel((left, top + 2, right, top + _LANE - 2), 2, color, 1.0)

    def legend(self, kinds: Sequence[str], y: float) -> None:
        x = self.x(0)
        for lane, kind in enumerate(kinds):
            self.canvas.panel((x, y + 3, x + 14, y + 15), 3, _color(lane), 1.0)
            self.canvas.text((x + 20, y), kind.replace("_", " "), _TEXT, _INK)
            x += 44 + text_size(kind, _TEXT)[0]

    def _hatch(self, box: tuple[float, float, float, float], color: Color) -> None:
        x1, y1, x2, y2 = (round(edge) for edge in box)
        part = self.canvas.image[y1:y2, x1 : max(x2, x1 + 1)]
        y, x = np.ogrid[: part.shape[0], : part.shape[1]]
        part[(x + x1 + y) // 4 % 2 == 0] = color


def _keep_best(person: _Person, face: Face) -> None:
    width, height = (face.box[2:] - face.box[:2]).tolist()
    quality = min(width, height, 200.0) * (face.score if np.isfinite(face.score) else 0.5)
    others = np.delete(face.faces.centers, face.row, axis=0) - (face.box[:2] + face.box[2:]) / 2
    if (np.abs(others) < 1.2 * max(width, height)).all(axis=1).any():  # somebody else is in the picture
        quality *= 0.5
    if quality > 1.1 * person.quality:  # a little better is not worth a crop
        person.portrait, person.quality = face.crop(size=THUMBNAIL, margin=0.15), quality


def _ascii(name: str) -> str:
    """A file's name in the letters that the font has: without accents, and ? for what has no such letter."""
    letters = (part for part in unicodedata.normalize("NFKD", name) if not unicodedata.combining(part))
    return "".join(letters).encode("ascii", "replace").decode()


def _color(lane: int) -> Color:
    return _KINDS[lane % len(_KINDS)]


def _clock(seconds: float) -> str:
    """12.5 s, 3:05 or 1:02:03."""
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
