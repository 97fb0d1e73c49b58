"""Stores against their model, with changes that hypothesis makes up."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from mien.gallery.store import Store, open_store
from tests.gallery.machine import StoreMachine

FEW = settings(max_examples=8, stateful_step_count=12, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=100, stateful_step_count=40, suppress_health_check=list(HealthCheck))
AMOUNTS = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_in_memory(amount: settings) -> None:
    class InMemory(StoreMachine):
        begin = staticmethod(lambda: open_store(":memory:"))

    run_state_machine_as_test(InMemory, settings=amount)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_in_a_folder(amount: settings, tmp_path: Path) -> None:
    places: dict[int, str] = {}

    def begin() -> Store:
        folder = tempfile.mkdtemp(dir=tmp_path)
        store = open_store(folder)
        places[id(store)] = folder
        return store

    def again(store: Store) -> Store:
        store.close()
        folder = places.pop(id(store))
        opened = open_store(folder, create=False)
        places[id(opened)] = folder
        return opened

    class InAFolder(StoreMachine):
        pass

    InAFolder.begin, InAFolder.again = staticmethod(begin), staticmethod(again)
    run_state_machine_as_test(InAFolder, settings=amount)
