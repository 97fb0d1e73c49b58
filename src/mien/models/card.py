"""What is known about one model: its files, its licenses, what it gives and needs.

A card is a small TOML file. Parsing is strict: a key that is missing, unknown or of the wrong kind is a `CardError`
that names the file and the key, so that a typo never becomes a silently ignored setting.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, cast, get_args

from mien.core.errors import CardError
from mien.models.sources import Source

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["MODEL_ID", "SPDX_ID", "Card", "Color", "DataTerms", "ImageInput", "Layout", "Precision", "WeightFile"]

Layout = Literal["NCHW", "NHWC"]
Color = Literal["RGB", "BGR", "GRAY"]
DataTerms = Literal["free", "research", "unknown"]
Precision = Literal["bf16", "f32"]
Settings = TypeVar("Settings", bound="DataclassInstance")

# A model id is a file name, a command-line word and a part of an embedding space's name.
MODEL_ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
# A weight file's name is its path below the cache and the mirror: one plain part, on every file system.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_RUNNER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
SPDX_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """How a graph wants its picture: ``(x - mean) / std`` of 0..255 values, in this colour order and layout.

    Attributes
    ----------
    layout
        Order of the graph's axes.
    color
        Order of the channels (``GRAY``: one channel).
    size
        ``(height, width)`` in pixels, or None where the graph takes any size.
    multiple
        With any size: height and width must be multiples of this.
    mean, std
        One value per channel, in the graph's channel order, on the 0..255 scale.
    """

    layout: Layout
    color: Color
    size: tuple[int, int] | None
    multiple: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """One file of a model: where it comes from, and which bytes it must be.

    Attributes
    ----------
    name
        File name in the cache and in a mirror.
    source
        ``pypi:project/distribution-file!member``, ``git:owner/repo@commit/path``, ``url:https://...`` or
        ``file:/path``. Each further ``!`` names a member inside the zip before it.
    sha256, bytes
        Hash (hex) and size of the innermost member.
    input
        The picture that the graph takes, or None for raw tensors and for files that are no graph.
    graph
        For plain weights: the function ``"module:function"`` that draws their network, see `mien.runtime.graphs`.
    """

    name: str
    source: str
    sha256: str
    bytes: int
    input: ImageInput | None = None
    graph: str | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """All that the engine, the store and the license policy need to know about one model.

    Attributes
    ----------
    id, title
        Short name (``"edgeface-s"``) and a line for people.
    runner
        ``"module:Class"``; the class takes one `mien.runtime.bundle.Bundle`.
    gives, needs
        Names of fields or jobs.
    priority
        Of the models that give the same thing, the lowest that the license policy permits is the default.
    weights_license, license_source
        SPDX id (``LicenseRef-unknown`` where no clear grant was found) and where the weights' authors say so.
    data_terms, data_source
        Terms of what the model was trained on (``free``, ``research``, ``unknown``), and what that was.
    origin, paper
        The authors' own page, and their paper.
    space
        For embedders: the name of the space that its vectors live in.
    precision
        The lowest precision at which the results are still right.
    params
        Settings for the runner, in the runner's own terms.
    files
        The model's files by the name that the runner uses for them.
    """

    id: str
    title: str
    runner: str
    gives: tuple[str, ...]
    needs: tuple[str, ...]
    priority: int
    weights_license: str
    license_source: str
    data_terms: DataTerms
    data_source: str
    origin: str
    paper: str
    space: str | None
    precision: Precision
    params: Mapping[str, Any] = field(hash=False)
    files: Mapping[str, WeightFile] = field(hash=False)

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(file.bytes for file in self.files.values())

    def settings(self, cls: type[Settings]) -> Settings:
        """Read ``params`` as a dataclass of the runner's own, one of its fields for each param.

        Raises
        ------
        CardError
            One is missing that has no default, one is not a setting of the runner's, or a number is none.
        """
        known = {setting.name: setting for setting in fields(cls)}
        for name, value in self.params.items():
            if name not in known:
                raise CardError(f"the card of {self.id}: params.{name} is none of {', '.join(known)}.")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if known[name].type in ("float", "int") and not number:
                raise CardError(f"the card of {self.id}: params.{name} is a number, not {value!r}.")
        try:
            return cls(**self.params)
        except TypeError as error:
            missing = [name for name in known if name not in self.params and f"{name!r}" in str(error)]
            raise CardError(f"the card of {self.id} lacks params.{', params.'.join(missing)}.") from error

    @classmethod
    def from_toml(cls, text: str, path: str) -> Card:
        """Read a card.

        Parameters
        ----------
        text
            The TOML text.
        path
            Where it came from, for error messages.

        Raises
        ------
        CardError
            Not TOML, or a key that is missing, unknown or wrong; the message names file and key.
        """
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise CardError(f"{path}: not a TOML file: {error}.") from error
        table = _Table(values, path)
        card = cls(
            id=table.text("id", MODEL_ID),
            title=table.text("title"),
            runner=table.text("runner", _RUNNER),
            gives=table.names("gives"),
            needs=table.names("needs", default=()),
            priority=table.integer("priority", default=100),
            weights_license=table.text("weights_license", SPDX_ID),
            license_source=table.text("license_source"),
            data_terms=cast("DataTerms", table.choice("data_terms", get_args(DataTerms))),
            data_source=table.text("data_source"),
            origin=table.text("origin"),
            paper=table.text("paper", default=""),
            space=table.text("space", default="") or None,
            precision=cast("Precision", table.choice("precision", get_args(Precision), default="f32")),
            params=table.table("params", default={}).values,
            files={key: _weight_file(files) for key, files in table.tables("files").items()},
        )
        table.finish()
        return card

    def to_toml(self) -> str:
        """Write the card as TOML text that `from_toml` reads back to an equal card."""
        top = {key: getattr(self, key) for key in self.__dataclass_fields__ if key not in ("params", "files")}
        lines = [f"{key} = {_toml(value)}" for key, value in top.items() if value is not None]
        if self.params:
            lines += ["", "[params]", *(f"{_toml_key(key)} = {_toml(value)}" for key, value in self.params.items())]
        for key, file in self.files.items():
            values = {"source": file.source, "sha256": file.sha256, "bytes": file.bytes, "name": file.name}
            values |= {"graph": file.graph} if file.graph else {}
            lines += ["", f"[files.{_toml_key(key)}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
            if spec := file.input:
                wanted: dict[str, Any] = {"layout": spec.layout, "color": spec.color, "size": spec.size or "any"}
                wanted |= {"multiple": spec.multiple, "mean": spec.mean, "std": spec.std}
                lines += ["", f"[files.{_toml_key(key)}.input]"]
                lines += [f"{name} = {_toml(value)}" for name, value in wanted.items()]
        return "\n".join(lines) + "\n"


def _weight_file(table: _Table) -> WeightFile:
    text = table.text("source")
    try:
        source = Source.parse(text)
    except ValueError as error:
        table.refuse("source", str(error))
    file = WeightFile(
        source=text,
        sha256=table.text("sha256", _SHA256),
        bytes=table.integer("bytes", low=1),
        name=table.text("name", _FILE_NAME, default=source.file_name),
        graph=table.text("graph", _RUNNER) if table.has("graph") else None,
        input=_image_input(table.table("input")) if table.has("input") else None,
    )
    table.finish()
    return file


def _image_input(table: _Table) -> ImageInput:
    color = cast("Color", table.choice("color", get_args(Color), default="RGB"))
    channels = 1 if color == "GRAY" else 3
    result = ImageInput(
        layout=cast("Layout", table.choice("layout", get_args(Layout), default="NCHW")),
        color=color,
        size=table.size("size"),
        multiple=table.integer("multiple", default=1, low=1),
        mean=table.numbers("mean", channels, default=(0.0,) * channels),
        std=table.numbers("std", channels, default=(1.0,) * channels),
    )
    if 0.0 in result.std:
        table.refuse("std", "a zero")
    table.finish()
    return result


_REQUIRED: Any = object()


class _Table:
    """A TOML table that is read key by key, checks what it hands out, and refuses what nobody asked for."""

    def __init__(self, values: dict[str, Any], path: str, prefix: str = "") -> None:
        self.values = values
        self._left = dict(values)
        self._path = path
        self._prefix = prefix

    def has(self, key: str) -> bool:
        return key in self._left

    def refuse(self, key: str, why: str) -> NoReturn:
        raise CardError(f"{self._path}: key '{self._prefix}{key}': {why}.")

    def finish(self) -> None:
        for key in self._left:
            self.refuse(key, "unknown key")

    def _take(self, key: str, default: Any) -> Any:
        if key in self._left:
            return self._left.pop(key)
        if default is _REQUIRED:
            self.refuse(key, "missing")
        return default

    def text(self, key: str, pattern: re.Pattern[str] | None = None, default: str = _REQUIRED) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            self.refuse(key, f"must be text, not {value!r}")
        if default is _REQUIRED and not value:
            self.refuse(key, "must not be empty")
        if pattern and not pattern.fullmatch(value):
            self.refuse(key, f"{value!r} does not have the form {pattern.pattern}")
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str = _REQUIRED) -> str:
        value = self._take(key, default)
        if value not in allowed:
            self.refuse(key, f"must be one of {', '.join(allowed)}, not {value!r}")
        return cast("str", value)

    def integer(self, key: str, default: int = _REQUIRED, low: int = 0) -> int:
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            self.refuse(key, f"must be a whole number of at least {low}, not {value!r}")
        return value

    def names(self, key: str, default: tuple[str, ...] = _REQUIRED) -> tuple[str, ...]:
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) and _NAME.fullmatch(v) for v in value):
            self.refuse(key, f"must be a list of names, not {value!r}")
        return tuple(value)

    def numbers(self, key: str, count: int, default: tuple[float, ...]) -> tuple[float, ...]:
        value = self._take(key, default)
        kinds = isinstance(value, list | tuple) and all(type(v) in (int, float) for v in value)
        if not kinds or len(value) != count:
            self.refuse(key, f"must be a list of {count} numbers, not {value!r}")
        return tuple(float(v) for v in value)

    def size(self, key: str) -> tuple[int, int] | None:
        value = self._take(key, _REQUIRED)
        if value == "any":
            return None
        if not isinstance(value, list) or len(value) != 2 or not all(type(v) is int and v > 0 for v in value):
            self.refuse(key, f'must be [height, width] or "any", not {value!r}')
        return value[0], value[1]

    def table(self, key: str, default: dict[str, Any] = _REQUIRED) -> _Table:
        value = self._take(key, default)
        if not isinstance(value, dict):
            self.refuse(key, f"must be a table, not {value!r}")
        return _Table(value, self._path, f"{self._prefix}{key}.")

    def tables(self, key: str) -> dict[str, _Table]:
        """Return the sub-tables of a table, in order."""
        parent = self.table(key, default={})
        return {name: parent.table(name) for name in parent.values}


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _toml(value: Any) -> str:
    """Write one TOML value (the standard library reads TOML but does not write it)."""
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    raise TypeError(f"a card holds text, numbers, lists and tables, not {value!r}")
