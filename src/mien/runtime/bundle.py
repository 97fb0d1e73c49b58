"""What a model's runner gets: its card, its files, and sessions that are made once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from mien.core.errors import CardError, DeviceUnavailable, UsageError
from mien.models.card import Card
from mien.runtime.session import Session, SessionInfo, SessionOptions, resolve_device

__all__ = ["Bundle"]


class Bundle:
    """A model's card with its files at hand; safe to use from many threads.

    Parameters
    ----------
    card
        What is known about the model.
    files
        Where each file of the card lies, by the card's name for it. Each holds the bytes that the card pins, as
        `mien.models.store.Store.pull` sees to: compiled networks are kept under the card's hashes.
    options
        How its networks are run.
    """

    def __init__(self, card: Card, files: Mapping[str, Path], options: SessionOptions) -> None:
        self.card = card
        self.options = options
        self._files = dict(files)
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._closed = False

    def path(self, name: str) -> Path:
        """Return the path of a file.

        Raises
        ------
        CardError
            The card has no file of that name.
        """
        if name not in self._files:
            raise CardError(f"the card of {self.card.id} has no file {name!r}; it has {', '.join(self._files)}.")
        return self._files[name]

    def session(self, name: str = "model", *, inner: Sequence[str] = (), spread: bool = False) -> Session:
        """Return the session of a file; it is made on the first call.

        With names of `inner` values of the network, such as a feature map before the last layer, these come behind its
        own outputs; that is another session, compiled for itself when it is first asked for. So is one that is
        `spread`: an input (N, D) that R layers read becomes (N, R, D), a row for each of them in order of depth.

        An OpenVINO ``.xml`` called `name` finds its ``.bin`` as ``name_weights``; plain weights are drawn as the card's
        ``graph`` says.

        Raises
        ------
        CardError
            The card has no file of that name, or its graph cannot be loaded.
        DeviceUnavailable
            The device is not there, or cannot run this kind of file.
        ModelError
            The file is not a network that can be run, or has no such inner value.
        """
        with self._lock:
            if self._closed:
                raise UsageError(f"the model {self.card.id} is closed.")
            key = "+".join([name, *inner]) + "*" * spread
            if key not in self._sessions:
                self._sessions[key] = self._open(name, inner, spread)
            return self._sessions[key]

    def info(self) -> dict[str, SessionInfo]:
        """Say what really runs: by file name (and ``+`` inner values), the sessions that have been made."""
        with self._lock:
            return {name: session.info() for name, session in self._sessions.items()}

    def close(self) -> None:
        """Give back the memory of all sessions."""
        with self._lock:
            self._closed = True
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _open(self, name: str, inner: Sequence[str], spread: bool) -> Session:
        path = self.path(name)
        picture, graph = self.card.files[name].input, self.card.files[name].graph
        kind = path.suffix.lower()
        wanted = self.options.device
        # ONNX Runtime reads nothing but ONNX, so of a free choice only the CPU is left for other files.
        device = resolve_device("cpu" if wanted == "auto" and kind != ".onnx" else wanted)
        if device.backend == "onnxruntime":
            if spread:
                raise DeviceUnavailable(f"device {wanted!r} cannot spread the input of {path.name}; use device='cpu'.")
            if kind != ".onnx":
                raise DeviceUnavailable(
                    f"device {wanted!r} cannot run {path.name}: it is no ONNX file; use device='cpu'."
                )
            from mien.runtime.onnx import OnnxSession

            return OnnxSession(path, picture=picture, device=device, options=self.options, inner=inner)
        from mien.runtime.openvino import OpenVinoSession

        names = [name, f"{name}_weights"] if kind == ".xml" else [name]
        paths = [self.path(part) for part in names]
        return OpenVinoSession(
            path,
            weights=paths[1] if kind == ".xml" else None,
            graph=graph,
            picture=picture,
            precision=self.card.precision,
            device=device,
            options=self.options,
            hashes=[self.card.files[part].sha256 for part in names],
            inner=inner,
            spread=spread,
        )
