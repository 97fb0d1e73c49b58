"""Fits src/mien/swaps/invented/directions.npz and doubles.toml to pictures that the generator draws.

    .venv/bin/python tools/fit_directions.py FOLDER --people 700

The first latent of each seed is drawn; its style and what was read off it is kept in FOLDER, 25 people to a file, so
that the fit can be made again, and drawing goes on where it stopped (half a second a person on a free core). Then the
styles are regressed on all attributes at once: what one of them does while the others stay. The direction of age is
fitted on adults, that of beards on men. At last each direction is tried on a few people, and made longer by what it
falls short. The doubles are those who pass the checks, look towards the camera, and of whom no two are alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.embeddings.calibration import Traits, load_calibration
from mien.engine import Engine
from mien.swaps.invented.attributes import ATTRIBUTES
from mien.swaps.invented.directions import Direction
from mien.swaps.invented.generator import latents
from mien.swaps.invented.studio import Studio

TRUNCATION = 0.8
CHUNK = 25
FARTHEST = 4.0  # standard deviations of an attribute, as it was regressed: styles farther off draw no people
TRIED = 6  # people on whom the directions are tried
FURTHER = frozenset({"embedding", "headwear", "glasses", "eyes"})
COLUMNS = ("yaw", "pitch", "smile", "mouth_open", "age", "masculine", "tone", "light", "beard")
ALIKE = 1e-2  # share of strangers who are more alike than two of the doubles may be
GROWN, MAN = 24.0, 0.5  # years and probability from which on somebody counts as such
ROOM = Path(__file__).resolve().parents[1] / "src" / "mien" / "swaps"

Doubles = NDArray[np.float64]
Table = dict[str, NDArray[np.generic]]


def main() -> None:
    """Draw, fit, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the people are kept")
    parser.add_argument("--people", type=int, default=700, help="how many are drawn")
    parser.add_argument("--out", type=Path, default=ROOM, help="folder of the tables; default: where they ship")
    arguments = parser.parse_args()
    for folder in (arguments.folder, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    with Engine(threads=1) as engine:
        studio = Studio(engine, attributes=frozenset(ATTRIBUTES), fields=FURTHER)
        for start in range(0, arguments.people, CHUNK):
            file = arguments.folder / f"{start:05d}.npz"
            if not file.exists():
                seeds = range(start, min(start + CHUNK, arguments.people))
                np.savez(file, **draw(studio, seeds))  # type: ignore[arg-type]
        table = read(arguments.folder)
        steps, spreads = fit(table)
        gain = gains(studio, table, steps, spreads)
        np.savez(
            arguments.out / "directions.npz",
            names=np.array(list(ATTRIBUTES)),
            steps=(steps / gain[:, None]).astype(np.float16),
            spreads=spreads.astype(np.float32),
            reaches=(FARTHEST * gain * spreads).astype(np.float32),
        )
        grown = Traits(ages=(18.0, 150.0))
        calibration = load_calibration(engine.choose("embedding").space or "")
        limit = calibration.threshold(ALIKE, calibration.strata_of(grown, grown))[0]
    (arguments.out / "doubles.toml").write_text(doubles(table, limit), encoding="utf-8")


def draw(studio: Studio, seeds: range) -> Table:
    """Styles of the first latents of seeds, and what is read off their pictures; those without a face are left out."""
    rows = []
    for seed in seeds:
        styles = studio.styles(next(latents(seed)), TRUNCATION)
        look = studio.look(styles)
        if len(look.faces):
            face = look.faces[0]
            further = (float(face.headwear.values), float(face.presence.values))
            values = [look.value(name) for name in ATTRIBUTES]
            rows.append((seed, styles[0], values, look.refusal or "", face.embedding.values, further))
    names = ("seeds", "styles", "values", "refusals", "embeddings", "further")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def read(folder: Path) -> Table:
    """All people that were kept."""
    parts = [dict(np.load(file)) for file in sorted(folder.glob("*.npz"))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def even(table: Table) -> Doubles:
    """Values (N, K) on the even scales of the attributes."""
    columns = zip(ATTRIBUTES.values(), np.asarray(table["values"], np.float64).T, strict=True)
    return np.stack([[known.even(float(value)) for value in column] for known, column in columns], axis=1)


def fit(table: Table) -> tuple[Doubles, Doubles]:
    """Steps (K, D) of style for each attribute to grow by 1, and standard deviations (K,) of the attributes.

    A value that is missing counts as the mean.
    """
    values, styles = even(table), np.asarray(table["styles"], np.float64)
    clear = np.asarray(table["further"], np.float64)[:, 1] > 0.5
    mean, spreads = np.nanmean(values[clear], axis=0), np.nanstd(values[clear], axis=0)
    known = np.nan_to_num((values - mean) / spreads)
    names = list(ATTRIBUTES)
    plain = np.asarray(table["values"], np.float64)
    grown, man = plain[:, names.index("age")] > GROWN, plain[:, names.index("masculine")] > MAN
    steps = np.empty((len(names), styles.shape[1]))
    for place, name in enumerate(names):
        rows = clear & {"age": grown, "beard": grown & man}.get(name, clear)
        design = np.column_stack([known[rows], np.ones(rows.sum())])
        steps[place] = np.linalg.lstsq(design, styles[rows], rcond=None)[0][place] / spreads[place]
    return steps, spreads


def gains(studio: Studio, table: Table, steps: Doubles, spreads: Doubles) -> Doubles:
    """How much of what it should do each direction does, (K,), on the first people who pass."""
    seeds = np.asarray(table["seeds"])[np.asarray(table["refusals"]) == ""][:TRIED]
    bases = [studio.look(studio.styles(next(latents(int(seed))), TRUNCATION)) for seed in seeds]
    found = []
    for name, step, spread in zip(ATTRIBUTES, steps, spreads, strict=True):
        way = Direction(name=name, step=step.astype(np.float32), spread=float(spread), reach=np.inf)
        known = ATTRIBUTES[name]
        moves = [(base, side * spread) for base in bases for side in (-1, 1)]
        changes = [
            (known.even(studio.look(way.move(base.styles, move)).value(name)) - known.even(base.value(name))) / move
            for base, move in moves
        ]
        found.append(float(np.clip(np.nanmean(changes), 0.25, 1.5)))
    return np.array(found)


def doubles(table: Table, limit: float) -> str:
    """The file of those who may stand for others."""
    names = list(ATTRIBUTES)
    values = np.asarray(table["values"], np.float64)
    of = {name: values[:, names.index(name)] for name in names}
    headwear, presence = np.asarray(table["further"], np.float64).T
    fine = (np.asarray(table["refusals"]) == "") & (presence > 0.95) & (np.nan_to_num(headwear, nan=1) < 0.3)
    fine &= (np.abs(of["yaw"]) < 30) & (of["glasses"] < 0.15) & (of["eyes_open"] > 0.8)
    vectors, kept = np.asarray(table["embeddings"], np.float64), list[int]()
    for row in np.flatnonzero(fine):
        if all(float(vectors[row] @ vectors[other]) < limit for other in kept):
            kept.append(int(row))
    seeds = np.asarray(table["seeds"])
    rows = "\n".join(
        f"    [{int(seeds[row])}, " + ", ".join(f"{of[name][row]:.3g}" for name in COLUMNS) + "]," for row in kept
    )
    head = ", ".join(f'"{name}"' for name in ("seed", *COLUMNS))
    return (
        "# Generated adults for the places of people who are to be hidden. Made by tools/fit_directions.py.\n"
        "# Each is the first latent of its seed; the values are what our models read off its picture.\n"
        f"truncation = {TRUNCATION}\ncolumns = [{head}]\npeople = [\n{rows}\n]\n"
    )


if __name__ == "__main__":
    main()
