"""Content credentials: the signed C2PA manifest of a picture or a video, written and read.

A manifest says how a file was made, and its signature that neither has changed since (C2PA, *Content Credentials
Technical Specification* 2.2; c2pa-python over c2pa-rs does the work). Manifests that are written here hold what
`mien.Provenance` says and nothing of the original: no thumbnail, which the library would else embed, no hash and no
name, unless a parent is given on purpose. Nothing is asked of the network, in writing or in reading: there is no time
stamp, manifests that stand elsewhere are not fetched, and no revocation is looked up.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final

from mien.core.errors import SourceError, StorageError, UsageError
from mien.media.signing import SigningKey, signing_key
from mien.media.source_types import VOCABULARY, foremost
from mien.media.texts import clean
from mien.media.video_xmp import has_box

if TYPE_CHECKING:
    import c2pa

    from mien.media.provenance import Provenance

__all__ = ["SIGNED", "Credentials", "kind_of", "read_credentials", "sign"]

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
_LARGEST: Final = 8 << 30  # bytes of a file whose signature is checked: all of it is read
_MANIFEST_BOX: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # C2PA 2.2, A.5.1
_CHANGED: Final = "the file was changed after it was signed"
_UNTRUSTED: Final = "signingCredential.untrusted"
_PROBLEMS: Final = {
    "assertion.dataHash.mismatch": _CHANGED,
    "assertion.bmffHash.mismatch": _CHANGED,
    "assertion.boxesHash.mismatch": _CHANGED,
    "assertion.hashedURI.mismatch": "the manifest was changed after it was signed",
    "claimSignature.mismatch": "the signature is not that of the manifest",
    "claimSignature.missing": "the manifest is not signed",
    "claimSignature.outsideValidity": "the signer's certificate had ended, or not begun, when the file was signed",
    "signingCredential.expired": "the signer's certificate has ended",
    "signingCredential.invalid": "the signer's certificate is not one for content credentials",
    "signingCredential.revoked": "the signer's certificate was called back",
    _UNTRUSTED: "the signer is on no trust list that is known here",
}
_HEADS: Final = (
    (b"\xff\xd8\xff", 0, "image/jpeg"), (b"\x89PNG\r\n\x1a\n", 0, "image/png"), (b"WEBP", 8, "image/webp"),
    (b"II*\0", 0, "image/tiff"), (b"MM\0*", 0, "image/tiff"), (b"GIF8", 0, "image/gif"),
    (b"ftypavif", 4, "image/avif"), (b"ftypavis", 4, "image/avif"), (b"ftyphei", 4, "image/heic"),
    (b"ftypmif1", 4, "image/heif"), (b"ftypqt", 4, "video/quicktime"), (b"ftyp", 4, "video/mp4"),
)  # fmt: skip


@dataclass(frozen=True)
class Credentials:
    """What a file's content credentials say, and what their signature is worth.

    Parameters
    ----------
    state : str
        "trusted": signed by one who is on a trust list; "untrusted": the signature is good, but nobody vouches for the
        signer, as of every key that is made here; "invalid": the file or its manifest is not what was signed;
        "unreadable": no manifest could be read.
    signer : str, optional
        Name in the signer's certificate: anyone may write any name into one that is not trusted.
    source_type : str, optional
        IPTC code of the actions; a synthetic one counts before others.
    tool : str, optional
        What wrote the manifest.
    models : tuple of str
    seed : int, optional
    consent : str, optional
        See `Provenance`.
    problems : tuple of str
        What is wrong with it, in words.
    """

    state: str
    signer: str | None = None
    source_type: str | None = None
    tool: str | None = None
    models: tuple[str, ...] = ()
    seed: int | None = None
    consent: str | None = None
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        by = f' by "{self.signer}"' if self.signer else ""
        words = {
            "trusted": f"valid signature{by}, who is on a trust list",
            "untrusted": f"valid signature{by}; anyone can make such a key",
            "invalid": f"invalid signature{by}",
            "unreadable": "unreadable",
        }
        return "; ".join((words[self.state], *self.problems)) + "."


# --- writing ----------------------------------------------------------------------------------------------------------


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
    """
    import c2pa

    key = key or signing_key()
    try:
        info = c2pa.C2paSignerInfo(key.algorithm, key.chain, key.key, None)
        definition = _manifest(provenance, marked=marked, edited=parent is not None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(definition, context=_context()) as builder:
            if parent is not None:
                _add_parent(builder, Path(parent))
            builder.sign(signer, kind, source, target)
    except (c2pa.C2paError, OSError) as error:
        raise StorageError(f"{name} was not written, since it could not be signed: {_line(error)}.") from error


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
            file.seek(0)
            builder.add_ingredient({"title": path.name, "relationship": "parentOf"}, kind or "", file)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error


@functools.cache
def _context_with(anchors: str | None) -> c2pa.Context:
    import c2pa

    automatic = {f"auto_{name}_action": {"enabled": name == "opened"} for name in ("created", "opened", "placed")}
    settings: dict[str, Any] = {
        "version": 1,
        "core": {"allowed_network_hosts": []},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
        "builder": {"thumbnail": {"enabled": False}, "actions": automatic},
    }
    if anchors is not None:
        settings["trust"] = {"trust_anchors": anchors}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _context() -> c2pa.Context:
    """Settings of all work: nothing is fetched or added; who is trusted stands in the file ``MIEN_TRUST_ANCHORS``."""
    path = os.environ.get("MIEN_TRUST_ANCHORS")
    try:
        return _context_with(Path(path).read_text("ascii") if path else None)
    except (OSError, ValueError) as error:
        raise UsageError(f"MIEN_TRUST_ANCHORS: {path} holds no certificates in PEM that can be read.") from error


# --- reading ----------------------------------------------------------------------------------------------------------


def kind_of(head: bytes) -> str | None:
    """C2PA's name of a file that begins so, by its first 16 bytes; None of a kind that has no manifest."""
    return next((kind for mark, place, kind in _HEADS if head[place:].startswith(mark)), None)


def read_credentials(source: str | os.PathLike[str] | bytes | IO[bytes]) -> Credentials | None:
    """What a file's content credentials say; None where it has none.

    Parameters
    ----------
    source : path, bytes or binary file
        Of any kind; a file is read from where it stands. All of one that has a manifest is read.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    if isinstance(source, bytes):
        return _read(BytesIO(source))
    if not isinstance(source, (str, os.PathLike)):
        return _read(source if source.tell() == 0 else BytesIO(source.read()))
    try:
        with Path(source).open("rb") as file:
            return _read(file)
    except (OSError, ValueError) as error:
        raise SourceError(f"{os.fspath(source)} cannot be read: {_line(error)}.") from error


def _read(file: IO[bytes]) -> Credentials | None:
    kind = kind_of(file.read(16))
    if kind is None or not _has_manifest(file, kind):
        return None
    if file.seek(0, os.SEEK_END) > _LARGEST:
        return Credentials("unreadable", problems=(f"the file has more than {_LARGEST >> 30} GB",))
    file.seek(0)
    import c2pa

    try:
        with c2pa.Reader(kind, file, context=_context()) as reader:
            store, state = json.loads(reader.json()), reader.get_validation_state()
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        return Credentials("unreadable", problems=(clean(_line(error)),))
    found = _said(store)
    states = {"Trusted": "trusted", "Valid": "untrusted"}
    return replace(found, state=states.get(str(state), "invalid"))


def _has_manifest(file: IO[bytes], kind: str) -> bool:
    """Whether there is a manifest to read, told without the library, which takes a while to load."""
    if kind.startswith("video/"):
        file.seek(0)
        return has_box(file, _MANIFEST_BOX)
    file.seek(0)
    before = b""
    while part := file.read(1 << 20):
        if b"c2pa" in before + part:  # the name of its outermost box
            return True
        before = part[-3:]
    return False


def _said(store: Any) -> Credentials:
    """The claims of a store of manifests that anyone may have written."""
    manifests = _mapping(store).get("manifests")
    active = _mapping(_mapping(manifests).get(str(_mapping(store).get("active_manifest"))))
    signature = _mapping(active.get("signature_info"))
    others = [one for one in _mapping(manifests).values() if one is not active]
    types = [kind for one in (active, *others) for kind in _types(one)]
    values = {name: value for action in _actions(active) for name, value in _mapping(action.get("parameters")).items()}
    models, seed = values.get("mien.models"), str(values.get("mien.seed", ""))
    codes = [_mapping(one).get("code") for one in _sequence(_mapping(store).get("validation_status"))]
    return Credentials(
        state="invalid",
        signer=_text(signature.get("common_name")) or _text(signature.get("issuer")),
        source_type=foremost(types),
        tool=next((_agent(one) for one in _sequence(active.get("claim_generator_info"))), None),
        models=tuple(text for text in map(_text, _sequence(models)) if text),
        seed=int(seed) if seed.isascii() and seed.isdigit() and len(seed) < 40 else None,
        consent=_text(values.get("mien.consent")),
        problems=tuple(dict.fromkeys(_PROBLEMS.get(str(code), clean(str(code))) for code in codes)),
    )


def _types(manifest: Any) -> Iterator[str]:
    for action in _actions(manifest):
        kind = _text(action.get("digitalSourceType"))
        if kind:
            yield kind.rsplit("/", 1)[-1]


def _actions(manifest: Any) -> Iterator[Mapping[str, Any]]:
    for assertion in _sequence(_mapping(manifest).get("assertions")):
        if str(_mapping(assertion).get("label")).startswith("c2pa.actions"):
            yield from map(_mapping, _sequence(_mapping(_mapping(assertion).get("data")).get("actions")))


def _agent(value: Any) -> str | None:
    name, version = _text(_mapping(value).get("name")), _text(_mapping(value).get("version"))
    return f"{name} {version}" if name and version else name


def _text(value: Any) -> str | None:
    return clean(value) or None if isinstance(value, str) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _line(error: Exception) -> str:
    """What went wrong, as the end of a sentence."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text.rstrip(".") or type(error).__name__
