"""``mask_clip``: the regions of the faces of a video, frame by frame, followed and without flicker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from mien.core.errors import MienError
from mien.engine import Engine, default_engine
from mien.masks.cuts import fields_of
from mien.masks.masking import Size, sized
from mien.masks.view import Masks
from mien.media.video import open_video

if TYPE_CHECKING:
    from mien.engine import Item
    from mien.engine.searching import SearchOptions
    from mien.engine.tracking import Tracking
    from mien.media.video import Video, VideoSource

__all__ = ["ClipMasks", "mask_clip"]


class ClipMasks(Iterator[tuple["Item", Masks]]):
    """The frames of a clip, each an `mien.Item` and the `Masks` of its faces: made by `mask_clip`.

    Use it in a ``with`` block, or read it to its end, so that the video is closed.
    """

    def __init__(self, tracking: Tracking, engine: Engine) -> None:
        self._tracking = tracking
        self._engine = engine

    @property
    def video(self) -> Video:
        """What is read."""
        return self._tracking.video

    def __next__(self) -> tuple[Item, Masks]:
        item = next(self._tracking)
        assert item.faces is not None  # noqa: S101 - for the type checker: a frame has faces, though it be none
        return item, Masks(item.faces, self._engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracking.close()

    def stop(self) -> None:
        """End the clip after this frame; it may be called from a signal handler or another thread."""
        self._tracking.stop()


def mask_clip(
    source: VideoSource,
    *,
    regions: Iterable[str] = (),
    size: Size | None = None,
    every: int = 3,
    reidentify: bool = False,
    smooth: bool = True,
    fps: float = 25.0,
    engine: Engine | None = None,
    **options: Unpack[SearchOptions],
) -> ClipMasks:
    """Cut the regions of all faces out of a video.

    Parameters
    ----------
    source : path, int, folder, glob pattern, or sequence of paths
        See `mien.media.video.open_video`.
    regions : iterable of str
        Names or expressions that will be asked for. Others can be, too, but what needs more than the parsing, such as
        "occluded", is then computed frame by frame, without what a video knows beyond its frames.
    size : {"fast", "balanced", "fine"}, optional
        See `mien.mask`.
    every : int
        Faces are detected in every Nth frame, and followed by their motion in those between.
    reidentify : bool
        Whether people who come back keep their track's id; masks do not need it.
    smooth : bool
        Blend what was seen of a face with what is seen now, on the grid that moves with it, so that edges do not
        flicker.
    fps : float
        Of pictures in a row.
    engine : Engine, optional
        Default: `mien.default_engine()`.
    **options
        Of the search for faces: see `mien.track`.

    Returns
    -------
    ClipMasks
        An iterator of (`mien.Item`, `Masks`), one a frame; a frame without faces has masks in which nothing is.

    Raises
    ------
    SourceError, ImageError
        If there is no such video, or it cannot be read.
    UsageError
        If an option is out of its range.
    ModelError, DeviceUnavailable
        At once, before the first frame.
    """
    engine = sized(engine or default_engine(), size)
    video = open_video(source, fps=fps)
    try:
        tracking = engine.track(
            video,
            want={"landmarks", *fields_of(regions)},
            every=every,
            reidentify=reidentify,
            smooth=smooth,
            keep_images=True,
            **options,
        )
    except MienError:
        video.close()
        raise
    return ClipMasks(tracking, engine)
