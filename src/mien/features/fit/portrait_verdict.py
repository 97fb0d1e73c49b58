"""``mien.portrait``: whether a photo will do for a document, with the reason where it will not, and the crop of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.faces import Faces
from mien.core.geometry import invert, transform
from mien.core.image import Image, ImageSource
from mien.core.warping import warp
from mien.engine import Batch, Engine, default_engine
from mien.features.fit.portrait import NEEDS, measure
from mien.features.fit.portrait_geometry import HeadPlace, place_heads
from mien.features.fit.portrait_rules import Limit, Rules, RulesSource, known_checks, load_rules

__all__ = ["Portrait", "PortraitCheck", "judge", "portrait"]

MM_PER_INCH = 25.4
TRIES = 25  # sizes of the head, and heights of the eyes, that a crop is tried with


@dataclass(frozen=True, kw_only=True)
class PortraitCheck:
    """One requirement of a portrait. True where it is met.

    Parameters
    ----------
    name : str
        What is measured: a name of ``features/fit/rules/checks.toml``.
    value : float or None
        What was measured, in `unit`; None where it could not be.
    unit : str
        Of `value`, `least` and `most`.
    least, most : float or None
        What is allowed; None: no limit.
    score : float or None
        0.5 at a limit, more inside, in [0, 1].
    passed : bool or None
        None: it could not be measured.
    reason : str or None
        What is wrong, or why it is not known; None where it passed.
    clause : str
        Where the requirement stands: a clause only where it could be confirmed, else the standard alone.
    ours : bool
        The requirement is one of words; the number is ours.
    """

    name: str
    value: float | None
    unit: str
    least: float | None
    most: float | None
    score: float | None
    passed: bool | None
    reason: str | None
    clause: str
    ours: bool

    def __bool__(self) -> bool:
        return self.passed is True

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            key: round(value, 5) if isinstance(value, float) else value
            for key, value in self.__dict__.items()
            if key != "name"
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Portrait:
    """What was found about a photo for a document. True only where all requirements are met.

    Parameters
    ----------
    checks : mapping of str to PortraitCheck
        By name, in the order of the rules; empty where no face was found.
    rules : Rules
        What it was held to.
    faces : int
        How many faces are in the picture; the largest was judged.
    box : (x1, y1, x2, y2) or None
        Of the face that was judged, in pixels of the upright picture.
    size : (width, height)
        Of the picture in pixels.
    models : mapping of str to str
        Which model made what the checks read: field to model id.
    """

    checks: Mapping[str, PortraitCheck]
    rules: Rules
    faces: int
    box: tuple[float, float, float, float] | None
    size: tuple[int, int]
    models: Mapping[str, str]
    image: Image | None = field(default=None, repr=False)
    head: HeadPlace | None = field(default=None, repr=False)

    @property
    def passed(self) -> bool | None:
        """False where a requirement is not met or no face was found; None where none fails but one is not known."""
        verdicts = {check.passed for check in self.checks.values()}
        return False if not self.faces or False in verdicts else None if None in verdicts else True

    def __bool__(self) -> bool:
        return self.passed is True

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong, in plain words, one sentence each."""
        if not self.faces:
            return ("there is no face in the picture",)
        return tuple(check.reason for check in self.checks.values() if check.passed is False and check.reason)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be measured, and why."""
        return tuple(
            f"{check.name.replace('_', ' ')} is not known: {check.reason}"
            for check in self.checks.values()
            if check.passed is None
        )

    def __str__(self) -> str:
        verdict = {True: "passed", False: "not passed", None: "not decided"}[self.passed]
        return "\n".join([f"{verdict}: {self.rules.title}", *self.reasons, *self.unknown])

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "passed": self.passed,
            "rules": self.rules.title,
            "reasons": list(self.reasons),
            "unknown": list(self.unknown),
            "faces": self.faces,
            "box": None if self.box is None else [round(edge, 2) for edge in self.box],
            "size": list(self.size),
            "checks": {name: check.to_dict() for name, check in self.checks.items()},
            "models": dict(self.models),
        }

    def crop(
        self,
        *,
        width_mm: float | None = None,
        height_mm: float | None = None,
        dpi: float = 300,
        head: float | None = None,
    ) -> Image:
        """The portrait at the size of a print, upright, with head and eyes where the rules want them.

        Pixels are moved, never made up: nothing is enlarged, and nothing is added where the picture ends. The head is
        as large as the rules' ``[crop]`` says, or as near to that as the picture allows within their limits. Light,
        background and face stay as they are: check the crop again.

        Parameters
        ----------
        width_mm, height_mm : float, optional
            Of the print; by default the rules'.
        dpi : float
            Dots per inch.
        head : float, optional
            Height of the head in shares of the picture's; by default the rules'.

        Returns
        -------
        (H, W, 3) uint8

        Raises
        ------
        NoFace
            If none was found, or its mesh was not.
        UsageError
            If a number is out of range, the rules say no size, or the picture is too small or too narrow around the
            head.
        """
        rule = self.rules.crop
        if rule is not None:
            width_mm, height_mm = width_mm or rule.width_mm, height_mm or rule.height_mm
        if width_mm is None or height_mm is None:
            raise UsageError("these rules say no size of a print: pass width_mm and height_mm.")
        size = round(width_mm / MM_PER_INCH * dpi), round(height_mm / MM_PER_INCH * dpi)
        if not (min(size) >= 1 and max(size) <= 20_000):
            raise UsageError(
                f"a print of {width_mm:g} x {height_mm:g} mm at {dpi:g} dpi has no size that can be drawn."
            )
        if self.image is None or self.head is None or not np.isfinite(self.head.height[0]):
            raise NoFace("there is no face in the picture to crop by.")
        wanted = (head or (rule.head if rule else 0.75), rule.eyes if rule else 0.45)
        if not 0 < wanted[0] < 1:
            raise UsageError(f"the head is a share of the picture's height between 0 and 1, not {wanted[0]:g}.")
        shares = _outwards(wanted[0], None if head else self.rules.checks.get("head_height"))
        eyes = _outwards(wanted[1], self.rules.checks.get("vertical"))
        for share in shares:
            for eye in eyes:
                m = _crop_map(self.head, size, share, eye)
                if _covered(m, size, self.size):
                    scale = float(np.hypot(m[0, 0], m[0, 1]))
                    if scale > 1.001:
                        raise UsageError(
                            f"the face has too few pixels for {dpi:g} dpi: {int(dpi / scale)} dpi are what it has."
                        )
                    return warp(self.image, m, (size[1], size[0]))
        raise UsageError("there is not enough picture around the head for such a crop: it would reach beyond its edge.")


def portrait(image: ImageSource, *, rules: RulesSource = "icao", engine: Engine | None = None) -> Portrait:
    """Check a photo against the requirements of portraits for documents.

    What a picture can show is measured, and no more: that it was taken within six months, or that a scarf is worn for
    faith, it does not show. Many requirements are of words only; there the limits are ours. An office may refuse what
    passes here, and take what fails.

    Parameters
    ----------
    image : path, bytes, binary file, PIL image, or (H, W, 3) uint8 RGB array
        See `mien.load_image`. The largest face is judged.
    rules : str, path, mapping or Rules
        "icao" (ICAO Doc 9303 by ISO/IEC 19794-5), "us-visa", the path of a .toml file, or what such a file holds.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Portrait
        True where all requirements are met; its ``reasons`` say what is wrong.

    Raises
    ------
    ImageError, SourceError
        If the picture, or a file of rules, cannot be read.
    UsageError
        If there are no such rules.
    ModelError, DeviceUnavailable
        If a model cannot be had or run.

    Examples
    --------
    >>> found = mien.portrait("photo.jpg")  # doctest: +SKIP
    >>> found.passed, found.reasons  # doctest: +SKIP
    (False, ("the head is turned 14 degrees to the picture's left; at most 5 are allowed",))
    """
    table = load_rules(rules)  # before the picture is looked at
    engine = engine or default_engine()
    return judge(engine.analyze(image), rules=table, engine=engine)


def judge(faces: Faces, *, rules: RulesSource = "icao", engine: Engine | None = None) -> Portrait:
    """The same for a picture whose faces are known already: see `portrait`.

    Parameters
    ----------
    faces : Faces
        All faces of a picture, which is kept with them; the largest is judged.

    Raises
    ------
    ImageNotKept
        If the picture is not.
    UsageError, ModelError, DeviceUnavailable
        As `portrait`.
    """
    table, engine = load_rules(rules), engine or default_engine()
    picture = faces.require_image()
    size = picture.shape[1], picture.shape[0]
    if not len(faces):
        return Portrait(checks={}, rules=table, faces=0, box=None, size=size, models={})
    one = engine.analyze(picture, faces=faces.top(1), want=set(NEEDS))
    values = measure(Batch([picture], np.zeros(1, np.intp), one), counts=np.array([len(faces)]))
    x1, y1, x2, y2 = map(float, one.boxes[0])
    return Portrait(
        checks=MappingProxyType(
            {name: _judged(name, float(values[name][0]), limit) for name, limit in table.checks.items()}
        ),
        rules=table,
        faces=len(faces),
        box=(x1, y1, x2, y2),
        size=size,
        models=MappingProxyType(dict(one.models)),
        image=picture,
        head=place_heads(one.landmarks.values),
    )


def _judged(name: str, value: float, limit: Limit) -> PortraitCheck:
    wording = known_checks()[name]
    known = bool(np.isfinite(value))
    passed = bool(limit.least <= value <= limit.most) if known else None
    reason = None if passed else wording.unknown
    if passed is False:
        above = value > limit.most
        reason = wording.sentence(value, limit.most if above else limit.least, above=above)
    return PortraitCheck(
        name=name,
        value=wording.times * value if known else None,
        unit=wording.unit,
        least=wording.times * limit.least if np.isfinite(limit.least) else None,
        most=wording.times * limit.most if np.isfinite(limit.most) else None,
        score=float(limit.scores(np.array([value]))[0]) if known else None,
        passed=passed,
        reason=reason,
        clause=limit.clause,
        ours=limit.ours,
    )


def _outwards(wanted: float, limit: Limit | None) -> list[float]:
    """What is wanted, and other values within the limits, the nearest first; a little within, as crops are rounded."""
    if limit is None or not limit.least + 0.02 < limit.most:
        return [wanted]
    others = np.linspace(max(limit.least, 0.0) + 0.01, min(limit.most, 1.0) - 0.01, TRIES).tolist()
    return [wanted, *sorted(others, key=lambda value: abs(value - wanted))]


def _crop_map(head: HeadPlace, size: tuple[int, int], share: float, eyes: float) -> NDArray[np.float64]:
    """Map from picture to crop (2, 3): upright, the eyes in the middle and so far below the top, the head so large."""
    width, height = size
    scale = share * height / head.height[0]
    (x, y), middle = head.up[0], head.middle[0]
    turn = scale * np.array([[-y, x], [-x, -y]])  # takes `up` to (0, -1)
    target = np.array([width / 2, eyes * height]) - 0.5
    return np.column_stack([turn, target - turn @ middle])


def _covered(m: NDArray[np.float64], size: tuple[int, int], picture: tuple[int, int]) -> bool:
    """Whether each pixel of the crop is one of the picture."""
    corners = np.array([(x, y) for x in (-0.5, size[0] - 0.5) for y in (-0.5, size[1] - 0.5)])
    places = transform(corners[None], invert(m[None]))[0] + 0.5
    return bool(((places >= -0.5) & (places <= np.array(picture) + 0.5)).all())
