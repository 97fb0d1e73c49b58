"""Face regions in picture files: both schemas, all orientations, files that others wrote, and hostile ones."""

from __future__ import annotations

import hashlib
import struct
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

import mien
from mien.core.errors import ImageError, SourceError, StorageError, UsageError
from mien.core.image import load_image
from mien.media.provenance import Provenance, provenance
from mien.media.regions import MAX_REGIONS, Region, read_regions, region_name, sidecar_of, write_regions
from mien.media.xmp import RDF, embed_packet, parse_packet, read_extended, read_packet

WIDTH, HEIGHT = 60, 40  # as stored


def save(path: Path, *, orientation: int = 1, xmp: bytes | None = None) -> Path:
    """A picture with one bright square, which stands at 12..24 x 4..12 as it is stored."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[4:12, 12:24] = 255
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(pixels).save(path, exif=exif, quality=100)
    if xmp:
        path.write_bytes(embed_packet(path.read_bytes(), xmp))
    return path


def square(path: Path) -> tuple[float, ...]:
    """Where the square stands in the upright picture."""
    rows, columns = np.nonzero(load_image(path)[..., 0] > 128)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


STORED = (12.0, 4.0, 24.0, 12.0)


@pytest.mark.parametrize("sidecar", [True, False])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_stand_on_the_face_in_every_orientation(tmp_path: Path, orientation: int, sidecar: bool) -> None:
    path = save(tmp_path / "a.jpg", orientation=orientation)
    before = load_image(path)
    box = square(path)
    written = write_regions(path, [Region(box, "Zoë & <ada>"), Region((0, 0, 9, 9))], sidecar=sidecar)
    assert written == (tmp_path / "a.jpg.xmp" if sidecar else path)
    named, nameless = read_regions(path)
    assert (named.name, nameless.name) == ("Zoë & <ada>", "")
    assert named.box == pytest.approx(box, abs=0.001)
    assert (load_image(path) == before).all()  # not a pixel was touched
    # What is in the file is of the picture as it is stored, as other programs read it.
    root, _ = parse_packet(written.read_bytes() if sidecar else read_packet(path) or b"")
    assert root is not None
    area = next(element for element in root.iter() if element.tag.endswith("}Area"))
    x, y, w, h = (float(value) for key, value in area.attrib.items() if not key.endswith("unit"))
    assert ((x - w / 2) * WIDTH, (y - h / 2) * HEIGHT) == pytest.approx(STORED[:2], abs=0.001)
    assert ((x + w / 2) * WIDTH, (y + h / 2) * HEIGHT) == pytest.approx(STORED[2:], abs=0.001)


@given(
    boxes=st.lists(st.tuples(st.floats(0, 50), st.floats(0, 30), st.floats(1, 10), st.floats(1, 10)), max_size=5),
    names=st.lists(st.text(max_size=20), min_size=5, max_size=5),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[tuple[float, float, float, float]], names: list[str]
) -> None:
    path = save(tmp_path_factory.mktemp("regions") / "a.png")
    regions = [Region((x, y, x + w, y + h), name) for (x, y, w, h), name in zip(boxes, names, strict=False)]
    write_regions(path, regions, sidecar=False)
    found = read_regions(path)
    assert [one.box for one in found] == [pytest.approx(one.box, abs=0.001) for one in regions]
    assert [one.name for one in found] == [region_name(one.name) for one in regions]


@pytest.mark.parametrize("name", ["علی\u200cرضا", "山田\u3000太郎", "Jean\xa0Luc", "Zoë 👩\u200d🚀", "O'Neill & <b>"])
def test_names_of_all_scripts_stay_as_they_are(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "a.jpg")
    write_regions(path, [Region((1, 1, 9, 9), name)])
    assert read_regions(path)[0].name == name
    assert region_name(f"\u202e{name}\n\0\ufeff") == name


def test_prefixes_of_others_stay_and_nothing_grows(tmp_path: Path) -> None:
    other = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description rdf:about="uuid:1" xmlns:lr="http://ns.adobe.com/lightroom/1.0/" lr:weight="3">
    <dc:title xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Alt><rdf:li xml:lang="x-default">Fair</rdf:li></rdf:Alt>
    </dc:title><q:MP xmlns:q="urn:q" xmlns:MP="urn:not-microsoft"><MP:a/></q:MP></rdf:Description></rdf:RDF>
    </x:xmpmeta>"""
    path = save(tmp_path / "a.jpg", xmp=other.encode())
    write_regions(path, [Region((1, 1, 9, 9), "ada")], sidecar=False)
    once = read_packet(path)
    write_regions(path, [Region((1, 1, 9, 9), "ada")], sidecar=False)
    assert read_packet(path) == once
    text = (once or b"").decode()
    for part in ('lr:weight="3"', 'xml:lang="x-default"', "<dc:title>", "<mwg-rs:Regions", "<MP:a", 'about="uuid:1"'):
        assert part in text
    write_regions(path, [], sidecar=False)
    before, after = parse_packet(other.encode())[0], parse_packet(read_packet(path) or b"")[0]
    assert before is not None
    assert after is not None
    canonical = [ET.canonicalize(ET.tostring(one), strip_text=True) for one in (before, after)]
    assert canonical[0] == canonical[1]


@pytest.mark.parametrize("regions", [[Region((1, 1, 9, 9), "bob")], []])
def test_regions_of_other_things_stay(tmp_path: Path, regions: list[Region]) -> None:
    path = save(tmp_path / "a.jpg")
    sidecar_of(path).write_text(ATTRIBUTES.format(w=WIDTH, h=HEIGHT))
    write_regions(path, regions)
    found = read_regions(path)
    assert [one.name for one in found] == [one.name for one in regions]
    assert all(one.box == pytest.approx((1, 1, 9, 9), abs=0.001) for one in found)
    text = sidecar_of(path).read_text()
    assert text.count("Rex") == text.count("Pet") == 1
    assert "Ada" not in text


def extended(packet: bytes, *, torn: bool = False) -> bytes:
    """A JPEG with extended XMP in two segments, the later one first."""
    stream = BytesIO()
    Pillow.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(stream, "JPEG")
    guid = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()
    note = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description
    xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{guid}"/></rdf:RDF></x:xmpmeta>"""
    data = embed_packet(stream.getvalue(), note.encode())
    for place, part in ((0, packet[:100]), *(() if torn else ((100, packet[100:]),))):
        body = b"http://ns.adobe.com/xmp/extension/\0" + guid.encode() + struct.pack(">II", len(packet), place) + part
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    return data


def test_what_stands_in_extended_xmp_is_read_and_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(extended(ATTRIBUTES.format(w=WIDTH, h=HEIGHT).encode()))
    before = path.read_bytes()
    assert [region.name for region in read_regions(path)] == ["Ada"]
    with pytest.raises(UsageError, match=r"extended XMP .* write a sidecar"):
        write_regions(path, [Region((1, 1, 9, 9), "bob")], sidecar=False)
    assert path.read_bytes() == before
    write_regions(path, [Region((1, 1, 9, 9), "bob")])
    assert [region.name for region in read_regions(path)] == ["bob"]
    other = b"<a>" + b"x" * 500 + b"</a>"
    path.write_bytes(extended(other))
    write_regions(path, [Region((1, 1, 9, 9), "eve")], sidecar=False)
    assert read_extended(path.read_bytes()) == other
    assert b"HasExtendedXMP" in (read_packet(path) or b"")
    assert read_extended(extended(other, torn=True)) is None


def test_fill_bytes_before_a_marker_are_no_error() -> None:
    stream = BytesIO()
    Pillow.fromarray(np.zeros((40, 40, 3), np.uint8)).save(stream, "JPEG")
    data = stream.getvalue()
    made = embed_packet(data[:2] + b"\xff\xff\xff" + data[2:], b"<a/>")
    assert read_packet(made) == b"<a/>"


def test_links_and_permissions_of_pictures_stay(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    path.chmod(0o600)
    link = tmp_path / "link.jpg"
    link.symlink_to(path)
    write_regions(link, [Region((1, 1, 9, 9), "ada")], sidecar=False)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_regions(path)[0].name == "ada"


def test_the_sidecar_of_the_raw_picture_is_not_that_of_the_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.xmp").write_text(ATTRIBUTES.format(w=WIDTH, h=HEIGHT))
    (tmp_path / "a.xmp").write_text("<a/>")
    assert sidecar_of(path) == tmp_path / "a.jpg.xmp"


def test_all_other_metadata_stays(tmp_path: Path) -> None:
    mark = Provenance.generated("a-model", seed=7)
    for name in ("a.jpg", "a.png"):
        path = save(tmp_path / name, orientation=6, xmp=mark.to_xmp())
        write_regions(path, [Region((1, 1, 9, 9), "ada")], sidecar=False)
        write_regions(path, [Region((1, 1, 9, 9), "bob")], sidecar=False)
        assert [region.name for region in read_regions(path)] == ["bob"]
        assert provenance(path) == mark
        with Pillow.open(path) as picture:
            assert picture.getexif()[0x0112] == 6
        write_regions(path, [], sidecar=False)
        assert read_regions(path) == []
        assert provenance(path) == mark


def test_a_sidecar_goes_before_the_file_and_an_old_one_is_kept(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    write_regions(path, [Region((1, 1, 9, 9), "in the file")], sidecar=False)
    (tmp_path / "a.xmp").write_bytes(Provenance.generated("x").to_xmp())
    assert sidecar_of(path) == tmp_path / "a.xmp"
    assert read_regions(path)[0].name == "in the file"
    write_regions(path, [Region((1, 1, 9, 9), "beside it")])
    assert read_regions(path)[0].name == "beside it"
    assert Provenance.from_xmp((tmp_path / "a.xmp").read_bytes()).models == ("x",)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jpg", "a.xmp"]


# Two ways in which photo programs write regions: properties as attributes, and as elements in nested descriptions.
ATTRIBUTES = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#">
<mwg-rs:Regions><rdf:Description><mwg-rs:AppliedToDimensions stDim:w="{w}" stDim:h="{h}" stDim:unit="pixel"/>
<mwg-rs:RegionList><rdf:Bag>
<rdf:li><rdf:Description mwg-rs:Name="Ada" mwg-rs:Type="Face">
<mwg-rs:Area stArea:x="0.3" stArea:y="0.2" stArea:w="0.2" stArea:h="0.2" stArea:unit="normalized"/>
</rdf:Description></rdf:li>
<rdf:li><rdf:Description mwg-rs:Name="Rex" mwg-rs:Type="Pet">
<mwg-rs:Area stArea:x="0.5" stArea:y="0.5" stArea:w="0.2" stArea:h="0.2"/></rdf:Description></rdf:li>
<rdf:li><rdf:Description mwg-rs:Name="Nowhere"><mwg-rs:Area stArea:x="x" stArea:y="0.2"/></rdf:Description></rdf:li>
</rdf:Bag></mwg-rs:RegionList></rdf:Description></mwg-rs:Regions></rdf:Description></rdf:RDF></x:xmpmeta>"""

MICROSOFT = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:MP="http://ns.microsoft.com/photo/1.2/"><MP:RegionInfo><rdf:Description>
<MPRI:Regions xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"><rdf:Bag>
<rdf:li><rdf:Description xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#">
<MPReg:Rectangle>0.2, 0.1, 0.2, 0.2</MPReg:Rectangle><MPReg:PersonDisplayName>Ada</MPReg:PersonDisplayName>
</rdf:Description></rdf:li>
<rdf:li><rdf:Description xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#" MPReg:PersonDisplayName="No box"/>
</rdf:li>
</rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo></rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize("text", [ATTRIBUTES.format(w=WIDTH, h=HEIGHT), MICROSOFT])
def test_what_other_programs_write(tmp_path: Path, text: str) -> None:
    path = save(tmp_path / "a.jpg")
    sidecar_of(path).write_text(text)
    (region,) = read_regions(path)
    assert region.name == "Ada"
    assert region.box == pytest.approx((12, 4, 24, 12))


def test_writers_that_turned_their_regions_are_told_by_their_dimensions(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", orientation=6)  # upright it is 40 wide and 60 high
    sidecar_of(path).write_text(ATTRIBUTES.format(w=HEIGHT, h=WIDTH))
    assert read_regions(path)[0].box == pytest.approx((0.2 * 40, 0.1 * 60, 0.4 * 40, 0.3 * 60))
    sidecar_of(path).write_text(ATTRIBUTES.format(w=WIDTH, h=HEIGHT))
    assert read_regions(path)[0].box == pytest.approx(square(path), abs=0.001)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<",
        b"\xff\xfe\x00",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a/>",
        ATTRIBUTES.format(w="nan", h="1e999").replace("0.3", "inf").encode(),
        b" " * (2 << 20),
        b"<a>" * 100_000 + b"</a>" * 100_000,
    ],
)
def test_hostile_packets_hold_no_regions(tmp_path: Path, packet: bytes) -> None:
    path = save(tmp_path / "a.jpg")
    sidecar_of(path).write_bytes(packet)
    assert read_regions(path) == []


def test_no_more_than_so_many_regions(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg")
    with pytest.raises(UsageError, match="up to"):
        write_regions(path, [Region((1, 1, 9, 9))] * (MAX_REGIONS + 1))
    with pytest.raises(UsageError, match="write a sidecar"):
        write_regions(path, [Region((1, 1, 9, 9), "x" * 500)] * 200, sidecar=False)
    assert len(read_regions(path)) == 0
    write_regions(path, [Region((1, 1, 9, 9), "x" * 500)] * 200)
    assert len(read_regions(path)) == 200


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 9, 5, 5), (70, 5, 80, 9), (float("nan"), 0, 1, 1)])
def test_boxes_that_are_none(tmp_path: Path, box: tuple[float, float, float, float]) -> None:
    with pytest.raises(UsageError, match="no box in a picture of 60x40"):
        write_regions(save(tmp_path / "a.jpg"), [Region(box)])


@pytest.mark.full
def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read_regions(tmp_path / "none.jpg")
    (tmp_path / "no.jpg").write_bytes(b"text")
    with pytest.raises(ImageError):
        write_regions(tmp_path / "no.jpg", [])
    webp = tmp_path / "a.webp"
    mien.save_image(np.zeros((9, 9, 3), np.uint8), webp)
    with pytest.raises(UsageError, match="sidecar"):
        write_regions(webp, [Region((1, 1, 5, 5))], sidecar=False)
    path = save(tmp_path / "b.jpg")
    sidecar_of(path).write_bytes(b"<broken")
    with pytest.raises(ImageError, match="cannot be kept"):
        write_regions(path, [Region((1, 1, 5, 5))])
    sidecar_of(path).write_bytes(b"<a>" * 100_000 + b"</a>" * 100_000)
    with pytest.raises(ImageError, match="nested so deeply"):
        write_regions(path, [Region((1, 1, 5, 5))])
    sidecar_of(path).unlink()
    sidecar_of(path).mkdir()
    with pytest.raises((StorageError, SourceError)):
        write_regions(path, [Region((1, 1, 5, 5))])


@given(cut=st.integers(0, 2000), kind=st.sampled_from(["JPEG", "PNG"]))
def test_torn_pictures_are_refused_or_come_out_with_their_packet(cut: int, kind: str) -> None:
    stream = BytesIO()
    Pillow.fromarray(np.zeros((40, 40, 3), np.uint8)).save(stream, kind)
    data = stream.getvalue()[:cut]
    try:
        made = embed_packet(data, b"<a/>")
    except (ImageError, UsageError):
        return
    assert b"<a/>" in made
    assert len(made) > len(data)
