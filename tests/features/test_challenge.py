"""Challenges: tokens that nobody can change, answered once; and what counts as an answer."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mien
from mien.assets import PEOPLE
from mien.core.errors import InputError, StorageError, UsageError
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.features.genuine.actions import CURVES, answers, excursions
from mien.features.genuine.challenge import ACTIONS, TURNS, Challenge, Prompt, _encoded, _signature, new_key
from mien.features.genuine.motion import Depth
from mien.features.genuine.take import Take, watch
from mien.features.genuine.used import Used, UsedFile, UsedHere
from mien.features.genuine.verdict import Liveness, judge, liveness
from tests.features.turning import acted_face, bump, turned_print

KEY = bytes(range(32))
TOKEN = Challenge.issue(key=KEY, now=1_000_000).token

# --- tokens ---------------------------------------------------------------------------------------------------------


def test_a_challenge_is_read_as_it_was_issued() -> None:
    issued = Challenge.issue(key=KEY, seconds=60, actions=4, now=1_000_000)
    assert Challenge.read(issued.token, key=KEY) == issued
    assert (issued.issued, issued.expires) == (1_000_000, 1_000_060)
    assert not issued.expired(1_000_060)
    assert issued.expired(1_000_061)
    assert [line.split(" s: ")[1] for line in str(issued).splitlines()] == [ACTIONS[p.action] for p in issued.prompts]


def test_no_two_challenges_are_alike() -> None:
    many = [Challenge.issue(key=KEY) for _ in range(60)]
    assert len({one.nonce for one in many}) == 60
    assert len({tuple(prompt.action for prompt in one.prompts) for one in many}) > 30
    assert len({one.prompts[0].start for one in many}) > 30
    for one in many:
        assert len({prompt.action for prompt in one.prompts}) == 3
        assert TURNS & {prompt.action for prompt in one.prompts}, "depth shows only where a head turns"
        edges = [edge for prompt in one.prompts for edge in (prompt.start, prompt.end)]
        assert edges == sorted(edges)


def test_the_order_of_named_actions_is_drawn_too() -> None:
    orders = {tuple(p.action for p in Challenge.issue(key=KEY, actions=["blink", "smile"]).prompts) for _ in range(30)}
    assert orders == {("blink", "smile"), ("smile", "blink")}


@settings(max_examples=40)
@given(place=st.integers(0, len(TOKEN) - 1), put=st.integers(0, 127))
def test_a_changed_token_is_refused(place: int, put: int) -> None:
    changed = TOKEN[:place] + chr(put) + TOKEN[place + 1 :]
    if changed != TOKEN:
        with pytest.raises(InputError, match=r"\.$"):
            Challenge.read(changed, key=KEY)


@settings(max_examples=40)
@given(st.text(max_size=80) | st.binary(max_size=80).map(_encoded) | st.just("." * 10) | st.just("A" * 9000))
def test_what_is_no_token_is_refused(text: str) -> None:
    for token in (text, f"{text}.{text}"):
        with pytest.raises(InputError):
            Challenge.read(token, key=KEY)


def test_another_key_and_another_spelling_of_the_same_bytes() -> None:
    with pytest.raises(InputError, match="not signed with this key"):
        Challenge.read(TOKEN, key=new_key())
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(TOKEN[-1])
    assert last % 4 == 0, "32 bytes leave two bits of the last letter over"
    with pytest.raises(InputError, match="no challenge"):
        Challenge.read(TOKEN[:-1] + letters[last + 1], key=KEY)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"v":2}',
        b'{"v":1,"prompts":[]}',
        b'{"v":1,"prompts":3}',
        b'{"v":1,"prompts":[["dance",1,2]]}',
        b"\xff",
    ],
)
def test_signed_nonsense_is_refused(payload: bytes) -> None:
    with pytest.raises(InputError, match=r"\.$"):
        Challenge.read(f"{_encoded(payload)}.{_encoded(_signature(payload, KEY))}", key=KEY)


@pytest.mark.parametrize(
    "options",
    [
        {"key": b"short"},
        {"key": "x" * 32},
        {"actions": 0},
        {"actions": 8},
        {"actions": "blink"},
        {"actions": ["dance"]},
        {"actions": []},
        {"seconds": 2},
        {"seconds": float("nan")},
    ],
)
def test_challenges_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Challenge.issue(**{"key": KEY, **options})
    with pytest.raises(UsageError):
        Challenge.read(TOKEN, key=b"short")


# --- once -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["here", "file"])
def test_of_many_at_once_one_is_the_first(kind: str, tmp_path: Path) -> None:
    used: Used = UsedHere() if kind == "here" else UsedFile(tmp_path / "used.db")
    later = time.time() + 100
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: used.note("a", later), range(16))) == 1
    assert used.note("b", later)
    assert not used.note("b", later)
    assert used.note("late", time.time() - 100)
    assert not used.note("late", time.time() - 100), "a clip may be judged later than it came"
    assert used.note("old", 5.0)
    assert used.note("old", 5.0), "what has long expired is forgotten: it is refused for that"


def test_a_file_outlives_the_process_and_is_its_owner_s(tmp_path: Path) -> None:
    path = tmp_path / "used.db"
    assert UsedFile(path).note("a", time.time() + 100)
    assert not UsedFile(path).note("a", time.time() + 100)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = tmp_path / "other.db"
    other.write_bytes(b"no database, " * 100)
    for broken in (other, tmp_path / "nowhere" / "used.db"):
        with pytest.raises(StorageError, match="cannot be noted"):
            UsedFile(broken).note("a", time.time() + 100)


@pytest.mark.skipif(os.name != "posix", reason="locks that a process loses by closing a handle are POSIX's")
def test_who_waits_takes_nobody_s_lock_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers of several threads each: the lock of one thread must hold while another one of its process waits."""
    path = tmp_path / "used.db"
    assert UsedFile(path).note("a", time.time() + 100)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("mien.features.genuine.used.WAIT", 0.01)
    with pytest.raises(StorageError, match="locked"):
        UsedFile(path).note("b", time.time() + 100)
    other = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute('BEGIN IMMEDIATE')"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", other, str(path)], capture_output=True, text=True, check=False)
    holder.close()
    assert "locked" in ran.stderr


# --- curves ---------------------------------------------------------------------------------------------------------

TIMES = np.arange(0, 12, 0.05)
PROMPTS = (Prompt("turn_left", 1.5, 4.5), Prompt("blink", 5.0, 8.0), Prompt("smile", 8.5, 11.5))
Curves = dict[str, NDArray[np.float64]]


def performed(done: Mapping[str, tuple[float, float]]) -> tuple[Curves, NDArray[np.float64]]:
    """Curves of somebody who does each thing in a span of time."""
    draw = np.random.default_rng(1)
    curves = {name: draw.normal(0, 0.01, len(TIMES)) for name in ("yaw", "pitch", "smile", "jaw")}
    eyes = np.full((len(TIMES), 2), 0.97) + draw.normal(0, 0.002, (len(TIMES), 2))
    for action, (start, end) in done.items():
        if action == "blink":
            eyes -= np.array([[bump(t, start, end, 0.96)] for t in TIMES])
        else:
            curve = CURVES[action]
            curves[curve.name] += [bump(t, start, end, curve.sign * 1.5 * curve.reaches) for t in TIMES]
    return curves, eyes.clip(0.001, 0.999)


WELL = {"turn_left": (2.0, 4.0), "blink": (6.0, 6.4), "smile": (9.0, 11.0)}


def test_what_was_asked_for_was_done() -> None:
    found = answers(PROMPTS, TIMES, *performed(WELL))
    assert [answer.done for answer in found] == [True, True, True]
    assert found[0].start == pytest.approx(2.5, abs=0.3)
    assert found[0].to_dict()["action"] == "turn_left"


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"turn_left": None, "turn_right": (2.0, 4.0)}, ["turn left was not done (1.5 to 4.5 s)."]),
        ({"turn_left": (3.0, 5.2)}, ["turn left was not begun and ended in its time (1.5 to 4.5 s)."]),
        ({"turn_left": (9.0, 11.0), "smile": (2.0, 4.0)}, ["turn left was not done", "smile was not done"]),
        ({"blink": None}, ["blink was not done (5.0 to 8.0 s)."]),
        ({"look_up": (5.2, 7.8)}, ["look up was done where blink was asked for."]),
        ({"open_mouth": (5.2, 7.8)}, ["open mouth was done where blink was asked for."]),
        ({"open_mouth": (8.8, 11.2)}, ["open mouth was done where smile was asked for."]),
        ({"smile": (9.0, 14.0)}, ["smile was not begun and ended in its time (8.5 to 11.5 s)."]),
    ],
)
def test_what_was_not(change: Mapping[str, tuple[float, float] | None], reasons: list[str]) -> None:
    done = {name: span for name, span in {**WELL, **change}.items() if span is not None}
    missed = [answer.reason for answer in answers(PROMPTS, TIMES, *performed(done)) if not answer.done]
    assert len(missed) == len(reasons)
    assert all(got.startswith(wanted) for got, wanted in zip(missed, reasons, strict=True))


def test_nobody_did_anything() -> None:
    curves = {name: np.full(len(TIMES), np.nan) for name in ("yaw", "pitch", "smile", "jaw")}
    found = answers(PROMPTS, TIMES, curves, np.full((len(TIMES), 2), np.nan))
    assert not any(answer.done for answer in found)
    assert answers(PROMPTS, TIMES[:0], dict.fromkeys(curves, TIMES[:0]), np.zeros((0, 2)))[0].done is False


@settings(max_examples=40)
@given(values=st.lists(st.floats(-50, 50), max_size=60), leaves=st.floats(1, 20), more=st.floats(0, 20))
def test_excursions_leave_and_reach(values: list[float], leaves: float, more: float) -> None:
    array = np.array(values)
    times = np.arange(len(values), dtype=float)
    found = excursions(times, array, leaves=leaves, reaches=leaves + more)
    for start, end in found:
        inside = array[(times >= start) & (times < end)]
        assert (inside > leaves).all()
        assert inside.max() >= leaves + more
    assert sum(((times >= s) & (times < e)).sum() for s, e in found) <= (array > leaves).sum()


# --- the whole of it ------------------------------------------------------------------------------------------------

DEEP = Depth(relief=0.8, change=0.02, together=0.0, measures=9)
TASK = replace(Challenge.read(TOKEN, key=KEY), prompts=PROMPTS)


def take(**changes: Any) -> Take:
    curves, eyes = performed(WELL)
    values: dict[str, Any] = {
        "times": TIMES,
        "curves": {**curves, "right": eyes[:, 0], "left": eyes[:, 1], "live": np.full(len(TIMES), 0.9)},
        "cues": {},
        "vectors": np.tile(np.array([1, 0], np.float32), (len(TIMES), 1)),
        "faces": np.ones(len(TIMES), np.intp),
        "cuts": (),
        "frozen": 0.05,
        "depth": DEEP,
    }
    return Take(**{**values, **changes})


def test_a_good_answer_is_true() -> None:
    verdict = judge(take(), TASK)
    assert verdict
    assert verdict.reason == "what was asked for was done, in its time, by one person in one shot."
    assert verdict.to_dict()["answers"][0]["done"] is True
    assert str(verdict).startswith("challenge met: ")
    assert "A photograph that a program animates meets them" in str(verdict)
    other = judge(take(), TASK, mirrored=True)
    assert other.live is False
    assert other.reason.startswith("turn left was not done")


def hidden() -> NDArray[np.float32]:
    vectors = np.full((len(TIMES), 2), np.nan, np.float32)
    vectors[:50] = vectors[-50:] = (1, 0)
    return vectors


def swapped() -> NDArray[np.float32]:
    vectors = np.tile(np.array([1, 0], np.float32), (len(TIMES), 1))
    vectors[100:160] = (0, 1)
    return vectors


@pytest.mark.parametrize(
    ("change", "live", "reason"),
    [
        ({"vectors": swapped()}, False, "somebody else is in a part of the clip"),
        ({"vectors": hidden()}, None, "too few frames show who it is"),
        ({"vectors": np.full((len(TIMES), 2), np.nan, np.float32)}, None, "too few frames show who it is"),
        ({"faces": np.where(TIMES < 3, 2, 1)}, False, "another face is in 25%"),
        ({"faces": np.where(TIMES < 3, 0, 1)}, None, "a face is seen in 75%"),
        ({"cuts": (4.2,)}, False, "the clip is cut at 4.2 s"),
        ({"frozen": 1.5}, False, "the picture stands still for 1.5 s"),
        ({"depth": replace(DEEP, relief=0.08)}, False, "of the face's change while it turned, 8% is no plane's"),
        ({"depth": replace(DEEP, relief=0.4)}, None, "of the face's change while it turned, 40% is no plane's"),
        ({"depth": replace(DEEP, relief=None, reason="dark")}, None, "depth is not known: dark."),
        ({"times": TIMES * 3}, None, "the clip has fewer than 8 frames a second"),
        ({"times": TIMES + (TIMES > 4.6) * 0.5}, False, "the clip has a gap of 0.6 s"),
    ],
)
def test_what_a_bad_answer_fails_by(change: dict[str, Any], live: bool | None, reason: str) -> None:
    verdict = judge(take(**change), TASK)
    assert verdict.live is live
    assert not verdict
    assert verdict.reason.startswith(reason)


def test_a_low_passive_score_leaves_it_undecided() -> None:
    calm = take()
    verdict = judge(replace(calm, curves={**calm.curves, "live": np.full(len(TIMES), 0.1)}), TASK)
    assert verdict.live is None
    assert verdict.reason == "the picture's liveness 0.10 is below 0.50."
    assert judge(replace(calm, curves={**calm.curves, "live": np.full(len(TIMES), np.nan)}), TASK).live is True


def test_a_clip_that_is_too_short_is_not_judged_live() -> None:
    short = TIMES < 7
    whole = take()
    curves = {name: curve[short] for name, curve in whole.curves.items()}
    cut = replace(whole, times=TIMES[short], curves=curves, vectors=whole.vectors[short], faces=whole.faces[short])
    verdict = judge(cut, TASK)
    assert verdict.live is None
    assert verdict.reason == "the clip lasts 7.0 s, and the challenge 11.5 s."


def test_without_a_turn_nothing_is_asked_of_depth() -> None:
    """Only who names the actions gets such a challenge."""
    unturned = replace(TASK, prompts=PROMPTS[1:])
    curves = performed({name: span for name, span in WELL.items() if name != "turn_left"})[0]
    calm = take(depth=replace(DEEP, relief=None, reason="it did not turn"))
    assert judge(replace(calm, curves={**calm.curves, **curves}), unturned).live is True


class Nobody:
    """An engine that must not be asked for anything."""


def ask(source: Any = "clip.mp4", **options: Any) -> Liveness:
    return liveness(source, **{"challenge": TOKEN, "key": KEY, "used": UsedHere(), "engine": Nobody(), **options})


def test_expired_used_and_wrong_challenges_are_settled_before_the_clip_is_read() -> None:
    expired = ask(now=2_000_000)
    assert expired.live is None
    assert expired.reason == "the challenge has expired."
    used = UsedHere()
    token = Challenge.issue(key=KEY)
    used.note(token.nonce, token.expires)
    assert ask(challenge=token, used=used).reason == "the challenge was answered before."
    with pytest.raises(InputError, match="not signed"):
        ask(key=new_key())
    for wrong in ({"key": None}, {"used": None}, {"threshold": 2}):
        with pytest.raises(UsageError):
            ask(now=1_000_001, **wrong)
    with pytest.raises(UsageError, match="answered by a clip"):
        ask("a.jpg", now=1_000_001)


# --- real models ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def person() -> Image:
    small = cv2.resize(load_image(PEOPLE[5]), (288, 288), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.copyMakeBorder(small, 40, 40, 60, 60, cv2.BORDER_REPLICATE), np.uint8)


ACTED = replace(TASK, prompts=(Prompt("turn_left", 0.5, 1.9), Prompt("open_mouth", 2, 3.2), Prompt("blink", 3.3, 4.3)))


def acts(t: float) -> dict[str, float]:
    """What is asked for in `ACTED`, and a smile after it."""
    moves = {"yaw": bump(t, 0.6, 1.8, 28), "mouth": bump(t, 2.1, 3.1, 1), "blink": bump(t, 3.5, 4, 1)}
    return {**moves, "smile": bump(t, 4.4, 5.2, 1)}


@pytest.mark.weights
def test_a_photograph_that_is_animated_meets_a_challenge(engine: Engine, person: Image) -> None:
    """Through the networks: turn, mouth, blink and smile are seen; and the manual is right that this is no defence.

    The mesh turns to its own left, which is the picture's right: the sign of "left" is the subject's.
    """
    seen = watch(acted_face(person, acts, np.arange(0, 5.4, 0.1), engine), engine=engine, active=True)
    verdict = judge(seen, ACTED)
    assert verdict, str(verdict)
    assert verdict.depth is not None
    assert verdict.depth.flat is False
    smiling = replace(ACTED, prompts=(ACTED.prompts[0], Prompt("smile", 4.3, 5.3)))
    assert judge(seen, smiling), "and so it meets another"
    late = replace(ACTED, prompts=(ACTED.prompts[0], Prompt("smile", 3.2, 4.3)))
    assert judge(seen, late).reason == "smile was not done (3.2 to 4.3 s)."
    assert judge(seen, ACTED, mirrored=True).reason.startswith("turn left was not done")


@pytest.mark.weights
def test_a_print_that_is_turned_does_not(engine: Engine, person: Image) -> None:
    clip = list(turned_print(person, lambda t: (bump(t, 0.2, 1.4, 40), 0.0), np.arange(0, 3.2, 0.1)))
    task = replace(ACTED, prompts=(Prompt("turn_left", 0.1, 1.5),))
    seen = watch(iter(clip), engine=engine, active=True, until=1.55)
    assert len(seen.times) == 16, "nothing is looked at after that"
    verdict = judge(seen, task)
    assert verdict.live is False
    assert next(one.reason for one in verdict.findings if one.name == "depth").endswith("it was flat.")
    issued, used = Challenge.issue(key=KEY), UsedHere()
    found = liveness(clip[:3], challenge=issued, key=KEY, used=used, engine=engine)
    assert found.live is None
    assert not used.note(issued.nonce, issued.expires), "it was noted, though nothing was done"


@pytest.mark.weights
def test_frames_that_are_none(engine: Engine, person: Image) -> None:
    stuck, unknown = [(0.0, person), (0.0, person)], [(float("nan"), person)]
    for frames, error in (([], InputError), (stuck, InputError), (unknown, InputError), ([person], UsageError)):
        with pytest.raises(error):
            liveness(frames, engine=engine)
    filled = liveness([(0.0, load_image(PEOPLE[2]))], engine=engine)
    assert filled.reason.startswith("the face fills the picture")
    with pytest.raises(mien.SourceError):
        liveness("nowhere.mp4", engine=engine)
    with pytest.raises(mien.SourceError):
        liveness("nowhere.jpg", engine=engine)
