"""The verbs that run on an engine, and the engine that they run on when none is given."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence

from mien.core.faces import Faces
from mien.core.image import Image, ImageSource
from mien.engine.engine import Engine
from mien.engine.scanning import Item
from mien.engine.searching import Region, Tiles
from mien.engine.tracking import Tracking
from mien.media.video import VideoSource

__all__ = ["analyze", "default_engine", "detect", "scan", "set_default_engine", "track"]


class _Default:
    """Holds the engine that verbs use when they are given none: the package's one global."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def get(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = Engine()
            return self._engine

    def set(self, engine: Engine | None) -> None:
        with self._lock:
            self._engine = engine


_default = _Default()


def default_engine() -> Engine:
    """The engine that every verb uses unless ``engine=`` is passed; made at its first use with all defaults.

    It does not survive a fork: in a forked process make an `Engine` and pass it, or set it here.
    """
    return _default.get()


def set_default_engine(engine: Engine | None) -> None:
    """Replace the default engine; None lets the next use make a fresh one. The old one is not closed."""
    _default.set(engine)


def detect(
    image: ImageSource,
    *,
    min_score: float | None = None,
    min_size: float = 0.0,
    max_faces: int | None = None,
    check: bool = False,
    tiles: Tiles = "auto",
    rotations: bool = False,
    region: Region | None = None,
    engine: Engine | None = None,
) -> Faces:
    """Find the faces of one picture.

    Parameters
    ----------
    image : path, bytes, binary file, PIL image, or (H, W, 3) uint8 RGB array
        See `mien.load_image`.
    min_score : float, optional
        Lowest confidence in [0, 1]; by default the model's own threshold.
    min_size : float
        Lowest box height in pixels.
    max_faces : int, optional
        Keep only this many, the surest ones.
    check : bool
        Ask the mesh network for a second opinion and drop what it does not take for a face.
    tiles : "auto", "off" or int
        Look closer at large pictures, in overlapping squares of so many pixels a side: small faces in a crowd are found
        at twice the picture's own resolution. "auto" looks where a first glance suspects a face, in pictures above
        1,280 pixels, unless all faces that the whole picture shows are large.
    rotations : bool
        Look at the picture turned in steps of 45 degrees as well, for faces that lie on their side or stand on
        their head; it takes about ten times as long. Points follow the face.
    region : (x1, y1, x2, y2), optional
        Only faces whose middle lies in it, in pixels of the picture; nothing else is looked at.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Faces
        Empty where there are none. The picture is kept for ``crop`` and ``draw``.

    Raises
    ------
    ImageError, SourceError
        If the picture cannot be read.
    ModelError, DeviceUnavailable
        If a model cannot be had or run.
    """
    return (engine or default_engine()).analyze(
        image,
        min_score=min_score,
        min_size=min_size,
        max_faces=max_faces,
        check=check,
        tiles=tiles,
        rotations=rotations,
        region=region,
    )


def analyze(
    image: ImageSource | Sequence[Image],
    *,
    want: Iterable[str] = (),
    faces: Faces | None = None,
    aligned: bool = False,
    min_score: float | None = None,
    min_size: float = 0.0,
    max_faces: int | None = None,
    check: bool = False,
    tiles: Tiles = "auto",
    rotations: bool = False,
    region: Region | None = None,
    engine: Engine | None = None,
) -> Faces:
    """Find the faces of one picture and compute what is wanted about them.

    Parameters
    ----------
    image : path, bytes, binary file, PIL image, or (H, W, 3) uint8 RGB array
        See `mien.load_image`. With `aligned`, one crop, a sequence of them, or an (N, S, S, 3) array.
    want : iterable of str
        Names of fields, such as ``{"pose", "embedding"}``; `mien.core.fields.all_fields` lists them.
    faces : Faces, optional
        Faces to describe instead of detecting: those of an earlier call (their fields are kept), or
        ``Faces.from_boxes`` with boxes of your own.
    aligned : bool
        The picture is one ready crop, or each of several is, aligned as ArcFace's 112-pixel template at any size: one
        face each, nothing is detected.
    min_score, min_size, max_faces, check, tiles, rotations, region, engine
        See `mien.detect`.

    Returns
    -------
    Faces
        With exactly the fields that were wanted (and those that `faces` brought). Empty where there are none.

    Raises
    ------
    UnknownField
        If a name is not in the list of fields.
    ImageError, SourceError, ModelError, DeviceUnavailable
        As `mien.detect`.
    """
    return (engine or default_engine()).analyze(
        image,
        want=want,
        faces=faces,
        aligned=aligned,
        min_score=min_score,
        min_size=min_size,
        max_faces=max_faces,
        check=check,
        tiles=tiles,
        rotations=rotations,
        region=region,
    )


def scan(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    want: Iterable[str] = (),
    min_score: float | None = None,
    min_size: float = 0.0,
    max_faces: int | None = None,
    check: bool = False,
    tiles: Tiles = "auto",
    rotations: bool = False,
    region: Region | None = None,
    keep_images: bool = False,
    engine: Engine | None = None,
) -> Iterator[Item]:
    """Analyze many pictures on all threads, with memory that does not grow with their number.

    Parameters
    ----------
    source : path, folder, glob pattern, or iterable of them
        Folders are walked with their subfolders. A video that is named outright gives an item per frame.
    want, min_score, min_size, max_faces, check, tiles, rotations, region, engine
        See `mien.analyze` and `mien.detect`.
    keep_images : bool
        Keep each picture with its faces, for ``crop`` and ``draw``; by default only numbers stay.

    Returns
    -------
    iterator of Item
        One per picture, in order, each with its ``faces`` or its ``failure``: a broken picture, or a folder without
        any, never ends the scan.

    Raises
    ------
    ModelError, DeviceUnavailable, UnknownField
        At once, before the first picture.
    """
    return (engine or default_engine()).scan(
        source,
        want=want,
        min_score=min_score,
        min_size=min_size,
        max_faces=max_faces,
        check=check,
        tiles=tiles,
        rotations=rotations,
        region=region,
        keep_images=keep_images,
    )


def track(
    source: VideoSource,
    *,
    want: Iterable[str] = (),
    every: int = 3,
    reidentify: bool = True,
    smooth: bool = True,
    min_score: float | None = None,
    min_size: float = 0.0,
    max_faces: int | None = None,
    check: bool = False,
    tiles: Tiles = "off",
    rotations: bool = False,
    region: Region | None = None,
    keep_images: bool = False,
    engine: Engine | None = None,
) -> Tracking:
    """Follow the faces of a video: ids that stay, fields of each frame, and what happened to whom.

    Parameters
    ----------
    source : path, int, folder, glob pattern, or sequence of paths
        A video, a webcam by its number, or pictures as its frames; see `mien.media.video.open_video`.
    want : iterable of str
        Names of fields, as for `mien.analyze`, of temporal fields, such as ``"perclos"``, and of events, such as
        ``"blink"``.
    every : int
        Faces are detected in every Nth frame, and followed by their motion in those between.
    reidentify : bool
        Tell people apart by their embeddings where they cross, after a cut, and when they come back. They are not kept
        unless wanted.
    smooth : bool
        Take the jitter out of what moves.
    min_score : float, optional
        Lowest score that counts as a face; by default the detector's own to begin a track, and less to go on with it.
    min_size, max_faces, check, tiles, rotations, region, engine
        See `mien.detect`; but tiles are off, since they take several times as long.
    keep_images : bool
        Keep each frame with its faces, for ``crop`` and ``draw``.

    Returns
    -------
    Tracking
        An iterator of `Item`, one a frame, with the field ``track``; then its ``clip`` holds tracks and events.

    Raises
    ------
    SourceError, ImageError
        If there is no such video, or it cannot be read.
    ModelError, DeviceUnavailable, UnknownField
        At once, before the first frame.

    Examples
    --------
    >>> with mien.track("clip.mp4", want={"pose", "blink"}) as frames:  # doctest: +SKIP
    ...     for item in frames:
    ...         print(item.time, item.faces.track.ids, item.faces.pose.yaw)
    >>> frames.clip.events.of(kind="blink")  # doctest: +SKIP
    """
    return (engine or default_engine()).track(
        source,
        want=want,
        every=every,
        reidentify=reidentify,
        smooth=smooth,
        min_score=min_score,
        min_size=min_size,
        max_faces=max_faces,
        check=check,
        tiles=tiles,
        rotations=rotations,
        region=region,
        keep_images=keep_images,
    )
