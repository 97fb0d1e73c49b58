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
        EditRefused,
        EmbeddingSpaceMismatch,
        FieldNotComputed,
        GalleryChanged,
        GalleryError,
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
        UnknownPerson,
        UnsafeFile,
        UsageError,
        WeightsUnavailable,
    )
    from mien.core.faces import Face, Faces
    from mien.core.image import load_image, save_image
    from mien.core.region import Region
    from mien.embeddings.checking import check
    from mien.embeddings.checks import Check
    from mien.embeddings.comparison import Verification, verify
    from mien.engine import (
        Engine,
        Failure,
        Item,
        Tracking,
        analyze,
        default_engine,
        detect,
        scan,
        set_default_engine,
        track,
    )
    from mien.features.fit.portrait_verdict import Portrait, PortraitCheck, portrait
    from mien.features.genuine.challenge import Challenge
    from mien.features.genuine.judging import forgery
    from mien.features.genuine.report import ForgeryReport
    from mien.features.genuine.verdict import Liveness, liveness
    from mien.features.shown.describing import describe
    from mien.features.shown.narrator import Narration, Narrator
    from mien.gallery.people import Gallery
    from mien.gallery.records import Person
    from mien.location.reconstructing import reconstruct
    from mien.location.reconstruction import Reconstruction
    from mien.masks.masking import mask
    from mien.masks.matting import Matte, matte
    from mien.masks.view import Masks
    from mien.media.encoding import VideoWriter
    from mien.media.provenance import Provenance, provenance
    from mien.media.video import open_video
    from mien.swaps.backgrounds.background import background
    from mien.swaps.consent import Consent
    from mien.swaps.edit import Edit
    from mien.swaps.editing import edit
    from mien.swaps.exchange.swapper import swap
    from mien.swaps.hidden.anonymizer import anonymize
    from mien.swaps.invented.generator import generate
    from mien.swaps.nets.restorer import restore
    from mien.swaps.shape.reenacting import reenact

    __version__: str

__all__ = [
    "CardError",
    "Challenge",
    "Check",
    "Clip",
    "Consent",
    "DeviceUnavailable",
    "Edit",
    "EditRefused",
    "EmbeddingSpaceMismatch",
    "Engine",
    "Event",
    "Events",
    "Face",
    "Faces",
    "Failure",
    "FieldNotComputed",
    "ForgeryReport",
    "Gallery",
    "GalleryChanged",
    "GalleryError",
    "HashMismatch",
    "ImageError",
    "ImageNotKept",
    "ImageTooLarge",
    "InputError",
    "Item",
    "LicenseRefused",
    "Liveness",
    "Masks",
    "Matte",
    "MienError",
    "ModelError",
    "Narration",
    "Narrator",
    "NoFace",
    "NotCalibrated",
    "Person",
    "Portrait",
    "PortraitCheck",
    "Provenance",
    "Reconstruction",
    "Region",
    "ShapeMismatch",
    "SourceError",
    "StorageError",
    "Track",
    "Tracking",
    "UnknownField",
    "UnknownModel",
    "UnknownPerson",
    "UnsafeFile",
    "UsageError",
    "Verification",
    "VideoWriter",
    "WeightsUnavailable",
    "__version__",
    "analyze",
    "anonymize",
    "background",
    "check",
    "default_engine",
    "describe",
    "detect",
    "edit",
    "forgery",
    "generate",
    "liveness",
    "load_image",
    "mask",
    "matte",
    "open_video",
    "portrait",
    "provenance",
    "reconstruct",
    "reenact",
    "restore",
    "save_image",
    "scan",
    "set_default_engine",
    "swap",
    "track",
    "verify",
]

# Where each name lives that is no error.
_HOMES = {
    "Challenge": "mien.features.genuine.challenge",
    "Check": "mien.embeddings.checks",
    "Clip": "mien.core.clip",
    "Consent": "mien.swaps.consent",
    "Edit": "mien.swaps.edit",
    "Engine": "mien.engine",
    "Event": "mien.core.clip",
    "Events": "mien.core.clip",
    "Face": "mien.core.faces",
    "Faces": "mien.core.faces",
    "Failure": "mien.engine",
    "ForgeryReport": "mien.features.genuine.report",
    "Gallery": "mien.gallery.people",
    "Item": "mien.engine",
    "Liveness": "mien.features.genuine.verdict",
    "Masks": "mien.masks.view",
    "Matte": "mien.masks.matting",
    "Narration": "mien.features.shown.narrator",
    "Narrator": "mien.features.shown.narrator",
    "Person": "mien.gallery.records",
    "Portrait": "mien.features.fit.portrait_verdict",
    "PortraitCheck": "mien.features.fit.portrait_verdict",
    "Provenance": "mien.media.provenance",
    "Reconstruction": "mien.location.reconstruction",
    "Region": "mien.core.region",
    "Track": "mien.core.clip",
    "Tracking": "mien.engine",
    "Verification": "mien.embeddings.comparison",
    "VideoWriter": "mien.media.encoding",
    "analyze": "mien.engine",
    "anonymize": "mien.swaps.hidden.anonymizer",
    "background": "mien.swaps.backgrounds.background",
    "check": "mien.embeddings.checking",
    "default_engine": "mien.engine",
    "describe": "mien.features.shown.describing",
    "detect": "mien.engine",
    "edit": "mien.swaps.editing",
    "forgery": "mien.features.genuine.judging",
    "generate": "mien.swaps.invented.generator",
    "liveness": "mien.features.genuine.verdict",
    "load_image": "mien.core.image",
    "mask": "mien.masks.masking",
    "matte": "mien.masks.matting",
    "open_video": "mien.media.video",
    "portrait": "mien.features.fit.portrait_verdict",
    "provenance": "mien.media.provenance",
    "reconstruct": "mien.location.reconstructing",
    "reenact": "mien.swaps.shape.reenacting",
    "restore": "mien.swaps.nets.restorer",
    "save_image": "mien.core.image",
    "scan": "mien.engine",
    "set_default_engine": "mien.engine",
    "swap": "mien.swaps.exchange.swapper",
    "track": "mien.engine",
    "verify": "mien.embeddings.comparison",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mien")
    if name not in __all__:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, "mien.core.errors")), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
