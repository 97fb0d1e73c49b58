"""Pictures that ship with mien, for its demo, its docs and your first try: of people who do not exist.

How each was made, and under which terms they stand, is told in the README beside them.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["FOLDER", "GROUP", "LANDSCAPE", "PAIRS", "PEOPLE", "SIDEWAYS"]

FOLDER = Path(__file__).parent

#: Eight adults, one portrait each, 512 x 512.
PEOPLE = tuple(FOLDER / f"person{number}.jpg" for number in range(1, 9))

#: Two pictures of one person, twice.
PAIRS = tuple((FOLDER / f"person{number}.jpg", FOLDER / f"person{number}_again.jpg") for number in (3, 4))

#: All eight as prints on a table, turned and of several sizes, 1280 x 860.
GROUP = FOLDER / "group.jpg"

#: Person 4 as a phone writes it: lying on its side, with an EXIF tag that says so.
SIDEWAYS = FOLDER / "sideways.jpg"

#: Nobody in it.
LANDSCAPE = FOLDER / "landscape.jpg"
