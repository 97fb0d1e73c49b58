"""The README says what is true: its table of models is the one that the command prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mien.models.catalogue import Catalogue
from mien.models.license import markdown_table


def test_the_table_of_models_is_the_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))  # without the user's own cards
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    written = re.search(r"<!-- models:.*?-->\n\n(.*?)\n<!-- /models -->", readme, re.DOTALL)
    assert written is not None
    assert written[1] == markdown_table(Catalogue.load()), "paste what `mien models licenses` prints"
