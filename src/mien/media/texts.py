"""Text from files that anyone may have written, made safe to print."""

from __future__ import annotations

from typing import Final

__all__ = ["clean"]

MAX_TEXT: Final = 200  # characters that one value keeps


def clean(text: str) -> str:
    """A value that is safe to print: no control or direction-changing characters, and not endless."""
    return "".join(c for c in text[:MAX_TEXT] if c.isprintable()).strip()
