"""Apparent age against UTKFace: the error, and how well minors are told from adults, with what the generator asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Distribution
from mien.core.image import load_image
from mien.engine import Engine
from mien.swaps.invented.generator import Checks
from mien.swaps.invented.minors import minor_probability

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "age_gender"
MARGIN = 60  # pixels mirrored around each crop, which is too tight for a detector

Numbers = NDArray[np.float64]


def main() -> None:
    files = sorted(DATA.glob("*.jpg"))
    if not files:
        print(f"skipped: no pictures in {DATA}")
        return
    truth, men, columns, minor = [], [], [], []
    with Engine(threads=1) as engine:
        for file in files:
            crop = np.pad(load_image(file), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
            faces = engine.analyze(crop, want={"age", "landmarks", "pose"}, max_faces=1)
            if len(faces) and not faces.age.abstained[0]:
                age, sex = file.name.split("_")[:2]
                truth.append(int(age))
                men.append(sex == "0")
                columns.append(faces.age)
                minor.append(minor_probability(faces)[0])
    ages = Distribution.concat(columns)
    report(np.array(truth, float), ages, len(files))
    gates(np.array(truth, float), np.array(men), ages, np.array(minor))


def report(truth: Numbers, age: Distribution, pictures: int) -> None:
    mean = age.mean.astype(float)
    error = np.abs(mean - truth)
    low, high = bootstrap(error)
    print(f"{len(truth)} faces with an age in {pictures} crops: ", end="")
    print(f"mean absolute error {error.mean():.2f} years ({low:.2f}-{high:.2f})")
    for first, last in ((0, 12), (13, 17), (18, 24), (25, 39), (40, 59), (60, 120)):
        group = (truth >= first) & (truth <= last)
        bias = (mean - truth)[group].mean()
        print(f"    {first:3}-{last:3}: {group.sum():3} people, error {error[group].mean():5.2f}, bias {bias:+6.2f}")
    inside = ((age.interval[:, 0] <= truth) & (truth <= age.interval[:, 1])).mean()
    print(f"the 80 % interval holds the true age of {inside:.0%}")


def gates(truth: Numbers, men: NDArray[np.bool_], age: Distribution, both: Numbers) -> None:
    """Who passes for an adult. The generator's second judge, the shape, was fitted on these crops."""
    mean = age.mean.astype(float)
    under_age = age.probabilities[:, np.asarray(age.support) < 18].sum(axis=1)
    minor = truth < 18
    for name, judge in {"the mean": -mean, "the age model": under_age, "age model and shape": both}.items():
        wins = (judge[minor][:, None] > judge[~minor]).mean()
        print(f"minor or adult, by {name}: area under the curve {wins:.3f}")
    limit = Checks().minor
    rules = {
        "mean >= 18": mean >= 18,
        "mean >= 25": mean >= 25,
        f"P(under 18) <= {limit:g} by the age model": under_age <= limit,
        f"P(under 18) <= {limit:g} by both, the generator's": both <= limit,
    }
    groups = {"adults": ~minor, "men": ~minor & men, "women": ~minor & ~men, "18-24": ~minor & (truth < 25)}
    for name, passed in rules.items():
        teens = passed[minor & (truth >= 13)]
        refused = ", ".join(f"{(~passed[group]).mean():.0%} of {group.sum()} {who}" for who, group in groups.items())
        print(
            f"    {name}: passes {passed[minor].sum()} of {minor.sum()} minors ({teens.sum()} of {len(teens)} at 13-17)"
        )
        print(f"        refuses {refused}")


def bootstrap(values: Numbers, times: int = 2000) -> tuple[float, float]:
    """95 % interval of a mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (times, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
