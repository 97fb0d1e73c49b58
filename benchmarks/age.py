"""Apparent age against UTKFace: the error, and how well minors are told from adults, with what the generator asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Distribution
from mien.core.image import load_image
from mien.engine import Engine
from mien.swaps.generator import Checks

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "age_gender"
MARGIN = 60  # pixels mirrored around each crop, which is too tight for a detector

Numbers = NDArray[np.float64]


def main() -> None:
    files = sorted(DATA.glob("*.jpg"))
    if not files:
        print(f"skipped: no pictures in {DATA}")
        return
    truth, columns = [], []
    with Engine(threads=1) as engine:
        for file in files:
            crop = np.pad(load_image(file), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
            faces = engine.analyze(crop, want={"age"}, max_faces=1)
            if len(faces):
                truth.append(int(file.name.split("_")[0]))
                columns.append(faces.age)
    report(np.array(truth, float), Distribution.concat(columns), len(files))


def report(truth: Numbers, age: Distribution, pictures: int) -> None:
    mean = age.mean.astype(float)
    error = np.abs(mean - truth)
    low, high = bootstrap(error)
    print(
        f"{len(truth)} faces in {pictures} crops: mean absolute error {error.mean():.2f} years ({low:.2f}-{high:.2f})"
    )
    for first, last in ((0, 12), (13, 17), (18, 24), (25, 39), (40, 59), (60, 120)):
        group = (truth >= first) & (truth <= last)
        bias = (mean - truth)[group].mean()
        print(f"    {first:3}-{last:3}: {group.sum():3} people, error {error[group].mean():5.2f}, bias {bias:+6.2f}")
    inside = ((age.interval[:, 0] <= truth) & (truth <= age.interval[:, 1])).mean()
    print(f"the 80 % interval holds the true age of {inside:.0%}")
    minor = truth < 18
    teen = minor & (truth >= 13)
    wins = (mean[minor][:, None] < mean[~minor]).mean()
    print(
        f"minor or adult, by the mean: area under the curve {wins:.3f} ({minor.sum()} minors, {(~minor).sum()} adults)"
    )
    checks = Checks()
    under_age = age.probabilities[:, np.asarray(age.support) < 18].sum(axis=1)
    rules = {
        "mean >= 18": mean >= 18,
        "mean >= 25": mean >= 25,
        f"P(under 18) <= {checks.minor:g}, the generator's": under_age <= checks.minor,
    }
    for name, passed in rules.items():
        print(
            f"    {name}: passes {passed[minor].sum()} of {minor.sum()} minors ({passed[teen].sum()} of {teen.sum()} "
            f"at 13-17), refuses {(~passed)[~minor].mean():.0%} of adults"
        )


def bootstrap(values: Numbers, times: int = 2000) -> tuple[float, float]:
    """95 % interval of a mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (times, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
