"""Every error that mien raises on purpose.

One line of text each, written for the person who has to act on it. ::

    MienError
    ├── UsageError                  the call itself is wrong (also a ValueError)
    │   ├── UnknownField            a name that is not in fields.toml
    │   ├── UnknownModel            a model id that no catalogue lists
    │   ├── UnknownPerson           a name or id that is not in the gallery
    │   └── ShapeMismatch           arrays that do not fit each other
    ├── FieldNotComputed            a field that was not asked for (also an AttributeError)
    ├── InputError                  what was read is not usable
    │   ├── ImageError              not an image, or a broken one
    │   │   └── ImageTooLarge       more pixels than the limit allows
    │   ├── SourceError             a path that is missing, unreadable, empty
    │   └── NoFace                  an operation that needs a face found none
    ├── ImageNotKept                the pixels are gone (streams and unpickled results drop them)
    ├── ModelError                  a model cannot be had or used
    │   ├── WeightsUnavailable      offline, not found, no network
    │   ├── HashMismatch            the bytes are not the ones the card pins
    │   ├── UnsafeFile              an archive or graph that tries something
    │   ├── LicenseRefused          the license policy forbids it
    │   └── CardError               a card that does not say what it must
    ├── DeviceUnavailable           the device asked for is not there
    ├── EmbeddingSpaceMismatch      vectors of two spaces in one comparison
    ├── NotCalibrated               an error rate that no calibration carries
    ├── GalleryError                a gallery that cannot be used: torn, or of a newer version
    │   └── GalleryChanged          somebody else changed it meanwhile: read again
    ├── StorageError                could not write (full disk, no permission)
    └── EditRefused                 an edit that mien, or a gate of yours, will not make
"""

from __future__ import annotations

__all__ = [
    "CardError",
    "DeviceUnavailable",
    "EditRefused",
    "EmbeddingSpaceMismatch",
    "FieldNotComputed",
    "GalleryChanged",
    "GalleryError",
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
    "UnknownPerson",
    "UnsafeFile",
    "UsageError",
    "WeightsUnavailable",
]


class MienError(Exception):
    """Base class: ``except mien.MienError`` catches all that mien raises on purpose."""


class UsageError(MienError, ValueError):
    """The call is wrong: an argument's name, type, shape or value. Exit code 2 on the command line."""


class UnknownField(UsageError):
    """A field name that is not in the list of what a face can have."""


class UnknownModel(UsageError):
    """A model id that no catalogue lists."""


class UnknownPerson(UsageError):
    """A name or an id that is not in the gallery."""


class ShapeMismatch(UsageError):
    """Arrays whose shapes do not fit each other or the documented shape."""


class FieldNotComputed(MienError, AttributeError):
    """A field that exists but was not asked for; the message names the argument to pass."""


class InputError(MienError):
    """What was read from outside cannot be used."""


class ImageError(InputError):
    """Not an image, or an image that is broken."""


class ImageTooLarge(ImageError):
    """An image with more pixels than the limit allows (a decompression bomb, unless you know better)."""


class SourceError(InputError):
    """A path that does not exist, cannot be read, or holds no picture."""


class NoFace(InputError):
    """An operation that needs a face found none."""


class ImageNotKept(MienError):
    """The picture's pixels are not kept with this result."""


class ModelError(MienError):
    """A model cannot be had or cannot be used."""


class WeightsUnavailable(ModelError):
    """The weights are not in the cache and could not be fetched."""


class HashMismatch(ModelError):
    """Downloaded or cached bytes are not the ones that the card pins."""


class UnsafeFile(ModelError):
    """A file from outside that tries what it must not: path tricks, bombs, outside references."""


class LicenseRefused(ModelError):
    """The license policy in force forbids the model."""


class CardError(ModelError):
    """A model card that is malformed."""


class DeviceUnavailable(MienError):
    """The device that was asked for is not there; nothing falls back to another silently."""


class EmbeddingSpaceMismatch(MienError):
    """Embeddings of two different models in one comparison."""


class NotCalibrated(MienError):
    """No calibration carries the error rate that was asked for."""


class GalleryError(MienError):
    """A gallery that cannot be used: torn, or written by a newer version."""


class GalleryChanged(GalleryError):
    """The gallery was changed by somebody else meanwhile; nothing was written."""


class StorageError(MienError):
    """A file or folder could not be written."""


class EditRefused(MienError):
    """An edit that mien will not make: of somebody who is not to be swapped, or one that a gate refuses."""
