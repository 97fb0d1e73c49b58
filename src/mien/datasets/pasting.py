"""Pasted faces: the simplest exchange, one face warped over another and blended, to test detectors of forgeries on.

It learns nothing and fits no light. Of people who do not exist, so that nobody's face is put on anybody.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mien.core.image import ImageSource
from mien.core.mesh import Topology, warp_mesh
from mien.datasets.morph import WANT, Portrait, match_color, open_portrait, soft_face
from mien.engine import Engine, default_engine
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.swaps.edit import Edit

__all__ = ["paste_face"]


def paste_face(
    target: ImageSource | Edit | Portrait,
    source: ImageSource | Edit | Portrait,
    *,
    color: bool = True,
    topology: Topology | None = None,
    engine: Engine | None = None,
) -> Edit:
    """Lay one face over another by the mesh, with soft edges.

    Parameters
    ----------
    target : picture, Edit or Portrait
        Where the face goes.
    source : picture, Edit or Portrait
        Whose face it is.
    color : bool
        Give it the colours of the target's face.
    topology : Topology, optional
        Of the mesh, see `mien.location.topology.face_topology`: for those who paste many.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Edit
        What it saves says that it is synthetic.

    Raises
    ------
    NoFace
        If a picture has no face.
    """
    engine = engine or default_engine()
    to, of = (p if isinstance(p, Portrait) else open_portrait(p, engine=engine) for p in (target, source))
    triangles = (topology or face_topology(engine=engine)).triangles
    size = (to.image.shape[0], to.image.shape[1])
    drawn, mask = warp_mesh(of.image, of.points, to.points, triangles, size)
    if color:
        drawn = match_color(drawn, to.image, to.points[:, :2], to.points[:, :2])
    share = (soft_face(to.points, size) * mask)[..., None]
    mixed = np.clip(np.rint(to.image * (1 - share) + drawn * share), 0, 255).astype(np.uint8)
    mark = replace(Provenance.composed(to.provenance, of.provenance), source_type="compositeSynthetic")
    faces = engine.analyze(mixed, want=WANT).top(1)
    return Edit(mixed, mark, faces, {"color": color})
