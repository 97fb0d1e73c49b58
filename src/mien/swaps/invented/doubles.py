"""``Doubles``: a generated adult for each face that is to be hidden; one that fits, and is nobody.

A table of people ships: the seed of each, and what our models read off its picture. Who is hidden is looked at, the
people of the table are ranked by how well they fit it (tone of the skin, age, how masculine the face looks, light,
pose), and the first is drawn, moved to the tone, the light and the pose that are wanted, and looked at in turn: it must
pass the checks of `invented.checks`, look like nobody who is hidden, or was cast before, or is to be kept away from.
"""

from __future__ import annotations

import threading
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import EditRefused, ModelError, UsageError
from mien.core.faces import Face
from mien.core.image import Image
from mien.embeddings.calibration import Traits, load_calibration
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.swaps.consent import check_source
from mien.swaps.edit import Edit
from mien.swaps.effects import Shot
from mien.swaps.exchange.identity import Identity
from mien.swaps.invented.attributes import ATTRIBUTES
from mien.swaps.invented.directions import directions, toward
from mien.swaps.invented.generator import latents
from mien.swaps.invented.minors import minor_probability
from mien.swaps.invented.studio import Studio

__all__ = ["Doubles", "Extra", "extras"]

Floats = NDArray[np.float32]

#: By how much each attribute may differ for a fit to be half as good as another's; how far people are moved besides.
SCALES: Mapping[str, float] = {
    "tone": 0.06,
    "age": 10.0,
    "masculine": 0.35,
    "light": 0.2,
    "beard": 0.05,
    "yaw": 30.0,
    "pitch": 20.0,
    "smile": 1.0,
    "mouth_open": 1.0,
}
YOUNGEST = 35.0  # years that a younger face counts as: doubles are adults, and most who look younger are refused
FARTHEST_YAW, FARTHEST_PITCH = 35.0, 15.0  # degrees: beyond, the network draws no faces that it learned
CALM = {"smile": 0.2, "mouth_open": 0.05}  # the face that a texture is taken of
BARE, WORN = -0.25, 0.3  # how far, of its reach, everybody is moved from glasses, and what still counts as wearing some
VIEWS = (-28.0, 0.0, 28.0)  # degrees of yaw that a double of a video is drawn at
FAR = 0.05  # share of strangers who look too much alike to stand for one another
CHANCE = 1.0  # against the fit: so two seeds cast differently, and two pictures of one person
LIKELY = 0.5  # probability from which on who is hidden is told to look like a minor
PATIENCE = 24  # people who may not do, one after the other
MODEL = "mobilestylegan"  # whose seeds the table holds


@dataclass(frozen=True, kw_only=True)
class Extra:
    """One of the people of the table.

    Attributes
    ----------
    seed : int
        Its first latent is the person's.
    values : mapping of str to float
        Attributes of its picture.
    """

    seed: int
    values: Mapping[str, float]


@cache
def extras() -> tuple[float, tuple[Extra, ...]]:
    """Truncation, and people; ``tools/fit_directions.py`` writes them."""
    text = resources.files("mien.swaps.invented").joinpath("doubles.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    names = table["columns"][1:]
    people = (Extra(seed=int(row[0]), values=dict(zip(names, row[1:], strict=True))) for row in table["people"])
    return float(table["truncation"]), tuple(people)


@dataclass(eq=False)
class _Scene:
    """Who has been cast in one picture, or one video."""

    picture: Image | None
    time: float
    cast: dict[int, Identity] = field(default_factory=dict)
    seeds: set[int] = field(default_factory=set)
    hidden: list[Floats] = field(default_factory=list)


class Doubles:
    """Generated adults who stand for people: a casting, see `mien.swaps.exchange.identity.Casting`.

    In a video, a track keeps its double; no two people of one picture or video get the same, or two who look alike.
    From file to file people are cast anew, by fit and by a chance that the pixels decide: whether two files have the
    same double says little of whether they show the same person. A video that begins is told by its time, or with
    `begin`; one casting serves one video at a time.

    Parameters
    ----------
    seed : int
        Another seed casts other people among those that fit.
    far_from : Gallery, path of one, or Vectors, optional
        Real people whom no double may look like.
    far : float
        What looks alike: a likeness that this share of pairs of strangers reaches.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    ModelError
        If the engine's generator is another than that whose seeds ship.
    NotCalibrated
        If it cannot be said what looks alike, for the engine's embedder.

    Notes
    -----
    Whoever looks like a minor gets a grown face of 35 or more, as no minor is made, and is told of in the report. A
    double is chosen by tone, age, gender presentation and light, and by chance: whoever sees it knows these of the one
    who is hidden, roughly. It is no anonymity of a group by itself: who else was in the room, clothes, hair and gait
    are still to be seen.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        far_from: Gallery | str | PathLike[str] | Vectors | None = None,
        far: float = FAR,
        engine: Engine | None = None,
    ) -> None:
        self._engine = engine or default_engine()
        if (chosen := self._engine.choose("generate").id) != MODEL:
            raise ModelError(f"doubles are drawn by {MODEL}, and the engine would draw by {chosen}.")
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise UsageError(f"seed must be a whole number of 0 or more, not {seed!r}.")
        space = self._engine.choose("embedding").space or ""
        if isinstance(far_from, Vectors) and far_from.space != space:
            raise UsageError(f"far_from is of the space {far_from.space}, and the engine's is {space}.")
        calibration = load_calibration(space, licenses=self._engine.licenses)
        grown = Traits(ages=(18.0, 150.0))
        self.limit = calibration.threshold(far, calibration.strata_of(grown, grown))[0]
        self._seed, self._far_from = int(seed), far_from
        self._scene = _Scene(None, np.inf)
        self._told: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Begin another picture or video: who was cast before, and under which track, counts for nothing."""
        with self._lock:
            self._scene = _Scene(None, np.inf)
            self._told = []

    @property
    def fields(self) -> frozenset[str]:
        """Fields that a face is looked at by; those that a shot lacks are computed."""
        return frozenset({"embedding"}).union(*(ATTRIBUTES[name].fields for name in SCALES))

    @property
    def report(self) -> Mapping[str, Any]:
        """Whom it has cast, JSON types: seeds, how alike double and hidden person are, and what was refused.

        ``minor`` says whether who is hidden looks like one, and so has a double that is too old for it.
        """
        return {"people": [dict(entry) for entry in self._told], "limit": round(self.limit, 3), "seed": self._seed}

    def identity_for(self, shot: Shot, row: int) -> Identity | None:
        """The double of a face: see `Casting`.

        Raises
        ------
        UsageError
            If nobody of the table will do.
        """
        with self._lock:
            scene = self._scene_of(shot)
            key = row if shot.time is None else int(shot.faces.track.ids[row])
            if key not in scene.cast:
                scene.cast[key] = self._find(shot, row, key, scene)
            return scene.cast[key]

    def _scene_of(self, shot: Shot) -> _Scene:
        """A new one for each picture, and for a video that begins."""
        scene = self._scene
        picture = shot.image if shot.time is None else None
        time = 0.0 if shot.time is None else shot.time
        if scene.picture is not picture or time < scene.time:
            self._scene = scene = _Scene(picture, time)
        scene.time = time
        return scene

    def _find(self, shot: Shot, row: int, key: int, scene: _Scene) -> Identity:
        looked = self._engine.analyze(shot.image, want=self.fields, faces=shot.faces[[row]].with_image(shot.image))
        face = looked[0]
        wanted = _wanted(shot.image, face)
        hidden = np.asarray(face.embedding.values, np.float32)
        if np.isfinite(hidden).all():
            scene.hidden.append(hidden)
        refused: list[dict[str, Any]] = []
        entropy = [self._seed, len(scene.cast), zlib.crc32(shot.image.tobytes())]
        for extra in _ranked(wanted, entropy, scene.seeds):
            identity = self._drawn(extra, wanted, video=shot.time is not None)
            reason = identity if isinstance(identity, str) else self._too_near(identity, scene)
            if isinstance(identity, Identity) and reason is None:
                scene.seeds.add(extra.seed)
                likeness = float(np.asarray(identity.embedding.values) @ hidden)
                self._told.append(
                    {
                        "face" if shot.time is None else "track": key,
                        "seed": extra.seed,
                        "similarity": None if np.isnan(likeness) else round(likeness, 3),
                        "minor": bool(minor_probability(looked)[0] > LIKELY),
                        "asked": {name: round(value, 3) for name, value in wanted.items()},
                        "refused": refused,
                    }
                )
                return identity
            refused.append({"seed": extra.seed, "reason": reason})
            if len(refused) == PATIENCE:
                break
        raise UsageError(f"no double will do for face {row}: {refused[-1]['reason'] if refused else 'all are cast'}.")

    def _drawn(self, extra: Extra, wanted: Mapping[str, float], *, video: bool) -> Identity | str:
        """The person in the pose that is wanted, or in several; or why it will not do."""
        truncation, _ = extras()
        studio = Studio(self._engine, attributes=frozenset({"glasses"}))
        glasses = directions()["glasses"]
        styles = glasses.move(studio.styles(next(latents(extra.seed)), truncation), BARE * glasses.reach)
        mark = Provenance.generated(MODEL, seed=extra.seed)
        portraits = []
        for yaw in VIEWS if video else (wanted.get("yaw", 0.0),):
            look = studio.look(toward(styles, extra.values, {**_moves(extra, wanted), "yaw": yaw}))
            # Frames would be painted onto whoever wears none.
            refusal = look.refusal or ("wears glasses" if look.value("glasses") > WORN else None)
            if refusal is None:
                portraits.append(Edit(look.image, mark, look.faces))
            elif not video or yaw == 0:
                return refusal
        try:
            return Identity.of(portraits, who="largest", engine=self._engine)
        except UsageError as error:
            return str(error).rstrip(".")

    def _too_near(self, identity: Identity | str, scene: _Scene) -> str | None:
        """Whom a double looks too much like; None: nobody."""
        if isinstance(identity, str):
            return identity
        vector = np.asarray(identity.embedding.values, np.float32)
        others: Sequence[tuple[str, Floats]] = [
            ("somebody who is hidden", np.array(scene.hidden)),
            ("another double", np.array([other.embedding.values for other in scene.cast.values()])),
        ]
        if isinstance(self._far_from, Vectors):
            others = [*others, ("somebody to be kept away from", np.asarray(self._far_from.values))]
        for who, vectors in others:
            if len(vectors) and not float((vectors @ vector).max()) < self.limit:
                return f"looks like {who}"
        if self._far_from is None or isinstance(self._far_from, Vectors):
            return None
        try:
            check_source(identity, do_not_swap=self._far_from, engine=self._engine)
        except EditRefused as error:
            return str(error).rstrip(".")
        return None


def _wanted(image: Image, face: Face) -> dict[str, float]:
    """What a double should look like; without what cannot be told of the face."""
    seen = {name: ATTRIBUTES[name].read(image, face) for name in SCALES}
    seen |= CALM
    limits = {
        "age": (YOUNGEST, 75.0),
        "yaw": (-FARTHEST_YAW, FARTHEST_YAW),
        "pitch": (-FARTHEST_PITCH, FARTHEST_PITCH),
        "tone": (0.4, 0.88),
        "light": (-0.2, 0.2),
    }
    for name, (low, high) in limits.items():
        seen[name] = float(np.clip(seen[name], low, high))
    return {name: value for name, value in seen.items() if np.isfinite(value)}


def _ranked(wanted: Mapping[str, float], entropy: list[int], cast: set[int]) -> Iterator[Extra]:
    """People of the table, best first, without those who are cast already."""
    people = [extra for extra in extras()[1] if extra.seed not in cast]
    chance = np.random.Generator(np.random.PCG64(entropy)).gumbel(size=len(people))
    costs = [_misfit(extra.values, wanted) for extra in people] - CHANCE * chance
    return (people[index] for index in np.argsort(costs))


def _moves(extra: Extra, wanted: Mapping[str, float]) -> dict[str, float]:
    """What is changed of a person that was chosen: nobody is made younger, as fewer would pass as adults."""
    moves = {name: value for name, value in wanted.items() if name not in {"masculine", "beard"}}
    if moves.get("age", 0.0) <= extra.values["age"]:
        moves.pop("age", None)
    return moves


def _misfit(values: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """How badly somebody fits; 0 is perfect."""
    return sum(((values[name] - target) / SCALES[name]) ** 2 for name, target in wanted.items())
