"""Which parts of a face raise a score: methods that hide parts of it and look at what the score does.

They see an embedder only through the score that it gives to pictures, so they work for any. Faces are looked at in a
square that is aligned like ArcFace's crop, with more around it.

- `Patches`: a square that slides over the face (Zeiler & Fergus, *Visualizing and understanding convolutional
  networks*, ECCV 2014).
- `Regions`: what the mesh calls eyes, nose, mouth ...
- `Masks`: many random masks at once (Petsiuk, Das, Saenko, *RISE: Randomized input sampling for explanation of
  black-box models*, BMVC 2018), read out as the covariance of score and mask.
- `Difference`: where the two pictures differ, smoothed; it asks no embedder.
- `Chance` and `Centre`: a random map and the middle of the face. What is no better than these explains nothing.

What is hidden is replaced by a strongly blurred copy, which has the colours of the face and none of its features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.faces import ALIGNMENT_NAMES, Face, Faces
from mien.core.geometry import TEMPLATES, similarity, transform
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.warping import warp
from mien.engine import Engine

__all__ = [
    "METHODS",
    "REGIONS",
    "SIDE",
    "Aligned",
    "Centre",
    "Chance",
    "Difference",
    "Masks",
    "Method",
    "Patches",
    "Regions",
    "Score",
    "Task",
    "embed",
    "find_method",
    "hide",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Score = Callable[[NDArray[np.uint8]], Doubles]

SIDE = 144  #: pixels of the square: ArcFace's crop of 112, and 16 around it
_MARGIN = 16
_EYES = 35.2  # pixels between the eyes there
_SHEET = 64  # squares that are embedded in one go

#: Parts of a face by name: regions of the mesh, and by how much they are grown, in parts of the distance of the eyes.
REGIONS: Final[Mapping[str, tuple[tuple[str, ...], float]]] = MappingProxyType(
    {
        "forehead": (("forehead",), 0.0),
        "right brow": (("right_brow",), 0.06),
        "left brow": (("left_brow",), 0.06),
        "right eye": (("right_eye",), 0.12),
        "left eye": (("left_eye",), 0.12),
        "nose": (("nose",), 0.05),
        "right cheek": (("right_cheek",), 0.05),
        "left cheek": (("left_cheek",), 0.05),
        "mouth": (("lips_outer",), 0.1),
        "chin": (("chin",), 0.05),
    }
)


# --- a face in its square ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Aligned:
    """A face, aligned in a square of `SIDE` pixels.

    Parameters
    ----------
    image : (144, 144, 3) uint8
    points : (478, 3) float32
        The mesh in pixels of the square.
    """

    image: Image
    points: Floats

    @classmethod
    def of(cls, face: Face) -> Aligned:
        """A face that has the fields ``alignment`` and ``landmarks``, and its picture.

        Raises
        ------
        UsageError
            If the mesh or the points abstained.
        """
        if face.alignment.abstained or face.landmarks.abstained:
            raise UsageError("a face without mesh points cannot be explained.")
        m = similarity(face.alignment.values[None], _target())[0]
        image = warp(face.faces.require_image(), m, SIDE, border="replicate")
        return cls(image, transform(face.landmarks.values, m))

    @cached_property
    def fill(self) -> Image:
        """What stands in for what is hidden."""
        return _blurred(self.image, 0.4 * _EYES)

    @cached_property
    def regions(self) -> Mapping[str, Floats]:
        """How much each pixel belongs to each part of the face: (144, 144) in [0, 1] with soft edges."""
        return {name: self.region(parts, grow) for name, (parts, grow) in REGIONS.items()}

    def distance(self, other: Aligned) -> float:
        """How far the points of another face are from this one's, on average, in pixels: how alike the heads stand."""
        return float(np.linalg.norm(self.points[:, :2] - other.points[:, :2], axis=1).mean())

    def region(self, parts: tuple[str, ...], grow: float) -> Floats:
        """How much each pixel belongs to parts of the mesh that are grown by so many distances of the eyes."""
        import cv2

        drawn = np.zeros((SIDE, SIDE), np.uint8)
        for part in parts:
            outline = self.points[indices_of("mesh478", part), :2]
            cv2.fillPoly(drawn, [np.rint(outline * 16).astype(np.int32)], 255, shift=4)
        if grow > 0:
            reach = 2 * round(grow * _EYES) + 1
            drawn = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))  # type: ignore[assignment]
        return np.asarray(cv2.GaussianBlur(drawn.astype(np.float32) / 255, (0, 0), 1.5), np.float32)


def _target() -> Floats:
    return TEMPLATES["arcface112"].points_at(SIDE, _MARGIN / 112)


def _blurred(image: Image, sigma: float) -> Image:
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def embed(squares: NDArray[np.uint8], engine: Engine) -> Floats:
    """Vectors of faces that stand aligned in squares, whatever crop the embedder makes of them.

    The squares are laid out on one picture with the points to align by, which goes through the engine as any other.

    Parameters
    ----------
    squares : (N, 144, 144, 3) uint8
    engine : Engine

    Returns
    -------
    (N, D) float32
        NaN where a vector has no direction.
    """
    if squares.ndim != 4 or squares.shape[1:] != (SIDE, SIDE, 3):
        raise ShapeMismatch(f"squares have the shape (N, {SIDE}, {SIDE}, 3), not {squares.shape}.")
    if not len(squares):
        raise ShapeMismatch("there is nothing to embed.")
    return np.concatenate([_embed(squares[i : i + _SHEET], engine) for i in range(0, len(squares), _SHEET)])


def _embed(squares: NDArray[np.uint8], engine: Engine) -> Floats:
    count = len(squares)
    across = int(np.ceil(np.sqrt(count)))
    rows = -(-count // across)
    sheet = np.zeros((rows, across, SIDE, SIDE, 3), np.uint8)
    sheet.reshape(-1, SIDE, SIDE, 3)[:count] = squares
    picture = np.ascontiguousarray(sheet.transpose(0, 2, 1, 3, 4)).reshape(rows * SIDE, across * SIDE, 3)
    corners = np.stack(np.divmod(np.arange(count), across)[::-1], axis=1).astype(np.float32) * SIDE
    inner = np.array([_MARGIN, SIDE - _MARGIN], np.float32)
    faces = Faces.from_boxes(
        np.concatenate([corners + inner[0], corners + inner[1]], axis=1),
        keypoints=corners[:, None] + _target(),
        keypoint_names=ALIGNMENT_NAMES,
        image_size=(across * SIDE, rows * SIDE),
    ).with_alignment()
    return engine.analyze(picture, faces=faces, want={"embedding"}).embedding.values


def hide(face: Aligned, hidden: Floats) -> NDArray[np.uint8]:
    """Pictures of a face of which parts are hidden.

    Parameters
    ----------
    face : Aligned
    hidden : (N, 144, 144) float32
        How much of each pixel is hidden, in [0, 1].

    Returns
    -------
    (N, 144, 144, 3) uint8
    """
    shown, fill = face.image.astype(np.float32), face.fill.astype(np.float32)
    mixed = shown + hidden[..., None] * (fill - shown)
    return np.asarray(np.rint(mixed), np.uint8)


# --- methods --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be explained: why `score` is what it is for a face.

    Parameters
    ----------
    face : Aligned
    other : (144, 144, 3) uint8
        The picture that it is compared with, aligned alike.
    score : callable
        Scores (N,) of pictures (N, 144, 144, 3).
    """

    face: Aligned
    other: Image
    score: Score

    def drops(self, hidden: Floats) -> Doubles:
        """By how much the score falls, (N,), when so much (N, 144, 144) of each pixel is hidden."""
        scores = self.score(np.concatenate([self.face.image[None], hide(self.face, hidden)]))
        return np.asarray(scores[0] - scores[1:], np.float64)


class Method(Protocol):
    """Makes a map of a face: above 0 where it raises the score, below 0 where it lowers it."""

    name: ClassVar[str]

    def explain(self, task: Task) -> Floats:
        """The map, (144, 144) float32, in the unit of the score where the method has one."""
        ...


@dataclass(frozen=True)
class Patches:
    """A soft square that slides over the face.

    Parameters
    ----------
    side, step : int
        Of the square and of its way, in pixels.
    """

    side: int = 26
    step: int = 9
    name: ClassVar[str] = "patches"

    def explain(self, task: Task) -> Floats:
        """See `Method`: by how much the score falls where the square lies."""
        places = np.arange(self.side // 2, SIDE - self.side // 2 + 1, self.step)
        pixels = np.arange(SIDE)
        # A box with edges of three pixels, along each axis.
        edge = 1 / (1 + np.exp(-(self.side / 2 - np.abs(pixels - places[:, None]))))
        hidden = (edge[:, None, :, None] * edge[None, :, None, :]).reshape(-1, SIDE, SIDE).astype(np.float32)
        return _shares(hidden, task.drops(hidden))


@dataclass(frozen=True)
class Regions:
    """The parts of the face that have names."""

    name: ClassVar[str] = "regions"

    def explain(self, task: Task) -> Floats:
        """See `Method`: by how much the score falls with each part, by its area as large as a patch."""
        hidden = np.stack(list(task.face.regions.values()))
        areas = hidden.sum(axis=(1, 2))
        return _shares(hidden, task.drops(hidden) * (Patches().side ** 2 / np.maximum(areas, 1)))


@dataclass(frozen=True)
class Masks:
    """Random masks that each hide about half of the face.

    Parameters
    ----------
    count : int
        How many.
    cells : int
        Along a side of the square, before they are made smooth.
    seed : int
    """

    count: int = 400
    cells: int = 8
    seed: int = 0
    name: ClassVar[str] = "masks"

    def explain(self, task: Task) -> Floats:
        """See `Method`: the slope of the score on each pixel being shown."""
        hidden = self._masks()
        drops = task.drops(hidden)
        centred = hidden - hidden.mean(axis=0)
        slope = np.tensordot(drops - drops.mean(), centred, axes=1) / np.maximum((centred**2).sum(axis=0), 1e-6)
        return np.asarray(slope, np.float32)

    def _masks(self) -> Floats:
        import cv2

        draw = np.random.default_rng(self.seed)
        cell = -(-SIDE // self.cells)
        full = (self.cells + 1) * cell
        coarse = (draw.random((self.count, self.cells + 1, self.cells + 1)) < 0.5).astype(np.float32)
        shifts = draw.integers(0, cell, (self.count, 2))
        smooth = (cv2.resize(mask, (full, full), interpolation=cv2.INTER_LINEAR) for mask in coarse)
        return np.stack([mask[y : y + SIDE, x : x + SIDE] for mask, (y, x) in zip(smooth, shifts, strict=True)])


@dataclass(frozen=True)
class Difference:
    """Where the two pictures differ in grey levels, by as much as a patch sees; it knows no score."""

    name: ClassVar[str] = "difference"

    def explain(self, task: Task) -> Floats:
        """See `Method`; in [0, 1]."""
        apart = np.abs(task.face.image.astype(np.float32) - task.other.astype(np.float32)).mean(axis=2) / 255
        return _smooth(apart)


@dataclass(frozen=True)
class Chance:
    """Smooth noise: what a map scores that knows nothing."""

    seed: int = 0
    name: ClassVar[str] = "chance"

    def explain(self, task: Task) -> Floats:
        """See `Method`; another map for each picture."""
        draw = np.random.default_rng([self.seed, int(task.face.image.astype(np.int64).sum())])
        return _smooth(draw.normal(size=(SIDE, SIDE)).astype(np.float32))


@dataclass(frozen=True)
class Centre:
    """The middle of the face, always: what a map scores that knows only where faces are."""

    name: ClassVar[str] = "centre"

    def explain(self, task: Task) -> Floats:  # noqa: ARG002 - it looks at nothing
        """See `Method`; in [0, 1]."""
        x, y = _target().mean(axis=0)
        down, across = np.mgrid[:SIDE, :SIDE]
        return np.asarray(np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * _EYES**2)), np.float32)


def _shares(hidden: Floats, drops: Doubles) -> Floats:
    """The mean drop of what hid each pixel; 0 where nothing did."""
    total = hidden.sum(axis=0)
    return np.asarray(np.tensordot(drops, hidden, axes=1) / np.maximum(total, 0.05), np.float32)


def _smooth(values: Floats) -> Floats:
    import cv2

    return np.asarray(cv2.GaussianBlur(values, (0, 0), Patches().side / 4), np.float32)


#: Methods by name.
METHODS: Final[Mapping[str, Callable[[], Method]]] = MappingProxyType(
    {method.name: method for method in (Patches, Regions, Masks, Difference, Chance, Centre)}
)


def find_method(method: str | Method) -> Method:
    """A method by its name, or the one that is given.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if not isinstance(method, str):
        return method
    if method not in METHODS:
        raise UsageError(f"no method is called {method!r}; there are {', '.join(METHODS)}.")
    return METHODS[method]()
