"""Error rates of presentation attacks on scores that are known, and readers of what is to be judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.errors import InputError, SourceError
from mien.engine import Engine
from mien.evaluation.liveness import Sample, evaluate_liveness, liveness_tables, read_samples, summary
from tests.shared import DATA


def samples(people: int = 8) -> list[Sample]:
    """Four pictures of each person: two live, a print and a screen."""
    kinds = ("", "", "print", "screen")
    return [
        Sample(Path(f"{person}-{number}.png"), not kind, kind, str(person))
        for person in range(people)
        for number, kind in enumerate(kinds)
    ]


def test_rates_of_known_scores() -> None:
    # Of the live, every eighth is refused; of prints none passes, of screens half do.
    live = np.array([[0.9, 0.2 if person % 4 == 0 else 0.8, 0.1, 0.6 if person % 2 else 0.3] for person in range(8)])
    report = summary(samples(), {"live": live.ravel(), "moire": 1 - live.ravel()})
    rates = report.default
    assert rates.bpcer.value == pytest.approx(2 / 16)
    assert rates.apcer["print"].value == 0
    assert rates.apcer["screen"].value == pytest.approx(0.5)
    assert rates.acer.value == pytest.approx((0.5 + 2 / 16) / 2), "of the worst kind"
    assert rates.hter.value == pytest.approx((0.25 + 2 / 16) / 2), "of all kinds together"
    assert rates.apcer["print"].interval[1] > 0.2, "none of eight is not never"
    assert report.areas["live"]["print"].value == 1.0
    assert report.areas["live"]["all"].value == pytest.approx(report.areas["moire"]["all"].value)
    assert report.tuned is not None
    assert report.known
    text = str(liveness_tables(report))
    assert "APCER screen" in text
    assert "Fewer than 200 independent subjects: no ranking is claimed." in text


def test_what_nothing_is_said_of_counts_in_neither() -> None:
    scores = np.array([0.9, np.nan, 0.1, np.nan] * 8)
    report = summary(samples(), {"live": scores})
    assert report.counts == {"live": 8, "print": 8, "screen": 0}
    assert report.silent == {"live": 8, "print": 0, "screen": 8}
    assert report.default.bpcer.value == 0
    assert "screen" not in report.default.apcer
    nothing = summary(samples(), {"live": np.full(32, np.nan)})
    assert np.isnan(nothing.default.bpcer.value)
    assert "APCER print" in str(liveness_tables(nothing))


def test_without_subjects_no_threshold_is_tuned() -> None:
    unknown = [Sample(one.path, one.live, one.attack) for one in samples()]
    report = summary(unknown, {"live": np.linspace(0, 1, 32)})
    assert report.tuned is None
    assert not report.known
    assert "they promise too much" in str(liveness_tables(report))


def test_folders_and_tables_are_read(tmp_path: Path) -> None:
    for name in ("real/a.png", "print/b.png", "replay/phone/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        mien.save_image(np.full((8, 8, 3), 90, np.uint8), tmp_path / name)
    found = {sample.path.name: sample for sample in read_samples(tmp_path)}
    assert found["a.png"].live
    assert found["b.png"].attack == "print"
    assert found["c.png"].attack == "replay/phone"
    table = tmp_path / "all.csv"
    table.write_text("file,label,attack,subject\nreal/a.png,live,,ada\nprint/b.png,fake,paper,bob\n")
    assert read_samples(table) == [
        Sample(tmp_path / "real/a.png", True, "", "ada"),
        Sample(tmp_path / "print/b.png", False, "paper", "bob"),
    ]
    table.write_text("file,label\nreal/a.png,live\nprint/b.png,0\n")
    assert [sample.subject for sample in read_samples(table)] == ["", ""]
    assert [sample.attack for sample in read_samples(table)] == ["", "attack"]


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read_samples(tmp_path / "nowhere")
    (tmp_path / "live").mkdir()
    with pytest.raises(InputError, match="not both live people and attacks"):
        read_samples(tmp_path)


@pytest.mark.weights
@pytest.mark.data
def test_the_real_set_of_two_people() -> None:
    """Cropped to the face: nothing is said of them but when asked to; then better than chance, and no more."""
    folder = DATA / "liveness"
    some = [sample for number, sample in enumerate(read_samples(folder)) if number % 3 == 0]
    with Engine(threads=1) as engine:
        silent = evaluate_liveness(some[:1] + some[-1:], engine=engine)
        assert sum(silent.counts.values()) == 0
        report = evaluate_liveness(some, everywhere=True, engine=engine)
    assert report.counts["live"] >= 6
    assert 0.5 < report.areas["live"]["all"].value <= 1.0
