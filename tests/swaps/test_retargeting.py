"""Retargeting, frontalizing and gaze on people who do not exist: what was asked for is there, the rest untouched."""

from __future__ import annotations

import contextlib
import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mien import Engine, assets
from mien.core.errors import LicenseRefused, NoFace, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor
from mien.swaps.effects import Effect, Shot
from mien.swaps.shape.cautions import Kept, check_guess
from mien.swaps.shape.frontalizing import Frontalize
from mien.swaps.shape.gaze_correction import CorrectGaze
from mien.swaps.shape.gestures import (
    BAGS,
    BROWS,
    CORNERS,
    FOLDS,
    LOWER,
    UPPER,
    kept_together,
    lids,
    mirrored_points,
    shipped_gestures,
)
from mien.swaps.shape.insides import CLOSED, gap
from mien.swaps.shape.retargeting import Retarget
from tests.shared import photo

CALM = 5  # of the portraits: the one with closed lips
WANT = {"pose", "gaze", "blendshapes", "landmarks"}


@functools.cache
def engine() -> Engine:
    """One that every test shares."""
    return Engine(threads=1)


@functools.cache
def person(number: int) -> Image:
    """A shipped portrait."""
    return load_image(assets.PEOPLE[number])


@functools.cache
def faces_of(number: int) -> Faces:
    """What is seen of it."""
    return engine().analyze(person(number), want=WANT)


def done(effect: Effect, image: Image) -> tuple[Edit, Faces]:
    """A picture edited, and looked at again."""
    edit = Editor(effect, who="largest", engine=engine()).picture(image)
    return edit, engine().analyze(edit.image, want=WANT).top(1)


def apart(faces: Faces, pair: tuple[int, int]) -> float:
    """Distance of two points of the mesh, pixels."""
    one, other = faces.landmarks.values[0, list(pair)]
    return float(np.linalg.norm(one - other))


def check_untouched(edit: Edit, image: Image) -> None:
    """Beyond the mask each pixel is as it was, and something is beyond it."""
    beyond = edit.layers["mask"] == 0
    assert beyond.any()
    assert not beyond.all()
    assert (edit.image[beyond] == image[beyond]).all()


# --- without weights --------------------------------------------------------------------------------------------------


def test_directions_are_symmetric() -> None:
    gestures = shipped_gestures()
    smile = gestures.motion({"mouthSmileLeft": 1, "mouthSmileRight": 1})
    assert smile[61, 0] == pytest.approx(-smile[291, 0], abs=0.02)
    assert smile[[61, 291], 1].max() < -0.3  # up
    assert gestures.motion({"jawOpen": 1})[14, 1] > 1  # down


def test_lids_meet_and_lips_do_not_cross() -> None:
    mesh: NDArray[np.float64] = np.random.default_rng(0).normal(size=(468, 3))
    for parts in (UPPER, LOWER, CORNERS, BROWS, BAGS, *FOLDS):
        mesh[parts[1], 0] += 50  # one eye far from the other
    closed = mesh + lids(mesh, -1.0)
    np.testing.assert_allclose(closed[UPPER], closed[LOWER], atol=1e-9)
    mesh[[13, 14], 1] = 0.0, 1.0
    crossing = np.zeros((468, 3))
    crossing[14, 1] = -3.0
    kept = mesh + kept_together(mesh, crossing, closed=False)
    assert kept[14, 1] >= kept[13, 1] - 1e-9


@pytest.mark.parametrize(
    "options",
    [{}, {"smile": 1.5}, {"yaw": 30}, {"eyes": -1}, {"blendshapes": {"tongueOut": 1.0}}, {"smile": float("nan")}],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Retarget(**options)


@pytest.mark.parametrize("target", ["away", (50, 0), (1, 2, 3), None])
def test_eyes_look_somewhere(target: object) -> None:
    with pytest.raises(UsageError, match="eyes look at"):
        CorrectGaze(target=target)


def test_what_was_measured_on_faces_carries_their_terms() -> None:
    with Engine(threads=1, licenses="strict") as strict:
        with pytest.raises(LicenseRefused, match="gesture"):
            strict.choose("gesture")
        asked = Retarget(smile=0.5, engine=strict)
        with pytest.raises(LicenseRefused, match="gesture"):
            asked._table  # noqa: B018
        assert Retarget(yaw=5.0, eyes=0.5, engine=strict)._table is None  # geometry alone
    with Engine(threads=1, licenses="commercial") as permissive:
        assert Retarget(smile=0.5, engine=permissive)._table is shipped_gestures()


@pytest.mark.parametrize(
    ("guessed", "glasses", "refused"),
    [(0.05, True, ""), (0.15, False, ""), (0.15, True, "glasses"), (0.3, False, "30%")],
)
def test_guesses_have_a_limit(guessed: float, glasses: bool, refused: str) -> None:
    with pytest.raises(UsageError, match=refused) if refused else contextlib.nullcontext():
        check_guess(guessed, lambda: glasses)


def test_what_is_kept_of_a_track_is_made_anew_after_a_while() -> None:
    kept: Kept[float] = Kept()

    def at(time: float | None, track: int, value: float) -> float:
        shot: Any = SimpleNamespace(time=time, faces=SimpleNamespace(track=SimpleNamespace(ids=[track])))
        return kept.get(shot, 0, lambda: value)

    assert [at(0.0, 1, 10), at(0.5, 1, 11), at(0.5, 2, 12), at(1.2, 1, 13), at(0.1, 1, 14)] == [10, 10, 12, 13, 14]
    assert [at(None, 1, 20), at(None, 1, 21)] == [20, 21]  # pictures have nothing in common


# --- with weights -----------------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.parametrize(
    ("options", "pair", "least"),
    [
        ({"smile": 0.8}, (61, 291), 0.05),
        ({"brows": -1.0}, (105, 159), -0.008),
        ({"eyes": -0.6}, (159, 145), -0.008),
        ({"mouth_open": 0.12}, (13, 14), 0.05),
        ({"blendshapes": {"mouthPucker": 0.8}}, (61, 291), -0.02),
    ],
    ids=["smile", "frown", "lids", "mouth", "pucker"],
)
def test_expression_goes_where_it_was_asked_to(options: Any, pair: tuple[int, int], least: float) -> None:
    """Two points are farther apart (above 0) or nearer than before, in distances of the eyes."""
    edit, after = done(Retarget(engine=engine(), **options), person(CALM))
    before, now = (apart(faces, pair) / apart(faces, (33, 263)) for faces in (faces_of(CALM), after))
    assert np.sign(least) * (now - before) > abs(least)
    assert np.abs(after.pose.values[0] - faces_of(CALM).pose.values[0]).max() < 3
    check_untouched(edit, person(CALM))
    assert edit.provenance.source_type == "compositeSynthetic"


@pytest.mark.weights
@pytest.mark.parametrize(("axis", "name"), [*enumerate(("yaw", "pitch", "roll"))])
def test_heads_turn_as_far_as_asked(axis: int, name: str) -> None:
    edit, after = done(Retarget(engine=engine(), **{name: 8.0}), person(0))
    change = after.pose.values[0] - faces_of(0).pose.values[0]
    assert change[axis] == pytest.approx(8, abs=3)
    check_untouched(edit, person(0))


@pytest.mark.weights
def test_closed_lips_stay_closed_in_a_smile_and_refuse_to_open_wide() -> None:
    _, after = done(Retarget(smile=1.0, engine=engine()), person(CALM))
    assert gap(_mesh(after)) < 1.5 * CLOSED
    with pytest.raises(UsageError, match="teeth"):
        done(Retarget(mouth_open=0.5, engine=engine()), person(CALM))


@pytest.mark.weights
def test_a_turned_head_looks_into_the_camera() -> None:
    turned, _ = done(Retarget(yaw=14.0, engine=engine()), person(0))
    edit, after = done(Frontalize(level=True, engine=engine()), turned.image)
    assert np.abs(after.pose.values[0]).max() < 5
    assert edit.report["faces"][0]["guessed"] < 0.5


@pytest.mark.weights
@pytest.mark.parametrize("target", [(12.0, 0.0), (0.0, -8.0)], ids=["aside", "down"])
def test_eyes_turn(target: tuple[float, float]) -> None:
    edit, after = done(CorrectGaze(target=target, engine=engine()), person(0))
    before, now = faces_of(0).gaze.values[0], after.gaze.values[0]
    way = np.array(target) - before
    # The mesh's irises follow those of the picture less far than these move.
    assert (now - before) @ way > 0.15 * (way @ way)
    assert np.abs(after.pose.values[0] - faces_of(0).pose.values[0]).max() < 2
    check_untouched(edit, person(0))


@pytest.mark.weights
@pytest.mark.parametrize("effect", [Retarget, Frontalize, CorrectGaze])
def test_frames_never_raise(effect: type) -> None:
    change: Effect = effect(engine=engine(), **({"smile": 0.5} if effect is Retarget else {}))
    image = np.zeros((64, 64, 3), np.uint8)
    faces = engine().analyze(image, faces=Faces.from_boxes([[5, 5, 60, 60]]), want=set(change.needs) | {"landmarks"})
    shot = Shot(image=image, faces=faces, rows=np.array([0]), time=0.0)
    result = change.start().apply(shot)
    assert result.image is image
    assert result.mask.area == 0
    assert "no mesh" in result.report["skipped"][0]["reason"]
    with pytest.raises(NoFace):
        change.start().apply(Shot(image=image, faces=faces, rows=np.array([0])))


@pytest.mark.weights
def test_a_face_that_the_edge_cuts_is_not_turned() -> None:
    half = np.ascontiguousarray(person(0)[:, 240:])
    for effect in (Retarget(yaw=8.0, engine=engine()), Frontalize(engine=engine())):
        with pytest.raises((UsageError, NoFace), match=r"edge cuts|no face"):
            done(effect, half)


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize("effect", [Retarget, Frontalize, CorrectGaze])
def test_a_dog_is_no_person(effect: type) -> None:
    change = effect(engine=engine(), **({"smile": 0.5} if effect is Retarget else {}))
    with pytest.raises(UsageError, match=r"human|where these eyes look"):
        done(change, photo("landmarks68_boxes/dogs.jpg"))


@pytest.mark.weights
@pytest.mark.data
def test_profiles_are_refused() -> None:
    image = photo("pose/image00251.jpg")  # by 60 degrees
    with pytest.raises(UsageError, match="turned by"):
        done(Frontalize(engine=engine()), image)


def _mesh(faces: Faces) -> NDArray[np.float64]:
    return np.asarray(faces.landmarks.values[0], np.float64)


@pytest.mark.weights
def test_the_mesh_has_two_halves() -> None:
    from mien.location.topology import face_topology

    mirror = mirrored_points(face_topology(engine=engine()))
    assert (mirror[mirror] == np.arange(468)).all()
    assert mirror[61] == 291
