"""The mesh's triangles for programs: which of its points make them, and where they lie in a texture."""

from __future__ import annotations

from mien.core.mesh import Topology
from mien.engine import Engine, default_engine
from mien.location.canonical import CanonicalFace

__all__ = ["face_topology"]


def face_topology(*, engine: Engine | None = None) -> Topology:
    """Triangles, texture places and rest positions of the mesh's first 468 points (the irises have no triangles).

    ::

        topology = face_topology()
        points = face.landmarks.values[: len(topology.vertices)]
        texture, mask = warp_mesh(image, points, topology.uv * 512 - 0.5, topology.triangles, (512, 512))

    Eyes and mouth are closed in it; see `mien.core.mesh.Topology.without`.

    Parameters
    ----------
    engine : Engine, optional
        Whose catalogue and cache the file comes from; by default `mien.default_engine()`.

    Raises
    ------
    WeightsUnavailable
        If the file is not in the cache and cannot be fetched.
    """
    engine = engine or default_engine()
    return CanonicalFace.read(engine.store.fetch(engine.catalogue["visibility"].files["geometry"])).topology
