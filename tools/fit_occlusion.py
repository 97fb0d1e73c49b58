"""Fits how evidence is weighed, in src/mien/models/cards/occlusion.toml: prints its tables.

    .venv/bin/python tools/fit_occlusion.py FOLDER [--people 80]

The generator draws people, and FOLDER holds crops of real ones (UTKFace: every fourth is used), whose skin is less
smooth; things are drawn before their faces (`mien.evaluation.obstacles`,
`mien.evaluation.coverings`), and shadows and make-up on them, which are clear. From the evidence of the cells
(`mien.masks.evidence`) one layer of units is fitted, and from the shares of the parts that it then hides the three
flags, by logistic regression.
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
from mien.swaps.generator import MobileStyleGAN, latents

TRUNCATION = 0.8  # people differ more than at the default
FIRST_SEED = 120_000
LARGE, SMALL, FEW = (224, 640), (96, 200), 0.15  # sides of pictures, and how many are small, or black and white
ROOM = 0.4  # on each side of a crop, in its sides
UNITS, ROUNDS, CELLS, MANY = 16, 15, 500, 1500
SHIFT = 0.8  # log odds: fewer cells of photos are covered than of what is drawn
AGREEMENT, CONTRAST = 0.7, 0.15
HAIRY = tuple(ZONES.index(name) for name in ("forehead", "middle", "eyes", "brows"))  # not where beards are
PARSED = (*INSTEAD, "missing")
HEARD = {"parsing": PARSED, "colours": tuple(name for name in FEATURES if name not in PARSED)}
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
    """Portraits, of many sizes; some black and white."""
    generator: MobileStyleGAN = engine.runner("generate")
    for seed in seeds:
        draw, latent = np.random.default_rng(seed), next(islice(latents(seed), 1))
        image = generator.draw(generator.styles(latent[None], truncation=TRUNCATION))[0]
        side = int(draw.integers(*(SMALL if draw.random() < FEW else LARGE)))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        if draw.random() < FEW:
            small = np.repeat(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
        yield np.asarray(small, np.uint8)


def crops(folder: Path) -> Iterator[Image]:
    """Every fourth crop, with room around: they end at the ears."""
    for path in sorted(folder.glob("*.jpg"))[1::4]:
        image = load_image(path)
        side = round(ROOM * max(image.shape[:2]))
        yield np.asarray(cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_REFLECT_101), np.uint8)


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


def table(name: str, rows: dict[str, Sequence[float]]) -> None:
    """Print a table of a card."""
    sys.stdout.write(f"\n[params.{name}]\n")
    for key, row in rows.items():
        sys.stdout.write(f"{key} = [{', '.join(f'{value:.2f}' for value in row)}]\n")


def main() -> None:
    """Draw, and fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=80)
    parser.add_argument("--only", choices=["both", *HEARD], default="both", help="hear one witness: for the benchmark")
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.people)
    with Engine(threads=1) as engine:
        face = CanonicalFace.read(engine.store.fetch(engine.catalogue["occlusion"].files["geometry"]))
        template = Template(face)
        found = list(samples(people(seeds, engine), engine, template))
        found += samples(crops(options.folder), engine, template, margin=ROOM / (1 + 2 * ROOM))
    fit(found, template, options.only)


def fit(found: Sequence[Sample], template: Template, only: str) -> None:
    """Fit and print, with the evidence of `only` one witness, or of "both"."""
    heard = np.isin(FEATURES, HEARD[only]).astype(np.float32) if only in HEARD else np.ones(len(FEATURES), np.float32)
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
        alpha=1e-3,
        batch_size=512,
        learning_rate_init=3e-3,
        random_state=0,
    )
    net.fit(np.concatenate(inputs), np.concatenate(truths))
    first, (start, base), units = net.coefs_[0], net.intercepts_, net.coefs_[1][:, 0]
    base -= SHIFT
    sys.stdout.write(f"agreement = {AGREEMENT}\ncontrast = {CONTRAST}\nbase = {base[0]:.2f}\n")
    sys.stdout.write(f"units = [{', '.join(f'{value:.2f}' for value in units)}]\n")
    table("zones", dict(zip(ZONES, first[len(FEATURES) :] + start, strict=True)))
    table("evidence", dict(zip(FEATURES, first[: len(FEATURES)], strict=True)))
    shares = []
    for one in found:
        zones = np.eye(len(ZONES), dtype=np.float32)[one.evidence.zone]
        whole = np.concatenate([one.evidence.features * heard, zones], axis=-1)
        odds = np.tanh(whole @ first.astype(np.float32) + start.astype(np.float32)) @ units.astype(np.float32) + base[0]
        told = agree(odds.astype(np.float32), one.evidence, AGREEMENT, CONTRAST)
        shares.append(np.append(np.nan_to_num(hidden_shares(visible_shares(one.here, told, template))), 1))
    rows: dict[str, Sequence[float]] = {}
    used = {"mask_worn": list(GROUPS), "eyes_covered": ["eyes"], "mouth_covered": ["mouth"]}
    for name in FLAGS:
        so = [dict(zip(FLAGS, (s.kind in MASKS, *s.covered), strict=True))[name] for s in found]
        keep = [name != "mask_worn" or s.kind != "scarf" for s in found]  # a scarf is neither a mask nor none
        columns = [*(list(GROUPS).index(group) for group in used[name]), len(GROUPS)]
        curve = LogisticRegression(C=100, max_iter=2000, fit_intercept=False)
        curve.fit(np.array(shares)[keep][:, columns], np.array(so)[keep])
        row = np.zeros(len(GROUPS) + 1)
        row[columns] = curve.coef_[0]
        rows[name] = row.tolist()
    table("flags", rows)


if __name__ == "__main__":
    main()
