from __future__ import annotations

import numpy as np
import pytest

from mien.core.alignment import usable_alignment
from mien.core.columns import Points
from mien.core.faces import ALIGNMENT_NAMES
from mien.core.geometry import TEMPLATES

PLACE = TEMPLATES["arcface112"].points_at(112)


def test_points_that_align_nothing_abstain_with_the_reason() -> None:
    one_missing, infinite = PLACE.copy(), PLACE.copy()
    one_missing[2, 1], infinite[0, 0] = np.nan, np.inf
    values = np.stack([PLACE, one_missing, infinite, PLACE * 0 + 9, PLACE * np.nan])
    given = Points(values, names=ALIGNMENT_NAMES, reasons=(None, None, None, None, "no mesh"))
    usable = usable_alignment(given)
    assert usable.names == ALIGNMENT_NAMES
    assert usable.abstained.tolist() == [False, True, True, True, True]
    missing, together = "no points to align by", "the points to align by coincide"
    assert usable.reasons == (None, missing, missing, together, "no mesh")
    np.testing.assert_array_equal(usable.values[0], PLACE)
    assert np.isnan(usable.values[1:]).all()


@pytest.mark.parametrize(("extent", "abstains"), [(1.9, True), (2.1, False)])
def test_points_within_two_pixels_coincide(extent: float, abstains: bool) -> None:
    low, high = PLACE.min(axis=0), PLACE.max(axis=0)
    usable = usable_alignment(Points(((PLACE - low) / (high - low).max() * extent)[None], names=ALIGNMENT_NAMES))
    assert usable.abstained.tolist() == [abstains]


def test_nobody_and_a_result_in_which_all_abstained() -> None:
    assert usable_alignment(Points(np.zeros((0, 5, 2)), names=ALIGNMENT_NAMES)).shape == (0, 5, 2)
    read = Points.from_json([{"reason": "no mesh"}, {"reason": "dark"}])
    usable = usable_alignment(read)
    assert usable.shape == (2, 5, 2)
    assert usable.reasons == ("no mesh", "dark")
