"""Pickles that hold tensors, read by a machine that can do nothing else.

A pickle is a program for a small stack machine. Python's own reader imports what the program names and calls it, which
is how a file of weights runs a stranger's code. This one interprets the instructions that state dicts consist of: they
stack numbers, texts, lists and tables. The few names that a tensor needs become `Name`, which is a text and no object
of Python; to "call" one is to write down what was asked for. Every other name and instruction is refused.

The standard library's ``pickletools`` tells where each instruction ends; the meaning of PyTorch's persistent ids and
rebuild functions is that of ``torch/serialization.py`` and ``torch/_utils.py``. PyTorch writes protocol 2 and higher.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from mien.core.errors import UnsafeFile

__all__ = ["BFLOAT16", "PickleError", "Storage", "Tensor", "read_pickle"]

#: Stands for bfloat16, the upper half of a float32, which numpy lacks; no other kind of storage has this type.
BFLOAT16 = np.dtype("<u2")

_DTYPES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch DoubleStorage": np.dtype("<f8"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": BFLOAT16,
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
    "torch BoolStorage": np.dtype("u1"),
}
# A network of a thousand tensors takes 60 thousand instructions.
_INSTRUCTIONS = 2_000_000


def _two_lines(stream: IO[bytes]) -> str:
    """Read the module and the name of a global, as they stand: ``pickletools`` would look for backslashes."""
    lines = stream.readline(), stream.readline()
    if not all(line.endswith(b"\n") for line in lines):
        raise ValueError
    return " ".join(line[:-1].decode("ascii") for line in lines)


# All instructions of pickles by their byte, and how the argument is read of those that have one.
_CODES = {code.code.encode("latin-1"): code for code in pickletools.opcodes}
_READ = {code.name: code.arg.reader for code in pickletools.opcodes if code.arg} | {"GLOBAL": _two_lines}


class PickleError(ValueError):
    """Bytes that are no pickle of tensors. Its text is a clause, for the caller's own error to hold."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A block of numbers that lies elsewhere in the file: `count` values of `dtype`, under `key`."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; offset and strides count values. Nothing of it has been checked but the types."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A permitted name, ``"module name"``."""

    text: str


class _Mark:
    """Where a group of values begins on the stack."""


_MARK = _Mark()


def read_pickle(stream: IO[bytes], *, with_bytes: bool = False) -> Any:
    """Read one pickle; the stream stands behind it afterwards.

    Parameters
    ----------
    stream : binary file
    with_bytes : bool
        Permit bytes, which no state dict holds but lists of packed pictures do. The strings of Python 2 become bytes.

    Returns
    -------
    object
        Made of dict (with texts as keys), list, tuple, str, int, float, bool, None, `Storage` and `Tensor`. It may
        contain itself.

    Raises
    ------
    UnsafeFile
        It names something that no tensor needs, or does something else than to build tables of tensors.
    PickleError
        It is no pickle, or a broken one.
    """
    machine, do = _Machine(), _DO | _DO_BYTES if with_bytes else _DO
    for count in range(_INSTRUCTIONS):
        code = _CODES.get(stream.read(1))
        if code is None or (count == 0 and code.name != "PROTO"):
            raise PickleError("it is no pickle, or ends too early")
        if code.name == "STOP":
            return machine.pop()
        if code.name not in do:
            raise UnsafeFile(f"it holds the pickle instruction {code.name}, which no table of tensors needs.")
        try:
            value = _READ[code.name](stream) if code.name in _READ else None
        except ValueError as error:
            raise PickleError("it ends in the middle of an instruction") from error
        do[code.name](machine, value)
    raise PickleError(f"it has more than {_INSTRUCTIONS} instructions")


class _Machine:
    """Stack and memory of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise PickleError("it takes from an empty stack")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """The value on top, which stays there and must be of a kind."""
        if not self.stack or type(self.stack[-1]) is not kind:
            raise UnsafeFile(f"it fills something else than a {kind.__name__}.")
        return self.stack[-1]

    def group(self) -> list[Any]:
        """Take all values down to the last mark, and the mark."""
        values = []
        while (value := self.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def several(self, count: int) -> tuple[Any, ...]:
        return tuple([self.pop() for _ in range(count)][::-1])

    def append(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        table = self.top(dict)
        if len(values) % 2:
            raise PickleError("a table has a key without a value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) is not str:  # to hash another key could take forever
                raise UnsafeFile("a table has a key that is no text.")
            table[key] = value

    def put(self, index: int | None) -> None:
        if not self.stack:
            raise PickleError("it keeps what is not there")
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise PickleError("it recalls what it never kept")
        self.push(self.memo[index])

    def name(self, text: str) -> None:
        if text not in _DTYPES and text not in _CALLS:
            raise UnsafeFile(f"it asks for {text.replace(' ', '.')[:80]!r}, which no tensor needs; nothing was run.")
        self.push(Name(text))

    def named(self) -> None:
        module, name = self.several(2)
        if type(module) is not str or type(name) is not str:
            raise UnsafeFile("it names something by what is no text.")
        self.name(f"{module} {name}")

    def persistent(self) -> None:
        match self.pop():
            case ("storage", Name() as kind, str(key), str(), int(count), *rest) if rest in ([], [None]):
                if kind.text in _DTYPES:
                    self.push(Storage(key, _DTYPES[kind.text], count))
                    return
        raise UnsafeFile("it refers to something outside that is no storage of numbers.")

    def call(self) -> None:
        name, arguments = self.several(2)
        if not isinstance(name, Name) or name.text not in _CALLS or type(arguments) is not tuple:
            raise UnsafeFile("it calls something that makes no tensor.")
        self.push(_CALLS[name.text](arguments))

    def build(self) -> None:
        self.pop()  # what PyTorch notes about the versions of modules
        self.top(dict)


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[str, Any]:
    if arguments:
        raise UnsafeFile("it makes a table in a way that PyTorch does not.")
    return {}


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    match arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), dict(), *rest) if all(
            type(size) is int for size in (*shape, *strides)
        ) and rest in ([], [None]):
            return Tensor(storage, offset, shape, strides)
    raise UnsafeFile("it makes a tensor in a way that PyTorch does not.")


def _parameter(arguments: tuple[Any, ...]) -> Tensor:
    match arguments:
        case (Tensor() as tensor, bool(), dict()):
            return tensor
    raise UnsafeFile("it makes a parameter out of what is no tensor.")


_CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}

_DO: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE"), _Machine.push),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "PROTO": lambda *_: None,
    "FRAME": lambda *_: None,
    "MARK": lambda machine, _: machine.push(_MARK),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.group())),
    "TUPLE1": lambda machine, _: machine.push(machine.several(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.several(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.several(3)),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.group()),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.several(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.group()),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": lambda machine, _: machine.named(),
    "BINPERSID": lambda machine, _: machine.persistent(),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}

_DO_BYTES: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"), _Machine.push),
    # `pickletools` reads the strings of Python 2 as Latin-1, byte by byte.
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), lambda machine, value: machine.push(value.encode("latin-1"))),
}
