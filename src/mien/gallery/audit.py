"""The audit log: what was done to a gallery and when, without naming whom.

A line names people and faces by salted hashes. The salt stays in the gallery, so that somebody who knows an id can find
what was done to it, also after it was deleted; and the log alone tells nobody who was in the gallery.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from typing import Any

from mien.gallery.records import Entry

__all__ = ["entry", "new_salt", "picture", "subject"]


def new_salt() -> str:
    """A salt for a new gallery, hexadecimal."""
    return secrets.token_hex(16)


def subject(salt: str, key: str) -> str:
    """The salted hash that stands for a person's id or a face's name: 16 hexadecimal digits."""
    return hashlib.blake2b(key.encode(), key=bytes.fromhex(salt), digest_size=8).hexdigest()


def picture(salt: str, content: str) -> str:
    """The salted hash by which a gallery remembers that it looked at a picture, or at the film that a frame is of.

    Who has the gallery and a picture can tell whether it was looked at; the gallery alone tells nobody which ones were.

    Parameters
    ----------
    salt : str
    content : str
        As `Sample.picture` has it.
    """
    return subject(salt, f"picture:{content.partition('#')[0]}")


def entry(salt: str, action: str, keys: Iterable[str] = (), **details: Any) -> Entry:
    """A line about these people and faces; `details` are numbers and names of models, never of people."""
    return Entry(time=time.time(), action=action, subjects=tuple(subject(salt, key) for key in keys), details=details)
