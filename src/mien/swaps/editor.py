"""``Editor``: an effect at work on pictures and videos: finds and follows faces, chooses, changes, writes, marks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource, load_image
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.media.video import Frame, Video, VideoSource, open_video
from mien.swaps.choice import Choice, Who
from mien.swaps.edit import Edit
from mien.swaps.effects import Changed, Effect, Shot
from mien.swaps.film import film, open_writer
from mien.swaps.targets import is_video, mark_of

__all__ = ["Editor", "edited"]


@dataclass(eq=False)
class Editor:
    """An effect at work on any number of pictures and videos.

    Parameters
    ----------
    effect : Effect
    who : int, str, sequence of int, or None
        Whom to change: see `mien.swaps.choice.Who`.
    gallery : Gallery, optional
        Whose names `who` may be.
    every : int
        Faces of a video are detected in every Nth frame, and followed in those between.
    engine : Engine, optional
        Default: `mien.default_engine()`.
    """

    effect: Effect
    who: Who = None
    gallery: Gallery | None = None
    every: int = 3
    engine: Engine | None = None

    def __post_init__(self) -> None:
        self._engine = self.engine or default_engine()
        self._choice = Choice(self.who, self.gallery)
        self._skipped: Counter[str] = Counter()

    @property
    def report(self) -> dict[str, Any]:
        """What is done; of the last video, also which faces were left as they were, and why: reasons with frames."""
        return {**self.effect.report, **({"skipped": dict(self._skipped)} if self._skipped else {})}

    def mark(self, source: Any) -> Provenance:
        """What is true of a result made of a file: see `mien.provenance`."""
        return self.effect.mark(mark_of(source))

    def picture(self, target: ImageSource, *, layers: bool = True) -> Edit:
        """A picture with its faces changed.

        Raises
        ------
        NoFace, UsageError
            If the face is not there, or cannot be changed so.
        """
        image = load_image(target)
        faces = self._engine.analyze(image, want=self.effect.needs | self._choice.needs)
        return self._changed(image, faces, self.mark(target), layers=layers)

    def _changed(self, image: Image, faces: Faces, mark: Provenance, *, layers: bool) -> Edit:
        shot = Shot(image=image, faces=faces, rows=self._choice.rows(faces), layers=layers)
        done = self.effect.start().apply(shot)
        kept = {"mask": done.mask.to_levels(), **done.layers} if layers else {}
        return Edit(done.image, mark, faces, {**self.effect.report, **done.report}, kept)

    def video(self, video: Video, out: str | os.PathLike[str], *, audio: bool = True) -> Generator[Frame, None, None]:
        """The frames of a video with its faces changed, each given when it is written: see `mien.swaps.film.film`.

        Raises
        ------
        UsageError
            If nothing can be written by such a name, or a frame shows several faces and nothing says which.
        """
        writer = open_writer(Path(out), like=video, provenance=self.mark(video.source), audio=audio)
        return film(self._frames(video), writer, source=video)

    def _frames(self, video: Video) -> Generator[Frame, None, None]:
        self._skipped.clear()
        take, chooser = self.effect.start(), self._choice.start()
        want = self.effect.needs | self._choice.needs
        tracking = self._engine.track(video, want=want, every=self.every, keep_images=True)
        with closing(tracking):
            for item in tracking:
                assert item.faces is not None and item.time is not None and item.frame is not None  # noqa: S101, PT018 - for the type checker: a frame has them
                image = item.faces.require_image()
                shot = Shot(image=image, faces=item.faces, rows=chooser.rows(item.faces), time=item.time)
                done = take.apply(shot) if len(shot.rows) else _same(image)
                self._skipped.update(str(one["reason"]) for one in done.report.get("skipped", ()))
                yield Frame(item.frame, item.time, done.image)


def edited(
    target: ImageSource | Video,
    editor: Editor,
    *,
    out: str | os.PathLike[str] | None = None,
    audio: bool = True,
    layers: bool = True,
) -> Edit:
    """What every verb that edits does with its target: a picture or a video goes through the editor, and is written.

    Parameters
    ----------
    target : picture or video
        As for `mien.load_image` and `mien.open_video`.
    editor : Editor
    out : path, optional
        Where to write; a video needs it.
    audio : bool
        Whether a video keeps its sound.
    layers : bool
        Whether a picture's layers are kept.

    Raises
    ------
    UsageError
        If a video has no `out`.
    """
    if not is_video(target):
        edit = editor.picture(cast("ImageSource", target), layers=layers)
        return edit if out is None else replace(edit, path=edit.save(out))
    if out is None:
        raise UsageError("a video needs out=, the file to write.")
    video = open_video(cast("VideoSource", target))
    first: Frame | None = None
    count = 0
    with closing(editor.video(video, out, audio=audio)) as frames:
        for frame in frames:
            first, count = first or frame, count + 1
    assert first is not None  # noqa: S101 - for the type checker: a video has a frame
    report = {**editor.report, "frames": count}
    return Edit(first.image, editor.mark(video.source), Faces.empty(), report, path=Path(out))


def _same(image: Image) -> Changed:
    return Changed(image=image, mask=Region.empty((image.shape[1], image.shape[0])))
