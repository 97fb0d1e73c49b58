"""``reconstruct``: a textured face in millimetres out of a picture, several pictures of one person, or a clip."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Angles, Scores
from mien.core.errors import UsageError
from mien.core.image import Image
from mien.core.mesh import Topology
from mien.location.frontal import Frontal, View, draw_frontal
from mien.location.relief import Relief, relief
from mien.location.unwrapping import Texture, fill
from mien.media.marking import mark_image
from mien.media.meshes import save_surface
from mien.media.provenance import Provenance
from mien.media.surfaces import Motion, Surface

__all__ = ["Reconstruction", "fuse", "mark_of"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A textured face in millimetres.

    Axes are the head's own: x right, y down, z away, as if it looked into the camera. It is the shape that a network
    takes a face for that was taught by average faces: there are no ears, no skull and no neck, and depth is a guess.

    Attributes
    ----------
    landmarks : (478, 3) float32
        The mesh with irises, mm. Of a clip, the face at rest.
    topology : Topology
        Triangles and places in the texture of the first 468.
    unwrapped : Texture
        What the picture shows of the face, with nothing added.
    view : View
        How the picture shows it: of several, the one that shows most of it; of a clip, the best frame, cut out around
        the face.
    pose : Angles
        Of the head in that picture.
    blendshapes : Scores
        Expression in that picture.
    provenance : Provenance
        Written into all files of it.
    models : mapping of str to str
        Which model made what.
    motion : Motion, optional
        Of a clip.
    error : float
        What the motion's targets leave of the frames, mm root mean square; 0 without motion.
    track : int, optional
        Whose face it is, in a clip.
    """

    landmarks: Floats
    topology: Topology
    unwrapped: Texture
    view: View
    pose: Angles
    blendshapes: Scores
    provenance: Provenance
    models: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    motion: Motion | None = None
    error: float = 0.0
    track: int | None = None

    def __repr__(self) -> str:
        frames = f", {len(self.motion.times)} frames" if self.motion else ""
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        width, height, depth = (high - low).tolist()
        return f"Reconstruction({width:.0f} x {height:.0f} x {depth:.0f} mm{frames})"

    @property
    def vertices(self) -> Floats:
        """The surface's points, (468, 3) mm."""
        return self.landmarks[: len(self.topology.vertices)]

    @property
    def triangles(self) -> NDArray[np.int32]:
        """Corners, (898, 3); by the right hand rule their normals point outwards."""
        return self.topology.triangles

    @property
    def uv(self) -> Floats:
        """Places in the texture, (468, 2) in [0, 1]: u to the right, v down."""
        return self.topology.uv

    @cached_property
    def normals(self) -> Floats:
        """Unit normals of the vertices, (468, 3)."""
        return self.topology.normals(self.vertices)

    @cached_property
    def texture(self) -> Image:
        """The face's colours, (S, S, 3) uint8: what is not `seen` is the other half's, or blended from around it."""
        return fill(self.unwrapped).image

    @property
    def seen(self) -> Floats:
        """How well the picture shows each texel, (S, S) in [0, 1]."""
        return self.unwrapped.seen

    @cached_property
    def relief(self) -> Relief:
        """Fine relief from shading: it is shading, not geometry; see `mien.location.relief`."""
        return relief(self.unwrapped, self.view.points, self.topology)

    def frontal(
        self, *, size: int = 512, background: Literal["surroundings"] | tuple[int, int, int] = "surroundings"
    ) -> Frontal:
        """The face turned to the camera, by geometry alone.

        Up to about 30 degrees of turn it looks like a photo to the eye, which is all that was tried. Beyond, half of
        the face is the mirror image of the other, and what was behind the head is stretched.

        Parameters
        ----------
        size : int
            Side of the picture in pixels.
        background : "surroundings" or (red, green, blue)
            What stands around the face: the picture's hair, neck and background, as on a plane; or one colour.

        Raises
        ------
        UsageError
            If the size is not a number of pixels, or there is no such background.
        """
        if not isinstance(size, int) or not 16 <= size <= 8192:
            raise UsageError(f"a frontal picture has a side of 16 to 8,192 pixels, not {size!r}.")
        drawn = draw_frontal(
            self.vertices,
            self.topology,
            self.texture,
            self.seen,
            size=size,
            view=self.view,
            background=None if background == "surroundings" else _color(background),
        )
        return Frontal(*drawn, self.provenance)

    def surface(self, *, relief: bool = False) -> Surface:
        """What files are made of; with the relief as a normal map, if wanted."""
        about = {"models": dict(self.models), **({} if self.track is None else {"track": self.track})}
        if self.motion is not None:
            about["morph_error_mm"] = round(self.error, 4)
        return Surface(
            self.vertices,
            self.triangles,
            self.uv,
            self.normals,
            self.texture,
            self.provenance,
            relief=self.relief.normals if relief else None,
            motion=self.motion,
            about=about,
        )

    def save(self, path: str | os.PathLike[str], *, relief: bool = False) -> list[Path]:
        """Write the face as a mesh; the suffix names the format.

        Parameters
        ----------
        path : path
            ``.glb`` (metres; with the motion of a clip), ``.obj`` (mm; an ``.mtl`` and a ``_texture.png`` beside it)
            or ``.ply`` (mm; colours at the vertices). y is up, z towards the viewer.
        relief : bool
            Add the normal map of `relief`; glTF alone keeps it.

        Returns
        -------
        list of Path
            The files that were written.

        Raises
        ------
        UsageError
            If no format has that suffix.
        StorageError
            If a file cannot be written.
        """
        return save_surface(self.surface(relief=relief), path)

    def save_texture(self, path: str | os.PathLike[str]) -> Path:
        """Write the texture with its marks; see `mien.media.marking.mark_image`."""
        return mark_image(self.texture, path, self.provenance)


def mark_of(source: Provenance) -> Provenance:
    """What is true of a face that is made of a picture: algorithms filled what it does not show."""
    kind = source.source_type if source.synthetic else "compositeSynthetic"
    made = Provenance.enhanced(source)
    return Provenance(kind, made.tool, tuple(dict.fromkeys((*made.models, "facemesh"))))


def _color(background: Any) -> tuple[int, int, int]:
    try:
        red, green, blue = (int(part) for part in background)
    except (TypeError, ValueError):
        red = green = blue = -1
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise UsageError(f'a background is "surroundings" or three numbers from 0 to 255, not {background!r}.')
    return red, green, blue


def fuse(parts: Sequence[Reconstruction]) -> Reconstruction:
    """One face of several of the same person, which the caller answers for.

    Each is brought to the size that they have on average; then each point stands where it is in most of them (the
    median), and each texel comes from where it is seen best. So what one picture alone tells, such as an expression, is
    lost.

    Raises
    ------
    UsageError
        If there is none, or their textures differ in size.
    """
    from dataclasses import replace

    from mien.location.unwrapping import blend

    if not parts:
        raise UsageError("nothing to fuse: no faces were given.")
    if len({len(part.unwrapped.image) for part in parts}) > 1:
        raise UsageError("faces whose textures differ in size cannot be fused.")
    best = max(range(len(parts)), key=lambda place: float(parts[place].seen.sum()))
    order = [parts[best], *(part for place, part in enumerate(parts) if place != best)]
    points = np.stack([part.landmarks for part in order]).astype(np.float64)
    middle = points.mean(axis=1, keepdims=True)
    sizes = np.sqrt(((points - middle) ** 2).sum(axis=(1, 2)))
    mean = np.exp(np.log(sizes).mean())
    shape = np.median(points * (mean / sizes)[:, None, None], axis=0).astype(np.float32)
    marks = [part.provenance for part in order]
    kinds = {mark.source_type for mark in marks}
    models = tuple(dict.fromkeys(model for mark in marks for model in mark.models))
    mark = replace(
        marks[0], models=models, source_type=marks[0].source_type if len(kinds) == 1 else "compositeSynthetic"
    )
    return replace(order[0], landmarks=shape, unwrapped=blend([part.unwrapped for part in order]), provenance=mark)
