"""Draws docs/images/explain.jpg: why two pictures of one person match, and why those of two people do not.

.venv/bin/python tools/draw_explain.py [FILE]

Nobody in it exists: the pictures ship with mien.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mien import assets
from mien.core.image import save_image
from mien.engine import Engine
from mien.evaluation.explain import explain
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "explain.jpg"
PAIRS = (assets.PAIRS[1], (assets.PEOPLE[3], assets.PEOPLE[4]))


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    with Engine(threads=1) as engine:
        drawn = [explain(one, other, engine=engine).draw() for one, other in PAIRS]
    mark = Provenance.composite(*provenance(PAIRS[0][0]).models)
    save_image(np.concatenate(drawn), file, quality=78, xmp=mark.to_xmp())


if __name__ == "__main__":
    main()
