"""Makes the pictures in src/mien/assets; run it again and the same pictures come out, up to rounding.

    .venv/bin/python tools/make_assets.py [FOLDER]

Every face is drawn by the generator: nobody in these pictures exists. The second picture of a person is the same
latent moved along a direction of the style space that turns heads, fitted here, then relit, tilted and cropped. It
takes about five minutes on one core. The draws are named here, as which one `mien.generate` gives for a seed depends
on the models that judge.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from mien.core.image import Image, save_image
from mien.core.warping import warp
from mien.engine import Engine
from mien.media.provenance import Provenance
from mien.swaps.invented.generator import MobileStyleGAN, latents

SIDE = 512
QUALITY = 90
SAMPLES = 400  # pictures that the direction is fitted to


@dataclass(frozen=True)
class Portrait:
    """Which drawing a person is: the first, second ... of a seed, at a truncation."""

    seed: int
    draw: int
    truncation: float


# Looked at one by one, at full size; in the order of person1.jpg, person2.jpg ...
PEOPLE = (
    Portrait(56, 4, 0.7),
    Portrait(39, 1, 0.7),
    Portrait(22, 1, 0.7),
    Portrait(51, 1, 0.7),
    Portrait(53, 1, 0.7),
    Portrait(226, 1, 0.85),
    Portrait(244, 2, 0.85),
    Portrait(122, 1, 0.9),
)
AGAIN = {3: -3.5, 4: 3.0}  # person: how far to turn the head, to the picture's right

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Snapshot:
    """A print on the table: whose, how far the head is turned, where its middle is, how wide, at what angle."""

    person: int
    turn: float
    center: tuple[int, int]
    width: int
    angle: float


TABLE = (1280, 860)
SNAPSHOTS = (
    Snapshot(1, 2.0, (190, 215), 300, -7.0),
    Snapshot(5, -2.0, (490, 190), 210, 6.0),
    Snapshot(2, -2.0, (775, 205), 290, -3.0),
    Snapshot(8, 2.0, (1095, 215), 310, 8.0),
    Snapshot(4, -2.0, (170, 615), 250, 10.0),
    Snapshot(6, 1.0, (470, 590), 330, -5.0),
    Snapshot(7, -2.0, (800, 600), 170, 12.0),
    Snapshot(3, 2.0, (1085, 625), 280, -9.0),
)


# --- faces ----------------------------------------------------------------------------------------


class People:
    """The persons' styles, and the direction in which they are varied."""

    def __init__(self, engine: Engine) -> None:
        self._runner: MobileStyleGAN = engine.runner("generate")
        self.styles = []
        for portrait in PEOPLE:
            latent = next(islice(latents(portrait.seed), portrait.draw - 1, None))
            self.styles.append(self._runner.styles(latent[None], truncation=portrait.truncation)[0])
        self._turn = self._direction(engine)

    def picture(self, person: int, turn: float = 0.0) -> Image:
        """Person 1, 2 ... as 1024 x 1024 pixels."""
        style = self.styles[person - 1] + np.float32(turn) * self._turn
        picture: Image = self._runner.draw(style[None])[0]
        return picture

    def _direction(self, engine: Engine) -> Floats:
        """Unit vector of the style space along which heads turn to the picture's right."""
        kept, turns = [], []
        for latent in islice(latents(777), SAMPLES):
            style = self._runner.styles(latent[None], truncation=0.7)
            faces = engine.detect(self._runner.draw(style)[0], max_faces=1)
            if len(faces):
                right_eye, left_eye, nose, right_mouth, left_mouth = faces.keypoints[0]  # in yunet's order
                middle = (right_eye + left_eye + right_mouth + left_mouth)[0] / 4
                kept.append(style[0])
                turns.append((nose[0] - middle) / np.linalg.norm(left_eye - right_eye))
        return _regress(np.stack(kept), np.array(turns))


def _regress(styles: Floats, values: NDArray[np.float64]) -> Floats:
    """Direction of the ridge regression of `values` on `styles`, of length 1."""
    x = (styles - styles.mean(axis=0)).astype(np.float64)
    y = (values - values.mean()) / values.std()
    covariance = x.T @ x / len(x)
    damping = 3 * np.trace(covariance) / len(covariance)
    slope = np.linalg.solve(covariance + damping * np.eye(len(covariance)), x.T @ y / len(x))
    return np.asarray(slope / np.linalg.norm(slope), np.float32)


def fit(picture: Image, side: int) -> Image:
    """A square picture at another size."""
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def relight(picture: Image, gains: tuple[float, float, float], gamma: float) -> Image:
    """Another lamp: gains of red, green and blue, and a gamma."""
    light = (picture / 255.0) ** gamma * np.array(gains)
    return np.asarray(np.clip(light * 255 + 0.5, 0, 255), np.uint8)


def another_shot(picture: Image, angle: float, zoom: float) -> Image:
    """Turned clockwise by `angle` degrees and cropped, so that no border shows."""
    side = picture.shape[0]
    m = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), -angle, zoom * SIDE / side)
    m[:, 2] = m[:, 2] + (SIDE - side) / 2
    return warp(picture, m, SIDE, border="reflect")


# --- drawings -------------------------------------------------------------------------------------


def noise(shape: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise in [0, 1] with about so many cells down and across."""
    coarse = rng.random(cells).astype(np.float32)
    return np.clip(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float64)


def table() -> NDArray[np.float64]:
    """Wooden boards seen from above, (H, W, 3) in [0, 255]."""
    rng = np.random.default_rng(1)
    width, height = TABLE
    picture = np.empty((height, width, 3))
    boards = 5
    for board in range(boards):
        top, bottom = height * board // boards, height * (board + 1) // boards
        shape = (bottom - top, width)
        grain = 0.6 * noise(shape, (60, 6), rng) + 0.4 * noise(shape, (130, 24), rng)
        tone = np.array([134, 98, 66]) * (0.9 + 0.2 * rng.random())
        picture[top:bottom] = tone * (0.78 + 0.4 * grain)[..., None]
        picture[top : top + 3] *= 0.55  # the gap
    return picture


def lay(canvas: NDArray[np.float64], photo: Image, shot: Snapshot) -> None:
    """Put a print with a white border on the table, with its shadow."""
    border = max(8, shot.width // 18)
    card = np.full((shot.width + 4 * border, shot.width + 2 * border, 3), 246, np.uint8)
    card[border : border + shot.width, border : border + shot.width] = fit(photo, shot.width)
    h, w = card.shape[:2]
    m = cv2.getRotationMatrix2D((w / 2 - 0.5, h / 2 - 0.5), -shot.angle, 1)
    m[:, 2] = m[:, 2] + np.array(shot.center) - (w / 2, h / 2)
    size = (canvas.shape[0], canvas.shape[1])
    cover = warp(np.full((h, w), 255, np.uint8), m, size) / 255.0
    shadow = cv2.GaussianBlur(np.roll(cover, (7, 5), axis=(0, 1)), (0, 0), 7)
    shaded = canvas * (1 - 0.5 * shadow[..., None])
    canvas[:] = shaded + cover[..., None] * (warp(card, m, size, border="replicate") - shaded)


def landscape() -> Image:
    """Hills in the evening: a picture without anybody."""
    rng = np.random.default_rng(3)
    width, height = 768, 512
    y = np.linspace(0, 1, height)[:, None, None]
    picture = np.array([96, 140, 196]) * (1 - y) + np.array([250, 214, 170]) * y + np.zeros((1, width, 1))
    picture = picture + (noise((height, width), (9, 5), rng)[..., None] - 0.5) * 30 * (1 - y)
    colors = np.linspace((150, 150, 170), (34, 62, 44), 5)
    for layer, color in enumerate(colors):
        waves = sum(noise((1, width), (1, 4 * 2**octave), rng)[0] / 2**octave for octave in range(5))
        ridge = height * (0.42 + 0.13 * layer) - 75 * (waves - 1)
        depth = np.clip(np.arange(height)[:, None] - ridge + 0.5, 0, 1)[..., None]
        grain = 0.5 * noise((height, width), (140, 60), rng) + 0.5 * noise((height, width), (30, 14), rng)
        texture = 0.93 + 0.14 * grain[..., None]
        picture += depth * (color * texture - picture)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


# --- the files ------------------------------------------------------------------------------------


def save_sideways(picture: Image, path: Path, provenance: Provenance) -> None:
    """As a phone held upright writes it: pixels lying on their side, and an EXIF tag that says so."""
    exif = PILImage.Exif()
    exif[0x0112] = 6  # the file's first row is the picture's right side
    data = io.BytesIO()
    lying = np.ascontiguousarray(np.rot90(picture))
    PILImage.fromarray(lying).save(data, "JPEG", quality=QUALITY, exif=exif, xmp=provenance.to_xmp())
    path.write_bytes(data.getvalue())


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    default = Path(__file__).parent.parent / "src" / "mien" / "assets"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with Engine(models={"detect": "yunet"}) as engine:
        people = People(engine)
        model = engine.choose("generate").id
    for person, portrait in enumerate(PEOPLE, start=1):
        mark = Provenance.generated(model, seed=portrait.seed)
        first = fit(people.picture(person), SIDE)
        save_image(first, folder / f"person{person}.jpg", quality=QUALITY, xmp=mark.to_xmp())
        if person in AGAIN:
            varied = relight(people.picture(person, AGAIN[person]), (0.97, 0.93, 0.86), 0.9)
            again = another_shot(varied, angle=5 if person % 2 else -6, zoom=1.08)
            save_image(again, folder / f"person{person}_again.jpg", quality=QUALITY, xmp=mark.to_xmp())
    save_sideways(
        fit(people.picture(4), SIDE), folder / "sideways.jpg", Provenance.generated(model, seed=PEOPLE[3].seed)
    )
    canvas = table()
    for shot in SNAPSHOTS:
        lay(canvas, people.picture(shot.person, shot.turn), shot)
    group = np.asarray(np.clip(canvas, 0, 255), np.uint8)
    save_image(group, folder / "group.jpg", quality=QUALITY, xmp=Provenance.composite(model).to_xmp())
    drawn = Provenance("algorithmicMedia", Provenance.generated().tool)
    save_image(landscape(), folder / "landscape.jpg", quality=QUALITY, xmp=drawn.to_xmp())


if __name__ == "__main__":
    main()
