"""Directions in the generator's styles along which one attribute of the person changes, and steps to a value of it.

Each direction is what the mean style does when one attribute changes and all others that were looked at stay: a linear
regression of styles on attributes, all at once, so that what goes together in the data (age and glasses, beard and
gender) is not taken for one thing. It is added to those layers of the network only that show the attribute. What the
step does is then measured on the picture: responses are not linear, and some values are out of a person's reach.

Shen, Gu, Tang, Zhou, *Interpreting the Latent Space of GANs for Semantic Face Editing* (InterFaceGAN), CVPR 2020;
Karras et al., *A Style-Based Generator Architecture for GANs*, CVPR 2019 (styles per layer). The steps are the secant
method's, one attribute beside the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.core.image import Image
from mien.swaps.invented.attributes import ATTRIBUTES

__all__ = ["Direction", "Look", "Reached", "directions", "steer", "toward"]

Floats = NDArray[np.float32]

FASTER, SLOWER = 4.0, 0.25  # how much more or less than foreseen an attribute may respond to a step


@dataclass(frozen=True, eq=False, kw_only=True)
class Direction:
    """How styles change with one attribute.

    Attributes
    ----------
    name : str
        Of the attribute.
    step : (D,) float32
        To be added to a style for the attribute to grow by 1 on its even scale.
    spread : float
        Standard deviation of the attribute among the people that the network draws, on its even scale.
    reach : float
        How far the attribute is moved at most, on its even scale: beyond, people fall apart.
    """

    name: str
    step: Floats = field(repr=False)
    spread: float
    reach: float

    def move(self, styles: Floats, amount: float) -> Floats:
        """Styles (R, D) with the attribute `amount` further on its even scale."""
        first, last = ATTRIBUTES[self.name].layers
        moved = styles.copy()
        moved[first:last] += np.float32(amount) * self.step
        return moved


@cache
def directions() -> Mapping[str, Direction]:
    """The directions that ship, by attribute; ``tools/fit_directions.py`` makes them."""
    with (
        resources.files("mien.swaps.invented").joinpath("directions.npz").open("rb") as stream,
        np.load(stream) as table,
    ):
        rows = zip(*(table[name] for name in ("names", "steps", "spreads", "reaches")), strict=True)
        return {
            str(name): Direction(name=str(name), step=step.astype(np.float32), spread=float(spread), reach=float(reach))
            for name, step, spread, reach in rows
        }


def toward(styles: Floats, values: Mapping[str, float], targets: Mapping[str, float]) -> Floats:
    """Styles with attributes moved from known values to targets in one step, unmeasured.

    Parameters
    ----------
    styles : (R, D) float32
    values : mapping of str to float
        What the attributes are now.
    targets : mapping of str to float
        What they are to be; those that are NaN, or not known, stay.
    """
    for name, target in targets.items():
        known, way = ATTRIBUTES[name], directions()[name]
        amount = known.even(target) - known.even(values.get(name, np.nan))
        if np.isfinite(amount):
            styles = way.move(styles, float(np.clip(amount, -way.reach, way.reach)))
    return styles


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """A picture that was drawn and looked at.

    Attributes
    ----------
    styles : (R, D) float32
    image : (H, W, 3) uint8
    faces : Faces
        With the fields that the attributes need.
    refusal : str or None
        Why it may not be given out.
    """

    styles: Floats = field(repr=False)
    image: Image = field(repr=False)
    faces: Faces = field(repr=False)
    refusal: str | None

    def value(self, name: str) -> float:
        """An attribute of the first face; NaN where there is none."""
        return ATTRIBUTES[name].read(self.image, self.faces[0]) if len(self.faces) else float("nan")


@dataclass(frozen=True, eq=False, kw_only=True)
class Reached:
    """How near to the targets the steps came.

    Attributes
    ----------
    look : Look
        The nearest that passed.
    values : mapping of str to float
        What its attributes are.
    draws : int
        How many pictures it took.
    refused : mapping of str to int
        Pictures on the way that did not pass, by reason.
    """

    look: Look
    values: Mapping[str, float]
    draws: int
    refused: Mapping[str, int]

    def missed(self, targets: Mapping[str, float]) -> list[str]:
        """Attributes that are not as near to their targets as they should be."""
        near = {name: abs(self.values[name] - target) <= ATTRIBUTES[name].near for name, target in targets.items()}
        return [name for name, fits in near.items() if not fits]


@dataclass(eq=False)
class _Track:
    """What is known of one attribute on the way: how far it was moved, and what became of it."""

    way: Direction
    target: float  # on the even scale, as all here
    shift: float = 0.0
    slope: float = 1.0
    last: tuple[float, float] | None = None  # shift and value of the look before
    refused: float | None = None  # shift of a look that did not pass

    def learn(self, value: float) -> None:
        """Measure the response: by the secant through this look and the one before."""
        if self.last is not None and abs(self.shift - self.last[0]) > 1e-3 * self.way.spread:
            slope = (value - self.last[1]) / (self.shift - self.last[0])
            self.slope = float(np.clip(slope, SLOWER, FASTER))
        self.last = (self.shift, value)

    def turn_back(self) -> None:
        """Know that a look as far as this did not pass."""
        self.refused = self.shift

    def step(self) -> float:
        """How much further to go for the target: half way, at most, from what passed last to what did not."""
        if self.last is None:
            return -self.shift / 2
        aim = self.last[0] + (self.target - self.last[1]) / self.slope
        aim = float(np.clip(aim, -self.way.reach, self.way.reach))
        if self.refused is not None:
            middle = (self.last[0] + self.refused) / 2
            beyond = aim > middle if self.refused > self.last[0] else aim < middle
            aim = middle if beyond else aim
        return aim - self.shift


def steer(start: Look, targets: Mapping[str, float], draw: Callable[[Floats], Look], *, draws: int = 10) -> Reached:
    """Change a person until its attributes have the values asked for, as nearly as it goes.

    Parameters
    ----------
    start : Look
        The person as it is; it has passed.
    targets : mapping of str to float
        See `mien.swaps.invented.attributes.ATTRIBUTES`.
    draw : callable
        Draws styles (R, D) and looks at them.
    draws : int
        Most pictures to be drawn.
    """
    tracks = {name: _Track(directions()[name], ATTRIBUTES[name].even(target)) for name, target in targets.items()}
    best, look, refused, drawn = start, start, dict[str, int](), 0
    while True:
        if look.refusal is not None:
            refused[look.refusal] = refused.get(look.refusal, 0) + 1
        elif _distance(look, targets) < _distance(best, targets):
            best = look
        if drawn == draws or _distance(best, targets) <= 1:
            break
        steps = _steps(tracks, look)
        if all(abs(step) < 0.02 * tracks[name].way.spread for name, step in steps.items()):
            break  # at the ends of the ways
        styles = start.styles
        for name, track in tracks.items():
            track.shift += steps[name]
            styles = track.way.move(styles, track.shift)
        look = draw(styles)
        drawn += 1
    return Reached(look=best, values={name: best.value(name) for name in targets}, draws=drawn, refused=refused)


def _steps(tracks: Mapping[str, _Track], look: Look) -> dict[str, float]:
    """How much further to move each attribute."""
    for name, track in tracks.items():
        value = ATTRIBUTES[name].even(look.value(name))
        if np.isfinite(value) and look.refusal is None:
            track.learn(value)
        else:
            track.turn_back()
    return {name: track.step() for name, track in tracks.items()}


def _distance(look: Look, targets: Mapping[str, float]) -> float:
    """How far from the targets, at worst, in what is near enough; infinite where a value is not known."""
    off = [abs(look.value(name) - target) / ATTRIBUTES[name].near for name, target in targets.items()]
    return float(np.nan_to_num(max(off, default=0.0), nan=np.inf)) if np.isfinite(off).all() else float("inf")
