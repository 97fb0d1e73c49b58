"""What stands before faces: told and drawn compared, with both witnesses and with each alone; and what it costs.

    python -m benchmarks.occlusion [--people 40]

People: every second picture of UTKFace, none of which the weights were fitted on, and ten more from two other sets.
Things are drawn before each face in turn (`mien.evaluation.occlusion`). "parsing" hears the parsing as if all colours
were explained, "colours" the appearance as if the parsing saw nothing but a face; neither was fitted for that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien import assets
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine
from mien.evaluation.gaze import Measured
from mien.evaluation.occlusion import KINDS, OcclusionReport, summary, trials
from mien.masks.evidence import FEATURES, INSTEAD
from mien.masks.occlusion import Occlusion
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PARSED = [FEATURES.index(name) for name in (*INSTEAD, "missing")]
FITTED = [place for place in range(len(FEATURES)) if place not in PARSED]
Floats = NDArray[np.float32]


class Deaf(Occlusion):
    """Occlusion that does not hear some of the evidence."""

    def __init__(self, bundle: Bundle, muted: Sequence[int], value: float) -> None:
        super().__init__(bundle)
        self._muted, self._value = list(muted), np.float32(value)

    def _weigh(self, features: Floats, zone: NDArray[np.intp]) -> Floats:
        heard = features.copy()
        heard[:, self._muted] = self._value
        return super()._weigh(heard, zone)


def people(count: int) -> Iterator[Image]:
    """Clear faces of different people: `count` crops, and ten photos."""
    crops = sorted((DATA / "age_gender").glob("*.jpg"))[1::2]
    for path in crops[:: max(len(crops) // count, 1)][:count]:
        yield load_image(path)
    for folder in sorted([*(DATA / "identities").iterdir(), *(DATA / "identities_johns").iterdir()]):
        yield load_image(sorted(folder.glob("*.jpg"))[2])


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=40, help="of UTKFace")
    count = parser.parse_args().people
    with Engine(threads=1) as engine:
        card = engine.catalogue["occlusion"]
        bundle = Bundle(card, engine.store.pull(card), SessionOptions(threads=1))
        steps = {"both": Occlusion(bundle), "parsing": Deaf(bundle, FITTED, 0), "colours": Deaf(bundle, PARSED, -2)}
        found = list(trials(people(count), kinds=KINDS, engine=engine, steps=list(steps.values())))
        for place, name in enumerate(steps):
            told(name, summary([told_by[place] for told_by in found]))
        speed(engine)


if __name__ == "__main__":
    main()
