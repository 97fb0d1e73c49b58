"""What stands before faces: told and drawn compared, with both witnesses and with each alone; and what it costs.

    python -m benchmarks.occlusion

On photos of 24 people, none of whom the weights were fitted on. Things are drawn before each face in turn
(`mien.evaluation.occlusion`). "parsing" and "colours" hear one witness alone, and were fitted to it as "both" were;
"rule" is the parsing without any fit: whatever it takes for something else than the face, or misses, is covered.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien import assets
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.engine import Batch, Engine
from mien.evaluation.gaze import Measured
from mien.evaluation.occlusion import KINDS, OcclusionReport, summary, trials
from mien.masks.evidence import FEATURES, INSTEAD
from mien.masks.occlusion import Occlusion
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LARGEST = 640  # pixels: longer sides are reduced to it
PARSED = [FEATURES.index(name) for name in (*INSTEAD, "missing")]
Floats = NDArray[np.float32]


def alone(bundle: Bundle, witness: str) -> Occlusion:
    """Occlusion that was fitted to one witness and hears no other."""
    own = tomllib.loads(Path(__file__).with_name("occlusion_alone.toml").read_text())[witness]
    card = replace(bundle.card, params={**bundle.card.params, **own})
    return Occlusion(Bundle(card, {"geometry": bundle.path("geometry")}, bundle.options))


class Rule(Occlusion):
    """Occlusion by the parsing alone, as it is."""

    def _weigh(self, features: Floats, zone: NDArray[np.intp]) -> Floats:  # noqa: ARG002
        return np.asarray(4 * features[:, PARSED].max(axis=1))


def people() -> Iterator[Image]:
    """Photos of 24 people, one each."""
    folders = sorted([*(DATA / "identities").iterdir(), *(DATA / "identities_johns").iterdir()])
    files = [sorted(folder.glob("*.jpg"))[2] for folder in folders]
    files += [*sorted((DATA / "pose").glob("*.jpg")), *sorted((DATA / "parsing" / "maskgan").glob("*.jpg"))]
    files += [DATA / "landmarks68_boxes" / "Tom_Cruise_avp_2014_4.jpg", DATA / "rotated" / "rot_0.jpg"]
    for file in files:
        image = load_image(file)
        scale = LARGEST / max(image.shape[:2])
        yield image if scale >= 1 else resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))


def shown(name: str, value: Measured) -> str:
    """A number with its interval."""
    return f"{name} {value.value:.3f} ({value.interval[0]:.3f} to {value.interval[1]:.3f})"


def told(name: str, report: OcclusionReport) -> None:
    """Print a report."""
    print(f"\n{name}: {report.people} people, {report.trials} trials, {report.missed} without a face")
    print(f"  {shown('IoU', report.iou['all'])}, {shown('triangles, AUC', report.triangles['all'])}")
    print("  " + ", ".join(shown(flag, value) for flag, value in report.flags.items()))
    print(f"{'':4}{'kind':12}{'IoU':>8}{'95 %':>16}{'triangles':>11}{'false':>8}{'95 %':>16}")
    for kind, false in report.false.items():
        iou = report.iou.get(kind)
        area = f"{report.triangles[kind].value:11.3f}" if kind in report.triangles else f"{'':11}"
        first = f"{iou.value:8.3f}{iou.interval[0]:9.3f}{iou.interval[1]:7.3f}" if iou else f"{'':24}"
        print(f"{'':4}{kind:12}{first}{area}{false.value:8.4f}{false.interval[0]:9.4f}{false.interval[1]:7.4f}")


def speed(engine: Engine) -> None:
    """Print what a face costs, beside its parsing."""
    image = load_image(assets.PEOPLE[0])
    faces = engine.analyze(image, want={"landmarks", "alignment", "parse"})
    batch = Batch([image], np.zeros(len(faces), np.intp), faces)
    for name in ("parse", "occlusion"):
        step, times = engine.runner(name), []
        for _ in range(30):
            start = time.perf_counter()
            step.describe(batch)
            times.append(time.perf_counter() - start)
        print(f"{name}: {1000 * np.median(times):.1f} ms a face (median of 30), one thread")


def main() -> None:
    """Draw, ask, print."""
    with Engine(threads=1) as engine:
        card = engine.catalogue["occlusion"]
        bundle = Bundle(card, engine.store.pull(card), SessionOptions(threads=1))
        steps = {
            "both": Occlusion(bundle),
            "parsing": alone(bundle, "parsing"),
            "colours": alone(bundle, "colours"),
            "rule": Rule(bundle),
        }
        found = list(trials(people(), kinds=KINDS, engine=engine, steps=list(steps.values())))
        for place, name in enumerate(steps):
            told(name, summary([told_by[place] for told_by in found]))
        speed(engine)


if __name__ == "__main__":
    main()
