"""Cues of forged faces across methods: who is made, pasted, morphed or exchanged, held against what is not.

    python -m benchmarks.forgery [--only clips,photos] [--people FOLDER] [--keep FOLDER] [--plot STRESS.png]

Parts: ``clips`` and ``photos`` take minutes; ``cues``, ``matched`` and ``stress`` need the set that is made first,
which takes longer than they do: `--keep` keeps it for the next time. ``stress`` is left out unless it is asked for.

People who do not exist are drawn (`--people` takes pictures of such from an earlier run instead). Their faces are
pasted on each other and morphed, and held against the pictures as they were drawn; they themselves are held against
photos: of "johns", "landmarks68_boxes", "detect_noses", and the half of UTKFace on which the levels of the cues were
not measured. Photos of 5 people are morphed, too, in a temporary folder. Deepfakes and FaceSwap are clips of
FaceForensics++ beside the real ones: one of each, which shows how the tables look and nothing else. How often photos of
real people have a high cue is counted by how bright their skin is in them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from mien.core.errors import NoFace
from mien.core.image import Image, load_image
from mien.datasets.morph import Portrait, morph, open_portrait
from mien.datasets.pasting import paste_face
from mien.engine import Engine
from mien.evaluation.forgery import evaluate_forgery, stress_forgery
from mien.evaluation.forgery_tables import forgery_tables, stress_panels, stress_tables
from mien.evaluation.plots import save_plots
from mien.evaluation.report import Report, Table
from mien.features.genuine.forgery import NAMES
from mien.features.genuine.heat import heat_of
from mien.features.genuine.judging import enroll, forgery
from mien.features.genuine.window import Window, open_window
from mien.location.topology import face_topology
from mien.media.video import open_video
from mien.swaps.invented.generator import distinct_people

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PEOPLE, SEED = 48, 610_000
UNLIKE = 0.3  # cosine below which two people are morphed
PHOTOS = ("identities_johns", "landmarks68_boxes", "detect_noses")
ODD = 0.95  # of a cue: as one real face in twenty of the scale


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


@dataclass
class Asked:
    """What a part needs."""

    engine: Engine
    keep: Path
    people: Path | None
    plot: Path | None

    @cached_property
    def made(self) -> Path:
        """The set, made once."""
        if not (self.keep / "fake").is_dir():
            drawn = sorted(self.people.glob("*.png")) if self.people else people(self.keep / "people", self.engine)
            build(self.keep, drawn, self.engine)
        return self.keep

    def tell(self, title: str, tables: list[Table], source: str = "the set of this benchmark") -> None:
        """Print tables."""
        model = self.engine.choose("forgery").id
        sys.stdout.write(Report.of(title, source=source, model=model, results={}, tables=tables).to_text() + "\n\n")
        sys.stdout.flush()


def clips(asked: Asked) -> None:
    """FaceForensics++'s: cues by method, and each clip by its likeness to whom it shows and by its restlessness."""
    root, engine = DATA / "forgery", asked.engine
    asked.tell("Clips of FaceForensics++", forgery_tables(evaluate_forgery(root, engine=engine)), "four clips")
    rows = []
    for clip in sorted(root.rglob("*.mp4")):
        target = clip.stem.partition("_")[0]
        known, shown = tenths(root / "original_sequences" / "youtube" / f"{target}.mp4"), tenths(clip)
        half = len(known) // 2  # the person is enrolled from the first half of their real clip, and the rest is judged
        person, shown = enroll(known[:half:2], engine=engine), shown[half:]
        found = [engine.analyze(image, want={"embedding"}).top(1) for image in shown]
        alike = person.likeness([faces.embedding.values[0] for faces in found if len(faces)])
        face = max(forgery(clip, engine=engine), key=lambda one: one.frames)
        rest = face.jitter
        assert alike is not None
        assert rest is not None
        parts = (f"{value:.4f}" for value in (rest.shape, rest.color, rest.identity, rest.drift))
        likeness = f"{alike.mean:.2f} ({alike.lowest:.2f} to {alike.highest:.2f}), {len(found)} frames"
        rows.append((f"{clip.stem} {clip.parent.name}", likeness, *parts))
    heads = ("clip", "likeness to the original's person", "shape", "color", "identity", "drift")
    note = "Two real clips and two forged ones: nothing can be concluded. Likeness of the second half of each clip."
    asked.tell("Clips: a known person, and restlessness", [Table("by clip", heads, tuple(rows), (note,))], "four clips")


def tenths(clip: Path) -> list[Image]:
    """Every tenth frame."""
    with open_video(clip) as video:
        return [frame.image for frame in video if frame.index % 10 == 0]


def photos(asked: Asked) -> None:
    """How often photos of real people have a cue of 0.95 or more, by how bright their skin is."""
    files = [*sorted((DATA / "age_gender").glob("*.jpg"))[1::2], *sorted((DATA / PHOTOS[0]).rglob("*.jpg"))]
    light, heat, scores = [], [], []
    for file in files:
        image = load_image(file)
        faces = asked.engine.analyze(image, want={"forgery", "landmarks"}).top(1)
        window = open_window(image, faces.landmarks.values[0]) if len(faces) else ""
        if isinstance(window, Window):
            skin = (window.radius < 0.9) & ~window.features
            light.append(float(np.median(window.luminance[skin])))
            heat.append(float(heat_of(window).values[skin].mean()))
            scores.append(faces.forgery.values[0])
    order = [*np.array_split(np.argsort(light), 3), np.argsort(light)]
    heads = ("", *(f"skin of {light[part[0]]:.0f} to {light[part[-1]]:.0f}" for part in order))
    table = np.stack(scores)
    rows = [("photos", *(str(len(part)) for part in order))]
    rows += [("heat, median", *(f"{np.median(np.array(heat)[part]):.3f}" for part in order))]
    many = (table >= ODD).sum(axis=1)
    for least in (1, 2, 3):
        rows.append((f"{least} cues or more", *(f"{(many[part] >= least).mean():.2f}" for part in order)))
    for place, name in enumerate(NAMES):
        told = [table[part, place][np.isfinite(table[part, place])] for part in order]
        rows.append((name, *(f"{(one >= ODD).mean():.2f} ({(one >= ODD).sum()} of {len(one)})" for one in told)))
    shares = Table(f"share with {ODD} or more", heads, tuple(rows), ())
    asked.tell("Photos of real people", [shares], "photos that are not those of the scale")


def cues(asked: Asked) -> None:
    """Each method as the files are."""
    asked.tell("Forgery, as the files are", forgery_tables(evaluate_forgery(asked.made, engine=asked.engine)))


def matched(asked: Asked) -> None:
    """Each method, all faces at one size and compression."""
    found = evaluate_forgery(asked.made, matched=True, engine=asked.engine)
    asked.tell("Forgery, both sides at 112 px and JPEG 90", forgery_tables(found))


def stress(asked: Asked) -> None:
    """Each method after compression, resizing and removal of fingerprints."""
    found = stress_forgery(asked.made, engine=asked.engine)
    asked.tell("Stress", stress_tables(found))
    if asked.plot:
        save_plots(asked.plot, stress_panels(found))


PARTS: dict[str, Callable[[Asked], None]] = {part.__name__: part for part in (clips, photos, cues, matched, stress)}


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="clips,photos,cues,matched", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--people", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    parts = asked.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    with Engine(threads=1) as engine, tempfile.TemporaryDirectory() as temporary:
        task = Asked(engine, asked.keep or Path(temporary), asked.people, asked.plot)
        for part in parts:
            PARTS[part](task)


if __name__ == "__main__":
    main()
