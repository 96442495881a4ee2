"""Vectors of images, which go from the rows of a file into a Parquet file without passing through memory."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row, parse_rows

Vector = np.ndarray[Any, np.dtype[np.float32]]

EMBEDDING = "embedding"  # the name of the column
AT_ONCE = 1_000  # vectors in memory


class Vectors:
    """Rows without their vectors. `any` says whether one had a vector."""

    def __init__(self) -> None:
        self.any = False

    def leave_out(self, rows: Iterable[Row | None]) -> Iterator[Row | None]:
        """Yield the rows without their vectors."""
        for row in rows:
            if row and any(name == EMBEDDING and isinstance(value, str) for name, value in row.more):
                self.any = True
                yield row._replace(more=tuple(item for item in row.more if item[0] != EMBEDDING))
            else:
                yield row


def write_embeddings(rows: Path, published: Sequence[Row], target: Path) -> None:
    """Write the vector of each published image as `img` and `embedding` (float32).

    `rows` is the file that scoring wrote.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("img", pa.string()), (EMBEDDING, pa.list_(pa.float32()))])
    with pq.ParquetWriter(target, schema) as writer, rows.open(encoding="utf-8") as lines:
        for names, vectors in _parts(parse_rows(lines), {row.img for row in published if not row.error}):
            writer.write_table(pa.table({"img": names, EMBEDDING: vectors}, schema=schema))


def vector_of(text: str) -> Vector:
    """Return the vector that a row has as text."""
    return np.frombuffer(base64.b64decode(text), "<f4")


def _parts(rows: Iterable[Row | None], wanted: set[str]) -> Iterator[tuple[list[str], list[Vector]]]:
    """Yield names and vectors of some images at a time.

    An image that was scored twice has its first vector.
    """
    names: list[str] = []
    vectors: list[Vector] = []
    for row in rows:
        if row is None or row.img not in wanted or not (text := dict(row.more).get(EMBEDDING)):
            continue
        wanted.discard(row.img)
        names.append(row.img)
        vectors.append(vector_of(text))
        if len(names) == AT_ONCE:
            yield names, vectors
            names, vectors = [], []
    if names:
        yield names, vectors
