"""Live people and attacks: false alarms on ordinary photographs, simulated screens and prints, motion, a real set.

    python -m benchmarks.liveness

Ordinary photographs are of LFW, dlib's examples, CompreFace's samples, AFLW2000-3D and our generator; people are
counted where they are known, else pictures. Simulated are the same people's photographs on screens and prints
(`mien.evaluation.rephotographs`). The real set has two people, cropped to the face: of them the field says nothing, so
it is made to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tests.features.turning import turned_head, turned_print

from mien import assets
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine
from mien.evaluation.intervals import bootstrap, widen
from mien.evaluation.liveness import evaluate_liveness, liveness_tables
from mien.evaluation.rephotographs import Rephotograph, rephotograph
from mien.evaluation.separation import auc, measured
from mien.features.genuine.live_cues import CUE_NAMES
from mien.features.genuine.motion import DepthMeter
from mien.media.video import open_video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PAGES = {"bald_guys.jpg", "dogs.jpg"}  # a page of prints, and no people
KINDS = ("screen", "halftone", "print")
UNFITTED = ("identities_johns", "detect_noses")  # sets that the cues' curves were not fitted on
Row = tuple[str, float]  # whose, and 1 where it is so


def photographs() -> Iterator[tuple[str, str, Image]]:
    """Set, person or picture, and the picture."""
    for name in ("identities", "identities_johns"):
        for folder in sorted((DATA / name).iterdir()):
            for file in sorted(folder.glob("*.jpg")):
                yield name, folder.name, load_image(file)
    for name in ("detect_noses", "landmarks68_boxes", "pose"):
        for file in sorted((DATA / name).glob("*.jpg")):
            if file.name not in PAGES:
                yield name, file.name, load_image(file)


def told(rows: Sequence[Row]) -> str:
    """A share with its interval over people."""
    if not rows:
        return "-"
    people: dict[str, list[float]] = {}
    for person, value in rows:
        people.setdefault(person, []).append(value)
    parts = list(people.values())
    share = float(np.mean([value for part in parts for value in part]))
    ends = bootstrap(lambda some: float(np.mean([v for part in some for v in part])), parts)
    low, high = widen(ends, share, len(parts))
    return f"{share:.1%} ({low:.1%} to {high:.1%}) of {len(rows)} faces, {len(parts)} people or pictures"


def judged(
    engine: Engine, image: Image, *, all_faces: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """``live`` where it is told, ``live`` made to be told everywhere, and the reasons for silence."""
    faces = engine.analyze(image, want={"live"})
    faces = faces if all_faces else faces.top(1)
    everywhere = (
        engine.runner("live").everywhere().describe(Batch([image], np.zeros(len(faces), np.intp), faces))["live"]
    )
    reasons = [str(reason) for reason in faces.live.reasons or [None] * len(faces)]
    return np.array(faces.live.values, np.float64), np.array(everywhere.values, np.float64), reasons


def ordinary(engine: Engine) -> None:
    """False alarms."""
    print("ordinary photographs that are called no live person (live below 0.5), 95 % over people or pictures")
    rows: dict[str, list[Row]] = {}
    for name, person, image in photographs():
        live, everywhere, reasons = judged(engine, image, all_faces=True)
        for score, forced, reason in zip(live, everywhere, reasons, strict=True):
            if np.isnan(forced):
                continue
            kinds = [name, "all, with room"] if not np.isnan(score) else [f"silent: {reason[:22]}, if told"]
            for kind in kinds:
                rows.setdefault(kind, []).append((person, float(forced < 0.5)))
    for kind, some in rows.items():
        print(f"  {kind:42} {told(some)}")


def simulated(engine: Engine) -> None:
    """Attacks that pass, of two photographs of each person; and how well each cue tells them from ordinary ones."""
    print("simulated re-photographs that are called live (0.5 and more)")
    cues: dict[str, list[tuple[str, NDArray[np.float32]]]] = {}
    scene, count = load_image(assets.LANDSCAPE), dict[str, int]()
    rows: dict[str, list[Row]] = {}
    for number, (name, person, image) in enumerate(photographs()):
        count[person] = count.get(person, 0) + 1
        if name in ("landmarks68_boxes", "pose") or count[person] > 2:
            continue
        small = cv2.resize(image, None, fx=(f := min(1, 1600 / max(image.shape))), fy=f, interpolation=cv2.INTER_AREA)
        for kind in KINDS:
            edges = (number + len(kind)) % 2 == 0
            how = Rephotograph.drawn(np.random.default_rng((number, len(kind))), kind, edges=edges)
            shown = rephotograph(np.asarray(small, np.uint8), how, seed=number, scene=scene, side=720)
            group = f"{kind}{', edges in sight' if edges else ''}"
            cues.setdefault(group, []).extend(cues_of(engine, shown, person))
            live, _, _ = judged(engine, shown, all_faces=False)
            for score in live[~np.isnan(live)]:
                for name_ in (group, "all"):
                    rows.setdefault(name_, []).append((person, float(score >= 0.5)))
    for kind, some in rows.items():
        print(f"  {kind:42} {told(some)}")
    plain = [row for name, person, image in photographs() if name in UNFITTED for row in cues_of(engine, image, person)]
    shares = (np.stack([values for _, values in plain]) > 0.5).mean(axis=0)
    print(f"cues of {len(plain)} faces that they were not fitted on: shares above 0.5, and AUC of the simulated ones")
    print("  " + ", ".join(f"{cue} {share:.0%}" for cue, share in zip(CUE_NAMES, shares, strict=True)))
    for group, found in cues.items():
        both = [*found, *plain]
        attack = np.arange(len(both)) < len(found)
        values = np.stack([value for _, value in both]).astype(np.float64)
        areas = [measured(auc, values[:, cue], attack, [who for who, _ in both]) for cue in range(len(CUE_NAMES))]
        told_ = (
            f"{cue} {a.value:.2f} ({a.interval[0]:.2f} to {a.interval[1]:.2f})"
            for cue, a in zip(CUE_NAMES, areas, strict=True)
        )
        print(f"  {group:26} {len(found):3} faces: {', '.join(told_)}")


def cues_of(engine: Engine, image: Image, person: str) -> list[tuple[str, NDArray[np.float32]]]:
    """The cues of each face of 64 pixels or more."""
    faces = engine.analyze(image, want={"live_cues"}, min_size=64)
    known = faces.live_cues.values[~faces.live_cues.abstained]
    return [(person, row) for row in known]


def motion(engine: Engine) -> None:
    """Relief of rendered heads, of real ones, and of stills that are turned."""
    print("relief: of a face's change, the part that no plane explains (flat below 0.3, a head above 0.45)")
    times = np.arange(0, 2.4, 0.08)
    found: dict[str, list[float]] = {"rendered heads": [], "stills, turned by 36 degrees": [], "real clips": []}

    def followed(frames: Iterator[tuple[float, Image]]) -> float:
        meter = DepthMeter()
        for at, image in frames:
            faces = engine.detect(image, max_faces=1)
            meter.update(at, image, faces.boxes[0] if len(faces) else None)
        depth = meter.finish()
        return np.nan if depth.relief is None else depth.relief

    def turn(degrees: float, nod: float) -> object:
        return lambda t: (degrees * np.sin(2.6 * t), nod * np.cos(2.6 * t))

    for person in assets.PEOPLE:
        found["rendered heads"].append(followed(turned_head(person, turn(20, 6), times, engine)))  # type: ignore[arg-type]
        found["stills, turned by 36 degrees"].append(followed(turned_print(person, turn(36, 8), times)))  # type: ignore[arg-type]
    clips = [*(DATA / "video").glob("*.mp4"), *(DATA / "forgery").glob("original_sequences/*/*.mp4")]
    for clip in clips:
        if clip.name != "no_face.mp4":
            found["real clips"].append(followed((frame.time, frame.image) for frame in open_video(clip)))
    for name, values in found.items():
        ends = f"{np.nanmin(values):.2f} to {np.nanmax(values):.2f}"
        print(f"  {name:32} {len(values)} clips: {ends}, {np.isnan(values).sum()} not told")


def speed(engine: Engine) -> None:
    """Milliseconds a face, on one core."""
    image = load_image(assets.GROUP)
    faces = engine.detect(image)
    print(f"milliseconds a face, {len(faces)} faces in one picture, one core")
    for model, field in (
        ("minifasnet", "live"),
        ("minifasnet-v2", "live"),
        ("minifasnet-v1se", "live"),
        ("live-cues", "live_cues"),
    ):
        chosen = engine.with_models(**{field: model})
        chosen.analyze(image, faces=faces, want={field})
        laps = []
        for _ in range(30):
            started = time.perf_counter()
            chosen.analyze(image, faces=faces, want={field})
            laps.append(time.perf_counter() - started)
        print(f"  {model:18} {1000 * float(np.median(laps)) / len(faces):.2f}")


def main() -> None:
    """Print everything."""
    with Engine(threads=1) as engine:
        ordinary(engine)
        simulated(engine)
        motion(engine)
        print("the real set, two people, made to be told")
        for table in liveness_tables(evaluate_liveness(DATA / "liveness", everywhere=True, engine=engine)):
            print(f"  {table.title}")
            for row in table.rows:
                print("    " + "  ".join(f"{cell:28}" for cell in row))
        speed(engine)


if __name__ == "__main__":
    main()
