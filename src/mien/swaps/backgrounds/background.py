"""``background``: people stay as they are, and what is behind them is blurred, replaced or taken out."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.engine.scanning import in_order
from mien.engine.steps import Matter
from mien.masks.masking import Size, mask, sized
from mien.masks.matting import SteadyMatte, matte
from mien.masks.refining import foreground, refine
from mien.media.provenance import Provenance
from mien.media.video import Frame, Video, VideoSource, open_video
from mien.swaps.backgrounds.backdrops import Backdrop, Blur, Color, Moving, Scene, Still, parse_color
from mien.swaps.backgrounds.people import keep_people
from mien.swaps.edit import Edit
from mien.swaps.film import film, open_writer
from mien.swaps.targets import is_video, mark_of

__all__ = ["Background", "background", "choose"]

Floats = NDArray[np.float32]


def background(
    target: ImageSource | Video,
    *,
    blur: float | None = None,
    color: str | tuple[int, int, int] | None = None,
    image: ImageSource | None = None,
    transparent: bool = False,
    who: int | Sequence[int] | None = None,
    size: Size | None = None,
    out: str | os.PathLike[str] | None = None,
    engine: Engine | None = None,
) -> Edit:
    """Blur, replace or take out what is behind the people of a picture or a video.

    Parameters
    ----------
    target : path, bytes, binary file, PIL image, (H, W, 3) uint8 RGB array, or Video
        A picture, as for `mien.load_image`; or a video: its path, or one from `mien.open_video`.
    blur : float, optional
        Out of focus: the radius in pixels of the disc that a point of light becomes.
    color : str or (red, green, blue), optional
        One colour: a CSS name, hex, or numbers from 0 to 255.
    image : path, bytes, binary file, PIL image or array, optional
        Another picture, as large as it covers the target, from its middle; or the path of a video, which a target
        that moves shows over and over.
    transparent : bool
        Nothing: the result is RGBA. Of a video, .webm and .mov keep that, and pictures such as ``frames/%05d.png``.
    who : int or sequence of int, optional
        Numbers of faces as `mien.detect` gives them: only these people stay, of a picture. Default: all people.
    size : {"fast", "balanced", "fine"}, optional
        How closely the network looks: see `mien.matte`. Fast is for video.
    out : path, optional
        Where to write the result; a video needs it: .mp4 .m4v .mov .mkv .webm, with the target's sound, or pictures
        such as ``frames/%05d.png``.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Edit
        Its ``layers["alpha"]`` (H, W) uint8 says how much of each pixel is people: where it is 255, the picture is
        the target's to the bit. Of a video, the picture is the first frame, and there are no layers.

    Raises
    ------
    UsageError
        If not exactly one of `blur`, `color`, `image` and `transparent` is given, or one of them makes no sense; if a
        video has no `out`, or comes with `who`; if there is no such face; if the model has no such size.
    NoFace
        If `who` is given, and no face is there.
    ImageError, SourceError
        If the target or the image cannot be read, or a video was cut short.
    StorageError
        If the result cannot be written. After an error there is no file.
    ModelError, DeviceUnavailable
        As `mien.detect`.

    Examples
    --------
    >>> mien.background("call.jpg", blur=25).save("focus.jpg")  # doctest: +SKIP
    >>> mien.background("call.mp4", image="beach.jpg", size="fast", out="beach.mp4")  # doctest: +SKIP
    """
    behind = choose(blur=blur, color=color, image=image, transparent=transparent)
    change = Background(behind, who=who, size=size, engine=engine)
    if not is_video(target):
        edit = change.picture(cast("ImageSource", target))
        return edit if out is None else replace(edit, path=edit.save(out))
    if out is None:
        raise UsageError("a video needs out=, the file to write.")
    video = open_video(cast("VideoSource", target))
    first: Frame | None = None
    count = 0
    with closing(change.video(video, out)) as frames:
        for frame in frames:
            first, count = first or frame, count + 1
    assert first is not None  # noqa: S101 - for the type checker: a video has a frame
    report = {**change.report, "frames": count}
    return Edit(first.image, change.mark(video.source), Faces.empty(), report, path=Path(out))


def choose(
    *,
    blur: float | None = None,
    color: str | Sequence[int] | None = None,
    image: ImageSource | None = None,
    transparent: bool = False,
) -> Backdrop | None:
    """The backdrop that the options of `background` ask for; None: nothing, the result is transparent.

    Raises
    ------
    UsageError
        If not exactly one is asked for, or it makes no sense.
    ImageError, SourceError
        If the image cannot be read.
    """
    given = [blur is not None, color is not None, image is not None, transparent]
    if sum(given) != 1:
        raise UsageError("say what is to be behind people, one of: blur, color, image, transparent.")
    if blur is not None:
        return Blur(blur)
    if color is not None:
        return Color(parse_color(color))
    if image is not None:
        return Moving(cast("str", image)) if is_video(image) else Still(image)
    return None


class Background:
    """Puts people before a backdrop, in any number of pictures and videos.

    Parameters
    ----------
    backdrop : Backdrop or None
        None: nothing, the results are RGBA.
    who : int or sequence of int, optional
        Numbers of the faces whose people stay; by default all people do.
    size : {"fast", "balanced", "fine"}, optional
        How closely the network looks: see `mien.matte`.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If the model has no such size.
    """

    def __init__(
        self,
        backdrop: Backdrop | None,
        *,
        who: int | Sequence[int] | None = None,
        size: Size | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._backdrop = backdrop
        self._who = [who] if isinstance(who, int) else who
        self._engine = sized(engine or default_engine(), size, job="matte")

    @property
    def report(self) -> dict[str, Any]:
        """What is done, and by which model."""
        told = {"backdrop": "transparent"} if self._backdrop is None else self._backdrop.report
        return {**told, "matte": self._engine.choose("matte").id}

    def mark(self, source: Any) -> Provenance:
        """What is true of a result made of a file: see `mien.provenance`."""
        known = mark_of(source)
        # A cut-out adds nothing to the picture, and the people are what it shows.
        return Provenance.enhanced(known) if self._backdrop is None else self._backdrop.mark(known)

    def picture(self, target: ImageSource) -> Edit:
        """A picture with its people before the backdrop."""
        found = matte(target, engine=self._engine)
        people, faces = found.alpha, Faces.empty()
        if self._who is not None:
            masks = mask(found.image, engine=self._engine)
            people = Region.from_mask(keep_people(found.image, people.to_levels(), masks, self._who))
            faces = masks.faces
        result = _compose(found.image, found.foreground(), people, self._scene(0.0))
        levels = people.to_levels()
        report = {**self.report, "people": round(people.area / levels.size, 4)}
        return Edit(result, self.mark(target), faces, report, {"alpha": levels})

    def video(self, video: Video, out: str | os.PathLike[str]) -> Generator[Frame, None, None]:
        """The frames of a video with its people before the backdrop, each given when it is written: see `film`.

        Raises
        ------
        UsageError
            If nothing can be written by such a name, or only some people are to stay.
        """
        if self._who is not None:
            raise UsageError("people are told apart by who= in pictures, not in videos.")
        writer = open_writer(Path(out), like=video, provenance=self.mark(video.source), alpha=self._backdrop is None)
        return film(self._frames(video), writer, source=video)

    def _frames(self, video: Video) -> Generator[Frame, None, None]:
        """Edited frames: several at once, but for what has to go in the order of time."""
        matter, steady = cast("Matter", self._engine.runner("matte", mode="throughput")), SteadyMatte()

        def look(frame: Frame) -> tuple[Frame, Floats]:
            return frame, matter.matte([frame.image])[0]

        def edit(seen: tuple[Frame, Floats, Scene | None]) -> Frame:
            frame, alpha, scene = seen
            people = refine(alpha, frame.image)
            front = foreground(frame.image, people) if scene is None or scene.foreign else frame.image
            return replace(frame, image=_compose(frame.image, front, people, scene))

        workers = self._engine.threads
        with closing(in_order(look, video, workers=workers)) as looked:
            steadied = (
                (frame, steady.update(frame.time, alpha, frame.image), self._scene(frame.time))
                for frame, alpha in looked
            )
            yield from in_order(edit, steadied, workers=workers)

    def _scene(self, time: float) -> Scene | None:
        return None if self._backdrop is None else self._backdrop.at(time)


def _compose(image: Image, front: Image, people: Region, scene: Scene | None) -> Image:
    """People, in the colours of `front`, before what is behind an image; before nothing (RGBA)."""
    return people.cutout(front) if scene is None else people.apply(scene.behind(image, people.to_levels()), front)
