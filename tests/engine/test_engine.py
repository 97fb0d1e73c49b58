"""The engine by itself, on fake models: plans, licenses, loading, batching, own boxes, crops, errors."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien.core.errors import (
    CardError,
    DeviceUnavailable,
    FieldNotComputed,
    LicenseRefused,
    ShapeMismatch,
    UnknownField,
    UnknownModel,
    UsageError,
)
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.image import Image
from mien.engine import Engine
from mien.models.card import WeightFile
from mien.models.catalogue import Catalogue
from tests.engine import fakes


def picture(*greys: int, size: int = 100) -> Image:
    """A dark picture with one 10-pixel square per grey, side by side."""
    image = np.full((size, size, 3), 10, np.uint8)
    for place, grey in enumerate(greys):
        image[20:30, 5 + 20 * place : 15 + 20 * place] = grey
    return image


@pytest.fixture
def engine() -> Iterator[Engine]:
    fakes.made.clear()
    with make() as engine:
        yield engine


def make(**options: Any) -> Engine:
    return Engine(**{"device": "cpu", "threads": 2, "catalogue": fakes.catalogue(), **options})


# -- planning ----------------------------------------------------------------------------------------------------------


def plan(engine: Engine, *want: str, available: tuple[str, ...] = ()) -> list[str]:
    return [card.id for card in engine.plan(want, available=available)]


def test_a_plan_runs_what_is_needed_in_order(engine: Engine) -> None:
    assert plan(engine, "pose") == ["mesh", "pose"]
    assert plan(engine, "embedding", available=("alignment",)) == ["embedder"]
    assert plan(engine, "embedding") == ["mesh", "embedder"]
    assert plan(engine, "pose", "embedding", "landmarks") == ["mesh", "embedder", "pose"]
    assert plan(engine) == []


def test_want_is_checked_before_anything_runs(engine: Engine) -> None:
    with pytest.raises(UnknownField, match="'gaze_of_a_cat'"):
        engine.analyze(picture(), want={"gaze_of_a_cat"})
    assert fakes.made == []


def test_cards_that_need_each_other_are_refused() -> None:
    cards = [
        fakes.card("a", "Pose", ("pose",), ("landmarks",)),
        fakes.card("b", "Mesh", ("landmarks",), ("pose",)),
    ]
    with make(catalogue=Catalogue(cards)) as engine, pytest.raises(CardError, match="in a circle"):
        engine.plan({"pose"})


def test_a_runner_that_is_not_there_is_a_card_error() -> None:
    broken = Catalogue([fakes.card("a", "Nothing", ("detect",))])
    with make(catalogue=broken) as engine, pytest.raises(CardError, match="'a' names a runner"):
        engine.detect(picture())


def test_nothing_gives_it() -> None:
    with make(catalogue=Catalogue([])) as engine, pytest.raises(UsageError, match="no model gives 'detect'"):
        engine.detect(picture())


# -- choosing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("licenses", "chosen"), [("any", "squares"), ("commercial", "noses")])
def test_the_policy_picks_the_best_that_it_permits(licenses: str, chosen: str) -> None:
    with make(licenses=licenses) as engine:
        assert engine.detect(picture(200)).models["detect"] == chosen


def test_a_policy_that_permits_none_says_why() -> None:
    with make(licenses="strict") as engine, pytest.raises(LicenseRefused, match=r"squares.*noses.*research"):
        engine.detect(picture(200))
    with make(licenses="commercial", models={"detect": "squares"}) as engine, pytest.raises(LicenseRefused):
        engine.detect(picture(200))


def test_a_chosen_model_is_used_and_checked() -> None:
    with make(models={"detect": "noses"}) as engine:
        assert engine.detect(picture(200)).models["detect"] == "noses"
    with pytest.raises(UnknownModel):
        make(models={"detect": "yolo"})
    with pytest.raises(UsageError, match="does not give 'pose'"):
        make(models={"pose": "squares"})
    with pytest.raises(UnknownField, match="'detekt'"):
        make(models={"detekt": "squares"})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"threads": 0}, UsageError),
        ({"threads": 1.5}, UsageError),
        ({"precision": "f16"}, UsageError),
        ({"models": "squares"}, UsageError),
        ({"licenses": "free beer"}, UsageError),
        ({"device": "abacus"}, UsageError),
        ({"device": "npu"}, DeviceUnavailable),
    ],
)
def test_options_are_checked_at_once(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make(**options)


def test_a_chosen_model_wins_over_what_comes_along() -> None:
    cards = [*fakes.catalogue(), fakes.card("mesh2", "Mesh", ("presence", "alignment"), priority=20)]
    chosen = {"presence": "mesh2", "alignment": "mesh2"}
    with make(catalogue=Catalogue(cards), models=chosen) as engine:
        faces = engine.analyze(picture(200), want={"landmarks", "presence", "alignment", "embedding"})
        assert faces.models["landmarks"] == "mesh"
        assert faces.models["presence"] == faces.models["alignment"] == "mesh2"
        assert faces.embedding.values[0, :2].tolist() == faces.boxes[0, :2].tolist()  # by mesh2's points


def test_a_detector_is_no_step() -> None:
    with pytest.raises(UsageError, match="only along with detect"):
        make(
            models={"alignment": "eager"},
            catalogue=Catalogue([fakes.card("eager", "Detector", ("detect", "alignment"))]),
        )
    cards = [fakes.card("eager", "Detector", ("detect", "alignment"), priority=1), *fakes.catalogue()]
    with make(catalogue=Catalogue(cards)) as engine:
        faces = engine.analyze(picture(), faces=Faces.from_boxes([[1, 2, 30, 40]]), want={"embedding"})
        assert len(faces) == 1


def test_the_first_pull_of_restricted_weights_is_said_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = tmp_path / "toy.bin"
    weights.write_bytes(b"toy")
    file = WeightFile(
        name="toy.bin", source=f"file:{weights}", sha256=hashlib.sha256(b"toy").hexdigest(), bytes=len(b"toy")
    )
    cards = [fakes.card("toy", "Detector", ("detect",), weights_license="LicenseRef-research", files={"model": file})]
    for _ in range(2):
        with make(catalogue=Catalogue(cards), cache=tmp_path / "cache") as engine:
            engine.detect(picture())
    assert len(caplog.messages) == 1
    assert "toy: weights under research terms" in caplog.text


# -- one picture -------------------------------------------------------------------------------------------------------


def test_exactly_what_was_wanted_is_there(engine: Engine) -> None:
    faces = engine.analyze(picture(250, 100), want={"pose"})
    assert faces.fields == ("pose",)
    assert faces.models == {"detect": "squares", "pose": "pose"}
    assert faces.pose.yaw.tolist() == [250, 100]
    with pytest.raises(FieldNotComputed):
        _ = faces.alignment
    assert faces.image_size == (100, 100)
    assert faces[0].crop(margin=0).mean() == 250


@pytest.mark.parametrize("greys", [(), (200,), (250, 200, 100)])
def test_none_one_and_many(engine: Engine, greys: tuple[int, ...]) -> None:
    faces = engine.analyze(picture(*greys), want={"pose", "embedding", "age", "alignment"})
    assert len(faces) == len(greys)
    assert faces.embedding.shape == (len(greys), 4)
    assert faces.alignment.shape == (len(greys), 5, 2)
    assert faces.pose.yaw.tolist() == list(greys)
    assert faces.models["alignment"] == "mesh"


def test_limits(engine: Engine) -> None:
    everyone = picture(250, 200, 100)
    assert len(engine.detect(everyone, min_score=0.6)) == 2
    assert engine.detect(everyone, max_faces=1).scores.tolist() == pytest.approx([250 / 255])
    assert len(engine.detect(everyone, min_size=11)) == 0
    assert len(engine.detect(everyone, check=True)) == 2  # the mesh does not believe in 100/255


@pytest.mark.parametrize("limits", [{"max_faces": -1}, {"min_score": 7}, {"min_size": -1}])
def test_limits_are_checked(engine: Engine, limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(limits))):
        engine.detect(picture(200), **limits)


def test_the_detectors_points_are_used_on_request() -> None:
    with make(models={"alignment": "points"}) as engine:
        faces = engine.analyze(picture(200), want={"embedding", "alignment"})
        assert faces.models["alignment"] == "points"
        assert faces.alignment.xy[0].tolist() == faces.keypoints[0].tolist()
        assert "mesh" not in fakes.made
        later = engine.analyze(picture(200), faces=engine.detect(picture(200)), want={"embedding"})
        np.testing.assert_array_equal(later.embedding.values, faces.embedding.values)
        assert engine.analyze(picture(), want={"embedding"}).embedding.shape == (0, 4)
    with make(models={"alignment": "points", "detect": "noses"}) as engine, pytest.raises(UsageError, match="left_eye"):
        engine.analyze(picture(200), want={"embedding"})


def test_own_boxes(engine: Engine) -> None:
    mine = Faces.from_boxes([[1, 2, 30, 40], [5, 6, 50, 60]])
    faces = engine.analyze(picture(), faces=mine, want={"embedding"})
    assert fakes.made == ["mesh", "embedder"]  # nothing was detected
    assert faces.embedding.values[:, :2].tolist() == [[1, 2], [5, 6]]
    assert "detect" not in faces.models
    with pytest.raises(UsageError, match="from_boxes"):
        engine.analyze(picture(), faces=[[0, 0, 9, 9]])
    with pytest.raises(ShapeMismatch, match="not of"):
        engine.analyze(picture(size=50), faces=faces)
    more = engine.analyze(picture(), faces=faces, want={"age"})
    assert set(more.fields) == {"embedding", "age"}  # what was known stays


def test_ready_crops(engine: Engine) -> None:
    crops = np.stack([picture(200, size=64), picture(100, size=64)])
    for given in (crops, list(crops)):
        faces = engine.analyze(given, aligned=True, want={"embedding"})
        assert len(faces) == 2
        assert "detect" not in faces.models
    assert len(engine.analyze(crops[0], aligned=True, want={"embedding"})) == 1
    assert engine.analyze([], aligned=True, want={"embedding"}).embedding.shape == (0, 4)
    with pytest.raises(ShapeMismatch, match="square"):
        engine.analyze(crops[0][:30], aligned=True)
    with pytest.raises(UsageError, match="one face each"):
        engine.analyze(crops, aligned=True, min_score=0.5)
    keypoints = engine.analyze(crops[0], aligned=True).keypoint_names
    assert keypoints == ALIGNMENT_NAMES


# -- loading -----------------------------------------------------------------------------------------------------------


def test_each_model_is_made_once_however_many_threads_want_it(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: engine.analyze(picture(200), want={"pose", "embedding"}), range(40)))
    assert {len(faces) for faces in results} == {1}
    assert sorted(fakes.made) == ["embedder", "mesh", "pose", "squares"]


def test_preload_and_info(engine: Engine) -> None:
    engine.preload("detect", "embedding")
    assert sorted(fakes.made) == ["embedder", "mesh", "squares"]
    info = engine.info()
    assert {model["id"] for model in info["models"]} == {"embedder", "mesh", "squares"}
    assert (info["device"], info["threads"], info["licenses"]) == ("cpu", 2, "any")


def test_models_that_rest_are_dropped_and_come_back() -> None:
    fakes.made.clear()
    with make(idle_unload=0.05) as engine:
        engine.detect(picture(200))
        deadline = time.monotonic() + 5
        while engine.info()["models"] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.info()["models"] == []
        assert len(engine.detect(picture(200))) == 1
    assert fakes.made == ["squares", "squares"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_engine_says_so_instead_of_waiting_for_ever(engine: Engine) -> None:
    engine.detect(picture(200))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            engine.detect(picture(200))
        except UsageError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert "does not survive a fork" in answer.read()
    os.waitpid(child, 0)


def test_a_runner_that_is_no_class() -> None:
    cards = [replace(fakes.card("odd", "Detector", ("detect",)), runner="os:system")]
    with make(catalogue=Catalogue(cards)) as engine, pytest.raises(CardError, match="no class"):
        engine.detect(picture())


def test_other_models_share_what_is_loaded(engine: Engine) -> None:
    engine.analyze(picture(200), want={"pose"})
    other = engine.with_models(detect="noses")
    assert (engine.choose("detect").id, other.choose("detect").id) == ("squares", "noses")
    assert other.analyze(picture(200), want={"pose"}).models["detect"] == "noses"
    assert fakes.made.count("pose") == 1  # the one that the first engine had made
    assert other.with_models(alignment="points").choose("detect").id == "noses"  # choices add up
    with pytest.raises(UnknownModel):
        engine.with_models(detect="cats")
    other.close()
    with pytest.raises(UsageError, match="closed"):
        engine.detect(picture(200))


def test_a_closed_engine_says_so(engine: Engine) -> None:
    engine.detect(picture(200))
    bundle = next(iter(engine._models._loaded.values())).bundle
    engine.close()
    with pytest.raises(UsageError, match="closed"):
        bundle.session("model")  # its memory is given back even where somebody still holds it
    with pytest.raises(UsageError, match="closed"):
        engine.detect(picture(200))


def test_the_default_engine_is_one_and_replaceable() -> None:
    mine = make()
    try:
        mien.set_default_engine(mine)
        assert mien.default_engine() is mine
        assert len(mien.detect(picture(200))) == 1
        assert len(mien.analyze(picture(200), want={"pose"})) == 1
        mien.set_default_engine(None)
        with ThreadPoolExecutor(4) as pool:
            barrier = threading.Barrier(4)
            engines = list(pool.map(lambda _: (barrier.wait(), mien.default_engine())[1], range(4)))
        assert len(set(map(id, engines))) == 1
    finally:
        mien.set_default_engine(None)
