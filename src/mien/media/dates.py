"""When a picture was taken: the camera's own word, from EXIF."""

from __future__ import annotations

import datetime as dt
import os
import warnings
from io import BytesIO
from typing import Any

__all__ = ["taken_at"]

EXIF_IFD, TAKEN, TAKEN_OFFSET, CHANGED = 0x8769, 0x9003, 0x9011, 0x0132
EARLIEST = dt.datetime(1826, 1, 1, tzinfo=dt.UTC)  # of the first photograph that is left


def taken_at(source: str | os.PathLike[str] | bytes) -> float | None:
    """When a picture was taken, in seconds since 1970 (UTC).

    ``DateTimeOriginal`` with its offset, else ``DateTime``, which of a scan is the day of the scan. A camera that names
    no offset is taken to be in UTC, which is wrong by hours and right for years. What cannot be read, and dates that
    cannot be, are None: a date is never worth an error.

    Parameters
    ----------
    source : path or bytes

    Returns
    -------
    float or None
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken EXIF: it has no date then
            with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
                exif = picture.getexif()
                own: dict[int, Any] = exif.get_ifd(EXIF_IFD)
                texts = [(own.get(TAKEN), own.get(TAKEN_OFFSET)), (exif.get(CHANGED), None)]
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, TypeError, KeyError, OverflowError):
        return None
    except Image.DecompressionBombError:
        return None
    return next((time for date, offset in texts if (time := _seconds(date, offset)) is not None), None)


def _seconds(date: object, offset: object) -> float | None:
    if not isinstance(date, str):
        return None
    text = date.strip("\0 ")
    try:
        zone = offset.strip("\0 ") if isinstance(offset, str) else "+00:00"
        at = dt.datetime.strptime(f"{text} {zone}", "%Y:%m:%d %H:%M:%S %z")
    except ValueError:
        try:
            at = dt.datetime.strptime(f"{text} +00:00", "%Y:%m:%d %H:%M:%S %z")
        except ValueError:
            return None
    now = dt.datetime.now(dt.UTC)
    return at.timestamp() if EARLIEST < at < now + dt.timedelta(days=1) else None
