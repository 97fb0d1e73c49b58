"""The 68-point predictor of dlib, in an environment of its own: ``benchmarks/.peer/dlib``, made with pip."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.models.card import WeightFile
from mien.models.store import Store

FOLDER = Path(__file__).parent / ".peer" / "dlib"
PYTHON = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
ARCHIVE = "pypi:face-recognition-models/face_recognition_models-0.3.0.tar.gz"
# Trained on iBUG 300-W; its author says that the license of that set excludes commercial use.
PREDICTOR = WeightFile(
    name="shape_predictor_68_face_landmarks.dat",
    source=f"{ARCHIVE}!face_recognition_models-0.3.0/face_recognition_models/models/"
    "shape_predictor_68_face_landmarks.dat",
    sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    bytes=99693937,
)


def install() -> None:
    """Make the peer's environment, unless it is there."""
    ready = FOLDER / "installed"
    if ready.exists():
        return
    print("installing dlib into benchmarks/.peer/dlib ...", flush=True)
    venv.create(FOLDER, with_pip=True, clear=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--only-binary", ":all:", "dlib-bin", "numpy"], check=True)
    ready.touch()


def points68(
    pictures: Sequence[Image], owner: Sequence[int], boxes: NDArray[np.floating[Any]] | None, *, find: bool = False
) -> NDArray[np.float64]:
    """What dlib marks on each face, (N, 68, 2).

    Parameters
    ----------
    pictures : sequence of (H, W, 3) uint8
    owner : sequence of N int
        The picture of each face.
    boxes : (N, 4) array or None
        None: dlib's own detector (HOG) finds the face, the largest; NaN where it finds none.
    find : bool
        Its detector finds the faces, and the boxes only say which are meant.
    """
    install()
    with tempfile.TemporaryDirectory() as folder:
        job, answer = Path(folder) / "job.npz", Path(folder) / "answer.npy"
        arrays: dict[str, Any] = {f"picture{i}": picture for i, picture in enumerate(pictures)}
        if boxes is not None:
            arrays |= {"boxes": np.asarray(boxes, np.float64), "find": find}
        np.savez(job, owner=np.asarray(owner, np.intp), **arrays)
        worker = Path(__file__).parent / "workers" / "dlib68.py"
        subprocess.run([str(PYTHON), str(worker), str(Store().fetch(PREDICTOR)), str(job), str(answer)], check=True)
        return np.asarray(np.load(answer), np.float64)
