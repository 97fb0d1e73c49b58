"""MATLAB files: numbers as another writer wrote them, and what is broken, hostile or none of our business."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from mien.core.errors import InputError
from mien.datasets.readers.matlab import read_arrays
from tests.shared import DATA

ARRAYS: dict[str, Any] = {
    "a": np.arange(12.0).reshape(3, 4),
    "bytes": np.array([[1, 255]], np.uint8),
    "small": np.array([[1, -2]], np.int16),
    "single": np.float32([[0.5], [1.5]]),
    "cube": np.arange(24.0).reshape(2, 3, 4),
    "nothing": np.zeros((0, 3)),
}


def packed(compress: bool, **changes: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {**ARRAYS, **changes}, do_compression=compress)
    return buffer.getvalue()


@pytest.mark.parametrize("compress", [False, True])
def test_arrays_as_written(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(packed(compress))
    found = read_arrays(path, ARRAYS)
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float64
    assert set(read_arrays(path, ["cube", "absent"])) == {"cube"}


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_no_array_of_numbers_is_left_out(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "a.mat"
    others = {"text": "hello", "struct": {"x": 1.0}, "cell": np.array([[1, "a"]], object), "complex": np.array([1j])}
    path.write_bytes(packed(compress, **others))
    assert set(read_arrays(path, {**ARRAYS, **others})) == set(ARRAYS)


@pytest.mark.data
def test_real_files_as_another_reader_has_them() -> None:
    for path in sorted((DATA / "pose").glob("*.mat")):
        theirs = loadmat(path)
        found = read_arrays(path, theirs)
        assert {"Pose_Para", "pt3d_68", "pt2d"} <= set(found)
        for name, array in found.items():
            np.testing.assert_array_equal(array, theirs[name])


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    for data in (b"", b"hello", b"MATLAB 5.0 MAT-file" + bytes(200), b"\x89HDF\r\n\x1a\n" + bytes(600)):
        path.write_bytes(data)
        with pytest.raises(InputError, match="version 5"):
            read_arrays(path, ["a"])
    with pytest.raises(InputError, match="cannot be read"):
        read_arrays(tmp_path / "missing.mat", ["a"])
    path.write_bytes(bytes(1001))
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        read_arrays(path, ["a"], limit=1000)


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path: Path) -> None:
    path, bomb = tmp_path / "a.mat", zlib.compress(bytes(1 << 24), 9)
    path.write_bytes(packed(True)[:128] + struct.pack("<II", 15, len(bomb)) + bomb)
    assert path.stat().st_size < 1 << 15
    with pytest.raises(InputError, match="unpacks"):
        read_arrays(path, ["a"])


def test_shapes_and_sizes_that_lie(tmp_path: Path) -> None:
    path, raw = tmp_path / "a.mat", bytearray(packed(False))
    at = raw.index(struct.pack("<ii", 3, 4))
    for shape in ((1 << 30, 1 << 30), (-3, -4), (3, 5)):
        raw[at : at + 8] = struct.pack("<ii", *shape)
        path.write_bytes(raw)
        with pytest.raises(InputError, match="broken"):
            read_arrays(path, ["a"])
    path.write_bytes(packed(False)[:-5])
    with pytest.raises(InputError, match="broken"):
        read_arrays(path, ["a"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(packed(data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mat"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    with contextlib.suppress(InputError):
        assert all(array.dtype == np.float64 for array in read_arrays(path, ARRAYS).values())
