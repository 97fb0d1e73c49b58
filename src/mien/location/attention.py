"""Who looks at the camera: per face, as stretches of time, and who has turned away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.clip import Event, Events
from mien.core.columns import Angles, Column, Directions, Flag
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.location.spans import Span, SpanFinder, SpanLimits
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["Attention", "AttentionSpans", "AwaySpans", "facing"]

_PARAMS: Final = ("target", "gaze_limit", "gaze_step", "head_limit", "head_step")


def facing(pose: Angles) -> Directions:
    """Where faces point, as directions with yaw in [-180, 180]: 180 is the back of a head."""
    return Directions.from_vectors(-pose.matrix[..., 2], reasons=pose.reasons)


class Attention:
    """Gives ``attention`` to faces that have ``pose`` and ``gaze``: the probability that they look at the camera.

    Both are as seen along the ray from the camera to the face, so that 0, 0 looks into it from everywhere in the
    picture, and no camera needs to be known. The probability is a product: of the gaze being near the camera, and of
    the head not being turned farther than eyes can turn back, each a logistic curve of the angle. The card's
    ``[params]`` are

    - ``target``: yaw and pitch, degrees, of what is looked at: 0, 0 is the camera, and a screen below it has a pitch
      below 0;
    - ``gaze_limit``, ``head_limit``: degrees from there at which the factor is a half;
    - ``gaze_step``, ``head_step``: degrees that change its odds by a factor of e.

    These are limits that were set, not a fit: there was no data with known eye contact. A face whose eyes are closed,
    or that has no mesh, abstains.

    Parameters
    ----------
    bundle : Bundle
        A card without files.

    Raises
    ------
    CardError
        If the params are not as above.
    """

    def __init__(self, bundle: Bundle) -> None:
        params = bundle.card.params
        if missing := [name for name in _PARAMS if name not in params]:
            raise CardError(f"the card of {bundle.card.id} lacks params.{missing[0]}.")
        try:
            yaw, pitch = map(float, params["target"])
            self._gaze, self._head = (
                (float(params[f"{name}_limit"]), float(params[f"{name}_step"])) for name in ("gaze", "head")
            )
        except (TypeError, ValueError) as error:
            raise CardError(f"the card of {bundle.card.id} has params that are no numbers: {error}.") from error
        if min(self._gaze[1], self._head[1]) <= 0:
            raise CardError(f"the card of {bundle.card.id} has a step of 0 degrees or less.")
        self._target = Directions(np.array([[yaw, pitch]])).vector[0]

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        gaze, pose = batch.faces.gaze, batch.faces.pose
        near = _falling(self._angles(gaze.vector), *self._gaze)
        ahead = _falling(self._angles(facing(pose).vector), *self._head)
        values = (near * ahead).astype(np.float32)
        lost = np.isnan(values)
        no_gaze = gaze.reasons_for(gaze.abstained, "the face has no gaze")
        no_pose = pose.reasons_for(lost, "the face has no pose")
        reasons = tuple(g or p for g, p in zip(no_gaze, no_pose, strict=True))
        return {"attention": Flag(values, reasons=reasons)}

    def _angles(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Degrees between unit vectors (N, 3) and the target, (N,)."""
        cosines = vectors.astype(np.float64) @ self._target
        return np.asarray(np.rad2deg(np.arccos(cosines.clip(-1, 1))))


def _falling(degrees: NDArray[np.float64], limit: float, step: float) -> NDArray[np.float64]:
    """From 1 at small angles through a half at `limit` to 0."""
    return np.asarray(1 / (1 + np.exp(((degrees - limit) / step).clip(-50, 50))))


class AttentionSpans:
    """Gives the event "attention_span": stretches of time in which a face looks at the camera.

    The event's score is the mean of ``attention`` in it, its apex the moment of the highest.

    Parameters
    ----------
    bundle : Bundle
        A card without files, with the params of `SpanLimits`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._limits = SpanLimits.of(bundle.card)

    def follow(self) -> _Watch:
        """See `mien.engine.steps.Follower`."""
        return _Watch(self._limits, _attention, _attention_span)


def _attention(faces: Faces) -> tuple[ArrayLike, ArrayLike]:
    return faces.attention.values, np.zeros((len(faces), 0))


def _attention_span(number: int, span: Span) -> Event:
    return Event("attention_span", number, span.start, span.end, span.apex, span.level)


class AwaySpans:
    """Gives the event "away": stretches of time in which a head is turned away from the camera, or from a screen.

    The eyes do not count, so that it works on small faces and in the dark. Its details are the mean ``yaw`` and
    ``pitch`` of where the face points; its score is 1. A head that turns so far that its face is lost is away until it
    was last seen: nobody knows what a person does who is not there.

    Parameters
    ----------
    bundle : Bundle
        A card without files. Its params are those of `SpanLimits`, with levels in degrees from the target, and
        ``target``, the yaw and pitch of what one should look at.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._limits = SpanLimits.of(bundle.card, others=frozenset({"target"}))
        try:
            yaw, pitch = map(float, bundle.card.params["target"])
        except (KeyError, TypeError, ValueError) as error:
            raise CardError(f"the card of {bundle.card.id} has no target of yaw and pitch: {error!r}.") from error
        self._target = Directions(np.array([[yaw, pitch]])).vector[0].astype(np.float64)

    def follow(self) -> _Watch:
        """See `mien.engine.steps.Follower`."""
        return _Watch(self._limits, self._degrees, _away)

    def _degrees(self, faces: Faces) -> tuple[ArrayLike, ArrayLike]:
        direction = facing(faces.pose)
        cosines = direction.vector.astype(np.float64) @ self._target
        return np.rad2deg(np.arccos(cosines.clip(-1, 1))), direction.vector


def _away(number: int, span: Span) -> Event:
    yaw, pitch = Directions.from_vectors(span.values[None]).values[0].tolist()
    return Event("away", number, span.start, span.end, span.apex, details={"yaw": yaw, "pitch": pitch})


class _Watch:
    """Finds one kind of stretch in the faces of one clip.

    Parameters
    ----------
    limits : SpanLimits
    read : callable
        From faces to levels (N,), and numbers to average over a stretch (N, K).
    report : callable
        From a track's id and a stretch to the event.
    """

    def __init__(
        self,
        limits: SpanLimits,
        read: Callable[[Faces], tuple[ArrayLike, ArrayLike]],
        report: Callable[[int, Span], Event],
    ) -> None:
        self._limits, self._read, self._report = limits, read, report
        self._finders: dict[int, SpanFinder] = {}
        self._found: list[Event] = []

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.steps.TemporalStep`."""
        levels, values = (np.asarray(part, np.float64) for part in self._read(faces))
        levels = np.where(faces.track.observed, levels, np.nan)  # where nobody looked, nothing is known
        for number, level, numbers in zip(faces.track.ids.tolist(), levels.tolist(), values, strict=True):
            if number >= 0:
                finder = self._finders.setdefault(number, SpanFinder(self._limits))
                self._add(number, finder.push(time, level, numbers))
        return faces

    def finish(self) -> Events:
        """See `mien.engine.steps.TemporalStep`."""
        for number, finder in self._finders.items():
            self._add(number, finder.close())
        self._finders.clear()
        return Events(tuple(self._found))

    def _add(self, number: int, span: Span | None) -> None:
        if span is not None:
            self._found.append(self._report(number, span))
