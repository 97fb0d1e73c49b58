"""Sets of points and their regions: numbers that exist, sides that are the subject's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mien.core.columns import Levels, Points
from mien.core.errors import UsageError
from mien.core.layouts import LAYOUTS, Layout, indices_of

COMMON = {
    *(f"{side}_{part}" for side in ("right", "left") for part in ("brow", "eye")),
    *("jaw", "nose_bridge", "nostrils", "nose_tip", "lips_outer", "lips_inner"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_regions_name_points_that_exist(layout: Layout) -> None:
    assert set(layout.regions) >= COMMON
    for points in layout.regions.values():
        assert len(set(points)) == len(points) > 0
        assert min(points) >= 0
        assert max(points) < layout.count


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_sides_share_no_point_and_are_equally_many(layout: Layout) -> None:
    for name, points in layout.regions.items():
        if name.startswith("right_"):
            other = layout.regions[name.replace("right", "left")]
            assert len(points) == len(other)
            assert not set(points) & set(other)


def test_the_ibug_regions_are_all_its_points_once() -> None:
    regions = {name: points for name, points in LAYOUTS["ibug68"].regions.items() if name != "nose_tip"}
    assert sorted(itertools.chain(*regions.values())) == list(range(68))


def test_a_region_of_many_faces_and_of_one() -> None:
    points = Points(np.random.default_rng(0).normal(size=(3, 68, 2)).astype(np.float32), layout="ibug68")
    assert points.region("right_eye").shape == (3, 6, 2)
    np.testing.assert_array_equal(points[1].region("lips_inner"), points.values[1, 60:68])
    assert Levels(np.zeros((0, 478), np.float32), layout="mesh478").region("lips_outer").shape == (0, 20)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="no region of ibug68 is called 'ear'; there are jaw, "):
        indices_of("ibug68", "ear")
    with pytest.raises(UsageError, match="have no named regions; sets that do are mesh478, ibug68, insightface106"):
        Points(np.zeros((1, 5, 2), np.float32)).region("jaw")
