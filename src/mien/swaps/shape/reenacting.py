"""``reenact``: a photo that moves as somebody in a clip does; by geometry, marked as what it is.

What is carried over is motion, not place: how the mesh of the clip's head differs from its own calm, in the head's
axes, is added to the mesh of the photo, by the proportions of both faces (Siarohin, Lathuilière, Tulyakov, Ricci, Sebe,
*First order motion model for image animation*, NeurIPS 2019, call it relative motion). It stands in for learned
reenactment (Bounareli et al., *HyperReenact*, 2023; Guo et al., *LivePortrait*, 2024) and does less: heads turn little,
and mouths open on what the photo or the clip shows.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource, load_image
from mien.core.mesh import Topology, warp_mesh
from mien.core.warping import resize
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.location.gaze import EYES, iris_diameters
from mien.location.topology import face_topology
from mien.location.unwrapping import Texture
from mien.media.encoding import VideoWriter
from mien.media.provenance import Provenance
from mien.media.video import Frame, Video, VideoSource, open_video
from mien.swaps.choice import Choice, Who
from mien.swaps.consent import Consent, Gate, Guard
from mien.swaps.edit import Edit
from mien.swaps.effects import Shot
from mien.swaps.film import film
from mien.swaps.plate import Plate
from mien.swaps.shape.cautions import check_human
from mien.swaps.shape.driving import RING, Lips, Performance, perform
from mien.swaps.shape.gaze_correction import move_irises
from mien.swaps.shape.gestures import LOWER, UPPER, kept_together
from mien.swaps.shape.insides import gap
from mien.swaps.shape.reshaping import SURFACE, Seat, complete_texture, redraw
from mien.swaps.shape.retargeting import NEEDS, check_whole, seated, turn_by
from mien.swaps.targets import mark_of

__all__ = ["MOST", "Mouth", "Puppet", "reenact"]

Doubles = NDArray[np.float64]
Mouth: TypeAlias = Literal["dark", "driver"]

MOST: Final = (18.0, 13.0, 18.0)  #: degrees of yaw, pitch and roll by which a photo's head turns
LONGEST = 1280  # pixels of the result's longer side
FARTHEST = 30.0  # degrees of yaw or pitch of a photo's head: of heads turned farther, half is not there to be moved
PROPORTIONS = (0.8, 1.25)  # how much larger a motion may become, as one face is larger than the other
LIDS = (0.5, 1.8)  # the same for lids
OPEN = 0.5  # of the mouth's width: farther a photo's lips do not part
ROLLING = 0.6  # of an iris' diameter: farther it does not go
LIKENESS = (0.5, 1.6)  # how much brighter a clip's mouth may be made, and darker


def reenact(
    photo: ImageSource,
    driving: VideoSource | Video,
    *,
    out: str | os.PathLike[str],
    who: Who = None,
    driver: Who = "largest",
    gallery: Gallery | None = None,
    expression: float = 1.0,
    pose: float = 1.0,
    mouth: Mouth = "dark",
    calm: float | None = None,
    audio: bool = True,
    gate: Gate | None = None,
    consent: Consent | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    do_not_swap: Gallery | str | os.PathLike[str] | None = None,
    engine: Engine | None = None,
) -> Edit:
    """Let a photo move as somebody in a clip does.

    Parameters
    ----------
    photo : path, bytes, binary file, PIL image, or (H, W, 3) uint8 RGB array
        Large ones are made smaller: 1,280 pixels at most.
    driving : path or Video
        A clip; it gives the motion, the times of the frames and the sound.
    out : path
        The video to write: .mp4 .m4v .mov .mkv .webm.
    who : int or str, optional
        Whose face in the photo; see `mien.swaps.choice.Who`.
    driver : int or str
        Whose motion in the clip.
    gallery : Gallery, optional
        Whose names `who` may be.
    expression, pose : float
        How much of the clip's expression, 0 to 1.5, and of its turns, 0 to 1, is carried over.
    mouth : {"dark", "driver"}
        What lips that are closed in the photo open on: darkness, or the teeth of the clip, in the photo's light.
    calm : float, optional
        Seconds at which the clip's face is as calm as the photo's; by default it is looked for.
    audio : bool
        Whether the clip's sound is kept.
    gate, consent, do_not_swap
        Who may refuse, and the record of the consent of whom the photo shows: as for `mien.swap`.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Edit
        Its picture is the first frame.

    Raises
    ------
    NoFace, UsageError
        If the photo or the clip shows no such face, or an option makes no sense.
    EditRefused
        If the gate, the consent or a list refuses.
    ImageError, SourceError, StorageError
        If something cannot be read or written; then there is no file.
    """
    engine = engine or default_engine()
    guard = Guard.of(gate=gate, consent=consent, do_not_swap=do_not_swap, engine=engine)
    if not (0 <= expression <= 1.5 and 0 <= pose <= 1 and mouth in {"dark", "driver"}):
        raise UsageError('expression is 0 to 1.5, pose 0 to 1, and mouth "dark" or "driver".')
    image = _fitting(load_image(photo))
    choice = Choice(who, gallery)
    faces = engine.analyze(image, want=NEEDS | choice.needs | {"embedding"})
    face = faces[[int(choice.rows(faces)[0])]]
    guard.check_source(face)
    guard.check_target(face, face)
    puppet = Puppet.of(image, face, engine)
    video = driving if isinstance(driving, Video) else open_video(driving)
    # Clips without a file's name, such as a webcam's, tell nothing of themselves.
    marks = mark_of(photo), mark_of(video.source)
    mark = Provenance.manipulated(*marks, models=("facemesh",), consent=guard.reference)
    size = (image.shape[1], image.shape[0])
    writer = VideoWriter(Path(out), like=video, size=size, audio=audio, provenance=mark)
    first: Image | None = None
    show = _Show(puppet, video, expression, pose, {"who": driver, "calm": calm, "lips": mouth == "driver"})
    with closing(film(show.frames(engine), writer, source=video)) as frames:
        for frame in frames:
            first = frame.image if first is None else first
    acts = show.acts
    assert first is not None and acts is not None  # noqa: S101, PT018 - for the type checker: a clip with a face has a frame
    held = int((np.abs(acts.turns * pose) > np.array(MOST)).any(axis=1).sum())
    report = {
        "effect": "reenact",
        "frames": len(acts.times),
        "frames_without_driver": int((~acts.seen).sum()),
        "frames_turned_less_than_asked": held,
        "calm_at": round(float(acts.times[acts.calm]), 3),
        "expression": expression,
        "pose": pose,
        "mouth": mouth,
        **guard.report,
    }
    return Edit(first, mark, Faces.empty(), report, path=Path(out))


@dataclass(eq=False)
class _Show:
    """A puppet that acts as a clip has it; the clip is read when the first frame is asked for."""

    puppet: Puppet
    video: Video
    expression: float
    pose: float
    options: Mapping[str, Any]
    acts: Performance | None = None

    def frames(self, engine: Engine) -> Generator[Frame, None, None]:
        """Draw frame by frame."""
        self.acts = acts = perform(self.video, engine=engine, **self.options)
        puppet = self.puppet.for_driver(acts.shapes[acts.calm].astype(np.float64))
        turns, looks = acts.turns * self.pose, acts.looks * self.expression
        for number, time in enumerate(acts.times.tolist()):
            motion = acts.motion(number) * self.expression
            yield Frame(number, time, puppet.draw(motion, turns[number], looks[number], acts.lips.get(number)))


def _fitting(image: Image) -> Image:
    """A picture no larger than the result may be."""
    factor = LONGEST / max(image.shape[:2])
    if factor >= 1:
        return image
    return resize(image, (max(round(image.shape[0] * factor), 1), max(round(image.shape[1] * factor), 1)))


@dataclass(frozen=True, eq=False)
class Puppet:
    """A photo's face that can be moved.

    Attributes
    ----------
    image : (H, W, 3) uint8
    seat : Seat
    mesh : (478, 3) float64
        In pixels of the plate.
    own : (468, 3) float64
        The mesh in the head's own axes, cm.
    pose : (3,) float64
        Degrees.
    topology : Topology
    proportions : (3,) float64
        How much larger this face is than the driver's.
    lids : (2,) float64
        How much wider its eyes are open than the driver's.
    """

    image: Image
    seat: Seat
    mesh: Doubles
    own: Doubles
    pose: Doubles
    topology: Topology
    proportions: Doubles
    lids: Doubles

    @cached_property
    def texture(self) -> Texture:
        """The face's colours, made once: for what the photo does not show."""
        return complete_texture(self.seat, self.topology)

    @classmethod
    def of(cls, image: Image, face: Faces, engine: Engine) -> Puppet:
        """The puppet of the only one of `faces`.

        Raises
        ------
        NoFace, UsageError
            If it has no mesh, is turned too far, is cut by the picture's edge, or is an animal's.
        """
        seat, pose = seated(face, 0, image), face.pose.values[0].astype(np.float64)
        if (far := float(np.abs(pose[:2]).max())) > FARTHEST:
            raise UsageError(f"the photo's head is turned by {far:.0f} degrees; up to {FARTHEST:.0f} can be moved.")
        check_whole(seat, image)
        check_human(Shot(image=image, faces=face, rows=np.array([0])), 0, engine)
        mesh = face.landmarks.values[0].astype(np.float64) - (*seat.plate.origin, 0)
        own = face.stabilized.values[0, :SURFACE].astype(np.float64)
        return cls(image, seat, mesh, own, pose, face_topology(engine=engine), np.ones(3), np.ones(2))

    def for_driver(self, calm: Doubles) -> Puppet:
        """The same, for motions of a face with another shape, (478, 3) cm, when it is calm."""
        larger = np.ptp(self.own, axis=0) / np.ptp(calm[:SURFACE], axis=0)
        wider = _openings(self.own) / np.maximum(_openings(calm), 1e-3)
        return replace(self, proportions=larger.clip(*PROPORTIONS), lids=wider.clip(*LIDS))

    def draw(self, motion: Doubles, turn: Doubles, look: Doubles, lips: Lips | None = None) -> Image:
        """The photo with its face moved.

        Parameters
        ----------
        motion : (468, 3) float64
            Of the driver's mesh, cm.
        turn : (3,) float64
            Degrees; more than `MOST` is not done.
        look : (3,) float64
            Of the irises in the head, cm.
        lips : Lips, optional
            What an open mouth shows, where the photo's is closed.
        """
        seat, moved = self._looking(look), self._fitted(motion)
        rotation = turn_by(self.pose, turn.clip(-np.array(MOST), MOST))
        shift = seat.moved(moved)
        inside = None if lips is None else self._inside(lips, seat.turned(seat.plate.points + shift, rotation))
        done = redraw(seat, shift, rotation, self.topology, mouth=inside, texture=self.texture)
        out = self.image.copy()
        seat.plate.put(out, done.image, done.alpha)
        return out

    def _looking(self, look: Doubles) -> Seat:
        """The seat with the irises where they look."""
        seat = self.seat
        aside = (seat.scale * look @ seat.rotation.T)[:2]
        ways = {eye.side: aside / max(float(iris_diameters(self.mesh[None], eye)[0]), 1e-6) for eye in EYES}
        ways = {side: way * min(1.0, ROLLING / max(float(np.linalg.norm(way)), 1e-6)) for side, way in ways.items()}
        try:
            image, _ = move_irises(seat.plate.image, self.mesh, ways)
        except UsageError:  # closed eyes, or glasses that reflect: they keep their look
            return seat
        return replace(seat, plate=Plate(image, seat.plate.origin, seat.plate.points))

    def _fitted(self, motion: Doubles) -> Doubles:
        """A driver's motion as this face makes it."""
        out = motion * self.proportions
        for upper, lower, wider in zip(UPPER, LOWER, self.lids, strict=True):
            both = np.concatenate([upper, lower])
            out[both, 1] *= wider
            # Lids meet, and do not cross.
            crossed = np.minimum((self.own + out)[lower, 1] - (self.own + out)[upper, 1], 0)
            out[upper, 1] += crossed
        out = kept_together(self.own, out, closed=False)
        before, after = gap(self.own), gap(self.own + out)
        if after > max(OPEN, before):
            below = self.own[:, 1] > self.own[2, 1]  # the nose's
            out[below] *= (max(OPEN, before) - before) / (after - before)
        return out

    def _inside(self, lips: Lips, target: Doubles) -> Image:
        """The inside of a driver's mouth at this face's lips, in this photo's light: RGBA."""
        own = self.seat.plate
        x, y = own.points[RING, :2].round().astype(int).clip(0, np.array(own.image.shape[1::-1]) - 1).T
        gain = ((np.median(own.image[y, x], axis=0) + 8) / (lips.color + 8)).clip(*LIKENESS)
        # One gain for all colours, in the main: teeth are no lips.
        gain = (gain + 2 * gain.mean()) / 3
        lit = (lips.image * gain).clip(0, 255).astype(np.uint8)
        count = len(RING)
        fan = np.stack([np.full(count, count), np.arange(count), np.roll(np.arange(count), -1)], axis=1)
        rings = [np.vstack([ring, ring.mean(axis=0)]) for ring in (lips.ring, target[RING, :2])]
        drawn, shown = warp_mesh(lit, rings[0], rings[1], fan.astype(np.int32), own.image.shape[:2])
        return np.dstack([drawn, shown.astype(np.uint8) * 255])


def _openings(mesh: Doubles) -> Doubles:
    """How far the lids of both eyes are apart, (2,), in the mesh's unit."""
    return np.asarray(np.linalg.norm(mesh[UPPER] - mesh[LOWER], axis=2).mean(axis=1))
