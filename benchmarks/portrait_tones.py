"""Checks of portraits against the tone of the skin: which of them change their verdict when nothing else does.

    python -m benchmarks.portrait_tones [PEOPLE]

Portraits of people who do not exist, as `benchmarks.portrait` makes them, get every second tone of the Monk scale by
`mien.evaluation.probes.recolored`: the skin alone changes, and not the light, the hair, the wall. For each tone and
check the table has how many fail, and what was measured in the middle of them. What fails more people the darker they
are may decide nothing. The tones are made by multiplying light, so that dark ones have less noise and no highlights of
their own: real skin shines more.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict

import numpy as np

from benchmarks.portrait import subjects
from benchmarks.portrait_faces import DATA
from mien.core.image import load_image
from mien.engine import Engine
from mien.evaluation.intervals import wilson
from mien.evaluation.probes import recolored
from mien.evaluation.skin_tone import NEEDED, apparent_tones, tone_band
from mien.features.fit.portrait_verdict import Portrait, judge

TONES = (1, 3, 5, 6, 7, 8, 9, 10)
PEOPLE = 12
#: Checks that look at pixels of the face, or may be led astray by them: their values are printed, too.
WATCHED = (
    "too_dark", "too_bright", "contrast", "colour", "red_eye", "hot_spots", "eye_glare", "lighting", "sharpness",
    "background_contrast", "eyes_open", "eyes_visible", "face_visible", "headwear",
)  # fmt: skip


def photos(engine: Engine) -> None:
    """Print, of photos by apparent tone, how many fail each check that looks at the face's pixels."""
    bands: dict[str, list[Portrait]] = defaultdict(list)
    for file in sorted((DATA / "age_gender").glob("*.jpg")):
        image = np.pad(load_image(file), ((60, 60), (60, 60), (0, 0)), mode="symmetric")
        faces = engine.analyze(image, want=NEEDED).top(1)
        if len(faces) and (band := tone_band(float(apparent_tones(faces).steps[0]))):
            bands[band].append(judge(faces, engine=engine))
    for band, found in sorted(bands.items()):
        told = []
        for name in WATCHED:
            known = [one.checks[name].passed for one in found if one.checks[name].passed is not None]
            low, high = wilson(known.count(False), len(known))
            told.append(f"{name} {known.count(False)}/{len(known)} ({low:.2f} to {high:.2f})")
        print(f"{band}: {len(found)} photos; {', '.join(told)}")


def main() -> None:
    """Print the tables."""
    with Engine(threads=1) as engine:
        photos(engine)
        people = subjects(engine, None, int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE)
        known = [engine.analyze(one.image, want=NEEDED).top(1) for one in people]
        own = np.concatenate([apparent_tones(faces).steps for faces in known])
        print(f"{len(people)} people, their own tones {np.nanmin(own):.1f} to {np.nanmax(own):.1f}")
        failed: dict[str, Counter[int]] = defaultdict(Counter)
        middle: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for tone in (0, *TONES):  # 0: as they are
            for faces in known:
                picture = faces.require_image()
                if tone:
                    picture = recolored(picture, faces[0], tone)
                for name, check in judge(engine.analyze(picture), engine=engine).checks.items():
                    failed[name][tone] += check.passed is False
                    middle[name][tone].append(np.nan if check.value is None else check.value)
        print("fail:", "check", "own", *TONES)
        for name, counts in failed.items():
            if any(counts.values()):
                print(f"{name:20s}", *(f"{counts[tone]:4d}" for tone in (0, *TONES)))
        print("median:", "check", "own", *TONES)
        for name in WATCHED:
            print(f"{name:20s}", *(f"{np.nanmedian(middle[name][tone]):6.1f}" for tone in (0, *TONES)))


if __name__ == "__main__":
    main()
