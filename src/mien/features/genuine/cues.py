"""Traces that a forged face may leave in its picture, each as one number of a `Window`; NaN where it cannot be told.

None of them was fitted to forgeries: each is what a paper says should differ. How well each one tells forgeries of each
kind is measured by ``mien evaluate forgery``; many do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mien.features.genuine.window import BINS, RADII, Window, brightness, residual_of

__all__ = ["CUES", "boundary", "checkerboard", "color", "compression", "ghosting", "noise", "noise_map", "spectrum"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

ENOUGH = 400  # pixels on each side of a comparison
COARSE, FINE = (0.04, 0.2), (0.38, 0.5)  # cycles per pixel
SAMPLES = 3000  # edge pixels that are looked at
QUALITIES = (50, 60, 70, 80, 90, 95)  # of JPEG
OF_CHANNELS = np.array([[1 / 3, 1 / 3, 1 / 3, 0.1]], np.float32)  # their mean, and what keeps logarithms finite


def boundary(window: Window) -> float:
    """The sharpest step of noise or colour along a line around the face, inside of its outline.

    A face that is pasted ends somewhere between the features and the outline, and what lies on both sides comes of two
    pictures. Seen from the middle of the face, noise and colour are compared a little nearer and a little farther at
    each radius; the median over all directions, in deviations over them, is that radius's step. After the idea of Li et
    al., *Face X-ray for More General Face Forgery Detection*, CVPR 2020, whose network is not to be had.
    """
    hidden = window.polar(window.features.astype(np.float32)) > 0
    away = 3  # rows: 0.075 radii on each side
    rows = (RADII > 0.5)[away:-away] & (RADII < 0.95)[away:-away]
    steps = []
    for values in (window.noise, *window.chroma):
        seen = np.where(hidden, np.nan, window.polar(values))
        step = (seen[2 * away :] - seen[: -2 * away])[rows]
        known = np.isfinite(step).sum(axis=1) > step.shape[1] / 2
        if known.any():
            step = step[known]
            middle = np.nanmedian(step, axis=1, keepdims=True)
            spread = np.nanmedian(np.abs(step - middle), axis=1) * 1.4826
            steps.append(float((np.abs(middle[:, 0]) / (spread + 0.02)).max()))
    return max(steps, default=np.nan)


def noise(window: Window) -> float:
    """How much noisier the surroundings are than the face where both are equally smooth, as a logarithm.

    Two cameras, two sizes or a network leave other noise than the picture around has. Skin that is retouched or painted
    by a network has less. The residual (Fridrich & Kodovský, *Rich Models for Steganalysis of Digital Images*, TIFS
    2012, take many more) is compared among pixels of like texture.
    """
    return float(_between(window, window.noise[None])[0])


def color(window: Window) -> float:
    """How far the colour of the inner face is from that of its rim, in deviations.

    An exchanged face was lit by another light. Only skin is compared, by the logarithms of its red and blue against its
    green; make-up and blood in the cheeks make a difference, too.
    """
    inner = window.face & (window.radius < 0.6)
    rim = window.face & (window.radius > 0.75)
    if min(inner.sum(), rim.sum()) < ENOUGH or not window.chroma.any():  # a grey picture has no colours to compare
        return np.nan
    away = [float(np.median(c[inner]) - np.median(c[rim])) for c in window.chroma]
    spread = [float(np.median(np.abs(c[rim] - np.median(c[rim])))) * 1.4826 for c in window.chroma]
    red, blue = (a / (s + 0.02) for a, s in zip(away, spread, strict=True))
    return float(np.hypot(red, blue))


def spectrum(window: Window) -> float:
    """How much more the finest detail of the face has than its coarser detail lets expect, as a logarithm.

    The power spectrum of pictures falls evenly with frequency. Networks that upsample go on with too little or too much
    at its end (Durall, Keuper & Keuper, *Watch your Up-Convolution*, CVPR 2020), and so does everything that was
    enlarged, denoised or compressed.
    """
    if not window.native.size:
        return np.nan
    power = _power(brightness(window.native))
    rings = np.rint(_frequencies(len(power)) * len(power)).astype(np.intp).ravel()
    levels = np.log(np.bincount(rings, power.ravel()) / np.maximum(np.bincount(rings), 1) + 1e-6)
    frequency = np.arange(len(levels)) / len(power)
    coarse, fine = ((frequency >= low) & (frequency <= high) for low, high in (COARSE, FINE))
    line = np.polyfit(np.log(frequency[coarse]), levels[coarse], 1)
    return float((levels[fine] - np.polyval(line, np.log(frequency[fine]))).mean())


def checkerboard(window: Window) -> float:
    """How far lone frequencies that doublings of the size leave stand out of their surroundings, as a logarithm.

    Transposed convolutions leave a grid of 2 or 4 pixels (Frank et al., *Leveraging Frequency Analysis for Deep Fake
    Image Recognition*, ICML 2020). JPEG's grid of 8 pixels stands at multiples of them, too, hence also at these.
    """
    if not window.native.size:
        return np.nan
    power = _power(residual_of(brightness(window.native)))
    side = len(power)
    levels, found = np.log(power + 1e-3), []
    for down, across in ((0, 2), (2, 0), (2, 2), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1)):
        y, x = down * side // 4, across * side // 4
        rows, columns = (np.arange(at - 6, at + 7) % side for at in (y, x))
        near = levels[np.ix_(rows, columns)]
        found.append(float(near[5:8, 5:8].max() - np.median(near)))
    return float(np.mean(sorted(found)[-3:]))


def compression(window: Window) -> float:
    """How differently the face and its surroundings take being compressed once more.

    What was a JPEG of some quality changes least at that quality: a part from elsewhere changes otherwise than the rest
    (Farid, *Exposing Digital Forgeries from JPEG Ghosts*, TIFS 2009). Compared among blocks of like texture.
    """
    import cv2

    if window.scale < 1:
        return np.nan
    pixels = np.ascontiguousarray(window.image[..., ::-1])  # OpenCV writes BGR
    changes = np.empty((len(QUALITIES), *pixels.shape[:2]), np.float32)
    for change, quality in zip(changes, QUALITIES, strict=True):
        _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        away = cv2.absdiff(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)), pixels)
        np.log(cv2.transform(cv2.sqrBoxFilter(away, cv2.CV_32F, (16, 16)), OF_CHANNELS), out=change)
    changes -= changes.mean(axis=0)
    return float(np.abs(_between(window, changes)).max())


def ghosting(window: Window) -> float:
    """How often strong edges about the outline have a second one beside them that runs alike.

    A morph is the mean of two pictures that fit on the points they were laid over: hair, ears, neck and collar, and
    pupils and nostrils between the points, show twice and pale.
    """
    import cv2

    soft = cv2.GaussianBlur(window.luminance, (0, 0), max(window.extent / 150, 0.8))
    x, y = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    size = cv2.magnitude(x, y)
    zone = (window.radius > 0.85) & (window.radius < 1.5)
    if zone.sum() < ENOUGH:
        return np.nan
    strong = zone & (size > np.quantile(size[zone], 0.9))
    rows, columns = (at[:: len(at) // SAMPLES + 1] for at in np.nonzero(strong))
    own = size[rows, columns]
    normal = np.stack([x[rows, columns], y[rows, columns]]) / own
    unit = window.extent / 100
    profile = []
    for step in np.concatenate([np.arange(-9, -2), np.arange(3, 10)]) * unit:
        at = (columns + normal[0] * step).astype(np.float32), (rows + normal[1] * step).astype(np.float32)
        along = [cv2.remap(part, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] for part in (x, y)]
        profile.append((along[0] * normal[0] + along[1] * normal[1]) / own)
    return float(np.mean(np.clip(np.max(profile, axis=0), 0, 1)))


def noise_map(window: Window) -> Floats:
    """How far the noise at each pixel is from what its texture has elsewhere in the window, in deviations (h, w).

    Above 0 there is more of it, below less.
    """
    told = window.face | window.around
    if told.sum() < ENOUGH:
        return np.full(window.noise.shape, np.nan, np.float32)
    edges = np.quantile(window.texture[told], np.linspace(0, 1, BINS + 1)[1:-1])
    place = np.digitize(window.texture, edges)
    apart = np.zeros_like(window.noise)
    for part in range(BINS):
        here = place == part
        own = window.noise[told & here]
        if len(own):
            middle = float(np.median(own))
            apart[here] = (window.noise[here] - middle) / (float(np.median(np.abs(own - middle))) * 1.4826 + 0.05)
    return apart


def _between(window: Window, values: Floats) -> Doubles:
    """Median differences of surroundings and face among pixels of like texture, (K,), of K maps (K, h, w).

    NaN where too few pixels are alike.
    """
    flat = values.reshape(len(values), -1)
    total, weight = np.zeros(len(flat)), 0.0
    for ours, theirs in window.alike:
        alike = min(len(ours), len(theirs))
        if alike >= ENOUGH // len(window.alike):
            total += alike * (_medians(flat.take(theirs, axis=1)) - _medians(flat.take(ours, axis=1)))
            weight += alike
    return total / weight if weight >= ENOUGH else np.full(len(flat), np.nan)


def _medians(values: Floats) -> Floats:
    """Medians of rows, (K,), of which none has NaN: several times as fast as NumPy's."""
    half = values.shape[1] // 2
    parted = np.partition(values, half, axis=1)
    if values.shape[1] % 2:
        return parted[:, half]
    return np.asarray((parted[:, :half].max(axis=1) + parted[:, half]) / 2)


def _power(values: Floats) -> Doubles:
    """Power spectrum of a square of pixels, away from its edges."""
    side = len(values)
    taper = np.hanning(side)
    found = np.fft.fft2((values - values.mean()) * taper * taper[:, None])
    return np.asarray(np.abs(found) ** 2 / side**2, np.float64)


def _frequencies(side: int) -> Doubles:
    """Cycles per pixel of each place of a spectrum, (side, side)."""
    one = np.fft.fftfreq(side)
    return np.asarray(np.hypot(one, one[:, None]))


#: The cues by name.
CUES: Mapping[str, Callable[[Window], float]] = MappingProxyType(
    {
        "boundary": boundary,
        "spectrum": spectrum,
        "checkerboard": checkerboard,
        "noise": noise,
        "color": color,
        "compression": compression,
        "ghosting": ghosting,
    }
)
