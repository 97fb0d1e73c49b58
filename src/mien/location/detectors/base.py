"""What all detectors share: from pictures to faces, whatever the rows of the network mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import nms
from mien.core.errors import CardError, ShapeMismatch
from mien.core.faces import Faces
from mien.core.image import Image
from mien.location.detectors.looks import Fit, Look
from mien.runtime.bundle import Bundle

__all__ = ["Candidates", "FaceDetector", "Floats"]

Floats = NDArray[np.float32]

# Pictures that go to the session in one call: bounds the memory of a detection in many pictures.
_BATCH = 16


@dataclass(frozen=True)
class Candidates:
    """Possible faces of one picture, before duplicates are removed.

    As the networks give them, points count from the pixels' edges, like boxes: in a mirrored picture of width W each x
    becomes W - x, measured on each network. `in_picture` makes them count from the centre of the first pixel.

    Attributes
    ----------
    boxes : (M, 4) float32
        xyxy in pixels.
    scores : (M,) float32
        In [0, 1].
    points : (M, K, 2) float32
        In pixels.
    """

    boxes: Floats
    scores: Floats
    points: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: NDArray[Any]) -> Candidates:
        """Some of them, by mask or by indices."""
        return Candidates(self.boxes[index], self.scores[index], self.points[index])

    @property
    def widths(self) -> Floats:
        """Width of each box in pixels, (M,)."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    def in_picture(self, fit: Fit) -> Candidates:
        """The same, from pixels of the network's input to pixels of the picture that stands in it."""
        scale = np.array(fit.scale, dtype=np.float32)
        points = np.divide(self.points, scale) - np.float32(0.5)
        return Candidates(np.divide(self.boxes, np.tile(scale, 2)), self.scores, points)

    @staticmethod
    def concat(parts: Sequence[Candidates]) -> Candidates:
        """Join one set or more."""
        boxes, scores, points = zip(*((part.boxes, part.scores, part.points) for part in parts), strict=True)
        return Candidates(np.concatenate(boxes), np.concatenate(scores), np.concatenate(points))


class FaceDetector(ABC):
    """A detector with everything but the meaning of its network's outputs.

    Parameters
    ----------
    bundle : Bundle
        A card with these ``[params]``, and a file ``model`` that takes pictures, of any size or of one:

        - ``min_score``: faces that score lower are left out.
        - ``max_overlap``: boxes with a larger intersection over union are the same face.
        - ``looks``: see `mien.location.detectors.looks`.

    Raises
    ------
    CardError
        The card lacks one of these, or its network has not as many outputs as the decoder reads.
    """

    #: Names of the points; left and right are the subject's.
    keypoint_names: tuple[str, ...]

    def __init__(self, bundle: Bundle) -> None:
        self._card = bundle.card
        spec = bundle.card.files["model"].input
        if spec is None:
            raise CardError(f"the card of {self._card.id} does not say how its network takes a picture.")
        self._input = spec
        self._min_score = float(self.param("min_score"))
        self._max_overlap = float(self.param("max_overlap"))
        self._looks = [Look.from_card(entry, self._card.id) for entry in self.param("looks")]
        self._session = bundle.session("model")
        if len(self._session.outputs) != self.outputs:
            raise CardError(
                f"the network of {self._card.id} has {len(self._session.outputs)} outputs; "
                f"{type(self).__name__} reads {self.outputs}."
            )

    def param(self, name: str) -> Any:
        """Value from the card's ``[params]``; CardError if it is not there."""
        if name not in self._card.params:
            raise CardError(f"the card of {self._card.id} lacks params.{name}.")
        return self._card.params[name]

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many outputs the network must have."""

    @abstractmethod
    def decode(self, rows: Sequence[Floats], size: tuple[int, int], min_score: float) -> Candidates:
        """Read what the network says about one picture.

        Parameters
        ----------
        rows : sequence of float32 arrays
            The outputs for this picture, in the graph's order, without the batch axis.
        size : (height, width)
            Of the network's input, in pixels.
        min_score : float
            Candidates that score lower are left out.

        Returns
        -------
        Candidates
            In pixels of the network's input, counted from its edges.
        """

    def show(self, pictures: NDArray[np.uint8]) -> Sequence[Floats]:
        """Show the network pictures, (N, height, width, 3); its outputs, with one row for each."""
        return self._session.run(pictures)

    def suppress(self, candidates: Candidates) -> Candidates:
        """Leave one candidate of each face; best score first."""
        return candidates[nms(candidates.boxes, candidates.scores, self._max_overlap)]

    def settle(
        self,
        images: Sequence[Image],  # noqa: ARG002 - for those that look again
        found: Sequence[Candidates],
        min_score: float,  # noqa: ARG002
    ) -> list[Candidates]:
        """Say what the candidates of each picture, in its pixels, come to: by default `suppress`."""
        return [self.suppress(candidates) for candidates in found]

    def detect(self, images: Sequence[Image], *, min_score: float | None = None) -> list[Faces]:
        """Find the faces of each picture.

        Parameters
        ----------
        images : sequence of (H, W, 3) uint8
            RGB and upright; of any size from 1x1.
        min_score : float, optional
            Leave out faces that score lower; default: as the card says. Detectors do not score alike: 0.5 of one is
            not 0.5 of another.

        Returns
        -------
        list of Faces
            One per picture, best score first. Boxes are clipped to the picture, so that they can be cut out; points
            may lie outside of it.

        Raises
        ------
        ShapeMismatch
            A picture is not uint8 of shape (H, W, 3), or is empty.
        """
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise ShapeMismatch(f"a picture is uint8 (H, W, 3) and not empty, not {image.dtype} {image.shape}.")
        threshold = self._min_score if min_score is None else min_score
        found: list[list[Candidates]] = [[] for _ in images]
        scales = [0.0] * len(images)  # of the last look at each picture
        for look in self._looks:
            fits: dict[int, Fit] = {}
            for index, image in enumerate(images):
                fit = look.fit(image, self._input)
                closer = fit.scale[0] > scales[index]
                if not look.when_below or (closer and _narrowest(found[index]) * scales[index] < look.when_below):
                    fits[index], scales[index] = fit, fit.scale[0]
            for index, candidates in self._look(images, fits, threshold):
                low, high = look.faces
                wanted = (candidates.widths >= low) & (candidates.widths < high)
                found[index].append(candidates[wanted].in_picture(fits[index]))
        settled = self.settle(images, [Candidates.concat(parts) for parts in found], threshold)
        return [self._faces(image, candidates) for image, candidates in zip(images, settled, strict=True)]

    def _look(
        self, images: Sequence[Image], fits: Mapping[int, Fit], min_score: float
    ) -> Iterator[tuple[int, Candidates]]:
        """Show pictures to the network, those of one canvas together; yields (index of picture, what was found)."""
        groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for index, fit in fits.items():
            groups[fit.canvas].append(index)
        for size, members in groups.items():
            for start in range(0, len(members), _BATCH):
                batch = members[start : start + _BATCH]
                canvases = np.zeros((len(batch), *size, 3), np.uint8)
                for canvas, index in zip(canvases, batch, strict=True):
                    fits[index].draw(images[index], canvas)
                outputs = self.show(canvases)
                for row, index in enumerate(batch):
                    yield index, self.decode([output[row] for output in outputs], size, min_score)

    def _faces(self, image: Image, candidates: Candidates) -> Faces:
        height, width = image.shape[:2]
        boxes = candidates.boxes.clip(0, (width, height, width, height))
        inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # the others lie in the empty part of the canvas
        return Faces.from_boxes(
            boxes[inside],
            scores=candidates.scores[inside],
            keypoints=candidates.points[inside],
            keypoint_names=self.keypoint_names,
            image_size=(width, height),
        )


def _narrowest(parts: Sequence[Candidates]) -> float:
    """Width of the narrowest candidate in pixels of the picture; 0 if there is none."""
    return min((float(part.widths.min()) for part in parts if len(part)), default=0.0)
