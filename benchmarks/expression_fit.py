"""Fits the heads of ``expression`` and writes src/mien/features/shown/expression.npz.

    python -m benchmarks.expression_fit

What they are fitted on:

- CK+ (research use): posed expressions of 76 people, no neutral ones, as gray crops of 48 pixels;
- 204 people drawn by the generator and 198 of UTKFace (non-commercial) whose faces are clearly neutral or clearly
  smile: ``neutral.csv``, labelled by one person who looked at them. Each counts twice: as it is, and as a gray crop of
  48 pixels that is cut like those of CK+. Otherwise the heads would learn that what is large and in colour is neutral.

Every picture is mirrored, too. Classes count alike, whatever their number of pictures; but contempt, of which there are
six people, counts by half: else a man who merely looks down at his camera is called so in a third of a film. What is
tuned (the penalty, the temperature, what "unknown" is) is tuned on people that the weights for it were not fitted on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from mien.core.columns import Scores
from mien.core.faces import Faces
from mien.core.geometry import similarity
from mien.core.image import Image, load_image
from mien.core.warping import resize, warp
from mien.engine import Batch, Engine
from mien.evaluation.expression import NAMES
from mien.features.shown.expression import EXPRESSIONS
from mien.features.shown.expression_heads import HEADS, TABLE, Head, as_table, features
from mien.features.shown.fer import FEATURES, FerNet, Limits, look
from mien.location.blendshapes import BLENDSHAPE_NAMES
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions
from mien.swaps.invented.generator import MobileStyleGAN, latents

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CLASSES = EXPRESSIONS[:-1]
PENALTIES = (0.003, 0.01, 0.03, 0.1)  # of the logistic regression: scikit-learn's C
AXES = 40  # principal components in which distances are measured
INNER = 3  # folds
MARGIN = 60  # pixels mirrored around each crop of UTKFace, which is too tight for a detector
TRUNCATION = 0.8
ANYTHING = Limits(smallest=0, blurred=1, max_yaw=90, max_pitch=90)
# Where the five points are in a crop of CK+, on average, in its 48 pixels.
CROP = np.array([[14.5, 19.0], [32.4, 18.8], [23.5, 28.1], [16.2, 37.4], [31.2, 37.2]], np.float32)
_LOWER = ("mouth", "jaw", "cheekPuff")  # beginnings of the blendshapes' names

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Pictures of faces.

    Attributes
    ----------
    source : (N,) of str
        "CK+", "generated" or "UTKFace".
    person : (N,) of str
    label : (N,) integers
        Places in `CLASSES`.
    small, mirrored : (N,) bool
        Whether it is a gray crop of 48 pixels; whether it is the mirror image.
    logits, network, shapes : (N, 7), (N, 128), (N, 52) float32
        What the network and the mesh say.
    """

    source: NDArray[np.str_]
    person: NDArray[np.str_]
    label: NDArray[np.intp]
    small: NDArray[np.bool_]
    mirrored: NDArray[np.bool_]
    logits: NDArray[np.float32]
    network: NDArray[np.float32]
    shapes: NDArray[np.float32]

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Sample:
        return Sample(*(getattr(self, part.name)[rows] for part in fields(self)))

    @property
    def x(self) -> Doubles:
        """What heads look at, (N, 179)."""
        return features(self.network, Scores(self.shapes, names=BLENDSHAPE_NAMES))


# -- pictures ------------------------------------------------------------------------------------------------------


def pictures(engine: Engine) -> Iterator[tuple[str, str, str, Image]]:
    """Source, person, class and picture of all there are."""
    for path in sorted((DATA / "expression").glob("*/*.png")):
        yield "CK+", path.name.split("_")[0], NAMES[path.parent.name], load_image(path)
    generator: MobileStyleGAN = engine.runner("generate")
    with Path(__file__).with_name("neutral.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == "generated":
                latent = next(latents(int(row["name"])))
                image = generator.draw(generator.styles(latent[None], truncation=TRUNCATION))[0]
                yield row["source"], row["name"], row["expression"], resize(np.asarray(image, np.uint8), (512, 512))
            else:
                crop = load_image(DATA / "age_gender" / row["name"])
                wide = np.pad(crop, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
                yield row["source"], row["name"], row["expression"], wide


def like_ck(image: Image, faces: Faces) -> Image:
    """The face as CK+ would have it: gray, in 48 pixels."""
    crop = warp(image, similarity(faces.alignment.values[:1], CROP)[0], 48, border="replicate")
    gray = np.round(crop @ np.array([0.299, 0.587, 0.114]))
    return np.repeat(gray[..., None], 3, axis=2).astype(np.uint8)


def fer_net(engine: Engine) -> FerNet:
    """The network by itself."""
    card = engine.catalogue["fer-xception"]
    return FerNet(Bundle(card, engine.store.pull(card), SessionOptions(threads=1, device="cpu")))


def read(engine: Engine) -> Sample:
    """Look at all pictures."""
    net, rows = fer_net(engine), []
    want = {"alignment", "pose", "blendshapes"}
    for source, person, name, image in pictures(engine):
        faces = engine.analyze(image, want=want, max_faces=1)
        if not len(faces) or np.isnan(faces.blendshapes.values).any():
            continue
        forms = [(source == "CK+", image)]
        if source != "CK+":
            forms.append((True, like_ck(image, faces)))
        for small, form in forms:
            for mirrored in (False, True):
                seen = np.ascontiguousarray(form[:, ::-1]) if mirrored else form
                found = engine.analyze(seen, want=want, max_faces=1)
                if not len(found) or np.isnan(found.blendshapes.values).any():
                    continue
                crops = look(Batch([seen], np.zeros(1, np.intp), found), ANYTHING).crops
                logits, network = net.run(crops)
                shapes = found.blendshapes.values[0]
                label = CLASSES.index(name)
                rows.append((source, f"{source} {person}", label, small, mirrored, logits[0], network[0], shapes))
    return Sample(*(np.array(part) for part in zip(*rows, strict=True)))


@cache
def sample(path: Path | None = None) -> Sample:
    """All pictures; kept in a file if one is named."""
    if path is not None and path.exists():
        with np.load(path) as kept:
            return Sample(**kept)
    with Engine(threads=1) as engine:
        found = read(engine)
    if path is not None:
        np.savez_compressed(path, **{part.name: getattr(found, part.name) for part in fields(found)})
    return found


# -- fitting -------------------------------------------------------------------------------------------------------


def used(head: str) -> NDArray[np.bool_]:
    """Which of the features a head sees, (179,)."""
    lower = np.array([name.startswith(_LOWER) for name in BLENDSHAPE_NAMES[1:]])
    shapes = {"upper": ~lower, "lower": lower}.get(head, lower | True)
    return np.concatenate([np.full(FEATURES, head == "fused"), shapes])


def folds(data: Sample, count: int) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Rows to fit on and to hold out, so that nobody is in both, and the people of each class are in all."""
    people, first = np.unique(data.person, return_index=True)
    of_class = [np.unique(data.person[data.label == k]) for k in range(len(CLASSES))]
    rarest = np.full(len(people), len(CLASSES))
    for rank, k in enumerate(sorted(range(len(CLASSES)), key=lambda k: -len(of_class[k]))):
        rarest[np.isin(people, of_class[k])] = len(CLASSES) - rank  # rarer classes overwrite more frequent ones
    order = np.lexsort([np.random.default_rng(0).random(len(people)), data.source[first], rarest])
    part = np.empty(len(people), np.intp)
    part[order] = np.arange(len(people)) % count
    held_out = part[np.searchsorted(people, data.person)]
    return [(held_out != fold, held_out == fold) for fold in range(count)]


def balanced(labels: NDArray[np.intp]) -> Doubles:
    """Weights with which all classes count alike, but contempt by half; 1 on average."""
    share = np.where(np.array(CLASSES) == "contempt", 0.5, 1.0)
    weights = (share / np.bincount(labels, minlength=len(CLASSES)).clip(1))[labels]
    return np.asarray(weights / weights.mean())


def linear(x: Doubles, labels: NDArray[np.intp], penalty: float) -> tuple[Doubles, Doubles]:
    """Weights (F, K) and bias (K,) of `CLASSES`; a class without pictures is never meant."""
    scale = StandardScaler().fit(x)
    model = LogisticRegression(C=penalty, max_iter=1000, tol=1e-3)
    model.fit(scale.transform(x), labels, sample_weight=balanced(labels))
    weights, bias = np.zeros((x.shape[1], len(CLASSES))), np.full(len(CLASSES), -1e3)
    weights[:, model.classes_] = model.coef_.T / scale.scale_[:, None]
    bias[model.classes_] = model.intercept_ - scale.mean_ @ weights[:, model.classes_]
    return weights, bias


def scatter(x: Doubles, labels: NDArray[np.intp]) -> tuple[Doubles, Doubles]:
    """Axes (F, D) in which the faces of a class scatter by 1, and the classes' places in them (K, D)."""
    scale = StandardScaler().fit(x)
    parts = PCA(min(AXES, x.shape[1]), svd_solver="full").fit(scale.transform(x)).components_.T / scale.scale_[:, None]
    at = x @ parts
    means = np.stack(
        [
            at[labels == k].mean(axis=0) if (labels == k).any() else np.full(at.shape[1], 1e6)
            for k in range(len(CLASSES))
        ]
    )
    apart = at - means[labels]
    within = (apart * balanced(labels)[:, None]).T @ apart / len(x)
    within += 0.01 * np.trace(within) / len(within) * np.eye(len(within))
    turn = np.linalg.inv(np.linalg.cholesky(within)).T
    return parts @ turn, means @ turn


def head_of(x: Doubles, labels: NDArray[np.intp], seen: NDArray[np.bool_], penalty: float) -> Head:
    """A head that is not calibrated yet."""
    weights, bias = linear(x[:, seen], labels, penalty)
    axes, means = scatter(x[:, seen], labels)
    full = [np.zeros((len(seen), part.shape[1])) for part in (weights, axes)]
    full[0][seen], full[1][seen] = weights, axes
    return Head(full[0], bias, np.array(1.0), full[1], means, np.zeros(4))


def log_loss(logits: Doubles, labels: NDArray[np.intp], temperature: float) -> float:
    """Mean over pictures, with which classes count alike."""
    scaled = logits / temperature
    own = scaled[np.arange(len(labels)), labels] - np.logaddexp.reduce(scaled, axis=1)
    return float(-(own * balanced(labels)).mean())


def best_temperature(logits: Doubles, labels: NDArray[np.intp]) -> float:
    """The one with the least loss."""
    found = minimize_scalar(lambda t: log_loss(logits, labels, float(np.exp(t))), bounds=(-3, 3), method="bounded")
    return float(np.exp(found.x))


def odd_ones(
    x: Doubles, data: Sample, seen: NDArray[np.bool_], penalty: float, count: int = INNER
) -> tuple[Doubles, NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Oddness (M, 2) of held-out faces to heads that lack one class; which each lacks, what is shown, and the rows."""
    signs, lacking, places = [], [], []
    for missing in np.unique(data.label[data.source == "CK+"]):
        for fit, out in folds(data, count):
            rows = fit & (data.label != missing)
            signs.append(head_of(x[rows], data.label[rows], seen, penalty).oddness(x[out]))
            lacking.append(np.full(int(out.sum()), missing))
            places.append(np.flatnonzero(out))
    place = np.concatenate(places)
    return np.concatenate(signs), np.concatenate(lacking), data.label[place], place


def weigh(signs: Doubles, odd: NDArray[np.bool_]) -> Doubles:
    """`Head.unknown`: "none of these" counts as one more class beside those known."""
    weights = np.where(odd, 1 / max(odd.sum(), 1), len(CLASSES) / max((~odd).sum(), 1))
    model = LogisticRegression(C=100, max_iter=1000).fit(signs, odd, sample_weight=weights / weights.mean())
    by_energy, by_distance = model.coef_[0]
    most = np.quantile(signs[~odd, 0], 0.99)
    return np.array([model.intercept_[0], -by_energy, by_distance, most])


def fit(data: Sample, head: str) -> Head:
    """One head, with all that is tuned."""
    x, seen = data.x, used(head)
    tried = {}
    for penalty in PENALTIES:
        logits = np.zeros((len(x), len(CLASSES)))
        for rows, out in folds(data, INNER):
            weights, bias = linear(x[rows][:, seen], data.label[rows], penalty)
            logits[out] = x[out][:, seen] @ weights + bias
        temperature = best_temperature(logits, data.label)
        tried[penalty] = log_loss(logits, data.label, temperature), temperature
    penalty = min(tried, key=lambda p: tried[p][0])
    signs, lacking, shown, _ = odd_ones(x, data, seen, penalty)
    whole = head_of(x, data.label, seen, penalty)
    values = {part.name: getattr(whole, part.name) for part in fields(whole)}
    return Head(**{**values, "temperature": np.array(tried[penalty][1]), "unknown": weigh(signs, lacking == shown)})


def main(arguments: Sequence[str] = ()) -> None:
    """Fit all heads, and write the table."""
    data = sample(Path(arguments[0]) if arguments else None)
    heads = {}
    for name in HEADS:
        heads[name] = fit(data, name)
        print(
            f"{name}: temperature {heads[name].temperature:.2f}, unknown {np.round(heads[name].unknown, 2).tolist()}",
            flush=True,
        )
    path = Path(__file__).resolve().parents[1] / "src" / "mien" / "features" / "shown" / TABLE
    np.savez_compressed(path, **as_table(heads))  # type: ignore[arg-type] # its stub takes keywords for flags
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
