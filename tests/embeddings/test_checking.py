"""Documents against selfies: the record and its verdict on fake models, portraits on printed cards on real ones."""

from __future__ import annotations

import contextlib
import hashlib
import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import mien
from mien import assets
from mien.core.columns import Column, Scalar, Tracks, Vectors
from mien.core.faces import Faces
from mien.embeddings.checking import Exhibits, _judge, _warnings, check, examine_field
from mien.embeddings.checks import CHECK_SCHEMA, Check, Evidence, Ghost, Shown
from mien.embeddings.comparison import Verification
from mien.embeddings.selfies import FRAMES, PEOPLE, selfie_of_clip
from mien.engine import Engine, Item
from tests.cards import HEIGHT, WIDTH, Photo, photograph, printed
from tests.cli.test_commands import Run, run  # noqa: F401 - a fixture
from tests.engine import fakes
from tests.engine.test_engine import picture


@pytest.fixture
def engine() -> Engine:
    return Engine(catalogue=fakes.catalogue(), threads=1, device="cpu")


def says(passed: bool | None) -> Evidence:
    return Evidence(passed=passed, reason="somebody said so.", value=0.5)


# --- the record -------------------------------------------------------------------------------------------------------


def test_the_record_says_what_was_looked_at(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "card.png"
    mien.save_image(picture(250, 200), file)
    record = check(file, picture(250), threshold=0.5, engine=engine, keep_crops=True)
    assert record
    assert record.verdict == "match"
    assert record.document.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record.selfie.sha256 is None
    assert (record.document.faces, record.selfie.faces) == (2, 1)
    assert record.document.crop is not None
    assert record.document.crop.startswith(b"\x89PNG")
    assert record.models["embedding"]["id"] == "embedder"
    assert record.match.threshold == record.settings["threshold"] == 0.5
    assert record.mien == mien.__version__


def test_a_record_survives_json(engine: Engine) -> None:
    record = check(
        picture(250, 200),
        picture(250),
        threshold=0.5,
        ages=(18, 120),
        keep_crops=True,
        extra={"live": lambda _: says(None)},
        engine=engine,
    )
    again = Check.from_dict(json.loads(json.dumps(record.to_dict())))
    assert again == record
    assert "somebody said so" in str(again)


@pytest.mark.parametrize("change", [{"schema": CHECK_SCHEMA + 1}, {"document": None}, {"evidence": {"live": {}}}])
def test_what_is_no_record_is_refused(engine: Engine, change: dict[str, object]) -> None:
    values = check(picture(250), picture(250), threshold=0.5, engine=engine).to_dict()
    with pytest.raises(mien.UsageError, match="no check"):
        Check.from_dict(values | change)


def test_without_crops_there_are_no_pixels(engine: Engine) -> None:
    record = check(picture(250), picture(250), threshold=0.5, engine=engine)
    assert record.document.crop is None
    assert len(record.document.crop_sha256 or "") == 64


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("passed", "verdict"), [(True, "match"), (False, "undecided"), (None, "undecided")])
def test_all_evidence_must_pass(engine: Engine, passed: bool | None, verdict: str) -> None:
    seen: list[Exhibits] = []

    def live(exhibits: Exhibits) -> Evidence:
        seen.append(exhibits)
        return says(passed)

    record = check(picture(250, 200), picture(250), threshold=0.5, extra={"live": live}, engine=engine)
    assert record.verdict == verdict
    assert ("somebody said so" in record.reason) == (verdict == "undecided")
    assert seen[0].document.faces.image is not None
    assert len(seen[0].selfie) == 1


@pytest.mark.parametrize(("same", "verdict"), [(False, "no match"), (None, "undecided")])
def test_evidence_makes_no_match_of_strangers(same: bool | None, verdict: str) -> None:
    match = Verification(same=same, reason="the score is low.")
    assert _judge(match, {"live": says(True)}) == (verdict, "the score is low.")


def test_without_a_calibration_nothing_is_decided(engine: Engine) -> None:
    record = check(picture(250), picture(250), engine=engine)
    assert record.verdict == "undecided"
    assert "no calibration" in record.reason


@pytest.mark.parametrize(("presence", "warned"), [(0.9, False), (0.2, True), (None, False)])
def test_a_selfie_that_only_the_detector_takes_for_a_face(presence: float | None, warned: bool) -> None:
    side = Shown(source="", sha256=None, width=9, height=9, faces=1, presence=presence)
    assert any("the mesh sees no face" in text for text in _warnings(side, side, ())) is warned


@pytest.mark.parametrize(("card", "selfie", "where"), [((), (250,), "document"), ((250,), (), "selfie")])
def test_a_side_without_a_face(engine: Engine, card: tuple[int, ...], selfie: tuple[int, ...], where: str) -> None:
    record = check(picture(*card), picture(*selfie), threshold=0.5, extra={"live": lambda _: says(True)}, engine=engine)
    assert record.verdict == "undecided"
    assert record.reason == f"no face in the {where}'s picture."
    assert not record.evidence, "there was nobody to examine"


def test_a_field_is_evidence(engine: Engine) -> None:
    examine = {"there": examine_field("presence", at_least=0.9), "sure": examine_field("presence", at_least=0.999)}
    record = check(picture(250), picture(250), threshold=0.5, extra=examine, engine=engine)
    assert (record.evidence["there"].passed, record.evidence["sure"].passed) == (True, False)
    assert record.evidence["there"].model == "mesh"
    with pytest.raises(mien.UsageError, match="no field of one number"):
        check(picture(250), picture(250), extra={"x": examine_field("pose", at_least=1)}, engine=engine)


@pytest.mark.parametrize("far", [0, 1, -1, "often"])
def test_a_rate_that_is_none(engine: Engine, far: float) -> None:
    with pytest.raises(mien.UsageError, match="rate between 0 and 1"):
        check(picture(250), picture(250), far=far, engine=engine)


def test_what_is_no_examiner(engine: Engine) -> None:
    with pytest.raises(mien.UsageError, match="callables"):
        check(picture(250), picture(250), extra={"live": 0.5}, engine=engine)  # type: ignore[dict-item]
    with pytest.raises(mien.UsageError, match="callables"):
        check(picture(250), picture(250), extra=[says], engine=engine)


def test_options_are_looked_at_before_any_picture() -> None:
    for wrong in ({"far": 2.0}, {"threshold": 3.0}, {"ages": (40, 20)}):
        with pytest.raises(mien.UsageError):
            check("nothing.jpg", "nothing.jpg", **wrong)


def test_a_file_that_is_not_there() -> None:
    engine = Engine(catalogue=fakes.clip_catalogue(), threads=1, device="cpu")
    for pair in (("nothing.jpg", picture(250)), (picture(250), "nothing.jpg"), (picture(250), "nothing.mp4")):
        with pytest.raises(mien.SourceError, match="nothing"):
            check(*pair, engine=engine)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_and_files_the_record(run: Run, tmp_path: Path) -> None:  # noqa: F811
    for name in ("card", "selfie"):
        mien.save_image(picture(250), tmp_path / f"{name}.png")
    pair = (tmp_path / "card.png", tmp_path / "selfie.png")
    result = run("check", *pair, "--threshold", "0.5", "--out", tmp_path / "record.json")
    assert result.code == 0
    assert json.loads(result.out) == json.loads((tmp_path / "record.json").read_text())
    assert Check.from_dict(json.loads(result.out)).verdict == "match"
    assert run("check", *pair).code == 0, "no answer is no failure"
    assert run("check", *pair, "--out", tmp_path / "record.txt").code == 2
    missing = run("check", tmp_path / "nothing.png", pair[1])
    assert (missing.code, missing.err) == (1, f"mien: {tmp_path / 'nothing.png'} does not exist.\n")


# --- cards ------------------------------------------------------------------------------------------------------------


def test_cards_are_drawn_from_their_seed() -> None:
    portrait = np.full((100, 80, 3), 90, np.uint8)
    small = Photo(width=120)
    assert np.array_equal(photograph(portrait, seed=3, how=small), photograph(portrait, seed=3, how=small))
    assert photograph(portrait, how=small).shape == (180, 180, 3)
    gray = printed(portrait, np.random.default_rng(0), Photo(gray=True), portrait)
    assert gray.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.weights
@pytest.mark.parametrize("turn", [0, 90, 180, 215])
def test_the_portrait_is_found_however_the_card_lies(turn: int) -> None:
    picture_, again = assets.PAIRS[1]
    photo = photograph(mien.load_image(picture_), seed=turn, how=Photo(turn=turn, gray=turn == 90))
    record = check(photo, again, ages=(18, 120))
    assert record.verdict == "match"
    assert record.document.roll is not None
    assert abs((record.document.roll - turn + 180) % 360 - 180) < 15
    assert not check(photo, assets.PEOPLE[0], ages=(18, 120))


@pytest.mark.weights
def test_a_ghost_image_is_no_second_person() -> None:
    photo = photograph(mien.load_image(assets.PEOPLE[0]), seed=0)
    record = check(photo, assets.PEOPLE[0], ages=(18, 120))
    assert [ghost.same for ghost in record.ghosts] == [True]
    assert record.document.box is not None
    assert record.ghosts[0].box[0] > record.document.box[2]
    assert record.warnings == ()
    assert isinstance(record.ghosts[0], Ghost)


@pytest.mark.weights
def test_a_portrait_that_was_exchanged_is_no_match() -> None:
    photo = photograph(mien.load_image(assets.PEOPLE[0]), ghost=mien.load_image(assets.PEOPLE[1]))
    record = check(photo, assets.PEOPLE[0], ages=(18, 120))
    assert record.match.same
    assert record.verdict == "undecided"
    assert "another face on the document" in record.reason
    assert [ghost.same for ghost in record.ghosts] == [False]


@pytest.mark.weights
def test_a_clip_is_a_selfie(tmp_path: Path) -> None:
    clip = tmp_path / "selfie.mp4"
    still = mien.load_image(assets.PAIRS[0][1])
    with mien.VideoWriter(clip, rate=10) as film:
        for number in range(16):
            film.write(np.roll(still, 2 * number, axis=1), number / 10)
    photo = photograph(mien.load_image(assets.PAIRS[0][0]), seed=1, how=Photo(turn=180))
    record = check(photo, clip, ages=(18, 120))
    assert record.verdict == "match"
    assert 1 < len(record.selfie.frames) <= 5
    assert sum(frame.weight for frame in record.selfie.frames) == pytest.approx(1, abs=1e-3)
    assert len({int(frame.time / 0.5) for frame in record.selfie.frames}) == len(record.selfie.frames)
    assert record.selfie.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert Check.from_dict(json.loads(json.dumps(record.to_dict()))) == record


@pytest.mark.weights
def test_what_a_person_should_look_at() -> None:
    photo = photograph(mien.load_image(assets.PEOPLE[3]), how=Photo(width=180, screen=0.0, noise=1.0))
    record = check(photo, assets.GROUP)
    assert any("pixels high" in text for text in record.warnings)
    assert any("people in the selfie" in text for text in record.warnings)
    assert not record.evidence, "nothing is examined that was not asked for"
    live = {"live": examine_field("live", at_least=0.5)}
    assert not check(photo, assets.GROUP, extra=live).evidence["live"].passed, "that selfie is a print on a table"
    near = check(photo, assets.PEOPLE[6], extra=live).evidence["live"]
    assert near.passed is None
    assert near.reason.startswith("live is not known: the face fills the picture")


# --- the selfie's clip ------------------------------------------------------------------------------------------------


class Film:
    """An engine whose every clip shows passers-by, one a second, and one person in all of it, larger and larger."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.pictures: list[weakref.ref[np.ndarray]] = []
        self.kept = 0  # pictures at a time, at most

    @contextlib.contextmanager
    def track(self, source: object, **_: object) -> Iterator[Iterator[Item]]:
        yield map(self.item, range(self.seconds))

    def item(self, now: int) -> Item:
        self.kept = max(self.kept, sum(picture() is not None for picture in self.pictures))
        boxes = [[0, 0, 20 + 2 * now, 20 + 2 * now], [100, 0, 130, 30]]
        columns: dict[str, Column] = {
            "embedding": Vectors(np.eye(2, dtype=np.float32), space="x/1"),
            "recognizability": Scalar(np.array([0.5, 0.9], np.float32)),
            "track": Tracks(np.array([[1, 1], [2 + now, 1]])),
        }
        picture_ = np.zeros((200, 200, 3), np.uint8)
        self.pictures.append(weakref.ref(picture_))
        faces = Faces.from_boxes(boxes).with_columns(columns).with_image(picture_)
        return Item(source="film.mp4", faces=faces, frame=now, time=float(now))


def test_of_a_crowd_few_pictures_are_kept_and_who_is_seen_most_is_found() -> None:
    film = Film(60)
    found = selfie_of_clip(cast("Engine", film), "film.mp4", frozenset({"embedding"}))
    assert found.people == 61
    assert found.faces.embedding.values.tolist() == [[1, 0]], "the one who is always there"
    assert len(found.frames) == FRAMES
    assert FRAMES <= film.kept <= PEOPLE + 1 + FRAMES + 2
