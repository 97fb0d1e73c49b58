"""Signs of another grid of pixels, on simulated screens and prints."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.assets import GROUP, PEOPLE
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine
from mien.evaluation.rephotographs import Rephotograph, rephotograph
from mien.features.genuine.live_cues import CUE_NAMES, LiveCues
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions
from tests.engine.fakes import card


@pytest.fixture(scope="module")
def step() -> LiveCues:
    return LiveCues(Bundle(Catalogue.load()["live-cues"], {}, SessionOptions()))


def natural(seed: int = 0, side: int = 160) -> Image:
    """Noise whose spectrum falls as those of photographs do, in brownish grey."""
    across = np.fft.fftfreq(side)
    fall = 1 / np.maximum(np.hypot(across[:, None], across), 1 / side) ** 1.2
    waves = np.fft.fft2(np.random.default_rng(seed).normal(0, 1, (side, side))) * fall
    plane = np.fft.ifft2(waves).real
    plane = 110 + 35 * plane / plane.std()
    return np.asarray(np.clip(plane[..., None] * (1.1, 0.9, 0.75), 0, 255), np.uint8)


def cues(
    step: LiveCues, *images: Image, box: tuple[float, float, float, float] = (16, 16, 144, 144)
) -> NDArray[np.float32]:
    faces = Faces.from_boxes([box] * len(images))
    return step.describe(Batch(images, np.arange(len(images)), faces))["live_cues"].values


def test_a_grid_is_seen_in_brightness_or_in_colour(step: LiveCues) -> None:
    plain = natural()
    y, x = np.mgrid[: len(plain), : len(plain)]
    wave = 8 * np.sin(2 * np.pi * (0.23 * x + 0.17 * y))
    waved = np.clip(plain + wave[..., None], 0, 255).astype(np.uint8)
    coloured = np.clip(plain + wave[..., None] * (1, 0, -1), 0, 255).astype(np.uint8)
    none, brightness, colour = cues(step, plain, waved, coloured)
    assert none[0] < 0.5
    assert brightness[0] > 0.9
    assert colour[1] > 0.9


def test_haze_and_an_edge_around_the_face(step: LiveCues) -> None:
    plain = np.pad(natural(), ((80, 80), (80, 80), (0, 0)), mode="reflect")
    plain[:, :] = plain // 3
    hazy = np.clip(plain.astype(int) // 2 + 120, 0, 255).astype(np.uint8)
    framed = plain.copy()
    framed[70:76, 70:250] = framed[244:250, 70:250] = framed[70:250, 70:76] = framed[70:250, 244:250] = 250
    values = cues(step, plain, hazy, framed, box=(110, 110, 210, 210))
    haze, frame = values[:, CUE_NAMES.index("haze")], values[:, CUE_NAMES.index("frame")]
    assert haze[1] > 0.9 > haze[0]
    assert frame[2] == 1 > frame[0]


def test_none_one_and_too_small(step: LiveCues) -> None:
    nobody = step.describe(Batch([], np.zeros(0, np.intp), Faces.empty()))["live_cues"]
    assert nobody.shape == (0, len(CUE_NAMES))
    faces = Faces.from_boxes([[0, 0, 40, 60], [0, 0, 160, 160], [-30, -30, 500, 500]])
    column = step.describe(Batch([natural()], np.zeros(3, np.intp), faces))["live_cues"]
    assert column.abstained.tolist() == [True, False, False]
    assert column.reasons[0] == "the face is 40 pixels wide, and 48 are needed"
    assert (column.values[1:] >= 0).all()
    assert (column.values[1:] <= 1).all()


def test_a_card_that_says_nothing() -> None:
    with pytest.raises(CardError, match="lacks"):
        LiveCues(Bundle(card("made-up", "Runner", ("live_cues",)), {}, SessionOptions()))


def test_a_rephotograph_is_the_same_each_time_and_keeps_the_colours() -> None:
    image = natural(side=100)
    how = Rephotograph(kind="screen", pitch=1.4, cast=0, ambient=0, noise=0, edges=False, turn=0, tilt=0)
    for kind, darker in (("screen", 1.0), ("print", 0.8), ("halftone", 0.8)):
        again = Rephotograph(**{**vars(how), "kind": kind})
        shown = rephotograph(image, again, seed=3, side=80)
        np.testing.assert_array_equal(shown, rephotograph(image, again, seed=3, side=80))
        assert shown.shape == (80, 80, 3)
        wanted = np.mean((image[10:90, 10:90] / 255) ** 2.2) * darker
        assert np.mean((shown / 255) ** 2.2) == pytest.approx(wanted, rel=0.25)


@pytest.mark.weights
def test_a_screen_and_a_print_of_a_person_who_does_not_exist() -> None:
    """On real photographs, and what came of all of them: ``benchmarks/liveness.py``."""
    image = load_image(PEOPLE[0])
    with Engine(threads=1) as engine:
        found = {}
        for kind in ("screen", "halftone"):
            shown = rephotograph(image, Rephotograph(kind=kind, pitch=1.8), seed=1, side=480)
            found[kind] = engine.analyze(shown, want={"live_cues"}, max_faces=1).live_cues[0]
        assert found["screen"].named("moire") > 0.9
        assert found["screen"].named("grid") > 0.9
        assert found["halftone"].named("moire") > 0.9
        table = engine.analyze(GROUP, want={"live_cues"}).live_cues
        assert np.nanmean(table.named("frame")) > 0.3
