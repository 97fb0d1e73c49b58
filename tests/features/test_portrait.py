from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.errors import CardError, NoFace, SourceError, UsageError, WeightsUnavailable
from mien.core.geometry import rotation_matrix, transform
from mien.core.image import load_image
from mien.engine import Engine
from mien.evaluation.masked import paint_covering
from mien.evaluation.probes import recolored
from mien.evaluation.skin_tone import NEEDED as NEEDED_FOR_TONES
from mien.features.fit.portrait import NEEDS, PortraitChecks
from mien.features.fit.portrait_geometry import CROWN, HeadPlace, measure_head, place_heads
from mien.features.fit.portrait_pixels import BLACK, blockiness
from mien.features.fit.portrait_rules import Limit, known_checks, known_rules, load_rules
from mien.features.fit.portrait_verdict import Portrait, PortraitCheck, _judged, judge, portrait
from tests.features.test_age import Net
from tests.shared import DATA

# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["icao", "us-visa"])
def test_the_rules_that_come_along(name: str) -> None:
    assert name in known_rules()
    rules = load_rules(name)
    assert rules.crop is not None
    for check, limit in rules.checks.items():
        assert limit.clause, check
        for value, above in ((limit.least - 1, False), (limit.most + 1, True)):
            if math.isfinite(value):
                told = known_checks()[check].sentence(value, limit.most if above else limit.least, above=above)
                assert told, check
                assert not told.endswith(".")
                assert "{" not in told
    crop = rules.crop
    assert rules.checks["head_height"].least < crop.head < rules.checks["head_height"].most
    assert rules.checks["vertical"].least < crop.eyes < rules.checks["vertical"].most


def test_what_can_be_measured_is_asked_for_somewhere() -> None:
    assert set(known_checks()) == {check for name in known_rules() for check in load_rules(name).checks}


@given(value=st.floats(-100, 100), least=st.floats(-50, 0), span=st.floats(0.1, 50), step=st.floats(0.01, 20))
def test_a_score_is_above_a_half_inside_the_limits_and_nowhere_else(
    value: float, least: float, span: float, step: float
) -> None:
    limit = Limit(least=least, most=least + span, step=step)
    score = float(limit.scores(np.array([value]))[0])
    assert 0 <= score <= 1
    inside = min(value - least, least + span - value) / step
    if abs(inside) > 1e-3:
        assert (score > 0.5) == (inside > 0)
    assert float(limit.scores(np.array([least]))[0]) == pytest.approx(0.5)


def test_scores_of_one_side_and_of_nothing() -> None:
    scores = Limit(most=10, step=2).scores(np.array([-1e9, 8, 10, 12, np.nan]))
    np.testing.assert_allclose(scores, [1, 0.9, 0.5, 0.1, np.nan], atol=1e-5)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "no checks"),
        ({"checks": {}, "title": "x"}, "no checks"),
        ({"checks": {"yaw": {"most": 5, "step": 1}}, "more": 1}, "no place for more"),
        ({"checks": {"yaww": {"most": 5, "step": 1}}}, "no check is called 'yaww'"),
        ({"checks": {"yaw": {"most": 5}}}, "lacks step"),
        ({"checks": {"yaw": {"step": 1}}}, "a least or a most"),
        ({"checks": {"yaw": {"least": 5, "most": 4, "step": 1}}}, "in this order"),
        ({"checks": {"yaw": {"most": 5, "step": 0}}}, "step above 0"),
        ({"checks": {"yaw": {"most": "five", "step": 1}}}, "most is a number, not 'five'"),
        ({"checks": {"yaw": {"most": True, "step": 1}}}, "most is a number"),
        ({"checks": {"yaw": {"most": math.nan, "step": 1}}}, "most is a number, not nan"),
        ({"checks": {"yaw": {"most": 5, "step": 1, "clause": 7}}}, "clause is text"),
        ({"checks": {"yaw": {"most": 5, "step": 1, "ours": 1}}}, "ours is true or false"),
        ({"checks": {"yaw": 5}}, "is a table"),
        ({"checks": {"sharpness": {"most": 5, "step": 1}}}, "no largest value"),
        ({"checks": {"smile": {"least": 5, "step": 1}}}, "no least value"),
        ({"checks": {"yaw": {"most": 5, "step": 1}}, "crop": {"width_mm": 35}}, "lacks height_mm"),
        (
            {
                "checks": {"yaw": {"most": 5, "step": 1}},
                "crop": {"width_mm": 3, "height_mm": 4, "head": 7, "eyes": 0.4},
            },
            "between 0 and 1",
        ),
    ],
)
def test_rules_that_are_none(table: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load_rules(table)


def test_rules_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('title = "mine"\n[checks]\nyaw = { least = -9, most = 9, step = 2 }\n')
    rules = load_rules(file)
    assert (rules.title, rules.checks["yaw"].most, rules.crop) == ("mine", 9, None)
    assert load_rules(rules) is rules
    file.write_text("title = ")
    with pytest.raises(UsageError, match="is no TOML"):
        load_rules(file)
    with pytest.raises(SourceError, match="cannot read"):
        load_rules(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="there are icao, us-visa"):
        load_rules("mars")


def test_sentences() -> None:
    wording = known_checks()["yaw"]
    assert wording.sentence(-14.2, -5, above=False) == (
        "the head is turned 14 degrees to the picture's left; at most 5 are allowed"
    )
    assert "5.2 degrees" in wording.sentence(5.2, 5, above=True)  # not "5 degrees; at most 5"
    assert known_checks()["head_height"].number(0.784) == "78"
    assert known_checks()["roll"].number(-0.2) == "0"


# -- where the head stands ---------------------------------------------------------------------------------------------


def mesh(eyes: tuple[float, float] = (100, 100), unit: float = 40.0) -> NDArray[np.float32]:
    """A mesh whose eyes are `unit` apart around a point, the chin 1.25 of it below."""
    points = np.zeros((1, 478, 3), np.float32)
    points[..., :2] = eyes
    for number, x, y in ((33, -0.7, 0), (133, -0.3, 0), (362, 0.3, 0), (263, 0.7, 0), (152, 0, 1.25)):
        points[0, number, :2] = eyes[0] + x * unit, eyes[1] + y * unit
    points[0, 234, :2], points[0, 454, :2] = (eyes[0] - unit, eyes[1]), (eyes[0] + unit, eyes[1])
    return points


@given(turn=st.floats(-180, 180), times=st.floats(0.1, 10), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_a_head_moves_with_its_picture(turn: float, times: float, x: float, y: float) -> None:
    m = np.column_stack([times * rotation_matrix([0, 0, turn])[:2, :2], [x, y]])
    points = mesh()
    still, moved = place_heads(points), place_heads(transform(points, m[None]))
    np.testing.assert_allclose(moved.height, still.height * times, rtol=1e-3)
    np.testing.assert_allclose(moved.width, still.width * times, rtol=1e-3)
    np.testing.assert_allclose(moved.crown, transform(still.crown[None], m)[0], atol=0.02 * times + 0.01)
    np.testing.assert_allclose(moved.up, still.up @ m[:, :2].T / times, atol=1e-3)


def test_shares_of_the_picture() -> None:
    told = measure_head(place_heads(mesh()), np.array([[201, 301]]), np.array([2]))
    assert told["eye_distance"] == pytest.approx(40)
    assert told["head_height"] == pytest.approx(CROWN * 50 / 301)
    assert told["head_width"] == pytest.approx(80 / 201)
    assert told["horizontal"] == pytest.approx(0.5)
    assert told["vertical"] == pytest.approx(100.5 / 301)
    assert told["picture_shape"] == pytest.approx(301 / 201)
    assert told["one_face"] == 2
    assert told["picture_side"] == 201
    assert told["head_inside"] == pytest.approx((100.5 - 0.9 * 50) / 95)  # nearest: the crown to the top


def test_no_heads_and_one_without_a_mesh() -> None:
    assert place_heads(np.zeros((0, 478, 3))).height.shape == (0,)
    lost = place_heads(np.full((1, 478, 3), np.nan))
    told = measure_head(lost, np.array([[10, 10]]), np.array([1]))
    assert np.isnan(told["head_height"]).all()
    assert np.isnan(place_heads(np.ones((1, 478, 3))).up).all()  # all points in one place


def test_a_card_without_rules(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="made-up"):
        PortraitChecks(Net(tmp_path, {}).bundle)


def test_blocks_of_a_jpeg(tmp_path: Path) -> None:
    y, x = np.mgrid[:160, :200]
    waves = 120 + 60 * np.sin(x / 17) + 40 * np.cos(y / 13)
    plain = np.repeat((waves + np.random.default_rng(1).normal(0, 4, waves.shape))[..., None], 3, 2).astype(np.uint8)
    found = {}
    for quality in (95, 50, 10):
        mien.save_image(plain, tmp_path / "a.jpg", quality=quality)
        found[quality] = blockiness(load_image(tmp_path / "a.jpg"))
    assert blockiness(plain) < 0.1
    assert found[95] < found[50] < found[10]
    assert found[10] > 1
    assert math.isnan(blockiness(plain[:20]))


# -- the verdict -------------------------------------------------------------------------------------------------------


def found_in(
    image: NDArray[np.uint8], head: HeadPlace | None, checks: dict[str, PortraitCheck] | None = None
) -> Portrait:
    return Portrait(
        checks=MappingProxyType(checks or {}),
        rules=load_rules("icao"),
        faces=1,
        box=(1.0, 2.0, 3.0, 4.0),
        size=(image.shape[1], image.shape[0]),
        models={},
        image=image,
        head=head,
    )


def checked(**values: float) -> dict[str, PortraitCheck]:
    rules = load_rules("icao")
    return {name: _judged(name, value, rules.checks[name]) for name, value in values.items()}


EMPTY = np.zeros((8, 8, 3), np.uint8)


def test_verdicts() -> None:
    good = found_in(EMPTY, None, checked(yaw=1, smile=0.1))
    bad = found_in(EMPTY, None, checked(yaw=-14.1, smile=0.1))
    unsure = found_in(EMPTY, None, checked(yaw=1, looking=math.nan))
    assert (good.passed, bad.passed, unsure.passed) == (True, False, None)
    assert (bool(good), bool(bad), bool(unsure)) == (True, False, False)
    assert bad.reasons == ("the head is turned 14 degrees to the picture's left; at most 5 are allowed",)
    assert unsure.reasons == ()
    assert unsure.unknown == ("looking is not known: the eyes are closed or hidden",)
    assert "not decided" in str(unsure)
    assert bad.reasons[0] in str(bad)
    record = bad.to_dict()
    assert record["checks"]["yaw"]["value"] == pytest.approx(-14.1)
    assert record["checks"]["yaw"]["passed"] is False
    assert unsure.to_dict()["checks"]["looking"] == {
        "value": None, "unit": "deg", "least": None, "most": 15.0, "score": None, "passed": None,
        "reason": "the eyes are closed or hidden", "clause": "ISO/IEC 19794-5:2011, 7.2.3", "ours": True,
    }  # fmt: skip


def test_a_crop_has_the_head_where_the_rules_want_it() -> None:
    rules = load_rules("icao")
    assert rules.crop
    image = np.zeros((1500, 1200, 3), np.uint8)
    head = place_heads(mesh((600, 700), 250))
    image[695:706, 595:606] = 255  # a mark between the eyes
    crop = found_in(image, head).crop(dpi=300)
    assert crop.shape == (531, 413, 3)
    y, x = (np.flatnonzero(crop[..., 0].max(axis=1 - axis) > 128).mean() for axis in (0, 1))
    assert (x + 0.5) / 413 == pytest.approx(0.5, abs=0.005)
    assert (y + 0.5) / 531 == pytest.approx(rules.crop.eyes, abs=0.005)
    times = rules.crop.head * 531 / head.height[0]
    assert (crop[..., 0] > 128).sum() == pytest.approx(121 * times**2, rel=0.3)


def test_a_tilted_head_is_upright_in_its_crop() -> None:
    image = np.zeros((1500, 1500, 3), np.uint8)
    points = mesh((0, 0), 250)
    m = np.column_stack([rotation_matrix([0, 0, 20])[:2, :2], [750, 750]])
    points = transform(points, m[None])
    for number in (33, 263, 152):
        x, y = points[0, number, :2].round().astype(int)
        image[y - 4 : y + 5, x - 4 : x + 5] = 255
    crop = found_in(image, place_heads(points)).crop(dpi=300)
    ys, xs = np.nonzero(crop[..., 0] > 128)
    eyes = ys < 300
    assert np.ptp([ys[eyes & (xs < 200)].mean(), ys[eyes & (xs > 210)].mean()]) < 1
    assert xs[~eyes].mean() == pytest.approx(206, abs=1)


def test_crops_that_cannot_be() -> None:
    image = np.zeros((1500, 1200, 3), np.uint8)
    good = found_in(image, place_heads(mesh((600, 700), 250)))
    with pytest.raises(UsageError, match=r"too few pixels for 1200 dpi: \d+ dpi are what it has"):
        good.crop(dpi=1200)
    with pytest.raises(UsageError, match="no size that can be drawn"):
        good.crop(dpi=1e9)
    with pytest.raises(UsageError, match="between 0 and 1"):
        good.crop(head=1.5)
    with pytest.raises(UsageError, match="reach beyond its edge"):
        found_in(image, place_heads(mesh((100, 700), 250))).crop()
    with pytest.raises(NoFace):
        found_in(image, place_heads(np.full((1, 478, 3), np.nan))).crop()
    with pytest.raises(NoFace):
        found_in(image, None).crop()


def test_a_crop_moves_the_head_within_the_limits_where_there_is_little_above_it() -> None:
    image = np.zeros((1000, 1200, 3), np.uint8)
    head = place_heads(mesh((600, 330), 230))  # its crown is 71 pixels below the picture's top
    crop = found_in(image, head).crop(dpi=200)
    assert crop.shape == (354, 276, 3)


# -- real ones ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(threads=1) as engine:
        try:
            engine.preload(*NEEDS)
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        yield engine


@pytest.mark.weights
def test_portraits_of_the_package(engine: Engine) -> None:
    one = load_image(assets.PEOPLE[0])
    alone = engine.analyze(one, want={"portrait"})
    assert alone.portrait.names == tuple(load_rules("icao").checks)
    assert not np.isnan(alone.portrait.values).all()
    assert engine.analyze(load_image(assets.LANDSCAPE), want={"portrait"}).portrait.shape == (0, 34)
    both = engine.analyze(np.concatenate([one, load_image(assets.PEOPLE[1])], axis=1), want={"portrait"})
    assert both.portrait.shape == (2, 34)
    assert (both.portrait.named("one_face") < 0.5).all()
    opened = both.portrait.named("eyes_open")
    assert alone.portrait.named("eyes_open")[0] == pytest.approx(opened[both.centers[:, 0].argmin()], abs=0.05)

    found = judge(engine.analyze(one), engine=engine)
    scores = {name: check.score for name, check in found.checks.items()}
    np.testing.assert_allclose(list(scores.values()), alone.portrait.values[0], atol=1e-4)
    assert "parse" in found.models
    few = portrait(one, engine=engine, rules={"checks": {"yaw": {"most": 90, "least": -90, "step": 5}}})
    assert (few.passed, few.reasons) == (True, ())
    with pytest.raises(UsageError, match="no size of a print"):
        few.crop()


@pytest.mark.weights
def test_a_group_and_nobody(engine: Engine) -> None:
    crowd = portrait(assets.GROUP, engine=engine)
    assert "there are 8 faces in the picture; only 1 is allowed" in crowd.reasons
    nobody = portrait(assets.LANDSCAPE, engine=engine)
    assert nobody.passed is False
    assert nobody.reasons == ("there is no face in the picture",)
    with pytest.raises(NoFace):
        nobody.crop()


@pytest.mark.weights
@pytest.mark.parametrize(
    ("defect", "check"), [("grey", "colour"), ("dark", "too_dark"), ("blur", "sharpness"), ("tilt", "roll")]
)
def test_a_defect_fails_its_check(engine: Engine, defect: str, check: str) -> None:
    import cv2

    image = load_image(assets.PEOPLE[1])
    side = image.shape[0]
    defects: dict[str, Callable[[], NDArray[Any]]] = {
        "grey": lambda: np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2),
        "dark": lambda: image * 0.12,
        "blur": lambda: cv2.GaussianBlur(image, (0, 0), side / 100),
        "tilt": lambda: cv2.warpAffine(image, cv2.getRotationMatrix2D((side / 2, side / 2), 15, 1), (side, side)),
    }
    changed = defects[defect]()
    before = portrait(image, engine=engine).checks[check]
    after = portrait(np.asarray(changed, np.uint8), engine=engine).checks[check]
    assert (before.passed, after.passed) == (True, False)
    assert before.score is not None
    assert after.score is not None
    assert after.score < 0.5 < before.score


@pytest.mark.weights
def test_dark_skin_is_not_too_little_light(engine: Engine) -> None:
    """Skin of the darkest tone passes, though much of it is nearly black."""
    image = load_image(assets.PEOPLE[0])
    face = engine.analyze(image, want=NEEDED_FOR_TONES).top(1)[0]
    dark = recolored(image, face, 10)
    assert (dark.max(axis=2) <= BLACK).mean() > 0.02
    limits = {"too_dark": {"most": 0.001, "step": 0.1}}  # any black pixel of the skin would fail
    limits |= {name: {"least": 0.7, "step": 0.1} for name in ("eyes_visible", "face_visible")}
    checks = portrait(dark, rules={"checks": limits}, engine=engine).checks
    assert checks["too_dark"].passed
    assert checks["eyes_visible"].passed is not False
    assert checks["face_visible"].passed is not False


@pytest.mark.weights
@pytest.mark.data
def test_clear_glasses_hide_no_eyes_and_dark_ones_do(engine: Engine) -> None:
    checks = {"checks": {"eyes_visible": {"least": 0.7, "step": 0.15}}}
    file = DATA / "age_gender" / "48_1_0_20170103163650120.jpg.chip.jpg"
    assert portrait(file, rules=checks, engine=engine).passed
    image = load_image(assets.PEOPLE[1])
    points = engine.analyze(image, want={"landmarks"}).top(1).landmarks.values[0]
    dark = paint_covering(image, points, kind="sunglasses", seed=1, engine=engine)
    assert portrait(dark, rules=checks, engine=engine).passed is False


@pytest.mark.weights
@pytest.mark.data
def test_turned_heads_of_known_pose(engine: Engine) -> None:
    """AFLW2000: heads that are turned or bent by far fail for it."""
    from scipy.io import loadmat

    far = 0
    for file in sorted((DATA / "pose").glob("*.jpg"))[1::2]:
        pitch, yaw, _ = np.degrees(loadmat(file.with_suffix(".mat"))["Pose_Para"][0, :3])
        checks = portrait(file, engine=engine).checks
        for name, angle in (("yaw", -yaw), ("pitch", pitch)):
            value = checks[name].value
            if abs(angle) > 15:
                far += 1
                assert checks[name].passed is False, (file.name, name)
                assert value is not None
                assert np.sign(value) == np.sign(angle), (file.name, name)
    assert far >= 4
