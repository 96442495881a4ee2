"""MLTables of jobs: their rows as DataFrames for a parallel step, or the files that they name.

It runs in the environment of the job. The package `mltable` reads the tables, and is imported where it is
used, because most steps have no table. `python -m tidepool.jobs.tables TABLE FOLDER` fills a folder with the
files of a table, for the modes eval_mount and eval_download.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tidepool.jobs.minibatches import MiniBatch, byte_size, split

FILE = "MLTable"
_PATH = "Path"
_DEFAULT_SIZE = "1mb"
_MISSING = (
    "the input is an MLTable, and the package mltable, which reads it, is not installed in the Python of the "
    "jobs: install the dependency group mltable, for example with `uv sync --inexact --group mltable`"
)


class TableError(Exception):
    """The table cannot be read, or cannot be divided in this way."""


def table_batches(
    folder: Path, *, mini_batch_size: str | None, partition_keys: Sequence[str], scratch: Path
) -> list[MiniBatch]:
    """Divide a table into mini-batches: of rows if it has rows, of files otherwise.

    With partition keys, each combination of their values is a mini-batch. Otherwise `mini_batch_size` is a
    number of bytes for rows, measured as CSV, and a number of files for files. Frames are pickled in the
    folder `scratch`.
    """
    with contextlib.chdir(scratch):  # the package writes its log to ./logs, which belongs to the job
        frame, is_tabular = _load(folder, partition_keys)
    if missing := [key for key in partition_keys if key not in frame.columns]:
        columns = ", ".join(frame.columns)
        raise TableError(
            f"partition_keys has {', '.join(missing)}, but the columns of the table are {columns}"
        )
    if not is_tabular:
        return list(_file_batches(frame, mini_batch_size or "1", partition_keys))
    return list(_row_batches(frame, mini_batch_size or _DEFAULT_SIZE, partition_keys, scratch))


def evaluate(table: Path, target: Path) -> None:
    """Copy the files that a table of files names to a folder. Raise TableError if it is a table of rows."""
    frame, is_tabular = _load(table, ())
    if is_tabular:
        raise TableError("the table has rows; the modes eval_mount and eval_download are for tables of files")
    target.mkdir(parents=True)
    for file in _paths(frame):
        inside = table.absolute() in file.parents
        copy = target / (file.relative_to(table.absolute()) if inside else file.name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def _load(folder: Path, partition_keys: Sequence[str]) -> tuple[Any, bool]:
    """Return the table as a DataFrame, and whether it has rows. If it has files, a row is a path."""
    try:
        import mltable
    except ModuleNotFoundError as error:
        raise TableError(_MISSING) from error
    try:
        table = mltable.load(str(folder.absolute()))
        hidden = bool(partition_keys) and _needs_path(table)
        if hidden:
            table = _with_path(folder)
        frame, is_tabular = table.to_pandas_dataframe(), bool(table._is_tabular)
    except Exception as error:
        raise TableError(f"the MLTable cannot be read: {error}") from error
    return (frame.drop(columns=[_PATH]) if hidden else frame), is_tabular


def _needs_path(table: Any) -> bool:
    """Return whether the columns of the partition format would be empty: mltable takes them from the path."""
    steps: list[dict[str, Any]] = table._to_yaml_dict().get("transformations") or [{}]
    return any(
        step.startswith("read_") and not (settings or {}).get("include_path_column")
        for step, settings in steps[0].items()
    )


def _with_path(folder: Path) -> Any:
    """Load a table with the column Path."""
    import mltable
    import yaml

    table = yaml.safe_load((folder / FILE).read_text(encoding="utf-8"))
    reader = table["transformations"][0]
    reader.update(
        {step: {**(settings or {}), "include_path_column": True} for step, settings in reader.items()}
    )
    for path in table["paths"]:
        path.update({kind: _absolute(folder, text) for kind, text in path.items()})
    with tempfile.TemporaryDirectory() as copy:
        (Path(copy) / FILE).write_text(yaml.safe_dump(table), encoding="utf-8")
        return mltable.load(copy)


def _absolute(folder: Path, text: str) -> str:
    is_relative = "://" not in text and not Path(text).is_absolute()
    return f"{folder}/{text[2:] if text.startswith('./') else text}" if is_relative else text


def _row_batches(frame: Any, size: str, keys: Sequence[str], scratch: Path) -> Iterator[MiniBatch]:
    if keys:
        for values, group in frame.groupby(list(keys), sort=True, dropna=False):
            partition = dict(zip(keys, (_plain(value) for value in values)))
            yield _frame_batch(group.reset_index(drop=True), scratch, partition)
        return
    if not len(frame):
        return
    row_size = max(1.0, len(frame.to_csv(index=False)) / len(frame))
    rows = max(1, math.floor(byte_size(size) / row_size))
    for start in range(0, len(frame), rows):
        yield _frame_batch(frame.iloc[start : start + rows].reset_index(drop=True), scratch, None)


def _frame_batch(frame: Any, scratch: Path, partition: dict[str, Any] | None) -> MiniBatch:
    file = scratch / f"{uuid.uuid4().hex}.pkl"
    frame.to_pickle(file)
    return MiniBatch(frame=str(file), size=len(frame), partition=partition)


def _file_batches(frame: Any, size: str, keys: Sequence[str]) -> Iterator[MiniBatch]:
    if keys:
        for values, group in frame.groupby(list(keys), sort=True, dropna=False):
            partition = dict(zip(keys, (_plain(value) for value in values)))
            yield MiniBatch.of(_paths(group), partition)
        return
    for files in split(_paths(frame), size):
        yield MiniBatch.of(files)


def _paths(frame: Any) -> list[Path]:
    return sorted(Path(str(path)) for path in frame[_PATH])


def _plain(value: Any) -> Any:
    """Return a value of numpy as one of Python, which can be written as JSON."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value if isinstance(value, (str, int, float, bool)) else str(value)


def main() -> int:
    try:
        evaluate(Path(sys.argv[1]), Path(sys.argv[2]))
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
