"""How long a portrait takes, how many draws are refused and why, and how alike the people are who come out."""

from __future__ import annotations

import time
from collections import Counter
from itertools import islice

import numpy as np

from mien.core.errors import UsageError
from mien.engine import Engine
from mien.swaps.invented.generator import MobileStyleGAN, distinct_people, generate, latents

DRAWS = 10
SEEDS = 20
PEOPLE = 12


def main() -> None:
    with Engine(threads=1) as engine:
        speed(engine)
        for truncation in (0.5, 0.7, 0.85):
            refusals(engine, truncation)
            room(engine, truncation)


def speed(engine: Engine) -> None:
    """Time of a drawing alone, on one thread."""
    generator: MobileStyleGAN = engine.runner("generate")
    z = np.stack(list(islice(latents(0), DRAWS)))
    generator.draw(generator.styles(z[:1], truncation=0.7))
    wall, cpu = time.perf_counter(), time.process_time()
    generator.draw(generator.styles(z, truncation=0.7))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"one thread: {wall / DRAWS:.2f} s a drawing ({cpu / DRAWS:.2f} s of CPU)")


def refusals(engine: Engine, truncation: float) -> None:
    """Draws that a person takes, and cosines between the people of different seeds."""
    why: Counter[str] = Counter()
    vectors = []
    start = time.process_time()
    for seed in range(SEEDS):
        edit = generate(seed=seed, truncation=truncation, engine=engine)
        why.update(edit.report["refused"])
        vectors.append(engine.analyze(edit.image, want={"embedding"}, max_faces=1).embedding.values[0])
    spent = (time.process_time() - start) / SEEDS
    people = np.stack(vectors)
    cosines = (people @ people.T)[np.triu_indices(SEEDS, 1)]
    reasons = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
    draws = SEEDS + why.total()
    print(f"truncation {truncation}: {SEEDS} people of {draws} draws, {spent:.2f} s of CPU each ({reasons});")
    print(
        f"    cosine of two: mean {cosines.mean():.2f}, 90 % {np.quantile(cosines, 0.9):.2f}, most {cosines.max():.2f}"
    )


def room(engine: Engine, truncation: float) -> None:
    """How many draws distinct people take."""
    draws: list[int] = []
    try:
        people = distinct_people(PEOPLE, seed=1, truncation=truncation, engine=engine)
        draws.extend(edit.report["draw"] for edit in people)
    except UsageError as error:
        print(f"    {error}")
    half = len(draws) // 2
    if half:
        print(f"    {half} distinct people in {draws[half - 1]} draws, {len(draws)} in {draws[-1]}")


if __name__ == "__main__":
    main()
