"""The editor with an effect that inverts faces: pictures, videos, whom, previews, and going on after a crash."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import mien
from mien import assets
from mien.core.errors import ImageError, NoFace, UsageError
from mien.core.image import load_image
from mien.media.provenance import Provenance, provenance
from mien.media.video import open_video
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Changed, Shot
from mien.swaps.plate import Plate, join
from tests import clips
from tests.media.films import film, sine

pytestmark = pytest.mark.weights


class Invert:
    """Inverts the middle of each face; notes what it was given."""

    needs = frozenset({"landmarks"})

    def __init__(self, amount: int = 255) -> None:
        self.report = {"effect": "invert", "amount": amount}
        self.seen: list[Shot] = []

    def mark(self, source: Provenance) -> Provenance:
        return Provenance.manipulated(source)

    def start(self) -> Invert:
        return self

    def apply(self, shot: Shot) -> Changed:
        self.seen.append(shot)
        image, masks = shot.image.copy(), []
        for row in shot.rows:
            plate = Plate.around(shot.image, shot.faces.landmarks.values[row])
            assert plate is not None
            alpha = np.zeros(plate.image.shape[:2], np.float32)
            alpha[20:-20, 20:-20] = 1
            plate.put(image, 255 - plate.image, alpha)
            masks.append(plate.region(alpha, shot.faces.image_size))
        layers = {"twice": image} if shot.layers else {}
        return Changed(image=image, mask=join(masks, shot.faces.image_size), layers=layers)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people who stand beside each other for 12 frames, with a tone; pixels come back as they were."""
    actors = [
        clips.Actor(1, "person1", [(0, 0.45, 0.5, 0.5), (2, 0.45, 0.5, 0.5)]),
        clips.Actor(2, "person4", [(0, 1.3, 0.5, 0.5), (2, 1.3, 0.5, 0.5)]),
    ]
    scene = clips.Scene("pair", [clips.Shot(0.48, actors)], noise=0)
    pictures = [frame.image for frame, _ in scene.frames()]
    path = tmp_path_factory.mktemp("pair") / "pair.mkv"
    return film(path, pictures, rate=25, codec="ffv1", pixels="bgr0", clock=1000, sound=sine(0.48))


def changed_columns(path: Path, editor: Editor, out: Path, **options: Any) -> list[tuple[int, int]]:
    """Of each frame the first and the last column that differ from the source."""
    originals = [frame.image for frame in open_video(path)]
    spans = []
    with closing(editor.video(open_video(path), out, **options)) as frames:
        for frame, original in zip(frames, originals, strict=True):
            columns = np.flatnonzero((frame.image != original).any(axis=(0, 2)))
            spans.append((int(columns.min()), int(columns.max())) if len(columns) else (0, 0))
    return spans


def test_a_picture_is_changed_within_its_mask_alone_and_marked(tmp_path: Path) -> None:
    image = load_image(assets.PEOPLE[0])
    effect = Invert()
    edit = Editor(effect, who="largest").picture(image)
    outside = edit.layers["mask"] == 0
    np.testing.assert_array_equal(edit.image[outside], image[outside])
    assert (edit.image != image).any()
    assert edit.layers["twice"] is edit.image
    assert edit.report["effect"] == "invert"
    assert len(effect.seen[0].rows) == 1
    path = edit.save(tmp_path / "a.png")
    assert provenance(path).source_type == "compositeSynthetic"


def test_several_faces_and_no_word_and_nobody(shared_data: Path) -> None:
    with pytest.raises(UsageError, match="say which with who="):
        Editor(Invert()).picture(assets.GROUP)
    with pytest.raises(NoFace):
        Editor(Invert()).picture(assets.LANDSCAPE)


def test_in_a_video_who_stays_the_same_and_the_sound_is_kept(pair: Path, tmp_path: Path) -> None:
    editor = Editor(Invert(), who="rightmost")
    spans = changed_columns(pair, editor, tmp_path / "a.mp4")
    assert len(spans) == 12
    assert all(first > 320 for first, _ in spans)
    written = open_video(tmp_path / "a.mp4")
    assert written.has_audio
    written.close()
    assert provenance(tmp_path / "a.mp4").synthetic
    changed_columns(pair, editor, tmp_path / "b.mp4", audio=False)
    silent = open_video(tmp_path / "b.mp4")
    assert not silent.has_audio
    silent.close()


def test_a_preview_is_a_frame_of_the_video(pair: Path, tmp_path: Path) -> None:
    editor = Editor(Invert(), who="rightmost")
    with closing(editor.video(open_video(pair), tmp_path / "a.mkv")) as frames:
        whole = [frame.image for frame in frames]
    edit = editor.preview(open_video(pair), at=0.2)
    assert edit.report["time"] == pytest.approx(0.2)
    np.testing.assert_array_equal(edit.image, whole[5])
    assert edit.layers["mask"].any()
    with pytest.raises(NoFace, match="from 9 s on"):
        editor.preview(open_video(pair), at=9)


def test_what_was_broken_off_goes_on_and_is_the_same(pair: Path, tmp_path: Path) -> None:
    whole = changed_columns(pair, Editor(Invert(), who="all"), tmp_path / "whole.mkv")
    journal = tmp_path / "run.journal"
    first, second = Invert(), Invert()
    with closing(Editor(first, who="all").video(open_video(pair), tmp_path / "a.mkv", resume=journal)) as frames:
        for _ in range(5):
            next(frames)
    (tmp_path / "a.mkv").unlink()  # what was written up to there
    assert changed_columns(pair, Editor(second, who="all"), tmp_path / "a.mkv", resume=journal) == whole
    assert len(first.seen) + len(second.seen) <= 13
    assert len(second.seen) <= 7
    assert not journal.exists()


def test_another_edit_does_not_go_on_with_a_journal(pair: Path, tmp_path: Path) -> None:
    with closing(Editor(Invert(), who=1).video(open_video(pair), tmp_path / "a.mkv", resume=tmp_path / "j")) as frames:
        next(frames)
    with pytest.raises(UsageError, match="of another edit"):
        Editor(Invert(amount=9), who=1).video(open_video(pair), tmp_path / "a.mkv", resume=tmp_path / "j")


def test_a_video_that_ends_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    pictures = [np.asarray(load_image(assets.GROUP))[:430, :640]] * 40
    path = film(tmp_path / "whole.mp4", pictures, rate=25)
    data = path.read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: int(len(data) * 0.6)])
    with pytest.raises((ImageError, UsageError)):
        edited(tmp_path / "half.mp4", Editor(Invert(), who="all"), out=tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_video_needs_out_and_gives_its_first_frame(pair: Path, tmp_path: Path) -> None:
    editor = Editor(Invert(), who="all")
    with pytest.raises(UsageError, match="out="):
        edited(pair, editor)
    edit = edited(pair, editor, out=tmp_path / "a.mp4")
    assert edit.path == tmp_path / "a.mp4"
    assert edit.report["frames"] == 12
    assert edit.image.shape == (360, 640, 3)
    assert isinstance(edit, mien.Edit)


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    small = np.asarray(load_image(assets.PEOPLE[0]))[::2, ::2]
    words = small.astype(np.uint16) * 257 + np.random.default_rng(0).integers(0, 100, small.shape).astype(np.uint16)
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"in{number}.png"), words[..., ::-1])
    editor = Editor(Invert())
    edit = editor.picture(tmp_path / "in0.png")
    assert edit.deep is not None
    outside = edit.layers["mask"] == 0
    kept = cv2.imdecode(np.frombuffer(edit.deep.changed(edit.image).encode(".png"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert kept is not None
    np.testing.assert_array_equal(kept[..., ::-1][outside], words[outside])
    with closing(editor.video(open_video(str(tmp_path / "in*.png")), tmp_path / "out%02d.png")) as frames:
        assert len(list(frames)) == 2
    for path in (edit.save(tmp_path / "one.png"), tmp_path / "out01.png"):
        written = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert written is not None
        assert written.dtype == np.uint16
        assert provenance(path).synthetic
