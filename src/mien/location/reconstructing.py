"""``reconstruct``: textured faces in millimetres out of a picture, several pictures of one person, or a clip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Angles, Scores
from mien.core.errors import ImageError, NoFace, SourceError, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import Image, ImageSource
from mien.core.mesh import Topology
from mien.engine import Engine, default_engine
from mien.engine.searching import SearchOptions
from mien.location.canonical import CanonicalFace
from mien.location.frontal import FACE, View
from mien.location.head import EYE_CORNERS
from mien.location.morphs import MORPHS, MorphsName
from mien.location.reconstruction import Reconstruction, fuse, mark_of
from mien.location.stabilization import stabilize
from mien.location.unwrapping import blend, unwrap
from mien.media.provenance import Provenance, provenance
from mien.media.surfaces import Motion
from mien.media.video import VIDEO_SUFFIXES, Video, open_video

__all__ = ["reconstruct"]

WANT = frozenset({"landmarks", "stabilized", "shape", "pose", "blendshapes"})
SHORTEST = 5  # frames of a track: with fewer there is nothing to learn a motion from
TURNED = 12.0  # degrees of yaw from which on a frame shows one side of the face


def reconstruct(
    source: ImageSource | Video | Sequence[ImageSource],
    *,
    size: int = 1024,
    morphs: MorphsName = "principal",
    engine: Engine | None = None,
    **options: Unpack[SearchOptions],
) -> tuple[Reconstruction, ...]:
    """Make textured faces in millimetres.

    Parameters
    ----------
    source : path, bytes, binary file, PIL image, or (H, W, 3) uint8 RGB array
        A picture, as for `mien.load_image`: one face is made of each face in it. A video (its path, or one from
        `mien.open_video`): one that moves of each person. A list of pictures: the largest face of each is taken for the
        same person, and one face is made of all.
    size : int
        Side of the textures in pixels.
    morphs : {"principal", "blendshapes"}
        What a clip's motion is made of: the fewest targets that reproduce the frames within 0.2 mm (root mean square);
        or one target for each coefficient of expression, named as ARKit does.
    engine : Engine, optional
        Default: `mien.default_engine()`.
    **options
        Of the search for faces: see `mien.detect`.

    Returns
    -------
    tuple of Reconstruction
        In the order of the faces, or of the tracks' ids. Faces without a mesh, and people who are seen in fewer than
        five frames, are left out.

    Raises
    ------
    UsageError
        If a number or a name makes no sense.
    NoFace
        If one of several pictures of a person has no face.
    ImageError, SourceError, ModelError, DeviceUnavailable
        As `mien.detect`.

    Examples
    --------
    >>> face = mien.reconstruct("portrait.jpg")[0]  # doctest: +SKIP
    >>> face.save("face.glb"), face.frontal().save("frontal.png")  # doctest: +SKIP
    """
    if not isinstance(size, int) or not 16 <= size <= 8192:
        raise UsageError(f"a texture has a side of 16 to 8,192 pixels, not {size!r}.")
    if morphs not in MORPHS:
        raise UsageError(f"no morphs are called {morphs!r}; there are {', '.join(MORPHS)}.")
    engine = engine or default_engine()
    maker = _Maker(engine, size)
    if isinstance(source, Video) or _is_video(source):
        return maker.of_clip(cast("Video", source), morphs, options)
    if isinstance(source, list | tuple):
        return (maker.of_person(source, options),)
    return maker.of_picture(cast("ImageSource", source), options)


def _is_video(source: object) -> bool:
    return isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in VIDEO_SUFFIXES


def _mark(source: object) -> Provenance:
    """What a source says of its own making; nothing if it is no file."""
    if not isinstance(source, str | os.PathLike | bytes):
        return mark_of(Provenance())
    try:
        return mark_of(provenance(source))
    except (ImageError, SourceError):  # of a kind that carries no mark, such as AVI; or pictures in a row
        return mark_of(Provenance())


class _Maker:
    """Makes reconstructions with one engine, textures of one size."""

    def __init__(self, engine: Engine, size: int) -> None:
        self._engine, self._size = engine, size
        geometry = engine.catalogue["visibility"].files["geometry"]
        self._canonical = CanonicalFace.read(engine.store.fetch(geometry))
        self._topology: Topology = self._canonical.topology

    def of_picture(self, source: ImageSource, options: SearchOptions) -> tuple[Reconstruction, ...]:
        """One for each face that has a mesh."""
        faces = self._engine.analyze(source, want=WANT, **options)
        mark = _mark(source)
        return tuple(self._of_face(face, faces, mark) for face in faces if not face.shape.abstained)

    def of_person(self, sources: Sequence[ImageSource], options: SearchOptions) -> Reconstruction:
        """One of the largest faces of several pictures."""
        if not sources:
            raise UsageError("a person is reconstructed from one picture or more; the list is empty.")
        parts = []
        for number, source in enumerate(sources, 1):
            faces = self._engine.analyze(source, want=WANT, **options)
            faces = faces[~faces.shape.abstained]
            if not len(faces):
                name = source if isinstance(source, str | os.PathLike) else f"picture {number}"
                raise NoFace(f"{name} has no face that a mesh can be laid over.")
            largest = faces[[int(faces.areas.argmax())]]
            parts.append(self._of_face(largest[0], largest, _mark(source)))
        return fuse(parts)

    def of_clip(self, source: Video | str, morphs: MorphsName, options: SearchOptions) -> tuple[Reconstruction, ...]:
        """One for each track that is long enough."""
        if options.get("tiles", "auto") == "auto":  # it would take several times as long
            options = cast("SearchOptions", {**options, "tiles": "off"})
        video = source if isinstance(source, Video) else open_video(source)
        mark = _mark(video.source)
        people: dict[int, _Person] = {}
        frames = self._engine.track(video, want=WANT | {"head"}, keep_images=True, **options)
        with frames:
            for item in frames:
                if item.faces is None or item.time is None:
                    continue
                for face in item.faces:
                    if face.track.ids >= 0 and not face.shape.abstained and not face.head.abstained:
                        person = people.setdefault(face.track.ids, _Person(face.track.ids))
                        person.see(item.time, face, item.faces)
        long = [people[number] for number in sorted(people) if len(people[number].times) >= SHORTEST]
        return tuple(self._of_track(person, morphs, mark) for person in long)

    def _of_face(self, face: Face, faces: Faces, mark: Provenance) -> Reconstruction:
        image = faces.require_image()
        count, points, shape = len(self._topology.vertices), face.landmarks.values, face.shape.values
        view = View.of(image, points[:count], shape[:count])
        texture = unwrap(image, points[:count], self._topology, self._size)
        return Reconstruction(shape, self._topology, texture, view, face.pose, face.blendshapes, mark, _models(faces))

    def _of_track(self, person: _Person, morphs: MorphsName, mark: Provenance) -> Reconstruction:
        """Lay all frames over each other by what keeps still on the skull; then the rest is expression."""
        count = len(self._topology.vertices)
        clip = stabilize(np.stack(person.landmarks), self._canonical)
        # The clip has one person, and so one size.
        scale = 10 * float(np.exp(np.median(np.log(person.factors))))
        points = scale * clip.points
        coefficients = np.stack([shapes.values for shapes in person.blendshapes])
        made = MORPHS[morphs](points[:, :count], coefficients, person.blendshapes[0].names)
        rest = np.concatenate([made.rest, np.median(points[:, count:], axis=0)]).astype(np.float32)
        heads = np.stack(person.heads).astype(np.float64)
        rotations = Angles(heads[:, :3].astype(np.float32)).matrix
        # `head` has the place of the middle between the eyes, of a head of the canonical face's size.
        eyes = scale * self._canonical.vertices[EYE_CORNERS].mean(axis=0).astype(np.float64)
        positions = scale * heads[:, 3:6] - rotations @ eyes
        motion = Motion(
            np.asarray(person.times, np.float32),
            made.targets.astype(np.float32),
            made.names,
            made.weights.astype(np.float32),
            rotations,
            positions.astype(np.float32),
        )
        # From the front, if it was ever seen so, then from each side.
        best, *others = sorted(person.best.values(), key=lambda seen: (seen.side != 0, -seen.score))
        textures = [unwrap(seen.image, seen.points[:count], self._topology, self._size) for seen in (best, *others)]
        view = View.of(best.image, best.points[:count], rest[:count])
        return Reconstruction(
            rest,
            self._topology,
            blend(textures),
            view,
            best.pose,
            best.blendshapes,
            mark,
            person.models,
            motion,
            made.error,
            person.number,
        )


def _models(faces: Faces) -> dict[str, str]:
    return {name: model for name, model in faces.models.items() if name in WANT | {"head", "detect"}}


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a frame shows of a face and around it, where it shows that side better than those before it."""

    side: int
    score: float
    image: Image
    points: NDArray[np.float32]
    pose: Angles
    blendshapes: Scores


@dataclass(eq=False)
class _Person:
    """What a clip has shown of one face so far.

    Numbers are kept of all frames, and cut-outs of three at most: of each side, and from the front.
    """

    number: int
    times: list[float] = field(default_factory=list)
    landmarks: list[NDArray[np.float32]] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)
    heads: list[NDArray[np.float32]] = field(default_factory=list)
    blendshapes: list[Scores] = field(default_factory=list)
    best: dict[int, _Seen] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)

    def see(self, time: float, face: Face, faces: Faces) -> None:
        """Take the next frame in which the face is seen."""
        laid, shape, points = face.stabilized.values, face.shape.values, face.landmarks.values
        self.times.append(time)
        self.landmarks.append(points)
        self.factors.append(float(np.linalg.norm(shape[33] - shape[263]) / np.linalg.norm(laid[33] - laid[263]) / 10))
        self.heads.append(face.head.values)
        self.blendshapes.append(face.blendshapes)
        if not face.track.observed:
            return
        yaw, pitch = face.pose.yaw, face.pose.pitch
        side = int(np.sign(yaw)) if abs(yaw) > TURNED else 0
        score = _worth(side, yaw, pitch, face)
        before = self.best.get(side)
        if before is None or score > before.score:
            image, placed = _around(faces.require_image(), points)
            self.best[side] = _Seen(side, score, image, placed, face.pose, face.blendshapes)
            self.models = _models(faces)


def _around(image: Image, points: NDArray[np.float32]) -> tuple[Image, NDArray[np.float32]]:
    """A face with what a frontal picture of it shows around it, cut out; and its points there."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    reach = 0.8 / FACE * (high - low).max()
    x, y = ((low + high) / 2 - reach).astype(int).clip(0)
    right, below = ((low + high) / 2 + reach).astype(int) + 1
    return image[y:below, x:right].copy(), points - np.array([x, y, 0], np.float32)


def _worth(side: int, yaw: float, pitch: float, face: Face) -> float:
    """How well a frame shows a side: large, at about 30 degrees (or from the front), eyes open and mouth closed."""
    off = np.hypot(abs(yaw) - (30 if side else 0), pitch)
    shapes: Any = dict(zip(face.blendshapes.names, face.blendshapes.values.tolist(), strict=True))
    moved = sum(shapes.get(name, 0.0) for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight"))
    height = float(face.box[3] - face.box[1])
    return float(height * np.exp(-((off / 25) ** 2)) / (1 + moved))
