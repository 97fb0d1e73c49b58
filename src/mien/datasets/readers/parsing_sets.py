"""Reads the published sets of face parsing: CelebAMask-HQ, LaPa, EasyPortrait and iBugMask.

Where each keeps what is told by `LAYOUTS`; the numbers of the classes are those of the sets' own descriptions:

- CelebAMask-HQ: Lee, Liu, Wu & Luo, *MaskGAN*, CVPR 2020; its preprocessing puts masks over each other in the order of
  the classes. Left is the subject's (seen in its pictures).
- LaPa: Liu, Shi, Shen, Si, Wang & Mei, *A new dataset and boundary-attention semantic segmentation for face parsing*,
  AAAI 2020, and its ``labelmap.txt``.
- EasyPortrait: Kvanchiani, Petrova, Efremyan, Sautin & Kapitanov, *EasyPortrait*, 2023. Its authors parse faces
  without the class "person", which is then background: the layout ``easyportrait-faces``.
- iBugMask: Lin, Shen, Wang & Pantic, *RoI tanh-polar transformer network for face parsing in the wild*, 2021. Its
  skin includes the scalp; its training pictures come from Helen, whose skin ends at the ears and the neck.

What the sets do with what they have no class for is seldom written down. Taken to be so here, and not checked on their
pictures: ears belong to LaPa's skin (others who use the set call the class "face with both ears"), and to nothing in
iBugMask; glasses belong to the skin in both; in EasyPortrait the nose is skin, and all else of a head is the person.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mien.core.errors import InputError, SourceError, UsageError
from mien.core.parts import CELEBAMASK
from mien.datasets.readers.files import read_text
from mien.datasets.readers.label_maps import LabelledPicture, Labels, LabelSet, read_map, read_mask

__all__ = ["LAYOUTS", "SPLITS", "Found", "Layout", "read_celebamask", "read_parsing_set"]

SPLITS = ("train", "val", "test")
ALL = "all"
AUTO = "auto"

CELEBAMASK_HQ = LabelSet(
    "CelebAMask-HQ",
    CELEBAMASK,
    colors=(
        (0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204), (0, 255, 255),
        (255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0), (0, 0, 153), (0, 0, 204),
        (255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51), (0, 204, 0),
    ),
    sides_known=True,
    reported="the mean F1 of the 18 classes without the background",
)  # fmt: skip

_ELEVEN = (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "nose", "u_lip", "mouth", "l_lip", "hair",
)  # fmt: skip

LAPA = LabelSet(
    "LaPa",
    _ELEVEN,
    stands_for=MappingProxyType({"eye_g": "skin", "l_ear": "skin", "r_ear": "skin", "teeth": "mouth"}),
    colors=(
        (0, 0, 0), (0, 153, 255), (102, 255, 153), (0, 204, 153), (255, 255, 102), (255, 255, 204), (255, 153, 0),
        (255, 102, 255), (102, 0, 51), (255, 204, 255), (255, 0, 102),
    ),
    reported="the mean F1 of the 10 classes without the background",
)  # fmt: skip

IBUGMASK = LabelSet(
    "iBugMask",
    _ELEVEN,
    stands_for=MappingProxyType({"eye_g": "skin", "teeth": "mouth"}),
    colors=(
        (0, 0, 0), (255, 255, 0), (139, 76, 57), (139, 54, 38), (0, 205, 0), (0, 138, 0), (154, 50, 205),
        (72, 118, 255), (255, 165, 0), (0, 0, 139), (255, 0, 0),
    ),
    reported="the mean F1 of the 10 classes without the background",
)  # fmt: skip

_PORTRAIT = ("background", "person", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "lips", "teeth")
_LIPS = {"nose": "skin", "u_lip": "lips", "l_lip": "lips"}
_REST = ("eye_g", "l_ear", "r_ear", "mouth", "hair", "hat", "ear_r", "neck_l", "neck", "cloth")

EASYPORTRAIT = LabelSet(
    "EasyPortrait",
    _PORTRAIT,
    stands_for=MappingProxyType({**_LIPS, **dict.fromkeys(_REST, "person")}),
    colors=(
        (0, 0, 0), (223, 87, 188), (160, 221, 255), (130, 106, 237), (200, 121, 255), (255, 183, 255), (0, 144, 193),
        (113, 137, 255), (230, 232, 230),
    ),
    reported="the mean IoU with the background",
)  # fmt: skip

EASYPORTRAIT_FACES = LabelSet(
    "EasyPortrait, faces",
    tuple(name for name in _PORTRAIT if name != "person"),
    stands_for=MappingProxyType(_LIPS),
    reported="the mean IoU with the background",
)


# -- reading one map -----------------------------------------------------------------------------------------------


def _beside(picture: Path, maps: Path, kind: LabelSet) -> Labels:
    """The map that has the picture's name."""
    return read_map(maps / f"{picture.stem}.png", kind)


def _without_person(picture: Path, maps: Path, kind: LabelSet) -> Labels:
    whole = _beside(picture, maps, EASYPORTRAIT)
    return np.asarray(kind.indices_of(EASYPORTRAIT.classes)[whole])


def read_celebamask(picture: Path, maps: Path, kind: LabelSet = CELEBAMASK_HQ) -> Labels:
    """Put the masks of a picture over each other: ``maps/0/00042_hair.png`` is the hair of ``42.jpg``.

    A folder holds the masks of 2,000 pictures; they may all be in one, too. A class without a file is not there.

    Raises
    ------
    SourceError
        If a file cannot be read, or there is none.
    InputError
        If the picture has no number, a file is no mask, or they differ in size.
    """
    if not re.fullmatch(r"[0-9]{1,5}", picture.stem):
        raise InputError(f"{picture}: the pictures of CelebAMask-HQ are called by a number.")
    number = int(picture.stem)
    labels: Labels | None = None
    for place, name in enumerate(kind.classes):
        file = f"{number:05d}_{name}.png"
        found = next((path for path in (maps / str(number // 2000) / file, maps / file) if path.is_file()), None)
        if place == 0 or found is None:
            continue
        mask = read_mask(found)
        if labels is None:
            labels = np.zeros(mask.shape, np.uint8)
        if mask.shape != labels.shape:
            raise InputError(f"{found} is of another size than the masks before it.")
        labels[mask] = place
    if labels is None:
        raise SourceError(f"{maps} holds no mask of {picture.name}.")
    return labels


# -- finding them --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Where a set keeps its pictures and its maps, in folders below its own.

    Parameters
    ----------
    kind : LabelSet
    pictures, maps : str
        ``{split}`` in them stands for train, val or test.
    read : callable
        Reads the map of a picture, given the folder of maps.
    """

    kind: LabelSet
    pictures: str
    maps: str
    read: Callable[[Path, Path, LabelSet], Labels] = _beside

    def splits(self, root: Path) -> list[str]:
        """The splits that a folder has; one without a name where the set is not split; none if this is not it."""
        names = SPLITS if "{split}" in self.pictures else ("",)
        return [name for name in names if all(place.is_dir() for place in self._places(root, name))]

    def find(self, root: Path, split: str) -> list[LabelledPicture]:
        """All pictures of a split, by number or name.

        Raises
        ------
        SourceError
            If a picture has no map.
        """
        pictures, maps = self._places(root, split)
        suffixes = {".jpg", ".jpeg", *([".png"] if pictures != maps else [])}
        paths = [path for path in pictures.iterdir() if path.suffix.lower() in suffixes and path.name[0] != "."]
        paths.sort(key=lambda path: (path.stem.zfill(12), path.name))
        if self.read is not read_celebamask:
            lost = next((path for path in paths if not (maps / f"{path.stem}.png").is_file()), None)
            if lost is not None:
                raise SourceError(f"{maps} holds no map {lost.stem}.png of the picture {lost.name}.")
        return [LabelledPicture(path, partial(self.read, path, maps, self.kind)) for path in paths]

    def _places(self, root: Path, split: str) -> tuple[Path, Path]:
        return root / self.pictures.format(split=split), root / self.maps.format(split=split)


#: Layouts by name, each with the forms that it comes in.
LAYOUTS: Mapping[str, tuple[Layout, ...]] = MappingProxyType(
    {
        "celebamask": (
            Layout(CELEBAMASK_HQ, "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", read_celebamask),
            Layout(CELEBAMASK_HQ, "CelebA-HQ-img", "CelebAMask-HQ-mask"),  # as its own preprocessing merges them
            Layout(CELEBAMASK_HQ, ".", "."),
        ),
        "lapa": (Layout(LAPA, "{split}/images", "{split}/labels"), Layout(LAPA, "images", "labels")),
        "easyportrait": (
            Layout(EASYPORTRAIT, "images/{split}", "annotations/{split}"),
            Layout(EASYPORTRAIT, "images", "annotations"),
        ),
        "easyportrait-faces": (
            Layout(EASYPORTRAIT_FACES, "images/{split}", "annotations/{split}", _without_person),
            Layout(EASYPORTRAIT_FACES, "images", "annotations", _without_person),
        ),
        "ibugmask": (Layout(IBUGMASK, "{split}", "{split}"), Layout(IBUGMASK, ".", ".")),
    }
)
_ONLY_IF_ASKED = ("easyportrait-faces",)


@dataclass(frozen=True)
class Found:
    """The pictures of a set: of which split ("" where it has none), and what their maps mean."""

    kind: LabelSet
    split: str
    pictures: tuple[LabelledPicture, ...]


def read_parsing_set(root: str | os.PathLike[str], *, layout: str = AUTO, split: str | None = None) -> Found:
    """Find the pictures of a set.

    Parameters
    ----------
    root : path
        The set's folder.
    layout : str
        A name in `LAYOUTS`, or "auto": the one whose folders are there. Maps beside pictures tell nothing: for these it
        must be said.
    split : {"train", "val", "test", "all"}, optional
        By default the test pictures where there are splits, else all. Those of CelebAMask-HQ are those of CelebA, told
        by ``CelebA-HQ-to-CelebA-mapping.txt`` and ``list_eval_partition.txt`` in its folder.

    Raises
    ------
    SourceError
        If there is no such folder, no picture in it, or no map of one.
    UsageError
        If there is no such layout or split, or the folder is not in it.
    InputError
        If a list of splits is none.
    """
    folder = Path(root)
    try:
        return _read(folder, layout, split)
    except OSError as error:  # no permission, or a name that is too long
        raise SourceError(f"{folder} cannot be read: {error.strerror or error}.") from error


def _read(folder: Path, layout: str, split: str | None) -> Found:
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder.")
    form = _layout(folder, layout)
    named = [name for name in form.splits(folder) if name]
    listed = {} if named or form.kind is not CELEBAMASK_HQ else _partition(folder)
    known = named or (list(SPLITS) if listed else [])
    wanted = ("test" if "test" in known else ALL) if split is None else split
    if wanted != ALL and wanted not in known:
        raise UsageError(f"{folder} has no split {wanted!r}; it has {', '.join(known) or 'none'}.")
    folders = ([wanted] if wanted != ALL else named) if named else [""]
    found = [one for name in folders for one in form.find(folder, name)]
    if wanted != ALL and listed:
        found = [one for one in found if listed.get(one.path.stem) == wanted]
    if not found:
        raise SourceError(f"{folder} holds no pictures with label maps.")
    return Found(form.kind, wanted if known else "", tuple(found))


def _layout(folder: Path, layout: str) -> Layout:
    if layout != AUTO:
        if layout not in LAYOUTS:
            raise UsageError(f"there is no layout {layout!r}; there are {', '.join(LAYOUTS)}.")
        form = next((form for form in LAYOUTS[layout] if form.splits(folder)), None)
        if form is None:
            places = " or ".join(f"{form.pictures} and {form.maps}" for form in LAYOUTS[layout])
            raise UsageError(f"{folder} is not laid out as {layout}: it has no folders {places}.")
        return form
    forms = [form for name, forms in LAYOUTS.items() if name not in _ONLY_IF_ASKED for form in forms]
    fits = [form for form in forms if form.pictures != form.maps and form.splits(folder)]
    if not fits:
        raise UsageError(f"{folder} does not tell which set it is: say which of {', '.join(LAYOUTS)} by the layout.")
    return fits[0]


def _partition(folder: Path) -> dict[str, str]:
    """The split of each picture of CelebAMask-HQ by its stem; nothing without the two lists."""
    mapping, partition = folder / "CelebA-HQ-to-CelebA-mapping.txt", folder / "list_eval_partition.txt"
    if not mapping.is_file() or not partition.is_file():
        return {}
    splits = dict(zip("012", SPLITS, strict=True))
    rows = [line.split() for line in read_text(partition).splitlines() if line.strip()]
    if not all(len(row) == 2 and row[1] in splits for row in rows):
        raise InputError(f"{partition}: lines of a picture's name and 0, 1 or 2 expected.")
    of = {name: splits[number] for name, number in rows}
    listed = {}
    for row in (line.split() for line in read_text(mapping).splitlines()[1:] if line.strip()):
        if len(row) != 3 or not row[0].isdecimal() or row[2] not in of:
            raise InputError(f"{mapping}: lines of two numbers and the name of a picture of CelebA expected.")
        listed[row[0]] = of[row[2]]
    return listed
