"""Open and closed eyes, and blinks: on labelled eyes, generated people, clips and drawn curves; and how fast.

    python -m benchmarks.blink

The labels (``eyes.csv``: 645 pictures and frames; ``blinks.csv``: 34 blinks) were made by one person who looked at the
pictures and had seen the curves before. "Fitted" are the eyes that the two numbers of eyes-mesh and the scale of
open-closed-eye were set on; the others were only counted. The limits of a blink were set on the six clips, so that what
is printed of these is no promise; drawn curves and drawn lids were only counted. Closed eyes are of few people, and one
clip (660) is a face swap whose lids no longer move as lids do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from tests.blinking import Blinker, film_of
from tests.curves import Lids, clock, film
from tests.media.films import film as write_film

from benchmarks.timing import seconds
from mien import assets
from mien.core.clip import Event, Events
from mien.core.columns import Scores, Tracks
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.datasets.readers.events_csv import read_events_csv
from mien.engine import Batch, Engine
from mien.evaluation.blink import EyeLabel, EyesReport, find_eyes, read_eye_labels, score_eyes
from mien.evaluation.events import EventsReport, evaluate_events
from mien.evaluation.intervals import wilson
from mien.location.blink import BlinkSettings, find_blinks
from mien.location.eyes import EYE_NAMES, openings
from mien.media.video import open_video

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data"
MODELS = ("eyes-mesh", "open-closed-eye")


def eyes() -> None:
    labels = read_eye_labels(HERE / "eyes.csv", root=DATA)
    parts: dict[str, Callable[[EyeLabel], bool]] = {
        "all": lambda _: True,
        "fitted": lambda label: label.subject == "519" or "expression" in label.path.parts,
        "others": lambda label: not (label.subject == "519" or "expression" in label.path.parts),
        "  photos": lambda label: label.frame is None and "expression" not in label.path.parts,
        "  clips": lambda label: label.frame is not None and label.subject not in {"519", "660"},
        "  face swap": lambda label: label.subject == "660",
    }
    print("\nEyes: called what they are, at 0.5; 95 % over people")
    print(f"{'':18}{'people':>7}{'open':>28}{'closed':>28}{'AUC':>25}")
    for model in MODELS:
        with Engine(threads=1, models={"eyes": model}) as engine:
            answers = list(find_eyes(labels, engine=engine))
        print(model)
        for name, belongs in parts.items():
            rows = [row for row, label in enumerate(labels) if belongs(label)]
            _print_eyes(name, score_eyes([labels[row] for row in rows], [answers[row] for row in rows]))


def _print_eyes(name: str, report: EyesReport) -> None:
    def rate(right: int, total: int, interval: tuple[float, float]) -> str:
        return f"{right}/{total} ({interval[0]:.3f} to {interval[1]:.3f})"

    low, high = report.auc_interval
    print(
        f"  {name:16}{report.subjects:7}{rate(report.open_right, report.open, report.open_interval):>28}"
        f"{rate(report.closed_right, report.closed, report.closed_interval):>28}"
        f"{f'{report.auc:.4f} ({low:.3f} to {high:.3f})':>25}"
    )


def generated(count: int = 30) -> None:
    print(f"\nGenerated people, whose eyes are open: {count} of them")
    images = [_person(seed) for seed in range(count)]
    for model in MODELS:
        with Engine(threads=1, models={"eyes": model}) as engine:
            found = [engine.analyze(image, want={"eyes", "blendshapes"}).top(1) for image in images]
        values = np.array([faces.eyes.values[0] for faces in found if len(faces)])
        smiling = np.array([faces.blendshapes.named("mouthSmileLeft")[0] > 0.5 for faces in found if len(faces)])
        wrong = np.asarray((values <= 0.5).any(axis=1))
        low, high = wilson(int(wrong.sum()), len(wrong))
        print(
            f"  {model:18}an eye called closed: {wrong.sum()} of {len(wrong)} people (95 % {low:.3f} to {high:.3f}), "
            f"{wrong[smiling].sum()} of {smiling.sum()} who smile; least {values.min():.3f}, "
            f"median {np.median(values):.3f}"
        )


def _person(seed: int) -> Image:
    import mien

    return mien.generate(seed=seed).image


def turned() -> None:
    """What a turn of the head does to the opening of the far eye, in the mesh and in the picture alone."""
    folders = ("age_gender", "identities", "identities_johns")
    files = [file for folder in folders for file in sorted((DATA / folder).rglob("*.jpg"))]
    rows = []
    with Engine(threads=1) as engine:
        for file in files:
            faces = engine.analyze(load_image(file), want={"landmarks", "pose"}).top(1)
            if len(faces) and not faces.pose.abstained[0]:
                mesh = faces.landmarks.values.astype(np.float64)
                flat = mesh * [1, 1, 0]
                yaw = faces.pose.yaw[0]
                order = [1, 0] if yaw > 0 else [0, 1]  # the far eye first
                ratios = [
                    values[0, order[0]] / max(values[0, order[1]], 1e-6) for values in map(openings, (mesh, flat))
                ]
                rows.append((abs(yaw), *ratios))
    table = np.array(rows)
    print(f"\nTurned heads: opening of the far eye over that of the near one, median, of {len(table)} faces")
    for low, high in ((0, 10), (10, 20), (20, 30)):
        part = table[(table[:, 0] >= low) & (table[:, 0] < high)]
        print(
            f"  yaw {low} to {high}: {len(part):4} faces, {np.median(part[:, 1]):.2f} in the mesh, "
            f"{np.median(part[:, 2]):.2f} in the picture"
        )


def blinks() -> None:
    truth = read_events_csv(HERE / "blinks.csv")
    print("\nBlinks of clips, tracked as `mien track` does")
    with Engine(threads=1) as engine:
        found = {name: engine.track(DATA / name, want={"blink"}).events for name in truth}
    groups = {"six clips": list(truth), "without face swap": [name for name in truth if "FaceSwap" not in name]}
    for label, names in groups.items():
        for iou in (0.2, 0.5):
            part = {name: truth[name] for name in names}
            report = evaluate_events(part, {name: found[name] for name in names}, kind="blink", iou=iou)
            _print_events(f"{label} @ {iou}", report)


def two_people() -> None:
    """Two clips side by side: who blinks when, in one picture."""
    names = ("forgery/original_sequences/youtube/519.mp4", "forgery/original_sequences/youtube/634.mp4")
    truth = read_events_csv(HERE / "blinks.csv")
    streams = []
    for name in names:
        with open_video(DATA / name) as video:
            streams.append([_fit(frame.image, (480, 640)) for frame in video])
    count = min(map(len, streams))
    with TemporaryDirectory() as folder, Engine(threads=1) as engine:
        path = write_film(Path(folder) / "two.mp4", [np.hstack(pair) for pair in zip(*streams, strict=False)])
        tracking = engine.track(path, want={"blink"})
        events = tracking.events
    both = Events(
        tuple(
            Event(event.kind, place, event.start, event.end)
            for place, name in enumerate(names)
            for event in truth[name]
            if event.end < count / 25
        )
    )
    people = len(tracking.tracks)
    _print_events(
        f"two in one picture ({people} tracks)", evaluate_events({"": both}, {"": events}, kind="blink", iou=0.2)
    )


def drawn_lids(seconds: float = 30.0, rate: int = 25) -> None:
    """Generated people, three in a picture, whose lids are drawn down: who blinks when."""
    print("\nGenerated people whose lids are drawn, three in a picture, tracked as `mien track` does")
    truth: dict[str, Events] = {}
    found: dict[str, Events] = {}
    tracks = 0
    with Engine(threads=1) as engine, TemporaryDirectory() as folder:
        people = [Blinker.of(load_image(path), engine) for path in assets.PEOPLE]
        people = [person for person in people if person.image.shape == people[0].image.shape]
        for start in range(0, len(people) - 2, 3):
            motions = [
                [m for m in _motions(np.random.default_rng(start + place), seconds) if m.closing < 1]
                for place in range(3)
            ]
            frames = film_of(people[start : start + 3], motions, clock(rate, seconds).tolist())
            path = write_film(Path(folder) / f"{start}.mp4", frames, rate=rate)
            tracking = engine.track(path, want={"blink"})
            found[str(start)] = tracking.events
            tracks += len(tracking.tracks)
            truth[str(start)] = sum((_true_events(own, place) for place, own in enumerate(motions)), Events())
    for iou in (0.2, 0.5):
        report = evaluate_events(truth, found, kind="blink", iou=iou)
        _print_events(f"{3 * len(truth)} people, {tracks} tracks @ {iou}", report)


def _fit(image: Image, size: tuple[int, int]) -> Image:
    """A picture scaled to a height, and its middle to a width."""
    height, width = size
    scaled = cv2.resize(image, (round(image.shape[1] * height / image.shape[0]), height), interpolation=cv2.INTER_AREA)
    left = (scaled.shape[1] - width) // 2
    return np.asarray(scaled[:, left : left + width], np.uint8)


def _print_events(label: str, report: EventsReport) -> None:
    low, high = report.f1_interval
    print(
        f"  {label:36}{report.truth:3} blinks of {report.people}, {report.found:3} found, {report.matched:3} matched: "
        f"F1 {report.f1:.3f} (over people {low:.2f} to {high:.2f}), onset {1000 * report.onset_bias:+.0f} ms, "
        f"offset {1000 * report.offset_bias:+.0f} ms, AP@0.5 {report.average_precision['0.5']:.2f}"
    )


def curves(people: int = 20, seconds: float = 60.0) -> None:
    """Drawn curves: blinks at random, of random shapes, without noise, with that of a sharp face, and much more."""
    print(f"\nDrawn curves: {people} people of {seconds:g} s each; F1 at an overlap of 0.5 (precision, recall)")
    noises = (0.0, 0.01, 0.02)  # in widths of the eye
    print(f"{'frames a second':>18}" + "".join(f"{f'noise {noise:g}':>24}" for noise in noises))
    for rate in (10, 15, 25, 30, 60, 120):
        cells = []
        for noise in noises:
            truth: dict[str, Events] = {}
            found: dict[str, Events] = {}
            for seed in range(people):
                draw = np.random.default_rng(seed)
                times, motions = clock(rate, seconds), _motions(draw, seconds)
                seen = film(times, motions, wide=draw.uniform(0.18, 0.38), noise=noise, seed=seed)
                truth[str(seed)] = _true_events(motions)
                found[str(seed)] = Events(tuple(find_blinks(times, seen, BlinkSettings())))
            report = evaluate_events(truth, found, kind="blink", iou=0.5)
            cells.append(f"{report.f1:.3f} ({report.precision:.3f}, {report.recall:.3f})")
        print(f"{rate:18}" + "".join(f"{cell:>24}" for cell in cells) + f"   of {report.truth} blinks")


def _motions(draw: np.random.Generator, seconds: float) -> list[Lids]:
    """A blink every 1 to 6 seconds, and slow squints of which none is a blink."""
    at, motions = float(draw.uniform(1, 3)), []
    while at < seconds - 5:
        squint = draw.random() < 0.1
        closing, hold, opening = draw.uniform([0.06, 0.0, 0.1], [0.12, 0.12, 0.25]).tolist()
        motion = (
            Lids(at, 1.2, float(draw.uniform(0.5, 2)), 1.2, float(draw.uniform(0.3, 0.6)))
            if squint
            else Lids(at, closing, hold, opening, float(draw.uniform(0.7, 1)))
        )
        motions.append(motion)
        at = motion.end + float(draw.uniform(1, 6))
    return motions


def _true_events(motions: Sequence[Lids], track: int = 0) -> Events:
    return Events(
        tuple(Event("blink", track, m.at, m.at + m.closing + m.hold + m.opening / 2) for m in motions if m.closing < 1)
    )


def speed() -> None:
    print("\nSpeed, one core")
    with Engine(threads=1) as engine:
        image = load_image(assets.PEOPLE[0])
        faces = engine.analyze(image, want={"landmarks"}).top(1)
        for model in MODELS:
            with Engine(threads=1, models={"eyes": model}) as chosen:
                step = chosen.runner("eyes")
                for count in (1, 64):
                    many = Faces.concat([faces] * count)
                    batch = Batch([image], np.zeros(count, np.intp), many)
                    spent = seconds(functools.partial(step.describe, batch)) / count
                    print(f"  {model:18}{count:3} faces: {1000 * spent:.3f} ms each")
    times = clock(30, 60)
    seen = film(times, _motions(np.random.default_rng(0), 60.0), noise=0.005)
    spent = seconds(lambda: find_blinks(times, seen, BlinkSettings()))
    print(f"  blinks of a minute at 30 frames a second: {1000 * spent:.1f} ms")
    with Engine(threads=1) as engine:
        step = engine.runner("perclos").follow()
        row = Faces.from_boxes([[0, 0, 9, 9]]).with_columns(
            {"track": Tracks(np.array([[1.0, 1.0]])), "eyes": Scores(np.array([[0.9, 0.8]]), names=EYE_NAMES)}
        )
        moment = iter(np.arange(0, 1e6, 0.04))
        print(f"  perclos of a face: {1000 * seconds(lambda: step.update(next(moment), row)):.3f} ms")


def main() -> None:
    curves()
    drawn_lids()
    generated()
    speed()
    if not DATA.is_dir():
        print(f"the rest skipped: no pictures in {DATA}")
        return
    eyes()
    turned()
    blinks()
    two_people()


if __name__ == "__main__":
    main()
