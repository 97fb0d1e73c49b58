"""``Plate``: the part of a picture around one face, and how a changed one is put back.

Nothing outside of an alpha is touched: what is put back with 0 keeps its bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch
from mien.core.image import Image
from mien.core.region import Region

__all__ = ["Plate", "join"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
AROUND = 0.35  # of the face's larger extent: what a plate shows beside it


@dataclass(frozen=True, eq=False)
class Plate:
    """The part of a picture around a face.

    Attributes
    ----------
    image : (h, w, 3) uint8
        A view of the picture: not to be written to.
    origin : (x, y)
        Where in the picture it begins.
    points : (V, 3) float64
        The face's mesh in pixels of the plate, z away from the camera.
    """

    image: Image
    origin: tuple[int, int]
    points: Doubles

    @classmethod
    def around(cls, image: Image, points: ArrayLike, *, margin: float = AROUND) -> Plate | None:
        """Cut out the surroundings of a mesh.

        Parameters
        ----------
        image : (H, W, 3) uint8
        points : (V, 3) array-like
            In pixels of the picture.
        margin : float
            Beside the mesh on each side, in parts of its larger extent.

        Returns
        -------
        Plate or None
            None where there is no mesh (NaN), or none of it is in the picture.
        """
        mesh = np.asarray(points, np.float64)
        if not np.isfinite(mesh).all():
            return None
        low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
        room = margin * float((high - low).max())
        height, width = image.shape[:2]
        x1, y1 = (max(int(np.floor(value - room)), 0) for value in low)
        x2, y2 = (min(int(np.ceil(value + room)) + 1, most) for value, most in zip(high, (width, height), strict=True))
        if x1 >= x2 or y1 >= y2:
            return None
        return cls(image[y1:y2, x1:x2], (x1, y1), mesh - (x1, y1, 0))

    @property
    def size(self) -> float:
        """Larger extent of the mesh, in pixels."""
        return float(np.ptp(self.points[:, :2], axis=0).max())

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that it is."""
        (x, y), (height, width) = self.origin, self.image.shape[:2]
        return slice(y, y + height), slice(x, x + width)

    def put(self, picture: Image, front: NDArray[np.generic], alpha: Floats) -> None:
        """Lay what became of the plate over the picture, in place.

        Parameters
        ----------
        picture : (H, W, 3) uint8
            A copy of the one that the plate is of.
        front : (h, w, 3) uint8 or float32
            0 to 255.
        alpha : (h, w) float32
            How much of each pixel is `front`, in [0, 1]: 0 leaves the pixel's bits, 1 replaces it.
        """
        if front.shape != self.image.shape or alpha.shape != self.image.shape[:2]:
            raise ShapeMismatch(f"front {front.shape} and alpha {alpha.shape} do not fit a plate {self.image.shape}.")
        part = picture[self.window]
        mixed = np.subtract(front, part, dtype=np.float32)
        mixed *= alpha[..., None]
        mixed += part
        mixed += np.float32(0.5)
        np.copyto(part, mixed.clip(0, 255, out=mixed).astype(np.uint8), where=(alpha > 0)[..., None])

    def region(self, alpha: Floats, size: tuple[int, int]) -> Region:
        """An alpha of the plate (h, w), in [0, 1], as a region of the picture of `size` (width, height).

        Whatever is above 0 in the alpha is above 0 in the region: so the region covers all that was put.
        """
        levels = np.ceil(alpha.clip(0, 1) * np.float32(255)).astype(np.uint8)
        return Region.from_mask(levels, origin=self.origin, size=size)

    def whole(self, layer: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
        """A layer of the plate (h, w, ...) in a picture of `size` (width, height) that is 0 elsewhere."""
        out = np.zeros((size[1], size[0], *layer.shape[2:]), layer.dtype)
        out[self.window] = layer
        return out


def join(masks: list[Region], size: tuple[int, int]) -> Region:
    """All that any of the masks covers, of a picture of `size` (width, height)."""
    return Region.union(masks, size)
