"""Journals: what was done to frames comes back to the bit, survives a kill, and belongs to one edit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import StorageError, UsageError
from mien.core.image import Image
from mien.core.region import Region
from mien.swaps.effects import Changed
from mien.swaps.journal import Journal

FRAME = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)


def changed(image: Image, box: tuple[int, int, int, int]) -> Changed:
    x1, y1, x2, y2 = box
    whole = image.copy()
    whole[y1:y2, x1:x2] = 255 - whole[y1:y2, x1:x2]
    return Changed(
        image=whole, mask=Region.from_box(box, (50, 40)), report={"skipped": [{"face": 1, "reason": "dark"}]}
    )


def test_frames_come_back_to_the_bit(tmp_path: Path) -> None:
    same = Changed(image=FRAME, mask=Region.empty((50, 40)))
    with Journal(tmp_path / "j", {"a": 1}) as journal:
        assert journal.get(0, FRAME) is None
        journal.put(0, changed(FRAME, (3, 5, 20, 30)))
        journal.put(1, same)
    with Journal(tmp_path / "j", {"a": 1}) as journal:
        assert len(journal) == 2
        again = journal.get(0, FRAME)
        assert again is not None
        np.testing.assert_array_equal(again.image, changed(FRAME, (3, 5, 20, 30)).image)
        assert again.mask.bbox == (3, 5, 20, 30)
        assert again.report == {"skipped": [{"face": 1, "reason": "dark"}]}
        untouched = journal.get(1, FRAME)
        assert untouched is not None
        assert not untouched.mask
        np.testing.assert_array_equal(untouched.image, FRAME)
        journal.remove()
    assert not list(tmp_path.iterdir())


def test_another_edit_and_other_files_are_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j", {"a": 1}).close()
    with pytest.raises(UsageError, match="of another edit"):
        Journal(tmp_path / "j", {"a": 2})
    (tmp_path / "text").write_text("a text that is no database, and long enough to be read as one" * 20)
    with pytest.raises(UsageError, match="no journal"):
        Journal(tmp_path / "text", {})
    with pytest.raises(StorageError, match="cannot use"):
        Journal(tmp_path / "no" / "folder", {})


def test_a_frame_of_another_size_is_damage(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", {}) as journal:
        journal.put(0, changed(FRAME, (3, 5, 50, 40)))
        with pytest.raises(StorageError, match="damaged"):
            journal.get(0, np.zeros((10, 10, 3), np.uint8))


@pytest.mark.full
def test_a_kill_loses_a_few_frames_at_most(tmp_path: Path) -> None:
    script = (
        "import os, signal, numpy as np\n"
        "from mien.core.region import Region\nfrom mien.swaps.effects import Changed\n"
        "from mien.swaps.journal import Journal\n"
        f"journal = Journal({str(tmp_path / 'j')!r}, {{}})\n"
        "done = Changed(image=np.full((40, 50, 3), 7, np.uint8), mask=Region.from_box((0, 0, 9, 9), (50, 40)))\n"
        "for number in range(35):\n    journal.put(number, done)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    with Journal(tmp_path / "j", {}) as journal:
        assert 30 <= len(journal) <= 35
        again = journal.get(29, FRAME)
        assert again is not None
        assert (again.image[:9, :9] == 7).all()
