"""``Wanted`` and ``Cut``: which regions of which faces are asked for, and what that is in one picture."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.errors import NoFace, UsageError
from mien.core.parts import parts_of
from mien.core.region import Region
from mien.masks.matting import matte
from mien.masks.view import SOURCES, FaceMasks, Masks, tree_of

if TYPE_CHECKING:
    from mien.core.faces import Faces
    from mien.core.image import Image
    from mien.engine import Engine

__all__ = ["Cut", "Wanted", "fields_of", "slug"]

PARTS = "parts"  # stands for all regions that do not overlap
PORTRAIT = 1.2  # heights of a face from its middle to the edge of what is taken for its portrait
HAIRS = 0.05  # heights of a face by which what parses may miss the outline of hair
_SIGNS = {"|": "or", "&": "and", "-": "without", "~": "not"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is cut out of pictures.

    Parameters
    ----------
    regions : tuple of str
        Names or expressions of regions, as `Masks.region` takes them; "parts" stands for all that do not overlap.
    who : tuple of int, optional
        Which faces: their places in the picture, or in a video the ids of their tracks. By default all.
    feather : float
        Pixels over which edges fade; see `Region.feather`.
    grow : float
        Pixels by which regions grow, below 0 shrink.
    matte : bool
        Whether the outline towards the background is that of the portrait's matte, hair by hair; see `mien.matte`.

    Raises
    ------
    UsageError
        If a number is out of range.
    """

    regions: tuple[str, ...]
    who: tuple[int, ...] | None = None
    feather: float = 0.0
    grow: float = 0.0
    matte: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.feather <= 1000:
            raise UsageError(f"edges are feathered by 0 to 1000 pixels, not {self.feather}.")
        if not -1000 <= self.grow <= 1000:
            raise UsageError(f"regions grow by -1000 to 1000 pixels, not {self.grow}.")
        if not all(self.regions):
            raise UsageError("an empty name names no region.")

    @property
    def fields(self) -> frozenset[str]:
        """The fields that these regions are rendered from."""
        return fields_of(self.regions)

    def check(self, engine: Engine) -> None:
        """Load the models, and refuse names that are not known.

        Raises
        ------
        UsageError
            If there is no such region, which says which there are, or something is no expression of regions.
        """
        if self.matte:
            engine.preload("matte")
        nobody = Masks(engine.analyze([], want={"parse"}, aligned=True), engine)
        for one in self.regions:
            if one != PARTS:
                nobody.region(one)

    def of(self, faces: Faces, engine: Engine) -> Cut:
        """What that is of a picture's faces, which keep their picture.

        Raises
        ------
        NoFace
            If there are fewer faces than were asked for.
        """
        numbers = np.arange(len(faces))
        if "track" in faces.columns:
            numbers = faces.track.ids
            rows = [row for row, number in enumerate(numbers) if self.who is None or int(number) in self.who]
        elif self.who is None:
            rows = numbers.tolist()
        else:
            rows = list(self.who)
            if any(row >= len(faces) for row in rows):
                raise NoFace(f"there is no face {max(rows)}: {len(faces)} were found, counted from 0.")
        chosen = faces if self.who is None else faces[rows]
        outline = _outline(chosen, engine) if self.matte else None
        return Cut(Masks(chosen, engine), engine, self, tuple(int(numbers[row]) for row in rows), outline)


@dataclass(frozen=True, eq=False)
class Cut:
    """What was asked for of one picture.

    Attributes
    ----------
    masks : Masks
        Of the faces that were asked for.
    numbers : tuple of int
        Of these faces: their places in the picture, or the ids of their tracks.
    outline : Region or None
        The people of the picture, to the hair, where that was asked for.
    """

    masks: Masks
    engine: Engine
    wanted: Wanted
    numbers: tuple[int, ...]
    outline: Region | None = None

    @property
    def image(self) -> Image:
        """The picture."""
        return self.masks.faces.require_image()

    @property
    def names(self) -> tuple[str, ...]:
        """The regions that were asked for, by name."""
        parts = parts_of(self.masks.faces.parse.names)
        listed = [name for one in self.wanted.regions for name in (parts if one == PARTS else (one,))]
        return tuple(dict.fromkeys(listed))

    @cached_property
    def regions(self) -> Mapping[str, Region]:
        """The regions by name, each of all faces together."""
        return {name: self._shaped(self.masks, name) for name in self.names}

    @property
    def all(self) -> Region:
        """All regions together."""
        return Region.union(list(self.regions.values()), self.masks.size)

    def each(self) -> Iterator[Cut]:
        """The same of each face by itself."""
        for row, number in enumerate(self.numbers):
            yield replace(self, masks=Masks(self.masks.faces[[row]], self.engine), numbers=(number,))

    def record(self) -> dict[str, Any]:
        """Faces and their regions as JSON types: boxes are x1, y1, x2, y2; rle is COCO's; area and box are its."""
        width, height = self.masks.size
        faces = [self._face(number, one) for number, one in zip(self.numbers, self.masks, strict=True)]
        return {"width": width, "height": height, "faces": faces}

    def areas(self) -> list[list[float]]:
        """Area in pixels of each region of each face."""
        return [[self._shaped(one, name).area for name in self.names] for one in self.masks]

    def _face(self, number: int, one: FaceMasks) -> dict[str, Any]:
        face = self.masks.faces[self.numbers.index(number)]
        score = None if np.isnan(face.score) else round(face.score, 5)
        regions = {name: _region(self._shaped(one, name)) for name in self.names}
        return {"face": number, "box": np.round(face.box.astype(float), 2).tolist(), "score": score, "regions": regions}

    def _shaped(self, masks: Masks | FaceMasks, name: str) -> Region:
        region, grow = self._outlined(masks.region(name)), self.wanted.grow
        region = region.dilate(grow) if grow > 0 else region.erode(-grow)
        return region.feather(self.wanted.feather)

    def _outlined(self, region: Region) -> Region:
        """With the matte's outline towards the background; towards other parts of a person it keeps its own."""
        if self.outline is None:
            return region
        if region.beyond:  # around somebody
            return ~self._outlined(~region)
        reach = HAIRS * float(self.masks.faces.heights.max(initial=0))
        others = ~(region + ~self.masks.person)  # by arithmetic: at a soft edge, person - person is not empty
        return (region.dilate(reach) - others) & self.outline


def _outline(faces: Faces, engine: Engine) -> Region:
    """The people of a picture, each matted as a portrait: the network knows no others."""
    image, size = faces.require_image(), faces.image_size
    people = []
    for box, height in zip(faces.boxes.astype(np.float64), faces.heights.astype(np.float64), strict=True):
        middle = (box[:2] + box[2:]) / 2
        x1, y1 = np.floor(middle - PORTRAIT * height).clip(0, size).astype(int).tolist()
        x2, y2 = np.ceil(middle + PORTRAIT * height).clip(0, size).astype(int).tolist()
        if x2 > x1 and y2 > y1:
            alpha = matte(np.ascontiguousarray(image[y1:y2, x1:x2]), engine=engine).alpha
            people.append(Region(alpha.to_levels(), (x1, y1), size))
    return Region.union(people, size)


def _region(region: Region) -> dict[str, Any]:
    """As run lengths, and what they are: soft edges end far beyond where they are half."""
    import cv2

    x1, y1, _, _ = region.bbox
    inside = (region.levels_in(region.bbox) > 127).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    box = [x1 + x, y1 + y, x1 + x + width, y1 + y + height] if width else [0, 0, 0, 0]
    return {"area": cv2.countNonZero(inside) if width else 0, "box": box, "rle": region.to_rle()}


def fields_of(expressions: Iterable[str]) -> frozenset[str]:
    """The fields that regions are rendered from: those that parsing gives no classes for need more than it.

    Raises
    ------
    UsageError
        If something is no expression of regions.
    """
    fields = {"parse"}
    for one in expressions:
        names = {node.id for node in ast.walk(tree_of(one)) if isinstance(node, ast.Name)}
        fields.update(field for name in names & SOURCES.keys() for field in SOURCES[name].needs)
    return frozenset(fields)


def slug(expression: str) -> str:
    """An expression as a part of a file's name: ``face - hat`` is face-without-hat."""
    words = re.findall(r"\w+|[|&~-]", expression)
    return "-".join(_SIGNS.get(word, word) for word in words)
