"""Live people and attacks: false alarms on ordinary photographs, simulated screens and prints, motion, a real set.

    python -m benchmarks.liveness

Ordinary photographs are of LFW, dlib's examples, CompreFace's samples, AFLW2000-3D and our generator; people are
counted where they are known, else pictures. Simulated are the same people's photographs on screens and prints
(`mien.evaluation.rephotographs`). The real set has two people, cropped to the face: of them the field says nothing, so
it is made to. Of challenges: how often a clip that answers another one fits by luck, how alike the frames of one person
are, and whether one photograph that a program animates meets one.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tests.features.turning import acted_face, bump, turned_head, turned_print

from mien import assets
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine
from mien.evaluation.intervals import bootstrap, widen
from mien.evaluation.liveness import evaluate_liveness, liveness_tables
from mien.evaluation.rephotographs import Rephotograph, rephotograph
from mien.evaluation.separation import auc, measured
from mien.features.genuine.challenge import ACTIONS, TURNS, Challenge, Prompt, new_key
from mien.features.genuine.findings import SAME, one_shot, same_person
from mien.features.genuine.live_cues import CUE_NAMES
from mien.features.genuine.motion import DepthMeter
from mien.features.genuine.take import watch
from mien.features.genuine.verdict import judge
from mien.media.video import open_video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PAGES = {"bald_guys.jpg", "dogs.jpg"}  # a page of prints, and no people
KINDS = ("screen", "halftone", "print")
JPEG = 75  # quality at which the second photograph is stored, where it is
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
            cues.setdefault(f"{group}, JPEG {JPEG}", []).extend(cues_of(engine, jpeg(shown), person))
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
        print(f"  {group:36} {len(found):3} faces: {', '.join(told_)}")


def jpeg(image: Image) -> Image:
    """A picture as it comes back out of a JPEG file."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def cues_of(engine: Engine, image: Image, person: str) -> list[tuple[str, NDArray[np.float32]]]:
    """The cues of each face of 64 pixels or more."""
    faces = engine.analyze(image, want={"live_cues"}, min_size=64)
    known = faces.live_cues.values[~faces.live_cues.abstained]
    return [(person, row) for row in known]


def motion(engine: Engine) -> None:
    """Relief of rendered heads, of real ones, and of stills that are turned."""
    print("relief: of a face's change, the part that no plane explains (flat below 0.3, a head above 0.45)")
    times = np.arange(0, 2.4, 0.08)
    kinds = ("rendered heads", "stills, turned by 36 degrees", "real clips", "stills of real clips, turned")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}

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
    for clip in real_clips():
        found["real clips"].append(followed((frame.time, frame.image) for frame in open_video(clip)))
        still = next(iter(open_video(clip))).image
        found["stills of real clips, turned"].append(followed(turned_print(still, turn(36, 8), times)))  # type: ignore[arg-type]
    for name, values in found.items():
        ends = f"{np.nanmin(values):.2f} to {np.nanmax(values):.2f}"
        print(f"  {name:32} {len(values)} clips: {ends}, {np.isnan(values).sum()} not told")


def real_clips() -> list[Path]:
    """Clips of people."""
    clips = [*(DATA / "video").glob("*.mp4"), *(DATA / "forgery").glob("original_sequences/*/*.mp4")]
    return sorted(clip for clip in clips if clip.name != "no_face.mp4")


def luck(repeats: int = 20_000) -> None:
    """How often a clip that answers one challenge answers another one, whose actions take their turn as well.

    It does where the order is the same, and each thing was done within the other's time too. It is taken that people
    begin 0.6 seconds after they are asked, and take 1.2.
    """
    print("a clip that answers one challenge answers another one by luck")
    key, begins, takes = new_key(), 0.6, 1.2
    for count in (1, 2, 3, 4, 5):
        names = [*TURNS, *(name for name in ACTIONS if name not in TURNS)][:count]
        spans = np.array(
            [[(p.start, p.end) for p in Challenge.issue(key=key, actions=names).prompts] for _ in range(repeats)]
        )
        done, asked = spans, np.roll(spans, 1, axis=0)
        begun = done[..., 0] + begins
        fits = (asked[..., 0] <= begun) & (begun + takes <= asked[..., 1])
        orders = math.perm(len(ACTIONS), count) - math.perm(len(ACTIONS) - len(TURNS), count)
        share = float(fits.all(axis=1).mean())
        print(
            f"  {count} actions: {orders} orders, of the same order the times fit in {share:.1%}: {share / orders:.3%}"
        )


def likeness(engine: Engine) -> None:
    """What embeddings of a clip have with those of its ends, and with those of other people's clips."""
    print(f"cosines of frames in real clips (one person: {SAME} and more)")
    vectors = []
    for clip in real_clips():
        rows = [
            engine.analyze(frame.image, want={"embedding"}, max_faces=1)
            for number, frame in enumerate(open_video(clip))
            if number % 5 == 0
        ]
        some = np.concatenate([faces.embedding.values for faces in rows if len(faces)])
        vectors.append(some[~np.isnan(some).any(axis=1)])
    ends = [np.stack([some[:5].mean(axis=0), some[-5:].mean(axis=0)]) for some in vectors]
    ends = [end / np.linalg.norm(end, axis=1, keepdims=True) for end in ends]
    own = [float((some @ end.T).min()) for some, end in zip(vectors, ends, strict=True)]
    others = [float((a @ b.T).max()) for i, a in enumerate(vectors) for j, b in enumerate(ends) if i != j]
    print(f"  {len(vectors)} clips, {sum(map(len, vectors))} frames: own {min(own):.2f} and more, ", end="")
    print(f"others' {max(others):.2f} at the most")


def spliced(engine: Engine) -> None:
    """What of a clip that was put together is seen: of two people's, and of one's own parts in another order."""
    print("clips put together of two parts")
    one, other = (
        [
            np.asarray(cv2.resize(frame.image, (480, 270)), np.uint8)
            for frame in itertools.islice(open_video(clip), 0, 48, 3)
        ]
        for clip in real_clips()[:2]
    )
    fade = [np.asarray(cv2.addWeighted(one[7], 1 - k / 6, other[0], k / 6, 0), np.uint8) for k in range(1, 6)]
    made = {
        "two people, cut": one[:8] + other[:8],
        "two people, faded": one[:8] + fade + other[:8],
        "one person, another order": one[:8] + one[12:] + one[4:8],
        "one person, there and back": one[:8] + one[7::-1],
    }
    for name, frames in made.items():
        seen = watch([(number / 10, frame) for number, frame in enumerate(frames)], engine=engine, active=True)
        print(f"  {name:28} {one_shot(seen).reason} {same_person(seen).reason}")


def animated(engine: Engine) -> None:
    """One photograph that turns, opens its mouth, blinks and smiles when asked, given instead of a camera's frames."""
    print("one photograph each, animated by its mesh, and a challenge of four actions")
    asked = (("turn_left", 0.5, 1.9), ("open_mouth", 2.1, 3.3), ("blink", 3.4, 4.4), ("smile", 4.5, 5.7))
    prompts = tuple(Prompt(*prompt) for prompt in asked)
    heights = {
        "turn_left": ("yaw", 28.0),
        "open_mouth": ("mouth", 1.0),
        "blink": ("blink", 1.0),
        "smile": ("smile", 1.0),
    }

    def acts(t: float) -> dict[str, float]:
        spans = {p.action: (p.start + 0.1, (p.start + 0.6) if p.action == "blink" else p.end - 0.1) for p in prompts}
        return {heights[name][0]: bump(t, *span, heights[name][1]) for name, span in spans.items()}

    task = Challenge("", 0, 0, prompts, "")
    calm = Challenge("", 0, 0, prompts[:3], "")  # most of these people smile already
    met = 0
    for person in assets.PEOPLE:
        small = cv2.resize(load_image(person), (288, 288), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.copyMakeBorder(small, 40, 40, 60, 60, cv2.BORDER_REPLICATE), np.uint8)
        frames = acted_face(image, acts, np.arange(0, 5.9, 0.1), engine)
        seen = watch(frames, engine=engine, active=True)
        found = judge(seen, task)
        met += judge(seen, calm).live is True
        done = ", ".join(answer.prompt.action for answer in found.answers if answer.done)
        relief = None if found.depth is None else found.depth.relief
        print(
            f"  {person.name}: {found.live}, done: {done}; live {found.score}, relief {relief}: {found.reason}",
            flush=True,
        )
    print(f"  without the smile {met} of {len(assets.PEOPLE)} meet it")


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
        luck()
        likeness(engine)
        spliced(engine)
        animated(engine)
        print("the real set, two people, made to be told")
        for table in liveness_tables(evaluate_liveness(DATA / "liveness", everywhere=True, engine=engine)):
            print(f"  {table.title}")
            for row in table.rows:
                print("    " + "  ".join(f"{cell:28}" for cell in row))
        speed(engine)


if __name__ == "__main__":
    main()
