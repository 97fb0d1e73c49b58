"""Cues of forged faces across methods: who is made, pasted, morphed or exchanged, held against what is not.

    python -m benchmarks.forgery [--people FOLDER] [--keep FOLDER] [--stress PLOT.png]

People who do not exist are drawn (`--people` takes pictures of such from an earlier run instead). Their faces are
pasted on each other and morphed, and held against the pictures as they were drawn; they themselves are held against
photos: of "johns", "landmarks68_boxes", "detect_noses", and the half of UTKFace on which the levels of the cues were
not measured. Photos of 5 people are morphed, too, in a temporary folder. Deepfakes and FaceSwap are clips of
FaceForensics++ beside the real ones: two of each, which shows how the tables look and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import combinations
from pathlib import Path

from mien.core.errors import NoFace
from mien.datasets.morph import Portrait, morph, open_portrait
from mien.datasets.pasting import paste_face
from mien.engine import Engine
from mien.evaluation.forgery import evaluate_forgery, stress_forgery
from mien.evaluation.forgery_tables import forgery_tables, stress_panels, stress_tables
from mien.evaluation.plots import save_plots
from mien.evaluation.report import Report
from mien.location.topology import face_topology
from mien.swaps.generator import distinct_people

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PEOPLE, SEED = 48, 610_000
UNLIKE = 0.3  # cosine below which two people are morphed
PHOTOS = ("identities_johns", "landmarks68_boxes", "detect_noses")


def people(folder: Path, engine: Engine) -> list[Path]:
    """Draw people who do not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = distinct_people(PEOPLE, seed=SEED, truncation=0.9, similarity=0.35, engine=engine)
    return [edit.save(folder / f"p{number:03d}.png") for number, edit in enumerate(drawn)]


def link(files: list[Path], folder: Path, names: list[str] | None = None) -> None:
    """Put files into a folder by links."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, name in zip(files, names or [file.name for file in files], strict=True):
        (folder / name).symlink_to(file.resolve())


def build(folder: Path, drawn: list[Path], engine: Engine) -> None:
    """Make the set."""
    real, fake = folder / "real", folder / "fake"
    link(drawn, fake / "generated")
    photos = [file for name in PHOTOS for file in sorted((DATA / name).rglob("*.jpg"))]
    names = [
        f"{(f.parent.name if f.parts[-3] == PHOTOS[0] else f.stem).replace('_', '-')}_{n}.jpg"
        for n, f in enumerate(photos)
    ]
    crops = sorted((DATA / "age_gender").glob("*.jpg"))[1::2]
    link(photos + crops, real / "generated", names + [f"utk{n}_.jpg" for n in range(len(crops))])
    portraits = [open_portrait(file, engine=engine) for file in drawn]
    topology = face_topology(engine=engine)
    for name in ("pasted", "morph_whole", "morph_face"):
        link(drawn, real / name)
        (fake / name).mkdir(parents=True)
    for number, one in enumerate(portraits):
        other = next(p for p in portraits[number + 1 :] + portraits[:number] if float(one.vector @ p.vector) < UNLIKE)
        name = f"{drawn[number].stem}_{number}.png"
        paste_face(one, other, topology=topology, engine=engine).save(fake / "pasted" / name)
        for part in ("whole", "face"):
            morph(one, other, part=part, engine=engine).save(fake / f"morph_{part}" / name)
    morph_photos(real / "morph_photos", fake / "morph_photos", engine)


def morph_photos(real: Path, fake: Path, engine: Engine) -> None:
    """Morphs of real people, who stay in this folder."""
    fake.mkdir(parents=True)
    files = sorted((DATA / PHOTOS[0]).rglob("*.jpg"))
    link(files, real, [f"{f.parent.name.replace('_', '-')}_{f.stem}.jpg" for f in files])
    opened: dict[str, list[Portrait]] = {}
    for file in files:
        try:
            opened.setdefault(file.parent.name.replace("_", "-"), []).append(open_portrait(file, engine=engine))
        except NoFace:
            continue
    for (one, mine), (other, theirs) in combinations(opened.items(), 2):
        for number, (first, second) in enumerate(zip(mine[:6], theirs[:6], strict=False)):
            pair = (one, first, second) if number % 2 else (other, second, first)
            morph(pair[1], pair[2], part="face", engine=engine).save(fake / f"{pair[0]}_{one}-{other}-{number}.png")


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--stress", type=Path)
    asked = parser.parse_args()
    with Engine(threads=1) as engine, tempfile.TemporaryDirectory() as temporary:
        place = asked.keep or Path(temporary)
        if not (place / "fake").is_dir():
            drawn = sorted(asked.people.glob("*.png")) if asked.people else people(place / "people", engine)
            build(place, drawn, engine)
        model = engine.choose("forgery").id
        for source, matched in ((DATA / "forgery", False), (place, False), (place, True)):
            found = evaluate_forgery(source, matched=matched, engine=engine)
            title = "Forgery, both sides at 112 px and JPEG 90" if matched else "Forgery, as the files are"
            report = Report.of(title, source=source.name, model=model, results={}, tables=forgery_tables(found))
            sys.stdout.write(report.to_text() + "\n\n")
        if asked.stress:
            stressed = stress_forgery(place, engine=engine)
            tables = stress_tables(stressed)
            sys.stdout.write(Report.of("Stress", source="", model=model, results={}, tables=tables).to_text() + "\n")
            save_plots(asked.stress, stress_panels(stressed))


if __name__ == "__main__":
    main()
