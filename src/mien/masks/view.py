"""``Masks`` and ``FaceMasks``: the regions of faces by name, rendered when they are asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mien.core.draw import as_png
from mien.core.errors import UsageError
from mien.core.faces import Face, Faces
from mien.core.parts import parts_of, unknown_region
from mien.core.region import Region
from mien.masks.details import DETAILS
from mien.masks.occlusion import occluded

if TYPE_CHECKING:
    from mien.core.image import Image
    from mien.engine import Engine

__all__ = ["SOURCES", "FaceMasks", "Masks", "Source", "tree_of"]

# Characters of an expression: a deeper one than that could not be followed to its end; and how many messages show.
LONGEST, SHOWN = 500, 80


def tree_of(expression: str) -> ast.expr:
    """An expression of regions as the tree that Python reads it as.

    Raises
    ------
    UsageError
        If it is none, or has more than 500 characters.
    """
    if not isinstance(expression, str) or len(expression) > LONGEST:
        raise _no_expression(expression)
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _no_expression(expression) from None


def _no_expression(text: object) -> UsageError:
    shown = f"{text[:SHOWN]}..." if isinstance(text, str) and len(text) > SHOWN else text
    return UsageError(f"{shown!r} is no expression of regions, such as 'hair | face - occluded'.")


class _Named:
    """Regions as attributes, and by expressions such as ``"face - occluded"``."""

    @property
    def names(self) -> tuple[str, ...]:
        """Regions that there are."""
        raise NotImplementedError

    def region(self, expression: str) -> Region:
        """A region by its name, or by an expression of names, ``|``, ``&``, ``-``, ``+``, ``~`` and brackets.

        Raises
        ------
        UsageError
            If there is no region of a name, which says which exist, or it is no such expression.
        """
        return self._value(tree_of(expression), expression)

    def _value(self, node: ast.expr, expression: str) -> Region:
        match node:
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return ~self._value(operand, expression)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](self._value(left, expression), self._value(right, expression))
        raise _no_expression(expression)

    def _knows(self, name: str) -> bool:
        """Whether there is such a region, or class."""
        raise NotImplementedError

    def _named(self, name: str) -> Region:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Region:
        if name.startswith("_"):  # Python asking for its own protocols
            raise AttributeError(name)
        if not self._knows(name):
            raise AttributeError(str(unknown_region(name, self.names)))
        return self._named(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.names]

    def _painted(self, faces: Faces) -> Image | None:
        """The regions that do not overlap in their colours on the picture, where it is kept."""
        from mien.masks.overlay import overlay

        if faces.image is None:
            return None
        return overlay(faces.image, {name: self._named(name) for name in parts_of(faces.parse.names)})


_OPERATORS: Mapping[type[ast.operator], Callable[[Region, Region], Region]] = MappingProxyType(
    {ast.BitOr: Region.__or__, ast.BitAnd: Region.__and__, ast.Sub: Region.__sub__, ast.Add: Region.__add__}
)


class Masks(_Named):
    """The regions of all faces of a picture.

    ``m.hair`` is the hair of all, ``m[0].hair`` that of the first face, ``m.names`` says what there is. ``m.faces`` are
    the faces themselves, with the field ``parse`` that the regions are rendered from. What was not computed yet, such
    as ``m.occluded``, is when it is first asked for: while the engine is open.

    Parameters
    ----------
    faces : Faces
        With the fields ``parse`` and ``landmarks``, and their picture.
    engine : Engine
        Computes what else is asked for.
    """

    def __init__(self, faces: Faces, engine: Engine) -> None:
        self._faces = faces
        self._engine = engine

    @property
    def faces(self) -> Faces:
        """The faces, with all fields that were computed so far."""
        return self._faces

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self._faces.image_size

    @property
    def names(self) -> tuple[str, ...]:
        """Regions that there are."""
        return (*self._faces.parse.regions, *SOURCES)

    def __len__(self) -> int:
        return len(self._faces)

    def __iter__(self) -> Iterator[FaceMasks]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> FaceMasks:
        if not -len(self) <= row < len(self):
            raise IndexError(f"there are {len(self)} faces, and no face {row}.")
        return FaceMasks(self, row % len(self))

    def __repr__(self) -> str:
        width, height = self.size
        return f"Masks({len(self)} faces in {width}x{height}: {', '.join(self.names)})"

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the regions in colours, where the picture is kept."""
        painted = self._painted(self._faces)
        return None if painted is None else as_png(painted)

    def _knows(self, name: str) -> bool:
        return name in self.names or name in self._faces.parse.names

    def _named(self, name: str) -> Region:
        if not self._knows(name):
            raise unknown_region(name, self.names)
        if name == "background":  # of all: what is background around one face may be another face
            return ~self._named("person")
        return Region.union([one.region(name) for one in self], self.size)

    def require(self, field: str) -> Faces:
        """The faces with a field, which is computed, with all that its model gives along, if it is not there."""
        if field not in self._faces.columns:
            given = self._engine.choose(field).gives
            self._faces = self._engine.analyze(self._faces.require_image(), want=given, faces=self._faces)
        return self._faces


class FaceMasks(_Named):
    """The regions of one face; see `Masks`."""

    def __init__(self, masks: Masks, row: int) -> None:
        self._masks = masks
        self._row = row
        self._rendered: dict[str, Region] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Regions that there are."""
        return self._masks.names

    def __repr__(self) -> str:
        return f"FaceMasks(of {self._masks.faces[self._row]!r})"

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the regions in colours, as far as they go, where the picture is kept."""
        painted, (x1, y1, x2, y2) = self._painted(self._masks.faces), self._named("person").bbox
        return None if painted is None or x1 == x2 else as_png(painted[y1:y2, x1:x2], longest=300)

    def _knows(self, name: str) -> bool:
        return name in self.names or name in self._masks.faces.parse.names

    def _named(self, name: str) -> Region:
        if name not in self._rendered:
            self._rendered[name] = self._render(name)
        return self._rendered[name]

    def _render(self, name: str) -> Region:
        if name in SOURCES:
            source = SOURCES[name]
            for field in source.needs:
                self._masks.require(field)
            return source.render(self._masks.faces[self._row])
        if not self._knows(name):
            raise unknown_region(name, self.names)
        return self._masks.faces.parse[self._row].region(name)


@dataclass(frozen=True)
class Source:
    """Where a region comes from that the parsing does not give.

    Attributes
    ----------
    render : callable
        The region of a face; its picture is ``face.faces.require_image()``.
    needs : tuple of str
        Fields that the face must have.
    """

    render: Callable[[Face], Region]
    needs: tuple[str, ...] = ("landmarks",)


#: Regions by name that are not made of the parsing's classes.
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        **{name: Source(render, needs=("landmarks", "visibility")) for name, render in DETAILS.items()},
        "occluded": Source(occluded, needs=("occlusion",)),
    }
)
