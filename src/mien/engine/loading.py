"""The loaded models of an engine: each made once, shared by all threads, dropped when it was idle for long."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.errors import CardError, UsageError
from mien.models.card import Card
from mien.models.license import notice
from mien.models.store import Store
from mien.runtime.bundle import Bundle
from mien.runtime.session import Mode, SessionOptions

__all__ = ["LoadedModels"]

logger = logging.getLogger("mien")


@dataclass
class _Loaded:
    runner: Any
    bundle: Bundle
    used: float


class LoadedModels:
    """Runners by card and mode.

    Parameters
    ----------
    store : Store
        Where weights come from.
    options : SessionOptions
        How networks are run; the mode is the caller's.
    idle_unload : float, optional
        Seconds after which a model that was not used is dropped; by default none is.
    """

    def __init__(self, store: Store, options: Mapping[str, Any], idle_unload: float | None) -> None:
        self._store = store
        self._options = dict(options)
        self._idle_unload = idle_unload
        self._process = os.getpid()
        self._loaded: dict[tuple[str, Mode], _Loaded] = {}
        self._making: dict[tuple[str, Mode], threading.Lock] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False

    def get(self, card: Card, mode: Mode) -> Any:
        """The card's runner, made if this is the first call for it.

        Raises
        ------
        CardError
            If the card names no class that can be loaded.
        UsageError
            If the engine is closed, or was made in another process.
        ModelError, DeviceUnavailable
            If its files cannot be had or run.
        """
        key = (card.id, mode)
        with self._lock:
            if self._closed:
                raise UsageError("this engine is closed.")
            if os.getpid() != self._process:  # its threads did not come along, and a call would wait for ever
                raise UsageError("an engine does not survive a fork: make one in the child, or spawn the process.")
            making = self._making.setdefault(key, threading.Lock())
        with making:  # a long download of one model does not stop calls that use another
            loaded = self._loaded.get(key) or self._make(card, mode)
            loaded.used = time.monotonic()
            with self._lock:
                if self._closed:  # while it was loading
                    raise UsageError("this engine is closed.")
                self._loaded[key] = loaded
                self._arm_timer()
        return loaded.runner

    def _make(self, card: Card, mode: Mode) -> _Loaded:
        missing = [file for file in card.files.values() if not self._store.has(file)]
        if missing and (note := notice(card)):
            logger.warning(note)
        options = SessionOptions(mode=mode, cache_dir=Path(self._store.cache) / "compiled", **self._options)
        bundle = Bundle(card, self._store.pull(card), options)
        module, _, name = card.runner.partition(":")
        try:
            make = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise CardError(f"the card of {card.id!r} names a runner that cannot be loaded: {error}.") from error
        if not isinstance(make, type):
            raise CardError(f"the card of {card.id!r} names a runner that is no class: {card.runner}.")
        return _Loaded(make(bundle), bundle, time.monotonic())

    def info(self) -> list[dict[str, Any]]:
        """Each loaded model with its sessions."""
        with self._lock:
            return [
                {"id": model_id, "mode": mode, "sessions": loaded.bundle.info()}
                for (model_id, mode), loaded in self._loaded.items()
            ]

    def close(self) -> None:
        """Give the memory of all models back; calls at work fail and say so."""
        with self._lock:
            self._closed = True
            for loaded in self._loaded.values():
                loaded.bundle.close()
            self._loaded.clear()
            if self._timer is not None:
                self._timer.cancel()

    def _arm_timer(self) -> None:
        if self._idle_unload is None or self._timer is not None:
            return
        self._timer = threading.Timer(self._idle_unload, self._unload_idle)
        self._timer.daemon = True
        self._timer.start()

    def _unload_idle(self) -> None:
        with self._lock:
            self._timer = None
            if self._idle_unload is None or self._closed:
                return
            # Runners that are at work are held by the calls that use them: dropping our reference is safe.
            oldest = time.monotonic() - self._idle_unload
            self._loaded = {key: loaded for key, loaded in self._loaded.items() if loaded.used > oldest}
            if self._loaded:
                self._arm_timer()
