"""How deep pictures get their marks, and how pictures are read that may be deep."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import UsageError
from mien.core.image import Image, load_image, write_picture
from mien.media.deep import Deep
from mien.media.manifests import SIGNED, sign
from mien.media.marking import carries_mark
from mien.media.watermark import embed

if TYPE_CHECKING:
    from mien.media.provenance import Provenance

__all__ = ["load_deep", "mark_deep"]


def load_deep(source: Any, *, max_pixels: int | None = None) -> tuple[Image, Deep | None]:
    """Read a picture, and keep its depth where it has more than 8 bits.

    Parameters
    ----------
    source : path, or as for `mien.load_image`
        Only files are kept deep.
    max_pixels : int, optional
        As in `mien.load_image`.

    Returns
    -------
    image : (H, W, 3) uint8
    deep : Deep or None

    Raises
    ------
    SourceError, ImageError, UsageError, ShapeMismatch
        As `mien.load_image` and `Deep.open`.
    """
    deep = Deep.open(source, max_pixels=max_pixels) if isinstance(source, str | os.PathLike) else None
    return (load_image(source, max_pixels=max_pixels) if deep is None else deep.proxy), deep


def mark_deep(
    deep: Deep, path: str | os.PathLike[str], provenance: Provenance, *, parent: str | os.PathLike[str] | None = None
) -> Path:
    """Write a deep picture with its marks, as `mien.media.marking.mark_image` writes others.

    The invisible mark is added in the same small steps that it has in 8 bits. EXR can hold no content credentials.

    Parameters
    ----------
    deep : Deep
    path : path
        Ends in one of ``deep.suffixes``.
    provenance : Provenance
    parent : path, optional
        File that it was made of, to be named in the credentials.

    Raises
    ------
    UsageError
        If the suffix is none of them.
    StorageError
        If it cannot be signed or written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in deep.suffixes:
        raise UsageError(f"{target.name}: in its depth, this picture is written as {' or '.join(deep.suffixes)}.")
    marked = carries_mark(provenance)
    if marked:
        deep = deep.changed(embed(deep.proxy, str(provenance.source_type)))
    data = deep.encode(suffix, xmp=provenance.to_xmp())
    kind = SIGNED.get(suffix)
    if provenance and kind is not None:
        signed = BytesIO()
        sign(BytesIO(data), signed, kind, provenance, name=str(target), marked=marked, parent=parent)
        data = signed.getvalue()
    write_picture(target, data)
    return target
