"""``Faces``: everything known about the faces of one picture, as a struct of arrays.

A result holds boxes, scores, keypoints and one column per field that was asked for. It is checked once, when it is
made, and never changes: each operation gives a new result that shares what it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Column, Points
from mien.core.errors import FieldNotComputed, ImageNotKept, ShapeMismatch, UsageError
from mien.core.fields import SCHEMA_VERSION, all_fields
from mien.core.image import Image

if TYPE_CHECKING:
    import pandas as pd

    from mien.core.columns import (
        Angles,
        Directions,
        Distribution,
        Flag,
        Labels,
        Levels,
        Placement,
        Regions,
        Scalar,
        Scores,
        Tracks,
        Vectors,
    )
    from mien.core.labels import Place

__all__ = ["ALIGNMENT_NAMES", "Face", "Faces"]

Floats = NDArray[np.float32]

#: The five points that crops are aligned by. Left and right are the subject's: the right eye is on the picture's left.
ALIGNMENT_NAMES = ("right_eye", "left_eye", "nose_tip", "right_mouth", "left_mouth")


class _Fields:
    """Reads a computed field as an attribute, on all faces or on one."""

    if TYPE_CHECKING:  # what the type checker sees; a test holds this list against fields.toml
        alignment: Points
        landmarks: Points
        landmarks68: Points
        landmarks106: Points
        visibility: Levels
        visibility68: Levels
        stabilized: Points
        presence: Scalar
        pose: Angles
        head: Placement
        gaze: Directions
        eyes: Scores
        attention: Flag
        track: Tracks
        perclos: Scalar
        blendshapes: Scores
        shape: Points
        parse: Regions
        occlusion: Regions
        hidden: Levels
        visible: Scores
        covered: Scores
        expression: Labels
        action_units: Scores
        activation: Scores
        age: Distribution
        gender: Labels
        glasses: Flag
        mouth: Scores
        talking: Flag
        headwear: Flag
        hair: Labels
        quality: Scalar
        quality_parts: Scores
        portrait: Scores
        live: Flag
        live_cues: Scores
        forgery: Scores
        embedding: Vectors
        recognizability: Flag

    def _column(self, name: str) -> Column:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that are no real attribute. Private and dunder names are Python asking for its own
        # protocols (copy, pickle, notebooks): never a field.
        if name.startswith("_") or name not in all_fields():
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._column(name)

    def _computed(self) -> tuple[str, ...]:
        raise NotImplementedError

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._computed()]


@dataclass(frozen=True, eq=False, repr=False)
class Faces(_Fields):
    """The faces of one picture.

    Computed fields are attributes: ``faces.pose``, ``faces.embedding``. One that was not asked for raises
    `FieldNotComputed` with the argument to pass.

    Parameters
    ----------
    boxes : (N, 4) float32
        xyxy in pixels of the upright picture.
    scores : (N,) float32
        Detector confidence in [0, 1]; NaN for boxes that the caller gave without one.
    keypoints : (N, K, 2) float32
        The detector's own points in pixels.
    keypoint_names : tuple of str
        Names of the K points; left and right are the subject's.
    columns : mapping of str to Column
        Computed fields by name.
    models : mapping of str to str
        Which model made what: field (or "detect") to model id.
    image_size : (width, height)
        Of the upright picture, in pixels.
    image : (H, W, 3) uint8, optional
        The picture itself, kept for ``crop`` and ``draw``; never pickled.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    """

    boxes: Floats
    scores: Floats
    keypoints: Floats
    keypoint_names: tuple[str, ...] = ()
    columns: Mapping[str, Column] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    image_size: tuple[int, int] = (0, 0)
    image: Image | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes)
        checks = {
            "boxes": (self.boxes, (count, 4)),
            "scores": (self.scores, (count,)),
            "keypoints": (self.keypoints, (count, len(self.keypoint_names), 2)),
        }
        for name, (array, expected) in checks.items():
            if array.shape != expected:
                raise ShapeMismatch(f"{name} of {count} faces have shape {expected}, got {array.shape}.")
            frozen = np.asarray(array, np.float32).view()
            frozen.flags.writeable = False  # a result is shared by its slices: it never changes
            object.__setattr__(self, name, frozen)
        known = all_fields()
        for name, column in self.columns.items():
            if name not in known or known[name].always:
                raise UsageError(f"{name!r} is not a field that a column can hold.")
            if column.single or len(column) != count:
                raise ShapeMismatch(f"the {name} column does not have one row for each of {count} faces.")
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        object.__setattr__(self, "models", MappingProxyType(dict(self.models)))

    # -- making ------------------------------------------------------------------------------------------------------

    @classmethod
    def from_boxes(
        cls,
        boxes: ArrayLike,
        *,
        scores: ArrayLike | None = None,
        keypoints: ArrayLike | None = None,
        keypoint_names: Sequence[str] = (),
        image_size: tuple[int, int] = (0, 0),
    ) -> Faces:
        """Faces at boxes of your own, or of a detector.

        Parameters
        ----------
        boxes : (N, 4) array-like
            xyxy in pixels.
        scores : (N,) array-like, optional
            In [0, 1]; NaN without.
        keypoints : (N, K, 2) array-like, optional
            Points in pixels.
        keypoint_names : sequence of K str
            Their names.
        image_size : (width, height)
            Of the picture that the boxes are in.

        Raises
        ------
        ShapeMismatch
            If the arrays do not fit each other.
        UsageError
            If a box is not finite or ends before it starts.
        """
        try:
            corners = np.asarray(boxes, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ShapeMismatch(f"boxes are (N, 4) numbers, xyxy: {error}.") from error
        corners = corners.reshape(0, 4) if corners.size == 0 else corners
        if corners.ndim != 2 or corners.shape[1] != 4:
            raise ShapeMismatch(f"boxes are (N, 4), xyxy; got shape {corners.shape}.")
        if not np.isfinite(corners).all() or (corners[:, 2:] < corners[:, :2]).any():
            raise UsageError("each box is x1, y1, x2, y2 with x1 <= x2 and y1 <= y2, all finite.")
        count, names = len(corners), tuple(keypoint_names)
        shape = (count, len(names), 2)
        points = np.zeros(shape, np.float32) if keypoints is None else np.asarray(keypoints, np.float32)
        if points.size == 0 and 0 in shape:
            points = points.reshape(shape)
        return cls(
            boxes=corners,
            scores=np.full(count, np.nan, np.float32) if scores is None else np.asarray(scores, np.float32),
            keypoints=points,
            keypoint_names=names,
            image_size=image_size,
        )

    @classmethod
    def empty(cls, *, image_size: tuple[int, int] = (0, 0)) -> Faces:
        """No faces."""
        return cls.from_boxes([], image_size=image_size)

    @staticmethod
    def concat(parts: Sequence[Faces]) -> Faces:
        """Join results; fields, points and models are those that all parts have in common.

        Parts without faces do not count, unless all are. The picture is kept only where all parts are of the same one.

        Raises
        ------
        UsageError
            If a shared field's columns differ in names or space.
        """
        full = [part for part in parts if len(part)] or list(parts[:1])
        if not full:
            return Faces.empty()
        first = full[0]
        names = [n for n in first.keypoint_names if all(n in part.keypoint_names for part in full)]
        picked = [part.keypoints[:, [part.keypoint_names.index(n) for n in names]] for part in full]
        shared = [n for n in first.columns if all(n in part.columns for part in full)]
        same_picture = all(part.image is first.image and part.image_size == first.image_size for part in full)
        return Faces(
            boxes=np.concatenate([part.boxes for part in full]),
            scores=np.concatenate([part.scores for part in full]),
            keypoints=np.concatenate(picked),
            keypoint_names=tuple(names),
            columns={n: type(first.columns[n]).concat([part.columns[n] for part in full]) for n in shared},
            models={k: v for k, v in first.models.items() if all(part.models.get(k) == v for part in full)},
            image_size=first.image_size if same_picture else (0, 0),
            image=first.image if same_picture else None,
        )

    def with_columns(self, columns: Mapping[str, Column], *, model: str | None = None) -> Faces:
        """The same faces with more fields, or newer values of them, that `model` made."""
        made = dict.fromkeys(columns, model) if model else {}
        return replace(self, columns={**self.columns, **columns}, models={**self.models, **made})

    def with_alignment(self) -> Faces:
        """The same faces with ``alignment`` by their own keypoints, where these hold the five and it is not computed.

        The engine aligns by the mesh, which follows any tilt; keypoints are those of an upright face.
        """
        names = self.keypoint_names
        if "alignment" in self.columns or not set(ALIGNMENT_NAMES) <= set(names):
            return self
        order = [names.index(name) for name in ALIGNMENT_NAMES]
        made_by = {"alignment": self.models["detect"]} if "detect" in self.models else {}
        points = Points(self.keypoints[:, order], names=ALIGNMENT_NAMES)
        return replace(self, columns={**self.columns, "alignment": points}, models={**self.models, **made_by})

    def with_image(self, image: Image | None) -> Faces:
        """The same faces with the picture kept, or dropped (None)."""
        if image is None:
            return replace(self, image=None)
        return replace(self, image=image, image_size=(image.shape[1], image.shape[0]))

    def only(self, names: frozenset[str]) -> Faces:
        """The same faces without the fields that are not named."""
        keep = {name: column for name, column in self.columns.items() if name in names}
        models = {k: v for k, v in self.models.items() if k in names or k not in self.columns}
        return replace(self, columns=keep, models=models)

    # -- reading -----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        width, height = self.image_size
        return f"Faces({len(self)} in {width}x{height}: {', '.join(['box', 'score', *self.columns])})"

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the computed fields."""
        return tuple(self.columns)

    def _computed(self) -> tuple[str, ...]:
        return self.fields

    @property
    def widths(self) -> Floats:
        """Box widths in pixels, (N,)."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    @property
    def heights(self) -> Floats:
        """Box heights in pixels, (N,)."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    @property
    def areas(self) -> Floats:
        """Box areas in square pixels, (N,)."""
        return self.widths * self.heights

    @property
    def centers(self) -> Floats:
        """Box centres, (N, 2)."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / np.float32(2)

    def _column(self, name: str) -> Column:
        try:
            return self.columns[name]
        except KeyError:
            raise FieldNotComputed(f"{name} was not computed: pass want={{{name!r}}} to analyze or scan.") from None

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Face: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> Self: ...
    def __getitem__(self, index: int | np.integer[Any] | slice | Sequence[int] | NDArray[Any]) -> Face | Self:
        """Face `i`, or the faces of a slice, a list of rows or a boolean mask (N,)."""
        rows = np.arange(len(self))[index]
        if np.ndim(rows) == 0:
            return Face(self, int(rows))
        return replace(
            self,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            keypoints=self.keypoints[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def __iter__(self) -> Iterator[Face]:
        return (Face(self, row) for row in range(len(self)))

    def top(self, k: int, *, by: str = "area") -> Self:
        """The `k` first faces by a number, largest first: "area", "score", "height", or a field of one number a face.

        Raises
        ------
        UsageError
            If `by` names no single number per face.
        """
        own = {"area": self.areas, "score": self.scores, "height": self.heights, "width": self.widths}
        values = own[by] if by in own else np.asarray(self._column(by) if by in all_fields() else np.zeros((0, 0)))
        if values.ndim != 1:
            raise UsageError(f"cannot order faces by {by!r}: use {', '.join(own)} or a field of one number a face.")
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
        return self[order[: max(k, 0)]]

    # -- the picture -------------------------------------------------------------------------------------------------

    def require_image(self) -> Image:
        """The kept picture.

        Raises
        ------
        ImageNotKept
            In streams, after unpickling and after reading from JSON.
        """
        if self.image is None:
            raise ImageNotKept("the picture is not kept with this result: use faces.with_image(load_image(path)).")
        return self.image

    def draw(self, *, fields: Sequence[str] | None = None, labels: MutableMapping[int, Place] | None = None) -> Image:
        """A copy of the picture with boxes, points, pose axes and short values drawn on it.

        Parameters
        ----------
        fields : sequence of str, optional
            What to draw; everything computed by default.
        labels : dict, optional
            Where labels lie, by track: empty at first, and given again with each frame of a video, it keeps them from
            jumping to and fro.

        Raises
        ------
        ImageNotKept
            If the picture is gone.
        UsageError
            If a field to draw was not computed.
        """
        from mien.core.draw import draw

        names = self.fields if fields is None else tuple(fields)
        unknown = set(names) - set(self.fields)
        if isinstance(fields, str) or unknown:
            raise UsageError(f"fields to draw are a list out of {', '.join(self.fields) or 'none'}; got {fields!r}.")
        return draw(self.require_image(), self, fields=names, labels=labels)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the drawing, where the picture is kept."""
        from mien.core.draw import as_png

        return None if self.image is None else as_png(self.draw())

    # -- other forms -------------------------------------------------------------------------------------------------

    def to_dicts(self) -> list[dict[str, Any]]:
        """One JSON-ready dict per face, as described by `mien.core.fields.json_schema`."""
        return [self._to_dict(row) for row in range(len(self))]

    def _to_dict(self, row: int) -> dict[str, Any]:
        points = np.round(self.keypoints[row].astype(float), 2).tolist()
        score = float(self.scores[row])
        face: dict[str, Any] = {
            "schema": SCHEMA_VERSION,
            "box": np.round(self.boxes[row].astype(float), 2).tolist(),
            "score": None if np.isnan(score) else round(score, 5),
            "keypoints": dict(zip(self.keypoint_names, points, strict=True)),
        }
        if "detect" in self.models:
            face["model"] = self.models["detect"]
        for name, column in self.columns.items():
            made_by = {"model": self.models[name]} if name in self.models else {}
            face[name] = {**column[row].to_json(), **made_by}
        return face

    @classmethod
    def from_dicts(cls, dicts: Sequence[Mapping[str, Any]], *, image_size: tuple[int, int] = (0, 0)) -> Faces:
        """Read what :meth:`to_dicts` wrote.

        Raises
        ------
        UsageError
            If the schema version is another, or the dicts differ in their fields.
        """
        if not all(isinstance(face, Mapping) for face in dicts):
            raise UsageError("faces are read from dicts as to_dicts writes them.")
        if not dicts:
            return cls.empty(image_size=image_size)
        if {face.get("schema") for face in dicts} != {SCHEMA_VERSION}:
            raise UsageError(f"these faces are not of schema {SCHEMA_VERSION}.")
        names = tuple(dicts[0].get("keypoints", {}))
        known = all_fields()
        given = [name for name in dicts[0] if name in known and not known[name].always]
        if any(set(given) != {n for n in face if n in known and not known[n].always} for face in dicts):
            raise UsageError("the faces of one result have the same fields.")
        try:
            boxed = cls.from_boxes(
                [face["box"] for face in dicts],
                scores=[np.nan if face.get("score") is None else face["score"] for face in dicts],
                keypoints=np.asarray([[face["keypoints"][n] for n in names] for face in dicts], np.float32).reshape(
                    len(dicts), len(names), 2
                ),
                keypoint_names=names,
                image_size=image_size,
            )
            columns = {n: known[n].column_type.from_json([face[n] for face in dicts]) for n in given}
        except UsageError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"these are not faces as to_dicts writes them: {error!r}.") from error
        models = {n: dicts[0][n]["model"] for n in given if "model" in dicts[0][n]}
        if "model" in dicts[0]:
            models["detect"] = dicts[0]["model"]
        return replace(boxed, columns=columns, models=models)

    def to_columns(self) -> dict[str, Any]:
        """The result as a flat table: column name to N values; fields of several numbers become ``field.name``."""
        data: dict[str, Any] = {name: self.boxes[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))}
        data["score"] = self.scores
        for i, name in enumerate(self.keypoint_names):
            data[f"{name}.x"], data[f"{name}.y"] = self.keypoints[:, i, 0], self.keypoints[:, i, 1]
        for name, column in self.columns.items():
            data |= {f"{name}{suffix}": values for suffix, values in column.flat().items()}
        return data

    def to_pandas(self) -> pd.DataFrame:
        """The table of `to_columns` as a data frame, one row per face.

        Raises
        ------
        UsageError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise UsageError("to_pandas needs pandas: pip install pandas.") from None
        return pd.DataFrame(self.to_columns())

    def __copy__(self) -> Self:
        return replace(self)  # keeps the picture, which pickling drops

    def __getstate__(self) -> dict[str, Any]:
        # Pixels stay behind: a result that travels between processes or onto disk is small and holds no picture.
        return {
            **self.__dict__,
            "columns": dict(self.columns),
            "models": dict(self.models),
            "image": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            frozen = MappingProxyType(value) if name in {"columns", "models"} else value
            object.__setattr__(self, name, frozen)


@dataclass(frozen=True, eq=False, repr=False)
class Face(_Fields):
    """One face: a view of row `row` of a result. Computed fields are attributes, as on `Faces`."""

    faces: Faces
    row: int

    def _column(self, name: str) -> Column:
        return self.faces._column(name)[self.row]  # noqa: SLF001 - the row view of the same module's class

    def _computed(self) -> tuple[str, ...]:
        return self.faces.fields

    def __repr__(self) -> str:
        box = ", ".join(f"{edge:.1f}" for edge in self.box.tolist())
        return f"Face(box=({box}), score={self.score:.3f})"

    @property
    def box(self) -> Floats:
        """x1, y1, x2, y2 in pixels, (4,)."""
        return cast("Floats", self.faces.boxes[self.row])

    @property
    def score(self) -> float:
        """Detector confidence in [0, 1]."""
        return float(self.faces.scores[self.row])

    @property
    def keypoints(self) -> Mapping[str, Floats]:
        """The detector's points by name, each (2,)."""
        return dict(zip(self.faces.keypoint_names, self.faces.keypoints[self.row], strict=True))

    def crop(self, *, size: int | None = None, template: str | None = None, margin: float = 0.2) -> Image:
        """The face's pixels.

        Parameters
        ----------
        size : int, optional
            Side of the crop in pixels; by default the box's own size, or the template's.
        template : str, optional
            Align by the five points to this template ("arcface112", "ffhq", "dlib"): those of the ``alignment`` field,
            or the detector's where it was not computed.
        margin : float
            Part of the box's longer side to add on each side; not used with a template.

        Returns
        -------
        (size, size, 3) uint8

        Raises
        ------
        ImageNotKept
            If the picture is gone.
        FieldNotComputed
            If a template is given and there are no alignment points.
        UsageError
            If there is no such template, or a number is out of range.
        """
        from mien.core.geometry import TEMPLATES, similarity, square_crops
        from mien.core.warping import warp

        image = self.faces.require_image()
        if size is not None and (not isinstance(size, int) or size < 1):
            raise UsageError(f"the size of a crop is a whole number of pixels, 1 or more, not {size!r}.")
        if not 0 <= margin <= 10:
            raise UsageError(f"the margin of a crop is between 0 and 10 times the box's side, not {margin!r}.")
        if template is not None:
            if template not in TEMPLATES:
                raise UsageError(f"no template is called {template!r}; there are {', '.join(TEMPLATES)}.")
            chosen = TEMPLATES[template]
            side = size or chosen.size
            aligned = self.faces.with_alignment()[self.row].alignment
            return warp(image, similarity(aligned.values[None], chosen.points_at(side))[0], side)
        x1, y1, x2, y2 = self.box.tolist()
        extent = max(x2 - x1, y2 - y1, 1.0) * (1 + 2 * margin)
        side = size or max(1, round(extent))
        return warp(image, square_crops([[(x1 + x2) / 2, (y1 + y2) / 2]], [extent], [0.0], side)[0], side)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the crop, where the picture is kept."""
        from mien.core.draw import as_png

        return None if self.faces.image is None else as_png(self.crop(), longest=300)

    def to_dict(self) -> dict[str, Any]:
        """The face as JSON types."""
        return self.faces._to_dict(self.row)  # noqa: SLF001 - the row view of the same module's class
