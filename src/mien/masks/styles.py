"""The forms in which regions are written: grey masks, cut-outs, overlays, labels, records, outlines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Final, NamedTuple, TypeAlias
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, StorageError
from mien.core.image import IMAGE_SUFFIXES, save_image
from mien.core.palette import hex_color, region_color
from mien.masks.coco import Coco
from mien.masks.cuts import PARTS, Cut, slug

if TYPE_CHECKING:
    from mien.core.region import Region
    from mien.media.sinks import Format

__all__ = ["RECORDS", "STYLES", "Piece", "Shown", "Style", "write"]

Pixels: TypeAlias = NDArray[np.uint8]
CLEAR: Final = (".png", ".webp", ".tif", ".tiff", ".avif")  # what holds alpha
RECORDS: Final = (".json", ".jsonl", ".ndjson")


class Piece(NamedTuple):
    """One file of a picture: what sets it apart from the others of the picture, its suffix, and what is in it."""

    name: str
    suffix: str
    content: Pixels | bytes | str


@dataclass(frozen=True)
class Shown:
    """How a video shows what was cut out.

    Attributes
    ----------
    picture : callable
        Of a frame: (H, W, 3) uint8, or (H, W, 4) with alpha.
    alpha : bool
        Whether it is that.
    sound : bool
        Whether the video's sound goes along.
    """

    picture: Callable[[Cut], Pixels]
    alpha: bool = False
    sound: bool = True


@dataclass(frozen=True)
class Style:
    """A form in which what was cut out is written.

    Attributes
    ----------
    pieces : callable
        The files of a picture; told whether no more than what is cut out is to be kept.
    suffixes : tuple of str
        That a file which is named outright may have.
    regions : str
        What is cut out where nothing is named: a region, or "parts".
    shown : Shown or None
        In a video, where one can show it.
    crops : bool
        Whether it can be of no more than what is cut out.
    plain : bool
        Whether it is of all classes as the parsing gives them: no region, edge or outline can be asked for.
    sink : callable or None
        Where all pictures go into one file, what writes it: takes the open file.
    """

    pieces: Callable[[Cut, bool], Iterator[Piece]]
    suffixes: tuple[str, ...]
    regions: str = PARTS
    shown: Shown | None = None
    crops: bool = False
    plain: bool = False
    sink: Callable[[IO[str]], Format] | None = None


def _masks(cut: Cut, crop: bool) -> Iterator[Piece]:
    for name, region in cut.regions.items():
        yield Piece(slug(name), ".png", region.levels_in(_box(region)) if crop else region.to_levels())


def _mask_frame(cut: Cut) -> Pixels:
    return np.repeat(cut.all.to_levels()[..., None], 3, axis=2)


def _cutout(cut: Cut, crop: bool) -> Iterator[Piece]:
    yield Piece("cutout", ".png", _clear(cut, crop=crop))


def _clear(cut: Cut, *, crop: bool = False) -> Pixels:
    """The picture with what was cut out as its alpha; nothing of the rest is left in it, at soft edges neither."""
    from mien.masks.refining import foreground

    region, (width, height) = cut.all, cut.masks.size
    x1, y1, x2, y2 = _box(region) if crop else region.bbox
    part = region.cutout(foreground(cut.image, region), crop=True)
    if crop:
        return part
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[y1:y2, x1:x2] = part
    return pixels


def _box(region: Region) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = region.bbox
    if x2 <= x1:
        raise NoFace("there is nothing in the picture to cut out.")
    return x1, y1, x2, y2


def _overlay(cut: Cut, crop: bool) -> Iterator[Piece]:  # noqa: ARG001 - the picture itself is the point
    from mien.masks.overlay import draw_legend, draw_numbers

    image = draw_legend(_painted(cut), _shown(cut))
    if len(cut.numbers) > 1:
        image = draw_numbers(image, cut.masks.faces.boxes, cut.numbers)
    yield Piece("overlay", ".jpg", image)


def _painted(cut: Cut) -> Pixels:
    from mien.masks.overlay import overlay

    return overlay(cut.image, cut.regions)


def _shown(cut: Cut) -> dict[str, Region]:
    """The regions that a legend names: those that were named, or of all those that there are."""
    every = PARTS in cut.wanted.regions
    return {name: region for name, region in cut.regions.items() if not every or region.area >= 1}


def _labels(cut: Cut, crop: bool) -> Iterator[Piece]:  # noqa: ARG001 - labels are of the whole picture
    import io

    import PIL.Image

    parse, (width, height) = cut.masks.faces.parse, cut.masks.size
    labels = parse.labels() if len(parse) else np.zeros((height, width), np.uint8)
    picture = PIL.Image.frombytes("P", (width, height), labels.tobytes())
    picture.putpalette([part for name in parse.names for part in region_color(name)])
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    classes = [{"label": k, "name": name, "color": hex_color(name)} for k, name in enumerate(parse.names)]
    yield Piece("labels", ".png", stream.getvalue())
    yield Piece("labels", ".json", json.dumps({"classes": classes}, indent=1) + "\n")


def _records(cut: Cut, crop: bool) -> Iterator[Piece]:  # noqa: ARG001 - run lengths are of the whole picture
    yield Piece("regions", ".json", json.dumps(cut.record(), ensure_ascii=False) + "\n")


def _outlines(cut: Cut, crop: bool) -> Iterator[Piece]:
    width, height = cut.masks.size
    x1, y1, x2, y2 = _box(cut.all) if crop else (0, 0, width, height)
    groups = [
        f"<g id={quoteattr(slug(name))} fill={quoteattr(hex_color(name))}><title>{escape(name)}</title>"
        f'<path fill-rule="evenodd" d="{_path(region)}"/></g>\n'
        for name, region in cut.regions.items()
        if region
    ]
    yield Piece(
        "regions",
        ".svg",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{x2 - x1}" height="{y2 - y1}" '
        f'viewBox="{x1} {y1} {x2 - x1} {y2 - y1}">\n{"".join(groups)}</svg>\n',
    )


def _path(region: Region) -> str:
    outlines = (outline + 0.5 for outline in region.to_polygons())  # a drawing counts from a pixel's corner
    return "".join("M" + "L".join(f"{x:g},{y:g}" for x, y in outline.tolist()) + "Z" for outline in outlines)


#: The forms by name.
STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "png": Style(_masks, IMAGE_SUFFIXES, "face", Shown(_mask_frame, sound=False), crops=True),
        "cutout": Style(_cutout, CLEAR, "person", Shown(_clear, alpha=True), crops=True),
        "overlay": Style(_overlay, IMAGE_SUFFIXES, PARTS, Shown(_painted)),
        "labels": Style(_labels, (".png",), plain=True),
        "json": Style(_records, RECORDS),
        "coco": Style(_records, (".json",), sink=Coco),
        "svg": Style(_outlines, (".svg",), crops=True),
    }
)


def write(pieces: Iterable[Piece], base: Path, *, suffix: str = "") -> list[Path]:
    """Write the files of a picture, each whole or not at all.

    Parameters
    ----------
    pieces : iterable of Piece
    base : Path
        What their names begin with.
    suffix : str
        Where there is one, `base` is the name of the only file, or the beginning of those of several, and pictures are
        written as it says.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    StorageError
        If something cannot be.
    NoFace
        If there is nothing to cut out.
    """
    made = list(pieces)
    alone = bool(suffix) and len({piece.name for piece in made}) == 1
    paths = []
    for piece in made:
        ending = suffix if suffix and isinstance(piece.content, np.ndarray) else piece.suffix
        path = base.with_name(f"{base.name}{'' if alone else f'.{piece.name}'}{ending}")
        _save(piece.content, path)
        paths.append(path)
    return paths


def _save(content: Pixels | bytes | str, path: Path) -> None:
    from mien.media.sinks import begin, make_folder

    if isinstance(content, np.ndarray):
        make_folder(path.parent)
        save_image(content, path, quality=92)
        return
    part = begin(path)
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
