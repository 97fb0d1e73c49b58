from __future__ import annotations

import pytest

from mien.core.errors import UsageError
from mien.core.parts import CELEBAMASK, LONG_TAIL, REGIONS, classes_of, regions_of, unknown_region


def test_regions_are_made_of_classes_of_the_set() -> None:
    others = {"person", "lips", "teeth"}  # of other sets
    assert {name for wanted in REGIONS.values() for name in wanted} <= {*CELEBAMASK, *others}
    assert set(CELEBAMASK) == {name for region in REGIONS for name in classes_of(region, CELEBAMASK)}
    assert set(LONG_TAIL) < set(CELEBAMASK)


def test_the_face_and_the_rest_of_the_picture() -> None:
    assert not set(classes_of("person", CELEBAMASK)) & set(classes_of("background", CELEBAMASK))
    assert set(classes_of("face", CELEBAMASK)) < set(classes_of("head", CELEBAMASK))
    assert set(classes_of("head", CELEBAMASK)) < set(classes_of("person", CELEBAMASK))
    assert not {"hair", "l_ear", "neck"} & set(classes_of("face", CELEBAMASK))


def test_pairs_are_both_sides() -> None:
    for both, one in (("eyes", "eye"), ("brows", "brow"), ("ears", "ear")):
        assert REGIONS[both] == (*REGIONS[f"left_{one}"], *REGIONS[f"right_{one}"])
        assert all(name.startswith("l_") for name in REGIONS[f"left_{one}"])


def test_a_region_is_what_a_network_knows_of_it() -> None:
    coarse = ("background", "person", "lips")
    assert classes_of("lips", coarse) == ("lips",)
    assert classes_of("person", coarse) == ("person", "lips")
    assert classes_of("l_lip", CELEBAMASK) == ("l_lip",)  # a class is a region, too
    assert regions_of(coarse) == ("face", "head", "person", "background", "lips")
    assert regions_of(("background", "tattoo")) == ("background", "tattoo")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("eyebrows", "brows"),
        ("left_eyebrow", "left_brow"),
        ("eyeglasses", "glasses"),
        ("lip", "lips"),
        ("hairs", "hair"),
    ],
)
def test_an_unknown_region_says_what_there_is(asked: str, meant: str) -> None:
    with pytest.raises(
        UsageError, match=rf"no region is called '{asked}' here \(did you mean {meant}\?\); there are face"
    ):
        classes_of(asked, CELEBAMASK)


def test_nothing_alike_is_not_guessed() -> None:
    assert str(unknown_region("xyzzy", ["hair", "face"])) == "no region is called 'xyzzy' here; there are hair, face."
    with pytest.raises(UsageError, match=r"here; there are head, person, hair\."):
        classes_of("lips", ["hair"])
