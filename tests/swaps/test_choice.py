"""Whom to change: by number, by place, by name; in pictures and among the tracks of a video."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from mien.core.columns import Tracks
from mien.core.errors import NoFace, UnknownPerson, UsageError
from mien.core.faces import Faces
from mien.gallery.people import Gallery
from mien.gallery.records import Person
from mien.swaps.choice import AGAIN, Choice

BOXES = [(60, 10, 80, 30), (10, 10, 50, 60), (41, 41, 59, 59)]  # right and small, left and large, in the middle


def faces(*boxes: tuple[float, ...], tracks: list[int] | None = None) -> Faces:
    found = Faces.from_boxes(list(boxes or BOXES), image_size=(100, 100))
    if tracks is None:
        return found
    return found.with_columns({"track": Tracks(np.array([(one, 1) for one in tracks], np.float32))})


class Names:
    """A gallery that takes a face for somebody by where it stands."""

    def __init__(self) -> None:
        self.asked = 0

    def people(self) -> list[Person]:
        return [Person(id="p1", name="ada")]

    def search(self, found: Faces) -> list[Any]:
        self.asked += len(found)

        class One:
            def __init__(self, person: Person | None) -> None:
                self.person = person

        return [One(self.people()[0] if box[0] < 20 else None) for box in found.boxes]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (1, [1]),
        ([2, 0, 2], [2, 0]),
        ("all", [0, 1, 2]),
        ("largest", [1]),
        ("leftmost", [1]),
        ("rightmost", [0]),
        ("middle", [2]),
        ("@70,20", [0]),
        ("@45, 45.5", [2]),  # two boxes hold it: the smaller one is in front
        ("ada", [1]),
    ],
)
def test_whom_a_word_or_a_number_means(who: Any, expected: list[int]) -> None:
    choice = Choice(who, cast("Gallery", Names()))
    assert choice.rows(faces()).tolist() == expected
    assert choice.needs == ({"embedding"} if who == "ada" else set())


def test_one_face_needs_no_choice_and_several_do() -> None:
    assert Choice().rows(faces(BOXES[0])).tolist() == [0]
    with pytest.raises(UsageError, match=r"3 faces: say which with who=, one of 0 to 2 .* all\.$"):
        Choice().rows(faces())


@pytest.mark.parametrize("who", [None, 0, "all", "largest", "@1,1"])
def test_nobody_is_there(who: Any) -> None:
    with pytest.raises(NoFace, match="no face"):
        Choice(who).rows(Faces.empty(image_size=(100, 100)))


@pytest.mark.parametrize(
    ("who", "error", "text"),
    [
        (3, UsageError, "no face has the number 3: there are 3 faces, numbers 0 to 2"),
        ("@99,99", NoFace, "no face at 99, 99"),
    ],
)
def test_who_is_not_there(who: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Choice(who).rows(faces())


@pytest.mark.parametrize("who", [-1, True, 1.5, [0, -2], [], ["0"]])
def test_what_is_no_choice_is_refused_at_once(who: Any) -> None:
    with pytest.raises(UsageError, match="who is a number"):
        Choice(who)


def test_a_name_needs_a_gallery_that_knows_it() -> None:
    with pytest.raises(UsageError, match="give a gallery"):
        Choice("ada")
    with pytest.raises(UnknownPerson, match="nobody in the gallery is called 'rex'"):
        Choice("rex", cast("Gallery", Names()))


def test_a_position_in_a_video_is_a_person() -> None:
    chooser = Choice("leftmost").start()
    assert not len(chooser.rows(Faces.empty().with_columns({"track": Tracks(np.zeros((0, 2), np.float32))})))
    assert chooser.rows(faces(tracks=[5, 6, 7])).tolist() == [1]
    crossed = faces(BOXES[1], BOXES[0], BOXES[2], tracks=[5, 6, 7])
    assert chooser.rows(crossed).tolist() == [1]  # the same track, wherever it went


def test_numbers_of_a_video_are_tracks() -> None:
    assert Choice([7, 9]).start().rows(faces(tracks=[5, 6, 7])).tolist() == [2]
    with pytest.raises(UsageError, match="one of the tracks 5, 6, 7"):
        Choice().start().rows(faces(tracks=[7, 6, 5]))


def test_a_name_is_looked_up_once_and_again_only_after_a_while() -> None:
    names = Names()
    chooser = Choice("ada", cast("Gallery", names)).start()
    for _ in range(AGAIN):
        assert chooser.rows(faces(tracks=[5, 6, 7])).tolist() == [1]
    assert names.asked == 3  # each once
    for _ in range(2):
        chooser.rows(faces(tracks=[5, 6, 7]))
    assert names.asked == 5  # the two who are not known, once more
