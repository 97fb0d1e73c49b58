"""``anonymize``: hides the faces of pictures and videos, looks twice, and says what it is not sure of."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import ImageSource, load_image
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.media.scrubbing import colors_of
from mien.media.video import Frame, Video, VideoSource, open_video
from mien.swaps.choice import Who
from mien.swaps.edit import Edit
from mien.swaps.film import film, open_writer
from mien.swaps.hidden.checking import Checker
from mien.swaps.hidden.contact_sheet import Sheet, least_certain
from mien.swaps.hidden.covering import Settings, Tools
from mien.swaps.hidden.planning import Planned, Planner, reopened
from mien.swaps.hidden.redaction import Redactions
from mien.swaps.hidden.reporting import Account
from mien.swaps.hidden.sparing import Sparing
from mien.swaps.hidden.spots import Spot
from mien.swaps.targets import is_video, mark_of

__all__ = ["Anonymizer", "anonymize", "refuse_same"]

SHEET_CELLS = 48


class Anonymizer:
    """Hides faces, in any number of pictures and videos.

    Parameters
    ----------
    settings : Settings
        How; see `anonymize` for each.
    who, keep, hide, gallery
        Whom; see `anonymize`.
    given : Redactions, optional
        What to hide, instead of what is found.
    engine : Engine, optional
        Default: `mien.default_engine()`.
    advance : callable, optional
        Told about each frame of a video that was looked at, before the first is written.

    Raises
    ------
    UsageError, UnknownPerson, LicenseRefused
        As `anonymize`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        who: Who = None,
        keep: Sequence[str] = (),
        hide: Sequence[str] = (),
        gallery: Gallery | None = None,
        given: Redactions | None = None,
        engine: Engine | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._engine = engine or default_engine()
        self._settings = settings or Settings()
        self._sparing = Sparing(self._engine, who=who, keep=keep, hide=hide, gallery=gallery)
        self._tools = Tools(self._settings, self._engine, second=self._sparing.most, far_from=gallery)
        self._given, self._advance = given, advance
        self._account = Account(self._tools.report)
        #: What was hidden in the last picture or video.
        self.redactions = Redactions((1, 1), ((),))
        #: The least certain spots of the last result.
        self.sheet = Sheet(())

    @property
    def report(self) -> Mapping[str, Any]:
        """What became of the last picture or video; JSON types."""
        return self._account.to_dict()

    def mark(self, source: Any) -> Provenance:
        """What is true of a result made of a file.

        Of what the file says of itself, only whether it is synthetic stays.
        """
        return self._tools.mark(replace(mark_of(source), models=()))

    # -- pictures ----------------------------------------------------------------------------------------------------

    def picture(self, target: ImageSource) -> Edit:
        """A picture with its faces hidden.

        Raises
        ------
        ImageError, SourceError
            If it cannot be read, or its size is not that of the redactions given.
        """
        image = load_image(target)
        size = image.shape[1], image.shape[0]
        self._begin()
        spots, spared = self._planner.picture(image) if self._given is None else (list(self._taken(size, 1)[0]), [])
        regions: list[Region] = []
        hidden = self._tools.replace(image, spots, regions=regions)
        if self._checks:
            hidden = self._checker.picture(hidden, spots, spared, regions)
        self._end(size, [spots])
        self.sheet.see(0, hidden)
        hidden = self._tools.scored(hidden, spots)
        faces = Faces.from_boxes(
            [spot.box for spot in spots],
            scores=[np.nan if spot.score is None else spot.score for spot in spots],
            image_size=size,
        )
        layers = {"mask": Region.union(regions, size).to_levels()}
        profile = colors_of(target)
        return Edit(hidden, self.mark(target), faces.with_image(hidden), self.report, layers, profile=profile)

    # -- videos ------------------------------------------------------------------------------------------------------

    def video(self, video: Video, out: str | os.PathLike[str], *, audio: bool = True) -> Generator[Frame, None, None]:
        """The frames of a video with its faces hidden, each given when it is written: see `mien.swaps.film.film`.

        The video is read through before the first frame comes; and once more in between, where the second detector
        found more.

        Raises
        ------
        UsageError
            If nothing can be written by such a name, or it is a webcam.
        ImageError
            If the video was cut short, or its size is not that of the redactions given.
        """
        self._begin()
        reopened(video).close()
        writer = open_writer(Path(out), like=video, provenance=self.mark(video.source), audio=audio)
        return film(self._frames(video), writer, source=video)

    def _frames(self, video: Video) -> Generator[Frame, None, None]:
        size = video.width, video.height
        if self._given is None:
            plan = self._planner.video(video)
        else:
            rows = [list(row) for row in self._taken(size, None)]
            plan = Planned(size, video.rate, rows, [[]] * len(rows))
        if self._checks:
            self._checker.video(video, plan, self._advance)
        self._end(size, plan.rows)
        count = 0
        for count, frame in enumerate(video, 1):
            if count > len(plan.rows):
                raise UsageError(f"{video.source} has more frames than these redactions: {len(plan.rows)}.")
            spots = plan.rows[frame.index]
            hidden = self._tools.replace(frame.image, spots, time=frame.time)
            self.sheet.see(frame.index, hidden)
            yield replace(frame, image=self._tools.scored(hidden, spots))
        if count < len(plan.rows):
            raise UsageError(f"these redactions are of {len(plan.rows)} frames, and {video.source} has {count}.")

    @property
    def _planner(self) -> Planner:
        return Planner(self._tools, self._sparing, self._account, self._advance)

    @property
    def _checker(self) -> Checker:
        return Checker(self._tools, self._account, adds=self._given is None)

    @property
    def _checks(self) -> bool:
        return self._settings.method != "none" and self._sparing.most

    # -- both --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._account = Account(self._tools.report)
        if self._tools.synthetic is not None:
            self._tools.synthetic.start()
            self._account.synthetic = self._tools.synthetic

    def _end(self, size: tuple[int, int], frames: Sequence[Sequence[Spot]]) -> None:
        settings = {key: value for key, value in self._tools.report.items() if key in {"method", "strength"}}
        self.redactions = Redactions(size, tuple(tuple(row) for row in frames), settings)
        self._account.frames = self.redactions.frames
        self.sheet = Sheet(least_certain(frames, SHEET_CELLS))

    def _taken(self, size: tuple[int, int], count: int | None) -> Sequence[Sequence[Spot]]:
        """The redactions that were given, if they fit."""
        assert self._given is not None  # noqa: S101 - for the type checker: it was asked for
        if self._given.size != size or (count is not None and len(self._given.frames) != count):
            of = f"{len(self._given.frames)} frames of {self._given.size[0]}x{self._given.size[1]} pixels"
            raise UsageError(f"these redactions are of {of}, not of this file: {size[0]}x{size[1]}.")
        return self._given.frames


def anonymize(
    target: ImageSource | Video,
    *,
    method: str = "blur",
    strength: float | str = "auto",
    color: str | tuple[int, int, int] = "black",
    image: ImageSource | None = None,
    shape: str = "ellipse",
    mask_scale: float = 1.3,
    regions: str | None = None,
    who: Who = None,
    keep: Sequence[str] = (),
    hide: Sequence[str] = (),
    gallery: Gallery | None = None,
    min_score: float | None = None,
    second_look: bool = True,
    thorough: bool = False,
    every: int = 15,
    redactions: str | os.PathLike[str] | None = None,
    redactions_in: str | os.PathLike[str] | Redactions | None = None,
    sheet: str | os.PathLike[str] | None = None,
    audio: bool = True,
    out: str | os.PathLike[str] | None = None,
    engine: Engine | None = None,
) -> Edit:
    """Hide the faces of a picture or a video, so that nobody is recognised by them.

    Two detectors of different makes look for faces, the second in tiles and with the picture turned; what either finds
    is hidden, and in a video also before, between and after its sightings. The result is looked at once more. Nothing
    of the source's metadata is in the result.

    Parameters
    ----------
    target : path, bytes, binary file, PIL image, (H, W, 3) uint8 RGB array, or Video
        A picture, as for `mien.load_image`; or a video: its path, or one from `mien.open_video` that can be opened
        again by its name.
    method : {"blur", "pixelate", "solid", "image", "synthetic", "none"}
        How: out of focus, in blocks, under one colour, under a picture, behind the faces of generated adults (blurred
        where none fits, or the result is still like the person); "none" leaves them, to see what would be.
    strength : "auto" or float
        Of blur and pixelate, from 1 to 10: two steps halve the detail that is left. "auto" is what keeps
        re-identification by the embedders at hand below 2 % at a false accept rate of 1e-3, as measured; a face that
        is still recognised as itself is hidden more strongly, up to a plain colour.
    color : str or (red, green, blue)
        Of "solid".
    image : path, bytes, binary file, PIL image or array, optional
        Of "image".
    shape : {"ellipse", "box", "mesh"}
        What is hidden: an ellipse around the enlarged box, the box, or the outline of the face's mesh.
    mask_scale : float
        The box grows by ``mask_scale - 1`` of its sides at each side.
    regions : str, optional
        Only parts of the face, as an expression of names of masks: "eyes", "eyes | mouth | nose". Such a face may
        well be recognised: the report says whether it is.
    who : int, str, or sequence of int, optional
        Hide only these: see `mien.swaps.choice.Who`. Default: everybody.
    keep : sequence of str
        Names in the gallery: whoever is surely recognised as one of these stays visible; in doubt nobody does.
    hide : sequence of str
        Names in the gallery: only those who may be one of these are hidden.
    gallery : Gallery, optional
        With "synthetic" also: people whom no generated face may look like.
    min_score : float, optional
        From which confidence on the first detector's finds are hidden; by default low.
    second_look : bool
        Whether the other detector looks.
    thorough : bool
        Whether it looks at every frame, and in tiles of the turned picture, too: slow.
    every : int
        Frames of a video from one second look to the next.
    redactions : path, optional
        Where to write what was hidden, frame by frame: JSON, see `mien.swaps.hidden.redaction`.
    redactions_in : path or Redactions, optional
        Hide what such a file says, instead of what is found.
    sheet : path, optional
        Where to write a contact sheet of the least certain spots of the result.
    audio : bool
        Whether a video keeps its sound. Voices are not changed.
    out : path, optional
        Where to write the result; a video needs it.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Edit
        ``layers["mask"]`` (H, W) uint8 says where the picture may differ: where it is 0, it is the target's to the
        bit. ``report`` says what was hidden and why, the least certain spots, what the second look and the check
        found, how alike the faces still are, and what is out of scope. Of a video, the picture is the first frame.

    Raises
    ------
    UsageError
        If an option makes no sense; if a video has no `out`; if what is read would be written over.
    UnknownPerson
        If nobody in the gallery has a name.
    LicenseRefused
        If the engine's license policy permits no second detector.
    ImageError, SourceError
        If the target or a redaction file cannot be read, or a video was cut short.
    StorageError
        If the result cannot be written. After an error there is no file.

    Examples
    --------
    >>> mien.anonymize("street.jpg", out="hidden.jpg").report["faces"]  # doctest: +SKIP
    >>> mien.anonymize("in.mp4", method="pixelate", sheet="look.png", out="out.mp4")  # doctest: +SKIP
    """
    settings = Settings(
        method=method,
        strength=cast("Any", strength),
        color=color,
        image=image,
        shape=cast("Any", shape),
        mask_scale=mask_scale,
        regions=regions,
        min_score=min_score,
        second_look=second_look,
        thorough=thorough,
        every=every,
    )
    given = redactions_in if isinstance(redactions_in, Redactions | None) else Redactions.read(Path(redactions_in))
    change = Anonymizer(settings, who=who, keep=keep, hide=hide, gallery=gallery, given=given, engine=engine)
    for written in (out, redactions, sheet):
        refuse_same(target, written)
    if is_video(target):
        edit = _video(change, cast("VideoSource", target), out, audio=audio)
    else:
        edit = change.picture(cast("ImageSource", target))
        edit = edit if out is None else replace(edit, path=edit.save(out))
    if redactions is not None:
        change.redactions.write(Path(redactions))
    if sheet is not None:
        Edit(change.sheet.image(), edit.provenance, Faces.empty()).save(sheet)
    return edit


def _video(change: Anonymizer, target: VideoSource, out: str | os.PathLike[str] | None, *, audio: bool) -> Edit:
    if out is None:
        raise UsageError("a video needs out=, the file to write.")
    video = open_video(target)
    first: Frame | None = None
    count = 0
    with closing(change.video(video, out, audio=audio)) as frames:
        for frame in frames:
            first, count = first or frame, count + 1
    assert first is not None  # noqa: S101 - for the type checker: a video has a frame
    return Edit(
        first.image, change.mark(video.source), Faces.empty(), {**change.report, "frames": count}, path=Path(out)
    )


def refuse_same(target: object, out: str | os.PathLike[str] | None) -> None:
    """Refuse to write over what is read: then nobody could look again.

    Raises
    ------
    UsageError
        If `out` is the target's file.
    """
    source = target.source if isinstance(target, Video) else target
    if out is None or not isinstance(source, str | os.PathLike):
        return
    try:
        same = Path(out).samefile(source)
    except (OSError, ValueError):  # one of them is not there, or can be no name
        return
    if same:
        raise UsageError(f"{os.fspath(out)} is what is read: give another name to write to.")
