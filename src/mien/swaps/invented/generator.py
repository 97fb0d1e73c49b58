"""People who do not exist: portraits from a seed, one clean adult face in each, and distinct people on demand.

A seed opens a stream of latents. Each is drawn and then looked at by the engine's own models; the first picture that
passes is the seed's person. So a seed means the same person wherever the same models judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Points
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.embeddings.calibration import Traits, load_calibration
from mien.engine import Engine, default_engine
from mien.media.provenance import Provenance
from mien.runtime.bundle import Bundle
from mien.swaps.edit import Edit
from mien.swaps.invented.attributes import checked_targets
from mien.swaps.invented.checks import Checks
from mien.swaps.invented.directions import Look, Reached
from mien.swaps.invented.studio import Studio

__all__ = [
    "Checks",
    "Generator",
    "MobileStyleGAN",
    "check_options",
    "check_similarity",
    "check_whole",
    "distinct_people",
    "generate",
    "latents",
    "people_of",
    "person_of",
    "portrait",
    "same_person",
]

Floats = NDArray[np.float32]

STYLES_AVERAGED = 1024  # latents whose mean style is the face that truncation pulls towards
PATIENCE = 100  # latents that may fail in a row
DRAWS = 12  # pictures on the way to the attributes that are asked for


class Generator(Protocol):
    """Draws portraits from latents: what gives the job "generate". Made with one `Bundle`."""

    def styles(self, latents: Floats, *, truncation: float) -> Floats:
        """Styles (N, D) of latents (N, D), pulled towards the mean style: 0 is the mean face, 1 is no pull."""
        ...

    @property
    def layers(self) -> int:
        """How many layers R take a style each, from the coarsest to the finest."""
        ...

    def draw(self, styles: Floats) -> NDArray[np.uint8]:
        """Pictures (N, H, W, 3) of styles: (N, D), the same for all layers, or (N, R, D), one for each."""
        ...


class MobileStyleGAN:
    """MobileStyleGAN: StyleGAN2 for FFHQ faces, distilled into a network a tenth its size.

    Parameters
    ----------
    bundle : Bundle
        Card with the files ``mapping`` (latent to style) and ``synthesis`` (style to picture).

    References
    ----------
    Belousov, *MobileStyleGAN: A Lightweight Convolutional Neural Network for High-Fidelity Image Synthesis*, 2021.
    Truncation: Karras, Laine & Aila, *A Style-Based Generator Architecture for GANs*, CVPR 2019, appendix B.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._mapping = bundle.session("mapping")
        self._synthesis = bundle.session("synthesis", spread=True)
        stream = latents(0)
        sample = np.stack([next(stream) for _ in range(STYLES_AVERAGED)])
        self._mean: Floats = self._mapping.run(sample)[0].mean(axis=0, dtype=np.float64).astype(np.float32)

    def styles(self, latents: Floats, *, truncation: float) -> Floats:
        """See `Generator.styles`; D is 512."""
        return self._mean + np.float32(truncation) * (self._mapping.run(latents)[0] - self._mean)

    @property
    def layers(self) -> int:
        """See `Generator.layers`; 23: three for each size from 4 to 512 pixels, but two for the first and the last."""
        return 23

    def draw(self, styles: Floats) -> NDArray[np.uint8]:
        """See `Generator.draw`; H and W are 1024."""
        if styles.ndim == 2:
            styles = np.repeat(styles[:, None], self.layers, axis=1)
        pictures = self._synthesis.run(styles)[0]  # (N, 3, H, W), RGB in [-1, 1] with some overshoot
        levels = np.clip(pictures * np.float32(127.5) + np.float32(128), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def latents(seed: int) -> Iterator[Floats]:
    """Endless normal latents (512,) of a seed, the same everywhere.

    numpy keeps the bits of PCG64 for good, but not what its `Generator` makes of them; so the normal numbers are made
    here (Box & Muller, 1958).
    """
    bits = np.random.PCG64(seed)
    while True:
        raw = bits.random_raw(512).reshape(2, 256) >> np.uint64(11)
        uniform = (raw + 0.5) * 2.0**-53  # in (0, 1), never either end
        radius, angle = np.sqrt(-2 * np.log(uniform[0])), 2 * np.pi * uniform[1]
        yield np.concatenate([radius * np.cos(angle), radius * np.sin(angle)]).astype(np.float32)


# --- verbs ----------------------------------------------------------------------------------------


def generate(
    *,
    seed: int,
    truncation: float = 0.7,
    size: int | None = None,
    checks: Checks | None = None,
    engine: Engine | None = None,
    **attributes: float | None,
) -> Edit:
    """Draw the portrait of a person who does not exist, with attributes of given values where they are asked for.

    Parameters
    ----------
    seed : int
        Which person, 0 or more. The same seed gives the same picture: bit for bit on one machine whatever its number
        of threads, and up to rounding on others (measured by doing without AVX: 2 of 10,000 values differ, by 1 of
        255). With another precision than the card's it is another picture.
    truncation : float
        0 is the mean face, 1 all that the network knows, with its failures. Low values look cleaner and more alike.
    size : int, optional
        Side of the picture in pixels, 64 to 1024; default 1024.
    checks : Checks, optional
        What a picture must pass. Those that fail are skipped; ``report["refused"]`` counts them by reason.
    engine : Engine, optional
        Default: `mien.default_engine()`.
    **attributes : float
        Values that the engine's own models shall read off the picture, such as ``age=60, smile=0.8, yaw=15``: see
        `invented.attributes.ATTRIBUTES` for all. The seed's person is changed step by step, up to `DRAWS` pictures,
        and what comes out must pass the checks, too. ``report["attributes"]`` says what was reached, and
        ``report["missed"]`` what was not.

    Returns
    -------
    Edit
        Whatever it saves is marked as made by a model.

    Raises
    ------
    UsageError
        If an option or an attribute is out of range, or an age under 18 is asked for, or no picture passes in 100
        draws.
    ModelError
        If the models cannot be had.
    """
    check_options(seed, truncation, size)
    targets = checked_targets(attributes)
    engine = engine or default_engine()
    extra = frozenset({"embedding"}) if targets else frozenset()
    studio = Studio(engine, checks, attributes=frozenset(targets), fields=extra)
    look, told = person_of(seed, truncation, studio, targets)
    return portrait(look, told, size, engine)


def distinct_people(
    count: int | None = None,
    *,
    seed: int,
    truncation: float = 0.7,
    size: int | None = None,
    similarity: float | None = None,
    checks: Checks | None = None,
    engine: Engine | None = None,
) -> Iterator[Edit]:
    """Draw people of whom no two look like the same person to the engine's embedder.

    Each is compared with all given out before. The first is ``generate(seed=seed)``.

    Parameters
    ----------
    count : int, optional
        How many; default: as long as there are any.
    similarity : float, optional
        Cosine from which on two are the same person; default: the embedder's threshold at a false accept rate of 1e-3.
    seed, truncation, size, checks, engine
        As for `generate`.

    Yields
    ------
    Edit

    Raises
    ------
    UsageError
        If an option is out of range, or 100 draws in a row give nobody new: the truncation holds no more people.
    NotCalibrated
        If `similarity` is not given and no calibration of the embedder has this rate, or the engine's licenses do not
        permit it.
    """
    check_options(seed, truncation, size)
    if count is not None:
        check_whole("count", count, 0)
    engine = engine or default_engine()
    limit = check_similarity(similarity, engine)
    known: list[Floats] = []

    def stranger(faces: Faces) -> str | None:
        vector = faces.embedding.values[0]
        if np.isnan(vector).any():
            return "no clear face"
        if any(float(vector @ other) >= limit for other in known):
            return "like one given out before"
        known.append(vector)
        return None

    studio = Studio(engine, checks, fields=frozenset({"embedding"}))
    people = people_of(seed, truncation, studio, stranger)
    return islice((portrait(look, told, size, engine) for look, told in people), count)


def check_options(seed: int, truncation: float, size: int | None) -> None:
    """Refuse options of `generate` that are out of range."""
    check_whole("seed", seed, 0)
    if not 0 <= truncation <= 1:
        raise UsageError(f"truncation must be between 0 and 1, not {truncation}.")
    if size is not None:
        check_whole("size", size, 64, 1024)


def check_whole(name: str, value: int, low: int, high: int | None = None) -> None:
    """Refuse what is no whole number, or out of range."""
    if isinstance(value, int | np.integer) and low <= value and (high is None or value <= high):
        return
    span = f"of {low} or more" if high is None else f"between {low} and {high}"
    raise UsageError(f"{name} must be a whole number {span}, not {value!r}.")


def check_similarity(similarity: float | None, engine: Engine) -> float:
    """The cosine from which on two are the same person: what is given, or the embedder's own."""
    if similarity is None:
        return same_person(engine)
    if not -1 <= similarity <= 1:
        raise UsageError(f"similarity must be between -1 and 1, not {similarity}.")
    return float(similarity)


def people_of(
    seed: int, truncation: float, studio: Studio, accept: Callable[[Faces], str | None]
) -> Iterator[tuple[Look, dict[str, Any]]]:
    """Looks of a seed that pass the checks and `accept`, which says why one does not; and what to tell of each."""
    refused: Counter[str] = Counter()
    for draw, latent in enumerate(latents(seed), start=1):
        look = studio.look(studio.generator.styles(latent[None], truncation=truncation)[0])
        if reason := look.refusal or accept(look.faces):
            refused[reason] += 1
            if refused.total() == PATIENCE:
                reasons = ", ".join(f"{number} {why}" for why, number in refused.most_common())
                raise UsageError(
                    f"seed {seed} gives no further person at truncation {truncation} ({reasons}): "
                    "try a higher truncation or another seed."
                )
            continue
        yield look, {"seed": seed, "truncation": truncation, "draw": draw, "refused": dict(refused)}
        refused.clear()


def person_of(
    seed: int, truncation: float, studio: Studio, targets: Mapping[str, float]
) -> tuple[Look, dict[str, Any]]:
    """The person of a seed, with the attributes that are asked for, and what to tell of it."""
    look, told = next(people_of(seed, truncation, studio, lambda _: None))
    if targets:
        reached = studio.steer(look, targets, draws=DRAWS)
        told |= _told(reached, look, targets)
        look = reached.look
    return look, told


def _told(reached: Reached, before: Look, targets: Mapping[str, float]) -> dict[str, Any]:
    """What became of the attributes that were asked for; JSON types."""
    vectors = [np.asarray(look.faces.embedding.values[0], np.float64) for look in (before, reached.look)]
    return {
        "attributes": {
            name: {"asked": target, "before": round(before.value(name), 3), "reached": round(reached.values[name], 3)}
            for name, target in targets.items()
        },
        "missed": reached.missed(targets),
        "steps": reached.draws,
        "steps_refused": dict(reached.refused),
        "similarity": round(float(np.nan_to_num(vectors[0] @ vectors[1])), 3),
    }


def portrait(look: Look, told: Mapping[str, Any], size: int | None, engine: Engine) -> Edit:
    """What is given out of a look, and what is told of it: with a ``seed``, if it is one person's."""
    mark = Provenance.generated(engine.choose("generate").id, seed=told.get("seed"))
    return _scaled(Edit(look.image, mark, look.faces, told), size or look.image.shape[1])


def _scaled(edit: Edit, size: int) -> Edit:
    """The same picture at another size, with its face in the new pixels."""
    factor = size / edit.image.shape[1]
    if factor == 1:
        return edit
    import cv2

    image = cast("Image", cv2.resize(edit.image, (size, size), interpolation=cv2.INTER_AREA))
    faces = edit.faces
    moved = replace(
        faces,
        boxes=faces.boxes * np.float32(factor),
        keypoints=_scaled_points(faces.keypoints, factor),
        columns={
            name: replace(column, values=_scaled_points(column.values, factor))
            if isinstance(column, Points)
            else column
            for name, column in faces.columns.items()
        },
    ).with_image(image)
    return replace(edit, image=image, faces=moved)


def _scaled_points(points: Floats, factor: float) -> Floats:
    """Points (..., 2 or 3) in the pixels of a picture `factor` times as large; x and y count from a pixel's centre."""
    moved = points * np.float32(factor)
    moved[..., :2] += np.float32((factor - 1) / 2)
    return moved


def same_person(engine: Engine) -> float:
    """Cosine that two strangers reach once in a thousand pairs: adults, as large as the network draws them."""
    calibration = load_calibration(engine.choose("embedding").space or "", licenses=engine.licenses)
    adult = Traits(ages=(18.0, 150.0), size=(300.0, 1024.0))
    return calibration.threshold(1e-3, calibration.strata_of(adult, adult))[0]
