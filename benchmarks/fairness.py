"""What age and gender get wrong about whom on UTKFace, and what moves the heads' answers about generated people.

    python -m benchmarks.fairness [--people 20]

And how far the apparent tone of one person's skin is from picture to picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mien.engine import Engine
from mien.evaluation.fairness import evaluate_fairness
from mien.evaluation.fairness_tables import fairness_report, probe_report
from mien.evaluation.probes import evaluate_probe
from mien.evaluation.skin_tone import NEEDED, apparent_tones

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = SHARED / "age_gender"
MARGIN = 0.3  # mirrored around each crop, which is too tight for a detector: 60 of 200 pixels
ASKED = (
    ("age", ("gender",)),
    ("age", ("age:13,18,40,60",)),
    ("age", ("tone",)),
    ("gender", ("gender",)),
    ("gender", ("age:13,18,40,60",)),
    ("gender", ("gender", "tone")),
)
PROBED = ("age", "gender", "expression", "glasses", "quality")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20, help="generated people of the probe")
    people = parser.parse_args().people
    with Engine(threads=1) as engine:
        if DATA.is_dir():
            for field, by in ASKED:
                found = evaluate_fairness(DATA, field, by=by, margin=MARGIN, engine=engine)
                print(fairness_report(found, source="UTKFace", model=engine.choose(field).id).to_text(), end="\n\n")
            _tones(engine)
        else:
            print(f"skipped: no pictures in {DATA}")
        probe = evaluate_probe(PROBED, people=people, engine=engine)
        print(probe_report(probe, model=", ".join(engine.choose(field).id for field in PROBED)).to_text())


def _tones(engine: Engine) -> None:
    """How far the tone of one person is apart between pictures, and that of people from each other."""
    people = [path for name in ("identities", "identities_johns") for path in sorted((SHARED / name).iterdir())]
    steps = []
    for person in (path for path in people if path.is_dir()):
        found = [engine.analyze(path, want=NEEDED).top(1) for path in sorted(person.iterdir())]
        own = np.concatenate([apparent_tones(faces).steps for faces in found])
        steps.append(own[np.isfinite(own)])
        print(
            f"{person.name:24}{len(steps[-1]):3} pictures, tone {steps[-1].mean():.1f} +- {steps[-1].std(ddof=1):.1f}"
        )
    within = np.sqrt(np.mean([own.var(ddof=1) for own in steps]))
    print(f"deviation between pictures of one person {within:.2f} steps, ", end="")
    print(f"between people {np.std([own.mean() for own in steps], ddof=1):.2f}\n")


if __name__ == "__main__":
    main()
