"""What the tests of the back ends share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mien.models.card import Card, ImageInput, WeightFile
from mien.runtime.bundle import Bundle
from mien.runtime.cache import digest
from mien.runtime.session import Session, SessionOptions

Open = Callable[..., Session]


@pytest.fixture(params=["cpu", "onnx-cpu"])
def device(request: pytest.FixtureRequest) -> str:
    """Run the test on both back ends."""
    return str(request.param)


@pytest.fixture
def bundle() -> Callable[..., Bundle]:
    """Return a function that makes a bundle of one file."""

    def make(path: Path, picture: ImageInput | None = None, graph: str | None = None, **options: Any) -> Bundle:
        file = WeightFile(
            name=path.name, source=f"file:{path}", sha256=digest(path), bytes=1, input=picture, graph=graph
        )
        card = Card(
            id="tiny",
            title="A tiny network",
            runner="tests:Runner",
            gives=("detect",),
            needs=(),
            priority=1,
            weights_license="MIT",
            license_source="",
            data_terms="free",
            data_source="",
            origin="",
            paper="",
            space=None,
            precision="f32",
            params={},
            files={"model": file},
        )
        return Bundle(card, {"model": path}, SessionOptions(**{"threads": 1, "device": "cpu", **options}))

    return make


@pytest.fixture
def open_session(bundle: Callable[..., Bundle]) -> Open:
    """Return a function that opens a session of one file."""

    def open_(path: Path, picture: ImageInput | None = None, graph: str | None = None, **options: Any) -> Session:
        return bundle(path, picture, graph, **options).session()

    return open_
