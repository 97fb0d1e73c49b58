"""Review: what is asked, what answers do, and that they can be taken back exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from mien.core.errors import GalleryChanged, UnknownPerson, UsageError
from mien.gallery import audit
from mien.gallery.groups.clusters import cluster_store
from mien.gallery.groups.history import UNDO
from mien.gallery.groups.questions import Question
from mien.gallery.groups.review import Review
from mien.gallery.groups.sheet import people_sheet, questions_sheet
from mien.gallery.records import Change, Person, Where
from mien.gallery.store import Store
from tests.gallery.crowds import add, calibration, crowd, filled, owners, unit


def state(store: Store) -> Any:
    samples = [(one.id, one.person, one.confirmed) for one in store.samples()]
    return samples, store.people(), sorted(store.links(), key=lambda one: (one.first, one.second))


@pytest.fixture
def hazy() -> tuple[Store, dict[int, int]]:
    """Faces so poor that people fall into pieces; and who they are."""
    vectors, who = crowd([8] * 6 + [1] * 4, noise=1.1, seed=3)
    store = filled(vectors)
    store.apply(Change(meta={"salt": audit.new_salt()}))
    cluster_store(store, calibration=calibration())
    return store, dict(zip(owners(store), who, strict=True))


def bcubed(store: Store, who: dict[int, int]) -> float:
    groups = {number: person or str(number) for number, person in owners(store).items()}
    precision, recall = [], []
    for one in who:
        mine, true = {n for n in who if groups[n] == groups[one]}, {n for n in who if who[n] == who[one]}
        precision.append(len(mine & true) / len(mine))
        recall.append(len(mine & true) / len(true))
    p, r = float(np.mean(precision)), float(np.mean(recall))
    return 2 * p * r / (p + r)


def oracle(who: dict[int, int]) -> Callable[[Question], Any]:
    def answer(question: Question) -> Any:
        for one in question.candidates:
            if who[one.sample.id] == who[question.first.id]:
                return one.person
        return "yes" if not question.candidates and who[question.first.id] == who[question.second.id] else "no"

    return answer


def test_answers_pay_and_are_never_contradicted(hazy: tuple[Store, dict[int, int]]) -> None:
    store, who = hazy
    review, answer = Review(store, calibration=calibration()), oracle(who)
    before, asked = bcubed(store, who), set[tuple[int, int]]()
    for _ in range(30):
        question = review.questions(1)[0]
        assert question.key not in asked
        asked.add(question.key)
        review.answer(question, answer(question))
    assert bcubed(store, who) > before + 0.05
    groups = owners(store)
    for link in store.links():
        together = groups[link.first] is not None and groups[link.first] == groups[link.second]
        assert together == link.same


def test_an_answer_makes_other_faces_sure() -> None:
    # Two faces that are each a little too unlike a third; together they are like it.
    third = unit([1, 0, 0])
    one, two = ([0.516, side * 0.5, 0.0] for side in (1, -1))
    vectors = np.array([third, *([x, y, np.sqrt(1 - x * x - y * y)] for x, y, _ in (one, two))], np.float32)
    store = filled(vectors)
    cluster_store(store, calibration=calibration())
    assert set(owners(store).values()) == {None}
    review = Review(store, calibration=calibration())
    ids = list(owners(store))
    question = next(one for one in review.questions(None) if one.key == (ids[1], ids[2]))
    done = review.answer(question, "yes")
    assert (done.faces, done.unasked) == (3, 1)
    assert len(set(owners(store).values())) == 1


def test_questions_are_in_order_and_go_away(hazy: tuple[Store, dict[int, int]]) -> None:
    store, _ = hazy
    review = Review(store, calibration=calibration())
    questions = review.questions(20)
    assert [one.gain for one in questions] == sorted((one.gain for one in questions), reverse=True)
    first = questions[0]
    assert "?" in str(first)
    assert first.to_dict()["first"] == first.first.id
    generation = store.generation()
    review.answer(first, "skip")
    assert store.generation() == generation
    assert first.key not in {one.key for one in review.questions(None)}


@pytest.mark.parametrize("reply", ["yes", "no"])
def test_undo_takes_an_answer_back_exactly(hazy: tuple[Store, dict[int, int]], reply: Any) -> None:
    store, _ = hazy
    review = Review(store, calibration=calibration())
    review.answer(review.questions(1)[0], "no")  # also writes what became sure
    states, steps = [], 6
    for place in range(steps):
        states.append(state(store))
        review.answer(review.questions(None)[place], reply)
    for expected in reversed(states):
        assert review.undo()
        assert state(store) == expected
    assert review.undo()
    assert not review.undo()


def test_a_review_that_is_begun_anew_goes_on_where_the_other_was(hazy: tuple[Store, dict[int, int]]) -> None:
    store, who = hazy
    review = Review(store, calibration=calibration())
    for _ in range(5):
        question = review.questions(1)[0]
        review.answer(question, oracle(who)(question))
    fresh = Review(store, calibration=calibration())
    assert [one.key for one in fresh.questions()] == [one.key for one in review.questions()]
    assert fresh.undo()


def test_undo_refuses_what_was_changed_since(hazy: tuple[Store, dict[int, int]]) -> None:
    store, _ = hazy
    review = Review(store, calibration=calibration())
    question = review.questions(1)[0]
    review.answer(question, "yes")
    (sample,) = store.samples(Where(ids=[question.first.id]))
    store.apply(Change(samples=[replace(sample, person=None, confirmed=False)]))
    now = state(store)
    with pytest.raises(GalleryChanged, match="cannot be taken back"):
        review.undo()
    assert state(store) == now


def test_whose_face_it_is() -> None:
    base, other = unit([1, 0, 0, 0]), unit([0.2, 1, 0, 0])
    between = unit([0.45, 0.37, 0.8, 0])
    store = filled(np.stack([base] * 3 + [other] * 3 + [between]))
    cluster_store(store, calibration=calibration())
    ids = list(owners(store))
    assert owners(store)[ids[-1]] is None
    review = Review(store, calibration=calibration())
    (question,) = [one for one in review.questions(None) if one.kind == "whose"]
    assert len(question.candidates) == 2
    assert "Whose face" in str(question)
    wanted = question.candidates[1].person
    review.answer(question, wanted)
    (sample,) = store.samples(Where(ids=[ids[-1]]))
    assert sample.person == wanted.id
    assert sample.confirmed
    with pytest.raises(UnknownPerson):
        review.answer(question, Person(id="p999"))


def test_a_doubtful_face_leaves_its_person() -> None:
    base = unit([1, 0, 0, 0])
    odd = unit([0.45, 0.9, 0, 0])
    store = filled(np.stack([base] * 4 + [odd]))
    ids = list(owners(store))
    store.apply(Change(people=[Person(id="p90")], samples=[replace(one, person="p90") for one in store.samples()]))
    review = Review(store, calibration=calibration())
    question = next(one for one in review.questions() if one.first.id == ids[-1])
    assert question.faces == (1, 4)
    review.answer(question, "no")
    assert owners(store) == dict.fromkeys(ids[:-1], "p90") | {ids[-1]: None}
    cluster_store(store, calibration=calibration(), again=True)
    assert owners(store)[ids[-1]] is None


def test_people_with_names_are_not_asked_about_and_not_merged() -> None:
    vectors, _ = crowd([4, 4], seed=1)
    middle = unit(vectors.mean(axis=0))
    store = filled(unit(vectors + middle))
    ids = list(owners(store))
    people = [Person(id="p90", name="ada"), Person(id="p91", name="eve")]
    samples = [replace(one, person="p90" if one.id in ids[:4] else "p91") for one in store.samples()]
    store.apply(Change(people=people, samples=samples))
    review = Review(store, calibration=calibration())
    assert not [one for one in review.questions(None) if one.people[0] != one.people[1]]


def test_bad_answers(hazy: tuple[Store, dict[int, int]]) -> None:
    store, _ = hazy
    review = Review(store, calibration=calibration())
    question = review.questions(1)[0]
    with pytest.raises(UsageError, match="an answer is"):
        review.answer(question, cast("Any", "perhaps"))
    review.answer(question, "no")
    now = state(store)
    with pytest.raises(UsageError, match="were said not to be"):
        review.answer(question, "yes")
    assert state(store) == now
    store.apply(Change(forget_samples=[question.first.id]))
    with pytest.raises(UnknownPerson, match="any more"):
        review.answer(question, "no")


def test_a_review_of_nothing() -> None:
    store = filled(crowd([1])[0])
    review = Review(store, calibration=calibration())
    assert review.questions() == []
    assert not review.undo()


def test_what_others_changed_meanwhile_is_seen(hazy: tuple[Store, dict[int, int]]) -> None:
    store, _ = hazy
    review = Review(store, calibration=calibration())
    question = review.questions(1)[0]
    person = next(one for one in store.people())
    store.apply(Change(people=[replace(person, name="ada")]))
    review.answer(question, "no")
    assert {one.name for one in store.people()} == {None, "ada"}


def test_the_history_is_bounded_and_names_nobody(hazy: tuple[Store, dict[int, int]]) -> None:
    store, _ = hazy
    review = Review(store, calibration=calibration())
    for question in review.questions(None)[:25]:
        if {question.first.id, question.second.id} <= set(owners(store)):
            review.answer(question, "no")
    import json

    assert len(json.loads(store.meta()[UNDO])) == 20


# -- sheets ------------------------------------------------------------------------------------------------------------


def test_a_sheet_escapes_names_and_fetches_nothing() -> None:
    import io

    from PIL import Image as Pillow

    stream = io.BytesIO()
    Pillow.new("RGB", (8, 8), (200, 10, 10)).save(stream, "JPEG")
    store = filled(crowd([3])[0], crop=stream.getvalue(), source="a&b.jpg")
    add(store, crowd([3], seed=5)[0], ages=(3.0, 6.0))
    cluster_store(store, calibration=calibration())
    (person, *_) = store.people()
    store.apply(Change(people=[replace(person, name="<script>alert(1)</script>")]))
    page = people_sheet(store, unsure=[1])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "a&amp;b.jpg" in page
    assert page.count("data:image/jpeg;base64,") == 3
    assert "http" not in page
    assert page.index("&lt;script&gt;") < page.index("Nobody yet")


def test_a_sheet_of_questions_says_how_to_answer_each(hazy: tuple[Store, dict[int, int]]) -> None:
    questions = Review(hazy[0], calibration=calibration()).questions(None)
    page = questions_sheet(hazy[0], questions)
    assert page.count("class=q") == len(questions) > 0
    for question in questions:
        assert f"{question.key[0]},{question.key[1]}=yes" in page


def test_a_sheet_cuts_faces_out_of_pictures_that_are_still_there(tmp_path: Any) -> None:
    from mien.core.image import save_image

    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, 40:] = (0, 200, 0)
    save_image(picture, tmp_path / "there.png")
    vectors = crowd([1, 1])[0]
    store = filled(vectors[:1], source=str(tmp_path / "there.png"), box=(50.0, 10.0, 79.0, 50.0))
    add(store, vectors[1:], source=str(tmp_path / "gone.png"), box=(1.0, 1.0, 9.0, 9.0))
    page = people_sheet(store)
    assert page.count("data:image/jpeg") == 1
    assert page.count("<div class=x>") == 1
