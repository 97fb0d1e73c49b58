"""``mien provenance``: what the marks of a file say, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import assets
from mien.cli.app import app
from mien.core.errors import InputError
from mien.core.image import load_image
from mien.media.marking import mark_image
from mien.media.provenance import Provenance


def cli(*args: object) -> dict[str, Any]:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["provenance", *map(str, args)], catch_exceptions=False)
    assert result.exit_code == 0
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def test_every_mark_is_printed(tmp_path: Path) -> None:
    image = load_image(assets.FOLDER / "person2.jpg")[:256, :256]
    path = mark_image(image, tmp_path / "a.jpg", Provenance.generated("maker", seed=7))
    said = cli(path)
    assert (said["synthetic"], said["agree"], said["seed"], said["models"]) == (True, True, 7, ["maker"])
    assert said["metadata"] == said["credentials"]["source_type"] == said["invisible"]["source_type"]
    assert said["credentials"]["state"] == "untrusted"
    assert said["explanation"][0] == "Synthetic, as it says itself: trainedAlgorithmicMedia, with maker."
    assert cli(path, "--no-look")["invisible"] is None


def test_a_changed_file_is_told(tmp_path: Path) -> None:
    path = mark_image(np.full((64, 64, 3), 90, np.uint8), tmp_path / "a.png", Provenance.enhanced(Provenance()))
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    path.write_bytes(data)
    said = cli(path, "--no-look")["credentials"]
    assert said["state"] == "invalid"
    assert "the file was changed after it was signed" in said["problems"]


@pytest.mark.parametrize("data", [None, b"no picture"])
def test_what_is_no_picture(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.jpg"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.jpg"):
        cli(path)
