"""Clips whose every face is known: people who do not exist, cut out of their portraits and moved over a background.

They move, tilt, grow, hide each other, leave and come back; they do not turn their heads. So a tracker that fails here
fails, and one that does not has still to be looked at on real video.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import assets
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.media.video import Frame

Floats = NDArray[np.float32]

#: Where the face is in a portrait, xyxy in its sides: about as YuNet boxes it, so that boxes can be compared.
FACES = {
    "person1": (0.25, 0.19, 0.76, 0.92),
    "person2": (0.20, 0.18, 0.74, 0.92),
    "person3": (0.19, 0.17, 0.75, 0.93),
    "person3_again": (0.22, 0.16, 0.84, 0.97),
    "person4": (0.20, 0.16, 0.76, 0.95),
    "person4_again": (0.08, 0.04, 0.82, 1.00),
    "person5": (0.22, 0.20, 0.74, 0.94),
    "person6": (0.18, 0.19, 0.74, 0.97),
    "person7": (0.23, 0.15, 0.75, 0.97),
    "person8": (0.20, 0.16, 0.75, 0.94),
}

HIDDEN = 0.4  # of a face that is still seen, at the least, for it to count


@dataclass(frozen=True)
class Actor:
    """One person's way through a shot.

    Attributes
    ----------
    id : int
        Who it is, from 1: the same in all shots.
    portrait : str
        Stem of a shipped picture.
    way : sequence of (time, x, y, height)
        Seconds, and the face's centre and height, in heights of the frame (x too). The actor is there from the first
        to the last time, and moves evenly in between.
    sway : float
        How far the head sways, in its heights.
    """

    id: int
    portrait: str
    way: Sequence[tuple[float, float, float, float]]
    sway: float = 0.04

    def at(self, time: float) -> tuple[float, float, float, float] | None:
        """x, y, height, and tilt in degrees; None: not there."""
        rows = np.array(self.way)
        if not rows[0, 0] <= time <= rows[-1, 0]:
            return None
        x, y, height = (float(np.interp(time, rows[:, 0], rows[:, i])) for i in (1, 2, 3))
        beat = 2 * np.pi * time * (0.5 + 0.07 * self.id) + self.id
        x += self.sway * height * float(np.sin(beat))
        y += self.sway * height * 0.6 * float(np.sin(1.7 * beat))
        return x, y, height * (1 + 0.04 * float(np.sin(0.6 * beat))), 6 * float(np.sin(0.8 * beat))


@dataclass(frozen=True)
class Shot:
    """What one camera sees for a while.

    Attributes
    ----------
    end : float
        Seconds from the clip's start.
    actors : sequence of Actor
        Those in front last.
    place : int
        Seed of the background.
    pan : callable
        Shift of the whole picture by time, in heights of the frame.
    covered : sequence of (start, end, actor's id)
        Times in which a grey board hides a face.
    """

    end: float
    actors: Sequence[Actor]
    place: int = 0
    pan: Callable[[float], tuple[float, float]] = lambda _: (0.0, 0.0)
    covered: Sequence[tuple[float, float, int]] = ()


@dataclass(frozen=True)
class Truth:
    """The faces of one frame.

    Attributes
    ----------
    ids : (N,) int
    boxes : (N, 4) float32
        xyxy in pixels, the part inside the frame.
    seen : (N,) bool
        Enough of the face is in the picture and not hidden.
    """

    ids: NDArray[np.intp]
    boxes: Floats
    seen: NDArray[np.bool_]

    def as_faces(self, size: tuple[int, int], rows: NDArray[Any] | None = None) -> Faces:
        """As a perfect detector gives them: those that are seen, or some."""
        keep = self.seen if rows is None else rows
        boxes = self.boxes[keep]
        points = np.stack([boxes[:, :2] * (1 - t) + boxes[:, 2:] * t for t in (0.3, 0.7)], axis=1)
        return Faces.from_boxes(
            boxes,
            scores=np.full(len(boxes), 0.95),
            keypoints=points,
            keypoint_names=("right_eye", "left_mouth"),
            image_size=size,
        )


@dataclass(frozen=True)
class Scene:
    """A clip to be rendered: each frame is made when it is asked for, the same every time."""

    name: str
    shots: Sequence[Shot]
    size: tuple[int, int] = (640, 360)
    fps: float = 25.0
    noise: float = 3.0
    details: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return round(self.shots[-1].end * self.fps)

    def scaled(self, size: tuple[int, int]) -> Scene:
        """The same in another resolution."""
        return replace(self, size=size)

    def frames(self) -> Iterator[tuple[Frame, Truth]]:
        """Every frame with its truth."""
        return (self.frame(index) for index in range(len(self)))

    def frame(self, index: int) -> tuple[Frame, Truth]:
        """One frame with its truth."""
        time = index / self.fps
        number = int(np.searchsorted([shot.end for shot in self.shots], time, side="right"))
        shot = self.shots[min(number, len(self.shots) - 1)]
        width, height = self.size
        dx, dy = (part * height for part in shot.pan(time))
        canvas = _background(shot.place, self.size, round(dx), round(dy)).copy()
        ids: list[int] = []
        boxes: list[Floats] = []
        seen: list[bool] = []
        for actor in shot.actors:
            state = actor.at(time)
            if state is None:
                continue
            box = _paste(canvas, actor.portrait, state, (dx, dy))
            if box is None:
                continue
            hidden = [low <= time < high for low, high, who in shot.covered if who == actor.id]
            if any(hidden):
                _cover(canvas, box)
            area = float(np.prod(box[2:] - box[:2]))
            inside = np.clip(box, 0, np.array([width, height, width, height], np.float32), dtype=np.float32)
            for place, other in enumerate(boxes):  # who is behind
                shared = np.minimum(inside[2:], other[2:]) - np.maximum(inside[:2], other[:2])
                if (shared > 0).all() and np.prod(shared) > (1 - HIDDEN) * np.prod(other[2:] - other[:2]):
                    seen[place] = False
            ids.append(actor.id)
            boxes.append(inside)
            seen.append(not any(hidden) and bool(np.prod((inside[2:] - inside[:2]).clip(0)) > 0.7 * area))
        draw = np.random.default_rng(index)
        coarse = draw.normal(0, self.noise, (height // 2, width // 2)).astype(np.float32)
        grain = cv2.resize(coarse, self.size, interpolation=cv2.INTER_NEAREST)
        image = (canvas + grain[..., None]).clip(0, 255).astype(np.uint8)
        truth = Truth(np.array(ids, np.intp), np.array(boxes, np.float32).reshape(-1, 4), np.array(seen, bool))
        return Frame(index, time, image), truth

    def write(self, path: Path) -> Path:
        """Write the clip as a video file."""
        import av

        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=round(self.fps), options={"crf": "18", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = *self.size, "yuv420p"
            for frame, _ in self.frames():
                out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
            out.mux(stream.encode())
        return path


@functools.cache
def _portrait(stem: str) -> tuple[NDArray[np.float32], Floats]:
    """A head without its background, (512, 512, 4) with the fourth from 0 to 1, and its face's box in pixels."""
    image = load_image(assets.FOLDER / f"{stem}.jpg")
    side = image.shape[0]
    box = np.array(FACES[stem], np.float32) * side
    mask = np.zeros(image.shape[:2], np.float32)
    middle = (box[:2] + box[2:]) / 2 - [0, 0.06 * side]
    axes = (0.64 * (box[2] - box[0]), 0.62 * (box[3] - box[1]))
    cv2.ellipse(mask, (tuple(middle.tolist()), (2 * axes[0], 2 * axes[1]), 0.0), 1.0, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), side / 60), np.float32)
    return np.dstack([image.astype(np.float32), mask]), box


def _paste(
    canvas: Image, stem: str, state: tuple[float, float, float, float], shift: tuple[float, float]
) -> Floats | None:
    """Draw a head; the box of its face, or None if it is outside of the picture."""
    height, width = canvas.shape[:2]
    x, y, size, tilt = state
    portrait, box = _portrait(stem)
    scale = size * height / float(box[3] - box[1])
    centre = np.array([x * height + shift[0], y * height + shift[1]])
    middle = (box[:2] + box[2:]) / 2
    matrix: NDArray[Any] = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), -tilt, scale)
    matrix[:, 2] += centre - middle
    reach = 0.9 * size * height
    low = np.floor(centre - reach).astype(int).clip(0)
    high = np.minimum(np.ceil(centre + reach).astype(int), [width, height])
    if (high <= low).any():
        return None
    matrix[:, 2] -= low
    # Small heads are made of a small portrait, or they would flicker.
    shrink = min(1.0, max(2.0 * scale, 1 / 16))
    source = cv2.resize(portrait, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else portrait
    matrix[:, :2] /= shrink
    drawn: NDArray[Any] = cv2.warpAffine(source, matrix, tuple((high - low).tolist()), flags=cv2.INTER_LINEAR)
    region = canvas[low[1] : high[1], low[0] : high[0]]
    alpha = drawn[..., 3:]
    region[...] = (region * (1 - alpha) + drawn[..., :3] * alpha).astype(np.uint8)
    half = (box[2:] - box[:2]) * scale / 2
    face = np.concatenate([centre - half, centre + half]).astype(np.float32)
    inside = face.clip(0, [width, height, width, height])
    return face if (inside[2:] > inside[:2]).all() else None


def _cover(canvas: Image, box: Floats) -> None:
    x1, y1, x2, y2 = np.round(box).astype(int)
    side = (y2 - y1) // 6
    canvas[max(0, y1 - side) : y2 + side, max(0, x1 - side) : x2 + side] = 120


@functools.cache
def _field(place: int, size: tuple[int, int]) -> Image:
    """A textured background, larger than the frame."""
    draw = np.random.default_rng(place)
    width, height = size[0] * 2, size[1] * 2
    image = np.zeros((height, width, 3), np.float32) + draw.uniform(90, 170, 3).astype(np.float32)
    for cells in (4, 12, 40):
        coarse = draw.normal(0, 60 / np.sqrt(cells), (cells, cells * 2, 1)).astype(np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray(image.clip(0, 255).astype(np.uint8))


def _background(place: int, size: tuple[int, int], dx: int, dy: int) -> Image:
    whole = _field(place, size)
    top, left = size[1] // 2 - dy, size[0] // 2 - dx
    top, left = int(np.clip(top, 0, size[1])), int(np.clip(left, 0, size[0]))
    return whole[top : top + size[1], left : left + size[0]]


# -- the clips ---------------------------------------------------------------------------------------------------------


def still(seconds: float = 2.0) -> Scene:
    """One person who hardly moves."""
    return Scene("still", [Shot(seconds, [Actor(1, "person1", [(0, 0.9, 0.5, 0.4), (seconds, 0.9, 0.5, 0.4)])])])


def crossing() -> Scene:
    """Two people walk past each other, one in front of the other, while a third stands by; and back."""
    there = [(0, 0.3, 0.5, 0.36), (1.8, 1.45, 0.5, 0.36), (2.2, 1.45, 0.5, 0.36), (4, 0.3, 0.5, 0.36)]
    back = [(0, 1.45, 0.52, 0.3), (1.8, 0.3, 0.52, 0.3), (2.2, 0.3, 0.52, 0.3), (4, 1.45, 0.52, 0.3)]
    aside = [(0, 0.88, 0.2, 0.2), (4, 0.9, 0.2, 0.2)]
    actors = [Actor(3, "person7", aside, sway=0.02), Actor(2, "person3", back), Actor(1, "person2", there)]
    return Scene("crossing", [Shot(4, actors, place=1)])


def meeting() -> Scene:
    """Two people walk up to each other, one hides the other, and both turn back: as if they had crossed."""
    ways = [[(0, x, y, h), (1.6, 0.9, y, h), (2.0, 0.9, y, h), (4, x, y, h)] for x, y, h in AT_THE_SIDES]
    return Scene("meeting", [Shot(4, [Actor(1, "person4", ways[0]), Actor(2, "person5", ways[1])], place=7)])


AT_THE_SIDES = ((0.3, 0.48, 0.32), (1.5, 0.5, 0.36))


def cut() -> Scene:
    """Two people, then another camera with a third at the place of the first, then the two again, elsewhere."""
    one = [Actor(1, "person1", [(0, 0.5, 0.5, 0.4), (2, 0.6, 0.5, 0.4)])]
    two = [Actor(2, "person4", [(0, 1.3, 0.5, 0.35), (2, 1.2, 0.5, 0.35)])]
    other = [Actor(3, "person6", [(2, 0.55, 0.5, 0.45), (4, 0.6, 0.5, 0.45)])]
    again = [
        Actor(1, "person1", [(4, 1.25, 0.5, 0.36), (6, 1.3, 0.5, 0.36)]),
        Actor(2, "person4_again", [(4, 0.55, 0.5, 0.36), (6, 0.5, 0.5, 0.36)]),
    ]
    return Scene("cut", [Shot(2, one + two, place=1), Shot(4, other, place=2), Shot(6, again, place=1)])


def back() -> Scene:
    """One stays; another leaves on the right, and comes back on the left after 3 seconds, in another picture."""
    stays = [(0, 0.9, 0.4, 0.3), (8, 0.9, 0.4, 0.3)]
    leaves = [(0, 1.3, 0.55, 0.36), (1, 1.4, 0.55, 0.36), (2, 2.2, 0.55, 0.36)]
    comes = [(5, -0.4, 0.55, 0.36), (6, 0.4, 0.55, 0.36), (8, 0.45, 0.55, 0.36)]
    actors = [Actor(1, "person5", stays), Actor(2, "person3", leaves), Actor(2, "person3_again", comes)]
    return Scene("back", [Shot(8, actors, place=3)])


def burst() -> Scene:
    """A face is covered twice while the head moves: for 0.24 s, and for 0.4 s."""
    way = [(0, 0.5, 0.5, 0.4), (1, 0.6, 0.5, 0.4), (2, 1.1, 0.5, 0.36), (3, 1.2, 0.45, 0.42), (4, 0.9, 0.45, 0.42)]
    covered = [(1.2, 1.44, 1), (2.6, 3.0, 1)]
    return Scene("burst", [Shot(4, [Actor(1, "person8", way)], place=4, covered=covered)])


def pan() -> Scene:
    """A camera swings over three people: one leaves the picture and comes back into it."""
    ways = [(0.45, 0.4, 0.34), (0.95, 0.55, 0.3), (1.5, 0.4, 0.34)]
    stems = ["person2", "person6", "person7"]
    actors = [
        Actor(number, stem, [(0, *way), (6, *way)])
        for number, (stem, way) in enumerate(zip(stems, ways, strict=True), 1)
    ]
    return Scene("pan", [Shot(6, actors, place=5, pan=lambda t: (0.45 * float(np.sin(2 * np.pi * t / 3)), 0.0))])


def crowd(count: int, *, height: float, seconds: float = 4.0, size: tuple[int, int] = (1920, 1080)) -> Scene:
    """So many people who sway in rows, their faces so many heights of the frame high, in one shot: for speed."""
    columns = int(np.ceil(np.sqrt(count * 1.6)))
    rows = -(-count // columns)
    actors = []
    for index in range(count):
        row, column = divmod(index, columns)
        x, y = (column + 0.5) * 16 / 9 / columns, (row + 0.5) / rows
        step = 0.1 * height if index % 2 else -0.1 * height
        way = [(0, x, y, height), (seconds / 2, x + step, y, height), (seconds, x, y, height)]
        actors.append(Actor(index + 1, f"person{index % 8 + 1}", way))
    return Scene(f"crowd of {count}", [Shot(seconds, actors, place=6)], size=size)


#: Every clip with something to get wrong.
SCENES: dict[str, Callable[[], Scene]] = {
    scene.__name__: scene for scene in (still, crossing, meeting, cut, back, burst, pan)
}
