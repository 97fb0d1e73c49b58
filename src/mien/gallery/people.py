"""`Gallery`: people and faces in one place, to be searched, grouped, corrected and deleted."""

from __future__ import annotations

import numpy as np

from mien.core.columns import Vectors
from mien.embeddings.templates import fuse
from mien.gallery.adding import Adding
from mien.gallery.base import Who
from mien.gallery.correcting import Correcting
from mien.gallery.enrolling import Enrolling
from mien.gallery.grouping import Grouping
from mien.gallery.keeping import Keeping
from mien.gallery.records import Person
from mien.gallery.searching import Searching
from mien.gallery.tagging import Tagging
from mien.gallery.transfer import Transfer

__all__ = ["Gallery"]


class Gallery(Enrolling, Adding, Searching, Grouping, Correcting, Tagging, Keeping, Transfer):
    """People and their faces.

    Parameters
    ----------
    place : path or str
        A folder (SQLite, the default kind); ":memory:"; "postgresql://..."; "http://..." of a Qdrant server, with the
        collection's name as its path; "qdrant:FOLDER".
    engine : Engine, optional
        Looks at pictures; by default `mien.default_engine()`. A gallery of plain vectors needs none.
    create : bool
        Begin a gallery where there is none.
    precision : {"f32", "f16", "i8"}, optional
        How a new gallery stores vectors; f16 by default.
    crops : bool, optional
        Whether to keep the aligned crops of faces that are added from now on. A new gallery keeps none: then faces
        can be embedded again only from their pictures.

    Raises
    ------
    SourceError
        If there is no gallery, and none is to be made; or there is something else.
    GalleryError
        If it is torn, or was written by a newer version.
    StorageError
        If it cannot be read, written or reached.

    Examples
    --------
    >>> with Gallery("people.mien") as gallery:  # doctest: +SKIP
    ...     gallery.enroll("ada", ["a1.jpg", "a2.jpg"])
    ...     for found in gallery.search("crowd.jpg", fpir=1e-2):
    ...         print(found)
    """

    def people(self) -> list[Person]:
        """Everybody, in the order in which they came."""
        return self.store.people()

    def template(self, who: Who) -> Vectors:
        """One vector for all faces of somebody: their mean, weighted by recognizability, each picture counting once.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        """
        samples = self.faces(self.person(who))
        qualities = [sample.quality for sample in samples]
        known = [quality for quality in qualities if quality is not None]
        usual = float(np.mean(known)) if known else 1.0
        weights = [usual if quality is None else quality for quality in qualities]
        media = [sample.picture or sample.face for sample in samples]
        return fuse(self.vectors(samples), weights=weights, media=media)
