"""What a model's runner looks like to the engine: it finds faces, describes them, or follows them in time.

A runner is made with one `mien.runtime.bundle.Bundle`: its card, its verified files, and sessions on them. It is shared
by all threads, so it keeps no state between calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.clip import Events, Track
from mien.core.columns import Column
from mien.core.faces import Faces
from mien.core.image import Image
from mien.media.video import Frame

__all__ = ["Batch", "Detector", "Follower", "Matter", "Step", "TemporalStep", "Tracker", "TrackerMaker"]


@dataclass(frozen=True)
class Batch:
    """Faces of several pictures, handed to a step together.

    Parameters
    ----------
    images : sequence of (H, W, 3) uint8
        The pictures.
    owner : (N,) integers
        For each face, the index of its picture.
    faces : Faces
        The faces of all pictures, joined, with the fields that the step needs.
    """

    images: Sequence[Image]
    owner: NDArray[np.intp]
    faces: Faces

    @property
    def sizes(self) -> NDArray[np.float32]:
        """Width and height of the picture that each face is in, (N, 2)."""
        return np.array([self.images[place].shape[1::-1] for place in self.owner], np.float32).reshape(-1, 2)


class Detector(Protocol):
    """Finds the faces of pictures: what gives the job "detect"."""

    def detect(self, images: Sequence[Image], *, min_score: float | None = None) -> list[Faces]:
        """One result per picture, in order; `min_score` None means the model's own threshold."""
        ...


class Step(Protocol):
    """Computes the fields that its card gives from those that it needs."""

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """One row per face of the batch, in order."""
        ...


class Matter(Protocol):
    """Separates people from the background: what gives the job "matte"."""

    def matte(self, images: Sequence[Image]) -> list[NDArray[np.float32]]:
        """How much of each pixel is people, (h, w) in [0, 1], as large as the network sees it: of each picture."""
        ...


class TemporalStep(Protocol):
    """Follows the faces of one clip through its frames; what it found is reported when the clip ends.

    Faces come with the column ``track`` (their person's id; the one of a face that was not seen in this frame says so)
    with the fields that the card needs and with the frame's picture (``faces.image``, not to be kept), frame after
    frame in the order of time.
    """

    def update(self, time: float, faces: Faces) -> Faces:
        """Take the next frame, `time` seconds from the start; give its faces back, perhaps with more known."""
        ...

    def finish(self) -> Events:
        """End the clip and return what happened in it."""
        ...


class Follower(Protocol):
    """What gives an event, a temporal field, or the job "smooth": makes a step with fresh state for each clip."""

    def follow(self) -> TemporalStep:
        """Return the step for one clip."""
        ...


class Tracker(Protocol):
    """Follows faces through the frames of one clip: made for it by what gives the field "track".

    It may hold frames back, to see whether a face comes back before it says where the face was meanwhile; so frames
    come out later than they go in, but each once and in order.
    """

    @property
    def min_score(self) -> float | None:
        """Lowest score of the detections that it wants to see; None: the detector's own threshold."""
        ...

    def cut(self, frame: Frame) -> bool:
        """Whether another shot may begin with the next frame, this one: then faces are to be detected in it."""
        ...

    def asks(self, frame: Frame, faces: Faces) -> NDArray[np.bool_]:
        """Which detected faces of a frame (N,) it would like to see the embedding of, to tell people apart."""
        ...

    def push(self, frame: Frame, faces: Faces | None) -> list[tuple[Frame, Faces]]:
        """Take the next frame.

        Parameters
        ----------
        frame : Frame
        faces : Faces or None
            What was detected in it, with an ``embedding`` column if there is one (abstaining where it was not asked
            for); None: nobody looked, faces are to be followed by their motion.

        Returns
        -------
        list of (Frame, Faces)
            Frames that are settled, oldest first, each with its faces and their column ``track``.
        """
        ...

    def finish(self) -> tuple[list[tuple[Frame, Faces]], tuple[Track, ...]]:
        """End the clip: the frames that were held back, and who was there."""
        ...


class TrackerMaker(Protocol):
    """What gives the field "track"."""

    def start(self, *, min_score: float | None = None) -> Tracker:
        """Return a tracker for one clip.

        Parameters
        ----------
        min_score : float, optional
            Lowest score that counts as a face; by default what the tracker knows of the detector.
        """
        ...
