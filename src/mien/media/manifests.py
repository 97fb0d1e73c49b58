"""C2PA manifests as they are written: what they say, what they leave out, and how a file is signed with one.

A manifest says how a file was made, and its signature that neither has changed since (C2PA, *Content Credentials
Technical Specification* 2.2; c2pa-python over c2pa-rs does the work). Those that are written here hold what
`mien.Provenance` says and nothing of the original: no thumbnail, which the library would else embed, no hash and no
name, unless a parent is given on purpose. Nothing is asked of the network, in writing or in reading: there is no time
stamp, manifests that stand elsewhere are not fetched, and no revocation is looked up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final

from mien.core.errors import SourceError, StorageError, UsageError
from mien.media.signing import SigningKey, signing_key
from mien.media.source_types import VOCABULARY

if TYPE_CHECKING:
    import c2pa

    from mien.media.provenance import Provenance

__all__ = ["SIGNED", "context", "kind_of", "line", "sign"]

#: C2PA's name of the files that are signed, by suffix. Matroska and WebM have no place for a manifest.
SIGNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".tif": "image/tiff",
        ".tiff": "image/tiff", ".avif": "image/avif", ".mp4": "video/mp4", ".m4v": "video/mp4",
        ".mov": "video/quicktime",
    }
)  # fmt: skip

# What was done, by what it made; of a source type that is not here the pixels were made from nothing.
_ACTIONS: Final = {
    "algorithmicallyEnhanced": "c2pa.filtered",
    "composite": "c2pa.edited",
    "compositeCapture": "c2pa.edited",
    "compositeSynthetic": "c2pa.edited",
    "compositeWithTrainedAlgorithmicMedia": "c2pa.edited",
}
_HEADS: Final = (
    (b"\xff\xd8\xff", 0, "image/jpeg"), (b"\x89PNG\r\n\x1a\n", 0, "image/png"), (b"WEBP", 8, "image/webp"),
    (b"II*\0", 0, "image/tiff"), (b"MM\0*", 0, "image/tiff"), (b"GIF8", 0, "image/gif"),
    (b"ftypavif", 4, "image/avif"), (b"ftypavis", 4, "image/avif"), (b"ftyphei", 4, "image/heic"),
    (b"ftypmif1", 4, "image/heif"), (b"ftypqt", 4, "video/quicktime"), (b"ftyp", 4, "video/mp4"),
)  # fmt: skip


def sign(
    source: IO[bytes],
    target: IO[bytes],
    kind: str,
    provenance: Provenance,
    *,
    name: str,
    marked: bool = False,
    parent: str | os.PathLike[str] | None = None,
    key: SigningKey | None = None,
) -> None:
    """Copy a file with a signed manifest in it.

    Parameters
    ----------
    source, target : binary files
        The whole of a file is read from one and written into the other, which is open for reading, too.
    kind : str
        One of the values of `SIGNED`.
    provenance : Provenance
        What the manifest says.
    name : str
        Of the file, for errors.
    marked : bool
        Whether its pixels carry the invisible mark.
    parent : path, optional
        File that it was made of. Its hash and its own manifest stand in the new one: anonymized pictures have none.
    key : SigningKey, optional
        Default: `mien.media.signing.signing_key`.

    Raises
    ------
    StorageError
        If it cannot be signed or written.
    SourceError
        If the parent cannot be read.
    UsageError
        If the parent is of a kind that cannot be named, or one's own key cannot be used.
    """
    import c2pa

    key = key or signing_key()
    try:
        info = c2pa.C2paSignerInfo(key.algorithm, key.chain, key.key, None)
        definition = _manifest(provenance, marked=marked, edited=parent is not None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(definition, context=context()) as builder:
            if parent is not None:
                _add_parent(builder, Path(parent))
            builder.sign(signer, kind, source, target)
    except (c2pa.C2paError, OSError) as error:
        raise StorageError(f"{name} was not written, since it could not be signed: {line(error)}.") from error


def _manifest(provenance: Provenance, *, marked: bool, edited: bool) -> dict[str, Any]:
    """The definition of a manifest, as c2pa-rs reads it."""
    tool, _, version = (provenance.tool or "mien").partition(" ")
    agent = {"name": tool, **({"version": version} if version else {})}
    values = {
        "mien.models": list(provenance.models) or None,
        "mien.seed": None if provenance.seed is None else str(provenance.seed),
        "mien.consent": provenance.consent,
    }
    what: dict[str, Any] = {"softwareAgent": agent, "digitalSourceType": VOCABULARY + (provenance.source_type or "")}
    if any(values.values()):
        what["parameters"] = {name: value for name, value in values.items() if value is not None}
    done = _ACTIONS.get(provenance.source_type or "")
    # A manifest begins with how its content came to be: opened, where a parent is named (the library adds that).
    actions = [] if edited else [{"action": "c2pa.created", **what}]
    if edited or done:
        actions.append({"action": done or "c2pa.edited", **what})
    if marked:
        actions.append({"action": "c2pa.watermarked.unbound", "softwareAgent": agent})
    data = {"actions": actions, "allActionsIncluded": True}
    return {"claim_generator_info": [agent], "assertions": [{"label": "c2pa.actions.v2", "data": data}]}


def _add_parent(builder: c2pa.Builder, path: Path) -> None:
    import c2pa

    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
    try:
        with path.open("rb") as file:
            kind = kind_of(file.read(16))
            if kind is None:
                raise UsageError(f"{path} is of no kind that content credentials can name as a parent.")
            file.seek(0)
            builder.add_ingredient({"title": path.name, "relationship": "parentOf"}, kind, file)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error


def context() -> c2pa.Context:
    """Settings of all work: nothing is fetched or added; who is trusted stands in the file ``MIEN_TRUST_ANCHORS``.

    It is made anew each time, in less than a millisecond: a process that is forked could not use its parent's.
    """
    import c2pa

    automatic = {f"auto_{name}_action": {"enabled": name == "opened"} for name in ("created", "opened", "placed")}
    settings: dict[str, Any] = {
        "version": 1,
        "core": {"allowed_network_hosts": []},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
        "builder": {"thumbnail": {"enabled": False}, "actions": automatic},
    }
    if path := os.environ.get("MIEN_TRUST_ANCHORS"):
        settings["trust"] = {"trust_anchors": _anchors(path)}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _anchors(path: str) -> str:
    from cryptography import x509

    try:
        data = Path(path).read_bytes()
        x509.load_pem_x509_certificates(data)  # the library would blame the file that is read
        return data.decode("ascii")
    except (OSError, ValueError) as error:
        raise UsageError(f"MIEN_TRUST_ANCHORS: {path} holds no certificates in PEM that can be read.") from error


def kind_of(head: bytes) -> str | None:
    """C2PA's name of a file that begins so, by its first 16 bytes; None of a kind that has no manifest."""
    return next((kind for mark, place, kind in _HEADS if head[place:].startswith(mark)), None)


def line(error: Exception) -> str:
    """What went wrong, as the end of a sentence."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text.rstrip(".") or type(error).__name__
