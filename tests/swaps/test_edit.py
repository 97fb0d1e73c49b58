from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import StorageError, UsageError
from mien.core.faces import Faces
from mien.media.provenance import Provenance, provenance
from mien.swaps.edit import Edit

EDIT = Edit(np.zeros((8, 8, 3), np.uint8), Provenance.generated("made-up", seed=7), Faces.empty(), {"seed": 7})


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_each_file_says_that_it_is_synthetic(tmp_path: Path, name: str) -> None:
    path = EDIT.save(tmp_path / name)
    assert path == tmp_path / name
    assert provenance(path) == EDIT.provenance


def test_no_file_is_better_than_an_unmarked_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        EDIT.save(tmp_path / "a.bmp")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        EDIT.save(tmp_path / "gone" / "a.png")


def test_the_record_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        EDIT.report["seed"] = 8  # type: ignore[index]
