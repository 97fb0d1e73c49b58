"""A look at the result before it is written: what either detector still finds there is hidden, too.

Nothing goes into a file that was not looked at before: a video is read once more for it, and what is found in one of
the frames that are looked at is looked for, and hidden, in all frames around it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mien.core.image import Image
from mien.core.region import Region
from mien.media.video import Video
from mien.swaps.hidden.covering import Tools
from mien.swaps.hidden.planning import Planned, reopened
from mien.swaps.hidden.reporting import Account, told
from mien.swaps.hidden.sightings import Sightings, completed, linked
from mien.swaps.hidden.spots import Spot

__all__ = ["Checker"]

_ROUNDS: Final = 3  # times that a result is looked at again after something more was hidden


@dataclass(frozen=True, eq=False)
class Checker:
    """Looks at results.

    Parameters
    ----------
    tools : Tools
    account : Account
        Where it is noted what was found.
    adds : bool
        Whether what is found is hidden; else it is only told.
    """

    tools: Tools
    account: Account
    adds: bool = True

    def picture(
        self, hidden: Image, spots: list[Spot], spared: Sequence[Spot], regions: list[Region] | None = None
    ) -> Image:
        """A picture with more hidden, where that is needed; `spots` and `regions` have it then, too."""
        for _ in range(_ROUNDS):
            more = self._look(0, hidden, spots, spared, closely=True)
            if not more or not self.adds:
                break
            spots += more
            hidden = self.tools.hide(hidden, more, regions)
        return hidden

    def video(self, video: Video, plan: Planned, advance: Callable[[int], None]) -> None:
        """Look at a video as it would be written, and put what is found into its plan.

        Parameters
        ----------
        video : Video
            It is opened again by its name: this one's frames are not touched.
        plan : Planned
        advance : callable
            Told about each frame that was read.
        """
        every, count = self.tools.settings.every, len(plan.rows)
        due: Collection[int] = range(min(every // 2, (count - 1) // 2), count, every)
        for _ in range(_ROUNDS):
            found = {number: spots for number, spots in self._looks(video, plan, due, advance) if spots}
            if not found or not self.adds:
                break
            around = plan.around(found, every)
            found |= {n: spots for n, spots in self._looks(video, plan, around - set(found), advance) if spots}
            self._add(plan, found)
            due = around

    def _looks(
        self, video: Video, plan: Planned, due: Collection[int], advance: Callable[[int], None]
    ) -> Iterator[tuple[int, list[Spot]]]:
        """What is found in frames that are due."""
        wanted, last = set(due), max(due, default=-1)
        with reopened(video) as again:
            for frame in again:
                number = frame.index
                if number > last:
                    return
                if number in wanted and number < len(plan.rows):
                    # A blur in place of a double: what is hidden is the same, and it takes no time.
                    hidden = self.tools.hide(frame.image, plan.rows[number], in_place=True)
                    yield number, self._look(number, hidden, plan.rows[number], plan.spared[number], closely=False)
                advance(1)

    def _add(self, plan: Planned, found: dict[int, list[Spot]]) -> None:
        tracks = linked(found, first=plan.free, reach=self.tools.settings.every, cuts=plan.cuts)
        rows = [tracks.get(number, []) for number in range(len(plan.rows))]
        more = completed(Sightings(plan.size, plan.rate, rows, plan.cuts))
        plan.rows = [[*one, *other] for one, other in zip(plan.rows, more, strict=True)]

    def _look(
        self, frame: int, hidden: Image, spots: Sequence[Spot], spared: Sequence[Spot], *, closely: bool
    ) -> list[Spot]:
        """What is found in a result and not hidden; it is counted, or told if it stays."""
        self.account.checked.add(frame)
        found = self.tools.check(hidden, spots, spared, closely=closely)
        if self.adds:
            self.account.late += len(found)
        else:
            self.account.uncovered += [told(frame, spot) for spot in found]
        return found
