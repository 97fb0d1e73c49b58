"""Face regions in picture files: who stands where, as photo programs write it and read it.

Two schemas are in use, and both are read and written: that of the Metadata Working Group (*Guidelines for Handling
Image Metadata*, version 2.0, 2010, section 5.9: digiKam, Lightroom, Picasa) and Microsoft's (*People Tagging Overview*:
Windows). They stand in the picture itself (JPEG, PNG), or in a sidecar beside it: ``photo.jpg.xmp`` or ``photo.xmp``.
Regions that are no faces (pets, codes, points of focus) are not read, and stay when faces are written.

Regions are stored as parts of the picture *as it is stored*, before its EXIF orientation is applied; here boxes are of
the upright picture, as everywhere. Some writers turned theirs: the dimensions that they say the regions apply to tell.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.core.errors import ImageError, SourceError, StorageError, UsageError
from mien.media.region_trees import (
    MAX_REGIONS,
    MWG,
    PREFIXES,
    Region,
    empty_tree,
    region_name,
    regions_in,
    replace_regions,
)
from mien.media.sinks import begin
from mien.media.xmp import MAX_PACKET, embed_packet, parse_packet, read_extended, read_packet, write_packet

__all__ = ["MAX_REGIONS", "Region", "read_regions", "region_name", "sidecar_of", "write_regions"]


def sidecar_of(picture: str | os.PathLike[str]) -> Path:
    """The sidecar of a picture: ``photo.jpg.xmp``, but ``photo.xmp`` where only that is there.

    The short name may be that of another file of the same stem, such as the raw picture that ``photo.jpg`` comes from.
    """
    path = Path(picture)
    short, full = path.with_suffix(".xmp"), path.with_name(f"{path.name}.xmp")
    return short if short.is_file() and not full.is_file() else full


def read_regions(picture: str | os.PathLike[str]) -> list[Region]:
    """The face regions of a picture: those of its sidecar where that has any, else those in the file itself.

    Raises
    ------
    SourceError
        If the picture is missing or cannot be read.
    ImageError
        If it is no picture. Regions that are malformed are left out.
    """
    size, orientation = _stored(picture)
    for packet in _packets(picture):
        root = parse_packet(packet)[0] if packet else None
        found = regions_in(root, size, orientation) if root is not None else []
        if found:
            return found
    return []


def _packets(picture: str | os.PathLike[str]) -> Iterator[bytes | None]:
    """The packets that may say who is in a picture, the one that counts most first."""
    yield _read_sidecar(sidecar_of(picture))
    own = read_packet(picture)
    yield own
    if own and b"HasExtendedXMP" in own:
        yield read_extended(Path(picture).read_bytes())


def write_regions(picture: str | os.PathLike[str], regions: Sequence[Region], *, sidecar: bool = True) -> Path:
    """Write face regions, in place of those that are there; all other metadata stays, regions of other things too.

    Parameters
    ----------
    picture : path
    regions : sequence of Region
        An empty one takes the regions out.
    sidecar : bool
        Write beside the picture and leave its file alone; else into it (JPEG and PNG), without touching its pixels.

    Returns
    -------
    path
        The file that was written: whole or not at all.

    Raises
    ------
    SourceError, ImageError
        If the picture cannot be read, or is broken.
    UsageError
        If a region is not a box within the picture, there are too many, the format takes no XMP, or a JPEG has so much
        metadata that no more fits into it, or has regions in its extended XMP: write a sidecar.
    StorageError
        If the file cannot be written.
    """
    size, orientation = _stored(picture)
    upright = size if orientation < 5 else size[::-1]
    if len(regions) > MAX_REGIONS:
        raise UsageError(f"a picture holds up to {MAX_REGIONS} regions here, not {len(regions)}.")
    for region in regions:
        x1, y1, x2, y2 = region.box
        if not (0 <= max(x1, 0) < min(x2, upright[0]) and 0 <= max(y1, 0) < min(y2, upright[1])):
            raise UsageError(f"{region.box} is no box in a picture of {upright[0]}x{upright[1]} pixels.")
    target = (sidecar_of(picture) if sidecar else Path(picture)).resolve()  # a link stays one
    old = _read_sidecar(target) if sidecar else read_packet(picture)
    root, reason = parse_packet(old) if old else (empty_tree(), "")
    if root is None:
        raise ImageError(f"{target} has metadata that cannot be kept: {reason.rstrip('.')}.")
    replace_regions(root, regions, size, orientation)
    data = packet = write_packet(root, old, PREFIXES)
    if not sidecar:
        whole = target.read_bytes()
        if MWG.encode() in (read_extended(whole) or b""):
            raise UsageError(
                "the extended XMP of this JPEG holds regions, which would contradict these: write a sidecar."
            )
        data = embed_packet(whole, packet)
    part = begin(target)
    try:
        try:
            part.write_bytes(data)
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{target} could not be written: {error.strerror or error}.") from error
    return target


def _read_sidecar(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_PACKET + 1)  # one more than the bound: enough to be refused
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error


def _stored(picture: str | os.PathLike[str]) -> tuple[tuple[int, int], int]:
    """Width and height as stored, and the EXIF orientation, 1 to 8."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(picture) as image:
                size, value = image.size, image.getexif().get(0x0112, 1)
    except FileNotFoundError as error:
        raise SourceError(f"{os.fspath(picture)} cannot be read: {error.strerror}.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{os.fspath(picture)} is not a picture file, or a broken one.") from error
    return size, value if value in range(1, 9) else 1
