"""Are these two faces the same person? An answer with its error rate, or the reason why there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np

from mien.core.columns import Vectors
from mien.core.errors import LicenseRefused, NotCalibrated, UsageError, WeightsUnavailable
from mien.core.faces import Face, Faces
from mien.core.image import ImageSource
from mien.embeddings.calibration import ANY, Calibration, Range, Traits, load_calibration
from mien.engine import Engine, default_engine

__all__ = ["MIN_QUALITY", "Verification", "Which", "check_ages", "check_options", "similarity", "traits_of", "verify"]

Which = Literal["largest", "only"]
Box = tuple[float, float, float, float]

#: The least recognizability of which `verify` gives an answer: below it, tables know nothing of strangers' scores, and
#: of one's own pictures four in five are missed.
MIN_QUALITY = 0.2


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The answer of `verify`. It is true only where ``same`` is True.

    Parameters
    ----------
    same : bool or None
        Whether the faces are of one person; None where that cannot be said at the rate asked for.
    reason : str
        Why, in one sentence.
    score : float or None
        Cosine similarity of the two faces, in [-1, 1].
    threshold : float or None
        The score from which on `same` is True.
    far : float or None
        The false accept rate that the threshold holds: how often two strangers reach it. None: not known.
    score_far : float or None
        The rate at which two strangers reach this very score; the table's lowest rate means "at most this", and 1 that
        the score is below those that it has.
    extrapolated : bool
        Whether the rate is lower than could be counted, and comes from the fitted tail.
    calibration : str or None
        Name of the table that the threshold is from.
    strata : tuple of str
        The kinds of pairs that the two faces may belong to; the rate holds in the worst of them.
    space, model : str or None
        The embedding space, and the model that made the vectors.
    likelihood_ratio : float or None
        How much more often two pictures of one person have this score than those of strangers; bounded, see
        `Calibration.likelihood_ratio`. None where the table does not say.
    boxes : two of box or None
        The face that was used in each picture, xyxy in its pixels.
    recognizability : two of float or None
        How well each face can be recognised, in [0, 1]; None where that was not computed.
    notes : tuple of str
        What else matters: several faces in a picture, ages that are not known.
    """

    same: bool | None
    reason: str
    score: float | None = None
    threshold: float | None = None
    far: float | None = None
    score_far: float | None = None
    extrapolated: bool = False
    calibration: str | None = None
    strata: tuple[str, ...] = ()
    space: str | None = None
    model: str | None = None
    boxes: tuple[Box | None, Box | None] = (None, None)
    notes: tuple[str, ...] = ()
    likelihood_ratio: float | None = None
    recognizability: tuple[float | None, float | None] = (None, None)

    def __bool__(self) -> bool:
        return self.same is True

    def __str__(self) -> str:
        answer = {True: "the same person", False: "different people", None: "no answer"}[self.same]
        return "\n".join([f"{answer}: {self.reason}", *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        values = asdict(self)
        boxes = [list(box) if box else None for box in self.boxes]
        lists = {name: list(values[name]) for name in ("strata", "notes", "recognizability")}
        return values | lists | {"boxes": boxes}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verification:
        """Read what `to_dict` wrote; parts that an older version did not have are as they are by default.

        Raises
        ------
        UsageError
            If it is no such record.
        """
        try:
            one, two = (tuple(box) if box else None for box in values["boxes"])
            tuples = {name: tuple(values[name]) for name in ("strata", "notes", "recognizability") if name in values}
            return cls(**{**values, **tuples, "boxes": (one, two)})
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this is no verification as to_dict writes it: {error!r}.") from error


def similarity(x: Vectors | Face | Faces, y: Vectors | Face | Faces) -> Any:
    """Cosine similarities.

    Parameters
    ----------
    x, y : Vectors, Face or Faces
        Embeddings, or faces that have them.

    Returns
    -------
    float, or float32 array
        A number for two faces, (N,) for faces and one face, (N, M) for faces and faces. NaN where one abstained.

    Raises
    ------
    EmbeddingSpaceMismatch
        If they were made by models of different spaces.
    FieldNotComputed
        If faces have no embedding.
    """
    one, two = (value if isinstance(value, Vectors) else value.embedding for value in (x, y))
    cosines = one @ two
    return float(cosines) if np.ndim(cosines) == 0 else cosines


def verify(
    a: ImageSource | Face | Faces,
    b: ImageSource | Face | Faces,
    *,
    far: float = 1e-3,
    threshold: float | None = None,
    ages: Range | None = None,
    min_quality: float = MIN_QUALITY,
    which: Which = "largest",
    engine: Engine | None = None,
) -> Verification:
    """Compare the faces of two pictures.

    Strangers are accepted at a rate of at most `far`, in the worst of the strata (kinds of pairs by age and size) that
    the two faces may belong to. Ages are taken from `ages`, else from the field ``age``, which is estimated along the
    way where the engine has a model for it; else nothing is assumed and the rate holds for infants too, whom these
    networks confuse far more easily. A score that is enough for some of those strata and not for others gives None.
    So does a face that is too poor to be recognised, whatever its score.

    Parameters
    ----------
    a, b : picture, Face or Faces
        Anything `mien.load_image` takes, or faces that have an embedding.
    far : float
        False accept rate.
    threshold : float, optional
        A score of your own to accept from; `far` and the calibration then play no part in the answer. Its `far` is what
        the table says of the threshold, in the worst of the strata.
    ages : (low, high), optional
        Years between which both people are known to be, such as ``(18, 120)``.
    min_quality : float
        Lowest recognizability (the field of that name, in [0, 1]) of which an answer is given; 0 takes any face. Faces
        of which it is not known pass; without it the rate must hold for poor faces, too.
    which : {"largest", "only"}
        The face to use where a picture has several; with "only" the answer is then None.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Returns
    -------
    Verification
        Its `reason` says why where there is no answer: no face, an abstained vector, a face that is too poor, no
        calibration, a rate that the calibration does not carry.

    Raises
    ------
    EmbeddingSpaceMismatch
        If the two sides' vectors are of different spaces.
    FieldNotComputed
        If faces have no embedding.
    UsageError
        If an option is out of range.
    InputError, ModelError
        If a picture cannot be read, or a model cannot be had.

    Examples
    --------
    >>> answer = verify("passport.jpg", "selfie.jpg", far=1e-4, ages=(18, 120))  # doctest: +SKIP
    >>> answer.same, answer.score, answer.reason  # doctest: +SKIP
    """
    check_options(far, threshold, ages)
    if which not in get_args(Which):
        raise UsageError(f"which is one of {', '.join(get_args(Which))}; got {which!r}.")
    if not _is_number(min_quality) or not 0 <= min_quality <= 1:
        raise UsageError(f"min_quality is a number between 0 and 1; got {min_quality!r}.")
    ages = None if ages is None else (float(ages[0]), float(ages[1]))
    engine = engine or default_engine()
    sides = [_Side.of(source, name, which, engine) for source, name in ((a, "first"), (b, "second"))]
    known: dict[str, Any] = {
        "notes": tuple(dict.fromkeys(note for side in sides for note in side.notes)),
        "boxes": tuple(side.box for side in sides),
        "space": next((side.face.embedding.space for side in sides if side.face), None),
        "model": next((side.face.faces.models.get("embedding") for side in sides if side.face), None),
        "recognizability": tuple(side.recognizability for side in sides),
    }
    one, two = sides
    missing = one.missing or two.missing
    if one.face is None or two.face is None or missing:
        return Verification(same=None, reason=missing, **known)
    known["score"] = similarity(one.face, two.face)
    if poor := one.too_poor(min_quality) or two.too_poor(min_quality):
        return Verification(same=None, reason=poor, **known)
    calibration, refusal = None, ""
    try:
        calibration = load_calibration(one.face.embedding.space, licenses=engine.licenses)
    except NotCalibrated as error:
        refusal = str(error)
    traits = traits_of(one.face, ages), traits_of(two.face, ages)
    if threshold is not None:
        return _against(float(threshold), calibration, *traits, **known)
    if calibration is None:
        return Verification(same=None, reason=refusal, **known)
    return _answer(calibration, float(far), *traits, **known)


def check_options(far: float, threshold: float | None, ages: Range | None) -> None:
    """Raise UsageError for options of `verify` that are out of range."""
    if not _is_number(far) or not 0 < far < 1:
        raise UsageError(f"far is a rate between 0 and 1, such as 1e-3; got {far!r}.")
    if threshold is not None and not (_is_number(threshold) and -1 <= threshold <= 1):
        raise UsageError(f"threshold is a cosine between -1 and 1; got {threshold!r}.")
    check_ages(ages)


def check_ages(ages: Range | None) -> None:
    """Raise UsageError for ages that are none."""
    if ages is None:
        return
    years: Any = list(ages) if np.iterable(ages) else []
    if len(years) != 2 or not all(map(_is_number, years)) or not years[0] <= years[1]:
        raise UsageError(f"ages is (low, high) in years; got {ages!r}.")


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _against(
    threshold: float, calibration: Calibration | None, one: Traits, two: Traits, *, score: float, **known: Any
) -> Verification:
    """The answer at a threshold that the caller chose, with what the table says of it."""
    same = score >= threshold
    known |= {"score": score, "threshold": threshold}
    if calibration is not None:
        known |= {"calibration": calibration.name}
        # Faces of a kind that the table does not have: nothing is known of their strangers.
        with contextlib.suppress(NotCalibrated):
            strata = calibration.strata_of(one, two)
            known |= {"strata": strata, "far": calibration.far(threshold, strata)}
            known |= {"score_far": calibration.far(score, strata)}
            known |= {"likelihood_ratio": calibration.likelihood_ratio(score, strata)}
    relation = "reaches" if same else "is below"
    reason = f"the score {score:.3f} {relation} the threshold {threshold:.3f} that was given."
    return Verification(same=same, reason=reason, **known)


def _answer(
    calibration: Calibration, far: float, one: Traits, two: Traits, *, score: float, **known: Any
) -> Verification:
    """The answer at a false accept rate."""
    known |= {"score": score, "calibration": calibration.name}
    try:
        strata = calibration.strata_of(one, two)
        threshold, extrapolated = calibration.threshold(far, strata)
    except NotCalibrated as error:
        return Verification(same=None, reason=str(error), **known)
    known |= {"strata": strata, "score_far": calibration.far(score, strata), "extrapolated": extrapolated}
    known |= {"threshold": threshold, "far": far, "likelihood_ratio": calibration.likelihood_ratio(score, strata)}
    if score >= threshold:
        how = ", by extrapolation" if extrapolated else ""
        reason = f"the score {score:.3f} reaches {threshold:.3f}, as at most {far:g} of the pairs of strangers do{how}."
        return Verification(same=True, reason=reason, **known)
    needed = {name: calibration.threshold(far, [name])[0] for name in strata}
    enough = [name for name in strata if score >= needed[name]]
    if enough:
        reason = (
            f"the score {score:.3f} is enough for pairs of the kind {', '.join(enough)}, but the faces may also be of "
            f"a kind that needs {threshold:.3f}: {_remedy(calibration, strata, one, two)}."
        )
        return Verification(same=None, reason=reason, **known)
    return Verification(same=False, reason=f"the score {score:.3f} is below {min(needed.values()):.3f}.", **known)


def _remedy(calibration: Calibration, strata: Sequence[str], one: Traits, two: Traits) -> str:
    """What to tell of two faces so that fewer strata remain."""
    remedies = {
        "say how old the people are with ages=": len({s.ages for s in calibration.strata if s.name in strata}) > 1,
        "compute the field recognizability of both": ANY.quality in (one.quality, two.quality),
    }
    return ", and ".join(remedy for remedy, helps in remedies.items() if helps)


@dataclass(frozen=True)
class _Side:
    """One of the two pictures: the face that is used, or why there is none."""

    name: str
    face: Face | None
    missing: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: ImageSource | Face | Faces, name: str, which: Which, engine: Engine) -> _Side:
        notes: tuple[str, ...] = ()
        if isinstance(source, Face):
            return cls(name, source, _abstained(source, name))
        if not isinstance(source, Faces):
            source, notes = _analyze(source, engine)
        if not len(source):
            return cls(name, None, f"no face in the {name} picture.", notes)
        if len(source) > 1:
            if which == "only":
                return cls(name, None, f"{len(source)} faces in the {name} picture, where one was expected.", notes)
            notes = (*notes, f"{len(source)} faces in the {name} picture: the largest was used.")
        face = source.top(1)[0]
        return cls(name, face, _abstained(face, name), notes)

    @property
    def recognizability(self) -> float | None:
        return None if self.face is None else _recognizability(self.face)

    def too_poor(self, least: float) -> str:
        """Why the face is not compared, or nothing."""
        found = self.recognizability
        if found is None or found >= least:
            return ""
        return f"the {self.name} face is too poor to be recognised: {found:.2f}, where {least:g} is wanted."

    @property
    def box(self) -> Box | None:
        if self.face is None:
            return None
        x1, y1, x2, y2 = (round(float(value), 2) for value in self.face.box)
        return x1, y1, x2, y2


def _abstained(face: Face, name: str) -> str:
    if not face.embedding.abstained:
        return ""
    return f"the {name} face has no embedding: {face.embedding.reason or 'no reason was given'}."


def traits_of(face: Face, ages: Range | None = None) -> Traits:
    """What is known of a face for choosing strata: height, recognizability, and the person's age as given or estimated.

    Of an estimate all but 1 % of the probability counts: a child that is taken for an adult is what matters here.
    """
    height = float(face.box[3] - face.box[1])
    if ages is None and "age" in face.faces.columns and not face.age.abstained:
        below = np.cumsum(face.age.probabilities)
        low, high = (min(int((below < part * below[-1]).sum()), len(below) - 1) for part in (0.005, 0.995))
        ages = face.age.support[low], face.age.support[high]
    quality = _recognizability(face)
    return Traits(ages or ANY.ages, (height, height), ANY.quality if quality is None else (quality, quality))


def _recognizability(face: Face) -> float | None:
    if "recognizability" not in face.faces.columns or face.recognizability.abstained:
        return None
    return round(float(face.recognizability), 4)


def _analyze(source: ImageSource, engine: Engine) -> tuple[Faces, tuple[str, ...]]:
    """Faces with embedding and recognizability, and with age where that can be had, and what to note if not."""
    own = {"embedding", "recognizability"}
    if not engine.catalogue.giving("age"):
        return engine.analyze(source, want=own), ("ages were not estimated: no model gives them.",)
    try:
        return engine.analyze(source, want={*own, "age"}), ()
    except (LicenseRefused, WeightsUnavailable) as error:
        # If it is the embedding that cannot be had, this raises the same again.
        return engine.analyze(source, want=own), (f"ages were not estimated: {error}",)
