"""What age and gender get wrong about whom on UTKFace, and what moves the heads' answers about generated people.

python -m benchmarks.fairness [--people 20]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mien.engine import Engine
from mien.evaluation.fairness import evaluate_fairness
from mien.evaluation.fairness_tables import fairness_report, probe_report
from mien.evaluation.probes import evaluate_probe

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "age_gender"
MARGIN = 0.3  # mirrored around each crop, which is too tight for a detector: 60 of 200 pixels
ASKED = (
    ("age", ("gender",)),
    ("age", ("age:13,18,40,60",)),
    ("age", ("tone",)),
    ("gender", ("gender",)),
    ("gender", ("age:13,18,40,60",)),
    ("gender", ("gender", "tone")),
)
PROBED = ("age", "gender", "expression", "glasses", "quality", "live")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20, help="generated people of the probe")
    people = parser.parse_args().people
    with Engine(threads=1) as engine:
        if DATA.is_dir():
            for field, by in ASKED:
                found = evaluate_fairness(DATA, field, by=by, margin=MARGIN, engine=engine)
                print(fairness_report(found, source="UTKFace", model=engine.choose(field).id).to_text(), end="\n\n")
        else:
            print(f"skipped: no pictures in {DATA}")
        probe = evaluate_probe(PROBED, people=people, engine=engine)
        print(probe_report(probe, model=", ".join(engine.choose(field).id for field in PROBED)).to_text())


if __name__ == "__main__":
    main()
