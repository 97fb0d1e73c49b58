"""A calibration table from a user's own pictures of people who do not know each other."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import InputError, NoFace, StorageError, UsageError
from mien.core.faces import Faces
from mien.embeddings.calibration import Calibration, Range, Traits, calibration_file
from mien.embeddings.comparison import check_ages, traits_of
from mien.embeddings.fitting import FEWEST_PAIRS, fit_calibration
from mien.engine import Engine, default_engine
from mien.evaluation.pairs import Pairs, read_pairs
from mien.media.provenance import provenance

__all__ = ["CalibrationReport", "calibrate_pairs"]


@dataclass(frozen=True)
class CalibrationReport:
    """A table, and what it was made of.

    Parameters
    ----------
    calibration : Calibration
    people, pictures, without_face : int
        What was looked at.
    """

    calibration: Calibration
    people: int
    pictures: int
    without_face: int

    @property
    def limits(self) -> str:
        """What the table does not carry, in a sentence or two."""
        strata = self.calibration.strata
        lowest = max(s.rates[-1] for s in strata)
        smallest, poorest = (min(getattr(s, part)[0] for s in strata) for part in ("size", "quality"))
        mixed = " Its rates are means over all ages: pairs of children reach a score more often than these."
        return (
            f"It says nothing of rates below {lowest:g}, of faces less than {smallest:g} pixels high or below "
            f"{poorest:g} in recognizability, of relatives, and of people who are not like these {self.people}."
            + (mixed if [s.name for s in strata] == ["anyone"] else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        strata = [
            {
                "name": s.name,
                "people": s.people,
                "pairs": s.pairs,
                "counted_down_to": s.counted_down_to,
                "extrapolated_down_to": s.rates[-1],
                "genuine_people": s.genuine.people if s.genuine else 0,
                "thresholds": {f"{rate:g}": s.threshold(rate) for rate in (1e-2, 1e-3, 1e-4) if rate >= s.rates[-1]},
            }
            for s in self.calibration.strata
        ]
        counts = {"people": self.people, "pictures": self.pictures, "without_face": self.without_face}
        return {"space": self.calibration.space, **counts, "strata": strata, "limits": self.limits}

    def save(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the table; without a path among the user's own, where it is found before one that ships.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        target = calibration_file(self.calibration.space) if path is None else Path(path)
        fresh = target.with_name(f"{target.name}.new")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(self.calibration.to_toml(), encoding="utf-8")
            fresh.replace(target)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise StorageError(f"cannot write {target}: {error.strerror}.") from error
        return target


def calibrate_pairs(
    source: Pairs | str | os.PathLike[str],
    *,
    name: str = "",
    data_terms: str = "unknown",
    ages: Range | None = None,
    engine: Engine | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> CalibrationReport:
    """Measure how often strangers reach a score, on labelled pictures.

    Strata are made of what can be told of the faces: size, recognizability, and age as estimated, or as given.

    Parameters
    ----------
    source : Pairs or path
        A folder with one folder of pictures per person, or a file of pairs; see `mien.evaluation.pairs.read_pairs`.
        Every two people of it count as strangers, so leave relatives and people with two names out.
    name : str
        Of the table; by default that of the folder or file.
    data_terms : str
        Terms of the pictures; only "free" ones make a table that is used under ``licenses="strict"``.
    ages : (low, high), optional
        Years between which everybody is known to be.
    engine : Engine, optional
        By default `mien.default_engine()`. The table is for the embedding space of its embedder.
    progress : callable, optional
        Told the number of pictures that are done, each time.

    Raises
    ------
    UsageError
        If there are fewer than 33 people with a face, the file does not say who is who, `ages` are none, or a picture
        is marked as generated: people who do not exist are more alike than people.
    NoFace
        If no picture has a face.
    SourceError, InputError
        If there is nothing to read.
    """
    check_ages(ages)
    engine = engine or default_engine()
    pairs = source if isinstance(source, Pairs) else read_pairs(source)
    if not pairs.named:
        raise UsageError(
            "these pairs do not say who is in each picture: a calibration needs to know which are strangers."
        )
    for picture in pairs.pictures:
        _refuse_generated(picture)
    count = len(set(pairs.people))
    if count * (count - 1) // 2 < FEWEST_PAIRS:
        raise UsageError(f"a calibration needs {FEWEST_PAIRS} pairs of strangers: 33 people; these are {count}.")
    found: list[tuple[str, Faces]] = []
    missing = 0
    for picture, person in zip(pairs.pictures, pairs.people, strict=True):
        faces = _face(picture, pairs.aligned, engine)
        missing += not len(faces)
        if len(faces):
            found.append((person, faces))
        progress(1)
    if not found:
        raise NoFace(f"no face in any of {len(pairs.pictures)} pictures.")
    title = name or ("pairs" if isinstance(source, Pairs) else Path(source).resolve().name)
    people = [person for person, _ in found]
    columns = [faces.embedding for _, faces in found]
    calibration = fit_calibration(
        np.concatenate([column.values for column in columns]),
        people,
        _traits([faces for _, faces in found], ages, aligned=pairs.aligned),
        space=columns[0].space,
        name=title,
        data=f"{title}: {len(set(people))} people, {len(found)} pictures",
        data_terms=data_terms,
    )
    return CalibrationReport(calibration, len(set(people)), len(pairs.pictures), missing)


def _traits(faces: Sequence[Faces], ages: Range | None, *, aligned: bool) -> list[Traits]:
    known = [traits_of(one[0], ages) for one in faces]
    if aligned:  # the crop's size is not the face's
        known = [Traits(ages=traits.ages, quality=traits.quality) for traits in known]
    return known


def _face(picture: Path | bytes, aligned: bool, engine: Engine) -> Faces:
    want = {"embedding", "recognizability", *(["age"] if engine.catalogue.giving("age") else [])}
    faces = engine.analyze(picture, aligned=aligned, want=want).top(1).with_image(None)  # thousands are held
    return faces if len(faces) and not faces[0].embedding.abstained else faces[:0]


def _refuse_generated(picture: Path | bytes) -> None:
    try:
        made = provenance(io.BytesIO(picture) if isinstance(picture, bytes) else picture)
    except InputError:  # of a kind that cannot carry the mark, or broken: reading it will tell
        return
    if made.synthetic:
        name = picture.name if isinstance(picture, Path) else "a picture"
        raise UsageError(f"{name} is marked as generated: a calibration is made of real people only.")
