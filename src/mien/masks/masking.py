"""``mask``: the regions of the faces in a picture."""

from __future__ import annotations

from typing import Literal, TypeAlias, Unpack

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import ImageSource
from mien.engine import Engine, default_engine
from mien.engine.searching import SearchOptions
from mien.masks.view import Masks

__all__ = ["Size", "mask", "sized"]

Size: TypeAlias = Literal["fast", "balanced", "fine"]


def mask(
    image: ImageSource,
    *,
    faces: Faces | None = None,
    size: Size | None = None,
    engine: Engine | None = None,
    **options: Unpack[SearchOptions],
) -> Masks:
    """Cut the regions of all faces out of a picture: hair, lips, eyes and so on, to the pixel.

    Parameters
    ----------
    image : path, bytes, binary file, PIL image, or (H, W, 3) uint8 RGB array
        See `mien.load_image`.
    faces : Faces, optional
        Faces to parse instead of detecting: see `mien.analyze`. Fields that they have are not computed again.
    size : {"fast", "balanced", "fine"}, optional
        How closely the network looks; by default the engine's own choice, which is balanced.
    engine : Engine, optional
        Default: `mien.default_engine()`.
    **options
        Of the search for faces: see `mien.detect`.

    Returns
    -------
    Masks
        ``m.hair`` is all hair, ``m[0].hair`` that of the first face; see `Masks`.

    Raises
    ------
    UsageError
        If the model that parses has no such size.
    ImageError, SourceError, ModelError, DeviceUnavailable
        As `mien.detect`.

    Examples
    --------
    >>> m = mien.mask("group.jpg")  # doctest: +SKIP
    >>> soft = (m.face & ~m.occluded).feather(12)  # doctest: +SKIP
    """
    engine = sized(engine or default_engine(), size)
    found = engine.analyze(image, want={"parse", "landmarks"}, faces=faces, **options)
    return Masks(found, engine)


def sized(engine: Engine, size: Size | None, *, job: str = "parse") -> Engine:
    """The engine with the model of a size for a field or job.

    Raises
    ------
    UsageError
        If the model has no such size.
    """
    if size is None:
        return engine
    card = engine.choose(job)
    sizes = card.params.get("sizes", {})
    if not isinstance(size, str) or size not in sizes:
        known = f"has {', '.join(sizes)}" if sizes else "has one size only"
        raise UsageError(f"the model {card.id} {known}: {size!r} is none of its sizes.")
    return engine.with_models(**{job: sizes[size]})
