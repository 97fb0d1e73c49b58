from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from mien import assets
from mien.core.columns import Labels
from mien.core.errors import CardError
from mien.core.image import load_image
from mien.engine import Batch, Engine
from mien.features.shown.hair import HAIR_NAMES, HairColour
from mien.models.catalogue import Catalogue
from tests.features.heads import SKIN, batch, head
from tests.shared import open_bundle


def maker(**changed: Any) -> HairColour:
    card = Catalogue.load()["hair-colour"]
    return HairColour(cast("Any", SimpleNamespace(card=replace(card, params={**card.params, **changed}))))


def hair_of(given: Batch) -> Labels:
    return maker().describe(given)["hair"]


COLOURS = {
    "black": (22, 18, 18),
    "brown": (72, 55, 32),
    "blond": (205, 165, 115),
    "red": (130, 62, 30),
    "grey": (150, 148, 146),
}


def test_colours_are_told() -> None:
    hair = hair_of(batch(*(head("hair", colour) for colour in COLOURS.values())))
    assert hair.names == HAIR_NAMES
    assert hair.labels.tolist() == list(COLOURS)
    np.testing.assert_allclose(hair.probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_bald_head_has_none() -> None:
    hair = hair_of(batch(head("skin", SKIN), head("hair", COLOURS["grey"], top=50)))
    assert hair.labels.tolist() == ["none", "none"]


def test_what_cannot_be_told_abstains_with_the_reason() -> None:
    grey = head("hair", (60, 60, 60), skin=(180, 180, 180))
    hair = hair_of(batch(head("hat", (200, 0, 0)), grey, head("hair", COLOURS["red"])))
    assert hair.abstained.tolist() == [True, True, False]
    assert hair.reasons == ("something covers the hair", "the picture has no colours", None)


def test_between_two_colours_both_are_named() -> None:
    hair = hair_of(batch(head("hair", (46, 36, 30))))
    assert hair.reasons[0] in {"the colour is not clear: brown or black", "the colour is not clear: black or brown"}


def test_no_hair_is_said_of_whole_heads_only() -> None:
    bald = head("skin", SKIN)
    assert hair_of(batch(bald)).labels.tolist() == ["none"]
    assert hair_of(batch(bald, shift=20)).reasons == ("the top of the head is outside of the picture",)


def test_a_head_that_is_cut_off() -> None:
    hair = hair_of(batch(head("hair", COLOURS["red"]), shift=45))
    assert hair.reasons == ("the top of the head is outside of the picture",)


def test_faces_that_were_not_parsed_and_other_parsings() -> None:
    given = batch(head("hair", COLOURS["red"]))
    parse = given.faces.parse
    lost = replace(parse, values=np.full_like(parse.values, np.nan), reasons=("too small",))
    assert hair_of(Batch(given.images, given.owner, given.faces.with_columns({"parse": lost}))).reasons == (
        "too small",
    )
    names = tuple("fur" if name == "hair" else name for name in parse.names)
    other = Batch(given.images, given.owner, given.faces.with_columns({"parse": replace(parse, names=names)}))
    assert hair_of(other).reasons == ("this parsing does not know hair",)


def test_no_face() -> None:
    assert hair_of(batch()).shape == (0, len(HAIR_NAMES))


def test_a_card_without_a_colour() -> None:
    with pytest.raises(CardError, match="each colour"):
        maker(colours={"black": [1, 2, 3, 4]})


@pytest.mark.weights
def test_the_mirror_image_has_the_same_hair() -> None:
    open_bundle("bisenet")
    image = load_image(assets.PEOPLE[0])[::2, ::2]
    with Engine(threads=1) as engine:
        one, other = (
            engine.analyze(np.ascontiguousarray(picture), want={"hair"}).top(1).hair
            for picture in (image, image[:, ::-1])
        )
    assert one.labels[0] == other.labels[0]
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.15)
