"""Draws the pictures of docs/video.md out of people who do not exist: drawing.jpg, and timeline.jpg of a composed clip.

.venv/bin/python -m tools.draw_video [FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from tests.clips import crossing

from mien import assets
from mien.core.image import Image, save_image
from mien.core.timeline import Timeline
from mien.engine import Engine
from mien.media.provenance import provenance

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
HEIGHT = 410  # of the drawings
FRAME = 37  # of the clip, to stand above its timeline


def main() -> None:
    """Draw, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    mark = provenance(assets.PEOPLE[0]).to_xmp()
    with Engine(threads=1) as engine:
        save_image(drawings(engine), folder / "drawing.jpg", quality=70, xmp=mark)
        save_image(followed(engine), folder / "timeline.jpg", quality=74, xmp=mark)


def drawings(engine: Engine) -> Image:
    """A portrait with everything, one with 68 points, and a group with short values."""
    everything = engine.analyze(assets.PEOPLE[0], want={"landmarks", "pose", "gaze", "eyes", "age"}).draw()
    points = engine.analyze(assets.PEOPLE[4], want={"landmarks68", "pose"}).draw()
    group = engine.analyze(assets.GROUP, want={"pose", "age"}).draw()
    shown = [everything[12:, 40:472], points[12:, 40:472], group]
    return np.concatenate([scaled(image, HEIGHT) for image in shown], axis=1)


def followed(engine: Engine) -> Image:
    """A frame of two people who walk past each other, over the timeline of the clip."""
    with tempfile.TemporaryDirectory() as folder:
        clip = crossing().scaled((1280, 720)).write(Path(folder) / "crossing.mp4")
        chart, frame = Timeline(), np.zeros((0, 0, 3), np.uint8)
        with engine.track(clip, want={"pose", "gaze", "attention_span"}, keep_images=True) as tracking:
            for item in tracking:
                if item.faces is None or item.time is None:
                    continue
                chart.add(item.time, item.faces)
                if item.frame == FRAME:
                    frame = item.faces.draw()
            end = tracking.clip
    picture = chart.picture(end, width=1100)
    picture[20:50, 20:800] = picture[0, 0]  # the clip's temporary name
    return np.concatenate([scaled(frame, round(720 * 1100 / 1280)), picture[50:]])


def scaled(image: Image, height: int) -> Image:
    """The picture at another height."""
    width = round(image.shape[1] * height / image.shape[0])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
