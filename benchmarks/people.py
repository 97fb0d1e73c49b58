"""Vectors of real people in clear, small and spoiled pictures: what `calibration` and `recognizability` are made of.

Two sets: one picture each of 394 people of all ages (``age_gender``, UTKFace crops named age_gender_race_date.jpg), and
105 pictures of ten adults (``identities`` and ``identities_johns``).
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.embeddings.calibration import ANY, Range
from mien.embeddings.comparison import traits_of
from mien.embeddings.recognizability import Recognizability
from mien.engine import Batch, Engine
from mien.models.catalogue import Catalogue

DATA = Path(__file__).parents[2] / "shared" / "data"

# One picture is kept of each person. These show a person who is in the set again (younger, older or the same file):
# all embedders agree on them, with a gap to the next pair, and the pictures were looked at. Infants who look alike
# cannot be told apart by eye either; they stay, which errs to the safe side.
REPEATS = frozenset(
    {
        "14_1_0_20170109212753539",  # the same file as 14_1_0_20170109204358190
        "10_1_0_20170109203759972",  # the same girl, younger
        "24_1_3_20170104231939707",  # with 22_1_3_20170104231710175
        "25_1_3_20170104232046530",  # the same woman
        "65_1_0_20170110125326249",  # with 39_1_0_20170105001220803
        "71_1_0_20170110160644048",  # with 56_1_0_20170110141552560
    }
)
# The crops of this set end at the forehead and the ears. What stands around them changes scores: with black crops of
# strangers are less alike than in photos (sface: a median of 0.02 instead of 0.08), with the mirrored crop more (0.13).
# Where the face stands in its picture changes how well a detector sees its points. So people are framed in turn in
# each of these ways: width of the frame in sides of the crop, and how much of that is mirrored before black begins.
FRAMES = [(width, min(width, mirrored)) for mirrored in (0.0, 0.25) for width in (0.1, 0.25, 0.5, 0.75)]
CLEAR, SMALL = 64.0, 28.0  # heights in pixels: of the smallest faces that count as clear, and that are calibrated
CANVAS = 320  # side of the grey picture that they are scaled down into
SPOILED = 8  # copies of each picture


@dataclass(frozen=True)
class Shots:
    """Pictures of people in several looks: "clear", "64 px", "small", and "spoiled 0" and on.

    Parameters
    ----------
    people : (N,) str
        Who is in each picture.
    ages, sexes : (N,) int
        -1 where it is not known.
    estimates : dict of str to (N, 2) float
        By look, the years between which the age model takes the person to be.
    raw : dict of str to (N, D) float32
        By look, vectors as the network gives them; NaN where no face was found.
    """

    people: NDArray[np.str_]
    ages: NDArray[np.int_]
    sexes: NDArray[np.int_]
    estimates: dict[str, NDArray[np.float64]]
    raw: dict[str, NDArray[np.float32]]

    def vectors(self, look: str) -> NDArray[np.float32]:
        """Vectors of length 1, (N, D)."""
        return np.asarray(self.raw[look] / np.linalg.norm(self.raw[look], axis=1, keepdims=True))

    def quality(self, look: str, curve: Recognizability) -> NDArray[np.float32]:
        """Recognizability (N,)."""
        return curve.of(self.raw[look])

    @property
    def spoiled(self) -> list[str]:
        """The looks that are spoiled."""
        return [look for look in self.raw if look.startswith("spoiled")]

    def save(self, file: Path) -> None:
        """Keep them."""
        looks: dict[str, NDArray[Any]] = {f"raw/{look}": values for look, values in self.raw.items()}
        looks |= {f"ages/{look}": values for look, values in self.estimates.items()}
        np.savez(file, people=self.people, ages=self.ages, sexes=self.sexes, **looks)  # type: ignore[arg-type]

    @classmethod
    def load(cls, file: Path) -> Shots:
        """Read what `save` kept."""
        stored = np.load(file)
        estimates, raw = (
            {name.partition("/")[2]: stored[name] for name in stored.files if name.startswith(part)}
            for part in ("ages/", "raw/")
        )
        return cls(stored["people"], stored["ages"], stored["sexes"], estimates, raw)


# -- pictures ----------------------------------------------------------------------------------------------------------


def pictures(folder: Path) -> list[Path]:
    """One picture of each person of UTKFace."""
    return [file for file in sorted(folder.glob("*.jpg")) if file.name.split(".")[0] not in REPEATS]


def framed(file: Path, width: float, mirrored: float) -> Image:
    """The crop with something around it, so that a detector sees a face in a picture; see `FRAMES`."""
    image = load_image(file)
    inner = round(mirrored * image.shape[0])
    outer = round(width * image.shape[0]) - inner
    larger = cv2.copyMakeBorder(image, inner, inner, inner, inner, cv2.BORDER_REFLECT_101)
    return np.asarray(cv2.copyMakeBorder(larger, outer, outer, outer, outer, cv2.BORDER_CONSTANT), np.uint8)


def scaled_down(image: Image, height: float, wanted: float) -> Image:
    """The picture in the middle of a grey one, its face `wanted` pixels high instead of `height`."""
    shape = [max(1, round(side * wanted / height)) for side in image.shape[:2]]
    canvas = max(CANVAS, *shape)
    small = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)
    out = np.full((canvas, canvas, 3), 127, np.uint8)
    top, left = ((canvas - side) // 2 for side in shape)
    out[top : top + shape[0], left : left + shape[1]] = small
    return out


def spoil(image: Image, height: float, draw: np.random.Generator) -> Image:
    """The picture blurred, coarse, noisy, dark or shaken, by as much as chance has it.

    Strengths are relative to the face's height, from hardly visible to beyond recognition.
    """
    ways = (_coarse, _blurred, _noisy, _dark, _shaken)
    chosen = draw.permutation(len(ways))[: draw.integers(1, 3)]
    out = image.astype(np.float32)
    for way in chosen:
        out = ways[way](out, height, draw)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


Pixels = NDArray[np.float32]


def _strength(draw: np.random.Generator, weak: float, strong: float) -> float:
    return float(np.exp(draw.uniform(*sorted((np.log(weak), np.log(strong))))))


def _coarse(image: Pixels, height: float, draw: np.random.Generator) -> Pixels:
    factor = min(1.0, _strength(draw, 50, 6) / height)
    small: Pixels = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _blurred(image: Pixels, height: float, draw: np.random.Generator) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _strength(draw, 0.015, 0.12) * height), np.float32)


def _noisy(image: Pixels, height: float, draw: np.random.Generator) -> Pixels:  # noqa: ARG001 - one signature for all
    return np.asarray(image + draw.normal(0, _strength(draw, 10, 120), image.shape), np.float32)


def _dark(image: Pixels, height: float, draw: np.random.Generator) -> Pixels:  # noqa: ARG001
    return np.asarray(np.rint(image * _strength(draw, 0.4, 0.015)) + draw.normal(0, 2, image.shape), np.float32)


def _shaken(image: Pixels, height: float, draw: np.random.Generator) -> Pixels:
    side = max(3, round(_strength(draw, 0.04, 0.4) * height) | 1)
    line = np.zeros((side, side), np.float32)
    line[side // 2] = 1
    turn = cv2.getRotationMatrix2D((side // 2, side // 2), draw.uniform(0, 180), 1)
    turned = np.asarray(cv2.warpAffine(line, turn, (side, side)))
    return np.asarray(cv2.filter2D(image, -1, turned / turned.sum()), np.float32)


# -- vectors -----------------------------------------------------------------------------------------------------------


def read_options(about: str | None) -> argparse.Namespace:
    """What the benchmarks of tables and of curves are told: where pictures are, where to write, which embedders."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0] if about else None)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--embedder", action="append")
    parser.add_argument("--vectors", type=Path, help="keep the vectors here, and take them from here")
    return parser.parse_args()


def gather(data: Path, folder: Path | None, ids: Sequence[str] = ()) -> Iterator[tuple[str, str, Shots, Shots]]:
    """Id and space of each embedder, and its vectors of the 394 people and of the ten adults.

    With a folder they are kept there, and read from there the next time.
    """
    cards = [card for card in Catalogue.load().giving("embedding") if card.space and card.id in (ids or [card.id])]
    sets = {"utkface": _utkface, "adults": _adults}
    missing = [c.id for c in cards if folder is None or not all(_file(folder, c.id, name).exists() for name in sets)]
    made: dict[tuple[str, str], Shots] = {}
    if missing:
        engines = {model: Engine(threads=1, models={"embedding": model}) for model in missing}
        for name, read in sets.items():
            for model, shots in _embed(engines, *read(data)).items():
                made[model, name] = shots
                if folder is not None:
                    shots.save(_file(folder, model, name))
        for engine in engines.values():
            engine.close()
    for card in cards:
        first, second = (
            made[card.id, name] if card.id in missing else Shots.load(_file(folder or Path(), card.id, name))
            for name in sets
        )
        yield card.id, str(card.space), first, second


def _file(folder: Path, model: str, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{model}-{name}.npz"


Read = tuple[list[str], list[int], list[int], Iterator[Image]]


def _utkface(data: Path) -> Read:
    files = pictures(data / "age_gender")
    parts = [file.name.split("_") for file in files]
    images = (framed(file, *FRAMES[place % len(FRAMES)]) for place, file in enumerate(files))
    return [file.name for file in files], [int(p[0]) for p in parts], [int(p[1]) for p in parts], images


def _adults(data: Path) -> Read:
    files = sorted(file for name in ("identities", "identities_johns") for file in (data / name).glob("*/*.jpg"))
    unknown = [-1] * len(files)
    return [file.parent.name for file in files], unknown, unknown, (load_image(file) for file in files)


def _embed(
    engines: dict[str, Engine], people: list[str], ages: list[int], sexes: list[int], images: Iterator[Image]
) -> dict[str, Shots]:
    locate = next(iter(engines.values()))
    rows: dict[str, dict[str, list[NDArray[np.float32]]]] = {model: {} for model in engines}
    estimates: dict[str, list[Range]] = {}
    for image in images:
        for look, (picture, faces) in _looks(image, locate, np.random.default_rng(zlib.crc32(image.data))).items():
            estimates.setdefault(look, []).append(traits_of(faces[0]).ages if len(faces) else ANY.ages)
            for model, engine in engines.items():
                vectors = engine.runner("embedding").measure(Batch([picture], np.zeros(len(faces), np.intp), faces))
                rows[model].setdefault(look, []).append(vectors[0] if len(vectors) else np.array([], np.float32))
    made = {}
    for model, looks in rows.items():
        width = max(len(row) for row in looks["clear"])
        blank = np.full(width, np.nan, np.float32)
        raw = {look: np.stack([row if len(row) else blank for row in found]) for look, found in looks.items()}
        known = {look: np.array(found) for look, found in estimates.items()}
        made[model] = Shots(np.array(people), np.array(ages), np.array(sexes), known, raw)
    return made


def _looks(image: Image, engine: Engine, draw: np.random.Generator) -> dict[str, tuple[Image, Faces]]:
    """The picture in each look, with its largest face.

    Where a spoiled one has none, the place of the clear one is taken, as one that is followed in a film has it.
    """

    def find(picture: Image) -> tuple[Image, Faces]:
        return picture, engine.analyze(picture, want={"alignment", "age"}).top(1)

    clear = find(image)
    height = float(clear[1].heights[0]) if len(clear[1]) else 200.0
    looks = {
        "clear": clear,
        "64 px": find(scaled_down(image, height, CLEAR)),
        "small": find(scaled_down(image, height, SMALL)),
    }
    for copy in range(SPOILED):
        picture, faces = find(spoil(image, height, draw))
        looks[f"spoiled {copy}"] = picture, faces if len(faces) else clear[1]
    return looks
