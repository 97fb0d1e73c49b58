"""What was fitted for gender, glasses and mouth, fitted again on half of the people and tried on the other half.

Also: whether a correction of ages helps, what ages and genders become on small faces, and the mouth on posed
expressions. The accuracy itself is printed by ``mien evaluate age`` and ``mien evaluate attributes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.datasets.readers.attribute_sets import read_attributes
from mien.engine import Batch, Engine
from mien.evaluation.agreement import area_under_curve
from mien.evaluation.intervals import wilson
from mien.evaluation.portraits import look_at
from mien.features.shown.crown import look
from mien.features.shown.hair import COLOURS, HairColour, median_lab
from mien.models.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
MARKED = ROOT / "tests" / "evaluation" / "attributes_by_eye.csv"
CLASSES = ("happy", "surprise", "anger", "sadness", "contempt", "disgust")
MARGIN = 0.3
COLOURLESS = 4.0  # chroma of the skin, as on the card of hair
Doubles = NDArray[np.float64]


def main() -> None:
    if not (DATA / "age_gender").exists():
        print(f"skipped: no pictures in {DATA}")
        return
    with Engine(threads=1) as engine:
        ages_and_genders(engine)
        labelled(engine)
        posed(engine)
        small(engine)
        blurred(engine)
        hair(engine)


def ages_and_genders(engine: Engine) -> None:
    labels = read_attributes(DATA / "age_gender")
    found = list(look_at(labels.pictures, {"age", "gender"}, engine, margin=MARGIN))
    years = labels.numbers("age")
    means = np.array([float(one.age.mean[0]) for one in found if isinstance(one, Faces)])
    feminine = np.array([one.gender.values[0, 0] for one in found if isinstance(one, Faces)], np.float64)
    halves("gender", feminine, np.array(labels.column("gender")) == "feminine", np.array(labels.subjects))
    told, errors = np.isfinite(means), []
    means, years = means[told], years[told]
    for seed in range(20):
        half = np.random.default_rng(seed).permutation(len(years)) % 2 == 0
        for fitted in (half, ~half):
            corrected = correction(means[fitted], years[fitted])(means[~fitted])
            errors.append([np.abs(one - years[~fitted]).mean() for one in (means[~fitted], corrected)])
    before, after = np.mean(errors, axis=0)
    print(f"age: error {before:.2f} years, {after:.2f} with a correction that was fitted on the other half")


def correction(means: Doubles, years: Doubles):  # type: ignore[no-untyped-def]
    """A rising line with knots, smooth."""
    knots = np.array([0.0, 10, 20, 35, 50, 65, 80])

    def hats(values: Doubles) -> Doubles:
        return np.stack([np.interp(values, knots, one) for one in np.eye(len(knots))], axis=1)

    bends = np.diff(np.eye(len(knots)), 2, axis=0)
    base = hats(means)
    heights = np.linalg.solve(base.T @ base + 3 * bends.T @ bends + 1e-6 * np.eye(len(knots)), base.T @ years)
    heights = np.maximum.accumulate(heights)
    return lambda values: hats(values) @ heights


def labelled(engine: Engine) -> None:
    labels = read_attributes(MARKED, pictures=DATA)
    found = list(look_at(labels.pictures, {"glasses", "mouth"}, engine, margin=MARGIN))
    faces = [one for one in found if isinstance(one, Faces)]
    answers = {
        "glasses": np.array([one.glasses.values[0] for one in faces], np.float64),
        "mouth.open": np.array([one.mouth.named("open")[0] for one in faces], np.float64),
        "mouth.smile": np.array([one.mouth.named("smile")[0] for one in faces], np.float64),
    }
    for name, values in answers.items():
        marks, people = np.array(labels.column(name)), np.array(labels.subjects)
        halves(name, values[marks != ""], marks[marks != ""] == "1", people[marks != ""])


def halves(name: str, values: Doubles, truth: NDArray[np.bool_], people: NDArray[np.str_]) -> None:
    """Fit a line over the log odds on half of the people, and try it on the others."""
    known = np.isfinite(values)
    odds = np.log(values[known].clip(1e-7, 1 - 1e-7)) - np.log1p(-values[known].clip(1e-7, 1 - 1e-7))
    truth, who = truth[known], np.unique(people[known], return_inverse=True)[1]
    side = np.random.default_rng(0).permutation(who.max() + 1)[who] % 2 == 0
    for fitted in (side, ~side):
        signs = np.where(truth[fitted], 1, -1)

        def loss(line: Doubles, rows: Doubles = odds[fitted], signs: NDArray[np.int_] = signs) -> float:
            return float(np.logaddexp(0, -(line[0] * rows + line[1]) * signs).mean())

        slope, offset = minimize(loss, [1.0, 0.0], method="Nelder-Mead").x
        right = ((slope * odds[~fitted] + offset > 0) == truth[~fitted]).mean()
        area = area_under_curve(odds[~fitted & truth], odds[~fitted & ~truth])
        print(f"{name}: {slope:.2f} x card {offset:+.2f} on one half; on the other right {right:.3f}, AUC {area:.3f}")


def hair(engine: Engine) -> None:
    """Colours on photographs that the network was not fitted on, as far as the crops show hair: half by half.

    UTKFace's crops cut the head off, so that the field abstains; the colour of what is seen is asked for here.
    """
    labels = read_attributes(MARKED, pictures=DATA)
    model = engine.runner("hair")
    assert isinstance(model, HairColour)
    truth, odds, people = list[int](), list[Doubles](), list[str]()
    for picture, name, subject in zip(labels.pictures, labels.column("hair"), labels.subjects, strict=True):
        if name in COLOURS and (lab := _hair_seen(picture, engine)) is not None:
            truth.append(COLOURS.index(name))
            odds.append(model.odds(lab))
            people.append(subject)
    true, scores, who = np.array(truth), np.array(odds), np.array(people)
    crops = np.char.startswith(who, "age_gender")
    side = np.random.default_rng(0).permutation(len(true)) % 2 == 0
    for name, fitted, tried in (
        ("on one half of UTKFace", crops & side, crops & ~side),
        ("on the other half", crops & ~side, crops & side),
        ("on UTKFace", crops, ~crops),
    ):
        trust = minimize_scalar(lambda x: _surprise(x * scores[fitted], true[fitted]), bounds=(0.05, 3)).x  # noqa: B023
        print(f"hair: log odds x {trust:.2f} x card fitted {name}; on the rest, of {tried.sum()}:", end=" ")
        _answers(scores[tried] * trust, true[tried], model.sure)
    for name, rows in (("UTKFace", crops), ("LFW", ~crops)):
        print(f"hair as the card has it, {name}, {len(set(who[rows]))} people, of {rows.sum()}:", end=" ")
        _answers(scores[rows], true[rows], model.sure)


def _hair_seen(path: Path, engine: Engine) -> Doubles | None:
    """Median colour of the hair of the largest face of a picture, which is found with a margin around it."""
    image = load_image(path)
    height, width = (round(side * MARGIN) for side in image.shape[:2])
    found = engine.detect(np.pad(image, [(height, height), (width, width), (0, 0)], mode="symmetric")).top(1)
    boxes = Faces.from_boxes(found.boxes - np.array([width, height, width, height], np.float32))
    faces = engine.analyze(image, want={"parse", "alignment"}, faces=boxes)
    if not len(faces) or faces.parse.abstained[0] or faces.alignment.abstained[0]:
        return None
    crown = look(faces.parse[0], faces.alignment.values[0], image)
    skin = median_lab(crown, image, "skin")
    return None if skin is None or np.hypot(*skin[1:]) < COLOURLESS else median_lab(crown, image, "hair")


def _surprise(odds: Doubles, truth: NDArray[np.int_]) -> float:
    return float((np.logaddexp.reduce(odds, axis=1) - odds[np.arange(len(truth)), truth]).mean())


def _answers(odds: Doubles, truth: NDArray[np.int_], sure: float) -> None:
    values = np.exp(odds - np.logaddexp.reduce(odds, axis=1)[:, None])
    told, right = values.max(axis=1) >= sure, values.argmax(axis=1) == truth
    share, ends = right[told].mean(), wilson(int((right & told).sum()), int(told.sum()))
    print(f"{right.mean():.3f} right; of {told.sum()} told {share:.3f} ({ends[0]:.3f} to {ends[1]:.3f})", end="")
    print(f", with a probability of {values.max(axis=1)[told].mean():.3f}")
    for place, name in enumerate(COLOURS):
        called, there = told & (values.argmax(axis=1) == place), int((truth == place).sum())
        print(f"    {name}: {there}; called so {called.sum()}, of these right {(called & right).sum()}")


def posed(engine: Engine) -> None:
    """CK+."""
    said: dict[str, Doubles] = {}
    for name in CLASSES:
        rows = []
        for path in sorted((DATA / "expression" / name).glob("*.png")):
            image = np.pad(load_image(path), ((24, 24), (24, 24), (0, 0)), mode="edge")
            rows.append(
                engine.analyze(image, faces=Faces.from_boxes([[24, 24, 72, 72]]), want={"mouth"}).mouth.values[0]
            )
        said[name] = np.array(rows, np.float64)
    for part, yes, no in ((1, "happy", CLASSES[1:]), (0, "surprise", ("anger", "sadness", "contempt"))):
        values = [said[one][:, part] for one in (yes, *no)]
        truth = np.repeat(np.arange(len(values)) == 0, [len(one) for one in values])
        scores = np.concatenate(values)
        known = np.isfinite(scores)
        area = area_under_curve(scores[known & truth], scores[known & ~truth])
        print(f"CK+: {yes} against {', '.join(no)}: AUC {area:.3f} of {known.sum()} faces")


def small(engine: Engine) -> None:
    """Every second crop of UTKFace, so small that so many pixels are between the eyes, or these and the mouth."""
    files = sorted((DATA / "age_gender").glob("*.jpg"))[::2]
    errors: dict[float, list[float]] = {}
    told: dict[float, list[bool]] = {}
    with _asked_of_all(engine) as every:
        for path, (image, faces) in zip(files, _found(files, engine), strict=True):
            points = faces.alignment.values[0]
            eyes, mouth = points[:2], points[3:]
            unit = max(np.linalg.norm(eyes[0] - eyes[1]), np.linalg.norm(eyes.mean(axis=0) - mouth.mean(axis=0)))
            for pixels in (60.0, 30.0, 15.0, 12.0, 10.0001):
                scale = pixels / float(unit)
                side = round(image.shape[0] * scale), round(image.shape[1] * scale)
                alignment = replace(faces.alignment, values=points[None] * np.float32(scale))
                batch = Batch([resize(image, side)], np.zeros(1, np.intp), faces.with_columns({"alignment": alignment}))
                mean, age = (one.runner("age").describe(batch)["age"] for one in (every, engine))
                errors.setdefault(pixels, []).append(abs(float(mean.mean[0]) - int(path.name.split("_")[0])))
                told.setdefault(pixels, []).append(not age.abstained[0])
    for pixels, one in errors.items():
        print(
            f"age with {pixels:.0f} pixels between the eyes: error {np.nanmean(one):.1f} years of {len(one)} crops;",
            end=" ",
        )
        print(f"{np.mean(told[pixels]):.3f} are told")


def blurred(engine: Engine) -> None:
    """Every third crop of UTKFace, blurred by parts of the distance from eyes to mouth, and who abstains by that."""
    files = sorted((DATA / "age_gender").glob("*.jpg"))[::3]
    years = np.array([int(path.name.split("_")[0]) for path in files])
    feminine = np.array([path.name.split("_")[1] == "1" for path in files])
    found = list(_found(files, engine))
    with _asked_of_all(engine) as every:
        for part in (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15):
            means, said, told = list[float](), list[float](), list[bool]()
            for image, faces in found:
                points = faces.alignment.values[0]
                sigma = part * float(np.linalg.norm(points[:2].mean(axis=0) - points[3:].mean(axis=0)))
                shown = cv2.GaussianBlur(image, (0, 0), sigma) if part else image
                own = every.analyze(shown, want={"age", "gender"}, faces=faces)
                means.append(float(own.age.mean[0]))
                said.append(float(own.gender.values[0, 0]))
                told.append(not engine.analyze(shown, want={"age"}, faces=faces).age.abstained[0])
            known, called = np.isfinite(said), np.array(said) > 0.5
            print(f"blurred by {part:g}: age off by {np.nanmean(np.abs(np.array(means) - years)):.1f} years;", end=" ")
            print(f"called feminine {called[known].mean():.3f} of {known.sum()},", end=" ")
            print(f"as labelled {(called == feminine)[known].mean():.3f}; {np.mean(told):.3f} are told")


def _asked_of_all(engine: Engine) -> Engine:
    """An engine whose ages do not abstain from blurred faces."""
    cards = (
        replace(one, params={**one.params, "detail": 0.0}) if "age" in one.gives else one for one in engine.catalogue
    )
    return Engine(threads=1, catalogue=Catalogue(cards))


def _found(files: list[Path], engine: Engine) -> Iterator[tuple[Image, Faces]]:
    for path in files:
        image = load_image(path)
        around = [(round(side * MARGIN),) * 2 for side in image.shape[:2]]
        image = np.pad(image, [*around, (0, 0)], mode="symmetric")
        yield image, engine.analyze(image, want={"alignment"}, faces=engine.detect(image).top(1))


if __name__ == "__main__":
    main()
