"""``restore``: faces made clearer: less noise, less blur, more pixels; and how far each has moved from who it was.

Whatever makes a face sharper invents: what was lost is not in the picture. The default network was trained on
differences of pixels and invents little; others invent whole eyes. So each result is embedded again, and the report
says how alike it still is to what it was made of.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NotCalibrated, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource, load_image
from mien.core.region import Region
from mien.embeddings.calibration import load_calibration
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.media.video import Video
from mien.swaps.adapters import FaceNet
from mien.swaps.choice import Who
from mien.swaps.detail import coarseness, noise
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Changed, Shot
from mien.swaps.enlarging import Enlarger
from mien.swaps.plate import Plate, join
from mien.swaps.surroundings import around_face
from mien.swaps.targets import is_video, mark_of

__all__ = ["SCALES", "Restore", "restore"]

Floats = NDArray[np.float32]

#: How much larger a restored picture may be.
SCALES: Final = (1, 2, 4)
NEEDS: Final = frozenset({"landmarks", "presence", "alignment", "embedding"})
LEAST_PRESENCE = 0.5  # of the mesh network: below it, it sees no human face
SMALLEST = 12.0  # pixels that a face must extend over
LARGEST = 16_384  # pixels of a side of an enlarged picture
SURFACE = 468
AROUND = 0.35  # of the face's extent: what is restored beside it, fading out
SAME = 1e-3  # false accept rate whose threshold a face must stay above to count as the same person
#: Noise, in levels of 255, from which on all of it is taken out. Skin itself has 1 to 2.5; a picture without noise
#: loses 2.6 dB that way, and one with 8 levels of it gains 4.6.
NOISY: Final = 2.6
#: Pixels of a face below which its own detail looks like noise, the more the smaller it is.
DENSE: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong with a face.

    Attributes
    ----------
    coarse : int
        How many times larger it is than its detail needs: 1, 2 or 4.
    noise : float
        Of the picture at the size that its detail needs, in levels of 255.
    size : float
        Of the face at that size, in pixels.
    """

    coarse: int
    noise: float
    size: float

    @property
    def noisy(self) -> bool:
        """Whether there is more noise than skin has by itself."""
        return self.noise > NOISY * max(DENSE / max(self.size, 1), 1)


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
    original : (h, w, 3) uint8, optional
        The picture of which the one that is restored was made, larger by a whole factor.
    enlarged : int
        That factor.
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
        original: Image | None = None,
        enlarged: int = 1,
        engine: Engine | None = None,
    ) -> None:
        for name, value in (("strength", strength), ("fidelity", fidelity)):
            if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
                raise UsageError(f"{name} is a number from 0 to 1, not {value!r}.")
        self.strength = float(strength)
        self.fidelity = fidelity
        self.original, self.enlarged = original, enlarged
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


class RestoreTake:
    """A restoration of one picture or one video; see `mien.swaps.effects.Take`."""

    def __init__(self, effect: Restore) -> None:
        self._effect = effect
        # Of a video's tracks: what was found when they were seen first, so that nothing pulses from frame to frame.
        self._found: dict[int, Finding] = {}

    def apply(self, shot: Shot) -> Changed:
        """See `Take`."""
        size = shot.image.shape[1], shot.image.shape[0]
        picture = shot.image.copy()
        masks: list[Region] = []
        skipped, told = list[dict[str, Any]](), list[dict[str, Any]]()
        for row in map(int, shot.rows):
            plate = None
            if (reason := _fault(shot.faces, row)) is None:
                plate = Plate.around(picture, shot.faces.landmarks.values[row][:SURFACE], margin=AROUND)
                reason = "the face is outside of the picture" if plate is None else None
            if plate is None:
                if shot.time is None:
                    raise UsageError(f"face {row} cannot be restored: {reason}.")
                skipped.append({"face": row, "reason": reason})
                continue
            first = shot.time is None or int(shot.faces.track.ids[row]) not in self._found
            found = self._finding(shot, row, plate)
            front, alpha = self._restored(plate, shot, row, found)
            plate.put(picture, front, alpha)
            masks.append(plate.region(alpha, size))
            if first:
                told.append({"face": row, "coarse": found.coarse, "noise": round(found.noise, 1)})
        for one in told:
            one.update(_drift(self._effect.engine, shot.faces, int(one["face"]), picture))
        report = {**({"faces": told} if told else {}), **({"skipped": skipped} if skipped else {})}
        return Changed(image=picture, mask=join(masks, size), report=report)

    def _finding(self, shot: Shot, row: int, plate: Plate) -> Finding:
        if shot.time is None:
            return _look(plate, self._effect.enlarged)
        track = int(shot.faces.track.ids[row])
        if track not in self._found:
            self._found[track] = _look(plate, self._effect.enlarged)
        return self._found[track]

    def _restored(self, plate: Plate, shot: Shot, row: int, found: Finding) -> tuple[Floats, Floats]:
        """The plate made clearer, and how much of each pixel is taken over."""
        net, effect = self._effect.net, self._effect
        alpha = around_face(plate)
        if isinstance(net, FaceNet):
            extra = {} if effect.fidelity is None else {"fidelity": effect.fidelity}
            front, own = net.redraw(shot.image, shot.faces.alignment.values[row], window=plate.window, extra=extra)
            return front, np.asarray(alpha * own * np.float32(effect.strength), np.float32)
        if effect.original is not None and found.coarse == effect.enlarged:
            front = _from_original(net, plate, effect.original, found)
        else:
            front = _clearer(net, plate.image, found)
        return front, np.asarray(alpha * np.float32(effect.strength), np.float32)


def _look(plate: Plate, enlarged: int) -> Finding:
    """What is wrong with the face in a plate."""
    import cv2

    grey = cv2.cvtColor(plate.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    (x1, y1), (x2, y2) = (edge(plate.points[:, :2], axis=0).astype(int) for edge in (np.min, np.max))
    grey = grey[max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1]
    if not grey.size:
        return Finding(coarse=enlarged, noise=0.0, size=plate.size)
    coarse = max(coarseness(grey), enlarged)
    return Finding(coarse=coarse, noise=noise(_smaller(grey, coarse)), size=plate.size / coarse)


def _clearer(net: Enlarger, image: Image, found: Finding) -> Floats:
    """A plate drawn anew by a network that enlarges: made as small as its detail, and large again."""
    # A face that is as large as its detail is enlarged as well, then reduced; and so is one that is blurred and clean,
    # since it comes out more blurred otherwise, and is recognised less.
    factor = found.coarse if found.noisy else 1
    drawn = _drawn(net, _smaller(np.asarray(image, np.float32), factor), max(factor, 2), found)
    return _sized(drawn, image.shape[1], image.shape[0])


def _from_original(net: Enlarger, plate: Plate, original: Image, found: Finding) -> Floats:
    """The same of a picture that was enlarged, from its own pixels."""
    factor = found.coarse
    (rows, columns), (height, width) = plate.window, plate.image.shape[:2]
    y, x = rows.start // factor, columns.start // factor
    part = original[y : -(-rows.stop // factor), x : -(-columns.stop // factor)]
    larger = _sized(_drawn(net, part, factor, found), part.shape[1] * factor, part.shape[0] * factor)
    y, x = rows.start - y * factor, columns.start - x * factor
    return larger[y : y + height, x : x + width]


def _drawn(net: Enlarger, image: NDArray[np.generic], factor: int, found: Finding) -> Floats:
    """A picture at `factor` times its size, or more."""
    drawn = net.enlarge(image, net.levels - 1 if found.noisy else 0)
    done = net.factor
    while done < factor:
        drawn, done = net.enlarge(drawn), done * net.factor
    return drawn


def _sized(image: Floats, width: int, height: int) -> Floats:
    import cv2

    if image.shape[:2] == (height, width):
        return image
    way = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=way).clip(0, 255), np.float32)


def _smaller(image: Floats, factor: int) -> Floats:
    import cv2

    if factor == 1:
        return image
    size = max(round(image.shape[1] / factor), 1), max(round(image.shape[0] / factor), 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _drift(engine: Engine, faces: Faces, row: int, picture: Image) -> dict[str, Any]:
    """How alike a face is to what it was made of, by the engine's embedder; JSON types."""
    before = faces[[row]]
    after = engine.analyze(picture, want={"embedding"}, faces=before.only(frozenset({"alignment"})))
    cosine = float(np.ravel(before.embedding @ after.embedding)[0])
    if not np.isfinite(cosine):
        return {"identity": None, "warning": "nobody can say whether it is still the same person: no embedding."}
    told: dict[str, Any] = {"identity": round(cosine, 3)}
    try:
        calibration = load_calibration(before.embedding.space, licenses=engine.licenses)
        threshold, _ = calibration.threshold(SAME, [calibration.strata[0].name])
    except NotCalibrated:
        return told
    told["threshold"] = round(threshold, 3)
    if cosine < threshold:
        told["warning"] = "this is no longer the same person: another face was invented."
    return told


def _fault(faces: Faces, row: int) -> str | None:
    """Why a face cannot be restored."""
    mesh = np.asarray(faces.landmarks.values[row], np.float64)
    if not np.isfinite(mesh).all() or not float(faces.presence.values[row]) >= LEAST_PRESENCE:
        return "no human face that a mesh can be laid over"
    if np.ptp(mesh[:, :2], axis=0).max() < SMALLEST:
        return f"it is smaller than {SMALLEST:g} pixels"
    if not np.isfinite(faces.alignment.values[row]).all():
        return "no points to align by"
    return None


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
    engine = engine or default_engine()
    if scale != 1 and is_video(target):
        raise UsageError("a video keeps its size: scale is for pictures.")
    original = None if scale == 1 else load_image(cast("ImageSource", target))
    effect = Restore(
        strength=strength, model=model, fidelity=fidelity, original=original, enlarged=scale, engine=engine
    )
    editor = Editor(effect, who=who, gallery=gallery, engine=engine)
    if original is None:
        return edited(target, editor, out=out, audio=audio)
    edit = editor.picture(_enlarged(original, scale))
    edit = replace(edit, provenance=effect.mark(mark_of(target)), report={**edit.report, "scale": scale})
    return edit if out is None else replace(edit, path=edit.save(out))


def _enlarged(image: Image, scale: int) -> Image:
    """A picture drawn larger between its pixels."""
    import cv2

    if max(image.shape[:2]) * scale > LARGEST:
        raise UsageError(f"a picture of {image.shape[1]}x{image.shape[0]} cannot become {scale} times larger here.")
    size = image.shape[1] * scale, image.shape[0] * scale
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
