"""Face regions in picture files: who stands where, as photo programs write it and read it.

Two schemas are in use, and both are read and written: that of the Metadata Working Group (*Guidelines for Handling
Image Metadata*, version 2.0, 2010, section 5.9: digiKam, Lightroom, Picasa) and Microsoft's (*People Tagging Overview*:
Windows). They stand in the picture itself (JPEG, PNG), or in a sidecar beside it: ``photo.jpg.xmp`` or ``photo.xmp``.

Regions are stored as parts of the picture *as it is stored*, before its EXIF orientation is applied; here boxes are of
the upright picture, as everywhere. Some writers turned theirs: the dimensions that they say the regions apply to tell.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from mien.core.errors import ImageError, SourceError, StorageError, UsageError
from mien.media.sinks import begin
from mien.media.xmp import MAX_PACKET, RDF, embed_packet, parse_packet, read_packet

__all__ = ["Region", "read_regions", "sidecar_of", "write_regions"]

MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
MP = "http://ns.microsoft.com/photo/1.2/"
MPRI = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
MPREG = "http://ns.microsoft.com/photo/1.2/t/Region#"
META = "adobe:ns:meta/"
PREFIXES = {"rdf": RDF, "x": META, "mwg-rs": MWG, "stArea": AREA, "stDim": DIMENSIONS, "MP": MP, "MPRI": MPRI}
PREFIXES |= {"MPReg": MPREG, "xmp": "http://ns.adobe.com/xap/1.0/", "dc": "http://purl.org/dc/elements/1.1/"}

MAX_REGIONS = 1000  # of one picture
MAX_NAME = 1000  # characters that are kept of a name

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """Somebody's face in a picture.

    Parameters
    ----------
    box : (x1, y1, x2, y2)
        In pixels of the upright picture.
    name : str
        "" where the region names nobody.
    """

    box: Box
    name: str = ""


def sidecar_of(picture: str | os.PathLike[str]) -> Path:
    """The sidecar of a picture: ``photo.xmp`` where there is one already, else ``photo.jpg.xmp``."""
    path = Path(picture)
    short = path.with_suffix(".xmp")
    return short if short.is_file() else path.with_name(f"{path.name}.xmp")


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
    for packet in (_read_sidecar(sidecar_of(picture)), read_packet(picture)):
        root = parse_packet(packet)[0] if packet else None
        found = _regions(root, size, orientation) if root is not None else []
        if found:
            return found
    return []


def write_regions(picture: str | os.PathLike[str], regions: Sequence[Region], *, sidecar: bool = True) -> Path:
    """Write face regions, in place of those that are there; all other metadata stays.

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
        If a region is not a box within the picture, there are too many, or the format takes no XMP.
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
    target = sidecar_of(picture) if sidecar else Path(picture)
    old = _read_sidecar(target) if sidecar else read_packet(picture)
    root, reason = parse_packet(old) if old else (_empty(), "")
    if root is None:
        raise ImageError(f"{target} has metadata that cannot be kept: {reason.rstrip('.')}.")
    _replace(root, regions, size, orientation)
    packet = _serialize(root)
    data = packet if sidecar else embed_packet(Path(picture).read_bytes(), packet)
    part = begin(target)
    try:
        try:
            part.write_bytes(data)
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


# -- turning -----------------------------------------------------------------------------------------------------------

# Where a point of the stored picture is in the upright one, both in [0, 1], by orientation: (x, y) -> (x, y).
_Turn = Callable[[float, float], tuple[float, float]]
_UPRIGHT: dict[int, _Turn] = {
    1: lambda x, y: (x, y), 2: lambda x, y: (1 - x, y), 3: lambda x, y: (1 - x, 1 - y), 4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x), 6: lambda x, y: (1 - y, x), 7: lambda x, y: (1 - y, 1 - x), 8: lambda x, y: (y, 1 - x),
}  # fmt: skip
_BACK = {**_UPRIGHT, 6: _UPRIGHT[8], 8: _UPRIGHT[6]}  # all others undo themselves


def _turn(box: Box, orientation: int, table: Mapping[int, _Turn]) -> Box:
    (xa, ya), (xb, yb) = (table[orientation](x, y) for x, y in (box[:2], box[2:]))
    return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


# -- reading -----------------------------------------------------------------------------------------------------------


def _regions(root: ET.Element, size: tuple[int, int], orientation: int) -> list[Region]:
    """The regions of a tree, MWG's where there are any, for a stored picture of this size."""
    width, height = size if orientation < 5 else size[::-1]
    for read in (_mwg, _microsoft):
        found = []
        for box, name, turned in read(root, size, orientation):
            x1, y1, x2, y2 = box if turned else _turn(box, orientation, _UPRIGHT)
            found.append(Region((x1 * width, y1 * height, x2 * width, y2 * height), name))
            if len(found) == MAX_REGIONS:
                break
        if found:
            return found
    return []


def _mwg(root: ET.Element, size: tuple[int, int], orientation: int) -> Iterator[tuple[Box, str, bool]]:
    for info in _properties(root, MWG, "Regions"):
        turned = False
        for dimensions in _children(info, MWG, "AppliedToDimensions"):
            w, h = (_number(_value(dimensions, DIMENSIONS, key)) for key in ("w", "h"))
            # Only a picture that lies on its side can tell: its two sides must be the other way round.
            turned = (
                orientation >= 5
                and size[0] != size[1]
                and w is not None
                and h is not None
                and ((w > h) == (size[1] > size[0]))
            )
        for item in _items(info, MWG, "RegionList"):
            if (_value(item, MWG, "Type") or "Face") != "Face":
                continue
            for area in _children(item, MWG, "Area"):
                x, y, w, h = (_number(_value(area, AREA, key)) for key in ("x", "y", "w", "h"))
                if x is None or y is None or w is None or h is None:
                    continue
                box = _sound((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
                if box:
                    yield box, _name(_value(item, MWG, "Name")), turned


def _microsoft(root: ET.Element, size: tuple[int, int], orientation: int) -> Iterator[tuple[Box, str, bool]]:  # noqa: ARG001 - as the others
    for info in _properties(root, MP, "RegionInfo"):
        for item in _items(info, MPRI, "Regions"):
            numbers = [_number(part) for part in (_value(item, MPREG, "Rectangle") or "").split(",")]
            values = [number for number in numbers if number is not None]
            if len(numbers) == 4 == len(values):
                x, y, w, h = values
                box = _sound((x, y, x + w, y + h))
                if box:
                    yield box, _name(_value(item, MPREG, "PersonDisplayName")), False


def _sound(box: Box) -> Box | None:
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in box)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _name(text: str | None) -> str:
    """A name that is safe to keep: no control or direction-changing characters, and not endless."""
    return "".join(c for c in (text or "")[:MAX_NAME] if c.isprintable()).strip()


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if -1e6 < value < 1e6 else None


# RDF says one thing in several ways: a value as an attribute or as a child; a structure in a nested Description, or as
# children under rdf:parseType="Resource", or as attributes of the property itself.


def _properties(root: ET.Element, namespace: str, name: str) -> Iterator[ET.Element]:
    return root.iter(f"{{{namespace}}}{name}")


def _bodies(element: ET.Element) -> Iterator[ET.Element]:
    yield element
    yield from element.findall(f"{{{RDF}}}Description")


def _children(element: ET.Element, namespace: str, name: str) -> Iterator[ET.Element]:
    for body in _bodies(element):
        yield from body.findall(f"{{{namespace}}}{name}")


def _value(element: ET.Element, namespace: str, name: str) -> str | None:
    tag = f"{{{namespace}}}{name}"
    for body in _bodies(element):
        if tag in body.attrib:
            return body.attrib[tag]
        child = body.find(tag)
        if child is not None:
            return child.text
    return None


def _items(element: ET.Element, namespace: str, name: str) -> Iterator[ET.Element]:
    for bag in _children(element, namespace, name):
        yield from bag.iter(f"{{{RDF}}}li")


# -- writing -----------------------------------------------------------------------------------------------------------


def _empty() -> ET.Element:
    root = ET.Element(f"{{{META}}}xmpmeta")
    rdf = ET.SubElement(root, f"{{{RDF}}}RDF")
    ET.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    return root


def _replace(root: ET.Element, regions: Sequence[Region], size: tuple[int, int], orientation: int) -> None:
    ours = {f"{{{MWG}}}Regions", f"{{{MP}}}RegionInfo"}
    for parent in root.iter():
        for child in [child for child in parent if child.tag in ours]:
            parent.remove(child)
    if not regions:
        return
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")
    if rdf is None:
        rdf = ET.SubElement(root, f"{{{RDF}}}RDF")
    description = ET.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": _about(rdf)})
    mwg = _structure(description, MWG, "Regions")
    applied = {
        f"{{{DIMENSIONS}}}{key}": str(value) for key, value in (("w", size[0]), ("h", size[1]), ("unit", "pixel"))
    }
    ET.SubElement(mwg, f"{{{MWG}}}AppliedToDimensions", applied)
    faces = ET.SubElement(ET.SubElement(mwg, f"{{{MWG}}}RegionList"), f"{{{RDF}}}Bag")
    people = ET.SubElement(
        ET.SubElement(_structure(description, MP, "RegionInfo"), f"{{{MPRI}}}Regions"), f"{{{RDF}}}Bag"
    )
    width, height = size if orientation < 5 else size[::-1]
    for region in regions:
        x1, y1, x2, y2 = (part / whole for part, whole in zip(region.box, (width, height) * 2, strict=True))
        x1, y1, x2, y2 = _turn((max(x1, 0), max(y1, 0), min(x2, 1), min(y2, 1)), orientation, _BACK)
        item = _structure(faces, RDF, "li")
        name = _name(region.name)
        if name:
            ET.SubElement(item, f"{{{MWG}}}Name").text = name
        ET.SubElement(item, f"{{{MWG}}}Type").text = "Face"
        area = {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "w": x2 - x1, "h": y2 - y1}
        texts = {f"{{{AREA}}}{key}": f"{value:.6f}" for key, value in area.items()} | {f"{{{AREA}}}unit": "normalized"}
        ET.SubElement(item, f"{{{MWG}}}Area", texts)
        person = {f"{{{MPREG}}}Rectangle": f"{x1:.6f}, {y1:.6f}, {x2 - x1:.6f}, {y2 - y1:.6f}"}
        if name:
            person[f"{{{MPREG}}}PersonDisplayName"] = name
        ET.SubElement(ET.SubElement(people, f"{{{RDF}}}li"), f"{{{RDF}}}Description", person)


def _about(rdf: ET.Element) -> str:
    """What the packet's other descriptions are about: all must say the same."""
    return next((d.get(f"{{{RDF}}}about", "") for d in rdf.findall(f"{{{RDF}}}Description")), "")


def _structure(parent: ET.Element, namespace: str, name: str) -> ET.Element:
    return ET.SubElement(parent, f"{{{namespace}}}{name}", {f"{{{RDF}}}parseType": "Resource"})


def _serialize(root: ET.Element) -> bytes:
    for prefix, namespace in PREFIXES.items():
        ET.register_namespace(prefix, namespace)  # programs know these by their prefixes, wrong as that is
    body = ET.tostring(root, encoding="unicode")
    head, tail = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
    return f"{head}\n{body}\n{tail}".encode()
