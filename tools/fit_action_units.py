"""Scales the action units, in src/mien/models/cards/action-units.toml: prints its table.

    .venv/bin/python tools/fit_action_units.py FOLDER

FOLDER holds the pictures of CK+ (``expression``), LFW (``identities``), dlib's examples (``identities_johns``) and
UTKFace (``age_gender``). What a face at rest has is what a quarter of the faces without any clear expression stay
below; but at rest an eye is open, however low its lid hangs: AU43 begins where 19 of 20 open eyes end. Full strength is
what one picture in 200 exceeds; for parted lips, what one in 20 does whose jaw is shut, as FACS counts its drop apart.
Where the two are less than a tenth apart, the channel is dead: its unit is not in the table, and neither are those that
CK+ shows to tell nothing (docs/action_units.md). Scaling changes the order of no two faces between rest and full
strength.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.features.shown.action_units import UNITS, Evidence, measure

MOVES = 0.1
SHUT = 0.1  # jawOpen below which the jaw is shut
OPEN = 0.9  # probability of being open from which on an eye is
QUIET = {"AU1": 0.2, "AU2": 0.2, "AU4": 0.3, "AU12": 0.1, "AU26": 0.05}  # below all of these nothing is expressed


def pictures(folder: Path) -> Iterator[Image]:
    """Pictures of single faces, with room around those that are cut close."""
    for path in sorted((folder / "expression").glob("*/*.png")):
        large = cv2.resize(load_image(path), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        yield np.asarray(cv2.copyMakeBorder(large, 64, 64, 64, 64, cv2.BORDER_REPLICATE), np.uint8)
    for name in ("identities", "identities_johns"):
        yield from map(load_image, sorted((folder / name).rglob("*.jpg")))
    for path in sorted((folder / "age_gender").glob("*.jpg")):
        yield np.asarray(np.pad(load_image(path), ((60, 60), (60, 60), (0, 0)), mode="symmetric"), np.uint8)


def main(folder: Path) -> None:
    """Print the table."""
    rows, eyes = [], []
    with Engine(threads=1) as engine:
        for image in pictures(folder):
            faces = engine.analyze(image, want={"blendshapes", "stabilized", "eyes"}, max_faces=1)
            if len(faces) and not faces.blendshapes.abstained[0]:
                rows.append(measure(Evidence(faces.blendshapes, faces.stabilized.values)))
                eyes.append(faces.eyes.values[0])
    values = {name: np.concatenate([row[name] for row in rows]) for name in UNITS}
    quiet = np.all([values[name].max(axis=1) < limit for name, limit in QUIET.items()], axis=0)
    sys.stdout.write(f"# {len(rows)} pictures, {quiet.sum()} without a clear expression\n")
    for name in UNITS:
        rest = float(np.quantile(values[name][quiet], 0.25))
        full = float(np.quantile(values[name], 0.995))
        if name == "AU25":
            full = float(np.quantile(values[name][values["AU26"][:, 0] < SHUT], 0.95))
        if name == "AU43":
            rest = float(np.quantile(values[name][np.array(eyes) > OPEN], 0.95))
        dead = "" if full - rest >= MOVES else "  # dead"
        sys.stdout.write(f"{name} = [{rest:.2f}, {full:.2f}]{dead}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
