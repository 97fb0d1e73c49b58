from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.columns import Flag
from mien.engine import Batch, Engine
from mien.features.shown.crown import CROWN, TOP, look, readable
from mien.features.shown.headwear import Headwear
from mien.models.catalogue import Catalogue
from tests.features.heads import FACE, batch, head
from tests.shared import open_bundle, photo

BLACK = (22, 18, 18)


def headwear_of(given: Batch) -> Flag:
    step = Headwear(cast("Any", SimpleNamespace(card=Catalogue.load()["headwear"])))
    return step.describe(given)["headwear"]


def test_hats_are_told_from_hair_and_bare_heads() -> None:
    headwear = headwear_of(batch(head("hat", BLACK), head("hair", BLACK), head("skin", BLACK)))
    assert (headwear.values > 0.5).tolist() == [True, False, False]


def test_a_hat_counts_as_far_as_the_picture_goes() -> None:
    cut = headwear_of(batch(head("hat", BLACK), head("hair", BLACK), shift=38))
    assert (cut.values > 0.5).tolist() == [True, False]
    gone = headwear_of(batch(head("hat", BLACK), shift=54))
    assert gone.reasons == ("the top of the head is outside of the picture",)


@settings(max_examples=5)
@given(st.integers(10, 50), st.integers(10, 50))
def test_more_hat_is_no_less_headwear(one: int, other: int) -> None:
    less, more = headwear_of(
        batch(head("hat", BLACK, top=max(one, other)), head("hat", BLACK, top=min(one, other)))
    ).values
    assert less <= more + 1e-6


def test_no_face() -> None:
    assert headwear_of(batch()).shape == (0,)


def test_cells_are_placed_on_the_head() -> None:
    given = batch(head("hair", BLACK))
    assert readable(given, "hair") == (None,)
    crown = look(given.faces.parse[0], FACE, given.images[0])
    y, x = np.unravel_index(np.hypot(crown.above - 1, crown.aside).argmin(), crown.above.shape)
    np.testing.assert_allclose(crown.points[y, x], [60, 66 - 24], atol=1.5)
    assert crown.seen(TOP) == 1
    assert 0.8 < crown.share("hair", TOP) < 1
    assert crown.share("hair", CROWN) > 0.5
    assert crown.share("hat", TOP) < 0.05


@pytest.mark.weights
@pytest.mark.data
def test_a_cap_and_bare_heads() -> None:
    open_bundle("bisenet")
    names = ["identities_johns/John_Salley/000200_02159354.jpg"]
    names += [f"identities/{person}/{person}_0001.jpg" for person in ("George_W_Bush", "Colin_Powell")]
    with Engine(threads=1) as engine:
        said = [float(engine.analyze(photo(name), want={"headwear"}).top(1).headwear.values[0]) for name in names]
    assert said[0] > 0.5
    assert max(said[1:]) < 0.3
