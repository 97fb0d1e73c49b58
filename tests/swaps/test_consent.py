"""Who may be swapped: consent, gates and the list of people who are not to be."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Vectors
from mien.core.errors import EditRefused, SourceError, StorageError, UsageError
from mien.core.faces import Faces
from mien.engine import Engine
from mien.gallery.people import Gallery
from mien.swaps.consent import Consent, Guard, check_gate, check_source

SPACE = "edgeface-s/1"
DAY = dt.date(2026, 11, 20)
ADA = Consent(given_by="Ada", purpose="a film", date=DAY, reference="folder 7")

texts = st.text(min_size=1, max_size=30).filter(lambda text: bool(text.strip()))


def vector(seed: int, *, near: int | None = None, cosine: float = 0.0) -> Vectors:
    """A direction; or one with that cosine to another's."""
    one = np.random.default_rng(seed).normal(0, 1, 512)
    if near is not None:
        other = np.ravel(vector(near).values)
        one -= other * (one @ other)
        one = cosine * other + np.sqrt(1 - cosine**2) * one / np.linalg.norm(one)
    return Vectors((one / np.linalg.norm(one)).astype(np.float32)[None], space=SPACE)


@pytest.fixture
def engine() -> Any:
    """All that the check asks of an engine."""
    return SimpleNamespace(licenses="any")


@pytest.mark.full
@given(texts, texts, st.text(max_size=30), st.dates(), st.one_of(st.none(), st.integers(0, 1000)))
def test_a_record_is_read_as_it_was_written(who: str, what: str, where: str, day: dt.date, lasts: int | None) -> None:
    until = None if lasts is None or day.year > 9990 else day + dt.timedelta(days=lasts)
    one = Consent(given_by=who, purpose=what, date=day, reference=where, until=until)
    again = Consent.from_dict(json.loads(json.dumps(one.to_dict())))
    assert again == one
    assert again.fingerprint == one.fingerprint
    assert set(one.told()) == {"fingerprint", "date", "purpose"}


def test_names_go_out_only_if_asked(tmp_path: Path) -> None:
    assert "Ada" not in json.dumps(ADA.told())
    assert ADA.told(names=True)["given_by"] == "Ada"
    assert Consent.load(ADA.save(tmp_path / "ada.json")) == ADA
    assert Guard.of(consent=tmp_path / "ada.json").report["consent"]["given_by"] == "Ada"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "[]",
        '{"given_by": "Ada", "purpose": "x"}',
        '{"given_by": "", "purpose": "x", "date": "2026-11-20"}',
        '{"given_by": "Ada", "purpose": "x", "date": "yesterday"}',
        '{"given_by": "Ada", "purpose": "x", "date": 20261120}',
        '{"given_by": "Ada\\ud800", "purpose": "x", "date": "2026-11-20"}',
        '{"given_by": "Ada", "purpose": 3, "date": "2026-11-20"}',
        '{"given_by": "Ada", "purpose": "x", "date": "2026-11-20", "more": 1}',
        '{"given_by": "Ada", "purpose": "x", "date": "2026-11-20", "until": "2025-01-01"}',
        '{"given_by": "Ada", "purpose": "x", "date": "2026-11-20", "reference": null}',
    ],
)
def test_what_is_no_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"c\.json is no record of consent"):
        Consent.load(path)


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", "a\0b"):
        with pytest.raises(SourceError):
            Consent.load(path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        ADA.save(tmp_path / "file" / "a.json")


def test_days_on_which_it_holds() -> None:
    ADA.check(DAY)
    ADA.check(DAY - dt.timedelta(days=1))  # east of here it is tomorrow
    with pytest.raises(EditRefused, match="still to come"):
        ADA.check(DAY - dt.timedelta(days=2))
    ends = Consent(given_by="Ada", purpose="a film", date=DAY, until=DAY)
    ends.check(DAY)
    with pytest.raises(EditRefused, match="has ended"):
        ends.check(DAY + dt.timedelta(days=1))
    with pytest.raises(EditRefused, match="still to come"):
        Guard.of(consent={"given_by": "Ada", "purpose": "a film", "date": "2999-01-01"})


def _fails(source: object, faces: Faces) -> str | None:
    raise KeyError("what")


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        (lambda _source, _faces: "a child.", "the gate refuses: a child.$"),
        (_fails, "the gate has failed"),
        (lambda _source, _faces: "", "is no reason"),
        (lambda _source, _faces: False, "is no reason"),
        (lambda _source, _faces: True, "is no reason"),
        (lambda: None, "the gate has failed"),
    ],
)
def test_gates_refuse(gate: Any, why: str) -> None:
    with pytest.raises(EditRefused, match=why):
        check_gate(gate, None, Faces.empty())


def test_gates_let_pass() -> None:
    seen: list[object] = []
    check_gate(lambda source, _: seen.append(source), "who", Faces.empty())
    check_gate(None, "who", Faces.empty())
    assert seen == ["who"]
    with pytest.raises(UsageError, match="gate is a function"):
        Guard.of(gate="no")


@pytest.mark.full
def test_the_list_refuses_by_the_calibrated_threshold(engine: Engine) -> None:
    with Gallery(":memory:") as gallery:
        assert check_source(vector(1), do_not_swap=gallery, engine=engine) == 0
        gallery.enroll("ada", vectors=vector(1), space=SPACE)
        gallery.enroll("bo", vectors=vector(2), space=SPACE)
        gallery.move(gallery.faces("bo"), None)  # of somebody who has no name there
        assert check_source(vector(3), do_not_swap=gallery, engine=engine) == 2
        assert check_source(vector(3, near=1, cosine=0.3), do_not_swap=gallery, engine=engine) == 2
        for refused in (vector(1), vector(3, near=1, cosine=0.4), vector(2), vector(3, near=2, cosine=0.5)):
            with pytest.raises(EditRefused, match="looks like somebody on the do-not-swap list") as error:
                check_source(refused, do_not_swap=gallery, engine=engine)
            assert "ada" not in str(error.value)


@pytest.mark.full
def test_whatever_cannot_be_asked_refuses(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gallery(":memory:") as gallery:
        gallery.enroll("ada", vectors=vector(1), space=SPACE)
        gallery.move(gallery.faces("ada"), None)
        gallery.delete("ada")
        assert not gallery  # of names, yet there is somebody on it
        other = Vectors(vector(1).values, space="other/1")
        unknown = Vectors(np.full((1, 512), np.nan, np.float32), space=SPACE)
        for source, why in ((other, "could not be asked"), (unknown, "no embedding"), (Faces.empty(), "not be asked")):
            with pytest.raises(EditRefused, match=why):
                check_source(source, do_not_swap=gallery, engine=engine)
    with pytest.raises(EditRefused, match="could not be asked"):  # it is closed
        check_source(vector(1), do_not_swap=gallery, engine=engine)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "gallery.sqlite").write_bytes(b"x" * 5000)
    for place in (tmp_path / "none", tmp_path / "torn"):
        with pytest.raises(EditRefused, match="could not be asked"):
            check_source(vector(1), do_not_swap=place, engine=engine)
        with monkeypatch.context() as patch:
            patch.setenv("MIEN_DO_NOT_SWAP", str(place))
            with pytest.raises(EditRefused, match="could not be asked"):
                Guard(engine=engine).check_source(vector(1))


@pytest.mark.full
def test_the_list_of_the_environment_cannot_be_overruled(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery(tmp_path / "all") as gallery:
        gallery.enroll("ada", vectors=vector(1), space=SPACE)
    monkeypatch.setenv("MIEN_DO_NOT_SWAP", str(tmp_path / "all"))
    with Gallery(":memory:") as own:
        own.enroll("rex", vectors=vector(2), space=SPACE)
        for refused in (vector(1), vector(2)):
            with pytest.raises(EditRefused):
                check_source(refused, do_not_swap=own, engine=engine)
        assert check_source(vector(3), do_not_swap=own, engine=engine) == 2
        assert Guard.of(do_not_swap=own, engine=engine).report["do_not_swap_lists"] == 2
        assert check_source(vector(3), do_not_swap=str(tmp_path / "all"), engine=engine) == 1  # which is the same list
