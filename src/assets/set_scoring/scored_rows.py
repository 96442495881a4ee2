"""The scored rows of a partition in DuckDB: what is counted, and the tables that are published."""

import shutil
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
from model_sets.info import SetInfo
from set_reconcile import SHOWN_ERRORS, FileRows, KeyWithoutForecast, SetReconciliation

CsvForm = Literal["exact", "excel"]
COLUMNS = ("forecast", "member", "status", "error")  # of the published tables, after keys and time
SORTED_ROWS = 5_000_000  # up to this number, the published rows are sorted by keys and time
SHOWN_KEYS = 5
NO_ROWS = "the partition has no rows of this key"
BYTE_ORDER_MARK = "\ufeff".encode()


class ScoredRows:
    """The rows of all buckets, which may be more than the memory holds."""

    def __init__(self, folder: Path, info: SetInfo, scratch: Path) -> None:
        self._info = info
        self._sql = duckdb.connect()
        self._sql.execute("SET temp_directory = $folder", {"folder": str(scratch)})
        self._sql.execute("SET memory_limit = '3GB'")
        files = sorted(str(file) for file in folder.glob("*.parquet")) if folder.is_dir() else []
        if files:
            self._sql.from_parquet(files).create_view("scored")
        else:
            self._sql.register("scored", _no_rows(info))

    def reconcile(
        self, index: pa.Table, files: Sequence[Mapping[str, Any]], max_error_rate: float
    ) -> SetReconciliation:
        """Count the rows of each file and the forecasts of each key.

        `files` are those of the manifest, each with `name`, and with `rows` or `error`. Those with rows
        have the numbers from 0 on.
        """
        counted = dict(self._sql.execute("SELECT file, count(*) FROM scored GROUP BY file").fetchall())
        statuses = dict(self._sql.execute("SELECT status, count(*) FROM scored GROUP BY status").fetchall())
        keys, without = self._keys(index)
        numbers = count()
        return SetReconciliation(
            files=[
                FileRows(file["name"], 0, 0, file["error"])
                if file.get("error")
                else FileRows(file["name"], file["rows"], counted.get(next(numbers), 0))
                for file in files
            ],
            statuses=statuses,
            keys=keys,
            without_forecast=without,
            reasons=self._reasons(),
            max_error_rate=max_error_rate,
        )

    def write(self, folder: Path, form: CsvForm) -> None:
        """Write predictions.parquet and predictions.csv.

        The form `excel` has a byte order mark, and an apostrophe before a text that Excel would run as a
        formula.
        """
        folder.mkdir(parents=True, exist_ok=True)
        names = [*self._info.keys, self._info.time, *COLUMNS]
        (rows,) = self._sql.execute("SELECT count(*) FROM scored").fetchone() or (0,)
        order = ", ".join(_quote(name) for name in (*self._info.keys, self._info.time))
        ordered = f"ORDER BY {order}" if rows <= SORTED_ROWS else ""
        parquet = folder / "predictions.parquet"
        self._copy(
            f"SELECT {_list(names)} FROM scored {ordered}", parquet, "FORMAT parquet, COMPRESSION zstd"
        )
        published = self._sql.from_parquet(str(parquet))
        published.create_view("published", replace=True)
        if form == "exact":
            self._copy("SELECT * FROM published", folder / "predictions.csv", "FORMAT csv, HEADER")
            return
        texts = [
            name for name, kind in zip(published.columns, published.types, strict=True) if kind == "VARCHAR"
        ]
        cells = ", ".join(_without_formula(name) if name in texts else _quote(name) for name in names)
        plain = folder / "predictions.csv.partial"
        self._copy(f"SELECT {cells} FROM published", plain, "FORMAT csv, HEADER")
        with (folder / "predictions.csv").open("wb") as marked, plain.open("rb") as lines:
            marked.write(BYTE_ORDER_MARK)
            shutil.copyfileobj(lines, marked, 1024 * 1024)
        plain.unlink()

    def totals(self) -> list[tuple[Any, float]]:
        """Return the sum of all forecasts for each time."""
        time = _quote(self._info.time)
        return self._sql.execute(
            f"SELECT {time}, sum(forecast) FROM scored WHERE forecast IS NOT NULL AND {time} IS NOT NULL "
            f"GROUP BY {time} ORDER BY {time}"
        ).fetchall()

    def _keys(self, index: pa.Table) -> tuple[int, list[KeyWithoutForecast]]:
        """Return the number of keys in index and data, and those that got no forecast."""
        keys = self._info.keys
        known = " AND ".join(f"{_quote(key)} IS NOT NULL" for key in keys)
        self._sql.register("expected", index.select([*keys, "reason"]))
        self._sql.execute(
            f"CREATE OR REPLACE TEMP TABLE by_key AS SELECT {_list(keys)}, count(forecast) AS forecasts, "
            f"min(error) FILTER (forecast IS NULL) AS error FROM scored WHERE {known} GROUP BY ALL"
        )
        both = f"by_key FULL JOIN expected USING ({_list(keys)})"
        (number,) = self._sql.execute(f"SELECT count(*) FROM {both}").fetchone() or (0,)
        reason = "CASE WHEN forecasts IS NULL THEN $none || coalesce('; ' || reason, '') ELSE error END"
        rows = self._sql.execute(
            f"SELECT {_spelled(keys)}, {reason} FROM {both} WHERE coalesce(forecasts, 0) = 0 "
            f"ORDER BY {_list(keys)}",
            {"none": NO_ROWS},
        ).fetchall()
        return number, [KeyWithoutForecast(key, reason) for key, reason in rows]

    def _reasons(self) -> list[tuple[str, int, list[str]]]:
        """Return the most frequent reasons of rows without a forecast."""
        keys = self._info.keys
        return self._sql.execute(
            f"SELECT error, sum(rows)::BIGINT AS total, list(key ORDER BY key)[:{SHOWN_KEYS}] FROM "
            f"(SELECT error, {_spelled(keys)} AS key, count(*) AS rows FROM scored WHERE forecast IS NULL "
            f"GROUP BY ALL) GROUP BY error ORDER BY total DESC, error LIMIT {SHOWN_ERRORS}"
        ).fetchall()

    def _copy(self, query: str, path: Path, options: str) -> None:
        self._sql.execute(f"COPY ({query}) TO {_literal(str(path))} ({options})")


def _no_rows(info: SetInfo) -> pa.Table:
    texts = [(name, pa.string()) for name in (*info.keys, "member", "status", "error")]
    fields = [*texts, (info.time, pa.date32()), ("forecast", pa.float64()), ("file", pa.int32())]
    return pa.schema(fields).empty_table()


def _spelled(keys: Sequence[str]) -> str:
    """Return an expression for a key as people read it: store=12, product=7."""
    parts = (f"{_literal(f'{key}=')} || coalesce({_quote(key)}, '')" for key in keys)
    return " || ', ' || ".join(parts)


def _without_formula(name: str) -> str:
    """Return an expression for a text that spreadsheets do not run."""
    column = _quote(name)
    starts = r"regexp_matches(" + column + r", '^[=+\-@\t\r]')"
    return f"CASE WHEN {starts} THEN '''' || {column} ELSE {column} END AS {column}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(_quote, names))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
