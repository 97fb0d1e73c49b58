from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Scores, Tracks
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.features.shown.activation import Activation, ActivationSettings, above_rest
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle


def follow(curves: NDArray[np.float32], ids: list[int], rate: float = 25.0, **settings: float) -> list[Any]:
    """`activation` of the frames of units (T, N, K) of the faces `ids`."""
    card = SimpleNamespace(id="made-up", settings=lambda cls: cls(**settings))
    step = Activation(cast("Bundle", SimpleNamespace(card=card))).follow()
    columns = []
    for number, values in enumerate(curves):
        faces = Faces.from_boxes([[0, 0, 9, 9]] * len(ids)).with_columns(
            {
                "track": Tracks(np.array([[one if one >= 0 else np.nan, 1] for one in ids], np.float32).reshape(-1, 2)),
                "action_units": Scores(values, names=("AU4", "AU12")),
            }
        )
        columns.append(step.update(number / rate, faces).activation)
    assert not len(step.finish())
    return columns


def test_each_person_is_held_against_their_own_rest() -> None:
    curves = np.zeros((100, 2, 2), np.float32)
    curves[:, 0, 0], curves[:, 1, 0] = 0.5, 0.1  # brows that stand low and high
    curves[80:, :, 0] += 0.3
    last = follow(curves, [3, 7])[-1]
    np.testing.assert_allclose(last.values, [[0.3, 0], [0.3, 0]], atol=0.01)


def test_the_first_second_abstains_and_says_so() -> None:
    columns = follow(np.full((40, 1, 2), 0.5, np.float32), [0])
    assert [bool(column.abstained[0]) for column in columns] == [True] * 25 + [False] * 15
    assert columns[10].reasons == ("seen for 0.4 of 1 seconds",)


def test_units_that_are_missing_stay_missing_and_count_for_nothing() -> None:
    curves = np.full((60, 1, 2), 0.4, np.float32)
    curves[::2, 0, 1] = np.nan
    columns = follow(curves, [0])
    assert np.isnan(columns[-2].values[0, 1])
    np.testing.assert_allclose(columns[-1].values[0], [0, 0], atol=0.01)


def test_no_faces_and_faces_of_nobody() -> None:
    assert follow(np.zeros((3, 0, 2), np.float32), [])[-1].shape == (0, 2)
    columns = follow(np.zeros((60, 1, 2), np.float32), [-1])
    assert columns[-1].reasons == ("nobody knows whose face this is",)


@given(st.lists(st.floats(0, 1, width=32), min_size=30, max_size=60), st.floats(0, 1))
def test_both_ways_agree_at_the_end_of_a_clip(values: list[float], level: float) -> None:
    curve = np.array(values, np.float32)
    stacked = np.stack([curve, curve], axis=1)
    last = follow(stacked[:, None], [0], level=level)[-1].values[0, 0]
    ordered = np.sort(curve)
    place = int(np.ceil(level * len(curve))) - 1
    # The histogram's quantile is one of the values, to its bin.
    expected = np.clip(curve[-1] - ordered[max(place, 0)] if level * len(curve) > 0 else curve[-1], 0, 1)
    assert last == pytest.approx(expected, abs=0.012)


def test_a_whole_clip_at_once() -> None:
    units = np.array([[0.2, np.nan], [0.2, np.nan], [0.7, np.nan], [0.2, np.nan]], np.float32)
    np.testing.assert_allclose(above_rest(units), [[0, np.nan], [0, np.nan], [0.5, np.nan], [0, np.nan]], atol=1e-6)
    assert above_rest(np.zeros((0, 4))).shape == (0, 4)
    with pytest.raises(ShapeMismatch):
        above_rest([1.0])
    with pytest.raises(UsageError):
        above_rest([[1.0]], level=2)


def test_the_card_says_what_the_code_says() -> None:
    card: Card = Catalogue.load()["activation"]
    assert card.settings(ActivationSettings) == ActivationSettings()
