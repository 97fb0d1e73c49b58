"""How well `mien.mask` sorts the pixels of faces into classes, on the published sets of face parsing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.core.boxes import iou
from mien.core.errors import InputError, UsageError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.core.image import Image, load_image
from mien.core.parts import REGIONS
from mien.datasets.readers.label_maps import LabelledPicture, Labels, LabelSet, mirrored_names, names_picture_sides
from mien.datasets.readers.parsing_sets import AUTO, read_parsing_set
from mien.engine import Engine, default_engine
from mien.evaluation.label_scores import Counts, ParsingReport, compare_labels, summarize
from mien.masks.masking import mask

__all__ = ["Evaluated", "evaluate_parsing"]

SMALLEST_OVERLAP = 0.2  # of a found box with that around the labelled face, to be that face
SHAPES = 0.01  # by how much the shapes of a picture and its map may differ


@dataclass(frozen=True)
class Evaluated:
    """What was evaluated.

    Parameters
    ----------
    kind : LabelSet
    split : str
        "" where the set has none.
    picture_sides : bool
        The set's left is the picture's; labels were exchanged.
    sides : (int, int)
        Maps that say so, and maps that were asked.
    reports : mapping of str to ParsingReport
        By the model that parses.
    """

    kind: LabelSet
    split: str
    picture_sides: bool
    sides: tuple[int, int]
    reports: Mapping[str, ParsingReport]

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known of the set to read the numbers."""
        which = f"{self.kind.title}{f', {self.split}' if self.split else ''}"
        votes, asked = self.sides
        whose = f"Left in its maps is the {'picture' if self.picture_sides else 'subject'}'s, as {{}} say."
        said = whose.format("its pictures" if self.kind.sides_known else f"{max(votes, asked - votes)} of {asked} maps")
        return f"Data: {which}. Its papers report {self.kind.reported}.", said


def evaluate_parsing(
    source: str | os.PathLike[str],
    *,
    layout: str = AUTO,
    split: str | None = None,
    aligned: bool = False,
    engines: Sequence[Engine] = (),
) -> Evaluated:
    """Measure how `mien.mask` sorts the pixels of labelled pictures.

    A map is of one face. That is the found one whose box overlaps most with the box around the labelled pixels of the
    face (skin, nose, eyes, brows, mouth); below an overlap of 0.2 it counts as missed. What other faces of the picture
    are made of does not count.

    Parameters
    ----------
    source : path
        A set's folder.
    layout, split : str, optional
        See `mien.datasets.readers.parsing_sets.read_parsing_set`.
    aligned : bool
        The pictures are crops as FFHQ's and CelebA-HQ's are: no face is searched.
    engines : sequence of Engine
        The first finds the faces, each parses them with its own model; by default `mien.default_engine()`.

    Raises
    ------
    SourceError, InputError
        If a file cannot be read: nothing is skipped.
    UsageError
        If the layout or the split is none, or aligned crops are not square.
    """
    found = read_parsing_set(source, layout=layout, split=split)
    kind = found.kind
    swap, votes, asked = names_picture_sides((picture.read() for picture in found.pictures), kind)
    exchanged = mirrored_names(kind.classes) if swap else np.arange(len(kind.classes), dtype=np.uint8)
    team = {engine.choose("parse").id: engine for engine in engines or [default_engine()]}
    counts: dict[str, list[Counts]] = {model: [] for model in team}
    names: dict[str, tuple[str, ...]] = {}
    missed: list[bool] = []
    first = next(iter(team.values()))
    for picture in found.pictures:
        image, truth = load_image(picture.path), exchanged[picture.read()]
        _check_shape(picture, image, truth)
        faces = _crop_of(image) if aligned else first.analyze(image, want={"alignment", "landmarks"})
        target = faces if aligned else _labelled_face(faces, truth, kind)
        missed.append(not len(target))
        for model, engine in team.items():
            labels = np.zeros(truth.shape, np.uint8)
            if len(target):
                parse = mask(image, faces=target, engine=engine).faces.parse
                names[model] = parse.names
                labels = kind.indices_of(parse.names)[_resized(parse.labels(), truth.shape)]
            counts[model].append(compare_labels(truth, labels, len(kind.classes)))
    reports = {
        model: summarize(parts, kind.classes, missed=missed, unknown=_unknown(kind, names.get(model, ())))
        for model, parts in counts.items()
    }
    return Evaluated(kind, found.split, swap, (votes, asked), reports)


def _unknown(kind: LabelSet, names: Sequence[str]) -> tuple[str, ...]:
    given = set(kind.indices_of(names).tolist()) if names else range(len(kind.classes))
    return tuple(name for place, name in enumerate(kind.classes) if place not in given)


def _check_shape(picture: LabelledPicture, image: Image, truth: Labels) -> None:
    (height, width), (rows, columns) = image.shape[:2], truth.shape
    if abs(height * columns - width * rows) > SHAPES * height * columns:
        raise InputError(f"{picture.path} is {width}x{height} and its label map {columns}x{rows}: not of one shape.")


def _crop_of(image: Image) -> Faces:
    height, width = image.shape[:2]
    if height != width:
        raise UsageError(f"an aligned crop is square, not {width}x{height}.")
    points = TEMPLATES["ffhq"].points_at(width)[None]
    box = [[0, 0, width, height]]
    faces = Faces.from_boxes(box, keypoints=points, keypoint_names=ALIGNMENT_NAMES, image_size=(width, height))
    return faces.with_alignment()


def _labelled_face(faces: Faces, truth: Labels, kind: LabelSet) -> Faces:
    """The face that a map is of, or none; where nothing of a face is labelled, the largest."""
    wanted = [place for place, name in enumerate(kind.classes) if name in REGIONS["face"]]
    rows, columns = np.nonzero(np.isin(truth, wanted))
    if not len(faces) or not len(rows):
        return faces.top(1)
    scale = np.array([faces.image_size[0] / truth.shape[1], faces.image_size[1] / truth.shape[0]] * 2)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * scale
    overlaps = iou(box[None].astype(np.float32), faces.boxes)[0]
    best = int(overlaps.argmax())
    return faces[best : best + 1] if overlaps[best] >= SMALLEST_OVERLAP else faces[:0]


def _resized(labels: Labels, shape: tuple[int, ...]) -> Labels:
    import cv2

    if labels.shape == shape:
        return labels
    return np.asarray(cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
