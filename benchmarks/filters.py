"""What filters, make-up and new colours do to recognition: the measure of OpenFilter, on what mien puts on faces.

OpenFilter (Riccio, Psomas, Galati, Escolano, Hofmann, Oliver, NeurIPS 2022) takes recognition benchmarks, puts filters
on their faces and asks how much worse embedders do. Here each picture of ``identities`` and ``identities_johns`` is
changed; printed are the cosine of a picture to its changed self, and how many pairs of two pictures of one person are
still told to be one when the second is changed, at the threshold at which one in a thousand pairs of two people is, of
unchanged pictures. A changed picture in which no face is found counts as not told. Of a folder of pictures of as many
people, each is compared to its own changed self.

    python -m benchmarks.filters [--few N] [--only NAME ...] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import Engine
from mien.core.errors import UsageError
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.swaps.editor import Editor
from mien.swaps.effects import Effect
from mien.swaps.look.cosmetics import presets
from mien.swaps.look.filter_files import filter_names
from mien.swaps.look.line_art import STYLES
from mien.swaps.look.makeup import Makeup
from mien.swaps.look.overlays import Filter
from mien.swaps.look.recoloring import Recolor
from mien.swaps.look.stylizing import Stylize

Floats = NDArray[np.float32]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDERS = ("identities", "identities_johns")
FAR = 1e-3
SIDE = 512
EMBEDDERS = ("edgeface-s", "sface")


def effects() -> dict[str, Callable[[Engine], Effect]]:
    """What is put on faces, by name."""
    out: dict[str, Callable[[Engine], Effect]] = {}
    for name in filter_names():
        out[f"filter {name}"] = lambda engine, name=name: Filter(name, engine=engine)  # type: ignore[misc]
    for name in presets():
        out[f"makeup {name}"] = lambda engine, name=name: Makeup(name, engine=engine)  # type: ignore[misc]
    out["hair, lips, iris"] = lambda engine: Recolor(hair="#8a2f1c", lips="#b0122f", iris="#3a7fd0", engine=engine)
    for name in STYLES:
        out[f"style {name}"] = lambda engine, name=name: Stylize(name, engine=engine)  # type: ignore[misc]
    return out


def pictures(few: int | None) -> tuple[list[Image], NDArray[np.intp]]:
    """Pictures, and whose each is."""
    images, owner = [], []
    people = [folder for name in FOLDERS for folder in sorted((DATA / name).iterdir()) if folder.is_dir()]
    for number, folder in enumerate(people):
        for path in sorted(folder.glob("*.jpg"))[:few]:
            images.append(load_image(path))
            owner.append(number)
    return images, np.array(owner)


def folder_of(path: Path, few: int | None) -> tuple[list[Image], NDArray[np.intp]]:
    """Pictures of a folder, each of somebody else, of 512 pixels at most."""
    images = [load_image(one) for one in sorted([*path.glob("*.png"), *path.glob("*.jpg")])[:few]]
    return [image if max(image.shape) <= SIDE else fit(image, SIDE) for image in images], np.arange(len(images))


def fit(image: Image, side: int) -> Image:
    """A picture whose longer side has so many pixels."""
    scale = side / max(image.shape[:2])
    return resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))


def embed(judges: dict[str, Engine], image: Image) -> dict[str, Floats | None]:
    """Of the largest face, by each judge; None where none is found."""
    finder = next(iter(judges.values()))
    faces = finder.analyze(image, want={"landmarks"})
    if not len(faces):
        return dict.fromkeys(judges)
    largest = faces[[int(np.argmax(faces.areas))]]
    out: dict[str, Floats | None] = {}
    for name, judge in judges.items():
        found = judge.analyze(image, want={"embedding"}, faces=largest)
        vector = np.asarray(found.embedding.values[0], np.float32)
        out[name] = vector if np.isfinite(vector).all() else None
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=None, help="pictures of each person")
    parser.add_argument("--only", nargs="*", default=None, help="names, or beginnings of them")
    parser.add_argument("--folder", type=Path, default=None, help="pictures, each of somebody else")
    given = parser.parse_args()
    if given.folder is None and not DATA.is_dir():
        print(f"skipped: no real pictures at {DATA}")
        return
    images, owner = pictures(given.few) if given.folder is None else folder_of(given.folder, given.few)
    engine = Engine(threads=int(os.environ.get("OMP_NUM_THREADS", "1")))
    judges = {name: engine.with_models(embedding=name) for name in EMBEDDERS}
    plain = _by_judge([embed(judges, image) for image in images])
    chosen = {
        name: make
        for name, make in effects().items()
        if given.only is None or any(name.startswith(one) for one in given.only)
    }
    print(f"{len(images)} pictures of {owner.max() + 1} people; threshold at FAR {FAR:g} of unchanged pictures")
    print(f"{'':22}" + "".join(f"{name:>12} {'TAR':>6}" for name in judges) + f" {'not found':>10} {'unchanged':>10}")
    print(f"{'nothing':22}" + "".join(f"{1:12.3f} {_tar(plain[name], plain[name], owner):6.3f}" for name in judges))
    for name, make in chosen.items():
        changed, kept = _changed(images, Editor(make(engine), who="largest", engine=engine))
        row = f"{name:22}"
        lost = 0
        for judge_name, after in _by_judge([embed(judges, image) for image in changed]).items():
            lost = sum(one is None for one in after)
            row += f"{_cosine(plain[judge_name], after):12.3f} {_tar(plain[judge_name], after, owner):6.3f}"
        print(f"{row} {lost:10d} {kept:10d}", flush=True)


def _by_judge(found: list[dict[str, Floats | None]]) -> dict[str, list[Floats | None]]:
    return {name: [one[name] for one in found] for name in EMBEDDERS}


def _changed(images: list[Image], editor: Editor) -> tuple[list[Image], int]:
    """Pictures with the effect, and how many could not be changed."""
    out, kept = [], 0
    for image in images:
        try:
            out.append(editor.picture(image, layers=False).image)
        except UsageError:
            out.append(image)
            kept += 1
    return out, kept


def _cosine(before: list[Floats | None], after: list[Floats | None]) -> float:
    found = [float(a @ b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    return float(np.mean(found)) if found else float("nan")


def _tar(before: list[Floats | None], after: list[Floats | None], owner: NDArray[np.intp]) -> float:
    """Share of pairs of one person's pictures, the second changed, above the threshold of unchanged pictures.

    Where everybody has but one, that with its changed self.
    """
    width = next(len(one) for one in before if one is not None)
    blank: Floats = np.full(width, np.nan, np.float32)
    first = np.array([blank if one is None else one for one in before])
    second = np.array([blank if one is None else one for one in after])
    same = owner[:, None] == owner[None]
    if len(set(owner.tolist())) < len(owner):
        np.fill_diagonal(same, val=False)
    others = (first @ first.T)[owner[:, None] < owner[None]]
    others = others[np.isfinite(others)]
    threshold = float(np.quantile(others, 1 - FAR))
    scores: NDArray[Any] = np.nan_to_num(first @ second.T, nan=-1)[same]
    return float((scores > threshold).mean())


if __name__ == "__main__":
    main()
