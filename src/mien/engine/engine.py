"""`Engine`: loads each model of a plan once and runs them on the faces of pictures, in batches.

It knows no model by name. A card says what its model gives and needs and which class runs it.
"""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, cast

import numpy as np

from mien.core.columns import Vectors
from mien.core.errors import MienError, ShapeMismatch, UsageError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.fields import all_jobs, check_want
from mien.core.geometry import TEMPLATES
from mien.core.image import Image, ImageSource, load_image
from mien.engine.ensemble import Ensemble
from mien.engine.loading import LoadedModels
from mien.engine.planning import Planner
from mien.engine.scanning import Item, Picture, chunks, find, in_order
from mien.engine.searching import Search, SearchOptions
from mien.engine.steps import Batch, Detector, Follower, Step, TrackerMaker
from mien.engine.tracking import Stages, Tracking
from mien.media.video import VideoSource, open_video
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from mien.models.license import Policy
from mien.models.store import Progress, Store
from mien.runtime.session import Mode, PrecisionName, SessionOptions, resolve_device

__all__ = ["Engine"]

PRESENCE_MINIMUM = 0.5  # below it the mesh says that its crop holds no face


class Engine:
    """Models on a device, loaded when first needed and shared by all threads.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" and the other names of `mien.runtime.session`; one that is not there raises.
    threads : int, optional
        CPU threads in all; by default the cores this process may use.
    licenses : {"any", "commercial", "strict"}
        Which models may be used: any; those whose weights permit commercial use; those whose training data does too.
    offline : bool
        Never use the network: weights that are not in the cache raise `WeightsUnavailable`.
    models : mapping, optional
        Model id to use for a field or job instead of the best one allowed, such as ``{"embedding": "sface"}``;
        detectors may work together, as in ``{"detect": "yunet+centerface"}``.
    idle_unload : float, optional
        Drop models that were not used for this many seconds; by default they stay.
    catalogue : Catalogue, optional
        Cards to choose from; by default the built-in ones, the plug-ins' and the user's.
    cache : path, optional
        Folder of weights and compiled models.
    precision : {"bf16", "f32"}, optional
        Overrides the precision that the cards allow.
    progress : callable, optional
        Told about downloads; see `mien.models.store.Progress`.

    Raises
    ------
    DeviceUnavailable
        If the device is not there.
    UnknownModel, UsageError
        If `models` names a model that is unknown or does not give that field.

    Examples
    --------
    >>> with Engine(licenses="commercial") as engine:  # doctest: +SKIP
    ...     faces = engine.analyze("photo.jpg", want={"embedding"})
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        threads: int | None = None,
        licenses: Policy = "any",
        offline: bool = False,
        models: Mapping[str, str] | None = None,
        idle_unload: float | None = None,
        catalogue: Catalogue | None = None,
        cache: str | os.PathLike[str] | None = None,
        precision: PrecisionName | None = None,
        progress: Progress | None = None,
    ) -> None:
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise UsageError(f"threads is a whole number of 1 or more, not {threads!r}.")
        SessionOptions(precision=precision)  # refuses one that there is not
        self.threads = threads or SessionOptions().thread_count
        self._device = resolve_device(device)
        self.licenses = licenses
        self.catalogue = Catalogue.load() if catalogue is None else catalogue
        self._chosen: Mapping[str, str] = models or {}
        self._planner = Planner(self.catalogue, licenses, self._chosen)
        self.store = Store(Path(cache) if cache else None, offline=offline, progress=progress or (lambda *_: None))
        # "auto" is settled file by file: an accelerator may not run each kind of file.
        options = {"device": device, "threads": self.threads, "precision": precision}
        self._models = LoadedModels(self.store, options, idle_unload)

    def with_models(self, **models: str) -> Self:
        """The same engine, with other models for some fields or jobs: ``engine.with_models(parse="bisenet-fine")``.

        Both share all that is loaded: closing one closes the other.

        Raises
        ------
        UnknownModel, UnknownField, UsageError
            If a model or field is unknown, or the one does not give the other.
        """
        chosen = {**self._chosen, **models}
        other = copy.copy(self)
        vars(other).update(_chosen=chosen, _planner=Planner(self.catalogue, self.licenses, chosen))
        return other

    # -- choosing and planning ---------------------------------------------------------------------------------------

    def choose(self, name: str) -> Card:
        """The model for a field or job: the one asked for, else the best that the license policy permits.

        Raises
        ------
        LicenseRefused
            If the policy permits none.
        UsageError
            If nothing gives it.
        """
        return self._planner.choose(name)

    def team(self, name: str) -> tuple[Card, ...]:
        """The models that do a job together: as `choose`, unless several were asked for.

        Raises
        ------
        LicenseRefused, UsageError
            As `choose`.
        """
        return self._planner.team(name)

    def plan(self, want: Iterable[str], *, available: Iterable[str] = ()) -> tuple[Card, ...]:
        """The steps that compute the fields of `want` from those `available`, in the order to run them.

        Raises
        ------
        UnknownField
            If a name is not in the list.
        CardError
            If cards need each other in a circle.
        """
        return self._planner.plan(want, available)

    # -- loading -----------------------------------------------------------------------------------------------------

    def runner(self, name: str, *, mode: Mode = "latency") -> Any:
        """The loaded runner that gives a field or job."""
        return self._load(self.choose(name), mode)

    def _load(self, card: Card, mode: Mode) -> Any:
        return self._models.get(card, mode)

    def preload(self, *names: str, mode: Mode = "latency") -> None:
        """Fetch and load the models for these fields and jobs now, so that the first picture does not wait."""
        jobs = [name for name in names if name in all_jobs()]
        clip = self._planner.plan_clip(name for name in names if name not in all_jobs())
        team = [card for job in jobs for card in self.team(job)]
        for card in [*team, *self._plan_with_detection(clip.fields), *clip.followers]:
            self._load(card, mode)

    def _plan_with_detection(self, want: Iterable[str]) -> tuple[Card, ...]:
        return self.plan(want, available=self.choose("detect").gives)

    def info(self) -> dict[str, Any]:
        """What really runs: device, threads, policy, and each loaded model with its sessions."""
        device, models = self._device.name, self._models.info()
        return {"device": device, "threads": self.threads, "licenses": self.licenses, "models": models}

    def close(self) -> None:
        """Give the memory of all models back. The engine cannot be used afterwards; calls at work fail and say so."""
        self._models.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- verbs -------------------------------------------------------------------------------------------------------

    def detect(self, image: ImageSource, **options: Unpack[SearchOptions]) -> Faces:
        """Find the faces of one picture; see `mien.detect`."""
        return self.analyze(image, **options)

    def analyze(
        self,
        image: ImageSource | Sequence[Image],
        *,
        want: Iterable[str] = (),
        faces: Faces | None = None,
        aligned: bool = False,
        **options: Unpack[SearchOptions],
    ) -> Faces:
        """Find the faces of one picture and compute fields; see `mien.analyze`."""
        wanted, search = check_want(want), Search(**options)
        if aligned:
            if faces is not None or search != Search():
                raise UsageError("aligned crops are one face each: faces= and limits on detection do not go with them.")
            return self._analyze_crops(image, wanted)
        picture = load_image(cast("ImageSource", image))
        if faces is not None and not isinstance(faces, Faces):
            raise UsageError("faces= takes a Faces: make one of your boxes with Faces.from_boxes.")
        if faces is not None:
            size = picture.shape[1], picture.shape[0]
            if faces.image_size not in {(0, 0), size}:
                raise ShapeMismatch(f"these faces are of a picture of {faces.image_size} pixels, not of {size}.")
            found, keep = faces.with_image(picture), wanted.union(faces.columns)
        else:
            found, keep = self._locate([picture], search, "latency")[0], wanted
        return self._describe([picture], [found], wanted, keep, "latency")[0].with_image(picture)

    def _analyze_crops(self, crops: ImageSource | Sequence[Image], wanted: frozenset[str]) -> Faces:
        many = isinstance(crops, Sequence) and not isinstance(crops, str | bytes)
        stacked = isinstance(crops, np.ndarray) and crops.ndim == 4
        pictures = [load_image(crop) for crop in cast("Any", crops if many or stacked else [crops])]
        found = []
        for picture in pictures:
            height, width = picture.shape[:2]
            if height != width:
                raise ShapeMismatch(f"an aligned crop is square, got {width}x{height}.")
            points = TEMPLATES["arcface112"].points_at(width)
            found.append(
                Faces.from_boxes(
                    [[0, 0, width, height]],
                    keypoints=points[None],
                    keypoint_names=ALIGNMENT_NAMES,
                    image_size=(width, height),
                ).with_alignment()
            )
        # No crops: no faces, but their fields.
        found = found or [Faces.from_boxes([], keypoint_names=ALIGNMENT_NAMES).with_alignment()]
        joined = Faces.concat(self._describe(pictures, found, wanted, wanted, "latency"))
        return joined.with_image(pictures[0]) if len(pictures) == 1 else joined

    def scan(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        want: Iterable[str] = (),
        keep_images: bool = False,
        **options: Unpack[SearchOptions],
    ) -> Iterator[Item]:
        """Analyze many pictures; see `mien.scan`."""
        wanted, search = check_want(want), Search(**options)
        # A refused license, missing weights or a wrong device is the caller's to hear now, not once per picture.
        self.preload("detect", *wanted, *(["presence"] if search.check else []), mode="throughput")
        work = functools.partial(self._scan_chunk, wanted=wanted, search=search, keep=keep_images)
        parts = in_order(work, chunks(find(source), self._pictures_at_once), workers=self.threads)
        return (item for part in parts for item in part)

    def track(
        self,
        source: VideoSource,
        *,
        want: Iterable[str] = (),
        every: int = 3,
        reidentify: bool = True,
        smooth: bool = True,
        keep_images: bool = False,
        **options: Unpack[SearchOptions],
    ) -> Tracking:
        """Follow the faces of a video; see `mien.track`."""
        # Faces that only tiles show are too small to say much about, and many in each frame would have to be looked at.
        options.setdefault("tiles", "off")
        wanted, search = check_want(want, temporal=True), Search(**options)
        if not isinstance(every, int) or every < 1:
            raise UsageError(f"every is a whole number of frames, 1 or more, not {every!r}.")
        plan = self._planner.plan_clip(wanted)
        # What is missing or refused is heard now, not after the first frame.
        also = [*(["presence"] if search.check else []), *(["embedding"] if reidentify else [])]
        self.preload("detect", *plan.fields, *also)
        tracker = cast("TrackerMaker", self.runner("track")).start(min_score=search.min_score)
        search = replace(search, min_score=tracker.min_score)
        followers = [*([self.choose("smooth")] if smooth else []), *plan.followers]
        kept = plan.fields | {"track"}

        def detect(image: Image) -> Faces:
            return self._locate([image], search, "latency")[0]

        def describe(image: Image, faces: Faces, fields: frozenset[str] = kept) -> Faces:
            return self._describe([image], [faces], fields - {"track"}, fields, "latency")[0]

        def embed(image: Image, faces: Faces) -> Vectors:
            return describe(image, faces, frozenset({"embedding"})).embedding

        stages = Stages(
            detect=detect,
            embed=embed if reidentify else None,
            describe=describe,
            tracker=tracker,
            steps=[cast("Follower", self._load(card, "latency")).follow() for card in followers],
            keep=wanted | {"track"},
        )
        return Tracking(open_video(source), stages, every=every, keep_images=keep_images)

    @property
    def _pictures_at_once(self) -> int:
        # A CPU gains nothing from pictures in one batch (its workers each take one); an accelerator does.
        return 1 if self._device.is_cpu else 8

    def _scan_chunk(
        self, pictures: Sequence[Picture], *, wanted: frozenset[str], search: Search, keep: bool
    ) -> list[Item]:
        items: dict[int, Item] = {}
        images: dict[int, Image] = {}
        for place, picture in enumerate(pictures):
            try:
                images[place] = picture.load()
            except (MienError, MemoryError) as error:
                items[place] = picture.item(error=error)
        try:
            found = self._find(list(images.values()), wanted, search) if images else []
        except (MienError, MemoryError) as error:
            if len(pictures) > 1:  # one picture must not take the others of its batch with it
                again = functools.partial(self._scan_chunk, wanted=wanted, search=search, keep=keep)
                return [item for picture in pictures for item in again([picture])]
            return [pictures[0].item(error=error)]
        for (place, image), faces in zip(images.items(), found, strict=True):
            items[place] = pictures[place].item(faces.with_image(image) if keep else faces)
        return [items[place] for place in range(len(pictures))]

    def _find(self, images: Sequence[Image], wanted: frozenset[str], search: Search) -> list[Faces]:
        return self._describe(images, self._locate(images, search, "throughput"), wanted, wanted, "throughput")

    # -- the work ----------------------------------------------------------------------------------------------------

    def _locate(self, images: Sequence[Image], search: Search, mode: Mode) -> list[Faces]:
        team = self.team("detect")
        detectors = [cast("Detector", self._load(card, mode)) for card in team]
        detector = detectors[0] if len(detectors) == 1 else Ensemble(detectors)
        made_by = {"detect": "+".join(card.id for card in team)}
        found = [
            replace(faces, image_size=(image.shape[1], image.shape[0]), models=made_by)
            for image, faces in zip(images, search.find(detector, images), strict=True)
        ]
        if search.check:
            checked = self._describe(images, found, frozenset({"presence"}), frozenset({"presence"}), mode)
            found = [
                faces[np.nan_to_num(seen.presence.values) >= PRESENCE_MINIMUM]
                for faces, seen in zip(found, checked, strict=True)
            ]
        return found if search.max_faces is None else [f.top(search.max_faces, by="score") for f in found]

    def _describe(
        self,
        images: Sequence[Image],
        found: Sequence[Faces],
        wanted: frozenset[str],
        keep: frozenset[str],
        mode: Mode,
    ) -> list[Faces]:
        """Compute the wanted fields for the faces of all pictures together; fields outside `keep` are dropped."""
        joined = Faces.concat(found)
        owner = np.repeat(np.arange(len(found)), [len(faces) for faces in found])
        for card in self.plan(wanted, available=self._planner.usable(joined)):
            step = cast("Step", self._load(card, mode))
            columns = step.describe(Batch(images, owner, joined))
            wanted_of_it = self._planner.taken_from(card) - self._planner.usable(joined)
            new = {name: column for name, column in columns.items() if name in wanted_of_it}
            joined = joined.with_columns(new, model=card.id)
        joined = joined.only(keep)
        return [
            replace(joined[owner == place], image_size=faces.image_size, image=None)
            for place, faces in enumerate(found)
        ]
