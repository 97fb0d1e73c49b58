"""Cutting rows into buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mien.runtime.batching import cuts

BUCKETS = st.lists(st.integers(1, 32), min_size=1, max_size=5).map(lambda sizes: (1, *sizes))


@given(rows=st.integers(1, 500), buckets=BUCKETS)
def test_every_row_is_in_one_cut_and_little_is_padded(rows: int, buckets: tuple[int, ...]) -> None:
    result = cuts(rows, buckets)
    assert [row for cut in result for row in range(cut.start, cut.stop)] == list(range(rows))
    assert all(cut.bucket in buckets for cut in result)
    for cut in result[:-1]:
        assert (cut.stop - cut.start) % cut.bucket == 0
    last = result[-1]
    rest = (last.stop - last.start) % last.bucket
    assert rest == 0 or not any(rest <= size < last.bucket for size in buckets)


def test_no_rows_are_one_empty_cut() -> None:
    assert [tuple(cut) for cut in cuts(0, (4, 2))] == [(2, 0, 0)]
