"""Where on a screen a person looks, after a calibration with few points.

Gaze in the camera's axes and the place of the head tell where the line of sight meets the plane of the camera. A
person's eyes, the screen's place and the gaze model's gain and offset are not known; a few pictures of the person
looking at known points make up for that, best with the head held in several ways.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import InputError, ShapeMismatch, SourceError, StorageError, UsageError
from mien.core.faces import Faces
from mien.location.gaze import in_camera
from mien.location.regression import Fit, Kernel, choose

__all__ = ["FEATURES", "Profile", "ScreenPoints", "screen_features"]

Doubles = NDArray[np.float64]
Unit = Literal["cm", "px"]

#: Where the line of sight meets the camera's plane (cm), the place of the eyes (cm), and how the head is turned (deg).
FEATURES: Final = ("meets_x", "meets_y", "x", "y", "z", "yaw", "pitch")
#: Least deviation that a feature is taken to have: of a head that was held still nothing can be learned, and what
#: trembles in it must not count when it moves.
LEAST_SCALE: Final = (1.0, 1.0, 3.0, 3.0, 3.0, 5.0, 5.0)
FORMAT, VERSION = "mien screen profile", 1
LEAST_POINTS = 5
FLATTEST = 0.05  # of the spread of points across to that along: below it they lie on a line
STEEPEST = -0.1  # z of a gaze that still meets the camera's plane somewhere
FARTHEST = 1e6  # of targets from their corner: what is farther is no place on a screen


@dataclass(frozen=True, eq=False)
class ScreenPoints:
    """Where N faces look on the screen.

    Attributes
    ----------
    xy : (N, 2) float32
        In the profile's unit; NaN where it cannot be told.
    spread : (N,) float32
        Expected distance from the truth: more where the head or the gaze is unlike those of the calibration.
    reasons : tuple of (str or None)
        Why a row abstained.
    unit : {"cm", "px"}
    """

    xy: NDArray[np.float32]
    spread: NDArray[np.float32]
    reasons: tuple[str | None, ...]
    unit: str


def screen_features(faces: Faces) -> Doubles:
    """What a point on a screen is predicted from: (N, 7), see `FEATURES`; NaN where gaze or head abstained.

    Raises
    ------
    FieldNotComputed
        If the faces lack ``gaze`` or ``head``.
    """
    head, gaze = faces.head, in_camera(faces).astype(np.float64)
    position = head.position.astype(np.float64)
    gaze[gaze[:, 2] > STEEPEST] = np.nan  # away from the camera's plane: it never meets it
    meets = position[:, :2] - position[:, 2:] * gaze[:, :2] / gaze[:, 2:]
    features = np.column_stack([meets, position, head.values[:, :2].astype(np.float64)])
    features[np.isnan(features).any(axis=1)] = np.nan
    return features


@dataclass(frozen=True, eq=False)
class Profile:
    """One person's calibration before one screen and camera. It holds numbers, and no picture.

    Attributes
    ----------
    fit : Fit
        Of standardized features and targets.
    mean, scale : (7 + 2,) float64
        Of features and targets.
    unit : {"cm", "px"}
    error : float
        Mean distance from the truth to expect, in `unit`: measured on points that were left out, both of the fit and of
        the choice of its kernel.
    points, samples : int
        How many points on the screen and pictures it was made from.
    models : mapping of str to str
        Which models told ``gaze`` and ``head``; others will not do.
    """

    fit: Fit
    mean: Doubles
    scale: Doubles
    unit: Unit
    error: float
    points: int
    samples: int
    models: Mapping[str, str]

    @classmethod
    def calibrate(
        cls, faces: Faces, targets: ArrayLike, *, unit: Unit = "cm", groups: ArrayLike | None = None
    ) -> Profile:
        """Make a profile.

        Parameters
        ----------
        faces : Faces
            N faces of one person, one per picture (`Faces.concat`), with ``gaze`` and ``head``. Those that abstain do
            not count.
        targets : (N, 2) array-like
            Where on the screen the person looked: x to the right, y down, from any corner.
        unit : {"cm", "px"}
            Of the targets.
        groups : (N,) integers, optional
            What is left out together to measure the error, such as the ways the head was held; default: the pictures
            of one point.

        Raises
        ------
        UsageError
            If there are fewer than 5 points, they lie on a line, or the gaze tells nothing about them.
        """
        features, where = screen_features(faces), np.asarray(targets, np.float64)
        if where.shape != (len(faces), 2) or not np.isfinite(where).all():
            raise ShapeMismatch(f"{len(faces)} faces have ({len(faces)}, 2) finite targets, not {where.shape}.")
        if (np.abs(where) > FARTHEST).any():
            raise UsageError(f"targets are places on a screen: {np.abs(where).max():.3g} {unit} is too far.")
        seen = np.isfinite(features[:, 0])
        features, where = features[seen], where[seen]
        distinct, of_point = np.unique(where, axis=0, return_inverse=True)
        held = of_point.ravel() if groups is None else np.unique(np.asarray(groups)[seen], return_inverse=True)[1]
        _check(distinct, features, held, int((~seen).sum()))
        both = np.column_stack([features, where])
        mean, scale = both.mean(axis=0), both.std(axis=0)
        scale = np.append(np.maximum(scale[:-2], LEAST_SCALE), [scale[-2:].mean()] * 2)  # a cm is one across and down
        both = (both - mean) / scale
        x, y = both[:, :-2], both[:, -2:]
        rest = np.concatenate([_rest_of(x, y, held, group) for group in np.unique(held)])
        error, blind = (float(np.linalg.norm(r, axis=1).mean() * scale[-1]) for r in (rest, y))
        if error >= blind:
            raise UsageError(
                f"the gaze says nothing about these points: an error of {error:.1f} {unit} when they are left out, "
                f"and {blind:.1f} when always their middle is told."
            )
        fit = Fit.of(choose(x, y, held), x, y)
        models = {name: faces.models[name] for name in ("gaze", "head") if name in faces.models}
        return cls(fit, mean, scale, unit, error, len(distinct), len(x), models)

    def predict(self, faces: Faces) -> ScreenPoints:
        """Tell where on the screen faces look.

        Parameters
        ----------
        faces : Faces
            With ``gaze`` and ``head`` by the models of the calibration.

        Raises
        ------
        UsageError
            If other models told gaze or head.
        FieldNotComputed
            If the faces lack a field.
        """
        for name, model in self.models.items():
            if faces.models.get(name, model) != model:
                raise UsageError(f"this profile was made with {name} by {model}, not {faces.models[name]}.")
        features = screen_features(faces)
        seen = np.isfinite(features[:, 0])
        xy, spread = np.full((len(faces), 2), np.nan), np.full(len(faces), np.nan)
        means, variances = self.fit.predict((features[seen] - self.mean[:-2]) / self.scale[:-2])
        xy[seen] = means * self.scale[-2:] + self.mean[-2:]
        # `error` is that of samples like those of the calibration; where the fit knows less, that adds to it.
        more = 2 * self.scale[-1] ** 2 * np.maximum(variances - self.fit.usual_variance, 0)
        spread[seen] = np.sqrt(self.error**2 + more)
        why = "the gaze or the head's place is not known, or the face looks away from the camera's plane"
        reasons = tuple(None if ok else why for ok in seen.tolist())
        return ScreenPoints(xy.astype(np.float32), spread.astype(np.float32), reasons, self.unit)

    # -- on disk -----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file, whole or not at all.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        target = Path(path)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(self._to_dict(), indent=1) + "\n", encoding="utf-8")
            part.replace(target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(f"{target} cannot be written: {error.strerror}.") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Profile:
        """Read what `save` wrote.

        Raises
        ------
        SourceError
            If the file is not there, or cannot be read.
        InputError
            If it is no profile, or one of another version.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read: {error}.") from error
        try:
            data = json.loads(text)
            if data["format"] != FORMAT or data["version"] != VERSION:
                raise InputError(f"{path} is no profile of a screen of version {VERSION}.")
            return cls._from_dict(data)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, np.linalg.LinAlgError) as error:
            raise InputError(f"{path} is no profile of a screen: {error!r}.") from error

    def _to_dict(self) -> dict[str, Any]:
        kernel = self.fit.kernel
        return {
            "format": FORMAT,
            "version": VERSION,
            "unit": self.unit,
            "error": self.error,
            "points": self.points,
            "models": dict(self.models),
            "features": list(FEATURES),
            "kernel": {name: getattr(kernel, name) for name in ("others", "squares", "smooth", "noise")},
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "samples": self.fit.samples.tolist(),
            "targets": self.fit.targets.tolist(),
        }

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> Profile:
        samples, targets = np.asarray(data["samples"], np.float64), np.asarray(data["targets"], np.float64)
        mean, scale = np.asarray(data["mean"], np.float64), np.asarray(data["scale"], np.float64)
        count = len(FEATURES)
        shapes = samples.shape, targets.shape, mean.shape, scale.shape
        if shapes != ((len(samples), count), (len(samples), 2), (count + 2,), (count + 2,)) or not len(samples):
            raise ValueError(f"arrays of shapes {shapes}")
        if not all(np.isfinite(array).all() for array in (samples, targets, mean, scale)) or (scale <= 0).any():
            raise ValueError("numbers that are not finite, or scales of 0")
        if data["features"] != list(FEATURES) or data["unit"] not in {"cm", "px"}:
            raise ValueError("other features or units")
        fit = Fit.of(Kernel(**{name: float(value) for name, value in data["kernel"].items()}), samples, targets)
        models = {str(name): str(model) for name, model in data["models"].items()}
        error, points = float(data["error"]), int(data["points"])
        return cls(fit, mean, scale, data["unit"], error, points, len(samples), models)


def _check(points: Doubles, features: Doubles, groups: NDArray[np.intp], lost: int) -> None:
    """Refuse what no calibration can be made from."""
    if len(np.unique(groups)) < 2 <= len(points):
        raise UsageError("one group is all there is: nothing could be left out to measure the error.")
    if len(points) < LEAST_POINTS:
        without = f" ({lost} pictures have no gaze or no head)" if lost else ""
        raise UsageError(
            f"a calibration takes {LEAST_POINTS} points on the screen or more, not {len(points)}{without}."
        )
    for what, values in (("points on the screen", points), ("gazes", features[:, :2])):
        wide, narrow = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
        if narrow <= FLATTEST * wide:
            raise UsageError(f"the {what} lie on one line: choose points all over the screen.")


def _rest_of(x: Doubles, y: Doubles, groups: NDArray[np.intp], group: int) -> Doubles:
    """Residuals of a group that had no part in the choice of the kernel either."""
    kept = groups != group
    others = groups[kept]
    if len(np.unique(others)) < 2:  # one group is left: choose by leaving out its pictures
        others = np.arange(len(others))
    fit = Fit.of(choose(x[kept], y[kept], others), x[kept], y[kept])
    return np.asarray(y[~kept] - fit.predict(x[~kept])[0])
