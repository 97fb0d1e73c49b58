from __future__ import annotations

from dataclasses import replace

import pytest

from mien.core.errors import LicenseRefused, UsageError
from mien.models import license  # noqa: A004 - the module under test
from mien.models.catalogue import Card, Catalogue
from tests.models.test_card import CARD

TOY = Card.from_toml(CARD, "toy")


@pytest.mark.parametrize(
    ("weights", "data", "commercial", "strict"),
    [
        ("MIT", "free", True, True),
        ("Apache-2.0", "research", True, False),
        ("Apache-2.0", "unknown", True, False),
        ("CC-BY-NC-SA-4.0", "free", False, False),
        ("LicenseRef-unknown", "free", False, False),
        ("LicenseRef-non-commercial", "free", False, False),
        ("GPL-3.0-only", "free", False, False),
    ],
)
def test_policies(weights: str, data: str, commercial: bool, strict: bool) -> None:
    card = replace(TOY, weights_license=weights, data_terms=data)
    assert license.permits(card, "any")
    assert license.permits(card, "commercial") == commercial
    assert license.permits(card, "strict") == strict
    assert (license.notice(card) is None) == commercial


def test_refusal_says_which_model_and_why() -> None:
    card = replace(TOY, weights_license="CC-BY-NC-4.0")
    with pytest.raises(LicenseRefused, match=r"^toy: weights under CC-BY-NC-4.0, and licenses='commercial'"):
        license.require(card, "commercial")
    with pytest.raises(LicenseRefused, match=r"^toy: trained on data with research terms \(drawings\)"):
        license.require(replace(TOY, data_terms="research"), "strict")
    license.require(TOY, "strict")


def test_unknown_policy() -> None:
    with pytest.raises(UsageError, match="any, commercial, strict"):
        license.permits(TOY, "free")


def test_what_each_policy_chooses() -> None:
    catalogue = Catalogue.load()

    def chosen(name: str, policy: license.Policy) -> str:
        return next(card.id for card in catalogue.giving(name) if license.permits(card, policy))

    assert chosen("embedding", "any") == "edgeface-s"
    assert chosen("embedding", "commercial") == "sface"
    assert chosen("detect", "commercial") == "yunet"
    assert not any(license.permits(card, "commercial") for card in catalogue.giving("generate"))


def test_markdown_table_has_a_row_per_model() -> None:
    cards = list(Catalogue.load())
    lines = license.markdown_table(cards).splitlines()
    assert len(lines) == len(cards) + 2
    assert {line.count(" | ") for line in lines} == {len(license.HEADER) - 1}
    yunet = next(line for line in lines if line.startswith("| yunet |"))
    assert "| MIT | yes | research: WIDER FACE | 0.2 |" in yunet
