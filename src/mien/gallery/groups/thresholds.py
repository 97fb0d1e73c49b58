"""From which score on two groups of faces are one person: thresholds for every kind of pair, as arrays.

Whether two groups are one person is judged by the mean cosine over all pairs of a face here and a face there. Between
two single faces that mean is one score; between groups of many it scatters less, and may be held to a little less. Only
a little: most of the scatter of strangers' scores is between people, not between their pictures (of ten people with ten
pictures each, the standard deviation of the means is 0.8 of that of the scores). The threshold falls with the number n
of pairs from that of a rate `far` to that of a higher rate `far_many`::

    many + (one - many) / sqrt(n)

Each pair of faces has the two thresholds of the worst stratum that it may belong to; of a group they are the means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NotCalibrated, UsageError
from mien.embeddings.calibration import Calibration, Range, Traits
from mien.embeddings.comparison import check_options
from mien.gallery.answers import traits_of_sample
from mien.gallery.records import Sample

__all__ = ["FAR", "FAR_MANY", "NEVER", "Thresholds", "rates_for"]

FAR = 1e-4  # of a pair of single faces
FAR_MANY = 3e-4  # of a single score that has the threshold of means of many
FALSE_PAIRS = 0.2  # that a face may be expected to make in the whole library: in a large one, rates are lower
LEAST_DOUBT = 0.01
NEVER = 2.0  # above every cosine: faces so small that nothing is known of their strangers

Floats = NDArray[np.float32]


def rates_for(faces: int, far: float | None = None, far_many: float | None = None) -> tuple[float, float]:
    """The rates to group so many faces at: those that are given, else lower ones the more faces there are.

    Every face is compared with every other one, so that at one rate a library of ten times as many has ten times as
    many false pairs to each face.
    """
    far = min(FAR, FALSE_PAIRS / max(faces, 1)) if far is None else far
    return far, min(FAR_MANY / FAR * far, max(far, 0.5)) if far_many is None else far_many


@dataclass(frozen=True)
class Thresholds:
    """Thresholds by kind of face.

    Parameters
    ----------
    kinds : (N,) integers
        Which kind each face is.
    one, many : (K, K) float32
        Cosine from which on two faces, and the means of very many, are of one person, by the kinds of both.
    doubt : (K, K) float32
        How far below a threshold a score leaves it open: down to that of a rate a hundred times higher.
    """

    kinds: NDArray[np.intp]
    one: Floats
    many: Floats
    doubt: Floats

    @classmethod
    def constant(cls, count: int, one: float, many: float | None = None, *, doubt: float = 0.15) -> Thresholds:
        """The same for all faces."""
        values = [np.full((1, 1), value, np.float32) for value in (one, one if many is None else many, doubt)]
        return cls(np.zeros(count, np.intp), *values)

    @classmethod
    def of(
        cls,
        samples: Sequence[Sample],
        calibration: Calibration,
        *,
        far: float = FAR,
        far_many: float = FAR_MANY,
        ages: Range | None = None,
    ) -> Thresholds:
        """The thresholds of a calibration.

        Parameters
        ----------
        samples : sequence of Sample
        calibration : Calibration
        far, far_many : float
            False accept rates of two single faces, and of a score that means of many are held to. Where the table does
            not carry a rate for a kind of pair, the lowest that it carries counts.
        ages : (low, high), optional
            Of faces whose age is not known; else such faces may be of any age, and those of infants are confused most.

        Raises
        ------
        UsageError
            If the rates are none, `far` is above `far_many`, or `ages` are no years.
        """
        check_options(far, None, ages)
        if not 0 < far <= far_many < 1:
            raise UsageError(f"rates are 0 < far <= far_many < 1; got {far!r} and {far_many!r}.")
        number: dict[tuple[object, ...], int] = {}
        examples: list[Traits] = []
        kinds = np.empty(len(samples), np.intp)
        for row, sample in enumerate(samples):
            traits = traits_of_sample(sample if sample.ages or ages is None else replace(sample, ages=ages))
            # Faces are of one kind that fit the same sides of the same strata: everything else is the same, too.
            kind = tuple(
                _side(traits.size, one.size) + _side(traits.quality, one.quality) + _side(traits.ages, span)
                for one in calibration.strata
                for span in one.ages
            )
            kinds[row] = number.setdefault(kind, len(number))
            if kinds[row] == len(examples):
                examples.append(traits)
        one, many, low = (_table(calibration, examples, rate) for rate in (far, far_many, min(100 * far, 0.5)))
        return cls(kinds, one, many, np.maximum(one - low, LEAST_DOUBT))


def _side(known: Range, place: Range) -> tuple[bool, bool]:
    """How a range of what may be stands to a stratum's: enough to tell whether a pair may belong there."""
    return known[0] < place[1], known[1] >= place[0]


def _table(calibration: Calibration, kinds: Sequence[Traits], far: float) -> Floats:
    table = np.full((len(kinds), len(kinds)), NEVER, np.float32)
    lowest = {stratum.name: stratum.rates[-1] for stratum in calibration.strata}
    for row, one in enumerate(kinds):
        for column, other in enumerate(kinds[: row + 1]):
            try:
                strata = calibration.strata_of(one, other)
            except NotCalibrated:  # both are smaller than any face that was measured
                continue
            rate = max(far, *(lowest[name] for name in strata))
            table[row, column] = table[column, row] = min(calibration.threshold(rate, strata)[0], math.nextafter(1, 0))
    return table
