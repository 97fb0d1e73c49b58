"""Results as a Parquet file: a row per face, written in groups as they come; vectors and points are nested lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.fields import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Parquet"]

_GROUP: Final = 4096  # rows that are written together


class Parquet:
    """A row per face, one for a picture that failed, none for a picture without faces.

    The columns are those of the CSV file. The file's own notes say which model made what.

    Parameters
    ----------
    stream : binary file
        To write to.

    Raises
    ------
    UsageError
        If pyarrow is not installed.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet
        except ImportError:
            raise UsageError("Parquet needs one more package: pip install 'mien[parquet]'.") from None
        self._pa, self._parquet, self._stream = pa, pyarrow.parquet, stream
        head = {"source": pa.string(), "frame": pa.int64(), "time": pa.float64(), "face": pa.int32()}
        self._head = pa.schema([*head.items(), ("failure", pa.string())])
        self._schema: pa.Schema | None = None
        self._writer: Any = None
        self._waiting: list[dict[str, Any]] = []

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        """Add one picture; see `mien.media.sinks.Format`."""
        place = {name: record.get(name) for name in ("source", "frame", "time")}
        if faces is None:
            failure = (record.get("failure") or {}).get("message", "")
            self._waiting.append({**place, "failure": failure})
        else:
            if self._schema is None:
                self._schema = self._columns_of(faces)
            table = faces.to_columns()
            for row in range(len(faces)):
                values = {name: _plain(column[row]) for name, column in table.items() if name in self._schema.names}
                self._waiting.append({**place, "face": row, **values})
        if len(self._waiting) >= _GROUP and self._schema is not None:
            self._flush()

    def end(self) -> None:
        """Write what is left, and the file's index."""
        self._flush()
        self._writer.close()

    def drop(self) -> None:
        """Give the file up: else pyarrow would try to complete it, and complain that it is closed."""
        if self._writer is not None:
            self._writer.is_open = False

    def _columns_of(self, faces: Faces) -> pa.Schema:
        fields = list(self._head)
        for name, values in faces.to_columns().items():
            kind = self._pa.float32()
            if isinstance(values, list):  # a vector or a list of points of each face
                for _ in range(faces.columns[name].values.ndim - 1):
                    kind = self._pa.list_(kind)
            elif values.dtype != np.float32:
                kind = self._pa.from_numpy_dtype(values.dtype)
            fields.append(self._pa.field(name, kind))
        about = {"mien.schema": str(SCHEMA_VERSION), "mien.models": json.dumps(dict(faces.models))}
        return self._pa.schema(fields, metadata=about)

    def _flush(self) -> None:
        schema = self._schema or self._head
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._stream, schema, compression="zstd")
        if self._waiting:
            self._writer.write_table(self._pa.Table.from_pylist(self._waiting, schema=schema))
            self._waiting.clear()


def _plain(value: Any) -> Any:
    """A number, or nested lists of them; None where there is none."""
    if np.ndim(value):
        return None if np.isnan(value).all() else np.asarray(value).tolist()
    return None if np.isnan(value) else value.item()
