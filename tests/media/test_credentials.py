"""Signed manifests: what they say, what they leave out, and what is told of one that is not what was signed."""

from __future__ import annotations

import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import SourceError, StorageError, UsageError
from mien.core.image import encode_image
from mien.media import signing
from mien.media.credentials import Credentials, read_credentials
from mien.media.encoding import VideoWriter
from mien.media.manifests import SIGNED, sign
from mien.media.marking import mark_image, sign_file
from mien.media.provenance import Provenance, provenance
from mien.media.signing import SigningKey, local_key_file, signing_key
from tests.media.films import greys

NOISE = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)
MARK = Provenance.manipulated(models=("one", "two"), consent="record 17")
PICTURES = [".jpg", ".png", ".webp", ".tif", ".avif"]

pytestmark = pytest.mark.full  # the libraries take long to load


@pytest.fixture(scope="module")
def signed() -> bytes:
    target = BytesIO()
    sign(BytesIO(encode_image(NOISE, "a.jpg")), target, "image/jpeg", MARK, name="a.jpg", marked=True)
    return target.getvalue()


def manifest_of(data: bytes) -> Any:
    import c2pa

    with c2pa.Reader("image/jpeg", BytesIO(data)) as reader:
        return json.loads(reader.json())


# --- what is written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", PICTURES)
def test_every_picture_is_signed(tmp_path: Path, suffix: str) -> None:
    path = mark_image(NOISE, tmp_path / f"a{suffix}", MARK)
    found = read_credentials(path)
    assert found is not None
    assert (found.state, found.source_type, found.models) == ("untrusted", "compositeSynthetic", ("one", "two"))
    assert (found.tool, found.consent) == (MARK.tool, "record 17")
    assert str(found.signer).startswith("mien local key ")
    assert provenance(path) == MARK
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_videos_are_signed_where_their_files_can_be(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, provenance=MARK) as writer:
        for image in greys(3):
            writer.write(image)
    found = read_credentials(path)
    assert (found.state if found else None) == (None if suffix == ".mkv" else "untrusted")
    assert provenance(path) == MARK
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_manifest_says_what_was_done_and_nothing_of_the_original(signed: bytes) -> None:
    store = manifest_of(signed)
    (manifest,) = store["manifests"].values()
    assert not {"thumbnail", "ingredients", "title"} & set(manifest)
    (assertion,) = manifest["assertions"]
    created, edited, marked = assertion["data"]["actions"]
    assert [one["action"] for one in (created, edited, marked)] == [
        "c2pa.created",
        "c2pa.edited",
        "c2pa.watermarked.unbound",
    ]
    assert created["parameters"] == {"mien.models": ["one", "two"], "mien.consent": "record 17"}
    assert not {"when", "description"} & {key for one in (created, edited, marked) for key in one}
    assert len(signed) - len(encode_image(NOISE, "a.jpg")) < 5000, "no room for a thumbnail"


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        ("trainedAlgorithmicMedia", ["c2pa.created"]),
        ("algorithmicallyEnhanced", ["c2pa.created", "c2pa.filtered"]),
        ("compositeSynthetic", ["c2pa.created", "c2pa.edited"]),
    ],
)
def test_actions_by_what_was_made(kind: str, actions: list[str]) -> None:
    target = BytesIO()
    sign(BytesIO(encode_image(NOISE, "a.jpg")), target, "image/jpeg", Provenance(kind, seed=2**64 - 1), name="a.jpg")
    (manifest,) = manifest_of(target.getvalue())["manifests"].values()
    assert [one["action"] for one in manifest["assertions"][0]["data"]["actions"]] == actions
    found = read_credentials(target.getvalue())
    assert found is not None
    assert (found.source_type, found.seed) == (kind, 2**64 - 1)


def test_a_parent_is_named_where_it_is_given(tmp_path: Path) -> None:
    first = mark_image(NOISE, tmp_path / "first.jpg", Provenance.generated("maker", seed=7))
    second = mark_image(NOISE, tmp_path / "second.jpg", Provenance.enhanced(Provenance()), parent=first)
    store = manifest_of(second.read_bytes())
    assert len(store["manifests"]) == 2, "its own manifest came along"
    found = read_credentials(second)
    assert found is not None
    assert (found.state, found.source_type) == ("untrusted", "trainedAlgorithmicMedia"), "a synthetic part counts"
    for wrong, error in ((tmp_path / "gone.jpg", SourceError), (Path(__file__), UsageError)):
        with pytest.raises(error):
            mark_image(NOISE, tmp_path / "third.jpg", MARK, parent=wrong)
    assert not (tmp_path / "third.jpg").exists()


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch, signed: bytes) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert read_credentials(signed) is not None


# --- what is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", PICTURES)
def test_a_changed_pixel_is_told(tmp_path: Path, suffix: str) -> None:
    path = mark_image(NOISE, tmp_path / f"a{suffix}", Provenance.enhanced(Provenance()))  # its pixels are the picture's
    data, plain = bytearray(path.read_bytes()), encode_image(NOISE, path.name)
    starts = range(0, len(plain) - 16, 16)  # TIFF's strips are moved: some part of the pixels is as it was
    place = next(at for at in (data.find(plain[start : start + 16]) for start in starts[len(starts) // 2 :]) if at > 0)
    data[place + 8] ^= 1
    found = read_credentials(bytes(data))
    assert found is not None
    assert found.state in {"invalid", "unreadable"}
    if found.state == "invalid":
        assert "the file was changed after it was signed" in found.problems


def test_words_for_people(signed: bytes) -> None:
    assert str(read_credentials(signed)).startswith('valid signature by "mien local key ')
    assert "anyone can make such a key" in str(read_credentials(signed))
    assert str(Credentials("invalid", "x", problems=("it is broken",))) == 'invalid signature by "x"; it is broken.'


def test_files_without_credentials(tmp_path: Path) -> None:
    assert read_credentials(encode_image(NOISE, "a.jpg") + b"four letters, c2pa, by chance") is None
    assert read_credentials(encode_image(NOISE, "a.jpg")) is None
    assert read_credentials(b"") is None
    assert read_credentials(BytesIO(b"no picture")) is None
    with pytest.raises(SourceError):
        read_credentials(tmp_path / "gone.jpg")


def test_a_file_is_read_from_where_it_stands(signed: bytes) -> None:
    file = BytesIO(b"before" + signed)
    file.seek(6)
    found = read_credentials(file)
    assert found is not None
    assert found.state == "untrusted"


@given(place=st.integers(0, 4500), byte=st.integers(0, 255), end=st.integers(20, 9000))
def test_broken_files_are_read_without_an_exception(signed: bytes, place: int, byte: int, end: int) -> None:
    data = bytearray(signed)
    data[place] = byte
    for hostile in (bytes(data), bytes(data[:end])):
        found = read_credentials(hostile)
        assert found is None or found.state in {"untrusted", "invalid", "unreadable"}


# --- keys ---------------------------------------------------------------------------------------------------------


def test_the_machine_makes_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "new"))
    with ThreadPoolExecutor(4) as pool:
        keys = {key.chain for key in pool.map(lambda _: signing_key(), range(8))}
    assert len(keys) == 1
    path = local_key_file()
    assert path.parent == tmp_path / "new"
    assert sorted(one.name for one in path.parent.iterdir()) in (["signing.lock", "signing.pem"], ["signing.pem"])
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in repr(signing_key()).encode()


def test_a_key_that_has_ended_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    monkeypatch.setattr(signing, "_YEARS", 0)
    first = signing_key()
    monkeypatch.undo()
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    assert first.expired()
    assert signing_key().chain != first.chain
    assert not signing_key().expired()


def test_no_file_where_it_cannot_be_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="MIEN_CONFIG"):
        mark_image(NOISE, tmp_path / "a.png", MARK)
    writer = VideoWriter(tmp_path / "a.mp4", provenance=MARK)
    with pytest.raises(StorageError, match="MIEN_CONFIG"):  # before a frame is written, not after the last
        writer.__enter__()
    (tmp_path / "signing.pem").write_text("broken")
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    with pytest.raises(StorageError, match="delete it"):
        mark_image(NOISE, tmp_path / "a.png", MARK)
    (tmp_path / "part").write_bytes(b"no video")
    monkeypatch.delenv("MIEN_CONFIG")
    with pytest.raises(StorageError, match="could not be signed"):
        sign_file(tmp_path / "part", tmp_path / "a.mp4", MARK)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "part", "signing.pem"]


def test_ones_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = signing_key()
    (tmp_path / "a.key").write_bytes(made.key)
    (tmp_path / "a.crt").write_bytes(made.chain)
    monkeypatch.setenv("MIEN_SIGNING_KEY", str(tmp_path / "a.key"))
    with pytest.raises(UsageError, match="set both"):
        signing_key()
    monkeypatch.setenv("MIEN_SIGNING_CERT", str(tmp_path / "a.crt"))
    path = mark_image(NOISE, tmp_path / "a.png", MARK)
    assert str(read_credentials(path)).startswith("valid signature")
    (tmp_path / "root.crt").write_bytes(made.chain[made.chain.rindex(b"-----BEGIN") :])
    monkeypatch.setenv("MIEN_TRUST_ANCHORS", str(tmp_path / "root.crt"))
    assert "who is on a trust list" in str(read_credentials(path))
    monkeypatch.setenv("MIEN_TRUST_ANCHORS", str(tmp_path / "a.key"))
    with pytest.raises(UsageError, match="MIEN_TRUST_ANCHORS"):
        read_credentials(path)


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    made = signing_key()
    files = {"good": made.key, "chain": made.chain, "none": b"no key", "other": b""}
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    layout = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    files["other"] = ec.generate_private_key(ec.SECP384R1()).private_bytes(*layout, serialization.NoEncryption())
    files["locked"] = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        *layout, serialization.BestAvailableEncryption(b"secret")
    )
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert SigningKey.read(tmp_path / "good", tmp_path / "chain") == made
    for key, chain in (("gone", "chain"), ("none", "chain"), ("good", "none"), ("other", "chain"), ("locked", "chain")):
        with pytest.raises(UsageError, match="signing key"):
            SigningKey.read(tmp_path / key, tmp_path / chain)


def test_kinds_that_are_signed() -> None:
    assert set(SIGNED) == {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif", ".mp4", ".m4v", ".mov"}
