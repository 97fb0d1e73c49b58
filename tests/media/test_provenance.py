from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mien import assets
from mien.core.errors import ImageError, SourceError
from mien.core.image import encode_image, load_image, save_image
from mien.media.deep import Deep
from mien.media.deep_marking import mark_deep
from mien.media.manifests import sign
from mien.media.marking import mark_image
from mien.media.provenance import MAX_PACKET, SYNTHETIC_TYPES, VOCABULARY, Provenance, provenance
from mien.media.watermark import embed

FORMATS = ["JPEG", "PNG", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("WEBP", "TIFF"))]
TIFF_XMP = 700


def picture(kind: str, packet: bytes | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", (8, 6), (40, 80, 120))
    if packet is None:
        image.save(out, kind)
    elif kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        image.save(out, kind, pnginfo=info)
    elif kind == "TIFF":
        image.save(out, kind, tiffinfo={TIFF_XMP: packet})
    else:
        image.save(out, kind, xmp=packet)
    return out.getvalue()


def packet_with(inside: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:I="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f" {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


MARK = Provenance.generated("mobilestylegan", seed=7)
PHOTO = load_image(assets.FOLDER / "person1.jpg")[:280, :280]
GENERATED = VOCABULARY + "trainedAlgorithmicMedia"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_mark_comes_back_from_every_format(kind: str) -> None:
    read = provenance(picture(kind, MARK.to_xmp()))
    assert read == MARK
    assert read.synthetic is True
    assert read.tool is not None
    assert read.tool.startswith("mien ")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_without_a_mark_is_unknown_and_never_real(kind: str) -> None:
    read = provenance(picture(kind))
    assert read.synthetic is None
    assert not read
    assert read.reason == "no XMP in the file."


def test_a_mark_survives_renaming(tmp_path: Path) -> None:
    first = tmp_path / "made.jpg"
    first.write_bytes(picture("JPEG", MARK.to_xmp()))
    second = first.rename(tmp_path / "ein schönes 写真.dat")
    assert provenance(second) == provenance(str(second)) == MARK


@pytest.mark.full
@given(
    source_type=st.sampled_from([*sorted(SYNTHETIC_TYPES), "digitalCapture"]),
    tool=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=60),
    models=st.lists(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), max_size=4).map(tuple),
    seed=st.none() | st.integers(0, 2**64 - 1),
)
def test_any_record_comes_back_from_its_packet(
    source_type: str, tool: str, models: tuple[str, ...], seed: int | None
) -> None:
    record = Provenance(source_type, tool, models, seed)
    assert Provenance.from_xmp(record.to_xmp()) == record


@pytest.mark.full
@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_exception(packet: bytes) -> None:
    assert Provenance.from_xmp(packet).synthetic is None


@pytest.mark.full
@given(cut=st.integers(0, 900), at=st.integers(0, 900), byte=st.integers(0, 255))
def test_broken_packets_are_read_without_an_exception(cut: int, at: int, byte: int) -> None:
    packet = bytearray(MARK.to_xmp())
    packet[at % len(packet)] = byte
    Provenance.from_xmp(bytes(packet))
    Provenance.from_xmp(bytes(packet[:cut]))


def test_composites_are_synthetic_too() -> None:
    assert Provenance.composite("a", "b").synthetic is True
    assert Provenance.composite("a", "b").models == ("a", "b")


def test_a_camera_is_a_claim_not_a_proof() -> None:
    read = Provenance.from_xmp(Provenance("digitalCapture", "camera").to_xmp())
    assert read.source_type == "digitalCapture"
    assert read.synthetic is None


@pytest.mark.parametrize(
    "packet",
    [
        packet_with(f"<I:DigitalSourceType>{GENERATED}</I:DigitalSourceType>"),
        packet_with("", f'I:DigitalSourceType="{GENERATED}"'),
        packet_with(f'<I:DigitalSourceType rdf:resource="{GENERATED}"/>'),
        packet_with("<I:DigitalSourceType>trainedAlgorithmicMedia</I:DigitalSourceType>"),
        packet_with(
            f'<xmp:A rdf:parseType="Resource"><I:DigitalSourceType>{GENERATED}</I:DigitalSourceType></xmp:A>',
            f'I:DigitalSourceType="{VOCABULARY}digitalCapture"',
        ),
    ],
    ids=["element", "attribute", "resource", "bare code", "a synthetic part"],
)
def test_other_writers_forms(packet: bytes) -> None:
    assert Provenance.from_xmp(packet).synthetic is True


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings(encoding: str) -> None:
    text = '<?xpacket begin="x"?>' + packet_with("", f'I:DigitalSourceType="{GENERATED}"').decode()
    assert Provenance.from_xmp(text.encode(encoding)).synthetic is True


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {c} "&{chr(ord(c) - 1)};' * 9 for c in "bcdefgh")
    + "]>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp037"])
def test_entities_are_refused_in_any_encoding(encoding: str) -> None:
    body = packet_with(f"<I:DigitalSourceType>{GENERATED}</I:DigitalSourceType>").decode()
    read = Provenance.from_xmp((f'<?xml version="1.0" encoding="{encoding}"?>' + BOMB + body).encode(encoding))
    assert read.synthetic is None
    assert read.reason is not None


@pytest.mark.full
def test_huge_and_deep_packets() -> None:
    assert "refused" in str(Provenance.from_xmp(b"<a>" + b" " * MAX_PACKET).reason)
    depth = 100_000
    assert Provenance.from_xmp(b"<a>" * depth + b"</a>" * depth).reason == "its XMP names no source type."


def test_values_are_safe_to_print() -> None:
    tool = "<xmp:CreatorTool>a\u202eb\x85c&#9;d" + "x" * 5000 + "</xmp:CreatorTool>"
    read = Provenance.from_xmp(packet_with(tool))
    assert read.tool is not None
    assert read.tool.startswith("abcd")
    assert len(read.tool) <= 200


def png_with_late_xmp(packet: bytes, *, compressed: bool) -> bytes:
    body = zlib.compress(packet) if compressed else packet
    data = b"XML:com.adobe.xmp\0" + bytes([compressed, 0]) + b"\0\0" + body
    chunk = struct.pack(">I4s", len(data), b"iTXt") + data + struct.pack(">I", zlib.crc32(b"iTXt" + data))
    plain = picture("PNG")
    end = plain.rindex(b"IEND") - 4
    return plain[:end] + chunk + plain[end:]


@pytest.mark.parametrize("compressed", [False, True])
def test_png_that_names_its_origin_after_the_pixels(compressed: bool) -> None:
    assert provenance(png_with_late_xmp(MARK.to_xmp(), compressed=compressed)) == MARK


@pytest.mark.full
def test_png_with_a_compression_bomb() -> None:
    read = provenance(png_with_late_xmp(b" " * (20 << 20), compressed=True))
    assert "refused" in str(read.reason)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(ImageError):
        provenance(data)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.jpg"):
        provenance(tmp_path / "gone.jpg")
    with pytest.raises(SourceError):
        provenance(tmp_path)


@pytest.mark.full
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have names")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    for path, why in ((tmp_path / "a.jpg", "not a regular file"), ("", "names no file")):
        with pytest.raises(SourceError, match=why):
            provenance(path)


@pytest.mark.full
@given(data=st.data())
def test_broken_pictures_are_told(data: st.DataObject) -> None:
    whole = bytearray(encode_image(PHOTO[:40, :40], f"a.{data.draw(st.sampled_from(['avif', 'jpg', 'png', 'webp']))}"))
    for _ in range(4):
        whole[data.draw(st.integers(0, min(len(whole), 400) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        provenance(bytes(whole), look=True)


@pytest.mark.full
def test_exr_says_what_it_is(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    light = ((PHOTO / 255) ** 2.2).astype(np.float32)
    path = tmp_path / "a.exr"
    exr.File({"type": exr.scanlineimage}, {"RGB": light}).write(str(path))
    assert not provenance(path, look=True)
    deep = Deep.open(path)
    assert deep is not None
    found = provenance(mark_deep(deep, tmp_path / "b.exr", MARK), look=True)
    assert found == MARK
    assert set(found.said) == {"metadata", "invisible"}
    assert provenance((tmp_path / "b.exr").read_bytes()) == MARK


def test_a_file_object_is_read_from_where_it_stands() -> None:
    assert provenance(io.BytesIO(picture("JPEG", MARK.to_xmp()))) == MARK


def test_what_is_enhanced_stays_what_it_was() -> None:
    assert Provenance.enhanced(Provenance()).source_type == "algorithmicallyEnhanced"
    assert Provenance.enhanced(Provenance("digitalCapture", "camera")).source_type == "algorithmicallyEnhanced"
    assert Provenance.enhanced(Provenance()).synthetic is None
    kept = Provenance.enhanced(MARK)
    assert (kept.source_type, kept.models, kept.seed) == (MARK.source_type, MARK.models, None)


def test_a_composite_is_synthetic_where_a_part_is() -> None:
    assert Provenance.composed(Provenance(), Provenance("digitalCapture")).source_type == "composite"
    mixed = Provenance.composed(Provenance(), MARK, MARK)
    assert mixed.source_type == "compositeSynthetic"
    assert mixed.synthetic is True
    assert mixed.models == MARK.models


def test_a_comment_for_people() -> None:
    assert MARK.to_comment().startswith(f"Digital source type: {GENERATED}; mien ")
    assert MARK.to_comment().endswith("models: mobilestylegan")
    assert Provenance().to_comment() == ""


# --- all marks together ---------------------------------------------------------------------------------------------


@pytest.mark.full
def test_all_marks_are_read_and_agree(tmp_path: Path) -> None:
    path = mark_image(PHOTO, tmp_path / "a.png", MARK)
    quick = provenance(path)
    assert quick == MARK
    assert quick.invisible is None
    assert quick.agree is True
    found = provenance(path, look=True)
    assert found == MARK
    assert found.said == dict.fromkeys(("metadata", "credentials", "invisible"), "trainedAlgorithmicMedia")
    assert found.agree is True
    with path.open("rb") as file:
        assert provenance(file, look=True).said == provenance(path.read_bytes(), look=True).said == found.said


@pytest.mark.full
def test_what_one_mark_alone_says_counts(tmp_path: Path) -> None:
    """A screenshot has the invisible one; credentials may stay where the metadata was lost."""
    marked = embed(PHOTO, "compositeSynthetic")
    save_image(marked, tmp_path / "shot.png")
    assert provenance(tmp_path / "shot.png").synthetic is None
    shot = provenance(tmp_path / "shot.png", look=True)
    assert (shot.source_type, shot.synthetic, shot.reason, shot.agree) == ("compositeSynthetic", True, None, None)
    assert shot.explain()[0].startswith("Synthetic, as it says itself: compositeSynthetic")
    target = io.BytesIO()
    sign(io.BytesIO(picture("JPEG")), target, "image/jpeg", MARK, name="a.jpg")
    assert provenance(target.getvalue()) == MARK


@pytest.mark.full
def test_marks_that_disagree(tmp_path: Path) -> None:
    save_image(embed(PHOTO, "compositeSynthetic"), tmp_path / "a.png", xmp=Provenance("digitalCapture").to_xmp())
    found = provenance(tmp_path / "a.png", look=True)
    assert found.agree is False
    assert found.synthetic is True
    assert any("The marks disagree (metadata digitalCapture, invisible" in line for line in found.explain())


@pytest.mark.full
def test_words_for_a_file_that_says_nothing() -> None:
    lines = provenance(picture("JPEG"), look=True).explain()
    assert lines[0] == "No mark: nothing is known of how it was made. That does not make it a photograph."
    assert lines[3] == "Invisible mark: no mark is read of less than 32 pixels."
    assert Provenance().explain()[3] == "Invisible mark: not looked for."
    assert "screenshot" in lines[-1]
    assert "proves nothing" in Provenance("digitalCapture").explain()[0]
    assert any("'record 9'" in line for line in Provenance.manipulated(consent="record 9").explain())


def test_consent_comes_back_from_a_packet() -> None:
    mark = Provenance.manipulated(MARK, models=("warp",), consent="record <9> & more")
    assert Provenance.from_xmp(mark.to_xmp()) == mark
    assert mark.models == ("warp", "mobilestylegan")


@pytest.mark.full
@pytest.mark.parametrize(("mark", "same"), [(Provenance.enhanced(Provenance()), True), (MARK, False)])
def test_only_synthetic_pixels_are_marked(tmp_path: Path, mark: Provenance, same: bool) -> None:
    path = mark_image(PHOTO, tmp_path / "a.png", mark)
    assert np.array_equal(load_image(path), PHOTO) is same
