"""Content credentials: the signed C2PA manifest of a picture or a video, read with care.

Anyone may have written it. All of its values are claims, and are made safe to print; the signature tells whether the
file is still what was signed, and the list of trusted signers whether anyone vouches for who signed. How manifests are
written stands in `mien.media.manifests`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

from mien.core.errors import SourceError
from mien.media.manifests import context, kind_of, line
from mien.media.source_types import foremost
from mien.media.texts import clean
from mien.media.video_xmp import has_box

__all__ = ["Credentials", "read_credentials"]

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
        file = Path(source).open("rb")  # noqa: SIM115 - closed below: errors of what is read are others
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise SourceError(f"{os.fspath(source)} cannot be read: {line(error)}.") from error
    with file:
        return _read(file)


def _read(file: IO[bytes]) -> Credentials | None:
    kind = kind_of(file.read(16))
    if kind is None or not _has_manifest(file, kind):
        return None
    if file.seek(0, os.SEEK_END) > _LARGEST:
        return Credentials("unreadable", problems=(f"the file has more than {_LARGEST >> 30} GB",))
    file.seek(0)
    import c2pa

    settings = context()
    try:
        with c2pa.Reader(kind, file, context=settings) as reader:
            store, state = json.loads(reader.json()), reader.get_validation_state()
    except c2pa.C2paError.ManifestNotFound:  # its pixels happen to hold the four letters
        return None
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        return Credentials("unreadable", problems=(clean(line(error)),))
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
