"""``lipsync``: a mouth moved to sound by a network of the user's own, of Wav2Lip's kind.

mien brings no such network. Each frame's face, with its lower half black, and whole, goes in with a fifth of a second
of sound; what comes out is laid over the lower half.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError, UsageError
from mien.core.geometry import invert
from mien.core.image import Image
from mien.core.region import Region
from mien.core.warping import warp
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.media.video import Video
from mien.runtime.bundle import Bundle
from mien.swaps.blend.facemask import face_alpha
from mien.swaps.choice import Who
from mien.swaps.each import Each
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Shot
from mien.swaps.nets.speech import COLUMNS, mel_spectrogram, read_sound
from mien.swaps.nets.usable import SURFACE, unusable
from mien.swaps.plate import Plate

__all__ = ["LipNet", "LipSync", "lipsync"]

Floats = NDArray[np.float32]

STEPS = 16  # columns of the spectrogram that one frame is told
# Points of the mesh at the jaw's corners, the chin and over the brows: the box of the 68 points.
BOX = (234, 454, 152, 105, 334)
HIGHEST, LOWEST = 0.42, 0.56  # of the crop's height, between which what is drawn fades in


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a card says of its network."""

    size: int = 96
    picture: str = "target"
    sound: str = "source"


class LipNet:
    """A user's own network of Wav2Lip's kind: gives the job "lipsync".

    Parameters
    ----------
    bundle : Bundle
        Its card's params: ``size`` of its crop; ``picture`` and ``sound``, its inputs.

    Raises
    ------
    ModelError
        If the network has no such inputs.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_Settings)
        self._session = bundle.session()
        self.id = bundle.card.id
        wanted = {self._settings.picture, self._settings.sound}
        if set(self._session.inputs) != wanted:
            raise ModelError(
                f"{self.id} has the inputs {', '.join(self._session.inputs)}, not {', '.join(sorted(wanted))}."
            )

    @property
    def size(self) -> int:
        """Side of its crop in pixels."""
        return self._settings.size

    def speak(self, crop: NDArray[np.uint8], heard: Floats) -> Floats:
        """A face that says what is heard.

        Parameters
        ----------
        crop : (size, size, 3) uint8
            RGB.
        heard : (80, 16) float32
            Of `mel_spectrogram`.

        Returns
        -------
        (size, size, 3) float32
            RGB, 0 to 255.

        Raises
        ------
        ModelError
            If what comes out is no such picture.
        """
        whole = crop[..., ::-1].astype(np.float32) / np.float32(255)
        upper = whole.copy()
        upper[self.size // 2 :] = 0
        picture = np.ascontiguousarray(np.dstack([upper, whole]).transpose(2, 0, 1))[None]
        given = {self._settings.picture: picture, self._settings.sound: heard[None, None]}
        (out, *_) = self._session.run(*(given[name] for name in self._session.inputs))
        if out.shape != (1, 3, self.size, self.size) or not np.isfinite(out).all():
            raise ModelError(f"{self.id} gives no picture of {self.size} pixels, but {out.shape}.")
        return np.ascontiguousarray(out[0].transpose(1, 2, 0)[..., ::-1] * np.float32(255)).clip(0, 255)


class LipSync:
    """Moves mouths to sound: an effect for videos, see `mien.swaps.effects`.

    Parameters
    ----------
    sound : path
        A file with sound, which begins where the video begins.
    model : str
        Id of a model that gives the job "lipsync": see ``mien models add``.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    SourceError
        If the sound cannot be read.
    UsageError
        If the model does not do that.
    """

    def __init__(self, *, sound: str | os.PathLike[str], model: str, engine: Engine | None = None) -> None:
        self.engine = (engine or default_engine()).with_models(lipsync=model)
        self.net: LipNet = self.engine.runner("lipsync")
        self.sound = Path(sound).name
        self._heard = mel_spectrogram(read_sound(sound))

    @property
    def needs(self) -> frozenset[str]:
        """See `Effect`."""
        return frozenset({"landmarks", "presence"})

    @property
    def report(self) -> Mapping[str, Any]:
        """See `Effect`."""
        return {"method": "network", "sound": self.sound, "models": {"lipsync": self.net.id}}

    def mark(self, source: Provenance) -> Provenance:
        """See `Effect`."""
        return Provenance.manipulated(source, models=(self.net.id,))

    def start(self) -> Each:
        """See `Effect`; it remembers nothing from frame to frame."""
        return Each(self._change)

    def _change(self, shot: Shot, row: int, picture: Image) -> tuple[Region, Mapping[str, Any]]:
        """See `Each`; where the sound has ended, faces stay as they are."""
        if shot.time is None:
            raise UsageError("lips move in a video: a picture has no sound.")
        first = int(shot.time * COLUMNS)
        heard = self._heard[:, first : first + STEPS]
        if heard.shape[1] < STEPS:
            raise UsageError("the sound has ended.")
        plate, reason = None, unusable(shot.faces, row, aligned=False)
        if reason is None:
            plate = Plate.around(picture, shot.faces.landmarks.values[row][:SURFACE])
        if plate is None:
            raise UsageError(f"lips cannot be moved: {reason or 'the face is outside of the picture'}.")
        front, alpha = self._spoken(plate, heard)
        plate.put(picture, front, alpha)
        return plate.region(alpha, (shot.image.shape[1], shot.image.shape[0])), {}

    def _spoken(self, plate: Plate, heard: Floats) -> tuple[Floats, Floats]:
        """The plate with a mouth that says what is heard, and how much of each pixel is taken over."""
        side, points = self.net.size, plate.points[list(BOX), :2]
        low, high = points.min(axis=0), points.max(axis=0)
        scale = side / np.maximum(high - low, 1)
        m = np.column_stack([np.diag(scale), (0.5 - low) * scale - 0.5])
        drawn = self.net.speak(warp(plate.image, m, side, border="replicate"), heard)
        fade = ((np.arange(side) / side - HIGHEST) / (LOWEST - HIGHEST)).clip(0, 1).astype(np.float32)
        share = np.ascontiguousarray(np.broadcast_to(fade[:, None], (side, side)))
        back, size = invert(m), plate.image.shape[:2]
        alpha = warp(share, back, size) * face_alpha(plate)
        return warp(drawn, back, size, border="replicate"), np.asarray(alpha, np.float32)


def lipsync(
    target: str | os.PathLike[str] | Video,
    *,
    sound: str | os.PathLike[str],
    model: str,
    out: str | os.PathLike[str],
    who: Who = None,
    gallery: Gallery | None = None,
    engine: Engine | None = None,
) -> Edit:
    """Move a mouth in a video to sound, by a network of your own.

    Parameters
    ----------
    target : video
        As for `mien.open_video`. It keeps its own sound.
    sound, model
        See `LipSync`.
    out : path
        Where to write.
    who, gallery
        Whose mouth: see `mien.swaps.choice.Who`. None: the only one's.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    SourceError, UsageError
        If the sound or the video cannot be read, or an option makes no sense.
    """
    engine = engine or default_engine()
    effect = LipSync(sound=sound, model=model, engine=engine)
    return edited(target, Editor(effect, who=who, gallery=gallery, engine=engine), out=out)
