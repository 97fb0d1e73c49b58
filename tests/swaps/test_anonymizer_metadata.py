"""Nothing of a source's metadata, name or hash is in what `anonymize` writes: planted, and searched for in bytes."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

import mien
from mien import assets
from mien.core.image import load_image
from mien.media.scrubbing import colors_of, neutral_profile
from mien.media.signing import signing_key
from mien.swaps.hidden.anonymizer import anonymize

NAME = "Ada-Byron-Lovelace"
PLANTS = {
    kind: f"PLANTED-{kind}-7f3a".encode()
    for kind in ("exif", "gps", "thumbnail", "xmp", "iptc", "comment", "icc", "mpf", "trailer", "jumbf", "maker")
}


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _thumbnail(image: PIL.Image.Image, plant: bytes) -> bytes:
    """A small JPEG of the picture that holds a plant in its comment."""
    small = io.BytesIO()
    image.resize((96, 96)).save(small, "JPEG", comment=plant)
    return small.getvalue()


def _with_thumbnail(exif: bytes, thumbnail: bytes) -> bytes:
    """EXIF with a second directory, which holds a thumbnail."""
    tiff = bytearray(exif[6:])
    count = struct.unpack_from(">H", tiff, 8)[0]
    struct.pack_into(">I", tiff, 10 + 12 * count, len(tiff))
    place = len(tiff) + 2 + 24 + 4
    entries = struct.pack(">HHII", 0x0201, 4, 1, place) + struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail))
    return exif[:6] + bytes(tiff) + struct.pack(">H", 2) + entries + bytes(4) + thumbnail


@functools.cache
def _profile() -> bytes:
    """A display's profile with a description of whose it is, and who made it."""
    plain = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    count = int.from_bytes(plain[128:132], "big")
    rows = [struct.unpack_from(">4sII", plain, 132 + 12 * number) for number in range(count)]
    tags = {name: plain[start : start + size] for name, start, size in rows}
    tags[b"dmnd"] = tags[b"ownr"] = b"text\0\0\0\0" + PLANTS["icc"]
    start, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = (start + len(body)).to_bytes(4, "big") + plain[4:80] + b"ADA1" + plain[84:128]
    return head + len(tags).to_bytes(4, "big") + table + body


def planted_jpeg(path: Path) -> Path:
    """A picture of somebody with all that cameras, phones and programs leave in files, each with a plant."""
    image = PIL.Image.fromarray(load_image(assets.PEOPLE[0]))
    exif = PIL.Image.Exif()
    exif[0x010F] = PLANTS["exif"].decode()  # maker
    exif[0x013B] = PLANTS["exif"].decode()  # artist
    exif.get_ifd(0x8769)[0x927C] = PLANTS["maker"]
    exif.get_ifd(0x8825)[0x001D] = PLANTS["gps"].decode()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    xmp += b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="' + PLANTS["xmp"] + b'"/>'
    xmp += b"</rdf:RDF></x:xmpmeta>"
    thumb = _thumbnail(image, PLANTS["thumbnail"])
    out = io.BytesIO()
    image.save(
        out,
        "JPEG",
        quality=92,
        exif=_with_thumbnail(exif.tobytes(), thumb),
        xmp=xmp,
        icc_profile=_profile(),
        comment=PLANTS["comment"],
    )
    data = out.getvalue()
    preview = _thumbnail(image, PLANTS["mpf"])
    extra = _segment(0xED, b"Photoshop 3.0\0008BIM\x04\x04\0\0\0\0" + PLANTS["iptc"])
    extra += _segment(0xEB, b"JP\0\x01\0\0\0\x01" + PLANTS["jumbf"] + thumb)
    motion = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + PLANTS["trailer"]
    length = 2 + len(extra) + 4 + 4 + _INDEX + len(data) - 2
    index = _pictures(length, preview, offset=length - 2 - len(extra) - 4 - 4)
    path.write_bytes(data[:2] + extra + _segment(0xE2, b"MPF\0" + index) + data[2:] + preview + motion)
    return path


_INDEX = 8 + 2 + 3 * 12 + 4 + 2 * 16


def _pictures(length: int, preview: bytes, *, offset: int) -> bytes:
    """The index of a multi-picture file: the picture, and a preview behind it (CIPA DC-007)."""
    rows = struct.pack("<HHI4s", 0xB000, 7, 4, b"0100") + struct.pack("<HHII", 0xB001, 4, 1, 2)
    rows += struct.pack("<HHII", 0xB002, 7, 32, 8 + 2 + 3 * 12 + 4)
    entries = struct.pack("<IIIHH", 0x030000, length, 0, 0, 0) + struct.pack(
        "<IIIHH", 0x010001, len(preview), offset, 0, 0
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + rows + bytes(4) + entries


def hashes_of(path: Path) -> list[bytes]:
    """Hashes of a file, as they may be written."""
    found = []
    for kind in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512):
        digest = kind(path.read_bytes())
        raw = digest.digest()
        found += [raw, digest.hexdigest().encode(), digest.hexdigest().upper().encode(), base64.b64encode(raw)]
    return found


def assert_clean(files: list[Path], plants: list[bytes], source: Path) -> None:
    """Nothing planted is in any file, nor the source's name, nor its hashes."""
    for file in files:
        data = file.read_bytes()
        for plant in [*plants, NAME.encode(), NAME.encode("utf-16-le"), *hashes_of(source)]:
            assert plant not in data, f"{plant!r} is in {file.name}"


@pytest.mark.weights
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_of_a_picture_nothing_but_pixels_and_colours_survives(tmp_path: Path, suffix: str) -> None:
    source = planted_jpeg(tmp_path / f"{NAME}.jpg")
    data = source.read_bytes()
    assert not [kind for kind, plant in PLANTS.items() if plant not in data]  # the test's own picture holds them
    out = tmp_path / f"out{suffix}"
    edit = anonymize(source, out=out, redactions=tmp_path / "r.json", sheet=tmp_path / "s.png")
    assert edit.report["faces"] == 1
    assert_clean([out, tmp_path / "r.json", tmp_path / "s.png"], list(PLANTS.values()), source)
    assert NAME not in repr(dict(edit.report))
    if suffix == ".jpg":
        assert out.read_bytes().count(b"\xff\xd8\xff") == 1  # one picture, and none within it
    with PIL.Image.open(out) as picture:
        assert not picture.getexif().get_ifd(0x8825)
        assert picture.info["icc_profile"] == neutral_profile(_profile())


def signed_with_a_thumbnail(path: Path, to: Path) -> bytes:
    """A picture with content credentials as c2pa-python makes them by itself, which hold the picture in small."""
    import c2pa

    key = signing_key()
    info = c2pa.C2paSignerInfo(key.algorithm, key.chain, key.key, None)
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    action = {
        "action": "c2pa.created",
        "softwareAgent": {"name": "PLANTED-agent-55aa"},
        "digitalSourceType": kind,
    }
    manifest = {
        "title": NAME,
        "claim_generator_info": [{"name": "PLANTED-claim-55aa"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest) as builder:
        builder.sign_file(path, to, signer)
    data = to.read_bytes()
    place = data.index(b"\xff\xd8\xff", 2)
    return data[place + 2000 : place + 2064]  # of its pixels


@pytest.mark.weights
def test_of_real_content_credentials_nothing_survives(tmp_path: Path) -> None:
    plain = tmp_path / "plain.jpg"
    PIL.Image.fromarray(load_image(assets.PEOPLE[0])).save(plain, quality=92)
    source = tmp_path / f"{NAME}.jpg"
    thumbnail = signed_with_a_thumbnail(plain, source)
    plants = [b"PLANTED-agent-55aa", b"PLANTED-claim-55aa", thumbnail]
    assert all(plant in source.read_bytes() for plant in plants)
    out = tmp_path / "out.jpg"
    settings: Any = {"redactions": tmp_path / "r.json", "sheet": tmp_path / "s.png", "second_look": False}
    anonymize(source, out=out, **settings)
    assert_clean([out, tmp_path / "r.json", tmp_path / "s.png"], plants, source)
    assert out.read_bytes().count(b"\xff\xd8\xff") == 1


def planted_video(path: Path, cover: bytes, *, frames: int = 12) -> tuple[Path, list[bytes]]:
    """A video with sound, tags, chapters, a cover, subtitles and boxes of its own, each with a plant."""
    import av

    kinds = ("title", "sound", "words", "box", "handler")
    plants = [f"PLANTED-{kind}-91cc".encode() for kind in kinds] + [b"+51.5007", b"PLANTED-gpmd", b"PLANTED-subtitle"]
    image = load_image(assets.PEOPLE[1])[::2, ::2]
    with av.open(str(path), "w") as out:
        out.metadata.update({"title": plants[0].decode(), "comment": plants[0].decode()})
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        stream.metadata["handler_name"] = plants[4].decode()
        sound = out.add_stream("aac", rate=44100, layout="mono")
        sound.metadata.update({"handler_name": plants[1].decode(), "title": plants[1].decode(), "language": "xho"})
        # What action cameras write beside the film, and words to be read: of any kind, as nobody reads them here.
        more: dict[bytes, Any] = {plants[6]: out.add_data_stream("bin_data"), plants[7]: out.add_mux_stream("mov_text")}
        for track in more.values():
            track.time_base = Fraction(1, 1000)
        out.set_chapters(
            [{"id": 1, "start": 0, "end": 10, "time_base": Fraction(1, 25), "metadata": {"title": plants[2].decode()}}]
        )
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(image, number, axis=1)), format="rgb24")
            out.mux(stream.encode(frame))
        tone = (np.sin(np.arange(44100 * frames // 25) / 30) * 0.1).astype(np.float32)[None]
        audio = av.AudioFrame.from_ndarray(tone, format="flt", layout="mono")
        audio.rate, audio.pts = 44100, 0
        out.mux(sound.encode(audio))
        out.mux(sound.encode(None))
        out.mux(stream.encode(None))
        for plant, track in more.items():
            packet = av.Packet(len(plant).to_bytes(2, "big") + plant)
            packet.stream, packet.pts, packet.dts, packet.duration = track, 0, 0, 400
            packet.time_base = Fraction(1, 1000)
            out.mux(packet)
    with path.open("ab") as file:  # what phones and cameras put behind the film: tags of their own, a cover
        body = plants[3] + plants[5] + cover
        file.write(struct.pack(">I4s", len(body) + 8, b"udta") + body)
        file.write(struct.pack(">I4s", len(body) + 24, b"uuid") + bytes(range(16)) + body)
    return path, plants


@pytest.mark.weights
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_of_a_video_nothing_but_frames_and_sound_survives(tmp_path: Path, suffix: str) -> None:
    thumb = _thumbnail(PIL.Image.fromarray(load_image(assets.PEOPLE[1])), b"PLANTED-cover-91cc")
    source, plants = planted_video(tmp_path / f"{NAME}.mp4", thumb)
    data = source.read_bytes()
    assert not [plant for plant in plants if plant not in data]
    out = tmp_path / f"out{suffix}"
    edit = anonymize(source, out=out, redactions=tmp_path / "r.json", sheet=tmp_path / "s.png", every=6)
    assert edit.report["faces"] == 1
    assert_clean(
        [out, tmp_path / "r.json", tmp_path / "s.png"], [*plants, b"PLANTED-cover-91cc", b"xho", thumb[:64]], source
    )
    with mien.open_video(out) as video:
        assert video.has_audio


def test_a_profile_keeps_its_colours_and_nothing_else() -> None:
    clean = neutral_profile(_profile())
    assert clean is not None
    assert PLANTS["icc"] not in clean
    assert b"ADA1" not in clean
    red, green = (PIL.ImageCms.ImageCmsProfile(io.BytesIO(one)).profile.red_colorant for one in (_profile(), clean))
    assert red == green
    assert neutral_profile(clean) == clean


@pytest.mark.parametrize("broken", [b"", b"acsp", bytes(200), _profile()[:140], _profile()[:500]])
def test_what_is_no_profile_is_left_out(broken: bytes) -> None:
    assert neutral_profile(broken) is None
    assert colors_of(broken) is None
