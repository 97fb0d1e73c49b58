"""``Convention``: what a user's own network for faces takes and gives, as its card says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from mien.core.errors import CardError
from mien.core.geometry import TEMPLATES

__all__ = ["LATENT", "Convention"]

#: What a network is told of the source: nothing; its embedding, of length 1, or as the embedder gave it, or of length 1
#: before it is multiplied with a matrix that the file carries (inswapper's emap); or its own aligned crop.
Latent = Literal["none", "unit", "raw", "emap", "crop"]
LATENT: Final = get_args(Latent)


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What a network takes and gives: a card's params.

    Attributes
    ----------
    size : int
        Side of its crop in pixels.
    template : str
        Where the five points stand in the crop: a name of `mien.core.geometry.TEMPLATES`.
    picture : str
        The input that takes the crop; "": the one with four axes that is not `source`.
    color, layout : str
        "RGB" or "BGR"; "NCHW" or "NHWC". Of the output as well.
    mean, std : list of 3 floats
        It takes (level - mean) / std, of levels 0 to 255 in its own order of colours.
    out_mean, out_std : list of 3 floats
        Its output times out_std plus out_mean are levels; by default the inverse of what it takes.
    output : str
        The output that is the picture; "": the first with 3 colours.
    mask : str
        The output that says how much of each pixel is meant, in [0, 1]; "": none.
    source : str
        The input that takes what it is told of the source.
    latent : str
        What that is: one of `LATENT`.
    emap : str
        Name of the matrix; "": the last of its size.
    width : int
        Numbers of the embedding.
    embedder : str
        Id of the model whose embeddings it was trained with; they mean nothing to it if made by another.
    source_template, source_size, source_mean, source_std
        Of a source's crop, where it is told by one; by default as the target's.
    numbers : mapping of str to str
        Inputs that take one number, by what they mean, such as ``{fidelity = "weight"}``.
    defaults : mapping of str to float
        Of these.
    """

    size: int
    template: str = "ffhq"
    picture: str = ""
    color: str = "RGB"
    layout: str = "NCHW"
    mean: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    std: list[float] = field(default_factory=lambda: [255.0, 255.0, 255.0])
    out_mean: list[float] | None = None
    out_std: list[float] | None = None
    output: str = ""
    mask: str = ""
    source: str = ""
    latent: str = "none"
    emap: str = ""
    width: int = 512
    embedder: str = ""
    source_template: str = ""
    source_size: int = 0
    source_mean: list[float] | None = None
    source_std: list[float] | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, float] = field(default_factory=dict)

    def check(self, owner: str) -> None:
        """Refuse what makes no sense.

        Raises
        ------
        CardError
            The message names the card and the param.
        """
        more = (self.out_mean, self.out_std, self.source_mean, self.source_std)
        triples = (self.mean, self.std, *(one for one in more if one is not None))
        deviations = (*self.std, *(self.out_std or []), *(self.source_std or []))
        sizes = (self.size, self.source_size or self.size, self.width)
        rules = {
            "size and width": all(isinstance(one, int) and 0 < one <= 4096 for one in sizes),
            "template": {self.template, self.source_template or self.template} <= TEMPLATES.keys(),
            "color": self.color in ("RGB", "BGR"),
            "layout": self.layout in ("NCHW", "NHWC"),
            "latent": self.latent in LATENT,
            "source": bool(self.source) == (self.latent != "none"),
            "mean and std": all(_is_triple(one) for one in triples) and 0 not in deviations,
            "numbers": isinstance(self.numbers, Mapping) and isinstance(self.defaults, Mapping),
        }
        if wrong := next((name for name, right in rules.items() if not right), None):
            raise CardError(f"the card of {owner}: params: {wrong} makes no sense.")


def _is_triple(values: object) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(isinstance(one, int | float) for one in values)
