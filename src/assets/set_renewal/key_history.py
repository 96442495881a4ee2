"""The errors of keys over time: forecasts joined with actual values by key and step, and the earlier ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from key_renewal import KeyNow, RenewalRule, is_breached
from model_sets.errors import SetError
from model_sets.format import ModelSet
from model_sets.index import IndexRow
from model_sets.key_errors import METRICS, SUMS, errors_of, sums_sql
from model_sets.queries import key_columns
from model_sets.times import steps_of

Key = tuple[str, ...]
PARTITION = "partition"
COLUMNS = (PARTITION, "rows", *METRICS, "member", "reference", "breached")


@dataclass(frozen=True)
class Comparison:
    """What the newest partition shows: the errors of the compared keys, and the state of every key.

    `doubled` is the number of times that have several actual values of a key. They do not count.
    """

    names: Sequence[str]
    errors: pa.Table
    keys: Mapping[Key, KeyNow]
    members: Mapping[Key, str | None]
    doubled: int

    def rows(self) -> list[dict[str, Any]]:
        """Return the errors of the compared keys, each with its `key`."""
        return [row | {"key": tuple(row[name] for name in self.names)} for row in self.errors.to_pylist()]

    def breaches(self, history: pa.Table) -> dict[Key, list[bool]]:
        """Return for each key which partitions of its present member were breached, oldest first.

        Partitions of earlier members, and those that do not count, are left out.
        """
        found: dict[Key, list[bool]] = defaultdict(list)
        for row in history.sort_by(PARTITION).to_pylist():
            key = tuple(row[name] for name in self.names)
            if row["breached"] is not None and row["member"] == self.members.get(key):
                found[key].append(row["breached"])
        return found


def compare(
    members: ModelSet, predictions: Path, actuals: Sequence[str], partition: str, rule: RenewalRule
) -> Comparison:
    """Join the forecasts with the actual values, and measure each key.

    `actuals` are the files of a split. Raise SetError if the predictions lack a column.
    """
    names = members.info.keys
    index = {row.key: row for row in members.rows()}
    sql = _joined(members, predictions, actuals)
    listed = ", ".join(_quote(name) for name in names)
    measured = sql.execute(
        f"SELECT {listed}, any_value(member) AS member, {sums_sql('actual', 'forecast')} FROM joined "
        "WHERE forecast IS NOT NULL AND actual IS NOT NULL GROUP BY ALL"
    ).to_arrow_table()
    failures = sql.execute(
        f"SELECT {listed}, min(error) FROM predictions GROUP BY ALL HAVING count(forecast) = 0"
    ).fetchall()
    counted = sql.execute(
        f"SELECT {listed}, count(*) FROM actuals WHERE value IS NOT NULL GROUP BY ALL"
    ).fetchall()
    (doubled,) = sql.execute("SELECT count(*) FROM actual_values WHERE number > 1").fetchone() or (0,)
    rows = {row[:-1]: row[-1] for row in counted}
    why = {row[:-1]: row[-1] or "no reason is known" for row in failures}
    keys = {key: _now(index.get(key), rows.get(key, 0), why.get(key, "")) for key in sorted({*index, *rows})}
    errors = _errors(measured, names, partition, index, rule)
    return Comparison(names, errors, keys, {key: row.trained_in for key, row in index.items()}, doubled)


def with_earlier(errors: pa.Table, earlier: Path | None) -> pa.Table:
    """Return the errors with those of earlier partitions. A partition that is compared again is replaced."""
    if earlier is None or not earlier.is_file():
        return errors
    before = pq.read_table(earlier)
    if set(before.column_names) != set(errors.column_names):
        raise SetError(f"the earlier errors have the columns {', '.join(before.column_names)}")
    partitions = set(errors[PARTITION].to_pylist())
    kept = [row not in partitions for row in before[PARTITION].to_pylist()]
    return pa.concat_tables(
        [before.filter(pa.array(kept)).select(errors.column_names).cast(errors.schema), errors]
    )


def _joined(members: ModelSet, predictions: Path, actuals: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """Return a connection with the tables predictions, actuals, actual_values and joined."""
    info = members.info
    published = pq.read_table(predictions)
    needed = [*info.keys, info.time, "forecast", "member", "error"]
    if missing := [name for name in needed if name not in published.column_names]:
        raise SetError(f"the predictions have no column {', '.join(missing)}")
    steps = steps_of(published[info.time], info.frequency, info.time)
    sql = duckdb.connect()
    sql.register("predictions", published.select(needed).append_column("step", pa.array(steps)))
    renamed = ", ".join(
        f"{short} AS {_quote(name)}" for short, name in zip(key_columns(info), info.keys, strict=True)
    )
    listed = ", ".join(_quote(name) for name in info.keys)
    if actuals:
        files = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in actuals) + "]"
        source = f"read_parquet({files}, hive_partitioning = false)"
        sql.execute(f"CREATE TEMP TABLE actuals AS SELECT {renamed}, step, value FROM {source}")
    else:
        columns = ", ".join(f"{_quote(name)} VARCHAR" for name in info.keys)
        sql.execute(f"CREATE TEMP TABLE actuals ({columns}, step INTEGER, value FLOAT)")
    sql.execute(
        f"CREATE TEMP TABLE actual_values AS SELECT {listed}, step, min(value)::DOUBLE AS actual, "
        "count(*) AS number FROM actuals WHERE value IS NOT NULL GROUP BY ALL"
    )
    own = ", ".join(f"p.{_quote(name)}" for name in info.keys)
    sql.execute(
        f"CREATE TEMP VIEW joined AS SELECT {own}, p.forecast, p.member, a.actual FROM predictions AS p "
        f"JOIN (SELECT * FROM actual_values WHERE number = 1) AS a USING ({listed}, step)"
    )
    return sql


def _now(row: IndexRow | None, rows: int, failure: str) -> KeyNow:
    if row is None:
        return KeyNow(None, rows)
    return KeyNow(row.state, rows, row.rows, failure or (row.reason or "" if row.state == "failed" else ""))


def _errors(
    measured: pa.Table, names: Sequence[str], partition: str, index: Mapping[Key, IndexRow], rule: RenewalRule
) -> pa.Table:
    """Return the errors as a table with the key columns and COLUMNS."""
    sums = np.stack([measured[name].to_numpy() for name in SUMS], axis=1)
    values = errors_of(sums)
    keys = list(zip(*(measured[name].to_pylist() for name in names), strict=True))
    references = [getattr(index[key], rule.metric) if key in index else None for key in keys]
    bounds = np.array([np.nan if value is None else value for value in references], np.float64)
    counts = sums[:, 0].astype(np.int64)
    breached = [
        is_breached(rule, float(error), float(bound), int(count))
        for error, bound, count in zip(values[rule.metric], bounds, counts, strict=True)
    ]
    columns = {name: measured[name].cast(pa.string()) for name in names}
    columns |= {
        PARTITION: pa.array([partition] * len(keys), pa.string()),
        "rows": pa.array(counts, pa.int64()),
    }
    columns |= {name: pa.array(values[name], pa.float64(), from_pandas=True) for name in METRICS}
    columns["member"] = measured["member"].cast(pa.string())
    columns["reference"] = pa.array(references, pa.float64())
    columns["breached"] = pa.array(breached, pa.bool_())
    return pa.table(columns)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
