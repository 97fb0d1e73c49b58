"""Pictures drawn larger by a network, tile by tile: what gives the job "restore" for any picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.runtime.bundle import Bundle

__all__ = ["Enlarger"]

Floats = NDArray[np.float32]

CORE = 128  # pixels of the input that a tile shows: of one size, so that the network is compiled once


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a card says of its networks."""

    factor: int
    margin: int
    context: int
    levels: list[str]
    invents: bool = False


class Enlarger:
    """Draws pictures larger, and takes noise out of them.

    Parameters
    ----------
    bundle : Bundle
        Its card's params: ``levels``, its files by how much noise they take out; ``factor``, how much larger each
        draws; ``margin``, pixels of the input on each side that the output does not show; ``context``, pixels around a
        tile that its edge depends on; ``invents``, whether it was trained to look sharp.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_Settings)
        self._bundle = bundle

    @property
    def factor(self) -> int:
        """How much larger a picture becomes."""
        return self._settings.factor

    @property
    def invents(self) -> bool:
        """Whether it was trained to look sharp, and fills in what it cannot know."""
        return self._settings.invents

    @property
    def levels(self) -> int:
        """How many amounts of noise it takes out; 0 is the least."""
        return len(self._settings.levels)

    def enlarge(self, image: NDArray[np.generic], level: int = 0, *, reduced: int = 1) -> Floats:
        """A picture, `factor` times as large; or less, where it is reduced again.

        Parameters
        ----------
        image : (h, w, 3) uint8 or float32
            0 to 255.
        level : int
            How much noise is taken out, below `levels`.
        reduced : int
            Pixels of the larger picture that become one, a divisor of `factor`: with `factor` it keeps its size. That
            is done tile by tile, so that a large picture takes no more memory than it has to.

        Returns
        -------
        (f h, f w, 3) float32
            With f = factor / reduced; 0 to 255. It does not depend on where the tiles lie.

        Raises
        ------
        UsageError
            If there is no such level, or `reduced` is no divisor.
        ModelError
            If the network cannot be run.
        """
        known = self._settings
        if not 0 <= level < len(known.levels):
            raise UsageError(f"level is 0 to {len(known.levels) - 1} for this network, not {level!r}.")
        if reduced < 1 or known.factor % reduced:
            raise UsageError(f"reduced is a divisor of {known.factor} for this network, not {reduced!r}.")
        session, step = self._bundle.session(known.levels[level]), CORE * known.factor // reduced
        height, width = image.shape[:2]
        rows, columns = -(-height // CORE), -(-width // CORE)
        around = known.context
        more = ((around, rows * CORE - height + around), (around, columns * CORE - width + around), (0, 0))
        padded = np.pad(image, more, mode="edge")
        out = np.empty((rows * step, columns * step, 3), np.float32)
        side, cut = CORE + 2 * around, (around - known.margin) * known.factor
        for row, column in np.ndindex(rows, columns):
            tile = padded[row * CORE : row * CORE + side, column * CORE : column * CORE + side]
            numbers = np.ascontiguousarray(tile.transpose(2, 0, 1)[None], np.float32) * np.float32(1 / 255)
            shown = session.run(numbers)[0][0, :, cut : cut + CORE * known.factor, cut : cut + CORE * known.factor]
            means = shown.reshape(3, step, reduced, step, reduced).mean(axis=(2, 4)) if reduced > 1 else shown
            place = slice(row * step, (row + 1) * step), slice(column * step, (column + 1) * step)
            out[place] = means.transpose(1, 2, 0)
        larger = out[: height * known.factor // reduced, : width * known.factor // reduced] * np.float32(255)
        return np.asarray(larger.clip(0, 255), np.float32)
