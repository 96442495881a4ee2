"""The errors of both sets by key, measured in one pass over the rows of the holdout, and the decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from member_rule import MemberDecision, MemberResult, MemberRule, decide_member
from model_sets.index import IndexRow
from model_sets.key_errors import METRICS, SUMS, Array, errors_of, sums_sql

Key = tuple[str, ...]
Index = Mapping[Key, IndexRow]


@dataclass(frozen=True)
class SideErrors:
    """The errors of one set for all keys: its sums (keys, 6), over all its rows and over the rows of both.

    `missing` is the number of rows without a forecast for each key, and `why` the reason of one of them.
    """

    sums: Array
    of_both: Array
    missing: Array
    why: Sequence[str | None]


@dataclass(frozen=True)
class KeyErrors:
    """What the holdout shows of each key, in the order of `keys`. `rows` is the number of its rows."""

    keys: Sequence[Key]
    rows: Array
    candidate: SideErrors
    champion: SideErrors | None


def measure_keys(rows: pa.Table, keys: Sequence[str], expected: Sequence[Key]) -> KeyErrors:
    """Measure each expected key. Rows of other keys do not count.

    `rows` has the key columns, `actual`, and for each set its forecast and `..._error`.
    """
    sides = [side for side in ("candidate", "champion") if side in rows.column_names]
    names = ", ".join(_quote(name) for name in keys)
    sql = duckdb.connect()
    sql.register("rows", rows)
    wanted = {name: pa.array([key[part] for key in expected], pa.string()) for part, name in enumerate(keys)}
    sql.register("expected", pa.table(wanted | {"place": pa.array(range(len(expected)), pa.int64())}))
    columns = [", ".join(_of_side(side, sides)) for side in sides]
    measured = sql.sql(
        f"SELECT place, count(*)::BIGINT AS found, {', '.join(columns)} FROM rows "
        f"JOIN expected USING ({names}) GROUP BY place"
    ).to_arrow_table()
    places = measured["place"].to_numpy()
    found = np.zeros(len(expected), np.int64)
    found[places] = measured["found"].to_numpy()
    of_sides = {side: _side(measured, side, places, len(expected)) for side in sides}
    return KeyErrors(expected, found, of_sides["candidate"], of_sides.get("champion"))


def unexpected_keys(rows: pa.Table, keys: Sequence[str], expected: Sequence[Key]) -> list[Key]:
    """Return the keys of the holdout that the candidate's index lacks."""
    found = rows.select(list(keys)).group_by(list(keys)).aggregate([])
    columns = [found[name].to_pylist() for name in keys]
    return sorted(set(zip(*columns, strict=True)) - set(expected), key=str)


def decide_all(
    rule: MemberRule, errors: KeyErrors, candidate: Index, champion: Index | None
) -> list[MemberDecision]:
    """Decide each key, in the order of `errors.keys`."""
    number = METRICS.index(rule.metric)
    both = _values(errors.candidate.of_both)[number]
    other = _values(errors.champion.of_both)[number] if errors.champion else np.full(len(both), np.nan)
    compared = errors.candidate.of_both[:, 0]
    decisions = []
    for place, key in enumerate(errors.keys):
        first = _result(errors.candidate, place, candidate.get(key), float(both[place]))
        second = None
        if champion is not None and errors.champion is not None:
            second = _result(errors.champion, place, champion.get(key), float(other[place]))
        decisions.append(decide_member(rule, first, second, int(compared[place])))
    return decisions


def _result(side: SideErrors, place: int, row: IndexRow | None, value: float) -> MemberResult:
    """Return what a set showed for a key. Without rows in the holdout, its member counts as usable."""
    if row is None or row.entry is None:
        reason = row.reason if row else None
        return MemberResult(False, why=reason or "the set has no member for this key")
    if missing := int(side.missing[place]):
        total = missing + int(side.sums[place, 0])
        why = f"{missing} of {total} rows of the holdout have no forecast: {side.why[place]}"
        return MemberResult(False, why=why)
    return MemberResult(True, value)


def _of_side(side: str, sides: Sequence[str]) -> list[str]:
    """Return DuckDB's aggregates of a set: sums over its rows, and over the rows that all sets forecast."""
    everywhere = " + ".join(f"0 * {_quote(other)}" for other in sides)  # null if one of them is null
    shared = f"({_quote(side)} + {everywhere})"
    own, both = sums_sql("actual", _quote(side)), sums_sql("actual", shared)
    return [
        _renamed(own, side),
        _renamed(both, f"{side}_both"),
        f"(count(*) - count({_quote(side)}))::BIGINT AS {side}_missing",
        f"min({_quote(f'{side}_error')}) FILTER ({_quote(side)} IS NULL) AS {side}_why",
    ]


def _renamed(sql: str, prefix: str) -> str:
    for name in SUMS:
        sql = sql.replace(f" AS {name}", f" AS {prefix}_{name}")
    return sql


def _side(measured: pa.Table, side: str, places: Array, size: int) -> SideErrors:
    def sums(prefix: str) -> Array:
        values = np.zeros((size, len(SUMS)))
        values[places] = np.stack([measured[f"{prefix}_{name}"].to_numpy() for name in SUMS], axis=1)
        return values

    missing = np.zeros(size, np.int64)
    missing[places] = measured[f"{side}_missing"].to_numpy()
    why: list[str | None] = [None] * size
    for place, text in zip(places.tolist(), measured[f"{side}_why"].to_pylist(), strict=True):
        why[place] = text
    return SideErrors(sums(side), sums(f"{side}_both"), missing, why)


def _values(sums: Array) -> Array:
    errors = errors_of(sums)
    return np.stack([errors[name] for name in METRICS])


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def metrics_table(
    errors: KeyErrors, decisions: Sequence[MemberDecision], keys: Sequence[str]
) -> dict[str, Any]:
    """Return the columns of members.parquet: each key with both errors, the decision and its reason."""
    columns: dict[str, Any] = {
        name: pa.array([key[part] for key in errors.keys], pa.string()) for part, name in enumerate(keys)
    }
    columns["rows"] = pa.array(errors.rows)
    for side, of_side in (("candidate", errors.candidate), ("champion", errors.champion)):
        if of_side is not None:
            values = errors_of(of_side.sums)
            columns |= {f"{side}_{name}": pa.array(values[name], from_pandas=True) for name in METRICS}
    for name in ("comparison", "choice", "reason"):
        columns[name] = pa.array([getattr(decision, name) for decision in decisions], pa.string())
    return columns
