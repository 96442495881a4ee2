"""The scored rows of a file on their way from the scoring step to the publishing step."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class FileRecord:
    """What became of a file: the number of its rows and of its parts, or the error that it has as a whole."""

    name: str
    rows: int = 0
    parts: int = 0
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class PartWriter:
    """Writes the rows of one file. Parts get their final names at the end, if nothing failed before.

    A chunk whose columns have other types, such as one without any prediction, begins another part.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._rows = 0
        self._parts = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._close()
        for number in range(self._parts):
            temporary = self._temporary(number)
            if kind is None:
                temporary.replace(part_path(self._folder, self._name, number))
            else:
                temporary.unlink(missing_ok=True)

    @property
    def record(self) -> FileRecord:
        return FileRecord(self._name, self._rows, self._parts)

    def write(self, rows: pa.Table) -> None:
        if self._writer is None or not self._writer.schema.equals(rows.schema):
            self._close()
            self._writer = pq.ParquetWriter(self._temporary(self._parts), rows.schema)
            self._parts += 1
        self._writer.write_table(rows)
        self._rows += len(rows)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _temporary(self, number: int) -> Path:
        final = part_path(self._folder, self._name, number)
        return final.with_name(f"{final.name}.{os.getpid()}")


def part_path(folder: Path, name: str, number: int) -> Path:
    """Return the path of a part of a file: any name of a file becomes a valid one."""
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}-{number}.parquet"


def parse_records(lines: Iterable[str]) -> Iterator[FileRecord | None]:
    """Yield the records in a file to which many processes appended. A line that cannot be read gives None."""
    for line in lines:
        if line.strip():
            try:
                yield FileRecord(**json.loads(line))
            except (TypeError, ValueError):
                yield None
