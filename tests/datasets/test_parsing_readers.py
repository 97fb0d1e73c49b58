"""Readers of face parsing: tiny sets laid out as the published ones, maps of all kinds, and files that mean harm."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError, MienError, SourceError, UsageError
from mien.core.parts import CELEBAMASK
from mien.datasets.readers import label_maps
from mien.datasets.readers.label_maps import Labels, mirrored_names, names_picture_sides, read_map, read_mask
from mien.datasets.readers.parsing_sets import CELEBAMASK_HQ, LAPA, LAYOUTS, read_celebamask, read_parsing_set
from tests.shared import DATA

SETS = {name: forms[0].kind for name, forms in LAYOUTS.items()}


def png(pixels: object, palette: list[int] | None = None) -> bytes:
    """Grey, in colour, or with alpha, as the array's shape says; or with a palette."""
    image = PIL.Image.fromarray(np.asarray(pixels))
    if palette is not None:
        image.putpalette(palette)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (4, 2)).save(path)
    return path


def labels(value: int = 1) -> Labels:
    found = np.zeros((2, 4), np.uint8)
    found[0, 1] = value
    return found


# -- maps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SETS.values(), ids=SETS.keys())
def test_a_map_is_grey_or_has_a_palette_or_the_colours_of_its_set(tmp_path: Path, kind: label_maps.LabelSet) -> None:
    wanted = np.arange(len(kind.classes), dtype=np.uint8)[None]
    palette = [level for color in np.random.default_rng(0).integers(0, 256, (256, 3)).tolist() for level in color]
    forms = {
        "L": png(wanted),
        "P": png(wanted, palette),
        "I;16": png(wanted.astype(np.uint16)),
        "RGB": png(np.repeat(wanted[..., None], 3, axis=2)),  # as OpenCV writes a grey one
    }
    if kind.colors:
        forms["colours"] = png(np.array([kind.colors], np.uint8))
    for name, content in forms.items():
        np.testing.assert_array_equal(read_map(put(tmp_path / f"{name}.png", content), kind), wanted, err_msg=name)


def test_colours_and_classes_are_as_many() -> None:
    for kind in SETS.values():
        assert len(set(kind.colors)) == len(kind.colors) in {0, len(kind.classes)}
        assert set(kind.stands_for.values()) <= set(kind.classes)
        assert not set(kind.stands_for) & set(kind.classes)


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    whole = png(labels())
    wrong = {
        "a number of no class": (png(labels(11)), "11 is the number of none of the 11 classes of LaPa"),
        "a colour of no class": (png(np.array([[[1, 2, 3]]], np.uint8)), "#010203 is that of no class"),
        "alpha": (png(np.zeros((1, 1, 4), np.uint8)), "of the kind RGBA"),
        "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(64), "no label map in PNG"),
        "nothing": (b"", "no label map in PNG"),
        "cut short": (whole[:44], "no label map in PNG"),
        "broken": (whole[:45] + b"\0\0" + whole[47:], "no label map in PNG"),
        "too many pixels": (huge(200_000, 200_000), "200000 x 200000 pixels"),
    }
    for name, (content, message) in wrong.items():
        with pytest.raises(InputError, match=message):
            read_map(put(tmp_path / f"{name}.png", content), LAPA)
    with pytest.raises(SourceError, match="cannot be read"):
        read_map(tmp_path / "missing.png", LAPA)


def huge(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to be large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=60)
def test_bytes_changed_on_the_way_raise_nothing_else(
    place: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(png((np.arange(88).reshape(8, 11) % 11).astype(np.uint8)))
    content[place % len(content)] = byte
    path = put(tmp_path_factory.getbasetemp() / "changed.png", bytes(content))
    with contextlib.suppress(MienError):
        found = read_map(path, LAPA)
        assert found.ndim == 2
        assert found.max() < 11


def test_a_mask_is_what_is_not_black(tmp_path: Path) -> None:
    wanted = labels().astype(bool)
    for content in (png(labels(255)), png(labels(1)), png(np.repeat(labels(255)[..., None], 3, axis=2))):
        np.testing.assert_array_equal(read_mask(put(tmp_path / "a.png", content)), wanted)


# -- left and right ------------------------------------------------------------------------------------------------


def eyes(left: int, right: int) -> Labels:
    found = np.zeros((4, 20), np.uint8)
    found[1, left], found[1, right] = LAPA.classes.index("l_eye"), LAPA.classes.index("r_eye")
    return found


def test_the_maps_tell_whose_left_is_meant() -> None:
    blank = np.zeros((4, 20), np.uint8)
    assert names_picture_sides([eyes(15, 5), eyes(14, 3), eyes(2, 9), blank], LAPA) == (False, 1, 3)
    assert names_picture_sides([eyes(5, 15), eyes(3, 14), eyes(9, 2), blank], LAPA) == (True, 2, 3)
    assert names_picture_sides([blank], LAPA) == (False, 0, 0)
    assert names_picture_sides((eyes(5, 15) for _ in range(1000)), LAPA) == (True, label_maps.ASKED, label_maps.ASKED)
    assert names_picture_sides([eyes(5, 15)], CELEBAMASK_HQ) == (False, 0, 0)


@pytest.mark.parametrize("kind", SETS.values(), ids=SETS.keys())
def test_sides_are_exchanged_with_each_other(kind: label_maps.LabelSet) -> None:
    other = mirrored_names(kind.classes)
    np.testing.assert_array_equal(other[other], np.arange(len(kind.classes)))
    exchanged = {name for place, name in enumerate(kind.classes) if other[place] != place}
    assert exchanged == {name for name in kind.classes if name[2:] in {"eye", "brow", "ear"}}


def test_classes_of_a_network_become_those_of_the_set() -> None:
    network = ("background", "l_eye", "eye_g", "l_ear", "neck", "teeth", "what")
    named = [LAPA.classes[place] for place in LAPA.indices_of(network)]
    assert named == ["background", "l_eye", "skin", "skin", "background", "mouth", "background"]
    portrait = SETS["easyportrait"]
    named = [portrait.classes[place] for place in portrait.indices_of(CELEBAMASK)]
    assert named[:4] == ["background", "skin", "skin", "person"]
    assert {"u_lip": "lips", "hair": "person"}.items() <= dict(zip(CELEBAMASK, named, strict=True)).items()
    faces = SETS["easyportrait-faces"]
    assert [faces.classes[place] for place in faces.indices_of(["person", "hair", "nose"])] == [
        *["background"] * 2,
        "skin",
    ]
    np.testing.assert_array_equal(CELEBAMASK_HQ.indices_of(CELEBAMASK), np.arange(19))


# -- sets ----------------------------------------------------------------------------------------------------------


def test_celebamask_hq_as_published(tmp_path: Path) -> None:
    masks = tmp_path / "CelebAMask-HQ-mask-anno"
    for number in (7, 10, 2001):
        picture(tmp_path / "CelebA-HQ-img" / f"{number}.jpg")
    full = np.full((2, 4), 255, np.uint8)
    put(masks / "0" / "00007_skin.png", png(np.repeat(full[..., None], 3, axis=2)))
    put(masks / "0" / "00007_l_eye.png", png(labels(255)))
    put(masks / "0" / "00010_hair.png", png(full))
    put(masks / "1" / "02001_cloth.png", png(full))
    found = read_parsing_set(tmp_path)
    assert (found.kind, found.split) == (CELEBAMASK_HQ, "")
    assert [one.path.stem for one in found.pictures] == ["7", "10", "2001"]
    wanted = np.ones((2, 4), np.uint8)
    wanted[0, 1] = CELEBAMASK.index("l_eye")
    np.testing.assert_array_equal(found.pictures[0].read(), wanted)
    assert [int(one.read()[0, 0]) for one in found.pictures[1:]] == [13, 18]

    put(masks / "0" / "00007_nose.png", png(labels(255)[:, :3]))
    with pytest.raises(InputError, match=r"00007_nose\.png is of another size"):
        found.pictures[0].read()
    (masks / "0" / "00010_hair.png").unlink()
    with pytest.raises(SourceError, match=r"holds no mask of 10\.jpg"):
        found.pictures[1].read()
    with pytest.raises(InputError, match="called by a number"):
        read_celebamask(tmp_path / "a.jpg", masks)


def test_celebamask_hq_is_split_as_celeba(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "CelebA-HQ-img" / f"{number}.jpg")
        put(tmp_path / "CelebAMask-HQ-mask" / f"{number}.png", png(labels(number + 1)))
    assert len(read_parsing_set(tmp_path).pictures) == 3
    mapping = tmp_path / "CelebA-HQ-to-CelebA-mapping.txt"
    mapping.write_text("idx orig_idx orig_file\n0 119612 000009.jpg\n1 119613 000005.jpg\n2 119614 000007.jpg\n")
    partition = tmp_path / "list_eval_partition.txt"
    partition.write_text("000005.jpg 2\n000007.jpg 0\n000009.jpg 1\n")
    found = {split: read_parsing_set(tmp_path, split=split) for split in (None, "train", "val", "all")}
    stems = {split: [one.path.stem for one in part.pictures] for split, part in found.items()}
    assert stems == {None: ["1"], "train": ["2"], "val": ["0"], "all": ["0", "1", "2"]}
    assert found[None].split == "test"
    np.testing.assert_array_equal(found[None].pictures[0].read(), labels(2))
    for broken, text in ((mapping, "head\n0 1 no.jpg\n"), (partition, "000005.jpg 3\n")):
        kept = broken.read_text()
        broken.write_text(text)
        with pytest.raises(InputError, match=broken.name):
            read_parsing_set(tmp_path)
        broken.write_text(kept)


@pytest.mark.parametrize(
    ("layout", "places"),
    [
        ("lapa", ("{}/images/{}.jpg", "{}/labels/{}.png")),
        ("easyportrait", ("images/{}/{}.jpg", "annotations/{}/{}.png")),
        ("ibugmask", ("{}/{}.jpg", "{}/{}.png")),
    ],
)
def test_sets_in_splits(tmp_path: Path, layout: str, places: tuple[str, str]) -> None:
    for split, names in {"train": ("b", "a"), "test": ("c",)}.items():
        for name in names:
            picture(tmp_path / places[0].format(split, name))
            put(tmp_path / places[1].format(split, name), png(labels()))
    (tmp_path / places[0].format("test", "._c")).write_bytes(b"another program's")
    found = read_parsing_set(tmp_path, layout=layout)
    assert (found.kind.title, found.split, [one.path.stem for one in found.pictures]) == (
        SETS[layout].title,
        "test",
        ["c"],
    )
    np.testing.assert_array_equal(found.pictures[0].read(), labels())
    everything = read_parsing_set(tmp_path, layout=layout, split="all")
    assert [one.path.stem for one in everything.pictures] == ["a", "b", "c"]
    with pytest.raises(UsageError, match="has no split 'val'; it has train, test"):
        read_parsing_set(tmp_path, layout=layout, split="val")
    if layout != "ibugmask":
        assert read_parsing_set(tmp_path).kind == SETS[layout]
    picture(tmp_path / places[0].format("test", "lost"))
    with pytest.raises(SourceError, match=r"no map lost\.png of the picture lost\.jpg"):
        read_parsing_set(tmp_path, layout=layout)


def test_easyportrait_without_the_person(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    put(tmp_path / "annotations" / "a.png", png(np.array([[0, 1, 2, 3], [8, 7, 6, 1]], np.uint8)))
    found = read_parsing_set(tmp_path, layout="easyportrait-faces")
    np.testing.assert_array_equal(found.pictures[0].read(), [[0, 0, 1, 2], [7, 6, 5, 0]])
    assert read_parsing_set(tmp_path).kind.title == "EasyPortrait"


def test_folders_that_are_no_set(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        read_parsing_set(tmp_path / "missing")
    with pytest.raises(SourceError, match="cannot be read"):
        read_parsing_set(tmp_path / ("a" * 1000))
    with pytest.raises(UsageError, match="does not tell which set it is"):
        read_parsing_set(tmp_path)
    with pytest.raises(UsageError, match="no layout 'helen'; there are celebamask, lapa"):
        read_parsing_set(tmp_path, layout="helen")
    with pytest.raises(UsageError, match="is not laid out as lapa"):
        read_parsing_set(tmp_path, layout="lapa")
    with pytest.raises(SourceError, match="no pictures with label maps"):
        read_parsing_set(tmp_path, layout="celebamask")


@pytest.mark.data
def test_the_real_maps() -> None:
    found = read_parsing_set(DATA / "parsing" / "maskgan", layout="celebamask")
    maps = [one.read() for one in found.pictures]
    assert [part.shape for part in maps] == [(512, 512)] * 4
    left, right = CELEBAMASK.index("l_eye"), CELEBAMASK.index("r_eye")
    assert all((part == left).nonzero()[1].min() > (part == right).nonzero()[1].max() for part in maps)
