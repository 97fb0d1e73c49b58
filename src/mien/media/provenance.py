"""Where a picture came from: what its marks say, and whether they agree.

A file that is written here says it three times: as IPTC's *Digital Source Type* in an XMP packet (IPTC Photo Metadata
Standard 2025.1), which photo agencies, search engines and social networks read; in signed content credentials
(`mien.media.credentials`), which tell of any change; and, where it is synthetic, in its pixels
(`mien.media.watermark`), which is what a screenshot leaves. All name software and models, never a person. Whoever wants
to can remove them all, so a file without a mark is one that nothing is known about, and never "real".
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from mien.core.errors import SourceError
from mien.media.credentials import Credentials, read_credentials
from mien.media.deep import is_exr
from mien.media.source_types import SYNTHETIC_TYPES, VOCABULARY, foremost
from mien.media.texts import clean
from mien.media.watermark_reading import InvisibleMark
from mien.media.xmp import MAX_PACKET, RDF, parse_packet, read_packet

__all__ = ["MAX_PACKET", "SYNTHETIC_TYPES", "VOCABULARY", "Provenance", "provenance"]

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
XMP = "http://ns.adobe.com/xap/1.0/"
MIEN = "urn:mien:provenance:1#"


@dataclass(frozen=True)
class Provenance:
    """What a picture or a video says of its own making.

    Parameters
    ----------
    source_type : str, optional
        IPTC code, for example "trainedAlgorithmicMedia" (made by a model), "compositeWithTrainedAlgorithmicMedia"
        (a picture with parts made by one), "composite" (of several pictures) or "algorithmicallyEnhanced".
    tool : str, optional
        Software that wrote it, with its version.
    models : tuple of str
        Models that made it.
    seed : int, optional
        Seed of a generated picture: the same seed, settings and models make it again.
    reason : str, optional
        Why nothing is known, where nothing is.
    consent : str, optional
        Reference of the record in which the people who are shown agreed; never their names.
    metadata : str, optional
        What a file's XMP says; the source type above is that of all marks together, a synthetic one before others.
    credentials : Credentials, optional
        What its content credentials say, where it has some.
    invisible : InvisibleMark, optional
        What its pixels say, where they were looked at.

    Two are equal that say the same, however they say it.

    References
    ----------
    IPTC Photo Metadata Standard 2025.1; NewsCodes "Digital Source Type", http://cv.iptc.org/newscodes/digitalsourcetype/
    """

    source_type: str | None = None
    tool: str | None = None
    models: tuple[str, ...] = ()
    seed: int | None = None
    reason: str | None = None
    consent: str | None = None
    metadata: str | None = field(default=None, compare=False, repr=False)
    credentials: Credentials | None = field(default=None, compare=False, repr=False)
    invisible: InvisibleMark | None = field(default=None, compare=False, repr=False)

    @classmethod
    def generated(cls, *models: str, seed: int | None = None) -> Provenance:
        """Of a picture that models made from nothing."""
        return cls("trainedAlgorithmicMedia", _tool(), models, seed)

    @classmethod
    def composite(cls, *models: str, seed: int | None = None) -> Provenance:
        """Of a picture in which models made a part."""
        return cls("compositeWithTrainedAlgorithmicMedia", _tool(), models, seed)

    @classmethod
    def enhanced(cls, source: Provenance) -> Provenance:
        """Of a picture that an algorithm changed while what it shows stayed the same, such as one made sharper.

        What was synthetic stays so, with its models; its seed no longer makes it.
        """
        kind = source.source_type if source.synthetic else "algorithmicallyEnhanced"
        return cls(kind, _tool(), source.models)

    @classmethod
    def composed(cls, *sources: Provenance) -> Provenance:
        """Of a picture that is put together of others: synthetic where one of them says that it is.

        IPTC's "composite" is of elements "any of which may or may not be" made by a model. That all of them are
        captures ("compositeCapture") is more than anyone can know of pictures without a mark.
        """
        kind = "compositeSynthetic" if any(source.synthetic for source in sources) else "composite"
        models = dict.fromkeys(model for source in sources for model in source.models)
        return cls(kind, _tool(), tuple(models))

    @classmethod
    def manipulated(cls, *sources: Provenance, models: tuple[str, ...] = (), consent: str | None = None) -> Provenance:
        """Of a picture in which a face shows what no camera saw, made of others: swapped, or made to smile.

        It is synthetic, whatever it is made of, and whether or not a model was trained for it.
        """
        named = dict.fromkeys((*models, *(model for source in sources for model in source.models)))
        return cls("compositeSynthetic", _tool(), tuple(named), consent=consent)

    @property
    def synthetic(self) -> bool | None:
        """True where the picture says that an algorithm made it or a part of it; None where that is not known.

        Never False: a missing mark, or one that claims a camera, proves nothing.
        """
        return True if self.source_type in SYNTHETIC_TYPES else None

    def __bool__(self) -> bool:
        return self.source_type is not None

    @property
    def said(self) -> dict[str, str]:
        """What each mark says, by the mark: "metadata", "credentials", "invisible"; those that say nothing are out."""
        marks = {
            "metadata": self.metadata,
            "credentials": self.credentials.source_type if self.credentials else None,
            "invisible": self.invisible.source_type if self.invisible else None,
        }
        return {name: kind for name, kind in marks.items() if kind is not None}

    @property
    def agree(self) -> bool | None:
        """Whether the marks say the same; None where there are not two."""
        return len(set(self.said.values())) == 1 if len(self.said) > 1 else None

    def explain(self) -> list[str]:
        """What is known, and what it is worth, in plain words: a line for each mark, and one for what is not known."""
        from mien.media.explaining import explain

        return explain(self)

    def to_xmp(self) -> bytes:
        """The XMP packet that says this, UTF-8, for `mien.core.image.save_image`'s ``xmp``."""
        values = {
            "Iptc4xmpExt:DigitalSourceType": VOCABULARY + self.source_type if self.source_type else None,
            "Iptc4xmpExt:AISystemUsed": ", ".join(self.models) or None,
            "xmp:CreatorTool": self.tool,
            "mien:Seed": None if self.seed is None else str(self.seed),
            "mien:Consent": self.consent,
        }
        lines = "\n".join(f"   <{name}>{escape(text)}</{name}>" for name, text in values.items() if text is not None)
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
            f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF xmlns:rdf="{RDF}">\n'
            f'  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{IPTC}" xmlns:xmp="{XMP}" xmlns:mien="{MIEN}">\n'
            f"{lines}\n  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
            '<?xpacket end="w"?>'
        ).encode()

    def to_comment(self) -> str:
        """The same in a line that people read, for files whose players show a comment."""
        parts = [f"Digital source type: {VOCABULARY}{self.source_type}"] if self.source_type else []
        parts += [self.tool] if self.tool else []
        parts += [f"models: {', '.join(self.models)}"] if self.models else []
        return "; ".join(parts)

    @classmethod
    def from_xmp(cls, packet: bytes) -> Provenance:
        """Read a packet that anyone may have written; one that is malformed or refused gives a `reason`."""
        root, reason = parse_packet(packet)
        if root is None:
            return cls(reason=reason)
        types = [value.rsplit("/", 1)[-1] for value in _values(root, IPTC, "DigitalSourceType") if value]
        tool = next(_values(root, XMP, "CreatorTool"), "")
        system = next(_values(root, IPTC, "AISystemUsed"), "")
        seed = next(_values(root, MIEN, "Seed"), "")
        return cls(
            source_type=foremost(types),
            tool=tool or None,
            models=tuple(name for name in system.split(", ") if name),
            seed=int(seed) if seed.isascii() and seed.isdigit() and len(seed) < 40 else None,
            reason=None if types else "its XMP names no source type.",
            consent=next(_values(root, MIEN, "Consent"), "") or None,
            metadata=foremost(types),
        )


def provenance(source: str | os.PathLike[str] | bytes | IO[bytes], *, look: bool = False) -> Provenance:
    """What a picture or a video says of its own making.

    Parameters
    ----------
    source : path, bytes or binary file
        JPEG, PNG, WebP, TIFF or AVIF (HEIC where it can be read); EXR, as a path or bytes, with ``mien[exr]``; MP4,
        MOV, Matroska or WebM. Nothing is fetched.
    look : bool
        Whether its pixels are decoded, to look for the invisible mark: up to a second for a picture, and three for a
        large video, of which some frames are looked at, and which must be given as a path.

    Returns
    -------
    Provenance
        ``synthetic`` is True for a file that says so, else None, with a ``reason`` where the file says nothing.

    Raises
    ------
    SourceError
        If the file is missing or cannot be read.
    ImageError
        If it is neither.
    """
    start = None if isinstance(source, (str, os.PathLike, bytes)) else _position(source)
    packet = _packet(source)
    _rewind(source, start)
    found = Provenance.from_xmp(packet) if packet else Provenance(reason="no XMP in the file.")
    found = _with_credentials(found, read_credentials(source))
    if not look:
        return found
    from mien.media.looking import look_for_mark

    _rewind(source, start)
    return _with_mark(found, look_for_mark(source))


def _packet(source: str | os.PathLike[str] | bytes | IO[bytes]) -> bytes | None:
    """Its XMP packet; also of EXR, of which only the path or the bytes are taken. Errors as in `provenance`."""
    if isinstance(source, (str, os.PathLike)) and not os.fspath(source):
        raise SourceError("an empty path names no file.")
    if isinstance(source, (str, os.PathLike)) and _is_pipe(source):  # to open it is to wait for its other end
        raise SourceError(f"{os.fspath(source)} is not a regular file.")
    if not isinstance(source, (str, os.PathLike, bytes)) or not is_exr(source):
        return read_packet(source)
    from mien.media.exr import read_exr_packet

    if isinstance(source, bytes):
        return read_exr_packet(source, "the file given as bytes")
    return read_exr_packet(Path(source).read_bytes(), os.fspath(source))


def _is_pipe(path: str | os.PathLike[str]) -> bool:
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # which is told where it is opened
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _with_credentials(found: Provenance, signed: Credentials | None) -> Provenance:
    """The metadata and what is signed; of what only one says, that."""
    if signed is None:
        return found
    kind = foremost((found.source_type, signed.source_type))
    return replace(
        found,
        source_type=kind,
        tool=found.tool or signed.tool,
        models=found.models or signed.models,
        seed=signed.seed if found.seed is None else found.seed,
        consent=found.consent or signed.consent,
        reason=None if kind else found.reason,
        credentials=signed,
    )


def _with_mark(found: Provenance, mark: InvisibleMark) -> Provenance:
    kind = foremost((found.source_type, mark.source_type))
    return replace(found, source_type=kind, reason=None if kind else found.reason, invisible=mark)


def _position(source: Any) -> int | None:
    return source.tell() if hasattr(source, "tell") else None


def _rewind(source: Any, start: int | None) -> None:
    if start is not None:
        source.seek(start)


def _tool() -> str:
    return f"mien {version('mien')}"


def _values(root: ET.Element, namespace: str, name: str) -> Iterator[str]:
    """Each value of a property in a packet: as element text, as rdf:resource, or as an attribute (RDF's short form)."""
    tag = f"{{{namespace}}}{name}"
    for element in root.iter():
        if element.tag == tag:
            yield clean(element.get(f"{{{RDF}}}resource") or element.text or "")
        if tag in element.attrib:
            yield clean(element.attrib[tag])
