"""What a face shows: the basic expressions, none of them (neutral), or something else (unknown).

It is what the face looks like to people who named posed expressions, and says nothing about what a person feels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Labels, Scores
from mien.core.errors import CardError
from mien.engine import Batch
from mien.features.shown.expression_heads import features, masked, read_heads, softmax
from mien.features.shown.fer import CLASSES, FerNet, Limits, Seen, look
from mien.runtime.bundle import Bundle

__all__ = ["EXPRESSIONS", "CoveredExpression", "Expression", "FerXception", "MeshExpression"]

#: The names of ``expression``, in their order; a model that lacks one of them gives the others.
EXPRESSIONS: Final = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "unknown",
)

HIDDEN = 0.5  # probability of being covered (`CoveredExpression`: eyes and mouth) from which on nothing is told


@dataclass(frozen=True)
class _FerSettings(Limits):
    """Params of ``fer-xception``.

    Attributes
    ----------
    temperature : float
        By which logits are divided.
    unknown : (float, float)
        Log odds of "unknown": the first, less the second times the energy of the logits.
    """

    temperature: float
    unknown: tuple[float, float]


class FerXception:
    """Gives ``expression`` without contempt, by the small network of the fer package alone.

    Its probabilities are softened by a temperature. How probable it is that the face shows something else is told by
    the energy of the logits, the logarithm of the sum of their exponentials (Liu, Wang, Owens and Li, *Energy-based
    out-of-distribution detection*, 2020): where all of them are low, nothing fits.

    Parameters
    ----------
    bundle : Bundle
        Card of ``fer-xception``; its params are those of `Limits`, ``temperature`` and ``unknown``.

    Raises
    ------
    CardError
        If it lacks one of them.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_FerSettings)
        self._net = FerNet(bundle)
        try:
            self._offset, self._slope = map(float, self._settings.unknown)
        except (TypeError, ValueError) as error:
            raise CardError(f"the card of {bundle.card.id} needs two numbers in params.unknown: {error}.") from error

    def describe(self, batch: Batch) -> Mapping[str, Labels]:
        """Compute ``expression``, (N, 8).

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment`` and ``pose``.
        """
        seen = look(batch, self._settings)
        names = tuple(name for name in EXPRESSIONS if name in {*CLASSES, "unknown"})
        logits = self._net.run(seen.crops)[0][:, [CLASSES.index(name) for name in names[:-1]]].astype(np.float64)
        unknown = self._offset - self._slope * np.logaddexp.reduce(logits, axis=1)
        values = softmax(logits / self._settings.temperature, unknown)
        return {"expression": _labels(seen, values, names)}


class Expression:
    """Gives ``expression`` by what the network of the fer package sees and by the blendshapes of the mesh together.

    Both see what the other does not: the network furrows and teeth, the mesh where the parts of the face are. A linear
    head decides by the 128 numbers that the network's own last layer has, and by the log odds of the blendshapes. How
    "unknown" is told: see `mien.features.shown.expression_heads.Head`. By the same numbers it abstains where
    something, such as a mask, seems to hide the mouth: the mesh would draw a calm one there.

    Parameters
    ----------
    bundle : Bundle
        Card of ``expression`` with the file ``model``; its params are those of `Limits`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._limits = bundle.card.settings(Limits)
        self._net = FerNet(bundle)

    def describe(self, batch: Batch) -> Mapping[str, Labels]:
        """Compute ``expression``, (N, 9).

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment``, ``pose`` and ``blendshapes``.
        """
        seen, shapes = _with_mesh(batch, self._limits)
        x = features(self._net.run(seen.crops)[1], shapes)
        hidden = masked(x) >= HIDDEN
        seen = seen.without(["something seems to hide the mouth" if no else None for no in hidden])
        return {"expression": _labels(seen, read_heads()["fused"].probabilities(x[~hidden]), EXPRESSIONS)}


class MeshExpression:
    """Gives ``expression`` by the blendshapes of the mesh alone.

    Parameters
    ----------
    bundle : Bundle
        Card of ``expression-mesh``, without files; its params are those of `Limits`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._limits = bundle.card.settings(Limits)

    def describe(self, batch: Batch) -> Mapping[str, Labels]:
        """Compute ``expression``, (N, 9); see `Expression.describe`."""
        seen, shapes = _with_mesh(batch, self._limits)
        return {"expression": _labels(seen, read_heads()["mesh"].probabilities(features(None, shapes)), EXPRESSIONS)}


class CoveredExpression:
    """Gives ``expression`` by what is seen of the face: the upper part where the mouth is covered, else the lower.

    The probabilities of `Expression` and of two heads, which know the blendshapes of the upper and of the lower face
    only, are mixed by how probable ``covered`` says that the mouth and the eyes are hidden. Where both probably are, it
    abstains. The mesh makes up what it does not see, and the network sees the mask: neither may speak of it.
    The idea, to decide by the regions that are clear, is that of Li, Zeng, Shan and Chen, *Occlusion aware facial
    expression recognition using CNN with attention mechanism*, 2019; here there are two regions, and which is clear is
    not learned but told.

    Parameters
    ----------
    bundle : Bundle
        Card of ``expression-covered`` with the file ``model``; its params are those of `Limits`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._limits = bundle.card.settings(Limits)
        self._net = FerNet(bundle)

    def describe(self, batch: Batch) -> Mapping[str, Labels]:
        """Compute ``expression``, (N, 9).

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment``, ``pose``, ``blendshapes`` and ``covered``.
        """
        seen, shapes = _with_mesh(batch, self._limits)
        covered: Scores = batch.faces.covered[seen.rows]
        unsure = covered.reasons_for(
            np.asarray(np.isnan(covered.values).all(axis=1)), "nobody knows what covers the face"
        )
        # What lies outside of the picture is not known to be covered, but not seen either.
        mouth, eyes = (np.nan_to_num(covered.named(f"{part}_covered"), nan=1.0) for part in ("mouth", "eyes"))
        hidden = np.minimum(mouth, eyes) >= HIDDEN
        reasons = [
            why or ("eyes and mouth are covered" if no else None) for why, no in zip(unsure, hidden, strict=True)
        ]
        kept = np.flatnonzero([reason is None for reason in reasons])
        seen, shapes = seen.without(reasons), shapes[kept]
        upper, lower = (1 - part[kept].astype(np.float64) for part in (eyes, mouth))  # probabilities of being clear
        shares = np.stack([upper * lower, upper * (1 - lower), (1 - upper) * lower])
        shares /= shares.sum(axis=0)
        whole, part = features(self._net.run(seen.crops)[1], shapes), features(None, shapes)
        told = [read_heads()[name].probabilities(x) for name, x in (("fused", whole), ("upper", part), ("lower", part))]
        return {"expression": _labels(seen, np.einsum("hm,hmk->mk", shares, np.stack(told)), EXPRESSIONS)}


def _with_mesh(batch: Batch, limits: Limits) -> tuple[Seen, Scores]:
    """The faces of a batch that can be judged and have blendshapes, and these."""
    seen, shapes = look(batch, limits), batch.faces.blendshapes
    lost = np.asarray(np.isnan(shapes.values).any(axis=1))
    reasons = shapes.reasons_for(lost, "the face has no mesh")
    seen = seen.without([reasons[row] for row in seen.rows])
    return seen, shapes[seen.rows]


def _labels(seen: Seen, values: NDArray[np.float64], names: tuple[str, ...]) -> Labels:
    """The column of all faces, from the probabilities of those that were judged."""
    every = np.full((len(seen.reasons), len(names)), np.nan, np.float32)
    every[seen.rows] = values
    return Labels(every, names=names, reasons=seen.reasons)
