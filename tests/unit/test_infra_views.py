"""The SQL views over predictions: T-SQL that parses, and the same SELECT on files of the publishing step."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import sqlglot
from publish_predictions import write_parquet
from rows import Row
from sqlglot import exp

from tidegate.cloud.parquet import to_parquet
from tidegate.domain.history_tables import (
    ACTIVITIES,
    MEMBERS,
    PARTITIONS,
    VERDICTS,
    HistoryTable,
    jobs_table,
)

VIEWS = Path("infra/optional/sql/views.sql")
# sqlglot does not parse OPENROWSET(BULK ...), so the name of a table replaces it first.
OPENROWSET = re.compile(
    r"OPENROWSET\(BULK '(?P<files>[^']+)', DATA_SOURCE = '(?P<source>\w+)'[^)]*\)( WITH \([^)]*\(MAX\)\))?"
)
# The folders of the external data sources.
SOURCES = {"published": "predictions", "history": "history"}


def batches() -> list[str]:
    text = re.sub(r"^--.*\n", "", VIEWS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [batch.strip() for batch in re.split(r"^GO$", text, flags=re.MULTILINE) if batch.strip()]


def selects() -> dict[str, tuple[exp.Expression, str]]:
    """The SELECT of each view, and the files that it reads."""
    found = {}
    for batch in batches():
        if "VIEW" in batch:
            files = OPENROWSET.search(batch)
            (view,) = sqlglot.parse(OPENROWSET.sub("opened", batch).rstrip(";"), read="tsql")
            assert isinstance(view, exp.Create), f"no view: {batch}"
            path = f"{SOURCES[files['source']]}/{files['files']}" if files else ""
            found[view.this.name] = (view.expression, path)
    return found


def publish(folder: Path, result: str, rows: list[Row], verdict: str) -> None:
    (folder / result).mkdir(parents=True)
    write_parquet(rows, folder / result / "predictions.parquet")
    text = f'{{\n  "verdict": "{verdict}",\n  "files": {len(rows)},\n  "errors": 0\n}}'
    (folder / result / "reconciliation.json").write_text(text, encoding="utf-8")


def write_history(folder: Path, table: HistoryTable) -> None:
    """Write a table as the service does. Of the activities there is an older copy of one of two rows, too."""
    paths, rows = [folder / f"tables/{table.name}.parquet"], [[{}]]
    if table is ACTIVITIES:
        moved = datetime(2026, 11, 21, tzinfo=UTC)
        first, second = ({"subject": "digits:202611", "id": id, "title": "new"} for id in ("a", "b"))
        older = first | {"title": "old", "moved_at": moved - timedelta(days=1)}
        paths = [folder / f"activities/2026{month}/x.parquet" for month in (10, 11)]
        rows = [[older], [first | {"moved_at": moved}, second | {"moved_at": moved}]]
    for path, content in zip(paths, rows, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_parquet(table.columns, content))


@pytest.fixture
def database(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """The views in DuckDB. OPENROWSET is read_parquet or read_text, and filepath(n) a part of the path."""
    folder = tmp_path / "predictions"
    publish(folder, "digits/202610/202610-1/g1", [Row("a.png", "3", 0.9, "")], "ok")
    publish(folder, "digits/202611/202611-1/g1", [Row("b.png", "4", 0.8, "")], "ok")
    publish(folder, "digits/202611/202611-10/g1", [Row("b.png", "5", 0.7, "")], "ok")
    publish(
        folder,
        "digits/202611/202611-10/g2",
        [Row("b.png", "6", 0.6, ""), Row("c.png", "", None, "broken")],
        "ok",
    )
    publish(folder, "digits/202611/202611-11/g1", [Row("b.png", "7", 0.5, "")], "incomplete")
    for table in (PARTITIONS, jobs_table(None), VERDICTS, MEMBERS, ACTIVITIES):
        write_history(tmp_path / "history", table)
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA dbo")
    for name, (select, files) in selects().items():
        reader = "read_parquet" if files.endswith(".parquet") else "read_text"
        columns = "*" if reader == "read_parquet" else "content AS document, filename"
        option = ", filename = true" if reader == "read_parquet" else ""
        opened = f"(SELECT {columns} FROM {reader}('{tmp_path}/{files}'{option}))"
        sql = select.sql("duckdb").replace("opened AS files", f"{opened} AS files")
        sql = re.sub(
            r"files\.FILEPATH\((\d)\)",
            rf"split_part(substr(files.filename, {len(str(folder)) + 2}), '/', \1)",
            sql,
            flags=re.IGNORECASE,
        )
        connection.execute(f"CREATE VIEW dbo.{name} AS {sql}")
    return connection


def test_every_batch_is_sql() -> None:
    assert [batch.split("\n")[0] for batch in batches() if batch.startswith("CREATE OR ALTER VIEW")] == [
        "CREATE OR ALTER VIEW dbo.published_rows AS",
        "CREATE OR ALTER VIEW dbo.reconciliations AS",
        "CREATE OR ALTER VIEW dbo.predictions AS",
        "CREATE OR ALTER VIEW dbo.partitions AS",
        "CREATE OR ALTER VIEW dbo.jobs AS",
        "CREATE OR ALTER VIEW dbo.verdicts AS",
        "CREATE OR ALTER VIEW dbo.members AS",
        "CREATE OR ALTER VIEW dbo.activities AS",
    ]
    assert len(selects()) == len([batch for batch in batches() if "VIEW" in batch])


@pytest.mark.parametrize("table", [PARTITIONS, jobs_table(None), VERDICTS, MEMBERS], ids=lambda one: one.name)
def test_each_table_of_the_service_is_a_view_with_its_columns(
    database: duckdb.DuckDBPyConnection, table: HistoryTable
) -> None:
    columns = database.sql(f"SELECT * FROM dbo.{table.name}").columns

    assert set(columns) - {"filename"} == set(table.columns)


def test_an_activity_that_is_in_the_lake_twice_is_its_newest_copy(
    database: duckdb.DuckDBPyConnection,
) -> None:
    rows = database.execute("SELECT id, title FROM dbo.activities ORDER BY id").fetchall()

    assert rows == [("a", "new"), ("b", "new")]


def test_all_published_rows_have_the_names_of_their_path(database: duckdb.DuckDBPyConnection) -> None:
    rows = database.execute(
        "SELECT feed, partition_name, version, generation, img FROM dbo.published_rows"
    ).fetchall()

    assert len(rows) == 6
    assert ("digits", "202611", 10, 2, "c.png") in rows


def test_the_predictions_of_a_partition_are_those_of_its_newest_reconciled_result(
    database: duckdb.DuckDBPyConnection,
) -> None:
    rows = database.execute("SELECT * FROM dbo.predictions ORDER BY partition_name, img").fetchall()

    assert rows == [
        ("digits", "202610", 1, 1, "a.png", "3", 0.9, None),
        ("digits", "202611", 10, 2, "b.png", "6", 0.6, None),
        ("digits", "202611", 10, 2, "c.png", None, None, "broken"),
    ]
