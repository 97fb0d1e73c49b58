"""Grouping faces into people: by the program where it is sure, by you where it is not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mien.core.errors import NotCalibrated, UsageError
from mien.embeddings.calibration import Calibration, Range
from mien.gallery.base import Base
from mien.gallery.groups.clusters import Clustering, cluster_store
from mien.gallery.groups.questions import Question
from mien.gallery.groups.review import Review
from mien.gallery.groups.sheet import people_sheet, questions_sheet
from mien.media.sinks import write_text

__all__ = ["Grouping"]


class Grouping(Base):
    """The verbs that group."""

    def cluster(
        self,
        *,
        far: float | None = None,
        far_many: float | None = None,
        ages: Range | None = None,
        again: bool = False,
        least: int = 2,
    ) -> Clustering:
        """Group the faces that belong to nobody: they join people who are there, or found new ones without a name.

        Faces that somebody has stay where they are, so that adding photos and calling this again moves nobody. What a
        human said about faces (names, links) is kept whatever the vectors say, and two faces of one picture are never
        one person, unless a link says so.

        Parameters
        ----------
        far, far_many : float, optional
            False accept rates at which two single faces, and the means of very many, are taken for one person. By
            default the lower the more faces there are: 1e-4 in a library of up to 2,000, 1e-5 in one of 20,000.
        ages : (low, high), optional
            Of faces whose age is not known; else they may be of any age, and those of infants are confused most.
        again : bool
            Look at all faces anew but those that a human said something about.
        least : int
            Faces that make a new person.

        Returns
        -------
        Clustering

        Raises
        ------
        NotCalibrated
            If there is no calibration of the gallery's space.
        GalleryChanged
            If others keep changing the gallery meanwhile; nothing is written.
        """
        return cluster_store(
            self.store,
            calibration=self._needed_calibration(),
            far=far,
            far_many=far_many,
            ages=ages,
            again=again,
            least=least,
        )

    def review(self, *, far: float | None = None, far_many: float | None = None, ages: Range | None = None) -> Review:
        """Ask about the faces of which it is not sure whose they are, those first that an answer settles most about.

        Each answer joins or separates whole groups, and what became sure by it is labelled without asking.

        Parameters
        ----------
        far, far_many, ages
            See `cluster`.

        Returns
        -------
        Review
            ``questions()``, ``answer(question, "yes")``, ``undo()``.

        Raises
        ------
        NotCalibrated
            If there is no calibration of the gallery's space.
        """
        return Review(self.store, calibration=self._needed_calibration(), far=far, far_many=far_many, ages=ages)

    def sheet(self, path: str | os.PathLike[str], *, questions: Sequence[Question] | None = None) -> Path:
        """Write a contact sheet: an HTML page with the faces of everybody, or of questions of a review.

        Parameters
        ----------
        path : path
            The file to write; it needs nothing beside it.
        questions : sequence of Question, optional
            Show these instead of everybody.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        text = people_sheet(self.store) if questions is None else questions_sheet(self.store, questions)
        target = Path(path)
        write_text(target, text)
        return target

    def _needed_calibration(self) -> Calibration:
        if self.space is None:
            raise UsageError("there are no faces to group: add photos first.")
        calibration = self._calibration()
        if calibration is None:
            raise NotCalibrated(f"no calibration for the embedding space {self.space!r}: calibrate the gallery.")
        return calibration
