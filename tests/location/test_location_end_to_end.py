"""Every field of location together, through the engine: on odd pictures, and on copies that must agree with each other.

A copy is mirrored, turned or scaled. What each field then has to say follows from the conventions, by the type of its
column: points move with the picture, left and right change places in a mirror, rotations and directions turn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Angles, Column, Directions, Levels, Placement, Points, Scalar, Scores
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.fields import all_fields
from mien.core.image import Image, load_image
from mien.core.layouts import LAYOUTS
from mien.core.warping import resize
from mien.engine import Engine

pytestmark = pytest.mark.weights

Doubles = NDArray[np.float64]


@functools.cache
def engine() -> Engine:
    return Engine(threads=1)


@functools.cache
def fields() -> frozenset[str]:
    """What a picture alone tells of where a face is, and some model gives."""
    here = [f.name for f in all_fields().values() if f.family == "location" and not f.always and not f.temporal]

    def given(name: str) -> bool:
        try:
            engine().choose(name)
        except UsageError:
            return False
        return True

    return frozenset(filter(given, here))


def described(image: Image) -> Faces:
    return engine().analyze(image, want=fields())


# --- odd pictures -----------------------------------------------------------------------------------------------------


def checked(faces: Faces, image: Image) -> Faces:
    """Each field is there, in its range, and says why where it is not."""
    assert set(faces.fields) == fields()
    height, width = image.shape[:2]
    for name in faces.fields:
        column, row = faces.columns[name], all_fields()[name]
        assert len(column) == len(faces)
        for place in range(len(faces)):
            if column.abstained[place]:
                assert column.reasons, name
                assert column.reasons[place], name
        known = column.values[~column.abstained]
        if row.range is not None and not isinstance(column, Placement):
            assert ((known >= row.range[0]) & (known <= row.range[1])).all(), name
        if isinstance(column, Points) and row.unit == "px":
            assert (np.abs(known[..., :2] - [width / 2, height / 2]) < 2 * max(width, height)).all(), name
        assert faces.models[name] in engine().catalogue
    back = Faces.from_dicts(faces.to_dicts())
    for name in faces.fields if len(faces) else ():
        assert back.columns[name].reasons == faces.columns[name].reasons, name
    return faces


def test_a_group() -> None:
    image = load_image(assets.GROUP)
    faces = checked(described(image), image)
    assert len(faces) > 1
    inside = (faces.alignment.xy >= faces.boxes[:, None, :2]) & (faces.alignment.xy <= faces.boxes[:, None, 2:])
    assert inside.all()


def test_nobody() -> None:
    image = load_image(assets.LANDSCAPE)
    assert len(checked(described(image), image)) == 0


@pytest.mark.parametrize("size", [(1, 1), (8, 500), (40, 40)])
def test_pictures_without_room_for_a_face(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 90, np.uint8)
    assert len(checked(described(image), image)) == 0


def test_a_face_of_24_pixels() -> None:
    image = load_image(assets.PEOPLE[0])
    small = np.full((200, 200, 3), 120, np.uint8)
    small[80:128, 60:108] = resize(image, (48, 48))
    faces = checked(described(small), small)
    assert len(faces) == 1
    assert faces.heights[0] < 40
    big = described(image).top(1)
    assert abs(faces.pose.yaw[0] - big.pose.yaw[0]) < 12


def test_a_box_where_no_face_is() -> None:
    image = load_image(assets.LANDSCAPE)
    faces = engine().analyze(image, faces=Faces.from_boxes([[10, 10, 110, 110]]), want=fields())
    checked(faces, image)
    assert faces.landmarks.abstained.all()
    meshed = fields() - {"presence", "landmarks106"}  # a net of its own has an answer for anything
    assert all(faces.columns[name].abstained.all() for name in meshed)


@pytest.mark.data
def test_turned_pictures(shared_data: Path) -> None:
    rolls = {}
    for path in sorted((shared_data / "rotated").iterdir()):
        image = load_image(path)
        faces = described(image)
        if len(faces):
            rolls[path.name] = float(checked(faces, image).top(1).pose.roll[0])
    assert len(rolls) >= 2
    assert max(rolls.values()) - min(rolls.values()) > 80


# --- copies -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copy:
    """A changed copy of a picture.

    Attributes
    ----------
    change : callable
        Of the picture.
    place : callable
        Of the picture's size (width, height): the matrix (2, 3) that moves points.
    turn : (3, 3) array
        Of camera axes; its determinant is negative in a mirror.
    """

    change: Callable[[Image], Image]
    place: Callable[[float, float], Any]
    turn: Any

    @property
    def mirrored(self) -> bool:
        return bool(np.linalg.det(self.turn) < 0)


COPIES = {
    "mirrored": Copy(lambda p: p[:, ::-1], lambda w, _: [[-1, 0, w - 1], [0, 1, 0]], np.diag([-1, 1, 1])),
    "clockwise": Copy(
        lambda p: np.rot90(p, -1), lambda _, h: [[0, -1, h - 1], [1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    ),
    "upside down": Copy(lambda p: np.rot90(p, 2), lambda w, h: [[-1, 0, w - 1], [0, -1, h - 1]], np.diag([-1, -1, 1])),
    "larger": Copy(
        lambda p: resize(p, (p.shape[0] * 3 // 2, p.shape[1] * 3 // 2)),
        lambda *_: [[1.5, 0, 0.25], [0, 1.5, 0.25]],
        np.eye(3),
    ),
}

#: How far a field of a copy may be off: points in parts of the distance of the eyes, directions and rotations in
#: degrees, the rest in its own unit.
LIMITS: Mapping[str, float] = {
    "alignment": 0.06,
    "landmarks": 0.06,
    "landmarks68": 0.07,
    "landmarks106": 0.12,
    "stabilized": 0.35,
    "shape": 3.5,
    "pose": 5,
    "head": 5,
    "gaze": 9,
    "visibility": 0.12,
    "visibility68": 0.2,
    "presence": 0.05,
    "eyes": 0.25,
    "attention": 0.3,
    "blendshapes": 0.3,
}


def other_side(name: str) -> str:
    """The name of what stands there in a mirror."""
    for one, two in (("left", "right"), ("Left", "Right")):
        if one in name or two in name:
            return name.replace(one, "\0").replace(two, one).replace("\0", two)
    return name


def parts(column: Column) -> Mapping[str, Doubles]:
    """A face's points or numbers by name: regions by their middle."""
    values = column.values.astype(np.float64)
    if isinstance(column, Scores):
        return dict(zip(column.names, values, strict=True))
    names = getattr(column, "names", ())
    if names:
        return dict(zip(names, values, strict=True))
    layout = getattr(column, "layout", "")
    assert layout in LAYOUTS, "points without names are of a set with regions"
    return {name: values[list(numbers)].mean(axis=0) for name, numbers in LAYOUTS[layout].regions.items()}


def differences(name: str, plain: Column, copied: Column, copy: Copy, matrix: Doubles, eyes: float) -> Iterator[float]:
    """How far the field of the copied face is from what that of the plain one says it has to be."""
    turn = np.asarray(copy.turn, np.float64)
    if isinstance(plain, Points | Levels | Scores):
        one, other = parts(plain), parts(copied)
        for key, value in one.items():
            found = other[other_side(key) if copy.mirrored else key]
            if name in {"stabilized", "shape"}:  # in the head's own axes
                yield float(np.abs(found - value * ([-1, 1, 1] if copy.mirrored else 1)).max())
            elif isinstance(plain, Points):
                expected = matrix[:, :2] @ value[:2] + matrix[:, 2]
                yield float(np.linalg.norm(found[:2] - expected)) / eyes
            else:
                yield float(np.abs(found - value))
    elif isinstance(plain, Angles | Placement):
        # A mirror turns the face's own axes over, too.
        own = np.diag([-1.0, 1.0, 1.0]) if copy.mirrored else np.eye(3)
        assert isinstance(copied, Angles | Placement)
        rest = (turn @ plain.matrix.astype(np.float64) @ own).T @ copied.matrix
        yield float(np.rad2deg(np.arccos(np.clip((np.trace(rest) - 1) / 2, -1, 1))))
        if isinstance(plain, Placement) and isinstance(copied, Placement):
            shift = copied.position - turn @ plain.position
            yield 100 * float(np.linalg.norm(shift) / plain.distance) * LIMITS["head"] / 8  # 8 % of the distance
    elif isinstance(plain, Directions) and isinstance(copied, Directions):
        cosine = (turn @ plain.vector) @ copied.vector
        yield float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))
    else:
        assert isinstance(plain, Scalar)
        yield float(np.abs(copied.values - plain.values))


@functools.cache
def plain(person: int) -> tuple[Image, Faces]:
    image = load_image(assets.PEOPLE[person])
    return image, described(image).top(1)


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("person", [0, 3])
def test_copies_agree(kind: str, person: int) -> None:
    (image, face), copy = plain(person), COPIES[kind]
    height, width = image.shape[:2]
    matrix = np.asarray(copy.place(width, height), np.float64)
    changed = np.ascontiguousarray(copy.change(image))
    corners = np.stack([face.boxes[0, :2], face.boxes[0, 2:]]) - 0.5
    moved = corners @ matrix[:, :2].T + matrix[:, 2] + 0.5
    points = face.alignment.xy[0] @ matrix[:, :2].T + matrix[:, 2]
    names = [other_side(name) if copy.mirrored else name for name in face.alignment.names]
    box = [[*moved.min(axis=0), *moved.max(axis=0)]]
    given = Faces.from_boxes(box, keypoints=points[None], keypoint_names=names)
    found = checked(engine().analyze(changed, faces=given, want=fields()), changed)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    eyes = scale * float(np.linalg.norm(face.alignment.xy[0, 0] - face.alignment.xy[0, 1]))
    off = {}
    for name in sorted(fields()):
        if face.columns[name].abstained[0] or found.columns[name].abstained[0]:
            assert name == "gaze"  # of which narrow eyes may say nothing
            continue
        worst = max(differences(name, face.columns[name][0], found.columns[name][0], copy, matrix, eyes))
        if not worst <= LIMITS[name]:
            off[name] = worst
    assert not off
