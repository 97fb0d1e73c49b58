"""Worker of `benchmarks.peer`: insightface, in its own environment, as its users call it."""

from __future__ import annotations

import argparse
import sys
import warnings

from benchmarks.workers.calls import serve_calls
from benchmarks.workers.rounds import claim_stdout, pin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("picture", help="(H, W, 3) uint8 RGB, as .npy")
    parser.add_argument("models", help="folder with the three .onnx files")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--side", type=int, help="detect at this size only; default: as insightface does")
    arguments = parser.parse_args()
    pin(arguments.threads)
    pipe = claim_stdout()

    warnings.simplefilter("ignore", FutureWarning)  # insightface calls what scikit-image will drop

    import cv2
    import insightface  # type: ignore[import-not-found]
    import numpy as np
    import onnxruntime
    from insightface.app import FaceAnalysis  # type: ignore[import-not-found]

    cv2.setNumThreads(arguments.threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    app = FaceAnalysis(name=arguments.models, providers=["CPUExecutionProvider"], sess_options=options)
    app.prepare(ctx_id=0, **({"det_size": (arguments.side, arguments.side)} if arguments.side else {}))
    picture = np.ascontiguousarray(np.load(arguments.picture)[:, :, ::-1])
    faces = app.get(picture)
    if len(faces) != 1:
        sys.exit(f"insightface finds {len(faces)} faces; the picture must have one")
    hello = {
        "version": f"insightface {insightface.__version__}, onnxruntime {onnxruntime.__version__}",
        "box": faces[0].bbox.tolist(),
        "points": faces[0].landmark_2d_106.tolist(),
        "vector": faces[0].normed_embedding.tolist(),
    }
    serve_calls(pipe, lambda: app.get(picture), hello)


if __name__ == "__main__":
    main()
