"""Morphs of generated people: detected by likeness to trusted pictures, and by nothing else for sure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien import assets
from mien.core.errors import NoFace, SourceError, UsageError
from mien.core.image import load_image, save_image
from mien.engine import Engine
from mien.evaluation.forgery_tables import morph_tables
from mien.evaluation.morph import APCER, evaluate_morph


def test_what_is_asked_wrongly(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="limit is 1 or more"):
        evaluate_morph(tmp_path, limit=0)
    with pytest.raises(UsageError, match="false accept rates"):
        evaluate_morph(tmp_path, rates=[0])


@pytest.mark.weights
def test_morphs_of_three_people(tmp_path: Path) -> None:
    with Engine(threads=1) as engine:
        with pytest.raises(SourceError, match="is no folder"):
            evaluate_morph(tmp_path / "nowhere", engine=engine)
        with pytest.raises(NoFace, match="fewer than two people"):
            evaluate_morph(tmp_path, engine=engine)
        for number, source in enumerate(assets.PEOPLE[:3]):
            portrait = load_image(source)[::3, ::3]
            (tmp_path / f"p{number}").mkdir()
            save_image(portrait, tmp_path / f"p{number}" / "1.png")
            save_image(np.ascontiguousarray(portrait[:, ::-1]), tmp_path / f"p{number}" / "2.png")
        found = evaluate_morph(tmp_path, limit=2, engine=engine)
    assert (found.people, found.documents, found.morphs) == (3, 6, 2)
    likeness = next(cell for cell in found.cells if cell.detector == "likeness")
    assert (likeness.bona_fide, likeness.morphs) == (6, 4)
    assert likeness.auc.value == 1.0
    assert likeness.d_eer.value == 0.0
    assert list(likeness.bpcer) == list(APCER)
    for passed in found.passed:
        assert passed.genuine.value == 1.0
        assert 0 <= passed.mmpmr.value <= passed.one_side.value <= 1
    first, second = found.passed
    assert first.threshold < second.threshold
    detection, accepted = morph_tables(found)
    assert detection.rows[-1][0] == "likeness"
    assert len(accepted.rows) == 2
