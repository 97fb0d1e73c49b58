"""``mien.background`` on a model that takes red for people, and on real pictures and clips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import mien
from mien import assets
from mien.core.errors import ImageError, NoFace, SourceError, StorageError, UsageError
from mien.core.image import Image, load_image, save_image
from mien.media.encoding import CONTAINERS, VideoWriter
from mien.media.provenance import Provenance, provenance
from mien.media.video import open_video
from mien.swaps.backgrounds.background import Background, background, choose
from mien.swaps.backgrounds.people import territories
from tests.media.films import film, heard, sine
from tests.shared import DATA, photo
from tests.swaps import mattes
from tests.swaps.mattes import person

GREEN = np.array((0, 177, 64), np.uint8)


@pytest.fixture(scope="module")
def engine() -> Iterator[mien.Engine]:
    with mattes.engine() as made:
        yield made


def clip(path: Path, count: int = 5, **options: Any) -> Path:
    """A person who walks, at 10 frames a second; its pixels come back as they were."""
    people = [person(shift=2 * i) for i in range(count)]
    return film(path, people, rate=10, codec="ffv1", pixels="bgr0", clock=1000, **options)


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [{"blur": 9}, {"color": "#00b140"}, {"image": np.full((5, 9, 3), GREEN)}])
def test_people_stay_to_the_bit_and_all_else_is_replaced(engine: mien.Engine, option: dict[str, Any]) -> None:
    image = person()
    edit = background(image, engine=engine, **option)
    alpha = edit.layers["alpha"]
    assert edit.image.shape == image.shape
    assert (alpha == 255).mean() > 0.2
    np.testing.assert_array_equal(edit.image[alpha == 255], image[alpha == 255])
    behind = edit.image[alpha == 0]
    expected = image[0, 0] if "blur" in option else GREEN
    assert np.abs(behind.astype(int) - expected).max() <= 1
    assert edit.report["people"] == pytest.approx(alpha.mean() / 255, abs=1e-4)
    assert edit.report["matte"] == "reds"


def test_a_cut_out_keeps_nothing_of_what_was_behind(engine: mien.Engine, tmp_path: Path) -> None:
    edit = background(person(), transparent=True, engine=engine)
    assert edit.image.shape == (90, 120, 4)
    np.testing.assert_array_equal(edit.image[..., 3], edit.layers["alpha"])
    assert (edit.image[edit.image[..., 3] == 0] == 0).all()
    from PIL import Image as Pillow

    for name in ("a.png", "a.webp", "a.tif"):
        path = edit.save(tmp_path / name, quality=100)
        assert provenance(path) == edit.provenance
        with Pillow.open(path) as read:
            np.testing.assert_array_equal(np.asarray(read), edit.image)
    with pytest.raises(UsageError, match="JPEG"):
        edit.save(tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()


def test_out_writes_the_picture_with_its_mark(engine: mien.Engine, tmp_path: Path) -> None:
    edit = background(person(), blur=3, out=tmp_path / "a.png", engine=engine)
    assert edit.path == tmp_path / "a.png"
    assert provenance(edit.path) == edit.provenance
    with pytest.raises(StorageError):
        background(person(), blur=3, out=tmp_path / "gone" / "a.png", engine=engine)
    with pytest.raises(UsageError):
        background(person(), blur=3, out=tmp_path / "a.bmp", engine=engine)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_marks_are_true(engine: mien.Engine, tmp_path: Path) -> None:
    save_image(person(), tmp_path / "plain.png")
    save_image(person(), tmp_path / "made.png", xmp=Provenance.generated("gan", seed=1).to_xmp())
    plain, made = tmp_path / "plain.png", tmp_path / "made.png"

    def kind(target: Path, **options: Any) -> str | None:
        return background(target, engine=engine, **options).provenance.source_type

    assert kind(plain, blur=5) == kind(plain, transparent=True) == "algorithmicallyEnhanced"
    assert kind(plain, color="white") == kind(plain, image=plain) == "composite"
    assert kind(made, blur=5) == kind(made, transparent=True) == "trainedAlgorithmicMedia", "an edit washes nothing off"
    assert kind(made, color="white") == kind(plain, image=made) == "compositeSynthetic"
    assert background(plain, image=made, engine=engine).provenance.models == ("gan",)
    assert background(made, blur=5, engine=engine).provenance.seed is None, "which would make another picture"


@pytest.mark.parametrize("option", [{}, {"blur": 3, "color": "white"}, {"blur": 3, "transparent": True}])
def test_exactly_one_thing_stands_behind(engine: mien.Engine, option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="one of: blur, color, image, transparent"):
        background(person(), engine=engine, **option)


def test_what_cannot_be_done(engine: mien.Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        background(tmp_path / "gone.jpg", blur=3, engine=engine)
    with pytest.raises(UsageError, match="none of its sizes"):
        background(person(), blur=3, size="fine", engine=engine)
    with pytest.raises(UsageError, match="needs out="):
        background(clip(tmp_path / "a.mkv"), blur=3, engine=engine)
    with pytest.raises(UsageError, match="not in videos"):
        background(tmp_path / "a.mkv", blur=3, who=0, out=tmp_path / "b.mkv", engine=engine)
    with pytest.raises(UsageError, match=r"cannot write b\.txt"):
        background(tmp_path / "a.mkv", blur=3, out=tmp_path / "b.txt", engine=engine)
    with pytest.raises(UsageError, match="videos with alpha"):
        background(tmp_path / "a.mkv", transparent=True, out=tmp_path / "b.mp4", engine=engine)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_one_picture_after_another(engine: mien.Engine) -> None:
    change = Background(choose(image=np.full((5, 9, 3), GREEN)), engine=engine)
    for size in ((120, 90), (60, 90), (31, 17)):
        assert change.picture(person(*size)).image.shape == (size[1], size[0], 3)


# --- videos ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_video_keeps_its_sound_and_its_times_and_is_marked(engine: mien.Engine, tmp_path: Path, suffix: str) -> None:
    source = clip(tmp_path / "a.mkv", times=[0.0, 0.1, 0.5, 0.6, 0.9], sound=sine(1.0))
    out = tmp_path / f"b{suffix}"
    edit = background(source, color="#00b140", out=out, engine=engine)
    assert (edit.path, edit.report["frames"], edit.image.shape) == (out, 5, (90, 120, 3))
    assert provenance(out) == edit.provenance == Provenance.composed(Provenance())
    with open_video(out) as video:
        frames = list(video)
    np.testing.assert_allclose([frame.time for frame in frames], [0.0, 0.1, 0.5, 0.6, 0.9], atol=2e-3)
    for place, frame in enumerate(frames):
        assert np.abs(frame.image[10, 10].astype(int) - GREEN).max() < 16
        assert frame.image[60, 60 + 2 * place][0] > 200
    assert np.abs(heard(out)[1]).max() > 0.2
    with av.open(str(out)) as container:
        told = {key.lower(): value for key, value in container.metadata.items()}
    assert "digitalsourcetype/composite" in told["comment"], "for players and ffprobe"


def test_a_video_behind_and_a_marked_one(engine: mien.Engine, tmp_path: Path) -> None:
    shades = [np.full((90, 120, 3), (0, 40 * i, 250), np.uint8) for i in range(3)]
    with VideoWriter(tmp_path / "behind.mp4", rate=10, provenance=Provenance.generated("gan")) as writer:
        for shade in shades:
            writer.write(shade)
    out = background(clip(tmp_path / "a.mkv"), image=tmp_path / "behind.mp4", out=tmp_path / "b.mp4", engine=engine)
    assert out.provenance.source_type == "compositeSynthetic"
    greens = [int(frame.image[5, 5, 1]) for frame in open_video(tmp_path / "b.mp4")]
    np.testing.assert_allclose(greens, [0, 40, 80, 0, 40], atol=12)


def test_frames_as_pictures_and_a_video_of_pictures(engine: mien.Engine, tmp_path: Path) -> None:
    edit = background(clip(tmp_path / "a.mkv"), transparent=True, out=tmp_path / "f" / "%03d.png", engine=engine)
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [f"{i:03d}.png" for i in range(5)]
    assert provenance(tmp_path / "f" / "004.png") == edit.provenance
    again = background(open_video(tmp_path / "f", fps=5), blur=4, out=tmp_path / "b.mp4", engine=engine)
    assert again.report["frames"] == 5


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_a_transparent_video(engine: mien.Engine, tmp_path: Path, suffix: str) -> None:
    edit = background(clip(tmp_path / "a.mkv"), transparent=True, out=tmp_path / f"b{suffix}", engine=engine)
    assert edit.image.shape == (90, 120, 4)
    assert provenance(tmp_path / f"b{suffix}").source_type == "algorithmicallyEnhanced"


def test_a_turned_video_and_one_of_odd_size(engine: mien.Engine, tmp_path: Path) -> None:
    turned = film(tmp_path / "a.mp4", [np.rot90(person())] * 2, turn=270)
    edit = background(turned, blur=4, out=tmp_path / "b.mp4", engine=engine)
    assert edit.image.shape == (90, 120, 3)
    odd = film(tmp_path / "c.mkv", [person(61, 47)] * 2, codec="ffv1", pixels="bgr0", clock=1000)
    assert background(odd, blur=4, out=tmp_path / "d.mp4", engine=engine).image.shape == (47, 61, 3)
    with open_video(tmp_path / "d.mp4") as video:
        assert (video.width, video.height) == (62, 48)


def test_an_error_in_the_middle_leaves_nothing(engine: mien.Engine, tmp_path: Path) -> None:
    hostile: Image = np.full((90, 120, 3), mattes.HOSTILE, np.uint8)
    source = film(tmp_path / "a.mkv", [person(), person(), hostile], codec="ffv1", pixels="bgr0", clock=1000)
    for out in ("b.mp4", "f/%d.png"):
        with pytest.raises(ImageError, match="does not like"):
            background(source, blur=4, out=tmp_path / out, engine=engine)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.mkv", "f"]


def test_a_video_that_was_cut_short_is_an_error(engine: mien.Engine, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8)
    whole = film(tmp_path / "whole.mp4", list(noise), rate=5, movflags="+faststart")
    (tmp_path / "a.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"was cut short: [\d.]+ s of it are missing"):
        background(tmp_path / "a.mp4", blur=4, out=tmp_path / "b.mp4", engine=engine)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "whole.mp4"]


def test_whoever_stops_keeps_what_there_is(engine: mien.Engine, tmp_path: Path) -> None:
    change = Background(choose(blur=4), engine=engine)
    for out in ("b.mp4", "f/%d.png"):
        video = open_video(clip(tmp_path / "a.mkv"))
        with closing(change.video(video, tmp_path / out)) as frames:
            for _ in range(3):
                next(frames)
    assert len(list(open_video(tmp_path / "b.mp4"))) == 3
    assert len(list((tmp_path / "f").iterdir())) == 3
    assert provenance(tmp_path / "b.mp4")


# --- some people ----------------------------------------------------------------------------------------------------


def test_each_place_belongs_to_the_head_that_the_way_leads_to() -> None:
    """Two bodies touch at the hip; the right one's arm hangs below the left one's head."""
    levels = np.zeros((120, 160), np.uint8)
    levels[20:, 20:80] = levels[20:, 80:140] = 255
    image = np.zeros((120, 160, 3), np.uint8)
    image[:, :80], image[:, 80:] = (200, 60, 60), (60, 60, 200)
    image[90:, 60:] = (60, 60, 200)
    heads = [np.zeros_like(levels) for _ in range(2)]
    heads[0][20:40, 40:60], heads[1][20:40, 100:120] = 255, 255
    owners = territories(image, levels, heads)
    assert owners[60, 40] == 0
    assert owners[60, 120] == 1
    assert owners[100, 30] == 0
    assert owners[105, 70] == 1, "by its colour"
    assert (territories(image, levels, []) == -1).all()


@pytest.mark.weights
def test_only_the_people_who_are_named() -> None:
    size = 512
    pair = np.hstack([load_image(assets.FOLDER / f"person{n}.jpg")[:size, :size] for n in (1, 4)])
    everybody, one = background(pair, blur=20), background(pair, blur=20, who=0)
    left = one.faces.boxes[0, 0] < size
    own, other = (slice(0, size), slice(size, None)) if left else (slice(size, None), slice(0, size))
    alpha, whole = one.layers["alpha"].astype(float), everybody.layers["alpha"].astype(float)
    assert alpha[:, own].sum() > 0.97 * whole[:, own].sum()
    assert alpha[:, other].sum() < 0.03 * whole[:, other].sum()
    assert len(one.faces) == 2
    np.testing.assert_array_equal(background(pair, blur=20, who=[0, 1]).layers["alpha"], everybody.layers["alpha"])
    with pytest.raises(UsageError, match="no face has the number 2: there are 2 faces"):
        background(pair, blur=20, who=2)
    with pytest.raises(NoFace):
        background(np.zeros((64, 64, 3), np.uint8), blur=20, who=0)


# --- real -----------------------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.data
def test_a_real_picture() -> None:
    image = photo("detect_noses/010_2.jpg")
    edit = background(image, blur=20)
    alpha = edit.layers["alpha"]
    assert 0.1 < edit.report["people"] < 0.3
    np.testing.assert_array_equal(edit.image[alpha == 255], image[alpha == 255])
    assert (alpha == 255).mean() > 0.1
    before, after = (np.abs(np.diff(one.astype(int), axis=0))[alpha[1:] == 0].mean() for one in (image, edit.image))
    assert after < 0.5 * before
    assert edit.provenance.source_type == "algorithmicallyEnhanced"


@pytest.mark.weights
@pytest.mark.data
def test_a_real_clip(tmp_path: Path) -> None:
    source = DATA / "video" / "single_face.mp4"
    edit = background(source, color="#00b140", size="fast", out=tmp_path / "a.mp4")
    assert edit.report["frames"] == 72
    with open_video(tmp_path / "a.mp4") as video, open_video(source) as before:
        assert video.has_audio
        for new, old in zip(video, before, strict=True):
            assert np.abs(new.image[5, 5].astype(int) - GREEN).max() < 16
            middle = new.image[140:220, 280:340].astype(int)  # the face
            assert np.abs(middle - old.image[140:220, 280:340]).mean() < 8
