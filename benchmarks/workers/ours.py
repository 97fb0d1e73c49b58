"""Worker of `benchmarks.peer`: mien, as its users call it."""

from __future__ import annotations

import argparse
import sys

from benchmarks.workers.calls import serve_calls
from benchmarks.workers.rounds import claim_stdout, pin

# The peer's three files, in mien.
SAME_FILES = {
    "detect": "scrfd-500m",
    "alignment": "detector-points",  # the peer aligns by them too
    "landmarks": "landmarks-106",
    "embedding": "arcface-mbf",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("picture", help="(H, W, 3) uint8 RGB, as .npy")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--models", choices=["same", "default"], required=True)
    parser.add_argument("--precision", choices=["bf16", "f32"], help="default: as each card permits")
    arguments = parser.parse_args()
    pin(arguments.threads)
    pipe = claim_stdout()

    import cv2
    import numpy as np

    import mien
    from benchmarks.workers.landmarks106 import card
    from mien.models.catalogue import Catalogue

    cv2.setNumThreads(arguments.threads)
    engine = mien.Engine(
        threads=arguments.threads,
        catalogue=Catalogue([*Catalogue.load(), card()]),
        models=SAME_FILES if arguments.models == "same" else {},
        precision=arguments.precision,
    )
    picture = np.load(arguments.picture)
    want = {"landmarks", "embedding"}
    faces = engine.analyze(picture, want=want)
    if len(faces) != 1:
        sys.exit(f"mien finds {len(faces)} faces; the picture must have one")
    sessions = [session for model in engine.info()["models"] for session in model["sessions"].values()]
    hello = {
        "version": f"mien {mien.__version__}, {sessions[0].backend} {sessions[0].version}",
        "precisions": {
            model["id"]: session.precision
            for model in engine.info()["models"]
            for session in model["sessions"].values()
        },
        "box": faces.boxes[0].tolist(),
        "points": faces.landmarks.values[0, :, :2].tolist(),
        "vector": faces.embedding.values[0].tolist(),
    }
    serve_calls(pipe, lambda: engine.analyze(picture, want=want), hello)


if __name__ == "__main__":
    main()
