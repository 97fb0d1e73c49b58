"""What the marks of a file say, in words for people who decide by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.media.provenance import Provenance
    from mien.media.watermark_reading import InvisibleMark

__all__ = ["explain"]

_LOSS = (
    "A screenshot or an upload to most sites loses the metadata and the credentials, and keeps the invisible mark "
    "unless the picture becomes small or poor; whoever wants to can remove all three."
)
_NOTHING = "No mark: nothing is known of how it was made. That does not make it a photograph."


def explain(found: Provenance) -> list[str]:
    """A line for each mark, one for whether they agree, and one for what a file may have lost."""
    lines = [_summary(found), _metadata(found), _credentials(found), _invisible(found.invisible)]
    if found.agree is False:
        said = ", ".join(f"{name} {kind}" for name, kind in found.said.items())
        lines.append(f"The marks disagree ({said}): they were not made together, or one is false.")
    if found.consent:
        lines.append(f"Consent of the people shown is claimed under {found.consent!r}; look it up where it is kept.")
    return [*lines, _LOSS]


def _summary(found: Provenance) -> str:
    if found.synthetic:
        models = f", with {', '.join(found.models)}" if found.models else ""
        return f"Synthetic, as it says itself: {found.source_type}{models}."
    if found.source_type:
        return f"It says of itself: {found.source_type}. That is a claim, and proves nothing."
    return _NOTHING


def _metadata(found: Provenance) -> str:
    return f"Metadata: {found.metadata}." if found.metadata else "Metadata: no source type."


def _credentials(found: Provenance) -> str:
    signed = found.credentials
    if signed is None:
        return "Content credentials: none."
    said = f"{signed.source_type}; " if signed.source_type else ""
    return f"Content credentials: {said}{signed}"


def _invisible(mark: InvisibleMark | None) -> str:
    if mark is None:
        return "Invisible mark: not looked for."
    if not mark:
        return f"Invisible mark: {mark.reason}"
    size = "" if mark.scale == 1 else f", at {mark.scale:.0%} of the size that was marked"
    rare = f"of unmarked pictures one in {1 / mark.chance:.0e} would show as much"
    return f"Invisible mark: {mark.source_type}{size}; {rare}."
