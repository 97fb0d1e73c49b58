"""Colours of one face brought to those of another: in Oklab, where equal steps look equally large.

Lightness is moved along a curve that leaves black and white where they are, the less the darker or the paler something
is than the skin: so skin meets skin, while pupils stay dark, the white of eyes white and lips redder than the skin.

References
----------
Reinhard, Ashikhmin, Gooch, Shirley, *Color transfer between images*, IEEE CG&A 2001.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.swaps.blend.facemask import shrunk, window_of
from mien.swaps.blend.oklab import from_oklab, to_oklab

__all__ = ["match_colors", "meet"]

Floats = NDArray[np.float32]

SMALL = 64  # pixels that colours are compared on
BROAD = 0.16  # of the window's side: what differs over less is the face's own
ROOM = 0.03  # of the face's extent around what is compared that is changed as well
FEWEST = 40.0  # pixels of the small window that must count
GREY = (0.006, 0.025)  # chroma of skin in a picture without colours, and in one that has them
DARK = (0.25, 0.9)  # of the skin's lightness: pupils, lashes and brows, as dark on any skin; and what is skin
PALE = (0.15, 0.7)  # of the skin's chroma: the white of eyes, gloss, grey hair; and what is skin
PALE_SHARE = (0.4, 0.1)  # of the change of lightness, and of tint, that what is pale takes part in
GLOSS_SHARE = (0.8, 0.6)  # the same, where all gets darker
SKIN_SPREAD = 0.08  # in Oklab, of what is one skin
DARKER = (0.5, 1.3)  # limits of what chroma is multiplied by as lightness is
SKINS = 1.7  # log odds of lightness by which skins differ, about, from the darkest to the palest
ALONG = 0.03  # of the window's side: how evenly skin meets skin along an edge
FAR = 0.5  # of a logarithm of levels, at which a difference counts by a quarter
MEETING = np.float32(16)  # levels that are added before ratios
WIDEST = 4.0  # by which lightness is moved at most


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
    window = window_of(weight, ROOM)
    if window is None:
        return front
    part = np.ascontiguousarray(front[window])
    scale = min(SMALL / max(part.shape[:2]), 1.0)
    small = max(round(part.shape[0] * scale), 1), max(round(part.shape[1] * scale), 1)
    model, mine, known = (shrunk(one, small) for one in (back[window], part, weight[window]))
    change = _compare(to_oklab(mine), to_oklab(model), known, strokes)
    if change is None:
        return front
    out = front.copy()
    out[window] = from_oklab(_changed(to_oklab(part), change))
    return out


def meet(front: Floats, back: Floats, weight: Floats, alpha: Floats, reach: Floats) -> Floats:
    """Bring a face's colours near its edge to those that the picture has there, so that no step is seen.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255; laid over each other.
    weight : (h, w) float32
        Where both are skin, in [0, 1].
    alpha : (h, w) float32
        How much of each pixel is the front. Its outer edge is where both meet: within, around eyes and rims of glasses,
        a face keeps its own shades.
    reach : (h, w) float32
        How many pixels deep, by places: the deeper, the less is seen of the edge, and of the front's own shades.

    Returns
    -------
    (h, w, 3) float32
        The further from the edge, the less differs from `front`.
    """
    import cv2

    window = window_of(weight, ROOM)
    if window is None:
        return front
    known = np.ascontiguousarray(weight[window])
    own, model = (np.ascontiguousarray(one[window]) + MEETING for one in (front, back))
    extent = max(known.shape)
    seen = np.ascontiguousarray(alpha[window] > 0.02).astype(np.uint8)
    lines, _ = cv2.findContours(seen, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    inside = np.asarray(cv2.drawContours(np.zeros_like(seen), lines, -1, 1, cv2.FILLED), np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5)
    near = np.exp(-((depth[1:-1, 1:-1] / np.maximum(reach[window], 1)) ** 2)).astype(np.float32)
    apart = cv2.log(np.maximum(model, 1)) - cv2.log(np.maximum(own, 1))
    # What is far off is a beard, or a shadow's edge: no skin could meet it.
    trust = known * near / (1 + (apart**2).sum(axis=2) / (3 * FAR**2)) ** 2
    sigma = ALONG * extent
    total = cv2.GaussianBlur(trust, (0, 0), sigma)
    gap = cv2.GaussianBlur(apart * trust[..., None], (0, 0), sigma) / (total + np.float32(0.01))[..., None]
    out = front.copy()
    out[window] = own * cv2.exp(gap * near[..., None]) - MEETING
    return out


@dataclass(frozen=True, eq=False)
class _Change:
    """What becomes of Oklab colours."""

    shift: Floats  # (h, w, 3): log odds of lightness, and the two colours
    colorful: float  # what the face's own chroma is multiplied by
    skin: float  # lightness of the skin that is changed
    chroma: float  # of it; 0 where it has no hue


def _compare(mine: Floats, model: Floats, known: Floats, strokes: float) -> _Change | None:
    """What makes one skin (h, w, 3) the other, of Oklab colours; None: too little is known (h, w)."""
    import cv2

    if float(known.sum()) < min(FEWEST, 0.05 * known.size):
        return None
    trust = known
    for _ in range(3):  # what is far from the skin's mean in either is no skin
        own, other = (_mean(one, trust) for one in (mine, model))
        far = ((mine - own) ** 2).sum(axis=2) + ((model - other) ** 2).sum(axis=2)
        trust = known / (1 + far * np.float32(0.5 / SKIN_SPREAD**2)) ** 2
    has, wants = float(np.hypot(own[1], own[2])), float(np.hypot(other[1], other[2]))
    # Darker, all colours are less far from grey: Oklab's three numbers grow with the cube root of light alike.
    darker = float(np.clip(other[0] / max(float(own[0]), 0.05), *DARKER))
    colorful = darker * float(_step(np.array(wants, np.float32), *GREY))
    gap = (model - np.array([1, colorful, colorful], np.float32) * mine).astype(np.float32)
    gap[..., 0] = _odds(model[..., 0]) - _odds(mine[..., 0])
    mean = _mean(gap, trust)
    sigma = max(BROAD * max(known.shape), 1.0)
    near = cv2.GaussianBlur(trust, (0, 0), sigma)[..., None]
    local = cv2.GaussianBlur((gap - mean) * trust[..., None], (0, 0), sigma) / (near + np.float32(0.05))
    shift = (mean + np.float32(strokes) * local).astype(np.float32)
    shift[..., 0] = shift[..., 0].clip(-WIDEST, WIDEST)
    return _Change(shift, colorful, float(own[0]), has if has > GREY[1] else 0.0)


def _mean(values: Floats, trust: Floats) -> Floats:
    return np.asarray(np.tensordot(trust, values, 2) / trust.sum(), np.float32)


def _odds(level: Floats) -> Floats:
    level = level.clip(0.02, 0.98)
    return np.asarray(np.log(level / (1 - level)), np.float32)


def _changed(lab: Floats, change: _Change) -> Floats:
    """Oklab colours (h, w, 3), changed."""
    import cv2

    light, a, b = (np.asarray(one, np.float32) for one in cv2.split(lab))
    shift = cv2.resize(change.shift, light.shape[::-1], interpolation=cv2.INTER_LINEAR)
    odds, more_a, more_b = (np.asarray(one, np.float32) for one in cv2.split(shift))
    skins = odds.clip(-SKINS, SKINS)
    odds -= skins  # what two skins do not differ by is light: it is on everything
    if change.chroma:
        tinted = _step(np.asarray(cv2.magnitude(a, b), np.float32), *(change.chroma * edge for edge in PALE))
        # Made darker, gloss comes along with the skin that it is on: it would be a white spot there.
        gloss = skins < 0
        tint = np.where(gloss, _at_least(GLOSS_SHARE[1], tinted), _at_least(PALE_SHARE[1], tinted))
        skins *= np.where(gloss, _at_least(GLOSS_SHARE[0], tinted), _at_least(PALE_SHARE[0], tinted))
        more_a *= tint
        more_b *= tint
    odds += skins
    darker = odds < 0
    # On paler skin brows and pupils stay as dark; on darker skin they get darker, or they would be lost on it.
    odds *= np.maximum(_step(light, *(change.skin * edge for edge in DARK)), darker)
    factor = np.asarray(cv2.exp(-odds), np.float32)
    # Made darker, all is by as much as the skin: along the curve, what is pale would get more contrast than it had.
    place = np.where(darker, np.float32(change.skin), light)
    factor *= 1 - place
    factor += place
    keeps = np.float32(change.colorful)
    return np.asarray(cv2.merge([light / factor.clip(1e-4), keeps * a + more_a, keeps * b + more_b]), np.float32)


def _at_least(least: float, share: Floats) -> Floats:
    return np.float32(1 - least) * share + np.float32(least)


def _step(values: Floats, low: float, high: float) -> Floats:
    """0 up to `low`, 1 from `high` on, smooth between."""
    t = ((values - np.float32(low)) * np.float32(1 / max(high - low, 1e-6))).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
