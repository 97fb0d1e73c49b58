"""fields.toml is the one list: Python, JSON schema, drawings and the type checker's view all agree with it."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import numpy as np
import pytest

from mien.core import faces as faces_module
from mien.core.columns import COLUMNS
from mien.core.errors import UnknownField
from mien.core.faces import Faces
from mien.core.fields import Field, all_fields, all_jobs, check_want, json_schema
from tests.core.test_columns import MAKERS

COMPUTED = [field for field in all_fields().values() if not field.always]


@pytest.mark.parametrize("field", COMPUTED, ids=lambda field: field.name)
def test_each_field_has_a_column_a_sentence_and_a_typed_attribute(field: Field) -> None:
    assert field.column in COLUMNS
    assert field.doc.endswith(".")
    assert field.family in {"location", "features", "masks", "embeddings"}
    source = Path(faces_module.__file__).read_text(encoding="utf-8")
    assert f"        {field.name}: {COLUMNS[field.column].__name__}\n" in source, "declare it in core.faces._Fields"


@pytest.mark.parametrize("field", COMPUTED, ids=lambda field: field.name)
def test_each_field_goes_through_the_json_schema_and_back(field: Field) -> None:
    column = MAKERS[field.column](2, 7)
    faces = Faces.from_boxes([[0, 0, 9, 9], [1, 1, 5, 8]], scores=[0.5, 1.0]).with_columns(
        {field.name: column}, model="toy"
    )
    for face in faces.to_dicts():
        jsonschema.validate(face, json_schema())
    back = Faces.from_dicts(faces.to_dicts())
    assert back.models == {field.name: "toy"}
    np.testing.assert_allclose(back.columns[field.name].values, column.values, atol=0.0051)


def test_the_schema_itself_is_valid_and_refuses_strangers() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    face = Faces.from_boxes([[0, 0, 1, 1]]).to_dicts()[0]
    jsonschema.validate(face, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**face, "criminality": {"value": 1}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**face, "pose": {"yaw": 1}}, schema)


def test_want_is_checked_and_helps() -> None:
    assert check_want({"pose", "box"}) == {"pose"}
    assert check_want("pose") == {"pose"}
    assert check_want([]) == frozenset()
    with pytest.raises(UnknownField, match="Did you mean 'embedding'"):
        check_want({"embeding"})


def test_fields_and_jobs_do_not_share_names() -> None:
    assert not all_fields().keys() & all_jobs().keys()
