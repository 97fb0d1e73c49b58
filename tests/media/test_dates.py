"""When a picture was taken."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from mien.media.dates import taken_at


def jpeg(taken: object = None, *, offset: object = None, changed: object = None) -> bytes:
    exif = Pillow.Exif()
    if changed is not None:
        exif[0x0132] = changed
    own = {tag: value for tag, value in ((0x9003, taken), (0x9011, offset)) if value is not None}
    if own:
        exif[0x8769] = own
    stream = BytesIO()
    Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def test_the_cameras_word(tmp_path: Path) -> None:
    assert taken_at(jpeg("2019:07:01 12:00:00")) == 1561982400.0
    assert taken_at(jpeg("2019:07:01 12:00:00", offset="+02:00")) == 1561982400.0 - 7200
    assert taken_at(jpeg("2019:07:01 12:00:00", offset="+02:00 ")) == 1561982400.0 - 7200
    assert taken_at(jpeg("2019:07:01 12:00:00", offset="?")) == 1561982400.0
    assert taken_at(jpeg(changed="2019:07:01 12:00:00")) == 1561982400.0
    (tmp_path / "a.jpg").write_bytes(jpeg("1935:01:01 00:00:00"))
    assert taken_at(tmp_path / "a.jpg") == -1104537600.0


@pytest.mark.parametrize("text", ["", "yesterday", "0000:00:00 00:00:00", "2019:13:01 12:00:00", "9999:01:01 00:00:00"])
def test_dates_that_cannot_be(text: str) -> None:
    assert taken_at(jpeg(text)) is None


def test_no_date_and_no_picture(tmp_path: Path) -> None:
    assert taken_at(jpeg()) is None
    assert taken_at(b"no picture") is None
    assert taken_at(tmp_path / "gone.jpg") is None
