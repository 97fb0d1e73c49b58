"""Evaluations of gaze: tables, angles, screens, looks, painted eyes; on fakes of known answers, and on drawn people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image as Pillow

from mien.core.columns import Directions, Placement
from mien.core.errors import InputError, NoFace, ShapeMismatch, SourceError, UsageError
from mien.core.faces import Faces
from mien.datasets.readers.gaze_csv import GazeRow, GazeTable, read_gaze_csv
from mien.datasets.readers.mpiifacegaze import read_mpiifacegaze
from mien.engine import Engine
from mien.evaluation.gaze import evaluate_angles
from mien.evaluation.looks import evaluate_looks
from mien.evaluation.screen import evaluate_points, evaluate_screen
from mien.evaluation.simulated import SimulatedUser
from mien.evaluation.turned_eyes import evaluate_painted, turn_eyes
from tests.location.eyeballs import meshes_looking


class Fake:
    """An engine that knows what each picture shows."""

    def __init__(self, faces: dict[str, Faces]) -> None:
        self._faces = faces

    def analyze(self, picture: Path, **_: Any) -> Faces:
        return self._faces[picture.name]


def engine_of(faces: dict[str, Faces]) -> Engine:
    return cast("Engine", Fake(faces))


def table_of(kind: Any, rows: list[tuple[str, tuple[float, ...], str]]) -> GazeTable:
    return GazeTable(kind, tuple(GazeRow(Path(name), values, group) for name, values, group in rows))


def one(yaw: float, pitch: float, *, x: float = 0.0, boxes: Any = ((0, 0, 10, 10),)) -> Faces:
    count = len(boxes)
    head = np.tile([0, 0, 0, x, 0, 50, 1000], (count, 1)).astype(np.float32)
    return Faces.from_boxes(boxes, image_size=(1000, 600)).with_columns(
        {"gaze": Directions(np.tile([yaw, pitch], (count, 1)).astype(np.float32)), "head": Placement(head)}
    )


# --- tables -----------------------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    (folder / "gaze.csv").write_text(text)
    return folder / "gaze.csv"


@pytest.mark.parametrize(
    ("header", "row", "kind", "values"),
    [
        ("file,yaw,pitch", "a.jpg,1,-2.5", "angles", (1, -2.5)),
        ("group,file,gaze_x,gaze_y,gaze_z", "p1,a.jpg,0,0,-1", "vector", (0, 0, -1)),
        ("file,x,y", "a.jpg,3,4", "screen", (3, 4)),
        ("file,x1,y1,x2,y2,target_x,target_y,x,y", "a.jpg,1,2,3,4,5,6,7,8", "target", (1, 2, 3, 4, 5, 6)),
    ],
)
def test_a_table_says_by_its_columns_what_it_is(
    tmp_path: Path, header: str, row: str, kind: str, values: tuple[float, ...]
) -> None:
    table = read_gaze_csv(written(tmp_path, f"{header}\n{row}\n"))
    assert (table.kind, table.rows[0].values) == (kind, values)
    assert table.rows[0].picture == tmp_path / "a.jpg"
    assert table.rows[0].group == ("p1" if "group" in header else "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks columns"),
        ("file,yaw\na.jpg,1\n", "lacks columns"),
        ("file,x,y\n", "has no rows"),
        ("file,x,y\na.jpg,1,two\n", "line 2: x, y are numbers"),
        ("file,x,y\na.jpg,1\n", "line 2: x, y are numbers"),
        ("file,x,y\na.jpg,1,nan\n", "line 2: a number is not finite"),
        ("file,x,y\n,1,2\n", "there is no file"),
        ('file,x,y\n"a.jpg,1,2\n', "is not a CSV file"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_gaze_csv(written(tmp_path, text))


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read_gaze_csv(tmp_path / "nothing.csv")


def mpii_line(picture: str, face: tuple[float, ...], target: tuple[float, ...]) -> str:
    return " ".join([picture, *["0"] * 20, *map(str, face), *map(str, target), "left"]) + "\n"


def test_mpiifacegaze(tmp_path: Path) -> None:
    """Straight at the camera from the side; and to its right from the middle."""
    for person, line in {
        "p00": mpii_line("day01/1.jpg", (300, 0, 400), (0, 0, 0)),
        "p01": mpii_line("day01/1.jpg", (0, 0, 500), (500, 0, 0)) + "\n",
    }.items():
        (tmp_path / person).mkdir()
        (tmp_path / person / f"{person}.txt").write_text(line)
    table = read_mpiifacegaze(tmp_path)
    assert table.kind == "angles"
    assert [row.group for row in table.rows] == ["p00", "p01"]
    assert table.rows[0].picture == tmp_path / "p00" / "day01" / "1.jpg"
    np.testing.assert_allclose([row.values for row in table.rows], [[0, 0], [45, 0]], atol=1e-4)


@pytest.mark.parametrize("text", ["day01/1.jpg 1 2\n", mpii_line("a", (0, 0, 1), (0, 0, 1)), "x " * 28, "\n"])
def test_what_is_not_mpiifacegaze(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="as MPIIFaceGaze does"):
        read_mpiifacegaze(tmp_path)
    (tmp_path / "p00").mkdir()
    (tmp_path / "p00" / "p00.txt").write_text(text)
    with pytest.raises(InputError, match=r"line 1: not a line|has no rows"):
        read_mpiifacegaze(tmp_path)


# --- angles -----------------------------------------------------------------------------------------------------------


def test_angles_against_known_ones() -> None:
    looks = {"a": (10.0, 0.0), "b": (-10.0, 0.0), "c": (0.0, 20.0), "d": (np.nan, np.nan)}
    engine = engine_of({**{name: one(*gaze) for name, gaze in looks.items()}, "e": one(0, 0)[:0]})
    truth = {"a": (13.0, 0.0), "b": (-13.0, 0.0), "c": (0.0, 20.0), "d": (0.0, 0.0), "e": (0.0, 0.0)}
    table = table_of("angles", [(name, value, "p" if name < "c" else "q") for name, value in truth.items()])
    report = evaluate_angles(table, engine=engine)
    assert (report.pictures, report.groups, report.missed) == (3, 2, 2)
    assert report.error.value == pytest.approx(2.0, abs=1e-3)
    assert report.median.value == pytest.approx(3.0, abs=1e-3)
    assert report.yaw.value == pytest.approx(2.0, abs=1e-4)
    assert report.pitch.value == pytest.approx(0.0, abs=1e-4)
    assert report.bias == pytest.approx((0.0, 0.0), abs=1e-4)
    assert report.gain == pytest.approx((10 / 13, 1.0), abs=1e-3)
    assert report.into_camera == pytest.approx((13 + 13 + 20) / 3, abs=1e-3)
    assert report.error.interval[0] <= report.error.value <= report.error.interval[1]
    json.dumps(report.to_dict())


def test_vectors_are_in_the_cameras_own_axes() -> None:
    """A face at the picture's right that looks into the camera looks to the left."""
    table = table_of("vector", [("a", (-50.0, 0.0, -50.0), "")])
    report = evaluate_angles(table, engine=engine_of({"a": one(0, 0, x=50.0)}))
    assert report.error.value == pytest.approx(0.0, abs=0.05)
    assert np.isnan(report.gain).all()


def test_what_cannot_be_measured() -> None:
    with pytest.raises(UsageError, match="of the kind 'screen', not angles or vector"):
        evaluate_angles(table_of("screen", [("a", (1, 2), "")]), engine=engine_of({}))
    with pytest.raises(UsageError, match="points nowhere"):
        evaluate_angles(table_of("vector", [("a", (0.0, 0.0, 0.0), "")]), engine=engine_of({}))
    with pytest.raises(NoFace):
        evaluate_angles(table_of("angles", [("a", (1, 2), "")]), engine=engine_of({"a": one(0, 0)[:0]}))
    with pytest.raises(NoFace, match="no picture has a face whose gaze"):
        evaluate_angles(table_of("angles", [("a", (1, 2), "")]), engine=engine_of({"a": one(np.nan, np.nan)}))


# --- screens ----------------------------------------------------------------------------------------------------------


def test_a_screen_with_one_way_of_holding_the_head_left_out() -> None:
    user = SimulatedUser(seed=4)
    points = np.tile(user.grid(3, 2), (3, 1))
    faces = user.look_at(points)
    groups = [f"head {row // 6}" for row in range(18)]
    report = evaluate_points(faces, points, groups)
    assert (report.pictures, report.groups, report.missed) == (18, 3, 0)
    assert report.error.value < report.middle
    assert 0.4 < report.expected / report.error.value < 2.5
    rows = [(str(row), tuple(point), group) for row, (point, group) in enumerate(zip(points, groups, strict=True))]
    engine = engine_of({str(row): faces[[row]] for row in range(18)})
    assert evaluate_screen(table_of("screen", rows), engine=engine) == report


def test_points_are_left_out_where_there_are_no_groups() -> None:
    user = SimulatedUser(seed=4)
    points = np.tile(user.grid(4, 2), (2, 1))
    assert evaluate_points(user.look_at(points), points, [""] * 16).groups == 8
    with pytest.raises(UsageError, match="takes 5 points"):
        evaluate_points(user.look_at(points[:5]), points[:5], [""] * 5)


# --- looks ------------------------------------------------------------------------------------------------------------


def test_the_looking_at_face_rate() -> None:
    boxes = [[100, 100, 200, 200], [600, 100, 700, 200]]
    looking = one(80, 0, boxes=boxes).only(frozenset({"gaze"}))  # the left one at the right one, who looks away
    rows = [
        ("a", (100, 100, 200, 200, 650, 150), ""),  # told, and right
        ("a", (600, 100, 700, 200, 150, 150), ""),  # looks at the left one, and is not told
        ("a", (300, 400, 400, 500, 0, 0), ""),  # nobody was found there
        ("b", (100, 100, 200, 200, 900, 500), ""),  # looks at nobody, and is told to look at a face
        ("c", (100, 100, 200, 200, 900, 500), ""),
    ]
    unknown = one(np.nan, np.nan, boxes=boxes).only(frozenset({"gaze"}))
    engine = engine_of({"a": looking, "b": looking, "c": unknown})
    report = evaluate_looks(table_of("target", rows), engine=engine)
    assert (report.faces, report.missed, report.unknown, report.at_faces) == (4, 1, 1, 2)
    assert (report.found, report.right, report.false) == (0.5, 0.5, 0.5)
    low, high = report.found_interval
    assert 0 < low < 0.5 < high < 1
    with pytest.raises(UsageError):
        evaluate_looks(table_of("angles", [("a", (1, 2), "")]), engine=engine)


# --- painted eyes -----------------------------------------------------------------------------------------------------


def drawn_eye() -> tuple[Any, Any]:
    """A picture with two dark discs on white almonds, and its mesh."""
    from mien.core.layouts import indices_of

    mesh = meshes_looking([[0, 0]], [[0, 0, 0]], pixels=3.0)[0]
    image = np.full((300, 400, 3), 180, np.uint8)
    y, x = np.mgrid[:300, :400]
    for iris, region in ((468, "right_eye"), (473, "left_eye")):
        middle = mesh[iris, :2]
        turns = np.linspace(0, 2 * np.pi, len(indices_of("mesh478", region)), endpoint=False)
        mesh[indices_of("mesh478", region), :2] = middle + np.stack([45 * np.cos(turns), 16 * np.sin(turns)], axis=1)
        image[((x - middle[0]) / 45) ** 2 + ((y - middle[1]) / 16) ** 2 < 1] = 250
        image[np.hypot(x - middle[0], y - middle[1]) < 11.7 / 2 * 3] = 40
    almond = (image != 180).any(axis=2)
    image[~almond] = 180
    return image, mesh


def dark_middle(image: Any, mesh: Any) -> float:
    """Where the dark of the right eye is, in pixels from where it was drawn."""
    x, y = mesh[468, :2].astype(int)
    part = image[y - 8 : y + 8, x - 44 : x + 44, 0] < 110
    return float(np.nonzero(part)[1].mean() - 44 + x - mesh[468, 0])


def test_painted_irises_stand_where_they_should() -> None:
    image, mesh = drawn_eye()
    before = image.copy()
    for yaw in (-20.0, 0.0, 20.0):
        painted = turn_eyes(image, mesh, (yaw, 0.0))
        moved = dark_middle(painted, mesh) - dark_middle(turn_eyes(image, mesh, (0.0, 0.0)), mesh)
        assert moved == pytest.approx(10.5 * 3 * np.sin(np.deg2rad(yaw)), abs=1.5)
        assert painted.shape == image.shape
    np.testing.assert_array_equal(image, before)


def test_what_cannot_be_painted_stays() -> None:
    image, mesh = drawn_eye()
    lost = np.full_like(mesh, np.nan)
    np.testing.assert_array_equal(turn_eyes(image, lost, (10, 0)), image)
    outside = mesh + np.array([5000, 0, 0], np.float32)
    np.testing.assert_array_equal(turn_eyes(image, outside, (10, 0)), image)
    with pytest.raises(ShapeMismatch, match=r"\(478, 2 or 3\)"):
        turn_eyes(image, mesh[:10], (10, 0))
    with pytest.raises(UsageError):
        evaluate_painted(0)


@pytest.mark.weights
@pytest.mark.slow
def test_gaze_follows_painted_eyes() -> None:
    with Engine(threads=1) as engine:
        report = evaluate_painted(4, engine=engine)
    assert report.people == 4
    assert 0.3 < report.gain.value < 1.0
    assert report.off_camera.value < 10


@pytest.mark.weights
def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A shipped portrait said to look at five points: nothing can come of it but a clear refusal."""
    import sys

    from mien import assets
    from mien.cli import main

    picture = Pillow.open(sorted(assets.FOLDER.glob("person*.jpg"))[0])
    picture.save(tmp_path / "a.jpg")
    (tmp_path / "points.csv").write_text("file,x,y\n" + "".join(f"a.jpg,{x},{x * x}\n" for x in range(6)))
    (tmp_path / "angles.csv").write_text("file,yaw,pitch\na.jpg,0,0\n")

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["mien", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0)

    assert call("evaluate", "gaze", str(tmp_path / "angles.csv"), "--threads", "1") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["pictures"], told["model"]) == ("angles", 1, "iris-geometry")
    assert call("calibrate", "gaze", str(tmp_path), "--out", str(tmp_path / "me.json"), "--threads", "1") == 2
    assert "gazes lie on one line" in capsys.readouterr().err
    assert not (tmp_path / "me.json").exists()
    assert call("calibrate", "gaze", str(tmp_path / "angles.csv"), "--out", str(tmp_path / "me.json")) == 2
    assert call("evaluate", "gaze") == 2


@pytest.mark.weights
def test_a_person_whose_eyes_are_painted_at_points_is_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from mien import assets
    from mien.cli import main
    from mien.core.image import load_image, save_image
    from mien.location.screen import Profile

    image, rows = load_image(assets.PEOPLE[2]), ["file,x,y"]
    with Engine(threads=1) as engine:
        mesh = engine.analyze(image, want={"landmarks"}).top(1).landmarks.values[0]
        for yaw in (-16, 0, 16):
            for pitch in (-12, 0, 12):
                save_image(turn_eyes(image, mesh, (yaw, pitch)), tmp_path / f"{yaw} {pitch}.png")
                rows.append(f"{yaw} {pitch}.png,{-yaw},{-pitch}")
        (tmp_path / "points.csv").write_text("\n".join(rows))
        arguments = ["calibrate", "gaze", str(tmp_path), "--out", str(tmp_path / "me.json"), "--threads", "1"]
        monkeypatch.setattr(sys, "argv", ["mien", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        told = json.loads(capsys.readouterr().out)
        assert (stop.value.code or 0, told["points"], told["unused"]) == (0, 9, 0)
        assert told["error"] < 13  # always saying the middle of the points errs by 15.6; lids do not follow up and down
        right = engine.analyze(tmp_path / "16 0.png", want={"gaze", "head"}).top(1)
        assert Profile.load(tmp_path / "me.json").predict(right).xy[0, 0] < -8
