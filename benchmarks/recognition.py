"""Print what masks, small size and tilt cost each embedder, and what re-ranking, templates, AS-norm and others bring.

    python -m benchmarks.recognition [DATA] [--embedder sface] [--condition "painted mask"]

DATA (by default ``../shared/data``) holds ``identities`` and ``identities_johns`` (ten adults, 105 pictures), and
``age_gender``, whose people are the strangers: distractors of a search, and the cohort of AS-norm, in two halves. Those
who look like one of the ten are left out: at least one is one of the ten.

The probe is altered, what it is compared with is not. Masks are painted and turns made on the whole picture, in which
the face is then detected and aligned again, by its mesh or by the detector's own points. A probe without a face counts
as not found. Ten people are no sample of mankind: intervals are over people (bootstrap),
and where two of them overlap nothing is ranked.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.faces import Face
from mien.core.geometry import TEMPLATES, affine_scales, similarity
from mien.core.image import Image, load_image
from mien.embeddings.expansion import expand
from mien.embeddings.normalization import Cohort
from mien.embeddings.pooling import pool
from mien.embeddings.reranking import Patches, patches_of, rerank_patches
from mien.embeddings.templates import fuse, fuse_groups
from mien.engine import Engine
from mien.evaluation.intervals import bootstrap
from mien.evaluation.masked import paint_faces
from mien.evaluation.pairs import Pairs
from mien.evaluation.verification import VerificationReport, evaluate_scores
from mien.models.catalogue import Catalogue

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

SMALL = 32  # pixels of the aligned crop's side
TINY = {"16 px": (16,), "8 to 32 px": (8, 12, 16, 32)}  # the same, of the frames of made-up tracks
TILT = 30.0  # degrees
PART = 0.7  # of the aligned crop that is shown, enlarged
SHORT_LIST = 50  # candidates that are looked at again
WEIGHTS = (0.1, 0.3, 0.5, 0.7, 1.0)  # of the transport
WEIGHT = 0.3
ALIKE = 0.45  # arcface-mbf's cosine from which a stranger may be one of the ten
REJECTED = -2.0


# --- pictures ---------------------------------------------------------------------------------------------------------


def masked(images: Sequence[Image], engine: Engine) -> list[Image]:
    """Each with a mask on its largest face, which its number chooses."""
    found = [engine.analyze(image, want={"landmarks"}).top(1) for image in images]
    return [
        paint_faces(image, faces, seed=n, engine=engine)
        for n, (image, faces) in enumerate(zip(images, found, strict=True))
    ]


def tilted(image: Image) -> Image:
    """The whole picture turned clockwise, its edges continued."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -TILT, 1)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def small(face: Face, side: int = SMALL) -> Face:
    """The same face as it is where its aligned crop has so many pixels a side."""
    image = face.faces.require_image()
    template = TEMPLATES["arcface112"]
    to_crop = similarity(face.alignment.values[None], template.points)[0]
    scale = float(affine_scales(to_crop.astype(np.float64))) * side / template.size
    if scale >= 1:
        return face
    width, height = (max(round(length * scale), 1) for length in image.shape[1::-1])
    shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(shrunk, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return face.faces.with_image(np.asarray(enlarged, np.uint8))[face.row]


def misaligned(face: Face, degrees: float = 0.0, zoom: float = 1.0) -> Face:
    """The same face, its points turned and brought together about their middle: a crop that is off, or shows a part."""
    points = face.alignment.values.astype(np.float64)
    turn = np.deg2rad(degrees)
    matrix = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = points.mean(axis=0)
    turned = ((points - middle) @ matrix.T + middle).astype(np.float32)
    column = type(face.alignment)(turned[None], names=face.alignment.names)
    return face.faces.with_columns({"alignment": column})[face.row]


def find(images: Sequence[Image], engine: Engine) -> list[Face | None]:
    """The largest face of each picture, with the points to align by."""
    found = [engine.analyze(image, want={"alignment"}).top(1) for image in images]
    return [None if not len(faces) or faces[0].alignment.abstained else faces[0] for faces in found]


Looks = tuple[list[Face | None], list[Face | None]]  # of the ten people, and of the strangers


def looks(people: Sequence[Image], strangers: Sequence[Image], wanted: Sequence[str]) -> dict[str, Looks]:
    """Faces by condition; both kinds of people are altered alike."""
    with Engine(threads=1) as engine, Engine(threads=1, models={"alignment": "detector-points"}) as plain:
        clean = [list(people), list(strangers)]
        faces = [find(images, engine) for images in clean]
        masks = functools.cache(lambda: [masked(images, engine) for images in clean])
        conditions: dict[str, Callable[[], list[list[Face | None]]]] = {
            "clean": lambda: faces,
            "painted mask": lambda: [find(images, engine) for images in masks()],
            "mask, detector's points": lambda: [find(images, plain) for images in masks()],
            "32 px": lambda: [[face and small(face) for face in part] for part in faces],
            "picture tilted 30°": lambda: [find([tilted(image) for image in images], engine) for images in clean],
            "crop turned 30°": lambda: [[face and misaligned(face, degrees=TILT) for face in part] for part in faces],
            "middle 70 %": lambda: [[face and misaligned(face, zoom=PART) for face in part] for part in faces],
        }
        parts = {name: make() for name, make in conditions.items() if name == "clean" or name in (wanted or [name])}
    return {name: (one, two) for name, (one, two) in parts.items()}


# --- what an embedder makes of them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """Vectors and patches of `Looks`."""

    people: Vectors
    strangers: Vectors
    patches: Patches
    stranger_patches: Patches


def see(faces: Looks, engine: Engine, *, searched: bool) -> Seen:
    """Patches of strangers only where these are searched."""
    people, strangers = (embed(part, engine=engine) for part in faces)
    patches = patches_of(faces[0], engine=engine)
    return Seen(people, strangers, patches, patches_of(faces[1] if searched else [], engine=engine))


def embed(faces: Sequence[Face | None], *, engine: Engine) -> Vectors:
    """Vectors (N, D); NaN where there is no face."""
    rows = [
        face and engine.analyze(face.faces.require_image(), faces=face.faces[[face.row]], want={"embedding"}).embedding
        for face in faces
    ]
    known = next(row for row in rows if row is not None)
    blank = np.full(known.values.shape[1], np.nan, np.float32)
    return Vectors(np.stack([blank if row is None else row.values[0] for row in rows]), space=known.space)


def cosines(probes: Vectors, others: Vectors) -> Floats:
    return np.nan_to_num(probes @ others, nan=REJECTED)


# --- measures ---------------------------------------------------------------------------------------------------------


def verification(scores: Floats, people: Ints) -> VerificationReport:
    """Of each probe with each picture but its own."""
    first, second = np.nonzero(~np.eye(len(people), dtype=bool))
    return evaluate_scores(
        np.nan_to_num(scores[first, second], nan=REJECTED), people[first], people[second], pictures=len(people)
    )


def row(found: VerificationReport) -> str:
    points = (f"{p.tar:.3f} [{p.interval[0]:.3f}, {p.interval[1]:.3f}]" for p in found.points)
    low, high = found.auc_interval
    return f"{found.auc:.5f} [{low:.5f}, {high:.5f}] | {found.eer:.4f} | " + " | ".join(points)


def mixed_scores(probes: Patches, others: Patches, similar: Floats) -> Floats:
    """Cosines mixed with transports, (Q, K)."""
    rows = [rerank_patches(probes[[q]], others, similar[q], weight=WEIGHT).scores for q in range(len(similar))]
    return np.nan_to_num(np.stack(rows), nan=REJECTED)


def first_places(probe: Seen, gallery: Seen, people: Ints) -> dict[float, list[list[bool]]]:
    """By weight and person: for each probe and each other picture of its person, whether that picture comes first.

    It is searched for among the strangers and the pictures of the other people; the best 50 are looked at again.
    """
    every = Vectors.concat([gallery.people, gallery.strangers])
    seen = Patches(
        np.concatenate([gallery.patches.values, gallery.stranger_patches.values]), gallery.patches.grid, every.space
    )
    owner = np.append(people, np.full(len(gallery.strangers), -1))
    similar = cosines(probe.people, every)
    trials: dict[float, list[list[bool]]] = {w: [[] for _ in range(people.max() + 1)] for w in (0.0, *WEIGHTS)}
    for q, person in enumerate(people):
        wrong = np.flatnonzero(owner != person)
        wrong = wrong[np.argsort(-similar[q, wrong], kind="stable")][:SHORT_LIST]
        mates = np.flatnonzero(owner == person)
        mates = mates[mates != q]
        picked = np.concatenate([mates, wrong])
        transported = rerank_patches(probe.patches[[q]], seen[picked], similar[q, picked]).transported
        transported = np.nan_to_num(transported, nan=REJECTED)
        for weight, found in trials.items():
            scores = (1 - weight) * similar[q, picked] + weight * transported
            # One who is not on the short list cannot come first.
            listed = similar[q, mates] > similar[q, wrong[-1]]
            found[person] += (listed & (scores[: len(mates)] > scores[len(mates) :].max())).tolist()
    return trials


def change(before: list[list[bool]], after: list[list[bool]]) -> str:
    """Trials won and lost, and the change of the rate with its interval over people."""
    flat = [(np.array(b), np.array(a)) for b, a in zip(before, after, strict=True)]
    won, lost = (sum(int((one > two).sum()) for one, two in pairs) for pairs in (((a, b) for b, a in flat), flat))

    def rate(parts: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]]) -> float:
        total = sum(len(b) for b, _ in parts)
        return float(sum(int(a.sum()) - int(b.sum()) for b, a in parts) / total)

    low, high = bootstrap(rate, flat)
    return f"+{won} -{lost} [{low:+.3f}, {high:+.3f}]"


def open_set(scores: Floats, names: Ints, people: Ints, strangers: Floats, fpir: float) -> tuple[int, str]:
    """Probes whose best hit is their person, above the threshold that so many strangers reach; its interval."""
    allowed = int(np.floor(fpir * len(strangers)))
    threshold = np.sort(np.nan_to_num(strangers.max(axis=1), nan=REJECTED))[::-1][allowed]
    best = np.nan_to_num(scores, nan=REJECTED)
    right = (names[best.argmax(axis=1)] == people) & (best.max(axis=1) > threshold)
    parts = [right[people == person] for person in range(people.max() + 1)]
    low, high = bootstrap(lambda chosen: float(np.concatenate(chosen).mean()), parts)
    return int(right.sum()), f"{right.mean():.3f} [{low:.3f}, {high:.3f}]"


@dataclass(frozen=True)
class Search:
    """An open set: clean pictures of the ten people are the gallery, without the probe's own."""

    probe: Seen
    clean: Seen
    people: Ints

    def methods(self) -> Iterator[tuple[str, Floats, Ints, Floats]]:
        """Name, scores of the probes (Q, K), whose each column is, and scores of strangers."""
        own = np.eye(len(self.people), dtype=bool)
        gallery, probes = self.clean.people, self.probe.people
        half = len(self.clean.strangers) // 2
        strangers, cohort = self.probe.strangers[:half], Cohort(self.clean.strangers[half:])
        plain, false = cosines(probes, gallery), cosines(strangers, gallery)
        yield "cosine", np.where(own, REJECTED, plain), self.people, false
        names = np.arange(self.people.max() + 1)
        whole = fuse_groups(gallery, self.people, len(names))
        templates = cosines(probes, whole)
        for q, person in enumerate(self.people):
            rest = (self.people == person) & ~own[q]
            templates[q, person] = cosines(probes[[q]], Vectors(fuse(gallery[rest]).values[None], space=gallery.space))[
                0, 0
            ]
        yield "template", templates, names, cosines(strangers, whole)
        normal = cohort.normalize(plain, probes, gallery)
        yield "AS-norm", np.where(own, -np.inf, normal), self.people, cohort.normalize(false, strangers, gallery)
        # A hit is believed from the score on that 1 % of the strangers' best hits reach.
        least = float(np.clip(np.quantile(false.max(axis=1), 0.99), 0, 1))
        near = [self._nearest(np.where(own[q], REJECTED, plain[q])) for q in range(len(plain))]
        far = [self._nearest(scores) for scores in false]
        for label, limit in (("query expansion", 0.0), ("expansion by hits", least)):
            moved, others = expand(probes, near, least=limit), expand(strangers, far, least=limit)
            yield label, np.where(own, REJECTED, cosines(moved, gallery)), self.people, cosines(others, gallery)

    def _nearest(self, scores: Floats) -> Vectors:
        return self.clean.people[np.argsort(-scores, kind="stable")[:5]]


def tracks(
    frames: Vectors, sides: Ints, gallery: Vectors, people: Ints, seed: int = 0
) -> Iterator[tuple[str, VerificationReport]]:
    """Made-up tracks: five pictures of one person, alone or with two of somebody else among them."""
    draw = np.random.default_rng(seed)
    chosen, wrong = [], []
    for person in range(people.max() + 1):
        for _ in range(10):
            chosen.append(draw.choice(np.flatnonzero(people == person), 5, replace=False))
            wrong.append(draw.choice(np.flatnonzero(people != person), 2, replace=False))
    owners = np.repeat(np.arange(people.max() + 1), 10)

    def report(vectors: Sequence[Vectors]) -> VerificationReport:
        probes = Vectors(np.stack([vector.values for vector in vectors]), space=frames.space)
        scores = cosines(probes, gallery)
        # Not with the pictures that the track is made of.
        kept = np.array([~np.isin(np.arange(len(people)), rows) for rows in chosen])
        first, second = np.nonzero(kept)
        return evaluate_scores(scores[first, second], owners[first], people[second], pictures=len(people))

    mixed = [np.concatenate(pair) for pair in zip(chosen, wrong, strict=True)]
    yield "one frame", report([frames[int(rows[0])] for rows in chosen])
    for name, lists in {"5": chosen, "5 + 2 wrong": mixed}.items():
        yield f"mean of {name}", report([fuse(frames[rows]) for rows in lists])
        yield f"mean of {name}, by size", report([fuse(frames[rows], weights=sides[rows]) for rows in lists])
        yield f"pooled {name}, by size", report([pool(frames[rows], weights=sides[rows]).vector for rows in lists])


# --- tables -----------------------------------------------------------------------------------------------------------


def table(title: str, *columns: str) -> None:
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Recognition of altered faces, and what is beyond the cosine.")
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--embedder", action="append")
    parser.add_argument("--strangers", type=int, default=240)
    parser.add_argument("--condition", action="append", default=[], help="Altered how; by default all.")
    options = parser.parse_args()
    pairs = Pairs.of_folders([options.data / "identities", options.data / "identities_johns"])
    _, people = np.unique(pairs.people, return_inverse=True)
    files = sorted((options.data / "age_gender").glob("*.jpg"))[: options.strangers]
    cards = [card for card in Catalogue.load().giving("embedding") if card.id in (options.embedder or [card.id])]

    images, others = [load_image(path) for path in pairs.pictures], [load_image(path) for path in files]
    with Engine(threads=1, models={"embedding": "arcface-mbf"}) as engine:
        near = cosines(*(embed(find(part, engine), engine=engine) for part in (others, images))).max(axis=1)
    others = [image for image, score in zip(others, near, strict=True) if score < ALIKE]
    found = looks(images, others, options.condition)
    print(f"{people.max() + 1} people, {len(people)} pictures, {len(others)} strangers; intervals: 95 %, over people.")
    for name, faces in found.items():
        lost = [sum(face is None for face in part) for part in faces]
        print(f"- {name}: no face in {lost[0]} of {len(people)} pictures, {lost[1]} of {len(others)} strangers")

    lines: dict[str, list[str]] = {title: [] for title in ("verification", "search", "open", "tracks")}
    for card in cards:
        with Engine(threads=1, models={"embedding": card.id}) as engine:
            seen = {name: see(faces, engine, searched=name == "clean") for name, faces in found.items()}
            for name, sizes in TINY.items():
                sides = np.random.default_rng(0).choice(np.array(sizes), len(people))
                pairs_of = zip(found["clean"][0], sides.tolist(), strict=True)
                tiny = embed([face and small(face, side) for face, side in pairs_of], engine=engine)
                for label, report in tracks(tiny, sides, seen["clean"].people, people):
                    lines["tracks"].append(f"| {card.id} | {name} | {label} | {row(report)} |")
        measure(card.id, seen, people, lines)
        print(f"{card.id} is measured", file=sys.stderr, flush=True)
    total = sum(int((people == p).sum()) * (int((people == p).sum()) - 1) for p in range(people.max() + 1))
    impostors = len(people) * (len(people) - 1) - total
    table(
        f"Verification: altered probe, clean picture ({total} ordered genuine pairs, {impostors:,} impostor)",
        *("embedder", "probe", "score", "AUC", "EER", "TAR at FAR 1e-2", "TAR at FAR 1e-3"),
    )
    print("\n".join(lines["verification"]))
    weights = (f"weight {weight:g}" for weight in WEIGHTS)
    table(
        f"Search: is the one other picture of the person first, of {SHORT_LIST}? ({total} trials; won, lost, change)",
        *("embedder", "probe", "cosine", *weights),
    )
    print("\n".join(lines["search"]))
    table(
        f"Open set: found and believed ({len(people)} probes; the rate that {len(others) // 2} strangers reach)",
        *("embedder", "probe", "method", "found at FPIR 0.05", "interval", "found at FPIR 0.01", "interval"),
    )
    print("\n".join(lines["open"]))
    table(
        "Made-up tracks against clean pictures (100 tracks)",
        *("embedder", "frames", "probe", "AUC", "EER", "TAR at FAR 1e-2", "TAR at FAR 1e-3"),
    )
    print("\n".join(lines["tracks"]))


def measure(name: str, seen: dict[str, Seen], people: Ints, lines: dict[str, list[str]]) -> None:
    """Add an embedder's rows to the tables."""
    clean = seen["clean"]
    for condition, probe in seen.items():
        similar = cosines(probe.people, clean.people)
        mixed = mixed_scores(probe.patches, clean.patches, similar)
        for label, scores in (("cosine", similar), (f"{WEIGHT:g} transport", mixed)):
            lines["verification"].append(f"| {name} | {condition} | {label} | {row(verification(scores, people))} |")
        trials = first_places(probe, clean, people)
        rate = np.concatenate([np.array(part) for part in trials[0.0]])
        changes = " | ".join(change(trials[0.0], trials[weight]) for weight in WEIGHTS)
        lines["search"].append(f"| {name} | {condition} | {rate.mean():.3f} ({rate.sum()}) | {changes} |")
        for method, scores, names, false in Search(probe, clean, people).methods():
            counted = (open_set(scores, names, people, false, fpir) for fpir in (0.05, 0.01))
            cells = " | ".join(f"{count} | {span}" for count, span in counted)
            lines["open"].append(f"| {name} | {condition} | {method} | {cells} |")


if __name__ == "__main__":
    main()
