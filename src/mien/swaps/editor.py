"""``Editor``: an effect at work on pictures and videos: finds and follows faces, chooses, changes, writes, marks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from mien.core.errors import NoFace, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource
from mien.core.region import Region
from mien.engine import Engine, Tracking, default_engine
from mien.gallery.people import Gallery
from mien.media.deep_marking import load_deep
from mien.media.provenance import Provenance
from mien.media.scrubbing import colors_of
from mien.media.video import Frame, Video, VideoSource, open_video
from mien.swaps.choice import Choice, Chooser, Who
from mien.swaps.edit import Edit
from mien.swaps.effects import Changed, Effect, Shot
from mien.swaps.film import FrameWriter, film, open_writer
from mien.swaps.journal import Journal
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
        image, deep = load_deep(target)
        faces = self._engine.analyze(image, want=self.effect.needs | self._choice.needs)
        edit = self._changed(image, faces, self.mark(target), layers=layers)
        return replace(edit, deep=deep, profile=colors_of(target))

    def _changed(self, image: Image, faces: Faces, mark: Provenance, *, layers: bool) -> Edit:
        shot = Shot(image=image, faces=faces, rows=self._choice.rows(faces), layers=layers)
        done = self.effect.start().apply(shot)
        kept = {"mask": done.mask.to_levels(), **done.layers} if layers else {}
        return Edit(done.image, mark, faces, {**self.effect.report, **done.report}, kept)

    def video(
        self,
        video: Video,
        out: str | os.PathLike[str],
        *,
        audio: bool = True,
        resume: str | os.PathLike[str] | None = None,
    ) -> Generator[Frame, None, None]:
        """The frames of a video with its faces changed, each given when it is written: see `mien.swaps.film.film`.

        Parameters
        ----------
        video : Video
        out : path
        audio : bool
            Whether the sound is kept.
        resume : path, optional
            A file in which what was done is kept until all is: the same call after a crash goes on with it. Faces are
            followed from the first frame again, as they must be for everybody to stay who they are.

        Raises
        ------
        UsageError
            If nothing can be written by such a name, a frame shows several faces and nothing says which, or `resume`
            is of another edit.
        """
        writer = open_writer(Path(out), like=video, provenance=self.mark(video.source), audio=audio)
        if resume is None:
            return film(self._frames(video, None), writer, source=video)
        return self._resumed(video, writer, Journal(resume, self._settings(video)))

    def preview(self, video: Video, *, at: float = 0.0) -> Edit:
        """The first frame from a time on in which a face is changed, with its layers: a look before the long work.

        Faces are followed up to there, so that it is whom the video would show.

        Raises
        ------
        NoFace
            If there is none.
        """
        take, chooser = self.effect.start(), self._choice.start()
        with closing(self._tracked(video)) as tracking:
            for shot in self._shots(tracking, chooser):
                if len(shot.rows) and shot.time is not None and shot.time >= at - 1e-6:
                    done = take.apply(replace(shot, layers=True))
                    if done.mask:
                        layers = {"mask": done.mask.to_levels(), **done.layers}
                        report = {**self.effect.report, **done.report, "time": shot.time}
                        return Edit(done.image, self.mark(video.source), shot.faces, report, layers)
        raise NoFace(f"{video.source} shows no face to change from {at:g} s on.")

    def _resumed(self, video: Video, writer: FrameWriter, journal: Journal) -> Generator[Frame, None, None]:
        with journal:
            yield from film(self._frames(video, journal), writer, source=video)
            if video.ended:
                journal.remove()

    def _settings(self, video: Video) -> dict[str, Any]:
        """What two edits have in common of which one may continue the other."""
        about = {"who": self.who, "every": self.every, "effect": dict(self.effect.report)}
        return {**about, "source": video.source, "size": [video.width, video.height], "rate": video.rate}

    def _frames(self, video: Video, journal: Journal | None) -> Generator[Frame, None, None]:
        self._skipped.clear()
        take, chooser = self.effect.start(), self._choice.start()
        with closing(self._tracked(video)) as tracking:
            for number, shot in enumerate(self._shots(tracking, chooser)):
                done = journal.get(number, shot.image) if journal is not None else None
                if done is None:
                    done = take.apply(shot) if len(shot.rows) else _same(shot.image)
                    if journal is not None:
                        journal.put(number, done)
                self._skipped.update(str(one["reason"]) for one in done.report.get("skipped", ()))
                assert shot.time is not None  # noqa: S101 - for the type checker: a frame has one
                yield Frame(number, shot.time, done.image)

    def _tracked(self, video: Video) -> Tracking:
        want = self.effect.needs | self._choice.needs
        return self._engine.track(video, want=want, every=self.every, keep_images=True)

    def _shots(self, tracking: Tracking, chooser: Chooser) -> Iterator[Shot]:
        for item in tracking:
            assert item.faces is not None  # noqa: S101 - for the type checker: a frame has faces, though it be none
            faces = item.faces
            yield Shot(image=faces.require_image(), faces=faces, rows=chooser.rows(faces), time=item.time)


def edited(
    target: ImageSource | Video,
    editor: Editor,
    *,
    out: str | os.PathLike[str] | None = None,
    audio: bool = True,
    layers: bool = True,
    resume: str | os.PathLike[str] | None = None,
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
    resume : path, optional
        See `Editor.video`.

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
    with closing(editor.video(video, out, audio=audio, resume=resume)) as frames:
        for frame in frames:
            first, count = first or frame, count + 1
    assert first is not None  # noqa: S101 - for the type checker: a video has a frame
    report = {**editor.report, "frames": count}
    return Edit(first.image, editor.mark(video.source), Faces.empty(), report, path=Path(out))


def _same(image: Image) -> Changed:
    return Changed(image=image, mask=Region.empty((image.shape[1], image.shape[0])))
