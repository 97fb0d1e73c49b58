"""Networks whose authors publish plain weights, drawn again with OpenVINO's own operations.

A card names the function that draws its file's network: ``graph = "mien.runtime.graphs.retinaface:build"``. It takes
the tensors of the file and returns an ``openvino.Model`` with names for its inputs and outputs; its module has a number
``VERSION``, which is counted up when the drawing changes, so that no network compiled before is used again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mien.core.errors import CardError

__all__ = ["Graph", "find_graph"]


@dataclass(frozen=True, slots=True)
class Graph:
    """A function that draws a network.

    Attributes
    ----------
    name
        ``"module:function"``.
    draw
        From tensors by name to an ``openvino.Model``; `ModelError` where they are not those of the network.
    version
        Of the drawing.
    """

    name: str
    draw: Callable[[Mapping[str, NDArray[Any]]], Any]
    version: int


def find_graph(name: str) -> Graph:
    """Load the function that a card names as a graph.

    Raises
    ------
    CardError
        There is no such function, or its module has no ``VERSION``.
    """
    place, _, function = name.partition(":")
    try:
        module = importlib.import_module(place)
        return Graph(name, getattr(module, function), int(module.VERSION))
    except (ImportError, AttributeError) as error:
        raise CardError(f"the graph {name!r} cannot be loaded: {error}.") from error
