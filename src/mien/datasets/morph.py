"""Morphs: one portrait of two people, for measuring whether it is noticed and whom it is taken for.

A document with a morph lets two people through one gate (Ferrara, Franco & Maltoni, *The magic passport*, IJCB 2014).
Whoever tests a gate needs some. They are made here of people who do not exist, or of pictures whose owners agreed: what
is saved says that it is synthetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.faces import Faces
from mien.core.geometry import similarity, transform
from mien.core.image import Image, ImageSource, load_image
from mien.core.layouts import indices_of
from mien.core.mesh import warp_mesh
from mien.core.warping import warp
from mien.engine import Engine, default_engine
from mien.media.provenance import Provenance, provenance
from mien.swaps.edit import Edit

__all__ = ["Part", "Portrait", "match_color", "morph", "open_portrait", "soft_face"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

Part = Literal["whole", "face"]
SURFACE = 468  # of the mesh's points: the irises have no triangles
RINGS = (1.25, 1.6)  # of the outline about its middle: points that carry hair, ears and neck along
FEATHER = 0.12  # of the face's width: how softly it ends where only the face is morphed
WANT = frozenset({"landmarks", "alignment", "embedding"})


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture with one face, its largest, and what is known of it."""

    image: Image
    faces: Faces
    provenance: Provenance

    @property
    def points(self) -> Doubles:
        """The mesh without irises, (468, 3)."""
        return self.faces.landmarks.values[0, :SURFACE].astype(np.float64)

    @property
    def vector(self) -> Floats:
        """The embedding of the face, (D,)."""
        return cast("Floats", self.faces.embedding.values[0])


def open_portrait(source: ImageSource | Edit, *, engine: Engine | None = None) -> Portrait:
    """Read a picture and describe its largest face.

    Parameters
    ----------
    source : picture, or Edit
        A generated person is one, too.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    NoFace
        If there is none with a mesh.
    """
    engine = engine or default_engine()
    if isinstance(source, Edit):
        image, mark = source.image, source.provenance
    else:
        image = load_image(source)
        # An array or a PIL picture has no file that could say anything.
        mark = (
            provenance(cast("Any", source))
            if isinstance(source, str | bytes) or hasattr(source, "__fspath__")
            else Provenance()
        )
    faces = engine.analyze(image[..., :3], want=WANT).top(1)
    if not len(faces) or bool(faces.landmarks.abstained[0]):
        raise NoFace("a picture to morph has no face that a mesh fits.")
    return Portrait(image[..., :3], faces, mark)


def morph(
    first: ImageSource | Edit | Portrait,
    second: ImageSource | Edit | Portrait,
    *,
    alpha: float = 0.5,
    part: Part = "whole",
    color: bool = True,
    engine: Engine | None = None,
) -> Edit:
    """Morph two portraits by their landmarks.

    Parameters
    ----------
    first, second : picture, Edit or Portrait
        One face each, the largest. The result has the first one's size and place.
    alpha : float
        Share of the second, from 0 to 1, in shape and in pixels.
    part : {"whole", "face"}
        Morph all of the picture, hair and shoulders with it, which leaves ghosts there; or the face only, pasted softly
        into the first picture, which is warped about it.
    color : bool
        Give the second face the colours of the first one before they are blended.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Edit
        Its report has the ``similarity`` of both people to each other and to the morph. What it saves says that it is
        synthetic.

    Raises
    ------
    NoFace
        If a picture has no face.
    UsageError
        If an option is out of range.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"alpha is between 0 and 1, not {alpha}.")
    if part not in {"whole", "face"}:
        raise UsageError(f"part is whole or face, not {part!r}.")
    engine = engine or default_engine()
    one, other = (p if isinstance(p, Portrait) else open_portrait(p, engine=engine) for p in (first, second))
    height, width = one.image.shape[:2]
    laid = similarity(other.points[None, :, :2], one.points[:, :2])[0]
    image = warp(other.image, laid, (height, width), border="reflect")
    points = one.points[:, :2], transform(other.points[:, :2], laid).astype(np.float64)
    if color:
        image = match_color(image, one.image, points[1], points[0])
    nets = [_net(own, (width, height)) for own in points]
    shape = (1 - alpha) * nets[0] + alpha * nets[1]
    triangles = _triangles(shape)
    warped = [
        warp_mesh(own, net, shape, triangles, (height, width))[0].astype(np.float32)
        for own, net in zip((one.image, image), nets, strict=True)
    ]
    share: Any = alpha if part == "whole" else alpha * soft_face(shape[:SURFACE], (height, width))[..., None]
    mixed = np.clip(np.rint(warped[0] * (1 - share) + warped[1] * share), 0, 255).astype(np.uint8)
    mark = replace(Provenance.composed(one.provenance, other.provenance), source_type="compositeSynthetic")
    faces = engine.analyze(mixed, want=WANT).top(1)
    alike = {"people": one.vector @ other.vector}
    if len(faces):
        alike |= {"first": faces.embedding.values[0] @ one.vector, "second": faces.embedding.values[0] @ other.vector}
    similar = {name: round(float(value), 4) for name, value in alike.items()}
    return Edit(mixed, mark, faces, {"alpha": alpha, "part": part, "similarity": similar})


def match_color(image: Image, like: Image, points: Doubles, like_points: Doubles) -> Image:
    """A picture whose face has the mean and spread of colours of another's (Reinhard et al., 2001, here in RGB).

    Parameters
    ----------
    image, like : (H, W, 3) uint8
    points, like_points : (468, 2) float64
        Their meshes.
    """
    own, wanted = (
        picture[soft_face(mesh, picture.shape[:2]) > 0.9].astype(np.float64)
        for picture, mesh in ((image, points), (like, like_points))
    )
    if not len(own) or not len(wanted):
        return image
    scale = np.clip(wanted.std(axis=0) / np.maximum(own.std(axis=0), 1), 0.8, 1.25)
    moved = (image - own.mean(axis=0)) * scale + wanted.mean(axis=0)
    return np.asarray(np.clip(np.rint(moved), 0, 255), np.uint8)


def soft_face(points: Doubles, size: tuple[int, int]) -> Floats:
    """How much of each pixel is within the outline of a face, (H, W) in [0, 1], ending softly inside of it.

    Parameters
    ----------
    points : (468, 2 or 3) float64
    size : (height, width)
    """
    import cv2

    outline = points[indices_of("mesh478", "face_oval"), :2]
    feather = FEATHER * float(np.ptp(outline[:, 0]))
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, [outline.round().astype(np.int32)], 255)
    inner = cv2.erode(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(feather) + 1,) * 2))
    return np.asarray(cv2.GaussianBlur(inner, (0, 0), max(feather / 2, 0.5)).astype(np.float32) / 255)


def _net(points: Doubles, size: tuple[int, int]) -> Doubles:
    """The mesh, rings around its outline that move with it, and the border of the picture, which stays: (V, 2)."""
    limit = np.array(size, np.float64)
    outline = points[indices_of("mesh478", "face_oval")]
    middle = outline.mean(axis=0)
    rings = [np.clip(middle + (outline - middle) * factor, 0.02 * limit, 0.98 * limit) for factor in RINGS]
    border = np.array([(x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1) if (x, y) != (0.5, 0.5)]) * limit - 0.5
    return np.concatenate([points, *rings, border])


def _triangles(points: Doubles) -> NDArray[np.int32]:
    from scipy.spatial import Delaunay

    return np.asarray(Delaunay(points).simplices, np.int32)
