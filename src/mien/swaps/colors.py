"""Colours of one face brought to those of another: in Oklab, where equal steps look equally large.

Lightness is moved along a curve that leaves black and white where they are, and the chroma is turned and scaled about
grey: so skin meets skin, while pupils stay dark, lips red and what is grey stays grey.

References
----------
Ottosson, *A perceptual color space for image processing*, 2020. Reinhard, Ashikhmin, Gooch, Shirley, *Color transfer
between images*, IEEE CG&A 2001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_oklab", "match_colors", "to_display", "to_linear", "to_oklab"]

Floats = NDArray[np.float32]

# sRGB's primaries to the cones' responses, and these, by their cube roots, to lightness and two opponent colours.
_CONES: Final = np.array(
    [
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    ]
)
_LAB: Final = np.array(
    [
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    ]
)
SMALL = 64  # pixels that colours are compared on
BROAD = 0.16  # of the window's side: what differs over less is the face's own
GREY = 0.012  # chroma below which skin has no hue
LEAST = 60.0  # pixels of the small window that must count


def to_linear(image: Floats) -> Floats:
    """Numbers of sRGB 0 to 255 as light in [0, 1]: its power law, without the straight piece next to black."""
    import cv2

    # (x + a) / (1 + a) to the power: what the standard's straight piece changes are the 10 darkest of 256 levels.
    base = np.maximum(image * np.float32(1 / (255 * 1.055)) + np.float32(0.055 / 1.055), 0)
    return np.asarray(cv2.pow(base, 2.4), np.float32)


def to_display(light: Floats) -> Floats:
    """The inverse of `to_linear`."""
    import cv2

    base = cv2.pow(np.maximum(light, 0), 1 / 2.4)
    return np.asarray((base - np.float32(0.055 / 1.055)) * np.float32(255 * 1.055), np.float32)


def to_oklab(image: Floats) -> Floats:
    """Numbers 0 to 255 of sRGB (h, w, 3) in Oklab: lightness in [0, 1] and two opponent colours, 0 for grey."""
    import cv2

    cones = cv2.pow(cv2.transform(to_linear(image), _CONES), 1 / 3)
    return np.asarray(cv2.transform(cones, _LAB), np.float32)


def from_oklab(lab: Floats) -> Floats:
    """The inverse of `to_oklab`; beyond 0 to 255 where sRGB has no such colour."""
    import cv2

    cones = cv2.transform(lab, np.linalg.inv(_LAB))
    return to_display(np.asarray(cv2.transform(cones * cones * cones, np.linalg.inv(_CONES)), np.float32))


def match_colors(front: Floats, back: Floats, weight: Floats, *, strokes: float = 1.0) -> Floats:
    """Give a face the colours of another: the same skin on the whole, and in broad strokes.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255; laid over each other.
    weight : (h, w) float32
        Where both are skin, in [0, 1].
    strokes : float
        How much of the broad, local differences is taken over as well: 0 none, 1 all.

    Returns
    -------
    (h, w, 3) float32
        `front` in the colours of `back`, within the weight's surroundings; `front` itself where there is no skin to
        compare.
    """
    window = _window(weight)
    if window is None:
        return front
    import cv2

    part = np.ascontiguousarray(front[window])
    small = _small(part.shape)
    model, mine, known = (
        np.asarray(cv2.resize(one, small, interpolation=cv2.INTER_AREA), np.float32)
        for one in (back[window], part, weight[window])
    )
    change = _compare(to_oklab(mine), to_oklab(model), known, strokes)
    if change is None:
        return front
    out = front.copy()
    out[window] = from_oklab(_changed(to_oklab(part), change)).clip(0, 255)
    return out


@dataclass(frozen=True, eq=False)
class _Change:
    """What becomes of Oklab colours."""

    shift: Floats  # (h, w, 3): log odds of lightness, and the two colours
    turn: complex  # of the chroma, about grey
    skin: float  # lightness of the skin that is changed
    chroma: float  # of it


def _window(weight: Floats) -> tuple[slice, slice] | None:
    """Rows and columns around all that counts."""
    rows, columns = np.flatnonzero(weight.max(axis=1, initial=0) > 0), np.flatnonzero(weight.max(axis=0, initial=0) > 0)
    if not len(rows):
        return None
    more = round(0.1 * max(rows[-1] - rows[0], columns[-1] - columns[0])) + 2
    top, left = max(int(rows[0]) - more, 0), max(int(columns[0]) - more, 0)
    return slice(top, int(rows[-1]) + more), slice(left, int(columns[-1]) + more)


def _small(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(SMALL / max(shape[:2]), 1.0)
    return max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1)


def _compare(mine: Floats, model: Floats, known: Floats, strokes: float) -> _Change | None:
    import cv2

    trust = known
    if float(trust.sum()) < min(LEAST, 0.1 * trust.size):
        return None
    for _ in range(3):  # what is far from the skin's mean in either is no skin
        total = trust.sum()
        own, other = ((one * trust[..., None]).sum(axis=(0, 1)) / total for one in (mine, model))
        far = sum(((one - mean) ** 2).sum(axis=2) for one, mean in ((mine, own), (model, other)))
        trust = known / (1 + far / np.float32(2 * 0.08**2)) ** 2
    turn, chroma = _turn(own, other)
    change = _Change(np.zeros((1, 1, 3), np.float32), turn, float(own[0]), chroma)
    turned = _changed(mine, change)
    gap = np.concatenate([_odds(model[..., :1]) - _odds(mine[..., :1]), model[..., 1:] - turned[..., 1:]], axis=2)
    mean = (gap * trust[..., None]).sum(axis=(0, 1)) / trust.sum()
    sigma = max(BROAD * max(known.shape), 1.0)
    near = cv2.GaussianBlur(trust, (0, 0), sigma)[..., None]
    local = (cv2.GaussianBlur((gap - mean) * trust[..., None], (0, 0), sigma)) / (near + np.float32(0.05))
    return _Change((mean + np.float32(strokes) * local).astype(np.float32), turn, float(own[0]), chroma)


def _turn(own: Floats, other: Floats) -> tuple[complex, float]:
    """By what the chroma is multiplied, as a complex number, and that of the skin; 1 where there is no hue."""
    mine, wanted = complex(own[1], own[2]), complex(other[1], other[2])
    if abs(mine) < GREY:
        return 1.0, 0.0
    ratio = wanted / mine
    return (ratio if abs(ratio) < 2 else 2 * ratio / abs(ratio)), abs(mine)


def _odds(level: Floats) -> Floats:
    level = level.clip(0.02, 0.98)
    return np.asarray(np.log(level / (1 - level)), np.float32)


def _changed(lab: Floats, change: _Change) -> Floats:
    """Oklab colours (h, w, 3), changed."""
    import cv2

    light, a, b = (np.asarray(one, np.float32) for one in cv2.split(lab))
    shift = change.shift
    if shift.shape[:2] != light.shape:
        shift = np.asarray(cv2.resize(shift, light.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    odds, more_a, more_b = cv2.split(np.ascontiguousarray(shift))
    # Pupils, lashes and brows are dark on any skin; the white of eyes, and gloss, is nearly as light.
    share = _step(light, 0.25 * change.skin, 0.9 * change.skin)
    if change.chroma:
        chroma = np.asarray(cv2.magnitude(a, b), np.float32)
        share = share * (np.float32(0.4) + np.float32(0.6) * _step(chroma, 0.15 * change.chroma, 0.7 * change.chroma))
    factor = np.exp(-np.asarray(odds, np.float32) * share)
    out_light = light / (light + factor * (1 - light)).clip(1e-4)
    x, y = np.float32(change.turn.real), np.float32(change.turn.imag)
    return np.asarray(cv2.merge([out_light, x * a - y * b + more_a, y * a + x * b + more_b]), np.float32)


def _step(values: Floats, low: float, high: float) -> Floats:
    t = ((values - np.float32(low)) * np.float32(1 / max(high - low, 1e-6))).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
