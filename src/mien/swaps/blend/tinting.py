"""A drawn face brought to the light, colours and grain of the picture that it is laid into; of a video, steadily."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.mesh import Topology
from mien.core.warping import resize
from mien.swaps.blend.colors import match_colors, meet
from mien.swaps.blend.facemask import skin_weight, smaller
from mien.swaps.blend.grain import GrainGap, grain_gap
from mien.swaps.blend.lighting import normal_map, relit
from mien.swaps.plate import Plate

__all__ = ["Tint", "carried", "renewed"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

RELIT = 0.2  # how much of the target's light is taken over: with more, so is the shape of the face that it fell on
GRAIN = 1.0  # seconds after which grain and sharpness of a video are measured again
STEADY = 0.25  # seconds over which a video's masks, colours and light are averaged
SEEN_AT, FILMED_AT = 400.0, 150.0  # pixels that a face has where its light and colours are found: in pictures, videos
STROKES = 1.0  # how much of the target's broad shades is taken over
# Of the face's extent: how deep a face meets the picture's shades at its edge. A brow's height tells apart a forehead,
# which ends amid skin and tells little of a person, and the rest, which ends where the head does.
DEEP, SHALLOW = 0.06, 0.025
FOREHEAD = (0.12, 0.3)  # of the way from the mesh's top to the chin: up to where it is a forehead, and from where not
DARK = np.float32(8)  # levels that are added before ratios: what is black has none
TINT = 0.1  # seconds after which light and colours of a video are found again


@dataclass(eq=False)
class Tint:
    """What one face needs to fit in; begin with a new one after a cut.

    Attributes
    ----------
    gain, points, gained
        What light and colours change on a small plate, where the mesh was in it, and when that was found.
    grain, grained
        What the face lacks of its surroundings' grain, and when that was measured.
    """

    gain: Floats | None = None
    points: Doubles = field(default_factory=lambda: np.zeros((0, 3)))
    gained: float = -np.inf
    grain: GrainGap | None = None
    grained: float = -np.inf

    def apply(self, plate: Plate, front: Image, alpha: Floats, topology: Topology, time: float | None) -> Floats:
        """A face by itself in a plate's light and colours, as sharp and as noisy.

        Parameters
        ----------
        plate : Plate
        front : (h, w, 3) uint8
            The face, laid over the plate.
        alpha : (h, w) float32
            How much of each pixel it will be.
        topology : Topology
        time : float or None
            Of a video's frame, in seconds.

        Returns
        -------
        (h, w, 3) float32
        """
        import cv2

        small = _shrunk(plate, SEEN_AT if time is None else FILMED_AT)
        seen = small, front, alpha, topology
        gain = _gain(*seen) if time is None else self._steady(*seen, time)
        # Light and colours change over a longer way than a face has detail: they are carried over to its own pixels.
        large = cv2.resize(gain, front.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        whole = np.asarray(cv2.multiply(front.astype(np.float32) + DARK, large), np.float32) - DARK
        return self._grained(whole, plate.image.astype(np.float32), alpha, time)

    def _steady(self, small: Plate, front: Image, alpha: Floats, topology: Topology, time: float) -> Floats:
        """Found a few times a second, averaged over a moment, and carried along with the mesh."""
        old = None if self.gain is None else carried(self.gain, self.points, small)
        if old is not None and time - self.gained < TINT:
            return old
        gain = _gain(small, front, alpha, topology)
        if old is not None:
            gain = np.asarray(old + renewed(time - self.gained) * (gain - old), np.float32)
        self.gain, self.points, self.gained = gain, small.points, time
        return gain

    def _grained(self, front: Floats, back: Floats, alpha: Floats, time: float | None) -> Floats:
        """The face as sharp and as noisy as its surroundings: of a video, measured now and then."""
        if self.grain is None or time is None or time - self.grained >= GRAIN:
            gap = grain_gap(front, back, alpha)
            self.grain, self.grained = gap or self.grain, time or 0.0
        return front if self.grain is None else self.grain.closed(front, alpha, seed=round(1000 * (time or 0)))


def renewed(step: float) -> np.float32:
    """How much of a mean over a moment is new after some seconds."""
    return np.float32(1 - np.exp(-max(step, 1e-3) / STEADY))


def carried(values: Floats, points: Doubles, plate: Plate) -> Floats:
    """What was known of a face (h, w, ...), moved along with its mesh, from `points`, into another plate."""
    import cv2

    ones = np.column_stack([plate.points[:, :2], np.ones(len(plate.points))])
    m = np.linalg.lstsq(ones, points[:, :2], rcond=None)[0].T
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(values, m, plate.image.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _shrunk(plate: Plate, side: float) -> Plate:
    """A plate whose face has `side` pixels or fewer."""
    points, size, scale = smaller(plate, side)
    return plate if scale == 1 else Plate(resize(plate.image, size), plate.origin, points)


def _gain(small: Plate, front: Image, alpha: Floats, topology: Topology) -> Floats:
    """By what the face's colours are multiplied to be in the plate's light, (h, w, 3), on a small plate."""
    import cv2

    size = small.image.shape[1::-1]
    own, share = (np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA)) for one in (front, alpha))
    drawn, back = own.astype(np.float32), small.image.astype(np.float32)
    weight = skin_weight(small, share.astype(np.float32))
    lit = relit(drawn, back, normal_map(small, topology), weight, strength=RELIT)
    matched = match_colors(lit, back, weight, strokes=STROKES)
    matched = meet(matched, back, weight, share.astype(np.float32), _reach(small))
    return np.asarray(cv2.divide(matched + DARK, drawn + DARK), np.float32)


def _reach(plate: Plate) -> Floats:
    """How many pixels deep each place meets its surroundings, (h, w)."""
    top, chin = plate.points[[10, 152], :2]
    y, x = np.indices(plate.image.shape[:2], np.float32)
    down = (chin - top) / max(float(((chin - top) ** 2).sum()), 1e-6)
    low, high = FOREHEAD
    t = (((x - top[0]) * down[0] + (y - top[1]) * down[1] - low) / (high - low)).clip(0, 1)
    return np.asarray(plate.size * (DEEP + (SHALLOW - DEEP) * t), np.float32)
