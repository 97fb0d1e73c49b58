"""Swaps and other edits by users' own networks, from the file on: added, used, refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from mien.core.errors import EditRefused, UnknownModel, UsageError, WeightsUnavailable
from mien.core.image import load_image
from mien.engine import Engine
from mien.gallery.people import Gallery
from mien.models.catalogue import Catalogue, add_card
from mien.models.store import Store
from mien.swaps.exchange.learned import LearnedSwap, told_by
from mien.swaps.exchange.swapper import swap
from mien.swaps.nets.repainting import repaint
from mien.swaps.nets.restorer import restore
from tests.shared import DATA
from tests.swaps import facenets

pytestmark = [pytest.mark.weights, pytest.mark.data]

SOURCE = DATA / "identities" / "Colin_Powell" / "Colin_Powell_0001.jpg"
TARGET = DATA / "identities" / "Ariel_Sharon" / "Ariel_Sharon_0001.jpg"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One that knows networks of ours as users' own: a swapper, a painter and a restorer."""
    folder = tmp_path_factory.mktemp("own")
    facenets.swapper(folder / "my-swapper.onnx", 128, matrix=facenets.emap(), tint=2.0)
    facenets.painter(folder / "my-painter.onnx", 256, gain=-1.0)
    facenets.codeformer(folder / "my-codeformer.onnx", 512)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIEN_CONFIG", str(folder / "config"))
        try:
            embedder = Store().pull(Catalogue.load()["arcface-mbf"])["model"]
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        likes = {"my-swapper": "inswapper-128", "my-painter": "face-to-face-256", "my-codeformer": "codeformer-512"}
        for name, like in likes.items():
            add_card(folder / f"{name}.onnx", like=like, id=name)
        lonely = Engine(threads=1, device="cpu")
        with pytest.raises(UnknownModel, match="you have to add as well: `mien models add w600k-r50"):
            LearnedSwap.of(SOURCE, model="my-swapper", who="largest", engine=lonely)
        lonely.close()
        shutil.copyfile(embedder, folder / "w600k-r50.onnx")  # stands for it
        add_card(folder / "w600k-r50.onnx", like="arcface-mbf", id="w600k-r50")
        return Engine(threads=1, device="cpu")


def test_a_swap(engine: Engine) -> None:
    edit = swap(TARGET, source=SOURCE, who="largest", source_who="largest", model="my-swapper", engine=engine)
    image, mask = load_image(TARGET), edit.layers["mask"]
    assert mask.any()
    assert (edit.image[mask == 0] == image[mask == 0]).all()
    assert (edit.image[mask > 0] != image[mask > 0]).any()
    assert edit.provenance.source_type == "compositeSynthetic"
    assert "my-swapper" in edit.provenance.models
    assert edit.report["models"] == {"swap": "my-swapper", "embedding": "w600k-r50"}


def test_what_it_is_told_is_the_embedding_times_the_matrix(engine: Engine) -> None:
    effect = LearnedSwap.of(SOURCE, model="my-swapper", who="largest", engine=engine)
    own = engine.with_models(embedding="w600k-r50")
    faces = own.analyze(SOURCE, want={"embedding"})
    unit = faces[[int(np.argmax(faces.areas))]].embedding.values
    expected = unit @ facenets.emap()
    assert np.allclose(effect.told, expected[0] / np.linalg.norm(expected), atol=1e-4)
    with pytest.raises(UsageError, match="source_who='all' is"):
        told_by(effect.net, [load_image(SOURCE), np.hstack([load_image(SOURCE)] * 2)], "all", engine)


def test_it_is_refused_as_any_swap(engine: Engine) -> None:
    with Gallery(":memory:", engine=engine) as gallery:
        gallery.enroll("colin", SOURCE, which="largest")
        with pytest.raises(EditRefused, match="do-not-swap list"):
            swap(TARGET, source=SOURCE, source_who="largest", model="my-swapper", do_not_swap=gallery, engine=engine)
    with pytest.raises(EditRefused, match="not him"):
        swap(
            TARGET,
            source=SOURCE,
            source_who="largest",
            who="largest",
            model="my-swapper",
            gate=lambda _source, faces: f"not him, of {len(faces)}",
            engine=engine,
        )


def test_other_networks(engine: Engine) -> None:
    image = load_image(TARGET)
    painted = repaint(image, model="my-painter", who="largest", engine=engine)
    full = painted.layers["mask"] == 255
    assert np.abs(painted.image[full].astype(int) - (255 - image[full].astype(int))).max() < 40  # its negative
    kept = repaint(image, model="my-painter", who="largest", strength=0.0, engine=engine)
    assert (kept.image == image).all()
    same = restore(image, model="my-codeformer", who="largest", fidelity=1.0, strength=1.0, engine=engine)
    assert same.report["faces"][0]["identity"] > 0.9
    grey = restore(image, model="my-codeformer", who="largest", fidelity=0.0, strength=1.0, engine=engine)
    assert "warning" in grey.report["faces"][0]
    with pytest.raises(UsageError, match="does not give 'repaint'"):
        repaint(image, model="my-swapper", engine=engine)
    with pytest.raises(UsageError, match="takes no age"):
        repaint(image, model="my-painter", numbers={"age": 0.5}, engine=engine)
