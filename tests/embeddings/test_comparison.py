from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Column, Distribution, Flag, Vectors
from mien.core.errors import EmbeddingSpaceMismatch, FieldNotComputed, UsageError, WeightsUnavailable
from mien.core.faces import Faces
from mien.embeddings.calibration import Calibration, Genuine
from mien.embeddings.comparison import Verification, similarity, traits_of, verify
from mien.engine import Engine, set_default_engine
from mien.models.catalogue import Catalogue, user_cards_folder
from tests.embeddings.test_calibration import BY_AGE

# In the table BY_AGE a FAR of 0.05 is at 0.1 for adults, 0.2 mixed, 0.3 minors, 0.4 children, 0.5 small faces.
FAR = 0.05


@pytest.fixture(autouse=True)
def calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "space-1.toml").write_text(BY_AGE.to_toml())
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))


def faces(
    *cosines: float, space: str = "space/1", height: float = 100, ages: list[tuple[int, int]] | None = None
) -> Faces:
    """Faces whose vectors have these cosines to (1, 0)."""
    vectors = np.array([(c, np.sqrt(1 - c * c)) for c in cosines], np.float32).reshape(-1, 2)
    columns: dict[str, Column] = {"embedding": Vectors(vectors, space=space)}
    if ages is not None:
        probabilities = np.array([[low <= year <= high for year in range(100)] for low, high in ages], float)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        columns["age"] = Distribution(probabilities, support=tuple(range(100)))
    made = Faces.from_boxes([[0, 0, 0.8 * height - i, height - i] for i in range(len(cosines))])
    return made.with_columns(columns, model="made-up")


ADULT = (18.0, 120.0)


def test_same_different_and_what_the_answer_carries() -> None:
    yes = verify(faces(1.0), faces(0.15), far=FAR, ages=ADULT)
    assert yes
    assert yes.same is True
    assert (yes.calibration, yes.space, yes.model, yes.strata) == ("test", "space/1", "made-up", ("adult",))
    assert yes.score == pytest.approx(0.15, abs=1e-6)
    assert yes.threshold == pytest.approx(0.1)
    assert yes.far == FAR
    assert yes.score_far is not None
    assert yes.score_far < FAR
    assert yes.boxes[0] == pytest.approx((0, 0, 80, 100))
    assert not yes.extrapolated
    assert "0.150 reaches 0.100" in yes.reason


def test_different_people() -> None:
    no = verify(faces(1.0), faces(0.05), far=FAR, ages=ADULT)
    assert not no
    assert no.same is False
    assert no.reason == "the score 0.050 is below 0.100."


def test_the_reason_names_the_lowest_score_that_would_do_for_any_kind_of_pair() -> None:
    no = verify(faces(1.0), faces(0.05), far=FAR)
    assert no.threshold == pytest.approx(0.4)  # of children
    assert no.reason == "the score 0.050 is below 0.100."  # of adults


def test_with_unknown_ages_the_rate_holds_for_children_too() -> None:
    assert verify(faces(1.0), faces(0.45), far=FAR).same is True
    between = verify(faces(1.0), faces(0.25), far=FAR)
    assert not between
    assert between.same is None
    assert "enough for pairs of the kind adult, mixed" in between.reason
    assert "ages=" in between.reason
    assert verify(faces(1.0), faces(0.05), far=FAR).same is False, "too low for any kind of pair"


def test_ages_come_from_the_faces_or_from_the_caller() -> None:
    grown, small = {"ages": [(30, 45)]}, {"ages": [(2, 5)]}
    assert verify(faces(1.0, **grown), faces(0.15, **grown), far=FAR).strata == ("adult",)
    assert verify(faces(1.0, **grown), faces(0.15, **small), far=FAR).strata == ("mixed",)
    assert verify(faces(1.0, **small), faces(0.15, **small), far=FAR).strata == ("minor", "child")
    assert verify(faces(1.0, **small), faces(0.15, **small), far=FAR, ages=ADULT).strata == ("adult",)
    abstained = faces(1.0).with_columns({"age": Distribution([[np.nan, np.nan]], support=(20, 30), reasons=("blur",))})
    assert "child" in verify(abstained, faces(0.15), far=FAR).strata


@pytest.mark.parametrize(("tail", "expected"), [(0.02, (10, 70)), (0.006, (10, 70)), (0.004, (30, 30))])
def test_of_an_estimated_age_all_but_one_percent_counts(tail: float, expected: tuple[float, float]) -> None:
    probabilities = np.zeros((1, 100))
    probabilities[0, [10, 30, 70]] = tail, 1 - 2 * tail, tail
    face = faces(1.0).with_columns({"age": Distribution(probabilities, support=tuple(range(100)))})[0]
    assert traits_of(face).ages == expected
    assert traits_of(face, ADULT).ages == ADULT


def test_two_small_faces_need_more() -> None:
    assert verify(faces(1.0, height=40), faces(0.15, height=40), far=FAR, ages=ADULT).strata == ("small",)
    assert verify(faces(1.0, height=40), faces(0.15), far=FAR, ages=ADULT).strata == ("adult",)
    tiny = verify(faces(1.0, height=20), faces(0.9, height=20), far=FAR)
    assert tiny.same is None
    assert "at least 28 pixels" in tiny.reason


def test_no_face_and_several() -> None:
    nobody = verify(faces(1.0), faces(), far=FAR)
    assert nobody.same is None
    assert nobody.reason == "no face in the second picture."
    assert nobody.score is None
    assert nobody.boxes[1] is None

    group = verify(faces(1.0, 0.0, 0.0), faces(0.45), far=FAR)
    assert group.same is True, "the first of the three is the largest"
    assert group.notes == ("3 faces in the first picture: the largest was used.",)
    assert verify(faces(1.0, 0.0), faces(0.45), far=FAR, which="only").same is None


def test_a_face_without_vector() -> None:
    blank = Vectors([[np.nan, np.nan]], space="space/1", reasons=("no points to align by",))
    answer = verify(faces(1.0), faces(1.0).with_columns({"embedding": blank}), far=FAR)
    assert answer.same is None
    assert answer.reason == "the second face has no embedding: no points to align by."


def test_single_faces_are_taken_as_they_are() -> None:
    assert verify(faces(0.0, 1.0)[1], faces(0.45)[0], far=FAR).same is True


def test_without_calibration_there_is_a_score_and_a_reason() -> None:
    answer = verify(faces(1.0, space="own/1"), faces(0.9, space="own/1"), far=FAR)
    assert answer.same is None
    assert answer.score == pytest.approx(0.9, abs=1e-6)
    assert "no calibration" in answer.reason
    own = verify(faces(1.0, space="own/1"), faces(0.9, space="own/1"), threshold=0.4)
    assert own.same is True
    assert own.far is None


def test_a_threshold_of_ones_own_says_what_rate_it_has() -> None:
    answer = verify(faces(1.0), faces(0.45), threshold=0.45 - 1e-6)
    assert answer.same is True
    assert answer.far == pytest.approx(BY_AGE.far(0.45, ["child"]), rel=1e-3)
    assert answer.strata == ("adult", "mixed", "minor", "child"), "two clear faces of unknown ages"
    assert verify(faces(1.0), faces(0.45), threshold=0.46).same is False
    adults = verify(faces(1.0), faces(0.45), threshold=0.3, ages=ADULT)
    assert adults.strata == ("adult",)
    assert adults.far == BY_AGE.far(0.3, ["adult"])
    assert adults.score_far == BY_AGE.far(adults.score or 0, ["adult"])
    tiny = verify(faces(1.0, height=20), faces(0.9, height=20), threshold=0.3)
    assert tiny.same is True
    assert tiny.far is None, "the table knows nothing of such faces"


def test_a_rate_that_the_table_does_not_carry() -> None:
    answer = verify(faces(1.0), faces(1.0), far=1e-9)
    assert answer.same is None
    assert "1e-09" in answer.reason
    assert verify(faces(1.0), faces(1.0), far=1e-4).extrapolated


def test_vectors_of_two_spaces() -> None:
    with pytest.raises(EmbeddingSpaceMismatch, match="other/1"):
        verify(faces(1.0), faces(1.0, space="other/1"))


def test_wrong_options() -> None:
    for wrong in (
        {"far": 0.0},
        {"far": 1.0},
        {"far": "1e-3"},
        {"threshold": "0.4"},
        {"threshold": math.nan},
        {"ages": (40, 20)},
        {"ages": 18},
        {"ages": ("18", "120")},
        {"ages": (math.nan, 120)},
        {"which": "best"},
    ):
        with pytest.raises(UsageError):
            verify(faces(1.0), faces(1.0), **wrong)
    answer = verify(faces(1.0), faces(1.0), far=np.float32(0.05), ages=np.array([18, 120]))
    assert json.dumps(answer.to_dict())
    with pytest.raises(FieldNotComputed, match="embedding"):
        verify(Faces.from_boxes([[0, 0, 9, 9]]), faces(1.0))


def test_similarity_of_faces_and_vectors() -> None:
    assert similarity(faces(1.0)[0], faces(0.5)[0]) == pytest.approx(0.5)
    assert similarity(faces(1.0, 0.0).embedding, faces(0.6)[0]).tolist() == pytest.approx([0.6, 0.8])
    assert similarity(faces(1.0, 0.0), faces(0.6, 0.8, 1.0)).shape == (2, 3)
    assert similarity(faces(), faces(0.6)).shape == (0, 1)


@given(st.floats(-1, 1, width=32), st.sampled_from([0.05, 1e-3, 1e-9]), st.sampled_from([None, ADULT]))
def test_the_answer_survives_json(cosine: float, far: float, ages: tuple[float, float] | None) -> None:
    answer = verify(faces(1.0), faces(cosine, 0.0), far=far, ages=ages)
    assert Verification.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer
    assert answer.score is not None
    assert (answer.same is True) == (answer.threshold is not None and answer.score >= answer.threshold)


def test_the_table_that_the_tests_use() -> None:
    assert Calibration.from_toml(BY_AGE.to_toml(), "").threshold(FAR, ["adult"])[0] == pytest.approx(0.1)


class Clerk:
    """An engine that gives made-up faces for pictures, and cannot have some fields."""

    def __init__(
        self, *, refused: frozenset[str] = frozenset(), licenses: str = "any", catalogue: Catalogue | None = None
    ) -> None:
        self.refused = refused
        self.licenses = licenses
        self.catalogue = Catalogue.load() if catalogue is None else catalogue

    def analyze(self, image: str, *, want: set[str]) -> Faces:
        if self.refused & want:
            raise WeightsUnavailable("offline, and its weights are not here.")
        found = faces(float(image), ages=[(30, 45)])
        return found.only(frozenset(want))

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)


def test_pictures_are_analyzed_with_ages() -> None:
    answer = verify("1.0", "0.15", far=FAR, engine=Clerk().engine)
    assert answer.same is True
    assert answer.strata == ("adult",)
    assert answer.notes == ()


def test_where_ages_cannot_be_had_it_is_said_and_nothing_is_assumed() -> None:
    answer = verify("1.0", "0.15", far=FAR, engine=Clerk(refused=frozenset({"age"})).engine)
    assert answer.same is None
    assert "child" in answer.strata
    assert answer.notes[0].startswith("ages were not estimated: offline")
    assert str(answer).startswith("no answer: the score 0.150 is enough for pairs of the kind adult")
    with pytest.raises(WeightsUnavailable):
        verify("1.0", "0.15", engine=Clerk(refused=frozenset({"embedding"})).engine)


def test_a_catalogue_without_an_age_model() -> None:
    ageless = Catalogue(card for card in Catalogue.load() if "age" not in card.gives)
    with pytest.raises(UsageError, match="no model gives 'age'"):
        Engine(catalogue=ageless).plan({"age"})
    answer = verify("1.0", "0.45", far=FAR, engine=Clerk(refused=frozenset({"age"}), catalogue=ageless).engine)
    assert answer.same is True
    assert answer.notes == ("ages were not estimated: no model gives them.",)


def test_the_default_engine_may_be_strict() -> None:
    path = user_cards_folder().parent / "calibration" / "space-1.toml"
    path.write_text(path.read_text().replace('"free"', '"non-commercial"'))
    set_default_engine(Clerk(licenses="strict").engine)
    try:
        for pair in (("1.0", "0.15"), (faces(1.0), faces(0.15))):
            refused = verify(*pair, far=FAR)
            assert refused.same is None
            assert "non-commercial" in refused.reason
    finally:
        set_default_engine(None)


def test_the_terms_of_the_calibration_data_count_under_strict() -> None:
    assert verify("1.0", "0.15", far=FAR, engine=Clerk(licenses="strict").engine).same is True
    path = user_cards_folder().parent / "calibration" / "space-1.toml"
    path.write_text(path.read_text().replace('"free"', '"non-commercial"'))
    refused = verify("1.0", "0.15", far=FAR, engine=Clerk(licenses="strict").engine)
    assert refused.same is None
    assert "non-commercial" in refused.reason
    assert verify("1.0", "0.15", far=FAR, engine=Clerk(licenses="commercial").engine).same is True


@pytest.mark.weights
@pytest.mark.data
def test_real_people(shared_data: Path) -> None:
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "embedding", "age")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        first, second = sorted((shared_data / "identities" / "Colin_Powell").glob("*.jpg"))[:2]
        other = sorted((shared_data / "identities_johns" / "John_Simm").glob("*.jpg"))[0]
        nobody = shared_data / "detect_noses" / "017_0.jpg"
        same = verify(first, second, engine=engine)
        assert same.same is True
        assert same.calibration == "utkface-394"
        assert same.model == "edgeface-s"
        assert verify(first, other, engine=engine).same is False
        missing = verify(nobody, first, engine=engine)
        assert missing.same is None
        assert missing.reason == "no face in the first picture."
    with Engine(threads=1, licenses="commercial") as engine:
        allowed = verify(first, second, engine=engine)
        assert allowed.model == "sface"
        assert allowed.same is True


# -- quality -----------------------------------------------------------------------------------------------------------

ADULTS = BY_AGE.strata[0]
CLEAR_ONES = replace(ADULTS, quality=(0.6, math.inf))
POOR_ONES = replace(ADULTS, name="poor", quality=(0.2, 0.6), scores=tuple(0.3 + score for score in ADULTS.scores))
BY_QUALITY = replace(BY_AGE, strata=(CLEAR_ONES, POOR_ONES))


def seen(cosine: float, quality: float, *, reason: str | None = None) -> Faces:
    column = Flag([quality], reasons=(reason,))
    return faces(cosine, ages=[(30, 45)]).with_columns({"recognizability": column})


@pytest.fixture
def _by_quality() -> None:
    (user_cards_folder().parent / "calibration" / "space-1.toml").write_text(BY_QUALITY.to_toml())


@pytest.mark.usefixtures("_by_quality")
def test_the_better_face_decides_the_stratum() -> None:
    clear = verify(seen(1.0, 0.9), seen(0.15, 0.3), far=FAR)
    assert clear.same is True
    assert clear.strata == ("adult",)
    assert clear.recognizability == (0.9, 0.3)
    poor = verify(seen(1.0, 0.5), seen(0.15, 0.3), far=FAR)
    assert poor.same is False
    assert poor.strata == ("poor",)
    unknown = verify(faces(1.0, ages=[(30, 45)]), seen(0.15, 0.3), far=FAR)
    assert unknown.same is None
    assert unknown.reason.endswith("compute the field recognizability of both.")
    abstained = verify(seen(1.0, math.nan, reason="not measured"), seen(0.15, 0.3), far=FAR)
    assert abstained.recognizability == (None, 0.3)
    assert abstained.same is None


@pytest.mark.usefixtures("_by_quality")
def test_the_gate() -> None:
    refused = verify(seen(1.0, 0.9), seen(1.0, 0.1), far=FAR)
    assert refused.same is None
    assert refused.reason == "the second face is too poor to be recognised: 0.10, where 0.2 is wanted."
    assert refused.score == pytest.approx(1)
    assert verify(seen(1.0, 0.9), seen(1.0, 0.1), far=FAR, min_quality=0).same is True
    assert verify(seen(1.0, 0.5), seen(1.0, 0.9), far=FAR, min_quality=0.6).reason.startswith(
        "the first face is too poor"
    )
    both = verify(seen(1.0, 0.1), seen(1.0, 0.1), far=FAR, min_quality=0)
    assert both.same is None
    assert "both faces are too poor" in both.reason
    assert verify(seen(1.0, 0.1), seen(0.9, 0.9), threshold=0.5).same is None, "a threshold of one's own is gated, too"
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(UsageError, match="min_quality"):
            verify(seen(1.0, 0.9), seen(1.0, 0.9), min_quality=wrong)
    assert Verification.from_dict(json.loads(json.dumps(refused.to_dict()))) == refused


def test_an_answer_that_an_older_version_wrote_is_read() -> None:
    written = verify(faces(1.0), faces(0.45), far=FAR).to_dict()
    for name in ("recognizability", "likelihood_ratio"):
        del written[name]
    assert Verification.from_dict(written).recognizability == (None, None)


@pytest.mark.parametrize("change", [{"boxes": None}, {"boxes": [None]}, {"strata": 1}, {"colour": "green"}])
def test_what_is_no_answer_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="no verification"):
        Verification.from_dict(verify(faces(1.0), faces(0.45), far=FAR).to_dict() | change)


@pytest.mark.usefixtures("_by_quality")
def test_the_reason_asks_for_nothing_that_is_known() -> None:
    answer = verify(faces(1.0), seen(0.15, 0.3), far=FAR, ages=ADULT)
    assert answer.same is None
    assert "ages=" not in answer.reason


def test_the_likelihood_ratio_is_told_where_the_table_has_it() -> None:
    assert verify(faces(1.0), faces(0.45), far=FAR, ages=ADULT).likelihood_ratio is None
    adult = replace(BY_AGE.strata[0], genuine=Genuine(10, 500, 0.6, 0.1))
    path = user_cards_folder().parent / "calibration" / "space-1.toml"
    path.write_text(replace(BY_AGE, strata=(adult,)).to_toml())
    answer = verify(faces(1.0), faces(0.45), far=FAR, ages=ADULT)
    assert answer.likelihood_ratio is not None
    assert answer.likelihood_ratio > 100
    assert verify(faces(1.0), faces(0.45), threshold=0.3, ages=ADULT).likelihood_ratio == answer.likelihood_ratio
    assert verify(faces(1.0), faces(0.05), far=FAR, ages=ADULT).likelihood_ratio == pytest.approx(1 / 11, rel=1e-3)
