"""``Identity``: one person's face, as a swap needs it: colours on the mesh, and the shape of the head.

It is made of one picture of a person, or of several: then each part of the face comes from where it is seen best, and
the shape is what the pictures agree on. Pictures that cannot serve are refused, each with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import NoFace, NotCalibrated, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import Image, ImageSource, load_image
from mien.core.mesh import Topology, warp_mesh
from mien.embeddings.calibration import Traits, load_calibration
from mien.engine import Engine, default_engine
from mien.location.eyes import openings
from mien.location.topology import face_topology
from mien.location.unwrapping import Texture, blend, fill, unwrap
from mien.masks.occlusion import occluded
from mien.media.provenance import Provenance
from mien.swaps.choice import Choice, Who
from mien.swaps.edit import Edit
from mien.swaps.effects import Shot
from mien.swaps.targets import mark_of

__all__ = ["SOURCE_FIELDS", "Casting", "Identity"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

#: What is looked at in a source picture.
SOURCE_FIELDS = frozenset(
    {
        "landmarks",
        "stabilized",
        "pose",
        "blendshapes",
        "presence",
        "embedding",
        "parse",
        "occlusion",
        "visible",
        "covered",
        "recognizability",
    }
)
SIDE = 512  # pixels of a texture: a face of as many pixels fills it
SURFACE = 468  # points of the mesh before those of the irises

SMALLEST = 60.0  # pixels that a source face must extend over
NOBODY = 0.12  # recognizability: people have 0.35 or more, a dog that a mesh lies on 0.07
LEAST_PRESENCE = 0.5  # of the mesh network: below it, it sees no human face
PROFILE = 45.0  # degrees of yaw beyond which a picture shows one half of the face
OTHER_HALF = -10.0  # degrees of yaw to the other side, at most: such a picture shows what a profile does not
SHUT = 0.12  # opening of an eye in its widths: below it, there is no eye to take the lids from
COVERED = 0.5  # probability that the eyes are, or the mouth is
CLEAR = 0.6  # share of the face that nothing may stand before
STRANGERS = 1e-2  # rate at which strangers are as alike as pictures of one person should be
GLASSES = 0.01  # of the square of the face's extent: what is smaller is no pair of them
GUESS = 1 / 14  # of the texture's side: guesses that are smaller are drawn
HAIR_EDGE = 1 / 26  # of the texture's side: so near to hair, skin has its colour


class Casting(Protocol):
    """Who is put in whose place."""

    def identity_for(self, shot: Shot, row: int) -> Identity | None:
        """Who is put in the place of a face of a shot; None: nobody, it stays as it is."""
        ...


@dataclass(frozen=True, eq=False)
class Identity:
    """One person's face.

    Attributes
    ----------
    texture : Texture
        Its colours on the mesh, completed.
    drawn : (S, S) float32
        How much of each texel is worth drawing, in [0, 1]: of what no picture shows, not even on the other half of the
        face, as under hair, the target's own skin is better than a guess.
    shape : (468, 3) float64
        The mesh in the head's own axes, cm, as ``stabilized`` has it.
    embedding : Vectors
        One vector: the mean of the pictures', L2-normalized.
    mark : Provenance
        What is true of the pictures.
    pictures : int
        How many it is made of.
    expression : (52,) float64
        Blendshapes that the shape still has.
    glasses : bool
        Whether the texture wears glasses.
    report : mapping
        What became of each picture, JSON types.
    """

    texture: Texture = field(repr=False)
    drawn: Floats = field(repr=False)
    shape: Doubles = field(repr=False)
    embedding: Vectors = field(repr=False)
    mark: Provenance
    pictures: int = 1
    expression: Doubles = field(default_factory=lambda: np.zeros(52), repr=False)
    glasses: bool = False
    report: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def space(self) -> str:
        """Of the embedding."""
        return self.embedding.space

    @cached_property
    def painted(self) -> NDArray[np.uint8]:
        """The texture, and how much of it is worth drawing as its fourth channel: (S, S, 4) uint8."""
        return np.dstack([self.texture.image, (self.drawn * 255).astype(np.uint8)])

    def identity_for(self, shot: Shot, row: int) -> Identity | None:
        """Itself, for everyone: see `Casting`."""
        del shot, row
        return self

    @classmethod
    def of(
        cls,
        sources: ImageSource | Edit | Sequence[ImageSource | Edit],
        *,
        who: Who = None,
        side: int = SIDE,
        engine: Engine | None = None,
    ) -> Identity:
        """A person's face from one picture, or from several.

        Parameters
        ----------
        sources : picture, Edit, or sequence of them
            Anything `mien.load_image` takes, and what `mien.generate` gives; several are taken for one person.
        who : int, str or None
            Which face where a picture has several: see `mien.swaps.choice.Who`. None: the only one.
        side : int
            Of the texture, in pixels.
        engine : Engine, optional
            Default: `mien.default_engine()`.

        Raises
        ------
        NoFace
            If the only picture has no face.
        UsageError
            If a picture has several faces and nothing says which; or none of the pictures can serve: too small, turned
            too far, covered, eyes shut, no human face.
        """
        engine = engine or default_engine()
        listed = list(sources) if isinstance(sources, list | tuple) else [cast("ImageSource | Edit", sources)]
        if not listed:
            raise UsageError("a swap needs a source: no picture was given.")
        looks = [_Look.at(one, who, engine, alone=len(listed) == 1) for one in listed]
        _judge(looks)
        used = [look for look in looks if look.face is not None and look.refused is None]
        if not used:
            if len(looks) == 1:
                raise (NoFace if looks[0].face is None else UsageError)(f"the source cannot serve: {looks[0].refused}.")
            told = "; ".join(f"{place}: {look.refused}" for place, look in enumerate(looks))
            raise UsageError(f"none of the {len(looks)} sources can serve ({told}).")
        return _fused(used, looks, face_topology(engine=engine), side, engine)


@dataclass(eq=False)
class _Look:
    """A source picture, the face in it, and why it cannot serve, where it cannot."""

    image: Image
    mark: Provenance
    face: Face | None
    refused: str | None = None

    @classmethod
    def at(cls, source: ImageSource | Edit, who: Who, engine: Engine, *, alone: bool) -> _Look:
        if isinstance(source, Edit):
            image, mark = np.ascontiguousarray(source.image[..., :3]), source.provenance
        else:
            image, mark = load_image(source), mark_of(source)
        faces = engine.analyze(image, want=SOURCE_FIELDS | Choice(who).needs)
        try:
            row = _row(faces, who)
        except NoFace as error:
            if alone:
                raise NoFace("there is no face in the source picture.") from error
            return cls(image, mark, None, "no face in it")
        face = faces[row]
        return cls(image, mark, face, _fault(face))

    @property
    def embedding(self) -> Floats:
        """(D,) float32; 0 where there is none."""
        return np.nan_to_num(np.asarray(self._known.embedding.values, np.float32))

    @property
    def space(self) -> str:
        """Of the embedding."""
        return str(self._known.embedding.space)

    @property
    def mesh(self) -> Doubles:
        """(468, 3) float64, pixels."""
        return np.asarray(self._known.landmarks.values[:SURFACE], np.float64)

    @property
    def shape(self) -> Doubles:
        """(468, 3) float64, cm."""
        return np.asarray(self._known.stabilized.values[:SURFACE], np.float64)

    @property
    def yaw(self) -> float:
        """Degrees."""
        return float(self._known.pose.yaw)

    @property
    def expression(self) -> Doubles:
        """(52,) float64."""
        return np.nan_to_num(np.asarray(self._known.blendshapes.values, np.float64))

    @property
    def glasses(self) -> bool:
        """Whether it wears some."""
        extent = float(np.ptp(self.mesh[:, :2], axis=0).max())
        return bool(self._known.parse.region("glasses").area > GLASSES * extent**2)

    @property
    def _known(self) -> Face:
        if self.face is None:
            raise NoFace("there is no face in the source picture.")
        return self.face

    def texture(self, topology: Topology, side: int) -> Texture:
        """The colours of the face; hair, and what else stands before it, counts as unseen."""
        import cv2

        found = unwrap(self.image, self.mesh, topology, side)
        parse = self._known.parse
        # Glasses are drawn with the face: without them, and what is behind them, few would recognise it.
        before = parse.region("hair") | parse.region("hat") | (occluded(self._known) - parse.region("glasses"))
        levels = before.to_levels()[..., None]
        place = topology.uv * np.float32(side) - np.float32(0.5)
        hidden = warp_mesh(levels, self.mesh, place, topology.triangles, (side, side))[0][..., 0]
        reach = max(round(side * HAIR_EDGE), 1)
        wide = cv2.dilate(hidden, np.ones((reach, reach), np.uint8))
        clear = 1 - np.asarray(cv2.blur(wide, (reach, reach)), np.float32) / np.float32(255)
        return Texture(found.image, np.asarray(found.seen * clear, np.float32))


def _row(faces: Faces, who: Who) -> int:
    """Which face of a source."""
    if who is None and len(faces) > 1:
        raise UsageError(f"there are {len(faces)} faces in the source: say which with source_who=, such as largest.")
    rows = Choice(who).rows(faces)
    if len(rows) > 1:
        raise UsageError(f"source_who={who!r} is {len(rows)} faces of the source: one is needed.")
    return int(rows[0])


def _fault(face: Face) -> str | None:
    """Why a face cannot serve as a source; the angle is judged with the other pictures."""
    extent = float(max(face.box[2] - face.box[0], face.box[3] - face.box[1]))
    mesh = np.asarray(face.landmarks.values, np.float64)
    if not np.isfinite(mesh).all() or not float(face.presence) >= LEAST_PRESENCE:
        return "it shows no human face that a mesh can be laid over"
    if extent < SMALLEST:
        return f"the face is {extent:.0f} pixels large, and {SMALLEST:g} are needed"
    if float(face.recognizability) < NOBODY:
        return "it shows no human face, or one that nobody could recognise"
    facing = float(face.pose.yaw)
    wide = openings(mesh[None])[0]
    # Of a head that is turned, the far eye says little.
    if (wide[0] if facing > PROFILE / 2 else wide[1] if facing < -PROFILE / 2 else wide.max()) < SHUT:
        return "the eyes are closed"
    if (face.covered.named("eyes_covered") > COVERED) or (face.covered.named("mouth_covered") > COVERED):
        return "the eyes or the mouth are covered"
    clear = _clear_share(face)
    if clear < CLEAR:
        return f"something covers {1 - clear:.0%} of the face"
    return None


def _clear_share(face: Face) -> float:
    """Share of the face that nothing stands before."""
    share = face.visible.named("face")
    return 1.0 if np.isnan(share) else float(share)


def _judge(looks: Sequence[_Look]) -> None:
    """Refuse profiles of which no other picture shows the other half."""
    usable = [look for look in looks if look.refused is None and look.face is not None]
    for look in usable:
        others = (other.yaw * np.sign(look.yaw) for other in usable if other is not look)
        if abs(look.yaw) > PROFILE and not any(yaw <= OTHER_HALF or abs(yaw) <= PROFILE for yaw in others):
            look.refused = (
                f"the head is turned by {abs(look.yaw):.0f} degrees, and no other picture shows its other half"
            )


def _fused(used: Sequence[_Look], looks: Sequence[_Look], topology: Topology, side: int, engine: Engine) -> Identity:
    """One identity of the pictures that can serve."""
    textures = [look.texture(topology, side) for look in used]
    order = sorted(range(len(used)), key=lambda place: -float(textures[place].seen.sum()))
    texture = fill(blend([textures[place] for place in order]))
    # The nearer to rest and to the front, the more a mesh tells of the person.
    calm = [np.exp(-look.expression[1:].sum() / 4 - (look.yaw / 40) ** 2) for look in used]
    weights = np.asarray(calm) / np.sum(calm)
    shape = _weighted_median(np.stack([look.shape for look in used]), weights)
    vectors = np.stack([look.embedding for look in used])
    mean = vectors.mean(axis=0)
    mean /= max(float(np.linalg.norm(mean)), 1e-9)
    space = used[0].space
    marks = [look.mark for look in used]
    return Identity(
        texture,
        _worth(texture.seen),
        shape,
        Vectors(mean[None].astype(np.float32), space=space)[0],
        marks[0] if len(marks) == 1 else Provenance.composed(*marks),
        len(used),
        np.asarray(weights @ np.stack([look.expression for look in used])),
        used[order[0]].glasses,
        {"pictures": _told(looks), **_doubt(vectors, space, engine)},
    )


def _worth(seen: Floats) -> Floats:
    """How much of each texel is worth drawing: all but large parts that neither half of the face shows."""
    import cv2

    side = len(seen)
    guess = ((seen < 0.5) & (seen[:, ::-1] < 0.5)).astype(np.uint8)
    # The texture's corners are no face; so what is beyond its edge counts as a guess as well.
    reach = max(round(side * GUESS), 1)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    framed = np.pad(guess, reach, constant_values=1)
    large = cv2.dilate(cv2.erode(framed, brush), brush)[reach:-reach, reach:-reach]
    return np.asarray(1 - cv2.GaussianBlur(large.astype(np.float32), (0, 0), reach / 5), np.float32)


def _weighted_median(values: Doubles, weights: Doubles) -> Doubles:
    """Median over the first axis; of one or two, the mean."""
    if len(values) < 3:
        return np.asarray(np.tensordot(weights, values, axes=1))
    order = np.argsort(values, axis=0)
    below = np.cumsum(weights[order], axis=0)
    place = (below < 0.5).sum(axis=0)
    return np.asarray(np.take_along_axis(np.take_along_axis(values, order, axis=0), place[None], axis=0)[0])


def _told(looks: Sequence[_Look]) -> list[dict[str, Any]]:
    return [{"source": place, "used": look.refused is None, "reason": look.refused} for place, look in enumerate(looks)]


def _doubt(vectors: Floats, space: str, engine: Engine) -> dict[str, Any]:
    """How alike the two least alike pictures are, and a warning where they do not look like one person."""
    if len(vectors) < 2:
        return {}
    told: dict[str, Any] = {"similarity": round(float((vectors @ vectors.T).min()), 3)}
    try:
        calibration = load_calibration(space, licenses=engine.licenses)
    except NotCalibrated:
        return told
    grown = Traits(ages=(18.0, 150.0))
    if told["similarity"] < calibration.threshold(STRANGERS, calibration.strata_of(grown, grown))[0]:
        told["warning"] = "the source pictures may show several people."
    return told
