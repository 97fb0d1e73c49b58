"""Where ``mien mask`` puts what it cuts out: nowhere, into a folder, one file, a file of records, or a video."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mien.cli.naming import Names, is_many, is_same_file
from mien.core.errors import UsageError
from mien.masks.styles import RECORDS, STYLES, Piece, Style, write
from mien.media.encoding import CONTAINERS, VideoWriter
from mien.media.scan import Nothing, find_pictures
from mien.media.sinks import FileSink, begin, open_sink
from mien.media.video import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from mien.engine import Item
    from mien.masks.cuts import Cut
    from mien.media.video import Video

__all__ = ["Plan", "Save", "plan_for", "record_of"]

Save: TypeAlias = "Callable[[Item, Cut | None], list[Path]]"
"""Writes what was cut out of a picture or a frame, None where that failed; the files that are new."""

_BY_SUFFIX = {".svg": "svg", **dict.fromkeys(RECORDS, "json")}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is read and where the results go.

    Attributes
    ----------
    sources : sequence of str
        Pictures, folders and globs; or one video.
    style : Style
        What is written.
    out : Path
        Where to write.
    opener : callable
        Opens it; refuses what cannot be written.
    is_film : bool
        Whether it is a video.
    per_face, crop : bool
        Whether each face is written by itself, and no more than what is cut out.
    """

    sources: Sequence[str]
    style: Style
    out: Path
    opener: Callable[[Plan, Video | None], AbstractContextManager[Save]]
    is_film: bool
    per_face: bool
    crop: bool

    @property
    def writes(self) -> bool:
        """Whether there is anything to write to."""
        return self.opener is not _nowhere

    def open(self, video: Video | None = None) -> AbstractContextManager[Save]:
        """Begin to write; of a video, what is read is needed.

        Raises
        ------
        UsageError, StorageError
            If that cannot be written.
        """
        return self.opener(self, video)

    def pictures(self) -> Iterator[str]:
        """Pictures one by one, without what this command wrote into a folder among them."""
        own = os.path.abspath(self.out) + os.sep  # noqa: PTH100 - Path's own follows links
        for one in find_pictures(self.sources):
            path = one.source if isinstance(one, Nothing) else str(one)
            if not (self.writes and os.path.abspath(path).startswith(own)):  # noqa: PTH100
                yield path

    def pieces(self, cut: Cut) -> Iterator[Piece]:
        """What is written of a picture."""
        if not self.per_face:
            yield from self.style.pieces(cut, self.crop)
            return
        for one in cut.each():
            for piece in self.style.pieces(one, self.crop):
                yield piece._replace(name=f"face{one.numbers[0]}.{piece.name}")


def plan_for(
    sources: Sequence[str], out: Path | None, style: str | None, *, per_face: bool = False, crop: bool = False
) -> Plan:
    """What the command's arguments mean.

    Raises
    ------
    UsageError
        If they do not go together.
    """
    suffix = out.suffix.lower() if out and not out.is_dir() else ""
    name = style or _BY_SUFFIX.get(suffix, "png" if out else "json")
    chosen = STYLES[name]
    is_film = suffix in CONTAINERS or any(Path(source).suffix.lower() in VIDEO_SUFFIXES for source in sources)
    if is_film and len(sources) > 1:
        raise UsageError("a video is masked by itself: name nothing else.")
    if style and not out and chosen is not STYLES["json"]:
        raise UsageError(f"the style {name} is written into files: --out says where.")
    if chosen.sink and not suffix:
        raise UsageError(f"the style {name} is one file: --out ends in {', '.join(chosen.suffixes)}.")
    if crop and not chosen.crops:
        raise UsageError(f"the style {name} is of whole pictures: --crop does not go with it.")
    if suffix in CONTAINERS and (chosen.shown is None or per_face or crop):
        what = "--per-face and --crop do" if chosen.shown else f"the style {name} does"
        raise UsageError(f"{what} not go into a video: give a folder, for a file of each frame.")
    if suffix and suffix not in {*CONTAINERS, *chosen.suffixes}:
        raise UsageError(
            f"cannot write {out}: the style {name} is written into a folder or as {', '.join(chosen.suffixes)}."
        )
    if suffix and suffix not in {*CONTAINERS, *RECORDS} and (is_film or len(sources) > 1 or is_many(sources[0])):
        raise UsageError(f"{out} is one file: for several pictures --out is a folder.")
    if out and not out.is_dir() and any(is_same_file(source, out) for source in sources):
        raise UsageError(f"{out} is what is read: give another name to write to.")
    return Plan(
        sources=sources,
        style=chosen,
        out=out or Path(),
        opener=_opener(suffix) if out else _nowhere,
        is_film=is_film,
        per_face=per_face,
        crop=crop,
    )


def record_of(item: Item, cut: Cut | None) -> dict[str, Any]:
    """A picture or a frame as JSON types."""
    record: dict[str, Any] = {"source": item.source}
    if item.frame is not None:
        record["frame"] = item.frame
    if item.time is not None:
        record["time"] = round(item.time, 4)
    if cut is None:
        return {**record, "failure": item.failure.to_dict() if item.failure else None}
    return {**record, **cut.record()}


# --- where to -----------------------------------------------------------------------------------------------------


def _opener(suffix: str) -> Callable[[Plan, Video | None], AbstractContextManager[Save]]:
    kinds = {**dict.fromkeys(CONTAINERS, _film), **dict.fromkeys(RECORDS, _records), "": _folder}
    return kinds.get(suffix, _file)


@contextmanager
def _nowhere(plan: Plan, video: Video | None) -> Iterator[Save]:  # noqa: ARG001 - as the others
    yield lambda *_: []


@contextmanager
def _folder(plan: Plan, video: Video | None) -> Iterator[Save]:
    """Files of each picture, or of each frame."""
    begin(plan.out / "mask").unlink()
    names = Names(plan.out, plan.sources)

    def save(item: Item, cut: Cut | None) -> list[Path]:
        if cut is None:
            return []
        return write(plan.pieces(cut), plan.out / f"{item.frame:06d}" if video else names.base(item))

    yield save


@contextmanager
def _file(plan: Plan, video: Video | None) -> Iterator[Save]:  # noqa: ARG001 - as the others
    """The one file of one picture; where there are several after all, names that begin alike."""
    begin(plan.out).unlink()
    base = plan.out.with_name(plan.out.stem)
    yield lambda _, cut: [] if cut is None else write(plan.pieces(cut), base, suffix=plan.out.suffix)


@contextmanager
def _records(plan: Plan, video: Video | None) -> Iterator[Save]:  # noqa: ARG001 - as the others
    """A record of each picture or frame, in one file."""
    make = plan.style.sink
    with FileSink(plan.out, "w", make) if make else open_sink(plan.out) as sink:

        def save(item: Item, cut: Cut | None) -> list[Path]:
            sink.write(record_of(item, cut), None)
            return []

        yield save


@contextmanager
def _film(plan: Plan, video: Video | None) -> Iterator[Save]:
    """A video that shows what was cut out of each frame."""
    shown = plan.style.shown
    assert shown and video  # noqa: S101, PT018 - for the type checker: plan_for has looked
    with VideoWriter(plan.out, like=video, alpha=shown.alpha, audio=shown.sound) as writer:

        def save(item: Item, cut: Cut | None) -> list[Path]:
            if cut is not None:
                writer.write(shown.picture(cut), item.time)
            return []

        yield save
