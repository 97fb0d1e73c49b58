"""Checks of portraits on real faces: expressions that are labelled, and heads whose turn is known.

    python -m benchmarks.portrait_faces

CK+ (333 faces of 48 pixels, posed at their strongest): how many of each expression fail smile, mouth or expression.
Faces without any expression are not among them. AFLW2000 (8 photos): whether the verdicts on yaw and pitch are those of
the marked pose. Everyday photos: what they fail. And what two constants of `mien.features.fit.portrait_geometry` were
set by: the pitch of people who look straight ahead (generated ones and LFW, by the mesh and by networks), and how high
the crown is (bald heads of one photo, whose top the parsing tells). And people of UTKFace with glasses. Intervals of
95 % are bootstrapped over subjects.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from mien.core.columns import Scores
from mien.core.image import load_image
from mien.core.warping import resize
from mien.engine import Engine
from mien.evaluation.intervals import bootstrap, widen
from mien.features.fit.portrait_geometry import CROWN, measure_state, place_heads
from mien.features.fit.portrait_rules import load_rules
from mien.features.fit.portrait_verdict import judge, portrait
from mien.swaps.invented.generator import generate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CHECKS = ("smile", "mouth_closed", "expression")
SIDE, AROUND = 144, 60  # pixels that a crop is enlarged to, and set before on all sides
SEEN = ("right_eye", "left_eye", "nose", "right_cheek", "left_cheek", "mouth", "chin")


def expressions(engine: Engine) -> None:
    """Print the table of expressions."""
    limits = load_rules("icao").checks
    for folder in sorted((DATA / "expression").iterdir()):
        rows: dict[str, list[list[bool]]] = defaultdict(list)
        for file in sorted(folder.iterdir()):
            crop = resize(load_image(file), (SIDE, SIDE))
            image = np.pad(crop, ((AROUND, AROUND), (AROUND, AROUND), (0, 0)), mode="edge")
            faces = engine.analyze(image, want={"landmarks", "blendshapes", "pose", "eyes", "gaze"}, max_faces=1)
            if len(faces):  # nothing stands before these faces
                told = measure_state(
                    faces.with_columns({"visible": Scores(np.ones((1, len(SEEN)), np.float32), names=SEEN)})
                )
                rows[file.name.split("_")[0]].append([bool(told[name][0] > limits[name].most) for name in CHECKS])
        count = sum(map(len, rows.values()))
        each = np.concatenate(list(rows.values())).sum(axis=0)
        any_ = np.concatenate(list(rows.values())).any(axis=1).mean()
        interval = bootstrap(lambda some: float(np.concatenate(some).any(axis=1).mean()), list(rows.values()))
        low, high = widen(interval, float(any_), len(rows))
        names = ", ".join(f"{name} {number}" for name, number in zip(CHECKS, each, strict=True))
        print(f"{folder.name:9s} {count:3d} faces of {len(rows):2d}: any {any_:.2f} ({low:.2f} to {high:.2f}); {names}")


def poses(engine: Engine) -> None:
    """Print verdicts beside the marked pose."""
    from scipy.io import loadmat

    right, total = 0, 0
    for file in sorted((DATA / "pose").glob("*.jpg")):
        pitch, yaw, _ = np.degrees(loadmat(file.with_suffix(".mat"))["Pose_Para"][0, :3])
        checks = portrait(file, engine=engine).checks
        for name, angle in (("yaw", -yaw), ("pitch", pitch)):
            value, passed = checks[name].value, checks[name].passed
            agree = passed == (abs(angle) <= 5)
            right, total = right + agree, total + 1
            told = "not known" if value is None else f"{value:6.1f}"
            print(f"{file.stem} {name:5s} marked {angle:6.1f}, measured {told}: {'' if agree else 'another verdict'}")
    print(f"{right} of {total} verdicts are those of the marked angle")


def photos(engine: Engine) -> None:
    """Print how many everyday photos fail each check."""
    for name in ("identities", "identities_johns", "parsing"):
        files = sorted((DATA / name).rglob("*.jpg"))
        found = [portrait(file, engine=engine) for file in files]
        failed = Counter(check.name for one in found for check in one.checks.values() if check.passed is False)
        lost = Counter(check.name for one in found for check in one.checks.values() if check.passed is None)
        people = len({file.parent for file in files}) if name != "parsing" else len(files)
        print(
            f"{name}: {len(files)} photos of {people} people, {sum(map(bool, found))} pass; fail: {dict(failed)}; ",
            end="",
        )
        print(f"not known: {dict(lost)}")


def level() -> None:
    """Print the median pitch of people who look more or less straight ahead: what `LEVEL` was set by."""
    with Engine(threads=1) as engine:
        sets = {
            "generated": [generate(seed=seed, engine=engine).image for seed in range(40)],
            "LFW": [load_image(file) for file in sorted((DATA / "identities").rglob("*.jpg"))],
        }
    for model in ("pose-canonical", "intel-pose", "6drepnet360", "whenet"):
        with Engine(threads=1, models={"pose": model}) as engine:
            for name, images in sets.items():
                found = [engine.analyze(image, want={"pose"}).top(1).pose.pitch for image in images]
                pitch = np.concatenate([np.atleast_1d(one) for one in found])
                low, high = np.nanquantile(pitch, (0.25, 0.75))
                print(
                    f"pitch by {model}, {len(pitch)} {name}: median {np.nanmedian(pitch):.1f} ({low:.1f} to {high:.1f})"
                )


def crown(engine: Engine) -> None:
    """Print how high the heads of bald people are, in distances of the chin from the eyes: what `CROWN` was set by."""
    faces = engine.analyze(DATA / "landmarks68_boxes" / "bald_guys.jpg", want={"landmarks", "parse", "pose"})
    heads, found = place_heads(faces.landmarks.values), []
    for face in faces:
        hair, skin = (face.parse.region(name) for name in ("hair", "skin"))
        turned = np.abs(face.pose.values[:2]).max()
        drop = float(heads.height[face.row]) / CROWN
        if not (turned <= 15) or hair.area > 0.1 * drop**2:
            continue
        found.append(1 + float(heads.middle[face.row, 1] - skin.bbox[1]) / drop)
    told = ", ".join(f"{one:.2f}" for one in sorted(found))
    print(f"crown of {len(found)} bald heads: median {np.median(found):.2f} ({told})")


def glasses(engine: Engine) -> None:
    """Print how many people of UTKFace who wear glasses fail for it."""
    checks = {"eyes_visible": {"least": 0.7, "step": 0.15}}
    found = []
    for file in sorted((DATA / "age_gender").glob("*.jpg")):
        faces = engine.analyze(file, want={"glasses"}).top(1)
        if len(faces) and float(faces.glasses.values[0]) > 0.8:
            found.append(judge(faces, rules={"checks": checks}, engine=engine).checks["eyes_visible"].passed)
    print(f"{len(found)} photos with glasses: eyes_visible fails for {found.count(False)}")


def main() -> None:
    """Print all."""
    level()
    with Engine(threads=1) as engine:
        crown(engine)
        glasses(engine)
        photos(engine)
        expressions(engine)
        poses(engine)


if __name__ == "__main__":
    main()
