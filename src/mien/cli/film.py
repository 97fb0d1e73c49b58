"""The demo's clip: a camera that travels over the shipped group picture and comes back, and who was followed in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.cli.track import Outputs, follow

if TYPE_CHECKING:
    from mien.core.clip import Clip
    from mien.core.image import Image
    from mien.engine import Engine

__all__ = ["follow_film"]

RATE, SECONDS = 25, 8
WIDTH, HEIGHT = 640, 430
# Left edge and top of what the camera sees, one after the other at an even pace: once around, and back.
STOPS = np.array([(0, 0), (640, 0), (640, 430), (0, 430), (0, 0)])


def follow_film(folder: Path, engine: Engine) -> Clip:
    """Write ``clip.mp4``, the same with what was found drawn on it, and the timeline, into a folder."""
    from mien import assets
    from mien.core.image import load_image
    from mien.media.encoding import VideoWriter

    source = folder / "clip.mp4"
    with VideoWriter(source, size=(WIDTH, HEIGHT), rate=RATE) as film:
        for time, image in _travel(load_image(assets.GROUP)):
            film.write(image, time)
    outputs = Outputs(
        out=folder / "clip.jsonl",
        style=None,
        video=folder / "clip-followed.mp4",
        timeline=folder / "clip-timeline.png",
        events=None,
    )
    want = {"pose", "gaze", "attention_span"}
    return follow(engine.track(source, want=want, keep_images=True), outputs, prints=False)


def _travel(picture: Image) -> Iterator[tuple[float, Image]]:
    frames = RATE * SECONDS
    places = np.linspace(0, len(STOPS) - 1, frames)
    lefts, tops = (np.interp(places, range(len(STOPS)), STOPS[:, axis]).round().astype(int) for axis in (0, 1))
    for number, (left, top) in enumerate(zip(lefts, tops, strict=True)):
        yield number / RATE, np.ascontiguousarray(picture[top : top + HEIGHT, left : left + WIDTH])
