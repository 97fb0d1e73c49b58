"""Which models a license policy permits, and why not the others.

Three policies: ``any`` takes everything; ``commercial`` takes weights whose license clearly permits commercial use;
``strict`` wants that of the training data too. What is unclear is refused by both. This is a reading of what authors
wrote, not legal advice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from mien.core.errors import LicenseRefused, UsageError
from mien.models.card import Card

__all__ = ["COMMERCIAL", "Policy", "markdown_table", "notice", "permits", "refusal", "require", "table"]

Policy = Literal["any", "commercial", "strict"]

# SPDX ids of the licenses that permit commercial use of weights. Licenses that bind the program around the weights
# (the GPL family) are left out on purpose: what they ask of a program that loads weights is not settled.
COMMERCIAL = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "PDDL-1.0",
        "Unlicense",
        "Zlib",
    }
)


def refusal(card: Card, policy: Policy) -> str | None:
    """Return why a policy forbids a model, in a clause without a full stop, or None where it permits it.

    Raises
    ------
    UsageError
        `policy` is none of the three.
    """
    if policy not in get_args(Policy):
        raise UsageError(f"licenses must be one of {', '.join(get_args(Policy))}, not {policy!r}.")
    if policy == "any":
        return None
    if card.weights_license not in COMMERCIAL:
        what = _license_words(card)
        return f"{card.id}: weights under {what}, and licenses='{policy}' asks for a clear grant of commercial use"
    if policy == "strict" and card.data_terms != "free":
        terms = f"{card.data_terms} terms ({card.data_source})"
        return f"{card.id}: trained on data with {terms}, and licenses='strict' asks for free ones"
    return None


def permits(card: Card, policy: Policy) -> bool:
    """Tell whether a policy permits a model.

    Raises
    ------
    UsageError
        `policy` is none of the three.
    """
    return refusal(card, policy) is None


def require(card: Card, policy: Policy) -> None:
    """Check that a policy permits a model.

    Raises
    ------
    LicenseRefused
        It does not; the message says why.
    UsageError
        `policy` is none of the three.
    """
    if reason := refusal(card, policy):
        raise LicenseRefused(f"{reason}.")


def notice(card: Card) -> str | None:
    """Return the line to show when weights without a clear commercial grant are fetched for the first time, or None."""
    if permits(card, "commercial"):
        return None
    what = _license_words(card)
    return f"{card.id}: weights under {what}, not for commercial use as they are; see {card.license_source}"


HEADER = ("model", "gives", "weights", "commercial", "training data", "MB", "by")


def table(cards: Iterable[Card]) -> list[tuple[str, ...]]:
    """Return one row of text per model, under the columns of `HEADER`."""
    return [
        (
            card.id,
            ", ".join(card.gives),
            _license_words(card),
            "yes" if permits(card, "commercial") else "no",
            f"{card.data_terms}: {card.data_source}",
            f"{card.bytes / 1e6:.1f}",
            card.origin,
        )
        for card in cards
    ]


def markdown_table(cards: Iterable[Card]) -> str:
    """Return `table` in Markdown, as the README has it."""
    rows = [HEADER, ("---",) * len(HEADER), *table(cards)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"


def _license_words(card: Card) -> str:
    reference = card.weights_license.removeprefix("LicenseRef-")
    if reference == "unknown":
        return "an unclear license"
    return f"{reference} terms" if reference != card.weights_license else reference
