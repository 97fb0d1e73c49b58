"""``FaceNet``: a network of the user's own that makes another picture of an aligned face.

Swappers, restorers, stylizers and ageing networks all take a crop in which the face stands upright at a known place,
and give one of the same place; some are also told who, by an embedding, or how much, by a number. They differ in the
size, the place of the five points, colour order, layout and range of their numbers. All that is data: a card's
``[params]``. The conventions of published networks are kept as templates of cards (``mien models add --like``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ModelError, UsageError
from mien.core.geometry import TEMPLATES, invert, similarity
from mien.core.warping import warp
from mien.runtime.bundle import Bundle
from mien.runtime.onnx_tensors import read_matrix
from mien.runtime.session import Session
from mien.swaps.nets.conventions import Convention

__all__ = ["FaceNet"]

Floats = NDArray[np.float32]

EDGE = 0.06  # of a crop's side, over which what it shows fades out


class FaceNet:
    """A user's own network for aligned faces.

    Parameters
    ----------
    bundle : Bundle
        Its card's params are a `Convention`; its file ``model`` is an ONNX file.

    Raises
    ------
    CardError
        If a param makes no sense.
    ModelError
        If the network has not the inputs and outputs that the convention names.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.convention = bundle.card.settings(Convention)
        self.convention.check(bundle.card.id)
        self._bundle = bundle
        self._session: Session = bundle.session()
        self._check_names()

    @property
    def id(self) -> str:
        """Of its card."""
        return self._bundle.card.id

    def takes(self, number: str) -> bool:
        """Whether it can be told a number of that meaning, such as "fidelity"."""
        return number in self.convention.numbers

    @cached_property
    def emap(self) -> Floats:
        """The matrix (width, width) that embeddings are multiplied with.

        Raises
        ------
        ModelError
            If the file has none.
        """
        width = self.convention.width
        return read_matrix(self._bundle.path("model"), width, width, name=self.convention.emap)

    def latent(self, embedding: ArrayLike) -> Floats:
        """What the network is told of a source, from the embedding as the embedder gave it.

        Parameters
        ----------
        embedding : (width,) array-like

        Returns
        -------
        (width,) float32

        Raises
        ------
        UsageError
            If it has another length, or no direction.
        """
        vector = np.asarray(embedding, np.float32).reshape(-1)
        known = self.convention
        if len(vector) != known.width:
            raise UsageError(f"{self.id} takes embeddings of {known.width} numbers, not of {len(vector)}.")
        length = np.linalg.norm(vector)
        if not (np.isfinite(length) and length > 0):
            raise UsageError("the source has no embedding.")
        if known.latent == "raw":
            return vector
        unit = vector / length
        if known.latent != "emap":
            return np.asarray(unit, np.float32)
        # As `INSwapper.get` of InsightFace does, in float32.
        moved = np.dot(unit[None], self.emap)
        return np.asarray((moved / np.linalg.norm(moved))[0], np.float32)

    def crop_of(self, image: NDArray[np.uint8], points: ArrayLike) -> NDArray[np.uint8]:
        """A source's own crop (s, s, 3), for networks that are told by one; `points` (5, 2) as for `placed`."""
        known = self.convention
        size = known.source_size or known.size
        target = TEMPLATES[known.source_template or known.template].points_at(size)
        m = similarity(np.asarray(points, np.float32)[None], target)[0]
        return warp(image, m, size, border="replicate")

    def placed(self, points: ArrayLike) -> NDArray[np.float32]:
        """The map (2, 3) from a picture to the crop of a face whose five points (5, 2) stand there."""
        target = TEMPLATES[self.convention.template].points_at(self.convention.size)
        return np.asarray(similarity(np.asarray(points, np.float32)[None], target)[0])

    def repaint(
        self, crop: NDArray[np.generic], *, source: ArrayLike | None = None, extra: Mapping[str, float] | None = None
    ) -> tuple[Floats, Floats | None]:
        """What the network makes of a crop.

        Parameters
        ----------
        crop : (size, size, 3) uint8 or float32
            RGB, 0 to 255.
        source : (width,) array-like or (h, w, 3) uint8, optional
            What `latent` gave, or the source's crop.
        extra : mapping of str to float, optional
            Numbers by their meaning.

        Returns
        -------
        picture : (s, s, 3) float32
            RGB, 0 to 255; s may differ from `size`.
        mask : (s, s) float32 or None
            How much of each pixel is meant, where the network says so.

        Raises
        ------
        ModelError
            If what comes out is no picture.
        UsageError
            If it needs a source and there is none, or a number has no such meaning.
        """
        given = self._inputs(np.asarray(crop, np.float32), source, extra or {})
        names = self._session.outputs
        results = dict(zip(names, self._session.run(*(given[name] for name in self._session.inputs)), strict=True))
        known = self.convention
        mask = results.pop(known.mask, None) if known.mask else None
        picture = results[known.output] if known.output else next(iter(self._pictures(results)), None)
        if picture is None or not self._is_picture(picture):
            shapes = " and ".join(str(one.shape) for one in results.values())
            raise ModelError(f"{self.id} gives no square picture with 3 colours, but {shapes}.")
        levels = self._levels(picture[0])
        if mask is None:
            return levels, None
        covered = np.asarray(mask, np.float32).reshape(-1)
        if covered.size != levels.shape[0] * levels.shape[1] or not np.isfinite(covered).all():
            raise ModelError(f"{self.id} gives a mask of {mask.shape} for a picture of {levels.shape[:2]}.")
        return levels, covered.reshape(levels.shape[:2]).clip(0, 1)

    def redraw(
        self,
        image: NDArray[np.uint8],
        points: ArrayLike,
        *,
        window: tuple[slice, slice] | None = None,
        source: ArrayLike | None = None,
        extra: Mapping[str, float] | None = None,
    ) -> tuple[Floats, Floats]:
        """A picture, or a window of it, with a face redrawn by the network.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB.
        points : (5, 2) array-like
            The face's field ``alignment``, in its pixels.
        window : two slices, optional
            Rows and columns that are given back; all by default.
        source, extra
            See `repaint`.

        Returns
        -------
        front : (h, w, 3) float32
            Of the window, 0 to 255; `image` where the crop does not reach.
        share : (h, w) float32
            How much of each pixel the network has drawn, in [0, 1].

        Raises
        ------
        ModelError, UsageError
            See `repaint`; if the face cannot be aligned.
        """
        m = self.placed(points)
        if not np.isfinite(m).all():
            raise UsageError("the face cannot be aligned: its points are missing.")
        size = self.convention.size
        crop = warp(image, m, size, border="replicate")
        picture, mask = self.repaint(crop, source=source, extra=extra)
        side = len(picture)
        larger = side / size
        grown = np.array([[larger, 0, (larger - 1) / 2], [0, larger, (larger - 1) / 2]])
        rows, columns = window or (slice(0, image.shape[0]), slice(0, image.shape[1]))
        under = image[rows, columns]
        away = _after(grown, m)
        away[:, 2] += away[:, :2] @ (columns.start or 0, rows.start or 0)
        back = invert(away)
        share = _faded(side) if mask is None else np.minimum(mask, _faded(side))
        shown = warp(picture, back, under.shape[:2], border="replicate")
        drawn = warp(np.ascontiguousarray(share), back, under.shape[:2]).clip(0, 1)
        front = np.where(drawn[..., None] > 0, shown, np.asarray(under, np.float32))
        return np.asarray(front, np.float32), np.asarray(drawn, np.float32)

    # -- what goes in and comes out ----------------------------------------------------------------------------------

    def _check_names(self) -> None:
        known, inputs, outputs = self.convention, self._session.inputs, self._session.outputs
        wanted = {known.source, known.picture, *known.numbers.values()} - {""}
        if missing := sorted(wanted - set(inputs)):
            raise ModelError(f"{self.id} has no input {missing[0]!r} but {', '.join(inputs)}; see the manual.")
        if missing := sorted({known.output, known.mask} - {"", *outputs}):
            raise ModelError(f"{self.id} has no output {missing[0]!r} but {', '.join(outputs)}; see the manual.")
        left = [name for name in inputs if name not in {known.source, *known.numbers.values()}]
        if len(left) != 1 or known.picture not in ("", left[0]):
            raise ModelError(f"{self.id} has inputs that nothing is known about: {', '.join(left) or 'none'}.")
        self._picture = left[0]

    def _inputs(self, crop: Floats, source: ArrayLike | None, extra: Mapping[str, float]) -> dict[str, NDArray[Any]]:
        known = self.convention
        if unknown := sorted(extra.keys() - known.numbers.keys()):
            raise UsageError(f"{self.id} takes no {unknown[0]}; it takes {', '.join(known.numbers) or 'no numbers'}.")
        given: dict[str, NDArray[Any]] = {self._picture: self._numbers(crop, known.mean, known.std)[None]}
        for meaning, name in known.numbers.items():
            value = extra.get(meaning, known.defaults.get(meaning, 0.5))
            given[name] = np.array([value], np.float64)
        if known.source:
            if source is None:
                raise UsageError(f"{self.id} has to be told who: it needs a source.")
            told = np.asarray(source, np.float32)
            mean, std = known.source_mean or known.mean, known.source_std or known.std
            told = self._numbers(told, mean, std) if known.latent == "crop" else told.reshape(-1)
            given[known.source] = told[None]
        return given

    def _numbers(self, crop: Floats, mean: list[float], std: list[float]) -> Floats:
        """Levels (h, w, 3) RGB in the network's range, colours and layout."""
        known = self.convention
        ordered = crop if known.color == "RGB" else crop[..., ::-1]
        numbers = (ordered - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
        return np.ascontiguousarray(numbers if known.layout == "NHWC" else numbers.transpose(2, 0, 1), np.float32)

    def _levels(self, picture: Floats) -> Floats:
        """The inverse of `_numbers`, by what the network gives."""
        known = self.convention
        numbers = picture if known.layout == "NHWC" else picture.transpose(1, 2, 0)
        std = known.std if known.out_std is None else known.out_std
        mean = known.mean if known.out_mean is None else known.out_mean
        levels = numbers * np.asarray(std, np.float32) + np.asarray(mean, np.float32)
        if not np.isfinite(levels).all():
            raise ModelError(f"{self.id} gives a picture with values that are no numbers.")
        levels = levels.clip(0, 255)
        return np.ascontiguousarray(levels if known.color == "RGB" else levels[..., ::-1], np.float32)

    def _is_picture(self, values: NDArray[Any]) -> bool:
        shape = values.shape if self.convention.layout == "NCHW" else (values.shape[0], *values.shape[:0:-1])
        return values.ndim == 4 and shape[0] == 1 and shape[1] == 3 and shape[2] == shape[3] > 0

    def _pictures(self, results: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return [values for values in results.values() if self._is_picture(values)]


def _after(outer: NDArray[np.float64], inner: NDArray[np.float32]) -> NDArray[np.float64]:
    """One map that does `inner` first and `outer` then."""
    m = outer[:, :2] @ np.asarray(inner, np.float64)
    m[:, 2] += outer[:, 2]
    return np.asarray(m)


def _faded(side: int) -> Floats:
    """1 in the middle of a crop, falling to 0 at its edge."""
    away = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
    ramp = (away / max(EDGE * side, 1)).clip(0, 1)
    soft = ramp * ramp * (3 - 2 * ramp)
    return np.asarray(np.minimum.outer(soft, soft), np.float32)
