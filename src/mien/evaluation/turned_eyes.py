"""Portraits whose eyes were turned: the irises of a picture are painted elsewhere, by a known angle.

There is no open set of pictures with measured gaze that a package could fetch. But how an estimate *answers* to eyes
that turn can be measured on anybody's portrait, also on people who do not exist: paint each iris where a model eyeball
would bring it, and ask again. That tells the gain and the noise of the way from pixels to gaze. It does not tell
whether the eyeball is right (true and painted gaze share it), and the lids do not follow as those of people do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Measured, Report, measured
from mien.location.gaze import EYES, eye_openness, iris_diameters
from mien.swaps.edit import Edit
from mien.swaps.invented.generator import distinct_people

__all__ = ["PaintedReport", "evaluate_painted", "turn_eyes"]

LEVER = 10.5 / 11.7  # from the eyeball's centre to that of the iris, in iris diameters (12 and 11.7 mm)
SOFT = 0.06  # of an iris' diameter: how soft the painted edges are
FINE = 4  # the painting is done this many times finer than the picture
Doubles = NDArray[np.float64]

WIDE = 0.6  # distance of the lids in iris diameters
TURNS = (-15.0, -10.0, -5.0, 5.0, 10.0, 15.0)  # degrees by which eyes are painted turned


@dataclass(frozen=True)
class PaintedReport(Report):
    """How an estimate answers to irises that were painted turned, on portraits of people who do not exist.

    Only people whose eyes are open wide count.

    Parameters
    ----------
    people : int
    missed : int
        Pictures whose gaze abstained.
    gain : Measured
        Degrees of yaw that the estimate changes by for each degree painted.
    rest : float
        Deviation of the change around that line, degrees.
    off_camera : Measured
        Median angle to the camera of the portraits as they were drawn: nearly all look into it.
    """

    people: int
    missed: int
    gain: Measured
    rest: float
    off_camera: Measured


def turn_eyes(image: Image, mesh: ArrayLike, degrees: tuple[float, float]) -> Image:
    """Paint both irises where eyes would have them that turn by some angle.

    Parameters
    ----------
    image : (H, W, 3) uint8
        A portrait whose eyes look about into the camera.
    mesh : (478, 2 or 3) array-like
        Its mesh.
    degrees : (yaw, pitch)
        How far the eyes turn, from the camera: to the picture's right, and up. Small turns look best (up to about 20).

    Returns
    -------
    (H, W, 3) uint8
        A new picture.

    Raises
    ------
    ShapeMismatch
        If the mesh is no such array.
    """
    points = np.asarray(mesh, np.float64)
    if points.shape not in {(478, 2), (478, 3)}:
        raise ShapeMismatch(f"a mesh has the shape (478, 2 or 3), not {points.shape}.")
    yaw, pitch = np.deg2rad(degrees)
    aside = LEVER * np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    narrow = np.cos([yaw, pitch])  # a turned disc is seen as an ellipse
    out = image.copy()
    for eye, region in zip(EYES, ("right_eye", "left_eye"), strict=True):
        outline = points[indices_of("mesh478", region), :2]
        diameter = float(iris_diameters(points[None], eye)[0])
        if np.isfinite(diameter) and diameter > 2:
            _paint(out, points[eye.iris, :2], outline, diameter, aside * diameter, narrow)
    return out


def _paint(
    image: Image, iris: Doubles, outline: Doubles, diameter: float, shift: Doubles, narrow: NDArray[np.floating[Any]]
) -> None:
    """Paint one eye in place."""
    import cv2

    low = np.floor(np.minimum(outline.min(axis=0), iris - diameter)).astype(int) - 2
    high = np.ceil(np.maximum(outline.max(axis=0), iris + diameter)).astype(int) + 3
    low, high = low.clip(0), np.minimum(high, image.shape[1::-1])
    if (high <= low).any():
        return
    part = image[low[1] : high[1], low[0] : high[0]]
    fine = cv2.resize(part, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC).astype(np.float32)

    def to_fine(place: Doubles) -> Doubles:
        return np.asarray((place - low + 0.5) * FINE - 0.5)

    radius, soft = diameter / 2 * FINE, SOFT * diameter * FINE
    center, corners = to_fine(iris), np.round(to_fine(outline)).astype(np.int32)
    opening = np.zeros(fine.shape[:2], np.uint8)
    cv2.fillPoly(opening, [corners], 1)
    y, x = np.mgrid[: fine.shape[0], : fine.shape[1]].astype(np.float32)
    white = (np.hypot(x - center[0], y - center[1]) > 1.25 * radius) & (opening > 0)
    if white.sum() < 20:
        return  # nothing of the white is seen: this eye is nearly closed
    # The eye without an iris: its white, darker towards the lids as it was.
    bare = np.empty_like(fine)
    bare[:] = np.median(fine[white], axis=0)
    shade = cv2.GaussianBlur(opening.astype(np.float32), (0, 0), radius / 2)
    bare *= (0.55 + 0.45 * shade / max(float(shade.max()), 1e-6))[..., None]
    # The iris as it would be without lids: what these hide of its upper part is taken from its lower part.
    target = center + shift * FINE
    map_x = ((x - target[0]) / narrow[0] + center[0]).astype(np.float32)
    map_y = ((y - target[1]) / narrow[1] + center[1]).astype(np.float32)
    seen = opening.astype(np.float32)
    hidden = cv2.remap(seen, map_x, map_y, cv2.INTER_LINEAR) < 0.9
    upright = cv2.remap(fine, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    flipped = cv2.remap(
        fine, map_x, np.float32(2 * center[1]) - map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    disc = np.where(hidden[..., None], flipped, upright)
    far = np.hypot(map_x - center[0], map_y - center[1])
    inside = np.clip((1.02 * radius - far) / soft + 0.5, 0, 1)[..., None]
    painted = bare * (1 - inside) + disc * inside
    edge = cv2.GaussianBlur(seen, (0, 0), soft)[..., None] * seen[..., None]
    fine = fine * (1 - edge) + painted * edge
    small = cv2.resize(fine, part.shape[1::-1], interpolation=cv2.INTER_AREA)
    part[:] = np.clip(small + 0.5, 0, 255).astype(np.uint8)


def evaluate_painted(people: int, *, seed: int = 0, engine: Engine | None = None) -> PaintedReport:
    """Measure how the estimate answers to painted turns of the eyes, on people who do not exist.

    It needs no data but the generator's weights. It does not measure accuracy: see `mien.evaluation.turned_eyes`.

    Parameters
    ----------
    people : int
        How many portraits.
    seed : int
        Of the portraits.

    Raises
    ------
    UsageError
        If `people` is below 1.
    """
    if people < 1:
        raise UsageError(f"people is 1 or more, not {people}.")
    engine = engine or default_engine()
    parts, off, missed = [], [], 0
    for person in islice(_wide_eyed(seed, engine), people):
        plain = Faces.from_boxes(person.faces.boxes, image_size=person.faces.image_size)
        off.append(float(engine.analyze(person.image, faces=plain, want={"gaze"}).gaze.off_axis[0]))
        yaws = []
        for turn in (0.0, *TURNS):
            painted = turn_eyes(person.image, person.faces.landmarks.values[0], (turn, 0.0))
            yaws.append(float(engine.analyze(painted, faces=plain, want={"gaze"}).gaze.yaw[0]))
        changes = np.column_stack([TURNS, np.array(yaws[1:]) - yaws[0]])
        missed += int(np.isnan(yaws).sum())
        parts.append(changes[np.isfinite(changes).all(axis=1)])

    def gain(rows: Doubles) -> float:
        return float((rows[:, 0] @ rows[:, 1]) / (rows[:, 0] @ rows[:, 0])) if len(rows) else float("nan")

    slope = measured(parts, gain)
    joined = np.concatenate(parts)
    rest = float((joined[:, 1] - slope.value * joined[:, 0]).std()) if len(joined) else float("nan")
    angles = [np.array([[value]]) for value in off if np.isfinite(value)]
    return PaintedReport(people, missed, slope, rest, measured(angles, lambda rows: float(np.median(rows))))


def _wide_eyed(seed: int, engine: Engine) -> Iterator[Edit]:
    """Drawn people whose eyes are open wide enough to be painted: between narrow lids an iris has no place to go."""
    for person in distinct_people(seed=seed, size=512, similarity=1.0, engine=engine):
        if eye_openness(person.faces.landmarks.values).min() >= WIDE:
            yield person
