"""Head pose by a network that looks at a crop of the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Angles, Column, Points
from mien.core.errors import CardError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import angles, rotation_matrix, square_crops
from mien.core.warping import warp_batch
from mien.models.card import Card
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["PoseNet"]

Doubles = NDArray[np.float64]

_AXES: Final = {"X": 1, "Y": 0, "Z": 2}  # which of yaw, pitch and roll turns about which axis


class PoseNet:
    """Gives ``pose`` to faces that have a box, from a square crop around it.

    Where ``alignment`` is known, or else the detector's five points, the crop stands upright by them (from the eyes to
    the mouth: in profile the eyes alone say nothing), and its turn is added to what the network says; so pictures may
    be turned any way. Heads without points, such as those seen from behind, are looked at as they stand: there the
    picture must be upright, and nothing tells where it is not. Faces with nothing in their box abstain.

    Networks differ in the signs of their angles and in the order of the three turns; the card says which. 300W-LP, on
    which most are trained, turns about z first and about x last, which is not the usual order: the angles of most
    published code are drawn right only by its own drawing routine.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``model`` and the params

        - ``crop``: how far below the box's centre the crop's is, and its side; both in longer sides of the box;
        - ``outputs``: names of the outputs with yaw, pitch and roll in degrees, or of the one with a matrix
          Rz Ry Rx of them;
        - ``signs``: of the three, to have them as ours;
        - ``order``: "XYZ" or "ZYX", the product of the three turns as it is written.

    Raises
    ------
    CardError
        If the card or its network is not as above.

    References
    ----------
    Hempel, Abdelrahman, Al-Hamadi, *Toward robust and unconstrained full range of rotation head pose estimation*, IEEE
    TIP 2024 (6DRepNet360). Zhou, Gregson, *WHENet: real-time fine-grained estimation for wide range head pose*, BMVC
    2020. Intel, *head-pose-estimation-adas-0001*, Open Model Zoo.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = _Settings.of(bundle.card)
        self._session = bundle.session("model")
        picture = bundle.card.files["model"].input
        missing = set(self._settings.outputs).difference(self._session.outputs)
        if picture is None or picture.size is None or missing:
            raise CardError(f"the network of {bundle.card.id} takes no picture or lacks an output: {sorted(missing)}.")
        self._size = picture.size[0]

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        boxes = batch.faces.boxes.astype(np.float64)
        turns = _turns(batch.faces)
        shift, scale = self._settings.crop
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=1.0)
        down = np.column_stack([-np.sin(np.deg2rad(turns)), np.cos(np.deg2rad(turns))])
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2 + shift * sides[:, None] * down
        maps = square_crops(centers, scale * sides, turns, self._size)
        outputs = dict(zip(self._session.outputs, self._session.run(self._crops(batch, maps)), strict=True))
        found = self._rotations([outputs[name] for name in self._settings.outputs])
        values = from_all_around(_about("Z", turns) @ found)
        unseen = np.any(np.minimum(boxes[:, 2:], batch.sizes) <= np.maximum(boxes[:, :2], 0), axis=1)
        values[unseen] = np.nan
        reasons = tuple("nothing in the box is in the picture" if no else None for no in unseen)
        return {"pose": Angles(values, reasons=reasons)}

    def _crops(self, batch: Batch, maps: NDArray[np.float32]) -> NDArray[np.uint8]:
        return warp_batch(batch.images, batch.owner, maps, self._size)

    def _rotations(self, outputs: list[NDArray[np.float32]]) -> Doubles:
        """Rotations from face axes to the crop's, (N, 3, 3)."""
        count = len(outputs[0])
        if len(outputs) == 1:
            degrees = angles(outputs[0].reshape(count, 3, 3)).astype(np.float64)
        else:
            degrees = np.column_stack([output.reshape(count) for output in outputs]).astype(np.float64)
        degrees *= self._settings.signs
        first, second, third = (_about(axis, degrees[:, _AXES[axis]]) for axis in self._settings.order)
        return first @ second @ third


@dataclass(frozen=True)
class _Settings:
    """The card's params, checked."""

    crop: tuple[float, float]
    outputs: tuple[str, ...]
    signs: tuple[float, float, float]
    order: Literal["XYZ", "ZYX"]

    @classmethod
    def of(cls, card: Card) -> _Settings:
        params: Mapping[str, Any] = card.params
        try:
            shift, scale = map(float, params["crop"])
            yaw, pitch, roll = map(float, params["signs"])
            settings = cls((shift, scale), tuple(params["outputs"]), (yaw, pitch, roll), params["order"])
        except (KeyError, TypeError, ValueError) as error:
            raise CardError(f"the card of {card.id} does not say how its network is used: {error!r}.") from error
        if len(settings.outputs) not in {1, 3} or settings.order not in {"XYZ", "ZYX"} or scale <= 0:
            raise CardError(f"the card of {card.id} has 1 or 3 outputs, an order of XYZ or ZYX, and a crop above 0.")
        return settings


def _turns(faces: Faces) -> Doubles:
    """Clockwise turn of each face in degrees, (N,), by its alignment, else by the detector's points; 0 without."""
    turns, names = upright_turns(faces.alignment), faces.keypoint_names
    if set(ALIGNMENT_NAMES) <= set(names):
        own = Points(faces.keypoints[:, [names.index(name) for name in ALIGNMENT_NAMES]])
        turns = np.where(faces.alignment.abstained, upright_turns(own), turns)
    return turns


def upright_turns(alignment: Points) -> Doubles:
    """Clockwise turn of each face in degrees, (N,), from between the eyes to between the corners of the mouth.

    0 where there are no points, or both places are one.
    """
    points = alignment.values.astype(np.float64)
    down = points[:, 3:5].mean(axis=1) - points[:, 0:2].mean(axis=1)
    return np.where(np.isfinite(down).all(axis=1), np.rad2deg(np.arctan2(-down[:, 0], down[:, 1])), 0.0)


def from_all_around(rotations: Doubles) -> NDArray[np.float32]:
    """Yaw, pitch and roll of rotations (N, 3, 3) with pitch in [-90, 90] and yaw in [-180, 180].

    The same rotation can be written with yaw y or 180 - y, the other two then turned by 180 as well.
    `mien.core.geometry.angles` keeps yaw within 90 degrees, so that the back of a level head would have a pitch of 180;
    this keeps the pitch, so that it has a yaw of 180.
    """
    degrees = angles(rotations).astype(np.float64)
    over = np.abs(degrees[:, 1]) > 90
    other = (np.array([180.0, 180.0, 180.0]) + degrees * [-1, 1, 1] + 180) % 360 - 180
    return np.where(over[:, None], other, degrees).astype(np.float32)


def _about(axis: str, degrees: Doubles) -> Doubles:
    """Rotations about one of our axes by as much as yaw (Y), pitch (X) or roll (Z), (N, 3, 3)."""
    rows = np.zeros((len(degrees), 3))
    rows[:, _AXES[axis]] = degrees
    return rotation_matrix(rows).astype(np.float64)
