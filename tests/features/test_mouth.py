from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.columns import Angles, Points, Scores
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.core.image import load_image
from mien.engine import Batch, Engine
from mien.features.shown.mouth import MOUTH_NAMES, MeshMouth, lip_gaps, mouth_widths
from mien.models.catalogue import Catalogue
from tests.features.mouths import drawn
from tests.shared import DATA, open_bundle

SHAPES = ("mouthSmileLeft", "jawOpen", "mouthSmileRight")


def mouth_of(
    meshes: list[NDArray[np.float64]], smiles: list[float], yaws: list[float] | None = None, **options: Any
) -> Scores:
    count = len(meshes)
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (count, 1))).with_columns(
        {
            "landmarks": Points(np.array(meshes, np.float32).reshape(count, 478, 3), **options),
            "blendshapes": Scores(np.array([[s, 0.5, s] for s in smiles], np.float32).reshape(count, 3), names=SHAPES),
            "pose": Angles(np.array([[yaw, 0, 0] for yaw in yaws or [0] * count], np.float32).reshape(count, 3)),
        }
    )
    step = MeshMouth(cast("Any", SimpleNamespace(card=Catalogue.load()["mouth-mesh"])))
    return step.describe(Batch([], np.zeros(count, np.intp), faces))["mouth"]


@settings(max_examples=20)
@given(st.floats(0, 0.8), st.floats(-60, 60), st.floats(-60, 60), st.floats(0.2, 50))
def test_the_gap_is_the_same_from_wherever_it_is_seen(gap: float, yaw: float, roll: float, scale: float) -> None:
    turned = scale * drawn(gap) @ rotation_matrix([yaw, 20, roll]).T + [100, 50, 3]
    np.testing.assert_allclose(lip_gaps(turned[None]), [gap], atol=1e-5)
    np.testing.assert_allclose(mouth_widths(turned[None]), [50 * scale], rtol=1e-5)


def test_open_and_smile_are_told_apart() -> None:
    mouth = mouth_of([drawn(0.01), drawn(0.3), drawn(0.01)], [0.0, 0.0, 0.9])
    assert mouth.names == MOUTH_NAMES
    assert (mouth.values > 0.5).tolist() == [[False, False], [True, False], [False, True]]


def test_profiles_tiny_mouths_and_missing_meshes_abstain() -> None:
    gone = np.full((478, 3), np.nan)
    reasons = ("no mesh today", None, None, None)
    mouth = mouth_of([gone, drawn(0.1), drawn(0.1, width=4), drawn(0.1)], [0.1] * 4, [0, 75, 0, -50], reasons=reasons)
    assert mouth.abstained.tolist() == [True, True, True, False]
    assert mouth.reasons == (
        "no mesh today",
        "the head is in profile",
        "the mouth is too small: 4 pixels; 6 are needed",
        None,
    )


def test_no_face() -> None:
    assert mouth_of([], []).shape == (0, 2)


def test_faces_read_from_json_in_which_all_abstained() -> None:
    faces = Faces.from_boxes([[0, 0, 9, 9]]).with_columns(
        {
            "landmarks": Points.from_json([{"reason": "no mesh"}]),
            "blendshapes": Scores.from_json([{"reason": "no mesh"}]),
            "pose": Angles.from_json([{"reason": "no mesh"}]),
        }
    )
    step = MeshMouth(cast("Any", SimpleNamespace(card=Catalogue.load()["mouth-mesh"])))
    mouth = step.describe(Batch([], np.zeros(1, np.intp), faces))["mouth"]
    assert mouth.reasons == ("no mesh",)


def test_a_mesh_without_any_width_has_no_gap() -> None:
    assert np.isnan(lip_gaps(np.zeros((1, 478, 3)))).all()


def test_other_blendshapes_are_refused() -> None:
    faces = Faces.from_boxes([[0, 0, 9, 9]]).with_columns(
        {
            "landmarks": Points(drawn(0.1)[None].astype(np.float32)),
            "blendshapes": Scores(np.zeros((1, 1), np.float32), names=("jawOpen",)),
            "pose": Angles(np.zeros((1, 3), np.float32)),
        }
    )
    step = MeshMouth(cast("Any", SimpleNamespace(card=Catalogue.load()["mouth-mesh"])))
    with pytest.raises(CardError, match="mouthSmileLeft"):
        step.describe(Batch([], np.zeros(1, np.intp), faces))


@pytest.mark.weights
@pytest.mark.data
def test_posed_expressions() -> None:
    """CK+: the happy smile, the surprised gape, the sad do neither."""
    open_bundle("blendshapes")
    said: dict[str, list[NDArray[np.float32]]] = {}
    with Engine(threads=1) as engine:
        for name in ("happy", "surprise", "sadness"):
            for file in sorted((DATA / "expression" / name).glob("*.png"))[::4]:
                image = np.pad(load_image(file), ((24, 24), (24, 24), (0, 0)), mode="edge")
                box = Faces.from_boxes([[24, 24, 72, 72]])
                faces = engine.analyze(image, faces=box, want={"mouth"})
                assert iou(faces.boxes, box.boxes)[0, 0] > 0.9
                said.setdefault(name, []).append(faces.mouth.values[0])
    rates = {name: np.nanmean(np.array(values) > 0.5, axis=0) for name, values in said.items()}
    assert rates["happy"][1] > 0.9
    assert rates["surprise"][0] > 0.9
    assert rates["surprise"][1] < 0.1
    assert max(rates["sadness"]) < 0.25
