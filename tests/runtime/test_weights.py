"""Weights of PyTorch: what is read, and what is refused without a trace."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from mien.core.errors import ModelError, UnsafeFile
from mien.runtime import weights
from mien.runtime.weights import read_state_dict
from tests.runtime.pickles import (
    KINDS,
    NAMED_STORAGE,
    REBUILD,
    TABLE,
    group,
    in_a_row,
    name,
    number,
    sizes,
    storage,
    table,
    tensor,
    text,
    whole,
    write_row,
    write_zip,
    zipped,
)

Write = Callable[..., Path]
WRITERS = [write_zip, write_row]

FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3) - 2.5
ONE = {"0": FLOATS.tobytes()}
PLAIN = tensor(storage(6), 0, (2, 3), (3, 1))


def read_program(path: Path, program: bytes) -> dict[str, Any]:
    """Read it in both formats, with the storage "0" of six floats; both must agree."""
    results: list[Any] = []
    for rows in (False, True):
        in_a_row(path, program, {"0": (6, ONE["0"])}) if rows else zipped(path, program, ONE)
        try:
            results.append(read_state_dict(path))
        except ModelError as error:
            results.append(error)
    first, second = results
    assert type(first) is type(second), results
    if isinstance(first, ModelError):
        raise first
    return dict(first)


# --- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", WRITERS)
def test_all_kinds_of_numbers(write: Write, tmp_path: Path) -> None:
    values = np.array([[0, 1, 1], [1, 0, 5]])
    wanted = {kind: values.astype(kind) for kind in KINDS if kind != "uint16"}
    halves = np.array([1.5, -3.0, 0.15625], np.float32)  # exact in bfloat16
    brain = (halves.view(np.uint32) >> 16).astype(np.uint16)
    found = read_state_dict(
        write(tmp_path / "w.pth", {**wanted, "brain": brain, "scalar": np.float32(2.5).reshape(())})
    )
    assert list(found) == [*wanted, "brain", "scalar"]
    for kind, array in wanted.items():
        np.testing.assert_array_equal(found[kind], array)
        assert found[kind].dtype == (np.float32 if kind.startswith("float") else np.int64)
        assert found[kind].flags.c_contiguous
        assert found[kind].flags.aligned
        assert found[kind].flags.owndata
    np.testing.assert_array_equal(found["brain"], halves)
    assert found["brain"].dtype == np.float32
    assert (found["scalar"].shape, float(found["scalar"])) == ((), 2.5)


@given(
    st.dictionaries(
        st.text(max_size=12),
        st.sampled_from(["float32", "float16", "int64", "uint8"]).flatmap(
            lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(WRITERS),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_what_is_written_comes_back(tmp_path: Path, wanted: dict[str, Any], write: Write) -> None:
    found = read_state_dict(write(tmp_path / "w.pth", wanted))
    assert list(found) == list(wanted)
    for key, array in wanted.items():
        assert found[key].shape == array.shape
        np.testing.assert_array_equal(found[key], array)


def test_views_of_a_storage(tmp_path: Path) -> None:
    entries = {
        "all": tensor(storage(6), 0, (2, 3), (3, 1)),
        "turned": tensor(storage(6), 0, (3, 2), (1, 3)),
        "second": tensor(storage(6), 3, (3,), (1,)),
        "every_other": tensor(storage(6), 1, (2,), (2,)),
    }
    found = read_program(tmp_path / "w.pth", whole(table(entries)))
    np.testing.assert_array_equal(found["all"], FLOATS)
    np.testing.assert_array_equal(found["turned"], FLOATS.T)
    np.testing.assert_array_equal(found["second"], FLOATS[1])
    np.testing.assert_array_equal(found["every_other"], FLOATS.ravel()[[1, 3]])
    found["all"][:] = 0  # each is its own
    np.testing.assert_array_equal(found["turned"], FLOATS.T)


@pytest.mark.parametrize("empty", [TABLE, b"}"])
def test_a_table_in_a_table(tmp_path: Path, empty: bytes) -> None:
    inner = table({"a": PLAIN}, empty)
    for program in (table({"model": inner}, empty), table({"x": table({"state_dict": inner}, empty)}, empty)):
        np.testing.assert_array_equal(read_program(tmp_path / "w.pth", whole(program))["a"], FLOATS)


def test_parameters_and_notes_on_versions(tmp_path: Path) -> None:
    parameter = name("torch._utils", "_rebuild_parameter") + group(PLAIN, b"\x88", TABLE) + b"R"
    notes = b"}(" + text("_metadata") + table({"": b"}" + text("version") + number(1) + b"s"}) + b"ub"
    found = read_program(tmp_path / "w.pth", whole(table({"a": parameter}) + notes))
    np.testing.assert_array_equal(found["a"], FLOATS)


# --- what is refused ------------------------------------------------------------------------------------------------


class Call:
    """Something that a pickle calls when it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.system, subprocess.check_output, builtins.eval, builtins.exec, os.mkdir])
def test_nothing_is_run(tmp_path: Path, protocol: int, function: Any) -> None:
    trace = tmp_path / "trace"
    argument = f"open({str(trace)!r}, 'w')" if function in (builtins.eval, builtins.exec) else f"touch {trace}"
    attack = pickle.dumps({"a": Call(function, str(trace) if function is os.mkdir else argument)}, protocol)
    path = tmp_path / "w.pth"
    bare = tmp_path / "bare.pth"
    bare.write_bytes(attack)
    with pytest.raises(ModelError, match=r"(refused|no file of PyTorch weights).*\.$"):
        read_state_dict(bare)
    with pytest.raises(ModelError, match=r"w\.pth .*\.$"):
        read_program(path, attack)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("copyreg", "_reconstructor"),
        ("copyreg", "add_extension"),
        ("collections", "OrderedDict.fromkeys"),
        ("collections", "defaultdict"),
        ("collections.OrderedDict", "fromkeys"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch._utils._rebuild_tensor_v2", "__globals__"),
        ("torch._utils", "_rebuild_device_tensor_from_numpy"),
        ("torch", "FloatStorage.__init__"),
        ("torch", "load"),
        ("torch", "UntypedStorage"),
        ("torch.storage", "_load_from_bytes"),
        ("torch", r"\x46loatStorage"),
        ("torch", r"\oStorage"),
        ("torch.nn.modules.linear", "Linear"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("_pickle", "loads"),
        ("", ""),
        ("mien.runtime.weights", "read_state_dict"),
    ],
)
def test_names_that_no_tensor_needs(tmp_path: Path, module: str, what: str) -> None:
    for naming in (name(module, what), text(module) + text(what) + b"\x93"):
        for program in (naming, table({"a": naming + b")R"}), table({"a": PLAIN}) + naming + b"0"):
            with pytest.raises(UnsafeFile, match="nothing was run"):
                read_program(tmp_path / "w.pth", whole(program))


SECOND = name("torch", "FloatStorage")
FRACTIONS = group(b"G" + bytes(8))
# Each pair holds the one before twice: 2^60 numbers, for whoever counts them.
PAIRS = b")q\x00" + b"h\x00h\x00\x86q\x00" * 60
HOSTILE = {
    "calls a table": b"})R",
    "calls a text": text("os.system") + b")R",
    "calls a storage's name": SECOND + b")R",
    "calls without a tuple": name("collections", "OrderedDict") + b"]R",
    "a table of what is given": name("collections", "OrderedDict") + group(b"]") + b"R",
    "an object of a class": name("collections", "OrderedDict") + b")\x81",
    "an object with keywords": name("collections", "OrderedDict") + b")}\x92",
    "an old instance": b"(icollections\nOrderedDict\n",
    "an old object": b"(" + name("collections", "OrderedDict") + b"o",
    "an extension": b"\x82\x01",
    "a text as a persistent id": b"P0\n",
    "a number as a persistent id": b"K\x01Q",
    "a storage that is a text": group(text("storage"), text("torch FloatStorage"), text("0"), text("cpu"), b"K\x06")
    + b"Q",
    "a storage that is a function": group(text("storage"), REBUILD, text("0"), text("cpu"), b"K\x06") + b"Q",
    "a storage with a view": group(*NAMED_STORAGE, b"K\x06", sizes((1, 2))) + b"Q",
    "a storage of a fraction": group(*NAMED_STORAGE, b"G?\xf8" + bytes(6)) + b"Q",
    "sets up a name": SECOND + b"}(" + text("__doc__") + text("x") + b"ub",
    "sets up a tensor": PLAIN + b"}(" + text("shape") + b")ub",
    "sets up a function's slots": REBUILD + b"N}(" + text("__defaults__") + b")u\x86b",
    "a tensor of a table": REBUILD + group(b"}", b"K\x00", b")", b")", b"\x89", TABLE) + b"R",
    "a tensor of too few": REBUILD + group(storage(6)) + b"R",
    "a tensor with hooks": REBUILD + group(storage(6), b"K\x00", b")", b")", b"\x89", b"N") + b"R",
    "a tensor of fractions": REBUILD
    + group(storage(6), b"K\x00", group(b"G" + bytes(8)), sizes((1,)), b"\x89", TABLE)
    + b"R",
    "a conjugated tensor": REBUILD + group(storage(6), b"K\x00", b")", b")", b"\x89", TABLE, b"}") + b"R",
    "a parameter of a text": name("torch._utils", "_rebuild_parameter") + group(text("x"), b"\x88", TABLE) + b"R",
    "appends to a table": b"}K\x01a",
    "sets items of a list": b"]" + text("a") + b"K\x01s",
    "a key that is no text": b"}K\x01K\x02s",
    "a key that takes forever to hash": b"}" + PAIRS + b"K\x01s",
    "an endless storage": PAIRS + b"Q",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_pytorch_would_not_write(tmp_path: Path, what: str) -> None:
    for program in (HOSTILE[what], table({"a": HOSTILE[what]})):
        with pytest.raises(UnsafeFile, match=r"w\.pth is refused: .*\.$"):
            read_program(tmp_path / "w.pth", whole(program))


NONE_OF_OURS = {
    "nothing": b"N",
    "an empty table": TABLE,
    "a table of an empty table": table({"model": TABLE}),
    "a number": table({"a": PLAIN, "epoch": number(3)}),
    "a list": table({"a": b"]"}),
    "two tables": table({"model": table({"a": PLAIN}), "best": table({"a": PLAIN})}),
    "a table in itself": b"}q\x00(" + text("model") + b"h\x00u",
    "nested deeper than any": (b"}" + text("model")) * 9 + table({"a": PLAIN}) + b"s" * 9,
    "endless pairs": table({"a": PAIRS}),
    "endless pairs alone": PAIRS,
    "recalls what is not there": b"h\x07",
    "takes from nothing": b"s",
    "a group without a mark": b"u",
    "a mark instead of a tensor": b"}" + text("a") + b"(s",
    "a key without a value": b"}(" + text("a") + b"u",
    "bytes": b"C\x01a",
}


@pytest.mark.parametrize("what", NONE_OF_OURS)
def test_what_is_no_table_of_tensors(tmp_path: Path, what: str) -> None:
    with pytest.raises(ModelError, match=r"w\.pth .*\.$"):
        read_program(tmp_path / "w.pth", whole(NONE_OF_OURS[what]))


def test_memory_in_far_places(tmp_path: Path) -> None:
    """The standard library's reader would set up a table of 2^31 places."""
    far = b"r" + struct.pack("<I", 2**31 - 1)
    found = read_program(tmp_path / "w.pth", whole(table({"a": PLAIN + far, "b": b"j" + far[1:]})))
    np.testing.assert_array_equal(found["b"], FLOATS)


def test_a_hundred_thousand_lists_in_lists(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        read_program(tmp_path / "w.pth", whole(b"]" * 100_000 + b"a" * 99_999))


def test_too_many_instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.runtime.pickled._INSTRUCTIONS", 1000)
    with pytest.raises(ModelError, match="more than 1000 instructions"):
        read_program(tmp_path / "w.pth", whole(b"]" * 2000))


LARGE = 2**40
SIZES = {
    "beyond": (storage(6), 0, (7,), (1,)),
    "beyond by its strides": (storage(6), 0, (2, 3), (4, 1)),
    "beyond by its offset": (storage(6), 4, (3,), (1,)),
    "before": (storage(6), -1, (3,), (1,)),
    "backwards": (storage(6), 2, (3,), (-1,)),
    "a negative size": (storage(6), 0, (-3,), (1,)),
    "a huge size": (storage(6), 0, (LARGE,), (1,)),
    "a huge size of one value": (storage(6), 0, (LARGE,), (0,)),
    "many sizes of one value": (storage(6), 0, (100,) * 4, (0,) * 4),
    "a huge size of none": (storage(6), 0, (0, LARGE), (1, 1)),
    "many sizes of none": (storage(6), 0, (0, *(200,) * 6), (0,) * 7),
    "more axes than any": (storage(6), 0, (1,) * 100, (1,) * 100),
    "more sizes than strides": (storage(6), 0, (2, 3), (1,)),
    "a storage said to be larger": (storage(LARGE), 0, (6,), (1,)),
    "a storage said to be smaller": (storage(5), 0, (5,), (1,)),
    "a storage of another kind": (storage(6, kind="DoubleStorage"), 0, (2, 3), (3, 1)),
    "a negative storage": (storage(-6), 0, (1,), (1,)),
}


@pytest.mark.parametrize("what", SIZES)
def test_sizes_that_do_not_agree(tmp_path: Path, what: str) -> None:
    program = whole(table({"a": PLAIN, "b": tensor(*SIZES[what])}))
    with pytest.raises(ModelError, match=r"w\.pth .*\.$"):
        read_state_dict(zipped(tmp_path / "w.pth", program, ONE))
    with pytest.raises(ModelError, match=r"w\.pth .*\.$"):
        read_state_dict(in_a_row(tmp_path / "w.pth", program, {"0": (6, ONE["0"])}))


def test_one_storage_many_times(tmp_path: Path) -> None:
    """A megabyte of numbers, named a thousand times, would be a gigabyte."""
    count = 1 << 18
    entries = {str(index): tensor(storage(count), 0, (count,), (1,)) for index in range(1000)}
    path = zipped(tmp_path / "w.pth", whole(table(entries)), {"0": bytes(4 * count)})
    with pytest.raises(UnsafeFile, match="more values than it has bytes"):
        read_state_dict(path)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"compression": zipfile.ZIP_DEFLATED}, "compressed"),
        ({"byteorder": "big"}, "big endian"),
        ({"inner/data.pkl": "x"}, "several"),
    ],
)
def test_zips_that_pytorch_would_not_write(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_state_dict(zipped(tmp_path / "w.pth", whole(table({"a": PLAIN})), ONE, **more))


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with pytest.raises(ModelError, match=r"w\.pth cannot be read: No such file"):
        read_state_dict(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match=r"no data\.pkl"):
        read_state_dict(path)
    for content in (b"", b"PK", b"PK\x03\x04" + bytes(100), b"\x80", b"\x80\x02}.", b"hello", bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"w\.pth is no file of PyTorch weights, or a broken one: .*\.$"):
            read_state_dict(path)


def test_members_that_lie_in_one_place(tmp_path: Path) -> None:
    """A directory of a zip may name the same bytes many times."""
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", whole(table({"a": PLAIN})))
        archive.writestr("archive/data/0", bytes(4000))
        info = archive.getinfo("archive/data/0")
        for _ in range(100):
            archive.filelist.append(info)
    with pytest.raises(ModelError, match=r"members are larger than itself|broken zip"):
        read_state_dict(path)


def test_older_files_that_do_not_agree(tmp_path: Path) -> None:
    program, path = whole(table({"a": PLAIN})), tmp_path / "w.pth"
    with pytest.raises(ModelError, match="big endian"):
        read_state_dict(in_a_row(path, program, {"0": (6, ONE["0"])}, little=False))
    for blocks in ({}, {"7": (6, ONE["0"])}, {"0": (7, ONE["0"])}, {"0": (-6, ONE["0"])}, {"0": (2**62, ONE["0"])}):
        with pytest.raises(ModelError):
            read_state_dict(in_a_row(path, program, blocks))


def test_larger_than_weights_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_FILE_LIMIT", 100)
    with pytest.raises(UnsafeFile, match="larger than the 100 bytes"):
        read_state_dict(write_zip(tmp_path / "w.pth", {"a": FLOATS}))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    arrays = {"a": FLOATS, "b.weight": np.arange(4), "c": np.float16([1, 2])}
    return {write.__name__: write(folder / "w.pth", arrays).read_bytes() for write in WRITERS}


@pytest.mark.parametrize("write", WRITERS)
def test_no_part_of_a_file_is_a_file(good: dict[str, bytes], tmp_path: Path, write: Write) -> None:
    content, path = good[write.__name__], tmp_path / "w.pth"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError):
            read_state_dict(path)


@pytest.mark.parametrize("write", WRITERS)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
def test_damage_gives_an_answer_or_our_error(
    good: dict[str, bytes], tmp_path: Path, write: Write, data: st.DataObject
) -> None:
    content, path = bytearray(good[write.__name__]), tmp_path / "w.pth"
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        found = read_state_dict(path)
    except ModelError as error:
        found = {}
        message = str(error)
    else:
        message = "none."
    assert message.endswith(".")
    assert "\n" not in message
    assert all(array.dtype in (np.float32, np.int64) for array in found.values())


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_program(tmp_path: Path, program: bytes) -> None:
    path = zipped(tmp_path / "w.pth", b"\x80\x02" + program, ONE)
    with pytest.raises(ModelError):
        read_state_dict(path)


PIECES = [*b"(.)}]usteaRQbN2\x85\x86\x87\x88\x93\x94\x81"]
WORDS = [bytes([piece]) for piece in PIECES] + [
    b"q\x00",
    b"h\x00",
    b"K\x02",
    text("a"),
    TABLE,
    PLAIN,
    REBUILD,
    storage(6),
]


@pytest.mark.full
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(b"".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=500)
def test_any_instructions(tmp_path: Path, program: bytes) -> None:
    path = zipped(tmp_path / "w.pth", whole(program), ONE)
    try:
        found = read_state_dict(path)
    except ModelError:
        found = {}
    for array in found.values():
        np.testing.assert_array_equal(array, FLOATS)


# --- PyTorch itself, where it is installed --------------------------------------------------------------------------


@pytest.mark.parametrize("zip_format", [True, False])
def test_files_of_pytorch_itself(tmp_path: Path, zip_format: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.Linear(4, 2))
    state = net.state_dict()
    for kind in ("half", "bfloat16", "double", "int", "bool"):
        state[kind] = getattr(torch.randn(3, 4), kind)()
    state["turned"] = torch.randn(3, 4).t()
    state["part"] = torch.randn(10)[3:7]
    state["same"] = state["0.weight"]
    state["parameter"] = torch.nn.Parameter(torch.randn(2))
    for saved in (state, {"model": state}, OrderedDict(state_dict=dict(state))):
        torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=zip_format)
        found = read_state_dict(tmp_path / "w.pth")
        assert list(found) == list(state)
        for key, value in state.items():
            wanted = value.detach().to(torch.float32 if value.is_floating_point() else torch.int64).numpy()
            np.testing.assert_array_equal(found[key], wanted)
    torch.save({"model": state, "net": net}, tmp_path / "w.pth", _use_new_zipfile_serialization=zip_format)
    with pytest.raises(UnsafeFile, match=r"torch\.nn\.modules"):
        read_state_dict(tmp_path / "w.pth")
