"""The publishing step.

It writes the partition's predictions as CSV and Parquet, reconciled with the manifest. The step fails only if
it cannot read or write. Problems of the partition are recorded in reconciliation.json, which is written last.
"""

import argparse
import csv
import gc
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from decoding import DECODER
from embeddings import Vectors, write_embeddings
from picture_fonts import use_fonts
from reconcile import Reconciliation, reconcile
from rows import COLUMNS, Row, is_of_images, parse_rows, read_errors, read_manifest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_LABELS = 40
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
CsvForm = Literal["exact", "excel"]

log = logging.getLogger(__name__)


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    with args.rows.open(encoding="utf-8") as lines:
        names, errors = read_manifest(args.manifest), read_errors(args.manifest)
        vectors = Vectors()
        ours = is_of_images(args.rows)
        rows = vectors.leave_out(parse_rows(lines)) if ours else parse_rows(lines)
        outcome = reconcile(rows, names, args.max_error_rate, errors)
    subject = {key: getattr(args, key) for key in ("feed", "partition", "version", "generation")}
    if ours:  # the pixels of a step of users are not those of our decoder
        subject["decoder"] = DECODER

    args.predictions.mkdir(parents=True, exist_ok=True)
    write_csv(outcome.rows, args.predictions / "predictions.csv", args.csv)
    write_parquet(outcome.rows, args.predictions / "predictions.parquet")
    if vectors.any:
        write_embeddings(args.rows, outcome.rows, args.predictions / "embeddings.parquet")
    log_to_mlflow(outcome, subject)
    text = json.dumps(subject | outcome.summary(), indent=2)
    (args.predictions / "reconciliation.json").write_text(text, encoding="utf-8")
    log.info("partition_published verdict=%s %s", outcome.verdict, outcome.metrics())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--max-error-rate", type=float, required=True)
    parser.add_argument("--csv", choices=get_args(CsvForm), default="exact")
    for key in ("--feed", "--partition", "--version", "--generation"):
        parser.add_argument(key, required=True)
    return parser.parse_args()


def write_csv(rows: Sequence[Row], path: Path, form: CsvForm = "exact") -> None:
    """Write img, label, score, error and further columns, with quotes if a value needs them.

    The form `excel` has a byte order mark, and an apostrophe before a text that Excel would run as a formula.
    """
    excel = form == "excel"
    with path.open("w", encoding="utf-8-sig" if excel else "utf-8", newline="") as file:
        plain = csv.writer(file, lineterminator="\n")
        # Python's writer does not quote a single carriage return, which readers understand as the end of the
        # row.
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        more = more_columns(rows)
        plain.writerow([_without_formula(name) if excel else name for name in (*COLUMNS, *more)])
        for row in rows:
            further = dict(row.more)
            values = (*row[: len(COLUMNS)], *(_text_or_number(further.get(name)) for name in more))
            cells = [_without_formula(cell) if excel else cell for cell in values]
            writer = quoted if any("\r" in cell for cell in cells if isinstance(cell, str)) else plain
            writer.writerow(cells)


def more_columns(rows: Sequence[Row]) -> list[str]:
    """Return the names of further columns, in the order in which they first occur."""
    return list(dict.fromkeys(name for row in rows for name, _ in row.more))


def _text_or_number(value: Any) -> Any:
    """Return lists and dictionaries as JSON, and other values unchanged."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _without_formula(cell: Any) -> Any:
    """Return a cell as text that spreadsheets do not run: https://owasp.org/www-community/attacks/CSV_Injection."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def write_parquet(rows: Sequence[Row], path: Path) -> None:
    """Write the same columns. A value that does not apply, such as the label of a broken image, is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [row[index] or None for row in rows] for index, name in enumerate(COLUMNS)}
    columns["score"] = [row.score for row in rows]
    schema = pa.schema([(name, pa.float64() if name == "score" else pa.string()) for name in COLUMNS])
    table = pa.table(columns, schema=schema)
    further = [dict(row.more) for row in rows]
    for name in more_columns(rows):
        table = table.append_column(name, _column([_text_or_number(row.get(name)) for row in further]))
    pq.write_table(table, path)


def _column(values: Sequence[Any]) -> Any:
    """Return values as an Arrow array: of one type if they have one, otherwise as texts."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds <= {int, float} or len(kinds) == 1:
            return pa.array(values)
    except pa.ArrowException:  # an integer of more than 64 bits
        pass
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def log_to_mlflow(outcome: Reconciliation, subject: Mapping[str, str]) -> None:
    """Log metrics, summary and picture to the step's run and to the pipeline's run.

    People look at the pipeline's run first.
    """
    import mlflow

    with mlflow.start_run() as run:
        mlflow.set_tags({f"tidegate_{key}": value for key, value in subject.items()})
    client, picture = mlflow.MlflowClient(), draw_labels(outcome, f"{subject['feed']} {subject['version']}")
    for run_id in filter(None, (run.info.run_id, run.data.tags.get("mlflow.parentRunId"))):
        mlflow.log_metrics(outcome.metrics(), run_id=run_id)
        client.log_dict(run_id, outcome.summary(), "summary.json")
        client.log_figure(run_id, picture, "labels.png")


def draw_labels(outcome: Reconciliation, title: str) -> "Figure":
    """Draw the number of images for each label."""
    from matplotlib.figure import Figure

    use_fonts()
    labels = dict(list(outcome.labels().items())[:SHOWN_LABELS])
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(labels)), list(labels.values()), tick_label=list(labels))
    axes.set(title=title, xlabel="label", ylabel="images")
    return figure


if __name__ == "__main__":
    main()
