"""Face regions as trees of XMP: the two schemas, the ways in which RDF says one thing, and turned pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import category
from xml.etree import ElementTree as ET

from mien.media.xmp import RDF

__all__ = ["MAX_REGIONS", "MWG", "PREFIXES", "Region", "empty_tree", "region_name", "regions_in", "replace_regions"]

MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
MP = "http://ns.microsoft.com/photo/1.2/"
MPRI = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
MPREG = "http://ns.microsoft.com/photo/1.2/t/Region#"
META = "adobe:ns:meta/"
PREFIXES = {RDF: "rdf", META: "x", MWG: "mwg-rs", AREA: "stArea", DIMENSIONS: "stDim"}
PREFIXES |= {MP: "MP", MPRI: "MPRI", MPREG: "MPReg"}

MAX_REGIONS = 1000  # of one picture
MAX_NAME = 1000  # characters that are kept of a name
JOINERS = "\u200c\u200d"

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


def region_name(name: str) -> str:
    """A name as regions hold it: without control and direction-changing characters, and not endless.

    Spaces of all kinds stay, and so do the joiners (U+200C, U+200D) that names in Persian and in Indian scripts need.
    """
    return "".join(c for c in name[:MAX_NAME] if c.isprintable() or c in JOINERS or category(c) == "Zs").strip()


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


def regions_in(root: ET.Element, size: tuple[int, int], orientation: int) -> list[Region]:
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


def _is_face(item: ET.Element) -> bool:
    return (_value(item, MWG, "Type") or "Face") == "Face"


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
            if not _is_face(item):
                continue
            for area in _children(item, MWG, "Area"):
                x, y, w, h = (_number(_value(area, AREA, key)) for key in ("x", "y", "w", "h"))
                if x is None or y is None or w is None or h is None:
                    continue
                box = _sound((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
                if box:
                    yield box, region_name(_value(item, MWG, "Name") or ""), turned


def _microsoft(root: ET.Element, size: tuple[int, int], orientation: int) -> Iterator[tuple[Box, str, bool]]:  # noqa: ARG001 - as the others
    for info in _properties(root, MP, "RegionInfo"):
        for item in _items(info, MPRI, "Regions"):
            numbers = [_number(part) for part in (_value(item, MPREG, "Rectangle") or "").split(",")]
            values = [number for number in numbers if number is not None]
            if len(numbers) == 4 == len(values):
                x, y, w, h = values
                box = _sound((x, y, x + w, y + h))
                if box:
                    yield box, region_name(_value(item, MPREG, "PersonDisplayName") or ""), False


def _sound(box: Box) -> Box | None:
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in box)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


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


def empty_tree() -> ET.Element:
    """The tree of a packet that says nothing yet."""
    root = ET.Element(f"{{{META}}}xmpmeta")
    rdf = ET.SubElement(root, f"{{{RDF}}}RDF")
    ET.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    return root


def replace_regions(root: ET.Element, regions: Sequence[Region], size: tuple[int, int], orientation: int) -> None:
    """Put regions into the tree of a packet, for a stored picture of this size, in place of the faces there."""
    ours = {f"{{{MWG}}}Regions", f"{{{MP}}}RegionInfo"}
    infos = list(_properties(root, MWG, "Regions"))
    others = [item for info in infos for item in _items(info, MWG, "RegionList") if not _is_face(item)]
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ours]:
            parent.remove(child)
        for child in [child for child in parent if parent.tag == f"{{{RDF}}}RDF" and _says_nothing(child)]:
            parent.remove(child)
    if not regions and not others:
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
    faces.extend(others)
    if not regions:
        return
    people = ET.SubElement(
        ET.SubElement(_structure(description, MP, "RegionInfo"), f"{{{MPRI}}}Regions"), f"{{{RDF}}}Bag"
    )
    width, height = size if orientation < 5 else size[::-1]
    for region in regions:
        x1, y1, x2, y2 = (part / whole for part, whole in zip(region.box, (width, height) * 2, strict=True))
        x1, y1, x2, y2 = _turn((max(x1, 0), max(y1, 0), min(x2, 1), min(y2, 1)), orientation, _BACK)
        item = _structure(faces, RDF, "li")
        name = region_name(region.name)
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


def _says_nothing(description: ET.Element) -> bool:
    ours = {f"{{{MWG}}}Regions", f"{{{MP}}}RegionInfo"}
    return set(description.attrib) <= {f"{{{RDF}}}about"} and all(child.tag in ours for child in description)


def _about(rdf: ET.Element) -> str:
    """What the packet's other descriptions are about: all must say the same."""
    return next((d.get(f"{{{RDF}}}about", "") for d in rdf.findall(f"{{{RDF}}}Description")), "")


def _structure(parent: ET.Element, namespace: str, name: str) -> ET.Element:
    return ET.SubElement(parent, f"{{{namespace}}}{name}", {f"{{{RDF}}}parseType": "Resource"})
