"""High dynamic range on an ordinary screen, against the numbers of the standards."""

from __future__ import annotations

import numpy as np
import pytest

from mien.media.tones import CURVES, to_ordinary


def grey(level: float) -> np.ndarray:
    return np.full((2, 2, 3), round(level * 255), np.uint8)


def test_the_curves_are_those_of_the_standards() -> None:
    # ITU-R BT.2408, table 1: nits of some levels of PQ, and of HLG on a screen of 1000 nits.
    levels = np.array([0.58, 0.75])
    assert CURVES[16](levels)[0] == pytest.approx(203, rel=0.02)
    assert CURVES[18](levels)[1] == pytest.approx(203, rel=0.02)
    assert CURVES[16](np.array([0.0, 1.0])).tolist() == pytest.approx([0, 10_000])
    assert CURVES[18](np.array([0.0, 1.0])).tolist() == pytest.approx([0, 1000], abs=1)


@pytest.mark.parametrize("curve", CURVES)
def test_black_white_and_between(curve: int) -> None:
    shown = [int(to_ordinary(grey(level / 40), curve)[0, 0, 0]) for level in range(41)]
    assert shown[0] <= 1
    assert shown[-1] == 255
    assert (np.diff(shown) >= 0).all()
    white = {16: 0.58, 18: 0.75}[curve]
    assert 230 <= to_ordinary(grey(white), curve)[0, 0, 1] <= 250


def test_grey_stays_grey_and_red_gets_stronger() -> None:
    image = to_ordinary(grey(0.45), 16)
    assert np.ptp(image.astype(int), axis=2).max() <= 1
    red = np.array([[[120, 90, 80]]], np.uint8)
    before, after = red[0, 0].astype(int), to_ordinary(red, 16)[0, 0].astype(int)
    assert after[0] - after[2] > before[0] - before[2]
