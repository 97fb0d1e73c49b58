"""What is to be hidden in a picture or in each frame of a video, who stays visible, and how strongly it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.media.video import Video, open_video
from mien.swaps.hidden.covering import Tools, weighed
from mien.swaps.hidden.reporting import Account
from mien.swaps.hidden.second_look import SecondLook
from mien.swaps.hidden.sightings import Sightings, completed, linked
from mien.swaps.hidden.sparing import Sparing, VideoSparing
from mien.swaps.hidden.spots import Spot
from mien.swaps.hidden.watching import Looks, Watch, Watched, outlines, spots_of

__all__ = ["Planned", "Planner", "Rows", "reopened"]

Rows: TypeAlias = list[list[Spot]]
"""Spots, by frame."""


@dataclass(eq=False)
class Planned:
    """What is to be hidden in each frame of a video.

    Attributes
    ----------
    size : (width, height)
    rate : float
        Frames per second.
    rows, spared : lists of lists of Spot
        By frame: what is hidden, and who stays visible.
    cuts : set of int
        Frames with which another shot begins.
    """

    size: tuple[int, int]
    rate: float
    rows: Rows
    spared: Rows
    cuts: set[int] = field(default_factory=set)

    @property
    def free(self) -> int:
        """The number that the next track has."""
        return 1 + max(
            (spot.track or 0 for rows in (self.rows, self.spared) for row in rows for spot in row), default=0
        )

    def around(self, frames: Iterable[int], reach: int) -> set[int]:
        """Frames nearer than `reach` to one of these, in the same shot."""
        sightings = Sightings(self.size, self.rate, self.rows, self.cuts)
        near: set[int] = set()
        for number in frames:
            begin, end = sightings.shot(number)
            near |= set(range(max(begin, number - reach + 1), min(end, number + reach)))
        return near


@dataclass(frozen=True, eq=False)
class Planner:
    """Looks through a picture or a video before anything is hidden.

    Parameters
    ----------
    tools : Tools
    sparing : Sparing
    account : Account
        Where it is noted what was found, and how.
    advance : callable
        Told about each frame that was looked at.
    """

    tools: Tools
    sparing: Sparing
    account: Account
    advance: Callable[[int], None]

    def picture(self, image: Image) -> tuple[list[Spot], list[Spot]]:
        """What is to be hidden in a picture, and who stays visible."""
        settings, engine = self.tools.settings, self.tools.engine
        found = engine.analyze(image, min_score=self.tools.min_score)
        spared = self.sparing.spared(image, found)
        kept, faces = spots_of(found[spared], "detected"), found[~spared]
        spots = spots_of(faces, "detected")
        if settings.shape == "mesh" and len(faces):
            points = outlines(engine, image, faces)
            spots = [replace(spot, outline=outline) for spot, outline in zip(spots, points, strict=True)]
        if self.tools.second is not None:
            seen = self.tools.second.look(image, thorough=settings.thorough)
            more = SecondLook.missed(seen, spots, self.tools.hider.cover, kept=kept)
            self.account.second = self._second_told(1, len(more))
            spots += more
        self.account.spared = len(kept)
        return self._weighed([(image, spots)], range(len(spots))), kept

    def video(self, video: Video) -> Planned:
        """All that is to be hidden in a video, and who stays visible.

        Parameters
        ----------
        video : Video
            It is opened again by its name: this one's frames are not touched.

        Raises
        ------
        ImageError
            If it was cut short.
        """
        settings = self.tools.settings
        ask = None if self.sparing.everybody else self.sparing.start()
        watch = Watch(
            self.tools.engine,
            min_score=self.tools.min_score,
            second=self.tools.second,
            looks=Looks(every=1 if settings.thorough else settings.every, thorough=settings.thorough),
            ask=ask,
            mesh=settings.shape == "mesh",
            likeness=self.tools.weighs,
        )
        with reopened(video) as again:
            watched = watch.watch(again, again, self.advance)
        seen = watched.sightings
        plan = Planned(seen.size, seen.rate, completed(seen), [], seen.cuts)
        self._divide(plan, watched, ask)
        if self.tools.second is not None:
            self._add_second(video, watch, watched, plan)
        return plan

    def _add_second(self, video: Video, watch: Watch, watched: Watched, plan: Planned) -> None:
        """What the second detector found and the first had not, before and after the frames that it looked at, too."""
        cover, reach = self.tools.hider.cover, self.tools.settings.every
        kept = plan.spared
        missed = {n: SecondLook.missed(s, plan.rows[n], cover, kept=kept[n]) for n, s in watched.second.items()}
        near = plan.around([number for number, spots in missed.items() if spots], reach) - set(watched.second)
        if near:
            with reopened(video) as again:
                for number, seen in watch.again(again, near, self.advance).items():
                    missed[number] = SecondLook.missed(seen, plan.rows[number], cover, kept=kept[number])
        found = linked(missed, first=plan.free, reach=reach, cuts=plan.cuts)
        rows = [found.get(number, []) for number in range(len(plan.rows))]
        more = completed(Sightings(plan.size, plan.rate, rows, plan.cuts))
        tracks = {spot.track for spots in found.values() for spot in spots}
        self.account.second = self._second_told(len(watched.second) + len(near), len(tracks))
        plan.rows = [[*one, *other] for one, other in zip(plan.rows, more, strict=True)]

    def _divide(self, plan: Planned, watched: Watched, ask: VideoSparing | None) -> None:
        """Take those out who stay visible, and hide the others as strongly as it needs."""
        tracks = {spot.track for row in plan.rows for spot in row}
        spared = {track for track in tracks if ask is not None and ask.spared(track)}
        self.account.spared = len(spared)
        own = {
            track: self._weighed([(image, [spot]) for image, spot in views], [track])[0]
            for track, views in watched.views.items()
            if track in tracks and track not in spared
        }
        plan.spared = [[spot for spot in row if spot.track in spared] for row in plan.rows]
        plan.rows = [
            [weighed(spot, own.get(cast("int", spot.track))) for spot in row if spot.track not in spared]
            for row in plan.rows
        ]

    def _weighed(self, views: Sequence[tuple[Image, Sequence[Spot]]], keys: Sequence[int]) -> list[Spot]:
        """Faces, hidden as strongly as they need in all pictures of them; what is left of each is noted."""
        spots = list(views[0][1])
        witness = self.tools.witness
        if witness is None:
            return spots
        self.account.embedders, self.account.missing = witness.embedders, witness.missing
        fixed = self.tools.settings.strength != "auto"
        if self.tools.settings.regions is not None:  # nothing is added to what was asked for: it is told what is left
            for image, seen in views:
                for key, found in zip(keys, witness.compare(image, self.tools.hide(image, seen), seen), strict=True):
                    self.account.note(key, found)
            return spots
        for image, seen in views:
            here = [weighed(one, spot) for one, spot in zip(seen, spots, strict=True)]
            spots, left = witness.strengthen(self.tools.hider, image, here, fixed=fixed)
            for key, found in zip(keys, left, strict=True):
                self.account.note(key, found)
        self.account.raised += sum(spot.method is not None or spot.strength is not None for spot in spots)
        return spots

    def _second_told(self, frames: int, found: int) -> dict[str, Any]:
        assert self.tools.second is not None  # noqa: S101 - for the type checker: there was a second look
        second = self.tools.second
        return {"detector": second.model, "min_score": second.min_score, "frames": frames, "found": found}


def reopened(video: Video) -> Video:
    """The video from its start once more, by its name.

    Raises
    ------
    UsageError
        If it has no such name: a webcam, or a list of pictures.
    """
    if not Path(video.source).expanduser().exists() and not any(sign in video.source for sign in "*?["):
        raise UsageError(f"a video is read twice to anonymize it, and {video.source} cannot be: give a file's path.")
    return open_video(video.source)
