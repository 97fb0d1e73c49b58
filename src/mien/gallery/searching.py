"""Asking a gallery: who is this, and who are these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import UsageError
from mien.core.faces import Face, Faces
from mien.core.image import ImageSource
from mien.embeddings.calibration import ANY, Traits
from mien.embeddings.comparison import traits_of
from mien.embeddings.expansion import expand as expand_probes
from mien.embeddings.reranking import rerank as rerank_looks
from mien.gallery.answers import Bars, Box, Found, Hit, OwnBar, answer, nearest_people
from mien.gallery.base import Base
from mien.gallery.intake import describe
from mien.gallery.records import ANYBODY, ANYTHING, Where
from mien.gallery.reembedding import look_again

__all__ = ["Searching"]

Floats = NDArray[np.float32]
CROWD = 10  # people whom each face of a crowd may be

Probe: TypeAlias = "ImageSource | Faces | Face | Vectors"


class Searching(Base):
    """The verbs that ask."""

    def search(
        self,
        probe: Probe,
        *,
        k: int = 5,
        fpir: float = 1e-2,
        threshold: float | None = None,
        where: Where = ANYTHING,
        exact: bool = False,
        expand: bool = False,
        rerank: bool = False,
        space: str | None = None,
    ) -> list[Found]:
        """The nearest people of each face, and who it is, if it is anybody.

        Parameters
        ----------
        probe : picture, Faces, Face, Vectors, or array
            All faces of a picture are searched for. An array (N, D) needs `space`, where the gallery has none yet.
        k : int
            The most people to name for each face.
        fpir : float
            The chance that somebody who is not in the gallery gets any hit in it. The threshold that holds it comes
            with each hit; it rises with the number of faces in the gallery.
        threshold : float, optional
            A cosine of your own to accept from; `fpir` then plays no part.
        where : Where
            Search only these faces; its ``people`` may be names here, too. The threshold stays that of the whole
            gallery, which errs to the safe side.
        exact : bool
            Compare with every face; else a large gallery's index may miss a few.
        expand : bool
            Search again with each probe moved towards the faces that it was recognised by: more of somebody who has
            many. A probe that nobody was recognised by stays as it is.
        rerank : bool
            Order the people found by what the network saw where, which helps with masked faces for some embedders; see
            the manual. It decides nothing: thresholds stay those of the cosines. It needs the probe's picture, and the
            hits' crops or pictures.
        space : str, optional
            The space of an array.

        Returns
        -------
        list of Found
            One per face of the probe, in its order; empty where there is none.

        Raises
        ------
        EmbeddingSpaceMismatch, ShapeMismatch
            If the probe's vectors do not fit the gallery's.
        UnknownPerson
            If `where` names somebody who is not there.
        UsageError
            If an option is out of range.
        """
        if not isinstance(k, int | np.integer) or k < 1:
            raise UsageError(f"k is a whole number of 1 or more, not {k!r}.")
        if not isinstance(fpir, int | float | np.floating) or not 0 < fpir < 1:
            raise UsageError(f"fpir is a rate between 0 and 1, such as 1e-2; got {fpir!r}.")
        if threshold is not None and not (isinstance(threshold, int | float | np.floating) and -1 <= threshold <= 1):
            raise UsageError(f"threshold is a cosine between -1 and 1; got {threshold!r}.")
        where = self._where(where)
        seen = self._look(probe, space)
        if rerank and (seen.faces is None or seen.faces.image is None):
            raise UsageError("re-ranking looks at the probe's picture again: search with a picture.")
        compared = self.store.counts().vectors
        bars = Bars(self._calibration(), fpir, compared) if threshold is None else OwnBar(threshold, compared)
        hits = nearest_people(self.store, seen.vectors, seen.traits, k, bars, where=where, exact=exact)
        if expand and any(hits):
            moved = self._expanded(seen.vectors, hits)
            hits = nearest_people(self.store, moved, seen.traits, k, bars, where=where, exact=exact)
        if rerank and seen.faces is not None:
            hits = [self._reranked(face, found) for face, found in zip(seen.faces, hits, strict=True)]
        return [
            Found(None, f"the face has no embedding: {why}.", (), box) if why else answer(found, box)
            for found, box, why in zip(hits, seen.boxes, seen.reasons, strict=True)
        ]

    def identify(
        self,
        picture: Probe,
        *,
        fpir: float = 1e-2,
        threshold: float | None = None,
        exact: bool = False,
    ) -> list[Found]:
        """Who is who in a crowd: as `search`, but nobody is in one picture twice.

        Where two faces look like one person, the assignment with the greatest sum of scores decides (Kuhn, *The
        Hungarian method*, 1955), and the other face gets whom it looks like next, or nobody.

        Parameters
        ----------
        picture, fpir, threshold, exact
            See `search`.
        """
        from scipy.optimize import linear_sum_assignment

        found = self.search(picture, k=CROWD, fpir=fpir, threshold=threshold, where=Where(people=ANYBODY), exact=exact)
        people = sorted({hit.person.id for one in found for hit in one.hits if hit.person})
        gain = np.zeros((len(found), len(people)))
        for row, one in enumerate(found):
            for hit in one.hits:
                if hit.person and hit.passes:
                    # Far more than scores differ by: as many faces as possible are to be somebody.
                    gain[row, people.index(hit.person.id)] = 10 + hit.score
        pairs = zip(*linear_sum_assignment(-gain), strict=True)
        given = {row: people[column] for row, column in pairs if gain[row, column]}
        return [_limited(one, given.get(row)) for row, one in enumerate(found)]

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _look(self, probe: Probe, space: str | None) -> _Looked:
        if isinstance(probe, np.ndarray) and probe.ndim <= 2 and probe.dtype.kind == "f":
            probe = self._unit(probe, space)
        if isinstance(probe, Vectors):
            return self._given(probe, space)
        if isinstance(probe, Face):
            probe = probe.faces[[probe.row]]
        if not isinstance(probe, Faces):
            self._check_engine()
            probe = describe(probe, self.engine)
        embedding = probe.embedding
        self._check_space(embedding.space, f"these faces have {embedding.space!r}")
        reasons = embedding.reasons_for(embedding.abstained, "no reason was given")
        return _Looked(
            probe,
            embedding.values,
            [_box(face) for face in probe],
            [traits_of(face) for face in probe],
            [why or "" for why in reasons],
        )

    def _given(self, probe: Vectors, space: str | None) -> _Looked:
        """Vectors of a caller, of which some may have abstained."""
        rows = replace(probe, values=probe.values[None], single=False) if probe.single else probe
        lost = rows.abstained
        given = self._unit(rows[~lost], space)
        values = np.full((len(rows), given.values.shape[1]), np.nan, np.float32)
        values[~lost] = given.values
        reasons = [why or "" for why in rows.reasons_for(lost, "no reason was given")]
        return _Looked(None, values, [None] * len(rows), [ANY] * len(rows), reasons)

    def _expanded(self, vectors: Floats, hits: Sequence[Sequence[Hit]]) -> Floats:
        """Probes, moved towards the faces of those who were recognised."""
        near = [self.vectors(hit.sample for hit in found if hit.passes) for found in hits]
        return expand_probes(Vectors(vectors, space=self.space or ""), near).values

    def _reranked(self, face: Face, hits: list[Hit]) -> list[Hit]:
        if not hits:
            return hits
        looks = look_again(self.store, [hit.sample for hit in hits], self.engine)
        found = rerank_looks(face, looks, cosines=[hit.score for hit in hits], engine=self.engine)
        return [hits[place] for place in found.order.tolist()]


@dataclass(frozen=True, eq=False)
class _Looked:
    """Faces to search for: vectors (N, D), and of each its box, its traits, and why it has no vector, if so."""

    faces: Faces | None
    vectors: Floats
    boxes: list[Box | None]
    traits: list[Traits]
    reasons: list[str]


def _box(face: Face) -> Box:
    x1, y1, x2, y2 = (round(float(value), 2) for value in face.box)
    return x1, y1, x2, y2


def _limited(one: Found, person: str | None) -> Found:
    """The answer when `person` is whom this face may be."""
    if one.person is None or one.person.id == person:
        return one
    other = f"{one.person} is another face here"
    for hit in one.hits:
        if person is not None and hit.person is not None and hit.person.id == person:
            return replace(one, person=hit.person, reason=f"{hit.person} with {hit.score:.3f}; {other}.")
    return replace(one, person=None, reason=f"looks like {one.person}, but {other}.")
