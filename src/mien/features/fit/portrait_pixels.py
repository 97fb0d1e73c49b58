"""What is measured on a portrait's pixels: light and colour of the face, its sharpness, and the background.

Each face is looked at twice. Close up, with its eyes 90 pixels apart, as the standards ask for at least: the skin, the
surroundings of the eyes, sharpness. And from afar, with its eyes 24 pixels apart, with what is around it: the
background, what is worn on the head. Which pixel is what, the field ``parse`` says. A person's clothes reach beyond its
grid; so nothing below the chin counts as background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import compose, invert, square_crops, transform
from mien.core.layouts import indices_of
from mien.core.parts import classes_of
from mien.core.warping import warp

if TYPE_CHECKING:
    from mien.core.columns import Regions
    from mien.core.image import Image
    from mien.features.fit.portrait_geometry import HeadPlace

__all__ = ["PIXEL_CHECKS", "blockiness", "measure_pixels"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

CLOSE_SIDE, CLOSE_EYES = 288, 90.0  # pixels of the close view, and between the eyes in it
FAR_SIDE, FAR_EYES = 320, 24.0  # the same from afar: 13 eye distances, some four heads
FINER = 4  # times as fine as the parsing's grid are its labels
LEAST_SKIN, LEAST_BACKGROUND = 400, 300  # pixels of which something is told
FRINGE = 4  # pixels around the head, from afar, that are neither head nor background
ZONE = 0.3  # side of the squares that the light is measured in, in eye distances (ISO/IEC 39794-5)
WHITE, BLACK, BRIGHT = 235, 25, 247  # levels of grey: of a glaring spot's least channel; nearly black; nearly white
SKIN_A, SKIN_B = (5.0, 25.0), (5.0, 35.0)  # CIELAB of natural skin (ISO/IEC 29794-5, natural colour)
BLOCK = 8  # pixels of a JPEG block

#: Level of grey from which on the whites of an eye show that there is light, so that skin which is nearly black is dark
#: skin. They had 83 to 138 in 8 generated portraits, and 16 to 28 in a fifth of their light.
LIT: Final = 50
APART: Final = 25  # levels by which whites are lighter than the iris of an eye that is seen through glasses
WORN: Final = 0.01  # share of the face from which on it wears glasses

# Mesh points in the middle of forehead, chin and both cheeks, where the light on the face is compared.
_ZONES = (151, 199, 205, 425)
_HEAD = ("skin", "nose", "hair", "hat", "ears", "glasses", "eyes", "brows", "lips", "mouth", "earrings")

#: Names of what `measure_pixels` gives, in its order. No checks of their own are ``clear_glasses``, 1 or 0, and
#: ``dark_skin``, the share of the skin that is nearly black in good light.
PIXEL_CHECKS: Final = (
    "headwear", "glasses", "eye_glare", "red_eye", "hot_spots", "lighting", "too_dark", "too_bright", "contrast",
    "colour", "sharpness", "background_plain", "background_even", "background_bright", "background_colour",
    "background_contrast", "clear_glasses", "dark_skin",
)  # fmt: skip


def measure_pixels(
    image: Image, points: NDArray[np.floating[Any]], head: HeadPlace, row: int, parse: Regions
) -> dict[str, float]:
    """Measure one face.

    Parameters
    ----------
    image : (H, W, 3) uint8
        Its picture.
    points : (478, 3)
        Its mesh.
    head : HeadPlace
        Of all faces; it is number `row`.
    parse : Regions
        Of the one face.

    Returns
    -------
    dict
        By `PIXEL_CHECKS`; NaN for what cannot be told.
    """
    told = dict.fromkeys(PIXEL_CHECKS, np.nan)
    placed = np.isfinite(points).all() and np.isfinite(head.up[row]).all()
    if parse.warp != "affine" or bool(parse.abstained) or not placed:
        return told
    turn = np.degrees(np.arctan2(head.up[row, 0], -head.up[row, 1]))
    views = []
    for side, eyes, low in ((CLOSE_SIDE, CLOSE_EYES, 0.35), (FAR_SIDE, FAR_EYES, -0.5)):
        extent = side / eyes * head.eye_distance[row]
        center = head.middle[row] + 0.5 - head.up[row] * low * head.eye_distance[row]
        m = square_crops(center[None], extent, turn, side)[0]
        views.append((warp(image, m, side), _labels(parse, m, side), _inside(image, m, side), m))
    close, far = views
    told |= _face(close[0], close[1], close[2], transform(points[None, :, :2], close[3])[0])
    chin = float(transform(head.chin[row][None, None], far[3])[0, 0, 1])
    told |= _around(far[0], far[1], far[2], chin, parse.names)
    return told


def _labels(parse: Regions, m: Floats, side: int) -> dict[str, Mask]:
    """Masks (side, side) of the parsing's regions in a view that is the map `m` of the picture."""
    import cv2

    scores = parse.values
    large = np.stack([cv2.resize(one, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR) for one in scores])
    shift = (FINER - 1) / 2  # cells count from their middles
    grid = parse.grids.reshape(2, 3) * FINER + np.array([[0, 0, shift], [0, 0, shift]])
    to_view = compose(m, invert(grid))
    classes = warp(large.argmax(axis=0).astype(np.uint8), to_view, side, interpolation="nearest")
    return {
        name: np.isin(classes, [parse.names.index(one) for one in classes_of(name, parse.names)])
        for name in parse.regions
    }


def _inside(image: Image, m: Floats, side: int) -> Mask:
    """Which pixels of a view are of the picture."""
    return np.asarray(warp(np.full(image.shape[:2], 255, np.uint8), m, side, interpolation="nearest") > 0)


def _lab(image: Image) -> Floats:
    import cv2

    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)


def _grey(image: Image) -> Floats:
    return np.asarray(image @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _polygon(points: NDArray[np.floating[Any]], side: int) -> Mask:
    import cv2

    mask = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask > 0


def _face(view: Image, labels: dict[str, Mask], inside: Mask, points: Floats) -> dict[str, float]:
    """What is told of the face close up."""
    import cv2

    none = np.zeros(inside.shape, bool)
    oval = _polygon(points[indices_of("mesh478", "face_oval")], CLOSE_SIDE) & inside
    skin = (labels.get("skin", none) | labels.get("nose", none)) & oval
    grey, least = _grey(view), view.min(axis=2)
    glasses = labels.get("glasses", none)
    told = {"glasses": float((glasses & inside).sum() / max(oval.sum(), 1)), "sharpness": _sharpness(grey, oval)}
    eyes = none.copy()
    for side in ("right", "left"):
        corner = points[indices_of("mesh478", f"{side}_eye")]
        eyes |= _polygon(corner.mean(axis=0) + (corner - corner.mean(axis=0)) * (1.5, 2.5), CLOSE_SIDE)
    eyes &= inside
    told["eye_glare"] = float((least >= WHITE)[eyes].mean()) if eyes.any() else np.nan
    told["red_eye"] = _redness(view, points, inside)
    told["lighting"] = _evenness(grey, skin, points)
    eye_levels = _eye_levels(grey, points, inside)
    clear = (eye_levels[:, 0] >= LIT) & (eye_levels[:, 0] - eye_levels[:, 1] >= APART)
    told["clear_glasses"] = float(told["glasses"] >= WORN and clear.all())
    if np.count_nonzero(skin) < LEAST_SKIN:
        return told
    levels = np.bincount(grey[oval].astype(np.uint8), minlength=256)
    a, b = (float(np.median(channel[skin])) for channel in np.moveaxis(_lab(view)[..., 1:], -1, 0))
    off_a, off_b = (max(low - value, value - high, 0.0) for value, (low, high) in ((a, SKIN_A), (b, SKIN_B)))
    black, lit = float((grey <= BLACK)[skin].mean()), bool((eye_levels[:, 0] >= LIT).any())
    # A spot is small and stands out: all of a face that is too bright is none.
    soft = cv2.blur(grey, (61, 61))
    return told | {
        "hot_spots": float(((least >= WHITE) & (grey > soft + 15))[skin].mean()),
        "too_dark": 0.0 if lit else black,
        "dark_skin": black if lit else 0.0,
        "too_bright": float((grey >= BRIGHT)[skin].mean()),
        "contrast": float(np.count_nonzero(levels)),
        "colour": float(np.hypot(off_a, off_b)),
    }


def _sharpness(grey: Floats, oval: Mask) -> float:
    """Fine detail of the face, of 1 to 2 pixels, in shares of that of 2 to 8: of one with its eyes 90 pixels apart."""
    import cv2

    if not oval.any():
        return np.nan
    fine, middle, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (0.5, 1.0, 4.0))
    rest = float((middle - coarse)[oval].std())
    return float((fine - middle)[oval].std()) / rest if rest > 0 else np.nan


def _redness(view: Image, points: Floats, inside: Mask) -> float:
    """Share of an iris that is red, of the redder one."""
    red, green, blue = np.moveaxis(view.astype(np.int16), -1, 0)
    glow = (red > 90) & (red > 2 * np.maximum(green, blue))
    shares = []
    for side in ("right", "left"):
        iris = _polygon(points[indices_of("mesh478", f"{side}_iris")], CLOSE_SIDE) & inside
        if np.count_nonzero(iris) > 20:
            shares.append(float(glow[iris].mean()))
    return max(shares, default=np.nan)


def _eye_levels(grey: Floats, points: Floats, inside: Mask) -> Doubles:
    """Levels of the whites and of the iris of each eye, (2, 2); NaN of one that is not open or not seen."""
    levels = np.full((2, 2), np.nan)
    for row, side in enumerate(("right", "left")):
        eye, iris = (_polygon(points[indices_of("mesh478", f"{side}_{part}")], CLOSE_SIDE) for part in ("eye", "iris"))
        whites, middle = grey[eye & ~iris & inside], grey[eye & iris & inside]
        if min(len(whites), len(middle)) > 40:
            levels[row] = np.percentile(whites, 75), np.median(middle)  # the rest of the whites are lashes and shadows
    return levels


def _evenness(grey: Floats, skin: Mask, points: Floats) -> float:
    """Mean level of the darkest of four squares of skin, as a share of the brightest's (ISO/IEC 39794-5)."""
    half = round(ZONE * CLOSE_EYES / 2)
    means = []
    for x, y in np.rint(points[list(_ZONES)]).astype(int):
        window = slice(max(y - half, 0), y + half), slice(max(x - half, 0), x + half)
        if np.count_nonzero(skin[window]) < half * half:  # a quarter of it; hair or a beard's edge is no skin
            continue
        means.append(float(grey[window][skin[window]].mean()))
    return min(means) / max(*means, 1.0) if len(means) >= 3 else np.nan


def _around(
    view: Image, labels: dict[str, Mask], inside: Mask, chin: float, names: tuple[str, ...]
) -> dict[str, float]:
    """What is told of what is around the face, from afar."""
    import cv2

    none = np.zeros(inside.shape, bool)
    head = np.logical_or.reduce([labels.get(name, none) for name in _HEAD]) & inside
    told = {}
    if "hat" in names:
        told["headwear"] = float((labels["hat"] & inside).sum() / max(head.sum(), 1))
    taken = cv2.dilate((~labels["background"]).astype(np.uint8), np.ones((2 * FRINGE + 1,) * 2, np.uint8)) > 0
    behind = inside & ~taken
    behind[max(int(chin), 0) :] = False
    if np.count_nonzero(behind) < LEAST_BACKGROUND:
        return told
    lab = _lab(view)
    middle = np.median(lab[behind], axis=0)
    sigma = FAR_EYES / 2
    weight = cv2.GaussianBlur(behind.astype(np.float32), (0, 0), sigma)[..., None]
    soft = cv2.GaussianBlur(np.where(behind[..., None], lab, 0).astype(np.float32), (0, 0), sigma)
    soft = soft / np.maximum(weight, 1e-6)
    texture = np.linalg.norm(lab - soft, axis=2)[behind]
    drift = np.linalg.norm(soft - middle, axis=2)[behind]
    apart = [
        float(np.linalg.norm(np.median(lab[part & inside], axis=0) - middle))
        for part in (labels.get("hair", none), labels.get("skin", none))
        if np.count_nonzero(part & inside) >= LEAST_BACKGROUND
    ]
    return told | {
        "background_plain": float(np.percentile(texture, 90)),
        "background_even": float(np.percentile(drift, 90)),
        "background_bright": float(middle[0]),
        "background_colour": float(np.hypot(middle[1], middle[2])),
        "background_contrast": min(apart, default=np.nan),
    }


def blockiness(image: Image) -> float:
    """How much the edges of 8 x 8 blocks stand out, as JPEG leaves them: 0 not at all, 1 twice as steep as elsewhere.

    Steps between neighbouring columns (and rows) are averaged by their place in the block; the steepest place is held
    against the median of the others. A picture that was shrunk or enlarged afterwards shows nothing.
    """
    grey = _grey(image)
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).clip(0, 40).mean(axis=1 - axis)
        if len(steps) < 4 * BLOCK:
            return np.nan
        places = np.array([steps[start::BLOCK].mean() for start in range(BLOCK)])
        order = np.sort(places)
        found.append(order[-1] / max(float(np.median(order[:-1])), 0.1) - 1)
    return float(np.mean(found))
