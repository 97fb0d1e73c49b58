"""What the generator's directions do: how far each moves its own attribute, the person, and all other attributes.

Also: how near `mien.generate` comes to values that are asked for, how alike the pictures of a family are, and how the
scorer of generated faces ranks.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from mien.core.image import Image
from mien.engine import Engine
from mien.evaluation.agreement import area_under_curve
from mien.swaps.invented.attributes import ATTRIBUTES
from mien.swaps.invented.directions import Look, directions
from mien.swaps.invented.doubles import extras
from mien.swaps.invented.families import families
from mien.swaps.invented.generator import DRAWS, distinct_people, latents, person_of, same_person
from mien.swaps.invented.scoring import generated_score
from mien.swaps.invented.studio import Studio

PEOPLE = 8
STEPS = (-1.5, 1.5)  # of the standard deviations that the direction was regressed by
FARTHEST = 4.0  # of these that a direction reaches
#: Attributes that are asked for together, on people of the first seeds.
ASKED: tuple[dict[str, float], ...] = (
    *({"age": age} for age in (30.0, 45.0, 60.0, 70.0)),
    *({"smile": smile} for smile in (0.0, 0.9)),
    *({"yaw": yaw} for yaw in (-20.0, 20.0)),
    {"glasses": 0.9},
    *({"tone": tone} for tone in (0.55, 0.85)),
    *({"hair_lightness": lightness} for lightness in (0.25, 0.6)),
)
SEEDS = 6
FAMILIES = 4, 3  # people, and pictures of each
SCORED = 24  # people drawn for the scorer
SHARED = Path(__file__).resolve().parents[2] / "shared"


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
                look = studio.look(way.move(base.styles, step * way.reach / FARTHEST))
                refused += look.refusal is not None
                if len(look.faces):
                    changes.append((_values(look) - values) / step / spreads)
                    alike.append(_likeness(base, look))
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
    """How near the values that are asked for come, what it takes, and what is in the way: `mien.generate`'s steps."""
    wanted = frozenset(name for asked in ASKED for name in asked)
    studio = Studio(engine, attributes=wanted, fields=frozenset({"embedding"}))
    people = [person_of(seed, 0.7, studio, {})[0] for seed in range(SEEDS)]
    print("asked for            reached  pictures  likeness  nearest and farthest  refused on the way")
    for asked in ASKED:
        made = [studio.steer(look, asked, draws=DRAWS) for look in people]
        reached = sum(not one.missed(asked) for one in made)
        alike = np.mean([_likeness(look, one.look) for look, one in zip(people, made, strict=True)])
        (name, target), *_ = asked.items()
        values = sorted((one.values[name] for one in made), key=lambda value: abs(value - target))
        refused = sum((Counter(one.refused) for one in made), Counter[str]())
        words = ", ".join(f"{count} {reason}" for reason, count in refused.most_common())
        draws = np.mean([one.draws for one in made])
        print(
            f"{name + ' ' + format(target, 'g'):20} {reached:5}/{SEEDS} {draws:9.1f} {alike:9.2f}"
            f"  {values[0]:9.2f} {values[-1]:9.2f}   {words}",
            flush=True,
        )


def _likeness(one: Look, other: Look) -> float:
    return float(one.faces.embedding.values[0] @ other.faces.embedding.values[0])


def scores(engine: Engine) -> None:
    """How the scorer ranks generated people, as drawn and as others may get them, against photos of people."""
    real = [generated_score(file, engine=engine) for file in _photos()]
    drawn = [edit.image for edit in islice(distinct_people(seed=500, similarity=1.0, engine=engine), SCORED)]
    versions: dict[str, Callable[[Image], Image]] = {
        "as drawn": lambda image: image,
        "JPEG 90": lambda image: _jpeg(image, 90),
        "JPEG 75": lambda image: _jpeg(image, 75),
        "half the size": lambda image: _resized(image, 512),
        "turned by 3 degrees, cut": _turned,
    }
    print(f"{len(drawn)} generated people against {len(real)} photos: areas under the curve")
    print(f"{'':48} {'score':>10} {'frequencies':>11} {'placement':>10}")
    for name, change in versions.items():
        made = [generated_score(change(image), engine=engine) for image in drawn]
        areas = []
        for sign in ("score", "frequencies", "placement"):
            sides = [[getattr(one, sign) for one in side] for side in (made, real)]
            areas.append(area_under_curve(*(np.nan_to_num(side, nan=0.5) for side in sides)))
        print(f"{name:48} {areas[0]:10.2f} {areas[1]:11.2f} {areas[2]:10.2f}", flush=True)


def likenesses(engine: Engine) -> None:
    """How alike the pictures of a family are, and those of different families, to the embedder that chose them."""
    made = list(families(*FAMILIES, seed=0, size=512, engine=engine))
    vectors = [np.stack([edit.faces.embedding.values[0] for edit in edits]) for edits in made]
    print(f"{FAMILIES[0]} people, {FAMILIES[1]} pictures of each; same person from {same_person(engine):.2f} on")
    for place, (edits, own) in enumerate(zip(made, vectors, strict=True)):
        others = np.concatenate([other for index, other in enumerate(vectors) if index != place])
        yaws = [float(edit.faces.pose.yaw[0]) for edit in edits]
        print(
            f"draw {edits[0].report['draw']:3}: within {(own @ own.T).min():.2f} to "
            f"{(own @ own.T)[np.triu_indices(len(own), 1)].max():.2f}, to others at most {(own @ others.T).max():.2f}, "
            f"yaw {min(yaws):.0f} to {max(yaws):.0f} degrees",
            flush=True,
        )


def _photos() -> list[Path]:
    files = (
        sorted((SHARED / "data" / "age_gender").glob("*.jpg"))[::7]
        + sorted((SHARED / "data" / "identities").rglob("*.jpg"))[::3]
    )
    return files[:120]


def _jpeg(image: Image, quality: int) -> Image:
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1], np.uint8)


def _resized(image: Image, side: int) -> Image:
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _turned(image: Image) -> Image:
    side = image.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), 3, 1)
    return np.ascontiguousarray(cv2.warpAffine(image, turn, (side, side))[60:-40, 90:-90])


PARTS: dict[str, Callable[[Engine], None]] = {
    "effects": effects,
    "targets": targets,
    "families": likenesses,
    "scores": scores,
}


def main() -> None:
    with Engine(threads=1) as engine:
        for name in sys.argv[1:] or PARTS:
            PARTS[name](engine)


if __name__ == "__main__":
    main()
