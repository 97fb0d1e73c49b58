"""Looking after a gallery: its calibration, another model, copies, and the log."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Literal

from mien.core.errors import UsageError
from mien.embeddings.calibration import Calibration
from mien.embeddings.fitting import fit_calibration
from mien.engine import Engine
from mien.gallery import audit
from mien.gallery.answers import traits_of_sample
from mien.gallery.base import CALIBRATION, SALT, Base, Who
from mien.gallery.intake import SYNTHETIC
from mien.gallery.records import ANYBODY, Change, Entry, Person, Where
from mien.gallery.reembedding import Reembedding, embed_again
from mien.gallery.tables import folder_of

__all__ = ["Keeping"]

AT_ONCE = 1000  # samples that are written together
FEWEST_PEOPLE = 33  # whose pairs make a curve


class Keeping(Base):
    """The verbs that look after a gallery."""

    def reembed(
        self,
        model: str | None = None,
        *,
        engine: Engine | None = None,
        missing: Literal["refuse", "delete"] = "refuse",
        progress: Callable[[int], None] = lambda _: None,
    ) -> Reembedding:
        """Embed all faces again with another model: from their pictures where they are still there, else their crops.

        People, names, answers and links stay. The gallery changes over in one step at the end, until which it works
        with the old vectors; a run that was interrupted goes on where it was. From then on this gallery looks at
        pictures with the new model.

        Parameters
        ----------
        model : str
            Id of an embedder.
        engine : Engine, optional
            One that uses that embedder, instead of `model`.
        missing : {"refuse", "delete"}
            What to do with faces that have no crop and whose picture is gone: change nothing, or delete them.
        progress : callable
            Told how many more faces are done.

        Raises
        ------
        UsageError
            If the gallery is in that space already, or faces are missing and not to be deleted.
        UnknownModel, LicenseRefused, WeightsUnavailable
            If the model cannot be had.
        """
        if (model is None) == (engine is None):
            raise UsageError("reembed takes a model's id, or an engine that uses it: one of the two.")
        if missing not in {"refuse", "delete"}:
            raise UsageError(f"missing is refuse or delete; got {missing!r}.")
        new = engine or Engine(
            models={"embedding": model or ""},
            threads=self.engine.threads,
            licenses=self.engine.licenses,
            catalogue=self.engine.catalogue,
            cache=self.engine.store.cache,
        )
        with ExitStack() as stack:
            if engine is None:
                stack.callback(new.close)
            done = self._reembed(new, missing, progress)
            self._engines.push(stack.pop_all())
        self._engine = new
        return done

    def _reembed(self, new: Engine, missing: str, progress: Callable[[int], None]) -> Reembedding:
        card = new.choose("embedding")
        space = card.space or ""
        if space == self.space:
            raise UsageError(f"this gallery holds vectors of {space!r} already.")
        faces, lost = embed_again(self.store, new, space, progress)
        if lost and missing != "delete":
            where = next((sample.source for sample in lost if sample.source), "")
            example = f", such as {where}" if where else ""
            raise UsageError(
                f"{len(lost)} faces have no crop, and their pictures are gone or changed{example}: bring them back, or "
                "say missing='delete'."
            )
        if not faces:
            raise UsageError("there are no faces to embed again.")
        if lost:
            self.store.apply(Change(forget_samples=[sample.id for sample in lost]))
            self.store.erase()
        first = next(iter(self.store.samples()))
        self.store.use_space(space, self.store.vectors([first.id], space=space).shape[1])
        ids = [sample.id for sample in self.store.samples()]
        for start in range(0, len(ids), AT_ONCE):
            self._settle(partial(self._made_by, card.id, ids[start : start + AT_ONCE]))
        entry = self._log("reembed", faces=faces, lost=len(lost), model=card.id)
        self.store.apply(Change(meta={CALIBRATION: None}, entries=[entry]))
        return Reembedding(space, faces, tuple(lost))

    def _made_by(self, model: str, ids: Sequence[int]) -> tuple[Change, None]:
        samples = self.store.samples(Where(ids=ids))
        return Change(samples=[replace(sample, model=model) for sample in samples]), None

    def calibrate(self, *, seed: int = 0) -> Calibration:
        """Measure how often strangers of this gallery look alike, and search by that from now on.

        A shipped table stands on a few hundred people and carries rates down to about 1e-5; a search of 10,000 faces at
        an FPIR of 1 % needs 1e-6. The people of the gallery are 50 million pairs of strangers then, and they are those
        whom it is used for. Two names of one person make it too strict: `cluster` or a duplicate warning shows them.
        For kinds of pairs that the gallery has too few of, the shipped table goes on to serve.

        Faces of people who do not exist (pictures that say so) are left out.

        Returns
        -------
        Calibration
            It is kept in the gallery; `reembed` drops it.

        Raises
        ------
        UsageError
            If there are fewer than 33 people who exist and have faces.
        """
        samples = [
            sample
            for sample in self.store.samples(Where(people=ANYBODY))
            if not sample.words.get(SYNTHETIC) and sample.person
        ]
        people = len({sample.person for sample in samples})
        if people < FEWEST_PEOPLE:
            raise UsageError(f"a calibration needs {FEWEST_PEOPLE} people who exist, or more; there are {people}.")
        calibration = fit_calibration(
            self.vectors(samples).values,
            [sample.person or "" for sample in samples],
            [traits_of_sample(sample) for sample in samples],
            space=self.space or "",
            name=f"own-{people}",
            data=f"{people} people of this gallery",
            seed=seed,
        )
        entry = self._log("calibrate", people=people)
        self.store.apply(Change(meta={CALIBRATION: calibration.to_toml()}, entries=[entry]))
        return calibration

    # -- copies ------------------------------------------------------------------------------------------------------

    def backup(self, target: str | os.PathLike[str]) -> None:
        """Copy the gallery to a new place while it is in use.

        What is deleted from the gallery later stays in the copy: deleting it there is up to you.

        Raises
        ------
        UsageError
            If something is there already, it lies in the gallery's folder, or the store has tools of its own for that.
        StorageError
            If it cannot be written.
        """
        self.store.backup(self._outside(folder_of(target)))
        self.store.apply(Change(entries=[self._log("backup")]))

    # -- the log -----------------------------------------------------------------------------------------------------

    def audit(self, who: Who | None = None, *, limit: int | None = None) -> list[Entry]:
        """What was done, newest first.

        Parameters
        ----------
        who : str or Person, optional
            Only what concerns this person, or the face of this name; both serve even after they were deleted, a
            person by the id.
        limit : int, optional
            The most lines.

        Raises
        ------
        UsageError
            If `who` is no text, or `limit` is negative.
        """
        if limit is not None and not (isinstance(limit, int) and limit >= 0):
            raise UsageError(f"limit is a number of lines, 0 or more; got {limit!r}.")
        if who is None:
            return self.store.entries(limit=limit)
        key = who.id if isinstance(who, Person) else who
        found = self._find(key)
        hashed = audit.subject(self.store.meta()[SALT], found.id if found else key)
        return list(islice((entry for entry in self.store.entries() if hashed in entry.subjects), limit))
