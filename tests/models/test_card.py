from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import CardError
from mien.models.catalogue import Card, Catalogue, ImageInput, WeightFile

CARD = """
id = "toy"
title = "A toy"
runner = "toy.models:Toy"
gives = ["embedding"]
needs = ["alignment"]
priority = 5
weights_license = "MIT"
license_source = "https://example.org/license"
data_terms = "free"
data_source = "drawings"
origin = "https://example.org"
space = "toy/1"
precision = "bf16"
[params]
threshold = 0.5
anchors = [[1, 2], [3, 4]]
[files.model]
source = "pypi:toy/toy-1.0-py3-none-any.whl!toy/toy.task!toy.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
bytes = 10
[files.model.input]
layout = "NHWC"
color = "BGR"
size = [112, 96]
mean = [1, 2, 3]
std = [4, 5, 6.5]
"""


def test_reads_what_the_file_says() -> None:
    card = Card.from_toml(CARD, "toy.toml")
    assert (card.id, card.gives, card.needs, card.priority) == ("toy", ("embedding",), ("alignment",), 5)
    assert card.params == {"threshold": 0.5, "anchors": [[1, 2], [3, 4]]}
    file = card.files["model"]
    assert file.name == "toy.onnx"
    assert file.bytes == card.bytes == 10
    assert file.input == ImageInput(
        layout="NHWC", color="BGR", size=(112, 96), multiple=1, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.5)
    )


def test_any_size() -> None:
    card = Card.from_toml(CARD.replace("[112, 96]", '"any"\nmultiple = 32'), "toy.toml")
    assert card.files["model"].input is not None
    assert (card.files["model"].input.size, card.files["model"].input.multiple) == (None, 32)


def test_a_graph_for_plain_weights() -> None:
    card = Card.from_toml(CARD.replace("bytes = 10", 'bytes = 10\ngraph = "toy.graphs:build"'), "toy.toml")
    assert card.files["model"].graph == "toy.graphs:build"
    assert Card.from_toml(card.to_toml(), "again.toml") == card
    assert Card.from_toml(CARD, "toy.toml").files["model"].graph is None


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('id = "toy"', "", "id"),
        ('id = "toy"', 'id = "../toy"', "id"),
        ('title = "A toy"', 'title = ""', "title"),
        ('title = "A toy"', "title = 3", "title"),
        ("toy.models:Toy", "toy.models.Toy", "runner"),
        ('["embedding"]', '"embedding"', "gives"),
        ('["embedding"]', '["Embedding!"]', "gives"),
        ("priority = 5", "priority = true", "priority"),
        ("priority = 5", "priority = -1", "priority"),
        ('data_terms = "free"', 'data_terms = "mine"', "data_terms"),
        ('precision = "bf16"', 'precision = "f16"', "precision"),
        ('space = "toy/1"', 'sapce = "toy/1"', "sapce"),
        ("bytes = 10", "", "files.model.bytes"),
        ("bytes = 10", "bytes = 0", "files.model.bytes"),
        ("bytes = 10", 'bytes = 10\nname = "../evil"', "files.model.name"),
        ("bytes = 10", "bytes = 10\nbites = 10", "files.model.bites"),
        ("bytes = 10", 'bytes = 10\ngraph = "toy.graphs.build"', "files.model.graph"),
        ("bytes = 10", "bytes = 10\ngraph = true", "files.model.graph"),
        ('"0000', '"000', "files.model.sha256"),
        ("pypi:toy/toy-1.0-py3-none-any.whl!toy/toy.task!toy.onnx", "ftp://x/y", "files.model.source"),
        ("!toy/toy.task!toy.onnx", "", "files.model.source"),
        ("!toy/toy.task!toy.onnx", "!../toy.onnx", "files.model.source"),
        ('color = "BGR"', 'color = "CMYK"', "files.model.input.color"),
        ("size = [112, 96]", "size = [112, 0]", "files.model.input.size"),
        ("size = [112, 96]", "", "files.model.input.size"),
        ("std = [4, 5, 6.5]", "std = [4, 0, 6.5]", "files.model.input.std"),
        ("mean = [1, 2, 3]", "mean = [1, 2]", "files.model.input.mean"),
        ("[params]\nthreshold = 0.5\nanchors = [[1, 2], [3, 4]]", "params = 3", "params"),
    ],
)
def test_refuses_and_names_file_and_key(old: str, new: str, key: str) -> None:
    assert old in CARD
    with pytest.raises(CardError, match=rf"^cards/toy\.toml: key '{re.escape(key)}': "):
        Card.from_toml(CARD.replace(old, new), "cards/toy.toml")


def test_refuses_what_is_not_toml() -> None:
    with pytest.raises(CardError, match=r"^toy\.toml: not a TOML file"):
        Card.from_toml("id = ", "toy.toml")


@given(st.text())
def test_any_text_is_a_card_or_a_card_error(text: str) -> None:
    with pytest.raises(CardError):
        Card.from_toml(text, "x")


WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
NAMES = st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    WORDS | st.integers(-(2**63), 2**63 - 1) | FINITE | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
    max_leaves=6,
)


@st.composite
def inputs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> ImageInput:
    color = draw(st.sampled_from(["RGB", "BGR", "GRAY"]))
    channels = 1 if color == "GRAY" else 3
    values = st.lists(FINITE, min_size=channels, max_size=channels).map(tuple)
    return ImageInput(
        layout=draw(st.sampled_from(["NCHW", "NHWC"])),
        color=color,
        size=draw(st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999))),
        multiple=draw(st.integers(1, 64)),
        mean=draw(values),
        std=draw(values.filter(lambda v: 0.0 not in v)),
    )


FILES = st.builds(
    WeightFile,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]*", fullmatch=True),
    source=st.just("url:https://example.org/a.zip!b/c.onnx"),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    bytes=st.integers(1, 2**40),
    input=st.none() | inputs(),
    graph=st.none() | st.from_regex(r"[a-z_]+(\.[a-z_]+)*:[a-z_]+", fullmatch=True),
)
CARDS = st.builds(
    Card,
    id=st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True),
    title=WORDS,
    runner=st.just("a.b:C"),
    gives=st.lists(NAMES).map(tuple),
    needs=st.lists(NAMES).map(tuple),
    priority=st.integers(0, 1000),
    weights_license=st.sampled_from(["MIT", "LicenseRef-unknown"]),
    license_source=WORDS,
    data_terms=st.sampled_from(["free", "research", "unknown"]),
    data_source=WORDS,
    origin=WORDS,
    paper=st.text(st.characters(exclude_categories=("Cs",))),
    space=st.none() | WORDS,
    precision=st.sampled_from(["bf16", "f32"]),
    params=st.dictionaries(WORDS, VALUES, max_size=3),
    files=st.dictionaries(WORDS, FILES, max_size=2),
)


@given(CARDS)
def test_what_is_written_is_read_back(card: Card) -> None:
    assert Card.from_toml(card.to_toml(), "x") == card


@dataclass(frozen=True)
class Knobs:
    width: float
    turns: int = 3
    names: tuple[str, ...] = ()


def with_params(**params: object) -> Card:
    return replace(Catalogue.load()["tracker"], id="toy", params=params)


def test_params_are_read_as_a_runners_settings() -> None:
    assert with_params(width=2, names=("a",)).settings(Knobs) == Knobs(2, names=("a",))


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "the card of toy lacks params.width."),
        ({"width": 1, "depth": 2}, "params.depth is none of width, turns, names."),
        ({"width": "wide"}, "params.width is a number, not 'wide'."),
        ({"width": 1.0, "turns": True}, "params.turns is a number, not True."),
    ],
)
def test_params_that_are_no_settings_are_refused(params: dict[str, object], says: str) -> None:
    with pytest.raises(CardError, match=re.escape(says)):
        with_params(**params).settings(Knobs)
