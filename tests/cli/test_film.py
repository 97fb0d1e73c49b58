"""The demo's clip: the camera leaves eight people and comes back to two; each is one track."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

import mien
from mien.cli.film import follow_film
from mien.media.video import open_video


@pytest.mark.weights
def test_who_comes_back_keeps_the_id(tmp_path: Path) -> None:
    with mien.Engine(threads=1) as engine:
        clip = follow_film(tmp_path, engine)
    assert len(clip.tracks) == 8
    there: dict[int, list[int]] = {track.id: [] for track in clip.tracks}
    for line in (tmp_path / "clip.jsonl").read_text().splitlines():
        frame = json.loads(line)
        for face in frame["faces"]:
            there[face["track"]["id"]].append(frame["frame"])
    back = [seen for seen in there.values() if max(b - a for a, b in itertools.pairwise(seen)) > 100]
    assert len(back) == 2, "the two at the start are seen again at the end"
    with open_video(tmp_path / "clip-followed.mp4") as film:
        assert sum(1 for _ in film) == 200
    assert mien.load_image(tmp_path / "clip-timeline.png").shape[1] > 1000
