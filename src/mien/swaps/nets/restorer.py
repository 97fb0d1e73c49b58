"""``restore``: faces made clearer: less noise, less blur, more pixels; and how far each has moved from who it was.

Whatever makes a face sharper invents: what was lost is not in the picture. The default network was trained on
differences of pixels and invents little; others invent whole eyes. So each result is embedded again, and the report
says how alike it still is to what it was made of.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NotCalibrated, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource
from mien.core.region import Region
from mien.embeddings.calibration import load_calibration
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.deep_marking import load_deep
from mien.media.provenance import Provenance
from mien.media.scrubbing import colors_of
from mien.media.video import Video
from mien.swaps.choice import Choice, Who
from mien.swaps.each import Each
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Changed, Shot
from mien.swaps.nets.adapters import FaceNet
from mien.swaps.nets.clearing import Finding, Original, clearer, look
from mien.swaps.nets.enlarging import Enlarger
from mien.swaps.nets.surroundings import REACH, around_face
from mien.swaps.nets.usable import SURFACE, unusable
from mien.swaps.plate import Plate
from mien.swaps.targets import is_video, mark_of

__all__ = ["SCALES", "Restore", "restore"]

Floats = NDArray[np.float32]

#: How much larger a restored picture may be.
SCALES: Final = (1, 2, 4)
NEEDS: Final = frozenset({"landmarks", "presence", "alignment"})
SMALLEST = 12.0  # pixels that a face must extend over
LARGEST = 16_384  # pixels of a side of an enlarged picture
AROUND = REACH + 0.01  # of the face's extent: what is restored beside it, fading out
BLURRED = "blurred, without noise: left as it is, since blur is not undone."
TINY = "so small that recognisers may do better with the picture that was given."
SAME = 1e-3  # false accept rate whose threshold a face must stay above to count as the same person


class Restore:
    """Makes faces clearer: an effect, see `mien.swaps.effects`.

    Parameters
    ----------
    strength : float
        0 leaves a face, 1 replaces it by what the network made of it.
    model : str, optional
        Id of a model that gives the job "restore", among them your own GFPGAN or CodeFormer; by default the engine's.
    fidelity : float, optional
        For models that can choose (CodeFormer): 1 keeps to the picture, 0 invents.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If an option makes no sense, or the model does not restore.
    """

    def __init__(
        self,
        *,
        strength: float = 0.7,
        model: str | None = None,
        fidelity: float | None = None,
        engine: Engine | None = None,
    ) -> None:
        for name, value in (("strength", strength), ("fidelity", fidelity)):
            if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
                raise UsageError(f"{name} is a number from 0 to 1, not {value!r}.")
        self.strength = float(strength)
        self.fidelity = fidelity
        engine = engine or default_engine()
        self.engine = engine if model is None else engine.with_models(restore=model)
        self.card = self.engine.choose("restore")
        self.net = cast("Enlarger | FaceNet", self.engine.runner("restore"))
        if fidelity is not None and not (isinstance(self.net, FaceNet) and self.net.takes("fidelity")):
            raise UsageError(f"{self.card.id} has no fidelity to choose.")

    @property
    def needs(self) -> frozenset[str]:
        """See `Effect`."""
        return NEEDS

    @property
    def report(self) -> Mapping[str, Any]:
        """See `Effect`."""
        fidelity = {} if self.fidelity is None else {"fidelity": self.fidelity}
        told = {"method": "network", "strength": self.strength, **fidelity}
        return {**told, "models": {"restore": self.card.id, "embedding": self.engine.choose("embedding").id}}

    def mark(self, source: Provenance) -> Provenance:
        """See `Effect`: what a network that invents has drawn is no camera's."""
        if isinstance(self.net, Enlarger) and not self.net.invents:
            enhanced = Provenance.enhanced(source)
            return replace(enhanced, models=(*enhanced.models, self.card.id))
        return Provenance.manipulated(source, models=(self.card.id,))

    def start(self) -> RestoreTake:
        """See `Effect`."""
        return RestoreTake(self)

    def enlarged(self, target: ImageSource, scale: int, *, who: Who = "all", gallery: Gallery | None = None) -> Edit:
        """A picture drawn larger between its pixels, with its faces from their own pixels by the network.

        Parameters
        ----------
        target : picture
            As for `mien.load_image`.
        scale : {2, 4}
            How many times larger.
        who, gallery
            Whose faces, as the picture has them: see `mien.swaps.choice.Who`.

        Raises
        ------
        NoFace, UsageError
            As `restore`.
        """
        image, deep = load_deep(target)
        large = _larger(image, scale)
        choice = Choice(who, gallery)
        found = self.engine.analyze(image, want=choice.needs)
        rows = choice.rows(found)
        boxes = Faces.from_boxes(
            found.boxes * scale,
            scores=found.scores,
            keypoints=found.keypoints * scale,
            keypoint_names=found.keypoint_names,
        )
        shot = Shot(image=large, faces=self.engine.analyze(large, want=NEEDS, faces=boxes), rows=rows)
        done = RestoreTake(self, Original(image, scale)).apply(shot)
        lost = {} if deep is None else {"warning": "pictures that become larger are written in 8 bits."}
        return Edit(
            done.image,
            self.mark(mark_of(target)),
            shot.faces,
            {**self.report, **done.report, "scale": scale, **lost},
            {"mask": done.mask.to_levels()},
            profile=colors_of(target),
        )


class RestoreTake:
    """A restoration of one picture or one video; see `mien.swaps.effects.Take`."""

    def __init__(self, effect: Restore, original: Original | None = None) -> None:
        self._effect, self._original = effect, original
        # Of a video's tracks: what was found when they were seen first, so that nothing pulses from frame to frame.
        self._found: dict[int, Finding] = {}

    def apply(self, shot: Shot) -> Changed:
        """See `Take`."""
        return Each(self._change).apply(shot)

    def _change(self, shot: Shot, row: int, picture: Image) -> tuple[Region, Mapping[str, Any]]:
        """See `Each`."""
        plate, reason = None, unusable(shot.faces, row, smallest=SMALLEST)
        if reason is None:
            plate = Plate.around(picture, shot.faces.landmarks.values[row][:SURFACE], margin=AROUND)
        if plate is None:
            raise UsageError(f"a face cannot be restored: {reason or 'it is outside of the picture'}.")
        found = self._finding(shot, row, plate)
        told: dict[str, Any] = {"coarse": found.coarse, "noise": round(found.noise, 1)}
        if self._hopeless(found):
            return Region.empty((shot.image.shape[1], shot.image.shape[0])), {**told, "note": BLURRED}
        front, alpha = self._restored(plate, shot, row, found)
        plate.put(picture, front, alpha)
        if shot.time is None or shot.layers:  # of a video, a preview alone has a report on faces
            told |= _drift(self._effect.engine, shot, row, picture) | ({"note": TINY} if found.tiny else {})
        return plate.region(alpha, (shot.image.shape[1], shot.image.shape[0])), told

    def _hopeless(self, found: Finding) -> bool:
        """Whether a face is blurred and clean: what does not invent makes nothing of it but more blur."""
        net, enlarged = self._effect.net, 1 if self._original is None else self._original.factor
        return isinstance(net, Enlarger) and not net.invents and found.coarse > enlarged and not found.noisy

    def _finding(self, shot: Shot, row: int, plate: Plate) -> Finding:
        if shot.time is None:
            return look(plate, enlarged=1 if self._original is None else self._original.factor)
        track = int(shot.faces.track.ids[row])
        if track not in self._found:
            self._found[track] = look(plate)
        return self._found[track]

    def _restored(self, plate: Plate, shot: Shot, row: int, found: Finding) -> tuple[Floats, Floats]:
        """The plate made clearer, and how much of each pixel is taken over."""
        net, effect = self._effect.net, self._effect
        alpha = around_face(plate) * np.float32(effect.strength)
        if isinstance(net, Enlarger):
            return clearer(net, plate, found, self._original), alpha
        extra = {} if effect.fidelity is None else {"fidelity": effect.fidelity}
        front, own = net.redraw(shot.image, shot.faces.alignment.values[row], window=plate.window, extra=extra)
        return front, alpha * own


def _drift(engine: Engine, shot: Shot, row: int, picture: Image) -> dict[str, Any]:
    """How alike a face is to what it was made of, by the engine's embedder; JSON types."""
    faces = shot.faces[[row]].only(frozenset({"alignment"})).with_image(None)
    before, after = (engine.analyze(one, want={"embedding"}, faces=faces).embedding for one in (shot.image, picture))
    cosine = float(np.ravel(before @ after)[0])
    if not np.isfinite(cosine):
        return {"identity": None, "warning": "nobody can say whether it is still the same person: no embedding."}
    told: dict[str, Any] = {"identity": round(cosine, 3)}
    try:
        calibration = load_calibration(before.space, licenses=engine.licenses)
        threshold, _ = calibration.threshold(SAME, [calibration.strata[0].name])
    except NotCalibrated:
        return told
    told["threshold"] = round(threshold, 3)
    if cosine < threshold:
        told["warning"] = "this is no longer the same person: another face was invented."
    return told


def _larger(image: Image, scale: int) -> Image:
    """A picture drawn larger between its pixels."""
    import cv2

    if max(image.shape[:2]) * scale > LARGEST:
        raise UsageError(f"a picture of {image.shape[1]}x{image.shape[0]} cannot become {scale} times larger here.")
    size = image.shape[1] * scale, image.shape[0] * scale
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def restore(
    target: ImageSource | Video,
    *,
    who: Who = "all",
    gallery: Gallery | None = None,
    scale: int = 1,
    strength: float = 0.7,
    model: str | None = None,
    fidelity: float | None = None,
    out: str | os.PathLike[str] | None = None,
    audio: bool = True,
    engine: Engine | None = None,
) -> Edit:
    """Make faces clearer: less noise, less blur, more pixels.

    How blurred and how noisy a face is, is measured; a face is made as small as its detail needs, and drawn large
    again by a network. What is farther from a face than a third of it stays, or is enlarged by drawing between pixels.

    Parameters
    ----------
    target : picture or video
        As for `mien.load_image` and `mien.open_video`.
    who, gallery
        Whose faces: see `mien.swaps.choice.Who`.
    scale : {1, 2, 4}
        How many times larger the picture becomes. A video keeps its size.
    strength : float
        0 leaves a face, 1 replaces it by what the network made of it.
    model : str, optional
        Id of a model that gives the job "restore", such as "realesrgan-x4plus" or your own GFPGAN or CodeFormer (see
        ``mien models add``); by default the engine's, "upconv7-photo".
    fidelity : float, optional
        For models that can choose (CodeFormer): 1 keeps to the picture, 0 invents.
    out : path, optional
        Where to write; a video needs it.
    audio : bool
        Whether a video keeps its sound.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    Edit
        Of each face, ``report["faces"]`` says how coarse and noisy it was, and ``identity``: the cosine of its
        embeddings before and after, with a warning where that is below the threshold of one person.

    Raises
    ------
    NoFace
        If there is no face.
    UsageError
        If an option makes no sense, or a face cannot be restored.

    Examples
    --------
    >>> edit = mien.restore("old.jpg", scale=2, out="clear.png")  # doctest: +SKIP
    >>> edit.report["faces"][0]["identity"]  # doctest: +SKIP
    """
    if scale not in SCALES:
        raise UsageError(f"scale is one of {', '.join(map(str, SCALES))}, not {scale!r}.")
    if scale != 1 and is_video(target):
        raise UsageError("a video keeps its size: scale is for pictures.")
    engine = engine or default_engine()
    effect = Restore(strength=strength, model=model, fidelity=fidelity, engine=engine)
    if scale == 1:
        return edited(target, Editor(effect, who=who, gallery=gallery, engine=engine), out=out, audio=audio)
    edit = effect.enlarged(cast("ImageSource", target), scale, who=who, gallery=gallery)
    return edit if out is None else replace(edit, path=edit.save(out))
