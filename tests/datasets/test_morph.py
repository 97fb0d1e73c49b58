"""Morphs and pasted faces: what they are made of, that they are marked, and sets of forgeries that are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien import assets
from mien.core.errors import NoFace, SourceError, UsageError
from mien.core.image import load_image, save_image
from mien.core.layouts import indices_of
from mien.datasets.morph import match_color, morph, open_portrait, soft_face
from mien.datasets.pasting import paste_face
from mien.datasets.readers.forgeries import read_forgeries
from mien.engine import Engine
from mien.media.provenance import provenance
from mien.media.watermark import embed


def outline(center: float = 100.0, radius: float = 50.0) -> np.ndarray:
    points = np.full((468, 2), float(center))
    oval = indices_of("mesh478", "face_oval")
    turns = np.linspace(0, 2 * np.pi, len(oval), endpoint=False)
    points[oval] += radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return points


def test_a_soft_face_ends_inside_of_its_outline() -> None:
    levels = soft_face(outline(), (200, 200))
    assert levels[100, 100] == 1
    assert levels[100, 151] < 0.02
    assert levels[30, 30] == 0
    assert (np.diff(levels[100, 100:]) <= 1e-6).all()


def test_colours_are_matched_within_the_face() -> None:
    rng = np.random.default_rng(0)
    warm, cold = (
        np.clip(np.array(mean) + rng.normal(0, 10, (200, 200, 3)), 0, 255).astype(np.uint8)
        for mean in ([170, 120, 100], [100, 120, 170])
    )
    found = match_color(warm, cold, outline(), outline())
    np.testing.assert_allclose(found[80:120, 80:120].mean(axis=(0, 1)), [100, 120, 170], atol=2)
    np.testing.assert_array_equal(match_color(warm, cold, outline(center=-900), outline()), warm)


def test_options_out_of_range() -> None:
    with pytest.raises(UsageError, match="alpha is between"):
        morph("a.jpg", "b.jpg", alpha=1.5)
    with pytest.raises(UsageError, match="whole or face"):
        morph("a.jpg", "b.jpg", part="half")


def folders(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def test_the_folders_of_faceforensics(tmp_path: Path) -> None:
    manipulated = (
        "manipulated_sequences/Deepfakes/c23/videos/519_515.mp4",
        "manipulated_sequences/FaceSwap/634_660.mp4",
    )
    found = read_forgeries(
        folders(tmp_path, "original_sequences/youtube/c23/videos/519.mp4", *manipulated, "notes.txt")
    )
    assert [(one.path.name, one.forged, one.method, one.group) for one in found] == [
        ("519.mp4", False, "", "519"),
        ("519_515.mp4", True, "Deepfakes", "519"),
        ("634_660.mp4", True, "FaceSwap", "634"),
    ]
    assert all(one.moves for one in found)


def test_real_pictures_that_are_held_against_one_method(tmp_path: Path) -> None:
    found = read_forgeries(
        folders(tmp_path, "real/ada/1.jpg", "real/pasted/p1.png", "fake/pasted/p1_p2.png", "fake/else.jpg")
    )
    assert [(one.path.name, one.method, one.group) for one in found] == [
        ("1.jpg", "", "ada"),
        ("p1.png", "pasted", "p1"),
        ("else.jpg", "fake", "else"),
        ("p1_p2.png", "pasted", "p1"),
    ]


def test_sets_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folders original_sequences and manipulated_sequences or real and fake"):
        read_forgeries(tmp_path)
    folders(tmp_path, "real/a.jpg", "fake/readme.txt")
    with pytest.raises(SourceError, match="no forged pictures"):
        read_forgeries(tmp_path)


@pytest.mark.weights
def test_two_people_in_one_portrait(tmp_path: Path) -> None:
    with Engine(threads=1) as engine:
        one, other = (open_portrait(person, engine=engine) for person in (assets.PEOPLE[3], assets.PEOPLE[4]))
        none = morph(one, other, alpha=0, engine=engine)
        half = morph(one, other, part="face", engine=engine)
        whole = morph(one, other, engine=engine)
        pasted = paste_face(one, other, engine=engine)
        with pytest.raises(NoFace, match="a picture to morph"):
            morph(np.full((64, 64, 3), 90, np.uint8), one, engine=engine)
    # With nothing of the second person the picture is as it was, but for being drawn over a mesh.
    assert np.abs(none.image.astype(int) - one.image).mean() < 2
    alike = half.report["similarity"]
    assert alike["people"] + 0.05 < min(alike["first"], alike["second"])
    assert alike["second"] < none.report["similarity"]["first"]
    # Beyond the face the one is the first picture, and the other of both.
    corner = np.s_[:40, :40]
    assert np.abs(half.image[corner].astype(int) - one.image[corner]).mean() < 3
    assert np.abs(whole.image[corner].astype(int) - one.image[corner]).mean() > 3
    theirs = pasted.faces.embedding.values[0] @ np.stack([one.vector, other.vector]).T
    assert theirs[1] > theirs[0]
    for number, edit in enumerate((half, pasted)):
        path = edit.save(tmp_path / f"{number}.png")
        assert provenance(path).source_type == "compositeSynthetic"
        assert provenance(path).synthetic
        np.testing.assert_array_equal(load_image(path), embed(edit.image, "compositeSynthetic"))  # its invisible mark


@pytest.mark.weights
def test_pictures_of_cameras_become_synthetic_too(tmp_path: Path) -> None:
    save_image(load_image(assets.PEOPLE[2]), tmp_path / "plain.png")
    with Engine(threads=1) as engine:
        edit = paste_face(tmp_path / "plain.png", load_image(assets.PEOPLE[3]), engine=engine)
    assert edit.provenance.synthetic
    assert not edit.provenance.models
