"""Fits how evidence is weighed, in src/mien/models/cards/occlusion.toml: prints its tables.

    .venv/bin/python tools/fit_occlusion.py FOLDER [--people 80] [--hear both parsing colours]

The generator draws people, and FOLDER holds crops of real ones (UTKFace: every fourth is used), whose skin is less
smooth; things are drawn before their faces (`mien.evaluation.obstacles`, `mien.evaluation.coverings`), and shadows and
make-up on them, which are clear. From the evidence of the cells (`mien.masks.evidence`) one layer of units is fitted,
and from the shares of the parts that it then hides the three flags, by logistic regression. What hears one witness
alone is for benchmarks/occlusion_alone.toml. On one kind of processor the same is printed each time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from mien.core.geometry import invert, transform
from mien.core.image import Image, load_image
from mien.core.warping import warp
from mien.engine import Engine
from mien.evaluation.coverings import COVERINGS
from mien.evaluation.masked import MASKS, covering_layer
from mien.evaluation.obstacles import HARMLESS, OBSTACLES, draw_obstacle
from mien.location.canonical import CanonicalFace
from mien.masks.evidence import (
    FEATURES,
    INSTEAD,
    SIDE,
    SURFACE,
    ZONES,
    Evidence,
    Scene,
    Template,
    gather,
    parsed,
    set_scene,
)
from mien.masks.occlusion import FLAGS, GROUPS, agree, hidden_shares, visible_shares
from mien.swaps.invented.generator import MobileStyleGAN, latents

TRUNCATION = 0.8  # people differ more than at the default
FIRST_SEED = 120_000
LARGE, SMALL = (224, 640), (90, 200)  # sides of pictures
DIM = (0.25, 0.7)  # of the light
FEW = 0.25  # of the pictures are small; as many black and white; as many dim
ROOM = 0.4  # on each side of a crop, in its sides
UNITS, ROUNDS, CELLS, MANY = 16, 15, 500, 1500
DECAY = 0.1  # of weights. Fitted to half of the people, ten times less told the others no better, and more false alarms
SHIFT = 0.4  # log odds: fewer cells of photos are covered than of what is drawn
AGREEMENT, CONTRAST = 0.7, 0.15
HAIRY = tuple(ZONES.index(name) for name in ("forehead", "middle", "eyes", "brows"))  # not where beards are
PARSED = (*INSTEAD, "missing")
#: Which evidence each is fitted to; "lens" is of both witnesses.
HEARD = {
    "both": FEATURES,
    "parsing": PARSED,
    "colours": tuple(name for name in FEATURES if name not in {*PARSED, "lens"}),
}
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """One thing before one face: its evidence, which cells are covered (1), clear (0) or unknown (-1), and the rest."""

    kind: str
    here: Scene
    evidence: Evidence
    truth: NDArray[np.intp]
    covered: tuple[bool, bool]  # the eyes, the mouth


def people(seeds: Iterable[int], engine: Engine) -> Iterator[Image]:
    """Portraits, of many sizes."""
    generator: MobileStyleGAN = engine.runner("generate")
    for seed in seeds:
        latent = next(islice(latents(seed), 1))
        image = generator.draw(generator.styles(latent[None], truncation=TRUNCATION))[0]
        side = int(np.random.default_rng(seed).integers(*LARGE))
        yield varied(np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8), seed)


def crops(folder: Path) -> Iterator[Image]:
    """Every fourth crop, with room around: they end at the ears."""
    for number, path in enumerate(sorted(folder.glob("*.jpg"))[1::4]):
        image = load_image(path)
        side = round(ROOM * max(image.shape[:2]))
        whole = cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_REFLECT_101)
        yield varied(np.asarray(whole, np.uint8), number)


def varied(image: Image, seed: int) -> Image:
    """A square picture as it may come: a few are small, black and white, or dim."""
    draw = np.random.default_rng((seed, 1))
    small, gray, dim = draw.random(3) < FEW
    if small:
        side = int(draw.integers(*SMALL))
        image = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    if gray:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return np.asarray(image * draw.uniform(*DIM), np.uint8) if dim else image


def within(here: Scene, image: Image, margin: float) -> NDArray[np.bool_]:
    """Cells whose truth is known: those of a picture less a margin around it."""
    y, x = np.mgrid[:SIDE, :SIDE]
    places = transform(np.stack([x, y], axis=-1).reshape(-1, 2), invert(here.grid)) / image.shape[1::-1]
    inner = ((places > margin) & (places < 1 - margin)).all(axis=1).reshape(SIDE, SIDE)
    return np.asarray(here.inside & inner)


def samples(images: Iterable[Image], engine: Engine, template: Template, *, margin: float = 0.0) -> Iterator[Sample]:
    """Eight of each person."""
    want, donor = {"landmarks", "alignment", "parse"}, None
    for number, image in enumerate(images):
        clear = engine.analyze(image, want=want).top(1)
        if not len(clear) or bool(clear.landmarks.abstained[0]) or bool(clear.parse.abstained[0]):
            continue
        mesh, draw = clear.landmarks.values[0], np.random.default_rng(number)
        solid = [kind for kind in OBSTACLES if kind not in HARMLESS]
        kinds = ["clear", *HARMLESS, *draw.choice(solid, 3, replace=False), draw.choice(list(COVERINGS)), "hand"]
        for place, kind in enumerate(kinds):
            seed = number * 100 + place
            if kind in OBSTACLES:
                drawn, cover = draw_obstacle(image, mesh, kind, seed=seed, donor=donor)
            elif kind in COVERINGS:
                drawn, cover = covering_layer(image, mesh, kind=kind, seed=seed, engine=engine)
            else:
                drawn, cover = image, np.zeros(image.shape[:2], np.float32)
            found = engine.analyze(drawn, want=want).top(1)
            if not len(found) or bool(found.parse.abstained[0]):
                continue
            seen = not bool(found.landmarks.abstained[0])
            points = found.landmarks.values[0, :SURFACE] if seen else template.placed(found.alignment.values)[0]
            here = set_scene(drawn, points, template)
            evidence, level = gather(here, found.parse[0], template), warp(cover, here.grid, SIDE)
            instead, _ = parsed(clear.parse[0], here.grid)
            before = np.maximum.reduce(instead) > (0.0 if margin else -1.5)  # crops are parsed poorly
            hair = (np.maximum(instead[0], instead[1]) > 3) & np.isin(evidence.zone, HAIRY)
            truth = np.where(level > 0.6, 1, np.where(level < 0.05, np.where(before, np.where(hair, 1, -1), 0), -1))
            truth = np.where(within(here, drawn, margin), truth, -1)
            parts = [("right_eye", "left_eye"), ("mouth",)]
            cells = [here.inside & np.any([template.parts[p] for p in names], axis=0)[here.triangle] for names in parts]
            eyes, mouth = (bool(some.any() and level[some].mean() > 0.5) for some in cells)
            yield Sample(str(kind), here, evidence, truth, (eyes, mouth))
        donor = clear[0].crop(margin=0)


def listed(row: Sequence[float]) -> str:
    """Numbers as TOML, none of them -0."""
    return f"[{', '.join(f'{round(float(value), 2) + 0.0:.2f}' for value in row)}]"


def table(name: str, rows: dict[str, Sequence[float]]) -> None:
    """Print a table of a card."""
    sys.stdout.write(f"\n[{name}]\n" + "".join(f"{key} = {listed(row)}\n" for key, row in rows.items()))


def main() -> None:
    """Draw, and fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=80)
    parser.add_argument("--hear", nargs="+", choices=HEARD, default=["both"], help="fit to both witnesses, or to one")
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.people)
    with Engine(threads=1) as engine:
        face = CanonicalFace.read(engine.store.fetch(engine.catalogue["occlusion"].files["geometry"]))
        template = Template(face)
        found = list(samples(people(seeds, engine), engine, template))
        found += samples(crops(options.folder), engine, template, margin=ROOM / (1 + 2 * ROOM))
    for name in options.hear:
        fit(found, template, name)


def fit(found: Sequence[Sample], template: Template, name: str) -> None:
    """Fit to one of `HEARD`, and print."""
    heard = np.isin(FEATURES, HEARD[name]).astype(np.float32)
    draw = np.random.default_rng(0)
    inputs, truths = [], []
    for one in found:
        known = np.flatnonzero(one.truth.ravel() >= 0)
        count = MANY if one.kind == "sunglasses" else CELLS  # rare, and judged as a whole
        some = draw.choice(known, min(count, len(known)), replace=False)
        zones = np.eye(len(ZONES), dtype=np.float32)[one.evidence.zone.ravel()[some]]
        inputs.append(np.hstack([one.evidence.features.reshape(-1, len(FEATURES))[some] * heard, zones]))
        truths.append(one.truth.ravel()[some])
    net = MLPClassifier(
        (UNITS,),
        activation="tanh",
        max_iter=ROUNDS,
        alpha=DECAY,
        batch_size=512,
        learning_rate_init=3e-3,
        random_state=0,
    )
    net.fit(np.concatenate(inputs), np.concatenate(truths))
    first, (start, base), units = net.coefs_[0], net.intercepts_, net.coefs_[1][:, 0]
    base -= SHIFT
    place = "params" if name == "both" else name
    sys.stdout.write(f"\n[{place}]\nagreement = {AGREEMENT}\ncontrast = {CONTRAST}\nbase = {base[0]:.2f}\n")
    sys.stdout.write(f"units = {listed(units)}\n")
    table(f"{place}.zones", dict(zip(ZONES, first[len(FEATURES) :] + start, strict=True)))
    table(f"{place}.evidence", dict(zip(FEATURES, first[: len(FEATURES)], strict=True)))
    shares = []
    for one in found:
        zones = np.eye(len(ZONES), dtype=np.float32)[one.evidence.zone]
        whole = np.concatenate([one.evidence.features * heard, zones], axis=-1)
        odds = np.tanh(whole @ first.astype(np.float32) + start.astype(np.float32)) @ units.astype(np.float32) + base[0]
        told = agree(odds.astype(np.float32), one.evidence, AGREEMENT, CONTRAST)
        shares.append(np.append(np.nan_to_num(hidden_shares(visible_shares(one.here, told, template))), 1))
    rows: dict[str, Sequence[float]] = {}
    used = {"mask_worn": list(GROUPS), "eyes_covered": ["eyes"], "mouth_covered": ["mouth"]}
    for flag in FLAGS:
        so = [dict(zip(FLAGS, (s.kind in MASKS, *s.covered), strict=True))[flag] for s in found]
        keep = [flag != "mask_worn" or s.kind != "scarf" for s in found]  # a scarf is neither a mask nor none
        columns = [*(list(GROUPS).index(group) for group in used[flag]), len(GROUPS)]
        curve = LogisticRegression(C=100, max_iter=2000, fit_intercept=False)
        curve.fit(np.array(shares)[keep][:, columns], np.array(so)[keep])
        row = np.zeros(len(GROUPS) + 1)
        row[columns] = curve.coef_[0]
        rows[flag] = row.tolist()
    table(f"{place}.flags", rows)


if __name__ == "__main__":
    main()
