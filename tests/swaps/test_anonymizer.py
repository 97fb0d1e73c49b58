"""Anonymize: whoever is there is hidden, in pictures and in each frame, and what is told of it is true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from mien import assets
from mien.core.errors import ImageError, SourceError, StorageError, UnknownPerson, UsageError
from mien.core.image import load_image
from mien.media.provenance import provenance
from mien.swaps.hidden.anonymizer import Anonymizer, anonymize
from mien.swaps.hidden.covering import Settings
from mien.swaps.hidden.hiding import METHODS, Hider, Paint, cells_of
from mien.swaps.hidden.planning import Planner
from mien.swaps.hidden.redaction import SCHEMA, Redactions
from mien.swaps.hidden.second_look import SecondLook
from mien.swaps.hidden.sightings import Sightings, completed, linked
from mien.swaps.hidden.spots import Cover, Spot
from mien.swaps.hidden.strength import BOUND, measured, strength_for
from tests.clips import Actor, Scene, Shot, burst

FACE = np.array([40.0, 30, 70, 70])


def noise(width: int = 120, height: int = 100) -> Any:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def spot(x: float = 40.0, y: float = 30.0, **more: Any) -> Spot:
    return Spot(box=FACE + np.array([x - 40, y - 30, x - 40, y - 30]), **more)


# -- how it is hidden --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["ellipse", "box", "mesh"])
@pytest.mark.parametrize("method", ["blur", "pixelate", "solid", "image"])
def test_a_box_is_hidden_whole_and_the_rest_keeps_its_bits(method: str, shape: Any) -> None:
    image, outline = noise(), np.array([[35.0, 25], [75, 25], [75, 75], [35, 75]])
    picture = np.full((5, 5, 3), 77, np.uint8) if method == "image" else None
    hider = Hider(method, Cover(shape=shape), Paint((0, 200, 0), picture), 9.0)
    regions: list[Any] = []
    out = hider.hide(image, [spot(outline=outline if shape == "mesh" else None)], regions=regions)
    mask = regions[0].to_levels()
    assert (mask[30:70, 40:70] == 255).all()
    assert (out[mask == 0] == image[mask == 0]).all()
    inside = out[35:65, 45:65].astype(float)
    assert inside.std(axis=(0, 1)).max() < 0.4 * image.astype(float).std()  # its detail is gone


def test_nothing_is_hidden_beyond_the_picture_and_none_hides_nothing() -> None:
    image = noise()
    for box in ([-500.0, 0, -400, 50], [-20, -20, 30, 40], [100, 80, 300, 300], [0, 0, 0.5, 0.5]):
        Hider("blur").hide(image, [Spot(box=np.array(box))])
    assert Hider("none").hide(image, [spot()]) is image
    assert Hider("blur").hide(noise(1, 1), [Spot(box=np.array([0.0, 0, 1, 1]))]).shape == (1, 1, 3)


@given(st.floats(1, 10), st.floats(1, 3000))
def test_stronger_leaves_less(strength: float, side: float) -> None:
    assert 1 <= cells_of(10, side) <= cells_of(strength, side) <= max(1, side / 3)


def test_the_table_gives_a_strength_that_holds_its_bound() -> None:
    for method in ("blur", "pixelate"):
        enough = strength_for(method, "auto")
        at = [row for row in measured() if row.method == method and row.strength == enough]
        assert at
        assert all(row.rate <= BOUND for row in at)
        assert strength_for(method, 3) == 3
    wrongs: Any = (0, 11, True, "much", float("nan"))
    for wrong in wrongs:
        with pytest.raises(UsageError, match="strength is"):
            strength_for("blur", wrong)


# -- frames ------------------------------------------------------------------------------------------------------------


def seen(frames: dict[int, float], count: int, cuts: set[int] | None = None) -> Sightings:
    """One track at these places x, by frame."""
    rows = [[spot(frames[n], track=1, score=0.9)] if n in frames else [] for n in range(count)]
    return Sightings((640, 360), 25.0, rows, cuts or set())


def test_a_gap_is_filled_and_both_ends_are_longer() -> None:
    plan = completed(seen({10: 40.0, 11: 42, 12: 44, 20: 60, 21: 62}, 40))
    there = [n for n, spots in enumerate(plan) if spots]
    assert there == list(range(2, 30))
    assert {plan[n][0].source for n in (15, 5, 25)} == {"interpolated"}
    assert plan[11][0].source == "detected"
    assert Cover().covered(spot(52).box, plan[16]) == 1  # halfway
    assert plan[27][0].box[0] > plan[21][0].box[0]  # it went on


def test_nothing_goes_over_a_cut() -> None:
    plan = completed(seen({10: 40.0, 14: 44.0}, 30, cuts={12}))
    assert [n for n, spots in enumerate(plan) if spots] == list(range(2, 23))
    assert plan[11][0].box[0] < 45
    cut = completed(seen({10: 40.0}, 30, cuts={9, 12}))
    assert [n for n, spots in enumerate(cut) if spots] == [9, 10, 11]


@given(st.dictionaries(st.integers(0, 59), st.floats(-50, 600), min_size=1, max_size=20), st.sets(st.integers(1, 59)))
def test_each_sighting_is_covered(places: dict[int, float], cuts: set[int]) -> None:
    plan = completed(seen(places, 60, cuts))
    for number, x in places.items():
        assert Cover().covered(spot(x).box, plan[number]) == 1


def test_lone_sightings_become_tracks() -> None:
    rows = linked({0: [spot()], 2: [spot(44), spot(300)], 40: [spot()]}, first=7, reach=10, cuts=())
    assert [[one.track for one in row] for row in rows.values()] == [[7], [7, 8], [9]]


# -- the file ----------------------------------------------------------------------------------------------------------

numbers = st.floats(-900, 900).map(lambda value: round(value, 2))
spots = st.builds(
    lambda x, y, w, h, **more: Spot(box=np.array([x, y, x + w, y + h]).round(2), **more),
    numbers, numbers, st.floats(1, 500), st.floats(1, 500),
    source=st.sampled_from(["detected", "interpolated", "second pass", "by hand"]),
    score=st.none() | st.floats(0, 1).map(lambda value: round(value, 4)),
    track=st.none() | st.integers(0, 10**6),
    method=st.none() | st.sampled_from(["blur", "solid"]),
    strength=st.none() | st.sampled_from([1.0, 7.5, 10.0]),
)  # fmt: skip


@given(st.lists(st.lists(spots, max_size=3).map(tuple), min_size=1, max_size=4).map(tuple))
def test_a_file_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    path = tmp_path_factory.mktemp("r") / "r.json"
    Redactions((640, 360), rows, {"method": "blur"}).write(path)
    back = Redactions.read(path)
    assert back.size == (640, 360)
    assert back.settings == {"method": "blur"}
    for row, other in zip(rows, back.frames, strict=True):
        for one, two in zip(row, other, strict=True):
            assert np.allclose(one.box, two.box)
            assert replace(one, box=FACE).__dict__.keys() == replace(two, box=FACE).__dict__.keys()
            assert [one.source, one.score, one.track, one.method] == [two.source, two.score, two.track, two.method]


GOOD: dict[str, Any] = {
    "schema": SCHEMA, "size": [64, 48], "frames": 2, "redactions": [{"frame": 1, "box": [1, 2, 3, 4]}]
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "schema"),
        (json.dumps({**GOOD, "schema": "x"}), "schema"),
        (json.dumps({**GOOD, "size": [0, 4]}), r'"size"\[0\]'),
        (json.dumps({**GOOD, "frames": 10**12}), '"frames"'),
        (json.dumps({**GOOD, "redactions": {}}), '"redactions" is a list'),
        (json.dumps({**GOOD, "redactions": [3]}), r'"redactions"\[0\] is an object'),
        (json.dumps({**GOOD, "redactions": [{"frame": 2, "box": [1, 2, 3, 4]}]}), r'\["frame"\] is a whole number'),
        (json.dumps({**GOOD, "redactions": [{"frame": 0}]}), 'has no "box"'),
        (json.dumps({**GOOD, "redactions": [{"frame": 0, "box": [4, 2, 3, 4]}]}), "x1 < x2"),
        (json.dumps({**GOOD, "redactions": [{"frame": 0, "box": [1, 2, 3, True]}]}), r'\["box"\]\[3\]'),
        (json.dumps({**GOOD, "redactions": [{"frame": 0, "box": [1, 2, 3, 4], "name": "x"}]}), 'has no "name"'),
        (json.dumps({**GOOD, "redactions": [{"frame": 0, "box": [1, 2, 3, 4], "source": "x"}]}), "one of detected"),
        (json.dumps({**GOOD, "redactions": [{"frame": 0, "box": [1, 2, 3, 4], "method": []}]}), "one of blur"),
        (json.dumps({**GOOD, "redactions": [{"frame": 0, "box": [1, 2, 3, 4], "outline": [[1]] * 3}]}), "outline"),
        (json.dumps(GOOD).replace("[1, 2, 3, 4]", "[1, 2, NaN, 4]"), "NaN is no number"),
        (json.dumps(GOOD).replace("[1, 2, 3, 4]", "[1, 2, 1e999, 4]"), r'\["box"\]\[2\] is a number'),
        (json.dumps(GOOD).replace("[1, 2, 3, 4]", f"[1, 2, {'9' * 400}, 4]"), r'\["box"\]\[2\] is a number'),
        (json.dumps(GOOD).replace("[1, 2, 3, 4]", f"[1, 2, {'9' * 5000}, 4]"), "too many digits"),
        (json.dumps(GOOD).replace("[1, 2, 3, 4]", "[-1e308, 2, 1e308, 4]"), r'\["box"\]\[0\] is a number'),
    ],
    ids=range(21),
)
def test_a_file_that_is_wrong_is_refused_with_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ImageError, match=complaint):
        Redactions.read(path)


def test_a_file_by_hand_needs_little(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(GOOD))
    assert Redactions.read(path).frames[1][0].source == "by hand"
    with pytest.raises(SourceError):
        Redactions.read(tmp_path / "none.json")


def test_who_stands_close_to_one_who_is_kept_is_hidden() -> None:
    kept, near = spot(), spot(55.5, source="second pass")
    assert Cover().covered(near.box, [kept]) > 0.8
    assert SecondLook.missed([near, spot(41.0)], [], Cover(), kept=[kept]) == [near]


def test_methods_are_named() -> None:
    with pytest.raises(UsageError, match=", ".join(METHODS)):
        Settings(method="erase")


# -- pictures ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Any:
    with mien.Engine(threads=1) as engine:
        yield engine


def change_of(image: Any, engine: Any) -> Any:
    """A small picture that is no file, anonymized in the least time."""
    return anonymize(np.ascontiguousarray(image), second_look=False, engine=engine)


@pytest.mark.weights
def test_everybody_in_a_picture_is_hidden(tmp_path: Path, engine: Any) -> None:
    edit = anonymize(
        assets.GROUP, out=tmp_path / "out.png", redactions=tmp_path / "r.json", sheet=tmp_path / "s.png", engine=engine
    )
    clear = load_image(assets.GROUP)
    found = engine.detect(clear)
    mask = edit.layers["mask"]
    assert (edit.image[mask == 0] == clear[mask == 0]).all()
    rows = Redactions.read(tmp_path / "r.json").frames[0]
    assert all(Cover().covered(box, rows) == 1 for box in found.boxes)
    assert edit.report["check"]["uncovered"] == []
    assert edit.report["likeness"]["recognised"] == 0
    assert edit.report["bound"]["holds"]
    assert provenance(tmp_path / "out.png").synthetic  # nobody in it exists, before and after
    assert provenance(tmp_path / "s.png")
    assert change_of(np.asarray(clear)[:64, :64], engine).provenance.source_type == "algorithmicallyEnhanced"
    # The file, edited: one face is left visible, and another place is hidden by hand.
    values = json.loads((tmp_path / "r.json").read_text())
    values["redactions"] = [*values["redactions"][1:], {"frame": 0, "box": [5, 5, 60, 60], "method": "solid"}]
    (tmp_path / "e.json").write_text(json.dumps(values))
    again = anonymize(assets.GROUP, redactions_in=tmp_path / "e.json", engine=engine)
    assert len(again.report["check"]["uncovered"]) == 1  # it is told that one is visible
    assert (again.image[30, 30] == 0).all()
    with pytest.raises(UsageError, match="not of this file"):
        anonymize(assets.PEOPLE[0], redactions_in=tmp_path / "e.json", engine=engine)


@pytest.mark.weights
def test_what_the_first_detector_misses_the_second_hides(engine: Any) -> None:
    blind = Settings(min_score=1.0, likeness=False)
    edit = Anonymizer(blind, engine=engine).picture(assets.PEOPLE[0])
    assert edit.report["spots"] == {"second pass": 1}
    assert edit.report["second_look"]["detector"] != edit.report["detector"]


@pytest.mark.weights
def test_who_stays_visible_is_surely_known(tmp_path: Path, engine: Any) -> None:
    with mien.Gallery(tmp_path / "g", engine=engine) as gallery:
        gallery.enroll("ada", [assets.PEOPLE[3]])
        same, other = assets.FOLDER / "person4_again.jpg", assets.PEOPLE[0]
        settings: Any = {"gallery": gallery, "engine": engine, "second_look": False}
        assert anonymize(assets.PEOPLE[3], keep=["ada"], **settings).report["spared"] == 1
        assert anonymize(same, hide=["ada"], **settings).report["faces"] == 1
        assert anonymize(other, keep=["ada"], **settings).report["faces"] == 1
        assert anonymize(other, hide=["ada"], **settings).report["faces"] == 0
        with pytest.raises(UnknownPerson):
            anonymize(other, keep=["bob"], **settings)
    with pytest.raises(UsageError, match="gallery"):
        anonymize(other, keep=["ada"], engine=engine)


@pytest.mark.weights
def test_no_face_is_written_and_told(tmp_path: Path, engine: Any) -> None:
    edit = anonymize(assets.LANDSCAPE, out=tmp_path / "out.jpg", sheet=tmp_path / "s.png", engine=engine)
    assert edit.report["faces"] == 0
    assert provenance(tmp_path / "out.jpg")
    tiny = anonymize(np.zeros((1, 1, 3), np.uint8), engine=engine)
    assert tiny.report["faces"] == 0


@pytest.mark.weights
def test_parts_of_a_face_are_hidden_and_the_likeness_is_told(engine: Any) -> None:
    edit = anonymize(assets.PEOPLE[0], method="solid", regions="eyes", second_look=False, engine=engine)
    whole = anonymize(assets.PEOPLE[0], method="solid", second_look=False, engine=engine)
    assert not edit.report["bound"]["holds"]
    assert edit.report["likeness"]["compared"] == 1
    assert edit.report["likeness"]["worst"]["cosine"] > 0.3  # most of it is there to be seen
    assert whole.report["bound"]["holds"]
    assert 0 < (edit.layers["mask"] > 0).mean() < 0.2 * (whole.layers["mask"] > 0).mean()


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    with pytest.raises(UsageError, match="is what is read"):
        anonymize(path, out=path, second_look=False)
    for other in ({"sheet": path}, {"redactions": path}):
        with pytest.raises(UsageError, match="is what is read"):
            anonymize(path, out=tmp_path / "b.png", second_look=False, **other)


# -- videos ------------------------------------------------------------------------------------------------------------


def uncovered(scene: Scene, path: Path) -> list[int]:
    """Frames in which a face that is seen is not hidden."""
    plan = Redactions.read(path).frames
    out = []
    for number in range(len(scene)):
        truth = scene.frame(number)[1]
        boxes = [box for box, there in zip(truth.boxes, truth.seen, strict=True) if there and box[3] - box[1] > 20]
        if any(Cover().covered(box, plan[number]) < 0.8 for box in boxes):
            out.append(number)
    return out


@pytest.mark.weights
def test_nobody_is_left_uncovered_in_a_video(tmp_path: Path, engine: Any) -> None:
    way = [(0.0, -0.2, 0.5, 0.4), (1.0, 0.7, 0.5, 0.46), (1.6, 2.1, 0.5, 0.4)]  # in at the left, out at the right
    other = [Actor(2, "person4", [(1.6, 0.9, 0.5, 0.4), (2.0, 0.9, 0.5, 0.4)])]
    first = Shot(1.6, [Actor(1, "person2", way)], covered=[(0.7, 0.9, 1)])
    scene = Scene("walk", [first, Shot(2.0, other, place=2)], size=(320, 180), fps=10)
    source = scene.write(tmp_path / "in.mp4")
    out, file = tmp_path / "out.mp4", tmp_path / "r.json"
    edit = anonymize(source, out=out, redactions=file, sheet=tmp_path / "s.png", every=10, engine=engine)
    assert uncovered(scene, file) == []
    assert edit.report["frames"] == len(scene)
    assert edit.report["spots"]["interpolated"] > 0
    assert edit.report["check"]["uncovered"] == []
    assert edit.report["likeness"]["recognised"] == 0
    given = anonymize(source, out=tmp_path / "again.mp4", redactions_in=file, every=100, engine=engine)
    assert given.report["spots"] == edit.report["spots"]


@pytest.mark.weights
def test_the_second_detector_alone_hides_somebody_in_each_frame(tmp_path: Path, engine: Any) -> None:
    scene = Scene(
        "short", [Shot(0.6, [Actor(1, "person2", [(0, 0.6, 0.5, 0.4), (0.6, 0.9, 0.5, 0.4)])])], (320, 180), 10
    )
    source = scene.write(tmp_path / "in.mp4")
    change = Anonymizer(Settings(min_score=1.0, every=4, likeness=False), engine=engine)
    with mien.open_video(source) as video:
        assert sum(1 for _ in change.video(video, tmp_path / "out.mp4")) == len(scene)
    change.redactions.write(tmp_path / "r.json")
    assert uncovered(scene, tmp_path / "r.json") == []
    assert change.report["second_look"]["found"] == 1


@pytest.mark.weights
def test_a_video_that_is_cut_short_leaves_nothing(tmp_path: Path, engine: Any) -> None:
    whole = burst().scaled((320, 180)).write(tmp_path / "in.mkv").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    folder = tmp_path / "out"
    with pytest.raises(ImageError, match="cut short"):
        anonymize(cut, out=folder / "out.mp4", second_look=False, engine=engine)
    assert not list(folder.iterdir())
    with pytest.raises(StorageError):
        anonymize(tmp_path / "in.mkv", out=tmp_path / "in.mkv" / "x.mp4", second_look=False, engine=engine)
    with pytest.raises(UsageError, match="out="):
        anonymize(cut, engine=engine)


@pytest.mark.weights
def test_what_the_check_finds_is_hidden_before_anything_is_written(
    tmp_path: Path, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = [(0.0, 0.6, 0.5, 0.4), (1.0, 0.9, 0.5, 0.4)]
    scene = Scene("late", [Shot(1.0, [Actor(1, "person2", way)]), Shot(1.2, [], place=2)], (320, 180), 10)
    source = scene.write(tmp_path / "in.mp4")
    monkeypatch.setattr(Planner, "_add_second", lambda *_: None)  # both looks miss everybody
    change = Anonymizer(Settings(min_score=1.0, every=8, likeness=False), engine=engine)
    with mien.open_video(source) as video:
        assert sum(1 for _ in change.video(video, tmp_path / "out.mp4")) == len(scene)
    change.redactions.write(tmp_path / "r.json")
    assert uncovered(scene, tmp_path / "r.json") == []
    assert change.report["check"]["found"] > 0
    assert change.report["check"]["uncovered"] == []
    with mien.open_video(tmp_path / "out.mp4") as video:  # and so it is in the file
        assert not any(len(engine.detect(frame.image, tiles="off")) for frame in video if frame.index % 3 == 0)


@pytest.mark.weights
def test_redactions_are_of_as_many_frames_as_the_video(tmp_path: Path, engine: Any) -> None:
    source = burst().scaled((320, 180)).write(tmp_path / "in.mp4")
    with mien.open_video(source) as video:
        count = sum(1 for _ in video)
    for wrong in (count - 1, count + 1):
        given = Redactions((320, 180), ((),) * wrong)
        with pytest.raises(UsageError, match="frames"):
            anonymize(source, redactions_in=given, second_look=False, out=tmp_path / "out.mp4", engine=engine)
        assert not (tmp_path / "out.mp4").exists()
