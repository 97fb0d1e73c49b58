"""What each field costs of a face that is found and has its mesh, on one core: step by step, then all at once.

    python -m benchmarks.features [--only expression,age]

The goal is 8 ms a face for the default heads together, beyond detection and mesh. Each step is timed on portraits
of people who do not exist, one face at a time and sixteen at once; then the picture is analyzed with all that can be
wanted, in one pass, beside the same fields wanted one by one.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence

import numpy as np

from benchmarks.pictures import portrait
from benchmarks.timing import seconds
from mien import assets
from mien.core.errors import LicenseRefused, WeightsUnavailable
from mien.core.faces import Faces
from mien.core.fields import all_fields
from mien.core.image import Image
from mien.engine import Batch, Engine
from mien.models.card import Card

GIVEN = {"landmarks", "alignment", "presence", "pose", "blendshapes"}  # with the mesh: not counted
#: The heads that are meant by "default", each as (field, model).
DEFAULTS = (
    ("expression", ""),
    ("age", ""),
    ("gender", ""),
    ("glasses", ""),
    ("eyes", ""),
    ("gaze", "intel-gaze"),
    ("live", ""),
    ("quality", "lightqnet-dm050"),
)
#: Further models of fields that have a default.
OTHERS = (
    ("quality", "quality-fused"),  # the default: with LightQNet in it, and beside it quality_parts
    ("pose", "6drepnet360"),
    ("pose", "whenet"),
    ("gaze", "xgaze-r18"),
    ("gaze", "mpiigaze"),
)
GOAL = 8.0  # ms
MANY = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="fields, comma-separated")
    only = parser.parse_args().only
    images = [portrait(path, 720) for path in assets.PEOPLE]  # with room around the face, which liveness wants to see
    with Engine(threads=1) as engine:
        plain = [engine.analyze(image, want=GIVEN).top(1) for image in images]
        wanted = [(name, model) for name, model in (*DEFAULTS, *_rest(engine), *OTHERS)]
        if only:
            wanted = [pair for pair in wanted if pair[0] in only.split(",")]
        print(f"{'field':16}{'model':24}{'one face':>12}{f'each of {MANY}':>14}")
        total = 0.0
        for number, (name, model) in enumerate(wanted):
            card = engine.catalogue[model] if model else engine.choose(name)
            alone, among = _cost(engine, card, images, plain)
            print(f"{name:16}{card.id:24}{1000 * alone:9.2f} ms{1000 * among:11.2f} ms", flush=True)
            total += 1000 * alone
            if not only and number == len(DEFAULTS) - 1:
                print(f"{'together':40}{total:9.2f} ms   (the goal is {GOAL:g})\n")
        if not only:
            _one_pass(engine, images)


def _rest(engine: Engine) -> list[tuple[str, str]]:
    """Fields of a picture that are no defaults and can be had."""
    known = {name for name, _ in DEFAULTS} | GIVEN
    return [(name, "") for name in _possible(engine) if name not in known]


def _possible(engine: Engine) -> list[str]:
    names = [name for name, row in all_fields().items() if not row.always and not row.temporal]
    found = []
    for name in names:
        try:
            engine.preload(name)
            found.append(name)
        except (LicenseRefused, WeightsUnavailable) as error:
            print(f"{name} is left out: {error}")
    return found


def _cost(engine: Engine, card: Card, images: Sequence[Image], plain: Sequence[Faces]) -> tuple[float, float]:
    """Seconds of a model for one face, the median over portraits, and for each of many: without what it needs."""
    other = engine.with_models(**{card.gives[0]: card.id})
    step = other.runner(card.gives[0])
    alone, among = [], []
    for image, face in zip(images, plain, strict=True):
        ready = other.analyze(image, faces=face, want=set(card.needs)) if card.needs else face
        one = Batch([image], np.zeros(1, np.intp), ready)
        many = Batch([image], np.zeros(MANY, np.intp), Faces.concat([ready] * MANY))
        alone.append(seconds(functools.partial(step.describe, one), at_least=0.1))
        among.append(seconds(functools.partial(step.describe, many), at_least=0.1) / MANY)
    return float(np.median(alone)), float(np.median(among))


def _one_pass(engine: Engine, images: Sequence[Image]) -> None:
    """Everything in one pass against one call for each field."""
    names = _possible(engine)
    together = sum(_once(engine, image, names) for image in images)
    apart = sum(_once(engine, image, [name]) for image in images for name in names)
    each = 1000 / len(images)
    print(f"\nall {len(names)} fields of a portrait: {each * together:.0f} ms in one pass, ", end="")
    print(f"{each * apart:.0f} ms in a call for each: ratio {apart / together:.1f}")


def _once(engine: Engine, image: Image, names: Sequence[str]) -> float:
    return seconds(functools.partial(engine.analyze, image, want=names), at_least=1e-9)


if __name__ == "__main__":
    main()
