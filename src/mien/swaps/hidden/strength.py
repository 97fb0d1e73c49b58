"""How strongly a face must be hidden so that nobody is recognised: by a measured table, and on the face itself.

The table says how often a hidden face is still taken for its own person, at a strength and by each embedder. It says
where to begin: it was made of 105 pictures, and the strength was chosen after looking at these same pictures, so that
its rates are no promise about others. What is checked is each face itself: it is compared with what it was, by every
embedder that the license policy permits, and hidden more strongly until none of them takes the two for one person.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NotCalibrated, UsageError, WeightsUnavailable
from mien.core.faces import Faces
from mien.core.image import Image
from mien.embeddings.calibration import load_calibration
from mien.engine import Engine
from mien.models.license import permits
from mien.swaps.hidden.hiding import FAINTEST, METHODS, STRONGEST, Hider
from mien.swaps.hidden.spots import Spot

__all__ = [
    "BOUND",
    "FAR",
    "WITNESSES",
    "Likeness",
    "Rate",
    "Strength",
    "Witness",
    "lowest_threshold",
    "measured",
    "strength_for",
]

#: The part of hidden faces that may be taken for their own person, and the rate at which strangers are.
BOUND: Final = 0.02
FAR: Final = 1e-3
#: Embedders that a hidden face is shown to: networks of different makes and data.
WITNESSES: Final = ("edgeface-s", "arcface-mbf", "sface", "mobilefacenet")
HIDES_ALL: Final = frozenset({"solid", "image"})  # nothing of the face is left to be recognised

Strength = float | Literal["auto"]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often hidden faces are re-identified: a row of the table.

    Attributes
    ----------
    method, strength : str, float
    embedder : str
        The one that recognises most of them.
    rate, high : float
        The part that is recognised at FAR 1e-3, and the upper end of its 95 % interval (Wilson).
    same, alike : float
        The part recognised by a gallery that holds the very picture, and by one whose pictures are hidden in the same
        way: what an attacker with more knowledge has.
    faces : int
        Hidden faces.
    """

    method: str
    strength: float
    embedder: str
    rate: float
    high: float
    same: float
    alike: float
    faces: int


@functools.cache
def measured() -> tuple[Rate, ...]:
    """The table that ships; ``python -m benchmarks.anonymize strengths`` makes it."""
    text = (resources.files("mien.swaps.hidden") / "strengths.toml").read_text(encoding="utf-8")
    return tuple(Rate(**row) for row in tomllib.loads(text)["rates"])


def strength_for(method: str, strength: Strength, *, bound: float = BOUND) -> float:
    """The strength to begin with.

    Parameters
    ----------
    method : str
    strength : float or "auto"
        "auto": one at which the table says that no more than `bound` are recognised by whoever has other pictures
        of them, or the very picture: where neighbours do as well, the strongest of these.

    Raises
    ------
    UsageError
        If it is no strength, or none is strong enough for the bound.
    """
    if strength != "auto":
        if isinstance(strength, bool | str) or not FAINTEST <= strength <= STRONGEST:
            raise UsageError(f'strength is "auto" or a number from {FAINTEST:g} to {STRONGEST:g}, not {strength!r}.')
        return float(strength)
    rows = [row for row in measured() if row.method == method]
    if method in HIDES_ALL or not rows:  # "none" hides nothing, whatever its strength
        return STRONGEST
    enough = None
    for row in sorted(rows, key=lambda row: row.strength):
        if max(row.rate, row.same) <= bound:
            enough = row.strength
        elif enough is not None:  # from here on it is chance, and averages of colour, that tell people apart
            break
    if enough is None:
        raise UsageError(
            f"no strength of {method} keeps re-identification below {bound:g}: {', '.join(sorted(HIDES_ALL))} do."
        )
    return enough


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How much a hidden face is still like itself.

    Attributes
    ----------
    cosine : float
        Of the embedder that comes nearest to its threshold.
    threshold : float
        That embedder's, at FAR 1e-3: the lowest of all kinds of pairs.
    embedder : str
    """

    cosine: float
    threshold: float
    embedder: str

    @property
    def margin(self) -> float:
        """By how much the cosine is above the threshold."""
        return self.cosine - self.threshold

    @property
    def recognised(self) -> bool:
        """Whether the embedder takes the two for one person."""
        return self.margin >= 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "embedder": self.embedder,
            "cosine": round(self.cosine, 3),
            "threshold": round(self.threshold, 3),
            "recognised": self.recognised,
        }


class Witness:
    """Compares faces with themselves, hidden.

    Parameters
    ----------
    engine : Engine
        Its license policy says which embedders may be used.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Ids of those whose weights cannot be had.
        self.missing: list[str] = []
        self._embedders: list[tuple[str, float, Engine]] = []
        for model in WITNESSES:
            if model not in engine.catalogue or not permits(card := engine.catalogue[model], engine.licenses):
                continue
            threshold = lowest_threshold(str(card.space), engine)
            if threshold is None:
                continue
            judge = engine.with_models(embedding=model)
            try:
                judge.preload("embedding")
            except WeightsUnavailable:  # without a network, say: the report names those that were asked, and those not
                self.missing.append(model)
                continue
            self._embedders.append((model, threshold, judge))

    @property
    def embedders(self) -> list[str]:
        """Ids of those that are asked."""
        return [model for model, _, _ in self._embedders]

    def strengthen(
        self, hider: Hider, image: Image, spots: Sequence[Spot], *, fixed: bool = False
    ) -> tuple[list[Spot], list[Likeness | None]]:
        """Hide faces of a picture more strongly until none is recognised as itself.

        Both are aligned by the points of the clear face, as whoever has the original would.

        Parameters
        ----------
        hider : Hider
        image : (H, W, 3) uint8
        spots : sequence of Spot
        fixed : bool
            Only compare: the strength stays what it is.

        Returns
        -------
        spots : list of Spot
            With a ``method`` and ``strength`` of their own, where more was needed.
        likeness : list of Likeness or None
            What is left of each; None where a face cannot be embedded even when it is clear.
        """
        out, left = list(spots), cast("list[Likeness | None]", [None] * len(spots))
        if not out:
            return out, left
        faces = self._aligned(image, out)
        clear = [self._vectors(engine, image, faces) for _, _, engine in self._embedders]
        rows = np.arange(len(out))
        while len(rows):
            hidden = hider.hide(image, out)
            for row, found in zip(rows.tolist(), self._likenesses(hidden, faces, clear, rows), strict=True):
                left[row] = found
            again = []
            for row in rows.tolist():
                found, more = left[row], _stronger(out[row], hider)
                if found is not None and found.recognised and not fixed and more is not None:
                    out[row] = more
                    again.append(row)
            rows = np.array(again, np.intp)
        return out, left

    def compare(self, before: Image, after: Image, spots: Sequence[Spot]) -> list[Likeness | None]:
        """How much faces that were hidden are still like themselves: see `strengthen`."""
        if not spots:
            return []
        faces = self._aligned(before, spots)
        clear = [self._vectors(engine, before, faces) for _, _, engine in self._embedders]
        return self._likenesses(after, faces, clear, np.arange(len(spots)))

    def _aligned(self, image: Image, spots: Sequence[Spot]) -> Faces:
        boxes = np.array([spot.box for spot in spots], np.float32)
        faces = Faces.from_boxes(boxes, image_size=(image.shape[1], image.shape[0]))
        return self._engine.analyze(image, faces=faces, want={"alignment"}).only(frozenset({"alignment"}))

    def _likenesses(
        self, hidden: Image, faces: Faces, clear: Sequence[Vectors], rows: NDArray[np.intp]
    ) -> list[Likeness | None]:
        """Of some faces: the likeness to themselves by the embedder that comes nearest to its threshold."""
        best = cast("list[Likeness | None]", [None] * len(rows))
        for (model, threshold, engine), before in zip(self._embedders, clear, strict=True):
            cosines = (self._vectors(engine, hidden, faces[rows]) * before[rows]).sum(axis=1)
            for place in np.flatnonzero(np.isfinite(cosines)).tolist():
                found = Likeness(cosine=float(cosines[place]), threshold=threshold, embedder=model)
                nearest = best[place]
                if nearest is None or found.margin > nearest.margin:
                    best[place] = found
        return best

    @staticmethod
    def _vectors(engine: Engine, image: Image, faces: Faces) -> Vectors:
        return np.asarray(engine.analyze(image, faces=faces, want={"embedding"}).embedding.values, np.float32)


def _stronger(spot: Spot, hider: Hider) -> Spot | None:
    """The same, hidden more strongly: in the end under a colour; None where nothing is stronger."""
    method = spot.method or hider.method
    if method in HIDES_ALL or method not in METHODS or method == "none":
        return None
    strength = hider.strength if spot.strength is None else spot.strength
    if strength >= STRONGEST:
        return replace(spot, method="solid")
    return replace(spot, strength=min(STRONGEST, strength + 1))


def lowest_threshold(space: str, engine: Engine, far: float = FAR) -> float | None:
    """The cosine from which on two faces of *some* kind are one person's; None: nobody measured it.

    Whoever asks whether two are the same takes the highest threshold of the kinds that they may be; whoever hides
    somebody, the lowest of all: what an attacker needs in the easiest case.
    """
    try:
        table = load_calibration(space, licenses=engine.licenses)
    except NotCalibrated:
        return None
    found = []
    for stratum in table.strata:
        try:
            found.append(table.threshold(far, [stratum.name])[0])
        except NotCalibrated:
            continue
    return min(found, default=None)
