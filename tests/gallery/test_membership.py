"""What searches of each kind of store tell of people who were deleted: nothing."""

from __future__ import annotations

import pytest

from mien.evaluation.membership import evaluate_membership
from mien.gallery.store import open_store
from tests.evaluation.recognition import people


def test_no_store_remembers_in_its_scores(place: str, request: pytest.FixtureRequest) -> None:
    if place.startswith("postgres"):
        other = request.getfixturevalue("postgres_server").url()
    else:
        other = place if place == ":memory:" else f"{place}2"
    places = iter([place, other])
    vectors, owners = people(24, 4, noise=0.4)
    found = evaluate_membership(vectors, owners, lambda: open_store(next(places)))
    assert found.before > 0.95
    assert found.after_interval[0] <= 0.5 <= found.after_interval[1]
    assert (found.difference, found.forgotten) == (0, True)
