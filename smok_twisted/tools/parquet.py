"""Lines of an export as a Parquet file, some at a time (https://parquet.apache.org/docs/file-format/)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import UserError

#: Lines of a row group: what is in memory at a time.
ROWS_A_GROUP = 50_000


def write(path: Path, lines: Iterator[str], kinds: Mapping[str, str]) -> None:
    """``kinds``: the type of each point, as register maps name them.

    Wide: each column is of its point's kind. Long: ``value`` holds numbers and truths (1 and 0), ``text`` texts.
    Raises UserError when pyarrow is not there.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        remedy = "pip install 'smok-twisted[parquet]'"
        raise UserError(f"a Parquet file needs pyarrow, which is not there: {remedy}") from None
    rows = csv.reader(lines)
    names = next(rows)
    is_long = names[:4] == ["time", "point", "value", "quality"]
    schema = _long(pyarrow, names) if is_long else _wide(pyarrow, names, kinds)
    with ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(rows, ROWS_A_GROUP)):
            if is_long:
                group = [_split(row, kinds) for row in group]
            columns = [
                pyarrow.array([_read(text, field.type, pyarrow) for text in column], field.type)
                for column, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))


def _time(pyarrow: Any) -> Any:
    return pyarrow.field("time", pyarrow.timestamp("ms", "UTC"))


def _long(pyarrow: Any, names: list[str]) -> Any:
    words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    fields = [("point", words), ("value", pyarrow.float64()), ("text", pyarrow.string()), ("quality", words)]
    return pyarrow.schema([_time(pyarrow), *fields, *((name, pyarrow.string()) for name in names[4:])])


def _wide(pyarrow: Any, names: list[str], kinds: Mapping[str, str]) -> Any:
    types = {"BOOL": pyarrow.bool_(), "STRING": pyarrow.string()}
    fields = [(name, types.get(kinds.get(name, ""), pyarrow.float64())) for name in names[1:]]
    return pyarrow.schema([_time(pyarrow), *fields])


def _split(row: list[str], kinds: Mapping[str, str]) -> list[str]:
    """With numbers and texts in columns of their own."""
    time, point, value, *rest = row
    pair = ("", value) if kinds.get(point) == "STRING" else (_NUMBERS.get(value, value), "")
    return [time, point, *pair, *rest]


_NUMBERS = {"true": "1", "false": "0"}


def _read(text: str, kind: Any, pyarrow: Any) -> Any:
    if not text:
        return None
    if pyarrow.types.is_timestamp(kind):
        return datetime.fromisoformat(text)
    if pyarrow.types.is_boolean(kind):
        return text == "true"
    return float(text) if pyarrow.types.is_floating(kind) else text
