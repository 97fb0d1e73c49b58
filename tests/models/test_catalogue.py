from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module, metadata, resources
from pathlib import Path

import pytest

from mien.core.errors import CardError, SourceError, UnknownModel, UnsafeFile, UsageError
from mien.core.fields import all_events, all_fields, all_jobs
from mien.models.catalogue import Card, Catalogue, add_card, load_templates, user_cards_folder
from mien.models.store import Store
from tests.models.test_card import CARD
from tests.models.test_external_data import external_model


def test_defaults_are_first() -> None:
    catalogue = Catalogue.load()
    detectors = [card.id for card in catalogue.giving("detect")]
    assert detectors[:2] == ["yunet", "scrfd-500m"]
    assert {"centerface", "mtcnn", "retinaface-mnet", "scrfd-2.5g", "blazeface-full", "blazeface-short"} <= {*detectors}
    assert [card.id for card in catalogue.giving("embedding")] == [
        "edgeface-s",
        "arcface-mbf",
        "sface",
        "mobilefacenet",
        "facenet",
        "dlib-resnet",
    ]
    assert catalogue.giving("nothing") == []


def test_built_in_cards_are_consistent() -> None:
    folder = resources.files("mien.models") / "cards"
    names = {entry.name for entry in folder.iterdir() if entry.name.endswith(".toml")}
    catalogue = Catalogue.load()
    assert {f"{card.id}.toml" for card in catalogue} == names
    assert len(catalogue) == len(names)
    for card in catalogue:
        assert (card.space is not None) == ("embedding" in card.gives), card.id
        assert card.license_source.startswith("https://"), card.id
        for needed in card.needs:
            assert catalogue.giving(needed), f"{card.id} needs {needed}, which nothing gives"


def test_built_in_cards_speak_of_known_fields_and_jobs() -> None:
    catalogue = Catalogue.load()
    known = {*all_fields(), *all_events(), *all_jobs()}
    for card in [*catalogue, *load_templates().values()]:
        assert {*card.gives, *card.needs} <= known, card.id
    for name in known - {field.name for field in all_fields().values() if field.always}:
        mine = [card for card in load_templates().values() if name in card.gives]
        assert catalogue.giving(name) or mine, f"nothing gives {name}"


def test_runners_exist() -> None:
    for card in [*Catalogue.load(), *load_templates().values()]:
        module, _, name = card.runner.partition(":")
        assert isinstance(getattr(import_module(module), name), type), card.id


def test_unknown_model_lists_close_ones() -> None:
    catalogue = Catalogue.load()
    with pytest.raises(UnknownModel, match=r"^no model is called 'yunnet'; did you mean yunet"):
        catalogue["yunnet"]
    with pytest.raises(UnknownModel, match="mien models list"):
        catalogue["###"]
    assert "yunet" in catalogue
    assert "yunnet" not in catalogue


def _write_card(text: str = CARD, name: str = "toy.toml") -> Path:
    path = user_cards_folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_user_cards_come_in_and_replace() -> None:
    _write_card()
    _write_card(CARD.replace('id = "toy"', 'id = "yunet"').replace("toy.onnx", "own.onnx"), "own.toml")
    catalogue = Catalogue.load()
    assert catalogue["toy"].title == catalogue["yunet"].title == "A toy"


def test_a_broken_user_card_is_named() -> None:
    path = _write_card(CARD.replace("priority", "prio"))
    with pytest.raises(CardError, match=r"toy\.toml: key 'prio': unknown key"):
        Catalogue.load()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CardError, match=r"toy\.toml: cannot be read"):
        Catalogue.load()


def test_one_name_for_two_files_is_refused() -> None:
    one = Card.from_toml(CARD, "one")
    two = Card.from_toml(CARD.replace('id = "toy"', 'id = "two"').replace('"0000', '"1000'), "two")
    with pytest.raises(CardError, match=r"'toy' and 'two' both call a file 'toy\.onnx'"):
        Catalogue([one, two])


def test_plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plugged_cards"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "toy.toml").write_text(CARD)
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mien.catalogues]\nplugged = plugged_cards\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert Catalogue.load()["toy"].title == "A toy"
    (info / "entry_points.txt").write_text("[mien.catalogues]\nplugged = no_such_package\n")
    assert metadata.entry_points(group="mien.catalogues")["plugged"].value == "no_such_package"
    with pytest.raises(CardError, match="entry point 'plugged'"):
        Catalogue.load()


def test_add_card(tmp_path: Path) -> None:
    model = tmp_path / "my model.onnx"
    model.write_bytes(b"\x08\x0a")  # ir_version = 10
    card = add_card(model, like="edgeface-s", id="mine")
    catalogue = Catalogue.load()
    assert catalogue["mine"] == card
    assert card.space == "mine/1"
    assert card.weights_license == "LicenseRef-unknown"
    assert card.runner == catalogue["edgeface-s"].runner
    assert card.files["model"].input == catalogue["edgeface-s"].files["model"].input
    assert catalogue.giving("embedding")[-1] == card
    assert Store(offline=True).pull(card)["model"].read_bytes() == model.read_bytes()


def test_a_file_with_its_own_graph_needs_none_drawn(tmp_path: Path) -> None:
    known = Catalogue.load()["retinaface-mnet"].files["model"]
    for suffix, graph in ((".onnx", None), (".pth", known.graph)):
        model = tmp_path / f"mine{suffix}"
        model.write_bytes(b"\x0a\x00")
        card = add_card(model, like="retinaface-mnet", id=f"mine-{suffix[1:]}")
        assert card.files["model"].graph == graph
        assert card.files["model"].input == known.input


def test_add_card_refuses(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    with pytest.raises(SourceError, match=r"model\.onnx"):
        add_card(model, like="edgeface-s", id="mine")
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "loop.pth").symlink_to("loop.pth")
    for name, message in (("pipe.pth", "not a regular file"), ("loop.pth", "symbolic links"), ("", "directory")):
        with pytest.raises(SourceError, match=message):
            add_card(tmp_path / name, like="edgeface-s", id="mine")
    model.touch()
    with pytest.raises(SourceError, match="empty"):
        add_card(model, like="edgeface-s", id="mine")
    model.write_bytes(external_model("initializer", "weights.data"))
    with pytest.raises(UnsafeFile, match=r"in another file, 'weights\.data'"):
        add_card(model, like="edgeface-s", id="mine")
    loud = tmp_path / "LOUD.ONNX"
    loud.write_bytes(model.read_bytes())
    with pytest.raises(UnsafeFile, match="in another file"):
        add_card(loud, like="edgeface-s", id="mine")
    model.write_bytes(b"x")
    with pytest.raises(UnsafeFile, match=rf"^{re.escape(str(model))}: not an ONNX file"):
        add_card(model, like="edgeface-s", id="mine")
    model.write_bytes(b"\x08\x0a")
    with pytest.raises(UsageError, match="already"):
        add_card(model, like="edgeface-s", id="yunet")
    with pytest.raises(UsageError, match="has no file 'graph'; it has model"):
        add_card(model, like="edgeface-s", id="mine", file="graph")
    with pytest.raises(UsageError, match="'tracker' has no file 'model'; it has none"):
        add_card(model, like="tracker", id="mine")
    with pytest.raises(UnknownModel):
        add_card(model, like="edgface", id="mine")
    for bad in ("../mine", "Mine", "", "a b"):
        with pytest.raises(UsageError, match=f"^{re.escape(repr(bad))} is no id of a model"):
            add_card(model, like="edgeface-s", id=bad)
    with pytest.raises(UsageError, match="'my own' is no SPDX id"):
        add_card(model, like="edgeface-s", id="mine", weights_license="my own")
    assert not user_cards_folder().exists()


def test_importing_reads_nothing() -> None:
    script = """
import sys
opened = []
def hook(event, arguments):
    # Python's own reading of modules does not count.
    if event == "open" and str(arguments[0]).endswith((".toml", ".conf")):
        opened.append(arguments[0])
sys.addaudithook(hook)
import mien.models.catalogue, mien.models.license, mien.models.store
heavy = {"httpx2", "unearth", "filelock", "ssl", "numpy"} & set(sys.modules)
assert not opened and not heavy, (opened, heavy)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
