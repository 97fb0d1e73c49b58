"""mien: everything a program does with faces in pictures and video.

``import mien`` does no work: each name below is loaded from its room when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.core.clip import Clip, Event, Events, Track
    from mien.core.errors import (
        CardError,
        DeviceUnavailable,
        EmbeddingSpaceMismatch,
        FieldNotComputed,
        HashMismatch,
        ImageError,
        ImageNotKept,
        ImageTooLarge,
        InputError,
        LicenseRefused,
        MienError,
        ModelError,
        NoFace,
        NotCalibrated,
        ShapeMismatch,
        SourceError,
        StorageError,
        UnknownField,
        UnknownModel,
        UnsafeFile,
        UsageError,
        WeightsUnavailable,
    )
    from mien.core.faces import Face, Faces
    from mien.core.image import load_image, save_image
    from mien.embeddings.comparison import Verification, verify
    from mien.engine import Engine, Failure, Item, analyze, default_engine, detect, scan, set_default_engine
    from mien.media.provenance import Provenance, provenance
    from mien.swaps.edit import Edit
    from mien.swaps.generator import generate

# Where each public name lives. `__version__` is read from the installed package's metadata.
_HOMES = {
    "mien.core.clip": ("Clip", "Event", "Events", "Track"),
    "mien.core.errors": (
        "CardError",
        "DeviceUnavailable",
        "EmbeddingSpaceMismatch",
        "FieldNotComputed",
        "HashMismatch",
        "ImageError",
        "ImageNotKept",
        "ImageTooLarge",
        "InputError",
        "LicenseRefused",
        "MienError",
        "ModelError",
        "NoFace",
        "NotCalibrated",
        "ShapeMismatch",
        "SourceError",
        "StorageError",
        "UnknownField",
        "UnknownModel",
        "UnsafeFile",
        "UsageError",
        "WeightsUnavailable",
    ),
    "mien.core.faces": ("Face", "Faces"),
    "mien.core.image": ("load_image", "save_image"),
    "mien.embeddings.comparison": ("Verification", "verify"),
    "mien.engine": (
        "Engine",
        "Failure",
        "Item",
        "analyze",
        "default_engine",
        "detect",
        "scan",
        "set_default_engine",
    ),
    "mien.media.provenance": ("Provenance", "provenance"),
    "mien.swaps.edit": ("Edit",),
    "mien.swaps.generator": ("generate",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604, PLE0605 - the names are the keys of the table above
    "__version__",
    *_HOME,
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mien")
    if name not in _HOME:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
