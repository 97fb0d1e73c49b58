"""Files of filters: a folder, or a zip, that holds ``filter.toml`` and the pictures of its layers.

They come from anywhere: names stay within the folder, sizes have limits, and nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import lzma
import math
import os
import re
import struct
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SourceError, UnsafeFile, UsageError

__all__ = ["BEHIND", "BLENDS", "Board", "FilterFile", "Layer", "Paint", "filter_names", "read_filter"]

Floats = NDArray[np.float32]

FORMAT = 1
LONGEST_TEXT = 1 << 16  # bytes of filter.toml
LARGEST_FILE = 8 << 20  # bytes of a picture
LARGEST_SIDE = 2048  # pixels of it
LARGEST_ZIP = 64 << 20  # bytes: its list of names is read as a whole
MOST_PIXELS = 4 * LARGEST_SIDE**2  # of all pictures: a quarter of a gigabyte as numbers
MOST_LAYERS = 24
MOST_POINTS = 64
LARGEST_SIZE = 60.0  # centimetres of a board: three heads
BLENDS = ("normal", "multiply", "screen")
BEHIND = ("hair", "hat", "glasses", "clothes", "background", "hands")  #: what a layer can be behind
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.png")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One picture of a filter.

    Attributes
    ----------
    picture : (H, W, 4) float32
        Colours times alpha, and alpha; in [0, 1].
    blend : str
        Of `BLENDS`.
    opacity : float
        In [0, 1].
    shade : float
        How much of the light on the face is on it, in [0, 1].
    behind : tuple of str
        What stands before it, of `BEHIND`.
    """

    picture: Floats = field(repr=False)
    blend: str = "normal"
    opacity: float = 1.0
    shade: float = 0.5
    behind: tuple[str, ...] = ("hair", "hands")


@dataclass(frozen=True, kw_only=True)
class Paint(Layer):
    """A layer on the skin: its picture is the texture of the face.

    Attributes
    ----------
    lift : float
        Centimetres by which it stands off the skin.
    closed : bool
        Whether it covers eyes and mouth.
    """

    lift: float = 0.0
    closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Board(Layer):
    """A layer that is a board in space, and moves with the head.

    Attributes
    ----------
    at : (3,)
        Its middle in the axes of the average face, centimetres: x to the picture's right, y down, z away from the
        camera; the origin is in the head, between the eyes and the nose's tip in height.
    size : (2,)
        Its width and height, centimetres.
    turn : (3,)
        Yaw, pitch and roll, degrees.
    bend : float
        Centimetres of the radius of the cylinder that it lies on, round the head; 0 is flat.
    pins : tuple of int
        Mesh points that it stays with when they move against the head; with several, it gets as wide as they are.
    on_top : bool
        Whether it stands on the head, as high as its hair or hat goes, and not at the average head's height.
    """

    at: tuple[float, float, float]
    size: tuple[float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bend: float = 0.0
    pins: tuple[int, ...] = ()
    on_top: bool = False


@dataclass(frozen=True)
class FilterFile:
    """A filter as it was read.

    Attributes
    ----------
    name, title : str
    layers : tuple of Layer
        From below.
    """

    name: str
    title: str
    layers: tuple[Layer, ...]


def _shipped() -> Traversable:
    return resources.files("mien.swaps.look").joinpath("filters")


def filter_names() -> tuple[str, ...]:
    """Filters that come with the package."""
    return tuple(sorted(one.name for one in _shipped().iterdir() if one.joinpath("filter.toml").is_file()))


def read_filter(source: str | os.PathLike[str]) -> FilterFile:
    """Read a filter.

    Parameters
    ----------
    source : str or path
        The name of one that comes with the package, or the path of a folder or a zip.

    Raises
    ------
    UsageError
        If it is no such name, or its ``filter.toml`` says what makes no sense.
    SourceError
        If it cannot be read.
    UnsafeFile
        If it is larger than a filter can be, or a name in it leads elsewhere.
    """
    text = os.fspath(source)
    if text in filter_names():
        return _parse(text, _of_folder(_shipped().joinpath(text)))
    path = Path(text)
    if path.is_dir():
        return _parse(path.name, _of_folder(path))
    if not path.is_file():
        raise UsageError(f"no filter is called {text!r}: there are {', '.join(filter_names())}, or give a path.")
    if path.stat().st_size > LARGEST_ZIP:
        raise UnsafeFile(f"{path.name} has more than {LARGEST_ZIP} bytes: no filter is so large.")
    try:
        with zipfile.ZipFile(path) as archive:
            return _parse(path.stem, _of_zip(archive))
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise SourceError(f"{path.name} is no zip that can be read: {str(error).rstrip('.')}.") from None


_Read = Callable[[str, int], bytes]  # of a name within the filter, at most so many bytes


def _of_folder(folder: Traversable) -> _Read:
    def read(name: str, most: int) -> bytes:
        file = folder.joinpath(name)
        if isinstance(file, Path) and (file.is_symlink() or not file.is_file()):
            raise SourceError(f"the filter has no file {name}.")
        try:
            with file.open("rb") as stream:
                data: bytes = stream.read(most + 1)
        except OSError:
            raise SourceError(f"the filter's {name} cannot be read.") from None
        return _bounded(name, data, most)

    return read


def _of_zip(archive: zipfile.ZipFile) -> _Read:
    def read(name: str, most: int) -> bytes:
        try:
            info = archive.getinfo(name)
        except KeyError:
            raise SourceError(f"the filter has no file {name}.") from None
        try:
            with archive.open(info) as stream:  # what it says of its size may be a lie: only so much is unpacked
                return _bounded(name, stream.read(most + 1), most)
        except (zlib.error, lzma.LZMAError):
            raise SourceError(f"the filter's {name} cannot be unpacked.") from None

    return read


def _bounded(name: str, data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise UnsafeFile(f"the filter's {name} has more than {most} bytes.")
    return data


def _parse(name: str, read: _Read) -> FilterFile:
    try:
        table = tomllib.loads(read("filter.toml", LONGEST_TEXT).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, and of numbers with thousands of digits
        raise UsageError(f"filter.toml of {name} is no TOML: {_short(error).rstrip('.')}.") from None
    if table.get("format") != FORMAT:
        raise UsageError(f"the filter {name} has the format {_short(table.get('format'))}: {FORMAT} is read.")
    layers = table.get("layers")
    if not isinstance(layers, list) or not 1 <= len(layers) <= MOST_LAYERS:
        raise UsageError(f"a filter has 1 to {MOST_LAYERS} layers.")
    title = table.get("title", name)
    made, pixels = [], 0
    for one in layers:
        made.append(_layer(one, read))
        pixels += made[-1].picture[..., 0].size
        if pixels > MOST_PIXELS:
            raise UnsafeFile(f"the pictures of {name} have more than {MOST_PIXELS} pixels.")
    return FilterFile(name, _short(title), tuple(made))


def _short(value: object) -> str:
    """A value of somebody else's file in a message: one line, and no longer than one."""
    try:
        text = str(value)
    except ValueError:  # a number with thousands of digits
        text = type(value).__name__
    return "".join(char for char in text if char.isprintable())[:80]


def _layer(given: Any, read: _Read) -> Layer:
    if not isinstance(given, Mapping):
        raise UsageError("a layer of a filter is a table.")
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UsageError(f"a layer of a filter is one of {', '.join(_KINDS)}, not {_short(kind)!r}.")
    made, own = _KINDS[kind]
    known = {"kind", "image", *_COMMON, *own}
    if unknown := sorted(set(given) - known):
        raise UsageError(f"a {kind} of a filter has no {_short(unknown[0])!r}: it has {', '.join(sorted(known))}.")
    values = {key: check(key, given[key]) for key, check in (_COMMON | own).items() if key in given}
    image = given.get("image")
    if not isinstance(image, str) or not _NAME.fullmatch(image):
        raise UnsafeFile(f"a layer's image is the name of a .png beside filter.toml, not {_short(image)!r}.")
    if kind == "board" and not {"at", "size"} <= values.keys():
        raise UsageError("a board of a filter needs at and size.")
    return made(picture=_picture(image, read(image, LARGEST_FILE)), **values)


def _picture(name: str, data: bytes) -> Floats:
    """A PNG as numbers, colours times alpha."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
            if max(opened.size) > LARGEST_SIDE:
                raise UnsafeFile(f"the filter's {name} is {opened.size} pixels large: {LARGEST_SIDE} a side at most.")
            rgba = np.asarray(opened.convert("RGBA"), np.float32) / np.float32(255)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        raise SourceError(f"the filter's {name} is no PNG that can be read.") from None
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


# --- what values may be -----------------------------------------------------------------------------------------------


def _numbers(low: float, high: float, count: int | None = None) -> Callable[[str, Any], Any]:
    """A check of a number, or of so many, in a range."""

    def one(key: str, value: Any) -> float:
        usable = isinstance(value, int | float) and not isinstance(value, bool)
        if not usable or not low <= value <= high or math.isnan(value):
            raise UsageError(f"{key} of a filter's layer is from {low:g} to {high:g}, not {_short(value)}.")
        return float(value)

    def several(key: str, value: Any) -> tuple[float, ...]:
        if not isinstance(value, list) or len(value) != count:
            raise UsageError(f"{key} of a filter's layer is {count} numbers.")
        return tuple(one(key, item) for item in value)

    return one if count is None else several


def _words(known: Sequence[str]) -> Callable[[str, Any], tuple[str, ...]]:
    def check(key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or any(item not in known for item in value):
            raise UsageError(f"{key} of a filter's layer is a list of {', '.join(known)}.")
        return tuple(dict.fromkeys(value))

    return check


def _blend(key: str, value: Any) -> str:
    if value not in BLENDS:
        raise UsageError(f"{key} of a filter's layer is one of {', '.join(BLENDS)}, not {_short(value)!r}.")
    return str(value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{key} of a filter's layer is true or false.")
    return value


def _points(key: str, value: Any) -> tuple[int, ...]:
    usable = isinstance(value, list) and 1 <= len(value) <= MOST_POINTS
    if not usable or any(not isinstance(one, int) or isinstance(one, bool) or not 0 <= one < 468 for one in value):
        raise UsageError(f"{key} of a filter's layer is a list of mesh points, 0 to 467.")
    return tuple(value)


_Checks = dict[str, Callable[[str, Any], Any]]
_COMMON: _Checks = {
    "blend": _blend,
    "opacity": _numbers(0, 1),
    "shade": _numbers(0, 1),
    "behind": _words(BEHIND),
}
_KINDS: Mapping[str, tuple[Callable[..., Layer], _Checks]] = {
    "paint": (Paint, {"lift": _numbers(-1, 5), "closed": _flag}),
    "board": (
        Board,
        {
            "at": _numbers(-LARGEST_SIZE, LARGEST_SIZE, 3),
            "size": _numbers(0.1, LARGEST_SIZE, 2),
            "turn": _numbers(-180, 180, 3),
            "bend": _numbers(0, 100),
            "pins": _points,
            "on_top": _flag,
        },
    ),
}
