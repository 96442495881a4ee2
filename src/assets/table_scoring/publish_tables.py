"""The publishing step.

It writes the partition's predictions as CSV and Parquet, reconciled with the manifest row by row. The step
fails only if it cannot read or write. Problems of the partition are recorded in reconciliation.json, which is
written last. Rows are read and written in batches, so that a partition may be larger than the memory.
"""

import argparse
import csv
import gc
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from listed_files import read_listed
from picture_fonts import use_fonts
from step_log import StepLog, add_publishing_arguments, log_to_mlflow, subject_of
from table_parts import parse_records
from table_reconciliation import FileRows, Reconciliation, common_schema, match, with_schema

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_BARS = 30
CsvForm = Literal["exact", "excel"]

log = logging.getLogger(__name__)


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    with args.rows.open(encoding="utf-8") as lines:
        outcome = match(parse_records(lines), read_listed(args.manifest), args.max_error_rate)
    subject = subject_of(args)

    args.predictions.mkdir(parents=True, exist_ok=True)
    publish(outcome, args.parts, args.predictions, args.csv)
    write_files(outcome.files, args.predictions / "files.csv")
    summary, title = outcome.summary(), f"{subject['feed']} {subject['version']}"
    picture = draw_errors(summary["worst_errors"], outcome.rows, title)
    log_to_mlflow(StepLog(subject, outcome.metrics(), {"summary.json": summary}, {"rows.png": picture}))
    text = json.dumps(subject | summary, indent=2)
    (args.predictions / "reconciliation.json").write_text(text, encoding="utf-8")
    log.info("partition_published verdict=%s %s", outcome.verdict, outcome.metrics())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--rows", "--parts", "--manifest"):
        parser.add_argument(key, type=Path, required=True)
    add_publishing_arguments(parser)
    return parser.parse_args()


def publish(outcome: Reconciliation, parts: Path, folder: Path, form: CsvForm = "exact") -> None:
    """Write predictions.parquet and predictions.csv, and complete the tally of `outcome`."""
    schema = common_schema(outcome.listed, parts)
    outcome.label_column = label_column(schema)
    with (
        pq.ParquetWriter(folder / "predictions.parquet", schema) as parquet,
        CsvFile(folder / "predictions.csv", schema, form) as csv_file,
    ):
        for table in outcome.tables(parts):
            rows = with_schema(table, schema)
            parquet.write_table(rows)
            csv_file.write(rows)


def label_column(schema: pa.Schema) -> str:
    """Return the column whose values are counted: `label`, or the only prediction if it is a text."""
    for name in ("label", "prediction"):
        if name in schema.names and pa.types.is_string(schema.field(name).type):
            return name
    return ""


class CsvFile:
    """A CSV file in UTF-8, in which each text is in quotes.

    The form `excel` has a byte order mark, and an apostrophe before a text that Excel would run as a formula.
    """

    def __init__(self, path: Path, schema: pa.Schema, form: CsvForm) -> None:
        self._excel = form == "excel"
        self._schema = pa.schema([(f.name, f.type if _fits_csv(f.type) else pa.string()) for f in schema])
        self._file = path.open("wb")
        if self._excel:
            self._file.write(b"\xef\xbb\xbf")
        self._writer = pa_csv.CSVWriter(self._file, self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._writer.close()
        self._file.close()

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(
            pa.table([self._cells(column) for column in rows.columns], schema=self._schema)
        )

    def _cells(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if not _fits_csv(column.type):
            texts = [
                None if value is None else json.dumps(value, default=str) for value in column.to_pylist()
            ]
            return pa.chunked_array([pa.array(texts, pa.string())])
        if self._excel and pa.types.is_string(column.type):
            # https://owasp.org/www-community/attacks/CSV_Injection
            return pc.replace_substring_regex(column, r"\A([=+\-@\t\r])", r"'\1")
        return column


def _fits_csv(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def write_files(files: Iterable[FileRows], path: Path) -> None:
    """Write how many rows of each file were published, and what is wrong with it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(("file", "rows", "errors", "state", "error"))
        writer.writerows(files)


def draw_errors(worst: Sequence[Mapping[str, object]], rows: int, title: str) -> "Figure":
    """Draw the number of rows, and of rows with each of the most frequent errors."""
    from matplotlib.figure import Figure

    use_fonts()
    bars = [("all rows", rows), *((str(item["error"])[:60], int(str(item["count"]))) for item in worst)][
        :SHOWN_BARS
    ]
    figure = Figure(figsize=(8, 1.5 + 0.3 * len(bars)), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in bars], [count for _, count in bars])
    axes.invert_yaxis()
    axes.set(title=title, xlabel="rows")
    return figure


if __name__ == "__main__":
    main()
