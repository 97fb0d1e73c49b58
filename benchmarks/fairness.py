"""What age and gender get wrong about whom on UTKFace, and what moves the heads' answers about generated people.

python -m benchmarks.fairness [--people 20]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from mien.core.image import load_image, save_image
from mien.datasets.readers.labels_csv import Labels
from mien.engine import Engine
from mien.evaluation.fairness import evaluate_fairness
from mien.evaluation.fairness_tables import fairness_report, probe_report
from mien.evaluation.probes import evaluate_probe

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "age_gender"
MARGIN = 60  # pixels mirrored around each crop, which is too tight for a detector
GENDERS = ("masculine", "feminine")
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
            with tempfile.TemporaryDirectory() as folder:
                labels = _labels(Path(folder))
                for field, by in ASKED:
                    found = evaluate_fairness(labels, field, by=by, engine=engine)
                    print(fairness_report(found, source="UTKFace", model=engine.choose(field).id).to_text(), end="\n\n")
        else:
            print(f"skipped: no pictures in {DATA}")
        probe = evaluate_probe(PROBED, people=people, engine=engine)
        print(probe_report(probe, model=", ".join(engine.choose(field).id for field in PROBED)).to_text())


def _labels(folder: Path) -> Labels:
    """The crops with a border around each, and what their names say: age and gender, of which nothing else is used."""
    files = sorted(DATA.glob("*.jpg"))
    for file in files:
        crop = np.pad(load_image(file), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
        save_image(crop, folder / f"{file.stem}.png")
    parts = [file.name.split("_") for file in files]
    columns = {"age": tuple(part[0] for part in parts), "gender": tuple(GENDERS[int(part[1])] for part in parts)}
    return Labels(tuple(folder / f"{file.stem}.png" for file in files), tuple(file.name for file in files), columns)


if __name__ == "__main__":
    main()
