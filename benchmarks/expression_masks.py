"""Fits what tells ``expression`` that a mask hides the mouth, writes expression_masks.npz, and measures it on others.

    python -m benchmarks.expression_masks [FILE]

Masks are painted (`mien.evaluation.masked`), on every second generated person of ``neutral.csv``, in colour and as a
gray crop of 48 pixels; the clear faces are all of `benchmarks.expression_fit`. These are dimmed and blurred,
too: otherwise dark skin in dim light, blurred, was taken for a mask. Asked about are photographs of ten men who are in
neither, clear and with each kind of mask. FILE is where that script keeps what it reads.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.expression_fit import ANYTHING, DATA, TRUNCATION, fer_net, like_ck, sample
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.engine import Batch, Engine
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap
from mien.evaluation.masked import MASKS, paint_covering
from mien.features.shown.expression import EXPRESSIONS, HIDDEN
from mien.features.shown.expression_heads import MASK_TABLE, features, masked, read_heads
from mien.features.shown.fer import FerNet, look
from mien.swaps.invented.generator import MobileStyleGAN, latents

PENALTY = 0.01
WANT = {"alignment", "pose", "blendshapes", "landmarks"}
Doubles = NDArray[np.float64]


def near(faces: Faces, other: Faces) -> Faces:
    """Of several faces the one that is at the place of another, or none."""
    place = np.asarray(other.boxes)[0].reshape(2, 2).mean(axis=0)
    boxes = np.asarray(faces.boxes).reshape(-1, 2, 2)
    inside = ((boxes[:, 0] < place) & (place < boxes[:, 1])).all(axis=1) & ~np.isnan(faces.blendshapes.values).any(1)
    return faces[np.flatnonzero(inside)[:1]]


def seen(image: Image, faces: Faces, net: FerNet) -> Doubles:
    """What heads look at, (M, 179), of the faces of a picture."""
    part = look(Batch([image], np.zeros(len(faces), np.intp), faces), ANYTHING)
    return features(net.run(part.crops)[1], faces.blendshapes[part.rows])


def worse(image: Image, faces: Faces, seed: int) -> Image:
    """The picture with a twentieth to all of its light, out of focus by up to a thirtieth of the face's height."""
    draw, height = np.random.default_rng(seed), float(np.ptp(np.asarray(faces.boxes)[0, 1::2]))
    dim = 255 * (draw.uniform(0.05, 1) * (image / 255) ** 2.2) ** (1 / 2.2)
    return np.asarray(np.rint(cv2.GaussianBlur(dim, (0, 0), draw.uniform(0.002, 0.033) * height)), np.uint8)


def drawn(engine: Engine) -> Iterator[tuple[bool, Doubles]]:
    """Generated people: whether they wear a mask, and what heads look at; of those without, only worse pictures."""
    net, generator = fer_net(engine), engine.runner("generate")
    assert isinstance(generator, MobileStyleGAN)
    with Path(__file__).with_name("neutral.csv").open(newline="") as file:
        seeds = [int(row["name"]) for row in csv.DictReader(file) if row["source"] == "generated"]
    for seed in seeds[::2]:
        person = generator.draw(generator.styles(next(latents(seed))[None], truncation=TRUNCATION))[0]
        image = resize(np.asarray(person, np.uint8), (512, 512))
        faces = engine.analyze(image, want=WANT, max_faces=1)
        if not len(faces) or np.isnan(faces.landmarks.values).any():
            continue
        painted = paint_covering(image, faces.landmarks.values[0], seed=seed, engine=engine)
        forms = [(True, painted), (True, like_ck(painted, faces))]
        forms += [(False, worse(image, faces, 2 * seed + number)) for number in range(2)]
        for mask, form in forms:
            found = engine.analyze(form, want=WANT, max_faces=1)
            if len(found) and not np.isnan(found.blendshapes.values).any():
                yield mask, seen(form, found, net)


def asked(engine: Engine) -> Iterator[tuple[str, str, Doubles]]:
    """Person, mask ("" for none) and what heads look at, of photographs of ten people."""
    net = fer_net(engine)
    for path in sorted((DATA / "identities").glob("*/*.jpg")) + sorted((DATA / "identities_johns").glob("*/*.jpg")):
        image = load_image(path)
        faces = engine.analyze(image, want=WANT, max_faces=1)
        if not len(faces) or np.isnan(faces.blendshapes.values).any():
            continue
        yield path.parent.name, "", seen(image, faces, net)
        for number, kind in enumerate(MASKS):
            painted = paint_covering(image, faces.landmarks.values[0], kind=kind, seed=number, engine=engine)
            yield path.parent.name, kind, seen(painted, near(engine.analyze(painted, want=WANT), faces), net)


def fit(clear: Doubles, covered: Doubles) -> dict[str, NDArray[np.float32]]:
    """The table: weights (179,) and bias of the log odds; both sides count alike."""
    x, y = np.vstack([clear, covered]), np.repeat([0, 1], [len(clear), len(covered)])
    scale = StandardScaler().fit(x)
    model = LogisticRegression(C=PENALTY, max_iter=2000, class_weight="balanced").fit(scale.transform(x), y)
    weights = model.coef_[0] / scale.scale_
    return {"weights": weights.astype(np.float32), "bias": np.float32(model.intercept_[0] - scale.mean_ @ weights)}


def share(parts: dict[str, list[NDArray[np.bool_]]]) -> str:
    """How many of the faces, with an interval over people."""
    people = [np.concatenate(rows) for rows in parts.values()]

    def mean(some: Sequence[NDArray[np.bool_]]) -> float:
        return float(np.concatenate(some).mean())

    value = Measured(mean(people), bootstrap(mean, people))
    count = sum(len(rows) for rows in people)
    return f"{value.value:.3f} ({value.interval[0]:.3f} to {value.interval[1]:.3f}) of {count}"


def report(rows: list[tuple[str, str, Doubles]]) -> None:
    """Print what is taken for masked, and what the head for whole faces would say of it."""
    head = read_heads()["fused"]
    for kind in ("", *MASKS):
        told: dict[str, list[NDArray[np.bool_]]] = {}
        names: list[str] = []
        for person, own, x in rows:
            if own == kind and len(x):
                told.setdefault(person, []).append(masked(x) >= HIDDEN)
                names += [EXPRESSIONS[k] for k in head.probabilities(x).argmax(axis=1)]
        called = {name: names.count(name) for name in EXPRESSIONS if name in names}
        print(f"{kind or 'clear':12} taken for masked: {share(told)} faces of {len(told)} people; else called {called}")


def main() -> None:
    """Fit, write the table, measure."""
    known = sample(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    with Engine(threads=1) as engine:
        masks, rows = zip(*drawn(engine), strict=True)
        x, worn = np.vstack(rows), np.array(masks)
        table = fit(np.vstack([known.x, x[~worn]]), x[worn])
        path = Path(__file__).resolve().parents[1] / "src" / "mien" / "features" / "shown" / MASK_TABLE
        np.savez_compressed(path, **table)  # type: ignore[arg-type] # its stub takes keywords for flags
        report(list(asked(engine)))


if __name__ == "__main__":
    main()
