"""What the generator's directions do: how far each moves its own attribute, the person, and all other attributes.

Also: how near `mien.generate` comes to values that are asked for, how alike the pictures of a family are, and how the
scorer of generated faces ranks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from mien.engine import Engine
from mien.swaps.attributes import ATTRIBUTES
from mien.swaps.directions import Look, directions
from mien.swaps.doubles import extras
from mien.swaps.generator import generate, latents
from mien.swaps.studio import Studio

PEOPLE = 8
STEPS = (-1.5, 1.5)  # standard deviations of the attribute
#: Attributes that are asked for together, on people of seeds 0 to `SEEDS`.
ASKED: tuple[dict[str, Any], ...] = (
    {"age": 60.0},
    {"smile": 0.9},
    {"yaw": 20.0},
    {"glasses": 0.9},
    {"tone": 0.55},
    {"hair_lightness": 0.6},
    {"age": 60.0, "smile": 0.8, "yaw": 15.0},
)
SEEDS = 6


def effects(engine: Engine) -> None:
    """Of each direction: its gain, likeness, who is refused, and the three attributes that change most besides."""
    studio = Studio(engine, attributes=frozenset(ATTRIBUTES), fields=frozenset({"embedding"}))
    truncation, people = extras()
    bases = [studio.look(studio.styles(next(latents(person.seed)), truncation)) for person in people[:PEOPLE]]
    before = np.array([_values(look) for look in bases])
    spreads = np.array([directions()[name].spread for name in ATTRIBUTES])
    print("direction        own change  likeness  refused  besides (in standard deviations)")
    for place, (name, way) in enumerate(directions().items()):
        changes, alike, refused = [], [], 0
        for base, values in zip(bases, before, strict=True):
            for step in STEPS:
                look = studio.look(way.move(base.styles, step * way.spread))
                refused += look.refusal is not None
                if len(look.faces):
                    changes.append((_values(look) - values) / spreads / step)
                    alike.append(float(base.faces.embedding.values[0] @ look.faces.embedding.values[0]))
        mean = np.nanmean(changes, axis=0)
        most = [other for other in np.argsort(-np.abs(mean)) if other != place][:3]
        besides = ", ".join(f"{list(ATTRIBUTES)[other]} {mean[other]:+.2f}" for other in most)
        count = len(bases) * len(STEPS)
        print(f"{name:16} {mean[place]:10.2f} {np.mean(alike):9.2f} {refused:5}/{count}  {besides}", flush=True)


def _values(look: Look) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if not len(look.faces):
        return np.full(len(ATTRIBUTES), np.nan)
    return np.array([known.even(look.value(name)) for name, known in ATTRIBUTES.items()])


def targets(engine: Engine) -> None:
    """How near the values that are asked for come, and what it takes."""
    print("asked for                                reached  steps  likeness  worst miss")
    for asked in ASKED:
        made = [generate(seed=seed, engine=engine, **asked).report for seed in range(SEEDS)]
        reached = sum(not report["missed"] for report in made)
        steps = np.mean([report["steps"] for report in made])
        alike = np.mean([report["similarity"] for report in made])
        misses = {
            name: max(abs(report["attributes"][name]["reached"] - value) for report in made)
            for name, value in asked.items()
        }
        words = ", ".join(f"{name} {value:g}" for name, value in asked.items())
        worst = ", ".join(f"{name} {miss:.2f}" for name, miss in misses.items())
        print(f"{words:40} {reached:4}/{SEEDS} {steps:6.1f} {alike:9.2f}  {worst}", flush=True)


PARTS: dict[str, Callable[[Engine], None]] = {"effects": effects, "targets": targets}


def main() -> None:
    with Engine(threads=1) as engine:
        for name in sys.argv[1:] or PARTS:
            PARTS[name](engine)


if __name__ == "__main__":
    main()
