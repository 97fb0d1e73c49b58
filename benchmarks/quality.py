"""Fit what quality is made of, and print how it holds on other people.

    python -m benchmarks.quality [--people 394] [--copies 4]
    python -m benchmarks.quality gather --folder FOLDER
    python -m benchmarks.quality fit --folder FOLDER [--write]
    python -m benchmarks.quality occlusion --people 90
    python -m benchmarks.quality limits --people 30

`gather` keeps, of one picture each of the people of UTKFace and of 105 pictures of ten adults, and of spoiled copies of
them (`mien.evaluation.capture`), embeddings, what each quality network gives, ``quality_parts`` and the geometry of the
mesh. `fit` finds, on UTKFace, the curves of the cards, the weights of ``quality-product`` and the forest, and tells how
each does on the ten others. With ``--write`` it writes ``forest.npz``.
`occlusion` finds the power of the part that is told by parsing. `limits` tells what quality makes of generated people,
who are in no fit, with a mask before the face, as a drawing, far away or turned.

What is predicted is whether a spoiled picture is still as like its clear original as two clear pictures of one person
are: the median cosine of these is the threshold, and the outcome the mean over the embedders edgeface-s and sface. The
two medians are of the ten others (UTKFace has one picture of each person), who are therefore no clean hold-out.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.people import DATA, FRAMES, framed, pictures
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Batch, Engine
from mien.evaluation.capture import spoil
from mien.evaluation.intervals import bootstrap
from mien.evaluation.masked import MASKS, paint_covering
from mien.evaluation.obstacles import HARMLESS, OBSTACLES, draw_obstacle
from mien.features.fit import forest as forest_module
from mien.features.fit.forest import Forest, geometry_of
from mien.features.fit.parts import PART_NAMES
from mien.features.fit.product import LEAST
from mien.location.topology import face_topology
from mien.swaps.invented.generator import generate

EMBEDDERS = ("edgeface-s", "sface")
MEDIANS = {"edgeface-s": 0.813, "sface": 0.769}  # as `fit` prints them
NETS = ("lightqnet-dm050", "quality-mnv2")
FUSED = "lightqnet-dm050"
WANTED = {"landmarks", "alignment", "quality_parts", "recognizability"}

Rows = dict[str, Any]


def described(image: Image, faces: Faces, engines: dict[str, Engine]) -> dict[str, NDArray[Any]]:
    """All that is kept of one face, as rows."""
    batch = Batch([image], np.zeros(1, np.intp), faces)
    made: dict[str, NDArray[Any]] = {
        "parts": faces.quality_parts.values[0],
        "geometry": geometry_of(faces.landmarks.values)[0],
    }
    made["recognizability"] = faces.recognizability.values[:1]
    for model in EMBEDDERS:
        made[model] = engines[model].runner("embedding").measure(batch)[0]
    for model in NETS:
        made[model] = engines[model].runner("quality").measure(batch)[:1]
    return made


def gather(folder: Path, data: Path, people: int, copies: int) -> None:
    engines = {model: Engine(threads=1, models={"embedding": model}) for model in EMBEDDERS}
    engines |= {model: Engine(threads=1, models={"quality": model}) for model in NETS}
    first = engines[EMBEDDERS[0]]
    topology = face_topology(engine=first)
    crowd = pictures(data / "age_gender")[:people]
    adults = sorted(file for name in ("identities", "identities_johns") for file in (data / name).glob("*/*.jpg"))
    sets = {
        "utkface": [(file.name, framed(file, *FRAMES[place % len(FRAMES)])) for place, file in enumerate(crowd)],
        "adults": [(file.parent.name, load_image(file)) for file in adults],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, shots in sets.items():
        rows: Rows = {}
        for number, (who, image) in enumerate(shots):
            clear = first.analyze(image, want=WANTED).top(1)
            if not len(clear) or clear.landmarks.abstained[0] or clear.alignment.abstained[0]:
                continue
            seed = zlib.crc32(image.data)
            for copy in range(copies + 1):
                picture, faces = image, clear
                if copy:
                    picture = spoil(image, clear.landmarks.values[0], topology, seed=seed + copy)
                    faces = first.analyze(picture, want=WANTED).top(1)
                    if not len(faces):  # a face that is followed in a film is looked for where it was
                        faces = first.analyze(picture, faces=Faces.from_boxes(clear.boxes), want=WANTED)
                    if faces.landmarks.abstained[0] or faces.alignment.abstained[0]:
                        continue
                found = {
                    **described(picture, faces, engines),
                    "who": np.array(who),
                    "copy": np.array(copy),
                    "shot": np.array(number),
                }
                for key, row in found.items():
                    rows.setdefault(key, []).append(row)
        np.savez(folder / f"{name}.npz", **{key: np.stack(row) for key, row in rows.items()})  # type: ignore[arg-type]
        print(name, len(rows["copy"]))


def outcome(rows: Rows, clear: dict[Any, int], thresholds: dict[str, float]) -> NDArray[np.float64]:
    """How many of the embedders still take each picture for its clear original, as a share (N,)."""
    places = np.array([clear[shot] for shot in rows["shot"].tolist()])
    known = []
    for model, threshold in thresholds.items():
        unit = rows[model] / np.linalg.norm(rows[model], axis=1, keepdims=True)
        known.append((unit * unit[places]).sum(axis=1) >= threshold)
    return np.asarray(np.mean(known, axis=0))


def load(file: Path) -> Any:
    return dict(np.load(file))


def clear_rows(rows: Any) -> dict[Any, int]:
    return {rows["shot"][place]: place for place in np.flatnonzero(rows["copy"] == 0).tolist()}


def thresholds_of(rows: Any) -> dict[str, float]:
    """By embedder, the median cosine of two clear pictures of one person."""
    clear, found = rows["copy"] == 0, {}
    for model in EMBEDDERS:
        vectors = rows[model][clear] / np.linalg.norm(rows[model][clear], axis=1, keepdims=True)
        first, second = np.triu_indices(len(vectors), 1)
        same = rows["who"][clear][first] == rows["who"][clear][second]
        found[model] = float(np.median((vectors[first[same]] * vectors[second[same]]).sum(axis=1)))
    return found


def fit_logistic(
    features: NDArray[np.float64], shares: NDArray[np.float64], *, positive: bool = False
) -> NDArray[np.float64]:
    """Weights, and a bias last, whose log odds predict shares best; weights of 0 or more where asked for."""
    from scipy.optimize import minimize

    design = np.column_stack([features, np.ones(len(features))])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = (design @ weights).clip(-30, 30)
        chance = 1 / (1 + np.exp(-odds))
        value = float(np.mean(np.log1p(np.exp(odds)) - shares * odds) + 1e-4 * (weights[:-1] ** 2).sum())
        slope = design.T @ (chance - shares) / len(shares)
        slope[:-1] += 2e-4 * weights[:-1]
        return value, slope

    limits = [(0 if positive else None, None)] * features.shape[1] + [(None, None)]
    return np.asarray(minimize(loss, np.zeros(design.shape[1]), jac=True, bounds=limits, method="L-BFGS-B").x)


def grown(features: NDArray[np.float32], shares: NDArray[np.float64], *, trees: int = 40, seed: int = 0) -> Forest:
    """A random forest as plain arrays."""
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(
        trees, max_depth=7, min_samples_leaf=15, max_features=0.33, random_state=seed, n_jobs=1
    )
    made = [tree.tree_ for tree in model.fit(features, shares).estimators_]
    most = max(tree.node_count for tree in made)

    def table(name: str, kind: type[np.generic], stays: bool = False) -> NDArray[Any]:
        rows = []
        for tree in made:
            values = np.asarray(getattr(tree, name)).reshape(tree.node_count)
            values = np.where(values < 0, np.arange(tree.node_count), values) if stays else values
            rows.append(np.pad(values, (0, most - tree.node_count)))
        return np.stack(rows).astype(kind)

    return Forest(
        np.maximum(table("feature", np.int16), 0),
        table("threshold", np.float32),
        table("children_left", np.int16, stays=True),
        table("children_right", np.int16, stays=True),
        table("value", np.float32),
        max(int(tree.max_depth) for tree in made),
    )


def fit(folder: Path, write: bool) -> None:
    crowd, adults = load(folder / "utkface.npz"), load(folder / "adults.npz")
    thresholds = thresholds_of(adults)
    print("thresholds", {name: round(value, 3) for name, value in thresholds.items()})
    shares, others = (outcome(rows, clear_rows(rows), thresholds) for rows in (crowd, adults))
    used, tested = crowd["copy"] > 0, adults["copy"] > 0
    sizes = [(kept.sum(), len(np.unique(rows["who"][kept])), found[kept].mean()) for rows, kept, found in
             ((crowd, used, shares), (adults, tested, others))]  # fmt: skip
    for name, (count, people, mean) in zip(("fitted on", "told of"), sizes, strict=True):
        print(f"{name} {count} spoiled pictures of {people} people, {mean:.3f} recognised")
    told: dict[str, NDArray[np.float64]] = {"recognizability": adults["recognizability"][:, 0]}
    for model in NETS:
        raw = crowd[model][:, 0].astype(np.float64)
        slope, bias = fit_logistic(raw[used, None] * 10, shares[used]) * (10, 1)
        print(f"{model}: middle = {-bias / slope:.4f}, width = {1 / slope:.4f}")
        told[model] = 1 / (1 + np.exp(-(slope * adults[model][:, 0] + bias)))
    # Occlusion is told by another card only.
    names = PART_NAMES[: PART_NAMES.index("occlusion")]
    for rows in (crowd, adults):
        rows["parts"] = rows["parts"][:, : len(names)]
    usual = np.nanmedian(crowd["parts"][used], axis=0)
    logs = {
        name: np.log(np.where(np.isnan(rows["parts"]), usual, rows["parts"]).clip(LEAST))
        for name, rows in (("crowd", crowd), ("adults", adults))
    }
    weights = fit_logistic(logs["crowd"][used].astype(np.float64), shares[used], positive=True)
    print("bias =", round(float(weights[-1]), 3))
    print(
        "powers =",
        {name: round(float(weight), 3) for name, weight in zip(names, weights, strict=False) if weight > 1e-3},
    )
    print("usual =", {name: round(float(value), 3) for name, value in zip(names, usual, strict=True)})
    told["quality-product"] = 1 / (1 + np.exp(-(logs["adults"] @ weights[:-1] + weights[-1])))
    both = [np.column_stack([rows[FUSED][:, 0], logs[name]]) for name, rows in (("crowd", crowd), ("adults", adults))]
    (slope, *powers, bias) = fit_logistic(
        both[0][used] * ([10] + [1] * len(names)), shares[used], positive=True
    ).tolist()
    print(f"fused with {FUSED}: middle = 0.5, width = {0.1 / slope:.4f}, bias = {bias + slope * 5:.3f}")
    print("powers =", {name: round(power, 3) for name, power in zip(names, powers, strict=True) if power > 1e-3})
    told["quality-fused"] = 1 / (1 + np.exp(-(both[1] @ [slope * 10, *powers] + bias)))
    forest = grown(crowd["geometry"][used], shares[used])
    told["quality-forest"] = forest(adults["geometry"]).astype(np.float64)
    if write:
        target = Path(forest_module.__file__ or "").with_name(forest_module.FILE)
        np.savez_compressed(target, **{name: getattr(forest, name) for name in Forest.__dataclass_fields__})
        print("written", target.name, target.stat().st_size)
    for part, name in enumerate(names):
        told[f"  {name}"] = np.nan_to_num(adults["parts"][:, part].astype(np.float64), nan=0.5)
    print("on the others: area under the curve of recognised by both or none, and Brier score")
    sure = tested & (others != 0.5)
    for name, values in told.items():
        good = values[sure & (others > 0.5)]
        bad = values[sure & (others < 0.5)]
        wins = (good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2
        brier = ((values[tested] - others[tested]) ** 2).mean()
        clear = values[adults["copy"] == 0]
        print(f"{name:18} {wins:.3f}  {brier:.3f}  clear pictures {np.quantile(clear, [0.05, 0.5]).round(2)}")


def fit_occlusion(data: Path, people: int) -> None:
    """The power of the part that is told by parsing, beside all others: on faces that things are drawn before."""
    engines = {model: Engine(threads=1, models={"embedding": model}) for model in EMBEDDERS}
    first = engines[EMBEDDERS[0]].with_models(quality="quality-fused", quality_parts="quality-parts")
    seeing = first.with_models(quality_parts="quality-parts-visible")
    kinds = [*MASKS, *(kind for kind in OBSTACLES if kind not in HARMLESS)]
    rows, cosines = [], []
    for place, file in enumerate(pictures(data / "age_gender")[:people]):
        image = framed(file, *FRAMES[place % len(FRAMES)])
        clear = first.analyze(image, want={"landmarks", "alignment"}).top(1)
        if not len(clear) or clear.landmarks.abstained[0]:
            continue
        mesh, kind = clear.landmarks.values[0], kinds[place % len(kinds)]
        if kind in MASKS:
            picture = paint_covering(image, mesh, kind=kind, seed=place, engine=first)
        else:
            picture = draw_obstacle(image, mesh, kind, seed=place)[0]
        faces = first.analyze(picture, want={"landmarks", "alignment", "quality"}).top(1)
        if not len(faces) or np.isnan(faces.quality.values[0]):
            continue
        parts = seeing.analyze(picture, want={"quality_parts"}).top(1).quality_parts
        chance = float(faces.quality.values[0].clip(1e-4, 1 - 1e-4))
        rows.append((np.log(chance / (1 - chance)), np.log(parts.named("occlusion")[0].clip(LEAST))))
        pair = []
        for model in EMBEDDERS:
            step = engines[model].runner("embedding")
            batches = (Batch([shot], np.zeros(1, np.intp), found) for shot, found in ((image, clear), (picture, faces)))
            one, other = (step.measure(batch)[0] for batch in batches)
            pair.append(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
        cosines.append(pair)
    odds, logs = np.array(rows).T
    shares = (np.array(cosines) >= list(MEDIANS.values())).mean(axis=1)
    powers = np.linspace(0, 20, 201)
    chances = 1 / (1 + np.exp(-(odds[:, None] + logs[:, None] * powers)))
    chances = chances.clip(1e-6, 1 - 1e-6)
    losses = -(shares[:, None] * np.log(chances) + (1 - shares[:, None]) * np.log(1 - chances)).mean(axis=0)
    best = int(losses.argmin())
    print(
        f"{len(rows)} faces with things before them, {shares.mean():.3f} recognised; visible {np.exp(logs).mean():.2f}"
    )
    print(f"power of occlusion {powers[best]:.1f}: loss {losses[best]:.3f}, without it {losses[0]:.3f}")


def drawn(image: Image) -> Image:
    """As with a pencil: grey, divided by what is around, so that only lines are left."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    around = 255 - cv2.GaussianBlur(255 - grey, (0, 0), image.shape[0] / 40)
    return np.repeat(np.asarray(cv2.divide(grey, around, scale=256), np.uint8)[..., None], 3, axis=2)


def far(image: Image, eyes: float, wanted: float = 10.0) -> Image:
    """So small that there are ten pixels between the eyes."""
    part = wanted / eyes
    return np.asarray(cv2.resize(image, None, fx=part, fy=part, interpolation=cv2.INTER_AREA), np.uint8)


def limits(people: int) -> None:
    engine = Engine(threads=1)
    told_by = {
        "quality": (engine, "quality"),
        "with occlusion": (engine.with_models(quality_parts="quality-parts-visible"), "quality"),
        FUSED: (engine.with_models(quality=FUSED), "quality"),
        "recognizability": (engine, "recognizability"),
    }
    topology = face_topology(engine=engine)
    found: dict[str, list[list[float]]] = {}
    for seed in range(people):
        image = generate(seed=900_000 + seed, size=512, engine=engine).image
        faces = engine.analyze(image, want={"landmarks", "alignment"}).top(1)
        mesh, (right, left) = faces.landmarks.values[0], faces.alignment.values[0, :2]
        shown = {
            "as it is": image,
            "face mask": paint_covering(image, mesh, kind="surgical", seed=seed, engine=engine),
            "drawing": drawn(image),
            "far away": far(image, float(np.linalg.norm(left - right))),
            "turned": spoil(image, mesh, topology, seed=seed, ways=("turned",)),
        }
        for name, picture in shown.items():
            row = []
            for one, field in told_by.values():
                seen = one.analyze(picture, want={field}).top(1)
                row.append(float(getattr(seen, field).values[0]) if len(seen) else np.nan)
            found.setdefault(name, []).append(row)
    print(f"means of {people} generated people, 95 % intervals over them; in brackets how many were judged")
    for name, rows in found.items():
        for which, values in zip(told_by, np.transpose(rows), strict=True):
            known = values[~np.isnan(values)]
            low, high = bootstrap(lambda draw: float(np.mean(draw)), known.tolist())
            print(f"{name:12} {which:16} {known.mean():.2f} ({low:.2f} to {high:.2f}) [{len(known)}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("all", "gather", "fit", "occlusion", "limits"), nargs="?", default="all")
    parser.add_argument("--folder", type=Path, help="where what was gathered is kept; by default nowhere")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--people", type=int, default=394)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as passing:
        folder = options.folder or Path(passing)
        if options.step in {"all", "gather"}:
            gather(folder, options.data, options.people, options.copies)
        if options.step in {"all", "fit"}:
            fit(folder, options.write)
        if options.step == "occlusion":
            fit_occlusion(options.data, options.people)
        if options.step == "limits":
            limits(options.people)


if __name__ == "__main__":
    main()
