"""How files get their marks: the one way in which marked pictures are written, and finished videos are signed."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import StorageError
from mien.core.image import Image, encode_image, write_picture
from mien.media.manifests import SIGNED, sign
from mien.media.signing import signing_key
from mien.media.watermark import CODES, embed

if TYPE_CHECKING:
    from mien.media.provenance import Provenance
    from mien.media.signing import SigningKey

__all__ = ["carries_mark", "check_key", "mark_image", "sign_file"]


def carries_mark(provenance: Provenance | None) -> bool:
    """Whether pixels get the invisible mark: those of synthetic pictures alone.

    What was only blurred, cut out or made sharper keeps each pixel that the edit left.
    """
    return provenance is not None and provenance.source_type in CODES


def mark_image(
    image: Image,
    path: str | os.PathLike[str],
    provenance: Provenance,
    *,
    quality: int = 95,
    parent: str | os.PathLike[str] | None = None,
    key: SigningKey | None = None,
    profile: bytes | None = None,
) -> Path:
    """Write a picture with all its marks: XMP, content credentials and, where it is synthetic, the invisible one.

    The file appears complete and signed, or not at all.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) uint8
    path : path
        Its suffix names the format: .jpg .jpeg .png .webp .tif .tiff .avif. An existing file is replaced.
    provenance : Provenance
        What the marks say.
    quality : int
        As of `mien.save_image`.
    parent : path, optional
        File that the picture was made of, to be named in the credentials, with its hash and the credentials of its own.
        Never that of an anonymized picture.
    key : SigningKey, optional
        Default: one's own by ``MIEN_SIGNING_KEY`` and ``MIEN_SIGNING_CERT``, else this machine's.
    profile : bytes, optional
        ICC: how the colours are meant.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    UsageError
        If the format cannot carry the marks or hold the picture, or one's own key cannot be used.
    StorageError
        If it cannot be signed or written.
    """
    path = Path(path)
    marked = carries_mark(provenance) and image.ndim == 3
    pixels = embed(image, str(provenance.source_type)) if marked else image
    data = encode_image(pixels, path, quality=quality, xmp=provenance.to_xmp(), profile=profile)
    if provenance:
        signed = BytesIO()
        kind = SIGNED[path.suffix.lower()]
        sign(BytesIO(data), signed, kind, provenance, name=str(path), marked=marked, parent=parent, key=key)
        data = signed.getvalue()
    write_picture(path, data)
    return path


def check_key(path: Path, provenance: Provenance | None) -> None:
    """Find out whether a file of this name could be signed before hours of work go into it.

    Raises
    ------
    UsageError, StorageError
        As `mien.media.signing.signing_key`.
    """
    if provenance and path.suffix.lower() in SIGNED:
        signing_key()


def sign_file(part: Path, path: Path, provenance: Provenance) -> None:
    """Sign a complete video that stands beside its place, before it takes it; of a kind that cannot be, do nothing.

    Parameters
    ----------
    part : path
        The file. It is replaced.
    path : path
        The place: its suffix says the kind, and its name stands in errors.
    provenance : Provenance

    Raises
    ------
    StorageError
        If it cannot be signed or written.
    """
    kind = SIGNED.get(path.suffix.lower())
    if kind is None or not provenance:
        return
    signed = part.with_name(f"{part.name}.signed")
    try:
        with part.open("rb") as source, signed.open("w+b") as target:
            sign(source, target, kind, provenance, name=str(path), marked=carries_mark(provenance))
        signed.replace(part)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {str(error.strerror).lower()}.") from error
    finally:
        signed.unlink(missing_ok=True)
