"""Measures where real faces stand with each cue of forgery, for src/mien/models/cards/forgery.toml: prints its levels.

    .venv/bin/python tools/fit_forgery.py FOLDER ...

FOLDERs hold photos of real people; the card's are LFW (5 people, 50 pictures) and every other crop of UTKFace, by name,
from the first on; the rest is left for measuring. The face nearest to the middle of each counts. No forgery is
looked at.
A cue that may be off either way is measured from its median.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from mien.core.image import load_image
from mien.engine import Batch, Engine
from mien.features.genuine.forgery import NAMES, raw_cues
from mien.features.genuine.mesonet import MesoNets
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions

TWO_SIDED = ("noise", "spectrum")
EVERY_OTHER = "age_gender"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    rows = []
    with Engine(threads=1) as engine:
        card = engine.catalogue["mesonet"]
        nets = MesoNets(Bundle(card, engine.store.pull(card), SessionOptions(threads=1)))
        for folder in parser.parse_args().folders:
            files = sorted(folder.rglob("*.jpg"))
            for file in files[::2] if folder.name == EVERY_OTHER else files:
                image = load_image(file)
                faces = engine.analyze(image, want={"landmarks", "alignment"})
                if not len(faces):
                    continue
                away = np.linalg.norm(faces.centers - np.array(faces.image_size) / 2, axis=1)
                row = int(away.argmin())
                raw, reasons = raw_cues(Batch([image], np.zeros(1, np.intp), faces[[row]]), nets)
                if reasons[0] is None:
                    rows.append(raw[0])
    table = np.stack(rows)
    sys.stdout.write(f"# {len(table)} faces\n")
    for name, values in zip(NAMES, table.T, strict=True):
        known = values[np.isfinite(values)]
        middle = float(np.median(known)) if name in TWO_SIDED else 0.0
        half, odd = np.quantile(np.abs(known - middle) if middle else known, [0.5, 0.95])
        sys.stdout.write(f"{name} = [{middle:.3f}, {half:.3f}, {odd:.3f}]\n")


if __name__ == "__main__":
    main()
