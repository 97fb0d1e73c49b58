"""The folder of compiled networks: what is kept, what goes first, and what a failure leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.runtime import cache as subject
from mien.runtime.cache import CompileCache


def _age(folder: Path, seconds: int) -> None:
    """Make everything in a folder so much older."""
    for path in folder.iterdir():
        before = path.stat().st_mtime - seconds
        os.utime(path, (before, before))


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_BYTES_KEPT", 3 * (1000 + 32))
    kept = CompileCache(tmp_path)
    (tmp_path / "notes.txt").write_bytes(bytes(9000))  # somebody's own, and older than all
    for key in "abc":
        kept.put([key], bytes(1000))
        _age(tmp_path, 60)
    assert kept.get(["a"]) == bytes(1000)  # used, and with that the newest
    kept.put(["d"], bytes(1000))
    assert [key for key in "abcd" if kept.get([key])] == ["a", "c", "d"]
    assert (tmp_path / "notes.txt").exists()


def test_parts_of_killed_processes_go_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_BYTES_KEPT", 2000)
    kept = CompileCache(tmp_path)
    kept.put(["a"], bytes(100))
    (entry,) = tmp_path.iterdir()
    part = entry.with_name(f"{entry.name}abc.part")
    part.write_bytes(bytes(1500))
    _age(tmp_path, 60)
    kept.put(["b"], bytes(1000))
    assert not part.exists()


def test_the_entry_just_written_stays_however_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_BYTES_KEPT", 10)
    kept = CompileCache(tmp_path)
    for key in "ab":
        kept.put([key], bytes(1000))
    assert kept.get(["a"]) is None
    assert kept.get(["b"]) == bytes(1000)


def test_another_process_may_drop_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_BYTES_KEPT", 10)
    real = Path.unlink

    def late(path: Path, missing_ok: bool = False) -> None:
        real(path)
        raise FileNotFoundError(path)

    kept = CompileCache(tmp_path)
    kept.put(["a"], bytes(1000))
    monkeypatch.setattr(Path, "unlink", late)
    kept.put(["b"], bytes(1000))
    assert kept.get(["b"]) == bytes(1000)


def test_an_entry_that_cannot_be_put_in_its_place_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    CompileCache(tmp_path).put(["a"], b"entry")
    assert list(tmp_path.iterdir()) == []
    assert "could not be kept" in caplog.text
