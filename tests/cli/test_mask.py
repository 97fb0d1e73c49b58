"""``mien mask`` on fake models: each style, pictures, folders and videos, its exit codes, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import mien
from mien import assets
from mien.cli import main
from mien.cli import mask as command
from mien.core.palette import region_color
from mien.core.region import Region
from mien.masks import cuts
from mien.media.video import open_video
from mien.models.catalogue import Catalogue
from tests.cli.test_commands import Run, run
from tests.engine import fakes
from tests.engine.test_engine import picture
from tests.media.films import alphas, film, sine
from tests.shared import DATA

__all__ = ["run"]  # the fixture

# The fake parser calls the upper half of each box skin and the lower half hair; the first face lies at 5, 20 to 15, 30.
SKIN, HAIR = (slice(20, 25), slice(5, 15)), (slice(25, 30), slice(5, 15))


@pytest.fixture(autouse=True)
def models(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("weights"):  # that one is of the real models
        return
    request.getfixturevalue("run")
    monkeypatch.setattr(Catalogue, "load", staticmethod(fakes.clip_catalogue))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    mien.save_image(picture(250, 200), tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip with sound, whose third frame has a second face."""
    frames = [picture(250), picture(250), picture(250, 200), picture(250), picture()]
    return film(tmp_path / "clip.mkv", frames, rate=10, codec="ffv1", pixels="bgr0", sound=sine(0.5), clock=1000)


def pixels(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as image:
        return np.asarray(image)


def levels(path: Path) -> np.ndarray:
    """Of a grey picture."""
    assert pixels(path).ndim == 2
    return pixels(path)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- styles -------------------------------------------------------------------------------------------------------


def test_a_mask_for_each_region(run: Run, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "masks"
    result = run("mask", photo, "--regions", "hair, person - hair", "--out", out)
    assert result.code == 0, result.err
    assert result.out == ""
    assert "pictures: 1, faces: 2, failed: 0; " in result.err
    assert names(out) == ["photo-png.hair.png", "photo-png.person-without-hair.png"]
    hair, rest = levels(out / "photo-png.hair.png"), levels(out / "photo-png.person-without-hair.png")
    assert hair.shape == (100, 100)
    assert (hair[HAIR] == 255).all()
    assert hair.sum() == 255 * 100
    assert (rest[SKIN] == 255).all()


def test_one_file_and_its_neighbours(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("mask", photo, "--out", tmp_path / "a.tif").code == 0
    assert (levels(tmp_path / "a.tif")[SKIN] == 255).all(), "the face, where nothing is named"
    assert run("mask", photo, "--regions", "hair,skin", "--out", tmp_path / "b.v1.png").code == 0
    assert {"b.v1.hair.png", "b.v1.skin.png"} <= set(names(tmp_path))


@pytest.mark.slow
def test_growing_and_feathering(run: Run, photo: Path, tmp_path: Path) -> None:
    for option, value in (("--grow", 2), ("--grow", -2), ("--feather", 3)):
        path = tmp_path / f"{option}{value}.png"
        assert run("mask", photo, "--regions", "hair", option, value, "--out", path).code == 0
    assert levels(tmp_path / "--grow2.png")[23, 10] == 255
    assert levels(tmp_path / "--grow-2.png")[25, 10] == 0
    assert 0 < levels(tmp_path / "--feather3.png")[23, 10] < 255


def test_a_cutout_keeps_nothing_of_the_rest(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("mask", photo, "--regions", "hair", "--style", "cutout", "--out", tmp_path / "a.png").code == 0
    whole = pixels(tmp_path / "a.png")
    assert whole.shape == (100, 100, 4)
    assert (whole[HAIR] == [250, 250, 250, 255]).all()
    assert not whole[SKIN].any()
    assert run("mask", photo, "--style", "cutout", "--crop", "--per-face", "--out", tmp_path / "each").code == 0
    assert names(tmp_path / "each") == ["photo-png.face0.cutout.png", "photo-png.face1.cutout.png"]
    assert pixels(tmp_path / "each" / "photo-png.face1.cutout.png").shape == (10, 10, 4)


def test_an_overlay(run: Run, photo: Path, tmp_path: Path) -> None:
    arguments = ("--regions", "hair,skin", "--style", "overlay", "--who", 0, "--out", tmp_path / "a.png")
    assert run("mask", photo, *arguments).code == 0
    image = mien.load_image(tmp_path / "a.png")
    for where, name in ((HAIR, "hair"), (SKIN, "skin")):
        assert np.abs(image[where] - (125 + np.array(region_color(name)) / 2)).max() <= 2
    assert (image[:15] == picture(250, 200)[:15]).all()
    assert (image[30:48, :40] == picture(250, 200)[30:48, :40]).all()
    assert run("mask", photo, "--style", "overlay", "--out", tmp_path / "b.png").code == 0
    assert (mien.load_image(tmp_path / "b.png")[30:48, :40] != picture(250, 200)[30:48, :40]).any(), "numbers of faces"
    assert run("mask", photo, "--style", "overlay", "--out", tmp_path / "drawn").code == 0
    assert names(tmp_path / "drawn") == ["photo-png.overlay.jpg"]


def test_labels_can_be_seen_and_read(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("mask", photo, "--style", "labels", "--out", tmp_path / "a.png").code == 0
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        labels, seen = np.asarray(image), np.asarray(image.convert("RGB"))
    classes = {row["name"]: row["label"] for row in json.loads((tmp_path / "a.json").read_text())["classes"]}
    assert labels[26, 10] == classes["hair"]  # corners of what are single pixels to the parser are round
    assert labels[22, 10] == classes["skin"]
    assert labels[0, 0] == classes["background"] == 0
    assert (seen[26, 10] == region_color("hair")).all()


def test_records(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("mask", photo, "--regions", "hair", "--style", "json", "--out", tmp_path / "masks").code == 0
    record = json.loads((tmp_path / "masks" / "photo-png.regions.json").read_text())
    first = record["faces"][0]
    assert (record["width"], record["height"], len(record["faces"])) == (100, 100, 2)
    assert first["box"] == [5, 20, 15, 30]
    assert first["regions"]["hair"]["box"] == [5, 25, 15, 30]
    assert first["regions"]["hair"]["area"] == 50
    assert Region.from_rle(first["regions"]["hair"]["rle"]) == Region.from_box((5, 25, 15, 30), (100, 100))
    soft = json.loads(run("mask", photo, "--regions", "hair", "--feather", 4).out)["faces"][0]["regions"]["hair"]
    inside = Region.from_rle(soft["rle"])
    assert (soft["area"], soft["box"]) == (inside.area, list(inside.bbox)), "soft edges are none of what is inside"


def test_outlines(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("mask", photo, "--regions", "hair,skin & hair", "--out", tmp_path / "a.svg").code == 0
    text = (tmp_path / "a.svg").read_text()
    assert '<g id="hair"' in text
    assert "skin" not in text, "where nothing is, nothing is drawn"
    assert 'viewBox="0 0 100 100"' in text
    assert run("mask", photo, "--regions", "hair", "--crop", "--out", tmp_path / "a.svg").code == 0
    assert 'viewBox="5 25 30 5"' in (tmp_path / "a.svg").read_text()


# --- pictures -----------------------------------------------------------------------------------------------------


def test_a_pipe_gets_records(run: Run, photo: Path, tmp_path: Path) -> None:
    result = run("mask", photo, photo, "--regions", "hair")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [len(record["faces"]) for record in records] == [2, 2]
    assert records[0]["source"] == str(photo)
    result = run("mask", photo, "--json", "--out", tmp_path / "masks")
    assert json.loads(result.out)["files"] == [str(tmp_path / "masks" / "photo-png.face.png")]


def test_a_terminal_gets_a_table_of_areas(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    result = run("mask", photo)
    assert "2 faces" in result.out
    rows = [line.split() for line in result.out.splitlines()]
    assert ["hair", "50", "50"] in rows
    assert ["skin", "50", "50"] in rows
    assert "{" not in result.out


def test_folders_of_odd_names(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "fotos ü"
    for name in ("a.png", "a.jpg", "b/a.png", "[x].png", "leer ñ.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        mien.save_image(picture(*() if "leer" in name else (250,)), folder / name)
    (folder / "broken.png").write_text("hello")
    out = folder / "masks"
    result = run("mask", folder, "--out", out)
    assert result.code == 1
    assert "pictures: 6, faces: 4, failed: 1" in result.err
    assert "broken.png" in result.err
    assert names(out) == sorted(
        ["a-jpg.face.png", "a-png.face.png", "b/a-png.face.png", "[x]-png.face.png", "leer ñ-png.face.png"]
    )
    assert not levels(out / "leer ñ-png.face.png").any(), "no face is a black mask"
    again = run("mask", folder, "--out", out)
    assert "pictures: 6," in again.err, "what is written is not read"


def test_pictures_of_one_name_do_not_meet(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("mask", photo, photo, tmp_path / "photo.png", "--out", tmp_path / "m").code == 0
    assert len(names(tmp_path / "m")) == 3


@pytest.mark.slow
def test_all_records_in_one_file(run: Run, photo: Path, tmp_path: Path) -> None:
    result = run("mask", photo, tmp_path / "none.png", "--regions", "hair", "--out", tmp_path / "all.jsonl")
    assert result.code == 1
    first, second = (json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines())
    assert first["faces"][1]["regions"]["hair"]["area"] == 50
    assert second["failure"]["kind"] == "SourceError"


def test_a_data_set_in_one_file(run: Run, photo: Path, tmp_path: Path) -> None:
    mien.save_image(picture(), tmp_path / "empty.png")
    arguments = ("--regions", "hair,skin & hair", "--style", "coco", "--out", tmp_path / "all.json")
    assert run("mask", tmp_path / "empty.png", tmp_path / "none.png", photo, *arguments).code == 1
    written = json.loads((tmp_path / "all.json").read_text())
    assert [(one["id"], Path(one["file_name"]).name) for one in written["images"]] == [
        (1, "empty.png"),
        (2, "photo.png"),
    ]
    assert [one["name"] for one in written["categories"]] == ["hair", "skin & hair"]
    first, second = written["annotations"]
    assert first["bbox"] == [5, 25, 10, 5]
    assert (first["id"], first["image_id"], first["category_id"], first["area"]) == (1, 2, 1, 50)
    assert (second["id"], second["face"], second["bbox"]) == (2, 1, [25, 25, 10, 5])
    assert Region.from_rle(first["segmentation"]) == Region.from_box((5, 25, 15, 30), (100, 100))
    assert run("mask", tmp_path / "empty.png", *arguments).code == 0
    assert json.loads((tmp_path / "all.json").read_text())["annotations"] == []


def test_a_style_that_is_written_says_where(run: Run, photo: Path) -> None:
    result = run("mask", photo, "--style", "svg")
    assert result.code == 2
    assert "the style svg is written into files" in result.err
    assert run("mask", photo, "--style", "json", "--regions", "hair").code == 0


def test_who(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("mask", photo, "--who", "1", "--out", tmp_path / "a.png").code == 0
    assert levels(tmp_path / "a.png")[22, 30] == 255
    assert levels(tmp_path / "a.png")[22, 10] == 0
    record = json.loads(run("mask", photo, "--who", "1").out)
    assert [face["face"] for face in record["faces"]] == [1]
    result = run("mask", photo, "--who", "0,2", "--out", tmp_path / "b.png")
    assert result.code == 1
    assert "photo.png: there is no face 2: 2 were found" in result.err
    assert not (tmp_path / "b.png").exists()


def test_nothing_to_cut_out_fails_by_itself(run: Run, photo: Path, tmp_path: Path) -> None:
    mien.save_image(picture(), tmp_path / "empty.png")
    arguments = (tmp_path / "empty.png", photo, "--style", "cutout", "--crop", "--json", "--out", tmp_path / "m")
    result = run("mask", *arguments)
    assert result.code == 1
    failed, fine = (json.loads(line) for line in result.out.splitlines())
    assert failed["failure"]["kind"] == "NoFace"
    assert names(tmp_path / "m") == ["photo-png.cutout.png"]
    assert fine["files"]
    assert run("mask", tmp_path / "empty.png", "--per-face", "--out", tmp_path / "n").code == 0
    assert names(tmp_path / "n") == []


def test_an_empty_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    result = run("mask", tmp_path / "none", "--out", tmp_path / "m")
    assert result.code == 1
    assert "no pictures in the folder" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--regions", "hiar"), "no region is called 'hiar'"),
        (("--regions", "hair +"), "is no expression of regions"),
        (("--regions", "hair,,skin"), "empty name"),
        (("--regions", ""), "empty name"),
        (("--who", "me"), "--who takes numbers"),
        (("--style", "gif"), "--style"),
        (("--size", "huge"), "--size"),
        (("--out", "a.xlsx"), "cannot write a.xlsx"),
        (("--out", "a.jpg", "--style", "cutout"), "cannot write a.jpg"),
        (("--out", "a.png", "b.png"), "a.png is one file"),
        (("--out", "../photo.png"), "is what is read"),
        (("--out", "a.mp4", "--style", "labels"), "the style labels does not go into a video"),
        (("--out", "a.mp4", "--per-face"), "--per-face and --crop do not go into a video"),
        (("--out", "a.mp4", "--style", "cutout"), "videos with alpha are written as .mov, .webm"),
        (("--style", "coco"), "the style coco is one file: --out ends in .json"),
        (("--style", "coco", "--out", "a.jsonl"), "cannot write a.jsonl"),
        (("--style", "labels", "--regions", "hair"), "labels is of all classes"),
        (("--style", "overlay", "--crop"), "the style overlay is of whole pictures"),
        (("--feather", "-1"), "--feather"),
        (("--feather", "5000"), "feathered by 0 to 1000"),
        (("--grow", "5000"), "grow by -1000 to 1000"),
        (("--region", "5"), "--region takes"),
        (("--region", "hair"), "named by --regions"),
        (("film.mp4",), "a video is masked by itself"),
    ],
)
def test_wrong_calls_write_nothing(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    monkeypatch.chdir(desk)
    monkeypatch.setenv("COLUMNS", "200")
    result = run("mask", photo, "--out", "masks", *arguments)
    assert result.code == 2, result.err
    assert message in result.err
    assert list(desk.iterdir()) == []


@pytest.mark.slow
def test_a_file_for_a_folder_of_pictures(run: Run, photo: Path, tmp_path: Path) -> None:
    for source in (photo.parent, photo.parent / "*.png"):
        assert run("mask", source, "--out", tmp_path / "a.png").code == 2


@pytest.mark.slow
def test_what_cannot_be_written_is_known_before_the_work(
    run: Run, photo: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(cuts.Wanted, "of", seen.append)
    (tmp_path / "file").touch()
    for name in ("a.png", "masks", "a.jsonl"):
        assert run("mask", photo, "--out", tmp_path / "file" / name).code == 1
    assert run("mask", clip, "--out", tmp_path / "file" / "a.mp4").code == 1
    assert not seen


# --- videos -------------------------------------------------------------------------------------------------------


def test_a_video_of_masks(run: Run, clip: Path, tmp_path: Path) -> None:
    result = run("mask", clip, "--regions", "skin,hair", "--every", 1, "--out", tmp_path / "a.mp4")
    assert result.code == 0, result.err
    assert "frames: 5, faces: 5, failed: 0" in result.err
    with open_video(tmp_path / "a.mp4") as video:
        frames = [frame.image for frame in video]
        assert not video.has_audio
    assert frames[0][22:28, 7:13].min() > 200
    assert frames[0][22:28, 27:33].max() < 50
    assert frames[2][22:28, 27:33].min() > 200
    assert frames[4].max() < 50, "nobody is there"


def test_overlays_keep_the_sound_and_cutouts_have_alpha(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("mask", clip, "--every", 1, "--style", "overlay", "--out", tmp_path / "a.mkv").code == 0
    with open_video(tmp_path / "a.mkv") as video:
        assert video.has_audio
        assert len(list(video)) == 5
    assert run("mask", clip, "--every", 1, "--style", "cutout", "--out", tmp_path / "a.mov").code == 0
    shown = alphas(tmp_path / "a.mov")
    assert len(shown) == 5
    assert shown[0][22:28, 7:13].min() > 250
    assert shown[0][60:].max() < 5
    with open_video(tmp_path / "a.mov") as video:
        assert video.has_audio


@pytest.mark.slow
def test_frames_of_a_video_in_a_folder_and_as_records(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("mask", clip, "--every", 1, "--out", tmp_path / "m").code == 0
    assert names(tmp_path / "m") == [f"{number:06d}.face.png" for number in range(5)]
    assert run("mask", clip, "--every", 1, "--regions", "hair", "--out", tmp_path / "a.jsonl").code == 0
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [record["frame"] for record in records] == [0, 1, 2, 3, 4]
    assert [face["face"] for face in records[2]["faces"]] == [1, 2], "people, by their tracks"


def test_who_is_not_in_the_video(run: Run, clip: Path) -> None:
    result = run("mask", clip, "--every", 1, "--regions", "hair", "--who", "2,7")
    assert result.code == 1
    assert "nobody in the video is 7; there are 1, 2." in result.err
    assert [len(json.loads(line)["faces"]) for line in result.out.splitlines()] == [0, 0, 1, 0, 0], "all the same"


@pytest.mark.slow
def test_pictures_in_a_row_become_a_video(run: Run, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        mien.save_image(picture(250), folder / f"{number}.png")
    assert run("mask", folder, "--fps", 5, "--out", tmp_path / "a.mp4").code == 0
    with open_video(tmp_path / "a.mp4") as video:
        assert [round(frame.time, 2) for frame in video] == [0.0, 0.2, 0.4]


def test_ctrl_c_completes_what_there_is(run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(value: Any) -> None:
        if value["frame"] == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(command, "print_json", interrupt)
    before = signal.getsignal(signal.SIGINT)
    result = run("mask", clip, "--json", "--every", 1, "--out", tmp_path / "a.mp4")
    assert result.code == 1
    assert "stopped after 3 frames" in result.err
    with open_video(tmp_path / "a.mp4") as video:
        assert len(list(video)) == 3
    assert signal.getsignal(signal.SIGINT) is before
    assert not list(tmp_path.glob("*.part"))


def test_what_is_no_video(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    for source in (tmp_path / "text.mp4", tmp_path / "none.mp4"):
        result = run("mask", source, "--out", tmp_path / "a.mp4")
        assert result.code == 1
        assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "a.mp4").exists()


# --- real models --------------------------------------------------------------------------------------------------


def real(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["mien", "mask", *map(str, arguments), "--threads", "1"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code


@pytest.mark.weights
def test_real_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real(monkeypatch, assets.GROUP, "--style", "overlay", "--out", tmp_path / "a.png")
    real(monkeypatch, assets.FOLDER / "person3.jpg", "--regions", "hair,face", "--out", tmp_path)
    hair, face = levels(tmp_path / "person3-jpg.hair.png"), levels(tmp_path / "person3-jpg.face.png")
    assert 0.35 < (hair > 127).mean() < 0.55
    assert 0.2 < (face > 127).mean() < 0.35
    assert ((hair > 127) & (face > 127)).mean() < 0.01
    assert (hair[:20, 150:300] > 127).mean() > 0.9
    changed = np.abs(mien.load_image(tmp_path / "a.png").astype(int) - mien.load_image(assets.GROUP)).max(axis=2) > 20
    assert 0.2 < changed.mean() < 0.6


@pytest.mark.weights
def test_the_outline_of_a_matte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = assets.FOLDER / "person3.jpg"
    for name, options in {"hard.png": (), "soft.png": ("--matte",)}.items():
        real(monkeypatch, photo, "--regions", "hair", *options, "--style", "cutout", "--out", tmp_path / name)
    hard, soft = pixels(tmp_path / "hard.png"), pixels(tmp_path / "soft.png")
    edge = (soft[..., 3] > 30) & (soft[..., 3] < 225)
    assert edge.mean() > 1.5 * ((hard[..., 3] > 30) & (hard[..., 3] < 225)).mean()
    both = (hard[..., 3] > 127) & (soft[..., 3] > 127)
    assert both.sum() > 0.9 * (hard[..., 3] > 127).sum(), "it is the same hair"
    face = (slice(230, 300), slice(200, 290))
    assert soft[face][..., 3].max() == 0, "and no face"


@pytest.mark.weights
def test_a_matte_that_goes_on_where_parsing_ends_has_no_seam() -> None:
    masks = mien.mask(assets.FOLDER / "person3.jpg")
    everywhere = Region.full(masks.size)
    cut = cuts.Cut(masks, mien.default_engine(), cuts.Wanted(regions=("person",)), (0,), everywhere)
    reach = cuts.HAIRS * float(masks.faces.heights[0])
    assert cut.regions["person"] == masks.person.dilate(reach)


@pytest.mark.data
@pytest.mark.weights
def test_a_real_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DATA / "video" / "single_face.mp4"
    real(monkeypatch, source, "--regions", "face", "--size", "fast", "--out", tmp_path / "a.mp4")
    with open_video(tmp_path / "a.mp4") as video:
        shares = [(frame.image[..., 0] > 127).mean() for frame in video]
    assert len(shares) == 72
    assert 0.05 < min(shares) < max(shares) < 0.2
    assert max(shares) < 1.25 * min(shares)
