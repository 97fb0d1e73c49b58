"""Swaps: pictures, videos, what is kept, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import Engine, assets, load_image
from mien.core.errors import EditRefused, NoFace, UsageError
from mien.core.image import Image
from mien.core.mesh import Topology
from mien.media.encoding import VideoWriter
from mien.swaps.consent import Consent
from mien.swaps.effects import Shot
from mien.swaps.exchange.identity import Identity
from mien.swaps.exchange.likeness import REGAINED, Likeness
from mien.swaps.exchange.swapper import NEEDS, Swap, swap
from mien.swaps.exchange.swapping import Settings
from tests.shared import photo

SOURCE, TARGET = assets.FOLDER / "person3.jpg", assets.FOLDER / "person1.jpg"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def somebody(engine: Engine) -> Identity:
    return Identity.of(SOURCE, engine=engine)


def cosines(image: Image, engine: Engine) -> tuple[float, float]:
    """How alike the face is to the source's and to the target's, by an embedder that a swap does not use."""
    other = engine.with_models(embedding="sface")
    seen, source, target = (other.analyze(one, want={"embedding"}).embedding[0] for one in (image, SOURCE, TARGET))
    return float(seen @ source), float(seen @ target)


class TestSettings:
    @pytest.mark.parametrize(
        "options",
        [{"keep": "eyes"}, {"keep": ("hair",)}, {"strength": 0}, {"strength": 1.2}, {"blend": "paste"}],
        ids=str,
    )
    def test_nonsense_is_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match=next(iter(options))):
            Settings(**options)


@pytest.mark.weights
class TestPicture:
    def test_the_face_is_the_sources(self, somebody: Identity, engine: Engine) -> None:
        edit = swap(TARGET, source=somebody, engine=engine)
        source, target = cosines(edit.image, engine)
        assert source > target
        poses = [engine.analyze(one, want={"pose"}).pose.values[0] for one in (edit.image, TARGET)]
        assert np.abs(poses[0] - poses[1]).max() < 5

    def test_outside_of_the_mask_each_bit_is_kept(self, somebody: Identity, engine: Engine) -> None:
        edit, target = swap(TARGET, source=somebody, engine=engine), load_image(TARGET)
        outside = edit.layers["mask"] == 0
        assert outside.any()
        assert np.array_equal(edit.image[outside], target[outside])
        assert not (edit.layers["alpha"][outside] > 0).any()

    def test_layers(self, somebody: Identity, engine: Engine) -> None:
        edit = swap(TARGET, source=somebody, engine=engine)
        size = edit.image.shape[:2]
        shapes = {"mask": size, "alpha": size, "warped": (*size, 4), "relit": (*size, 4), "mesh": (*size, 3)}
        assert {name: layer.shape for name, layer in edit.layers.items()} == shapes
        assert all(layer.any() for layer in edit.layers.values())

    def test_what_is_told(self, somebody: Identity, engine: Engine) -> None:
        consent = {"given_by": "A", "purpose": "test", "date": "2026-01-02"}
        edit = swap(TARGET, source=somebody, consent=consent, engine=engine)
        assert edit.provenance.synthetic
        assert edit.report["method"] == "geometric"
        assert edit.report["consent"]["given_by"] == "A"
        assert edit.provenance.consent == Consent.from_dict(consent).fingerprint

    def test_who(self, somebody: Identity, engine: Engine) -> None:
        both = np.hstack([load_image(TARGET), load_image(SOURCE)])
        with pytest.raises(UsageError, match="who="):
            swap(both, source=somebody, engine=engine)
        edit = swap(both, source=somebody, who="leftmost", engine=engine)
        assert not edit.layers["mask"][:, 700:].any()
        assert edit.layers["mask"][:, :512].any()

    @pytest.mark.parametrize("keep", [(), ("outline",), ("eyes", "mouth", "glasses", "outline")], ids=str)
    def test_keep(self, keep: tuple[str, ...], somebody: Identity, engine: Engine) -> None:
        edit = swap(TARGET, source=somebody, keep=keep, blend="gradient", strength=0.7, engine=engine)
        assert edit.layers["mask"].any()

    def test_cut_by_the_edge(self, somebody: Identity, engine: Engine) -> None:
        image = np.ascontiguousarray(load_image(TARGET)[:, 190:])
        edit = swap(image, source=somebody, who="largest", engine=engine)
        outside = edit.layers["mask"] == 0
        assert np.array_equal(edit.image[outside], image[outside])

    def test_grey_picture(self, somebody: Identity, engine: Engine) -> None:
        grey = np.repeat(load_image(TARGET).mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
        result = swap(grey, source=somebody, engine=engine).image.astype(int)
        assert np.ptp(result, axis=2).mean() < 3

    @pytest.mark.data
    def test_no_human_face(self, somebody: Identity, engine: Engine) -> None:
        with pytest.raises((NoFace, UsageError)):
            swap(photo("landmarks68_boxes/dogs.jpg"), source=somebody, who="largest", engine=engine)

    def test_no_face(self, somebody: Identity, engine: Engine) -> None:
        with pytest.raises(NoFace):
            swap(np.zeros((1, 1, 3), np.uint8), source=somebody, engine=engine)

    def test_a_gate_refuses(self, somebody: Identity, engine: Engine) -> None:
        with pytest.raises(EditRefused, match="not today"):
            swap(TARGET, source=somebody, gate=lambda source, faces: "not today", engine=engine)


@pytest.mark.weights
class TestVideo:
    def test_a_clip(self, somebody: Identity, engine: Engine, tmp_path: Path) -> None:
        clip = tmp_path / "clip.mp4"
        portrait = np.asarray(cv2.resize(load_image(TARGET), (320, 320)), np.uint8)
        with VideoWriter(clip, size=(320, 320), rate=25) as film:
            for shift in range(8):
                film.write(np.roll(portrait, shift, axis=1))
        edit = swap(clip, source=somebody, out=tmp_path / "out.mp4", engine=engine)
        assert edit.path is not None
        assert edit.path.exists()
        assert edit.report["frames"] == 8

    def test_a_frame_of_nobody_stays(self, somebody: Identity, engine: Engine) -> None:
        image = load_image(TARGET)
        faces = engine.analyze(image, want=NEEDS)
        done = Swap(somebody, engine=engine).start().apply(Shot(image=image, faces=faces, rows=np.arange(0), time=0.0))
        assert np.array_equal(done.image, image)
        assert not done.mask.area


def sheet() -> Topology:
    """A flat mesh of 468 vertices, 26 by 18."""
    y, x = np.divmod(np.arange(468), 26)
    vertices = np.column_stack([x, y, 0 * x]).astype(np.float32)
    corner = np.flatnonzero((x < 25) & (y < 17))
    triangles = np.concatenate([np.column_stack([corner, corner + 26, corner + 1]),
                                np.column_stack([corner + 1, corner + 26, corner + 27])])  # fmt: skip
    return Topology(vertices, triangles.astype(np.int32), (vertices[:, :2] / 26).astype(np.float32))


LIKENESS = Likeness(sheet())


class TestLikeness:
    @given(st.integers(0, 2**31), st.floats(0.1, 1))
    def test_an_even_shift_stays(self, seed: int, trust: float) -> None:
        shift = np.tile(np.random.default_rng(seed).normal(size=3), (468, 1))
        settled = LIKENESS.settled(shift, np.full((468, 1), max(trust, 0.35)))
        assert np.allclose(settled, REGAINED * shift, atol=1e-6)
