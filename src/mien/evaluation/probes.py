"""What changes a head's answer when nothing about the person does: factorial probes on generated people.

Photographs of groups of people differ in more than the group: in light, camera, age, pose. So a gap between groups has
many causes. Here one person is shown in every combination of a few changes, everything else kept, and an answer that
moves does so because of the change (Balakrishnan et al., *Towards causal benchmarking of bias in face analysis
algorithms*, 2020; Hausladen et al., *Social perception of faces in a vision-language model*, 2024, whose people come
out of a generator, too). The people do not exist; adults only.

The changes are made by hand and not by the generator: skin moves to another tone by its colour alone, which is no
other descent; light and blur are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Distribution, Labels, Scalar, Scores
from mien.core.errors import UsageError
from mien.core.faces import Face, Faces
from mien.core.fields import all_fields
from mien.core.image import Image
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap
from mien.evaluation.skin_tone import MONK, NEEDED, apparent_tones, lab_of, rgb_of

__all__ = ["FACTORS", "Factor", "ProbeReport", "answers_of", "change", "contact_sheet", "evaluate_probe", "recolored"]

Floats: TypeAlias = NDArray[np.float32]

SIDE = 512  # pixels of the portraits
FEWEST = 3  # people with an answer, below which nothing is said of an effect
GAMMA = 2.2  # of sRGB, nearly
#: How much of the skin's colour parts of the face have.
SKIN: Final = MappingProxyType({"skin": 1.0, "nose": 1.0, "ears": 1.0, "neck": 1.0, "brows": 1.0, "lips": 0.7})
THROUGH = ("hair", "glasses")  # where skin may be seen, too
ALIKE = np.array([25.0, 10.0, 10.0])  # deviations in CIELAB of what counts as skin there


# --- the changes ----------------------------------------------------------------------------------------------------


def recolored(image: Image, face: Face, tone: int) -> Image:
    """The picture with a face's skin as light or dark as a tone of the Monk scale.

    The skin's linear light is multiplied so that cheeks and forehead get the tone's lightness and go halfway to its
    hue, which on photographs is redder than on the scale's patches. Shading, brows and beards stay, as they are
    multiplied, too; eyes and teeth are left out, hair and glasses but for the skin that is seen through them.

    Parameters
    ----------
    image : (H, W, 3) uint8
    face : Face
        With ``landmarks`` and ``parse``, and a skin that can be read.
    tone : int
        From 1 to 10.
    """
    own = apparent_tones(face.faces[[face.row]]).lab[0]
    target = lab_of(MONK[tone - 1])
    target[1:] = (target[1:] + own[1:]) / 2
    parse = face.parse
    weight = np.maximum.reduce([share * parse.region(name).to_array() for name, share in SKIN.items()])
    # What has the skin's colour between hairs and behind glasses is skin.
    alike = np.exp(-0.5 * np.sum(((lab_of(image) - own) / ALIKE) ** 2, axis=2))
    through = np.maximum(*(parse.region(name).to_array() for name in THROUGH))
    weight = np.maximum(weight, through * alike)[..., None]
    before, after = (_linear(rgb_of(lab[None])[0]) for lab in (own, target))
    return _gain(image, 1 + weight * (after / before.clip(1e-3) - 1))


def _tone(tone: int) -> Callable[[Image, Face], Image]:
    return lambda image, face: recolored(image, face, tone)


def _as_it_is(image: Image, face: Face) -> Image:  # noqa: ARG001 - as all changes
    return image


def _gain(image: Image, gain: NDArray[np.floating[Any]]) -> Image:
    """The picture with its linear light multiplied."""
    return np.asarray(np.rint((_linear(image) * gain).clip(0, 1) ** (1 / GAMMA) * 255), np.uint8)


def _linear(rgb: NDArray[np.uint8]) -> Floats:
    return np.asarray((rgb.astype(np.float32) / 255) ** np.float32(GAMMA), np.float32)


def _dim(image: Image, face: Face) -> Image:  # noqa: ARG001
    return _gain(image, np.full((1, 1, 1), 0.2, np.float32))


def _side(image: Image, face: Face) -> Image:
    """Light from the picture's left: a tenth of it is left on the right of the face."""
    x1, _, x2, _ = face.box
    across = np.clip((np.arange(image.shape[1], dtype=np.float32) - x1) / max(x2 - x1, 1.0), 0, 1)
    return _gain(image, (np.float32(1.2) * (1 - np.float32(0.9) * across))[None, :, None])


def _blurred(image: Image, face: Face) -> Image:
    """As out of focus: by a fiftieth of the face's height."""
    import cv2

    sigma = 0.02 * float(face.box[3] - face.box[1])
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


@dataclass(frozen=True)
class Factor:
    """Something that is changed: its levels by name, of which the first leaves the picture as it is."""

    levels: Mapping[str, Callable[[Image, Face], Image]]

    @property
    def reference(self) -> str:
        """The level that the others are held against."""
        return next(iter(self.levels))


#: What is changed, in the order in which it is.
FACTORS: Final[Mapping[str, Factor]] = MappingProxyType(
    {
        "skin tone": Factor({"Monk 5": _tone(5), "Monk 6": _tone(6), "Monk 7": _tone(7)}),
        "light": Factor({"as it is": _as_it_is, "dim": _dim, "from one side": _side}),
        "focus": Factor({"sharp": _as_it_is, "blurred": _blurred}),
    }
)


def change(image: Image, face: Face, levels: Iterable[str], factors: Mapping[str, Factor] = FACTORS) -> Image:
    """The picture with one level of each factor."""
    for factor, level in zip(factors.values(), levels, strict=True):
        image = factor.levels[level](image, face)
    return image


# --- the answers ----------------------------------------------------------------------------------------------------

#: Numbers (N,) of a column by what they are called, "" for the field's own.
_ANSWERS: Mapping[type[Column], Callable[[Any], Mapping[str, Any]]] = {
    Distribution: lambda column: {"": column.mean},
    Scalar: lambda column: {"": column.values},
    Labels: lambda column: {f".{name}": column.named(name) for name in column.names},
    Scores: lambda column: {f".{name}": column.named(name) for name in column.names},
}


def answers_of(faces: Faces, fields: Iterable[str]) -> dict[str, float]:
    """Every number that fields say of the largest face; none where there is none.

    Raises
    ------
    UsageError
        If a field is of no kind that has numbers to compare.
    """
    found: dict[str, float] = {}
    for name in sorted(fields):
        kinds = [kind for kind in _ANSWERS if issubclass(all_fields()[name].column_type, kind)]
        if not kinds:
            raise UsageError(f"{name} has no numbers that could be compared.")
        if len(faces):
            read = _ANSWERS[kinds[0]](faces.top(1).columns[name])
            found |= {f"{name}{part}": float(np.asarray(value).reshape(-1)[0]) for part, value in read.items()}
    return found


@dataclass(frozen=True)
class ProbeReport:
    """How far each change moves each answer.

    Parameters
    ----------
    people : int
    answers : tuple of str
        As "age" or "expression.happiness".
    levels : dict of str to tuple of str
        Of each factor, but for the reference.
    references : dict of str to str
    effects : dict of (answer, factor, level) to Measured
        Mean change of the answer from the reference to the level, over all combinations of the other factors; the 95 %
        interval is over people. NaN where fewer than three people have answers at both levels.
    spreads : dict of str to float
        Standard deviation of the answer between the people, at all references: what an effect is to be held against.
    silent : dict of (answer, factor, level) to float
        Share of the pictures with a level, the reference too, without an answer: no face, or the head abstains.
    """

    people: int
    answers: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    references: Mapping[str, str]
    effects: Mapping[tuple[str, str, str], Measured]
    spreads: Mapping[str, float]
    silent: Mapping[tuple[str, str, str], float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        effects = [
            {"answer": answer, "factor": factor, "level": level, "effect": one.value, "interval": list(one.interval)}
            for (answer, factor, level), one in self.effects.items()
        ]
        silent = [
            {"answer": answer, "factor": factor, "level": level, "share": share}
            for (answer, factor, level), share in self.silent.items()
        ]
        return {
            "people": self.people,
            "references": dict(self.references),
            "effects": effects,
            "spreads": dict(self.spreads),
            "silent": silent,
        }


def evaluate_probe(
    fields: Iterable[str],
    *,
    people: int = 20,
    seed: int = 0,
    factors: Mapping[str, Factor] = FACTORS,
    engine: Engine | None = None,
) -> ProbeReport:
    """Show generated people in every combination of the factors' levels, and measure what the answers do.

    Parameters
    ----------
    fields : iterable of str
        With numbers: ages, scores, probabilities.
    people : int
        2 or more.
    seed : int
        Of the people.
    factors : mapping of str to Factor
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    UsageError
        If there are too few people, or a field has no numbers.
    ModelError
        If the models cannot be had.
    """
    engine = engine or default_engine()
    fields = sorted(fields)
    if people < 2:
        raise UsageError(f"a probe takes 2 people or more, not {people}.")
    answers_of(Faces.from_boxes([]), fields)
    cells = list(product(*(factor.levels for factor in factors.values())))
    told: list[list[dict[str, float]]] = []  # of each person, of each cell
    for image, face in _portraits(people, seed, engine):
        pictures = (change(image, face, cell, factors) for cell in cells)
        told.append([answers_of(engine.analyze(picture, want=fields), fields) for picture in pictures])
    names = list(dict.fromkeys(name for cell in told for one in cell for name in one))
    table = np.array([[[one.get(name, np.nan) for name in names] for one in cell] for cell in told])
    table = table.reshape(len(told), *(len(factor.levels) for factor in factors.values()), len(names))
    return _summary(table, names, factors, seed)


def _summary(table: NDArray[np.float64], names: Sequence[str], factors: Mapping[str, Factor], seed: int) -> ProbeReport:
    """Effects from answers of shape (people, levels of the first factor, ..., answers)."""
    effects: dict[tuple[str, str, str], Measured] = {}
    silent: dict[tuple[str, str, str], float] = {}
    for place, (factor, own) in enumerate(factors.items()):
        first = np.moveaxis(table, place + 1, 1)
        for number, level in enumerate(own.levels):
            for column, name in enumerate(names):
                silent[name, factor, level] = float(np.isnan(first[:, number, ..., column]).mean())
        for number, level in enumerate(list(own.levels)[1:], 1):
            change = (first[:, number] - first[:, 0]).reshape(len(table), -1, len(names))
            for column, name in enumerate(names):
                each = [_mean(person[:, column]) for person in change]
                if np.isfinite(each).sum() < FEWEST:
                    each = [np.nan]
                interval = bootstrap(lambda draw: _mean(np.array(draw)), each, seed=seed)
                effects[name, factor, level] = Measured(_mean(np.array(each)), interval)
    plain = table.reshape(len(table), -1, len(names))[:, 0]  # the first cell has the reference of every factor
    return ProbeReport(
        people=len(table),
        answers=tuple(names),
        levels={name: tuple(factor.levels)[1:] for name, factor in factors.items()},
        references={name: factor.reference for name, factor in factors.items()},
        effects=effects,
        spreads={name: float(np.nanstd(plain[:, i])) for i, name in enumerate(names)},
        silent=silent,
    )


def _mean(values: NDArray[np.float64]) -> float:
    """Of what is known; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _portraits(people: int, seed: int, engine: Engine) -> Iterable[tuple[Image, Face]]:
    """Generated people whose skin can be read, each with their face."""
    from mien.swaps.invented.generator import generate

    def every() -> Iterable[tuple[Image, Face]]:
        number = seed * 100_000
        while True:
            image = generate(seed=number, size=SIDE, engine=engine).image
            number += 1
            faces = engine.analyze(image, want=NEEDED).top(1)
            if len(faces) and apparent_tones(faces).reasons[0] is None:
                yield image, faces[0]

    return islice(every(), people)


def contact_sheet(*, seed: int = 0, engine: Engine | None = None) -> tuple[Image, tuple[str, ...]]:
    """The first person of a seed in every combination, a row each two factors, and the models that drew them."""
    engine = engine or default_engine()
    image, face = next(iter(_portraits(1, seed, engine)))
    cells = list(product(*(factor.levels for factor in FACTORS.values())))
    width = len(cells) // len(next(iter(FACTORS.values())).levels)
    pictures = [change(image, face, cell)[::2, ::2] for cell in cells]
    rows = [np.concatenate(pictures[start : start + width], axis=1) for start in range(0, len(cells), width)]
    return np.concatenate(rows), (engine.choose("generate").id,)
