"""The entry script of the parallel step. It scores the table files of mini-batches, each file by itself.

The rows of a file go to Parquet files in the output `parts`, named by the file's name, so that a retried
mini-batch writes the same ones again. The step returns one JSON record for each file, with its number of
rows.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from listed_files import ListedFiles, read_listed
from table_files import BrokenTableError, Chunk, read_chunks
from table_model import TableModel
from table_parts import FileRecord, PartWriter

log = logging.getLogger(__name__)


class TableScorer:
    """The model with the manifest. It scores one listed file after another.

    `keep` names columns of the files that the predictions have, too.
    """

    def __init__(
        self, root: Path, parts: Path, model: TableModel, listed: ListedFiles, keep: Sequence[str] = ()
    ) -> None:
        self._root = root
        self._parts = parts
        self._model = model
        self._listed = listed
        self._keep = keep

    def score(self, files: Sequence[str]) -> list[FileRecord]:
        """Return a record for each file. A file that cannot be read has an error instead of rows."""
        return [self._record(file) for file in files]

    def _record(self, file: str) -> FileRecord:
        name = self._listed.name_of(file, self._root)
        if refusal := self._listed.refusal(name):
            return FileRecord(name, error=refusal)
        try:
            return self._score(Path(file), name)
        except BrokenTableError as error:
            return FileRecord(name, error=str(error))

    def _score(self, file: Path, name: str) -> FileRecord:
        wanted = {column.name for column in self._model.columns} | set(self._keep)
        with PartWriter(self._parts, name) as writer:
            for chunk in read_chunks(file, wanted):
                writer.write(self._predictions(chunk))
        return writer.record

    def _predictions(self, chunk: Chunk) -> pa.Table:
        """Return row number, kept columns, predictions and error of each row, in the order of the rows."""
        predictions, errors = self._model.predict(chunk.table)
        columns: dict[str, pa.Array | pa.ChunkedArray] = {"row": pa.array(chunk.rows, pa.int64())}
        for name in self._keep:
            if name in chunk.table.column_names:
                columns[name] = chunk.table.column(name)
        columns |= {name: predictions.column(name) for name in predictions.column_names}
        columns["error"] = pa.array(errors.tolist(), pa.string())
        table = pa.table(columns)
        if not chunk.broken:
            return table
        broken = pa.table({"row": list(chunk.broken), "error": list(chunk.broken.values())})
        both = pa.concat_tables([table, broken], promote_options="default")
        return both.take(np.argsort(both.column("row").to_numpy(), kind="stable"))


_scorer: TableScorer


def init() -> None:
    """Load the manifest and the model, once in each process."""
    global _scorer  # noqa: PLW0603  Azure ML calls module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for key in ("--data", "--manifest", "--model", "--parts"):
        parser.add_argument(key, type=Path, required=True)
    parser.add_argument("--keep", default="none")
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    args.parts.mkdir(parents=True, exist_ok=True)
    listed = read_listed(args.manifest)
    keep = [] if args.keep == "none" else [name.strip() for name in args.keep.split(",")]
    _scorer = TableScorer(args.data, args.parts, TableModel(args.model), listed, keep)


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score one mini-batch and return a record for each of its files."""
    records = _scorer.score(list(mini_batch))
    log.info("mini_batch_scored files=%d rows=%d", len(records), sum(record.rows for record in records))
    return [json.dumps(record.as_dict()) for record in records]
