"""Pair files as their sets publish them, and what is no such file."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError, MienError, ShapeMismatch, SourceError, UnsafeFile, UsageError
from mien.datasets.readers.bins import read_bin
from mien.datasets.readers.calfw import read_calfw
from mien.datasets.readers.cfp import read_cfp
from mien.datasets.readers.groups_csv import groups_of, read_groups
from mien.datasets.readers.lfw import read_lfw
from mien.datasets.readers.pairs import Pairs
from mien.evaluation.pairs import read_pairs

fuzz = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def named(pairs: Pairs) -> list[tuple[str, str]]:
    paths = [Path(str(picture)).name for picture in pairs.pictures]
    return [(paths[one], paths[two]) for one, two in zip(pairs.first, pairs.second, strict=True)]


# -- LFW: README, 3c ---------------------------------------------------------------------------------------------------


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    for name in ("Abel_Pacheco", "Akhmed_Zakayev", "Slobodan_Milosevic"):
        touch(tmp_path, *(f"{name}/{name}_{number:04d}.jpg" for number in range(1, 5)))
    return tmp_path


def test_lfw_view_two_has_folds(lfw: Path) -> None:
    file = lfw / "pairs.txt"
    lines = ["Abel_Pacheco\t1\t4", "Abel_Pacheco\t1\tAkhmed_Zakayev\t3"]
    lines += ["Akhmed_Zakayev\t1\t3", "Akhmed_Zakayev\t2\tSlobodan_Milosevic\t1"]
    file.write_text("2\t1\n" + "\n".join(lines) + "\n")
    pairs = read_pairs(file)
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 0, 1, 1]
    assert named(pairs)[1] == ("Abel_Pacheco_0001.jpg", "Akhmed_Zakayev_0003.jpg")
    assert (pairs.aligned, pairs.named) == (False, True)


def test_lfw_view_one_has_none(lfw: Path) -> None:
    file = lfw / "pairsDevTest.txt"
    file.write_text("1\nAbel_Pacheco 1 4\nAbel_Pacheco 1 Akhmed_Zakayev 3\n")
    pairs = read_lfw(file)
    assert (len(pairs.first), pairs.folds) == (2, None)
    assert len(read_pairs(file, pictures=lfw).pictures) == 3


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("10\t300\nAbel_Pacheco 1 4\n", InputError, "promises 10 x 300 pairs .* and has 1 in all"),
        ("Abel_Pacheco 1 9\n", SourceError, r"Abel_Pacheco_0009\.jpg, which is not there"),
        ("Abel_Pacheco 1 ²\n", UsageError, "line 1"),
        ("Abel_Pacheco 1 4\nAbel_Pacheco 1\n", UsageError, "line 2"),
        ("Abel_Pacheco 1 99999999999999\n", UsageError, "line 1"),
        ("../../etc 1 2\n", InputError, "no file in the folder"),
        ("/etc 1 2\n", InputError, "no file in the folder"),
        (f"{'x' * 5000} 1 2\n", SourceError, "not there"),
    ],
)
def test_lfw_files_that_are_wrong(lfw: Path, text: str, error: type[MienError], match: str) -> None:
    file = lfw / "pairs.txt"
    file.write_text(text)
    with pytest.raises(error, match=match):
        read_lfw(file)


# -- CALFW and CPLFW ---------------------------------------------------------------------------------------------------


def test_calfw_marks_are_folds_of_the_pairs_of_one_person(tmp_path: Path) -> None:
    names = [f"Carl_Reiner_{n:04d}.jpg" for n in range(1, 5)] + [f"Ian_Smith_{n:04d}.jpg" for n in range(1, 5)]
    touch(tmp_path / "aligned images", *names)
    file = tmp_path / "pairs_CALFW.txt"
    same = [(names[0], names[1], 1), (names[2], names[3], 10)]
    other = [(names[0], names[4], 0), (names[1], names[5], 0)]
    file.write_text("".join(f"{a} {mark}\n{b} {mark}\n" for a, b, mark in same + other))
    pairs = read_pairs(file)
    assert pairs.same.tolist() == [True, True, False, False]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 9, 0, 5], "pairs of two people are dealt in the order in which they stand"


def test_cplfw_has_marks_without_folds(tmp_path: Path) -> None:
    names = ["AJ_Cook_1.jpg", "AJ_Cook_2.jpg", "Aaron_Eckhart_1.jpg"]
    touch(tmp_path / "images", *names)
    file = tmp_path / "pairs_CPLFW.txt"
    blocks = [f"{names[0]} 1\n{names[1]} 1\n"] * 20 + [f"{names[0]} 0\n{names[2]} 0\n"] * 20
    file.write_text("".join(blocks))
    pairs = read_pairs(file)
    assert pairs.folds is not None
    assert np.bincount(pairs.folds[pairs.same]).tolist() == [2] * 10
    assert np.bincount(pairs.folds[~pairs.same]).tolist() == [2] * 10
    assert pairs.people == ("AJ_Cook", "AJ_Cook", "Aaron_Eckhart")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a_1.jpg 1\n", "middle of a pair"),
        ("a_1.jpg 1\na_2.jpg 0\n", "line 1: the marks"),
        ("a_1.jpg 0\na_2.jpg 0\n", "line 1: the marks"),
        ("a_1.jpg 1\nb_1.jpg 1\n", "line 1: the marks"),
        ("a_1.jpg 1\na_2.jpg 1\na_1.jpg 11\na_2.jpg 11\n", "line 3"),
        ("a.jpg 1\na.jpg 1\n", "line 1"),
    ],
)
def test_calfw_files_that_are_wrong(tmp_path: Path, text: str, match: str) -> None:
    touch(tmp_path, "a_1.jpg", "a_2.jpg", "b_1.jpg", "a.jpg")
    file = tmp_path / "pairs_CALFW.txt"
    file.write_text(text)
    with pytest.raises(InputError, match=match):
        read_calfw(file)


# -- CFP: Readme -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cfp(tmp_path: Path) -> Path:
    """Two people with two frontal pictures and a profile each, two folds."""
    frontal = [f"Data/Images/{who}/frontal/{n}.jpg" for who in ("001", "002") for n in ("01", "02")]
    profile = [f"Data/Images/{who}/profile/01.jpg" for who in ("001", "002")]
    touch(tmp_path, *frontal, *profile)
    protocol = tmp_path / "Protocol"
    for name, pictures in (("Pair_list_F.txt", frontal), ("Pair_list_P.txt", profile)):
        protocol.mkdir(exist_ok=True)
        (protocol / name).write_text("".join(f"{n} ../{path}\n" for n, path in enumerate(pictures, start=1)))
    for kind, same, diff in (("FP", "1,1\n2,1", "1,2\n4,1"), ("FF", "1,2\n3,4", "1,3\n2,4")):
        for fold in ("01", "02"):
            folder = protocol / "Split" / kind / fold
            folder.mkdir(parents=True)
            (folder / "same.txt").write_text(same)
            (folder / "diff.txt").write_text(diff)
    return tmp_path


@pytest.mark.parametrize("kind", ["FP", "FF"])
def test_cfp(cfp: Path, kind: str) -> None:
    pairs = read_pairs(cfp / "Protocol" / "Split" / kind)
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0] * 4 + [1] * 4
    sides = {Path(str(pairs.pictures[row])).parent.name for row in pairs.second}
    assert sides == ({"profile"} if kind == "FP" else {"frontal"})


def test_cfp_with_its_lists_in_split(cfp: Path) -> None:
    for name in ("Pair_list_F.txt", "Pair_list_P.txt"):
        (cfp / "Protocol" / name).rename(cfp / "Protocol" / "Split" / name)
    assert len(read_cfp(cfp / "Protocol" / "Split" / "FP", pictures=cfp).first) == 8


@pytest.mark.parametrize(
    ("file", "text", "match"),
    [
        ("Split/FP/01/same.txt", "1,2\n", "the pair is of 001 and 002"),
        ("Split/FP/01/same.txt", "1 1\n", "line 1: the numbers of two pictures"),
        ("Split/FP/01/diff.txt", "1,7\n", "line 1: the numbers of two pictures"),
        ("Pair_list_F.txt", "one ../Data/Images/001/frontal/01.jpg\n", "line 1"),
        ("Pair_list_P.txt", "1 01.jpg\n", "line 1"),
    ],
)
def test_cfp_files_that_are_wrong(cfp: Path, file: str, text: str, match: str) -> None:
    (cfp / "Protocol" / file).write_text(text)
    with pytest.raises(InputError, match=match):
        read_cfp(cfp / "Protocol" / "Split" / "FP")


def test_cfp_folders_that_are_wrong(cfp: Path) -> None:
    with pytest.raises(UsageError, match="Split/FP"):
        read_cfp(cfp / "Protocol" / "Split")
    (cfp / "Protocol" / "Pair_list_F.txt").write_text("1 ../../../etc/passwd/x\n2 ../Data/Images/001/frontal/02.jpg\n")
    with pytest.raises(InputError):
        read_cfp(cfp / "Protocol" / "Split" / "FP")


# -- packed pictures ---------------------------------------------------------------------------------------------------

PACKED: tuple[list[bytes], list[bool]] = ([b"one", b"two", b"three", b"four"], [True, False])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_packed_pairs(tmp_path: Path, protocol: int) -> None:
    if protocol == 2:  # Python 3 writes bytes as a call there; Python 2 wrote its strings
        data = b"\x80\x02]q\x00(U\x03oneU\x03twoU\x05threeT\x04\x00\x00\x00foure]q\x01(\x88\x89e\x86."
    else:
        data = pickle.dumps(PACKED, protocol=protocol)
    file = tmp_path / "lfw.bin"
    file.write_bytes(data)
    pairs = read_pairs(file)
    assert pairs.pictures == tuple(PACKED[0])
    assert pairs.same.tolist() == PACKED[1]
    assert (pairs.aligned, pairs.named, pairs.folds) == (True, False, None)


def test_packed_pairs_are_in_ten_folds(tmp_path: Path) -> None:
    file = tmp_path / "agedb_30.bin"
    file.write_bytes(pickle.dumps(([b"x"] * 80, [True, False] * 20), protocol=4))
    pairs = read_bin(file)
    assert pairs.folds is not None
    assert np.bincount(pairs.folds).tolist() == [4] * 10
    assert len(set(pairs.people)) == 20 + 40


class Evil:
    def __reduce__(self) -> Any:
        return print, ("run",)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (Evil(), UnsafeFile),
        ([[Evil()], [True]], UnsafeFile),
        (np.zeros(3), UnsafeFile),
        (([b"x"], [True]), InputError),
        (([], []), InputError),
        (([b"x", "y"], [True]), InputError),
        (([b"x", b"y"], [2]), InputError),
        (([b"x", b"y"], [1.5]), InputError),
        (7, InputError),
    ],
)
def test_packed_files_that_are_wrong(tmp_path: Path, capsys: Any, content: Any, error: type[MienError]) -> None:
    file = tmp_path / "lfw.bin"
    file.write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(error):
        read_bin(file)
    assert capsys.readouterr().out == ""


def test_a_packed_file_that_is_cut(tmp_path: Path) -> None:
    file, data = tmp_path / "lfw.bin", pickle.dumps(PACKED, protocol=4)
    for end in range(len(data)):
        file.write_bytes(data[:end])
        with pytest.raises(MienError):
            read_bin(file)


# -- any bytes ---------------------------------------------------------------------------------------------------------


@fuzz
@given(data=st.binary(max_size=120))
@pytest.mark.parametrize("read", [read_lfw, read_calfw, read_bin, read_groups], ids=lambda read: read.__name__)
def test_any_bytes_are_pairs_or_a_clear_error(tmp_path: Path, read: Callable[[Path], Any], data: bytes) -> None:
    file = tmp_path / "pairs.any"
    file.write_bytes(data)
    try:
        read(file)
    except MienError as error:
        assert str(error).endswith(".")  # noqa: PT017 # reading may also succeed


@fuzz
@given(st.lists(st.text("a_1.jpg 0\t\n2./\\", max_size=12), max_size=6))
def test_any_lines_are_pairs_or_a_clear_error(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("\n".join(lines))
    touch(tmp_path, "a_1.jpg", "a_2.jpg", "a/a_0001.jpg")
    try:
        pairs = read_pairs(file)
    except MienError:
        return
    assert len(pairs.first) == len(pairs.second)


def test_missing_and_huge_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for read in (read_lfw, read_calfw, read_bin, read_groups):
        with pytest.raises(SourceError):
            read(tmp_path / "none")
    file = tmp_path / "pairs.txt"
    file.write_text("x" * 100)
    monkeypatch.setattr("mien.datasets.readers.lfw.LARGEST", 50)
    with pytest.raises(InputError, match="too large"):
        read_lfw(file)


def test_pairs_that_do_not_fit() -> None:
    with pytest.raises(ShapeMismatch):
        Pairs((Path("a"),), ("a",), np.array([0]), np.array([1]))
    with pytest.raises(ShapeMismatch):
        Pairs((Path("a"),), (), np.array([0]), np.array([0]))


# -- groups ------------------------------------------------------------------------------------------------------------


def test_groups_by_picture_and_by_folder(tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    file.write_text('group,file,note\nold,Ada,\nyoung,Ada/1.jpg,x\n"m, f",Bob\\2.jpg,\n')
    groups = read_groups(file)
    pictures = [Path("/data/Ada/1.jpg"), Path("/data/Ada/2.jpg"), Path("/data/Bob/2.jpg"), Path("/data/Cy/2.jpg"), b"x"]
    assert groups_of(pictures, groups) == ["young", "old", "m, f", "", ""]


@pytest.mark.parametrize("text", ["", "file\na\n", "file,group\na,\n", "file,group\na,x\na,y\n", 'file,group\n"a,x\n'])
def test_groups_that_are_wrong(tmp_path: Path, text: str) -> None:
    file = tmp_path / "groups.csv"
    file.write_text(text)
    with pytest.raises(InputError):
        read_groups(file)
