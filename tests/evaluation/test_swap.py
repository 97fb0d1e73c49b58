"""``mien evaluate swap|anonymization`` on edits whose worth is known: one that does nothing, and one that does all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import mien
from mien import assets
from mien.core.errors import NoFace, SourceError, UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.evaluation.anonymization import evaluate_anonymization
from mien.evaluation.swap import choose_judges, evaluate_swap, flicker, seam
from mien.evaluation.swap_tables import Sheet, anonymization_tables, swap_tables
from mien.media.provenance import Provenance
from mien.swaps.edit import Edit


def edit(image: Image, mask: int = 255) -> Edit:
    return Edit(
        image, Provenance.manipulated(), Faces.empty(), layers={"mask": np.full(image.shape[:2], mask, np.uint8)}
    )


def test_a_step_along_the_outline_is_a_seam_and_a_smooth_picture_has_none() -> None:
    y, x = np.mgrid[:80, :80]
    smooth = np.repeat((80 + x + y)[..., None], 3, axis=2).astype(np.uint8)
    levels = np.where(np.hypot(x - 40, y - 40) < 20, 255, 0).astype(np.uint8)
    stepped = np.where(levels[..., None] > 0, smooth + np.uint8(30), smooth)
    assert seam(smooth, smooth, levels) == pytest.approx(1)
    assert seam(smooth, stepped, levels) > 2.5
    assert np.isnan(seam(smooth, stepped, np.zeros_like(levels)))


def test_what_comes_and_goes_flickers_and_what_moves_on_does_not() -> None:
    still = [np.full((40, 40, 3), 100, np.uint8)] * 6
    masks = [np.full((40, 40), 255, np.uint8)] * 6
    brighter = [np.full((40, 40, 3), 100 + 5 * i, np.uint8) for i in range(6)]
    blinking = [np.full((40, 40, 3), 100 + 20 * (i % 2), np.uint8) for i in range(6)]
    noisy = [np.full((40, 40, 3), 100 + 2 * (i % 2), np.uint8) for i in range(6)]
    assert flicker(noisy, noisy, masks) == pytest.approx(1)
    assert flicker(noisy, [n + b - 100 for n, b in zip(noisy, brighter, strict=True)], masks) == pytest.approx(
        1, abs=0.01
    )
    assert flicker(noisy, blinking, masks) > 8
    assert np.isnan(flicker(still[:2], still[:2], masks[:2]))


def test_a_sheet_is_of_a_dozen_and_synthetic_as_soon_as_one_is() -> None:
    sheet, plain = Sheet(), Sheet()
    plain.add([np.zeros((9, 5, 3), np.uint8)] * 3, Provenance())
    assert not plain.mark.synthetic
    for _ in range(20):
        sheet.add([np.zeros((9, 5, 3), np.uint8)] * 3, Provenance.manipulated())
    assert sheet.mark.synthetic
    assert sheet.image.shape == (6 * 240, 6 * 240, 3)


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portraits")
    for path in assets.PEOPLE[:5]:
        shutil.copy(path, folder)
    return folder


@pytest.mark.weights
def test_a_swap_that_gives_the_source_is_all_the_sources(portraits: Path) -> None:
    found = evaluate_swap(portraits, swapper=lambda target, source: edit(source), limit=4, judges=["sface"])
    assert found.people == 5
    assert len(found.pairs) == 4
    assert found.closer["sface"].value == found.found["sface"].value == 1
    assert found.to_source["sface"].value == pytest.approx(1, abs=1e-3)
    assert found.before["sface"].value < 0.3
    assert found.pose.value > 1  # it is the source's pose, not the target's
    assert found.untouched == 1  # nothing is outside of that mask
    assert [table.title for table in swap_tables(found)] == ["Whose face it is", "Off the target"]


@pytest.mark.weights
def test_a_swap_that_does_nothing_is_all_the_targets_and_one_that_strays_is_noticed(portraits: Path) -> None:
    found = evaluate_swap(portraits, swapper=lambda target, source: edit(target, 0), limit=3, judges=["sface"])
    assert found.closer["sface"].value == 0
    assert found.pose.value == pytest.approx(0, abs=0.1)
    assert found.expression.value == pytest.approx(0, abs=1e-3)

    def strays(target: Image, source: Image) -> Edit:
        changed = target.copy()
        changed[0, 0, 0] ^= 1
        return edit(changed, 0)

    assert evaluate_swap(portraits, swapper=strays, limit=2, judges=["sface"]).untouched == 0

    def refuses(target: Image, source: Image) -> Edit:
        raise UsageError("no.")

    refused = evaluate_swap(portraits, swapper=refuses, limit=2, judges=["sface"])
    assert refused.refused == {"no.": 2}
    assert np.isnan(refused.closer["sface"].value)
    assert swap_tables(refused)[-1].rows == (("no.", "2"),)


@pytest.mark.weights
def test_nobody_judges_their_own_work() -> None:
    with mien.Engine() as engine:
        assert engine.choose("embedding").id not in choose_judges(engine)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder"):
        evaluate_swap(tmp_path / "none", swapper=lambda a, b: edit(a), judges=["sface"])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for person, pair in enumerate(assets.PAIRS):
        (folder / f"p{person}").mkdir()
        for path in pair:
            shutil.copy(path, folder / f"p{person}")
    return folder


@pytest.mark.weights
def test_hiding_nothing_hides_nobody_and_grey_hides_all(people: Path) -> None:
    found = evaluate_anonymization(people, hider=lambda image: edit(image, 0), judges=["sface"])
    assert (found.people, found.pictures) == (2, 4)
    judge = found.judges["sface"]
    assert judge.before.value == judge.after.value == judge.same.value == judge.ranked_after.value == 1
    assert judge.nearest == pytest.approx(1, abs=1e-3)
    assert found.visible.value == 1
    assert found.pose.value == pytest.approx(0, abs=0.1)
    grey = evaluate_anonymization(people, hider=lambda image: edit(np.full_like(image, 127)), judges=["sface"])
    hidden = grey.judges["sface"]
    assert hidden.before.value == 1
    assert hidden.after.value == hidden.same.value == grey.visible.value == 0
    assert np.isnan(grey.pose.value)
    assert [table.title for table in anonymization_tables(grey)] == ["Who is recognised", "What is left"]


@pytest.mark.weights
def test_people_who_cannot_be_hidden_are_counted(people: Path, tmp_path: Path) -> None:
    def fails(image: Image) -> Edit:
        raise UsageError("no.")

    with pytest.raises(NoFace, match="0 people"):
        evaluate_anonymization(people, hider=fails, judges=["sface"])
    with pytest.raises(SourceError, match="no folder"):
        evaluate_anonymization(tmp_path / "none", hider=fails, judges=["sface"])
