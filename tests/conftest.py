"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.shared import DATA, WEIGHTS

# Machines differ and are shared: no property has to hold within a time. `make test-fast` tries fewer examples,
# `make test-all` more.
settings.register_profile("few", deadline=None, max_examples=10)
settings.register_profile("quick", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("MIEN_EXAMPLES", "quick"))


def pytest_configure() -> None:
    """Take the weights that no package index carries from the folder beside the checkout, where there is one."""
    if WEIGHTS.is_dir():
        os.environ.setdefault("MIEN_MIRROR", str(WEIGHTS))
    if "MIEN_CONFIG" not in os.environ:  # else tests would sign with the user's key; workers inherit the folder
        os.environ["MIEN_CONFIG"] = tempfile.mkdtemp(prefix="mien-tests-")
        atexit.register(shutil.rmtree, os.environ["MIEN_CONFIG"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests on real pictures, with a word, where the pictures are not there."""
    if not DATA.is_dir():
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason=f"no folder of real pictures at {DATA}"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real pictures with ground truth; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no folder of real pictures at {DATA}")
    return DATA
