"""Classes that networks sort pixels into, and the regions of a face that are made of them.

Left and right are the subject's, as in the sets themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from mien.core.errors import UsageError

__all__ = ["CELEBAMASK", "LONG_TAIL", "REGIONS", "classes_of", "parts_of", "regions_of", "unknown_region"]

#: The 19 classes of CelebAMask-HQ, in its order and by its names (Lee et al., *MaskGAN: towards diverse and interactive
#: facial image manipulation*, 2020).
CELEBAMASK = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip",
    "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip

#: The classes that few pictures have, and small ones: where a mean over all classes hides how a network does.
LONG_TAIL = ("eye_g", "hat", "ear_r", "neck_l", "cloth")

_FACE = (
    "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip", "lips", "teeth",
)  # fmt: skip
_HEAD = (*_FACE, "l_ear", "r_ear", "ear_r", "hair", "hat")

#: Regions by name, each with the classes that it is made of; of these, those count that a network knows. A name that is
#: a class's, too, is that class: the skin is without the nose, and the mouth is what is seen between the lips.
REGIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "face": _FACE,
        "head": _HEAD,
        "person": (*_HEAD, "neck_l", "neck", "cloth", "person"),
        "background": ("background",),
        "skin": ("skin",),
        "hair": ("hair",),
        "nose": ("nose",),
        "left_eye": ("l_eye",),
        "right_eye": ("r_eye",),
        "eyes": ("l_eye", "r_eye"),
        "left_brow": ("l_brow",),
        "right_brow": ("r_brow",),
        "brows": ("l_brow", "r_brow"),
        "upper_lip": ("u_lip",),
        "lower_lip": ("l_lip",),
        "lips": ("u_lip", "l_lip", "lips"),
        "mouth": ("mouth", "teeth"),
        "left_ear": ("l_ear",),
        "right_ear": ("r_ear",),
        "ears": ("l_ear", "r_ear"),
        "glasses": ("eye_g",),
        "hat": ("hat",),
        "earrings": ("ear_r",),
        "necklace": ("neck_l",),
        "neck": ("neck",),
        "clothes": ("cloth",),
    }
)


def classes_of(region: str, names: Iterable[str]) -> tuple[str, ...]:
    """The classes out of `names` that a region is made of; a class is a region of its own name, too.

    Raises
    ------
    UsageError
        If there is no such region, or none of its classes.
    """
    known = tuple(names)
    wanted = REGIONS.get(region, (region,))
    found = tuple(name for name in known if name in wanted)
    if not found:
        raise unknown_region(region, regions_of(known))
    return found


def regions_of(names: Iterable[str]) -> tuple[str, ...]:
    """The regions that classes make, and the classes that no region has."""
    known = tuple(names)
    made = [region for region, wanted in REGIONS.items() if any(name in wanted for name in known)]
    inside = {name for region in made for name in REGIONS[region]}
    return (*made, *(name for name in known if name not in inside))


def parts_of(names: Iterable[str]) -> tuple[str, ...]:
    """The regions that do not overlap, without the background: one for each class."""
    known = tuple(names)
    return tuple(name for name in regions_of(known) if name != "background" and len(classes_of(name, known)) == 1)


def unknown_region(name: str, known: Iterable[str]) -> UsageError:
    """The error that says which regions there are, and which of them sounds like the name that was asked for."""
    import difflib

    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return UsageError(f"no region is called {name!r} here{meant}; there are {', '.join(names)}.")
