"""How faces are hidden and looked for: the settings of `anonymize`, and what works by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mien.core.canvas import Canvas
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource, load_image
from mien.core.region import Region
from mien.engine import Engine
from mien.engine.searching import Tiles
from mien.gallery.people import Gallery
from mien.masks.masking import mask
from mien.masks.view import tree_of
from mien.media.provenance import Provenance
from mien.swaps.backgrounds.backdrops import parse_color
from mien.swaps.hidden.hiding import METHODS, Hider, Paint
from mien.swaps.hidden.second_look import SecondLook, recall_first
from mien.swaps.hidden.spots import Cover, Shape, Spot
from mien.swaps.hidden.strength import HIDES_ALL, Strength, Witness, strength_for
from mien.swaps.hidden.synthetic import Synthetic
from mien.swaps.hidden.watching import spots_of

__all__ = ["Settings", "Tools"]

SYNTHETIC = "synthetic"
_GROWN = 0.03  # of a face's side: by which a region of it is hidden beyond its edge
_TEXT = 14  # pixels of a score that is drawn
_LEAST = 0.002  # of a face's box: a region smaller than this was not found


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How faces are hidden and looked for: the options of `mien.anonymize`."""

    method: str = "blur"
    strength: Strength = "auto"
    color: str | tuple[int, int, int] = "black"
    image: ImageSource | None = None
    shape: Shape = "ellipse"
    mask_scale: float = 1.3
    regions: str | None = None
    block: int = 0
    min_score: float | None = None
    second_look: bool = True
    thorough: bool = False
    every: int = 15
    draw_scores: bool = False
    likeness: bool = True

    def __post_init__(self) -> None:
        if self.method not in {*METHODS, SYNTHETIC}:
            raise UsageError(f"method is one of {', '.join((*METHODS, SYNTHETIC))}, not {self.method!r}.")
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise UsageError(f"every is a whole number of frames, 1 or more, not {self.every!r}.")
        if self.regions is not None:
            tree_of(self.regions)

    def hider(self) -> Hider:
        """What hides by them; `UsageError` where they make no sense."""
        picture = None if self.image is None else load_image(self.image)
        cover = Cover(shape=self.shape, scale=self.mask_scale)
        method = "blur" if self.method == SYNTHETIC else self.method  # of those whom no double fits
        strength = strength_for(method, self.strength)
        return Hider(method, cover, Paint(parse_color(self.color), picture, self.block), strength)


class Tools:
    """Detectors, embedders and what hides, as settings want them.

    Parameters
    ----------
    settings : Settings
    engine : Engine
    second : bool
        Whether the other detector is wanted: where only some people are hidden, what it finds is nobody's.
    far_from : Gallery, optional
        Real people whom no generated face may look like.

    Raises
    ------
    UsageError
        If a setting makes no sense.
    LicenseRefused
        If the engine's license policy permits no second detector.
    """

    def __init__(
        self, settings: Settings, engine: Engine, *, second: bool = True, far_from: Gallery | None = None
    ) -> None:
        self.settings, self.engine = settings, engine
        self.hider = settings.hider()
        self.min_score = recall_first(engine) if settings.min_score is None else settings.min_score
        self.second = SecondLook.beside(engine) if settings.second_look and second else None
        hides_all = settings.method in HIDES_ALL and settings.regions is None
        self.weighs = settings.likeness and not hides_all and settings.method != "none"
        self._witness: Witness | None = None
        self.synthetic: Synthetic | None = None
        if settings.method == SYNTHETIC:
            self.synthetic = Synthetic(engine, Witness(engine), far_from)

    @property
    def witness(self) -> Witness | None:
        """Who compares faces before and after; None where nothing is left to compare."""
        if self.weighs and self._witness is None:
            self._witness = Witness(self.engine)
        return self._witness

    @property
    def report(self) -> dict[str, Any]:
        """How it is done; JSON types."""
        told = {
            "method": self.settings.method,
            "strength": self.hider.strength,
            "shape": self.settings.shape,
            "mask_scale": self.settings.mask_scale,
            "detector": "+".join(card.id for card in self.engine.team("detect")),
            "min_score": self.min_score,
        }
        return told if self.settings.regions is None else {**told, "regions": self.settings.regions}

    def mark(self, source: Provenance) -> Provenance:
        """What is true of a result made of a file of which `source` is true."""
        return Provenance.enhanced(source) if self.synthetic is None else self.synthetic.mark(source)

    def hide(
        self, image: Image, spots: Sequence[Spot], regions: list[Region] | None = None, *, in_place: bool = False
    ) -> Image:
        """A picture with spots hidden, and no generated face put there: see `Hider.hide`."""
        masks = self._masks(image, spots) if self.settings.regions and spots else None
        return self.hider.hide(image, spots, masks=masks, regions=regions, in_place=in_place)

    def replace(
        self, image: Image, spots: Sequence[Spot], *, time: float | None = None, regions: list[Region] | None = None
    ) -> Image:
        """A picture, or the next frame of a video, which is written to, with its faces hidden by whatever method."""
        in_place = time is not None
        if self.synthetic is None:
            return self.hide(image, spots, regions, in_place=in_place)
        made, left = self.synthetic.apply(image, spots, time=time, regions=regions)
        return self.hide(made, left, regions, in_place=in_place)

    def scored(self, image: Image, spots: Sequence[Spot]) -> Image:
        """A result with each spot's score above it, where that is wanted."""
        if not self.settings.draw_scores or not spots:
            return image
        canvas = Canvas(image)
        for spot in spots:
            text = spot.source if spot.score is None else f"{spot.score:.2f}"
            canvas.text((float(spot.box[0]), float(spot.box[1]) - _TEXT - 2), text, _TEXT, (0, 255, 0))
        return canvas.image

    def check(self, image: Image, spots: Sequence[Spot], kept: Sequence[Spot], *, closely: bool) -> list[Spot]:
        """The faces that either detector still finds in a result, and that are not hidden.

        Parameters
        ----------
        image : (H, W, 3) uint8
            The result.
        spots, kept : sequences of Spot
            What is hidden in it, and whom somebody wants to stay visible.
        closely : bool
            Whether to look in tiles.
        """
        tiles: Tiles = "auto" if closely else "off"
        found = spots_of(self.engine.detect(image, min_score=self.min_score, tiles=tiles), "second pass")
        if self.second is not None:
            found += self.second.look(image, turned=False, closely=closely)
        return SecondLook.missed(found, spots, self.hider.cover, kept=kept)

    def _masks(self, image: Image, spots: Sequence[Spot]) -> dict[int, Region]:
        """The wanted regions of those faces of which they are known; the others are hidden whole."""
        rows = [row for row, spot in enumerate(spots) if spot.source in {"detected", "second pass"}]
        if not rows:
            return {}
        size = image.shape[1], image.shape[0]
        faces = Faces.from_boxes([spots[row].box for row in rows], image_size=size)
        seen = self.engine.analyze(image, faces=faces, want={"presence"})
        found = mask(image, faces=faces, engine=self.engine)
        out = {}
        for number, row in enumerate(rows):
            if not np.nan_to_num(seen.presence.values[number]) >= 0.5:
                continue
            region = found[number].region(str(self.settings.regions))
            if region.area >= _LEAST * spots[row].side ** 2:
                grown = region.dilate(max(1.0, _GROWN * spots[row].side))
                out[row] = grown | grown.dilate(2).feather(2)
        return out


def weighed(spot: Spot, found: Spot | None) -> Spot:
    """A spot, hidden as strongly as was found to be needed."""
    return spot if found is None else replace(spot, method=found.method, strength=found.strength)
